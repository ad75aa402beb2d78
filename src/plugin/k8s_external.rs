//! `k8s_external`: Services by the addresses that they have outside the cluster.
#![doc = include_str!("../../docs/plugins/k8s_external.md")]

use std::sync::{Arc, OnceLock};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::fall::Fall;
use super::kubernetes::Cluster;
use super::setup::{Setup, SetupError};
use super::transfer::Transfers;
use crate::answer::{Answer, Data, ExtendedError, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Failure, Next, Plugin, Reply};
use crate::corefile::{Cursor, Diagnostic};
use crate::kubernetes::name::reverse;
use crate::name::{Labels, Name};
use crate::query::{Query, Step};

use lookup::{Found, Lookup};

mod led;
mod lookup;
mod records;
mod transfer;

/// The directive's name.
const NAME: &str = "k8s_external";
/// Seconds.
const TTL: u32 = 5;
/// The label of the name server, and the one in front of it.
const APEX: &str = "dns";
const SERVER: &[u8] = b"ns1";

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["apex", "ttl", "headless", "fallthrough"];

/// Reads `k8s_external [ZONES...] { apex NAME; ttl SECONDS; headless; fallthrough [ZONES...] }`.
///
/// # Errors
/// See `docs/plugins/k8s_external.md`; each names its place.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    if setup.source.directive("kubernetes").is_none() {
        let error = setup.directive.cursor().err("kubernetes plugin not loaded");
        return Err(error.help("put kubernetes into the same server block"));
    }
    let place = setup.directive.tokens().first();
    let place = place.map(|word| word.place().to_string());
    let state = Arc::new(State {
        config,
        cluster: setup.want(),
        place: place.unwrap_or_default().into(),
    });
    if let Some(transfers) = Transfers::of(setup) {
        transfers.offer(Arc::new(transfer::Zones(state.clone())));
    }
    setup.push(External(state));
    Ok(())
}

/// What the directive says.
struct Config {
    zones: Vec<Name>,
    /// In front of each zone: where its name servers live.
    apex: Name,
    ttl: u32,
    headless: bool,
    fall: Fall,
}

impl Config {
    fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut config = Self {
            zones: Vec::new(),
            apex: Name::from_text(APEX).unwrap_or_else(|_| Name::root()),
            ttl: TTL,
            headless: false,
            fall: Fall::default(),
        };
        let directive = setup.directive;
        let mut cursor = directive.cursor();
        // As in CoreDNS, options of several directives are taken together.
        while cursor.next_token().is_some() {
            config.zones = setup.zones(&cursor.remaining_args());
            while cursor.next_block().is_some() {
                config.option(setup, &mut cursor)?;
            }
        }
        Ok(config)
    }

    fn option(&mut self, setup: &mut Setup<'_>, cursor: &mut Cursor<'_>) -> Result<(), SetupError> {
        match cursor.text() {
            "ttl" => {
                let arguments = cursor.remaining_args();
                let Some(word) = arguments.first() else {
                    return Err(cursor.arg_err());
                };
                let ttl = word.integer(i64::MIN..=i64::MAX)?;
                self.ttl = match u32::try_from(ttl) {
                    Ok(ttl) if ttl <= 3600 => ttl,
                    _ => {
                        let error = word.err(format!("ttl must be in range [0, 3600]: {ttl}"));
                        return Err(error.help("seconds; 5 is the default"));
                    }
                };
            }
            "apex" => {
                let arguments = cursor.remaining_args();
                let Some(word) = arguments.first() else {
                    return Err(cursor.arg_err());
                };
                // CoreDNS takes any word, and can write no answer that has it.
                match Name::from_text(word.text()) {
                    Ok(apex) => self.apex = apex,
                    Err(error) => {
                        let text = word.text();
                        let warning = format!("{text:?} is no name: {error}; '{APEX}' is taken");
                        let warning = Diagnostic::warning(warning).at(word.place());
                        setup
                            .warnings
                            .push(warning.help("one label is usual: apex dns"));
                    }
                }
            }
            "headless" => self.headless = true,
            "fallthrough" => self.fall = Fall::read(setup, &cursor.remaining_args()),
            _ => return Err(cursor.unknown_property(OPTIONS)),
        }
        Ok(())
    }
}

/// See the module.
struct External(Arc<State>);

struct State {
    config: Config,
    /// What the kubernetes plugin of the block knows.
    cluster: Arc<OnceLock<Arc<Cluster>>>,
    /// The directive's place, for traces.
    place: Arc<str>,
}

/// A zone that a question is in.
#[derive(Clone, Copy)]
struct Zone<'z> {
    name: &'z Name,
    /// Where it starts in the question's name.
    at: u8,
}

