use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::*;
use crate::answer::{Answer, Origin};
use crate::chain::{Chain, Failure, Reply};
use crate::corefile::Memory;
use crate::server::{Arrival, Block, Handled, Server};
use crate::testing::{Ask, Stub, n, planned, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    for (lines, error) in [
        (
            "prometheus\nprometheus",
            "Corefile:3:1: error: plugin/prometheus: this plugin can only be used once per Server Block",
        ),
        (
            "prometheus localhost",
            "Corefile:2:12: error: plugin/prometheus: address localhost: missing port in address",
        ),
        (
            "prometheus :1 :2",
            "Corefile:2:15: error: plugin/prometheus: Wrong argument count or unexpected line ending after ':2'",
        ),
        (
            "prometheus {\nruntime_metrics all\n}",
            "Corefile:3:17: error: plugin/prometheus: Wrong argument count or unexpected line ending after 'all'",
        ),
        (
            "prometheus {\nruntimes\n}",
            "Corefile:3:1: error: plugin/prometheus: unknown option: runtimes",
        ),
        (
            "prometheus {\ntls\n}",
            "Corefile:3:1: error: plugin/prometheus: Wrong argument count or unexpected line ending after 'tls'",
        ),
        (
            "prometheus {\ntls a b\n}",
            "Corefile:3:7: error: plugin/prometheus: Wrong argument count or unexpected line ending after 'b'",
        ),
        (
            "prometheus {\ntls a\ntls b\n}",
            "Corefile:4:1: error: plugin/prometheus: tls block already specified",
        ),
    ] {
        assert_eq!(setup_error(lines), error, "{lines}");
    }
}

#[test]
fn a_file_that_cannot_be_used_takes_the_page_away() {
    let plan = planned(". {\nprometheus {\ntls /web.yml\n}\n}", &Memory::default()).unwrap();
    assert!(plan.shared.http.is_empty());
    let warning = plan.warnings.iter().find(|warning| {
        let told = warning.headline();
        told.contains("there will be no page of metrics: /web.yml: entity not found")
    });
    assert!(warning.is_some());
}

#[test]
fn the_page_is_where_it_is_asked_for() {
    for (lines, address) in [
        ("prometheus", "localhost:9153"),
        ("prometheus :9153", ":9153"),
        (
            "prometheus 0.0.0.0:9253 {\nruntime_metrics\n}",
            "0.0.0.0:9253",
        ),
    ] {
        let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
        let endpoint = &plan.shared.http[0];
        assert_eq!(
            (endpoint.address.as_str(), endpoint.plugin),
            (address, "prometheus")
        );
        assert!(endpoint.service.get("/").is_none());
        let page = endpoint.service.get("/metrics").unwrap();
        assert_eq!(
            (page.status, page.content_type),
            (
                200,
                "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
            )
        );
        let body = String::from_utf8(page.body).unwrap();
        assert!(
            body.contains("coredns_build_info{goversion=\"rustc "),
            "{body}"
        );
        assert!(
            body.contains("revision=\"\",version=\"1.15.0\"} 1\n"),
            "{body}"
        );
    }
}

/// Answers by the first letter of the name.
fn stub() -> Stub {
    Stub::new(|query| {
        let answer = |rcode, plugin| {
            let answer = Answer::new(query, plugin, Origin::Upstream);
            Outcome::Answer(answer.with_rcode(rcode))
        };
        let outcome = match query.lower.as_bytes().get(1) {
            Some(b'a') => answer(ResponseCode::NoError, "kubernetes"),
            Some(b'c') => answer(ResponseCode::NXDomain, "cache"),
            Some(b'd') => Outcome::Drop,
            Some(b'f') => Failure::new("forward", ResponseCode::ServFail, "down").into(),
            Some(b'l') => {
                let answer = answer(ResponseCode::NoError, "forward");
                return Reply::later(async move {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    answer
                });
            }
            Some(b'o') => answer(ResponseCode::from(0, 15), "forward"),
            Some(b'p') => panic!("no way"),
            Some(b't') => {
                let one = Answer::new(query, "transfer", Origin::Local);
                Outcome::Transfer(Transfer(Box::new(vec![one.clone(), one].into_iter())))
            }
            other => panic!("{other:?}"),
        };
        outcome.into()
    })
}

