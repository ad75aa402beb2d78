//! `deploy/` as a cluster takes it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::View;
use crate::world::{RBAC, World, until};

/// What `deploy/` renders, as `tests/deploy/run` holds it.
const RENDERED: &[(&str, &str)] = &[
    (
        "kustomize",
        include_str!("../../deploy/golden/kustomize.yaml"),
    ),
    (
        "the chart with its own values",
        include_str!("../../deploy/golden/chart-default.yaml"),
    ),
    (
        "the chart with everything",
        include_str!("../../deploy/golden/chart-everything.yaml"),
    ),
];

/// The API server takes each object, and knows each of its fields.
pub(super) fn manifests(world: &mut World) -> Result<(), String> {
    for (what, text) in RENDERED {
        for object in objects(text)? {
            world
                .api
                .would_apply(&object)
                .map_err(|problem| format!("{what}: {problem}"))?;
        }
    }
    Ok(())
}

/// As the README has it, with the tools that people use.
pub(super) fn by_hand(world: &mut World) -> Result<(), String> {
    let manifests = tool(world, "KUBECTL", &["kustomize", "deploy"], "")?;
    tool(world, "KUBECTL", &["apply", "-f", "-"], &manifests)?;
    runs(world, &manifests)?;
    let kube_dns = "kube-dns.kube-system.svc.cluster.local.";
    world.expect(View::Verified, &[(kube_dns, "A", "10.96.0.10")])?;
    let chart = tool(world, "HELM", &["template", "deploy/helm/callsign"], "")?;
    tool(world, "KUBECTL", &["apply", "-f", "-"], &chart)?;
    runs(world, &chart)?;
    world.agree(&["kube-system", "default"], Depth::Brief)?;
    let delete = ["delete", "--wait=false", "-f", "-"];
    tool(world, "KUBECTL", &delete, &chart).map(drop)
}

/// What a program prints that a variable names, given this.
fn tool(world: &World, name: &str, arguments: &[&str], given: &str) -> Result<String, String> {
    let program = std::env::var_os(name)
        .ok_or_else(|| format!("{name} is not set: tests/e2e/run says where it is"))?;
    let what = |problem: &dyn std::fmt::Display| format!("{name} {arguments:?}: {problem}");
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("KUBECONFIG", world.plane.state("admin.kubeconfig"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| what(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(given.as_bytes())
            .map_err(|error| what(&error))?;
    }
    let output = child.wait_with_output().map_err(|error| what(&error))?;
    match output.status.success() {
        true => String::from_utf8(output.stdout).map_err(|error| what(&error)),
        false => Err(what(&String::from_utf8_lossy(&output.stderr))),
    }
}

/// The controllers make the pods of the Deployment; bound to a node, they become the endpoints of the
/// Service.
fn runs(world: &World, text: &str) -> Result<(), String> {
    let all = objects(text)?;
    let of_kind = |kind: &str| {
        let found = all.iter().find(|object| object["kind"] == kind);
        found.ok_or_else(|| format!("no {kind}"))
    };
    let (deployment, service) = (of_kind("Deployment")?, of_kind("Service")?);
    let namespace = match Place::of(service).namespace {
        "" => "default",
        namespace => namespace,
    };
    let pods = pods(world, namespace, deployment)?;
    for pod in pods.iter().filter(|pod| pod["spec"]["nodeName"].is_null()) {
        let path = Place::of(pod).path()? + "/binding";
        let target = json!({"kind": "Node", "name": "node1"});
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["metadata"]["name"]}, "target": target});
        world.api.post(&path, &binding)?;
    }
    let name = Place::of(service).name;
    until(|| {
        let count = match world.api.list("EndpointSlice", namespace) {
            Ok(slices) => ready_endpoints(&slices, name),
            Err(problem) => return Some(problem),
        };
        (count != pods.len()).then(|| format!("{name} has {count} endpoints that are ready"))
    })?;
    let place = Place::new("Service", namespace, name);
    let ip = world.api.get(place)?["spec"]["clusterIP"].clone();
    let full = format!("{name}.{namespace}.svc.cluster.local.");
    let row = (full.as_str(), "A", ip.as_str().unwrap_or_default());
    world.expect(View::Verified, &[row]).map(drop)
}

fn ready_endpoints(slices: &[Value], service: &str) -> usize {
    let slices = slices
        .iter()
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service);
    let endpoints = slices.filter_map(|slice| slice["endpoints"].as_array());
    let ready = endpoints
        .flatten()
        .filter(|endpoint| endpoint["conditions"]["ready"] == true);
    ready.count()
}

/// The pods of a Deployment, when all are there.
fn pods(world: &World, namespace: &str, deployment: &Value) -> Result<Vec<Value>, String> {
    let labels = deployment["spec"]["selector"]["matchLabels"].as_object();
    let labels = labels.ok_or("a Deployment without labels")?;
    let has = |pod: &Value| {
        let mut labels = labels.iter();
        labels.all(|(name, value)| pod["metadata"]["labels"][name] == *value)
    };
    let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    let mut found = Vec::new();
    until(|| {
        found = match world.api.list("Pod", namespace) {
            Ok(pods) => pods.into_iter().filter(has).collect(),
            Err(problem) => return Some(problem),
        };
        let count = found.len() as u64;
        (count != replicas).then(|| format!("the Deployment has {count} pods"))
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
