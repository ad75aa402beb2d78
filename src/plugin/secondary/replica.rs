//! A zone of other servers, and what keeps it current (RFC 1034, 4.3.5; RFC 1996).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::name::Name;
use crate::plugin::transfer::Transfers;
use crate::zone::Zone;

/// The first pause after a transfer that failed, while there is no zone; each is twice the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// So many milliseconds at most are added to the times of an SOA record, so that not all zones are
/// asked for at once.
const REFRESH_JITTER: u64 = 5000;
const RETRY_JITTER: u64 = 2000;

/// A server that has the zone.
pub(super) trait Primary: Send + Sync + 'static {
    /// The serial of the zone that it has.
    fn serial(&self) -> impl Future<Output = Result<u32, String>> + Send;
    /// The zone that it has.
    fn zone(&self) -> impl Future<Output = Result<Zone, String>> + Send;
}

/// A zone as it was last transferred.
pub(super) struct Replica {
    origin: Name,
    from: Vec<SocketAddr>,
    zone: ArcSwapOption<Zone>,
    /// No server could be asked for as long as the SOA record allows.
    is_expired: AtomicBool,
    /// The zone came from other servers than those that are asked now: serials do not compare.
    is_inherited: AtomicBool,
    /// A server told of a change.
    told: Notify,
}

impl Replica {
    pub(super) fn new(origin: Name, from: Vec<SocketAddr>) -> Self {
        Self {
            origin,
            from,
            zone: ArcSwapOption::empty(),
            is_expired: AtomicBool::new(false),
            is_inherited: AtomicBool::new(false),
            told: Notify::new(),
        }
    }

    /// The same zone, to be had from other servers from now on; what these have is taken whatever its
    /// serial.
    pub(super) fn heir(of: &Self, from: Vec<SocketAddr>) -> Self {
        let heir = Self::new(of.origin.clone(), from);
        heir.zone.store(of.zone.load_full());
        heir.is_expired.store(of.is_expired(), Ordering::Relaxed);
        heir.is_inherited.store(true, Ordering::Relaxed);
        heir
    }

    pub(super) fn origin(&self) -> &Name {
        &self.origin
    }

    pub(super) fn from(&self) -> &[SocketAddr] {
        &self.from
    }

    /// Serves this zone, as if it had been transferred.
    #[cfg(test)]
    pub(super) fn put(&self, zone: Zone) {
        self.zone.store(Some(Arc::new(zone)));
    }

    /// What is served; nothing until it was transferred.
    pub(super) fn zone(&self) -> arc_swap::Guard<Option<Arc<Zone>>> {
        self.zone.load()
    }

    pub(super) fn is_expired(&self) -> bool {
        self.is_expired.load(Ordering::Relaxed)
    }

    /// Has the servers asked soon.
    pub(super) fn wake(&self) {
        self.told.notify_one();
    }

    /// Transfers the zone if there is a newer one. Whether it did.
    async fn refresh(&self, primary: &impl Primary) -> Result<bool, String> {
        let have = self.zone.load().as_ref().map(|zone| zone.serial());
        if let Some(have) = have.filter(|_| !self.is_inherited.load(Ordering::Relaxed))
            && !is_newer(primary.serial().await?, have)
        {
            self.is_expired.store(false, Ordering::Relaxed);
            return Ok(false);
        }
        let zone = primary.zone().await?;
        info!(target: "plugin/secondary", "Transferred: {} with {} SOA serial", self.origin, zone.serial());
        self.zone.store(Some(Arc::new(zone)));
        self.is_inherited.store(false, Ordering::Relaxed);
        self.is_expired.store(false, Ordering::Relaxed);
        Ok(true)
    }

    /// Refresh, retry and expire of the zone that is served.
    fn timers(&self) -> [Duration; 3] {
        let [refresh, retry, expire, _] = self
            .zone
            .load()
            .as_ref()
            .map_or([1; 4], |zone| zone.timers());
        [refresh, retry, expire].map(|seconds| Duration::from_secs(seconds.max(1).into()))
    }
}

/// Whether a serial comes after another one (RFC 1982).
fn is_newer(serial: u32, than: u32) -> bool {
    serial != than && serial.wrapping_sub(than) < 1 << 31
}

/// Transfers the zone and keeps it current until it is stopped.
pub(super) async fn update(
    replica: Arc<Replica>,
    primary: impl Primary,
    transfers: Option<Arc<Transfers>>,
    stop: CancellationToken,
) {
    let update = async {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = check(&replica, &primary, transfers.as_deref()).await {
            let origin = &replica.origin;
            warn!(target: "plugin/secondary", "All '{origin}' masters failed to transfer, retrying in {pause:?}: {error}");
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        loop {
            round(&replica, &primary, transfers.as_deref()).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = update => {}
    }
}

/// From one time that the zone was current to the next.
async fn round(replica: &Replica, primary: &impl Primary, transfers: Option<&Transfers>) {
    let current = Instant::now();
    let [refresh, retry, expire] = replica.timers();
    let mut next = current + refresh + jitter(REFRESH_JITTER);
    let mut has_failed = false;
    loop {
        let expires = has_failed && !replica.is_expired();
        tokio::select! {
            () = sleep_until(next) => {}
            () = replica.told.notified() => {}
            () = sleep_until(current + expire), if expires => {
                error!(target: "plugin/secondary", "Zone {} is expired", replica.origin);
                replica.is_expired.store(true, Ordering::Relaxed);
                continue;
            }
        }
        match check(replica, primary, transfers).await {
            Ok(()) => return,
            Err(error) => {
                warn!(target: "plugin/secondary", "Failed refresh check of {}: {error}", replica.origin);
                has_failed = true;
                next = Instant::now() + retry + jitter(RETRY_JITTER);
            }
        }
    }
}

/// Asks for the zone, and tells those who have it from here of a change.
async fn check(
    replica: &Replica,
    primary: &impl Primary,
    transfers: Option<&Transfers>,
) -> Result<(), String> {
    let changed = replica.refresh(primary).await?;
    if let Some(transfers) = transfers.filter(|_| changed) {
        transfers.notify(&replica.origin).await;
    }
    Ok(())
}

fn jitter(most: u64) -> Duration {
    Duration::from_millis(rand::random_range(0..most))
}

#[cfg(test)]
mod tests;
