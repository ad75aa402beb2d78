//! Metrics in the classic text format, with CoreDNS's names.
//!
//! A family and its children live as long as the process, so counters go on over a reload. Each
//! thread writes a cell of its own, with no shared cache line; a scrape adds them up. Label sets are
//! resolved when a plugin is set up or first needs one, never for each query.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

mod batch;
mod process;
mod shard;
mod text;

use shard::Cells;

pub use batch::Batch;
pub use shard::Row;
pub use text::CONTENT_TYPE;

/// Histogram edges of durations in seconds: 0.25 ms doubled 15 times.
pub const TIME_BUCKETS: [f64; 16] = [
    0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024,
    2.048, 4.096, 8.192,
];
/// Histogram edges of durations in seconds, coarse: 0.25 ms times powers of ten.
pub const SLIM_TIME_BUCKETS: [f64; 5] = [0.00025, 0.0025, 0.025, 0.25, 2.5];
/// Histogram edges of message sizes in bytes.
pub const SIZE_BUCKETS: [f64; 14] = [
    0.0, 100.0, 200.0, 300.0, 400.0, 511.0, 1023.0, 2047.0, 4095.0, 8291.0, 16e3, 32e3, 48e3, 64e3,
];

/// The places of a histogram of sizes: one for each of [`SIZE_BUCKETS`], and one for what is above.
pub const SIZE_PLACES: usize = SIZE_BUCKETS.len() + 1;

/// The place of a number of bytes in a histogram of sizes.
#[inline]
#[must_use]
pub fn size_place(bytes: usize) -> usize {
    const EDGES: [usize; SIZE_BUCKETS.len()] = {
        let mut edges = [0; SIZE_BUCKETS.len()];
        let mut at = 0;
        while at < edges.len() {
            edges[at] = SIZE_BUCKETS[at] as usize;
            at += 1;
        }
        edges
    };
    let place = EDGES.iter().position(|edge| bytes <= *edge);
    place.unwrap_or(EDGES.len())
}

/// Label names and values, in any order; they are told in the order of their names.
pub type Labels<'l> = &'l [(&'static str, &'l str)];

/// All families of the process.
#[derive(Default)]
pub struct Registry {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

struct Family {
    help: &'static str,
    kind: Kind,
    children: BTreeMap<Arc<str>, Child>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Clone)]
enum Child {
    Counter(Counter),
    Gauge(Gauge),
    /// A histogram, and the edges that it is told by: some or all of its own.
    Histogram(Histogram, &'static [f64]),
    Sampled(Arc<dyn Fn() -> f64 + Send + Sync>),
}

/// A number that only grows.
#[derive(Clone)]
pub struct Counter(Arc<Cells>);

/// A number that goes up and down.
#[derive(Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// Observations counted by size.
#[derive(Clone)]
pub struct Histogram {
    edges: &'static [f64],
    /// For each edge and for all above: a count; then the sum in units of `scale`.
    cells: Arc<Cells>,
    /// Sums are whole numbers of this unit, so that they need no lock.
    scale: f64,
}

/// A family's name and what it tells.
#[derive(Clone, Copy, Debug)]
pub struct Desc {
    /// The full name, `coredns_` included.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
}

/// Nanoseconds in a second: durations are summed in nanoseconds.
const NANOS: f64 = 1e9;

impl Counter {
    fn new() -> Self {
        Self(Arc::new(Cells::new(1)))
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds one in this thread's row, which is at hand.
    #[inline]
    pub fn inc_in(&self, row: Row) {
        self.0.add(row, 0, 1);
    }

    /// Adds `amount` in this thread's row, which is at hand.
    #[inline]
    pub fn add_in(&self, row: Row, amount: u64) {
        self.0.add(row, 0, amount);
    }

    /// Adds `amount`.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.add(Row::here(), 0, amount);
    }

