//! Services of several clusters (`multicluster`): ServiceImports, which an API server knows only once
//! somebody has told it what they are, and the slices of their endpoints.

use serde_json::{Value, json};

use crate::api::Place;
use crate::differential::cluster::ask::Depth;
use crate::server::View;
use crate::world::{Row, World, until};

const DEFINITION: &str = include_str!("../manifests/imports-definition.yaml");
const RIGHTS: &str = include_str!("../manifests/imports-rights.yaml");
const OBJECTS: &str = include_str!("../manifests/imports.yaml");

/// The namespace of the objects.
const IMPORTS: &str = "imports";

/// A name of each kind, and its answers where nothing is left out.
const ANSWERS: &[Row<'_>] = &[
    ("web.imports.svc.clusterset.local.", "A", "10.200.0.1"),
    ("web.imports.svc.clusterset.local.", "AAAA", "fd00:200::1"),
    (
        "db.imports.svc.clusterset.local.",
        "A",
        "10.201.0.4; 10.201.0.5",
    ),
    (
        "db-0.West.db.imports.svc.clusterset.local.",
        "AAAA",
        "fd00:202::4",
    ),
    ("derived.imports.svc.cluster.local.", "A", "10.96.105.1"),
    ("web.imports.svc.cluster.local.", "A", "NXDOMAIN"),
    ("no-port.imports.svc.clusterset.local.", "A", "NXDOMAIN"),
];

pub(super) fn all(world: &mut World) -> Result<(), String> {
    world.api.apply(RIGHTS)?;
    world.restart_with(View::OF_CLUSTERS)?;
    without_definition(world)?;
    define(world)?;
    fill(world)?;
    changes(world)?;
    world.restart()?;
    world.agree(&[IMPORTS], Depth::Full)?;
    super::running::programming_of_imports(world, IMPORTS)?;
    world.restart_with(View::OF_CLUSTERS)?;
    undefine(world)?;
    define(world)?;
    fill(world)?;
    world.agree(&[IMPORTS], Depth::Brief)?;
    world.api.delete(Place::new("Namespace", "", IMPORTS))?;
    expect(
        world,
        &[("web.imports.svc.clusterset.local.", "A", "NXDOMAIN")],
    )?;
    world.gone(Place::new("Namespace", "", IMPORTS))?;
    world.agree(&[IMPORTS], Depth::Brief)?;
    world.restart_with(View::ALL)
}

