//! `secondary`: answers from zones that other servers have, kept current by transfers.
#![doc = include_str!("../../docs/plugins/secondary.md")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use tracing::info;

use self::primary::Primaries;
use self::replica::Replica;
use super::fall::Fall;
use super::file::{next_or_refused, refused_transfer, wildcard};
use super::setup::{Setup, SetupError};
use super::transfer::{self, Export, Exported, Transfers};
use crate::answer::{Answer, Origin};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply};
use crate::corefile::{Cursor, Token};
use crate::name::{Name, NameRef};
use crate::query::{Query, Step};
use crate::wire::Opcode;
use crate::zone::serve::{self, Manner};

mod primary;
mod replica;

/// The directive's name.
const NAME: &str = "secondary";

const OPTIONS: [&str; 2] = ["transfer", "fallthrough"];

/// The plugin of one server block.
struct Secondary {
    zones: Arc<Zones>,
    fall: Fall,
    place: Option<Arc<str>>,
}

#[derive(Default)]
struct Zones(HashMap<Name, Arc<Replica>, foldhash::fast::RandomState>);

/// What all directives of a block come to: the servers of each zone.
#[derive(Default)]
struct Config {
    zones: Vec<(Name, Vec<SocketAddr>)>,
    fall: Fall,
}

/// Reads the directives, adds the plugin to the block's chain, and names a task for each zone.
///
/// # Errors
/// Names the word that is wrong, and what would be right.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    let transfers = Transfers::of(setup);
    let mut zones = Zones::default();
    for (zone, from) in config.zones {
        // What was transferred outlives a reload of the Corefile.
        let key = format!("secondary {zone} {from:?}");
        let replica = setup.shared.keep(key, || {
            (Arc::new(Replica::new(zone.clone(), from.clone())), None)
        });
        zones.0.insert(zone, replica);
    }
    for replica in zones.0.values() {
        let (replica, transfers) = (replica.clone(), transfers.clone());
        let primaries = Primaries::new(replica.origin().clone(), replica.from().to_vec());
        let update = move |stop| replica::update(replica, primaries, transfers, stop);
        setup.shared.task("secondary", update);
    }
    let zones = Arc::new(zones);
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

impl Config {
    fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut config = Self::default();
        let mut cursor = setup.directive.cursor();
        while cursor.next_token().is_some() {
            let at_directive = cursor.clone();
            let zones = setup.zones(&cursor.remaining_args());
            let mut from = Vec::new();
            while let Some(option) = cursor.next_block() {
                config.option(option, &mut cursor, setup, &mut from)?;
            }
            if from.is_empty() {
                let error = at_directive.err("secondary zones require a transfer from property");
                return Err(error.help("say who has the zones: transfer from ADDRESS"));
            }
            config
                .zones
                .extend(zones.into_iter().map(|zone| (zone, from.clone())));
        }
        Ok(config)
    }

    fn option(
        &mut self,
        option: &Token,
        cursor: &mut Cursor<'_>,
        setup: &mut Setup<'_>,
        from: &mut Vec<SocketAddr>,
    ) -> Result<(), SetupError> {
        let at_option = cursor.clone();
        let arguments = cursor.remaining_args();
        match (option.text(), arguments.as_slice()) {
            ("transfer", [word, addresses @ ..]) if word.text() == "from" => {
                if addresses.is_empty() {
                    return Err(at_option.arg_err());
                }
                for address in addresses {
                    if address.text() == "*" {
                        let error = address.err("can't use '*' in transfer from");
                        return Err(error.help("write the address of the server that has the zone"));
                    }
                    from.push(transfer::address(address)?);
                }
            }
            ("transfer", []) => return Err(at_option.arg_err()),
            ("transfer", [word, ..]) => {
                let error = word.err(format!("unknown property {}", word.text()));
                return Err(error.help("write: transfer from ADDRESS..."));
            }
            ("fallthrough", zones) => self.fall = Fall::read(setup, zones),
            ("catalog", _) => {
                let error = option.err("callsign does not have catalog zones (RFC 9432)");
                return Err(error.help("name each zone in a secondary of its own"));
            }
            _ => return Err(at_option.unknown_property(&OPTIONS)),
        }
        Ok(())
    }
}

impl Zones {
    /// The zone that a name is in: of several the longest.
    fn of(&self, name: NameRef<'_>) -> Option<&Arc<Replica>> {
        let mut suffixes = name.suffixes();
        suffixes.find_map(|suffix| self.0.get(suffix.as_bytes()))
    }
}

impl Export for Zones {
    fn export(&self, zone: NameRef<'_>) -> Option<Exported> {
        let replica = self.0.get(zone.as_bytes())?;
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
            return told(replica, query);
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
        match serve::serve(zone, query, manner) {
            Some(reply) => reply,
            None => next.serve(query),
        }
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
