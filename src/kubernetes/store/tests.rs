pub(crate) mod oracle;
pub(crate) mod random;

use super::*;
use crate::kubernetes::name::{Grammar, parse};
use crate::kubernetes::testkit::{ALL_KINDS, apply, ask, cluster, key, object};
use crate::kubernetes::zone::{Found, Totals, View};
use std::sync::atomic::AtomicBool;

/// What a store must look like when there is nothing left.
pub(super) fn assert_is_empty(store: &Store) {
    let zone = &store.zone;
    assert_eq!(zone.totals(), Totals::default());
    assert_eq!(zone.services.len(), 0, "{:?}", zone.services);
    assert_eq!(zone.namespaces.len(), 0, "{:?}", zone.namespaces);
    assert_eq!(zone.owners.len(), 0, "{:?}", zone.owners);
    assert_eq!(zone.externals.len(), 0, "{:?}", zone.externals);
    assert_eq!(zone.pods.len(), 0, "{:?}", zone.pods);
    assert!(store.slices.is_empty() && store.pods.is_empty());
}

fn change(store: &mut Store, line: &str, now: u32) {
    store.apply(Event::Apply(object(line)), now);
}

fn delete(store: &mut Store, kind: Kind, name: &str, now: u32) {
    store.apply(Event::Delete(kind, key(name)), now);
}

fn list(store: &mut Store, kind: Kind, objects: &str, now: u32) {
    store.apply(Event::Listing(kind), now);
    for line in objects
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        change(store, line, now);
    }
    store.apply(Event::Listed(kind), now);
}

const CLUSTER: &str = "
    namespace a
    service a/web 10.96.0.1 http:80/TCP
    slice   a/web-1 web http:8080/TCP | 10.0.0.1(,web-x) 10.0.0.2!
    service a/db None
    slice   a/db-1 db pg:5432/TCP | 10.0.1.1(db-0,db-0)
    service a/ext ->example.com
    pod     a/web-x 10.0.0.1
";

#[test]
fn a_pod_has_its_labels_where_they_are_kept() {
    let label = |zone: &Zone, address: &str| {
        let pod = zone.pod_at(address.parse().unwrap())?;
        Some(pod.label("app")?.to_string())
    };
    for (is_kept, [first, second]) in [(true, ["web", "db"]), (false, ["", ""])] {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (store, zone) = new(&ALL_KINDS);
        let mut store = store.with_labels(is_kept);
        change(&mut store, "pod a/x 10.0.0.1,fd00::1 app=web tier=front", 1);
        change(&mut store, "pod a/y 10.0.0.1 app=web tier=front", 2);
        assert_eq!(label(&zone, "10.0.0.1"), some(first));
        change(&mut store, "pod a/x 10.0.0.1,10.0.0.2 tier=front app=db", 3);
        assert_eq!(label(&zone, "10.0.0.1"), some(second), "as it is now");
        assert_eq!(label(&zone, "10.0.0.2"), some(second), "by a new address");
        assert_eq!(label(&zone, "fd00::1"), None, "its address is gone");
        change(&mut store, "pod a/x 10.0.0.1,10.0.0.2", 4);
        assert_eq!(label(&zone, "10.0.0.1"), None, "it has none any more");
        assert_eq!(zone.serial(), 3, "no name has changed by that");
        delete(&mut store, Kind::Pod, "a/x", 5);
        assert_eq!(label(&zone, "10.0.0.1"), some(first), "that of the other");
        delete(&mut store, Kind::Pod, "a/y", 6);
        assert_is_empty(&store);
    }
}

