//! The ready endpoints of one EndpointSlice, packed.
//!
//! A cluster has more endpoints than anything else, so an endpoint is its address and what its
//! names add: the pods of one slice share most of their names' beginning, which is kept once.
//! Endpoints that are not ready are only counted; those that are names are few, and not packed.

use super::label::{self, Label};
use super::names::{Name, Names};
use crate::kubernetes::object::{self, Port};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// What DNS needs of an EndpointSlice.
#[derive(Debug, PartialEq, Eq)]
pub struct Slice {
    /// see [`Slice::key_of`]
    key: Box<[u8]>,
    ports: Arc<[Port]>,
    addresses: Addresses,
    /// see [`Names`]; empty where no endpoint has a name
    names: Box<[u8]>,
    /// what few slices have
    extra: Option<Box<Extra>>,
    not_ready: u32,
}

/// What only some options ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extra {
    /// the cluster that it is of, in a zone of several; else empty
    cluster: Box<str>,
    /// the topology zone of each ready address, in lower case; none at all without `zonal`
    zones: Box<[Option<Arc<str>>]>,
    /// the ready endpoints that are names, in the object's order
    aliases: Box<[Alias]>,
}

/// A ready endpoint that is a name, as in slices of the address type FQDN.
#[derive(Debug, PartialEq, Eq)]
pub struct Alias {
    /// the name
    pub target: Box<str>,
    hostname: Option<Box<str>>,
    pod: Option<Box<str>>,
    zone: Option<Arc<str>>,
}

/// Nearly every slice is all IPv4, which then takes a quarter of the room.
#[derive(Debug, PartialEq, Eq)]
enum Addresses {
    V4(Box<[Ipv4Addr]>),
    Any(Box<[IpAddr]>),
}

/// A ready address of an endpoint. One with two addresses counts twice, as in CoreDNS.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'s> {
    /// never an IPv4-mapped IPv6 address
    pub address: IpAddr,
    name: Option<Name<'s>>,
    zone: Option<&'s str>,
}

/// A label that a question asks an endpoint by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'q> {
    label: &'q [u8],
    address: Option<IpAddr>,
    pod_names: bool,
    /// in a zone of several clusters: the endpoint's
    cluster: Option<&'q [u8]>,
}

impl Slice {
    /// Packs an object, whose ports the caller shares with other slices.
    pub(in crate::kubernetes) fn new(
        key: Box<[u8]>,
        slice: &object::EndpointSlice,
        ports: Arc<[Port]>,
    ) -> Self {
        let mut addresses = Vec::new();
        let mut endpoints = Vec::new();
        let mut aliases = Vec::new();
        let mut not_ready = 0_u32;
        for endpoint in &slice.endpoints {
            if !endpoint.ready {
                not_ready = not_ready.saturating_add(1);
                continue;
            }
            for address in &endpoint.addresses {
                addresses.push(address.to_canonical());
                endpoints.push(endpoint);
            }
            aliases.extend(endpoint.names.iter().map(|name| Alias::of(endpoint, name)));
        }
        let extra = (!aliases.is_empty()).then(|| Extra {
            aliases: aliases.into(),
            ..Extra::default()
        });
        Self {
            key,
            ports,
            addresses: Addresses::pack(addresses),
            names: Names::pack(&endpoints),
            extra: extra.map(Box::new),
            not_ready,
        }
    }

    /// The same as a slice of this one of several clusters.
    pub(in crate::kubernetes) fn of_cluster(mut self, cluster: &str) -> Self {
        if !cluster.is_empty() {
            self.extra.get_or_insert_default().cluster = cluster.into();
        }
        self
    }

