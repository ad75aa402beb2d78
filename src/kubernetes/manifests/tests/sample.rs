//! The sample cluster of `config/cluster`.

use std::path::PathBuf;

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, discovery::v1 as discovery};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::{Manifests, Source, embedded};
use super::*;

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/config/cluster"))
}

fn load(source: Source) -> super::super::Loaded {
    let options = Options {
        pods: true,
        ..Options::default()
    };
    Manifests::new(source, options).load()
}

#[test]
fn the_sample_cluster_loads_without_a_warning() {
    let loaded = load(Source::Embedded);
    assert_eq!(loaded.problems, []);
    let found: Vec<_> = loaded
        .objects
        .iter()
        .map(|(object, _)| line(object))
        .collect();
    for (name, expected) in [
        (
            "the API server",
            "service default/kubernetes 10.96.0.1 https:443/Tcp",
        ),
        (
            "its written slice",
            "endpoints default/kubernetes https:6443/Tcp = 172.18.0.2",
        ),
        (
            "the cluster's DNS",
            "service kube-system/kube-dns 10.96.0.10 dns:53/Udp dns-tcp:53/Tcp metrics:9153/Tcp",
        ),
        (
            "outside",
            "service production/external-database -> rds.us-west-2.amazonaws.com",
        ),
        (
            "postgres",
            "service production/postgres-headless headless postgresql:5432/Tcp",
        ),
        (
            "workers",
            "service production/headless-service headless grpc:50051/Tcp",
        ),
    ] {
        assert!(
            found.iter().any(|line| line == expected),
            "{name}: {found:#?}"
        );
    }
}

#[test]
fn the_sample_cluster_has_the_services_of_the_company() {
    let loaded = load(Source::Embedded);
    let found: Vec<_> = loaded
        .objects
        .iter()
        .map(|(object, _)| line(object))
        .collect();
    for (name, start) in [
        ("the identity provider", "service idp-system/idp-server 10."),
        ("by node port", "service idp-system/idp-server-nodeport 10."),
        ("by load balancer", "service idp-system/idp-server-lb 10."),
        ("database", "service production/database 10."),
        ("redis", "service production/redis 10."),
        ("backend", "service production/backend-service 10."),
        (
            "the shop's database",
            "service microservices/postgres-service 10.",
        ),
        (
            "the shop's backend",
            "service microservices/backend-service 10.",
        ),
        (
            "the shop's frontend",
            "service microservices/frontend-service 10.",
        ),
        ("nginx", "service nginx/nginx 10."),
        (
            "the pod with its own DNS settings",
            "pod production/custom-dns-pod 10.244.",
        ),
        (
            "a second instance of kube-dns",
            "endpoints kube-system/kube-dns dns:53/Udp",
        ),
    ] {
        assert!(
            found.iter().any(|line| line.starts_with(start)),
            "{name}: {found:#?}"
        );
    }
    let idp = found
        .iter()
        .find(|line| line.starts_with("service idp-system/idp-server 10."));
    assert!(
        idp.is_some_and(|line| line.ends_with(" http:80/Tcp management:9000/Tcp")),
        "{idp:?}"
    );
    let dual = found
        .iter()
        .find(|line| line.starts_with("service production/api-gateway "));
    assert!(
        dual.is_some_and(|line| line.contains(" fd00:10:96::")),
        "{dual:?}"
    );
}

#[test]
fn the_sample_cluster_has_its_endpoints() {
    let loaded = load(Source::Embedded);
    let endpoints = |namespace: &str, service: &str| -> Vec<Option<String>> {
        let objects = loaded.objects.iter();
        let slices = objects.filter_map(|(object, _)| match object {
            Object::EndpointSlice(slice) => Some(slice),
            _ => None,
        });
        let own = slices.filter(|s| &*s.key.namespace == namespace && &*s.service == service);
        let endpoints = own.flat_map(|slice| &slice.endpoints);
        endpoints
            .map(|e| e.hostname.as_deref().map(str::to_owned))
            .collect()
    };
    let postgres = ["postgres-0", "postgres-1", "postgres-2"].map(|name| Some(name.to_owned()));
    assert_eq!(endpoints("production", "postgres-headless"), postgres);
    for (namespace, service, count) in [
        ("production", "database", 1),
        ("production", "headless-service", 2),
        ("production", "api-gateway", 4),
        ("production", "backend-service", 3),
        ("nginx", "nginx", 1),
        ("kube-system", "kube-dns", 2),
        ("monitoring", "node-exporter", 1),
        ("idp-system", "idp-server", 2),
        ("idp-system", "idp-server-lb", 2),
        ("idp-system", "idp-server-nodeport", 2),
        ("development", "redis", 0),
    ] {
        assert_eq!(
            endpoints(namespace, service).len(),
            count,
            "{namespace}/{service}"
        );
    }
}

