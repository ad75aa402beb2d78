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
        let (weight, ports) = ports(targets);
        let records = ports.into_iter().map(|(target, port)| {
            let data = Data::Srv {
                priority: 0,
                weight,
                port,
                target: NameSpec::Full(target.clone()),
            };
            Piece::Set(RecordSet {
                ttl: cluster.ttl,
                ..self.set(Section::Answer, NameSpec::QNAME, data)
            })
        });
        let mut pieces: Vec<Piece> = records.collect();
        let mut glued = Vec::new();
        for target in targets.iter().filter(|target| target.port.is_some()) {
            if glued.contains(&(target.owner(), &target.host)) {
                continue;
            }
            glued.push((target.owner(), &target.host));
            match &target.host {
                Host::Name(host) => {
                    for qtype in [RecordType::A, RecordType::AAAA] {
                        pieces.push(Piece::follow(query, Section::Additional, host, qtype));
                    }
                }
                Host::Address(address) => {
                    let owner = NameSpec::Full(target.name.clone());
                    let set = self.set(Section::Additional, owner, of_address(*address));
                    pieces.push(Piece::Set(set));
                }
            }
        }
        pieces
    }

    fn pointers(&self, targets: &[Target]) -> Vec<Piece> {
        let pointer = |host: &Name| {
            let data = Data::Name(RecordType::PTR, NameSpec::Full(host.clone()));
            Piece::Set(self.set(Section::Answer, NameSpec::QNAME, data))
        };
        hosts(targets).map(pointer).collect()
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
        let rdata = self.soa_rdata(zone.name, self.serial(cluster));
        let data = Data::Other(RecordType::SOA, Arc::from(rdata));
        self.set(section, NameSpec::Full(zone.name.clone()), data)
    }

    /// When a reader could last see a change of the zone's names.
    pub(super) fn serial(&self, cluster: &Cluster) -> u32 {
        let outside = cluster.zone.serial_outside();
        match self.config.headless {
            true => outside.max(cluster.zone.serial()),
            false => outside,
        }
    }

    /// The SOA record's data in wire form.
    pub(super) fn soa_rdata(&self, zone: &Name, serial: u32) -> Vec<u8> {
        let mut rdata = Vec::new();
        for first in [SERVER, MAILBOX] {
            rdata.extend_from_slice(self.in_zone(first, zone).view().as_bytes());
        }
        let [refresh, retry, expire] = SOA_TIMES;
        for number in [serial, refresh, retry, expire, self.config.ttl] {
            rdata.extend_from_slice(&number.to_be_bytes());
        }
        rdata
    }
}

/// The weight of SRV records for these, and of each its target and port, once.
pub(super) fn ports(targets: &[Target]) -> (u16, Vec<(&Name, u16)>) {
    let weight = WHOLE_WEIGHT / targets.len().max(1);
    let weight = u16::try_from(weight).unwrap_or(1).max(1);
    let mut ports = Vec::new();
    for target in targets {
        if let Some(port) = target.port
            && !ports.contains(&(target.owner(), port))
        {
            ports.push((target.owner(), port));
        }
    }
    (weight, ports)
}

/// The host names of these, each once.
pub(super) fn hosts(targets: &[Target]) -> impl Iterator<Item = &Name> {
    targets.iter().enumerate().filter_map(|(at, target)| {
        let mut earlier = targets.iter().take(at);
        let is_first = earlier.all(|other| other.host != target.host);
        match &target.host {
            Host::Name(host) if is_first => Some(host),
            _ => None,
        }
    })
}
