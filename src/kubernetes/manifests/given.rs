//! The objects of all files as one set: sorted, each once, and only those that an API server would
//! take.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::manifest::{
    Body, EndpointSlice, Manifest, Metadata, Pod, Service, ServiceImport, Workload, WorkloadKind,
};
use super::{Place, Problem};
use crate::kubernetes::object::Key;

/// A namespace and a name, in the order in which collisions are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One object with what all objects have.
#[derive(Debug)]
pub(super) struct Given<'a, T> {
    pub(super) place: &'a Place,
    pub(super) metadata: &'a Metadata,
    pub(super) body: &'a T,
}

impl<T> Clone for Given<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Given<'_, T> {}

type ByName<'a, T> = BTreeMap<Name<'a>, Given<'a, T>>;

/// What the manifests say, by kind and name.
#[derive(Debug, Default)]
pub(super) struct Objects<'a> {
    pub(super) namespaces: BTreeMap<&'a str, Given<'a, ()>>,
    pub(super) services: ByName<'a, Service>,
    pub(super) slices: ByName<'a, EndpointSlice>,
    pub(super) pods: ByName<'a, Pod>,
    pub(super) imports: ByName<'a, ServiceImport>,
    pub(super) workloads: BTreeMap<(Name<'a>, WorkloadKind), Given<'a, Workload>>,
}

impl<'a> Objects<'a> {
    /// Of two manifests of the same object the later one counts, as with `kubectl apply`.
    pub(super) fn new(
        manifests: impl IntoIterator<Item = &'a Manifest>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut objects = Self::default();
        for manifest in manifests {
            if only_for_a_hook(manifest) {
                continue;
            }
            if let Err(reason) = check_names(manifest) {
                let kind = manifest.body.kind();
                problems.push(Problem::refused(&manifest.place, kind, &reason));
                continue;
            }
            if let Some(earlier) = objects.add(manifest) {
                let reason = format!(
                    "the {} {} stands at {earlier} too; this one counts",
                    manifest.body.kind(),
                    manifest.name(),
                );
                problems.push(Problem::warning(manifest.place.clone(), reason));
            }
        }
        objects
    }

    /// Every object that is in a namespace, in the order of their names within each kind.
    pub(super) fn namespaced(&self) -> impl Iterator<Item = (Name<'a>, &'a Place)> {
        let services = self
            .services
            .iter()
            .map(|(name, given)| (*name, given.place));
        let slices = self.slices.iter().map(|(name, given)| (*name, given.place));
        let pods = self.pods.iter().map(|(name, given)| (*name, given.place));
        let imports = self
            .imports
            .iter()
            .map(|(name, given)| (*name, given.place));
        let workloads = self
            .workloads
            .iter()
            .map(|((name, _), given)| (*name, given.place));
        services
            .chain(slices)
            .chain(pods)
            .chain(imports)
            .chain(workloads)
    }

    /// Returns where an object that this one takes the place of was.
    fn add(&mut self, manifest: &'a Manifest) -> Option<&'a Place> {
        let name = manifest.name();
        match &manifest.body {
            Body::Namespace => put(&mut self.namespaces, name.name, manifest, &()),
            Body::Service(service) => put(&mut self.services, name, manifest, service),
            Body::EndpointSlice(slice) => put(&mut self.slices, name, manifest, slice),
            Body::Pod(pod) => put(&mut self.pods, name, manifest, pod),
            Body::ServiceImport(import) => put(&mut self.imports, name, manifest, import),
            Body::Workload(kind, workload) => {
                put(&mut self.workloads, (name, *kind), manifest, workload)
            }
        }
    }
}

fn put<'a, K: Ord, T>(
    map: &mut BTreeMap<K, Given<'a, T>>,
    key: K,
    manifest: &'a Manifest,
    body: &'a T,
) -> Option<&'a Place> {
    let given = Given {
        place: &manifest.place,
        metadata: &manifest.metadata,
        body,
    };
    map.insert(key, given).map(|earlier| earlier.place)
}

impl Manifest {
    /// The namespace is `default` where none is written, and empty for a Namespace.
    pub(super) fn name(&self) -> Name<'_> {
        let namespace = match (&self.body, self.metadata.namespace.as_str()) {
            (Body::Namespace, _) => "",
            (_, "") => "default",
            (_, namespace) => namespace,
        };
        Name {
            namespace,
            name: &self.metadata.name,
        }
    }
}

/// What Helm makes for a hook only: it is gone, or was never there, once a release is installed.
fn only_for_a_hook(manifest: &Manifest) -> bool {
    let hooks = manifest.metadata.annotations.helm_hook.as_str();
    let installs = |hook: &str| hook.contains("install") || hook.contains("upgrade");
    match &manifest.body {
        _ if hooks.is_empty() => false,
        Body::Pod(_) => true,
        _ => !hooks.split(',').any(installs),
    }
}

fn check_names(manifest: &Manifest) -> Result<(), String> {
    let name = manifest.name();
    if name.name.is_empty() {
        return Err("it has no metadata.name".to_owned());
    }
    let valid = match &manifest.body {
        Body::Namespace | Body::Service(_) | Body::ServiceImport(_) => is_label(name.name),
        _ => name.name.len() <= 253 && name.name.split('.').all(is_label),
    };
    if !valid {
        return Err(format!(
            "metadata.name {:?} is no valid name: lower case letters, digits and '-'",
            name.name
        ));
    }
    if !name.namespace.is_empty() && !is_label(name.namespace) {
        return Err(format!(
            "metadata.namespace {:?} is no valid name: lower case letters, digits and '-'",
            name.namespace
        ));
    }
    Ok(())
}

/// A DNS label as RFC 1123 has it, in lower case.
fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(inner)
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

/// One copy of each text for all objects that hold it.
#[derive(Debug, Default)]
pub(super) struct Interner(HashSet<Arc<str>, foldhash::fast::RandomState>);

impl Interner {
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        let shared: Arc<str> = text.into();
        self.0.insert(shared.clone());
        shared
    }

    pub(super) fn key(&mut self, name: Name<'_>) -> Key {
        Key {
            namespace: self.get(name.namespace),
            name: self.get(name.name),
        }
    }
}
