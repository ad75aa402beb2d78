//! What a Service's name stands for, at one moment.

use super::addresses::Addresses;
use super::external::External;
use super::few::Few;
use super::slice::Slice;
use crate::kubernetes::object::Port;
use arc_swap::ArcSwap;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Names of up to so many bytes need no memory of their own: nearly all.
const SHORT_NAME: usize = 40;

/// A name that something in the cluster gives to a Service: the Service itself, or an
/// EndpointSlice, which can come first and stay longer.
#[derive(Debug)]
pub struct Service {
    /// the labels of Service and namespace, each with its length before it; in place, where they are
    /// not long, as each look-up compares them
    name: SmallVec<[u8; SHORT_NAME]>,
    namespace: Arc<Namespace>,
    entry: ArcSwap<Entry>,
    /// the number of the list of Services that last named it
    list: AtomicU32,
}

/// A namespace that is there, or that a Service or slice is in.
#[derive(Debug)]
pub struct Namespace {
    name: Box<str>,
    exists: AtomicBool,
    /// how many [`Service`]s are in it
    services: AtomicU32,
    /// the number of the list of Namespaces that last named it
    list: AtomicU32,
}

/// One state of a Service: it never changes, so an answer made of it is never torn.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    shape: Shape,
    ports: Arc<[Port]>,
    addresses: Families,
    /// in the order of their names
    slices: Few<Arc<Slice>>,
    /// what leads to it from outside the cluster
    external: Option<Box<External>>,
}

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Families {
    /// No other, which is what most have: an address of IPv6 takes four times the room.
    V4(Option<Addresses<Ipv4Addr>>),
    Both(Box<(Option<Addresses<Ipv4Addr>>, Addresses<Ipv6Addr>)>),
}

/// A state of a Service in the hands of one reader.
pub(super) type Borrowed = arc_swap::Guard<Arc<Entry>>;

/// What kind of records the name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// There are endpoints, but no Service of the name: only addresses lead here.
    Absent,
    /// Records of its own addresses.
    ClusterIp {
        /// whether the first of them is IPv6, which orders glue
        v6_first: bool,
    },
    /// Records of its ready endpoints.
    Headless,
    /// A Service of several clusters that names no port: only its endpoints have names.
    Portless,
    /// A CNAME to this text. `None` where the Service gives an address in place of a name: then
    /// it has no record.
    ExternalName(Option<Box<str>>),
}

impl Service {
    pub(in crate::kubernetes) fn new(
        name: &[u8],
        namespace: Arc<Namespace>,
        entry: Arc<Entry>,
    ) -> Self {
        Self {
            name: name.into(),
            namespace,
            entry: ArcSwap::new(entry),
            list: AtomicU32::new(0),
        }
    }

    /// The name left of `svc.ZONE`, in wire form: the labels of Service and namespace, each with
    /// its length before it.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The Service's own label.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        let length = self.name.first().map_or(0, |length| usize::from(*length));
        self.name.get(1..=length).unwrap_or_default()
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its state now.
    #[must_use]
    pub fn entry(&self) -> Arc<Entry> {
        self.entry.load_full()
    }

    /// The same for as long as an answer is made of it: no count is kept that threads contend for.
    pub(super) fn borrow_entry(&self) -> Borrowed {
        self.entry.load()
    }

    pub(in crate::kubernetes) fn set(&self, entry: Arc<Entry>) {
        self.entry.store(entry);
    }

    pub(in crate::kubernetes) fn set_list(&self, list: u32) {
        self.list.store(list, Relaxed);
    }

    pub(in crate::kubernetes) fn list(&self) -> u32 {
        self.list.load(Relaxed)
    }
}

impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Service {}

impl PartialOrd for Service {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Service {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl Namespace {
    pub(in crate::kubernetes) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            exists: AtomicBool::new(false),
            services: AtomicU32::new(0),
            list: AtomicU32::new(0),
        }
    }

    /// `metadata.name`
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the Namespace itself is there: without it no name is in it.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.exists.load(Relaxed)
    }

    /// Says whether it is there, and returns whether it was.
    pub(in crate::kubernetes) fn set_exists(&self, exists: bool) -> bool {
        self.exists.swap(exists, Relaxed)
    }

    pub(in crate::kubernetes) fn set_list(&self, list: u32) {
        self.list.store(list, Relaxed);
    }

    pub(in crate::kubernetes) fn list(&self) -> u32 {
        self.list.load(Relaxed)
    }

    pub(in crate::kubernetes) fn enter(&self) {
        self.services.fetch_add(1, Relaxed);
    }

    /// A Service is gone; returns whether it was the last.
    pub(in crate::kubernetes) fn leave(&self) -> bool {
        self.services.fetch_sub(1, Relaxed) == 1
    }

    pub(in crate::kubernetes) fn is_void(&self) -> bool {
        !self.exists() && self.services.load(Relaxed) == 0
    }
}

impl Entry {
    /// A name that nothing gives yet.
    pub(in crate::kubernetes) fn void() -> Self {
        Self::new(Shape::Absent, Arc::default(), &[], Vec::new())
    }

