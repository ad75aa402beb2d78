//! Each shape of name and record, with the options as they are by default.

use super::*;

/// A shop, another namespace, and pods.
const SHOP: &str = "
    namespace shop
    namespace bare
    service shop/web 10.96.0.1 http:80/TCP
    service shop/web-six fd00:10:96::1 http:80/TCP
    service shop/web-dual 10.96.0.3,fd00:10:96::3 http:80/TCP
    service shop/idle 10.96.0.9 http:80/TCP
    service shop/dns 10.96.0.10 dns:53/UDP dns-tcp:53/TCP metrics:9153/TCP
    service shop/unnamed 10.96.0.11 :8080/TCP
    service shop/no-port 10.96.0.12
    service shop/db None http:80/TCP
    service shop/portless None
    service shop/waiting None http:80/TCP
    service hidden/web 10.96.9.9 http:80/TCP
    slice shop/db-1 db http:80/TCP | 10.1.0.2 10.1.0.3 10.1.0.4(pair,) 10.1.0.5(pair,)
    slice shop/db-2 db http:80/TCP | fd00:1::1 fd00:1::2
    slice shop/portless-1 portless | 10.1.0.20
    slice shop/waiting-1 waiting http:80/TCP | 10.1.0.30!
    slice shop/web-1 web http:8080/TCP | 10.1.0.40(front,)
";

#[test]
fn a_service_has_its_own_addresses() {
    Cluster::new("", SHOP).check(&[
        (
            "web.shop.svc.cluster.local. A",
            &["web.shop.svc.cluster.local. 5 IN A 10.96.0.1"],
        ),
        ("web.shop.svc.cluster.local. AAAA", NODATA),
        (
            "web-six.shop.svc.cluster.local. AAAA",
            &["web-six.shop.svc.cluster.local. 5 IN AAAA fd00:10:96::1"],
        ),
        ("web-six.shop.svc.cluster.local. A", NODATA),
        (
            "web-dual.shop.svc.cluster.local. A",
            &["web-dual.shop.svc.cluster.local. 5 IN A 10.96.0.3"],
        ),
        (
            "web-dual.shop.svc.cluster.local. AAAA",
            &["web-dual.shop.svc.cluster.local. 5 IN AAAA fd00:10:96::3"],
        ),
        // Ready endpoints or not.
        (
            "idle.shop.svc.cluster.local. A",
            &["idle.shop.svc.cluster.local. 5 IN A 10.96.0.9"],
        ),
        // A port's name leads to the same addresses.
        (
            "_http._tcp.web.shop.svc.cluster.local. A",
            &["_http._tcp.web.shop.svc.cluster.local. 5 IN A 10.96.0.1"],
        ),
        ("_http._udp.web.shop.svc.cluster.local. A", NXDOMAIN),
        // Its endpoints have names too.
        (
            "front.web.shop.svc.cluster.local. A",
            &["front.web.shop.svc.cluster.local. 5 IN A 10.1.0.40"],
        ),
        ("10-1-0-40.web.shop.svc.cluster.local. A", NXDOMAIN),
    ]);
}

