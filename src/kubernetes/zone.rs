//! What the cluster's names stand for: written by the [store](super::store) alone, read by every
//! query thread.
//!
//! The zone holds no name of a zone and no option: several `kubernetes` plugins with different
//! zones and options read one, each through its [`View`]. A question reads one entry once, so an
//! answer is never torn, and nothing iterates over the cluster on a query's path. Locks are held
//! for the time of a map lookup only, on a part of one map; a Service that changes is not
//! locked at all.

mod addresses;
mod entry;
mod export;
mod external;
mod few;
mod label;
mod names;
mod owners;
mod pod;
mod reverse;
mod selection;
mod slice;
mod unique;
mod view;

pub use addresses::Addresses;
pub use entry::{Entry, Namespace, Service, Shape};
pub use external::External;
pub use label::Label;
pub use pod::Pod;
pub use reverse::{NameServer, Pointers};
pub use selection::{Selection, Srv, Target};
pub use slice::{Alias, Endpoint, Slice};
pub use view::{Namespaces, Pods, View};

use super::name::{self, Parsed, Subtree};
use super::object::Kind;
use arc_swap::Guard;
use dashmap::{DashMap, DashSet};
use foldhash::fast::RandomState;
use owners::ByAddress;
use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};

/// The parts of the large maps. A part that grows, or that has kept too many empty places, is made
/// anew under its lock: of 100,000 Services that is the work of some hundred, so that neither a change
/// nor a question that waits for it takes long.
const SHARDS: usize = 256;

/// The state of a cluster as DNS sees it.
#[derive(Debug)]
pub struct Zone {
    pub(super) namespaces: DashSet<Named<Namespace>, RandomState>,
    pub(super) services: DashMap<Named<Service>, (), RandomState>,
    /// by each address of a Service and of its ready endpoints
    pub(super) owners: ByAddress<Service>,
    /// by each address of a Service outside the cluster
    pub(super) externals: ByAddress<Service>,
    pub(super) pods: ByAddress<Pod>,
    pub(super) counts: Counts,
    serial: AtomicU32,
    serial_outside: AtomicU32,
    changes: AtomicU64,
    /// when the snapshot was taken that is served, Unix time in seconds; 0 where none is
    snapshot: AtomicU32,
    /// the UID of the namespace kube-system, where it is known
    cluster: Mutex<Option<Arc<str>>>,
    /// the kinds watched, and whether a list of each was complete
    synced: Box<[(Kind, AtomicBool)]>,
    /// Services of several clusters, where they are watched
    imports: Option<Arc<Self>>,
}

/// What a name holds.
#[derive(Debug)]
pub enum Found<'q> {
    /// The name does not exist: NXDOMAIN.
    Nothing,
    /// The name exists, for there are names under it, but it has no record: NODATA.
    Empty,
    /// A CNAME to the text of the entry's [`Shape::ExternalName`].
    ExternalName(Arc<Entry>),
    /// Addresses and SRV records.
    Service(Selection<'q>),
    /// The address of a pod.
    Pod {
        /// never an IPv4-mapped IPv6 address
        address: IpAddr,
        /// how many pods of the namespace have it, which is the weight of the SRV record, 100
        /// being shared; 1 where pods are not verified
        count: usize,
    },
}

/// How much there is, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Namespaces
    pub namespaces: usize,
    /// Services
    pub services: usize,
    /// addresses of ready endpoints, once for each Service
    pub endpoints: usize,
    /// endpoints that are not ready
    pub not_ready: usize,
    /// pods, where they are watched
    pub pods: usize,
}

/// [`Totals`] as they are counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) namespaces: AtomicUsize,
    pub(super) services: AtomicUsize,
    pub(super) endpoints: AtomicUsize,
    pub(super) not_ready: AtomicUsize,
    pub(super) pods: AtomicUsize,
}

impl Zone {
    pub(super) fn new(watched: &[Kind], imports: Option<Arc<Self>>) -> Self {
        Self {
            namespaces: DashSet::with_hasher(RandomState::default()),
            services: DashMap::with_hasher_and_shard_amount(RandomState::default(), SHARDS),
            owners: ByAddress::new(),
            externals: ByAddress::new(),
            pods: ByAddress::new(),
            counts: Counts::default(),
            serial: AtomicU32::new(0),
            serial_outside: AtomicU32::new(0),
            changes: AtomicU64::new(0),
            snapshot: AtomicU32::new(0),
            cluster: Mutex::default(),
            synced: watched
                .iter()
                .map(|kind| (*kind, AtomicBool::new(false)))
                .collect(),
            imports,
        }
    }

