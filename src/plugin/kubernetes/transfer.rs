//! The cluster's zones for other servers (`transfer`): what is answered, record by record.
//!
//! A zone of names has its Services and their endpoints, in the order of the Services' names; pods,
//! of which nobody can tell all, are not in it, nor is `dns-version`. A reverse zone has the
//! addresses that lead somewhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::vec::IntoIter;

use hickory_proto::rr::RecordType;

use super::records::{SOA, WHOLE_WEIGHT, head};
use super::{MOST_SOA_TTL, State};
use crate::answer::{RdataRef, Records};
use crate::kubernetes::name::Grammar;
use crate::kubernetes::object::Port;
use crate::kubernetes::zone::{Addresses, Entry, Label, Service, Shape, Slice, Target, View};
use crate::name::{Name, NameRef};
use crate::plugin::transfer::{Export, Exported, Portion, Snapshot};

/// The zones of a directive.
pub(super) struct Zones(pub(super) Arc<State>);

/// A zone, told in portions as they are taken.
struct Portions {
    state: Arc<State>,
    zone: Name,
    grammar: Grammar,
    /// The SOA and NS records, which come first.
    first: Option<Records>,
    rest: Rest,
}

enum Rest {
    Services(IntoIter<(Arc<Service>, Arc<Entry>)>),
    Addresses(IntoIter<IpAddr>),
}

/// Writes records of a zone with one TTL.
struct Writer<'z> {
    view: &'z View,
    ttl: u32,
    portion: Portion<'z>,
}

impl Export for Zones {
    fn export(&self, zone: NameRef<'_>) -> Option<Exported> {
        let state = &self.0;
        let (zone, grammar) = state.zones.iter().find(|(name, _)| name.view() == zone)?;
        let cluster = &state.cluster;
        if !cluster.is_whole() {
            return Some(Exported::NotYet);
        }
        // Before the records, so that a change meanwhile is one after this serial.
        let serial = state.serial(*grammar);
        let rest = if *grammar == Grammar::Reverse {
            Rest::Addresses(cluster.addresses().into_iter())
        } else {
            let services = state.imports(*grammar).unwrap_or(cluster);
            Rest::Services(services.services(state.view_of(*grammar)).into_iter())
        };
        let records = Portions {
            first: Some(state.apex_records(zone, *grammar, serial)),
            state: state.clone(),
            zone: zone.clone(),
            grammar: *grammar,
            rest,
        };
        Some(Exported::Zone(Snapshot {
            serial,
            keeps_newer: false,
            records: Box::new(records.map(Arc::new)),
        }))
    }
}

impl Iterator for Portions {
    type Item = Records;

    fn next(&mut self) -> Option<Records> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let mut writer = Writer::new(&self.state, self.grammar, self.zone.view());
        match &mut self.rest {
            Rest::Services(services) => {
                let (service, entry) = services.next()?;
                writer.service(&service, &entry);
            }
            Rest::Addresses(addresses) => {
                let address = addresses.next()?;
                let pointers = self.state.cluster.pointers(&self.state.view, address);
                let (ttl, portion) = (self.state.ttl, &mut writer.portion);
                let tell = |target: NameRef<'_>| portion.pointer(address, ttl, target);
                self.state.each_target(&pointers, tell);
            }
        }
        Some(writer.portion.finish())
    }
}

impl State {
    fn apex_records(&self, zone: &Name, grammar: Grammar, serial: u32) -> Records {
        let zone = zone.view();
        let mut writer = Writer::new(self, grammar, zone);
        writer.ttl = self.ttl.min(MOST_SOA_TTL);
        let soa = RdataRef::Soa(&SOA, zone.into(), serial, self.ttl);
        writer.push(&[], RecordType::SOA, &soa);
        writer.ttl = self.ttl;
        let servers = self.name_servers();
        for (name, _) in &servers {
            if let Some(name) = writer.portion.name(name) {
                writer.push(&[], RecordType::NS, &RdataRef::Name(name));
            }
        }
        for (name, address) in servers {
            writer.address(&name, address);
        }
        writer.portion.finish()
    }
}

impl<'z> Writer<'z> {
    fn new(state: &'z State, grammar: Grammar, zone: NameRef<'z>) -> Self {
        Self {
            view: state.view_of(grammar),
            ttl: state.ttl,
            portion: Portion::new(zone),
        }
    }