#[test]
fn a_service_is_the_target_of_its_ports() {
    Cluster::new("", SHOP).check(&[
        (
            "web.shop.svc.cluster.local. SRV",
            &[
                "web.shop.svc.cluster.local. 5 IN SRV 0 100 80 web.shop.svc.cluster.local.",
                "+ web.shop.svc.cluster.local. 5 IN A 10.96.0.1",
            ],
        ),
        (
            "_http._tcp.idle.shop.svc.cluster.local. SRV",
            &[
                "_http._tcp.idle.shop.svc.cluster.local. 5 IN SRV 0 100 80 idle.shop.svc.cluster.local.",
                "+ idle.shop.svc.cluster.local. 5 IN A 10.96.0.9",
            ],
        ),
        // An underscore is optional.
        (
            "http.tcp.web-six.shop.svc.cluster.local. SRV",
            &[
                "http.tcp.web-six.shop.svc.cluster.local. 5 IN SRV 0 100 80 web-six.shop.svc.cluster.local.",
                "+ web-six.shop.svc.cluster.local. 5 IN AAAA fd00:10:96::1",
            ],
        ),
        // Two addresses share the weight, and are glue of one record.
        (
            "web-dual.shop.svc.cluster.local. SRV",
            &[
                "web-dual.shop.svc.cluster.local. 5 IN SRV 0 50 80 web-dual.shop.svc.cluster.local.",
                "+ web-dual.shop.svc.cluster.local. 5 IN A 10.96.0.3",
                "+ web-dual.shop.svc.cluster.local. 5 IN AAAA fd00:10:96::3",
            ],
        ),
        // So do ports of the same number.
        (
            "dns.shop.svc.cluster.local. SRV",
            &[
                "dns.shop.svc.cluster.local. 5 IN SRV 0 33 53 dns.shop.svc.cluster.local.",
                "dns.shop.svc.cluster.local. 5 IN SRV 0 33 9153 dns.shop.svc.cluster.local.",
                "+ dns.shop.svc.cluster.local. 5 IN A 10.96.0.10",
            ],
        ),
        (
            "unnamed.shop.svc.cluster.local. SRV",
            &[
                "unnamed.shop.svc.cluster.local. 5 IN SRV 0 100 8080 unnamed.shop.svc.cluster.local.",
                "+ unnamed.shop.svc.cluster.local. 5 IN A 10.96.0.11",
            ],
        ),
        ("_http._tcp.unnamed.shop.svc.cluster.local. SRV", NXDOMAIN),
        ("no-port.shop.svc.cluster.local. SRV", NODATA),
        ("_http._tcp.no-port.shop.svc.cluster.local. SRV", NXDOMAIN),
    ]);
}

#[test]
fn a_headless_service_has_the_addresses_of_its_ready_endpoints() {
    Cluster::new("", SHOP).check(&[
        (
            "db.shop.svc.cluster.local. A",
            &[
                "db.shop.svc.cluster.local. 5 IN A 10.1.0.2",
                "db.shop.svc.cluster.local. 5 IN A 10.1.0.3",
                "db.shop.svc.cluster.local. 5 IN A 10.1.0.4",
                "db.shop.svc.cluster.local. 5 IN A 10.1.0.5",
            ],
        ),
        (
            "db.shop.svc.cluster.local. AAAA",
            &[
                "db.shop.svc.cluster.local. 5 IN AAAA fd00:1::1",
                "db.shop.svc.cluster.local. 5 IN AAAA fd00:1::2",
            ],
        ),
        (
            "portless.shop.svc.cluster.local. A",
            &["portless.shop.svc.cluster.local. 5 IN A 10.1.0.20"],
        ),
        ("waiting.shop.svc.cluster.local. A", NXDOMAIN),
        (
            "10-1-0-2.db.shop.svc.cluster.local. A",
            &["10-1-0-2.db.shop.svc.cluster.local. 5 IN A 10.1.0.2"],
        ),
        (
            "fd00-1--2.db.shop.svc.cluster.local. AAAA",
            &["fd00-1--2.db.shop.svc.cluster.local. 5 IN AAAA fd00:1::2"],
        ),
        (
            "10-1-0-20.portless.shop.svc.cluster.local. A",
            &["10-1-0-20.portless.shop.svc.cluster.local. 5 IN A 10.1.0.20"],
        ),
        (
            "pair.db.shop.svc.cluster.local. A",
            &[
                "pair.db.shop.svc.cluster.local. 5 IN A 10.1.0.4",
                "pair.db.shop.svc.cluster.local. 5 IN A 10.1.0.5",
            ],
        ),
        ("nobody.db.shop.svc.cluster.local. A", NXDOMAIN),
        ("portless.shop.svc.cluster.local. SRV", NODATA),
    ]);
}

#[test]
fn endpoints_of_a_headless_service_are_the_targets_of_its_ports() {
    Cluster::new("", SHOP).check(&[(
        "_http._tcp.db.shop.svc.cluster.local. SRV",
        &[
            "_http._tcp.db.shop.svc.cluster.local. 5 IN SRV 0 16 80 10-1-0-2.db.shop.svc.cluster.local.",
            "_http._tcp.db.shop.svc.cluster.local. 5 IN SRV 0 16 80 10-1-0-3.db.shop.svc.cluster.local.",
            "_http._tcp.db.shop.svc.cluster.local. 5 IN SRV 0 16 80 pair.db.shop.svc.cluster.local.",
            "_http._tcp.db.shop.svc.cluster.local. 5 IN SRV 0 16 80 fd00-1--1.db.shop.svc.cluster.local.",
            "_http._tcp.db.shop.svc.cluster.local. 5 IN SRV 0 16 80 fd00-1--2.db.shop.svc.cluster.local.",
            "+ 10-1-0-2.db.shop.svc.cluster.local. 5 IN A 10.1.0.2",
            "+ 10-1-0-3.db.shop.svc.cluster.local. 5 IN A 10.1.0.3",
            "+ pair.db.shop.svc.cluster.local. 5 IN A 10.1.0.4",
            "+ pair.db.shop.svc.cluster.local. 5 IN A 10.1.0.5",
            "+ fd00-1--1.db.shop.svc.cluster.local. 5 IN AAAA fd00:1::1",
            "+ fd00-1--2.db.shop.svc.cluster.local. 5 IN AAAA fd00:1::2",
        ],
    )]);
}

