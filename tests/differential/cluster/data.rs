//! The clusters: directories of manifests, and what both servers see of them.

use std::path::Path;

use callsign::kubernetes::manifests::{Manifests, Options, Severity, Source};
use callsign::kubernetes::object::Object;
use callsign::plugin::bind::machine_addresses;
use serde_json::{Value, json};

use super::{random, raw};

/// Where a cluster's objects come from.
pub(crate) enum Data {
    /// `config/cluster`.
    Sample,
    /// `config/cluster` and `tests/data/clusters/odd`.
    Written,
    /// Services that lead to this machine, and so to the servers under test.
    Own,
    /// Services with all kinds of addresses outside the cluster, and this machine behind some.
    Outside,
    /// `config/cluster`, and who asks is a pod of it.
    Pods,
    /// Services of several clusters.
    Imports,
    /// Objects of odd shapes, as they are written.
    Raw,
    /// A random cluster.
    Random(u64),
    /// Nobody can tell: there is no directory, and the API server answers nothing.
    Unknown,
}

/// The clusters that imports come from.
pub(crate) const CLUSTERS: [&str; 3] = ["east", "West", "north"];

/// The file of the manifests that are made here.
pub(super) const FILE: &str = "cluster.json";

const SAMPLE: &str = "config/cluster";
const ODD: &str = "tests/data/clusters/odd";

impl Data {
    /// Makes the directory of manifests.
    pub(crate) fn write(&self, into: &Path) -> Result<(), String> {
        match self {
            Self::Sample => copy(SAMPLE, &into.join("sample")),
            Self::Written => {
                copy(SAMPLE, &into.join("sample"))?;
                copy(ODD, &into.join("odd"))
            }
            Self::Own => write(into, &own()),
            Self::Outside => {
                copy(SAMPLE, &into.join("sample"))?;
                copy(ODD, &into.join("odd"))?;
                write(&into.join("outside"), &outside())
            }
            Self::Pods => {
                copy(SAMPLE, &into.join("sample"))?;
                write(&into.join("pods"), &pods())
            }
            Self::Imports => {
                copy(SAMPLE, &into.join("sample"))?;
                write(&into.join("imports"), &imports())
            }
            Self::Raw => write(into, &raw::objects()),
            Self::Random(seed) => write(into, &random::manifests(*seed)),
            Self::Unknown => Ok(()),
        }
    }

    /// The objects whose names are to be asked for.
    pub(crate) fn objects(&self, manifests: &Path) -> Result<Vec<Object>, String> {
        let options = Options {
            pods: true,
            imports: true,
            ..Options::default()
        };
        match self {
            // Some are no objects that a manifest can give.
            Self::Raw => Ok(objects_of(manifests, options).0),
            Self::Unknown => {
                let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLE);
                load(&sample, options)
            }
            _ => load(manifests, options),
        }
    }
}

/// The objects that a directory of manifests yields. None of them may be left out.
pub(crate) fn load(manifests: &Path, options: Options) -> Result<Vec<Object>, String> {
    match objects_of(manifests, options) {
        (objects, None) => Ok(objects),
        (_, Some(problem)) => Err(problem),
    }
}

/// The objects that a directory of manifests yields, and why the first of the others is none.
fn objects_of(manifests: &Path, options: Options) -> (Vec<Object>, Option<String>) {
    let loaded = Manifests::new(Source::Directory(manifests.to_owned()), options).load();
    let mut problems = loaded.problems.iter();
    let problem = problems.find(|problem| problem.severity == Severity::Error);
    let objects = loaded.objects.into_iter().map(|(object, _)| object);
    (objects.collect(), problem.map(ToString::to_string))
}

fn copy(from: &str, to: &Path) -> Result<(), String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
    let copy = || -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(&from)? {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    };
    copy().map_err(|error| format!("{}: {error}", from.display()))
}

fn write(into: &Path, manifests: &Value) -> Result<(), String> {
    std::fs::create_dir_all(into)
        .and_then(|()| std::fs::write(into.join(FILE), manifests.to_string()))
        .map_err(|error| format!("{}: {error}", into.display()))
}

