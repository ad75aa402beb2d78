//! What other plugins of the same block ask of this one: the search lists of pods (`autopath`),
//! and the cluster itself (`k8s_external`).

use std::net::IpAddr;
use std::sync::Arc;

use super::State;
use crate::kubernetes::zone::{Pods, View, Zone};
use crate::name::Name;
use crate::plugin::autopath::{self, SearchPath};
use crate::plugin::setup::Setup;
use crate::query::Query;

/// A cluster as one `kubernetes` directive sees it.
pub(in crate::plugin) struct Cluster {
    /// What its names stand for.
    pub(in crate::plugin) zone: Arc<Zone>,
    /// The options that bear on what is seen.
    pub(in crate::plugin) view: View,
    /// `ttl`, in seconds.
    pub(in crate::plugin) ttl: u32,
    state: Arc<State>,
}

/// The search lists of pods.
struct PodPath {
    state: Arc<State>,
    /// The domains that this machine searches, which pods search too.
    machine: Vec<Name>,
}

/// Gives other plugins what they want of this one.
pub(super) fn offer(setup: &mut Setup<'_>, state: &Arc<State>, machine: Vec<Name>) {
    setup.offer(&Arc::new(Cluster::of(state)));
    let path: Arc<dyn SearchPath> = Arc::new(PodPath {
        state: state.clone(),
        machine,
    });
    autopath::offer(setup, super::NAME, &path);
}

impl Cluster {
    fn of(state: &Arc<State>) -> Self {
        Self {
            zone: state.cluster.clone(),
            view: state.view.clone(),
            ttl: state.ttl,
            state: state.clone(),
        }
    }

    /// What a directive sees of a zone, on a machine of these addresses.
    #[cfg(test)]
    pub(in crate::plugin) fn seen(directive: &str, zone: Arc<Zone>, local: &[&str]) -> Arc<Self> {
        Arc::new(Self::of(&super::tests::state(directive, zone, local)))
    }

    /// The addresses outside the cluster of the Services that lead to this server; this machine's
    /// own where none does.
    pub(in crate::plugin) fn external_addresses(&self, headless: bool) -> Vec<IpAddr> {
        let local = self.state.local_addresses();
        let servers = self.zone.external_name_servers(&self.view, local, headless);
        servers.unwrap_or_else(|| local.to_vec())
    }
}

impl SearchPath for PodPath {
    fn search_path(&self, query: &Query<'_>) -> Vec<Name> {
        let state = &self.state;
        if state.view.pods != Pods::Verified {
            return Vec::new();
        }
        let Some((zone, _)) = state.zones.longest(query.lower) else {
            return Vec::new();
        };
        let Some(pod) = state.cluster.pod_at(query.request.client.ip()) else {
            return Vec::new();
        };
        let below = |head: &[&[u8]]| {
            let labels = head.iter().copied().chain(zone.view().labels());
            Name::from_labels(labels).ok()
        };
        let own = [
            below(&[pod.namespace.as_bytes(), b"svc"]),
            below(&[b"svc"]),
            Some(zone.clone()),
        ];
        let machine = self.machine.iter().cloned();
        let own = own.into_iter().flatten();
        own.chain(machine).chain([Name::root()]).collect()
    }
}