/// A listener `dns://:53` of these zones, counting into the registry.
fn server(registry: &Arc<Registry>, zones: &[&str], view: &str) -> Arc<Server> {
    let zones: Vec<Name> = zones.iter().map(|zone| n(zone)).collect();
    let plugin = Prometheus::new(registry.clone(), zones.clone(), view.into());
    let chain = Chain::new(vec![Arc::new(plugin), Arc::new(stub())]);
    let blocks = zones.into_iter().map(|zone| {
        Arc::new(Block {
            zone,
            view: view.into(),
            filters: Vec::new(),
            chain: chain.clone(),
            metadata: None,
        })
    });
    let observer = Arc::new(Dropped::new(registry, "dns://:53"));
    Server::new("dns://:53", (0, 1), blocks, false, observer)
}

fn check(registry: &Registry, lines: &[&str]) {
    let page = registry.text();
    for line in lines {
        assert!(page.lines().any(|have| have == *line), "{line}\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_query_is_counted_once_with_its_labels() {
    let registry = Arc::<Registry>::default();
    let server = server(&registry, &["."], "");
    for ask in [
        Ask::new("a. A"),
        Ask::new("A. A"),
        Ask::new("a. AAAA")
            .tcp()
            .from("[2001:db8::1]:1".parse().unwrap()),
        Ask::new("c. TYPE1234").dnssec(),
        Ask::new("d. HTTPS"),
        Ask::new("f. PTR"),
        Ask::new("l. SRV"),
        Ask::new("o. TXT"),
    ] {
        ask.at(tokio::time::Instant::now())
            .ask_server(&server)
            .await;
    }
    check(
        &registry,
        &[
            r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",view="",zone="."} 2"#,
            r#"coredns_dns_requests_total{family="2",proto="tcp",server="dns://:53",type="AAAA",view="",zone="."} 1"#,
            r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="other",view="",zone="."} 1"#,
            r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="HTTPS",view="",zone="."} 1"#,
            r#"coredns_dns_do_requests_total{server="dns://:53",view="",zone="."} 1"#,
            r#"coredns_dns_responses_total{plugin="kubernetes",rcode="NOERROR",server="dns://:53",view="",zone="."} 3"#,
            r#"coredns_dns_responses_total{plugin="cache",rcode="NXDOMAIN",server="dns://:53",view="",zone="."} 1"#,
            // Silence, and a reply that the server writes: no plugin has answered.
            r#"coredns_dns_responses_total{plugin="",rcode="NOERROR",server="dns://:53",view="",zone="."} 1"#,
            r#"coredns_dns_responses_total{plugin="",rcode="SERVFAIL",server="dns://:53",view="",zone="."} 1"#,
            r#"coredns_dns_responses_total{plugin="forward",rcode="NOERROR",server="dns://:53",view="",zone="."} 1"#,
            r#"coredns_dns_responses_total{plugin="forward",rcode="RCODE15",server="dns://:53",view="",zone="."} 1"#,
            r#"coredns_dns_request_duration_seconds_count{server="dns://:53",view="",zone="."} 8"#,
            r#"coredns_dns_request_duration_seconds_bucket{server="dns://:53",view="",zone=".",le="0.00025"} 7"#,
            r#"coredns_dns_request_duration_seconds_bucket{server="dns://:53",view="",zone=".",le="0.004"} 8"#,
            r#"callsign_dns_request_duration_seconds_bucket{server="dns://:53",view="",zone=".",le="1e-06"} 7"#,
            r#"callsign_dns_request_duration_seconds_count{server="dns://:53",view="",zone="."} 8"#,
            // 19 bytes each: a header, a name of three bytes, type and class; 11 more with an OPT.
            r#"coredns_dns_request_size_bytes_sum{proto="udp",server="dns://:53",view="",zone="."} 144"#,
            r#"coredns_dns_request_size_bytes_sum{proto="tcp",server="dns://:53",view="",zone="."} 19"#,
            // Two of seven replies were not written by a plugin.
            r#"coredns_dns_response_size_bytes_bucket{proto="udp",server="dns://:53",view="",zone=".",le="0"} 2"#,
            r#"coredns_dns_response_size_bytes_sum{proto="udp",server="dns://:53",view="",zone="."} 95"#,
            r#"coredns_dns_response_size_bytes_count{proto="udp",server="dns://:53",view="",zone="."} 7"#,
        ],
    );
}