#[test]
fn only_what_a_reader_can_see_moves_the_serial() {
    let quiet = [
        ("the same namespace", "namespace a"),
        ("the same Service", "service a/web 10.96.0.1 http:80/TCP"),
        (
            "the same slice",
            "slice a/web-1 web http:8080/TCP | 10.0.0.1(,web-x) 10.0.0.2!",
        ),
        ("the same pod", "pod a/web-x 10.0.0.1"),
        (
            "another that is not ready",
            "slice a/web-1 web http:8080/TCP | 10.0.0.1(,web-x) 10.0.0.2! 10.0.0.3!",
        ),
        (
            "a new slice without endpoints",
            "slice a/web-2 web http:8080/TCP |",
        ),
        (
            "a new slice with none ready",
            "slice a/web-2 web http:8080/TCP | 10.0.0.9!",
        ),
        (
            "a slice of no Service",
            "slice a/web-2 - http:8080/TCP | 10.0.0.9",
        ),
        ("a pod without address", "pod a/new -"),
        (
            "a name that is no label",
            "service a/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 10.96.0.9",
        ),
    ];
    let loud = [
        ("a new namespace", "namespace b"),
        ("a new Service", "service a/new 10.96.0.3 http:80/TCP"),
        ("a port's number", "service a/web 10.96.0.1 http:81/TCP"),
        ("a port's name", "service a/web 10.96.0.1 web:80/TCP"),
        ("a port's protocol", "service a/web 10.96.0.1 http:80/UDP"),
        (
            "one port more",
            "service a/web 10.96.0.1 http:80/TCP x:81/TCP",
        ),
        ("a Service's address", "service a/web 10.96.0.4 http:80/TCP"),
        ("a Service's kind", "service a/web None http:80/TCP"),
        ("a CNAME", "service a/ext ->example.org"),
        (
            "a new endpoint",
            "slice a/web-1 web http:8080/TCP | 10.0.0.1(,web-x) 10.0.0.2",
        ),
        (
            "one endpoint less",
            "slice a/web-1 web http:8080/TCP | 10.0.0.1(,web-x)! 10.0.0.2!",
        ),
        (
            "a host name",
            "slice a/db-1 db pg:5432/TCP | 10.0.1.1(db-1,db-0)",
        ),
        (
            "a pod's name",
            "slice a/web-1 web http:8080/TCP | 10.0.0.1(,web-y) 10.0.0.2!",
        ),
        (
            "a slice's port",
            "slice a/db-1 db pg:5433/TCP | 10.0.1.1(db-0,db-0)",
        ),
        (
            "a slice's Service",
            "slice a/db-1 web pg:5432/TCP | 10.0.1.1(db-0,db-0)",
        ),
        ("a new pod", "pod a/new 10.0.0.3"),
        ("a pod's address", "pod a/web-x 10.0.0.4"),
    ];
    let cases = quiet
        .map(|case| (case, 0))
        .into_iter()
        .chain(loud.map(|case| (case, 7)));
    for ((name, line), serial) in cases {
        let (mut store, zone) = cluster(CLUSTER);
        change(&mut store, line, 7);
        assert_eq!(zone.serial(), serial, "{name}");
    }
}

#[test]
fn only_what_is_seen_from_outside_moves_the_serial_outside() {
    let objects = "
        namespace a
        service a/in 10.96.0.1 http:80/TCP
        service a/out 10.96.0.2 http:80/TCP @192.0.2.1
        service a/db None
        slice a/out-1 out http:8080/TCP | 10.0.0.1
    ";
    let cases = [
        (
            "another address",
            "service a/out 10.96.0.2 http:80/TCP @192.0.2.2",
            7,
        ),
        (
            "a host name",
            "service a/out 10.96.0.2 http:80/TCP @192.0.2.1,x.example",
            7,
        ),
        ("none any more", "service a/out 10.96.0.2 http:80/TCP", 7),
        (
            "a port",
            "service a/out 10.96.0.2 http:81/TCP @192.0.2.1",
            7,
        ),
        (
            "a first address",
            "service a/in 10.96.0.1 http:80/TCP @192.0.2.3",
            7,
        ),
        ("a new Service", "service a/new 10.96.0.3 @192.0.2.3", 7),
        ("a new namespace", "namespace b", 7),
        (
            "the same",
            "service a/out 10.96.0.2 http:80/TCP @192.0.2.1",
            0,
        ),
        (
            "an address inside",
            "service a/out 10.96.0.9 http:80/TCP @192.0.2.1",
            0,
        ),
        ("a port inside", "service a/in 10.96.0.1 http:81/TCP", 0),
        ("a Service inside", "service a/new 10.96.0.3 http:80/TCP", 0),
        (
            "an endpoint",
            "slice a/out-1 out http:8080/TCP | 10.0.0.2",
            0,
        ),
        (
            "an endpoint of a headless Service",
            "slice a/db-1 db x:1/TCP | 10.0.0.2",
            0,
        ),
        ("a pod", "pod a/x 10.0.0.1", 0),
    ];
    for (name, line, serial) in cases {
        let (mut store, zone) = cluster(objects);
        change(&mut store, line, 7);
        assert_eq!(zone.serial_outside(), serial, "{name}");
    }
    let (mut store, zone) = cluster(objects);
    delete(&mut store, Kind::Service, "a/in", 7);
    assert_eq!(zone.serial_outside(), 0);
    delete(&mut store, Kind::Service, "a/out", 8);
    assert_eq!(zone.serial_outside(), 8);
    delete(&mut store, Kind::Namespace, "a", 9);
    assert_eq!(zone.serial_outside(), 9);
}

