//! Objects of odd shapes, as an API server may tell them: both servers read them as they stand here,
//! with what nobody sets, sets to null, or sets in a way that a manifest would not have.

use serde_json::{Value, json};

/// A namespace with everything in it.
const NAMESPACE: &str = "raw";

/// A namespace of which there is no object.
const VOID: &str = "void";

/// All objects. `void` and what is in it come without a Namespace.
pub(super) fn objects() -> Value {
    let namespaces = [NAMESPACE, "default"].map(|name| {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": null},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Terminating"}})
    });
    let items = namespaces.into_iter();
    let items = items.chain(ports()).chain(services()).chain(outside());
    let items = items
        .chain(slices())
        .chain(endpoints())
        .chain(aliases())
        .chain(pods());
    json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()})
}

fn service(namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": spec})
}

/// A headless Service without ports, whose slice has them.
fn headless(name: &str) -> Value {
    let spec = json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]});
    service(NAMESPACE, name, spec)
}

/// The slice of a Service of this name. What `more` says is said in the place of what all have.
fn slice([namespace, service]: [&str; 2], number: usize, more: Value) -> Value {
    let mut slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": format!("{service}-{number}"),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "endpoints": [],
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        slice[field] = value.clone();
    }
    slice
}

/// Ports that are alike, or of odd names.
fn ports() -> [Value; 4] {
    let all = json!([
        {"name": "http", "port": 80, "protocol": "TCP"},
        {"name": "http", "port": 80, "protocol": "TCP"},
        {"name": "http", "port": 81, "protocol": "TCP"},
        {"name": "http", "port": 80, "protocol": "UDP"},
        {"name": "HTTP", "port": 82, "protocol": "TCP"},
        {"name": "_http", "port": 83, "protocol": "TCP"},
        {"name": "", "port": 84, "protocol": "SCTP"},
        {"name": null, "port": 84, "protocol": "UDP"},
        {"port": 85, "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"},
        {"name": "udp", "port": 87, "protocol": "TCP"},
    ]);
    let endpoints = json!([
        {"addresses": ["10.30.0.1"], "hostname": "one"},
        {"addresses": ["10.30.0.2"]},
    ]);
    [
        service(
            NAMESPACE,
            "ports",
            json!({"clusterIPs": ["10.97.0.1", "fd00:97::1"], "ports": all}),
        ),
        headless("slice-ports"),
        slice(
            [NAMESPACE, "slice-ports"],
            1,
            json!({"ports": all, "endpoints": endpoints}),
        ),
        slice(
            [NAMESPACE, "slice-ports"],
            2,
            json!({"ports": null, "endpoints": endpoints}),
        ),
    ]
}

/// ExternalNames that are hardly names, addresses that are not there, Services in no namespace.
fn services() -> Vec<Value> {
    let long = ["label-of-a-name-that-has-three-hundred-bytes"; 7].join(".");
    let targets = [
        ("empty", ""),
        ("root", "."),
        ("capitals", "WWW.Example.ORG"),
        ("address", "192.0.2.1"),
        ("address-six", "2001:DB8::1"),
        ("long", long.as_str()),
        ("itself", "Itself.raw.svc.cluster.local."),
        ("below", "x.below.raw.svc.cluster.local"),
        ("to-alias", "alias.raw.svc.cluster.local"),
        ("to-headless", "slice-ports.raw.svc.cluster.local"),
        ("to-nobody", "in-void.void.svc.cluster.local"),
        ("to-version", "dns-version.cluster.local"),
        ("escaped", "a\\.b.example.org"),
    ];
    let targets = targets.map(|(name, target)| {
        let name = format!("to-{name}").replace("to-to-", "to-");
        let spec = json!({"type": "ExternalName", "externalName": target, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]});
        service(NAMESPACE, &name, spec)
    });
    let others = [
        service(
            NAMESPACE,
            "itself",
            json!({"type": "ExternalName", "externalName": "Itself.raw.svc.cluster.local."}),
        ),
        service(
            NAMESPACE,
            "below",
            json!({"type": "ExternalName", "externalName": "x.below.raw.svc.cluster.local"}),
        ),
        service(
            NAMESPACE,
            "node-port",
            json!({
                "type": "NodePort", "clusterIP": "10.97.0.2", "clusterIPs": ["10.97.0.2"],
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30000, "targetPort": "http"}],
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            }),
        ),
        service(
            NAMESPACE,
            "old",
            json!({"clusterIP": "10.97.0.3", "ports": [{"port": 80, "protocol": "TCP"}]}),
        ),
        service(
            NAMESPACE,
            "no-ports",
            json!({"clusterIP": "10.97.0.4", "clusterIPs": null, "ports": null}),
        ),
        service(
            VOID,
            "in-void",
            json!({"clusterIP": "10.97.0.5", "ports": [{"port": 80, "protocol": "TCP"}]}),
        ),
        service(VOID, "headless-in-void", json!({"clusterIP": "None"})),
    ];
    targets.into_iter().chain(others).collect()
}

