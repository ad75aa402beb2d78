//! Random clusters, one made of the other: what both servers tell after each step must be the same,
//! by events, and from a list.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::differential::cluster::random::manifests;
use crate::world::World;

/// The namespaces of the random clusters.
const NAMESPACES: &[&str] = &["default", "a", "bb", "svc"];

/// How many clusters follow one another.
const STEPS: u64 = 4;

pub(super) fn clusters(world: &mut World) -> Result<(), String> {
    let seed = world.seed;
    // Ranges of the addresses that the random Services have.
    for (number, range) in ["10.0.0.0/24", "fd00::/112", "fd00:10:96::/64"]
        .iter()
        .enumerate()
    {
        world.api.apply(&format!(
            "{{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {{name: random-{number}}}, spec: {{cidrs: ['{range}']}}}}"
        ))?;
    }
    NAMESPACES
        .iter()
        .try_for_each(|name| world.new_namespace(name, "no"))?;
    let mut dice = StdRng::seed_from_u64(seed);
    let mut before = BTreeMap::new();
    for step in 0..STEPS {
        let after = cluster(seed.wrapping_add(step));
        let at = || format!("SEED={seed}, step {step}");
        change(world, &before, &after, &mut dice)
            .map_err(|problem| format!("{}: {problem}", at()))?;
        world
            .agree(NAMESPACES, Depth::Brief)
            .map_err(|problem| format!("{}, by events: {problem}", at()))?;
        before = after;
    }
    world.restart()?;
    world
        .agree(NAMESPACES, Depth::Every)
        .map_err(|problem| format!("SEED={seed}, from a list: {problem}"))?;
    change(world, &before, &BTreeMap::new(), &mut dice)?;
    world.agree(NAMESPACES, Depth::Brief)
}

/// Objects by kind, namespace and name.
type Cluster = BTreeMap<String, Value>;

/// The objects of a random cluster as the API server takes them.
fn cluster(seed: u64) -> Cluster {
    let mut all = manifests(seed);
    let Value::Array(items) = all["items"].take() else {
        return Cluster::new();
    };
    items
        .into_iter()
        .filter_map(accepted)
        .map(|object| (key(&object), object))
        .collect()
}

fn key(object: &Value) -> String {
    format!("{:?}", Place::of(object))
}

/// Makes the cluster the other one: objects come, change and go in any order.
fn change(world: &World, from: &Cluster, to: &Cluster, dice: &mut StdRng) -> Result<(), String> {
    let changed = |key: &&String| from.get(*key) != to.get(*key);
    let mut gone: Vec<&String> = from.keys().filter(changed).collect();
    let mut new: Vec<&String> = to.keys().filter(changed).collect();
    gone.shuffle(dice);
    new.shuffle(dice);
    // An address is free, and a name too, when what had it is gone.
    for object in gone.iter().filter_map(|key| from.get(*key)) {
        let is_changed_in_place = to.get(&key(object)).is_some_and(|new| {
            new["addressType"].is_string() && new["addressType"] == object["addressType"]
        });
        if !is_changed_in_place {
            world.api.delete(Place::of(object))?;
            world.gone(Place::of(object))?;
        }
    }
    new.iter()
        .filter_map(|key| to.get(*key))
        .try_for_each(|object| world.api.apply_one(object))
}

/// An object as the API server takes it: the random ones break its rules. Namespaces stay as they
/// are, for all that is in one goes with it.
fn accepted(mut object: Value) -> Option<Value> {
    match object["kind"].as_str()? {
        "Service" => service(&mut object["spec"]),
        "EndpointSlice" => slice(&mut object),
        "Pod" => pod(&mut object),
        _ => return None,
    }
    Some(object)
}

/// Ports have names that are labels in lower case, and no two of them a name, or a number and a
/// protocol.
fn ports(spec: &mut Value) {
    let Value::Array(ports) = spec["ports"].take() else {
        return;
    };
    let mut kept: Vec<Value> = Vec::new();
    for (number, mut port) in ports.into_iter().enumerate() {
        let name = port["name"].as_str().unwrap_or_default().to_lowercase();
        let is_taken = |name: &str| kept.iter().any(|other| other["name"] == name);
        port["name"] = match name {
            name if name.is_empty() || is_taken(&name) => json!(format!("p{number}")),
            name => json!(name),
        };
        let same =
            |other: &Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        if !kept.iter().any(same) {
            kept.push(port);
        }
    }
    if let [only] = kept.as_mut_slice() {
        // One port may be without a name.
        only["name"] = json!("");
    }
    spec["ports"] = json!(kept);
}

