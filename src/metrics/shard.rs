//! Counters with one writer for each cell.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Threads beyond this many share the first row, at the price of a locked addition.
const ROWS: usize = 16;

/// Rows that no thread holds; a thread gives its row back when it ends.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

struct Row(Cell<Option<usize>>);

thread_local! {
    static ROW: Row = const { Row(Cell::new(None)) };
}

impl Row {
    fn get(&self) -> usize {
        if let Some(row) = self.0.get() {
            return row;
        }
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

impl Drop for Row {
    fn drop(&mut self) {
        if let Some(row) = self.0.get().filter(|row| *row > 0) {
            FREE.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(row);
        }
    }
}

/// This thread's row. A thread that is ending has none any more; the first row serves all.
#[inline]
fn row() -> usize {
    ROW.try_with(Row::get).unwrap_or(0)
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
    pub(super) fn add(&self, which: usize, amount: u64) {
        self.add_in(row(), which, amount);
    }

    /// Adds to two numbers, looking for this thread's row once.
    #[inline]
    pub(super) fn add_two(&self, one: (usize, u64), other: (usize, u64)) {
        let row = row();
        self.add_in(row, one.0, one.1);
        self.add_in(row, other.0, other.1);
    }

    #[inline]
    fn add_in(&self, row: usize, which: usize, amount: u64) {
        let Some(number) = self.numbers.get(row * self.stride + which) else {
            return;
        };
        if row == 0 {
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
