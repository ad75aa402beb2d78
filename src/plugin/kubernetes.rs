//! `kubernetes`: the names of a cluster, by the Kubernetes DNS specification 1.1.0.
//!
//! The plugin asks the [zone](crate::kubernetes::zone) what a name holds, and makes an answer of
//! it. It sees no API object; the zone sees no request. Which name errors are NXDOMAIN, which are
//! NODATA and which are passed on is decided in `State::resolve` alone.

mod cluster;
mod config;
mod external;
mod metadata;
mod records;
mod source;
mod trace;
mod transfer;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use smallvec::smallvec;

use crate::answer::{Answer, Body, ExtendedError, Extra, Order, Origin, RecordSet, Section};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply};
use crate::kubernetes::name::{self, Grammar, Parsed};
use crate::kubernetes::zone::{Found, View, Zone};
use crate::name::{Name, NameRef, ZoneList};
use crate::query::{Query, Step};
use crate::wire::Flags;

use super::autopath;
use super::fall::Fall;
use super::setup::{Setup, SetupError};
use super::transfer::Transfers;
pub(super) use config::OPTIONS;

use config::Config;

pub(super) use cluster::Cluster;

/// The plugin's name.
const NAME: &str = "kubernetes";
/// Longest TTL of the SOA record, in seconds.
const MOST_SOA_TTL: u32 = 300;

/// Answers for a cluster's zones.
pub struct Kubernetes {
    state: Arc<State>,
}

/// One `kubernetes` directive, and the cluster it reads.
struct State {
    /// With what names each can hold.
    zones: ZoneList<Grammar>,
    /// `zonal`.
    zonal: bool,
    /// PTR records lead to names in this one.
    primary: Name,
    view: View,
    /// The same for imports, of which `noendpoints` is not said.
    view_of_imports: View,
    ttl: u32,
    fall: Fall,
    cluster: Arc<Zone>,
    /// This machine's addresses other than loopback, where all are listened on.
    local: OnceLock<Vec<IpAddr>>,
    listens_on_all: bool,
    /// The directive's place, for traces.
    place: Arc<str>,
    /// Tells the source that it is read.
    reader: Option<source::Reader>,
}

/// A question that is within a zone of the plugin.
#[derive(Clone, Copy)]
struct Asked<'q> {
    parsed: Parsed<'q>,
    /// What names the zone can hold.
    grammar: Grammar,
    /// Where the zone starts in the question's name.
    zone_at: u8,
    /// Whether the zone was asked for in lower case: CoreDNS compares some names as written.
    zone_in_lower_case: bool,
}

/// What a name holds for a type.
enum Resolved {
    /// The name does not exist.
    NameError,
    /// The name exists, and has nothing of the type.
    NoData,
    /// What nearly all answers are: one set of records.
    Set(RecordSet),
    /// The answer, but for what follows from it.
    Found(Answer),
    /// A CNAME to this name, which is to be resolved. Nothing where it is no name.
    Alias(Option<Name>),
    /// Not for this plugin to tell.
    Refused,
}

/// Reads the directive.
///
/// # Errors
/// See `docs/plugins/kubernetes.md`; each names its place.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let config = Config::parse(setup)?;
    let (cluster, reader) = source::attach(&config, setup);
    let block = setup.shared.block;
    setup.shared.exports.push((block, cluster.clone()));
    let place = setup
        .directive
        .tokens()
        .first()
        .map(|token| token.place().to_string());
    let listens_on_all = setup.block.listen.bind.is_empty();
    let place = place.unwrap_or_default().into();
    let search = autopath::search_list::of_machine(setup.environment);
    let mut state = State::new(config, cluster, place, listens_on_all);
    state.reader = Some(reader);
    let state = Arc::new(state);
    cluster::offer(setup, &state, search);
    if let Some(transfers) = Transfers::of(setup) {
        transfers.offer(Arc::new(transfer::Zones(state.clone())));
    }
    setup.push(Kubernetes { state });
    Ok(())
}

/// What names a zone of the plugin can hold.
fn grammar_of(zone: &Name, multicluster: &[Name], zonal: bool) -> Grammar {
    let is_in = |other: &Name| zone.view().is_in(other.view());
    if is_reverse(zone.view()) {
        Grammar::Reverse
    } else if multicluster.iter().any(is_in) {
        Grammar::Imports
    } else if zonal {
        Grammar::Zonal
    } else {
        Grammar::Cluster
    }
}