#[test]
fn srv_records_stand_in_the_order_of_slices_endpoints_and_ports() {
    let cluster = "
        namespace a
        service a/x None
        slice a/1 x p:1/TCP q:2/TCP | 10.0.0.1(one,) 10.0.0.2(two,)
        slice a/2 x r:3/TCP | fd00::1(one,) fd00::2(three,)
    ";
    Cluster::new("", cluster).check(&[(
        "x.a.svc.cluster.local. SRV",
        &[
            "x.a.svc.cluster.local. 5 IN SRV 0 16 1 one.x.a.svc.cluster.local.",
            "x.a.svc.cluster.local. 5 IN SRV 0 16 2 one.x.a.svc.cluster.local.",
            "x.a.svc.cluster.local. 5 IN SRV 0 16 1 two.x.a.svc.cluster.local.",
            "x.a.svc.cluster.local. 5 IN SRV 0 16 2 two.x.a.svc.cluster.local.",
            "x.a.svc.cluster.local. 5 IN SRV 0 16 3 one.x.a.svc.cluster.local.",
            "x.a.svc.cluster.local. 5 IN SRV 0 16 3 three.x.a.svc.cluster.local.",
            "+ one.x.a.svc.cluster.local. 5 IN A 10.0.0.1",
            "+ two.x.a.svc.cluster.local. 5 IN A 10.0.0.2",
            "+ one.x.a.svc.cluster.local. 5 IN AAAA fd00::1",
            "+ three.x.a.svc.cluster.local. 5 IN AAAA fd00::2",
        ],
    )]);
}

#[test]
fn names_with_names_below_them_exist() {
    Cluster::new("", SHOP).check(&[
        ("svc.cluster.local. A", NODATA),
        ("svc.cluster.local. NS", NODATA),
        ("pod.cluster.local. A", NODATA),
        ("shop.svc.cluster.local. A", NODATA),
        ("shop.svc.cluster.local. NS", NODATA),
        ("bare.svc.cluster.local. A", NODATA),
        // Though ns.dns exists.
        ("dns.cluster.local. A", NXDOMAIN),
    ]);
}

#[test]
fn names_that_nothing_gives_do_not_exist() {
    Cluster::new("", SHOP).check(&[
        ("other.shop.svc.cluster.local. A", NXDOMAIN),
        ("other.shop.svc.cluster.local. AAAA", NXDOMAIN),
        ("web.nowhere.svc.cluster.local. A", NXDOMAIN),
        ("nowhere.svc.cluster.local. NS", NXDOMAIN),
        ("x.other.shop.svc.cluster.local. A", NXDOMAIN),
        ("other.cluster.local. NS", NXDOMAIN),
        ("web.shop.cluster.local. A", NXDOMAIN),
        ("a.b.c.web.shop.svc.cluster.local. A", NXDOMAIN),
        // The Service is there, its namespace is not.
        ("web.hidden.svc.cluster.local. A", NXDOMAIN),
    ]);
}

#[test]
fn other_types_tell_whether_the_name_exists() {
    let cluster = Cluster::new("", SHOP);
    for rtype in [
        "MX",
        "HTTPS",
        "ANY",
        "DS",
        "NS",
        "CNAME",
        "PTR",
        "TYPE65280",
    ] {
        for (name, expected) in [
            ("cluster.local.", NODATA),
            ("web.shop.svc.cluster.local.", NODATA),
            ("other.shop.svc.cluster.local.", NXDOMAIN),
        ] {
            let told = cluster.ask(&format!("{name} {rtype}"));
            assert_eq!(lines(&told), expected.join("\n"), "{name} {rtype}");
        }
    }
}

