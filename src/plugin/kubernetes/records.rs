//! Records of what the zone found.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hickory_proto::rr::RecordType;
use smallvec::SmallVec;

use super::{Asked, MOST_SOA_TTL, Resolved, State, external};
use crate::answer::{
    Answer, Body, CLASS, Data, Making, NameSpec, RdataRef, RecordRef, RecordSet, Records, Section,
    SoaShape,
};
use crate::kubernetes::name;
use crate::kubernetes::name::Parsed;
use crate::kubernetes::zone::{Addresses, Found, Label, NameServer, Pointers, Selection, Target};
use crate::name::{MAX_NAME, Name, NameParts, NameRef};
use crate::query::Query;

/// The bytes that an SRV record takes at least: the owner as a pointer, the fixed part, priority,
/// weight and port, the shortest target.
const SMALLEST_SRV: usize = 2 + 10 + 6 + 2;

/// The version of the specification, as the rdata of a TXT record.
const VERSION: &[u8] = b"\x051.1.0";
/// The TTL of the version's record, in seconds.
const VERSION_TTL: u32 = 28_800;
/// The labels of the name server, in front of the zone.
const NAME_SERVER: &[u8] = b"\x02ns\x03dns";
/// The subtree of Services, in front of the zone.
const SERVICES: &[u8] = b"\x03svc";
/// The weight of all SRV records of a name together.
pub(super) const WHOLE_WEIGHT: usize = 100;

pub(super) static SOA: SoaShape = SoaShape {
    mname: NAME_SERVER,
    rname: b"\x0ahostmaster",
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
};

impl State {
    pub(super) fn soa(&self, asked: Asked<'_>, section: Section) -> RecordSet {
        RecordSet {
            section,
            owner: NameSpec::Asked(asked.zone_at),
            ttl: self.ttl.min(MOST_SOA_TTL),
            data: Data::Soa(&SOA, self.serial(asked.grammar), self.ttl),
        }
    }

    pub(super) fn apex_soa(&self, query: &Query<'_>, asked: Asked<'_>) -> Answer {
        let mut answer = Self::answer(query);
        answer.push(query, self.soa(asked, Section::Answer));
        answer
    }

    pub(super) fn version(&self, query: &Query<'_>) -> Answer {
        let data = Data::Other(RecordType::TXT, Arc::from(VERSION));
        let set = RecordSet {
            section: Section::Answer,
            owner: NameSpec::QNAME,
            ttl: VERSION_TTL,
            data,
        };
        let mut answer = Self::answer(query);
        answer.push(query, set);
        answer
    }

    /// A set with the question's own name.
    fn of_question(&self, data: Data) -> RecordSet {
        RecordSet {
            section: Section::Answer,
            owner: NameSpec::QNAME,
            ttl: self.ttl,
            data,
        }
    }

