//! What the plugin knows of a query for others (`metadata`): the parts of its name, and the pod
//! that asks.

use std::sync::Arc;

use super::State;
use crate::kubernetes::zone::{Pod, Pods};
use crate::name::{Labels, Name};
use crate::query::Query;

/// The value of a label, `kubernetes/` taken off.
pub(super) fn value(state: &State, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
    match label {
        "client-namespace" => Some(pod(state, query)?.namespace.clone()),
        "client-pod-name" => Some(pod(state, query)?.name.clone()),
        _ => match label.strip_prefix("client-label/") {
            Some(name) => pod(state, query)?.label(name),
            None => of_name(state, query, label),
        },
    }
}

/// The pod that asks, where pods are watched.
fn pod(state: &State, query: &Query<'_>) -> Option<Arc<Pod>> {
    if state.view.pods != Pods::Verified {
        return None;
    }
    state.cluster.pod_at(query.request.client.ip())
}

fn of_name(state: &State, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
    let (zone, _) = state.zones.longest(query.lower)?;
    let head = query.lower.strip_zone(zone.view())?;
    let Some(parts) = Parts::of(head, state.zonal) else {
        return (label == "parse-error").then(|| "invalid query name".into());
    };
    let part = match label {
        "kind" => parts.kind,
        "namespace" => parts.namespace,
        "service" => parts.service,
        "endpoint" => parts.endpoint,
        "protocol" => parts.protocol,
        "port-name" => parts.port,
        "zone" if state.zonal => return Some(text(&parts.topology)),
        _ => return None,
    };
    Some(text(&[part]))
}

/// Labels as text, in which odd bytes are escaped.
fn text(labels: &[&[u8]]) -> Arc<str> {
    let labels = labels.iter().copied().filter(|label| !label.is_empty());
    let name = Name::from_labels(labels).map(|name| name.to_string());
    let name = name.unwrap_or_default();
    name.strip_suffix('.').unwrap_or(&name).into()
}

/// The parts of a name as CoreDNS calls them; empty where the name does not have them. For a pod,
/// the service is the label with its address.
#[derive(Default)]
struct Parts<'q> {
    kind: &'q [u8],
    namespace: &'q [u8],
    service: &'q [u8],
    endpoint: &'q [u8],
    protocol: &'q [u8],
    port: &'q [u8],
    topology: Vec<&'q [u8]>,
}

impl<'q> Parts<'q> {
    /// Takes the labels left of a zone apart; `None` where they are no name of a cluster.
    fn of(head: &'q [u8], zonal: bool) -> Option<Self> {
        let labels: Vec<&[u8]> = Labels::of_head(head).collect();
        let (kind, rest) = match labels.as_slice() {
            [] => return Some(Self::default()),
            // The two halves of a zone, which CoreDNS does not take apart.
            [b"svc" | b"pod"] => return Some(Self::default()),
            [rest @ .., kind @ (b"svc" | b"pod")] => (*kind, rest),
            _ => return None,
        };
        let mut parts = Self {
            kind,
            ..Self::default()
        };
        let left = match rest {
            [namespace] => {
                parts.namespace = namespace;
                return Some(parts);
            }
            [left @ .., service, namespace] => {
                (parts.service, parts.namespace) = (service, namespace);
                left
            }
            [] => return Some(parts),
        };
        match left {
            [] => {}
            [endpoint] => parts.endpoint = endpoint,
            [port, protocol] => {
                let bare = |label: &'q [u8]| label.strip_prefix(b"_").unwrap_or(label);
                (parts.port, parts.protocol) = (bare(port), bare(protocol));
            }
            [topology @ .., b"pin" | b"prefer", b"_zone"] if zonal && kind == b"svc" => {
                parts.topology = topology.to_vec();
            }
            _ => return None,
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests;