#[test]
fn text_is_the_versions_and_its_absence_a_name_error() {
    Cluster::new("", SHOP).check(&[
        (
            "dns-version.cluster.local. TXT",
            &["dns-version.cluster.local. 28800 IN TXT 1.1.0"],
        ),
        ("dns-version.cluster.local. A", NXDOMAIN),
        ("web.shop.svc.cluster.local. TXT", NODATA),
        ("other.shop.svc.cluster.local. TXT", NXDOMAIN),
        // What exists without a record does not exist for this type.
        ("cluster.local. TXT", NXDOMAIN),
        ("svc.cluster.local. TXT", NXDOMAIN),
        ("shop.svc.cluster.local. TXT", NXDOMAIN),
        ("ns.dns.cluster.local. TXT", NXDOMAIN),
    ]);
}

#[test]
fn the_apex_has_an_soa_record() {
    Cluster::new("", SHOP).check(&[
        ("cluster.local. SOA", &[SOA]),
        ("cluster.local. A", NODATA),
        ("cluster.local. AAAA", NODATA),
        ("cluster.local. SRV", NODATA),
        ("cluster.local. HINFO", NODATA),
        // Below it nothing is looked up.
        ("web.shop.svc.cluster.local. SOA", NODATA),
        ("no.such.name.cluster.local. SOA", NODATA),
    ]);
}

#[test]
fn case_is_the_questions_where_the_question_tells_the_name() {
    let cluster = Cluster::new("", SHOP);
    cluster.check(&[
        (
            "WEB.Shop.sVc.cLuStEr.LoCaL. A",
            &["WEB.Shop.sVc.cLuStEr.LoCaL. 5 IN A 10.96.0.1"],
        ),
        // The target's Service and namespace are the objects' own.
        (
            "_HtTp._TcP.WEB.Shop.sVc.cLuStEr.LoCaL. SRV",
            &[
                "_HtTp._TcP.WEB.Shop.sVc.cLuStEr.LoCaL. 5 IN SRV 0 100 80 web.shop.svc.cLuStEr.LoCaL.",
                "+ web.shop.svc.cLuStEr.LoCaL. 5 IN A 10.96.0.1",
            ],
        ),
        (
            "Cluster.local. SOA",
            &["Cluster.local. 5 IN SOA ns.dns.Cluster.local. hostmaster.Cluster.local. 0 7200 1800 86400 5"],
        ),
    ]);
    let told = cluster.ask("other.shop.svc.ClUsTeR.lOcAl. A");
    assert_eq!(told.rcode, "NXDOMAIN");
    assert_eq!(
        told.authority,
        [
            "ClUsTeR.lOcAl. 5 IN SOA ns.dns.ClUsTeR.lOcAl. hostmaster.ClUsTeR.lOcAl. 0 7200 1800 86400 5"
        ]
    );
}

#[test]
fn addresses_lead_to_services_and_endpoints() {
    let cluster = Cluster::of_zones(
        "cluster.local 0.10.in-addr.arpa 168.192.in-addr.arpa ip6.arpa",
        "",
        "
        namespace shop
        service shop/web 192.168.1.100 http:80/TCP
        service shop/web-six fd77:3::a http:80/TCP
        service shop/db None
        slice shop/web-1 web http:80/TCP | 10.0.0.100(ep,) 10.0.0.99(double,)
        slice shop/db-1 db http:80/TCP | 10.0.0.99(double,) 1234:abcd::1(six,) 10.0.0.7!
        ",
    );
    cluster.check(&[
        (
            "100.1.168.192.in-addr.arpa. PTR",
            &["100.1.168.192.in-addr.arpa. 5 IN PTR web.shop.svc.cluster.local."],
        ),
        (
            "a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.0.7.7.d.f.ip6.arpa. PTR",
            &["a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.0.7.7.d.f.ip6.arpa. 5 IN PTR web-six.shop.svc.cluster.local."],
        ),
        (
            "100.0.0.10.in-addr.arpa. PTR",
            &["100.0.0.10.in-addr.arpa. 5 IN PTR ep.web.shop.svc.cluster.local."],
        ),
        (
            "99.0.0.10.in-addr.arpa. PTR",
            &[
                "99.0.0.10.in-addr.arpa. 5 IN PTR double.db.shop.svc.cluster.local.",
                "99.0.0.10.in-addr.arpa. 5 IN PTR double.web.shop.svc.cluster.local.",
            ],
        ),
        (
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa. PTR",
            &["1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa. 5 IN PTR six.db.shop.svc.cluster.local."],
        ),
        // In a zone of names a name of an address is as any other.
        ("100.0.0.10.cluster.local. PTR", NXDOMAIN),
        ("example.org.cluster.local. PTR", NXDOMAIN),
        ("web.shop.svc.cluster.local. PTR", NODATA),
    ]);
    for (question, rcode) in [
        ("101.0.0.10.in-addr.arpa. PTR", "NXDOMAIN"),
        ("7.0.0.10.in-addr.arpa. PTR", "NXDOMAIN"),
        ("0.0.10.in-addr.arpa. PTR", "NXDOMAIN"),
        ("100.0.0.10.in-addr.arpa. A", "NXDOMAIN"),
        ("web.shop.svc.0.10.in-addr.arpa. A", "NXDOMAIN"),
        ("0.10.in-addr.arpa. PTR", "NOERROR"),
        ("svc.0.10.in-addr.arpa. A", "NOERROR"),
    ] {
        let told = cluster.ask(question);
        assert_eq!(
            (told.rcode.as_str(), told.answer.len()),
            (rcode, 0),
            "{question}"
        );
        let soa = "0.10.in-addr.arpa. 5 IN SOA ns.dns.0.10.in-addr.arpa. hostmaster.0.10.in-addr.arpa. 0 7200 1800 86400 5";
        assert_eq!(told.authority, [soa], "{question}");
    }
}