    fn service(&mut self, service: &Service, entry: &Entry) {
        let name = head(None, service.name());
        match entry.shape() {
            Shape::ExternalName(Some(target)) => self.alias(&name, target),
            Shape::Headless => {
                let slices = entry.slices().iter().filter(|_| self.view.endpoints);
                let has_address = entry.v4().is_some() || entry.v6().is_some();
                for slice in slices.clone() {
                    self.endpoints(service, slice, &name);
                }
                let aliases = slices
                    .flat_map(|slice| slice.aliases().iter().map(move |alias| (slice, alias)));
                for (at, (slice, alias)) in aliases.enumerate() {
                    if at == 0 && !has_address {
                        self.alias(&name, &alias.target);
                    }
                    let cluster = Label::of_text(slice.cluster());
                    if let Some(label) = alias.label(self.view.endpoint_pod_names) {
                        let target = head(Some(Target { label, cluster }), service.name());
                        self.alias(&target, &alias.target);
                    }
                }
            }
            Shape::ClusterIp { .. } | Shape::Portless => self.own(entry, &name),
            Shape::ExternalName(None) | Shape::Absent => {}
        }
    }

    fn alias(&mut self, owner: &[u8], target: &str) {
        if let Ok(target) = Name::from_text(target) {
            let target = RdataRef::Name(target.view().into());
            self.push(owner, RecordType::CNAME, &target);
        }
    }

    /// A Service's own addresses, and its ports.
    fn own(&mut self, entry: &Entry, name: &[u8]) {
        let v4 = entry.v4().into_iter().flat_map(Addresses::as_slice);
        let v4 = v4.copied().map(IpAddr::V4);
        let v6 = entry.v6().into_iter().flat_map(Addresses::as_slice);
        let v6 = v6.copied().map(IpAddr::V6);
        let mut has_address = false;
        for address in v4.chain(v6) {
            self.address(name, address);
            has_address = true;
        }
        for port in entry.ports().iter().filter(|_| has_address) {
            self.port(name, port, WHOLE_WEIGHT, name);
            self.named_port(name, port, WHOLE_WEIGHT, name);
        }
    }

    /// The endpoints of a headless Service that are in one slice. Unlike a Service's own, their
    /// ports are found by name alone.
    fn endpoints(&mut self, service: &Service, slice: &Slice, name: &[u8]) {
        let weight = (WHOLE_WEIGHT / slice.ready().max(1)).max(1);
        for endpoint in slice.endpoints() {
            self.address(name, endpoint.address);
            let target = Target {
                label: endpoint.label(self.view.endpoint_pod_names),
                cluster: Label::of_text(slice.cluster()),
            };
            let target = head(Some(target), service.name());
            self.address(&target, endpoint.address);
            for port in slice.ports() {
                self.named_port(name, port, weight, &target);
            }
        }
    }

    /// `_PORT._PROTOCOL.NAME`, where the port has a name.
    fn named_port(&mut self, name: &[u8], port: &Port, weight: usize, target: &[u8]) {
        if port.name.is_empty() {
            return;
        }
        let mut owner = Vec::new();
        for word in [&*port.name.to_ascii_lowercase(), port.protocol.word()] {
            let Ok(length @ ..=63) = u8::try_from(word.len() + 1) else {
                return;
            };
            owner.extend_from_slice(&[length, b'_']);
            owner.extend_from_slice(word.as_bytes());
        }
        owner.extend_from_slice(name);
        self.port(&owner, port, weight, target);
    }

    fn port(&mut self, owner: &[u8], port: &Port, weight: usize, target: &[u8]) {
        let weight = u16::try_from(weight).unwrap_or(u16::MAX);
        // A slice may leave the number out, where every port is meant.
        if port.number > 0
            && let Some(target) = self.portion.name(target)
        {
            let srv = RdataRef::Srv(0, weight, port.number, target);
            self.push(owner, RecordType::SRV, &srv);
        }
    }

    fn address(&mut self, owner: &[u8], address: IpAddr) {
        self.portion.address(owner, self.ttl, address);
    }

    fn push(&mut self, owner: &[u8], rtype: RecordType, rdata: &RdataRef<'_>) {
        self.portion.push(owner, self.ttl, rtype, rdata);
    }
}
