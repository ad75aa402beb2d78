//! What a server tells of itself, and what becomes of it when its Corefile changes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::{Server, View};
use crate::world::{World, until};

const NAMESPACE: &str = "running";

/// The annotation by which a slice tells when what it is made from changed.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Slices one after the other: Service, how many seconds ago what it was made from changed (nothing
/// where that is not told, or not as a time), its address.
const SLICES: &[(&str, Option<&str>, &str)] = &[
    ("headless", Some("264"), "192.0.2.41"),
    ("headless", Some("132"), "192.0.2.42"),
    ("headless", Some("66"), "192.0.2.42"),
    ("cluster-ip", Some("33"), "192.0.2.43"),
    ("no-service", Some("5"), "192.0.2.44"),
    ("told-by-nobody", None, "192.0.2.45"),
    ("told-wrongly", Some("yesterday"), "192.0.2.46"),
];

/// The metric's lines for both kinds of Services: of the slices above, and of one that is deleted.
const PROGRAMMING: &str = "coredns_kubernetes_dns_programming_duration_seconds";

pub(super) fn programming(world: &mut World) -> Result<(), String> {
    world.new_namespace(NAMESPACE, "no")?;
    for (name, ip) in [
        ("headless", "None"),
        ("cluster-ip", "10.96.106.1"),
        ("told-by-nobody", "None"),
        ("told-wrongly", "None"),
    ] {
        world.api.apply_one(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"clusterIP": ip, "ports": [{"port": 80}]},
        }))?;
    }
    world.restart_with(View::ONE)?;
    world.settle()?;
    let before = counts_of_both(world)?;
    for (service, ago, ip) in SLICES {
        world.api.apply_one(&slice(service, *ago, ip))?;
    }
    world.settle()?;
    world
        .api
        .delete(Place::new("EndpointSlice", NAMESPACE, "headless"))?;
    world.settle()?;
    let expected = [
        // Of 33 s; the scheduler may add some.
        (("cluster_ip", "32.768"), 0),
        (("cluster_ip", "65.536"), 1),
        // Of 66 s, twice as its deletion counts too, of 132 s, of 264 s.
        (("headless_with_selector", "65.536"), 0),
        (("headless_with_selector", "131.072"), 2),
        (("headless_with_selector", "262.144"), 3),
        (("headless_with_selector", "524.288"), 4),
        (("headless_with_selector", "+Inf"), 4),
    ];
    expect_added(world, before, &expected)?;
    world.restart_with(View::ALL)
}

/// A slice of a Service that is a part of an import, too: it comes by both watches that CoreDNS has.
pub(super) fn programming_of_imports(world: &mut World, namespace: &str) -> Result<(), String> {
    world.restart_with(&[View::Imports])?;
    world.settle()?;
    let before = counts_of_both(world)?;
    let mut slice = slice("derived", Some("66"), "192.0.2.47");
    slice["metadata"]["namespace"] = json!(namespace);
    slice["metadata"]["name"] = json!("programmed");
    slice["metadata"]["labels"]["multicluster.kubernetes.io/service-name"] = json!("web");
    slice["metadata"]["labels"]["multicluster.kubernetes.io/source-cluster"] = json!("east");
    world.api.apply_one(&slice)?;
    world.settle()?;
    let mut expected = [
        (("cluster_ip", "65.536"), 0),
        (("cluster_ip", "131.072"), 2),
    ];
    expect_added(world, before.clone(), &expected)?;
    let place = Place::new("EndpointSlice", namespace, "programmed");
    world.api.delete(place)?;
    world.settle()?;
    expected[1].1 = 4;
    expect_added(world, before, &expected)
}

/// How many changes there were, of CoreDNS and of callsign.
type Counts = BTreeMap<String, u64>;

fn counts_of_both(world: &World) -> Result<[Counts; 2], String> {
    let [coredns, callsign] = world.servers().map(counts);
    Ok([coredns?, callsign?])
}

/// Waits until both servers have counted so many more, by kind and upper edge.
fn expect_added(
    world: &World,
    before: [Counts; 2],
    expected: &[((&str, &str), u64)],
) -> Result<(), String> {
    for (server, before) in world.servers().into_iter().zip(before) {
        until(|| {
            let now = match counts(server) {
                Ok(now) => now,
                Err(problem) => return Some(problem),
            };
            let of = |counts: &Counts, kind: &str, le: &str| {
                let line = format!("{{service_kind=\"{kind}\",le=\"{le}\"}}");
                counts.get(&line).copied().unwrap_or_default()
            };
            let added = expected.iter().map(|((kind, le), _)| {
                let added = of(&now, kind, le).saturating_sub(of(&before, kind, le));
                ((*kind, *le), added)
            });
            let added: Vec<_> = added.collect();
            let name = server.name;
            (added != expected).then(|| format!("{name}:\n  - {expected:?}\n  + {added:?}"))
        })?;
    }
    Ok(())
}

/// How many changes took at most so long, by the labels of a line.
fn counts(server: &Server) -> Result<Counts, String> {
    let lines = server.metrics(&format!("{PROGRAMMING}_bucket"))?;
    let counts = lines.iter().filter_map(|line| {
        let (labels, count) = line.rsplit_once(' ')?;
        let labels = labels.strip_prefix(&format!("{PROGRAMMING}_bucket"))?;
        Some((labels.to_owned(), count.parse::<f64>().ok()? as u64))
    });
    Ok(counts.collect())
}

fn slice(service: &str, ago: Option<&str>, ip: &str) -> Value {
    let mut object = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": service, "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4", "endpoints": [{"addresses": [ip]}],
    });
    if let Some(ago) = ago {
        let time = match ago.parse() {
            Ok(seconds) => time(SystemTime::now() - Duration::from_secs(seconds)),
            Err(_) => ago.to_owned(),
        };
        object["metadata"]["annotations"] = json!({TRIGGER: time});
    }
    object
}

/// A time as the API has it.
fn time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|error| error.to_string(), |at| at.to_string())
}

pub(super) fn reload(world: &mut World) -> Result<(), String> {
    let both = |world: &World, from: &str, to: &str| {
        let mut servers = world.servers().into_iter();
        servers.try_for_each(|server| server.reload(from, to))
    };
    let expect = |world: &World, other: &str| {
        let own = ("kubernetes.default.svc.cluster.local.", "A", "10.96.0.1");
        let other = ("kubernetes.default.svc.other.example.", "A", other);
        world.expect(View::Verified, &[own, other]).map(drop)
    };
    expect(world, "SERVFAIL")?;
    both(
        world,
        "kubernetes cluster.local ",
        "kubernetes cluster.local other.example ",
    )?;
    expect(world, "10.96.0.1")?;
    world.agree(&["default"], Depth::Brief)?;
    both(
        world,
        "kubernetes cluster.local other.example ",
        "kubernetes cluster.local ",
    )?;
    expect(world, "SERVFAIL")?;
    world.agree(&["default"], Depth::Brief)
}