#[test]
fn a_transfer_is_refused() {
    let cluster = Cluster::new("", SHOP);
    for question in [
        "cluster.local. AXFR",
        "cluster.local. TYPE251",
        "shop.svc.cluster.local. AXFR",
    ] {
        let told = cluster.ask(question);
        assert_eq!(told.rcode, "REFUSED", "{question}");
        assert!(
            told.answer.is_empty() && told.authority.is_empty(),
            "{question}"
        );
    }
}

#[test]
fn the_longest_zone_is_the_one_that_answers() {
    let cluster = Cluster::of_zones("cluster.local inner.cluster.local", "", SHOP);
    let told = cluster.ask("web.shop.svc.inner.cluster.local. A");
    assert_eq!(
        told.answer,
        ["web.shop.svc.inner.cluster.local. 5 IN A 10.96.0.1"]
    );
    let told = cluster.ask("other.inner.cluster.local. A");
    assert!(told.authority[0].starts_with("inner.cluster.local. "));
    let told = cluster.ask("web.shop.svc.example.org. A");
    assert_eq!(told.rcode, "REFUSED", "another plugin's to answer");
}

#[test]
fn a_target_that_is_too_long_for_a_name_is_left_out() {
    let label = |letter: &str| letter.repeat(63);
    let (endpoint, service, namespace) = (label("e"), label("s"), label("n"));
    let zone = "a-cluster-of-many.in-a-region-far-away.of-a-provider.example";
    let cluster = Cluster::of_zones(
        &format!("{zone} in-addr.arpa"),
        "",
        &format!(
            "
            namespace {namespace}
            service {namespace}/{service} None
            slice {namespace}/1 {service} http:80/TCP | 10.0.0.1({endpoint},) 10.0.0.2(b,)
            "
        ),
    );
    let name = format!("{service}.{namespace}.svc.{zone}.");
    let told = cluster.ask(&format!("{name} SRV"));
    assert_eq!(told.answer, [format!("{name} 5 IN SRV 0 50 80 b.{name}")]);
    assert_eq!(told.additional, [format!("b.{name} 5 IN A 10.0.0.2")]);
    let told = cluster.ask("1.0.0.10.in-addr.arpa. PTR");
    assert_eq!((told.rcode.as_str(), told.answer.len()), ("NOERROR", 0));
    assert_eq!(told.authority.len(), 1);
}

/// Endpoints that are names.
const ALIASES: &str = "
        namespace a
        service a/web 10.96.0.1 http:80/TCP
        service a/alias None
        service a/chain None
        service a/first None
        service a/both None
        service a/waiting None
        service a/below None
        service a/own 10.96.0.2 http:80/TCP
        slice a/alias-1 alias http:80/TCP | Web.a.svc.cluster.local
        slice a/chain-1 chain http:80/TCP | alias.a.svc.cluster.local(host,)
        slice a/first-1 first http:80/TCP | web.a.svc.cluster.local nowhere.a.svc.cluster.local
        slice a/both-1 both http:80/TCP | 10.1.0.1
        slice a/both-2 both http:80/TCP https:443/TCP | web.a.svc.cluster.local
        slice a/waiting-1 waiting http:80/TCP | web.a.svc.cluster.local!
        slice a/below-1 below http:80/TCP | x.below.a.svc.cluster.local
        slice a/own-1 own http:80/TCP | web.a.svc.cluster.local(host,)
    ";

