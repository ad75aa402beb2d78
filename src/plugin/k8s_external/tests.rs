//! What cannot be used, and zones as they are transferred; the answers are held by the differential
//! suite.

use std::sync::{Arc, OnceLock};

use super::transfer::Zones;
use super::{Config, NAME, State};
use crate::corefile::{Diagnostic, Memory};
use crate::kubernetes::object::Kind;
use crate::kubernetes::zone::Zone;
use crate::kubernetes::{store, testkit};
use crate::plugin::kubernetes::Cluster;
use crate::plugin::setup::Shared;
use crate::plugin::transfer::testkit::told;
use crate::plugin::transfer::{Export, Exported};
use crate::testing::{n, planned, set_up, setup_error};

const CLUSTER: &str = "
    namespace a
    namespace b
    service a/web 10.96.0.1 http:80/TCP dns:53/UDP @192.0.2.1,2001:db8::1,192.0.2.2
    service a/one 10.96.0.2 :80/TCP @192.0.2.3
    service a/host 10.96.0.3 http:80/TCP https:443/TCP @lb.example.net,other.example.net
    service a/both 10.96.0.4 http:80/TCP @192.0.2.4,lb.example.net
    service a/portless 10.96.0.5 @192.0.2.5
    service a/inside 10.96.0.6 http:80/TCP
    service b/web 10.96.0.7 http:80/TCP @192.0.2.1
    service nowhere/web 10.96.0.8 http:80/TCP @192.0.2.8
    service a/db None db:5432/TCP
    slice a/db-1 db db:5432/TCP :9/TCP | 10.1.0.3(db-0,) 10.1.0.4(,with.dots) 10.1.0.5!
    slice a/db-2 db db:5433/TCP | fd00:1::3(db-0,) www.example.net(named,)
    slice a/inside-1 inside http:8080/TCP | 10.1.0.6(in-0,)
";

/// The zones of a directive that sees a cluster on a machine of this address.
fn zones(external: &str, cluster: &str, zone: Arc<Zone>) -> Zones {
    let corefile = format!(". {{\n{external}\n}}");
    let config = set_up(&corefile, NAME, &mut Shared::default(), |setup| {
        Config::parse(setup)
    });
    Zones(Arc::new(State {
        config: config.value.unwrap(),
        cluster: Arc::new(OnceLock::from(Cluster::seen(
            cluster,
            zone,
            &["192.0.2.53"],
        ))),
        place: "here".into(),
    }))
}

/// All records of the zone `x.`, sorted, without what is the same for all.
fn records(external: &str, cluster: &str) -> Vec<String> {
    let (_store, zone) = testkit::cluster(CLUSTER);
    let mut records = told(&zones(external, cluster, zone), "x.").expect("a zone of the plugin");
    let apex: Vec<String> = records.drain(..3).collect();
    assert_eq!(
        apex,
        [
            "x. 5 IN SOA ns1.dns.x. hostmaster.dns.x. 0 7200 1800 86400 5",
            "x. 5 IN NS ns1.dns.x.",
            "ns1.dns.x. 5 IN A 192.0.2.53",
        ]
    );
    records.sort();
    records
}

#[test]
fn a_zone_has_the_services_that_are_reached_from_outside() {
    assert_eq!(
        records("k8s_external x", "cluster.local {\nttl 30\n}"),
        [
            // A port of one protocol without a name, as CoreDNS has it.
            "_._tcp.one.a.x. 30 IN SRV 0 100 80 one.a.x.",
            "_dns._udp.web.a.x. 30 IN SRV 0 33 53 web.a.x.",
            "_http._tcp.both.a.x. 30 IN SRV 0 50 80 both.a.x.",
            "_http._tcp.both.a.x. 30 IN SRV 0 50 80 lb.example.net.",
            "_http._tcp.host.a.x. 30 IN SRV 0 50 80 lb.example.net.",
            "_http._tcp.host.a.x. 30 IN SRV 0 50 80 other.example.net.",
            "_http._tcp.web.a.x. 30 IN SRV 0 33 80 web.a.x.",
            "_http._tcp.web.b.x. 30 IN SRV 0 100 80 web.b.x.",
            "_https._tcp.host.a.x. 30 IN SRV 0 50 443 lb.example.net.",
            "_https._tcp.host.a.x. 30 IN SRV 0 50 443 other.example.net.",
            "both.a.x. 30 IN SRV 0 50 80 both.a.x.",
            "both.a.x. 30 IN SRV 0 50 80 lb.example.net.",
            "both.a.x. 5 IN A 192.0.2.4",
            "host.a.x. 30 IN CNAME lb.example.net.",
            "one.a.x. 30 IN SRV 0 100 80 one.a.x.",
            "one.a.x. 5 IN A 192.0.2.3",
            "portless.a.x. 5 IN A 192.0.2.5",
            "web.a.x. 30 IN SRV 0 16 53 web.a.x.",
            "web.a.x. 30 IN SRV 0 16 80 web.a.x.",
            "web.a.x. 5 IN A 192.0.2.1",
            "web.a.x. 5 IN A 192.0.2.2",
            "web.a.x. 5 IN AAAA 2001:db8::1",
            "web.b.x. 30 IN SRV 0 100 80 web.b.x.",
            "web.b.x. 5 IN A 192.0.2.1",
        ]
    );
}

