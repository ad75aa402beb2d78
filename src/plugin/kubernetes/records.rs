//! Records of what the zone found.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::RecordType;

use super::{Asked, MOST_SOA_TTL, Resolved, State};
use crate::answer::{Answer, Data, NameSpec, RecordSet, Section, SoaShape};
use crate::kubernetes::name;
use crate::kubernetes::name::Parsed;
use crate::kubernetes::zone::{Label, NameServer, Pointers, Selection, Target};
use crate::name::Name;
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
const WHOLE_WEIGHT: usize = 100;

static SOA: SoaShape = SoaShape {
    mname: NAME_SERVER,
    rname: b"\x0ahostmaster",
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
};

impl State {
    pub(super) fn soa(&self, zone_at: u8, section: Section) -> RecordSet {
        RecordSet {
            section,
            owner: NameSpec::Asked(zone_at),
            ttl: self.ttl.min(MOST_SOA_TTL),
            data: Data::Soa(&SOA, self.cluster.serial(), self.ttl),
        }
    }

    pub(super) fn apex_soa(&self, query: &Query<'_>) -> Answer {
        let mut answer = Self::answer(query);
        answer.push(query, self.soa(0, Section::Answer));
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
            RecordType::A => selection.v4().map(|all| match all.as_ref() {
                [one] => Data::A(*one),
                _ => Data::ManyA(all),
            }),
            RecordType::AAAA => selection.v6().map(|all| match all.as_ref() {
                [one] => Data::Aaaa(*one),
                _ => Data::ManyAaaa(all),
            }),
            RecordType::SRV => return self.srv(query, asked, selection),
            _ => None,
        };
        let Some(data) = data else {
            return Resolved::NoData;
        };
        let mut answer = Self::answer(query);
        answer.push(query, self.of_question(data));
        Resolved::Found(answer)
    }

    fn srv<'q>(&self, query: &Query<'q>, asked: Asked<'q>, selection: &Selection<'q>) -> Resolved {
        let Parsed::Service(service) = asked.parsed else {
            return Resolved::NoData;
        };
        let srv = selection.srv(query.size_limit() / SMALLEST_SRV);
        let mut answer = Self::answer(query);
        let targets: Vec<(&Target, NameSpec)> = srv
            .targets
            .iter()
            .map(|target| {
                let label = target.endpoint.as_ref();
                (
                    target,
                    NameSpec::Under(head(label, service.key), asked.zone_at),
                )
            })
            .collect();
        for (target, name) in &targets {
            for port in &target.ports {
                let data = Data::Srv {
                    priority: 0,
                    weight: srv.weight,
                    port: *port,
                    target: name.clone(),
                };
                answer.push(query, self.of_question(data));
            }
        }
        for (target, name) in targets {
            for address in &target.addresses {
                answer.push(query, self.glue(name.clone(), *address));
            }
        }
        if srv.targets.is_empty() {
            Resolved::NoData
        } else {
            Resolved::Found(answer)
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
                let mut name = Vec::new();
                [label, namespace, b"pod"]
                    .iter()
                    .for_each(|label| push_label(&mut name, label));
                let target = NameSpec::Under(name.into(), asked.zone_at);
                let weight = u16::try_from(WHOLE_WEIGHT / count.max(1))
                    .unwrap_or(1)
                    .max(1);
                // A pod's name tells no port; CoreDNS says 0.
                let data = Data::Srv {
                    priority: 0,
                    weight,
                    port: 0,
                    target: target.clone(),
                };
                answer.push(query, self.of_question(data));
                answer.push(query, self.glue(target, address));
            }
            _ => return Resolved::NoData,
        }
        Resolved::Found(answer)
    }

    pub(super) fn pointers<'q>(&self, query: &Query<'q>, asked: Asked<'q>) -> Resolved {
        let Some(address) = name::reverse(query.lower.as_bytes()) else {
            return self.of_name(query, asked);
        };
        let mut answer = Self::answer(query);
        let mut push = |name: Arc<[u8]>| {
            if let Some(target) = self.in_primary(&name) {
                let data = Data::Name(RecordType::PTR, NameSpec::Full(target));
                answer.push(query, self.of_question(data));
            }
        };
        match self.cluster.pointers(&self.view, address) {
            Pointers::Nothing => return Resolved::NameError,
            Pointers::Service(service) => push(head(None, service.name())),
            Pointers::Endpoints(endpoints) => {
                endpoints
                    .iter()
                    .for_each(|(service, label)| push(head(Some(label), service.name())));
            }
        }
        Resolved::Found(answer)
    }

    /// Labels in front of the plugin's primary zone, as one name.
    fn in_primary(&self, head: &[u8]) -> Option<Name> {
        let wire = [head, self.primary.view().as_bytes()].concat();
        crate::name::NameRef::parse(&wire)
            .ok()
            .map(crate::name::NameRef::to_name)
    }

    /// The name servers: the Services that lead to this server, or else `ns.dns`.
    fn name_servers(&self, zone_at: u8) -> Vec<(NameSpec, IpAddr)> {
        let local = self.local_addresses();
        let named = |server: NameServer| {
            let head = head(server.endpoint.as_ref(), server.service.name());
            (NameSpec::Under(head, zone_at), server.address)
        };
        match self.cluster.name_servers(&self.view, local) {
            Some(servers) => servers.into_iter().map(named).collect(),
            None => {
                let own = NameSpec::Under(Arc::from(NAME_SERVER), zone_at);
                local
                    .iter()
                    .map(|address| (own.clone(), *address))
                    .collect()
            }
        }
    }

    pub(super) fn apex_ns<'q>(&self, query: &Query<'q>, asked: Asked<'q>) -> Resolved {
        let servers = self.name_servers(asked.zone_at);
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
        let mut answer = Self::answer(query);
        let mut told = Vec::new();
        for (_, address) in self.name_servers(asked.zone_at) {
            let data = of_address(address);
            if data.rtype() == query.qtype && !told.contains(&address) {
                told.push(address);
                answer.push(query, self.of_question(data));
            }
        }
        if told.is_empty() {
            Resolved::NoData
        } else {
            Resolved::Found(answer)
        }
    }
}

fn of_address(address: IpAddr) -> Data {
    match address {
        IpAddr::V4(address) => Data::A(address),
        IpAddr::V6(address) => Data::Aaaa(address),
    }
}

/// The labels `[ENDPOINT.]SERVICE.NAMESPACE.svc`.
fn head(endpoint: Option<&Label>, service: &[u8]) -> Arc<[u8]> {
    let mut name = Vec::with_capacity(service.len() + SERVICES.len() + 64);
    // A pod's name may hold dots: as in CoreDNS it is several labels of a target then.
    let label = endpoint.map(Label::as_bytes).unwrap_or_default();
    for label in label
        .split(|byte| *byte == b'.')
        .filter(|label| !label.is_empty())
    {
        push_label(&mut name, label);
    }
    name.extend_from_slice(service);
    name.extend_from_slice(SERVICES);
    name.into()
}

fn push_label(name: &mut Vec<u8>, label: &[u8]) {
    if let Ok(length @ 1..=63) = u8::try_from(label.len()) {
        name.push(length);
        name.extend_from_slice(label);
    }
}
