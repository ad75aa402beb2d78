//! The names that every server is given, in each server's form, and the questions for them.

use std::fmt::Write;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::question::{Question, Style};

/// The zone of the cluster.
pub(crate) const ZONE: &str = "cluster.local";
/// Services that share a namespace.
const SHARE: u32 = 50;
/// A search path: what a resolver puts behind `api.example.com` before it asks for the name itself.
const SEARCH: [&str; 4] = [
    "svc.cluster.local",
    "cluster.local",
    "pod.cluster.local",
    "x.cluster.local",
];
/// Names that an upstream is asked for.
const EXTERNAL: u32 = 2_000;

/// A Service with one address.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) address: Ipv4Addr,
}

/// The Services of a cluster.
pub(crate) fn services(count: u32) -> impl Iterator<Item = Service> + Clone {
    (0..count).map(|n| Service {
        name: format!("backend-service-{n}"),
        namespace: format!("production-{}", n / SHARE),
        address: Ipv4Addr::from(0x0a60_0001 + n),
    })
}

/// The namespaces of that cluster.
pub(crate) fn namespaces(count: u32) -> impl Iterator<Item = String> {
    (0..count.div_ceil(SHARE)).map(|n| format!("production-{n}"))
}

impl Service {
    fn host(&self) -> String {
        format!("{}.{}.svc.{ZONE}", self.name, self.namespace)
    }

    /// As the API server tells it.
    pub(crate) fn object(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(&self.name),
            "spec": {
                "type": "ClusterIP",
                "clusterIP": self.address,
                "clusterIPs": [self.address],
                "ports": [{"name": "http", "protocol": "TCP", "port": 80}],
            },
        })
    }

    /// Its endpoints, as the API server tells them; `round` tells states apart.
    pub(crate) fn slice(&self, round: u32) -> Value {
        let [_, b, c, d] = self.address.octets();
        let mut metadata = self.metadata(&format!("{}-x7k2p", self.name));
        metadata["labels"] = json!({"kubernetes.io/service-name": self.name});
        let endpoint = |last: u32| {
            json!({
                "addresses": [Ipv4Addr::new(100 + u8::try_from(last % 100).unwrap_or(0), b, c, d)],
                "conditions": {"ready": true},
            })
        };
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "endpoints": [endpoint(0), endpoint(1), endpoint(2 + round % 2)],
            "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        })
    }

    fn metadata(&self, name: &str) -> Value {
        json!({"name": name, "namespace": self.namespace, "resourceVersion": "1"})
    }
}

/// A namespace as the API server tells it.
pub(crate) fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "resourceVersion": "1"},
    })
}

/// The cluster as manifests.
pub(crate) fn manifests(count: u32) -> String {
    let namespaces = namespaces(count).map(|name| namespace(&name));
    let services = services(count).map(|service| service.object());
    let mut text = String::new();
    for object in namespaces.chain(services) {
        _ = writeln!(text, "---\n{object}");
    }
    text
}

/// The cluster as a zone file.
pub(crate) fn zone_file(count: u32) -> String {
    let mut text = format!(
        "$ORIGIN {ZONE}.\n$TTL 30\n\
         @ SOA ns.dns hostmaster 1 7200 1800 86400 30\n@ NS ns.dns\nns.dns A 127.0.0.1\n"
    );
    for service in services(count) {
        _ = writeln!(text, "{}. A {}", service.host(), service.address);
    }
    text
}

/// The cluster as local data of Unbound.
pub(crate) fn local_data(count: u32) -> String {
    let mut text = format!("  local-zone: \"{ZONE}.\" static\n");
    for service in services(count) {
        _ = writeln!(
            text,
            "  local-data: \"{}. 30 IN A {}\"",
            service.host(),
            service.address
        );
    }
    text
}

/// A question for each Service, at most 10,000 at equal distances.
pub(crate) fn of_services(count: u32, style: Style) -> Vec<Question> {
    let step = count.div_ceil(10_000).max(1) as usize;
    let found = |service: Service| Question::found(&service.host(), style, vec![service.address]);
    services(count).step_by(step).map(found).collect()
}

/// What a search path makes of external names: four names that are not there, then a Service.
pub(crate) fn of_search_path(count: u32, style: Style) -> Vec<Question> {
    let one = |(n, service): (usize, Service)| {
        let missing = SEARCH
            .iter()
            .map(move |suffix| Question::missing(&format!("api{n}.example.com.{suffix}"), style));
        let found = Question::found(&service.host(), style, vec![service.address]);
        missing.chain([found])
    };
    services(count.min(2_000))
        .enumerate()
        .flat_map(one)
        .collect()
}

/// Names that only an upstream knows.
pub(crate) fn external(style: Style) -> Vec<Question> {
    let name = |n| format!("host-{n}.example.com");
    let found = |name: String| Question::found(&name, style, vec![external_address(name.len())]);
    (0..EXTERNAL).map(|n| found(name(n))).collect()
}

/// What the upstream says of a name of this length in text.
pub(crate) fn external_address(length: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, u8::try_from(length).unwrap_or(u8::MAX))
}
