//! What becomes of names when objects change.

use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::View;
use crate::world::{World, until};

/// The namespace of the first two tests.
const CHANGE: &str = "change";

fn begin(world: &World) -> Result<(), String> {
    world.new_namespace(CHANGE, "no")?;
    world.api.apply(include_str!("../manifests/change.yaml"))
}

pub(super) fn scale(world: &mut World) -> Result<(), String> {
    begin(world)?;
    for replicas in [1, 5, 0, 3] {
        world
            .api
            .scale(Place::new("Deployment", CHANGE, "web"), replicas)?;
        let ips = pods_of(world, "web", replicas)?;
        let ips: Vec<String> = ips.into_iter().map(|(_, ip)| ip).collect();
        let expected = listed(ips.clone());
        let ports: Vec<String> = ips
            .iter()
            .map(|ip| {
                let weight = 100 / ips.len();
                let label = ip.replace('.', "-");
                format!("0 {weight} 80 {label}.web.change.svc.cluster.local.")
            })
            .collect();
        world.expect(
            View::Verified,
            &[
                ("web.change.svc.cluster.local.", "A", &expected),
                ("front.change.svc.cluster.local.", "A", "10.96.101.1"),
                (
                    "_http._tcp.web.change.svc.cluster.local.",
                    "SRV",
                    &listed(ports),
                ),
            ],
        )?;
        world.agree(&[CHANGE], Depth::Brief)?;
    }
    Ok(())
}

pub(super) fn stateful(world: &mut World) -> Result<(), String> {
    begin(world)?;
    for replicas in [1, 3, 2] {
        world
            .api
            .scale(Place::new("StatefulSet", CHANGE, "db"), replicas)?;
        let pods = pods_of(world, "db", replicas)?;
        let all = listed(pods.iter().map(|(_, ip)| ip.clone()).collect());
        world.expect(
            View::Verified,
            &[("db.change.svc.cluster.local.", "A", &all)],
        )?;
        for (name, ip) in pods {
            let name = format!("{name}.db.change.svc.cluster.local.");
            world.expect(View::Verified, &[(&name, "A", &ip)])?;
        }
        let next = format!("db-{replicas}.db.change.svc.cluster.local.");
        world.expect(View::Verified, &[(&next, "A", "NXDOMAIN")])?;
        world.agree(&[CHANGE], Depth::Brief)?;
    }
    Ok(())
}

/// Waits until there are as many pods, each with an address; their names and addresses.
fn pods_of(world: &World, app: &str, replicas: u32) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    until(|| {
        let pods = match world.api.list("Pod", CHANGE) {
            Ok(pods) => pods,
            Err(problem) => return Some(problem),
        };
        found = pods
            .iter()
            .filter(|pod| pod["metadata"]["labels"]["app"] == app)
            .map(|pod| {
                (
                    text(&pod["metadata"]["name"]),
                    text(&pod["status"]["podIP"]),
                )
            })
            .collect();
        let are_ready = found.iter().all(|(_, ip)| !ip.is_empty());
        let count = found.len();
        (count != replicas as usize || !are_ready)
            .then(|| format!("{count} pods of {app} instead of {replicas}, or not ready"))
    })?;
    Ok(found)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Records as an answer has them. A headless Service without an endpoint is no name.
fn listed(mut records: Vec<String>) -> String {
    if records.is_empty() {
        return "NXDOMAIN".to_owned();
    }
    records.sort_unstable();
    records.join("; ")
}

