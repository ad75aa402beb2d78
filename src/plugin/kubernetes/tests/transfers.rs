//! Zone transfers: what is in them.

use super::*;
use crate::plugin::kubernetes::transfer::Zones;
use crate::plugin::transfer::testkit::told;
use crate::plugin::transfer::{Export, Exported};
use crate::testing::n;

const CLUSTER: &str = "
    namespace a
    namespace b
    service a/web 10.96.0.1,fd00::1 http:80/TCP DNS:53/UDP dns-tcp:53/TCP :9/TCP
    service b/web 10.96.0.2 http:80/TCP
    service a/db None db:5432/TCP
    service a/ext ->www.example.org
    service a/ip ->192.0.2.1
    service a/alias None
    service nowhere/gone 10.96.0.3 http:80/TCP
    slice a/web-1 web http:8080/TCP | 10.1.0.1(web-0,)
    slice a/db-1 db db:5432/TCP :9/TCP every:0/TCP | 10.1.0.3(db-0,) 10.1.0.4(,pod-x) 10.1.0.5!
    slice a/db-2 db db:5433/TCP | fd00:1::3(db-0,) fd00:1::3(db-0,)
    slice a/alias-1 alias http:80/TCP | www.example.org web.example.org(host,)
    pod a/pod-x 10.1.0.4
";

/// All records of a zone.
fn transferred(state: &Arc<State>, zone: &str) -> Option<Vec<String>> {
    told(&Zones(state.clone()), zone)
}

/// The same, sorted, without the SOA record, which is the first.
fn records(cluster: &Cluster, zone: &str) -> Vec<String> {
    let mut records = transferred(&cluster.state, zone).expect("a zone of the plugin");
    let soa = records.remove(0);
    assert!(soa.starts_with(&format!("{zone} 5 IN SOA ")), "{soa}");
    records.sort();
    records
}

#[test]
fn a_zone_has_its_services_and_the_endpoints_of_headless_ones() {
    let told = records(&Cluster::new("", CLUSTER), "cluster.local.");
    assert_eq!(
        told,
        [
            "10-1-0-4.db.a.svc.cluster.local. 5 IN A 10.1.0.4",
            "_db._tcp.db.a.svc.cluster.local. 5 IN SRV 0 50 5432 10-1-0-4.db.a.svc.cluster.local.",
            "_db._tcp.db.a.svc.cluster.local. 5 IN SRV 0 50 5432 db-0.db.a.svc.cluster.local.",
            "_db._tcp.db.a.svc.cluster.local. 5 IN SRV 0 50 5433 db-0.db.a.svc.cluster.local.",
            "_dns-tcp._tcp.web.a.svc.cluster.local. 5 IN SRV 0 100 53 web.a.svc.cluster.local.",
            "_dns._udp.web.a.svc.cluster.local. 5 IN SRV 0 100 53 web.a.svc.cluster.local.",
            "_http._tcp.web.a.svc.cluster.local. 5 IN SRV 0 100 80 web.a.svc.cluster.local.",
            "_http._tcp.web.b.svc.cluster.local. 5 IN SRV 0 100 80 web.b.svc.cluster.local.",
            "alias.a.svc.cluster.local. 5 IN CNAME www.example.org.",
            "db-0.db.a.svc.cluster.local. 5 IN A 10.1.0.3",
            "db-0.db.a.svc.cluster.local. 5 IN AAAA fd00:1::3",
            "db.a.svc.cluster.local. 5 IN A 10.1.0.3",
            "db.a.svc.cluster.local. 5 IN A 10.1.0.4",
            "db.a.svc.cluster.local. 5 IN AAAA fd00:1::3",
            "ext.a.svc.cluster.local. 5 IN CNAME www.example.org.",
            "host.alias.a.svc.cluster.local. 5 IN CNAME web.example.org.",
            "web.a.svc.cluster.local. 5 IN A 10.96.0.1",
            "web.a.svc.cluster.local. 5 IN AAAA fd00::1",
            "web.a.svc.cluster.local. 5 IN SRV 0 100 53 web.a.svc.cluster.local.",
            "web.a.svc.cluster.local. 5 IN SRV 0 100 80 web.a.svc.cluster.local.",
            "web.a.svc.cluster.local. 5 IN SRV 0 100 9 web.a.svc.cluster.local.",
            "web.b.svc.cluster.local. 5 IN A 10.96.0.2",
            "web.b.svc.cluster.local. 5 IN SRV 0 100 80 web.b.svc.cluster.local.",
            "www-example-org.alias.a.svc.cluster.local. 5 IN CNAME www.example.org.",
        ]
    );
}

#[test]
fn options_bear_on_what_is_transferred() {
    let has = |options: &str, record: &str| {
        let told = records(&Cluster::new(options, CLUSTER), "cluster.local.");
        told.iter().any(|line| line == record)
    };
    for (options, record) in [
        ("ttl 60", "web.b.svc.cluster.local. 60 IN A 10.96.0.2"),
        (
            "endpoint_pod_names",
            "pod-x.db.a.svc.cluster.local. 5 IN A 10.1.0.4",
        ),
        // It is of questions alone.
        (
            "ignore empty_service",
            "web.b.svc.cluster.local. 5 IN A 10.96.0.2",
        ),
    ] {
        let told = if options.starts_with("ttl") {
            let state = Cluster::new(options, CLUSTER).state;
            transferred(&state, "cluster.local.").unwrap_or_default()
        } else {
            records(&Cluster::new(options, CLUSTER), "cluster.local.")
        };
        assert!(
            told.iter().any(|line| line == record),
            "{options}: {told:#?}"
        );
    }
    assert!(!has(
        "noendpoints",
        "db.a.svc.cluster.local. 5 IN A 10.1.0.3"
    ));
    assert!(!has(
        "namespaces a",
        "web.b.svc.cluster.local. 5 IN A 10.96.0.2"
    ));
}

