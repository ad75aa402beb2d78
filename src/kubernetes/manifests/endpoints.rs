//! EndpointSlices: those that are written, and those that the controller would make by selector.
//!
//! A Service with a written slice has only its written ones. Of the others, each has one slice for
//! each family and each set of ports that its pods resolve the target ports to.

use std::collections::{HashMap, HashSet};

use super::allot;
use super::family::Family;
use super::given::{Given, Interner, Name, Objects};
use super::manifest::{self, Labels, TargetPort};
use super::pods::Pod;
use super::services::{self, Service};
use super::{Place, Problem};
use crate::kubernetes::object::{Endpoint, EndpointSlice, Import, Key, Port};

/// The label that says whose endpoints a slice holds.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The labels that say of which import a slice is a part, and which cluster it comes from.
const IMPORT_NAME: &str = "multicluster.kubernetes.io/service-name";
const SOURCE_CLUSTER: &str = "multicluster.kubernetes.io/source-cluster";

/// A slice with what selects it.
pub(super) struct Slice<'a> {
    pub(super) place: &'a Place,
    pub(super) labels: Labels,
    pub(super) object: EndpointSlice,
}

/// The slices that are written. What the API server would refuse is left out, with a problem.
pub(super) fn written<'a>(
    objects: &Objects<'a>,
    names: &mut Interner,
    problems: &mut Vec<Problem>,
) -> Vec<Slice<'a>> {
    let mut slices = Vec::with_capacity(objects.slices.len());
    for (name, given) in &objects.slices {
        match slice(*name, *given, names) {
            Ok(object) => slices.push(Slice {
                place: given.place,
                labels: given.metadata.labels.clone(),
                object,
            }),
            Err(reason) => {
                let what = format!("the EndpointSlice {name}");
                problems.push(Problem::refused(given.place, &what, &reason));
            }
        }
    }
    slices
}

fn slice(
    name: Name<'_>,
    given: Given<'_, manifest::EndpointSlice>,
    names: &mut Interner,
) -> Result<EndpointSlice, String> {
    let mut ports = Vec::with_capacity(given.body.ports.len());
    for port in &given.body.ports {
        ports.push(Port {
            name: names.get(&port.name),
            protocol: services::protocol(&port.protocol)?,
            number: port.port.map_or(Ok(0), services::number)?,
        });
    }
    let labels = &given.metadata.labels;
    let service = labels.get(SERVICE_NAME);
    let import = labels.get(IMPORT_NAME).map(|service| Import {
        service: names.get(service),
        cluster: names.get(labels.get(SOURCE_CLUSTER).map_or("", String::as_str)),
    });
    let endpoints = given.body.endpoints.iter();
    Ok(EndpointSlice {
        key: names.key(name),
        service: names.get(service.map_or("", String::as_str)),
        endpoints: endpoints.map(|given| endpoint(given, names)).collect(),
        ports: ports.into(),
        triggered: None,
        import: import.map(Box::new),
    })
}

fn endpoint(given: &manifest::Endpoint, names: &mut Interner) -> Endpoint {
    let texts = given.addresses.iter().map(String::as_str);
    let (addresses, targets) = Endpoint::destinations(texts);
    Endpoint {
        addresses,
        names: targets,
        ready: given.conditions.ready.unwrap_or(true),
        hostname: some(&given.hostname),
        pod: some(&given.target_ref.name),
        zone: (!given.zone.is_empty()).then(|| names.get(&given.zone)),
    }
}

fn some(text: &str) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}

/// Finds the pods that a selector asks for without looking at all of them.
pub(super) struct PodIndex<'a> {
    pods: &'a [Pod<'a>],
    /// by namespace, label and value
    by_label: HashMap<(&'a str, &'a str, &'a str), Vec<usize>, foldhash::fast::RandomState>,
}

impl<'a> PodIndex<'a> {
    pub(super) fn new(pods: &'a [Pod<'a>]) -> Self {
        let mut by_label: HashMap<_, Vec<usize>, _> = HashMap::default();
        for (at, pod) in pods.iter().enumerate() {
            for (name, value) in pod.labels() {
                by_label
                    .entry((pod.namespace, name, value))
                    .or_default()
                    .push(at);
            }
        }
        Self { pods, by_label }
    }

    /// In the order of the pods. An empty selector selects nothing.
    fn select<'s>(
        &'s self,
        namespace: &'s str,
        selector: &'s Labels,
    ) -> impl Iterator<Item = &'s Pod<'a>> {
        let fewest = selector
            .iter()
            .map(|(name, value)| self.having(namespace, name, value))
            .min_by_key(|pods| pods.len());
        let candidates = fewest.unwrap_or_default().iter();
        let all = |pod: &&Pod<'_>| {
            selector
                .iter()
                .all(|(name, value)| pod.has_label(name, value))
        };
        candidates.filter_map(|at| self.pods.get(*at)).filter(all)
    }

    fn having<'s>(&'s self, namespace: &'s str, name: &'s str, value: &'s str) -> &'s [usize] {
        let pods = self.by_label.get(&(namespace, name, value));
        pods.map_or(&[], Vec::as_slice)
    }
}