#[test]
fn what_is_seen_from_outside_alone_leaves_the_serial_where_it_is() {
    let objects = "
        namespace a
        service a/out 10.96.0.2 http:80/TCP @192.0.2.1
    ";
    let cases = [
        (
            "another address",
            "service a/out 10.96.0.2 http:80/TCP @192.0.2.2",
        ),
        (
            "a host name",
            "service a/out 10.96.0.2 http:80/TCP @192.0.2.1,x.example",
        ),
        ("none any more", "service a/out 10.96.0.2 http:80/TCP"),
    ];
    for (name, line) in cases {
        let (mut store, zone) = cluster(objects);
        let changes = zone.changes();
        change(&mut store, line, 7);
        assert_eq!((zone.serial(), zone.serial_outside()), (0, 7), "{name}");
        assert_ne!(zone.changes(), changes, "a snapshot is due: {name}");
    }
}

#[test]
fn what_goes_moves_the_serial_if_it_was_seen() {
    let cases = [
        ("a namespace", Kind::Namespace, "a", 7),
        ("a Service", Kind::Service, "a/web", 7),
        ("a slice", Kind::EndpointSlice, "a/web-1", 7),
        ("a pod", Kind::Pod, "a/web-x", 7),
        ("a namespace that is not there", Kind::Namespace, "b", 0),
        ("a Service that is not there", Kind::Service, "a/nope", 0),
        (
            "a slice that is not there",
            Kind::EndpointSlice,
            "a/nope",
            0,
        ),
        ("a pod that is not there", Kind::Pod, "a/nope", 0),
    ];
    for (name, kind, object, serial) in cases {
        let (mut store, zone) = cluster(CLUSTER);
        delete(&mut store, kind, object, 7);
        assert_eq!(zone.serial(), serial, "{name}");
        delete(&mut store, kind, object, 8);
        assert_eq!(zone.serial(), serial, "{name}, again");
    }
}

#[test]
fn what_did_not_change_is_not_written() {
    let (mut store, zone) = cluster(CLUSTER);
    let entry = || zone.service(b"\x02db\x01a").unwrap().entry();
    let before = entry();
    apply(&mut store, CLUSTER);
    assert!(Arc::ptr_eq(&before, &entry()));
    change(&mut store, "slice a/web-1 web http:8080/TCP | 10.0.0.5", 1);
    assert!(
        Arc::ptr_eq(&before, &entry()),
        "another Service's endpoints"
    );
}

#[test]
fn those_not_ready_are_counted_though_not_seen() {
    let (mut store, zone) = cluster(CLUSTER);
    let not_ready = || zone.service(b"\x03web\x01a").unwrap().entry().not_ready();
    assert_eq!(not_ready(), 1);
    change(
        &mut store,
        "slice a/web-1 web http:8080/TCP | 10.0.0.1(,web-x) 10.0.0.2! 10.0.0.3!",
        7,
    );
    assert_eq!(
        (not_ready(), zone.totals().not_ready, zone.serial()),
        (2, 2, 0)
    );
}

