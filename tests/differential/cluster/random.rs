//! Random clusters: few names, addresses and ports, so that objects meet in ways nobody thinks of.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

const NAMESPACES: &[&str] = &["default", "a", "bb", "svc"];
const SERVICES: &[&str] = &["web", "db", "x", "pod", "10-0-0-1", "gone"];
const ENDPOINT_IPS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "10.1.0.0",
    "10.96.0.7",
    "fd00::1",
    "fd00::",
    "fd00:0:0:1::",
    "fd00::2:0:1",
];
const CLUSTER_IPS: &[&str] = &[
    "10.96.0.7",
    "10.96.0.8",
    "10.96.0.9",
    "10.96.1.0",
    "10.0.0.4",
];
const CLUSTER_IPS_SIX: &[&str] = &[
    "fd00:10:96::7",
    "fd00:10:96::",
    "fd00:10:96:0:1::",
    "fd00::1",
];
const HOSTNAMES: &[&str] = &["h", "web-0", "web-1", "10-0-0-2", "H", "_tcp", "a.b"];
const PODS: &[&str] = &["web-0", "web-1", "web-2", "db-0", "with.dots", "10-0-0-3"];
const PORT_NAMES: &[&str] = &["", "", "http", "https", "tcp", "HTTP"];
const PORTS: &[u16] = &[80, 80, 8080, 443, 53, 65535];
const PROTOCOLS: &[&str] = &["TCP", "TCP", "UDP", "SCTP"];
const TARGETS: &[&str] = &[
    "www.example.org",
    "192.0.2.1",
    "web.a.svc.cluster.local",
    "db.default.svc.cluster.local.",
    "x.bb.svc.cluster.local",
    "h.web.a.svc.cluster.local",
    "10-0-0-1.a.pod.cluster.local",
    "web.a.svc.example.com",
    "WEB.a.svc.Cluster.Local",
    "x.web.a.svc.cluster.local",
    "localhost",
];
const EXTERNAL_IPS: &[&str] = &["198.51.100.1", "198.51.100.2", "2001:db8::1", "10.96.0.7"];
/// What load balancers are called; the first is none.
const INGRESS_HOSTS: &[&str] = &[
    "",
    "www.example.org",
    "Lb.example.net",
    "x.web.a.svc.cluster.local",
];
/// A Service whose one endpoint is a name.
const ALIAS: &str = "alias";
const TARGET_KINDS: &[&str] = &["Pod", "Pod", "VirtualMachine"];
const ZONES: &[&str] = &["zone-a", "zone-b", "Zone-A", "corp.example.com"];
/// What selectors of the variants ask for.
const TIERS: &[&str] = &["front", "back"];