    pub(super) fn of_service<'q>(
        &self,
        query: &Query<'q>,
        asked: Asked<'q>,
        selection: &Selection<'q>,
    ) -> Resolved {
        let data = match query.qtype {
            RecordType::A => selection.v4().map(Data::from),
            RecordType::AAAA => selection.v6().map(Data::from),
            RecordType::SRV => return self.srv(query, asked, selection),
            _ => None,
        };
        if let Some(data) = data {
            return Resolved::Set(self.of_question(data));
        }
        match selection.alias() {
            Some(target) => self.alias(query, Name::from_text(target).ok()),
            None => Resolved::NoData,
        }
    }

    /// What stands at a name that is an alias of this one.
    pub(super) fn alias(&self, query: &Query<'_>, target: Option<Name>) -> Resolved {
        match query.qtype {
            RecordType::A | RecordType::AAAA => Resolved::Alias(target),
            RecordType::CNAME => external::cname_only(self, query, target),
            _ => Resolved::NoData,
        }
    }

    fn srv<'q>(&self, query: &Query<'q>, asked: Asked<'q>, selection: &Selection<'q>) -> Resolved {
        let Parsed::Service(service) = asked.parsed else {
            return Resolved::NoData;
        };
        let srv = selection.srv(query.size_limit() / SMALLEST_SRV);
        let zone = query.name.skip(usize::from(asked.zone_at));
        let named = |place: usize, tell: &mut dyn FnMut(NameParts<'_>)| {
            let Some(target) = srv.targets.get(place) else {
                return;
            };
            let head = &*head(*target, service.key);
            // A longer name would make the whole message unreadable, so its record is left out.
            if head.len() + zone.as_bytes().len() <= MAX_NAME {
                tell(NameParts { head, tail: zone });
            }
        };
        self.made(query, |records| {
            for (place, port) in &srv.records {
                named(*place, &mut |target| {
                    let rdata = RdataRef::Srv(0, srv.weight, *port, target);
                    let record = self.record_of(query.name.into(), RecordType::SRV, rdata);
                    records.push(&record);
                });
            }
            if records.is_empty() {
                return;
            }
            for (place, address) in &srv.glue {
                named(*place, &mut |owner| {
                    records.push(&self.glue_of(owner, *address))
                });
            }
        })
    }

    /// An answer of records that are made for it; no data where none is.
    fn made(&self, query: &Query<'_>, make: impl FnOnce(&mut Making<'_>)) -> Resolved {
        let records = Records::made(make);
        if records.is_empty() {
            return Resolved::NoData;
        }
        let mut answer = Self::answer(query);
        answer.body = Body::Records(records);
        Resolved::Found(answer)
    }

    fn record_of<'a>(
        &self,
        owner: NameParts<'a>,
        rtype: RecordType,
        rdata: RdataRef<'a>,
    ) -> RecordRef<'a> {
        RecordRef {
            section: Section::Answer,
            owner,
            rtype,
            class: CLASS,
            ttl: self.ttl,
            rdata,
        }
    }

    fn glue_of<'a>(&self, owner: NameParts<'a>, address: IpAddr) -> RecordRef<'a> {
        let (rtype, rdata) = match address {
            IpAddr::V4(address) => (RecordType::A, RdataRef::A(address)),
            IpAddr::V6(address) => (RecordType::AAAA, RdataRef::Aaaa(address)),
        };
        RecordRef {
            section: Section::Additional,
            ..self.record_of(owner, rtype, rdata)
        }
    }

    fn glue(&self, owner: NameSpec, address: IpAddr) -> RecordSet {
        RecordSet {
            section: Section::Additional,
            owner,
            ttl: self.ttl,
            data: of_address(address),
        }
    }

    pub(super) fn of_pod<'q>(
        &self,
        query: &Query<'q>,
        asked: Asked<'q>,
        address: IpAddr,
        count: usize,
    ) -> Resolved {
        let mut answer = Self::answer(query);
        match (query.qtype, address) {
            (RecordType::A, IpAddr::V4(_)) | (RecordType::AAAA, IpAddr::V6(_)) => {
                answer.push(query, self.of_question(of_address(address)));
            }
            (RecordType::SRV, _) => {
                let Parsed::Pod { label, namespace } = asked.parsed else {
                    return Resolved::NoData;
                };
                let mut name = Labels::new();
                [label, namespace, b"pod"]
                    .iter()
                    .for_each(|label| push_label(&mut name, label));
                let target = NameParts {
                    head: &name,
                    tail: query.name.skip(usize::from(asked.zone_at)),
                };
                let weight = u16::try_from(WHOLE_WEIGHT / count.max(1))
                    .unwrap_or(1)
                    .max(1);
                return self.made(query, |records| {
                    // A pod's name tells no port; CoreDNS says 0.
                    let rdata = RdataRef::Srv(0, weight, 0, target);
                    let srv = self.record_of(query.name.into(), RecordType::SRV, rdata);
                    records.push(&srv);
                    records.push(&self.glue_of(target, address));
                });
            }
            _ => return Resolved::NoData,
        }
        Resolved::Found(answer)
    }

    pub(super) fn pointers<'q>(&self, query: &Query<'q>, asked: Asked<'q>) -> Resolved {
        let Some(address) = name::reverse(query.lower.as_bytes()) else {
            // The name server's name is none here, as in CoreDNS.
            return match self.find(asked) {
                Found::Nothing => Resolved::NameError,
                _ => Resolved::NoData,
            };
        };
        let pointers = self.cluster.pointers(&self.view, address);
        if pointers == Pointers::Nothing {
            return Resolved::NameError;
        }
        self.made(query, |records| {
            self.each_target(&pointers, |target| {
                let rdata = RdataRef::Name(target.into());
                records.push(&self.record_of(query.name.into(), RecordType::PTR, rdata));
            });
        })
    }

    /// The names that an address leads to, in the plugin's primary zone. One that would be too long
    /// for a name is left out.
    pub(super) fn each_target(&self, pointers: &Pointers, mut tell: impl FnMut(NameRef<'_>)) {
        let mut tell = |mut name: Labels| {
            name.extend_from_slice(self.primary.view().as_bytes());
            if let Ok(name) = NameRef::parse(&name) {
                tell(name);
            }
        };
        match pointers {
            Pointers::Nothing => {}
            Pointers::Service(service) => tell(head(None, service.name())),
            Pointers::Endpoints(endpoints) => {
                for (service, label) in endpoints {
                    tell(head(Some(alone(*label)), service.name()));
                }
            }
        }
    }

    /// The name servers: the Services that lead to this server, or else `ns.dns`. The labels left
    /// of the zone, and an address.
    pub(super) fn name_servers(&self) -> Vec<(Arc<[u8]>, IpAddr)> {
        let local = self.local_addresses();
        let named = |server: NameServer| {
            let head = head(server.endpoint.map(alone), server.service.name());
            (Arc::from(&*head), server.address)
        };
        match self.cluster.name_servers(&self.view, local) {
            Some(servers) => servers.into_iter().map(named).collect(),
            None => {
                let own: Arc<[u8]> = NAME_SERVER.into();
                let own = local.iter().map(|address| (own.clone(), *address));
                own.collect()
            }
        }
    }

    /// Those whose names can be.
    fn named_servers(&self, query: &Query<'_>, zone_at: u8) -> Vec<(NameSpec, IpAddr)> {
        let servers = self.name_servers().into_iter();
        let named = |(head, address)| Some((in_zone(query, head, zone_at)?, address));
        servers.filter_map(named).collect()
    }

    pub(super) fn apex_ns<'q>(&self, query: &Query<'q>, asked: Asked<'q>) -> Resolved {
        let servers = self.named_servers(query, asked.zone_at);
        if servers.is_empty() {
            return Resolved::NoData;
        }
        let mut answer = Self::answer(query);
        for (at, (name, _)) in servers.iter().enumerate() {
            if !servers.iter().take(at).any(|(earlier, _)| earlier == name) {
                answer.push(
                    query,
                    self.of_question(Data::Name(RecordType::NS, name.clone())),
                );
            }
        }
        for (name, address) in servers {
            answer.push(query, self.glue(name, address));
        }
        Resolved::Found(answer)
    }

    pub(super) fn name_server<'q>(&self, query: &Query<'q>, asked: Asked<'q>) -> Resolved {
        let data = self.name_server_addresses(query, asked.zone_at);
        data.map_or(Resolved::NoData, |data| {
            Resolved::Set(self.of_question(data))
        })
    }

    /// The addresses of the name servers that are of the question's type, each once. `None` where
    /// there is none.
    pub(super) fn name_server_addresses(&self, query: &Query<'_>, zone_at: u8) -> Option<Data> {
        let mut all = Vec::new();
        for (_, address) in self.named_servers(query, zone_at) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        let v4 = all.iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        let v6 = all.iter().filter_map(|address| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(*address),
        });
        let data = match query.qtype {
            RecordType::A => Data::ManyA(v4.collect()),
            RecordType::AAAA => Data::ManyAaaa(v6.collect()),
            _ => return None,
        };
        (!data.is_empty()).then_some(data)
    }
}