fn expect(world: &World, rows: &[Row<'_>]) -> Result<(), String> {
    world.expect(View::Imports, rows).map(drop)
}

/// Nobody has told the API server what ServiceImports are: what is known is answered, and no name is
/// said not to exist, in the cluster's own zone neither.
fn without_definition(world: &World) -> Result<(), String> {
    expect(
        world,
        &[
            ("kubernetes.default.svc.cluster.local.", "A", "10.96.0.1"),
            ("nothing.default.svc.cluster.local.", "A", "SERVFAIL"),
            ("nothing.default.svc.clusterset.local.", "A", "SERVFAIL"),
        ],
    )?;
    until(|| world.callsign.has_said("CustomResourceDefinition").err())
}

/// Tells it, while both servers run.
fn define(world: &World) -> Result<(), String> {
    world.api.apply(DEFINITION)?;
    until(|| world.api.list("ServiceImport", "").err())?;
    let nothing = "nothing.default.svc.clusterset.local.";
    let [coredns, callsign] = world.expect(View::Imports, &[(nothing, "A", "NXDOMAIN")])?;
    println!("          defined: CoreDNS after {coredns:.1?}, callsign after {callsign:.1?}");
    // Each block asks at times of its own.
    let mut rest = View::OF_CLUSTERS.iter();
    rest.try_for_each(|view| {
        let row = (nothing, "A", "NXDOMAIN");
        world.expect(*view, &[row]).map(drop)
    })
}

fn fill(world: &World) -> Result<(), String> {
    world.new_namespace(IMPORTS, "yes")?;
    world.api.apply(OBJECTS)?;
    expect(world, ANSWERS)?;
    world.agree(&[IMPORTS], Depth::Brief)
}

/// What is done to an object, and an answer after it.
struct Change {
    title: &'static str,
    kind: &'static str,
    name: &'static str,
    /// a merge patch; none where it is deleted
    patch: Option<Value>,
    row: Row<'static>,
}

const WEB: &str = "web.imports.svc.clusterset.local.";
const DB: &str = "db.imports.svc.clusterset.local.";

/// Changes of imports.
fn of_imports() -> Vec<Change> {
    let change = |title, name, patch, row| Change {
        title,
        kind: "ServiceImport",
        name,
        patch: Some(patch),
        row,
    };
    let exposed = |word: Value| json!({"metadata": {"labels": {"exposed": word}}});
    vec![
        change(
            "other addresses, of one family",
            "web",
            json!({"spec": {"ips": ["10.200.0.9"]}}),
            (WEB, "A", "10.200.0.9"),
        ),
        change(
            "another port",
            "web",
            json!({"spec": {"ports": [{"name": "https", "port": 443, "protocol": "TCP"}]}}),
            (
                "_http._tcp.web.imports.svc.clusterset.local.",
                "SRV",
                "NXDOMAIN",
            ),
        ),
        change(
            "it becomes headless",
            "web",
            json!({"spec": {"type": "Headless"}}),
            (WEB, "A", "10.201.0.1; 10.201.0.2; 10.202.0.1"),
        ),
        change(
            "it has addresses again",
            "web",
            json!({"spec": {"type": "ClusterSetIP"}}),
            (WEB, "A", "10.200.0.9"),
        ),
        change(
            "a selector takes it no more",
            "db",
            exposed(Value::Null),
            (DB, "A", "10.201.0.4; 10.201.0.5"),
        ),
        change(
            "a selector takes it again",
            "db",
            exposed(json!("yes")),
            (DB, "A", "10.201.0.4; 10.201.0.5"),
        ),
    ]
}

/// Changes of what imports are made of, and then of an import that goes.
fn of_slices() -> Vec<Change> {
    let change = |title, name, patch, row| Change {
        title,
        kind: "EndpointSlice",
        name,
        patch,
        row,
    };
    let label = |key: &str, value: Value| {
        let key = format!("multicluster.kubernetes.io/{key}");
        Some(json!({"metadata": {"labels": {key: value}}}))
    };
    let unready = json!({"endpoints": [
        {"addresses": ["10.201.0.4"], "hostname": "db-0", "conditions": {"ready": false}},
        {"addresses": ["10.201.0.5"], "hostname": "db-1"},
    ]});
    let north = "db-0.north.db.imports.svc.clusterset.local.";
    let moved = "db-0.north.web.imports.svc.clusterset.local.";
    vec![
        change(
            "it is of another cluster",
            "db-west",
            label("source-cluster", json!("north")),
            (north, "AAAA", "fd00:202::4"),
        ),
        change(
            "it is one of another import",
            "db-west",
            label("service-name", json!("web")),
            (moved, "AAAA", "fd00:202::4"),
        ),
        change(
            "it is one of none any more",
            "db-east",
            label("service-name", Value::Null),
            (DB, "A", "NXDOMAIN"),
        ),
        change(
            "it is one again",
            "db-east",
            label("service-name", json!("db")),
            (DB, "A", "10.201.0.4; 10.201.0.5"),
        ),
        change(
            "an endpoint is not ready",
            "db-east",
            Some(unready),
            (DB, "A", "10.201.0.5"),
        ),
        change(
            "a selector takes it no more",
            "web-east",
            Some(json!({"metadata": {"labels": {"tier": null}}})),
            (
                "web-0.east.web.imports.svc.clusterset.local.",
                "A",
                "10.201.0.1",
            ),
        ),
        change("it is deleted", "db-east", None, (DB, "A", "NXDOMAIN")),
        Change {
            kind: "ServiceImport",
            ..change("an import is deleted", "web", None, (WEB, "A", "NXDOMAIN"))
        },
    ]
}

/// How many changes there are from one comparison of all names to the next.
const COMPARED: usize = 2;

/// Each change that a name follows, one after the other.
fn changes(world: &World) -> Result<(), String> {
    let all = of_imports().into_iter().chain(of_slices());
    for (number, change) in (1..).zip(all) {
        let at = |problem: String| format!("{}: {problem}", change.title);
        let place = Place::new(change.kind, IMPORTS, change.name);
        let done = match &change.patch {
            Some(patch) => world.api.patch(place, patch),
            None => world.api.delete(place),
        };
        done.map_err(at)?;
        expect(world, &[change.row]).map_err(at)?;
        if number % COMPARED == 0 {
            world.agree(&[IMPORTS], Depth::Brief).map_err(at)?;
        }
    }
    Ok(())
}

/// Takes back what was told: the API server deletes all that it has of it.
fn undefine(world: &World) -> Result<(), String> {
    let place = Place::new(
        "CustomResourceDefinition",
        "",
        "serviceimports.multicluster.x-k8s.io",
    );
    world.api.delete(place)?;
    world.gone(place)?;
    expect(
        world,
        &[
            ("hidden.imports.svc.clusterset.local.", "A", "NXDOMAIN"),
            ("db.imports.svc.clusterset.local.", "A", "NXDOMAIN"),
            ("derived.imports.svc.cluster.local.", "A", "10.96.105.1"),
        ],
    )
}
