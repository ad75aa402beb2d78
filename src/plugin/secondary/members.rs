//! The zones that catalogs name: they come and go with the catalogs' records.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::catalog::{Catalog, Member, NotCatalog};
use super::primary::Primaries;
use super::replica::{self, Primary, Replica};
use crate::name::{Name, NameRef, ZoneMap};
use crate::plugin::transfer::Transfers;
use crate::zone::Zone;

/// Connections to the servers of catalogs at a time: a catalog may name thousands of zones.
const CONNECTIONS: usize = 16;

/// What is known of one catalog.
#[derive(Debug)]
pub(super) struct Source {
    /// The servers that have it, and its members.
    pub(super) from: Vec<SocketAddr>,
    /// The names in which its members must be; none: any will do.
    pub(super) within: Vec<Name>,
}

/// The members of all catalogs of a block.
pub(super) struct Members {
    /// The zones that the Corefile names: no catalog takes one of them.
    own: Vec<Name>,
    sources: ZoneMap<Source>,
    served: ArcSwap<ZoneMap<Served>>,
    /// What the catalogs said last. Whoever changes `served` holds it.
    catalogs: Mutex<ZoneMap<Catalog>>,
    /// Told whenever `served` changed.
    changed: watch::Sender<()>,
    connections: Arc<Semaphore>,
}

/// A member that is served.
#[derive(Clone)]
struct Served {
    catalog: Name,
    id: Box<[u8]>,
    replica: Arc<Replica>,
}

