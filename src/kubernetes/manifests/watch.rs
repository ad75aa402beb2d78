//! From changes of files to events: only what is different is yielded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::cluster::{self, Cluster};
use super::files::{Files, Scan};
use super::{Options, Place, Problem, Severity};
use crate::kubernetes::event::Event;
use crate::kubernetes::object::{Key, Kind, Object};

/// Where log lines of the cluster's state belong, whatever its source.
const TARGET: &str = "plugin/kubernetes";

/// How often the files are looked at, whether the kernel tells of a change or not: it tells of none
/// on network file systems, and of none behind a link.
const POLL: Duration = Duration::from_millis(500);

/// Files that change are read when they have been left alone for so long, so that none is read half
/// written.
const QUIET: Duration = Duration::from_millis(30);

/// How often [`QUIET`] is waited for, at most: a change counts within a second.
const WAITS: u32 = 8;

const _: () = assert!(POLL.as_millis() + QUIET.as_millis() * WAITS as u128 <= 800);

/// What a source's files last came to.
#[derive(Debug)]
pub(super) struct State {
    options: Options,
    files: Files,
    /// none before the first list
    objects: Option<BTreeMap<(Kind, Key), (Object, Place)>>,
    /// the problems as they are now
    pub(super) reported: BTreeSet<Problem>,
}

impl State {
    pub(super) fn new(options: Options, files: Files) -> Self {
        Self {
            options,
            files,
            objects: None,
            reported: BTreeSet::new(),
        }
    }

    /// Reads what has changed. Before the root can be listed for the first time nothing is yielded.
    pub(super) fn load(&mut self, scan: Scan) -> Vec<Event> {
        let is_unreadable = scan.is_unreadable();
        let is_different = self.files.load(scan);
        match (&self.objects, is_different) {
            (None, _) if is_unreadable => {
                self.report(self.files.problems().cloned().collect());
                Vec::new()
            }
            (Some(_), false) => Vec::new(),
            _ => self.refresh(),
        }
    }

    /// Does the controllers' work again, and yields what is different, or the first list.
    pub(super) fn refresh(&mut self) -> Vec<Event> {
        let Cluster { objects, problems } =
            cluster::simulate(self.files.manifests(), &self.options);
        self.report(self.files.problems().cloned().chain(problems).collect());
        let events = match &self.objects {
            None => list(&objects, &self.options),
            Some(earlier) => difference(earlier, &objects),
        };
        self.objects = Some(objects);
        events
    }

    /// Logs each problem once, and again if it comes back.
    fn report(&mut self, problems: BTreeSet<Problem>) {
        for problem in problems.difference(&self.reported) {
            match problem.severity {
                Severity::Error => tracing::error!(target: TARGET, "{problem}"),
                Severity::Warning => tracing::warn!(target: TARGET, "{problem}"),
            }
        }
        self.reported = problems;
    }
}

fn list(objects: &BTreeMap<(Kind, Key), (Object, Place)>, options: &Options) -> Vec<Event> {
    let mut kinds = vec![Kind::Namespace, Kind::Service, Kind::EndpointSlice];
    kinds.extend(options.pods.then_some(Kind::Pod));
    kinds.extend(options.imports.then_some(Kind::ServiceImport));
    let mut events = Vec::with_capacity(objects.len() + 2 * kinds.len());
    for kind in kinds {
        events.push(Event::Listing(kind));
        let of_kind = objects.values().filter(|(object, _)| object.kind() == kind);
        events.extend(of_kind.map(|(object, _)| Event::Apply(object.clone())));
        events.push(Event::Listed(kind));
    }
    events
}

/// What is new or other first, then what is gone: endpoints that move from one slice to another are
/// never missing.
fn difference(
    earlier: &BTreeMap<(Kind, Key), (Object, Place)>,
    now: &BTreeMap<(Kind, Key), (Object, Place)>,
) -> Vec<Event> {
    let is_new = |(key, object): &(&(Kind, Key), &Object)| {
        earlier
            .get(*key)
            .is_none_or(|(earlier, _)| earlier != *object)
    };
    let objects = now.iter().map(|(key, (object, _))| (key, object));
    let applied = objects
        .filter(is_new)
        .map(|(_, object)| Event::Apply(object.clone()));
    let gone = earlier.keys().filter(|key| !now.contains_key(*key));
    let deleted = gone.map(|(kind, key)| Event::Delete(*kind, key.clone()));
    applied.chain(deleted).collect()
}

