//! `deploy/` as a cluster takes it.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::View;
use crate::world::{RBAC, World, until};

/// The objects of the Prometheus operator, as far as `deploy/` has some.
const MONITORING: &str = include_str!("../manifests/monitoring-definitions.yaml");
const MONITORING_NAMESPACE: &str =
    "{apiVersion: v1, kind: Namespace, metadata: {name: monitoring}}";

/// Folders that kustomize renders.
const FOLDERS: &[&str] = &["deploy", "tests/deploy/snapshot", NODE_LOCAL];
const NODE_LOCAL: &str = "deploy/node-local";

/// Values that the chart is rendered by, beside its own.
const VALUES: &[&str] = &[
    "deploy/helm/callsign/values-kube-dns.yaml",
    "tests/deploy/values/bare.yaml",
    "tests/deploy/values/everything.yaml",
    "tests/deploy/values/monitoring.yaml",
    HPA,
];
const HPA: &str = "tests/deploy/values/coredns-chart.yaml";

/// The API server takes each object, and knows each of its fields.
pub(super) fn manifests(world: &mut World) -> Result<(), String> {
    world.api.apply(MONITORING)?;
    world.api.apply(MONITORING_NAMESPACE)?;
    for kind in ["PrometheusRule", "ServiceMonitor"] {
        until(|| world.api.list(kind, "").err())?;
    }
    let mut seen = BTreeSet::new();
    let folders = FOLDERS
        .iter()
        .map(|folder| (*folder, kustomized(world, folder)));
    let own = [("the chart", chart(world, &[]))];
    let charts = VALUES
        .iter()
        .map(|values| (*values, chart(world, &["-f", values])));
    for (what, text) in folders.chain(own).chain(charts) {
        for object in objects(&text?)? {
            let taken = world.api.would_apply(&object);
            taken.map_err(|problem| format!("{what}: {problem}"))?;
            seen.insert(Place::of(&object).kind.to_owned());
        }
    }
    for kind in ["DaemonSet", "HorizontalPodAutoscaler", "PrometheusRule"] {
        if !seen.contains(kind) {
            return Err(format!("no {kind} was rendered"));
        }
    }
    unknown_is_seen(world)?;
    for definition in objects(MONITORING)? {
        world.api.delete(Place::of(&definition))?;
    }
    world.api.delete(Place::new("Namespace", "", "monitoring"))
}

/// A field that the definitions do not know is an error: they say what they are to.
fn unknown_is_seen(world: &World) -> Result<(), String> {
    let rule = json!({"alert": "No", "expr": "vector(1)", "summary": "in the wrong place"});
    let rules = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "wrong", "namespace": "monitoring"},
        "spec": {"groups": [{"name": "wrong", "rules": [rule]}]},
    });
    // Not applied: the answer to that would be a 500, which is tried again for a minute.
    let path = Place::of(&rules).collection()? + "?dryRun=All&fieldValidation=Strict";
    match world.api.post(&path, &rules) {
        Err(problem) if problem.contains("summary") => Ok(()),
        other => Err(format!("a rule with an unknown field: {other:?}")),
    }
}

/// As the README has it, with the tools that people use.
pub(super) fn by_hand(world: &mut World) -> Result<(), String> {
    let manifests = kustomized(world, "deploy")?;
    tool(world, "KUBECTL", APPLY, &manifests)?;
    runs(world, &manifests)?;
    with_snapshot(world)?;
    let kube_dns = "kube-dns.kube-system.svc.cluster.local.";
    world.expect(View::Verified, &[(kube_dns, "A", "10.96.0.10")])?;
    on_each_node(world)?;
    let plain = chart(world, &[])?;
    tool(world, "KUBECTL", APPLY, &plain)?;
    runs(world, &plain)?;
    world.agree(&["kube-system", "default"], Depth::Brief)?;
    // In place: what a Deployment selects cannot change.
    let upgraded = chart(world, &["-f", HPA])?;
    tool(world, "KUBECTL", APPLY, &upgraded)?;
    tool(world, "KUBECTL", DELETE, &(upgraded + "\n---\n" + &plain)).map(drop)
}

const APPLY: &[&str] = &["apply", "-f", "-"];
const DELETE: &[&str] = &["delete", "--wait=false", "--ignore-not-found", "-f", "-"];

/// The patch of the docs, for a Deployment of CoreDNS's.
fn with_snapshot(world: &World) -> Result<(), String> {
    let file = "--patch-file=deploy/snapshot/deployment.yaml";
    let arguments = ["-n", "kube-system", "patch", "deployment", "coredns", file];
    tool(world, "KUBECTL", &arguments, "")?;
    let deployment = Place::new("Deployment", "kube-system", "coredns");
    let pod = world.api.get(deployment)?["spec"]["template"]["spec"].take();
    let container = &pod["containers"][0];
    let path = "/var/lib/callsign/state";
    let wanted = json!([{"name": "CALLSIGN_SNAPSHOT", "value": path}]);
    let mounts = container["volumeMounts"].as_array().map(Vec::len);
    match container["env"] == wanted && mounts == Some(2) {
        true => Ok(()),
        false => Err(format!("patched, the pods are {pod}")),
    }
}

/// The DaemonSet wants a pod on the node that there is.
fn on_each_node(world: &World) -> Result<(), String> {
    let manifests = kustomized(world, NODE_LOCAL)?;
    tool(world, "KUBECTL", APPLY, &manifests)?;
    let place = Place::new("DaemonSet", "kube-system", "node-local-dns");
    until(|| match world.api.get(place) {
        Ok(set) if set["status"]["desiredNumberScheduled"] == 1 => None,
        Ok(set) => Some(format!("the DaemonSet is {}", set["status"])),
        Err(problem) => Some(problem),
    })?;
    tool(world, "KUBECTL", DELETE, &manifests).map(drop)
}

fn kustomized(world: &World, folder: &str) -> Result<String, String> {
    tool(world, "KUBECTL", &["kustomize", folder], "")
}

fn chart(world: &World, values: &[&str]) -> Result<String, String> {
    let arguments = [&["template", "deploy/helm/callsign"], values].concat();
    tool(world, "HELM", &arguments, "")
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

fn objects(text: &str) -> Result<Vec<Value>, String> {
    let objects: Vec<Option<Value>> =
        serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    Ok(objects.into_iter().flatten().collect())
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