fn service(spec: &mut Value) {
    ports(spec);
    let has_ports = spec["ports"]
        .as_array()
        .is_some_and(|ports| !ports.is_empty());
    if spec["type"] == "ExternalName" {
        let target = spec["externalName"].as_str().unwrap_or_default();
        spec["externalName"] = json!(target.trim_end_matches('.').to_lowercase());
        return;
    }
    if !has_ports && spec["clusterIP"] != "None" {
        spec["ports"] = json!([{"port": 80}]);
    }
    for ip in spec["clusterIPs"].as_array_mut().into_iter().flatten() {
        // The first address of a range is nobody's.
        if ip == "fd00:10:96::" {
            *ip = json!("fd00:10:96::96");
        }
    }
    let ips = spec["clusterIPs"].as_array().map_or(0, Vec::len);
    if ips > 0 {
        spec["clusterIP"] = spec["clusterIPs"][0].clone();
        spec["ipFamilyPolicy"] = json!(if ips > 1 {
            "RequireDualStack"
        } else {
            "SingleStack"
        });
    }
}

/// All addresses of a slice are of one family, and hostnames are labels in lower case.
fn slice(object: &mut Value) {
    ports(object);
    let Value::Array(endpoints) = object["endpoints"].take() else {
        return;
    };
    let are_names = object["addressType"] == "FQDN";
    let is_six = |ip: &Value| {
        let ip = ip.as_str().and_then(|ip| ip.parse::<IpAddr>().ok());
        ip.is_some_and(|ip| ip.is_ipv6())
    };
    let mut sixes = endpoints
        .iter()
        .flat_map(|endpoint| endpoint["addresses"].as_array());
    let six = sixes.next().and_then(|ips| ips.first()).is_some_and(is_six);
    let mut kept: Vec<Value> = Vec::new();
    for mut endpoint in endpoints {
        let Value::Array(mut ips) = endpoint["addresses"].take() else {
            continue;
        };
        if are_names {
            ips = ips.iter().filter_map(Value::as_str).map(domain).collect();
        } else {
            ips.retain(|ip| is_six(ip) == six);
        }
        // The API server keeps the first of several addresses for names, as servers do not.
        ips.dedup();
        if ips.is_empty() {
            continue;
        }
        endpoint["addresses"] = json!(ips);
        if endpoint["hostname"]
            .as_str()
            .is_some_and(|name| name.starts_with('_') || name == "H" || name.contains('.'))
        {
            endpoint["hostname"] = json!("h");
        }
        kept.push(endpoint);
    }
    object["addressType"] = json!(match (are_names, six) {
        (true, _) => "FQDN",
        (_, true) => "IPv6",
        (_, false) => "IPv4",
    });
    object["endpoints"] = json!(kept);
}

/// A name as the API server takes one for an endpoint: two labels at least, in lower case.
fn domain(name: &str) -> Value {
    let name = name.trim_end_matches('.').to_lowercase();
    json!(match name.contains('.') {
        true => name,
        false => format!("{name}.example.org"),
    })
}

/// A pod of the node whose kubelet the driver plays.
fn pod(object: &mut Value) {
    let ips = object["status"]["podIPs"].as_array().into_iter().flatten();
    let mut ips: Vec<&str> = ips.filter_map(|ip| ip["ip"].as_str()).collect();
    // One of each family.
    ips.dedup_by_key(|ip| ip.contains(':'));
    let annotations = json!({"ip": ips.join(","), "phase": object["status"]["phase"]});
    object["metadata"]["annotations"] = annotations;
    object["spec"] = json!({
        "nodeName": "node1", "automountServiceAccountToken": false,
        "containers": [{"name": "c", "image": "none"}],
    });
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
}
