//! Times of requests that come and go together: one reading of the clock for all of them.

use std::cell::RefCell;

use tokio::time::Instant;

use super::Histogram;

/// Histograms of a batch; what is more is observed by a reading of its own.
const MOST: usize = 8;

thread_local! {
    static OPEN: RefCell<Open> = const { RefCell::new(Open { since: None, counted: Vec::new() }) };
}

/// This thread's batch.
struct Open {
    since: Option<Instant>,
    /// Kept from batch to batch; there are few.
    counted: Vec<(Histogram, u64)>,
}

/// Requests that came at one instant and are answered by this thread until the batch is dropped:
/// each took until then, for no reply leaves before.
pub struct Batch(());

impl Batch {
    /// Opens this thread's batch. There is one at a time.
    #[must_use]
    pub fn open(since: Instant) -> Self {
        OPEN.with_borrow_mut(|open| open.since = Some(since));
        Self(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // A thread that is ending has no batch any more.
        let _ = OPEN.try_with(|open| open.borrow_mut().settle());
    }
}

impl Open {
    fn settle(&mut self) {
        let Some(since) = self.since.take() else {
            return;
        };
        if self.counted.iter().all(|(_, count)| *count == 0) {
            return;
        }
        let time = since.elapsed();
        for (histogram, count) in &mut self.counted {
            histogram.observe_durations(time, std::mem::take(count));
        }
    }

    #[inline]
    fn count(&mut self, histogram: &Histogram, since: Instant) -> bool {
        if self.since != Some(since) {
            return false;
        }
        for (known, count) in &mut self.counted {
            if known.is(histogram) {
                *count += 1;
                return true;
            }
        }
        let has_room = self.counted.len() < MOST;
        if has_room {
            self.counted.push((histogram.clone(), 1));
        }
        has_room
    }
}

impl Histogram {
    /// Counts the time since `since`; at the end of the batch where this thread has one that began
    /// then.
    #[inline]
    pub fn observe_since(&self, since: Instant) {
        let counted = OPEN.try_with(|open| open.borrow_mut().count(self, since));
        if !counted.unwrap_or(false) {
            self.observe_duration(since.elapsed());
        }
    }
}
