//! What each option changes; name servers; a cluster that is not known yet.

use super::*;
use crate::kubernetes::event::Event;
use crate::kubernetes::object::Kind;
use crate::kubernetes::store;
use crate::plugin::setup::Shared;
use crate::testing::place_and_message;

const CLUSTER: &str = "
    namespace a
    namespace b
    namespace pods
    service a/web 10.96.0.1 http:80/TCP
    service a/idle 10.96.0.2 http:80/TCP
    service a/db None
    service a/ext ->www.example.org
    service b/web 10.96.0.3
    slice a/web-1 web http:80/TCP | 10.1.0.1(,web-x)
    slice a/idle-1 idle http:80/TCP | 10.1.0.2(,idle-x)!
    slice a/db-1 db db:5432/TCP | 10.1.0.3(db-0,pod-0) 10.1.0.4(,db-1) 10.1.0.5(,with.dots)
    slice b/web-1 web | 10.1.0.1(,web-y)
    pod pods/one 10.240.0.1,fd00:240::1
    pod pods/two 10.240.0.2
    pod a/two 10.240.0.2
    pod pods/three 10.240.0.2
";

#[test]
fn pods_have_no_names_by_default() {
    Cluster::new("", CLUSTER).check(&[
        ("10-240-0-1.pods.pod.cluster.local. A", NXDOMAIN),
        ("172-0-0-2.pods.pod.cluster.local. A", NXDOMAIN),
        ("pods.pod.cluster.local. A", NXDOMAIN),
        ("pod.cluster.local. A", NODATA),
    ]);
}

#[test]
fn insecure_pods_have_any_address_in_any_namespace_that_exists() {
    Cluster::new("pods insecure", CLUSTER).check(&[
        (
            "10-240-0-1.pods.pod.cluster.local. A",
            &["10-240-0-1.pods.pod.cluster.local. 5 IN A 10.240.0.1"],
        ),
        (
            "172-0-0-2.pods.pod.cluster.local. A",
            &["172-0-0-2.pods.pod.cluster.local. 5 IN A 172.0.0.2"],
        ),
        ("172-0-0-2.pods.pod.cluster.local. AAAA", NODATA),
        (
            "fd00--7.pods.pod.cluster.local. AAAA",
            &["fd00--7.pods.pod.cluster.local. 5 IN AAAA fd00::7"],
        ),
        ("blah.pods.pod.cluster.local. A", NXDOMAIN),
        ("blah.pods.pod.cluster.local. AAAA", NXDOMAIN),
        ("blah.pods.pod.cluster.local. HINFO", NXDOMAIN),
        ("172-0-0-2.nowhere.pod.cluster.local. A", NXDOMAIN),
        ("pods.pod.cluster.local. A", NODATA),
        ("nowhere.pod.cluster.local. A", NXDOMAIN),
        // Labels further left change nothing, but there may be two at most.
        (
            "y.x.172-0-0-2.pods.pod.cluster.local. A",
            &["y.x.172-0-0-2.pods.pod.cluster.local. 5 IN A 172.0.0.2"],
        ),
        ("z.y.x.172-0-0-2.pods.pod.cluster.local. A", NXDOMAIN),
        // A name without a port still has an SRV record.
        (
            "172-0-0-2.pods.pod.cluster.local. SRV",
            &[
                "172-0-0-2.pods.pod.cluster.local. 5 IN SRV 0 100 0 172-0-0-2.pods.pod.cluster.local.",
                "+ 172-0-0-2.pods.pod.cluster.local. 5 IN A 172.0.0.2",
            ],
        ),
    ]);
}