/// What leads to Services from outside, in all forms that load balancers tell it.
fn outside() -> Vec<Value> {
    let balanced = |name: &str, address: u8, ingress: Value| {
        let mut service = service(
            NAMESPACE,
            name,
            json!({
                "type": "LoadBalancer",
                "clusterIP": format!("10.97.1.{address}"),
                "externalIPs": ["198.51.100.9", "198.51.100.9"],
                "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}],
            }),
        );
        service["status"] = json!({"loadBalancer": {"ingress": ingress}});
        service
    };
    let mut external = service(
        NAMESPACE,
        "external-name",
        json!({
            "type": "ExternalName", "externalName": "www.example.org", "externalIPs": ["198.51.100.12"],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        }),
    );
    external["status"] = json!({"loadBalancer": {"ingress": [{"hostname": "lb.example.net"}]}});
    vec![
        balanced(
            "both",
            1,
            json!([{"ip": "203.0.113.1", "hostname": "lb.example.net"}]),
        ),
        balanced(
            "several",
            2,
            json!([
                {"ip": "203.0.113.2"},
                {"hostname": "www.example.org", "ip": ""},
                {"hostname": "www.example.org", "ports": [{"port": 80, "protocol": "TCP"}]},
                {"hostname": "WWW.Example.org."},
                {"ip": "2001:db8::2", "ipMode": "VIP"},
                {"ip": "203.0.113.2", "ipMode": "Proxy"},
            ]),
        ),
        balanced("pending", 3, json!(null)),
        external,
    ]
}

/// Conditions, families and labels of slices.
fn slices() -> Vec<Value> {
    let one = |ip: &str| json!([{"addresses": [ip]}]);
    let conditions = json!([
        {"addresses": ["10.31.0.1"], "conditions": null},
        {"addresses": ["10.31.0.2"], "conditions": {}},
        {"addresses": ["10.31.0.3"], "conditions": {"ready": null}},
        {"addresses": ["10.31.0.4"], "conditions": {"ready": true, "serving": false, "terminating": true}},
        {"addresses": ["10.31.0.5"], "conditions": {"ready": false, "serving": true, "terminating": true}},
        {"addresses": ["10.31.0.6"], "conditions": {"serving": false}},
        {"addresses": ["10.31.0.7"], "conditions": {"terminating": true}},
    ]);
    let mut deleted = slice(
        [NAMESPACE, "families"],
        4,
        json!({"endpoints": one("10.31.2.2")}),
    );
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let mut unlabelled = slice(
        [NAMESPACE, "families"],
        5,
        json!({"endpoints": one("10.31.2.3")}),
    );
    unlabelled["metadata"]["labels"] = json!(null);
    vec![
        headless("conditions"),
        slice(
            [NAMESPACE, "conditions"],
            1,
            json!({"endpoints": conditions}),
        ),
        headless("families"),
        slice(
            [NAMESPACE, "families"],
            1,
            json!({"endpoints": one("10.31.2.1")}),
        ),
        slice(
            [NAMESPACE, "families"],
            2,
            json!({"endpoints": one("fd00:31::1"), "addressType": "IPv6"}),
        ),
        slice([NAMESPACE, "families"], 3, json!({"endpoints": null})),
        deleted,
        unlabelled,
        headless("no-slice-ports"),
        slice(
            [NAMESPACE, "no-slice-ports"],
            1,
            json!({"endpoints": one("10.31.3.1"), "ports": []}),
        ),
        slice(
            [NAMESPACE, "no-slice-ports"],
            2,
            json!({"endpoints": one("10.31.3.2"), "ports": [{"protocol": "TCP", "name": "any", "port": null}]}),
        ),
        slice(
            [NAMESPACE, "no-service"],
            1,
            json!({"endpoints": one("10.31.4.1")}),
        ),
        slice(
            [VOID, "headless-in-void"],
            1,
            json!({"endpoints": one("10.31.5.1")}),
        ),
        slice(
            [VOID, "no-service"],
            1,
            json!({"endpoints": one("10.31.6.1")}),
        ),
    ]
}

