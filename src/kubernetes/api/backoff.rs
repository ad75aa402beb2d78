//! When to try again.

use std::time::Duration;

use rand::RngExt;

/// The first retry comes within this time: most breaks are of one connection.
const AT_ONCE: Duration = Duration::from_millis(100);
/// The wait before the second retry, at most; then doubled.
const FIRST: Duration = Duration::from_millis(800);
/// The longest wait.
const MOST: Duration = Duration::from_secs(60);

/// Waits that grow, each drawn at random, so that many servers do not come back as one.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How often in a row it failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// It went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed: how long to wait now. Between half and all of the time that is due.
    pub(super) fn next(&mut self) -> Duration {
        let due = match self.failures {
            0 => AT_ONCE,
            failures => {
                let doubled = 1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
                FIRST.saturating_mul(doubled).min(MOST)
            }
        };
        self.failures = self.failures.saturating_add(1);
        due.mul_f64(rand::rng().random_range(0.5..1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_are_never_the_same() {
        for _ in 0..100 {
            let mut backoff = Backoff::default();
            for due in [0.1, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0] {
                let wait = backoff.next().as_secs_f64();
                assert!((due / 2.0..=due).contains(&wait), "{wait} of {due}");
            }
            (0..100).for_each(|_| assert!(backoff.next() <= MOST));
            backoff.reset();
            assert!(backoff.next() <= AT_ONCE);
        }
    }
}