    /// The sum over all threads.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.sum(0)
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Histogram {
    fn new(edges: &'static [f64]) -> Self {
        // Durations have positive edges only; sizes start at zero and are summed in bytes.
        let durations = edges.first().is_some_and(|edge| *edge > 0.0);
        Self {
            edges,
            cells: Arc::new(Cells::new(edges.len() + 2)),
            scale: if durations { NANOS } else { 1.0 },
        }
    }

    /// Counts `value`, in the unit of the edges.
    #[inline]
    pub fn observe(&self, value: f64) {
        self.count(Row::here(), value, (1, (value * self.scale) as u64));
    }

    /// Counts so many values of each place, whose sum is so many bytes; the edges are in bytes.
    pub fn observe_sizes(&self, row: Row, places: &[u32; SIZE_PLACES], bytes: u64) {
        debug_assert_eq!(self.edges.len() + 1, SIZE_PLACES);
        for (at, times) in places.iter().enumerate().filter(|(_, times)| **times > 0) {
            self.cells.add(row, at, u64::from(*times));
        }
        self.cells.add(row, self.edges.len() + 1, bytes);
    }

    /// Counts a time; the edges are in seconds.
    #[inline]
    pub fn observe_duration(&self, time: Duration) {
        self.observe_durations(time, 1);
    }

    /// Counts the same time so many times.
    #[inline]
    pub fn observe_durations(&self, time: Duration, times: u64) {
        // Whole nanoseconds up to 584 years: what a clock can tell loses nothing in the sum.
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let sum = nanos.saturating_mul(times);
        self.count(Row::here(), nanos as f64 / NANOS, (times, sum));
    }

    /// Counts a value so many times, whose sum is so many units.
    #[inline]
    fn count(&self, row: Row, value: f64, (times, units): (u64, u64)) {
        let bucket = self
            .edges
            .iter()
            .position(|edge| value <= *edge)
            .unwrap_or(self.edges.len());
        self.cells.add(row, bucket, times);
        self.cells.add(row, self.edges.len() + 1, units);
    }

    /// How many values were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        (0..=self.edges.len()).map(|at| self.cells.sum(at)).sum()
    }

    /// The sum of all values, in the unit of the edges.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.cells.sum(self.edges.len() + 1) as f64 / self.scale
    }
}

impl Registry {
    /// The counter with these labels, made where it is new.
    pub fn counter(&self, desc: Desc, labels: Labels<'_>) -> Counter {
        let make = || Child::Counter(Counter::new());
        self.child(desc, Kind::Counter, labels, make, |child| match child {
            Child::Counter(counter) => Some(counter.clone()),
            _ => None,
        })
        .unwrap_or_else(Counter::new)
    }

    /// The gauge with these labels, made where it is new.
    pub fn gauge(&self, desc: Desc, labels: Labels<'_>) -> Gauge {
        let make = || Child::Gauge(Gauge::default());
        self.child(desc, Kind::Gauge, labels, make, |child| match child {
            Child::Gauge(gauge) => Some(gauge.clone()),
            _ => None,
        })
        .unwrap_or_default()
    }

    /// A gauge that is asked for its value at each scrape. It replaces one with the same labels. A
    /// value that is not a number is not told: what it was taken from is gone.
    pub fn sampled(
        &self,
        desc: Desc,
        labels: Labels<'_>,
        sample: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.family(desc, Kind::Gauge, |family| {
            let child = Child::Sampled(Arc::new(sample));
            family.children.insert(text::labels(labels), child);
        });
    }

    /// The histogram with these labels, made where it is new.
    pub fn histogram(&self, desc: Desc, edges: &'static [f64], labels: Labels<'_>) -> Histogram {
        let make = || Child::Histogram(Histogram::new(edges), edges);
        self.child(desc, Kind::Histogram, labels, make, |child| match child {
            Child::Histogram(histogram, _) => Some(histogram.clone()),
            _ => None,
        })
        .unwrap_or_else(|| Histogram::new(edges))
    }

    /// Tells a histogram under another name too, by fewer edges: each of `edges` must be one of
    /// its own. A query then pays for one histogram where a board wants known edges and a person
    /// wants finer ones.
    pub fn histogram_view(
        &self,
        desc: Desc,
        edges: &'static [f64],
        labels: Labels<'_>,
        histogram: &Histogram,
    ) {
        debug_assert!(edges.iter().all(|edge| histogram.edges.contains(edge)));
        self.family(desc, Kind::Histogram, |family| {
            let child = Child::Histogram(histogram.clone(), edges);
            family.children.insert(text::labels(labels), child);
        });
    }

