use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::testing::n;
use crate::zone::text;

const HOUR: Duration = Duration::from_secs(3600);

/// A server that says what it is told to, and counts what it is asked.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// `None`: it cannot be reached.
    serial: Option<u32>,
    checks: usize,
    transfers: usize,
}

impl Fake {
    fn with<T>(&self, see: impl FnOnce(&mut State) -> T) -> T {
        see(&mut self.0.lock().unwrap())
    }
}

impl Primary for Fake {
    async fn serial(&self) -> Result<u32, String> {
        self.with(|state| {
            state.checks += 1;
            state.serial.ok_or_else(|| "down".to_owned())
        })
    }

    /// Refresh after two hours, retry after one, expire after ten.
    async fn zone(&self) -> Result<Zone, String> {
        let serial = self.with(|state| {
            state.transfers += 1;
            state.serial.ok_or_else(|| "down".to_owned())
        })?;
        let text = format!("@ 60 IN SOA ns host {serial} 2h 1h 10h 5");
        let read = |_: &Path, _| Ok(text.clone().into_bytes());
        let zone = text::read(Path::new("db"), n("example.org.").view(), None, &read);
        Ok(zone.unwrap().unwrap())
    }
}

struct Bed {
    replica: Arc<Replica>,
    fake: Fake,
    stop: CancellationToken,
}

impl Bed {
    fn start(serial: Option<u32>) -> Self {
        let (fake, stop) = (Fake::default(), CancellationToken::new());
        fake.with(|state| state.serial = serial);
        let replica = Arc::new(Replica::new(n("example.org."), Vec::new()));
        let task = update(replica.clone(), fake.clone(), None, stop.clone());
        tokio::spawn(task);
        Self {
            replica,
            fake,
            stop,
        }
    }

    fn serial(&self) -> Option<u32> {
        self.replica.zone().as_ref().map(|zone| zone.serial())
    }

    fn say(&self, serial: Option<u32>) {
        self.fake.with(|state| state.serial = serial);
    }

    fn counts(&self) -> (usize, usize) {
        self.fake.with(|state| (state.checks, state.transfers))
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Lets so many hours pass, and the jitter.
async fn hours(count: u32) {
    sleep(HOUR * count + Duration::from_secs(6)).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_transfer_is_tried_ever_less_often() {
    let bed = Bed::start(None);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(bed.counts(), (0, 1));
    // After 0.25, 0.75, 1.75, 3.75 and 7.75 s, and then each 10 s.
    sleep(Duration::from_secs(9)).await;
    assert_eq!(bed.counts(), (0, 6));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(bed.counts(), (0, 12));
    bed.say(Some(1));
    sleep(LONGEST_PAUSE).await;
    assert_eq!(bed.serial(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_newer_serial_is_transferred_after_the_refresh_time() {
    let bed = Bed::start(Some(4_294_967_295));
    hours(1).await;
    assert_eq!((bed.serial(), bed.counts()), (Some(u32::MAX), (0, 1)));
    hours(1).await;
    assert_eq!(bed.counts(), (1, 1));
    // RFC 1982: what follows the largest number.
    bed.say(Some(3));
    hours(2).await;
    assert_eq!((bed.serial(), bed.counts()), (Some(3), (2, 2)));
    bed.say(Some(2));
    hours(2).await;
    assert_eq!((bed.serial(), bed.counts()), (Some(3), (3, 2)));
}

#[tokio::test(start_paused = true)]
async fn a_notify_is_followed_at_once() {
    let bed = Bed::start(Some(1));
    sleep(Duration::from_secs(1)).await;
    bed.say(Some(2));
    bed.replica.wake();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bed.serial(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_zone_expires_and_comes_back() {
    let bed = Bed::start(Some(1));
    hours(1).await;
    bed.say(None);
    hours(8).await;
    assert!(!bed.replica.is_expired());
    // The refresh failed, and each retry since.
    assert!(bed.counts().0 >= 7, "{:?}", bed.counts());
    hours(1).await;
    assert!(bed.replica.is_expired());
    // The same serial is enough: it is still the newest.
    bed.say(Some(1));
    hours(1).await;
    assert!(!bed.replica.is_expired());
    assert_eq!(bed.counts().1, 1);
}