#[test]
fn verified_pods_are_those_that_there_are() {
    Cluster::new("pods verified", CLUSTER).check(&[
        (
            "10-240-0-1.pods.pod.cluster.local. A",
            &["10-240-0-1.pods.pod.cluster.local. 5 IN A 10.240.0.1"],
        ),
        (
            "fd00-240--1.pods.pod.cluster.local. AAAA",
            &["fd00-240--1.pods.pod.cluster.local. 5 IN AAAA fd00:240::1"],
        ),
        ("172-0-0-2.pods.pod.cluster.local. A", NXDOMAIN),
        ("10-240-0-1.a.pod.cluster.local. A", NXDOMAIN),
        ("pods.pod.cluster.local. A", NODATA),
        ("a.svc.cluster.local. A", NODATA),
        ("nowhere.pod.cluster.local. A", NXDOMAIN),
        // Two pods of the namespace have it, and one of another.
        (
            "10-240-0-2.pods.pod.cluster.local. SRV",
            &[
                "10-240-0-2.pods.pod.cluster.local. 5 IN SRV 0 50 0 10-240-0-2.pods.pod.cluster.local.",
                "+ 10-240-0-2.pods.pod.cluster.local. 5 IN A 10.240.0.2",
            ],
        ),
    ]);
}

#[test]
fn endpoints_can_be_called_as_their_pods() {
    Cluster::new("endpoint_pod_names", CLUSTER).check(&[
        (
            "db-1.db.a.svc.cluster.local. A",
            &["db-1.db.a.svc.cluster.local. 5 IN A 10.1.0.4"],
        ),
        ("10-1-0-4.db.a.svc.cluster.local. A", NXDOMAIN),
        // A host name comes first.
        (
            "db-0.db.a.svc.cluster.local. A",
            &["db-0.db.a.svc.cluster.local. 5 IN A 10.1.0.3"],
        ),
        ("pod-0.db.a.svc.cluster.local. A", NXDOMAIN),
        (
            "4.0.1.10.in-addr.arpa. PTR",
            &["4.0.1.10.in-addr.arpa. 5 IN PTR db-1.db.a.svc.cluster.local."],
        ),
        // A pod's dots are dots of a target, which no question finds.
        (
            "5.0.1.10.in-addr.arpa. PTR",
            &["5.0.1.10.in-addr.arpa. 5 IN PTR with.dots.db.a.svc.cluster.local."],
        ),
        ("with.dots.db.a.svc.cluster.local. A", NXDOMAIN),
    ]);
    Cluster::new("", CLUSTER).check(&[("db-1.db.a.svc.cluster.local. A", NXDOMAIN)]);
}

#[test]
fn a_time_to_live_is_that_of_all_records_but_the_soas_is_at_most_300() {
    let soa = |ttl: u32, minimum: u32| {
        format!(
            "cluster.local. {ttl} IN SOA ns.dns.cluster.local. hostmaster.cluster.local. \
             0 7200 1800 86400 {minimum}"
        )
    };
    for (option, ttl, soa) in [
        ("", 5, soa(5, 5)),
        ("ttl 0", 0, soa(0, 0)),
        ("ttl 30", 30, soa(30, 30)),
        ("ttl 3600", 3600, soa(300, 3600)),
    ] {
        let cluster = Cluster::new(option, CLUSTER);
        let told = cluster.ask("web.a.svc.cluster.local. A");
        let expected = format!("web.a.svc.cluster.local. {ttl} IN A 10.96.0.1");
        assert_eq!(told.answer, [expected], "{option}");
        let told = cluster.ask("web.a.svc.cluster.local. AAAA");
        assert_eq!(told.authority, [soa.as_str()], "{option}");
        let told = cluster.ask("dns-version.cluster.local. TXT");
        assert!(told.answer[0].contains(" 28800 "), "{option}");
    }
}

#[test]
fn without_endpoints_only_the_services_own_addresses_are_left() {
    Cluster::new("noendpoints", CLUSTER).check(&[
        (
            "web.a.svc.cluster.local. A",
            &["web.a.svc.cluster.local. 5 IN A 10.96.0.1"],
        ),
        ("10-1-0-1.web.a.svc.cluster.local. A", NXDOMAIN),
        ("db.a.svc.cluster.local. A", NXDOMAIN),
        (
            "1.0.96.10.in-addr.arpa. PTR",
            &["1.0.96.10.in-addr.arpa. 5 IN PTR web.a.svc.cluster.local."],
        ),
    ]);
    let told = Cluster::new("noendpoints", CLUSTER).ask("1.0.1.10.in-addr.arpa. PTR");
    assert_eq!(told.rcode, "NXDOMAIN");
}