#[test]
fn headless_services_have_their_endpoints() {
    let mut told = records(
        "k8s_external x {\nheadless\n}",
        "cluster.local {\nttl 30\nnamespaces a\n}",
    );
    told.retain(|record| record.contains("db.a.x. "));
    assert_eq!(
        told,
        [
            "10-1-0-4.db.a.x. 30 IN SRV 0 50 5432 10-1-0-4.db.a.x.",
            "10-1-0-4.db.a.x. 30 IN SRV 0 50 9 10-1-0-4.db.a.x.",
            "10-1-0-4.db.a.x. 5 IN A 10.1.0.4",
            "_db._tcp.db.a.x. 30 IN SRV 0 25 5432 10-1-0-4.db.a.x.",
            "_db._tcp.db.a.x. 30 IN SRV 0 25 5432 db-0.db.a.x.",
            "_db._tcp.db.a.x. 30 IN SRV 0 25 5433 db-0.db.a.x.",
            "_db._tcp.db.a.x. 30 IN SRV 0 25 5433 www.example.net.",
            "db-0.db.a.x. 30 IN SRV 0 33 5432 db-0.db.a.x.",
            "db-0.db.a.x. 30 IN SRV 0 33 5433 db-0.db.a.x.",
            "db-0.db.a.x. 30 IN SRV 0 33 9 db-0.db.a.x.",
            "db-0.db.a.x. 5 IN A 10.1.0.3",
            "db-0.db.a.x. 5 IN AAAA fd00:1::3",
            "db.a.x. 30 IN SRV 0 16 5432 10-1-0-4.db.a.x.",
            "db.a.x. 30 IN SRV 0 16 5432 db-0.db.a.x.",
            "db.a.x. 30 IN SRV 0 16 5433 db-0.db.a.x.",
            "db.a.x. 30 IN SRV 0 16 5433 www.example.net.",
            "db.a.x. 30 IN SRV 0 16 9 10-1-0-4.db.a.x.",
            "db.a.x. 30 IN SRV 0 16 9 db-0.db.a.x.",
            "db.a.x. 5 IN A 10.1.0.3",
            "db.a.x. 5 IN A 10.1.0.4",
            "db.a.x. 5 IN AAAA fd00:1::3",
            "named.db.a.x. 30 IN CNAME www.example.net.",
        ]
    );
    // Endpoints whose names hold dots, and those of Services that have an address in the cluster.
    let of_pods = records(
        "k8s_external x {\nheadless\n}",
        "cluster.local {\nendpoint_pod_names\n}",
    );
    let has = |owner: &str| of_pods.iter().any(|record| record.starts_with(owner));
    assert!(has("with.dots.db.a.x. 5 IN A 10.1.0.4"), "{of_pods:#?}");
    assert!(!has("in-0.inside.a.x."), "{of_pods:#?}");
    assert_eq!(
        records("k8s_external x", "cluster.local {\nnamespaces none\n}"),
        [""; 0]
    );
}

#[test]
fn a_zone_of_addresses_leads_to_names_in_the_first_zone() {
    let (_store, zone) = testkit::cluster(CLUSTER);
    let zones = zones(
        "k8s_external x 192.0.2.0/24",
        "cluster.local {\nnamespaces a\n}",
        zone,
    );
    let told = told(&zones, "2.0.192.in-addr.arpa.").unwrap();
    let is_pointer = |record: &&String| record.contains(" PTR ");
    let pointers: Vec<_> = told.iter().filter(is_pointer).collect();
    assert_eq!(
        pointers,
        [
            "1.2.0.192.in-addr.arpa. 5 IN PTR web.a.x.",
            "2.2.0.192.in-addr.arpa. 5 IN PTR web.a.x.",
            "3.2.0.192.in-addr.arpa. 5 IN PTR one.a.x.",
            "4.2.0.192.in-addr.arpa. 5 IN PTR both.a.x.",
            "5.2.0.192.in-addr.arpa. 5 IN PTR portless.a.x.",
        ]
    );
}

#[test]
fn only_whole_zones_are_transferred_and_only_once_they_are_known() {
    let (_store, zone) = testkit::cluster(CLUSTER);
    let known = zones("k8s_external x", "cluster.local", zone);
    for zone in ["a.x.", ".", "cluster.local."] {
        assert_eq!(told(&known, zone), None, "{zone}");
    }
    let (_store, unknown) = store::new(&[Kind::Service]);
    let unknown = zones("k8s_external x", "cluster.local", unknown);
    let told = unknown.export(n("x.").view());
    assert!(matches!(told, Some(Exported::NotYet)));
}

#[test]
fn what_cannot_be_used_is_told() {
    for (lines, place, message) in [
        ("k8s_external", "2:1", "kubernetes plugin not loaded"),
        (
            "k8s_external {\nttl\n}",
            "3:1",
            "Wrong argument count or unexpected line ending after 'ttl'",
        ),
        (
            "k8s_external {\nttl 3601\n}",
            "3:5",
            "ttl must be in range [0, 3600]: 3601",
        ),
        (
            "k8s_external {\nttl -1\n}",
            "3:5",
            "ttl must be in range [0, 3600]: -1",
        ),
        (
            "k8s_external {\napex\n}",
            "3:1",
            "Wrong argument count or unexpected line ending after 'apex'",
        ),
        (
            "k8s_external {\nupstream\n}",
            "3:1",
            "unknown property 'upstream'",
        ),
    ] {
        let error = setup_error(lines);
        let expected = format!("Corefile:{place}: error: plugin/k8s_external: {message}");
        assert_eq!(error, expected, "{lines}");
    }
}

#[test]
fn an_apex_that_is_no_name_is_warned_of() {
    let text = ". {\nkubernetes cluster.local\nk8s_external x {\napex a..b\n}\n}";
    let plan = planned(text, &Memory::default()).unwrap();
    let warnings: Vec<_> = plan.warnings.iter().map(Diagnostic::headline).collect();
    let warning = "Corefile:4:6: warning: plugin/k8s_external: \"a..b\" is no name: a label is \
                   empty; 'dns' is taken";
    assert_eq!(warnings, [warning]);
}