/// What endpoints are called.
fn endpoints() -> [Value; 2] {
    let named = json!([
        {"addresses": ["10.31.1.1"], "hostname": ""},
        {"addresses": ["10.31.1.2"], "hostname": null, "targetRef": null},
        {"addresses": ["10.31.1.3"], "targetRef": {"kind": "Pod", "name": ""}},
        {"addresses": ["10.31.1.4"], "targetRef": {"kind": "Pod", "namespace": "elsewhere", "name": "Pod.With.Dots"}},
        {"addresses": ["10.31.1.5"], "hostname": "a.b"},
        {"addresses": ["10.31.1.6"], "hostname": "Upper"},
        {"addresses": ["10.31.1.7", "10.31.1.8", "10.31.1.7"], "hostname": "upper"},
        {"addresses": []},
        {"addresses": null, "hostname": "nowhere"},
    ]);
    [
        headless("named"),
        slice([NAMESPACE, "named"], 1, json!({"endpoints": named})),
    ]
}

/// Endpoints that are names: one, several, beside addresses, with several ports, and not ready.
fn aliases() -> Vec<Value> {
    let named = |service: &str, number: usize, names: &[&str]| {
        let endpoints: Vec<Value> = names
            .iter()
            .map(|name| json!({"addresses": [name]}))
            .collect();
        slice(
            [NAMESPACE, service],
            number,
            json!({"addressType": "FQDN", "endpoints": endpoints}),
        )
    };
    // Nobody is told of them; they say what is asked for.
    let asked = json!([
        {"addresses": ["10.32.0.1"], "hostname": "www-example-org", "conditions": {"ready": false}},
        {"addresses": ["10.32.0.2"], "hostname": "gone-example", "conditions": {"ready": false}},
        {"addresses": ["10.32.0.3"], "hostname": "localhost", "conditions": {"ready": false}},
    ]);
    let services = [
        "alias",
        "alias-inside",
        "alias-of-itself",
        "alias-of-one-label",
        "aliases",
        "alias-of-two-ports",
        "alias-beside-addresses",
        "alias-with-name",
        "alias-not-ready",
    ];
    let mut objects: Vec<Value> = services.iter().map(|name| headless(name)).collect();
    objects.extend([
        named("alias", 1, &["WWW.Example.org"]),
        named("alias-inside", 1, &["slice-ports.raw.svc.cluster.local"]),
        named("alias-of-itself", 1, &["x.alias-of-itself.raw.svc.cluster.local"]),
        named("alias-of-one-label", 1, &["localhost"]),
        named("aliases", 1, &["www.example.org", "gone.example"]),
        named("aliases", 2, &["www.example.org"]),
        named("alias-beside-addresses", 1, &["www.example.org"]),
        slice([NAMESPACE, "alias-beside-addresses"], 2, json!({"endpoints": [{"addresses": ["10.32.1.1"]}]})),
        slice([NAMESPACE, "alias-of-two-ports"], 1, json!({
            "addressType": "FQDN", "endpoints": [{"addresses": ["www.example.org"]}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "https", "port": 443, "protocol": "TCP"}],
        })),
        slice([NAMESPACE, "alias-with-name"], 1, json!({
            "addressType": "FQDN", "endpoints": [{"addresses": ["www.example.org"], "hostname": "Host", "zone": "zone-a"}],
        })),
        slice([NAMESPACE, "alias-not-ready"], 1, json!({
            "addressType": "FQDN", "endpoints": [{"addresses": ["www.example.org"], "conditions": {"ready": false}}],
        })),
        service(NAMESPACE, "alias-of-address", json!({"clusterIP": "10.97.2.1", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]})),
        named("alias-of-address", 1, &["www.example.org"]),
    ]);
    objects.extend(
        services
            .iter()
            .map(|name| slice([NAMESPACE, name], 9, json!({"endpoints": asked}))),
    );
    objects
}

fn pods() -> [Value; 4] {
    let pod = |name: &str, metadata: Value, status: Value| {
        let mut pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status});
        pod["metadata"]["namespace"] = json!(NAMESPACE);
        pod["metadata"]["name"] = json!(name);
        pod
    };
    [
        pod(
            "one-address",
            json!({}),
            json!({"phase": "Running", "podIP": "10.33.0.1"}),
        ),
        pod(
            "none",
            json!({}),
            json!({"phase": "Pending", "podIP": "", "podIPs": null}),
        ),
        pod(
            "two",
            json!({"labels": null}),
            json!({"phase": "Running", "podIPs": [{"ip": "10.33.0.2"}, {"ip": "fd00:33::2"}, {"ip": ""}]}),
        ),
        pod(
            "goes",
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            json!({"phase": "Running", "podIPs": [{"ip": "10.33.0.3"}]}),
        ),
    ]
}