#[tokio::test]
async fn the_zone_is_the_longest_of_the_block_and_the_view_its_own() {
    let registry = Arc::<Registry>::default();
    let server = server(&registry, &["org", "example.org", "net"], "inside");
    for name in [
        "a.Example.ORG. A",
        "a.org. A",
        "a.net. A",
        "a.notexample.org. A",
    ] {
        Ask::new(name).ask_server(&server).await;
    }
    check(
        &registry,
        &[
            r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",view="inside",zone="example.org."} 1"#,
            r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",view="inside",zone="org."} 2"#,
            r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",view="inside",zone="net."} 1"#,
        ],
    );
}

#[tokio::test]
async fn what_reaches_no_chain_is_counted_as_dropped() {
    let registry = Arc::<Registry>::default();
    let server = server(&registry, &["org"], "");
    check(&registry, &["coredns_panics_total 0"]);
    let mut chaos = Ask::new("a.org. TXT");
    chaos.class = 3;
    for (ask, rcode) in [
        (Ask::new("a.net. A").dnssec(), "REFUSED"),
        (chaos, "REFUSED"),
        (Ask::new("p.org. A"), "SERVFAIL"),
    ] {
        assert_eq!(ask.ask_server(&server).await.rcode, rcode);
    }
    check(
        &registry,
        &[
            "coredns_panics_total 1",
            r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",view="",zone="dropped"} 2"#,
            r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="TXT",view="",zone="dropped"} 1"#,
            r#"coredns_dns_do_requests_total{server="dns://:53",view="",zone="dropped"} 1"#,
            r#"coredns_dns_responses_total{plugin="",rcode="REFUSED",server="dns://:53",view="",zone="dropped"} 2"#,
            r#"coredns_dns_responses_total{plugin="",rcode="SERVFAIL",server="dns://:53",view="",zone="dropped"} 1"#,
            // 23 bytes each, and an OPT of 11.
            r#"coredns_dns_response_size_bytes_sum{proto="udp",server="dns://:53",view="",zone="dropped"} 80"#,
            r#"coredns_dns_request_size_bytes_sum{proto="udp",server="dns://:53",view="",zone="dropped"} 80"#,
        ],
    );
}

#[test]
fn a_transfer_is_counted_when_it_is_over() {
    let registry = Arc::<Registry>::default();
    let server = server(&registry, &["."], "");
    let arrival = Arrival {
        client: ([10, 0, 0, 1], 1).into(),
        local: ([10, 0, 0, 2], 53).into(),
        transport: crate::query::Transport::Tcp,
        now: tokio::time::Instant::now(),
    };
    let handled = server.handle(&Ask::new("t. AXFR").packet(), arrival, &mut Vec::new());
    let Handled::Transfer(transfer, _) = handled else {
        panic!("no transfer");
    };
    assert!(!registry.text().contains("AXFR"));
    assert_eq!(transfer.0.count(), 2);
    check(
        &registry,
        &[
            r#"coredns_dns_requests_total{family="1",proto="tcp",server="dns://:53",type="AXFR",view="",zone="."} 1"#,
            r#"coredns_dns_responses_total{plugin="transfer",rcode="NOERROR",server="dns://:53",view="",zone="."} 1"#,
            r#"coredns_dns_response_size_bytes_sum{proto="tcp",server="dns://:53",view="",zone="."} 38"#,
        ],
    );
}

