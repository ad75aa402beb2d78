//! Services of several clusters: the option `multicluster`.

use super::*;
use crate::testing::place_and_message;

const ZONES: &str = "cluster.local clusterset.local in-addr.arpa";

const OBJECTS: &str = "
    namespace a
    service a/web 10.96.0.1 http:80/TCP
    import  a/web 10.200.0.1,fd00:200::1 http:80/TCP
    import  a/db None db:5432/TCP
    import  a/idle 10.200.0.2 http:80/TCP
    import  a/bare 10.200.0.3
    import  a/loose 10.200.0.5 http:80/
    import  a/waits - http:80/TCP
    import  a/empty None http:80/TCP
    import  b/web 10.200.0.4 http:80/TCP
    slice   a/web-1 web<web@east http:80/TCP | 10.1.0.1(web-0,)
    slice   a/db-1 -<db@east db:5432/TCP | 10.1.0.2(db-0,) 10.1.0.3(,pod-x)
    slice   a/db-2 -<db@West db:5432/TCP | 10.2.0.2(db-0,)
";

/// The name exists in the zone of imports, and has no record of the type.
const NODATA: &[&str] = &[
    "! clusterset.local. 5 IN SOA ns.dns.clusterset.local. hostmaster.clusterset.local. 0 7200 1800 86400 5",
];
/// The name does not exist there.
const NXDOMAIN: &[&str] = &["NXDOMAIN", NODATA[0]];

fn cluster(options: &str) -> Cluster {
    let options = format!("multicluster clusterset.local\n{options}");
    Cluster::of_zones(ZONES, &options, OBJECTS)
}

#[test]
fn an_import_has_its_own_addresses_and_its_zone_knows_no_service() {
    cluster("").check(&[
        (
            "web.a.svc.clusterset.local. A",
            &["web.a.svc.clusterset.local. 5 IN A 10.200.0.1"],
        ),
        (
            "web.a.svc.ClusterSet.local. AAAA",
            &["web.a.svc.ClusterSet.local. 5 IN AAAA fd00:200::1"],
        ),
        (
            "_http._tcp.web.a.svc.clusterset.local. SRV",
            &[
                "_http._tcp.web.a.svc.clusterset.local. 5 IN SRV 0 50 80 web.a.svc.clusterset.local.",
                "+ web.a.svc.clusterset.local. 5 IN A 10.200.0.1",
                "+ web.a.svc.clusterset.local. 5 IN AAAA fd00:200::1",
            ],
        ),
        (
            "web.a.svc.cluster.local. A",
            &["web.a.svc.cluster.local. 5 IN A 10.96.0.1"],
        ),
        (
            "loose.a.svc.clusterset.local. A",
            &["loose.a.svc.clusterset.local. 5 IN A 10.200.0.5"],
        ),
        ("_http._tcp.loose.a.svc.clusterset.local. A", NXDOMAIN),
        ("db.a.svc.cluster.local. A", super::NXDOMAIN),
        ("a.svc.clusterset.local. A", NODATA),
        ("nosuch.a.svc.clusterset.local. A", NXDOMAIN),
        // There is no Namespace b.
        ("web.b.svc.clusterset.local. A", NXDOMAIN),
        ("bare.a.svc.clusterset.local. A", NXDOMAIN),
        ("empty.a.svc.clusterset.local. A", NXDOMAIN),
        // It has no address yet; TXT is of names with records.
        ("waits.a.svc.clusterset.local. A", NODATA),
        ("waits.a.svc.clusterset.local. TXT", NXDOMAIN),
        ("web.a.svc.clusterset.local. TXT", NODATA),
    ]);
}

