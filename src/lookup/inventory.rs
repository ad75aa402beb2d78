//! What names there are in a cluster, for telling of one that is not what is near it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::corefile::nearest;
use crate::kubernetes::event::Event;
use crate::kubernetes::manifests::Loaded;
use crate::kubernetes::object::Object;
use crate::kubernetes::store;
use crate::kubernetes::zone::{Label, Shape, View, Zone};

/// Endpoints of one Service whose names are kept: more are not read by anyone.
const MOST_HOSTS: usize = 1000;

/// The namespaces and Services of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Namespaces, whether they have Services or not.
    pub namespaces: BTreeSet<String>,
    /// Services, by namespace and name.
    pub services: BTreeMap<String, BTreeMap<String, Service>>,
}

/// A Service, as far as its name goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// `ClusterIP`, `headless` or `ExternalName`.
    pub kind: String,
    /// Its ports: name (which may be empty), protocol in lower case, number.
    pub ports: Vec<(String, String, u16)>,
    /// Endpoints that are ready.
    pub ready: u32,
    /// Endpoints that are not.
    pub not_ready: u32,
    /// Of a headless Service: the names below it.
    pub hosts: Vec<String>,
    /// Where it stands, if it stands in a file.
    pub place: Option<String>,
}

impl Service {
    /// That nobody answers there. It is called `name`.
    pub(super) fn without_endpoints(&self, name: &str) -> String {
        match self.not_ready {
            0 => format!(
                "the Service {name} exists and has no endpoint: no pod has the labels of its selector"
            ),
            1 => format!("the Service {name} exists and has no ready endpoint: 1 pod not ready"),
            count => {
                format!(
                    "the Service {name} exists and has no ready endpoint: {count} pods not ready"
                )
            }
        }
    }
}

impl Inventory {
    /// Of what manifests come to, with where each Service stands.
    #[must_use]
    pub fn of_manifests(loaded: &Loaded) -> Self {
        let (mut store, zone) = store::new(&[]);
        for (object, _) in &loaded.objects {
            store.apply(Event::Apply(object.clone()), 0);
        }
        let mut inventory = Self::of_zone(&zone);
        for (object, place) in &loaded.objects {
            if let Object::Service(service) = object {
                let entry = inventory.entry(&service.key.namespace, &service.key.name);
                entry.place = Some(place.to_string());
            }
        }
        inventory
    }

    fn entry(&mut self, namespace: &str, name: &str) -> &mut Service {
        let services = self.services.entry(namespace.to_owned()).or_default();
        services.entry(name.to_owned()).or_default()
    }

    /// Of the state that a server answers from.
    #[must_use]
    pub fn of_zone(zone: &Zone) -> Self {
        let mut inventory = Self::default();
        inventory.namespaces.extend(zone.namespaces());
        for (service, entry) in zone.services(&View::default()) {
            let label = String::from_utf8_lossy(service.label()).into_owned();
            let known = inventory.entry(service.namespace().name(), &label);
            known.kind = match entry.shape() {
                Shape::Headless => "headless",
                Shape::ExternalName(_) => "ExternalName",
                Shape::ClusterIp { .. } | Shape::Portless | Shape::Absent => "ClusterIP",
            }
            .to_owned();
            let ports = entry.ports().iter();
            let port = ports.map(|port| {
                let protocol = port.protocol.word().to_owned();
                (port.name.to_string(), protocol, port.number)
            });
            known.ports = port.collect();
            known.ready = entry.ready();
            known.not_ready = entry.not_ready();
            if *entry.shape() == Shape::Headless {
                let endpoints = entry.slices().iter().flat_map(|slice| slice.endpoints());
                let labels = endpoints.map(|endpoint| endpoint.label(false));
                let host = |label: Label| String::from_utf8_lossy(label.as_bytes()).into_owned();
                known.hosts = labels.take(MOST_HOSTS).map(host).collect();
                known.hosts.sort();
                known.hosts.dedup();
            }
        }
        inventory
    }

    /// Adds what another source of the same server knows.
    pub fn merge(&mut self, other: Self) {
        self.namespaces.extend(other.namespaces);
        for (namespace, services) in other.services {
            self.services.entry(namespace).or_default().extend(services);
        }
    }

    /// That a namespace is not there, where it is not.
    #[must_use]
    pub fn no_namespace(&self, name: &str) -> Option<String> {
        if self.namespaces.is_empty() || self.namespaces.contains(name) {
            return None;
        }
        let near = nearest(name, self.namespaces.iter().map(String::as_str));
        let near = near.map(|near| format!("; did you mean {near}?"));
        Some(format!(
            "there is no namespace {name}{}",
            near.unwrap_or_default()
        ))
    }

    /// A Service, and how it is found.
    #[must_use]
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.get(namespace)?.get(name)
    }

    /// The namespaces that have a Service of this name.
    pub fn namespaces_with(&self, name: &str) -> impl Iterator<Item = &str> {
        let services = self.services.iter();
        let with = services.filter(move |(_, services)| services.contains_key(name));
        with.map(|(namespace, _)| namespace.as_str())
    }
}