/// Yields what was parsed, and then nothing until the receiver is dropped. Who parsed it tells of
/// problems.
pub(super) async fn still(files: &Files, options: &Options, events: mpsc::Sender<Event>) {
    let objects = cluster::simulate(files.manifests(), options).objects;
    if send(&events, list(&objects, options)).await.is_ok() {
        events.closed().await;
    }
}

/// Yields what is compiled in, and then nothing until the receiver is dropped.
pub(super) async fn embedded(
    files: &[(&str, &str)],
    options: Options,
    events: mpsc::Sender<Event>,
) {
    let list = State::new(options, Files::embedded(files)).refresh();
    if send(&events, list).await.is_ok() {
        events.closed().await;
    }
}

/// Follows a directory until the receiver is dropped.
pub(super) async fn directory(root: PathBuf, options: Options, events: mpsc::Sender<Event>) {
    let wake = Arc::new(Notify::new());
    let watched = (root.clone(), wake.clone());
    let _watcher = spawn_blocking(move || watcher(&watched.0, watched.1)).await;
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = State::new(options.clone(), Files::default());
    let mut loaded = None;
    loop {
        tokio::select! {
            _ = poll.tick() => {}
            () = wake.notified() => {}
            () = events.closed() => return,
        }
        let is_unsettled = state.files.has_unsettled();
        let Some(scan) = next_scan(&root, loaded.as_ref(), is_unsettled).await else {
            continue;
        };
        loaded = Some(scan.clone());
        let step = spawn_blocking(move || {
            let changes = state.load(scan);
            (state, changes)
        });
        let changes;
        (state, changes) = step.await.unwrap_or_else(|error| {
            // a bug: what was yielded stays, and the next change of a file is a relist
            tracing::error!(target: TARGET, "{}: reading it failed: {error}", root.display());
            (State::new(options.clone(), Files::default()), Vec::new())
        });
        if !changes.is_empty() {
            let is_list = matches!(changes.first(), Some(Event::Listing(_)));
            let objects = changes
                .iter()
                .filter(|change| matches!(change, Event::Apply(_) | Event::Delete(..)));
            let (root, count) = (root.display(), objects.count());
            let what = if is_list { "read" } else { "changed" };
            tracing::info!(target: TARGET, "{root}: {count} objects {what}");
        }
        if send(&events, changes).await.is_err() {
            return;
        }
    }
}

/// The files as they are now, if that is not how they were loaded; after a change, once it is over.
async fn next_scan(root: &Path, loaded: Option<&Scan>, is_unsettled: bool) -> Option<Scan> {
    let mut scan = scan(root).await?;
    if loaded == Some(&scan) && !is_unsettled {
        return None;
    }
    if loaded.is_some() {
        for _ in 0..WAITS {
            sleep(QUIET).await;
            let next = self::scan(root).await?;
            if next == scan {
                break;
            }
            scan = next;
        }
    }
    Some(scan)
}

async fn scan(root: &Path) -> Option<Scan> {
    let root = root.to_owned();
    spawn_blocking(move || Scan::new(&root)).await.ok()
}

async fn send(
    events: &mpsc::Sender<Event>,
    changes: Vec<Event>,
) -> Result<(), mpsc::error::SendError<Event>> {
    for event in changes {
        events.send(event).await?;
    }
    Ok(())
}

/// Wakes the source when a file changes. Without it (too many watches, no such directory) changes
/// are seen at the next poll.
fn watcher(root: &Path, wake: Arc<Notify>) -> Option<RecommendedWatcher> {
    let on_event = move |event: notify::Result<notify::Event>| {
        // reading the files is an event too
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            wake.notify_one();
        }
    };
    let watcher = notify::recommended_watcher(on_event).and_then(|mut watcher| {
        watcher.watch(root, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(|error| {
            tracing::debug!(target: TARGET, "{}: only polled: {error}", root.display());
        })
        .ok()
}