#[test]
fn services_without_a_ready_endpoint_can_be_ignored() {
    let cases: &[Case] = &[
        ("idle.a.svc.cluster.local. A", NXDOMAIN),
        (
            "web.a.svc.cluster.local. A",
            &["web.a.svc.cluster.local. 5 IN A 10.96.0.1"],
        ),
        (
            "ext.a.svc.cluster.local. CNAME",
            &["ext.a.svc.cluster.local. 5 IN CNAME www.example.org."],
        ),
        // Its address still leads to it.
        (
            "2.0.96.10.in-addr.arpa. PTR",
            &["2.0.96.10.in-addr.arpa. 5 IN PTR idle.a.svc.cluster.local."],
        ),
    ];
    Cluster::new("ignore empty_service", CLUSTER).check(cases);
    let all = Cluster::new("ignore empty_service\nnoendpoints", CLUSTER);
    all.check(&[("web.a.svc.cluster.local. A", NXDOMAIN)]);
}

#[test]
fn namespaces_that_are_not_named_are_hidden_and_what_leads_to_them() {
    Cluster::new("namespaces b missing", CLUSTER).check(&[
        (
            "web.b.svc.cluster.local. A",
            &["web.b.svc.cluster.local. 5 IN A 10.96.0.3"],
        ),
        ("web.a.svc.cluster.local. A", NXDOMAIN),
        ("a.svc.cluster.local. A", NXDOMAIN),
        ("missing.svc.cluster.local. A", NXDOMAIN),
        (
            "1.0.1.10.in-addr.arpa. PTR",
            &["1.0.1.10.in-addr.arpa. 5 IN PTR 10-1-0-1.web.b.svc.cluster.local."],
        ),
    ]);
    let told = Cluster::new("namespaces b", CLUSTER).ask("1.0.96.10.in-addr.arpa. PTR");
    assert_eq!(told.rcode, "NXDOMAIN");
    // The option adds to itself.
    Cluster::new("namespaces b\nnamespaces a", CLUSTER).check(&[
        (
            "web.a.svc.cluster.local. A",
            &["web.a.svc.cluster.local. 5 IN A 10.96.0.1"],
        ),
        (
            "web.b.svc.cluster.local. A",
            &["web.b.svc.cluster.local. 5 IN A 10.96.0.3"],
        ),
        ("pods.svc.cluster.local. A", NXDOMAIN),
    ]);
}

#[test]
fn a_name_that_does_not_exist_can_be_passed_on_and_one_that_does_cannot() {
    const NEXT: &[&str] = &["example.org. 60 IN A 192.0.2.1"];
    for (option, question, is_passed_on) in [
        ("", "other.a.svc.cluster.local. A", false),
        ("fallthrough", "other.a.svc.cluster.local. A", true),
        ("fallthrough", "9.9.9.9.in-addr.arpa. PTR", true),
        ("fallthrough", "web.a.svc.cluster.local. AAAA", false),
        ("fallthrough", "a.svc.cluster.local. A", false),
        ("fallthrough", "a.svc.cluster.local. TXT", true),
        (
            "fallthrough in-addr.arpa",
            "other.a.svc.cluster.local. A",
            false,
        ),
        (
            "fallthrough in-addr.arpa",
            "9.9.9.9.in-addr.arpa. PTR",
            true,
        ),
        (
            "fallthrough A.svc.cluster.local",
            "other.a.svc.Cluster.local. A",
            true,
        ),
        (
            "fallthrough A.svc.cluster.local",
            "other.b.svc.cluster.local. A",
            false,
        ),
    ] {
        let next = Stub::upstream(ResponseCode::NoError, [NEXT, &[], &[]]);
        let directive = format!("{ZONES} {{\n{option}\n}}");
        let told = Cluster::with_next(&directive, CLUSTER, next).ask(question);
        assert_eq!(told.answer == NEXT, is_passed_on, "{option}: {question}");
    }
}