impl Plugin for External {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let Self(state) = self;
        let Some(zone) = state.zone_of(query) else {
            return next.serve(query);
        };
        let Some(cluster) = state.cluster.get() else {
            let error = "kubernetes plugin not loaded";
            return Failure::new(NAME, ResponseCode::ServFail, error).into();
        };
        let at = usize::from(zone.at);
        let head = query.lower.as_bytes().get(..at).unwrap_or_default();
        if head.is_empty() {
            return state.of_apex(query, zone, cluster).into();
        }
        if state.is_below_apex(head) {
            return state.below_apex(query, zone, head, cluster).into();
        }
        let lookup = state.lookup(zone.name, cluster);
        match state.find(query, head, &lookup) {
            Found::Targets(targets) => records::answer(state, query, zone, &lookup, targets),
            Found::NoData => state
                .negative(query, zone, cluster, ResponseCode::NoError)
                .into(),
            Found::NameError if !cluster.zone.has_synced() => {
                // Nobody knows yet that the name does not exist; nor may another server say so.
                let mut answer = state.negative(query, zone, cluster, ResponseCode::ServFail);
                answer.extra_mut().error = Some(ExtendedError {
                    code: ExtendedError::NOT_READY,
                    text: "the cluster's state is not known yet".into(),
                });
                answer.into()
            }
            Found::NameError if state.config.fall.through(query.lower) => {
                query.note(|| state.step("no such name; passed on by fallthrough"));
                next.serve(query)
            }
            Found::NameError => state
                .negative(query, zone, cluster, ResponseCode::NXDomain)
                .into(),
        }
    }
}

impl State {
    /// The longest zone that the name is in.
    fn zone_of(&self, query: &Query<'_>) -> Option<Zone<'_>> {
        let within = |name| Some((name, query.lower.strip_zone(Name::view(name))?.len()));
        let zones = self.config.zones.iter().filter_map(within);
        let (name, at) = zones.min_by_key(|(_, at)| *at)?;
        let at = u8::try_from(at).ok()?;
        Some(Zone { name, at })
    }

    /// Whether labels in front of a zone are the name servers' subtree.
    fn is_below_apex(&self, head: &[u8]) -> bool {
        let apex = self.config.apex.view().to_lower();
        let apex: Vec<&[u8]> = apex.view().labels().collect();
        let labels: Vec<&[u8]> = Labels::of_head(head).collect();
        labels.ends_with(&apex)
    }

    fn lookup<'a>(&'a self, zone: &'a Name, cluster: &'a Cluster) -> Lookup<'a> {
        Lookup {
            cluster,
            zone,
            first: self.config.zones.first().unwrap_or(zone),
            headless: self.config.headless,
        }
    }

    /// What the name holds for the type of the question.
    fn find<'a>(&self, query: &Query<'_>, head: &[u8], lookup: &Lookup<'a>) -> Found {
        if query.qtype != RecordType::PTR {
            return lookup.name(head);
        }
        match reverse(query.lower.as_bytes()) {
            Some(address) => lookup.address(address),
            // A name of another kind has no PTR record.
            None => match lookup.name(head) {
                Found::Targets(_) => Found::NoData,
                other => other,
            },
        }
    }

    fn answer(query: &Query<'_>) -> Answer {
        Answer::new(query, NAME, Origin::Zone).authoritative()
    }

    fn negative(
        &self,
        query: &Query<'_>,
        zone: Zone<'_>,
        cluster: &Cluster,
        rcode: ResponseCode,
    ) -> Answer {
        let mut answer = Self::answer(query).with_rcode(rcode);
        answer.push(query, self.soa(zone, cluster, Section::Authority));
        answer
    }

    /// The zone itself.
    fn of_apex(&self, query: &Query<'_>, zone: Zone<'_>, cluster: &Cluster) -> Answer {
        let mut answer = Self::answer(query);
        match query.qtype {
            RecordType::SOA => answer.push(query, self.soa(zone, cluster, Section::Answer)),
            RecordType::NS => {
                let server = NameSpec::Full(self.server(zone.name));
                let data = Data::Name(RecordType::NS, server);
                let owner = NameSpec::Full(zone.name.clone());
                answer.push(query, self.set(Section::Answer, owner, data));
                let head: Arc<[u8]> = self.server_labels().into();
                for address in cluster.external_addresses(self.config.headless) {
                    let owner = NameSpec::Under(head.clone(), 0);
                    let data = records::of_address(address);
                    answer.push(query, self.set(Section::Additional, owner, data));
                }
            }
            _ => return self.negative(query, zone, cluster, ResponseCode::NoError),
        }
        answer
    }

    /// Names of the name servers' subtree: `ns1` in front of one label has addresses.
    fn below_apex(
        &self,
        query: &Query<'_>,
        zone: Zone<'_>,
        head: &[u8],
        cluster: &Cluster,
    ) -> Answer {
        let labels: Vec<&[u8]> = Labels::of_head(head).collect();
        match labels.as_slice() {
            [_] => self.negative(query, zone, cluster, ResponseCode::NoError),
            [SERVER, _] => {
                let mut answer = Self::answer(query);
                for address in cluster.external_addresses(self.config.headless) {
                    let data = records::of_address(address);
                    if data.rtype() == query.qtype {
                        answer.push(query, self.set(Section::Answer, NameSpec::QNAME, data));
                    }
                }
                match answer.count(Section::Answer) {
                    0 => self.negative(query, zone, cluster, ResponseCode::NoError),
                    _ => answer,
                }
            }
            _ => self.negative(query, zone, cluster, ResponseCode::NXDomain),
        }
    }

    fn set(&self, section: Section, owner: NameSpec, data: Data) -> RecordSet {
        RecordSet {
            section,
            owner,
            ttl: self.config.ttl,
            data,
        }
    }

    fn step(&self, what: &str) -> Step {
        Step {
            plugin: NAME,
            what: what.to_owned(),
            place: Some(self.place.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
