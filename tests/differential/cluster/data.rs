//! The clusters: directories of manifests, and what both servers see of them.

use std::path::Path;

use callsign::kubernetes::manifests::{Manifests, Options, Severity, Source};
use callsign::kubernetes::object::Object;
use callsign::plugin::bind::machine_addresses;
use serde_json::{Value, json};

use super::random;

/// Where a cluster's objects come from.
pub(crate) enum Data {
    /// `config/cluster`.
    Sample,
    /// `config/cluster` and `tests/data/clusters/odd`.
    Written,
    /// Services that lead to this machine, and so to the servers under test.
    Own,
    /// A random cluster.
    Random(u64),
    /// Nobody can tell: there is no directory, and the API server answers nothing.
    Unknown,
}

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
            Self::Random(seed) => write(into, &random::manifests(*seed)),
            Self::Unknown => Ok(()),
        }
    }

    /// The objects whose names are to be asked for.
    pub(crate) fn objects(&self, manifests: &Path) -> Result<Vec<Object>, String> {
        let options = Options {
            pods: true,
            ..Options::default()
        };
        match self {
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
    let loaded = Manifests::new(Source::Directory(manifests.to_owned()), options).load();
    let mut problems = loaded.problems.iter();
    match problems.find(|problem| problem.severity == Severity::Error) {
        Some(problem) => Err(problem.to_string()),
        None => Ok(loaded
            .objects
            .into_iter()
            .map(|(object, _)| object)
            .collect()),
    }
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
        .and_then(|()| std::fs::write(into.join("cluster.json"), manifests.to_string()))
        .map_err(|error| format!("{}: {error}", into.display()))
}

/// Services of which this machine is an endpoint: with addresses of their own, and headless.
fn own() -> Value {
    let (v4, v6): (Vec<_>, Vec<_>) = machine_addresses().into_iter().partition(|ip| ip.is_ipv4());
    let endpoints = |ips: &[std::net::IpAddr]| -> Vec<Value> {
        let own = ips
            .iter()
            .map(|ip| json!({"addresses": [ip], "hostname": "this-machine"}));
        let others = ["10.9.0.1", "fd00:9::1"].map(|ip| json!({"addresses": [ip]}));
        own.chain(others).collect()
    };
    let slice = |name: &str, service: &str, ips: &[std::net::IpAddr]| {
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": "kube-system",
                "name": name,
                "labels": {"kubernetes.io/service-name": service},
            },
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}],
            "endpoints": endpoints(ips),
        })
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