#[test]
fn the_name_servers_are_this_machine_where_no_service_leads_to_it() {
    let (_store, zone) = testkit::cluster(CLUSTER);
    let cluster = served(zone, &["192.0.2.2", "fd00::2"]);
    cluster(&[
        (
            "cluster.local. NS",
            &[
                "cluster.local. 5 IN NS ns.dns.cluster.local.",
                "+ ns.dns.cluster.local. 5 IN A 192.0.2.2",
                "+ ns.dns.cluster.local. 5 IN AAAA fd00::2",
            ],
        ),
        (
            "ns.dns.cluster.local. A",
            &["ns.dns.cluster.local. 5 IN A 192.0.2.2"],
        ),
        (
            "ns.dns.cluster.local. AAAA",
            &["ns.dns.cluster.local. 5 IN AAAA fd00::2"],
        ),
        (
            "NS.DNS.cluster.local. A",
            &["NS.DNS.cluster.local. 5 IN A 192.0.2.2"],
        ),
        ("ns.dns.cluster.local. SRV", NODATA),
        // As CoreDNS has it, these look only among the names of the cluster.
        ("ns.dns.cluster.local. PTR", NXDOMAIN),
        ("ns.dns.cluster.local. TXT", NXDOMAIN),
        ("a.ns.dns.cluster.local. A", NXDOMAIN),
        ("svc.cluster.local. NS", NODATA),
    ]);
}

#[test]
fn the_name_servers_are_the_services_that_lead_to_this_machine() {
    let (_store, zone) = testkit::cluster(
        "
        namespace kube-system
        service kube-system/dns 10.0.0.111
        service kube-system/dns-headless None
        service kube-system/dns-six 10::111
        slice kube-system/1 dns | 10.244.0.20
        slice kube-system/2 dns-headless | 10.244.0.20 10.244.0.21(other,)
        slice kube-system/3 dns-six | 10.244.0.20
        ",
    );
    let cluster = served(zone.clone(), &["10.244.0.20"]);
    cluster(&[
        (
            "cluster.local. NS",
            &[
                "cluster.local. 5 IN NS dns.kube-system.svc.cluster.local.",
                "cluster.local. 5 IN NS dns-six.kube-system.svc.cluster.local.",
                "cluster.local. 5 IN NS 10-244-0-20.dns-headless.kube-system.svc.cluster.local.",
                "cluster.local. 5 IN NS other.dns-headless.kube-system.svc.cluster.local.",
                "+ dns.kube-system.svc.cluster.local. 5 IN A 10.0.0.111",
                "+ dns-six.kube-system.svc.cluster.local. 5 IN AAAA 10::111",
                "+ 10-244-0-20.dns-headless.kube-system.svc.cluster.local. 5 IN A 10.244.0.20",
                "+ other.dns-headless.kube-system.svc.cluster.local. 5 IN A 10.244.0.21",
            ],
        ),
        (
            "ns.dns.cluster.local. A",
            &[
                "ns.dns.cluster.local. 5 IN A 10.0.0.111",
                "ns.dns.cluster.local. 5 IN A 10.244.0.20",
                "ns.dns.cluster.local. 5 IN A 10.244.0.21",
            ],
        ),
        (
            "ns.dns.cluster.local. AAAA",
            &["ns.dns.cluster.local. 5 IN AAAA 10::111"],
        ),
    ]);
    served(zone, &[])(&[
        ("cluster.local. NS", NODATA),
        ("ns.dns.cluster.local. A", NODATA),
    ]);
}

/// Checks cases against a plugin on a machine with these addresses.
fn served(zone: Arc<Zone>, local: &[&str]) -> impl Fn(&[Case]) {
    let (store, _) = testkit::cluster("");
    let state = state(&format!("{ZONES} {{\n}}"), zone, local);
    let plugin = Kubernetes {
        state: state.clone(),
    };
    let cluster = Cluster {
        store,
        state,
        chain: Chain::new(vec![Arc::new(plugin)]),
    };
    move |cases| cluster.check(cases)
}