pub(super) fn readiness(world: &mut World) -> Result<(), String> {
    world.new_namespace("readiness", "no")?;
    for (name, all) in [("ready", false), ("all", true)] {
        world.api.apply_one(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "readiness"},
            "spec": {"clusterIP": "None", "publishNotReadyAddresses": all, "selector": {"app": "web"}},
        }))?;
    }
    world.api.apply(
        "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: readiness, labels: {app: web}, annotations: {ip: 10.244.2.1, ready: 'false'}}
spec:
  nodeName: node1
  automountServiceAccountToken: false
  containers: [{name: c, image: none}]
",
    )?;
    let place = Place::new("Pod", "readiness", "web");
    let annotate = |annotations: Value| {
        world
            .api
            .patch(place, &json!({"metadata": {"annotations": annotations}}))
    };
    let expect = |ready: &str, all: &str| {
        world.expect(
            View::Verified,
            &[
                ("ready.readiness.svc.cluster.local.", "A", ready),
                ("all.readiness.svc.cluster.local.", "A", all),
            ],
        )?;
        world.agree(&["readiness"], Depth::Brief)
    };
    expect("NXDOMAIN", "10.244.2.1")?;
    annotate(json!({"ready": null}))?;
    expect("10.244.2.1", "10.244.2.1")?;
    annotate(json!({"ready": "false"}))?;
    expect("NXDOMAIN", "10.244.2.1")?;
    annotate(json!({"ready": null, "hold": "yes"}))?;
    expect("10.244.2.1", "10.244.2.1")?;
    // It terminates, and still serves: not ready, but for those who asked for all.
    world.api.delete(place)?;
    expect("NXDOMAIN", "10.244.2.1")?;
    annotate(json!({"hold": null}))?;
    expect("NXDOMAIN", "NXDOMAIN")
}

pub(super) fn recreate(world: &mut World) -> Result<(), String> {
    world.new_namespace("again", "no")?;
    let place = Place::new("Service", "again", "web");
    let name = "web.again.svc.cluster.local.";
    world.api.apply(
        "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: again, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1]}]
ports: [{name: http, port: 80}]
",
    )?;
    let ports = json!([{"name": "http", "port": 80}]);
    let reborn = [
        (
            json!({"clusterIP": "10.96.102.1", "ports": ports}),
            "10.96.102.1",
        ),
        (json!({"clusterIP": "None", "ports": ports}), "192.0.2.1"),
        (
            json!({"type": "ExternalName", "externalName": "www.example.com"}),
            "CNAME www.example.com.",
        ),
        (
            json!({"clusterIP": "10.96.102.2", "ports": ports}),
            "10.96.102.2",
        ),
        (
            json!({"clusterIP": "10.96.102.1", "ports": ports}),
            "10.96.102.1",
        ),
    ];
    for (spec, answer) in reborn {
        world.api.create(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": place.name, "namespace": place.namespace}, "spec": spec,
        }))?;
        world.expect(View::Verified, &[(name, "A", answer)])?;
        world.agree(&["again"], Depth::Brief)?;
        world.api.delete(place)?;
        world.expect(View::Verified, &[(name, "A", "NXDOMAIN")])?;
        world.agree(&["again"], Depth::Brief)?;
    }
    // It changes its type and keeps its name.
    world.api.create(&json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "again"},
        "spec": {"type": "ExternalName", "externalName": "www.example.com"},
    }))?;
    world.expect(View::Verified, &[(name, "A", "CNAME www.example.com.")])?;
    let spec = json!({"type": "ClusterIP", "externalName": null, "clusterIP": "10.96.102.3", "ports": ports});
    world.api.patch(place, &json!({"spec": spec}))?;
    world.expect(View::Verified, &[(name, "A", "10.96.102.3")])?;
    world.agree(&["again"], Depth::Brief)
}

pub(super) fn slices(world: &mut World) -> Result<(), String> {
    world.new_namespace("slices", "no")?;
    let slice = |name: &str, service: &str, ips: &[&str]| {
        let endpoints: Vec<Value> = ips
            .iter()
            .map(|ip| json!({"addresses": [ip], "targetRef": {"kind": "Pod", "name": "one", "namespace": "slices"}}))
            .collect();
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "slices", "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": name, "port": 80}],
        })
    };
    for service in ["web", "other"] {
        world.api.apply_one(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": service, "namespace": "slices"}, "spec": {"clusterIP": "None"},
        }))?;
    }
    let expect = |web: &str, other: &str| {
        world.expect(
            View::Verified,
            &[
                ("web.slices.svc.cluster.local.", "A", web),
                ("other.slices.svc.cluster.local.", "A", other),
            ],
        )?;
        world.agree(&["slices"], Depth::Brief)
    };
    world
        .api
        .apply_one(&slice("a", "web", &["192.0.2.1", "192.0.2.2"]))?;
    world
        .api
        .apply_one(&slice("b", "web", &["192.0.2.2", "192.0.2.3"]))?;
    expect("192.0.2.1; 192.0.2.2; 192.0.2.3", "NXDOMAIN")?;
    // An endpoint in two slices stays when one of them goes.
    world
        .api
        .delete(Place::new("EndpointSlice", "slices", "a"))?;
    expect("192.0.2.2; 192.0.2.3", "NXDOMAIN")?;
    world.api.apply_one(&slice("a", "web", &["192.0.2.4"]))?;
    expect("192.0.2.2; 192.0.2.3; 192.0.2.4", "NXDOMAIN")?;
    // A slice goes over to another Service.
    world
        .api
        .apply_one(&slice("b", "other", &["192.0.2.2", "192.0.2.3"]))?;
    expect("192.0.2.4", "192.0.2.2; 192.0.2.3")?;
    world
        .api
        .delete(Place::new("EndpointSlice", "slices", "b"))?;
    world.api.apply_one(&slice("a", "web", &[]))?;
    expect("NXDOMAIN", "NXDOMAIN")
}

