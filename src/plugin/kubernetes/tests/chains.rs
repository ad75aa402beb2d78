//! ExternalName Services: CNAMEs, and what their targets resolve to.

use super::*;
use crate::answer::{Answer, Body, Origin};
use crate::chain::Outcome;

const CLUSTER: &str = "
    namespace a
    service a/web 10.96.0.1,fd00:10:96::1 http:80/TCP
    service a/db None http:80/TCP
    slice a/db-1 db http:80/TCP | 10.1.0.1(db-0,)
    service a/outside ->www.example.org
    service a/outside-dot ->www.example.org.
    service a/inside ->web.a.svc.cluster.local
    service a/inside-headless ->db.a.svc.cluster.local
    service a/inside-capitals ->Web.A.svc.Cluster.local
    service a/to-endpoint ->db-0.db.a.svc.cluster.local
    service a/to-pod ->10-1-2-3.a.pod.cluster.local
    service a/to-name-server ->ns.dns.cluster.local
    service a/to-nothing ->nothing.a.svc.cluster.local
    service a/to-namespace ->a.svc.cluster.local
    service a/itself ->itself.a.svc.cluster.local
    service a/ping ->pong.a.svc.cluster.local
    service a/pong ->ping.a.svc.cluster.local
    service a/twice ->outside.a.svc.cluster.local
    service a/address ->192.0.2.1
    service a/address-six ->2001:db8::1
    service a/no-name ->a-label-that-is-longer-than-the-sixty-three-bytes-that-a-label-can-have.org
";

/// The cluster before a plugin that answers for the rest of the world.
fn cluster(world: Stub) -> Cluster {
    Cluster::with_next(&format!("{ZONES} {{\npods insecure\n}}"), CLUSTER, world)
}

fn silent() -> Stub {
    Stub::new(|_| Outcome::Drop.into())
}

#[test]
fn the_cname_itself_is_not_resolved() {
    cluster(silent()).check(&[
        (
            "outside.a.svc.cluster.local. CNAME",
            &["outside.a.svc.cluster.local. 5 IN CNAME www.example.org."],
        ),
        (
            "outside-dot.a.svc.cluster.local. CNAME",
            &["outside-dot.a.svc.cluster.local. 5 IN CNAME www.example.org."],
        ),
        (
            "inside.a.svc.cluster.local. CNAME",
            &["inside.a.svc.cluster.local. 5 IN CNAME web.a.svc.cluster.local."],
        ),
        (
            "itself.a.svc.cluster.local. CNAME",
            &["itself.a.svc.cluster.local. 5 IN CNAME itself.a.svc.cluster.local."],
        ),
        // A port that matches anything is as good as none.
        (
            "_._.outside.a.svc.cluster.local. CNAME",
            &["_._.outside.a.svc.cluster.local. 5 IN CNAME www.example.org."],
        ),
        ("outside.a.svc.cluster.local. SRV", NODATA),
        ("outside.a.svc.cluster.local. TXT", NODATA),
        ("outside.a.svc.cluster.local. MX", NODATA),
    ]);
}

#[test]
fn an_external_name_has_neither_endpoints_nor_ports() {
    cluster(silent()).check(&[
        ("x.outside.a.svc.cluster.local. CNAME", NXDOMAIN),
        ("x.y.outside.a.svc.cluster.local. CNAME", NXDOMAIN),
        ("_https._tcp.outside.a.svc.cluster.local. A", NXDOMAIN),
    ]);
}

#[test]
fn a_target_that_is_an_address_is_no_name() {
    cluster(silent()).check(&[
        ("address.a.svc.cluster.local. A", NXDOMAIN),
        ("address.a.svc.cluster.local. CNAME", NXDOMAIN),
        ("address-six.a.svc.cluster.local. AAAA", NXDOMAIN),
        // Nor is this one, but it does exist.
        ("no-name.a.svc.cluster.local. A", NODATA),
        ("no-name.a.svc.cluster.local. CNAME", NODATA),
    ]);
}

#[test]
fn a_target_in_the_zone_is_followed() {
    cluster(silent()).check(&[
        (
            "inside.a.svc.cluster.local. A",
            &[
                "inside.a.svc.cluster.local. 5 IN CNAME web.a.svc.cluster.local.",
                "web.a.svc.cluster.local. 5 IN A 10.96.0.1",
            ],
        ),
        (
            "INSIDE.a.svc.cluster.local. AAAA",
            &[
                "INSIDE.a.svc.cluster.local. 5 IN CNAME web.a.svc.cluster.local.",
                "web.a.svc.cluster.local. 5 IN AAAA fd00:10:96::1",
            ],
        ),
        (
            "inside-headless.a.svc.cluster.local. A",
            &[
                "inside-headless.a.svc.cluster.local. 5 IN CNAME db.a.svc.cluster.local.",
                "db.a.svc.cluster.local. 5 IN A 10.1.0.1",
            ],
        ),
        (
            "inside-capitals.a.svc.cluster.local. A",
            &[
                "inside-capitals.a.svc.cluster.local. 5 IN CNAME Web.A.svc.Cluster.local.",
                "Web.A.svc.Cluster.local. 5 IN A 10.96.0.1",
            ],
        ),
        (
            "to-endpoint.a.svc.cluster.local. A",
            &[
                "to-endpoint.a.svc.cluster.local. 5 IN CNAME db-0.db.a.svc.cluster.local.",
                "db-0.db.a.svc.cluster.local. 5 IN A 10.1.0.1",
            ],
        ),
        (
            "to-pod.a.svc.cluster.local. A",
            &[
                "to-pod.a.svc.cluster.local. 5 IN CNAME 10-1-2-3.a.pod.cluster.local.",
                "10-1-2-3.a.pod.cluster.local. 5 IN A 10.1.2.3",
            ],
        ),
    ]);
}

