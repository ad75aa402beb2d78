//! Services: their own records, and the entry that they share with their slices.

use super::{Store, count};
use crate::kubernetes::name::service_key;
use crate::kubernetes::object::{self, Kind, ServiceKind};
use crate::kubernetes::zone::{Entry, External, Named, Service, Shape};
use smallvec::SmallVec;
use std::net::IpAddr;
use std::sync::Arc;

type Addresses = SmallVec<[IpAddr; 2]>;

impl Store {
    pub(super) fn apply_service(&mut self, service: &object::Service) -> bool {
        let key = &service.key;
        let Some(name) = service_key(&key.namespace, &key.name) else {
            return false;
        };
        let (mut shape, cluster_ips) = records_of(&service.kind);
        if self.of_imports && shape != Shape::Headless && service.ports.is_empty() {
            shape = Shape::Portless;
        }
        let external = service.external.as_deref().map(External::of_object);
        let ports = self.port_list(&service.ports);
        let known = self.zone.service(&name);
        let old = known.as_ref().map(|known| known.entry());
        let list = self.list(Kind::Service);
        let mut is_inside = true;
        if let (Some(known), Some(old)) = (&known, &old) {
            known.set_list(list);
            is_inside = *old.shape() != shape
                || old.ports() != &*ports
                || !old.cluster_ips().eq(cluster_ips.clone());
            if !is_inside && old.external() == external.as_ref() {
                return false;
            }
        }
        let slices = old
            .as_ref()
            .map_or_else(Vec::new, |old| old.slices().to_vec());
        let entry = Entry::new(shape, ports, &cluster_ips, slices);
        let entry = entry.with_external(external.map(Box::new));
        let known = known.unwrap_or_else(|| self.add_service(&name, &key.namespace));
        known.set_list(list);
        self.set_entry(&known, entry);
        for address in cluster_ips {
            self.zone.owners.add(address, &known);
        }
        self.lead_from_outside(&known, old.as_deref());
        self.forget(&known, old.iter().flat_map(|old| old.cluster_ips()));
        is_inside
    }

    pub(super) fn delete_service(&mut self, service: &Arc<Service>) -> bool {
        let old = service.entry();
        if *old.shape() == Shape::Absent {
            return false;
        }
        let slices = old.slices().to_vec();
        let entry = Entry::new(Shape::Absent, Arc::default(), &[], slices);
        self.set_entry(service, entry);
        self.lead_from_outside(service, Some(&old));
        self.forget(service, old.cluster_ips());
        true
    }

    /// A name that nothing gives yet; [`Store::set_entry`] is to follow.
    pub(super) fn add_service(&mut self, name: &[u8], namespace: &str) -> Arc<Service> {
        let namespace = self.namespace(namespace);
        namespace.enter();
        let service = Arc::new(Service::new(name, namespace, Arc::new(Entry::void())));
        self.zone.services.insert(Named(service.clone()), ());
        service
    }

    /// The one step in which a name goes from old to new.
    pub(super) fn set_entry(&mut self, service: &Arc<Service>, entry: Entry) {
        let counts = &self.zone.counts;
        let old = service.entry();
        let is_there = |entry: &Entry| usize::from(*entry.shape() != Shape::Absent);
        let ready = |entry: &Entry| entry.ready() as usize;
        let not_ready = |entry: &Entry| entry.not_ready() as usize;
        count(&counts.services, is_there(&old), is_there(&entry));
        count(&counts.endpoints, ready(&old), ready(&entry));
        count(&counts.not_ready, not_ready(&old), not_ready(&entry));
        self.is_outside |= !old.is_same_outside(&entry);
        let is_void = entry.is_void();
        service.set(Arc::new(entry));
        if is_void {
            self.zone.services.remove(service.name());
            if service.namespace().leave() {
                self.drop_if_void(service.namespace());
            }
        }
    }

    /// Makes the addresses outside the cluster lead to what they are to lead to now.
    fn lead_from_outside(&mut self, service: &Arc<Service>, old: Option<&Entry>) {
        let entry = service.entry();
        let addresses = |entry: Option<&Entry>| -> Vec<IpAddr> {
            let external = entry.and_then(Entry::external);
            external.map_or_else(Vec::new, |external| external.ips.to_vec())
        };
        let (before, after) = (addresses(old), addresses(Some(&entry)));
        for address in after.iter().filter(|address| !before.contains(address)) {
            self.zone.externals.add(*address, service);
        }
        for address in before.iter().filter(|address| !after.contains(address)) {
            self.zone.externals.remove(*address, service);
        }
    }

    /// Takes those addresses from a Service that do not lead to it any more.
    pub(super) fn forget(&mut self, service: &Arc<Service>, old: impl Iterator<Item = IpAddr>) {
        let entry = service.entry();
        for address in old.filter(|address| !entry.holds(*address)) {
            self.zone.owners.remove(address, service);
        }
    }
}

/// What kind of records a Service has, and its own addresses: each once, those of the first
/// one's family first.
fn records_of(kind: &ServiceKind) -> (Shape, Addresses) {
    let ips = match kind {
        ServiceKind::ClusterIp(ips) => ips,
        ServiceKind::Headless => return (Shape::Headless, Addresses::new()),
        ServiceKind::ExternalName(target) => {
            let is_name = target.parse::<IpAddr>().is_err();
            let target = is_name.then(|| target.clone());
            return (Shape::ExternalName(target), Addresses::new());
        }
    };
    let mut addresses = Addresses::new();
    for address in ips.iter().map(IpAddr::to_canonical) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let v6_first = addresses.first().is_some_and(IpAddr::is_ipv6);
    addresses.sort_by_key(|address| address.is_ipv6() != v6_first);
    (Shape::ClusterIp { v6_first }, addresses)
}
