//! Counters with one writer for each cell.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Threads beyond this many share the first row, at the price of a locked addition.
const ROWS: usize = 16;

/// Rows that no thread holds; a thread gives its row back when it ends.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A thread's own row of counts: found once for all that a query counts.
#[derive(Clone, Copy)]
pub struct Row {
    number: usize,
    /// Not for another thread: it would write where this one does.
    _here: PhantomData<*const ()>,
}

impl Row {
    /// This thread's. A thread that is ending has none any more; the first row serves all.
    #[inline]
    #[must_use]
    pub fn here() -> Self {
        Self {
            number: HELD.try_with(Held::get).unwrap_or(0),
            _here: PhantomData,
        }
    }
}

struct Held(Cell<Option<usize>>);

thread_local! {
    static HELD: Held = const { Held(Cell::new(None)) };
}

impl Held {
    #[inline]
    fn get(&self) -> usize {
        self.0.get().unwrap_or_else(|| self.take())
    }

    #[cold]
    fn take(&self) -> usize {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let row = free.unwrap_or_else(|| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            usize::try_from(next).unwrap_or(0)
        });
        let row = if row < ROWS { row } else { 0 };
        self.0.set(Some(row));
        row
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(row) = self.0.get().filter(|row| *row > 0) {
            FREE.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(row);
        }
    }
}

/// A row of numbers for each writing thread; a reader adds the rows up.
pub(super) struct Cells {
    numbers: Box<[AtomicU64]>,
    /// The length of a row, rounded up to whole cache lines so that no two threads share one.
    stride: usize,
}

impl Cells {
    /// `count` numbers, all zero.
    pub(super) fn new(count: usize) -> Self {
        let stride = count.next_multiple_of(8);
        Self {
            numbers: (0..stride * ROWS).map(|_| AtomicU64::new(0)).collect(),
            stride,
        }
    }

    /// Adds to one number, in this thread's row.
    #[inline]
    pub(super) fn add(&self, row: Row, which: usize, amount: u64) {
        let Some(number) = self.numbers.get(row.number * self.stride + which) else {
            return;
        };
        if row.number == 0 {
            number.fetch_add(amount, Ordering::Relaxed);
        } else {
            // This thread is the only writer of its row: no locked instruction is needed.
            number.store(
                number.load(Ordering::Relaxed).wrapping_add(amount),
                Ordering::Relaxed,
            );
        }
    }

    /// One number's sum over all rows.
    pub(super) fn sum(&self, which: usize) -> u64 {
        let rows = self.numbers.iter().skip(which).step_by(self.stride);
        rows.map(|number| number.load(Ordering::Relaxed)).sum()
    }
}