pub(super) fn labels(world: &mut World) -> Result<(), String> {
    world.new_namespace("labels", "no")?;
    let service = Place::new("Service", "labels", "web");
    let slice = Place::new("EndpointSlice", "labels", "web");
    world.api.apply(
        "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: labels}
spec: {clusterIP: None}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, namespace: labels, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.5]}]
",
    )?;
    let label = |place, tier: Value| {
        world
            .api
            .patch(place, &json!({"metadata": {"labels": {"tier": tier}}}))
    };
    let expose = |word: &str| {
        let labels = json!({"metadata": {"labels": {"exposed": word}}});
        world
            .api
            .patch(Place::new("Namespace", "", "labels"), &labels)
    };
    let expect = |labelled: &str, exposed: &str| {
        let name = "web.labels.svc.cluster.local.";
        world.expect(View::Verified, &[(name, "A", "192.0.2.5")])?;
        world.expect(View::Labelled, &[(name, "A", labelled)])?;
        world.expect(View::Exposed, &[(name, "A", exposed)])?;
        world.agree(&["labels"], Depth::Brief)
    };
    expect("NXDOMAIN", "NXDOMAIN")?;
    label(service, json!("front"))?;
    expect("NXDOMAIN", "NXDOMAIN")?;
    label(slice, json!("front"))?;
    expose("yes")?;
    expect("192.0.2.5", "192.0.2.5")?;
    label(service, json!("back"))?;
    expose("no")?;
    expect("NXDOMAIN", "NXDOMAIN")?;
    label(service, json!("front"))?;
    label(slice, Value::Null)?;
    expect("NXDOMAIN", "NXDOMAIN")
}

pub(super) fn namespace(world: &mut World) -> Result<(), String> {
    let name = "web.passing.svc.cluster.local.";
    for round in 1..=2 {
        world.new_namespace("passing", "yes")?;
        world.api.apply(&format!(
            "
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: passing, labels: {{tier: front}}}}
spec: {{clusterIP: 10.96.103.{round}, ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: passing, annotations: {{ip: 10.244.3.1}}}}
spec:
  nodeName: node1
  automountServiceAccountToken: false
  containers: [{{name: c, image: none}}]
"
        ))?;
        let ip = format!("10.96.103.{round}");
        for view in View::ALL {
            world.expect(*view, &[(name, "A", &ip)])?;
        }
        let pod = ("10-244-3-1.passing.pod.cluster.local.", "A", "10.244.3.1");
        world.expect(View::Verified, &[pod])?;
        world.agree(&["passing"], Depth::Brief)?;
        let place = Place::new("Namespace", "", "passing");
        world.api.delete(place)?;
        for view in View::ALL {
            world.expect(
                *view,
                &[
                    (name, "A", "NXDOMAIN"),
                    ("passing.svc.cluster.local.", "A", "NXDOMAIN"),
                ],
            )?;
        }
        let reverse = format!("{round}.103.96.10.in-addr.arpa.");
        world.expect(
            View::Verified,
            &[
                ("10-244-3-1.passing.pod.cluster.local.", "A", "NXDOMAIN"),
                (&reverse, "PTR", "NXDOMAIN"),
            ],
        )?;
        world.gone(place)?;
    }
    world.agree(&["passing"], Depth::Brief)
}