/// Whether a zone holds addresses' names.
fn is_reverse(name: NameRef<'_>) -> bool {
    let arpa = |head: &[u8]| {
        let wire = [head, b"\x04arpa\0"].concat();
        NameRef::parse(&wire).is_ok_and(|zone| name.is_in(zone))
    };
    arpa(b"\x07in-addr") || arpa(b"\x03ip6")
}

impl Asked<'_> {
    /// Whether `ns.dns` is a name in the zone. As in CoreDNS, it is not where the zone is asked for
    /// in upper case, nor in the root zone.
    fn has_name_server(&self, query: &Query<'_>) -> bool {
        self.zone_in_lower_case && !query.name.skip(usize::from(self.zone_at)).is_root()
    }
}

impl Plugin for Kubernetes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let state = &self.state;
        let Some(asked) = state.zone_of(query) else {
            return next.serve(query);
        };
        match state.resolve(query, asked) {
            Resolved::Set(set) => state.one_set(query, ResponseCode::NoError, set),
            Resolved::Found(mut answer) => {
                state.date(&mut answer);
                answer.into()
            }
            Resolved::NoData => {
                let soa = state.soa(asked, Section::Authority);
                state.one_set(query, ResponseCode::NoError, soa)
            }
            Resolved::NameError if !state.cluster.has_synced() => {
                // Nobody knows yet that the name does not exist; nor may another server say so.
                let mut answer = state.negative(query, asked, ResponseCode::ServFail);
                answer.extra_mut().error = Some(ExtendedError {
                    code: ExtendedError::NOT_READY,
                    text: "the cluster's state is not known yet".into(),
                });
                answer.into()
            }
            Resolved::NameError if state.fall.through(query.lower) => {
                query.note(|| state.step("passed on by fallthrough".into()));
                next.serve(query)
            }
            Resolved::NameError => {
                let soa = state.soa(asked, Section::Authority);
                state.one_set(query, ResponseCode::NXDomain, soa)
            }
            Resolved::Alias(target) => external::serve(state, query, asked, target),
            Resolved::Refused => Failure::refusal(NAME, ResponseCode::Refused).into(),
        }
    }

    fn metadata(&self, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
        metadata::value(&self.state, query, label.strip_prefix("kubernetes/")?)
    }
}

impl State {
    fn new(config: Config, cluster: Arc<Zone>, place: Arc<str>, listens_on_all: bool) -> Self {
        let zones = config.zones.into_iter().map(|zone| {
            let grammar = grammar_of(&zone, &config.multicluster, config.zonal);
            (zone, grammar)
        });
        Self {
            zones: zones.collect(),
            zonal: config.zonal,
            primary: config.primary,
            view_of_imports: View {
                endpoints: true,
                ..config.view.clone()
            },
            view: config.view,
            ttl: config.ttl,
            fall: config.fall,
            cluster,
            local: OnceLock::new(),
            listens_on_all,
            place,
            reader: None,
        }
    }

