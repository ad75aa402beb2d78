//! The one writer of the [zone](super::zone): it turns what a source tells into changes.
//!
//! An event costs what it changes, not what the cluster holds. The exception is a headless
//! Service, whose own endpoints are merged again when one of its slices changes.
//!
//! - The objects come in any order; the same ones always end as the same zone. So a slice makes
//!   the entry of a Service that is not there yet, and an entry goes with the last that gives it.
//! - A list is a diff: each object that it names gets the number of the list, and when it is
//!   complete, those with another number are removed one by one.
//! - What is as it was is not written. The serial moves only with what a reader can see.

mod imports;
mod pods;
mod pool;
mod services;
mod slices;

use super::event::Event;
use super::name::service_key;
use super::object::{Key, Kind, Object, PodLabel, Port};
use super::zone::{Named, Namespace, Service, Slice, Zone};
use foldhash::fast::RandomState;
use pods::Placed;
use pool::Pool;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const TARGET: &str = "plugin/kubernetes";

/// Applies events to its zone. It is owned by the task that reads the source, and by no one else.
#[derive(Debug)]
pub struct Store {
    zone: Arc<Zone>,
    /// each with what it is a part of
    slices: HashMap<Named<Slice>, Arc<Service>, RandomState>,
    pods: HashMap<Key, Filed<Placed>, RandomState>,
    port_lists: Pool<[Port]>,
    label_lists: Pool<[PodLabel]>,
    names: Pool<str>,
    /// the number of the last list of a kind that started; 0 before the first
    lists: HashMap<Kind, u32, RandomState>,
    /// the cluster of a snapshot, until it is known whether it is this one
    snapshot_of: Option<Arc<str>>,
    /// whether the event changes what leads to Services from outside the cluster
    is_outside: bool,
    /// whether what it holds are Services of several clusters
    of_imports: bool,
    /// whether the topology zones of endpoints are kept
    with_zones: bool,
    /// whether the labels of pods are kept
    with_labels: bool,
    /// the writer of the zone of those, where they are watched
    imports: Option<Box<Self>>,
}

/// Where an object is, and the number of the list that last named it.
#[derive(Debug)]
struct Filed<T> {
    place: T,
    list: u32,
}

/// An empty zone and its writer. `watched` are the kinds that the source yields: the zone is
/// synced when each of them was listed.
#[must_use]
pub fn new(watched: &[Kind]) -> (Store, Arc<Zone>) {
    let imports = watched.contains(&Kind::ServiceImport).then(|| {
        let kinds = [Kind::Namespace, Kind::Service, Kind::EndpointSlice];
        let mut imports = of_zone(Arc::new(Zone::new(&kinds, None)));
        imports.of_imports = true;
        Box::new(imports)
    });
    let of_imports = imports.as_ref().map(|imports| imports.zone.clone());
    let zone = Arc::new(Zone::new(watched, of_imports));
    let mut store = of_zone(zone.clone());
    store.imports = imports;
    (store, zone)
}

fn of_zone(zone: Arc<Zone>) -> Store {
    Store {
        zone,
        slices: HashMap::default(),
        pods: HashMap::default(),
        port_lists: Pool::new(),
        label_lists: Pool::new(),
        names: Pool::new(),
        lists: HashMap::default(),
        snapshot_of: None,
        is_outside: false,
        of_imports: false,
        with_zones: false,
        with_labels: false,
        imports: None,
    }
}

impl Store {
    /// The same, keeping the topology zones of endpoints for the `zonal` option, or not: not is the
    /// default. Those of imports are never asked for.
    #[must_use]
    pub fn with_zones(self, with_zones: bool) -> Self {
        Self { with_zones, ..self }
    }

    /// The same, keeping the labels of pods for metadata, or not: not is the default.
    #[must_use]
    pub fn with_labels(self, with_labels: bool) -> Self {
        Self {
            with_labels,
            ..self
        }
    }

    /// Applies one step of the source. `now` is Unix time in seconds, and becomes the serial if a
    /// reader can see the change.
    ///
    /// Objects that can have no name, as those whose own is no label, are passed over.
    pub fn apply(&mut self, event: Event, now: u32) {
        if let Some(imports) = &mut self.imports
            && let Some(event) = imports::as_of_a_cluster(&event)
        {
            imports.apply(event, now);
        }
        let (is_visible, synced) = match event {
            Event::Listing(kind) => {
                let list = self.lists.entry(kind).or_default();
                *list = list.wrapping_add(1);
                (false, None)
            }
            Event::Apply(object) => (self.apply_object(object), None),
            Event::Delete(kind, key) => (self.delete(kind, &key), None),
            Event::Listed(kind) => (self.remove_unlisted(kind), Some(kind)),
            Event::Snapshot { cluster, taken } => {
                self.zone.set_cluster(cluster.clone());
                self.zone.set_snapshot(taken);
                self.snapshot_of = Some(cluster);
                (false, None)
            }
            Event::Cluster(cluster) => (self.check_snapshot(cluster), None),
            Event::Changed(..) => (false, None),
        };
        if is_visible {
            self.zone.touch(now);
        }
        if std::mem::take(&mut self.is_outside) {
            self.zone.touch_outside(now);
        }
        if let Some(kind) = synced {
            self.zone.set_synced(kind);
        }
    }

    // Each of these returns whether a reader can see the change.

