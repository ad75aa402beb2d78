//! Objects as the API writes them, from slim ones.

use callsign::kubernetes::object::{
    Endpoint, EndpointSlice, Key, Kind, Object, Pod, Port, Protocol, Service, ServiceKind,
};
use serde_json::{Map, Value, json};

/// An object as it stands in a list or an event.
pub(crate) fn of_api(object: &Object) -> Value {
    let mut body = match object {
        Object::Namespace(_) => json!({}),
        Object::Service(service) => of_service(service),
        Object::ServiceImport(import) => json!({"spec": import_spec(import)}),
        Object::EndpointSlice(slice) => of_slice(slice),
        Object::Pod(pod) => json!({"status": pod_status(pod)}),
    };
    let (api_version, kind) = kind_of(object.kind());
    body["apiVersion"] = json!(api_version);
    body["kind"] = json!(kind);
    body["metadata"] = metadata(&object.key());
    match object {
        Object::EndpointSlice(slice) => body["metadata"]["labels"] = labels(slice).into(),
        Object::Pod(pod) => body["metadata"]["labels"] = pod_labels(pod).into(),
        _ => {}
    }
    body
}

fn pod_labels(pod: &Pod) -> Map<String, Value> {
    let labels = pod.labels.iter();
    let labels = labels.map(|(name, value)| (name.to_string(), json!(&**value)));
    labels.collect()
}

/// What a slice is a part of.
fn labels(slice: &EndpointSlice) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut label = |name: &str, value: &str| labels.insert(name.to_owned(), json!(value));
    if !slice.service.is_empty() {
        label("kubernetes.io/service-name", &slice.service);
    }
    if let Some(import) = &slice.import {
        label("multicluster.kubernetes.io/service-name", &import.service);
        label("multicluster.kubernetes.io/source-cluster", &import.cluster);
    }
    labels
}

/// The version of a kind and its name.
pub(crate) fn kind_of(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Namespace => ("v1", "Namespace"),
        Kind::Service => ("v1", "Service"),
        Kind::EndpointSlice => ("discovery.k8s.io/v1", "EndpointSlice"),
        Kind::Pod => ("v1", "Pod"),
        Kind::ServiceImport => ("multicluster.x-k8s.io/v1alpha1", "ServiceImport"),
    }
}

fn metadata(key: &Key) -> Value {
    let mut metadata = json!({"name": &*key.name});
    if !key.namespace.is_empty() {
        metadata["namespace"] = json!(&*key.namespace);
    }
    metadata
}

fn import_spec(import: &Service) -> Value {
    let (kind, ips) = match &import.kind {
        ServiceKind::ClusterIp(ips) => ("ClusterSetIP", &**ips),
        _ => ("Headless", &[][..]),
    };
    let ports: Vec<Value> = import.ports.iter().map(port).collect();
    json!({"type": kind, "ips": ips, "ports": ports})
}

fn of_service(service: &Service) -> Value {
    let mut object = json!({"spec": service_spec(service)});
    let Some(external) = &service.external else {
        return object;
    };
    object["spec"]["externalIPs"] = json!(&*external.ips);
    let ips = external.ingress_ips.iter().map(|ip| json!({"ip": ip}));
    let hosts = external.ingress_hostnames.iter();
    let hosts = hosts.map(|host| json!({"hostname": &**host}));
    let ingress: Vec<Value> = ips.chain(hosts).collect();
    object["status"] = json!({"loadBalancer": {"ingress": ingress}});
    object
}

fn service_spec(service: &Service) -> Value {
    let mut spec = match &service.kind {
        ServiceKind::ClusterIp(ips) => json!({
            "type": "ClusterIP",
            "clusterIP": ips.first(),
            "clusterIPs": &**ips,
        }),
        ServiceKind::Headless => json!({
            "type": "ClusterIP",
            "clusterIP": "None",
            "clusterIPs": ["None"],
        }),
        ServiceKind::ExternalName(target) => json!({
            "type": "ExternalName",
            "externalName": &**target,
        }),
    };
    spec["ports"] = service.ports.iter().map(port).collect();
    spec
}

fn of_slice(slice: &EndpointSlice) -> Value {
    let endpoints: Vec<Value> = slice.endpoints.iter().map(endpoint).collect();
    let families = slice.endpoints.iter().flat_map(|one| one.addresses.iter());
    let is_v6 = families.clone().next().is_some_and(|ip| ip.is_ipv6());
    let has_names = slice.endpoints.iter().any(|one| !one.names.is_empty());
    json!({
        "addressType": match (has_names, is_v6) {
            (true, _) => "FQDN",
            (false, true) => "IPv6",
            (false, false) => "IPv4",
        },
        "endpoints": endpoints,
        "ports": slice.ports.iter().map(port).collect::<Vec<_>>(),
    })
}

fn endpoint(endpoint: &Endpoint) -> Value {
    let addresses = endpoint.addresses.iter().map(|ip| json!(ip));
    let names = endpoint.names.iter().map(|name| json!(&**name));
    let mut object = json!({
        "addresses": addresses.chain(names).collect::<Vec<_>>(),
        "conditions": {"ready": endpoint.ready},
    });
    if let Some(hostname) = &endpoint.hostname {
        object["hostname"] = json!(&**hostname);
    }
    if let Some(zone) = &endpoint.zone {
        object["zone"] = json!(&**zone);
    }
    if let Some(pod) = &endpoint.pod {
        object["targetRef"] = json!({"kind": "Pod", "name": &**pod});
    }
    object
}

fn port(port: &Port) -> Value {
    let protocol = match port.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
        Protocol::Unset => "",
    };
    let mut object = Map::new();
    if !protocol.is_empty() {
        object.insert("protocol".to_owned(), json!(protocol));
    }
    if !port.name.is_empty() {
        object.insert("name".to_owned(), json!(&*port.name));
    }
    // A slice without a number means every port.
    if port.number > 0 {
        object.insert("port".to_owned(), json!(port.number));
    }
    Value::Object(object)
}

fn pod_status(pod: &Pod) -> Value {
    let ips: Vec<Value> = pod.ips.iter().map(|ip| json!({"ip": ip})).collect();
    json!({"phase": "Running", "podIP": pod.ips.first(), "podIPs": ips})
}