/// The manifests of a random cluster: the same ones for the same seed.
pub(crate) fn manifests(seed: u64) -> Value {
    let mut dice = Dice(StdRng::seed_from_u64(seed));
    let mut items = Vec::new();
    // A namespace that is not there is one that callsign's source takes as existing.
    items.extend(NAMESPACES.iter().map(|name| {
        let labels = json!({"exposed": dice.one_of(&["yes", "no"])});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    }));
    let mut ips = dice.shuffled(CLUSTER_IPS);
    let mut six = dice.shuffled(CLUSTER_IPS_SIX);
    for namespace in NAMESPACES {
        for name in SERVICES {
            if *name != "gone" && dice.chance(0.75) {
                items.push(dice.service(namespace, name, ips.pop(), six.pop()));
            }
            for number in 0..dice.0.random_range(0..4) {
                items.push(dice.slice(namespace, name, number));
            }
        }
        items.extend(dice.alias(namespace));
        for name in PODS {
            if dice.chance(0.5) {
                items.push(dice.pod(namespace, name));
            }
        }
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

struct Dice(StdRng);

impl Dice {
    fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    fn one_of<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        choices.choose(&mut self.0).copied().unwrap_or_default()
    }

    fn shuffled<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let mut all = all.to_vec();
        all.shuffle(&mut self.0);
        all
    }

    fn metadata(&mut self, namespace: &str, name: &str) -> Value {
        let mut metadata = json!({"namespace": namespace, "name": name, "labels": {}});
        if self.chance(0.5) {
            metadata["labels"]["tier"] = json!(self.one_of(TIERS));
        }
        metadata
    }

    /// A Service. Its addresses are its own, as the API server sees to it.
    fn service(
        &mut self,
        namespace: &str,
        name: &str,
        v4: Option<&str>,
        v6: Option<&str>,
    ) -> Value {
        let ports: Vec<Value> = (0..self.0.random_range(0..4))
            .map(|_| self.port(true))
            .collect();
        let mut spec = match self.0.random_range(0..10) {
            0..3 => json!({"clusterIP": "None"}),
            3 => json!({"type": "ExternalName", "externalName": self.one_of(TARGETS)}),
            _ => match (v4, v6) {
                (Some(v4), Some(v6)) if self.chance(0.3) => json!({"clusterIPs": [v4, v6]}),
                (Some(v4), Some(v6)) if self.chance(0.3) => json!({"clusterIPs": [v6, v4]}),
                (None, Some(v6)) => json!({"clusterIPs": [v6]}),
                (Some(v4), _) => json!({"clusterIPs": [v4]}),
                (None, None) => json!({}),
            },
        };
        spec["ports"] = json!(ports);
        if self.chance(0.3) {
            spec["externalIPs"] = (0..self.0.random_range(0..3))
                .map(|_| json!(self.one_of(EXTERNAL_IPS)))
                .collect();
        }
        let ingress: Vec<Value> = (0..self.0.random_range(0..3))
            .map(|_| self.ingress())
            .collect();
        let metadata = self.metadata(namespace, name);
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": spec,
            "status": {"loadBalancer": {"ingress": ingress}},
        })
    }

    /// An address, a host name, or both, of a load balancer.
    fn ingress(&mut self) -> Value {
        match self.one_of(INGRESS_HOSTS) {
            "" => json!({"ip": self.one_of(EXTERNAL_IPS)}),
            host if self.chance(0.5) => json!({"hostname": host}),
            host => json!({"hostname": host, "ip": self.one_of(EXTERNAL_IPS)}),
        }
    }

    /// A headless Service and its one endpoint, a name. With more of them, or with more ports, CoreDNS
    /// tells several CNAMEs of one name.
    fn alias(&mut self, namespace: &str) -> [Value; 2] {
        let metadata = self.metadata(namespace, ALIAS);
        let mut slice = self.slice(namespace, ALIAS, 0);
        let mut endpoint = self.endpoint();
        endpoint["addresses"] = json!([self.one_of(TARGETS)]);
        slice["addressType"] = json!("FQDN");
        slice["endpoints"] = json!([endpoint]);
        slice["ports"] = json!([self.port(false)]);
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": "None"},
        });
        [service, slice]
    }

    fn port(&mut self, numbered: bool) -> Value {
        let mut port = json!({"protocol": self.one_of(PROTOCOLS)});
        if numbered || self.chance(0.8) {
            port["port"] = json!(self.one_of(PORTS));
        }
        let name = self.one_of(PORT_NAMES);
        if !name.is_empty() {
            port["name"] = json!(name);
        }
        port
    }

    fn slice(&mut self, namespace: &str, service: &str, number: usize) -> Value {
        let ports: Vec<Value> = (0..self.0.random_range(0..4))
            .map(|_| self.port(false))
            .collect();
        let endpoints: Vec<Value> = (0..self.0.random_range(0..5))
            .map(|_| self.endpoint())
            .collect();
        let mut metadata = self.metadata(namespace, &format!("{service}-{number}"));
        metadata["labels"]["kubernetes.io/service-name"] = json!(service);
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": endpoints,
        })
    }

    fn endpoint(&mut self) -> Value {
        let mut endpoint = json!({"addresses": [self.one_of(ENDPOINT_IPS)]});
        if self.chance(0.1) {
            endpoint["addresses"] = json!([self.one_of(ENDPOINT_IPS), self.one_of(ENDPOINT_IPS)]);
        }
        if self.chance(0.4) {
            endpoint["hostname"] = json!(self.one_of(HOSTNAMES));
        }
        if self.chance(0.5) {
            endpoint["targetRef"] =
                json!({"kind": self.one_of(TARGET_KINDS), "name": self.one_of(PODS)});
        }
        if self.chance(0.5) {
            endpoint["zone"] = json!(self.one_of(ZONES));
        }
        if self.chance(0.3) {
            endpoint["conditions"] = json!({"ready": self.chance(0.4)});
        }
        endpoint
    }

    fn pod(&mut self, namespace: &str, name: &str) -> Value {
        let phase = self.one_of(&["Running", "Running", "Pending", "Succeeded", "Failed"]);
        let ips: Vec<Value> = (0..self.0.random_range(1..3))
            .map(|_| json!({"ip": self.one_of(ENDPOINT_IPS)}))
            .collect();
        let metadata = self.metadata(namespace, name);
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": []},
            "status": {"phase": phase, "podIPs": ips},
        })
    }
}