#[test]
fn the_name_server_is_not_in_the_root_zone_nor_in_one_asked_for_in_upper_case() {
    let cluster = Cluster::of_zones(". cluster.local", "", CLUSTER);
    let told = cluster.ask("ns.dns. A");
    assert_eq!(told.rcode, "NXDOMAIN");
    let told = cluster.ask("ns.dns.Cluster.local. A");
    assert_eq!(told.rcode, "NXDOMAIN");
    let told = cluster.ask("ns.dns.cluster.local. A");
    assert_eq!(told.rcode, "NOERROR");
}

#[test]
fn before_the_cluster_is_known_what_is_known_is_answered_and_nothing_is_a_name_error() {
    let kinds = [Kind::Namespace, Kind::Service, Kind::EndpointSlice];
    for option in ["", "fallthrough"] {
        let (mut store, zone) = store::new(&kinds);
        testkit::apply(&mut store, "namespace a\nservice a/web 10.96.0.1");
        let state = state(&format!("{ZONES} {{\n{option}\n}}"), zone, &[]);
        let next = Stub::upstream(ResponseCode::NoError, [&[], &[], &[]]);
        let asked = next.asked.clone();
        let plugin = Kubernetes { state };
        let chain = Chain::new(vec![Arc::new(plugin), Arc::new(next)]);

        let told = Ask::new("web.a.svc.cluster.local. A").now(&chain);
        assert_eq!(told.answer, ["web.a.svc.cluster.local. 5 IN A 10.96.0.1"]);
        let told = Ask::new("other.a.svc.cluster.local. A").now(&chain);
        assert_eq!(
            (told.rcode.as_str(), told.authority.as_slice()),
            ("SERVFAIL", &[SOA.to_owned()][..])
        );
        assert_eq!(told.flags, Flags::RD.with(Flags::AA));
        assert_eq!(
            asked.load(std::sync::atomic::Ordering::Relaxed),
            0,
            "{option}"
        );

        for kind in kinds {
            store.apply(Event::Listed(kind), 0);
        }
        let told = Ask::new("other.a.svc.cluster.local. A").now(&chain);
        assert_eq!(told.rcode == "NXDOMAIN", option.is_empty(), "{option}");
    }
}

#[test]
fn what_comes_from_a_snapshot_is_told_as_stale_until_the_cluster_is_known() {
    let kinds = [Kind::Namespace, Kind::Service];
    let (mut store, zone) = store::new(&kinds);
    let (cluster, taken) = ("uid-1".into(), 1_764_444_000);
    store.apply(Event::Snapshot { cluster, taken }, 0);
    testkit::apply(
        &mut store,
        "namespace a
         service a/web 10.96.0.1
         service a/alias ->web.a.svc.cluster.local",
    );
    let state = state(ZONES, zone, &[]);
    let chain = Chain::new(vec![Arc::new(Kubernetes { state })]);
    let ask = |question: &str| {
        let told = Ask::new(question).edns(1232).now(&chain);
        let message = hickory_proto::op::Message::from_vec(&told.bytes).unwrap();
        let code = message.edns.and_then(|edns| {
            let option = edns.option(hickory_proto::rr::rdata::opt::EdnsCode::Unknown(15));
            option.map(|option| Vec::<u8>::try_from(option).unwrap())
        });
        let text = code.map_or_else(String::new, |code| {
            let text = String::from_utf8_lossy(&code[2..]).into_owned();
            format!(" {} {text}", u16::from_be_bytes([code[0], code[1]]))
        });
        format!("{} {}{text}", told.rcode, told.answer.len())
    };
    let stale = " 3 the API server is away; this is of 2025-11-29T19:20:00Z";
    for (question, expected) in [
        ("web.a.svc.cluster.local. A", format!("NOERROR 1{stale}")),
        ("web.a.svc.cluster.local. AAAA", format!("NOERROR 0{stale}")),
        ("alias.a.svc.cluster.local. A", format!("NOERROR 2{stale}")),
        (
            "other.a.svc.cluster.local. A",
            "SERVFAIL 0 14 the cluster's state is not known yet".to_owned(),
        ),
    ] {
        assert_eq!(ask(question), expected, "{question}");
    }
    let told = Ask::new("web.a.svc.cluster.local. A").now(&chain);
    assert_eq!((told.answer.len(), told.opt), (1, None));
    for kind in kinds {
        store.apply(Event::Listing(kind), 0);
        testkit::apply(&mut store, "namespace a\nservice a/web 10.96.0.1");
        store.apply(Event::Listed(kind), 0);
    }
    assert_eq!(ask("web.a.svc.cluster.local. A"), "NOERROR 1");
    assert_eq!(ask("alias.a.svc.cluster.local. A"), "NXDOMAIN 0");
}