impl From<Addresses<Ipv4Addr>> for Data {
    fn from(addresses: Addresses<Ipv4Addr>) -> Self {
        match addresses {
            Addresses::One(one) => Self::A(one),
            Addresses::Many(all) => Self::ManyA(all),
        }
    }
}

impl From<Addresses<Ipv6Addr>> for Data {
    fn from(addresses: Addresses<Ipv6Addr>) -> Self {
        match addresses {
            Addresses::One(one) => Self::Aaaa(one),
            Addresses::Many(all) => Self::ManyAaaa(all),
        }
    }
}

pub(super) fn of_address(address: IpAddr) -> Data {
    match address {
        IpAddr::V4(address) => Data::A(address),
        IpAddr::V6(address) => Data::Aaaa(address),
    }
}

/// The name of these labels and the zone of the question. `None` where it is longer than a name
/// can be: such a record would make the whole message unreadable, so it is left out.
fn in_zone(query: &Query<'_>, head: Arc<[u8]>, zone_at: u8) -> Option<NameSpec> {
    let zone = query.name.skip(usize::from(zone_at));
    let fits = head.len() + zone.as_bytes().len() <= MAX_NAME;
    fits.then_some(NameSpec::Under(head, zone_at))
}

/// An endpoint in a zone of one cluster.
fn alone(label: Label) -> Target {
    Target {
        label,
        cluster: None,
    }
}

/// Labels of a name.
pub(super) type Labels = SmallVec<[u8; MAX_NAME]>;

/// The labels `[ENDPOINT.[CLUSTER.]]SERVICE.NAMESPACE.svc`.
pub(super) fn head(endpoint: Option<Target>, service: &[u8]) -> Labels {
    let mut name = Labels::new();
    // A pod's name may hold dots: as in CoreDNS it is several labels of a target then.
    let labels = endpoint.map(|target| [Some(target.label), target.cluster]);
    for label in labels.iter().flatten().flatten() {
        let labels = label.as_bytes().split(|byte| *byte == b'.');
        for label in labels.filter(|label| !label.is_empty()) {
            push_label(&mut name, label);
        }
    }
    name.extend_from_slice(service);
    name.extend_from_slice(SERVICES);
    name
}

fn push_label(name: &mut Labels, label: &[u8]) {
    if let Ok(length @ 1..=63) = u8::try_from(label.len()) {
        name.push(length);
        name.extend_from_slice(label);
    }
}
