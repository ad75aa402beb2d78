use super::*;
use crate::kubernetes::testkit::{ask, cluster, under};

/// Asks questions of a cluster. Each starts a line: what it shows, the question, the records. These
/// can also follow, one a line. All are asked, then those that failed are told.
fn check(objects: &str, view: &View, cases: &str) {
    let (_store, zone) = cluster(objects);
    let mut wrong = String::new();
    let mut lines = cases.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let mut parts = line.split('|').map(str::trim);
        let (Some(name), Some(question)) = (parts.next(), parts.next()) else {
            continue;
        };
        let mut expected: Vec<&str> = parts.flat_map(|records| records.split(", ")).collect();
        while let Some(record) = lines.next_if(|line| !line.is_empty() && !line.contains('|')) {
            expected.push(record);
        }
        expected.sort_unstable();
        let answer = ask(&zone, view, question);
        if answer != expected {
            wrong +=
                &format!("\n{name}: {question}\n  expected {expected:?}\n  found    {answer:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn with(change: impl FnOnce(&mut View)) -> View {
    let mut view = View::default();
    change(&mut view);
    view
}

const CLUSTER: &str = "
    namespace default
    namespace empty
    service default/web 10.96.0.1 http:80/TCP metrics:9100/TCP
    slice   default/web-1 web http:8080/TCP | 10.0.0.1 10.0.0.2(,web-a) 10.0.0.3!
    service default/dual fd00::10,10.96.0.2 http:80/TCP dns:53/UDP
    service default/noports 10.96.0.3
    service default/twice 10.96.0.4 dns:53/UDP dns-tcp:53/TCP
    service default/unnamed 10.96.0.5 :80/TCP
    service default/idle 10.96.0.6 http:80/TCP
    service default/db None
    slice   default/db-1 db pg:5432/TCP | 10.0.1.1(db-0,db-0) 10.0.1.2(db-1,db-1)
    slice   default/db-2 db pg:5432/TCP | fd00::1:1(db-0,db-0)
    service default/bare None
    slice   default/bare-1 bare | 10.0.2.1
    service default/nobody None
    slice   default/nobody-1 nobody http:80/TCP | 10.0.3.1!
    service default/ext ->www.example.com
    service default/extip ->192.0.2.1
    slice   default/orphan-1 orphan http:80/TCP | 10.0.4.1
    service hidden/web 10.96.1.1 http:80/TCP
    slice   hidden/web-1 web http:80/TCP | 10.0.5.1
";

#[test]
fn empty_non_terminals() {
    check(
        CLUSTER,
        &View::default(),
        "
        the apex holds nothing here | @ A | NODATA
        the Services' half | svc A | NODATA
        the pods' half, even where pods are disabled | pod A | NODATA
        a namespace | default.svc A | NODATA
        a namespace without Services | empty.svc SRV | NODATA
        a namespace that is not there | nowhere.svc A | NXDOMAIN
        a namespace that only Services tell of | hidden.svc A | NXDOMAIN
        a namespace of pods, where pods are disabled | default.pod A | NXDOMAIN
        the version is not the zone's | dns-version A | NXDOMAIN
        the name server is not the zone's | ns.dns A | NXDOMAIN
        no name of the grammar | foo.bar A | NXDOMAIN
    ",
    );
}

#[test]
fn services_with_addresses_of_their_own() {
    check(
        CLUSTER,
        &View::default(),
        "
        its address | web.default.svc A | A 10.96.0.1
        the other family | web.default.svc AAAA | NODATA
        dual stack | dual.default.svc A | A 10.96.0.2
        dual stack, the first family | dual.default.svc AAAA | AAAA fd00::10
        a Service that is not there | nope.default.svc A | NXDOMAIN
        a Service in a namespace that is not there | web.hidden.svc A | NXDOMAIN
        a name that only a slice gives | orphan.default.svc A | NXDOMAIN
        all ports | web.default.svc SRV
            SRV 0 50 80 web.default.svc
            SRV 0 50 9100 web.default.svc
            + web.default.svc 10.96.0.1
        one port | _http._tcp.web.default.svc SRV
            SRV 0 100 80 web.default.svc
            + web.default.svc 10.96.0.1
        a port has the Service's addresses, not NODATA | _http._tcp.web.default.svc A | A 10.96.0.1
        a port that it has not | _https._tcp.web.default.svc SRV | NXDOMAIN
        a port of another protocol | _http._udp.web.default.svc A | NXDOMAIN
        a protocol alone | _._tcp.web.default.svc SRV
            SRV 0 50 80 web.default.svc
            SRV 0 50 9100 web.default.svc
            + web.default.svc 10.96.0.1
        the weight is shared by both families, one record for both | _http._tcp.dual.default.svc SRV
            SRV 0 50 80 dual.default.svc
            + dual.default.svc 10.96.0.2
            + dual.default.svc fd00::10
        a number that two ports have is one record, with the weight of two | twice.default.svc SRV
            SRV 0 50 53 twice.default.svc
            + twice.default.svc 10.96.0.4
        the protocol chosen, the weight is whole | _dns-tcp._tcp.twice.default.svc SRV
            SRV 0 100 53 twice.default.svc
            + twice.default.svc 10.96.0.4
        a port without a name is among all | unnamed.default.svc SRV
            SRV 0 100 80 unnamed.default.svc
            + unnamed.default.svc 10.96.0.5
        a port without a name has none of its own | __._tcp.unnamed.default.svc SRV | NXDOMAIN
        no ports, an address | noports.default.svc A | A 10.96.0.3
        no ports, no SRV | noports.default.svc SRV | NODATA
        no ports, so none of them | _http._tcp.noports.default.svc A | NXDOMAIN
        no ports, but any of any | _._.noports.default.svc A | A 10.96.0.3
        no ports, so none of TCP | _._tcp.noports.default.svc A | NXDOMAIN
    ",
    );
}

#[test]
fn endpoints_of_services_with_addresses_of_their_own() {
    check(
        CLUSTER,
        &View::default(),
        "
        by its address | 10-0-0-1.web.default.svc A | A 10.0.0.1
        the ports are those of the slice | 10-0-0-1.web.default.svc SRV
            SRV 0 100 8080 10-0-0-1.web.default.svc
            + 10-0-0-1.web.default.svc 10.0.0.1
        by its pod only with the option | web-a.web.default.svc A | NXDOMAIN
        it is not ready | 10-0-0-3.web.default.svc A | NXDOMAIN
        no endpoint is called so | 10-0-0-9.web.default.svc A | NXDOMAIN
        the address of another | 10-0-1-1.web.default.svc A | NXDOMAIN
        a name that only a slice gives | 10-0-4-1.orphan.default.svc A | NXDOMAIN
    ",
    );
    let pods = with(|view| view.endpoint_pod_names = true);
    check(
        CLUSTER,
        &pods,
        "
        by its pod | web-a.web.default.svc A | A 10.0.0.2
        then not by its address | 10-0-0-2.web.default.svc A | NXDOMAIN
        by its address, if it has no pod | 10-0-0-1.web.default.svc A | A 10.0.0.1
        the target is the pod | web-a.web.default.svc SRV
            SRV 0 100 8080 web-a.web.default.svc
            + web-a.web.default.svc 10.0.0.2
    ",
    );
}

#[test]
fn headless_services() {
    check(
        CLUSTER,
        &View::default(),
        "
        all ready endpoints | db.default.svc A | A 10.0.1.1, A 10.0.1.2
        of the other family | db.default.svc AAAA | AAAA fd00::1:1
        none ready: the name is not there | nobody.default.svc A | NXDOMAIN
        none ready: nor for a port | _http._tcp.nobody.default.svc SRV | NXDOMAIN
        slices without ports | bare.default.svc A | A 10.0.2.1
        slices without ports: no SRV | bare.default.svc SRV | NODATA
        slices without ports: no port | _http._tcp.bare.default.svc A | NXDOMAIN
        by host name, all addresses | db-0.db.default.svc A | A 10.0.1.1
        by host name, the other family | db-0.db.default.svc AAAA | AAAA fd00::1:1
        by host name, none of that family | db-1.db.default.svc AAAA | NODATA
        not by address, if there is a host name | 10-0-1-1.db.default.svc A | NXDOMAIN
        a port of all | _pg._tcp.db.default.svc A | A 10.0.1.1, A 10.0.1.2
        targets are endpoints; one with two addresses is one record | _pg._tcp.db.default.svc SRV
            SRV 0 33 5432 db-0.db.default.svc
            SRV 0 33 5432 db-1.db.default.svc
            + db-0.db.default.svc 10.0.1.1
            + db-0.db.default.svc fd00::1:1
            + db-1.db.default.svc 10.0.1.2
    ",
    );
}

#[test]
fn the_ports_of_headless_services_are_those_of_their_slices() {
    let objects = "
        namespace a
        service a/x None http:80/TCP
        slice   a/1 x http:8080/TCP grpc:9090/TCP | 10.0.0.1
        slice   a/2 x http:8081/TCP | 10.0.0.2 10.0.0.1
        slice   a/3 x any:0/TCP | 10.0.0.3
    ";
    check(
        objects,
        &View::default(),
        "
        each slice its own number, one target for one address | _http._tcp.x.a.svc SRV
            SRV 0 33 8080 10-0-0-1.x.a.svc
            SRV 0 33 8081 10-0-0-1.x.a.svc
            SRV 0 33 8081 10-0-0-2.x.a.svc
            + 10-0-0-1.x.a.svc 10.0.0.1
            + 10-0-0-2.x.a.svc 10.0.0.2
        only the addresses of slices with that port | _grpc._tcp.x.a.svc A | A 10.0.0.1
        all addresses once | x.a.svc A | A 10.0.0.1, A 10.0.0.2, A 10.0.0.3
        a port without number has weight and addresses | _any._tcp.x.a.svc A | A 10.0.0.3
        a port without number gives no record | _any._tcp.x.a.svc SRV | NODATA
        all pairs share the weight | x.a.svc SRV
            SRV 0 20 8080 10-0-0-1.x.a.svc
            SRV 0 20 9090 10-0-0-1.x.a.svc
            SRV 0 20 8081 10-0-0-2.x.a.svc
            SRV 0 20 8081 10-0-0-1.x.a.svc
            + 10-0-0-1.x.a.svc 10.0.0.1
            + 10-0-0-2.x.a.svc 10.0.0.2
    ",
    );
}

#[test]
fn weights_are_at_least_one() {
    let addresses: Vec<String> = (0..150).map(|n| format!("10.0.0.{n}")).collect();
    let objects = format!(
        "namespace a\nservice a/x None\nslice a/1 x p:1/TCP | {}",
        addresses.join(" ")
    );
    let (_store, zone) = cluster(&objects);
    let answer = ask(&zone, &View::default(), "x.a.svc SRV");
    assert_eq!(
        answer
            .iter()
            .filter(|record| record.starts_with("SRV 0 1 1 "))
            .count(),
        150
    );
}

#[test]
fn endpoints_that_share_a_host_name() {
    let objects = "
        namespace a
        service a/x None
        slice   a/1 x p:1/TCP | 10.0.0.1(same,) 10.0.0.2(same,) 10.0.0.3(Other,)
    ";
    check(
        objects,
        &View::default(),
        "
        all their addresses | same.x.a.svc A | A 10.0.0.1, A 10.0.0.2
        one record, the glue of both | same.x.a.svc SRV
            SRV 0 50 1 same.x.a.svc
            + same.x.a.svc 10.0.0.1
            + same.x.a.svc 10.0.0.2
        case does not matter | other.x.a.svc A | A 10.0.0.3
    ",
    );
}

#[test]
fn labels_of_endpoints() {
    let long = "a-pods-name-that-is-much-too-long-to-be-a-label-of-a-name-in-dns";
    assert_eq!(long.len(), 64);
    let objects = format!("
        namespace a
        service a/x None
        slice   a/1 x p:1/TCP | 10.0.0.1(,{long}) 10.0.0.2(,{}) 10.0.0.3(host,pod) 10.0.0.4(,po.d) 10.0.0.5(,p) fd00::(,) ::1 fd00::5:0:6
    ", &long[1..]);
    let (_store, zone) = cluster(&objects);
    let labels = |pod_names| -> String {
        let entry = zone.service(b"\x01x\x01a").unwrap().entry();
        let endpoints = entry.slices()[0].endpoints();
        let labels = endpoints.map(|endpoint| under(Some(endpoint.label(pod_names)), ""));
        labels.collect()
    };
    let addresses = "10-0-0-1.10-0-0-2.host.10-0-0-4.10-0-0-5.fd00--0.--1.fd00--5-0-6.";
    assert_eq!(labels(false), addresses);
    let short = &long[1..];
    let pods = format!("10-0-0-1.{short}.host.po.d.p.fd00--0.--1.fd00--5-0-6.");
    assert_eq!(labels(true), pods);

    let pods = with(|view| view.endpoint_pod_names = true);
    let cases = format!(
        "
        a label of 63 bytes | {short}.x.a.svc A | A 10.0.0.2
        a host name before a pod | host.x.a.svc A | A 10.0.0.3
        the pod of one with a host name | pod.x.a.svc A | NXDOMAIN
        a pod's name that is two labels finds nothing | po.d.x.a.svc A | NXDOMAIN
        IPv6 that ends in dashes | fd00--0.x.a.svc AAAA | AAAA fd00::
        IPv6 that ends in dashes, without the 0 | fd00--.x.a.svc AAAA | NXDOMAIN
        IPv6 that starts with dashes | --1.x.a.svc AAAA | AAAA ::1
        IPv6 written in another way | fd00--5-0-0-6.x.a.svc AAAA | NXDOMAIN
        IPv6 as CoreDNS writes it | fd00--5-0-6.x.a.svc AAAA | AAAA fd00::5:0:6
        IPv4 with a leading zero | 10-0-0-05.x.a.svc A | NXDOMAIN
    "
    );
    check(&objects, &pods, &cases);
    let one_label = b"\x04po.d\x01x\x01a\x03svc";
    let found = name::parse(one_label, name::Grammar::Cluster);
    assert!(
        matches!(zone.find(&pods, &found), Found::Nothing),
        "a dot in a label"
    );
}

#[test]
fn external_names() {
    check(
        CLUSTER,
        &View::default(),
        "
        the name | ext.default.svc A | CNAME www.example.com
        for AAAA too | ext.default.svc AAAA | CNAME www.example.com
        not for SRV | ext.default.svc SRV | NODATA
        it has no ports | _http._tcp.ext.default.svc A | NXDOMAIN
        it has no endpoints | x.ext.default.svc A | NXDOMAIN
        any port of any protocol is no port | _._.ext.default.svc A | CNAME www.example.com
        an address is no name | extip.default.svc A | NXDOMAIN
        nor for other types | extip.default.svc SRV | NXDOMAIN
    ",
    );
}

#[test]
fn services_without_ready_endpoints_can_be_ignored() {
    let ignore = with(|view| view.ignore_empty_service = true);
    check(
        CLUSTER,
        &ignore,
        "
        ready endpoints | web.default.svc A | A 10.96.0.1
        none | idle.default.svc A | NXDOMAIN
        none: nor for a port | _http._tcp.idle.default.svc SRV | NXDOMAIN
        ExternalName needs none | ext.default.svc A | CNAME www.example.com
        its address still leads to it | 10.96.0.6 PTR | PTR idle.default.svc
    ",
    );
    check(
        CLUSTER,
        &View::default(),
        "
        shown by default | idle.default.svc A | A 10.96.0.6
    ",
    );
}

#[test]
fn without_endpoints() {
    let none = with(|view| view.endpoints = false);
    check(
        CLUSTER,
        &none,
        "
        ClusterIP | web.default.svc A | A 10.96.0.1
        headless | db.default.svc A | NXDOMAIN
        an endpoint | db-0.db.default.svc A | NXDOMAIN
        an endpoint of a ClusterIP | 10-0-0-1.web.default.svc A | NXDOMAIN
        an endpoint's address | 10.0.0.1 PTR | NXDOMAIN
        a Service's address | 10.96.0.1 PTR | PTR web.default.svc
    ",
    );
    let ignore = with(|view| {
        view.endpoints = false;
        view.ignore_empty_service = true;
    });
    check(
        CLUSTER,
        &ignore,
        "
        then every Service is empty, as in CoreDNS | web.default.svc A | NXDOMAIN
    ",
    );
}

#[test]
fn namespaces_can_be_hidden() {
    let view = with(|view| view.namespaces = ["empty", "hidden"].into_iter().collect());
    check(
        CLUSTER,
        &view,
        "
        one that is not named | web.default.svc A | NXDOMAIN
        one that is not named, itself | default.svc A | NXDOMAIN
        one that is named | empty.svc A | NODATA
        one that is named, but not there | web.hidden.svc A | NXDOMAIN
        addresses in one that is not named | 10.96.0.1 PTR | NXDOMAIN
        endpoints in one that is not named | 10.0.0.1 PTR | NXDOMAIN
        addresses in one that is not there | 10.96.1.1 PTR | NXDOMAIN
    ",
    );
}

#[test]
fn addresses_lead_to_names() {
    check(
        CLUSTER,
        &View::default(),
        "
        a Service's | 10.96.0.1 PTR | PTR web.default.svc
        a Service's, IPv6 | fd00::10 PTR | PTR dual.default.svc
        an endpoint's | 10.0.0.2 PTR | PTR 10-0-0-2.web.default.svc
        an endpoint's with a host name | 10.0.1.1 PTR | PTR db-0.db.default.svc
        one that is not ready | 10.0.0.3 PTR | NXDOMAIN
        nobody's | 192.0.2.1 PTR | NXDOMAIN
        of a Service that is not there, as in CoreDNS | 10.0.4.1 PTR
            PTR 10-0-4-1.orphan.default.svc
        of a namespace that is not there, as in CoreDNS | 10.96.1.1 PTR | PTR web.hidden.svc
        IPv4 written as IPv6 | ::ffff:10.96.0.1 PTR | PTR web.default.svc
    ",
    );
    let pods = with(|view| view.endpoint_pod_names = true);
    check(
        CLUSTER,
        &pods,
        "
        by pod | 10.0.0.2 PTR | PTR web-a.web.default.svc
    ",
    );
}

#[test]
fn addresses_that_several_have() {
    let objects = "
        namespace a
        service a/one 10.96.0.1 p:1/TCP
        slice   a/one-1 one p:1/TCP | 10.0.0.1 10.0.0.1 10.96.0.2
        slice   a/one-2 one p:1/TCP | 10.0.0.1(host,)
        service a/two 10.96.0.2 p:1/TCP
        slice   a/two-1 two p:1/TCP | 10.0.0.1
        service a/three 10.96.0.2 p:1/TCP
        service b/four 10.96.0.2 p:1/TCP
    ";
    check(
        objects,
        &View::default(),
        "
        each name once | 10.0.0.1 PTR
            PTR 10-0-0-1.one.a.svc
            PTR host.one.a.svc
            PTR 10-0-0-1.two.a.svc
        a Service before an endpoint, and one Service only | 10.96.0.2 PTR | PTR two.a.svc
    ",
    );
    let hidden = with(|view| view.namespaces = ["b"].into_iter().collect());
    check(
        &format!("{objects}\nnamespace b"),
        &hidden,
        "
        the first Service that is shown | 10.96.0.2 PTR | PTR four.b.svc
    ",
    );
}

const PODS: &str = "
    namespace a
    namespace b
    pod a/one 10.0.0.1,fd00::1
    pod a/two 10.0.0.9
    pod a/three 10.0.0.9
    pod a/four fd00::
    pod c/five 10.0.0.5
";

#[test]
fn pods_by_their_addresses() {
    let insecure = with(|view| view.pods = Pods::Insecure);
    check(
        PODS,
        &insecure,
        "
        a namespace | b.pod A | NODATA
        a namespace that is not there | c.pod A | NXDOMAIN
        no pod needed | 10-1-1-1.b.pod A | A 10.1.1.1
        the other family | 10-1-1-1.b.pod AAAA | NODATA
        IPv6 | fd00--7.b.pod AAAA | AAAA fd00::7
        IPv6 in any form | fd00-0-0-0-0-0-0-07.b.pod AAAA | AAAA fd00::7
        IPv6 that has three dashes is read as IPv4 | 1-2-3-4.b.pod A | A 1.2.3.4
        three dashes, two of them together, are IPv6 | 1-2--3.b.pod AAAA | AAAA 1:2::3
        IPv4 in the form of IPv6 | --ffff-a01-101.b.pod A | A 10.1.1.1
        no address | web-0.b.pod A | NXDOMAIN
        an octet too large | 10-1-1-256.b.pod A | NXDOMAIN
        a leading zero | 10-1-1-01.b.pod A | NXDOMAIN
        labels left of it change nothing | x.y.10-1-1-1.b.pod A | A 10.1.1.1
        in a namespace that is not there | 10-1-1-1.c.pod A | NXDOMAIN
        SRV of port 0, as in CoreDNS | 10-1-1-1.b.pod SRV
            SRV 0 100 0 10-1-1-1.b.pod
            + 10-1-1-1.b.pod 10.1.1.1
    ",
    );
    let verified = with(|view| view.pods = Pods::Verified);
    check(
        PODS,
        &verified,
        "
        a namespace | b.pod A | NODATA
        a pod | 10-0-0-1.a.pod A | A 10.0.0.1
        a pod's other address | fd00--1.a.pod AAAA | AAAA fd00::1
        not in another form | fd00-0--1.a.pod AAAA | NXDOMAIN
        not with a 0 at the end, as in CoreDNS | fd00--0.a.pod AAAA | NXDOMAIN
        but with the dashes | fd00--.a.pod AAAA | AAAA fd00::
        not in the form of IPv6 | --ffff-a00-1.a.pod A | NXDOMAIN
        not in another namespace | 10-0-0-1.b.pod A | NXDOMAIN
        no pod | 10-0-0-2.a.pod A | NXDOMAIN
        in a namespace that is not there | 10-0-0-5.c.pod A | NXDOMAIN
        pods that share an address share the weight | 10-0-0-9.a.pod SRV
            SRV 0 50 0 10-0-0-9.a.pod
            + 10-0-0-9.a.pod 10.0.0.9
    ",
    );
    let disabled = View::default();
    check(
        PODS,
        &disabled,
        "
        not at all | 10-0-0-1.a.pod A | NXDOMAIN
    ",
    );
}

#[test]
fn the_pod_that_asks() {
    let (_store, zone) = cluster(PODS);
    let name = |address: &str| {
        let pod = zone.pod_at(address.parse().unwrap())?;
        Some(format!("{}/{}", pod.namespace, pod.name))
    };
    assert_eq!(name("10.0.0.1").as_deref(), Some("a/one"));
    assert_eq!(name("::ffff:10.0.0.1").as_deref(), Some("a/one"));
    assert_eq!(
        name("10.0.0.9").as_deref(),
        Some("a/three"),
        "the first by name"
    );
    assert_eq!(name("10.0.0.2"), None);
}

#[test]
fn name_servers_are_the_services_of_this_server() {
    let objects = "
        namespace kube-system
        service kube-system/kube-dns 10.96.0.10,fd00::10 dns:53/UDP
        slice   kube-system/kube-dns-4 kube-dns dns:53/UDP | 10.0.0.2 10.0.0.3
        slice   kube-system/kube-dns-6 kube-dns dns:53/UDP | fd00::2
        service kube-system/metrics None
        slice   kube-system/metrics-1 metrics | 10.0.0.2 10.0.0.3(host,)
        slice   kube-system/metrics-2 metrics | 10.0.0.4
        slice   kube-system/orphan orphan | 10.0.0.9
    ";
    let (_store, zone) = cluster(objects);
    let servers = |view: &View, local: &[&str]| -> Option<Vec<String>> {
        let local: Vec<IpAddr> = local.iter().map(|text| text.parse().unwrap()).collect();
        let servers = zone.name_servers(view, &local)?;
        let name = |server: &NameServer| {
            let service = String::from_utf8_lossy(server.service.label()).into_owned();
            format!("{} {}", under(server.endpoint, &service), server.address)
        };
        let mut names: Vec<String> = servers.iter().map(name).collect();
        names.sort();
        Some(names)
    };
    let view = View::default();
    let of_pod = [
        "10-0-0-2.metrics 10.0.0.2",
        "host.metrics 10.0.0.3",
        "kube-dns 10.96.0.10",
        "kube-dns fd00::10",
    ];
    assert_eq!(
        servers(&view, &["10.0.0.2"]).unwrap(),
        of_pod,
        "a headless Service with that slice only"
    );
    assert_eq!(servers(&view, &["192.0.2.1"]), None, "not in the cluster");
    assert_eq!(servers(&view, &[]), None, "no address");
    assert_eq!(
        servers(&view, &["10.0.0.9"]).unwrap(),
        [""; 0],
        "an endpoint of no Service"
    );
    let twice = servers(&view, &["10.0.0.2", "fd00::2"]).unwrap();
    assert_eq!(
        twice
            .iter()
            .filter(|name| *name == "kube-dns fd00::10")
            .count(),
        2,
        "as CoreDNS"
    );
    let none = with(|view| view.endpoints = false);
    assert_eq!(servers(&none, &["10.0.0.2"]), None, "without endpoints");
}

#[test]
fn all_services_in_order() {
    let (_store, zone) = cluster(CLUSTER);
    let names = |view: &View| -> Vec<String> {
        let services = zone.services(view);
        let label = |service: &Arc<Service>| String::from_utf8_lossy(service.label()).into_owned();
        services.iter().map(|(service, _)| label(service)).collect()
    };
    let all = [
        "bare", "db", "dual", "ext", "extip", "idle", "nobody", "noports", "twice", "unnamed",
        "web",
    ];
    assert_eq!(
        names(&View::default()),
        all,
        "neither orphans nor Services that no view shows"
    );
    let hidden = with(|view| view.namespaces = ["empty"].into_iter().collect());
    assert!(names(&hidden).is_empty());
}

#[test]
fn totals_and_those_not_ready() {
    let (_store, zone) = cluster(&format!("{CLUSTER}\npod a/b 10.0.0.1"));
    let expected = Totals {
        namespaces: 2,
        services: 12,
        endpoints: 8,
        not_ready: 2,
        pods: 1,
    };
    assert_eq!(zone.totals(), expected);
    let entry = zone.service(b"\x03web\x07default").unwrap().entry();
    assert_eq!((entry.ready(), entry.not_ready()), (2, 1));
}

#[test]
fn the_first_srv_records_of_many() {
    let endpoints: Vec<String> = (1..100).map(|n| format!("10.0.0.{n}")).collect();
    let (_store, zone) = cluster(&format!(
        "namespace a\nservice a/x None\nslice a/1 x p:1/TCP q:2/TCP | {}\nservice a/y 10.96.0.1 p:1/TCP q:2/TCP",
        endpoints.join(" ")
    ));
    let records = |name: &[u8], most| {
        let name = name::parse(name, name::Grammar::Cluster);
        let Found::Service(found) = zone.find(&View::default(), &name) else {
            panic!("no Service");
        };
        let srv = found.srv(most);
        let records = srv.targets.iter().map(|target| target.ports.len());
        (records.sum::<usize>(), srv.weight)
    };
    let headless = b"\x01x\x01a\x03svc";
    assert_eq!(records(headless, usize::MAX), (198, 1));
    assert_eq!(records(headless, 20), (20, 1));
    assert_eq!(records(headless, 0), (0, 1));
    assert_eq!(
        records(b"\x01y\x01a\x03svc", 1),
        (1, 50),
        "the weight is that of all"
    );
}