#[test]
fn an_endpoint_is_called_by_its_name_and_its_cluster() {
    cluster("").check(&[
        (
            "db-0.east.db.a.svc.clusterset.local. A",
            &["db-0.east.db.a.svc.clusterset.local. 5 IN A 10.1.0.2"],
        ),
        (
            "db-0.west.db.a.svc.clusterset.local. A",
            &["db-0.west.db.a.svc.clusterset.local. 5 IN A 10.2.0.2"],
        ),
        ("db-0.north.db.a.svc.clusterset.local. A", NXDOMAIN),
        ("db-0.db.a.svc.clusterset.local. A", NXDOMAIN),
        (
            "web-0.east.web.a.svc.clusterset.local. A",
            &["web-0.east.web.a.svc.clusterset.local. 5 IN A 10.1.0.1"],
        ),
        // In the cluster's own zone the slice is one of the Service.
        (
            "web-0.web.a.svc.cluster.local. A",
            &["web-0.web.a.svc.cluster.local. 5 IN A 10.1.0.1"],
        ),
        (
            "db.a.svc.clusterset.local. SRV",
            &[
                "db.a.svc.clusterset.local. 5 IN SRV 0 33 5432 db-0.east.db.a.svc.clusterset.local.",
                "db.a.svc.clusterset.local. 5 IN SRV 0 33 5432 10-1-0-3.east.db.a.svc.clusterset.local.",
                "db.a.svc.clusterset.local. 5 IN SRV 0 33 5432 db-0.West.db.a.svc.clusterset.local.",
                "+ db-0.east.db.a.svc.clusterset.local. 5 IN A 10.1.0.2",
                "+ 10-1-0-3.east.db.a.svc.clusterset.local. 5 IN A 10.1.0.3",
                "+ db-0.West.db.a.svc.clusterset.local. 5 IN A 10.2.0.2",
            ],
        ),
    ]);
}

#[test]
fn options_bear_on_imports_too_but_for_noendpoints() {
    cluster("ignore empty_service").check(&[
        ("idle.a.svc.clusterset.local. A", NXDOMAIN),
        (
            "web.a.svc.clusterset.local. A",
            &["web.a.svc.clusterset.local. 5 IN A 10.200.0.1"],
        ),
    ]);
    cluster("noendpoints").check(&[
        ("web-0.web.a.svc.cluster.local. A", super::NXDOMAIN),
        (
            "web-0.east.web.a.svc.clusterset.local. A",
            &["web-0.east.web.a.svc.clusterset.local. 5 IN A 10.1.0.1"],
        ),
    ]);
    cluster("namespaces other").check(&[("web.a.svc.clusterset.local. A", NXDOMAIN)]);
    cluster("endpoint_pod_names").check(&[(
        "pod-x.east.db.a.svc.clusterset.local. A",
        &["pod-x.east.db.a.svc.clusterset.local. 5 IN A 10.1.0.3"],
    )]);
}

#[test]
fn each_zone_has_the_serial_of_its_own_changes() {
    let mut cluster = cluster("");
    let import = testkit::object("import a/new 10.200.0.9 http:80/TCP");
    let event = crate::kubernetes::event::Event::Apply(import);
    cluster.store.apply(event, 1_499_347_823);
    let serial = |zone: &str| {
        let told = cluster.ask(&format!("{zone}. SOA"));
        let words = told.answer.first().map(|record| record.split(' '));
        words.and_then(|mut words| words.nth(6).map(str::to_owned))
    };
    assert_eq!(serial("clusterset.local").as_deref(), Some("1499347823"));
    assert_eq!(serial("cluster.local").as_deref(), Some("0"));
}

#[test]
fn a_zone_of_imports_must_be_one_of_the_plugin() {
    for (options, expected) in [
        ("multicluster", "ok"),
        ("multicluster clusterset.local", "ok"),
        ("multicluster ClusterSet.Local. cluster.local", "ok"),
        (
            "multicluster clusterset.local other.local",
            "is not authoritative for the multicluster zone other.local. (authoritative zones: \
             [cluster.local. clusterset.local. in-addr.arpa.])",
        ),
    ] {
        let corefile = format!("cluster.local {{\nkubernetes {ZONES} {{\n{options}\n}}\n}}");
        let set_up = set_up(&corefile, NAME, &mut Shared::default(), |setup| {
            Config::parse(setup).map(drop)
        });
        let got = match set_up.value {
            Ok(()) => "ok".to_owned(),
            Err(error) => place_and_message(&error),
        };
        assert!(got.contains(expected), "{options}\n{got}\n{expected}");
    }
}
