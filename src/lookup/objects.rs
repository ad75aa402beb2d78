//! The endpoints of a Service, with the names that the pods have.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::kubernetes::manifests::Loaded;
use crate::kubernetes::object::{self, EndpointSlice, Object};
use crate::kubernetes::zone::Zone;

/// Endpoints that are kept of each list: more are not read by anyone.
const MOST: usize = 100;

/// What stands behind a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Those that are ready, at most 100, in the order of their names.
    pub ready: Vec<Endpoint>,
    /// Those that are not, where they are known by more than their number; at most 100.
    pub not_ready: Vec<Endpoint>,
}

/// One endpoint: usually a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// The pod's name, or a host name; `None` where it has none.
    pub name: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Endpoints {
    /// As the manifests, or the lists of an API server, have them.
    #[must_use]
    pub fn of_objects(loaded: &Loaded, namespace: &str, service: &str) -> Self {
        let slices = loaded.objects.iter();
        let slices = slices.filter_map(|(object, _)| match object {
            Object::EndpointSlice(slice)
                if &*slice.service == service && &*slice.key.namespace == namespace =>
            {
                Some(slice)
            }
            _ => None,
        });
        Self::of_slices(slices)
    }

    fn of_slices<'s>(slices: impl Iterator<Item = &'s EndpointSlice>) -> Self {
        let (mut ready, mut not_ready) = (Gathered::default(), Gathered::default());
        for endpoint in slices.flat_map(|slice| slice.endpoints.iter()) {
            match endpoint.ready {
                true => ready.add(endpoint),
                false => not_ready.add(endpoint),
            }
        }
        Self {
            ready: ready.list(),
            not_ready: not_ready.list(),
        }
    }

    /// As a server has them: of those that are not ready it knows the number alone.
    #[must_use]
    pub fn of_zone(zone: &Zone, namespace: &str, service: &str) -> Self {
        let mut key = Vec::new();
        for label in [service, namespace] {
            key.push(u8::try_from(label.len()).unwrap_or_default());
            key.extend(label.bytes());
        }
        let mut ready = Gathered::default();
        if let Some(service) = zone.service(&key) {
            for slice in service.entry().slices() {
                for endpoint in slice.endpoints() {
                    ready.put(endpoint.known_as(), &[endpoint.address]);
                }
            }
        }
        Self {
            ready: ready.list(),
            not_ready: Vec::new(),
        }
    }

    /// Adds what another source of the same server knows.
    pub fn merge(&mut self, other: Self) {
        self.ready.extend(other.ready);
        self.not_ready.extend(other.not_ready);
    }
}

/// Endpoints by their names: one with two address families stands in two slices.
#[derive(Default)]
struct Gathered {
    named: BTreeMap<String, Vec<IpAddr>>,
    nameless: Vec<IpAddr>,
}

impl Gathered {
    fn add(&mut self, endpoint: &object::Endpoint) {
        let name = endpoint.pod.as_deref().or(endpoint.hostname.as_deref());
        self.put(name.map(str::to_owned), &endpoint.addresses);
    }

    fn put(&mut self, name: Option<String>, addresses: &[IpAddr]) {
        let list = match name {
            Some(name) => self.named.entry(name).or_default(),
            None => &mut self.nameless,
        };
        list.extend(addresses);
    }

    fn list(mut self) -> Vec<Endpoint> {
        self.nameless.sort_unstable();
        let named = self.named.into_iter().map(|(name, addresses)| Endpoint {
            name: Some(name),
            addresses,
        });
        let nameless = self.nameless.into_iter().map(|address| Endpoint {
            name: None,
            addresses: vec![address],
        });
        named.chain(nameless).take(MOST).collect()
    }
}
