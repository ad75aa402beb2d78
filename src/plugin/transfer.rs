//! `transfer`: whole zones for those who may have them, and word to others that a zone changed.
#![doc = include_str!("../../docs/plugins/transfer.md")]
//!
//! Plugins that have zones give them by means of [`Export`]: in their setup, which runs after this
//! plugin's, they look for the block's [`Transfers`] ([`Transfers::of`]), offer themselves
//! ([`Transfers::offer`]), and tell it when a zone has changed ([`Transfers::notify`]).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Origin, Records};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply, Transfer};
use crate::corefile::{Cursor, HostPort, Token};
use crate::name::{Name, NameRef};
use crate::query::Query;
use crate::zone::Zone;

mod messages;
mod notify;
mod portion;
#[cfg(test)]
pub(super) mod testkit;

use messages::Messages;

pub use portion::Portion;

/// The directive's name.
const NAME: &str = "transfer";
/// The port of a server that names none.
pub(super) const PORT: u16 = 53;

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["to", "source"];

/// A plugin that has zones.
pub trait Export: Send + Sync {
    /// The zone of this apex, in lower case; `None` where the plugin does not have exactly that
    /// zone, and another one is asked.
    fn export(&self, zone: NameRef<'_>) -> Option<Exported>;
}

/// A zone for a transfer.
pub enum Exported {
    /// What it is at this moment.
    Zone(Snapshot),
    /// It is not known yet: the transfer fails.
    NotYet,
}

/// A zone of one moment.
pub struct Snapshot {
    /// The serial of its SOA record.
    pub serial: u32,
    /// Who has a later serial keeps what he has (RFC 1995, 2), as who has this one does.
    pub keeps_newer: bool,
    /// All its records, section and order of no meaning but for the first one: it is the SOA record.
    /// It is not repeated at the end; the transfer does that. Taken as the client takes them, in
    /// portions of any size.
    pub records: Box<dyn Iterator<Item = Arc<Records>> + Send>,
}

/// Who may have which zones of a block, and who has them.
#[derive(Default)]
pub struct Transfers {
    rules: Vec<Rule>,
    exports: Mutex<Vec<Arc<dyn Export>>>,
}

/// `transfer [ZONES...] { ... }`
#[derive(Debug)]
struct Rule {
    zones: Vec<Name>,
    to: Vec<Peer>,
    source: Option<IpAddr>,
}

/// Who may have a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Peer {
    /// Whoever asks.
    Anyone,
    /// This address, which is told of changes.
    At(std::net::SocketAddr),
}

struct Plugged(Arc<Transfers>);

/// Reads the directives, adds the plugin to the block's chain, and lets others find it.
///
/// # Errors
/// Names the word that is wrong, and what would be right.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut rules = Vec::new();
    let mut cursor = setup.directive.cursor();
    while cursor.next_token().is_some() {
        let at_directive = cursor.clone();
        let mut rule = Rule {
            zones: setup.zones(&cursor.remaining_args()),
            to: Vec::new(),
            source: None,
        };
        while let Some(option) = cursor.next_block() {
            rule.option(option, &mut cursor)?;
        }
        if rule.to.is_empty() {
            let error = at_directive.err("'to' is required");
            return Err(error.help("say who may have the zones: to * or to ADDRESS..."));
        }
        rules.push(rule);
    }
    let transfers = Arc::new(Transfers {
        rules,
        exports: Mutex::default(),
    });
    let block = setup.shared.block;
    setup.shared.exports.push((block, transfers.clone()));
    setup.push(Plugged(transfers));
    Ok(())
}

impl Rule {
    fn option(&mut self, option: &Token, cursor: &mut Cursor<'_>) -> Result<(), SetupError> {
        let at_option = cursor.clone();
        let arguments = cursor.remaining_args();
        match (option.text(), arguments.as_slice()) {
            ("to", []) | ("source", [] | [_, _, ..]) => return Err(at_option.arg_err()),
            ("to", peers) => {
                for peer in peers {
                    self.to.push(Peer::read(peer)?);
                }
            }
            ("source", _) if self.source.is_some() => {
                return Err(option.err("source already specified"));
            }
            ("source", [address]) => {
                let parsed = address.text().parse();
                self.source = Some(parsed.map_err(|_| {
                    let error = format!("invalid source address {:?}", address.text());
                    address.err(error).help("write an address of this machine")
                })?);
            }
            _ => return Err(at_option.unknown_property(OPTIONS)),
        }
        Ok(())
    }

    fn allows(&self, client: IpAddr) -> bool {
        self.to.iter().any(|peer| match peer {
            Peer::Anyone => true,
            Peer::At(address) => address.ip() == client,
        })
    }
}

