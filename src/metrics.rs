//! Metrics in the classic text format, with CoreDNS's names.
//!
//! A family and its children live as long as the process, so counters go on over a reload. Each
//! thread writes a cell of its own, with no shared cache line; a scrape adds them up. Label sets are
//! resolved when a plugin is set up or first needs one, never for each query.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

mod process;
mod shard;

use shard::Cells;

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

/// Label names and values; names must be in alphabetical order, as the format's readers expect.
pub type Labels<'l> = &'l [(&'static str, &'l str)];

/// All families of the process.
#[derive(Default)]
pub struct Registry {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

struct Family {
    help: &'static str,
    kind: Kind,
    children: BTreeMap<String, Child>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

enum Child {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    Sampled(Box<dyn Fn() -> f64 + Send + Sync>),
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
#[derive(Clone, Copy)]
pub struct Desc {
    /// The full name, `coredns_` included.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
}

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.0.add(0, 1);
    }

    /// Adds `amount`.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.add(0, amount);
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
    /// Counts `value`.
    #[inline]
    pub fn observe(&self, value: f64) {
        let bucket = self
            .edges
            .iter()
            .position(|edge| value <= *edge)
            .unwrap_or(self.edges.len());
        self.cells.add(bucket, 1);
        self.cells
            .add(self.edges.len() + 1, (value * self.scale) as u64);
    }
}

impl Registry {
    /// The counter with these labels, made where it is new.
    pub fn counter(&self, desc: Desc, labels: Labels<'_>) -> Counter {
        let make = || Child::Counter(Counter(Arc::new(Cells::new(1))));
        self.child(desc, Kind::Counter, labels, make, |child| match child {
            Child::Counter(counter) => Some(counter.clone()),
            _ => None,
        })
        .unwrap_or_else(|| Counter(Arc::new(Cells::new(1))))
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

    /// A gauge that is asked for its value at each scrape. It replaces one with the same labels.
    pub fn sampled(
        &self,
        desc: Desc,
        labels: Labels<'_>,
        sample: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.family(desc, Kind::Gauge, |family| {
            family
                .children
                .insert(label_text(labels), Child::Sampled(Box::new(sample)));
        });
    }

    /// The histogram with these labels, made where it is new.
    pub fn histogram(&self, desc: Desc, edges: &'static [f64], labels: Labels<'_>) -> Histogram {
        // Durations are summed in nanoseconds, sizes in bytes.
        let scale = if edges.first().is_some_and(|edge| *edge > 0.0) {
            1e9
        } else {
            1.0
        };
        let new = || Histogram {
            edges,
            cells: Arc::new(Cells::new(edges.len() + 2)),
            scale,
        };
        let make = || Child::Histogram(new());
        self.child(desc, Kind::Histogram, labels, make, |child| match child {
            Child::Histogram(histogram) => Some(histogram.clone()),
            _ => None,
        })
        .unwrap_or_else(new)
    }

    /// Takes away the child with these labels (a gauge of a configuration that is gone).
    pub fn remove(&self, desc: Desc, labels: Labels<'_>) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = families.get_mut(desc.name) {
            family.children.remove(&label_text(labels));
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
            get(family
                .children
                .entry(label_text(labels))
                .or_insert_with(make))
        })
    }

    /// The page that a scrape gets: text format 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = String::new();
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in families
            .iter()
            .filter(|(_, family)| !family.children.is_empty())
        {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let _ = writeln!(page, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
            for (labels, child) in &family.children {
                child.write(&mut page, name, labels);
            }
        }
        drop(families);
        process::write(&mut page);
        page
    }
}

impl Child {
    fn write(&self, page: &mut String, name: &str, labels: &str) {
        let braced = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{labels}}}")
        };
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Counter(counter) => writeln!(page, "{name}{braced} {}", counter.get()),
            Self::Gauge(gauge) => writeln!(page, "{name}{braced} {}", gauge.get()),
            Self::Sampled(sample) => writeln!(page, "{name}{braced} {}", sample()),
            Self::Histogram(histogram) => {
                histogram.write(page, name, labels, &braced);
                Ok(())
            }
        };
    }
}

impl Histogram {
    fn write(&self, page: &mut String, name: &str, labels: &str, braced: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        for (at, edge) in self.edges.iter().enumerate() {
            total += self.cells.sum(at);
            let _ = writeln!(
                page,
                "{name}_bucket{{{labels}{comma}le=\"{}\"}} {total}",
                Edge(*edge)
            );
        }
        total += self.cells.sum(self.edges.len());
        let sum = self.cells.sum(self.edges.len() + 1) as f64 / self.scale;
        let _ = writeln!(page, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {total}");
        let _ = writeln!(page, "{name}_sum{braced} {sum}");
        let _ = writeln!(page, "{name}_count{braced} {total}");
    }
}

/// An edge as Go prints it: boards select buckets by this text.
struct Edge(f64);

impl std::fmt::Display for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// `name="value",...` with values escaped, so that no name from a query can break the page.
fn label_text(labels: Labels<'_>) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
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
mod tests {
    use super::*;

    const COUNT: Desc = Desc {
        name: "t_total",
        help: "Counts.",
    };
    const SIZES: Desc = Desc {
        name: "t_bytes",
        help: "Sizes.",
    };

    #[test]
    fn a_page_is_the_classic_text_format() {
        let registry = Registry::default();
        registry.counter(COUNT, &[("zone", "a\"b\n")]).add(2);
        registry.counter(COUNT, &[("zone", "a\"b\n")]).inc();
        let sizes = registry.histogram(SIZES, &SIZE_BUCKETS, &[("proto", "udp")]);
        sizes.observe(0.0);
        sizes.observe(100.0);
        sizes.observe(1e6);
        let page = registry.text();
        for line in [
            "# HELP t_total Counts.",
            "# TYPE t_total counter",
            r#"t_total{zone="a\"b\n"} 3"#,
            "# TYPE t_bytes histogram",
            r#"t_bytes_bucket{proto="udp",le="0"} 1"#,
            r#"t_bytes_bucket{proto="udp",le="100"} 2"#,
            r#"t_bytes_bucket{proto="udp",le="64000"} 2"#,
            r#"t_bytes_bucket{proto="udp",le="+Inf"} 3"#,
            r#"t_bytes_sum{proto="udp"} 1000100"#,
            r#"t_bytes_count{proto="udp"} 3"#,
        ] {
            assert!(page.lines().any(|have| have == line), "{line}\n{page}");
        }
    }

    #[test]
    fn counts_of_many_threads_add_up() {
        let registry = Registry::default();
        let counter = registry.counter(COUNT, &[]);
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1000).for_each(|_| counter.inc()));
            }
        });
        assert_eq!(counter.get(), 40_000);
    }
}
