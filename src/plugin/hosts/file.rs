//! The hosts file: read before the configuration serves, and again whenever it changed.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::table::{Lines, Rules, Table};
use crate::metrics::{Desc, Registry};

/// A file that is larger is not a list of hosts; reading it would only take memory.
const MAX_BYTES: u64 = 256 << 20;
/// Faults of one file that are logged one by one.
const MAX_FAULTS: usize = 10;

const ENTRIES: Desc = Desc {
    name: "coredns_hosts_entries",
    help: "The combined number of entries in hosts and Corefile.",
};
const RELOADED: Desc = Desc {
    name: "coredns_hosts_reload_timestamp_seconds",
    help: "The timestamp of the last reload of hosts file.",
};

/// Tells the family without labels that CoreDNS has from the start on, whatever the Corefile says.
pub(in crate::plugin) fn publish(registry: &Registry) {
    registry.gauge(RELOADED, &[]);
}

/// A hosts file and the lines of the Corefile, and the table made of both.
pub(super) struct HostsFile {
    at: Location,
    rules: Rules,
    inline: Lines,
    table: ArcSwap<Table>,
    last: Mutex<Last>,
    metrics: Arc<Registry>,
}

/// Where the file is.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) path: PathBuf,
    /// The path as it was written, for people and metrics.
    pub(super) label: String,
}

/// What was found the last time.
#[derive(Debug, Default)]
struct Last {
    /// Time of change and size of the content that is served.
    stamp: Option<(SystemTime, u64)>,
    /// Why it could not be read, so that it is told once.
    error: Option<String>,
}

impl HostsFile {
    /// The lines of the Corefile alone; the file is not touched yet.
    pub(super) fn new(at: Location, rules: Rules, inline: &str, metrics: Arc<Registry>) -> Self {
        let inline = Lines::parse(inline.as_bytes(), &rules);
        log_faults("Inline hosts entries", &inline);
        let table = Table::of(&Lines::default(), &inline);
        Self {
            at,
            rules,
            inline,
            table: ArcSwap::from_pointee(table),
            last: Mutex::default(),
            metrics,
        }
    }

    /// What to answer from now.
    pub(super) fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.table.load()
    }

    /// The file's path as it was written.
    pub(super) fn label(&self) -> &str {
        &self.at.label
    }

    /// Reads the file if it changed since it was last read. It blocks.
    ///
    /// What cannot be read changes nothing: a file that is gone leaves its last content behind.
    pub(super) fn refresh(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read(last.stamp) {
            Ok(None) => {}
            Ok(Some((stamp, lines))) => {
                self.serve(stamp.0, &lines);
                *last = Last {
                    stamp: Some(stamp),
                    error: None,
                };
            }
            Err(error) => {
                let text = error.to_string();
                if last.error.as_ref() != Some(&text) {
                    self.log_unreadable(&error, last.stamp.is_some());
                    last.error = Some(text);
                }
            }
        }
    }

    /// The content, unless it is the one with this stamp.
    fn read(
        &self,
        have: Option<(SystemTime, u64)>,
    ) -> io::Result<Option<((SystemTime, u64), Lines)>> {
        let file = File::open(&self.at.path)?;
        let about = file.metadata()?;
        let stamp = (about.modified()?, about.len());
        if have == Some(stamp) {
            return Ok(None);
        }
        let mut text = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(io::Error::other("the file is larger than 256 MiB"));
        }
        Ok(Some((stamp, Lines::parse(&text, &self.rules))))
    }

    fn serve(&self, changed: SystemTime, lines: &Lines) {
        let path = &self.at.label;
        log_faults(&format!("Hosts file {path:?}"), lines);
        debug!(target: "plugin/hosts", "Parsed hosts file into {} entries", lines.len());
        self.table.store(Arc::new(Table::of(lines, &self.inline)));
        let entries = (lines.len() + self.inline.len()) as f64;
        let gauge = self.metrics.gauge(ENTRIES, &[("hostsfile", path)]);
        gauge.set(entries);
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.gauge(RELOADED, &[]).set(changed.as_secs_f64());
    }

    fn log_unreadable(&self, error: &io::Error, served: bool) {
        let path = &self.at.label;
        if served {
            let kept = "what it last held is still served";
            warn!(target: "plugin/hosts", "Cannot read hosts file {path:?}, {kept}: {error}");
        } else if error.kind() == io::ErrorKind::NotFound {
            // Setup has told so already, where the file is named.
            debug!(target: "plugin/hosts", "File does not exist: {path}");
        } else {
            error!(target: "plugin/hosts", "Cannot read hosts file {path:?}: {error}");
        }
    }
}

/// Looks at the file each `interval` until it is stopped.
pub(super) async fn watch(file: Arc<HostsFile>, interval: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => refresh(file.clone()).await,
        }
    }
}

/// [`HostsFile::refresh`] where waiting is allowed and blocking is not.
pub(super) async fn refresh(file: Arc<HostsFile>) {
    if let Err(error) = tokio::task::spawn_blocking(move || file.refresh()).await {
        error!(target: "plugin/hosts", "reading the hosts file failed: {error}");
    }
}

fn log_faults(source: &str, lines: &Lines) {
    for (line, fault) in lines.faults.iter().take(MAX_FAULTS) {
        error!(target: "plugin/hosts", "{source}, line {line}: {fault}");
    }
    if let Some(more) = lines.faults.len().checked_sub(MAX_FAULTS + 1) {
        error!(target: "plugin/hosts", "{source}: {} more lines are like that", more + 1);
    }
}

#[cfg(test)]
mod tests;