/// Services of several clusters, of all kinds and with parts of all kinds.
fn imports() -> Value {
    let import = |namespace: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": "multicluster.x-k8s.io/v1alpha1",
            "kind": "ServiceImport",
            "metadata": {"namespace": namespace, "name": name, "labels": {"exposed": "yes"}},
            "spec": spec,
        })
    };
    let two = json!([
        {"name": "http", "port": 80, "protocol": "TCP"},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]);
    let slice = |number: u8, service: &str, cluster: &str, endpoints: Value| {
        let mut labels = json!({"multicluster.kubernetes.io/service-name": service});
        if !cluster.is_empty() {
            labels["multicluster.kubernetes.io/source-cluster"] = json!(cluster);
        }
        // As most implementations do, for kube-proxy: the slice is one of a Service here too.
        if cluster == "north" {
            labels["kubernetes.io/service-name"] = json!("derived");
        }
        let name = format!("imported-{service}-{number}");
        let port = json!({"name": "http", "port": 80});
        slice(["default", &name], labels, port, endpoints)
    };
    let ready = |ip: &str, host: &str| json!({"addresses": [ip], "hostname": host});
    let pod = |ip: &str, name: &str| json!({"addresses": [ip], "targetRef": {"kind": "Pod", "name": name}});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "imports-only", "labels": {"exposed": "yes"}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "default", "name": "derived"},
            "spec": {"clusterIP": "10.96.250.1", "ports": two}},
        import("default", "both", json!({"type": "ClusterSetIP", "ips": ["10.200.0.1", "fd00:200::1"], "ports": two})),
        import("default", "web", json!({"type": "ClusterSetIP", "ips": ["10.200.0.2"], "ports": two})),
        import("default", "no-port", json!({"type": "ClusterSetIP", "ips": ["10.200.0.3"]})),
        import("default", "no-protocol", json!({"type": "ClusterSetIP", "ips": ["10.200.0.6"], "ports": [{"name": "http", "port": 80}, {"port": 81}]})),
        import("default", "no-address", json!({"type": "ClusterSetIP", "ports": two})),
        import("default", "db", json!({"type": "Headless", "ports": two})),
        import("default", "empty", json!({"type": "Headless", "ports": two})),
        import("default", "kubernetes", json!({"type": "ClusterSetIP", "ips": ["10.200.0.4"], "ports": two})),
        import("imports-only", "far", json!({"type": "ClusterSetIP", "ips": ["10.200.0.5"], "ports": two})),
        slice(1, "web", "east", json!([ready("10.1.0.1", "web-0"), pod("10.1.0.2", "web-x")])),
        slice(2, "web", "West", json!([ready("10.2.0.1", "web-0"), {"addresses": ["10.2.0.2"], "conditions": {"ready": false}}])),
        slice(1, "db", "east", json!([ready("10.1.0.3", "db-0"), ready("10.1.0.4", "db-1")])),
        slice(2, "db", "West", json!([ready("10.2.0.3", "db-0"), pod("10.2.0.4", "db.with.dots")])),
        slice(3, "db", "east", json!([ready("fd00:1::3", "db-0")])),
        slice(4, "db", "north", json!([ready("10.3.0.1", "db-0"), ready("10.3.0.2", "")])),
        import("default", "nowhere", json!({"type": "Headless", "ports": two})),
        slice(1, "nowhere", "", json!([ready("10.1.0.7", "a")])),
        slice(1, "no-port", "east", json!([ready("10.1.0.5", "a")])),
        slice(1, "no-import", "east", json!([ready("10.1.0.6", "a")])),
    ]})
}

/// A slice of this namespace and name, with one port.
fn slice([namespace, name]: [&str; 2], labels: Value, port: Value, endpoints: Value) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "ports": [port],
        "endpoints": endpoints,
    })
}

/// A slice of a Service of name servers.
fn dns_slice(place: [&str; 2], service: &str, endpoints: Value) -> Value {
    let labels = json!({"kubernetes.io/service-name": service});
    let port = json!({"name": "dns", "port": 53, "protocol": "UDP"});
    slice(place, labels, port, endpoints)
}

/// A pod with the address that questions of this suite come from.
fn pods() -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": [{
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default", "name": "asks", "labels": {
            "app": "asker", "app.kubernetes.io/name": "asks", "tier": "",
        }},
        "status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]},
    }]})
}