/// What they are told as.
const OF_ALIASES: &[Case] = &[
    (
        "alias.a.svc.cluster.local. A",
        &[
            "alias.a.svc.cluster.local. 5 IN CNAME Web.a.svc.cluster.local.",
            "Web.a.svc.cluster.local. 5 IN A 10.96.0.1",
        ],
    ),
    (
        "alias.a.svc.cluster.local. CNAME",
        &["alias.a.svc.cluster.local. 5 IN CNAME Web.a.svc.cluster.local."],
    ),
    ("alias.a.svc.cluster.local. AAAA", NODATA),
    ("alias.a.svc.cluster.local. SRV", NODATA),
    ("alias.a.svc.cluster.local. TXT", NODATA),
    (
        "_http._tcp.alias.a.svc.cluster.local. CNAME",
        &["_http._tcp.alias.a.svc.cluster.local. 5 IN CNAME Web.a.svc.cluster.local."],
    ),
    ("_http._udp.alias.a.svc.cluster.local. CNAME", NXDOMAIN),
    // The endpoint is called as addresses are.
    (
        "web-a-svc-cluster-local.alias.a.svc.cluster.local. CNAME",
        &["web-a-svc-cluster-local.alias.a.svc.cluster.local. 5 IN CNAME Web.a.svc.cluster.local."],
    ),
    ("x.alias.a.svc.cluster.local. CNAME", NXDOMAIN),
    (
        "host.chain.a.svc.cluster.local. A",
        &[
            "host.chain.a.svc.cluster.local. 5 IN CNAME alias.a.svc.cluster.local.",
            "alias.a.svc.cluster.local. 5 IN CNAME Web.a.svc.cluster.local.",
            "Web.a.svc.cluster.local. 5 IN A 10.96.0.1",
        ],
    ),
    (
        "first.a.svc.cluster.local. CNAME",
        &["first.a.svc.cluster.local. 5 IN CNAME web.a.svc.cluster.local."],
    ),
    // A name with addresses has no alias.
    (
        "both.a.svc.cluster.local. A",
        &["both.a.svc.cluster.local. 5 IN A 10.1.0.1"],
    ),
    ("both.a.svc.cluster.local. CNAME", NODATA),
    (
        "_https._tcp.both.a.svc.cluster.local. CNAME",
        &["_https._tcp.both.a.svc.cluster.local. 5 IN CNAME web.a.svc.cluster.local."],
    ),
    (
        "both.a.svc.cluster.local. SRV",
        &[
            "both.a.svc.cluster.local. 5 IN SRV 0 100 80 10-1-0-1.both.a.svc.cluster.local.",
            "+ 10-1-0-1.both.a.svc.cluster.local. 5 IN A 10.1.0.1",
        ],
    ),
    ("waiting.a.svc.cluster.local. A", NXDOMAIN),
    ("below.a.svc.cluster.local. A", NODATA),
    (
        "own.a.svc.cluster.local. A",
        &["own.a.svc.cluster.local. 5 IN A 10.96.0.2"],
    ),
    (
        "host.own.a.svc.cluster.local. CNAME",
        &["host.own.a.svc.cluster.local. 5 IN CNAME web.a.svc.cluster.local."],
    ),
];

#[test]
fn an_endpoint_that_is_a_name_is_what_a_headless_service_is_an_alias_of() {
    Cluster::new("", ALIASES).check(OF_ALIASES);
    Cluster::new("noendpoints", ALIASES).check(&[("alias.a.svc.cluster.local. A", NXDOMAIN)]);
    // It is an endpoint of the Service.
    let empty = Cluster::new("ignore empty_service", ALIASES);
    empty.check(&[
        (
            "own.a.svc.cluster.local. A",
            &["own.a.svc.cluster.local. 5 IN A 10.96.0.2"],
        ),
        ("web.a.svc.cluster.local. A", NXDOMAIN),
    ]);
}
