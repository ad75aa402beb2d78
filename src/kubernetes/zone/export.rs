//! What the zone holds as objects again: those that a zone could be made of that answers the same.
//!
//! They are not the cluster's own. Of an endpoint that is not ready only the count is known, one with
//! two addresses is told as two, and what gives no name is not here.

use super::entry::Shape;
use super::names::Name;
use super::slice::{Alias, Slice};
use super::{Entry, Service, Zone};
use crate::kubernetes::object::{
    self, Endpoint, EndpointSlice, Import, Key, Namespace, Object, Pod, ServiceKind,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

impl Zone {
    /// Tells each object until one cannot be taken. Each Service is as it is at one moment; all of
    /// them together need not be. Nothing is locked while an object is told.
    ///
    /// # Errors
    /// That of `tell`.
    pub fn export<E>(&self, mut tell: impl FnMut(Object) -> Result<(), E>) -> Result<(), E> {
        let there = self.namespaces.iter().filter(|known| known.0.exists());
        let namespaces: Vec<_> = there.map(|known| known.0.name().into()).collect();
        for name in namespaces {
            tell(Object::Namespace(Namespace { name }))?;
        }
        let mut imported = match self.imports() {
            Some(imports) => imports.export_imports(&mut tell)?,
            None => HashMap::new(),
        };
        for service in self.all_services() {
            let entry = service.entry();
            if let Some(kind) = kind_of(&entry) {
                tell(Object::Service(object_of(&service, &entry, kind)))?;
            }
            for slice in entry.slices() {
                let import = imported.remove(slice.key()).and_then(|slice| slice.import);
                let slice = slice_of(&service, slice);
                tell(Object::EndpointSlice(EndpointSlice { import, ..slice }))?;
            }
        }
        for slice in imported.into_values() {
            tell(Object::EndpointSlice(slice))?;
        }
        let mut pods: BTreeMap<Arc<super::Pod>, BTreeSet<IpAddr>> = BTreeMap::new();
        self.pods.for_each(|address, pod| {
            pods.entry(pod.clone()).or_default().insert(address);
        });
        for (pod, ips) in pods {
            let key = Key {
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
            };
            let ips = ips.into_iter().collect();
            let labels = pod.labels.iter().cloned().collect();
            tell(Object::Pod(Pod { key, ips, labels }))?;
        }
        Ok(())
    }

    /// Tells the imports, and returns their slices: each may be one of a Service too.
    fn export_imports<E>(
        &self,
        tell: &mut impl FnMut(Object) -> Result<(), E>,
    ) -> Result<HashMap<Box<[u8]>, EndpointSlice>, E> {
        let mut slices = HashMap::new();
        for service in self.all_services() {
            let entry = service.entry();
            if let Some(kind) = kind_of(&entry) {
                tell(Object::ServiceImport(object_of(&service, &entry, kind)))?;
            }
            for slice in entry.slices() {
                slices.insert(slice.key().into(), import_slice_of(&service, slice));
            }
        }
        Ok(slices)
    }

    fn all_services(&self) -> Vec<Arc<Service>> {
        let all = self.services.iter();
        all.map(|known| known.key().0.clone()).collect()
    }
}

/// `None` where there are endpoints only.
fn kind_of(entry: &Entry) -> Option<ServiceKind> {
    match entry.shape() {
        Shape::Absent => None,
        Shape::Portless => Some(ServiceKind::ClusterIp(Box::default())),
        Shape::ClusterIp { .. } => Some(ServiceKind::ClusterIp(entry.cluster_ips().collect())),
        Shape::Headless => Some(ServiceKind::Headless),
        Shape::ExternalName(target) => {
            // An address in the place of a name gives no record, whichever it is.
            let target = target.clone().unwrap_or_else(|| "0.0.0.0".into());
            Some(ServiceKind::ExternalName(target))
        }
    }
}

fn object_of(service: &Service, entry: &Entry, kind: ServiceKind) -> object::Service {
    object::Service {
        key: key(service, service.label()),
        kind,
        ports: entry.ports().into(),
        external: entry.external().map(|external| {
            Box::new(object::External {
                ips: external.ips.clone(),
                ingress_ips: Box::default(),
                ingress_hostnames: external.hostnames.clone(),
            })
        }),
    }
}

fn slice_of(service: &Service, slice: &Slice) -> EndpointSlice {
    let ready = slice.endpoints().map(|endpoint| {
        let (hostname, pod) = match endpoint.name(true) {
            None => (None, None),
            Some(name) if name.is_of_pod => (None, Some(text(&name))),
            Some(name) => (Some(text(&name)), None),
        };
        Endpoint {
            addresses: [endpoint.address].into(),
            names: Box::default(),
            ready: true,
            hostname,
            pod,
            zone: endpoint.zone().map(Arc::from),
        }
    });
    let not_ready = (0..slice.not_ready()).map(|_| Endpoint {
        addresses: Box::default(),
        names: Box::default(),
        ready: false,
        hostname: None,
        pod: None,
        zone: None,
    });
    EndpointSlice {
        key: key(service, slice.name()),
        service: String::from_utf8_lossy(service.label()).into(),
        endpoints: ready
            .chain(slice.aliases().iter().map(Alias::told))
            .chain(not_ready)
            .collect(),
        ports: slice.ports().into(),
        triggered: None,
        import: None,
    }
}

/// A slice of an import.
fn import_slice_of(service: &Service, slice: &Slice) -> EndpointSlice {
    let of_service = slice_of(service, slice);
    let import = Import {
        service: of_service.service,
        cluster: slice.cluster().into(),
    };
    EndpointSlice {
        service: "".into(),
        import: Some(Box::new(import)),
        ..of_service
    }
}

fn key(service: &Service, name: &[u8]) -> Key {
    Key {
        namespace: service.namespace().name().into(),
        name: String::from_utf8_lossy(name).into(),
    }
}

fn text(name: &Name<'_>) -> Box<str> {
    let bytes = [name.start, name.end].concat();
    String::from_utf8_lossy(&bytes).into()
}
