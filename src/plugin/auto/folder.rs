//! A folder of zone files: looked through before the block serves, and again each interval.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use regex::Regex;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::corefile::Place;
use crate::name::{Name, NameRef, ZoneMap};
use crate::plugin::file::source::Source;
use crate::plugin::transfer::{Export, Exported, Transfers};

/// Folders in folders; links are not followed, so that there is no circle.
const MOST_DEPTH: usize = 32;

/// Which files are zone files, and how their zones are called.
pub(super) struct Naming {
    /// Fits some part of a file's name.
    pub(super) pattern: Regex,
    /// The zone's name, with the pattern's groups in it.
    pub(super) template: String,
}

/// A folder and the zones of its files.
pub(super) struct Folder {
    directory: PathBuf,
    naming: Naming,
    /// Where the directive names the folder.
    place: Place,
    zones: ArcSwap<ZoneMap<Arc<Source>>>,
    /// What was wrong, so that it is told once.
    told: Mutex<HashSet<String>>,
}

impl Naming {
    fn zone_of(&self, file: &str) -> Option<Result<Name, String>> {
        let groups = self.pattern.captures(file)?;
        let mut text = String::new();
        groups.expand(&self.template, &mut text);
        let name = Name::from_text(&text).map(|name| name.view().to_lower());
        Some(name.map_err(|error| format!("{text:?} is no name of a zone: {error}")))
    }
}

impl Folder {
    pub(super) fn new(directory: PathBuf, naming: Naming, place: Place) -> Self {
        Self {
            directory,
            naming,
            place,
            zones: ArcSwap::default(),
            told: Mutex::default(),
        }
    }

    /// The zone that a name is in: of several the longest.
    pub(super) fn zone_of(&self, name: NameRef<'_>) -> Option<Arc<Source>> {
        self.zones.load().longest(name).cloned()
    }

    fn names(&self) -> Vec<Name> {
        self.zones.load().zones().cloned().collect()
    }

    /// Looks the folder through, and reads files that are new or have changed: their zones. It
    /// blocks.
    fn walk(&self) -> Vec<Name> {
        let (mut wrong, mut changed) = (Vec::new(), Vec::new());
        let before = self.zones.load();
        let mut zones = ZoneMap::default();
        for (origin, path) in self.files(&mut wrong) {
            let known = before.get(origin.view());
            let source = match known {
                Some(source) if source.path() == path => source.clone(),
                Some(source) => Arc::new(source.moved(path)),
                None => Arc::new(Source::new(origin.clone(), path, self.place.clone())),
            };
            if known.is_some() {
                if source.refresh(false) {
                    changed.push(origin.clone());
                }
            } else {
                let path = source.path().display();
                if let Err(error) = source.load() {
                    wrong.push(format!("Parse zone `{origin}': {error}"));
                    continue;
                }
                info!(target: "plugin/auto", "Inserting zone `{origin}' from: {path}");
                changed.push(origin.clone());
            }
            zones.insert(origin, source);
        }
        for origin in before
            .zones()
            .filter(|origin| zones.get(origin.view()).is_none())
        {
            info!(target: "plugin/auto", "Deleting zone `{origin}'");
        }
        self.zones.store(Arc::new(zones));
        self.tell(wrong);
        changed
    }

    /// What is wrong, where it was not wrong before.
    fn tell(&self, wrong: Vec<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for text in wrong.iter().filter(|text| !told.contains(*text)) {
            warn!(target: "plugin/auto", "{text}");
        }
        *told = wrong.into_iter().collect();
    }

    /// The zone files, by their path; of several with the same zone the first one.
    fn files(&self, wrong: &mut Vec<String>) -> Vec<(Name, PathBuf)> {
        // A folder that is a link, as those of ConfigMaps are, is looked into.
        let start = fs::canonicalize(&self.directory);
        let start = start.unwrap_or_else(|_| self.directory.clone());
        let mut files: Vec<(Name, PathBuf)> = Vec::new();
        let mut seen: HashMap<Name, PathBuf> = HashMap::new();
        for path in below(&start, MOST_DEPTH, wrong) {
            let name = path.file_name().and_then(|name| name.to_str());
            match name.and_then(|name| self.naming.zone_of(name)) {
                None => {}
                Some(Err(error)) => wrong.push(format!("{}: {error}", path.display())),
                Some(Ok(origin)) => {
                    if let Some(first) = seen.get(&origin) {
                        let (first, path) = (first.display(), path.display());
                        let text = "Multiple zone files match origin";
                        wrong.push(format!(
                            "{text} \"{origin}\": using {first} instead of {path}"
                        ));
                        continue;
                    }
                    seen.insert(origin.clone(), path.clone());
                    files.push((origin, path));
                }
            }
        }
        files
    }
}

/// All that is no folder, in the order of the names.
fn below(folder: &Path, depth: usize, wrong: &mut Vec<String>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => paths.extend(entries.filter_map(|entry| Some(entry.ok()?.path()))),
        Err(error) => wrong.push(format!("error reading {}: {error}", folder.display())),
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let is_folder = path.symlink_metadata().is_ok_and(|about| about.is_dir());
        if !is_folder {
            files.push(path);
        } else if depth > 0 {
            files.extend(below(&path, depth - 1, wrong));
        }
    }
    files
}

impl Export for Folder {
    fn export(&self, zone: NameRef<'_>) -> Option<Exported> {
        Some(self.zones.load().get(zone)?.exported())
    }
}

/// [`Folder::walk`] where waiting is allowed and blocking is not.
pub(super) async fn walk(folder: Arc<Folder>) -> Vec<Name> {
    match tokio::task::spawn_blocking(move || folder.walk()).await {
        Ok(changed) => changed,
        Err(error) => {
            error!(target: "plugin/auto", "looking for zone files failed: {error}");
            Vec::new()
        }
    }
}

/// Tells of all zones, and then looks at the folder each `interval` until it is stopped; never where
/// it is zero.
pub(super) async fn watch(
    folder: Arc<Folder>,
    interval: Duration,
    transfers: Option<Arc<Transfers>>,
    stop: CancellationToken,
) {
    notify(transfers.as_deref(), folder.names()).await;
    if interval.is_zero() {
        return;
    }
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let changed = walk(folder.clone()).await;
        notify(transfers.as_deref(), changed).await;
    }
}

async fn notify(transfers: Option<&Transfers>, zones: Vec<Name>) {
    let Some(transfers) = transfers else {
        return;
    };
    for zone in zones {
        transfers.notify(&zone).await;
    }
}
