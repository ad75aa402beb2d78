//! The ready endpoints of one EndpointSlice, packed.
//!
//! A cluster has more endpoints than anything else, so an endpoint is its address and what its
//! names add: the pods of one slice share most of their names' beginning, which is kept once. All of
//! a slice that has no fixed length stands in one piece of memory.
//! Endpoints that are not ready are only counted; those that are names are few, and not packed.

use super::label::{self, Label};
use super::names::{Name, Names};
use crate::kubernetes::object::{self, Port};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What DNS needs of an EndpointSlice.
#[derive(Debug)]
pub struct Slice {
    ports: Arc<[Port]>,
    /// its [key](Slice::key_of), the ready addresses, and their [names](Names): nothing where no
    /// endpoint has a name
    packed: Box<[u8]>,
    /// what few slices have
    extra: Option<Box<Extra>>,
    not_ready: u32,
    /// how many addresses are packed
    count: u32,
    /// the number of the list that last named it
    list: AtomicU32,
    /// the length of its key
    key: u16,
    family: Family,
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

/// How addresses are packed. Nearly every slice is all IPv4, which then takes a quarter of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// four bytes each
    V4,
    /// sixteen bytes each, those of IPv4 as IPv6 maps them
    Any,
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
        key: &[u8],
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
        let family = Family::of(&addresses);
        let mut packed = key.to_vec();
        family.pack(&addresses, &mut packed);
        Names::pack(&endpoints, &mut packed);
        Self {
            ports,
            packed: packed.into(),
            extra: extra.map(Box::new),
            not_ready,
            count: u32::try_from(addresses.len()).unwrap_or(u32::MAX),
            list: AtomicU32::new(0),
            key: u16::try_from(key.len()).unwrap_or(u16::MAX),
            family,
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
    /// one Service are in the order of their names. `None` where none is called so, as it is too long.
    pub(in crate::kubernetes) fn key_of(key: &object::Key) -> Option<Box<[u8]>> {
        let length = u8::try_from(key.namespace.len()).ok()?;
        u16::try_from(1 + key.namespace.len() + key.name.len()).ok()?;
        let bytes = [length].into_iter().chain(key.namespace.bytes());
        Some(bytes.chain(key.name.bytes()).collect())
    }

    pub(in crate::kubernetes) fn key(&self) -> &[u8] {
        self.parts().0
    }

    /// The slice's name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let key = self.key();
        let namespace = key.first().map_or(0, |length| usize::from(*length));
        key.get(namespace + 1..).unwrap_or_default()
    }

    /// Its key, addresses and names, packed.
    fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        let key = self.packed.split_at_checked(usize::from(self.key));
        let (key, rest) = key.unwrap_or_default();
        let addresses = rest.split_at_checked(self.count() * self.family.width());
        let (addresses, names) = addresses.unwrap_or_default();
        (key, addresses, names)
    }

    pub(in crate::kubernetes) fn set_list(&self, list: u32) {
        self.list.store(list, Relaxed);
    }

    pub(in crate::kubernetes) fn list(&self) -> u32 {
        self.list.load(Relaxed)
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
        self.count as usize
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
        let (v4, any) = self.octets();
        let any = any
            .iter()
            .map(|octets| IpAddr::from(*octets).to_canonical());
        v4.iter().map(|octets| IpAddr::from(*octets)).chain(any)
    }

    /// The ready addresses as they are packed; one of the two is empty.
    fn octets(&self) -> (&[[u8; 4]], &[[u8; 16]]) {
        let addresses = self.parts().1;
        match self.family {
            Family::V4 => (addresses.as_chunks().0, &[]),
            Family::Any => (&[], addresses.as_chunks().0),
        }
    }

    /// The ready addresses with their names, in the object's order.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint<'_>> {
        let mut names = Names::open(self.parts().2);
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
        let (v4, any) = self.octets();
        match (self.family, address) {
            (Family::V4, IpAddr::V4(address)) => v4.contains(&address.octets()),
            (Family::V4, IpAddr::V6(_)) => false,
            (Family::Any, _) => any.contains(&mapped(address)),
        }
    }

    /// Whether a reader can tell the two apart. The count of those not ready, and the ports of a
    /// slice without a ready endpoint, are in no answer.
    pub(in crate::kubernetes) fn looks_like(&self, other: &Self) -> bool {
        self.has_endpoints_of(other) && (self.ready() == 0 || self.ports == other.ports)
    }

    fn has_endpoints_of(&self, other: &Self) -> bool {
        let (_, addresses, names) = self.parts();
        self.family == other.family
            && (addresses, names) == (other.parts().1, other.parts().2)
            && self.extra == other.extra
    }
}

/// Whether they are of one object, whichever list named it.
impl PartialEq for Slice {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
            && self.has_endpoints_of(other)
            && self.ports == other.ports
            && self.not_ready == other.not_ready
    }
}

impl Eq for Slice {}

impl Family {
    fn of(addresses: &[IpAddr]) -> Self {
        match addresses.iter().all(IpAddr::is_ipv4) {
            true => Self::V4,
            false => Self::Any,
        }
    }

    /// Bytes of an address.
    fn width(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::Any => 16,
        }
    }

    fn pack(self, addresses: &[IpAddr], packed: &mut Vec<u8>) {
        for address in addresses {
            match (self, address) {
                (Self::V4, IpAddr::V4(address)) => packed.extend(address.octets()),
                _ => packed.extend(mapped(*address)),
            }
        }
    }
}

/// An address as one of IPv6. No other is the same: there are none that are mapped already.
fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
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