    fn apply_object(&mut self, object: Object) -> bool {
        match object {
            Object::Namespace(namespace) => self.apply_namespace(&namespace.name),
            Object::Service(service) => self.apply_service(&service),
            Object::EndpointSlice(slice) => self.apply_slice(&slice),
            Object::Pod(pod) => self.apply_pod(&pod),
            Object::ServiceImport(_) => false,
        }
    }

    fn delete(&mut self, kind: Kind, key: &Key) -> bool {
        match kind {
            Kind::Namespace => {
                let known = self.zone.namespaces.get(key.name.as_bytes());
                let known = known.map(|namespace| namespace.0.clone());
                known.is_some_and(|namespace| self.delete_namespace(&namespace))
            }
            Kind::Service => {
                let name = service_key(&key.namespace, &key.name);
                let known = name.and_then(|name| self.zone.service(&name));
                known.is_some_and(|service| self.delete_service(&service))
            }
            Kind::EndpointSlice => Slice::key_of(key).is_some_and(|key| self.delete_slice(&key)),
            Kind::Pod => self.delete_pod(key),
            Kind::ServiceImport => false,
        }
    }

    /// Removes what the list that is now complete did not name.
    fn remove_unlisted(&mut self, kind: Kind) -> bool {
        let list = self.list(kind);
        match kind {
            Kind::Namespace => {
                let all = self.zone.namespaces.iter().map(|known| known.0.clone());
                let gone: Vec<_> = all.filter(|known| known.list() != list).collect();
                any(gone, |namespace| self.delete_namespace(&namespace))
            }
            Kind::Service => {
                let all = self.zone.services.iter().map(|known| known.key().0.clone());
                let gone: Vec<_> = all.filter(|known| known.list() != list).collect();
                any(gone, |service| self.delete_service(&service))
            }
            Kind::EndpointSlice => {
                let all = self.slices.keys().map(|known| known.0.clone());
                let gone: Vec<_> = all.filter(|known| known.list() != list).collect();
                any(gone, |slice| self.delete_slice(slice.key()))
            }
            Kind::Pod => {
                let unnamed = self.pods.iter().filter(|(_, filed)| filed.list != list);
                let gone: Vec<_> = unnamed.map(|(key, _)| key.clone()).collect();
                any(gone, |key| self.delete_pod(&key))
            }
            Kind::ServiceImport => false,
        }
    }

    /// Takes back what a snapshot of another cluster gave, as far as no list has done so yet.
    fn check_snapshot(&mut self, cluster: Arc<str>) -> bool {
        let taken_of = self.snapshot_of.take();
        self.zone.set_cluster(cluster.clone());
        let Some(other) = taken_of.filter(|taken_of| *taken_of != cluster) else {
            return false;
        };
        if self.zone.snapshot().is_some() {
            tracing::warn!(
                target: TARGET,
                "the snapshot is of another cluster, {other}, and this is {cluster}: what it gave is \
                 taken back"
            );
        }
        self.zone.set_snapshot(0);
        let unsynced: Vec<Kind> = self.zone.unsynced().collect();
        any(unsynced, |kind| {
            // What a list has named by now has its number; all that no list has named has 0.
            let list = self.lists.entry(kind).or_default();
            *list = (*list).max(1);
            self.remove_unlisted(kind)
        })
    }

    fn apply_namespace(&mut self, name: &str) -> bool {
        let namespace = self.namespace(name);
        namespace.set_list(self.list(Kind::Namespace));
        let is_new = !namespace.set_exists(true);
        count(&self.zone.counts.namespaces, 0, usize::from(is_new));
        self.is_outside |= is_new;
        is_new
    }

    fn delete_namespace(&mut self, namespace: &Namespace) -> bool {
        let existed = namespace.set_exists(false);
        count(&self.zone.counts.namespaces, usize::from(existed), 0);
        self.drop_if_void(namespace);
        self.is_outside |= existed;
        existed
    }

    /// The namespace of this name, which may not exist (yet).
    fn namespace(&mut self, name: &str) -> Arc<Namespace> {
        if let Some(known) = self.zone.namespaces.get(name.as_bytes()) {
            return known.0.clone();
        }
        let namespace = Arc::new(Namespace::new(name));
        self.zone.namespaces.insert(Named(namespace.clone()));
        namespace
    }

    fn drop_if_void(&mut self, namespace: &Namespace) {
        if namespace.is_void() {
            self.zone.namespaces.remove(namespace.name().as_bytes());
        }
    }

    /// The shared copy of a list of ports, with shared names.
    fn port_list(&mut self, ports: &[Port]) -> Arc<[Port]> {
        let names = &mut self.names;
        self.port_lists.share(ports, || {
            let shared = ports.iter().map(|port| Port {
                name: names.share(&port.name, || port.name.clone()),
                ..port.clone()
            });
            shared.collect()
        })
    }

    fn list(&self, kind: Kind) -> u32 {
        self.lists.get(&kind).copied().unwrap_or_default()
    }
}

/// Counts what was `before` as what is `after`.
fn count(counter: &AtomicUsize, before: usize, after: usize) {
    counter.fetch_add(after.wrapping_sub(before), Relaxed);
}

/// Does it to all, and returns whether it was true for any.
fn any<T>(items: Vec<T>, mut change: impl FnMut(T) -> bool) -> bool {
    let visible = |any, item| change(item) || any;
    items.into_iter().fold(false, visible)
}

#[cfg(test)]
pub(crate) mod tests;
