//! `secondary`: answers from zones that other servers have, kept current by transfers.
#![doc = include_str!("../../docs/plugins/secondary.md")]

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use tracing::info;

pub(super) use self::config::OPTIONS;

use self::config::Config;
use self::members::{CatalogPrimaries, Members, Source};
use self::primary::Primaries;
use self::replica::Replica;
use super::fall::Fall;
use super::file::{next_or_refused, refused_transfer, wildcard};
use super::setup::{Setup, SetupError};
use super::transfer::{Export, Exported, Transfers};
use crate::answer::{Answer, Origin};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply};
use crate::name::{NameRef, ZoneMap};
use crate::query::{Query, Step};
use crate::wire::Opcode;
use crate::zone::serve::{self, Manner};

mod catalog;
mod config;
mod members;
mod primary;
mod replica;

/// The directive's name.
const NAME: &str = "secondary";

/// The plugin of one server block.
struct Secondary {
    zones: Arc<Zones>,
    fall: Fall,
    place: Option<Arc<str>>,
}

struct Zones {
    /// Those that the Corefile names.
    own: ZoneMap<Arc<Replica>>,
    /// Those that catalogs name, where there is one.
    members: Option<Arc<Members>>,
}

/// Reads the directives, adds the plugin to the block's chain, and names a task for each zone.
///
/// # Errors
/// Names the word that is wrong, and what would be right.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    let transfers = Transfers::of(setup);
    let members = members(&config, setup);
    let mut own = ZoneMap::default();
    for (zone, from) in config.zones {
        // What was transferred outlives a reload of the Corefile.
        let key = format!("secondary {zone} {from:?}");
        let replica = setup.shared.keep(key, || {
            (Arc::new(Replica::new(zone.clone(), from.clone())), None)
        });
        own.insert(zone, replica);
    }
    for (zone, replica) in own.iter() {
        let (replica, transfers) = (replica.clone(), transfers.clone());
        let primaries = Primaries::new(zone.clone(), replica.from().to_vec());
        let is_catalog = config.catalogs.get(zone.view()).is_some();
        match members.clone().filter(|_| is_catalog) {
            None => {
                let update = move |stop| replica::update(replica, primaries, transfers, stop);
                setup.shared.task("secondary", update);
            }
            Some(members) => {
                if let Some(zone) = replica.zone().as_ref() {
                    // It was a catalog, or none, before this reload; then it is told when asked for.
                    let _ = members.take(zone);
                }
                let primaries = CatalogPrimaries { primaries, members };
                let update = move |stop| replica::update(replica, primaries, transfers, stop);
                setup.shared.task("secondary catalog", update);
            }
        }
    }
    if let Some(members) = members.clone() {
        let transfers = transfers.clone();
        let follow = move |stop| members::follow(members, transfers, stop);
        setup.shared.task("secondary members", follow);
    }
    let zones = Arc::new(Zones { own, members });
    if let Some(transfers) = &transfers {
        transfers.offer(zones.clone());
    }
    let place = setup.directive.tokens().first();
    setup.push(Secondary {
        zones,
        fall: config.fall,
        place: place.map(|token| token.place().to_string().into()),
    });
    Ok(())
}

/// The members of the block's catalogs, as they were before a reload that changed nothing of them.
fn members(config: &Config, setup: &mut Setup<'_>) -> Option<Arc<Members>> {
    let zones = config.zones.iter().map(|(zone, _)| zone.clone());
    let own: Vec<_> = zones.collect();
    let mut sources = ZoneMap::default();
    for (zone, from) in &config.zones {
        if let Some(within) = config.catalogs.get(zone.view()) {
            let source = Source {
                from: from.clone(),
                within: within.clone(),
            };
            sources.insert(zone.clone(), source);
        }
    }
    sources.iter().next()?;
    let mut told: Vec<_> = sources.iter().map(|source| format!("{source:?}")).collect();
    told.sort();
    let key = format!("secondary members {own:?} {told:?}");
    let members = setup
        .shared
        .keep(key, || (Arc::new(Members::new(own, sources)), None));
    Some(members)
}

impl Zones {
    /// The zone of exactly this name.
    fn get(&self, zone: NameRef<'_>) -> Option<Arc<Replica>> {
        let own = self.own.get(zone).cloned();
        own.or_else(|| self.members.as_ref()?.get(zone))
    }

    /// The zone that a name is in: of several the longest.
    fn of(&self, name: NameRef<'_>) -> Option<Arc<Replica>> {
        name.suffixes().find_map(|suffix| self.get(suffix))
    }
}

impl Export for Zones {
    fn export(&self, zone: NameRef<'_>) -> Option<Exported> {
        let replica = self.get(zone)?;
        Some(Exported::of(replica.zone().as_ref()))
    }
}

impl Plugin for Secondary {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let Some(replica) = self.zones.of(query.lower) else {
            return next_or_refused(query, next, NAME);
        };
        if let Some(reply) = refused_transfer(query, NAME) {
            return reply;
        }
        if query.request.opcode == Opcode::NOTIFY {
            return told(&replica, query);
        }
        let zone = replica.zone();
        let Some(zone) = zone.as_ref().filter(|_| !replica.is_expired()) else {
            return Failure::refusal(NAME, ResponseCode::ServFail).into();
        };
        query.note(|| Step {
            plugin: NAME,
            what: format!("zone {} with serial {}", zone.origin(), zone.serial()),
            place: self.place.clone(),
        });
        let manner = Manner {
            plugin: NAME,
            falls_through: self.fall.through(query.lower),
            aliases_of_cuts_are_referrals: false,
        };
        serve::serve(zone, query, manner).unwrap_or_else(|| next.serve(query))
    }

    fn metadata(&self, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
        let replica = self.zones.of(query.lower)?;
        wildcard(replica.zone().as_ref()?, query, label)
    }
}

/// A NOTIFY: of the servers that have the zone it is believed, and of nobody else.
fn told(replica: &Replica, query: &Query<'_>) -> Reply {
    let (zone, client) = (replica.origin(), query.request.client.ip());
    if replica.from().iter().any(|from| from.ip() == client) {
        info!(target: "plugin/secondary", "Notify from {client} for {zone}: checking transfer");
        replica.wake();
        return Answer::new(query, NAME, Origin::Local)
            .authoritative()
            .into();
    }
    info!(target: "plugin/secondary", "Dropping notify from {client} for {zone}");
    Outcome::Drop.into()
}

#[cfg(test)]
mod tests;