    /// Takes away the child with these labels (a gauge of a configuration that is gone).
    pub fn remove(&self, desc: Desc, labels: Labels<'_>) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = families.get_mut(desc.name) {
            family.children.remove(&text::labels(labels));
        }
    }

    /// Takes away all children of a family.
    pub fn clear(&self, desc: Desc) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = families.get_mut(desc.name) {
            family.children.clear();
        }
    }

    fn family<T>(&self, desc: Desc, kind: Kind, f: impl FnOnce(&mut Family) -> T) -> T {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Family {
            help: desc.help,
            kind,
            children: BTreeMap::new(),
        };
        f(families.entry(desc.name).or_insert_with(new))
    }

    /// `None` where the family is of another kind, which a test of all names rules out.
    fn child<T>(
        &self,
        desc: Desc,
        kind: Kind,
        labels: Labels<'_>,
        make: impl FnOnce() -> Child,
        get: impl FnOnce(&Child) -> Option<T>,
    ) -> Option<T> {
        self.family(desc, kind, |family| {
            debug_assert!(family.kind == kind, "{} is of two kinds", desc.name);
            let labels = text::labels(labels);
            get(family.children.entry(labels).or_insert_with(make))
        })
    }

    /// The page that a scrape gets: text format 0.0.4.
    ///
    /// Families and children are taken note of first and told with no lock held, so that a query
    /// that needs a new child does not wait for a scrape. A child with labels that has counted
    /// nothing is left out: in CoreDNS it comes to be when it first counts.
    #[must_use]
    pub fn text(&self) -> String {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot: Vec<_> = families
            .iter()
            .map(|(name, family)| {
                let children: Vec<_> = family
                    .children
                    .iter()
                    .filter(|(labels, child)| labels.is_empty() || child.has_counted())
                    .map(|(labels, child)| (labels.clone(), child.clone()))
                    .collect();
                (*name, family.help, family.kind, children)
            })
            .filter(|(.., children)| !children.is_empty())
            .collect();
        drop(families);
        let mut page = String::new();
        for (name, help, kind, children) in snapshot {
            text::head(&mut page, name, help, kind.word());
            for (labels, child) in children {
                child.write(&mut page, name, &labels);
            }
        }
        process::write(&mut page);
        page
    }
}

impl Kind {
    /// The word of the format.
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Child {
    /// Whether it has counted anything; a gauge always tells something.
    fn has_counted(&self) -> bool {
        match self {
            Self::Counter(counter) => counter.get() > 0,
            Self::Histogram(histogram, _) => histogram.total() > 0,
            Self::Gauge(_) | Self::Sampled(_) => true,
        }
    }

    fn write(&self, page: &mut String, name: &str, labels: &str) {
        let value = match self {
            Self::Counter(counter) => counter.get() as f64,
            Self::Gauge(gauge) => gauge.get(),
            Self::Sampled(sample) => sample(),
            Self::Histogram(histogram, edges) => {
                return histogram.write(page, name, labels, edges);
            }
        };
        if !value.is_nan() {
            text::sample(page, (name, ""), labels, value);
        }
    }
}

impl Histogram {
    fn write(&self, page: &mut String, name: &str, labels: &str, told: &[f64]) {
        let mut total = 0;
        let mut told = told.iter().peekable();
        for (at, edge) in self.edges.iter().enumerate() {
            total += self.cells.sum(at);
            if told.next_if_eq(&edge).is_some() {
                text::bucket(page, name, labels, *edge, total);
            }
        }
        total += self.cells.sum(self.edges.len());
        text::bucket(page, name, labels, f64::INFINITY, total);
        text::sample(page, (name, "_sum"), labels, self.sum());
        text::count(page, (name, "_count"), labels, total);
    }
}

/// A number that goes up and down by one, for what is in flight.
#[derive(Debug, Default)]
pub struct InFlight(AtomicI64);

impl InFlight {
    /// Counts one more until the guard is dropped; `None` where `limit` are in flight.
    pub fn enter(self: &Arc<Self>, limit: i64) -> Option<InFlightGuard> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let guard = InFlightGuard(self.clone());
        (before < limit).then_some(guard)
    }

    /// How many are in flight.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One in flight; see [`InFlight::enter`].
#[derive(Debug)]
pub struct InFlightGuard(Arc<InFlight>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
