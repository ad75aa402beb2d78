//! Records of what was looked up.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::led::{self, Piece};
use super::lookup::{Host, Lookup, Target};
use super::{SERVER, State, Zone};
use crate::answer::{Answer, Data, NameSpec, RecordSet, Section};
use crate::chain::Reply;
use crate::name::{Name, NameRef};
use crate::plugin::kubernetes::Cluster;
use crate::query::Query;

/// The label of the mailbox, in front of the apex.
const MAILBOX: &[u8] = b"hostmaster";
/// Refresh, retry and expiry of the SOA record, in seconds.
const SOA_TIMES: [u32; 3] = [7200, 1800, 86_400];
/// The weight of all SRV records of a name together.
const WHOLE_WEIGHT: usize = 100;

pub(super) fn of_address(address: IpAddr) -> Data {
    match address {
        IpAddr::V4(address) => Data::A(address),
        IpAddr::V6(address) => Data::Aaaa(address),
    }
}

/// The answer of what a name holds; NODATA where it has nothing of the type.
pub(super) fn answer(
    state: &State,
    query: &Query<'_>,
    zone: Zone<'_>,
    lookup: &Lookup<'_>,
    targets: Vec<Target>,
) -> Reply {
    let pieces = match query.qtype {
        RecordType::A | RecordType::AAAA => state.addresses(query, lookup.cluster, &targets),
        RecordType::SRV => state.srv(query, lookup.cluster, &targets),
        RecordType::PTR => state.pointers(&targets),
        _ => Vec::new(),
    };
    if pieces.is_empty() {
        return state
            .negative(query, zone, lookup.cluster, ResponseCode::NoError)
            .into();
    }
    let answer: Answer = State::answer(query);
    led::gather(answer, query, pieces)
}

impl State {
    /// Each address once; and each host name for each of its ports, as in CoreDNS.
    fn addresses(&self, query: &Query<'_>, cluster: &Cluster, targets: &[Target]) -> Vec<Piece> {
        let mut seen: Vec<IpAddr> = Vec::new();
        let mut pieces = Vec::new();
        for target in targets {
            match &target.host {
                Host::Name(host) => {
                    let data = Data::Name(RecordType::CNAME, NameSpec::Full(host.clone()));
                    pieces.push(Piece::Set(RecordSet {
                        ttl: cluster.ttl,
                        ..self.set(Section::Answer, NameSpec::QNAME, data)
                    }));
                    pieces.push(Piece::follow(query, Section::Answer, host, query.qtype));
                }
                Host::Address(address) => {
                    let data = of_address(*address);
                    if data.rtype() == query.qtype && !seen.contains(address) {
                        seen.push(*address);
                        let set = self.set(Section::Answer, NameSpec::QNAME, data);
                        pieces.push(Piece::Set(set));
                    }
                }
            }
        }
        pieces
    }

    fn srv(&self, query: &Query<'_>, cluster: &Cluster, targets: &[Target]) -> Vec<Piece> {
        let weight = WHOLE_WEIGHT / targets.len().max(1);
        let weight = u16::try_from(weight).unwrap_or(1).max(1);
        let (mut records, mut extra) = (Vec::new(), Vec::new());
        let (mut told, mut glued) = (Vec::new(), Vec::new());
        for target in targets {
            let Some(port) = target.port else {
                continue;
            };
            let name = match &target.host {
                Host::Name(host) => host,
                Host::Address(_) => &target.name,
            };
            if !told.contains(&(name, port)) {
                told.push((name, port));
                let data = Data::Srv {
                    priority: 0,
                    weight,
                    port,
                    target: NameSpec::Full(name.clone()),
                };
                records.push(Piece::Set(RecordSet {
                    ttl: cluster.ttl,
                    ..self.set(Section::Answer, NameSpec::QNAME, data)
                }));
            }
            if glued.contains(&(name, &target.host)) {
                continue;
            }
            glued.push((name, &target.host));
            match &target.host {
                Host::Name(host) => {
                    for qtype in [RecordType::A, RecordType::AAAA] {
                        extra.push(Piece::follow(query, Section::Additional, host, qtype));
                    }
                }
                Host::Address(address) => {
                    let owner = NameSpec::Full(name.clone());
                    let set = self.set(Section::Additional, owner, of_address(*address));
                    extra.push(Piece::Set(set));
                }
            }
        }
        if records.is_empty() {
            return Vec::new();
        }
        records.extend(extra);
        records
    }

    fn pointers(&self, targets: &[Target]) -> Vec<Piece> {
        let mut seen: Vec<&Host> = Vec::new();
        let mut pieces = Vec::new();
        for target in targets {
            if let Host::Name(name) = &target.host
                && !seen.contains(&&target.host)
            {
                seen.push(&target.host);
                let data = Data::Name(RecordType::PTR, NameSpec::Full(name.clone()));
                pieces.push(Piece::Set(self.set(Section::Answer, NameSpec::QNAME, data)));
            }
        }
        pieces
    }

    /// The labels of the name server in front of a zone.
    pub(super) fn server_labels(&self) -> Vec<u8> {
        self.labels(SERVER)
    }

    /// A label and the apex.
    fn labels(&self, first: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        for label in std::iter::once(first).chain(self.config.apex.view().labels()) {
            head.push(u8::try_from(label.len()).unwrap_or_default());
            head.extend_from_slice(label);
        }
        head
    }

    /// The zone's name server.
    pub(super) fn server(&self, zone: &Name) -> Name {
        self.in_zone(SERVER, zone)
    }

    fn in_zone(&self, first: &[u8], zone: &Name) -> Name {
        let wire = [&*self.labels(first), zone.view().as_bytes()].concat();
        NameRef::parse(&wire).map_or_else(|_| zone.clone(), NameRef::to_name)
    }

    pub(super) fn soa(&self, zone: Zone<'_>, cluster: &Cluster, section: Section) -> RecordSet {
        let mut rdata = Vec::new();
        for first in [SERVER, MAILBOX] {
            rdata.extend_from_slice(self.in_zone(first, zone.name).view().as_bytes());
        }
        let [refresh, retry, expire] = SOA_TIMES;
        for number in [
            cluster.zone.serial(),
            refresh,
            retry,
            expire,
            self.config.ttl,
        ] {
            rdata.extend_from_slice(&number.to_be_bytes());
        }
        let data = Data::Other(RecordType::SOA, Arc::from(rdata));
        self.set(section, NameSpec::Full(zone.name.clone()), data)
    }
}