#[test]
fn a_list_is_a_diff() {
    let (mut store, zone) = cluster(CLUSTER);
    let view = View::default();
    let resolves = |name: &str| ask(&zone, &view, &format!("{name}.a.svc A")) != ["NXDOMAIN"];
    store.apply(Event::Listing(Kind::Service), 1);
    for line in [
        "service a/new 10.96.0.9",
        "service a/web 10.96.0.1 http:80/TCP",
    ] {
        assert!(
            resolves("web") && resolves("db") && resolves("ext"),
            "nothing vanishes while listing"
        );
        change(&mut store, line, 1);
    }
    assert!(
        resolves("new") && resolves("db"),
        "what is new is there, what is old still is"
    );
    store.apply(Event::Listed(Kind::Service), 2);
    assert!(resolves("new") && resolves("web"));
    assert!(
        !resolves("db") && !resolves("ext"),
        "what was not named is gone"
    );
    assert_eq!(zone.serial(), 2);
    assert_eq!(
        ask(&zone, &view, "10.0.1.1 PTR"),
        ["PTR db-0.db.a.svc"],
        "slices are another kind"
    );
}

#[test]
fn a_list_of_what_is_known_changes_nothing() {
    let (mut store, zone) = cluster(CLUSTER);
    for kind in ALL_KINDS {
        store.apply(Event::Listing(kind), 7);
    }
    apply(&mut store, CLUSTER);
    for kind in ALL_KINDS {
        store.apply(Event::Listed(kind), 7);
    }
    assert_eq!(zone.serial(), 0);
    assert_eq!(ask(&zone, &View::default(), "db.a.svc A"), ["A 10.0.1.1"]);
}

#[test]
fn a_list_that_starts_again_forgets_what_the_broken_one_named() {
    let (mut store, zone) = cluster(CLUSTER);
    store.apply(Event::Listing(Kind::Service), 1);
    change(&mut store, "service a/gone 10.96.0.9", 1);
    change(&mut store, "service a/db None", 1);
    list(
        &mut store,
        Kind::Service,
        "service a/web 10.96.0.1 http:80/TCP",
        2,
    );
    for gone in ["gone", "db", "ext"] {
        assert_eq!(
            ask(&zone, &View::default(), &format!("{gone}.a.svc A")),
            ["NXDOMAIN"],
            "{gone}"
        );
    }
}

#[test]
fn an_empty_list_leaves_nothing() {
    let (mut store, _zone) = cluster(CLUSTER);
    for kind in ALL_KINDS {
        list(&mut store, kind, "", 1);
    }
    assert_is_empty(&store);
}

#[test]
fn kinds_sync_one_by_one() {
    let (mut store, zone) = new(&[Kind::Namespace, Kind::Service]);
    let unsynced = || zone.unsynced().collect::<Vec<_>>();
    assert_eq!(
        (unsynced(), zone.has_synced()),
        (vec![Kind::Namespace, Kind::Service], false)
    );
    list(&mut store, Kind::Service, "", 1);
    assert_eq!(
        (unsynced(), zone.has_synced()),
        (vec![Kind::Namespace], false)
    );
    list(&mut store, Kind::Pod, "", 1);
    assert_eq!(unsynced(), [Kind::Namespace], "a kind that is not watched");
    list(&mut store, Kind::Namespace, "namespace a", 1);
    assert!(zone.has_synced());
    store.apply(Event::Listing(Kind::Service), 1);
    assert!(zone.has_synced(), "it stays so while it lists again");
}

#[test]
fn a_namespace_that_goes_takes_its_names_and_brings_them_back() {
    let (mut store, zone) = cluster(CLUSTER);
    let view = View::default();
    delete(&mut store, Kind::Namespace, "a", 1);
    assert_eq!(ask(&zone, &view, "web.a.svc A"), ["NXDOMAIN"]);
    assert_eq!(ask(&zone, &view, "a.svc A"), ["NXDOMAIN"]);
    change(&mut store, "namespace a", 2);
    assert_eq!(ask(&zone, &view, "web.a.svc A"), ["A 10.96.0.1"]);
}

#[test]
fn a_slice_that_changes_its_service() {
    let (mut store, zone) = cluster(CLUSTER);
    let view = View::default();
    change(
        &mut store,
        "slice a/db-1 web pg:5432/TCP | 10.0.1.1(db-0,db-0)",
        1,
    );
    assert_eq!(ask(&zone, &view, "db.a.svc A"), ["NXDOMAIN"]);
    assert_eq!(ask(&zone, &view, "db-0.web.a.svc A"), ["A 10.0.1.1"]);
    assert_eq!(ask(&zone, &view, "10.0.1.1 PTR"), ["PTR db-0.web.a.svc"]);
    change(
        &mut store,
        "slice a/db-1 alone pg:5432/TCP | 10.0.1.1(db-0,db-0)",
        1,
    );
    assert_eq!(ask(&zone, &view, "10.0.1.1 PTR"), ["PTR db-0.alone.a.svc"]);
    change(
        &mut store,
        "slice a/db-1 - pg:5432/TCP | 10.0.1.1(db-0,db-0)",
        1,
    );
    assert_eq!(
        ask(&zone, &view, "10.0.1.1 PTR"),
        ["NXDOMAIN"],
        "no Service"
    );
    assert_eq!(
        zone.service(b"\x05alone\x01a"),
        None,
        "an entry goes with the last that gives it"
    );
}