    /// The longest zone that the name is in.
    fn zone_of<'q>(&self, query: &Query<'q>) -> Option<Asked<'q>> {
        let (zone, grammar) = self.zones.longest(query.lower)?;
        let (name, zone) = (query.lower.as_bytes(), zone.view().as_bytes());
        let (head, _) = name.split_at_checked(name.len().checked_sub(zone.len())?)?;
        Some(Asked {
            parsed: name::parse(head, *grammar),
            grammar: *grammar,
            zone_at: u8::try_from(head.len()).ok()?,
            zone_in_lower_case: query.name.skip(head.len()) == query.lower.skip(head.len()),
        })
    }

    /// What the name holds for the type of the question.
    fn resolve<'q>(&self, query: &Query<'q>, asked: Asked<'q>) -> Resolved {
        match query.qtype {
            RecordType::TXT => self.text(query, asked),
            RecordType::PTR => self.pointers(query, asked),
            RecordType::SOA if asked.zone_at == 0 => Resolved::Found(self.apex_soa(query, asked)),
            // Below the apex a question for an SOA looks nothing up, as in CoreDNS.
            RecordType::SOA => Resolved::NoData,
            RecordType::NS if asked.zone_at == 0 && asked.zone_in_lower_case => {
                self.apex_ns(query, asked)
            }
            RecordType::AXFR | RecordType::IXFR => Resolved::Refused,
            _ => self.of_name(query, asked),
        }
    }

    /// What a name stands for, in the cluster or in several.
    fn find<'q>(&self, asked: Asked<'q>) -> Found<'q> {
        let zone = match asked.parsed {
            Parsed::Service(_) => self.imports(asked.grammar),
            _ => None,
        };
        let zone = zone.unwrap_or(&self.cluster);
        zone.find(self.view_of(asked.grammar), &asked.parsed)
    }

    fn view_of(&self, grammar: Grammar) -> &View {
        match grammar {
            Grammar::Imports => &self.view_of_imports,
            _ => &self.view,
        }
    }

    /// The Services of several clusters, where a zone of this grammar holds them.
    fn imports(&self, grammar: Grammar) -> Option<&Arc<Zone>> {
        let imports = self.cluster.imports();
        imports.filter(|_| grammar == Grammar::Imports)
    }

    /// The serial of the SOA record: when a reader could last see a change of the zone's names.
    fn serial(&self, grammar: Grammar) -> u32 {
        self.imports(grammar).unwrap_or(&self.cluster).serial()
    }

    /// What a name holds for types that are records of Services, or for none.
    fn of_name<'q>(&self, query: &Query<'q>, asked: Asked<'q>) -> Resolved {
        if matches!(asked.parsed, Parsed::NameServer) && asked.has_name_server(query) {
            return self.name_server(query, asked);
        }
        let found = self.find(asked);
        self.tell(query, asked, &found);
        match found {
            Found::Nothing => Resolved::NameError,
            Found::Empty => Resolved::NoData,
            Found::ExternalName(entry) => self.alias(query, external::target(&entry)),
            Found::Service(selection) => self.of_service(query, asked, &selection),
            Found::Pod { address, count } => self.of_pod(query, asked, address, count),
        }
    }

    /// TXT is only at `dns-version`; a name without any record does not exist for this type.
    fn text<'q>(&self, query: &Query<'q>, asked: Asked<'q>) -> Resolved {
        if matches!(asked.parsed, Parsed::DnsVersion) {
            return Resolved::Found(self.version(query));
        }
        match self.find(asked) {
            Found::Service(selection)
                if asked.grammar == Grammar::Imports && selection.is_empty() =>
            {
                Resolved::NameError
            }
            Found::Service(_) | Found::Pod { .. } | Found::ExternalName(_) => Resolved::NoData,
            Found::Nothing | Found::Empty => Resolved::NameError,
        }
    }

    fn answer(query: &Query<'_>) -> Answer {
        Answer::new(query, NAME, Origin::Zone).authoritative()
    }

    fn negative(&self, query: &Query<'_>, asked: Asked<'_>, rcode: ResponseCode) -> Answer {
        let mut answer = Self::answer(query).with_rcode(rcode);
        answer.push(query, self.soa(asked, Section::Authority));
        answer
    }

    /// What nearly all replies are. Made where it stays: an answer is large.
    #[inline]
    fn one_set(&self, query: &Query<'_>, rcode: ResponseCode, set: RecordSet) -> Reply {
        Reply::Now(Outcome::Answer(Answer {
            rcode,
            flags: query.reply_flags().with(Flags::AA),
            plugin: NAME,
            origin: Origin::Zone,
            ttl: None,
            order: Order::AsIs,
            body: Body::Sets(smallvec![set]),
            extra: self.dated(),
        }))
    }

    /// Says so where the answer comes from a snapshot, and not from the cluster.
    fn date(&self, answer: &mut Answer) {
        if let Some(dated) = self.dated() {
            answer.extra_mut().error = dated.error;
        }
    }

    #[inline]
    fn dated(&self) -> Option<Box<Extra>> {
        let taken = self.cluster.snapshot()?;
        Some(Box::new(Extra {
            error: Some(ExtendedError {
                code: ExtendedError::STALE_ANSWER,
                text: format!("the API server is away; this is of {}", at(taken)),
            }),
            ..Extra::default()
        }))
    }

    /// This machine's own addresses, as CoreDNS takes them: none where `bind` names addresses.
    fn local_addresses(&self) -> &[IpAddr] {
        self.local.get_or_init(|| {
            if self.listens_on_all {
                super::bind::machine_addresses()
            } else {
                Vec::new()
            }
        })
    }

    fn step(&self, what: String) -> Step {
        Step {
            plugin: NAME,
            what,
            place: Some(self.place.clone()),
        }
    }
}

/// A Unix time as text.
fn at(seconds: u32) -> String {
    let time = jiff::Timestamp::from_second(seconds.into());
    time.map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests;
