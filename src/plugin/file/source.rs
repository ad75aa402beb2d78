//! A zone file: read when the block is set up, and again when it changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use hickory_proto::op::ResponseCode;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::chain::{Failure, Next, Reply};
use crate::corefile::{Environment, Place, System};
use crate::name::Name;
use crate::plugin::setup::{Setup, SetupError};
use crate::plugin::transfer::{Exported, Transfers};
use crate::query::{Query, Step};
use crate::zone::Zone;
use crate::zone::serve::{self, Manner};
use crate::zone::text::{self, TextError};

/// When a file is read again.
#[derive(Clone, Copy, Debug)]
pub(in crate::plugin) struct Reload {
    /// How often it is looked at; zero is never.
    pub(in crate::plugin) interval: Duration,
    /// By its time of change, not by the serial that is in it.
    pub(in crate::plugin) by_mtime: bool,
}

/// A zone and the file that it comes from.
#[derive(Debug)]
pub(in crate::plugin) struct Source {
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
    pub(in crate::plugin) fn new(origin: Name, path: PathBuf, place: Place) -> Self {
        Self {
            origin,
            path,
            place,
            zone: ArcSwapOption::empty(),
            last: Mutex::default(),
        }
    }

    /// Answers from the zone, as `manner` says; where it falls through, by asking `next`.
    pub(in crate::plugin) fn serve(
        &self,
        query: &Query<'_>,
        next: Next<'_>,
        manner: Manner,
    ) -> Reply {
        let zone = self.zone();
        let Some(zone) = zone.as_ref() else {
            return Failure::refusal(manner.plugin, ResponseCode::ServFail).into();
        };
        query.note(|| Step {
            plugin: manner.plugin,
            what: format!("zone {} of {}", zone.origin(), self.path.display()),
            place: Some(self.place.to_string().into()),
        });
        serve::serve(zone, query, manner).unwrap_or_else(|| next.serve(query))
    }

    /// What is served; nothing until the file was read.
    pub(in crate::plugin) fn zone(&self) -> arc_swap::Guard<Option<Arc<Zone>>> {
        self.zone.load()
    }

    pub(in crate::plugin) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file as setup finds it. One that is not there is for later.
    pub(in crate::plugin) fn first(&self, setup: &Setup<'_>) -> Result<(), SetupError> {
        if !setup.environment.exists(&self.path) {
            return Ok(());
        }
        self.note_change();
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

    /// Reads the file for the first time. It blocks.
    pub(in crate::plugin) fn load(&self) -> Result<(), String> {
        self.note_change();
        let read = |path: &Path, limit| System.read(path, limit);
        match text::read(&self.path, self.origin.view(), Some(0), &read) {
            Ok(Some(zone)) => {
                self.zone.store(Some(Arc::new(zone)));
                Ok(())
            }
            Ok(None) => Err(format!("{}: the serial is 0", self.path.display())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The same zone, whose file is at another path now.
    pub(in crate::plugin) fn moved(&self, path: PathBuf) -> Self {
        Self {
            origin: self.origin.clone(),
            path,
            place: self.place.clone(),
            zone: ArcSwapOption::new(self.zone.load_full()),
            last: Mutex::default(),
        }
    }

    /// The zone for a transfer.
    pub(in crate::plugin) fn exported(&self) -> Exported {
        Exported::of(self.zone().as_ref())
    }

    /// Reads the file if it changed: whether there is something new. It blocks.
    pub(in crate::plugin) fn refresh(&self, by_mtime: bool) -> bool {
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
                return true;
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
        false
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

    /// Notes the time of change, before the file is read: what changes meanwhile is read again.
    fn note_change(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.changed = self.changed();
    }

    fn changed(&self) -> Option<SystemTime> {
        self.path.metadata().ok()?.modified().ok()
    }
}

/// Tells of the zone, and then looks at the file each interval until it is stopped; never where that
/// is zero.
pub(in crate::plugin) async fn watch(
    source: Arc<Source>,
    reload: Reload,
    transfers: Option<Arc<Transfers>>,
    stop: CancellationToken,
) {
    let notify = async || {
        if let Some(transfers) = &transfers {
            transfers.notify(&source.origin).await;
        }
    };
    let watch = async {
        notify().await;
        if reload.interval.is_zero() {
            return;
        }
        let mut ticks = tokio::time::interval(reload.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let again = source.clone();
            let refresh = move || again.refresh(reload.by_mtime);
            match tokio::task::spawn_blocking(refresh).await {
                Ok(true) => notify().await,
                Ok(false) => {}
                Err(error) => {
                    error!(target: "plugin/file", "reading a zone file failed: {error}");
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watch => {}
    }
}