#[test]
fn an_address_stays_while_something_has_it() {
    let (mut store, zone) = cluster(
        "
        namespace a
        service a/x 10.0.0.1 p:1/TCP
        slice   a/1 x p:1/TCP | 10.0.0.1 10.0.0.2
        slice   a/2 x p:1/TCP | 10.0.0.2
    ",
    );
    let view = View::default();
    let leads = |address: &str| ask(&zone, &view, &format!("{address} PTR"));
    delete(&mut store, Kind::EndpointSlice, "a/1", 1);
    assert_eq!(
        leads("10.0.0.1"),
        ["PTR x.a.svc"],
        "it is still the Service's own"
    );
    assert_eq!(
        leads("10.0.0.2"),
        ["PTR 10-0-0-2.x.a.svc"],
        "another slice has it"
    );
    change(&mut store, "slice a/2 x p:1/TCP | 10.0.0.1", 1);
    assert_eq!(leads("10.0.0.2"), ["NXDOMAIN"]);
    change(&mut store, "service a/x 10.0.0.9 p:1/TCP", 1);
    assert_eq!(
        leads("10.0.0.1"),
        ["PTR 10-0-0-1.x.a.svc"],
        "it is still an endpoint's"
    );
    delete(&mut store, Kind::EndpointSlice, "a/2", 1);
    assert_eq!(leads("10.0.0.1"), ["NXDOMAIN"]);
}

#[test]
fn an_address_outside_leads_to_who_has_it_now() {
    let (mut store, zone) = cluster("namespace default");
    let owners = |zone: &Zone, address: &str| -> Vec<String> {
        let owners = zone.external_owners(&View::default(), address.parse().unwrap());
        let label = |owner: &Arc<Service>| String::from_utf8_lossy(owner.label()).into_owned();
        owners.iter().map(label).collect()
    };
    let web = "service default/web 10.96.0.1 http:80/TCP";
    change(
        &mut store,
        &format!("{web} @198.51.100.1,2001:db8::1,lb.example"),
        1,
    );
    change(&mut store, "service default/db None @198.51.100.1", 2);
    assert_eq!(owners(&zone, "198.51.100.1"), ["db", "web"]);
    assert_eq!(owners(&zone, "2001:db8::1"), ["web"]);
    assert_eq!(owners(&zone, "::ffff:198.51.100.1"), ["db", "web"]);
    change(&mut store, &format!("{web} @198.51.100.2"), 3);
    assert_eq!(zone.serial_outside(), 3);
    assert_eq!(owners(&zone, "198.51.100.1"), ["db"]);
    assert_eq!(owners(&zone, "198.51.100.2"), ["web"]);
    change(&mut store, &format!("{web} @198.51.100.2"), 4);
    assert_eq!(zone.serial_outside(), 3);
    change(&mut store, web, 5);
    assert_eq!(zone.serial_outside(), 5);
    delete(&mut store, Kind::Service, "default/db", 6);
    for address in ["198.51.100.1", "198.51.100.2", "2001:db8::1"] {
        assert!(owners(&zone, address).is_empty(), "{address}");
    }
}

