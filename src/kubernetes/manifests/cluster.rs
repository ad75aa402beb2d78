//! From manifests to what an API server would list, once its controllers have done their work.
//!
//! Pure and deterministic: the same manifests give the same objects, in whatever files they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::{Selector, SelectorExt};

use super::given::{Interner, Objects};
use super::manifest::{Labels, Manifest};
use super::{Options, Place, Problem, endpoints, pods, services};
use crate::kubernetes::object::{self, Key, Kind, Object};

/// The namespaces that every cluster has.
const ALWAYS: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What a source yields, sorted, and where each object came from.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) objects: BTreeMap<(Kind, Key), (Object, Place)>,
    pub(super) problems: Vec<Problem>,
}

/// Does the controllers' work.
pub(super) fn simulate<'a>(
    manifests: impl IntoIterator<Item = &'a Manifest>,
    options: &Options,
) -> Cluster {
    let mut problems = Vec::new();
    let mut names = Interner::default();
    let objects = Objects::new(manifests, &mut problems);
    let pods = pods::pods(&objects, &mut problems);
    let services = services::services(&objects, &mut names, &mut problems);
    let mut slices = endpoints::written(&objects, &mut names, &mut problems);
    let index = endpoints::PodIndex::new(&pods);
    slices.extend(endpoints::by_selector(
        &services, &index, &slices, &mut names,
    ));

    let mut cluster = Cluster::default();
    cluster.add_namespaces(&objects, options, &mut names, &mut problems);
    for service in services {
        if options.labels.matches(&service.given.metadata.labels) {
            let place = service.given.place;
            cluster.add(Object::Service(service.into_object(&mut names)), place);
        }
    }
    for slice in slices {
        if options.labels.matches(&slice.labels) {
            cluster.add(Object::EndpointSlice(slice.object), slice.place);
        }
    }
    if options.imports {
        for (given, import) in services::imports(&objects, &mut names, &mut problems) {
            // As CoreDNS asks for them: the selector of namespaces.
            if options.namespace_labels.matches(&given.metadata.labels) {
                cluster.add(Object::ServiceImport(import), given.place);
            }
        }
    }
    for pod in pods.iter().filter(|pod| options.pods && pod.listed) {
        if selects(&options.labels, pod.labels()) {
            cluster.add(Object::Pod(pod.object(&mut names)), pod.place);
        }
    }
    cluster.problems = problems;
    cluster
}

impl Cluster {
    fn add(&mut self, object: Object, place: &Place) {
        let key = (object.kind(), object.key());
        self.objects.insert(key, (object, place.clone()));
    }

    /// Those that are written, those that every cluster has, and those that only other objects
    /// name: `kubectl apply` would refuse these objects, but it is clear what is meant.
    fn add_namespaces(
        &mut self,
        objects: &Objects<'_>,
        options: &Options,
        names: &mut Interner,
        problems: &mut Vec<Problem>,
    ) {
        let nowhere = Place::default();
        let unlabelled = Labels::new();
        let mut namespaces: BTreeMap<&str, (&Labels, &Place)> = BTreeMap::new();
        for name in ALWAYS {
            namespaces.insert(name, (&unlabelled, &nowhere));
        }
        for (name, given) in &objects.namespaces {
            namespaces.insert(name, (&given.metadata.labels, given.place));
        }
        for (name, place) in objects.namespaced() {
            namespaces.entry(name.namespace).or_insert_with(|| {
                let reason = format!(
                    "no manifest has the Namespace {}, which {} is in: taken as existing, but \
                     `kubectl apply` would refuse it",
                    name.namespace, name.name
                );
                problems.push(Problem::warning(place.clone(), reason));
                (&unlabelled, place)
            });
        }
        for (name, (labels, place)) in namespaces {
            let own = ("kubernetes.io/metadata.name", name);
            let labels = labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            if selects(&options.namespace_labels, labels.chain([own])) {
                let name: Arc<str> = names.get(name);
                self.add(Object::Namespace(object::Namespace { name }), place);
            }
        }
    }
}

fn selects<'a>(selector: &Selector, labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    selector.selects_all()
        || selector.matches(
            &labels
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
}
