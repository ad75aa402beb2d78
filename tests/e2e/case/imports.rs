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
    let rest = View::OF_CLUSTERS.iter();
    rest.map(|view| world.expect(*view, &[(nothing, "A", "NXDOMAIN")]).map(drop))
        .collect()
}

fn fill(world: &World) -> Result<(), String> {
    world.new_namespace(IMPORTS, "yes")?;
    world.api.apply(OBJECTS)?;
    expect(world, ANSWERS)?;
    world.agree(&[IMPORTS], Depth::Brief)
}

/// What is done to an object.
enum Change {
    /// a merge patch
    Patch(&'static str, &'static str, Value),
    Delete(&'static str, &'static str),
}

/// Each change that a name follows, one after the other.
fn changes(world: &World) -> Result<(), String> {
    use Change::{Delete, Patch};
    let import = |name, spec: Value| Patch("ServiceImport", name, json!({"spec": spec}));
    let label = |kind, name, label: &str, value: Value| {
        Patch(kind, name, json!({"metadata": {"labels": {label: value}}}))
    };
    let slice = |name, key: &str, value: Value| {
        let key = format!("multicluster.kubernetes.io/{key}");
        Patch(
            "EndpointSlice",
            name,
            json!({"metadata": {"labels": {key: value}}}),
        )
    };
    let of_slice = |name, patch: Value| Patch("EndpointSlice", name, patch);
    let web = "web.imports.svc.clusterset.local.";
    let db = "db.imports.svc.clusterset.local.";
    let table: [(&str, Change, Row<'_>); 15] = [
        (
            "other addresses",
            import("web", json!({"ips": ["10.200.0.9"]})),
            (web, "A", "10.200.0.9"),
        ),
        (
            "one family less",
            import("web", json!({"ips": ["10.200.0.9"]})),
            (web, "AAAA", "NODATA"),
        ),
        (
            "another port",
            import("web", json!({"ports": [{"name": "https", "port": 443}]})),
            (
                "_http._tcp.web.imports.svc.clusterset.local.",
                "SRV",
                "NXDOMAIN",
            ),
        ),
        (
            "an import becomes headless",
            import("web", json!({"type": "Headless"})),
            (web, "A", "10.201.0.1; 10.201.0.2; 10.202.0.1"),
        ),
        (
            "and has addresses again",
            import("web", json!({"type": "ClusterSetIP"})),
            (web, "A", "10.200.0.9"),
        ),
        (
            "an import is selected no more",
            label("ServiceImport", "db", "exposed", Value::Null),
            (db, "A", "10.201.0.4; 10.201.0.5"),
        ),
        (
            "and is again",
            label("ServiceImport", "db", "exposed", json!("yes")),
            (db, "A", "10.201.0.4; 10.201.0.5"),
        ),
        (
            "a slice is of another cluster",
            slice("db-west", "source-cluster", json!("north")),
            (
                "db-0.north.db.imports.svc.clusterset.local.",
                "AAAA",
                "fd00:202::4",
            ),
        ),
        (
            "a slice is selected no more",
            label("EndpointSlice", "web-east", "tier", Value::Null),
            (
                "web-0.east.web.imports.svc.clusterset.local.",
                "A",
                "10.201.0.1",
            ),
        ),
        (
            "a slice is one of another import",
            slice("db-west", "service-name", json!("web")),
            (
                "db-0.north.web.imports.svc.clusterset.local.",
                "AAAA",
                "fd00:202::4",
            ),
        ),
        (
            "a slice is one of none any more",
            slice("db-east", "service-name", Value::Null),
            (db, "A", "NXDOMAIN"),
        ),
        (
            "and comes back",
            slice("db-east", "service-name", json!("db")),
            (db, "A", "10.201.0.4; 10.201.0.5"),
        ),
        (
            "an endpoint is not ready",
            of_slice(
                "db-east",
                json!({"endpoints": [
                    {"addresses": ["10.201.0.4"], "hostname": "db-0", "conditions": {"ready": false}},
                    {"addresses": ["10.201.0.5"], "hostname": "db-1"},
                ]}),
            ),
            (db, "A", "10.201.0.5"),
        ),
        (
            "a slice is deleted",
            Delete("EndpointSlice", "db-east"),
            (db, "A", "NXDOMAIN"),
        ),
        (
            "an import is deleted",
            Delete("ServiceImport", "web"),
            (web, "A", "NXDOMAIN"),
        ),
    ];
    for (title, change, row) in table {
        let at = |problem: String| format!("{title}: {problem}");
        match change {
            Patch(kind, name, patch) => {
                let place = Place::new(kind, IMPORTS, name);
                world.api.patch(place, &patch).map_err(at)?;
            }
            Delete(kind, name) => {
                let place = Place::new(kind, IMPORTS, name);
                world.api.delete(place).map_err(at)?;
            }
        }
        expect(world, &[row]).map_err(at)?;
        world.agree(&[IMPORTS], Depth::Brief).map_err(at)?;
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