#[test]
fn a_target_in_the_zone_that_leads_nowhere_takes_the_cname_with_it() {
    cluster(silent()).check(&[
        ("inside-headless.a.svc.cluster.local. AAAA", NODATA),
        ("to-pod.a.svc.cluster.local. AAAA", NODATA),
        ("to-nothing.a.svc.cluster.local. A", NODATA),
        ("to-namespace.a.svc.cluster.local. A", NODATA),
        ("itself.a.svc.cluster.local. A", NODATA),
        ("ping.a.svc.cluster.local. A", NODATA),
        ("to-name-server.a.svc.cluster.local. A", NODATA),
    ]);
}

#[test]
fn the_name_server_can_be_a_target() {
    let (store, zone) = testkit::cluster(CLUSTER);
    let state = state(&format!("{ZONES} {{\n}}"), zone, &["192.0.2.2", "fd00::2"]);
    let plugin = Kubernetes {
        state: state.clone(),
    };
    let chain = Chain::new(vec![Arc::new(plugin)]);
    let cluster = Cluster {
        store,
        state,
        chain,
    };
    cluster.check(&[
        (
            "to-name-server.a.svc.cluster.local. A",
            &[
                "to-name-server.a.svc.cluster.local. 5 IN CNAME ns.dns.cluster.local.",
                "ns.dns.cluster.local. 5 IN A 192.0.2.2",
            ],
        ),
        (
            "to-name-server.a.svc.cluster.local. AAAA",
            &[
                "to-name-server.a.svc.cluster.local. 5 IN CNAME ns.dns.cluster.local.",
                "ns.dns.cluster.local. 5 IN AAAA fd00::2",
            ],
        ),
    ]);
}

#[test]
fn at_most_eleven_cnames_are_followed() {
    let links = (1..=12).map(|n| format!("service a/l{n} ->l{}.a.svc.cluster.local", n + 1));
    let links: Vec<String> = links.collect();
    let objects = format!(
        "namespace a\nservice a/l13 10.96.0.1 http:80/TCP\n{}",
        links.join("\n")
    );
    let cluster = Cluster::new("", &objects);
    let told = cluster.ask("l2.a.svc.cluster.local. A");
    assert_eq!(told.answer.len(), 12, "eleven CNAMEs and an address");
    cluster.check(&[("l1.a.svc.cluster.local. A", NODATA)]);
}

#[test]
fn a_target_outside_is_asked_of_this_server() {
    const WORLD: &[&str] = &[
        "www.example.org. 60 IN CNAME web.example.org.",
        "web.example.org. 30 IN A 192.0.2.80",
    ];
    let world = Stub::upstream(ResponseCode::NoError, [WORLD, &[], &[]]);
    let asked = world.asked.clone();
    cluster(world).check(&[
        (
            "outside.a.svc.cluster.local. A",
            &[
                "outside.a.svc.cluster.local. 5 IN CNAME www.example.org.",
                "www.example.org. 60 IN CNAME web.example.org.",
                "web.example.org. 30 IN A 192.0.2.80",
            ],
        ),
        (
            "twice.a.svc.cluster.local. A",
            &[
                "twice.a.svc.cluster.local. 5 IN CNAME outside.a.svc.cluster.local.",
                "outside.a.svc.cluster.local. 5 IN CNAME www.example.org.",
                "www.example.org. 60 IN CNAME web.example.org.",
                "web.example.org. 30 IN A 192.0.2.80",
            ],
        ),
    ]);
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn what_becomes_of_a_target_outside_that_does_not_resolve() {
    const CNAME: &[&str] = &["outside.a.svc.cluster.local. 5 IN CNAME www.example.org."];
    for (rcode, name) in [
        (ResponseCode::NXDomain, "no such name"),
        (ResponseCode::ServFail, "the upstreams fail"),
        (ResponseCode::Refused, "nobody answers for it"),
        (ResponseCode::NoError, "no address of the family"),
    ] {
        let told =
            cluster(Stub::upstream(rcode, [&[], &[], &[]])).ask("outside.a.svc.cluster.local. A");
        assert_eq!(
            (told.rcode.as_str(), told.answer.as_slice()),
            ("NOERROR", &[CNAME[0].to_owned()][..]),
            "{name}"
        );
        assert!(told.authority.is_empty(), "{name}");
    }
    cluster(silent()).check(&[("outside.a.svc.cluster.local. A", NODATA)]);
}

#[test]
fn a_targets_answer_that_was_cut_is_told_as_cut() {
    let world = Stub::new(|query| {
        let mut answer = Answer::new(query, "forward", Origin::Upstream);
        answer.flags = answer.flags.with(Flags::TC);
        let records = crate::testing::records([&["www.example.org. 60 IN A 192.0.2.80"], &[], &[]]);
        answer.body = Body::Records(Arc::new(records));
        answer.into()
    });
    let told = cluster(world).ask("outside.a.svc.cluster.local. A");
    assert_eq!(told.answer.len(), 2);
    assert_eq!(told.flags, Flags::RD.with(Flags::AA).with(Flags::TC));
}
