//! What a cluster's objects are called.

use serde_json::json;

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::View;
use crate::world::World;

pub(super) fn zone(world: &mut World) -> Result<(), String> {
    world
        .expect(
            View::Verified,
            &[
                ("dns-version.cluster.local.", "TXT", "\"1.1.0\""),
                ("kubernetes.default.svc.cluster.local.", "A", "10.96.0.1"),
                (
                    "_https._tcp.kubernetes.default.svc.cluster.local.",
                    "SRV",
                    "0 100 443 kubernetes.default.svc.cluster.local.",
                ),
                (
                    "1.0.96.10.in-addr.arpa.",
                    "PTR",
                    "kubernetes.default.svc.cluster.local.",
                ),
                ("cluster.local.", "A", "NODATA"),
                ("svc.cluster.local.", "A", "NODATA"),
                ("default.svc.cluster.local.", "A", "NODATA"),
                ("nowhere.svc.cluster.local.", "A", "NXDOMAIN"),
                ("nothing.default.svc.cluster.local.", "A", "NXDOMAIN"),
                ("*.default.svc.cluster.local.", "A", "NXDOMAIN"),
            ],
        )
        .map(drop)
}

pub(super) fn types(world: &mut World) -> Result<(), String> {
    world
        .api
        .apply(include_str!("../manifests/services.yaml"))?;
    let service = Place::new("Service", "services", "load-balancer/status");
    let ingress = json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.80"}]}}});
    world.api.patch(service, &ingress)?;
    world.expect(View::Verified, SERVICES)?;
    world.expect(View::Insecure, POD_NAMES)?;
    world.agree(&["services"], Depth::Every)
}

const SERVICES: &[(&str, &str, &str)] = &[
    ("web.services.svc.cluster.local.", "A", "10.96.100.1"),
    ("web.services.svc.cluster.local.", "AAAA", "NODATA"),
    (
        "_http._tcp.web.services.svc.cluster.local.",
        "SRV",
        "0 100 80 web.services.svc.cluster.local.",
    ),
    (
        "_dns-udp._udp.web.services.svc.cluster.local.",
        "SRV",
        "0 100 53 web.services.svc.cluster.local.",
    ),
    (
        "_http._udp.web.services.svc.cluster.local.",
        "SRV",
        "NXDOMAIN",
    ),
    (
        "1.100.96.10.in-addr.arpa.",
        "PTR",
        "web.services.svc.cluster.local.",
    ),
    ("dual.services.svc.cluster.local.", "A", "10.96.100.2"),
    ("dual.services.svc.cluster.local.", "AAAA", "fd00:10:96::a2"),
    ("six-first.services.svc.cluster.local.", "A", "10.96.100.4"),
    (
        "six-first.services.svc.cluster.local.",
        "AAAA",
        "fd00:10:96::a4",
    ),
    ("six.services.svc.cluster.local.", "A", "NODATA"),
    ("six.services.svc.cluster.local.", "AAAA", "fd00:10:96::a3"),
    (
        "3.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.",
        "PTR",
        "six.services.svc.cluster.local.",
    ),
    ("node-port.services.svc.cluster.local.", "A", "10.96.100.5"),
    (
        "load-balancer.services.svc.cluster.local.",
        "A",
        "10.96.100.6",
    ),
    (
        "headless.services.svc.cluster.local.",
        "A",
        "10.244.0.11; 10.244.0.12",
    ),
    (
        "headless.services.svc.cluster.local.",
        "AAAA",
        "fd00:10:244::11; fd00:10:244::12",
    ),
    (
        "custom.headless.services.svc.cluster.local.",
        "A",
        "10.244.0.12",
    ),
    (
        "10-244-0-11.headless.services.svc.cluster.local.",
        "A",
        "10.244.0.11",
    ),
    (
        "fd00-10-244--11.headless.services.svc.cluster.local.",
        "AAAA",
        "fd00:10:244::11",
    ),
    (
        "_http._tcp.headless.services.svc.cluster.local.",
        "SRV",
        "0 25 8080 10-244-0-11.headless.services.svc.cluster.local.; \
         0 25 8080 fd00-10-244--11.headless.services.svc.cluster.local.; \
         0 25 9090 custom.headless.services.svc.cluster.local.",
    ),
    (
        "four.services.svc.cluster.local.",
        "A",
        "10.244.0.11; 10.244.0.12",
    ),
    ("four.services.svc.cluster.local.", "AAAA", "NODATA"),
    (
        "ready-or-not.services.svc.cluster.local.",
        "A",
        "10.244.0.11; 10.244.0.12; 10.244.0.13",
    ),
    ("nobody.services.svc.cluster.local.", "A", "NXDOMAIN"),
    (
        "alias.services.svc.cluster.local.",
        "A",
        "10.96.100.1; CNAME web.services.svc.cluster.local.",
    ),
    (
        "alias.services.svc.cluster.local.",
        "CNAME",
        "web.services.svc.cluster.local.",
    ),
    (
        "outside.services.svc.cluster.local.",
        "CNAME",
        "www.example.com.",
    ),
    (
        "mirrored.services.svc.cluster.local.",
        "A",
        "192.0.2.10; 192.0.2.11",
    ),
    (
        "first.mirrored.services.svc.cluster.local.",
        "A",
        "192.0.2.11",
    ),
    (
        "_http._tcp.mirrored.services.svc.cluster.local.",
        "SRV",
        "0 50 8080 192-0-2-10.mirrored.services.svc.cluster.local.; \
         0 50 8080 first.mirrored.services.svc.cluster.local.",
    ),
    (
        "_peer._tcp.db.services.svc.cluster.local.",
        "SRV",
        "0 33 7000 db-0.db.services.svc.cluster.local.; \
         0 33 7000 db-1.db.services.svc.cluster.local.; \
         0 33 7000 db-2.db.services.svc.cluster.local.",
    ),
    (
        "10.2.0.192.in-addr.arpa.",
        "PTR",
        "192-0-2-10.mirrored.services.svc.cluster.local.",
    ),
];

