//! What the source yields for which manifests.

use std::fmt::Write;
use std::sync::Arc;

use super::cluster::{self, Cluster};
use super::{Options, Problem, document};
use crate::kubernetes::object::{Endpoint, Object, Port, ServiceKind};

mod reading;
mod sample;
mod simulation;
mod watching;

/// What the manifests of one file come to; its problems without the namespaces that they lack.
fn cluster_with(text: &str, options: &Options) -> Cluster {
    let contents = document::decode(&Arc::from("test.yaml"), text).expect("manifests");
    let mut cluster = cluster::simulate(&contents.manifests, options);
    cluster.problems.extend(contents.warnings);
    let is_other = |problem: &Problem| !problem.reason.starts_with("no manifest has the Namespace");
    cluster.problems.retain(is_other);
    cluster
}

fn cluster(text: &str) -> Cluster {
    cluster_with(text, &Options::default())
}

/// The objects but the namespaces, a line each.
fn lines(cluster: &Cluster) -> Vec<String> {
    let objects = cluster.objects.values().map(|(object, _)| object);
    let objects = objects.filter(|object| !matches!(object, Object::Namespace(_)));
    objects.map(line).collect()
}

fn namespaces(cluster: &Cluster) -> Vec<String> {
    let objects = cluster.objects.values();
    let names = objects.filter_map(|(object, _)| match object {
        Object::Namespace(namespace) => Some(namespace.name.to_string()),
        _ => None,
    });
    names.collect()
}

/// An object for the eye: `service ns/name 10.96.0.1 http:80/Tcp`. A slice stands under its
/// Service's name, an endpoint that is not ready in brackets.
fn line(object: &Object) -> String {
    let key = object.key();
    match object {
        Object::Namespace(namespace) => format!("namespace {}", namespace.name),
        Object::Service(service) | Object::ServiceImport(service) => {
            let word = match object {
                Object::ServiceImport(_) => "import",
                _ => "service",
            };
            let kind = match &service.kind {
                ServiceKind::ClusterIp(ips) => list(ips),
                ServiceKind::Headless => " headless".to_owned(),
                ServiceKind::ExternalName(target) => format!(" -> {target}"),
            };
            let ports = ports(&service.ports);
            format!("{word} {}/{}{kind}{ports}", key.namespace, key.name)
        }
        Object::EndpointSlice(slice) => {
            let mut line = format!("endpoints {}/{}", key.namespace, slice.service);
            line.push_str(&ports(&slice.ports));
            line.push_str(" =");
            slice
                .endpoints
                .iter()
                .for_each(|endpoint| push(&mut line, endpoint));
            line
        }
        Object::Pod(pod) => format!("pod {}/{}{}", key.namespace, key.name, list(&pod.ips)),
    }
}

fn push(line: &mut String, endpoint: &Endpoint) {
    let hostname = endpoint.hostname.as_deref().map(|name| format!("{name}@"));
    let hostname = hostname.unwrap_or_default();
    let addresses = list(&endpoint.addresses);
    let addresses = addresses.trim_start();
    let written = match endpoint.ready {
        true => write!(line, " {hostname}{addresses}"),
        false => write!(line, " ({hostname}{addresses})"),
    };
    written.expect("a string");
}

fn ports(ports: &[Port]) -> String {
    let one = |port: &Port| format!("{}:{}/{:?}", port.name, port.number, port.protocol);
    list(&ports.iter().map(one).collect::<Vec<_>>())
}

fn list<T: ToString>(items: &[T]) -> String {
    items
        .iter()
        .map(|item| format!(" {}", item.to_string()))
        .collect()
}

/// One manifest and what it comes to, each line of it.
struct Case {
    name: &'static str,
    manifests: &'static str,
    objects: &'static [&'static str],
    problems: &'static [&'static str],
}

/// Runs every case, then reports all that failed.
fn check_all(cases: &[Case]) {
    let mut failed = String::new();
    for case in cases {
        let cluster = cluster_with(
            case.manifests,
            &Options {
                pods: true,
                ..Options::default()
            },
        );
        let found = lines(&cluster);
        let problems: Vec<_> = cluster.problems.iter().map(ToString::to_string).collect();
        if found != case.objects || problems != case.problems {
            let name = case.name;
            write!(failed, "\n{name}:\n{found:#?}\n{problems:#?}").expect("a string");
        }
    }
    assert!(failed.is_empty(), "{failed}");
}