impl Exported {
    /// A zone of [`crate::zone`]; `None` is one that is not known yet.
    #[must_use]
    pub fn of(zone: Option<&Arc<Zone>>) -> Self {
        zone.map_or(Self::NotYet, |zone| {
            Self::Zone(Snapshot {
                serial: zone.serial(),
                keeps_newer: false,
                records: Box::new(std::iter::once(zone.records().clone())),
            })
        })
    }
}

impl Peer {
    fn read(token: &Token) -> Result<Self, SetupError> {
        if token.text() == "*" {
            return Ok(Self::Anyone);
        }
        address(token).map(Self::At)
    }
}

/// `ADDRESS[:PORT]` of another server.
///
/// # Errors
/// It is no address.
pub(super) fn address(token: &Token) -> Result<std::net::SocketAddr, SetupError> {
    let address = token
        .address(PORT)
        .or_else(|error| odd_port(token).ok_or(error))?;
    // Without the zone of an IPv6 address: the system's routes decide.
    let host = address
        .host
        .rsplit_once('%')
        .map_or(address.host.as_str(), |(host, _)| host);
    let ip = host.parse::<IpAddr>();
    let ip =
        ip.map_err(|_| token.err(format!("must specify an IP address: `{}'", token.text())))?;
    Ok((ip.to_canonical(), address.port).into())
}

/// An address with a port that is none. As in CoreDNS that shows when it is asked: nobody answers at
/// port 0.
fn odd_port(token: &Token) -> Option<HostPort> {
    let (host, _) = token.text().rsplit_once(':')?;
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address: IpAddr = inner.unwrap_or(host).parse().ok()?;
    (inner.is_some() || address.is_ipv4()).then(|| HostPort {
        host: address.to_string(),
        port: 0,
    })
}

impl Transfers {
    /// Those of the block that is set up now; `None` where it has no `transfer`.
    #[must_use]
    pub fn of(setup: &Setup<'_>) -> Option<Arc<Self>> {
        let block = setup.shared.block;
        setup.shared.exports.iter().find_map(|(number, export)| {
            let export = (*number == block).then(|| export.clone())?;
            export.downcast::<Self>().ok()
        })
    }

    /// Names a plugin whose zones may be transferred. Those that come first are asked first.
    pub fn offer(&self, export: Arc<dyn Export>) {
        self.exports().push(export);
    }

    /// Tells the servers that may have this zone that it changed (RFC 1996). What one does not
    /// confirm is told in the log.
    pub async fn notify(&self, zone: &Name) {
        if let Some(rule) = self.rule(zone.view()) {
            notify::all(zone, &rule.to, rule.source).await;
        }
    }

    fn exports(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Export>>> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rule with the longest zone that the name is in.
    fn rule(&self, name: NameRef<'_>) -> Option<&Rule> {
        let longest = |rule: &Rule| {
            let zones = rule.zones.iter().filter(|zone| name.is_in(zone.view()));
            zones.map(|zone| zone.view().as_bytes().len()).max()
        };
        let rules = self
            .rules
            .iter()
            .filter_map(|rule| Some((longest(rule)?, rule)));
        // Of equals the first one.
        let best = rules.reduce(|best, rule| if rule.0 > best.0 { rule } else { best });
        best.map(|(_, rule)| rule)
    }

    fn find(&self, zone: NameRef<'_>) -> Option<Exported> {
        let exports = self.exports().clone();
        exports.iter().find_map(|export| export.export(zone))
    }

    fn serve(&self, query: &Query<'_>) -> Option<Reply> {
        if query.request.transport.proto() != "tcp" {
            return Some(Failure::refusal(NAME, ResponseCode::Refused).into());
        }
        let rule = self.rule(query.lower)?;
        if !rule.allows(query.request.client.ip()) {
            let answer = Answer::new(query, NAME, Origin::Local);
            return Some(answer.with_rcode(ResponseCode::Refused).into());
        }
        let is_incremental = query.qtype == RecordType::IXFR;
        if is_incremental && query.request.serial.is_none() {
            return Some(Failure::refusal(NAME, ResponseCode::ServFail).into());
        }
        let snapshot = match self.find(query.lower)? {
            Exported::Zone(snapshot) => snapshot,
            Exported::NotYet => {
                return Some(Failure::new(NAME, ResponseCode::ServFail, "no SOA").into());
            }
        };
        // As CoreDNS: changes are not kept, so who has another serial gets all (RFC 1995, 4).
        let known = query
            .request
            .serial
            .filter(|serial| is_incremental && *serial != 0);
        let messages = Messages::new(query, snapshot, known);
        Some(Outcome::Transfer(Transfer(Box::new(messages))).into())
    }
}

impl Plugin for Plugged {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        if !matches!(query.qtype, RecordType::AXFR | RecordType::IXFR) {
            return next.serve(query);
        }
        self.0.serve(query).unwrap_or_else(|| next.serve(query))
    }
}

#[cfg(test)]
mod tests;