#[test]
fn the_serial_is_the_time_of_the_last_change() {
    let mut cluster = Cluster::new("", "namespace a");
    let object = testkit::object("service a/web 10.96.0.1");
    cluster.store.apply(Event::Apply(object), 1_499_347_823);
    assert_eq!(cluster.state.cluster.serial(), 1_499_347_823);
    let told = cluster.ask("cluster.local. SOA");
    assert!(told.answer[0].contains(" 1499347823 7200 1800 86400 5"));
}

#[test]
fn what_the_directive_may_say() {
    for (directive, expected) in [
        ("", "ok"),
        ("10.0.0.0/24 cluster.local", "ok"),
        (
            "10.in-addr.arpa",
            "2:12: non-reverse zone name must be used",
        ),
        ("in-addr.arpa", "ok"),
        (
            "x {\npods insecure\nttl 3600\nnoendpoints\nendpoint_pod_names\n}",
            "ok",
        ),
        ("x {\npods often\n}", "3:6: wrong value for pods: often"),
        (
            "x {\nttl 3601\n}",
            "3:5: ttl must be in range [0, 3600]: 3601",
        ),
        ("x {\nttl\n}", "3:1: Wrong argument count"),
        ("x {\nnoendpoints now\n}", "3:13: Wrong argument count"),
        ("x {\nnamespaces\n}", "3:1: Wrong argument count"),
        (
            "x {\nlabels a in (b\n}",
            "3:8: unable to parse label selector value",
        ),
        (
            "x {\nignore all\n}",
            "3:8: unable to parse ignore value: 'all'",
        ),
        ("x {\nignore empty_service\n}", "ok"),
        (
            "x {\nstartup_timeout soon\n}",
            "3:17: time: invalid duration",
        ),
        (
            "x {\nstartup_timeout 0s\n}",
            "3:17: startup_timeout must be more than 0",
        ),
        (
            "x {\nnoendpoints {\n}\n}",
            "5:1: unexpected '}' behind the end of the directive",
        ),
        (
            "x {\napiserver_qps -1\n}",
            "3:15: apiserver_qps must be >= 0",
        ),
        ("x {\napiserver_qps 1_000\n}", "ok"),
        ("x {\napiserver_qps 1__0\n}", "3:15: invalid apiserver_qps"),
        ("x {\nendpoint 192.0.2.1:6443\n}", "ok"),
        ("x {\nendpoint https://[2001:db8::1]:6443/path\n}", "ok"),
        ("x {\nendpoint /run/x\n}", "3:10: host must be a URL"),
        ("x {\nendpoint https://\n}", "3:10: host must be a URL"),
        ("x {\nendpoint http://x:port\n}", "3:10: host must be a URL"),
        ("x {\nkubeconfig a b c\n}", "3:16: Wrong argument count"),
        ("x {\nresyncperiod 5\n}", "3:1: unknown property"),
        (
            "x {\nnamespaces a\nnamespace_labels b=c\n}",
            "namespaces and namespace_labels cannot both be set",
        ),
    ] {
        let corefile = format!("cluster.local {{\nkubernetes {directive}\n}}");
        let set_up = set_up(&corefile, NAME, &mut Shared::default(), |setup| {
            Config::parse(setup).map(drop)
        });
        let got = match set_up.value {
            Ok(()) => "ok".to_owned(),
            Err(error) => place_and_message(&error),
        };
        assert!(got.contains(expected), "{directive}\n{got}\n{expected}");
    }
}
