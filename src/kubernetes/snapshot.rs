//! A file with the last known state of the cluster: for a start while the API server is away.
//!
//! ```text
//! zone ─ export ─> snapshot::format ─> FILE         at most once a minute, where something changed
//! FILE ─> snapshot::format ─ events ─> store        once, before the source is asked
//! ```
//!
//! - What it gives is served as stale until the cluster itself was seen, and a name that it does not
//!   hold is unknown, not absent. The first list is a diff over it, as each list is.
//! - The file is a help and never a condition: one that is missing, damaged, of another version or of
//!   another source is passed over with a warning, and one that cannot be written is told and counted.
//! - One file has the state of all sources of a configuration, each told by its name.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::event::Event;
use super::zone::Zone;
use crate::metrics::{Counter, Desc, Gauge, Registry};
use format::{Part, Told, Unusable, Writer};

mod format;
#[cfg(test)]
mod tests;

const TARGET: &str = "plugin/kubernetes";
/// Time from one writing to the next, at least.
const RHYTHM: Duration = Duration::from_secs(60);
/// How often it is looked whether something is to be written.
const LOOK: Duration = Duration::from_secs(1);

const STALE: Desc = Desc {
    name: "callsign_kubernetes_snapshot_stale",
    help: "Whether answers come from a snapshot, because the API server has not told the cluster's state yet.",
};
const WRITTEN: Desc = Desc {
    name: "callsign_kubernetes_snapshot_written_timestamp_seconds",
    help: "When the snapshot was written last, in Unix time; 0 before the first time.",
};
const FAILURES: Desc = Desc {
    name: "callsign_kubernetes_snapshot_write_failures_total",
    help: "Snapshots that could not be written.",
};

/// The file, and what is kept in it.
pub struct Snapshot {
    path: PathBuf,
    sources: Arc<Mutex<Vec<Source>>>,
    written: Gauge,
    failures: Counter,
}

/// A source of state, for as long as a configuration has it.
struct Source {
    name: String,
    zone: Weak<Zone>,
}

impl Snapshot {
    /// Reads and writes nothing yet.
    #[must_use]
    pub fn new(path: PathBuf, metrics: &Registry) -> Self {
        let sources = Arc::<Mutex<Vec<Source>>>::default();
        let asked = Arc::downgrade(&sources);
        metrics.sampled(STALE, &[], move || {
            let sources = asked.upgrade();
            let is_stale = sources.is_some_and(|sources| {
                let mut zones = zones(&sources).into_iter();
                zones.any(|(_, zone)| zone.snapshot().is_some())
            });
            f64::from(u8::from(is_stale))
        });
        Self {
            path,
            sources,
            written: metrics.gauge(WRITTEN, &[]),
            failures: metrics.counter(FAILURES, &[]),
        }
    }

    /// Keeps the state of a source too, by a name that tells all that the state depends on.
    pub fn add(&self, name: impl Into<String>, zone: &Arc<Zone>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|source| source.zone.strong_count() > 0);
        sources.push(Source {
            name: name.into(),
            zone: Arc::downgrade(zone),
        });
    }

    /// Yields what the file holds of a source, if it is whole. To be awaited before the source
    /// itself yields anything: what comes later counts.
    pub async fn restore(&self, name: &str, events: mpsc::Sender<Event>) {
        let (path, name) = (self.path.clone(), name.to_owned());
        let read = spawn_blocking(move || {
            let mut objects = 0_usize;
            let found = format::read(&path, &name, |told| {
                let event = match told {
                    Told::Part(part) => Event::Snapshot {
                        cluster: part.cluster.into(),
                        taken: part.taken,
                    },
                    Told::Object(object) => {
                        objects += 1;
                        Event::Apply(object)
                    }
                };
                match events.blocking_send(event) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            });
            (found, objects, name)
        });
        let Ok((found, objects, name)) = read.await else {
            return;
        };
        let path = self.path.display();
        match found {
            Ok(Some(part)) => {
                let age = unix_time().saturating_sub(part.taken);
                info!(
                    target: TARGET,
                    "read {objects} objects from the snapshot {path}, which is {age} s old; they are \
                     served as stale until the API server answers"
                );
            }
            Ok(None) => warn!(
                target: TARGET,
                "the snapshot {path} is passed over: it holds nothing of this source, {name}"
            ),
            Err(Unusable::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                debug!(target: TARGET, "there is no snapshot {path} yet");
            }
            Err(error) => {
                warn!(target: TARGET, "the snapshot {path} is passed over: {error}");
            }
        }
    }

    /// Writes what has changed, until it is stopped.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let (mut tried, mut failed) = (None::<Instant>, None);
        let mut written = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK) => {}
            }
            // Taken before the state, so that what changes meanwhile is written with the next.
            let changes = self.changes();
            let is_due = tried.is_none_or(|at| at.elapsed() >= RHYTHM);
            if !is_due || changes == written {
                continue;
            }
            tried = Some(Instant::now());
            let this = self.clone();
            let result = spawn_blocking(move || this.write()).await;
            match result.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(()) => {
                    (written, failed) = (changes, None);
                    self.written.set(f64::from(unix_time()));
                }
                Err(error) => self.fail(&error, &mut failed),
            }
        }
    }

    /// Counts a failure, and tells it where it is not the same as before.
    fn fail(&self, error: &io::Error, told: &mut Option<io::ErrorKind>) {
        self.failures.inc();
        if is_news(error, told) {
            let path = self.path.display();
            warn!(
                target: TARGET,
                "the snapshot {path} cannot be written: {error}; is its folder on a volume that can be \
                 written to?"
            );
        }
    }

    /// The sources whose state is known, and how often it has changed. There is something to be
    /// written only where this is not what was written.
    fn changes(&self) -> Vec<(String, u64)> {
        let zones = zones(&self.sources).into_iter();
        let known = zones.filter(|(_, zone)| zone.has_synced() && zone.cluster().is_some());
        known.map(|(name, zone)| (name, zone.changes())).collect()
    }

    /// What there is of a source: what was seen of its cluster, now or by the snapshot before. A
    /// start must not replace what was known by what is not known yet.
    fn part(source: String, zone: &Zone) -> Option<Part> {
        let taken = match zone.has_synced() {
            true => unix_time(),
            false => zone.snapshot()?,
        };
        let cluster = zone.cluster()?.to_string();
        Some(Part {
            source,
            cluster,
            taken,
        })
    }

    fn write(&self) -> io::Result<()> {
        let mut writer = Writer::new(&self.path)?;
        for (source, zone) in zones(&self.sources) {
            if let Some(part) = Self::part(source, &zone) {
                writer.part(&part)?;
                zone.export(|object| writer.object(&object))?;
            }
        }
        writer.finish(&self.path)
    }
}

/// Whether an error is of another kind than the one before it. Its words are of no use for that: the
/// name of a file that could not be made is in them, which is another each time.
fn is_news(error: &io::Error, told: &mut Option<io::ErrorKind>) -> bool {
    told.replace(error.kind()) != Some(error.kind())
}

/// The sources that a configuration still has.
fn zones(sources: &Mutex<Vec<Source>>) -> Vec<(String, Arc<Zone>)> {
    let sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
    let alive = |source: &Source| Some((source.name.clone(), source.zone.upgrade()?));
    sources.iter().filter_map(alive).collect()
}

fn unix_time() -> u32 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
