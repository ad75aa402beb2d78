//! `deploy/` as a cluster takes it.

use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::View;
use crate::world::{World, until};

/// What `deploy/` renders, as `tests/deploy/run` holds it.
const KUSTOMIZE: &str = include_str!("../../deploy/golden/kustomize.yaml");
const CHARTS: &[(&str, &str)] = &[
    (
        "the chart with its own values",
        include_str!("../../deploy/golden/chart-default.yaml"),
    ),
    (
        "the chart with everything",
        include_str!("../../deploy/golden/chart-everything.yaml"),
    ),
];
const RBAC: &str = include_str!("../../../deploy/rbac.yaml");

/// The API server takes each object, and knows each of its fields.
pub(super) fn manifests(world: &mut World) -> Result<(), String> {
    for (what, text) in CHARTS {
        for object in objects(text)? {
            world
                .api
                .would_apply(&object)
                .map_err(|problem| format!("{what}: {problem}"))?;
        }
    }
    for object in objects(KUSTOMIZE)? {
        world.api.would_apply(&object)?;
        world.api.apply_one(&object)?;
    }
    let kube_dns = "kube-dns.kube-system.svc.cluster.local.";
    world.expect(View::Verified, &[(kube_dns, "A", "10.96.0.10")])?;
    // The controllers make its pods; bound to a node, they become its endpoints.
    for pod in pods(world)? {
        let path = Place::of(&pod).path()? + "/binding";
        let target = json!({"kind": "Node", "name": "node1"});
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["metadata"]["name"]}, "target": target});
        world.api.post(&path, &binding)?;
    }
    until(|| {
        let slices = world.api.list("EndpointSlice", "kube-system");
        let slices = match slices {
            Ok(slices) => slices,
            Err(problem) => return Some(problem),
        };
        let count = slices
            .iter()
            .flat_map(|slice| slice["endpoints"].as_array());
        let count: usize = count.map(Vec::len).sum();
        (count != 2).then(|| format!("kube-dns has {count} endpoints"))
    })?;
    world.agree(&["kube-system"], Depth::Brief)
}

/// The pods of the Deployment, when both are there.
fn pods(world: &World) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    until(|| {
        found = match world.api.list("Pod", "kube-system") {
            Ok(pods) => pods,
            Err(problem) => return Some(problem),
        };
        let count = found.len();
        (count != 2).then(|| format!("the Deployment has {count} pods"))
    })?;
    Ok(found)
}

/// The objects of a text, but for those of the Prometheus operator, which is not there.
fn objects(text: &str) -> Result<Vec<Value>, String> {
    let objects: Vec<Option<Value>> =
        serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    let of_cluster = |object: &Value| {
        let version = object["apiVersion"].as_str();
        !version.is_some_and(|version| version.starts_with("monitoring.coreos.com/"))
    };
    Ok(objects.into_iter().flatten().filter(of_cluster).collect())
}

/// Without its rights a server knows nothing and says so; with them it needs no new start.
pub(super) fn rights(world: &mut World) -> Result<(), String> {
    let binding = Place::new("ClusterRoleBinding", "", "system:coredns");
    world.api.delete(binding)?;
    world.gone(binding)?;
    let without = without_rights(world);
    // Whatever was seen without them, the tests that follow need them.
    world.api.apply(RBAC)?;
    without?;
    world.expect(View::Verified, &[(KUBERNETES, "A", "10.96.0.1")])?;
    world.agree(&["default"], Depth::Brief)
}

const KUBERNETES: &str = "kubernetes.default.svc.cluster.local.";

fn without_rights(world: &mut World) -> Result<(), String> {
    // Who asks may be told from what was known a moment ago.
    until(|| {
        let restarted = world.restart();
        restarted
            .and_then(|()| world.expect(View::Verified, &[(KUBERNETES, "A", "SERVFAIL")]))
            .err()
    })?;
    // A busy API server refuses one list after the other.
    until(|| world.callsign.has_said("endpointslices").err())
}
