//! Requests that come and go together: what they count is added up, and told at their end, with one
//! reading of the clock for all of them.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

thread_local! {
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    static SETTLE: Cell<Option<fn(Duration)>> = const { Cell::new(None) };
}

/// Requests that came at one instant and are answered by this thread until the batch is dropped:
/// each took until then, for no reply leaves before.
pub struct Batch(());

impl Batch {
    /// Opens this thread's batch. There is one at a time.
    #[must_use]
    pub fn open(since: Instant) -> Self {
        SINCE.set(Some(since));
        Self(())
    }

    /// Whether this thread has a batch that began at this instant. If so, `settle` is called at its
    /// end with the time that it took. There is one that may be asked for: who counts requests.
    #[inline]
    #[must_use]
    pub fn will_settle(since: Instant, settle: fn(Duration)) -> bool {
        let is_open = SINCE.get() == Some(since);
        if is_open {
            SETTLE.set(Some(settle));
        }
        is_open
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let (Some(since), Some(settle)) = (SINCE.take(), SETTLE.take()) {
            settle(since.elapsed());
        }
    }
}