/// Services that are reached from outside in all ways that there are.
fn outside() -> Value {
    let service = |name: &str, spec: Value, ingress: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "outside", "name": name},
            "spec": spec,
            "status": {"loadBalancer": {"ingress": ingress}},
        })
    };
    let two = json!([
        {"name": "http", "port": 80},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]);
    let slice = |service: &str, ips: &[std::net::IpAddr]| {
        let endpoints = ips.iter().map(|ip| json!({"addresses": [ip]})).collect();
        let name = format!("{service}-1");
        dns_slice(["outside", &name], service, endpoints)
    };
    let v4: Vec<_> = machine_addresses()
        .into_iter()
        .filter(|ip| ip.is_ipv4())
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "outside"}},
        service("ips", json!({
            "clusterIP": "10.96.240.1",
            "externalIPs": ["198.51.100.1", "2001:db8::1", "198.51.100.2", "198.51.100.1"],
            "ports": two,
        }), json!([{"ip": "203.0.113.1"}, {"ip": "2001:db8:1::1"}])),
        service("one-host", json!({"clusterIP": "10.96.240.2", "ports": [{"port": 80}]}),
            json!([{"hostname": "www.example.org"}])),
        service("host-of-two-ports", json!({"clusterIP": "10.96.240.3", "ports": two}),
            json!([{"ip": "203.0.113.2"}, {"hostname": "www.example.org"}])),
        service("host-in-the-cluster", json!({"clusterIP": "10.96.240.4", "ports": [{"name": "a", "port": 80}]}),
            json!([{"hostname": "ips.outside.svc.example.org"}])),
        service("host-that-fails", json!({"clusterIP": "10.96.240.5", "ports": [{"name": "a", "port": 80}]}),
            json!([{"hostname": "_a.b_c.example.org"}, {"hostname": "gone.example"}])),
        service("no-port", json!({"clusterIP": "10.96.240.6", "externalIPs": ["198.51.100.3"]}), json!([])),
        service("shares", json!({
            "clusterIP": "10.96.240.7", "externalIPs": ["198.51.100.1"], "ports": [{"name": "a", "port": 1}],
        }), json!([])),
        service("headless-outside", json!({
            "clusterIP": "None", "externalIPs": ["198.51.100.4"], "ports": [{"name": "a", "port": 1}],
        }), json!([])),
        service("headless-inside", json!({"clusterIP": "None", "ports": [{"name": "a", "port": 1}]}), json!([])),
        service("own", json!({
            "clusterIP": "10.96.240.8", "externalIPs": ["198.51.100.5", "2001:db8::5"], "ports": two,
        }), json!([])),
        slice("own", &v4),
        slice("headless-inside", &v4),
        slice("headless-outside", &v4),
        slice("ips", &[std::net::IpAddr::from([10, 9, 0, 7])]),
    ]})
}

/// Services of which this machine is an endpoint: with addresses of their own, and headless.
fn own() -> Value {
    let (v4, v6): (Vec<_>, Vec<_>) = machine_addresses().into_iter().partition(|ip| ip.is_ipv4());
    let endpoints = |ips: &[std::net::IpAddr]| -> Value {
        let own = ips
            .iter()
            .map(|ip| json!({"addresses": [ip], "hostname": "this-machine"}));
        let others = ["10.9.0.1", "fd00:9::1"].map(|ip| json!({"addresses": [ip]}));
        own.chain(others).collect()
    };
    let slice = |name: &str, service: &str, ips: &[std::net::IpAddr]| {
        dns_slice(["kube-system", name], service, endpoints(ips))
    };
    let service = |name: &str, ips: &[&str]| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "kube-system", "name": name},
            "spec": {
                "clusterIPs": ips,
                "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}],
            },
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        service("kube-dns", &["10.96.0.10", "fd00:10:96::a"]),
        service("dns-of-one-family", &["10.96.0.11"]),
        service("headless-dns", &["None"]),
        slice("kube-dns-1", "kube-dns", &v4),
        slice("kube-dns-2", "kube-dns", &v6),
        slice("dns-of-one-family-1", "dns-of-one-family", &v4),
        slice("headless-dns-1", "headless-dns", &v4),
        slice("no-service-1", "no-service", &v4),
    ]})
}