#[test]
fn the_sample_cluster_has_the_namespaces_of_the_company() {
    let loaded = load(Source::Embedded);
    let names = loaded
        .objects
        .iter()
        .filter_map(|(object, _)| match object {
            Object::Namespace(namespace) => Some(namespace.name.to_string()),
            _ => None,
        });
    let expected = "default development idp-system kube-node-lease kube-public kube-system \
                    microservices monitoring nginx production";
    assert_eq!(names.collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn what_is_compiled_in_is_what_the_folder_holds() {
    let mut names: Vec<_> = std::fs::read_dir(directory())
        .expect("config/cluster")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort();
    let embedded = embedded::FILES
        .iter()
        .map(|(name, _)| name.trim_start_matches("config/cluster/"));
    assert_eq!(embedded.collect::<Vec<_>>(), names);
    let objects = |source| {
        let loaded = load(source);
        loaded
            .objects
            .into_iter()
            .map(|(object, _)| object)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        objects(Source::Embedded),
        objects(Source::Directory(directory()))
    );
}

#[test]
fn objects_know_where_they_stand() {
    let loaded = load(Source::Embedded);
    let place = |wanted: &str| {
        let mut objects = loaded.objects.iter();
        let found = objects.find(|(object, _)| line(object).starts_with(wanted));
        found.map(|(_, place)| place.to_string())
    };
    for (wanted, at) in [
        (
            "service default/kubernetes",
            "config/cluster/default.yaml:3:1",
        ),
        (
            "namespace development",
            "config/cluster/00-namespaces.yaml:11:1",
        ),
        ("namespace kube-public", ""),
        (
            "pod production/postgres-0",
            "config/cluster/production-postgres.yaml:4:1",
        ),
    ] {
        assert_eq!(place(wanted).as_deref(), Some(at), "{wanted}");
    }
}

/// Every field that is written is one that Kubernetes has, with a value of its type: what its own
/// types read and write again still has it.
#[test]
fn the_sample_cluster_is_what_kubectl_would_accept() {
    for (name, text) in embedded::FILES {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect(name);
        for document in documents {
            let kind = document["kind"].as_str().expect("a kind").to_owned();
            let known = match kind.as_str() {
                "Namespace" => round_trip::<core::Namespace>(&document),
                "Service" => round_trip::<core::Service>(&document),
                "ServiceAccount" => round_trip::<core::ServiceAccount>(&document),
                "ConfigMap" => round_trip::<core::ConfigMap>(&document),
                "Pod" => round_trip::<core::Pod>(&document),
                "Deployment" => round_trip::<apps::Deployment>(&document),
                "StatefulSet" => round_trip::<apps::StatefulSet>(&document),
                "DaemonSet" => round_trip::<apps::DaemonSet>(&document),
                "EndpointSlice" => round_trip::<discovery::EndpointSlice>(&document),
                other => panic!("{name}: {other}"),
            };
            let object = &document["metadata"]["name"];
            let known = known.unwrap_or_else(|error| panic!("{name}: {kind} {object}: {error}"));
            assert_has(&known, &document, &format!("{name}: {kind} {object}"));
        }
    }
}

fn round_trip<T: DeserializeOwned + Serialize>(document: &Value) -> serde_json::Result<Value> {
    serde_json::to_value(serde_json::from_value::<T>(document.clone())?)
}

fn assert_has(known: &Value, written: &Value, path: &str) {
    match (known, written) {
        (Value::Object(known), Value::Object(written)) => {
            for (field, value) in written {
                let path = format!("{path}.{field}");
                let known = known.get(field);
                assert_has(
                    known.unwrap_or_else(|| panic!("{path} is unknown")),
                    value,
                    &path,
                );
            }
        }
        (Value::Array(known), Value::Array(written)) => {
            assert_eq!(known.len(), written.len(), "{path}");
            known
                .iter()
                .zip(written)
                .for_each(|(known, value)| assert_has(known, value, path));
        }
        (known, written) => assert_eq!(known, written, "{path}"),
    }
}