/// The IPv4 addresses of a name, in the grammar of imports.
fn addresses(zone: &Zone, name: &str) -> String {
    let wire = crate::kubernetes::testkit::wire(name);
    let found = zone.find(&View::default(), &parse(&wire, Grammar::Imports));
    let Found::Service(selection) = found else {
        return String::new();
    };
    let all = selection.v4();
    let all = all.iter().flat_map(|all| all.as_slice());
    all.map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn imports_are_a_zone_of_their_own() {
    let (mut store, zone) = cluster(
        "
        namespace shop
        service shop/web 10.96.0.1 http:80/TCP
        import  shop/web 10.200.0.1 http:80/TCP
        slice   shop/web-1 web<web@east http:80/TCP | 10.1.0.1(a,)
        ",
    );
    let imports = zone.imports().unwrap().clone();
    assert_eq!(addresses(&zone, "web.shop.svc"), "10.96.0.1");
    assert_eq!(addresses(&imports, "web.shop.svc"), "10.200.0.1");
    assert_eq!(addresses(&imports, "a.east.web.shop.svc"), "10.1.0.1");
    for name in ["a.west.web.shop.svc", "a.web.shop.svc"] {
        assert_eq!(addresses(&imports, name), "", "{name}");
    }

    let changes = zone.changes();
    let put = |store: &mut Store, line: &str, now| store.apply(Event::Apply(object(line)), now);
    put(&mut store, "import shop/web 10.200.0.2 http:80/TCP", 3);
    assert_eq!((zone.serial(), imports.serial()), (0, 3));
    assert_ne!(zone.changes(), changes, "a snapshot is due");

    // A slice that loses its label is of no import any more, and of its Service as before.
    put(
        &mut store,
        "slice shop/web-1 web http:80/TCP | 10.1.0.1(a,)",
        4,
    );
    assert_eq!(addresses(&imports, "a.east.web.shop.svc"), "");
    assert_eq!(
        ask(&zone, &View::default(), "a.web.shop.svc A"),
        ["A 10.1.0.1"]
    );

    put(&mut store, "import shop/web 10.200.0.2", 6);
    assert_eq!(addresses(&imports, "web.shop.svc"), "", "it names no port");
    put(&mut store, "import shop/web 10.200.0.2 http:80/TCP", 7);
    store.apply(Event::Listing(Kind::ServiceImport), 8);
    store.apply(Event::Listed(Kind::ServiceImport), 8);
    assert_eq!(
        addresses(&imports, "web.shop.svc"),
        "",
        "the list does not name it"
    );
    assert_eq!(addresses(&zone, "web.shop.svc"), "10.96.0.1");
}

#[test]
fn topology_zones_are_kept_where_they_are_asked_for() {
    let zones = |with_zones| {
        let (store, zone) = new(&ALL_KINDS);
        let mut store = store.with_zones(with_zones);
        apply(
            &mut store,
            "
            namespace a
            service a/db None
            slice a/db-1 db | 10.0.0.1~A 10.0.0.2 10.0.0.3+fd00::3~b 10.0.0.2~c
            ",
        );
        let mut told = Vec::new();
        let export = zone.export(|object| {
            if let Object::EndpointSlice(slice) = object {
                let zones = slice.endpoints.iter().map(|one| one.zone.clone());
                told.extend(zones.map(|zone| zone.as_deref().unwrap_or("-").to_owned()));
            }
            Ok::<_, ()>(())
        });
        export.unwrap();
        let now = zone.serial();
        let moved = object("slice a/db-1 db | 10.0.0.1~B 10.0.0.2 10.0.0.3+fd00::3~b 10.0.0.2~c");
        store.apply(Event::Apply(moved), 7);
        (told.join(" "), zone.serial() != now)
    };
    // Of an address that is there twice, the last zone counts.
    assert_eq!(zones(true), ("a c b b c".to_owned(), true));
    assert_eq!(zones(false), ("- - - - -".to_owned(), false));
}

#[test]
fn what_is_told_of_imports_makes_the_same_names() {
    let (_store, zone) = cluster(
        "
        namespace shop
        service shop/web 10.96.0.1 http:80/TCP
        import  shop/web 10.200.0.1 http:80/TCP
        import  shop/db None http:80/TCP
        slice   shop/web-1 web<web@east http:80/TCP | 10.1.0.1(a,)
        slice   shop/db-1 -<db@west http:80/TCP | 10.1.0.2(a,)
        slice   shop/web-2 web http:80/TCP | 10.1.0.3(b,)
        ",
    );
    let (mut store, again) = new(&[Kind::ServiceImport]);
    let told = zone.export(|object| {
        let text = serde_json::to_string(&object)?;
        store.apply(Event::Apply(serde_json::from_str(&text)?), 0);
        Ok::<_, serde_json::Error>(())
    });
    told.unwrap();
    for name in ["web.shop.svc", "a.web.shop.svc", "b.web.shop.svc"] {
        let question = format!("{name} A");
        let expected = ask(&zone, &View::default(), &question);
        assert_ne!(expected, ["NXDOMAIN"], "{name}");
        assert_eq!(ask(&again, &View::default(), &question), expected);
    }
    let (imports, again) = (zone.imports().unwrap(), again.imports().unwrap());
    for name in [
        "web.shop.svc",
        "a.east.web.shop.svc",
        "db.shop.svc",
        "a.west.db.shop.svc",
    ] {
        let expected = addresses(imports, name);
        assert_ne!(expected, "", "{name}");
        assert_eq!(addresses(again, name), expected);
    }
}

#[test]
fn what_many_objects_hold_is_kept_once() {
    let (mut store, zone) = cluster("namespace a");
    for n in 0..100 {
        change(
            &mut store,
            &format!("service a/s{n} 10.96.0.{n} http:80/TCP metrics:9100/TCP"),
            1,
        );
    }
    let ports = |name: &[u8]| zone.service(name).unwrap().entry().ports().as_ptr();
    assert_eq!(ports(b"\x02s1\x01a"), ports(b"\x03s99\x01a"));
    for n in 0..1000 {
        change(
            &mut store,
            &format!("service a/one 10.97.0.1 http:{}/TCP", n + 1),
            1,
        );
    }
    assert!(
        store.port_lists.len() <= 65,
        "lists out of use are dropped: {}",
        store.port_lists.len()
    );
}

#[test]
fn odd_objects_are_served_as_far_as_they_can_be() {
    let long = "a".repeat(300);
    let (_store, zone) = cluster(&format!(
        "
        namespace a
        namespace {long}
        service a/twice 10.96.0.1,10.96.0.1,fd00::1,10.96.0.2 p:1/TCP
        service a/mapped ::ffff:10.96.0.3 p:1/TCP
        service a/pending - p:1/TCP
        service {long}/x 10.96.0.4 p:1/TCP
        slice   {long}/x-1 x p:1/TCP | 10.0.0.4
        slice   a/{long} twice p:1/TCP | 10.0.0.5({long},{long})
        slice   a/none twice p:1/TCP | -
    "
    ));
    let view = View::default();
    assert_eq!(
        ask(&zone, &view, "twice.a.svc A"),
        ["A 10.96.0.1", "A 10.96.0.2"]
    );
    assert_eq!(ask(&zone, &view, "mapped.a.svc A"), ["A 10.96.0.3"]);
    assert_eq!(ask(&zone, &view, "10.96.0.3 PTR"), ["PTR mapped.a.svc"]);
    assert_eq!(
        ask(&zone, &view, "pending.a.svc A"),
        ["NODATA"],
        "a Service that waits for its address"
    );
    assert_eq!(ask(&zone, &view, "pending.a.svc SRV"), ["NODATA"]);
    assert_eq!(
        ask(&zone, &view, "10.96.0.4 PTR"),
        ["NXDOMAIN"],
        "a namespace that is no label"
    );
    assert_eq!(
        ask(&zone, &view, "10-0-0-5.twice.a.svc A"),
        ["A 10.0.0.5"],
        "a host name that is no label"
    );
}

#[test]
fn readers_see_the_old_or_the_new_and_nothing_between() {
    let (mut store, zone) = cluster(
        "
        namespace a
        service a/x None
    ",
    );
    let old = "slice a/1 x p:1/TCP | 10.0.0.1 10.0.0.2";
    let new = "slice a/1 x p:2/TCP | 10.0.0.1 10.0.0.3 fd00::3";
    change(&mut store, old, 1);
    let ask = || ask(&zone, &View::default(), "x.a.svc SRV");
    let first = ask();
    change(&mut store, new, 1);
    let second = ask();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let answer = ask();
                    assert!(answer == first || answer == second, "{answer:?}");
                }
            });
        }
        for turn in 0..500 {
            let slice = if turn % 2 == 0 { old } else { new };
            list(&mut store, Kind::EndpointSlice, slice, 1);
            list(&mut store, Kind::Service, "service a/x None", 1);
        }
        done.store(true, Relaxed);
    });
}
