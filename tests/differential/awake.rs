//! How long something took. A busy machine lets nobody run for seconds at times: upper bounds are for
//! the time that it let pass, lower ones for that on the clock. And what needs that clocks go on and the
//! machine with them (an answer before a deadline, a TTL that has not ended) is told to be of no worth
//! where it stood still.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often a thread looks whether it may run.
const LOOK: Duration = Duration::from_millis(10);
/// The most that is counted from one look to the next.
const MOST: Duration = Duration::from_millis(100);

/// What is not counted of a pause of this machine, or of several together, after which the suite does
/// not rely on a server's clocks: a single one lasted for 300 ms.
const STILL: Duration = Duration::from_millis(200);

/// The microseconds in which this process could run, so far.
static AWAKE: LazyLock<&AtomicU64> = LazyLock::new(|| {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    thread::spawn(|| {
        let mut last = Instant::now();
        loop {
            thread::sleep(LOOK);
            let passed = last.elapsed();
            last += passed;
            let counted = u64::try_from(passed.min(MOST).as_micros()).unwrap_or_default();
            COUNT.fetch_add(counted, Ordering::Relaxed);
        }
    });
    &COUNT
});

/// When something began.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    at: Instant,
    awake: u64,
}

/// How long it took.
#[derive(Clone, Copy)]
pub(crate) struct Took {
    /// On the clock.
    pub(crate) passed: Duration,
    /// Without the time in which this process could not run.
    pub(crate) awake: Duration,
}

impl Took {
    /// Whether the machine stood still for so long that a server's clocks may have run out meanwhile.
    pub(crate) fn stood_still(&self) -> bool {
        self.passed.saturating_sub(self.awake) >= STILL
    }
}

impl Begun {
    pub(crate) fn now() -> Self {
        Self {
            awake: AWAKE.load(Ordering::Relaxed),
            at: Instant::now(),
        }
    }

    pub(crate) fn took(&self) -> Took {
        let awake = AWAKE.load(Ordering::Relaxed) - self.awake;
        Took {
            passed: self.at.elapsed(),
            awake: Duration::from_micros(awake),
        }
    }
}
