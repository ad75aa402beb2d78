//! The zones for other servers (`transfer`): what is answered, record by record, but for what the
//! host name of a load balancer leads to.
//!
//! A name with a host name and no address has that alias alone (RFC 1034, section 3.6.2): no server
//! takes a zone in which it has SRV records beside it.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::RecordType;

use super::State;
use super::lookup::{Asked, Found, Host, Lookup, Target, in_front, of_endpoint};
use super::records::{hosts, ports};
use crate::answer::{RdataRef, Records};
use crate::kubernetes::object::Port;
use crate::kubernetes::zone::{Entry, Service};
use crate::name::{Name, NameRef};
use crate::plugin::kubernetes::Cluster;
use crate::plugin::transfer::{Export, Exported, Portion, Snapshot};

/// The zones of a directive.
pub(super) struct Zones(pub(super) Arc<State>);

/// One of them, and the cluster that it tells of.
struct Whole {
    state: Arc<State>,
    cluster: Arc<Cluster>,
    zone: Name,
}

impl Export for Zones {
    fn export(&self, zone: NameRef<'_>) -> Option<Exported> {
        let state = &self.0;
        let mut zones = state.config.zones.iter();
        let zone = zones.find(|name| name.view() == zone)?;
        let cluster = state.cluster.get()?;
        if !cluster.zone.is_whole() {
            return Some(Exported::NotYet);
        }
        let whole = Arc::new(Whole {
            state: state.clone(),
            cluster: cluster.clone(),
            zone: zone.clone(),
        });
        // Before the records, so that a change meanwhile is one after this serial.
        let serial = state.serial(cluster);
        let apex = std::iter::once(whole.apex(serial));
        let services = cluster.zone.services(&cluster.view).into_iter();
        let addresses = cluster.zone.external_addresses().into_iter();
        let of_services = whole.clone();
        let services = services.map(move |(service, entry)| of_services.service(&service, &entry));
        let pointers = addresses.map(move |address| whole.pointers(address));
        Some(Exported::Zone(Snapshot {
            serial,
            keeps_newer: true,
            records: Box::new(apex.chain(services).chain(pointers).map(Arc::new)),
        }))
    }
}

impl Whole {
    fn lookup(&self) -> Lookup<'_> {
        self.state.lookup(&self.zone, &self.cluster)
    }

    fn portion(&self) -> Portion<'_> {
        Portion::new(self.zone.view())
    }

    /// The SOA record, which is the first, the NS record and the name server's addresses.
    fn apex(&self, serial: u32) -> Records {
        let (state, ttl) = (&self.state, self.state.config.ttl);
        let mut portion = self.portion();
        let soa = state.soa_rdata(&self.zone, serial);
        portion.push(&[], ttl, RecordType::SOA, &RdataRef::Other(&soa));
        let server = state.server(&self.zone);
        let server = RdataRef::Name(server.view().into());
        portion.push(&[], ttl, RecordType::NS, &server);
        for address in self.cluster.external_addresses(state.config.headless) {
            portion.address(&state.server_labels(), ttl, address);
        }
        portion.finish()
    }

    /// The names of a Service, of its ports, and of its endpoints where they are told.
    fn service(&self, service: &Service, entry: &Arc<Entry>) -> Records {
        let (lookup, key) = (self.lookup(), service.name());
        let mut portion = self.portion();
        let any = Asked::default();
        self.name(&mut portion, key, &lookup.targets(entry, key, None, any));
        if lookup.is_by_endpoints(entry) {
            for slice in entry.slices() {
                // As in CoreDNS, endpoints' ports without a name have no record, unlike a Service's.
                let ports = slice.ports().iter().filter(|port| !port.name.is_empty());
                ports.for_each(|port| self.port(&mut portion, entry, key, port));
            }
            for label in lookup.labels(entry) {
                let targets = lookup.targets(entry, key, Some(&label), any);
                if let Some(head) = of_endpoint(&label, key) {
                    self.name(&mut portion, &head, &targets);
                }
            }
        } else {
            let ports = entry.ports().iter();
            ports.for_each(|port| self.port(&mut portion, entry, key, port));
        }
        portion.finish()
    }

    /// What a Service or an endpoint has: addresses and ports, or an alias.
    fn name(&self, portion: &mut Portion<'_>, head: &[u8], targets: &[Target]) {
        let addresses = targets.iter().filter_map(|target| match target.host {
            Host::Address(address) => Some(address),
            Host::Name(_) => None,
        });
        let mut has_address = false;
        for address in addresses {
            portion.address(head, self.state.config.ttl, address);
            has_address = true;
        }
        if has_address {
            self.ports(portion, head, targets);
        } else if let Some(host) = hosts(targets).next() {
            let host = RdataRef::Name(host.view().into());
            portion.push(head, self.cluster.ttl, RecordType::CNAME, &host);
        }
    }

    /// `_PORT._PROTOCOL` in front of a Service.
    fn port(&self, portion: &mut Portion<'_>, entry: &Arc<Entry>, key: &[u8], port: &Port) {
        let (name, protocol) = (port.name.to_ascii_lowercase(), port.protocol.word());
        let labels = [&*name, protocol].map(|word| format!("_{word}").into_bytes());
        let asked = Asked {
            port: name.as_bytes(),
            protocol: protocol.as_bytes(),
        };
        if let Some(head) = in_front(labels.iter().map(Vec::as_slice), key) {
            let targets = self.lookup().targets(entry, key, None, asked);
            self.ports(portion, &head, &targets);
        }
    }

    fn ports(&self, portion: &mut Portion<'_>, owner: &[u8], targets: &[Target]) {
        let (weight, ports) = ports(targets);
        for (target, port) in ports {
            let srv = RdataRef::Srv(0, weight, port, target.view().into());
            portion.push(owner, self.cluster.ttl, RecordType::SRV, &srv);
        }
    }

    /// PTR records of an address outside the cluster.
    fn pointers(&self, address: IpAddr) -> Records {
        let mut portion = self.portion();
        if let Found::Targets(targets) = self.lookup().address(address) {
            hosts(&targets)
                .for_each(|host| portion.pointer(address, self.state.config.ttl, host.view()));
        }
        portion.finish()
    }
}