/// The slices of the Services that have a selector and no written slice.
pub(super) fn by_selector<'a>(
    services: &[Service<'a>],
    pods: &PodIndex<'_>,
    written: &[Slice<'_>],
    names: &mut Interner,
) -> Vec<Slice<'a>> {
    let written: HashSet<Key> = written
        .iter()
        .map(|slice| Key {
            namespace: slice.object.key.namespace.clone(),
            name: slice.object.service.clone(),
        })
        .collect();
    let mut slices = Vec::with_capacity(services.len());
    for service in services {
        if service.has_endpoints_by_selector() && !written.contains(&names.key(service.name)) {
            for family in &service.families {
                of_family(service, *family, pods, names, &mut slices);
            }
        }
    }
    slices
}

/// A Service's slices of one family, one for each set of ports.
fn of_family<'a>(
    service: &Service<'a>,
    family: Family,
    pods: &PodIndex<'_>,
    names: &mut Interner,
    slices: &mut Vec<Slice<'a>>,
) {
    let spec = &service.given.body.spec;
    let mut by_ports: HashMap<Vec<Port>, Vec<Endpoint>> = HashMap::new();
    for pod in pods.select(service.name.namespace, &spec.selector) {
        let address = pod.ips.iter().find(|ip| Family::of(**ip) == family);
        let Some(address) = address.filter(|_| !pod.ended) else {
            continue;
        };
        let in_subdomain = pod.subdomain == service.name.name;
        let endpoints = by_ports.entry(resolve(service, pod)).or_default();
        endpoints.push(Endpoint {
            addresses: [*address].into(),
            names: Box::default(),
            ready: pod.ready || spec.publish_not_ready_addresses,
            hostname: some(&pod.hostname).filter(|_| in_subdomain),
            pod: some(&pod.name),
            zone: None,
        });
    }
    for (ports, endpoints) in by_ports {
        let name = slice_name(service.name, family, &ports);
        slices.push(Slice {
            place: service.given.place,
            labels: labels(service),
            object: EndpointSlice {
                key: names.key(Name {
                    name: &name,
                    ..service.name
                }),
                service: names.get(service.name.name),
                endpoints: endpoints.into(),
                ports: ports.into(),
                triggered: None,
                import: None,
            },
        });
    }
}

/// The Service's ports as this pod has them. One whose target the pod does not have is left out.
fn resolve(service: &Service<'_>, pod: &Pod<'_>) -> Vec<Port> {
    let written = &service.given.body.spec.ports;
    let resolved = service
        .ports
        .iter()
        .zip(written)
        .filter_map(|(port, written)| {
            let number = match &written.target_port {
                None | Some(TargetPort::Number(0)) => port.number,
                Some(TargetPort::Number(number)) => services::number(*number).ok()?,
                Some(TargetPort::Name(name)) if name.is_empty() => port.number,
                Some(TargetPort::Name(name)) => pod.port(name, port.protocol)?,
            };
            Some(Port {
                number,
                ..port.clone()
            })
        });
    resolved.collect()
}

/// As the controller names a slice: generated, but always the same for the same ports.
fn slice_name(service: Name<'_>, family: Family, ports: &[Port]) -> String {
    let ports = format!("{ports:?}");
    let seed = [service.namespace, service.name, family.name(), &ports];
    format!("{}-{}", service.name, allot::suffix(&seed, 0, 5))
}

/// The labels of a slice are its Service's, and the controller's own.
fn labels(service: &Service<'_>) -> Labels {
    let mut labels = service.given.metadata.labels.clone();
    let mut set = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
    set(SERVICE_NAME, service.name.name);
    set(
        "endpointslice.kubernetes.io/managed-by",
        "endpointslice-controller.k8s.io",
    );
    if service.is_headless() {
        set("service.kubernetes.io/headless", "");
    }
    labels
}