const POD_NAMES: &[(&str, &str, &str)] = &[
    ("web-1.four.services.svc.cluster.local.", "A", "10.244.0.11"),
    (
        "custom.headless.services.svc.cluster.local.",
        "A",
        "10.244.0.12",
    ),
    ("1-2-3-4.services.pod.cluster.local.", "A", "1.2.3.4"),
    ("1-2-3-4.nowhere.pod.cluster.local.", "A", "NXDOMAIN"),
];

pub(super) fn pods(world: &mut World) -> Result<(), String> {
    let pod = |ip: &str, phase: &str| {
        format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: one, namespace: pods, annotations: {{ip: {ip}, phase: {phase}}}}}
spec:
  nodeName: node1
  hostNetwork: true
  automountServiceAccountToken: false
  containers: [{{name: c, image: none}}]
"
        )
    };
    let place = Place::new("Pod", "pods", "one");
    world.new_namespace("pods", "no")?;
    world.api.apply(&pod("10.244.1.1", "Running"))?;
    world.expect(
        View::Verified,
        &[
            ("10-244-1-1.pods.pod.cluster.local.", "A", "10.244.1.1"),
            ("10-244-1-2.pods.pod.cluster.local.", "A", "NXDOMAIN"),
            ("10-244-1-1.default.pod.cluster.local.", "A", "NXDOMAIN"),
        ],
    )?;
    // It is moved: another address, and nothing under the old one.
    world.api.patch(
        place,
        &json!({"metadata": {"annotations": {"ip": "10.244.1.2"}}}),
    )?;
    world.expect(
        View::Verified,
        &[
            ("10-244-1-1.pods.pod.cluster.local.", "A", "NXDOMAIN"),
            ("10-244-1-2.pods.pod.cluster.local.", "A", "10.244.1.2"),
        ],
    )?;
    world.agree(&["pods"], Depth::Brief)?;
    // A pod that has done its work keeps its address, and has no name any more.
    world.api.patch(
        place,
        &json!({"metadata": {"annotations": {"phase": "Succeeded"}}}),
    )?;
    let without = [("10-244-1-2.pods.pod.cluster.local.", "A", "NXDOMAIN")];
    world.expect(View::Verified, &without)?;
    world.api.delete(place)?;
    world.gone(place)?;
    world.api.apply(&pod("10.244.1.2", "Running"))?;
    world.expect(
        View::Verified,
        &[("10-244-1-2.pods.pod.cluster.local.", "A", "10.244.1.2")],
    )?;
    world.api.delete(place)?;
    world.expect(View::Verified, &without)?;
    world.agree(&["pods"], Depth::Brief)
}