    /// The same with the topology zones of the object's endpoints; of an address that has several
    /// the last, as in CoreDNS.
    pub(in crate::kubernetes) fn in_zones(
        mut self,
        slice: &object::EndpointSlice,
        mut share: impl FnMut(&str) -> Arc<str>,
    ) -> Self {
        let mut zones = HashMap::new();
        let aliases = self.extra.iter_mut().flat_map(|extra| &mut extra.aliases);
        let mut aliases = aliases.fuse();
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            let of_endpoint = aliases.by_ref().take(endpoint.names.len());
            let of_endpoint: Vec<&mut Alias> = of_endpoint.collect();
            if let Some(zone) = &endpoint.zone {
                let zone = share(&zone.to_lowercase());
                for alias in of_endpoint {
                    alias.zone = Some(zone.clone());
                }
                let addresses = endpoint.addresses.iter().map(IpAddr::to_canonical);
                zones.extend(addresses.map(|address| (address, zone.clone())));
            }
        }
        if !zones.is_empty() {
            let of_all = self.addresses().map(|address| zones.get(&address).cloned());
            let of_all = of_all.collect();
            self.extra.get_or_insert_default().zones = of_all;
        }
        self
    }

    /// The cluster that it is of, in a zone of several; else empty.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.extra.as_ref().map_or("", |extra| &extra.cluster)
    }

    pub(super) fn may_hold(&self, wanted: &Wanted<'_>) -> bool {
        let cluster = self.cluster().as_bytes();
        wanted
            .cluster
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(cluster))
    }

    /// A slice's identity: the length of its namespace's name, that name, its own name. Slices of
    /// one Service are in the order of their names. `None` where no namespace is called so.
    pub(in crate::kubernetes) fn key_of(key: &object::Key) -> Option<Box<[u8]>> {
        let length = u8::try_from(key.namespace.len()).ok()?;
        let bytes = [length].into_iter().chain(key.namespace.bytes());
        Some(bytes.chain(key.name.bytes()).collect())
    }

    pub(in crate::kubernetes) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The slice's name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let namespace = self.key.first().map_or(0, |length| usize::from(*length));
        self.key.get(namespace + 1..).unwrap_or_default()
    }

    /// The ports of each of its endpoints; none where every port is meant.
    #[must_use]
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// How many ready addresses it holds, and names in their place.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.count() + self.aliases().len()
    }

    /// How many ready addresses it holds.
    pub(super) fn count(&self) -> usize {
        match &self.addresses {
            Addresses::V4(addresses) => addresses.len(),
            Addresses::Any(addresses) => addresses.len(),
        }
    }

    /// The ready endpoints that are names, in the object's order.
    #[must_use]
    pub fn aliases(&self) -> &[Alias] {
        let extra = self.extra.as_deref();
        extra.map_or(&[], |extra| &extra.aliases)
    }

    /// How many endpoints are not ready.
    #[must_use]
    pub fn not_ready(&self) -> u32 {
        self.not_ready
    }

    /// The ready addresses, in the object's order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let (v4, any) = match &self.addresses {
            Addresses::V4(addresses) => (&addresses[..], &[][..]),
            Addresses::Any(addresses) => (&[][..], &addresses[..]),
        };
        v4.iter()
            .copied()
            .map(IpAddr::V4)
            .chain(any.iter().copied())
    }

    /// The ready addresses with their names, in the object's order.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint<'_>> {
        let mut names = Names::open(&self.names);
        let extra = self.extra.as_deref();
        let mut zones = extra.into_iter().flat_map(|extra| extra.zones.iter());
        self.addresses().map(move |address| Endpoint {
            address,
            name: names.next(),
            zone: zones.next().and_then(Option::as_deref),
        })
    }

    /// Whether one of its addresses is this one.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        match (&self.addresses, address) {
            (Addresses::V4(addresses), IpAddr::V4(address)) => addresses.contains(&address),
            (Addresses::V4(_), IpAddr::V6(_)) => false,
            (Addresses::Any(addresses), _) => addresses.contains(&address),
        }
    }

    /// Whether a reader can tell the two apart. The count of those not ready, and the ports of a
    /// slice without a ready endpoint, are in no answer.
    pub(in crate::kubernetes) fn looks_like(&self, other: &Self) -> bool {
        self.addresses == other.addresses
            && self.names == other.names
            && self.extra == other.extra
            && (self.ready() == 0 || self.ports == other.ports)
    }
}