#[test]
fn the_zone_of_imports_has_the_clusters_of_endpoints_in_their_names() {
    let cluster = Cluster::of_zones(
        "cluster.local clusterset.local",
        "multicluster clusterset.local",
        "
        namespace a
        service a/web 10.96.0.1 http:80/TCP
        import  a/web 10.200.0.1 http:80/TCP
        import  a/db None db:5432/TCP
        slice   a/db-1 -<db@east db:5432/TCP | 10.1.0.2(db-0,)
        slice   a/db-2 -<db@west db:5432/TCP | 10.2.0.2(db-0,)
        ",
    );
    assert_eq!(
        records(&cluster, "clusterset.local."),
        [
            "_db._tcp.db.a.svc.clusterset.local. 5 IN SRV 0 100 5432 db-0.east.db.a.svc.clusterset.local.",
            "_db._tcp.db.a.svc.clusterset.local. 5 IN SRV 0 100 5432 db-0.west.db.a.svc.clusterset.local.",
            "_http._tcp.web.a.svc.clusterset.local. 5 IN SRV 0 100 80 web.a.svc.clusterset.local.",
            "db-0.east.db.a.svc.clusterset.local. 5 IN A 10.1.0.2",
            "db-0.west.db.a.svc.clusterset.local. 5 IN A 10.2.0.2",
            "db.a.svc.clusterset.local. 5 IN A 10.1.0.2",
            "db.a.svc.clusterset.local. 5 IN A 10.2.0.2",
            "web.a.svc.clusterset.local. 5 IN A 10.200.0.1",
            "web.a.svc.clusterset.local. 5 IN SRV 0 100 80 web.a.svc.clusterset.local.",
        ]
    );
}

#[test]
fn a_reverse_zone_has_the_addresses_in_it() {
    let zones = "cluster.local 10.1.0.0/24 ip6.arpa";
    let cluster = Cluster::of_zones(zones, "", CLUSTER);
    assert_eq!(
        records(&cluster, "0.1.10.in-addr.arpa."),
        [
            "1.0.1.10.in-addr.arpa. 5 IN PTR web-0.web.a.svc.cluster.local.",
            "3.0.1.10.in-addr.arpa. 5 IN PTR db-0.db.a.svc.cluster.local.",
            "4.0.1.10.in-addr.arpa. 5 IN PTR 10-1-0-4.db.a.svc.cluster.local.",
        ]
    );
    let told = records(&cluster, "ip6.arpa.");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].ends_with("d.f.ip6.arpa. 5 IN PTR web.a.svc.cluster.local."));
}

#[test]
fn each_record_is_one_that_is_answered() {
    let cluster = Cluster::of_zones("cluster.local in-addr.arpa ip6.arpa", "", CLUSTER);
    for zone in ["cluster.local.", "in-addr.arpa.", "ip6.arpa."] {
        for record in records(&cluster, zone) {
            let words: Vec<&str> = record.split(' ').collect();
            let told = cluster.ask(&format!("{} {}", words[0], words[3]));
            // The weight is shared by all that is told of one question.
            let same = |line: &String| {
                let line: Vec<&str> = line.split(' ').collect();
                let weight = usize::from(words[3] == "SRV");
                line[..4] == words[..4] && line[4 + weight * 2..] == words[4 + weight * 2..]
            };
            assert!(told.answer.iter().any(same), "{record}: {:?}", told.answer);
        }
    }
}

#[test]
fn a_name_server_is_in_the_zone_with_its_address() {
    let (_store, zone) = testkit::cluster(
        "
        namespace kube-system
        service kube-system/dns 10.0.0.111
        slice kube-system/1 dns | 10.244.0.20
        ",
    );
    for (local, expected) in [
        (
            "10.244.0.20",
            [
                "cluster.local. 5 IN NS dns.kube-system.svc.cluster.local.",
                "dns.kube-system.svc.cluster.local. 5 IN A 10.0.0.111",
            ],
        ),
        (
            "10.244.0.21",
            [
                "cluster.local. 5 IN NS ns.dns.cluster.local.",
                "ns.dns.cluster.local. 5 IN A 10.244.0.21",
            ],
        ),
    ] {
        let state = state("cluster.local", zone.clone(), &[local]);
        let told = transferred(&state, "cluster.local.").unwrap();
        assert_eq!(told[1..3], expected);
    }
}

#[test]
fn only_whole_zones_are_transferred_and_only_once_they_are_known() {
    let cluster = Cluster::new("", CLUSTER);
    assert_eq!(transferred(&cluster.state, "svc.cluster.local."), None);
    assert_eq!(transferred(&cluster.state, "local."), None);

    let (_store, unknown) =
        crate::kubernetes::store::new(&[crate::kubernetes::object::Kind::Service]);
    let state = state(ZONES, unknown, &[]);
    let told = Zones(state).export(n("cluster.local.").view());
    assert!(matches!(told, Some(Exported::NotYet)));
}

#[test]
fn a_record_that_cannot_be_is_left_out() {
    let label = "a".repeat(60);
    let zone = format!("{label}.{label}.{label}.{}.x", &label[..50]);
    let objects = "
        namespace a
        service a/a-name-that-is-long 10.96.0.1 http:80/TCP
        service a/s 10.96.0.2 http:80/TCP
    ";
    let cluster = Cluster::of_zones(&zone, "", objects);
    let told = records(&cluster, &format!("{zone}."));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told.iter().all(|record| record.starts_with("s.a.svc.")));
}
