//! Slim objects as the API server writes them.

use callsign::kubernetes::object::{
    Endpoint, EndpointSlice, Key, Kind, Object, Pod, Port, Protocol, Service, ServiceKind,
};
use serde_json::{Map, Value, json};

/// The one version that everything has.
const VERSION: &str = "1";

/// An object as it stands in a list or an event.
pub(super) fn of_api(object: &Object) -> Value {
    let mut body = match object {
        Object::Namespace(_) => json!({}),
        Object::Service(service) => json!({
            "spec": service_spec(service),
            "status": service_status(service),
        }),
        Object::EndpointSlice(slice) => of_slice(slice),
        Object::Pod(pod) => json!({"status": pod_status(pod)}),
    };
    let (api_version, kind) = kind_of(object.kind());
    body["apiVersion"] = json!(api_version);
    body["kind"] = json!(kind);
    body["metadata"] = metadata(&object.key());
    if let Object::EndpointSlice(slice) = object
        && !slice.service.is_empty()
    {
        body["metadata"]["labels"] = json!({"kubernetes.io/service-name": &*slice.service});
    }
    body
}

/// All objects of a kind.
pub(super) fn list(kind: Kind, objects: Vec<Value>) -> Value {
    let (api_version, name) = kind_of(kind);
    json!({
        "apiVersion": api_version,
        "kind": format!("{name}List"),
        "metadata": {"resourceVersion": VERSION},
        "items": objects,
    })
}

/// The bookmark after the last object that was there when a watch started.
pub(super) fn end_of_initial_events(kind: Kind) -> Value {
    let (api_version, kind) = kind_of(kind);
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "resourceVersion": VERSION,
            "annotations": {"k8s.io/initial-events-end": "true"},
        },
    })
}

fn kind_of(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Namespace => ("v1", "Namespace"),
        Kind::Service => ("v1", "Service"),
        Kind::EndpointSlice => ("discovery.k8s.io/v1", "EndpointSlice"),
        Kind::Pod => ("v1", "Pod"),
    }
}

fn metadata(key: &Key) -> Value {
    let mut metadata = json!({"name": &*key.name, "resourceVersion": VERSION});
    if !key.namespace.is_empty() {
        metadata["namespace"] = json!(&*key.namespace);
    }
    metadata
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
    if let Some(external) = &service.external {
        spec["externalIPs"] = json!(&*external.ips);
    }
    spec
}

fn service_status(service: &Service) -> Value {
    let Some(external) = &service.external else {
        return json!({});
    };
    let ips = external.ingress_ips.iter().map(|ip| json!({"ip": ip}));
    let hosts = external.ingress_hostnames.iter();
    let hosts = hosts.map(|host| json!({"hostname": &**host}));
    let ingress: Vec<Value> = ips.chain(hosts).collect();
    json!({"loadBalancer": {"ingress": ingress}})
}

fn of_slice(slice: &EndpointSlice) -> Value {
    let endpoints: Vec<Value> = slice.endpoints.iter().map(endpoint).collect();
    let families = slice.endpoints.iter().flat_map(|one| one.addresses.iter());
    let is_v6 = families.clone().next().is_some_and(|ip| ip.is_ipv6());
    json!({
        "addressType": if is_v6 { "IPv6" } else { "IPv4" },
        "endpoints": endpoints,
        "ports": slice.ports.iter().map(port).collect::<Vec<_>>(),
    })
}

fn endpoint(endpoint: &Endpoint) -> Value {
    let mut object = json!({
        "addresses": &*endpoint.addresses,
        "conditions": {"ready": endpoint.ready},
    });
    if let Some(hostname) = &endpoint.hostname {
        object["hostname"] = json!(&**hostname);
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
    };
    let mut object = Map::new();
    object.insert("protocol".to_owned(), json!(protocol));
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