impl Members {
    pub(super) fn new(own: Vec<Name>, sources: ZoneMap<Source>) -> Self {
        Self {
            own,
            sources,
            served: ArcSwap::default(),
            catalogs: Mutex::default(),
            changed: watch::Sender::default(),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// The member of exactly this name.
    pub(super) fn get(&self, zone: NameRef<'_>) -> Option<Arc<Replica>> {
        let served = self.served.load();
        served.get(zone).map(|served| served.replica.clone())
    }

    /// Serves the members of a catalog as it is now, and no more those that it does not name.
    ///
    /// # Errors
    /// The zone is no catalog; nothing changes.
    pub(super) fn take(&self, zone: &Zone) -> Result<(), NotCatalog> {
        let (origin, catalog) = (zone.origin(), Catalog::of(zone)?);
        let Some(source) = self.sources.get(origin.view()) else {
            return Ok(());
        };
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.served.load_full();
        let mut now: ZoneMap<Served> = ZoneMap::default();
        for (zone, served) in before.iter() {
            if served.catalog != *origin {
                now.insert(zone.clone(), served.clone());
            }
        }
        let (mut count, mut outside) = (0, 0);
        for member in &catalog.members {
            let is_within = |zone: &Name| member.zone.view().is_in(zone.view());
            if !source.within.is_empty() && !source.within.iter().any(is_within) {
                outside += 1;
                continue;
            }
            let served = before.get(member.zone.view());
            if let Some(served) = self.next(origin, source, member, served, &catalogs) {
                now.insert(member.zone.clone(), served);
            }
            count += 1;
        }
        for (zone, served) in before.iter() {
            if served.catalog == *origin && now.get(zone.view()).is_none() {
                info!(target: "plugin/secondary", "Removed catalog member zone {zone} from catalog {origin}");
            }
        }
        if outside > 0 {
            warn!(target: "plugin/secondary", "Skipped {outside} member zones of catalog {origin}: they are in none of the zones that 'catalog' names");
        }
        info!(target: "plugin/secondary", "Catalog zone {origin} has {count} member zones");
        catalogs.insert(origin.clone(), catalog);
        self.served.store(Arc::new(now));
        self.changed.send_replace(());
        Ok(())
    }

    /// What is served of a member from now on; `None` where another catalog, or the Corefile, has
    /// the zone.
    fn next(
        &self,
        origin: &Name,
        source: &Source,
        member: &Member,
        served: Option<&Served>,
        catalogs: &ZoneMap<Catalog>,
    ) -> Option<Served> {
        let (zone, from) = (&member.zone, source.from.clone());
        let fresh = || Replica::new(zone.clone(), source.from.clone());
        let exists = || {
            warn!(target: "plugin/secondary", "Skipping catalog member zone {zone} from {origin}: zone already exists");
            None
        };
        let replica = match served {
            _ if self.own.contains(zone) => return exists(),
            None => {
                info!(target: "plugin/secondary", "Added catalog member zone {zone} from catalog {origin}");
                fresh()
            }
            Some(served) if served.catalog == *origin && served.id == member.id => {
                return Some(served.clone());
            }
            Some(served) if served.catalog == *origin => {
                info!(target: "plugin/secondary", "Reset catalog member zone {zone} from {origin}: its label is another one");
                fresh()
            }
            Some(served) => {
                // RFC 9432, 4.3.1: the catalog that has it must say that it may go.
                let old = &served.catalog;
                let known = catalogs.get(old.view()).and_then(|old| old.member(zone));
                let Some(known) = known.filter(|known| known.successor.as_ref() == Some(origin))
                else {
                    return exists();
                };
                let is_same = served.id == known.id && known.id == member.id;
                let state = if is_same { "with its state" } else { "anew" };
                info!(target: "plugin/secondary", "Migrated catalog member zone {zone} from catalog {old} to {origin} {state}");
                match is_same {
                    true => Replica::heir(&served.replica, from),
                    false => fresh(),
                }
            }
        };
        Some(Served {
            catalog: origin.clone(),
            id: member.id.clone(),
            replica: Arc::new(replica),
        })
    }
}

/// The servers of a catalog: what comes over is followed before it is served.
pub(super) struct CatalogPrimaries {
    pub(super) primaries: Primaries,
    pub(super) members: Arc<Members>,
}

impl Primary for CatalogPrimaries {
    async fn serial(&self) -> Result<u32, String> {
        self.primaries.serial().await
    }

    async fn zone(&self) -> Result<Zone, String> {
        let zone = self.primaries.zone().await?;
        let taken = self.members.take(&zone);
        taken.map_err(|error| format!("{} is no catalog zone: {error}", zone.origin()))?;
        Ok(zone)
    }
}

/// The servers of a member, of which not too many are asked at a time.
struct MemberPrimaries {
    primaries: Primaries,
    connections: Arc<Semaphore>,
}

impl Primary for MemberPrimaries {
    async fn serial(&self) -> Result<u32, String> {
        let _permit = self.connections.acquire().await;
        self.primaries.serial().await
    }

    async fn zone(&self) -> Result<Zone, String> {
        let _permit = self.connections.acquire().await;
        self.primaries.zone().await
    }
}

/// Keeps all members current until it is stopped.
pub(super) async fn follow(
    members: Arc<Members>,
    transfers: Option<Arc<Transfers>>,
    stop: CancellationToken,
) {
    let (mut changes, tasks) = (members.changed.subscribe(), TaskTracker::new());
    let mut running: HashMap<Name, (Arc<Replica>, CancellationToken)> = HashMap::new();
    loop {
        let served = members.served.load_full();
        running.retain(|zone, (replica, stop)| {
            let now = served.get(zone.view());
            let goes_on = now.is_some_and(|now| Arc::ptr_eq(&now.replica, replica));
            if !goes_on {
                stop.cancel();
            }
            goes_on
        });
        for (zone, served) in served.iter() {
            running.entry(zone.clone()).or_insert_with(|| {
                let (replica, stop) = (served.replica.clone(), stop.child_token());
                let primaries = MemberPrimaries {
                    primaries: Primaries::new(zone.clone(), replica.from().to_vec()),
                    connections: members.connections.clone(),
                };
                let (transfers, stopped) = (transfers.clone(), stop.clone());
                tasks.spawn(replica::update(
                    replica.clone(),
                    primaries,
                    transfers,
                    stopped,
                ));
                (replica, stop)
            });
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break },
        }
    }
    tasks.close();
    tasks.wait().await;
}

#[cfg(test)]
mod tests;
