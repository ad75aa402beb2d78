//! A zone file: read when the block is set up, and again when it changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::corefile::{Environment, Place, System};
use crate::name::Name;
use crate::plugin::setup::{Setup, SetupError};
use crate::zone::Zone;
use crate::zone::text::{self, TextError};

/// When a file is read again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reload {
    /// How often it is looked at; zero is never.
    pub(super) interval: Duration,
    /// By its time of change, not by the serial that is in it.
    pub(super) by_mtime: bool,
}

/// A zone and the file that it comes from.
#[derive(Debug)]
pub(super) struct Source {
    origin: Name,
    path: PathBuf,
    /// Where the directive names the file.
    place: Place,
    zone: ArcSwapOption<Zone>,
    last: Mutex<Last>,
}

/// What was found the last time.
#[derive(Debug, Default)]
struct Last {
    /// The time of change of what is served.
    changed: Option<SystemTime>,
    /// What was wrong, so that it is told once.
    error: Option<String>,
}

impl Source {
    pub(super) fn new(origin: Name, path: PathBuf, place: Place) -> Self {
        Self {
            origin,
            path,
            place,
            zone: ArcSwapOption::empty(),
            last: Mutex::default(),
        }
    }

    /// What is served; nothing until the file was read.
    pub(super) fn zone(&self) -> arc_swap::Guard<Option<Arc<Zone>>> {
        self.zone.load()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Reads the file as setup finds it. One that is not there is for later.
    pub(super) fn first(&self, setup: &Setup<'_>) -> Result<(), SetupError> {
        if !setup.environment.exists(&self.path) {
            return Ok(());
        }
        let read = |path: &Path, limit| setup.environment.read(path, limit);
        let tell = |message: String| SetupError::error(message).at(&self.place);
        // As in CoreDNS no zone starts with the serial 0.
        match text::read(&self.path, self.origin.view(), Some(0), &read) {
            Ok(Some(zone)) => {
                self.zone.store(Some(Arc::new(zone)));
                Ok(())
            }
            Ok(None) => {
                let path = self.path.display();
                let error = tell(format!("{path}: the serial of {} is 0", self.origin));
                Err(error.help("give the SOA record a serial above 0"))
            }
            Err(error) => {
                let error = tell(error.to_string());
                Err(error.help(format!("this is in the zone file of {}", self.origin)))
            }
        }
    }

    /// Reads the file if it changed. It blocks.
    fn refresh(&self, by_mtime: bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read(by_mtime, &last) {
            Ok(None) => last.error = None,
            Ok(Some((zone, changed))) => {
                let (origin, path, serial) = (&self.origin, self.path.display(), zone.serial());
                info!(target: "plugin/file", "Successfully reloaded zone \"{origin}\" in \"{path}\" with {serial} SOA serial");
                self.zone.store(Some(Arc::new(zone)));
                *last = Last {
                    changed,
                    error: None,
                };
            }
            Err(wrong) => {
                let wrong = wrong.to_string();
                if last.error.as_ref() != Some(&wrong) {
                    let kept = match self.zone.load().is_some() {
                        true => "what it last held is still served",
                        false => "its names fail until it is right",
                    };
                    error!(target: "plugin/file", "Parsing zone \"{}\", {kept}: {wrong}", self.origin);
                    last.error = Some(wrong);
                }
            }
        }
    }

    /// The zone, unless it is the one that is served.
    fn read(
        &self,
        by_mtime: bool,
        last: &Last,
    ) -> Result<Option<(Zone, Option<SystemTime>)>, TextError> {
        let changed = self.changed();
        let is_old = match (changed, last.changed) {
            (Some(changed), Some(last)) => changed <= last,
            _ => false,
        };
        if by_mtime && is_old {
            return Ok(None);
        }
        let served = self.zone.load();
        let known = served.as_ref().map(|zone| zone.serial());
        let read = |path: &Path, limit| System.read(path, limit);
        let known = known.filter(|_| !by_mtime);
        let zone = text::read(&self.path, self.origin.view(), known, &read)?;
        Ok(zone.map(|zone| (zone, changed)))
    }

    fn changed(&self) -> Option<SystemTime> {
        self.path.metadata().ok()?.modified().ok()
    }
}

/// Looks at the file each interval until it is stopped.
pub(super) async fn watch(source: Arc<Source>, reload: Reload, stop: CancellationToken) {
    if source.zone().is_some() {
        let mut last = source.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.changed = source.changed();
    }
    let mut ticks = tokio::time::interval(reload.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let source = source.clone();
        let refresh = move || source.refresh(reload.by_mtime);
        if let Err(error) = tokio::task::spawn_blocking(refresh).await {
            error!(target: "plugin/file", "reading a zone file failed: {error}");
        }
    }
}
