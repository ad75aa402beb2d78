//! EndpointSlices, merged into the entry of their Service.

use super::Store;
use crate::kubernetes::name::service_key;
use crate::kubernetes::object::{self, Kind};
use crate::kubernetes::zone::{Named, Service, Slice};
use foldhash::fast::RandomState;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

impl Store {
    pub(super) fn apply_slice(&mut self, slice: &object::EndpointSlice) -> bool {
        let Some(key) = Slice::key_of(&slice.key) else {
            return false;
        };
        let name = service_key(&slice.key.namespace, &slice.service);
        let service = name.as_deref().and_then(|name| self.zone.service(name));
        let list = self.list(Kind::EndpointSlice);
        let known = self.slices.get_key_value(&*key);
        let was_elsewhere = known.is_some_and(|(_, place)| Some(place) != service.as_ref());
        let left_a_service = was_elsewhere && self.delete_slice(&key);
        let Some(name) = name else {
            return left_a_service;
        };
        let ports = self.port_list(&slice.ports);
        let import = slice.import.as_deref().filter(|_| self.of_imports);
        let cluster = import.map_or("", |import| &*import.cluster);
        let mut new = Slice::new(&key, slice, ports).of_cluster(cluster);
        if self.with_zones {
            let names = &mut self.names;
            new = new.in_zones(slice, |zone| names.share(zone, || zone.into()));
        }
        let new = Arc::new(new);
        let old = self
            .slices
            .get_key_value(new.key())
            .map(|(old, _)| old.0.clone());
        if let Some(old) = old.as_ref().filter(|old| **old == new) {
            old.set_list(list);
            return left_a_service;
        }
        new.set_list(list);
        let service = service.unwrap_or_else(|| self.add_service(&name, &slice.key.namespace));
        self.replace(&service, old.as_ref(), Some(&new));
        let is_visible = match &old {
            Some(old) => !old.looks_like(&new),
            None => new.ready() > 0,
        };
        // the key holds the slice, so it is to be replaced as well
        self.slices.remove(new.key());
        self.slices.insert(Named(new), service);
        is_visible || left_a_service
    }

    pub(super) fn delete_slice(&mut self, key: &[u8]) -> bool {
        let Some((Named(old), place)) = self.slices.remove_entry(key) else {
            return false;
        };
        self.replace(&place, Some(&old), None);
        old.ready() > 0
    }

    /// Puts a slice of a Service in the place of another.
    fn replace(
        &mut self,
        service: &Arc<Service>,
        old: Option<&Arc<Slice>>,
        new: Option<&Arc<Slice>>,
    ) {
        let entry = service.entry();
        let others = entry.slices().iter();
        let others = others.filter(|slice| old.is_none_or(|old| !Arc::ptr_eq(slice, old)));
        let mut slices: Vec<_> = others.cloned().collect();
        if let Some(new) = new {
            let place = slices.partition_point(|slice| slice.key() < new.key());
            slices.insert(place, new.clone());
        }
        self.set_entry(service, entry.with_slices(slices));
        let before = addresses(old);
        let after = addresses(new);
        for address in after.difference(&before) {
            self.zone.owners.add(*address, service);
        }
        self.forget(service, before.difference(&after).copied());
    }
}

fn addresses(slice: Option<&Arc<Slice>>) -> HashSet<IpAddr, RandomState> {
    slice.iter().flat_map(|slice| slice.addresses()).collect()
}
