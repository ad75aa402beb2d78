use super::*;
use crate::kubernetes::testkit::{labels, wire};

/// What a name asks for, as text: the case, then its labels.
fn show(parsed: Parsed<'_>) -> String {
    let text = |label: &[u8]| String::from_utf8_lossy(label).into_owned();
    match parsed {
        Parsed::Namespace { subtree, namespace } => {
            format!("Namespace {subtree:?} {}", text(namespace))
        }
        Parsed::Service(service) => {
            let key = labels(service.key);
            assert_eq!(key.len(), 2, "{key:?}");
            assert_eq!(key[1], text(service.namespace));
            let part = match service.part {
                Part::Whole => String::new(),
                Part::Endpoint(label) => format!(", endpoint {}", text(label)),
                Part::Imported { endpoint, cluster } => {
                    format!(", endpoint {} of '{}'", text(endpoint), text(cluster))
                }
                Part::Topology(topology) => {
                    let zone = labels(topology.labels).join(".");
                    let or = if topology.or_all { ", or all" } else { "" };
                    format!(", zone {zone}{or}")
                }
                Part::Port(port) => {
                    format!(", port '{}' '{}'", text(port.name), text(port.protocol))
                }
            };
            format!("Service {}{part}", key.join(" "))
        }
        Parsed::Pod { label, namespace } => format!("Pod {} {}", text(label), text(namespace)),
        other => format!("{other:?}"),
    }
}

fn check(grammar: Grammar, cases: &str) {
    for case in cases.lines().filter(|line| line.contains('|')) {
        let mut parts = case.split('|').map(str::trim);
        let mut next = || parts.next().expect(case);
        let (name, text, expected) = (next(), next(), next());
        assert_eq!(
            show(parse(&wire(text), grammar)),
            expected,
            "{name}: {text}"
        );
    }
}

#[test]
fn each_case_of_the_grammar() {
    let cases = "
        the zone itself | @ | Apex
        the version | dns-version | DnsVersion
        the name server | ns.dns | NameServer
        the Services | svc | Subtree
        the pods | pod | Subtree
        a namespace of Services | default.svc | Namespace Services default
        a namespace of pods | default.pod | Namespace Pods default
        a Service | web.default.svc | Service web default
        an endpoint | a.web.default.svc | Service web default, endpoint a
        an endpoint keeps its underscore | _a.web.default.svc | Service web default, endpoint _a
        a port | _http._tcp.web.default.svc | Service web default, port 'http' 'tcp'
        a port without underscores | http.tcp.web.default.svc | Service web default, port 'http' 'tcp'
        one underscore goes, not two | __http._tcp.web.default.svc | Service web default, port '_http' 'tcp'
        only an underscore is any port | _._tcp.web.default.svc | Service web default, port '' 'tcp'
        or any protocol | _http._.web.default.svc | Service web default, port 'http' ''
        what is no protocol still filters | _http._x.web.default.svc | Service web default, port 'http' 'x'
        a pod | 1-2-3-4.default.pod | Pod 1-2-3-4 default
        a label left of a pod changes nothing | x.1-2-3-4.default.pod | Pod 1-2-3-4 default
        nor do two | x.y.1-2-3-4.default.pod | Pod 1-2-3-4 default
        three do | x.y.z.1-2-3-4.default.pod | Invalid
        names may be words of the grammar | svc.svc.svc | Service svc svc
        pods too | pod.pod.pod | Pod pod pod
        too many labels | x._http._tcp.web.default.svc | Invalid
        the names of the zonal option | a.pin._zone.web.default.svc | Invalid
        another third label | web.default.foo | Invalid
        another single label | foo | Invalid
        dns is no empty non-terminal, as in CoreDNS | dns | Invalid
        nothing is under the version | x.dns-version | Invalid
        nothing is under the name server | x.ns.dns | Invalid
        where CoreDNS looks for the apex | apex.dns | Invalid
    ";
    check(Grammar::Cluster, cases);
}

