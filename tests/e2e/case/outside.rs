//! What other plugins make of the cluster: names outside, and search lists that are walked for pods.

use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::View;
use crate::world::{Row, World};

const OUTSIDE: &str = "outside";

const BALANCED: &str = "balanced.outside.svc.example.org.";
const HEADLESS: &str = "headless.outside.svc.example.org.";

const MANIFESTS: &str = "
apiVersion: v1
kind: Service
metadata: {name: balanced, namespace: outside}
spec: {type: LoadBalancer, clusterIP: 10.96.107.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: both, namespace: outside}
spec: {type: LoadBalancer, clusterIP: 10.96.107.2, externalIPs: [203.0.113.107], ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: inside, namespace: outside}
spec: {clusterIP: 10.96.107.3, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: outside}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: headless, namespace: outside, labels: {kubernetes.io/service-name: headless}}
addressType: IPv4
endpoints: [{addresses: [203.0.113.109], hostname: first}]
ports: [{name: http, port: 8080}]
";

pub(super) fn names(world: &mut World) -> Result<(), String> {
    world.new_namespace(OUTSIDE, "no")?;
    world.api.apply(MANIFESTS)?;
    world.restart_with(View::OF_OTHERS)?;
    let always: &[Row<'_>] = &[
        ("both.outside.svc.example.org.", "A", "203.0.113.107"),
        ("inside.outside.svc.example.org.", "A", "NXDOMAIN"),
        (HEADLESS, "A", "203.0.113.109"),
        (
            "first.headless.outside.svc.example.org.",
            "A",
            "203.0.113.109",
        ),
    ];
    world.expect(View::Outside, always)?;
    let address = |ip: &str| json!([{"ip": ip}]);
    for (number, (given, told)) in [
        (json!([]), "NXDOMAIN"),
        (address("203.0.113.180"), "203.0.113.180"),
        (address("203.0.113.181"), "203.0.113.181"),
        (
            json!([{"hostname": "lb.example.com"}]),
            "CNAME lb.example.com.",
        ),
        (
            json!([{"ip": "203.0.113.180"}, {"ip": "203.0.113.182"}]),
            "203.0.113.180; 203.0.113.182",
        ),
        // It is taken back.
        (Value::Null, "NXDOMAIN"),
    ]
    .into_iter()
    .enumerate()
    {
        let balanced = Place::new("Service", OUTSIDE, "balanced/status");
        let status = json!({"status": {"loadBalancer": {"ingress": given}}});
        world.api.patch(balanced, &status)?;
        let reverse = match told.starts_with("203.0.113.180") {
            true => BALANCED,
            false => "NXDOMAIN",
        };
        world.expect(
            View::Outside,
            &[
                (BALANCED, "A", told),
                ("180.113.0.203.in-addr.arpa.", "PTR", reverse),
            ],
        )?;
        let depth = if number == 1 {
            Depth::Full
        } else {
            Depth::Brief
        };
        world.agree(&[OUTSIDE], depth)?;
    }
    world.restart_with(View::ALL)
}

/// Who asks is at 127.0.0.1: that is the address of a pod, first of one namespace, then of another.
pub(super) fn walked(world: &mut World) -> Result<(), String> {
    const NAMESPACES: [&str; 2] = ["walked", "strolled"];
    world.restart_with(View::OF_OTHERS)?;
    for (namespace, ip) in NAMESPACES.into_iter().zip(["10.96.108.1", "10.96.108.2"]) {
        world.new_namespace(namespace, "no")?;
        world.api.apply_one(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"clusterIP": ip, "ports": [{"port": 80}]},
        }))?;
    }
    let mut names = Vec::new();
    for namespace in NAMESPACES {
        for head in [
            "web",
            "web.walked",
            "web.walked.svc",
            "kubernetes.default",
            "nothing.walked",
        ] {
            names.push(format!("{head}.{namespace}.svc.cluster.local."));
        }
    }
    let expect = |found: [&[&str]; 2]| {
        let found = found.into_iter().flatten();
        let rows = names
            .iter()
            .zip(found)
            .map(|(name, found)| (name.as_str(), "A", *found));
        let rows: Vec<Row<'_>> = rows.collect();
        world.expect(View::Walked, &rows)?;
        world.agree(&NAMESPACES, Depth::Brief)
    };
    const NOBODY: &str = "NXDOMAIN";
    // At the end of its list a walk comes to the name alone, for which nobody is there.
    const FAILED: &str = "SERVFAIL";
    const WEB: &str = "10.96.108.1; CNAME web.walked.svc.cluster.local.";
    const KUBERNETES: &str = "10.96.0.1; CNAME kubernetes.default.svc.cluster.local.";
    let walked: &[&str] = &["10.96.108.1", WEB, WEB, KUBERNETES, FAILED];
    let as_asked: [&[&str]; 2] = [
        &["10.96.108.1", NOBODY, NOBODY, NOBODY, NOBODY],
        &["10.96.108.2", NOBODY, NOBODY, NOBODY, NOBODY],
    ];
    expect(as_asked)?;
    let [first, second] = NAMESPACES.map(|namespace| Place::new("Pod", namespace, "client"));
    let client = |place: Place<'_>| {
        world.api.apply_one(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": place.name, "namespace": place.namespace, "annotations": {"ip": "127.0.0.1"}},
            "spec": {"nodeName": "node1", "automountServiceAccountToken": false,
                     "containers": [{"name": "c", "image": "none"}]},
        }))
    };
    let [unwalked_first, unwalked_second] = as_asked;
    client(first)?;
    expect([walked, unwalked_second])?;
    world.api.delete(first)?;
    world.gone(first)?;
    expect(as_asked)?;
    // Its address is another's now.
    client(second)?;
    let strolled: &[&str] = &["10.96.108.2", WEB, WEB, KUBERNETES, FAILED];
    expect([unwalked_first, strolled])?;
    world.api.delete(second)?;
    world.gone(second)?;
    expect(as_asked)?;
    world.restart_with(View::ALL)
}