#[test]
fn more_pairs_than_are_kept_at_hand_are_counted_too() {
    let registry = Arc::<Registry>::default();
    let plugin = Prometheus::new(registry.clone(), vec![Name::root()], "".into());
    let code = Stub::new(|query| {
        let rcode = u16::from(query.qtype) - 1000;
        let answer = Answer::new(query, "stub", Origin::Local);
        answer
            .with_rcode(ResponseCode::from((rcode >> 4) as u8, (rcode & 15) as u8))
            .into()
    });
    let chain = Chain::new(vec![Arc::new(plugin), Arc::new(code)]);
    for _ in 0..2 {
        for qtype in 1000..1100 {
            let told = Ask::new(&format!("a. TYPE{qtype}")).edns(1232).now(&chain);
            assert!(!told.bytes.is_empty());
        }
    }
    let page = registry.text();
    let counted: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("coredns_dns_responses_total{"))
        .collect();
    assert_eq!(counted.len(), 100);
    assert!(
        counted.iter().all(|line| line.ends_with(" 2")),
        "{counted:?}"
    );
}

#[test]
fn plugins_are_told_for_blocks_that_are_counted() {
    let registry = Arc::<Registry>::default();
    let counted = server(&registry, &["org", "net"], "inside");
    let chain = Chain::new(vec![Arc::new(stub())]);
    publish_plugins(
        &registry,
        &[counted.clone(), crate::testing::server(&chain)],
    );
    let told = |registry: &Registry| {
        let page = registry.text();
        let lines = page
            .lines()
            .filter(|line| line.starts_with("coredns_plugin_enabled{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&registry),
        [
            r#"coredns_plugin_enabled{name="prometheus",server="dns://:53",view="inside",zone="org."} 1"#,
            r#"coredns_plugin_enabled{name="stub",server="dns://:53",view="inside",zone="org."} 1"#,
        ]
    );
    publish_plugins(&registry, &[]);
    assert!(told(&registry).is_empty(), "what is gone is not told");
}

/// The lines of a page with label values but those of `le`, and numbers, left out; each once.
fn shape(page: &str) -> Vec<String> {
    let values = regex::Regex::new(r#"(\w+)="((?:[^"\\]|\\.)*)""#).unwrap();
    let mut lines: Vec<String> = Vec::new();
    for line in page.lines() {
        let line = if line.starts_with('#') {
            line.to_owned()
        } else {
            let (name, _) = line.rsplit_once(' ').unwrap();
            let replaced = values.replace_all(name, |found: &regex::Captures<'_>| {
                let whole = found[0].to_owned();
                if &found[1] == "le" {
                    whole
                } else {
                    found[1].to_owned()
                }
            });
            replaced.into_owned()
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// The families of this plugin, of health and of the server, and those that are there without their
/// plugins, as a page of CoreDNS 1.15.0 has them.
#[tokio::test]
async fn the_page_has_coredns_names_labels_edges_and_help() {
    let golden = include_str!("tests/coredns-1.15.txt");
    let text = ".:53 {\nprometheus :9153\nhealth\n}";
    let plan = planned(text, &Memory::default()).unwrap();
    let registry = plan.shared.metrics.clone();
    let server = server(&registry, &["org"], "");
    publish_plugins(&registry, std::slice::from_ref(&server));
    for ask in [Ask::new("a.org. A").dnssec(), Ask::new("a.net. A")] {
        ask.ask_server(&server).await;
    }
    let ours: Vec<String> = shape(&registry.text())
        .into_iter()
        .filter(|line| {
            line.trim_start_matches("# HELP ")
                .trim_start_matches("# TYPE ")
                .starts_with("coredns_")
        })
        .collect();
    let theirs: Vec<&str> = golden.lines().collect();
    assert_eq!(ours, theirs);
}