#[test]
fn a_reverse_zone_has_no_services_and_no_pods() {
    let cases = "
        the zone itself | @ | Apex
        the version | dns-version | DnsVersion
        the name server | ns.dns | NameServer
        the Services | svc | Subtree
        the pods | pod | Subtree
        a namespace | default.svc | Invalid
        a Service | web.default.svc | Invalid
        a pod | 1-2-3-4.default.pod | Invalid
        an address | 1.0.96.10 | Invalid
    ";
    check(Grammar::Reverse, cases);
}

#[test]
fn a_label_may_hold_any_byte() {
    let name = b"\x05a.b\0\xff\x03web\x02ns\x03svc";
    let service = Service {
        key: b"\x03web\x02ns",
        namespace: b"ns",
        part: Part::Endpoint(b"a.b\0\xff"),
    };
    assert_eq!(parse(name, Grammar::Cluster), Parsed::Service(service));

    let looks_like_more_labels = b"\x08ns\x03svc\x03a\x03svc";
    let namespace = Parsed::Namespace {
        subtree: Subtree::Services,
        namespace: b"ns\x03svc\x03a",
    };
    assert_eq!(parse(looks_like_more_labels, Grammar::Cluster), namespace);
}

#[test]
fn bytes_that_are_no_name_are_invalid() {
    let cases: [&[u8]; 5] = [
        b"\x04svc",
        b"\x03web\x07default\x03svc\0",
        b"\xc0\x0c",
        b"\x40aaaa",
        &[64; 65],
    ];
    for bytes in cases {
        assert_eq!(parse(bytes, Grammar::Cluster), Parsed::Invalid, "{bytes:?}");
    }
}

#[test]
fn addresses_from_reverse_names() {
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    let mapped = "1.0.0.0.0.0.a.0.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";
    let short = &v6[2..];
    let no_nibble = v6.replacen('8', "g", 1);
    let two_nibbles = v6.replacen("8.b", "8b.0", 1);
    let cases = format!(
        "
        IPv4 | 1.0.96.10.in-addr.arpa | 10.96.0.1
        the largest octets | 255.255.255.255.in-addr.arpa | 255.255.255.255
        an octet too large | 256.0.96.10.in-addr.arpa | none
        an octet far too large | 1111111.0.96.10.in-addr.arpa | none
        a leading zero | 01.0.96.10.in-addr.arpa | none
        a sign | +1.0.96.10.in-addr.arpa | none
        no digits | a.0.96.10.in-addr.arpa | none
        part of an address | 0.96.10.in-addr.arpa | none
        more than an address | 1.1.0.96.10.in-addr.arpa | none
        the zone | in-addr.arpa | none
        another tree | 1.0.96.10.in-addr.example | none
        IPv6 | {v6} | 2001:db8::1
        IPv4 written as IPv6 | {mapped} | 10.0.0.1
        one label left of IPv6 changes nothing, as in CoreDNS | x.{v6} | 2001:db8::1
        nor do three | xyz.y.1.{v6} | 2001:db8::1
        four do | 1.2.3.4.{v6} | none
        part of IPv6 | 8.b.d.0.1.0.0.2.ip6.arpa | none
        31 nibbles | {short} | none
        no nibble | {no_nibble} | none
        two nibbles in a label | {two_nibbles} | none
        the zone of IPv6 | ip6.arpa | none
        another form of address, as CoreDNS reads it | 1.0.96.::ffff:10.in-addr.arpa | 10.96.0.1
        a form that is no IPv4 address | ::1.in-addr.arpa | none
        groups of IPv6 in a label | 1.:.:.2001:db8.ip6.arpa | 2001:db8::1
        too long for an address | 1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.in-addr.arpa | none
    "
    );
    for case in cases.lines().filter(|line| line.contains('|')) {
        let mut parts = case.split('|').map(str::trim);
        let mut next = || parts.next().expect(case);
        let (name, text, expected) = (next(), next(), next().parse().ok());
        let mut bytes = wire(text);
        assert_eq!(reverse(&bytes), expected, "{name}: {text}");
        bytes.push(0);
        assert_eq!(reverse(&bytes), expected, "{name}, with the root");
    }
    let dot_in_a_label = b"\x011\x040.96\x0210\x07in-addr\x04arpa";
    assert_eq!(reverse(dot_in_a_label), None, "a dot that is no separator");
    let one_label = b"\x16\x011\x010\x0296\x0210\x07in-addr\x04arpa";
    assert_eq!(
        reverse(one_label),
        None,
        "a label that only looks like the name"
    );
}

