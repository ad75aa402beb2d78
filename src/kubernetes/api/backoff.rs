//! When to try again.

use std::time::Duration;

use rand::RngExt;

/// The first retry comes within this time: most breaks are of one connection.
const AT_ONCE: Duration = Duration::from_millis(100);
/// The wait before the second retry, at most; then doubled.
const FIRST: Duration = Duration::from_millis(800);
/// The longest wait.
const MOST: Duration = Duration::from_secs(60);
/// The longest wait where nobody listens: a packet that is refused costs no server any work, and one
/// that is back is to be found soon. Of a thousand nodes it is less than a thousand packets a second.
const MOST_REFUSED: Duration = Duration::from_secs(5);

/// Waits that grow, each drawn at random, so that many servers do not come back as one.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// failures in a row of a server that was there
    failures: u32,
    /// the same of one that was not: when it has come back, the first thing that it says is no sign
    /// that it has been busy for long
    refusals: u32,
}

impl Backoff {
    /// How often in a row it failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures.saturating_add(self.refusals)
    }

    /// It went well.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// It failed: how long to wait now. Between half and all of the time that is due. `is_refused`:
    /// nobody listens there.
    pub(super) fn next(&mut self, is_refused: bool) -> Duration {
        let (count, most) = match is_refused {
            true => (&mut self.refusals, MOST_REFUSED),
            false => (&mut self.failures, MOST),
        };
        let due = match *count {
            0 => AT_ONCE,
            count => {
                let doubled = 1_u32.checked_shl(count - 1).unwrap_or(u32::MAX);
                FIRST.saturating_mul(doubled).min(most)
            }
        };
        *count = count.saturating_add(1);
        due.mul_f64(rand::rng().random_range(0.5..1.0))
    }
}

/// A list on which no watch lasted so long was of no use: the next one is put off.
const LASTING: Duration = Duration::from_secs(30);

/// Waits before lists that follow lists. One that follows a good watch is due at once; where lists are
/// followed by nothing but the next list, each is work for the server that brings nothing new.
#[derive(Debug, Default)]
pub(super) struct Relists {
    waits: Backoff,
    /// for how long there was a watch since the last list
    watched: Duration,
}

impl Relists {
    /// A list is complete.
    pub(super) fn listed(&mut self) {
        self.watched = Duration::ZERO;
    }

    /// A watch was open for so long.
    pub(super) fn watched(&mut self, time: Duration) {
        self.watched += time;
        if self.watched >= LASTING {
            self.waits.reset();
        }
    }

    /// How many lists in a row were of no use.
    pub(super) fn in_vain(&self) -> u32 {
        self.waits.failures()
    }

    /// It must be listed again: how long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        self.waits.next(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(backoff: &mut Backoff, is_refused: bool, dues: &[f64]) {
        for due in dues {
            let wait = backoff.next(is_refused).as_secs_f64();
            assert!((due / 2.0..=*due).contains(&wait), "{wait} of {due}");
        }
    }

    #[test]
    fn waits_grow_to_a_minute_and_are_never_the_same() {
        for _ in 0..100 {
            let mut backoff = Backoff::default();
            let dues = [0.1, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0];
            expect(&mut backoff, false, &dues);
            (0..100).for_each(|_| assert!(backoff.next(false) <= MOST));
            backoff.reset();
            assert!(backoff.next(false) <= AT_ONCE);
        }
    }

    #[test]
    fn where_nobody_listens_waits_grow_to_five_seconds() {
        for _ in 0..100 {
            let mut backoff = Backoff::default();
            expect(&mut backoff, true, &[0.1, 0.8, 1.6, 3.2, 5.0, 5.0]);
            (0..100).for_each(|_| assert!(backoff.next(true) <= MOST_REFUSED));
            assert_eq!(backoff.failures(), 106);
        }
    }

    #[test]
    fn a_server_that_is_back_is_not_taken_for_one_that_is_busy_for_long() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.next(true);
        }
        expect(&mut backoff, false, &[0.1, 0.8, 1.6]);
        // One that comes and goes is asked more and more slowly all the same.
        expect(&mut backoff, true, &[5.0]);
        expect(&mut backoff, false, &[3.2, 6.4]);
    }

    #[test]
    fn lists_on_which_no_watch_lasts_come_more_and_more_slowly() {
        let mut relists = Relists::default();
        for _ in 0..20 {
            relists.listed();
            relists.watched(LASTING / 2);
            relists.next();
        }
        assert_eq!(relists.in_vain(), 20);
        assert!(relists.next() >= MOST / 2);
        // Several watches, one after the other, are as good as one.
        relists.listed();
        relists.watched(LASTING / 2);
        relists.watched(LASTING / 2);
        assert_eq!(relists.in_vain(), 0);
        assert!(relists.next() <= AT_ONCE);
    }
}