impl Addresses {
    fn pack(addresses: Vec<IpAddr>) -> Self {
        let v4 = addresses.iter().map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        match v4.collect() {
            Some(v4) => Self::V4(v4),
            None => Self::Any(addresses.into()),
        }
    }
}

impl Endpoint<'_> {
    /// Its host name or its pod's, for a person; `None` where it has neither.
    #[must_use]
    pub fn known_as(&self) -> Option<String> {
        let name = self.name(true)?;
        let bytes = [name.start, name.end].concat();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The label that the endpoint is called by: its host name; else, with `pod_names` (the
    /// option `endpoint_pod_names`), its pod's name; else its address.
    #[must_use]
    pub fn label(&self, pod_names: bool) -> Label {
        match self.name(pod_names) {
            Some(name) => {
                let mut label = Label::empty();
                label.push(name.start);
                label.push(name.end);
                label
            }
            None => Label::of_address(self.address),
        }
    }

    /// The topology zone in lower case, where zones are kept and it has one.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone
    }

    pub(super) fn is(&self, wanted: &Wanted<'_>) -> bool {
        let Some(name) = self.name(wanted.pod_names) else {
            return wanted.address == Some(self.address);
        };
        // most differ in the end, and those of another length at once
        let halves = wanted.label.split_at_checked(name.start.len());
        halves.is_some_and(|(start, end)| {
            end.eq_ignore_ascii_case(name.end) && start.eq_ignore_ascii_case(name.start)
        })
    }

    /// The host name, or with `pod_names` that of the pod.
    pub(super) fn name(&self, pod_names: bool) -> Option<Name<'_>> {
        self.name.filter(|name| pod_names || !name.is_of_pod)
    }
}

impl Alias {
    fn of(endpoint: &object::Endpoint, target: &str) -> Self {
        Self {
            target: target.into(),
            hostname: endpoint.hostname.clone(),
            pod: endpoint.pod.clone(),
            zone: None,
        }
    }

    /// As [`Endpoint::label`], with the name in the place of an address. `None` where that gives no
    /// label: then the endpoint has no name of its own.
    #[must_use]
    pub fn label(&self, pod_names: bool) -> Option<Label> {
        let pod = self.pod.as_deref().filter(|_| pod_names);
        let label = match self.hostname.as_deref().or(pod) {
            Some(name) => name.to_owned(),
            None if self.target.contains('.') => self.target.replace('.', "-"),
            None => return None,
        };
        Label::of_text(&label).filter(|_| label.len() <= label::MOST)
    }

    /// As [`Endpoint::zone`].
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    pub(super) fn is(&self, wanted: &Wanted<'_>) -> bool {
        let label = self.label(wanted.pod_names);
        label.is_some_and(|label| label.as_bytes().eq_ignore_ascii_case(wanted.label))
    }

    /// The endpoint as it was told, as far as it is known.
    pub(super) fn told(&self) -> object::Endpoint {
        object::Endpoint {
            addresses: Box::default(),
            names: [self.target.clone()].into(),
            ready: true,
            hostname: self.hostname.clone(),
            pod: self.pod.clone(),
            node: None,
            zone: self.zone.clone(),
        }
    }
}

impl<'q> Wanted<'q> {
    /// `None` for a label that no endpoint can have: one with a dot in it.
    pub(super) fn new(label: &'q [u8], pod_names: bool) -> Option<Self> {
        (!label.contains(&b'.')).then(|| Self {
            label,
            address: label::endpoint_address(label),
            pod_names,
            cluster: None,
        })
    }

    /// The same of one of several clusters.
    pub(super) fn of_cluster(self, cluster: &'q [u8]) -> Self {
        Self {
            cluster: Some(cluster),
            ..self
        }
    }
}