#[test]
fn the_key_of_a_service_is_the_one_in_a_question() {
    let key = service_key("default", "web").unwrap();
    let question = wire("a.web.default.svc");
    let Parsed::Service(service) = parse(&question, Grammar::Cluster) else {
        panic!("no Service");
    };
    assert_eq!(service.key, &*key);
    let long = "a".repeat(64);
    assert_eq!(service_key("", "web"), None);
    assert_eq!(service_key(&long, "web"), None);
    assert_eq!(service_key("default", &long), None);
    assert!(service_key("default", &long[1..]).is_some());
}

#[test]
fn two_labels_left_of_an_import_are_an_endpoint_and_its_cluster() {
    check(
        Grammar::Imports,
        "
        an import | web.shop.svc | Service web shop
        without a cluster | a.web.shop.svc | Service web shop, endpoint a of ''
        an endpoint | a.east.web.shop.svc | Service web shop, endpoint a of 'east'
        a port | _http._tcp.web.shop.svc | Service web shop, port 'http' 'tcp'
        one underscore | http._tcp.web.shop.svc | Service web shop, port 'http' 'tcp'
        the other | _http.tcp.web.shop.svc | Service web shop, port 'http' 'tcp'
        too long | x.a.east.web.shop.svc | Invalid
        a pod | 1-2-3-4.shop.pod | Pod 1-2-3-4 shop
        ",
    );
}

#[test]
fn a_topology_zone_is_all_that_is_left_of_its_directive() {
    let table = "
        a zone | a.pin._zone.web.shop.svc | Service web shop, zone a
        or all | a.prefer._zone.web.shop.svc | Service web shop, zone a, or all
        a zone with dots | a.example.com.pin._zone.web.shop.svc | Service web shop, zone a.example.com
        another directive | a.near._zone.web.shop.svc | Invalid
        another label | a.pin._zones.web.shop.svc | Invalid
        a pod | a.pin._zone.web.shop.pod | Invalid
        neither | a.pin._zone.web.shop.other | Invalid
        no zone | pin._zone.web.shop.svc | Service web shop, port 'pin' 'zone'
        the Service | web.shop.svc | Service web shop
    ";
    check(Grammar::Zonal, table);
    for grammar in [Grammar::Cluster, Grammar::Imports] {
        check(
            grammar,
            "without zonal | a.pin._zone.web.shop.svc | Invalid",
        );
    }
}

#[test]
fn a_zone_is_compared_label_by_label() {
    let is = |labels: &[u8], zone: &str| {
        Topology {
            labels,
            or_all: false,
        }
        .is(zone)
    };
    assert!(is(b"\x02us", "us") && is(b"\x01a\x03com", "a.com"));
    for (labels, zone) in [
        (&b"\x02us"[..], "us-1"),
        (b"\x02us", "u"),
        (b"\x01a\x03com", "a-com"),
        (b"\x05a.com", "a.com"),
    ] {
        assert!(!is(labels, zone), "{zone}");
    }
}

#[test]
fn the_name_of_an_address_is_the_one_that_leads_to_it() {
    for address in [
        "10.96.0.1",
        "255.0.25.199",
        "::1",
        "fd00:10:96::a",
        "2001:db8::",
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(reverse(&name_of_address(address)), Some(address));
    }
    let name = name_of_address("10.96.0.1".parse().unwrap());
    assert_eq!(name, b"\x011\x010\x0296\x0210\x07in-addr\x04arpa");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        for grammar in [
            Grammar::Cluster,
            Grammar::Reverse,
            Grammar::Imports,
            Grammar::Zonal,
        ] {
            let _ = parse(&bytes, grammar);
        }
        let _ = reverse(&bytes);
        for suffix in [&b"\x07in-addr\x04arpa"[..], b"\x03ip6\x04arpa"] {
            let _ = reverse(&[&bytes, suffix].concat());
        }
    }
}