    /// A Service with these addresses, if it is a [`Shape::ClusterIp`], and these endpoints.
    pub(in crate::kubernetes) fn new(
        shape: Shape,
        ports: Arc<[Port]>,
        cluster_ips: &[IpAddr],
        slices: Vec<Arc<Slice>>,
    ) -> Self {
        Self {
            shape,
            ports,
            addresses: Families::of(|| cluster_ips.iter().copied()),
            slices: Vec::new().into(),
            external: None,
        }
        .with_slices(slices)
    }

    /// The same Service with other endpoints.
    pub(in crate::kubernetes) fn with_slices(&self, slices: Vec<Arc<Slice>>) -> Self {
        let addresses = match self.shape {
            Shape::Headless => Families::of(|| slices.iter().flat_map(|slice| slice.addresses())),
            _ => self.addresses.clone(),
        };
        Self {
            shape: self.shape.clone(),
            ports: self.ports.clone(),
            addresses,
            external: self.external.clone(),
            slices: slices.into(),
        }
    }

    /// The same Service, led to from outside the cluster by this.
    pub(in crate::kubernetes) fn with_external(self, external: Option<Box<External>>) -> Self {
        Self { external, ..self }
    }

    /// What leads to it from outside the cluster.
    #[must_use]
    pub fn external(&self) -> Option<&External> {
        self.external.as_deref()
    }

    /// Whether nobody outside the cluster can tell it from the other one by its own addresses.
    pub(in crate::kubernetes) fn is_same_outside(&self, other: &Self) -> bool {
        let same_ports = self.external.is_none() || self.ports == other.ports;
        self.external == other.external && same_ports
    }

    /// What kind of records it has.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The Service's ports, in the object's order.
    #[must_use]
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// The addresses that the name itself has, each once: the Service's own, or if it is headless
    /// those of its ready endpoints. `None` where there is none.
    #[must_use]
    pub fn v4(&self) -> Option<&Addresses<Ipv4Addr>> {
        match &self.addresses {
            Families::V4(v4) => v4.as_ref(),
            Families::Both(both) => both.0.as_ref(),
        }
    }

    /// As [`Entry::v4`].
    #[must_use]
    pub fn v6(&self) -> Option<&Addresses<Ipv6Addr>> {
        match &self.addresses {
            Families::V4(_) => None,
            Families::Both(both) => Some(&both.1),
        }
    }

    /// Its endpoints, in the order of the slices' names.
    #[must_use]
    pub fn slices(&self) -> &[Arc<Slice>] {
        self.slices.as_slice()
    }

    /// How many ready addresses its endpoints have.
    #[must_use]
    pub fn ready(&self) -> u32 {
        let ready = self.slices().iter().map(|slice| slice.ready());
        u32::try_from(ready.sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// How many endpoints are not ready, so in no answer.
    #[must_use]
    pub fn not_ready(&self) -> u32 {
        let not_ready = self.slices().iter().map(|slice| slice.not_ready());
        not_ready.fold(0, u32::saturating_add)
    }

    /// The addresses of a [`Shape::ClusterIp`], first family first.
    pub fn cluster_ips(&self) -> impl Iterator<Item = IpAddr> {
        let (v4, v6, v6_first) = match self.shape {
            Shape::ClusterIp { v6_first } => (slice(self.v4()), slice(self.v6()), v6_first),
            _ => (&[][..], &[][..], false),
        };
        let (first, last) = if v6_first {
            (v6, &[][..])
        } else {
            (&[][..], v6)
        };
        let v4 = v4.iter().copied().map(IpAddr::V4);
        first
            .iter()
            .copied()
            .map(IpAddr::V6)
            .chain(v4)
            .chain(last.iter().copied().map(IpAddr::V6))
    }

    /// Whether the address is one of the Service's own.
    #[must_use]
    pub fn has_cluster_ip(&self, address: IpAddr) -> bool {
        matches!(self.shape, Shape::ClusterIp { .. })
            && match address {
                IpAddr::V4(address) => slice(self.v4()).contains(&address),
                IpAddr::V6(address) => slice(self.v6()).contains(&address),
            }
    }

    /// Whether the address leads here.
    pub(in crate::kubernetes) fn holds(&self, address: IpAddr) -> bool {
        self.has_cluster_ip(address) || self.slices().iter().any(|slice| slice.holds(address))
    }

    /// Whether nothing gives the name any more.
    pub(in crate::kubernetes) fn is_void(&self) -> bool {
        self.shape == Shape::Absent && self.slices().is_empty()
    }
}

impl Families {
    /// Those of a list that can be gone over several times, each once.
    fn of<I: Iterator<Item = IpAddr>>(list: impl Fn() -> I) -> Self {
        let v4 = Addresses::of(|| list().filter_map(as_v4));
        match Addresses::of(|| list().filter_map(as_v6)) {
            None => Self::V4(v4),
            Some(v6) => Self::Both(Box::new((v4, v6))),
        }
    }
}

fn slice<T>(addresses: Option<&Addresses<T>>) -> &[T] {
    addresses.map_or(&[], Addresses::as_slice)
}

pub(super) fn as_v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

pub(super) fn as_v6(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(address),
    }
}
