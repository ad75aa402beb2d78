//! The options that bear on what a reader sees.

use foldhash::fast::RandomState;
use std::collections::HashSet;

/// The options of one `kubernetes` plugin, applied when the zone is read: several plugins with
/// different options read one zone. The default is CoreDNS's.
#[derive(Clone, Debug)]
pub struct View {
    /// `namespaces`
    pub namespaces: Namespaces,
    /// `pods`
    pub pods: Pods,
    /// false with `noendpoints`: as if the cluster had no EndpointSlice
    pub endpoints: bool,
    /// `endpoint_pod_names`: endpoints without a host name are called as their pods
    pub endpoint_pod_names: bool,
    /// `ignore empty_service`: a Service with a ClusterIP and no ready endpoint does not exist
    pub ignore_empty_service: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            namespaces: Namespaces::default(),
            pods: Pods::default(),
            endpoints: true,
            endpoint_pod_names: false,
            ignore_empty_service: false,
        }
    }
}

/// How names of pods are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pods {
    /// not at all: they do not exist
    #[default]
    Disabled,
    /// by the address in the name, in each namespace that exists
    Insecure,
    /// only where a pod of that namespace has the address
    Verified,
}

/// The namespaces that a plugin shows: those named, or all where none is.
#[derive(Clone, Debug, Default)]
pub struct Namespaces(HashSet<Box<[u8]>, RandomState>);

impl Namespaces {
    /// Whether the option names any: if not, all are shown.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the namespace of this label may be shown.
    #[must_use]
    pub fn show(&self, namespace: &[u8]) -> bool {
        self.is_all() || self.0.contains(namespace)
    }
}

impl<'a> Extend<&'a str> for Namespaces {
    fn extend<I: IntoIterator<Item = &'a str>>(&mut self, names: I) {
        let names = names.into_iter().map(|name| name.as_bytes().into());
        self.0.extend(names);
    }
}

impl<'a> FromIterator<&'a str> for Namespaces {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut namespaces = Self::default();
        namespaces.extend(names);
        namespaces
    }
}