    /// The Services of several clusters, where they are watched (`multicluster`).
    #[must_use]
    pub fn imports(&self) -> Option<&Arc<Self>> {
        self.imports.as_ref()
    }

    /// What `name` holds, seen through `view`.
    ///
    /// Allocates nothing for names that do not exist, that hold nothing, and for Services.
    /// [`Parsed::DnsVersion`] and [`Parsed::NameServer`] hold nothing here: those records are the
    /// plugin's own.
    #[must_use]
    pub fn find<'q>(&self, view: &View, name: &Parsed<'q>) -> Found<'q> {
        match *name {
            Parsed::Apex | Parsed::Subtree => Found::Empty,
            Parsed::Namespace { subtree, namespace } => {
                let hidden = subtree == Subtree::Pods && view.pods == Pods::Disabled;
                if !hidden && self.shows(view, namespace) {
                    Found::Empty
                } else {
                    Found::Nothing
                }
            }
            Parsed::Service(service) => self.find_service(view, service).unwrap_or(Found::Nothing),
            Parsed::Pod { label, namespace } => {
                let pod = self.find_pod(view, label, namespace);
                pod.unwrap_or(Found::Nothing)
            }
            Parsed::DnsVersion | Parsed::NameServer | Parsed::Invalid => Found::Nothing,
        }
    }

    /// Unix time, in seconds, of the last change that a reader can see in the cluster's own zones: the
    /// serial of the SOA record. 0 before the first.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.serial.load(Relaxed)
    }

    /// The same of changes of what leads to Services from outside the cluster by their own addresses:
    /// there, endpoints come and go unseen.
    #[must_use]
    pub fn serial_outside(&self) -> u32 {
        self.serial_outside.load(Relaxed)
    }

    /// How many changes there were that a reader can see, those of imports included.
    #[must_use]
    pub fn changes(&self) -> u64 {
        let of_imports = self.imports().map_or(0, |imports| imports.changes());
        self.changes.load(Acquire).wrapping_add(of_imports)
    }

    /// Whether each kind that is watched was listed once. It stays so.
    #[must_use]
    pub fn has_synced(&self) -> bool {
        self.unsynced().next().is_none()
    }

    /// Whether all of a cluster is known, be it from a snapshot. Who takes a copy of the whole must not
    /// be given a part.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.has_synced() || self.snapshot().is_some()
    }

    /// The kinds whose first list is not yet complete.
    pub fn unsynced(&self) -> impl Iterator<Item = Kind> {
        let waiting = self.synced.iter().filter(|(_, done)| !done.load(Acquire));
        waiting.map(|(kind, _)| *kind)
    }

    /// When the snapshot was taken that is served until the cluster itself was seen, Unix time in
    /// seconds; `None` where there is none, or where the cluster was seen.
    #[must_use]
    pub fn snapshot(&self) -> Option<u32> {
        Some(self.snapshot.load(Acquire)).filter(|taken| *taken > 0)
    }

    /// The cluster's identity, which is the UID of its namespace kube-system; `None` until it is
    /// known. A snapshot's is taken for it until then.
    #[must_use]
    pub fn cluster(&self) -> Option<Arc<str>> {
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.clone()
    }

    /// How much there is.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            namespaces: self.counts.namespaces.load(Relaxed),
            services: self.counts.services.load(Relaxed),
            endpoints: self.counts.endpoints.load(Relaxed),
            not_ready: self.counts.not_ready.load(Relaxed),
            pods: self.counts.pods.load(Relaxed),
        }
    }

    /// The Service of a [name](name::Service::key), whether it can be seen or not.
    #[must_use]
    pub fn service(&self, key: &[u8]) -> Option<Arc<Service>> {
        self.services
            .get(key)
            .map(|service| service.key().0.clone())
    }

    /// All Services that a view shows, in the order of their names, then namespaces, each with
    /// one state. For transfers and listings: it goes over the whole cluster, locking a part at a
    /// time.
    #[must_use]
    pub fn services(&self, view: &View) -> Vec<(Arc<Service>, Arc<Entry>)> {
        let all = self.services.iter().map(|service| service.key().0.clone());
        let shown = all.filter(|service| is_shown(view, service.namespace()));
        let mut services: Vec<_> = shown
            .map(|service| (service.entry(), service))
            .filter(|(entry, _)| *entry.shape() != Shape::Absent)
            .map(|(entry, service)| (service, entry))
            .collect();
        services.sort_unstable_by(|(one, _), (other, _)| {
            let by_name = one.label().cmp(other.label());
            by_name.then_with(|| one.namespace().name().cmp(other.namespace().name()))
        });
        services
    }

    /// The names of all namespaces that are there, in no order.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let all = self.namespaces.iter().filter(|known| known.0.exists());
        all.map(|known| known.0.name().to_owned()).collect()
    }

    /// A pod that has this address: the first by namespace and name, should there be several.
    #[must_use]
    pub fn pod_at(&self, address: IpAddr) -> Option<Arc<Pod>> {
        let address = address.to_canonical();
        self.pods.read(address, |pods| pods.first().cloned())
    }

    pub(super) fn touch(&self, now: u32) {
        self.serial.store(now, Relaxed);
        self.changes.fetch_add(1, Release);
    }

    pub(super) fn touch_outside(&self, now: u32) {
        self.serial_outside.store(now, Relaxed);
        self.changes.fetch_add(1, Release);
    }

    pub(super) fn set_synced(&self, kind: Kind) {
        for (_, done) in self.synced.iter().filter(|(other, _)| *other == kind) {
            done.store(true, Release);
        }
        if self.has_synced() {
            self.set_snapshot(0);
        }
    }

    pub(super) fn set_snapshot(&self, taken: u32) {
        self.snapshot.store(taken, Release);
    }

    pub(super) fn set_cluster(&self, cluster: Arc<str>) {
        let mut known = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(cluster);
    }

    fn find_service<'q>(&self, view: &View, question: name::Service<'q>) -> Option<Found<'q>> {
        let entry = {
            let known = self.services.get(question.key)?;
            let service = &known.key().0;
            is_shown(view, service.namespace()).then(|| service.borrow_entry())?
        };
        match entry.shape() {
            Shape::ExternalName(target) => {
                let whole = match question.part {
                    name::Part::Whole => true,
                    name::Part::Port(ports) => ports.is_any(),
                    _ => false,
                };
                (whole && target.is_some()).then(|| Found::ExternalName(Guard::into_inner(entry)))
            }
            _ => Selection::new(view, entry, question.part).map(Found::Service),
        }
    }

    fn find_pod(&self, view: &View, label: &[u8], namespace: &[u8]) -> Option<Found<'static>> {
        if view.pods == Pods::Disabled || !self.shows(view, namespace) {
            return None;
        }
        let verified = view.pods == Pods::Verified;
        let address = label::pod_address(label, verified)?;
        let here = |pods: &[Arc<Pod>]| {
            let own = |pod: &&Arc<Pod>| pod.namespace.as_bytes() == namespace;
            pods.iter().filter(own).count()
        };
        let count = if verified {
            self.pods.read(address, here)
        } else {
            1
        };
        (count > 0).then_some(Found::Pod { address, count })
    }

    /// Whether a view shows the namespace of this label.
    #[must_use]
    pub fn shows(&self, view: &View, namespace: &[u8]) -> bool {
        let found = self.namespaces.get(namespace);
        found.is_some_and(|namespace| is_shown(view, &namespace.0))
    }
}

fn is_shown(view: &View, namespace: &Namespace) -> bool {
    namespace.exists() && view.namespaces.show(namespace.name().as_bytes())
}

/// A shared thing, as a map's key, that is found by its name.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) Arc<T>);

impl Borrow<[u8]> for Named<Service> {
    fn borrow(&self) -> &[u8] {
        self.0.name()
    }
}

impl Borrow<[u8]> for Named<Namespace> {
    fn borrow(&self) -> &[u8] {
        self.0.name().as_bytes()
    }
}

impl Borrow<[u8]> for Named<Slice> {
    fn borrow(&self) -> &[u8] {
        self.0.key()
    }
}

impl<T> Hash for Named<T>
where
    Self: Borrow<[u8]>,
{
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<[u8]>::borrow(self).hash(state);
    }
}

impl<T> PartialEq for Named<T>
where
    Self: Borrow<[u8]>,
{
    fn eq(&self, other: &Self) -> bool {
        Borrow::<[u8]>::borrow(self) == Borrow::<[u8]>::borrow(other)
    }
}

impl<T> Eq for Named<T> where Self: Borrow<[u8]> {}

#[cfg(test)]
mod tests;
