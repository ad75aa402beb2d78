use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::*;
use crate::answer::{Body, Origin};
use crate::chain::{Chain, Failure, Reply, Transfer};
use crate::corefile::{Corefile, Input, Memory};
use crate::server::{Arrival, Handled};
use crate::telemetry::Captured;
use crate::testing::{Ask, Stub, planned, records, server, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    for (lines, error) in [
        (
            "log {\nclasses all\n}",
            "Corefile:3:1: error: plugin/log: unknown property 'classes'",
        ),
        (
            "log {\nclass\n}",
            "Corefile:3:1: error: plugin/log: Wrong argument count or unexpected line ending after 'class'",
        ),
        (
            "log . {\nclass denial foo\n}",
            "Corefile:3:14: error: plugin/log: invalid Class: foo",
        ),
    ] {
        assert_eq!(setup_error(lines), error, "{lines}");
    }
}

/// The rules of some lines, and the warnings.
fn rules(lines: &str) -> (Vec<Rule>, Vec<String>) {
    let text = format!(". {{\n{lines}\n}}");
    let corefile =
        Corefile::load(Input::text("Corefile", text), &Memory::default(), &["log"]).unwrap();
    let mut warnings = Vec::new();
    let directive = corefile.blocks()[0].directive("log").unwrap();
    let rules = parse(directive, &mut warnings).unwrap();
    let warnings = warnings.iter().map(SetupError::headline).collect();
    (rules, warnings)
}

#[test]
fn names_formats_and_classes_are_read() {
    let common = || Arc::new(Template::parse(Template::COMMON));
    let combined = || Arc::new(Template::parse(Template::COMBINED));
    let rule = |scope: &str, template: Arc<Template>, classes: &[Class]| Rule {
        scope: Name::from_text(scope).ok(),
        template,
        classes: classes.to_vec(),
    };
    use Class::{Denial, Error, Success};
    for (lines, expected) in [
        ("log", vec![rule(".", common(), &[])]),
        ("log Example.ORG", vec![rule("example.org", common(), &[])]),
        (
            "log example.org . {combined}",
            vec![
                rule("example.org", combined(), &[]),
                rule(".", combined(), &[]),
            ],
        ),
        (
            "log a b",
            vec![rule("a", common(), &[]), rule("b", common(), &[])],
        ),
        (
            "log . \"{common} {type}\"",
            vec![rule(
                ".",
                Arc::new(Template::parse(&format!("{} {{type}}", Template::COMMON))),
                &[],
            )],
        ),
        (
            "log . {combined} {\nclass denial error\n}",
            vec![rule(".", combined(), &[Denial, Error])],
        ),
        (
            "log {\nclass denial\nclass success\n}",
            vec![rule(".", common(), &[Denial, Success])],
        ),
        ("log {\nclass denial all\n}", vec![rule(".", common(), &[])]),
        (
            "log a {\nclass denial\n}\nlog b {\nclass error\n}",
            vec![
                rule("a", common(), &[Denial]),
                rule("b", common(), &[Error]),
            ],
        ),
    ] {
        assert_eq!(rules(lines), (expected, Vec::new()), "{lines}");
    }
}

#[test]
fn a_format_without_a_name_is_a_name_that_nothing_has() {
    let format =
        "log \"{remote} {type} and more text than a label of a name may ever have {name}\"";
    for (lines, scopes) in [("log {combined}", 1), (format, 0)] {
        let (rules, warnings) = rules(lines);
        assert_eq!(
            rules.iter().filter(|rule| rule.scope.is_some()).count(),
            scopes
        );
        assert_eq!(
            warnings,
            ["Corefile:2:5: warning: a single argument is a name, so this logs nothing"],
            "{lines}"
        );
    }
}

/// Answers by the first label of the name.
fn stub() -> Stub {
    let soa = "example.org. 5 IN SOA ns.example.org. h.example.org. 1 2 3 4 5";
    let a = "ok.example.org. 5 IN A 192.0.2.1";
    let ns = "example.org. 5 IN NS ns.example.net.";
    let sections: Vec<_> = [
        ("ok", 0, [&[a][..], &[], &[]]),
        ("empty", 0, [&[], &[], &[]]),
        ("nodata", 0, [&[], &[soa], &[]]),
        ("elsewhere", 0, [&[], &[ns], &[]]),
        ("missing", 3, [&[], &[soa], &[]]),
        ("odd", 3, [&[a], &[soa], &[]]),
        ("servfail", 2, [&[], &[], &[]]),
        ("refused", 5, [&[], &[], &[]]),
    ]
    .into_iter()
    .map(|(label, rcode, sections)| (label, rcode, Arc::new(records(sections))))
    .collect();
    Stub::new(move |query| {
        let label = query.lower.labels().next().unwrap_or_default();
        let label = String::from_utf8_lossy(label).into_owned();
        match label.as_str() {
            "silent" => return Outcome::Drop.into(),
            "failed" => {
                return Failure::new("forward", ResponseCode::ServFail, "down").into();
            }
            "later" => {
                let answer = Answer::new(query, "forward", Origin::Upstream);
                return Reply::later(async move { Outcome::Answer(answer) });
            }
            "zone" => {
                let answer = Answer::new(query, "transfer", Origin::Local);
                let messages = vec![answer.clone(), answer].into_iter();
                return Outcome::Transfer(Transfer(Box::new(messages))).into();
            }
            _ => {}
        }
        let (_, rcode, records) = sections.iter().find(|(known, ..)| *known == label).unwrap();
        let mut answer = Answer::new(query, "forward", Origin::Upstream)
            .with_rcode(ResponseCode::from(0, *rcode));
        answer.body = Body::Records(records.clone());
        answer
            .extra_mut()
            .metadata
            .push(("forward/upstream", "192.0.2.53:53".into()));
        answer.into()
    })
}

/// The lines that these rules write for these questions.
async fn logged(lines: &str, format: Format, asks: Vec<Ask>) -> Vec<String> {
    let captured = Captured::default();
    let output = captured.output(format);
    let log = Log::new(rules(lines).0, output.clone());
    let chain = Chain::new(vec![Arc::new(log), Arc::new(stub())]);
    for ask in asks {
        ask.ask(&chain).await;
    }
    captured.lines(&output)
}

#[tokio::test(start_paused = true)]
async fn the_default_line_is_coredns_line() {
    let now = tokio::time::Instant::now();
    tokio::time::advance(Duration::from_nanos(318_969)).await;
    let asks = vec![
        Ask::new("OK.example.org. A").at(now),
        Ask::new("failed.example.org. TYPE1234")
            .dnssec()
            .tcp()
            .at(now),
        Ask::new("silent.example.org. AAAA")
            .from("[2001:db8::1]:1".parse().unwrap())
            .at(now),
        Ask::new("later.example.org. A").edns(1232).at(now),
    ];
    assert_eq!(
        logged("log", Format::Text, asks).await,
        [
            "[INFO] 10.240.0.1:40212 - 4660 \"A IN ok.example.org. udp 32 false 512\" NOERROR qr,rd 62 0.000318969s",
            "[INFO] 10.240.0.1:40212 - 4660 \"TYPE1234 IN failed.example.org. tcp 47 true 65535\" SERVFAIL qr,rd 36 0.000318969s",
            "[INFO] [2001:db8::1]:1 - 4660 \"AAAA IN silent.example.org. udp 36 false 512\" - - 0 0.000318969s",
            "[INFO] 10.240.0.1:40212 - 4660 \"A IN later.example.org. udp 46 false 1232\" NOERROR qr,rd 35 0.000318969s",
        ]
    );
}

#[tokio::test]
async fn classes_are_told_apart_as_coredns_does() {
    for (label, kind, class) in [
        ("ok", "NOERROR", "success"),
        ("empty", "NOERROR", "success"),
        ("nodata", "NODATA", "denial"),
        ("elsewhere", "DELEGATION", "success"),
        ("missing", "NXDOMAIN", "denial"),
        ("odd", "OTHERERROR", "error"),
        ("servfail", "SERVERERROR", "error"),
        ("refused", "OTHERERROR", "error"),
        ("failed", "SERVERERROR", "error"),
        ("silent", "OTHERERROR", "error"),
    ] {
        let ask = Ask::new(&format!("{label}.example.org. A"));
        let lines = "log . \"{/log/type} {/log/class}\"";
        let told = logged(lines, Format::Text, vec![ask.clone()]).await;
        assert_eq!(told, [format!("[INFO] {kind} {class}")], "{label}");
        for wanted in ["success", "denial", "error"] {
            let lines = format!("log {{\nclass {wanted}\n}}");
            let told = logged(&lines, Format::Text, vec![ask.clone()]).await.len();
            assert_eq!(told, usize::from(wanted == class), "{label} {wanted}");
        }
    }
}

#[tokio::test]
async fn the_first_rule_for_a_name_decides() {
    let lines = "log example.org \"first {name}\" {\nclass error\n}\nlog . \"second {name}\"";
    let asks = vec![
        Ask::new("ok.example.org. A"),
        Ask::new("failed.EXAMPLE.org. A"),
        Ask::new("ok. A"),
    ];
    assert_eq!(
        logged(lines, Format::Text, asks).await,
        ["[INFO] first failed.example.org.", "[INFO] second ok."]
    );
    let asks = vec![Ask::new("ok.example.net. A")];
    assert!(
        logged("log example.org", Format::Text, asks)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn metadata_is_told_where_it_is_known() {
    let lines = "log . \"{name} {/forward/upstream} {/kubernetes/service} {local} {foo}\"";
    let asks = vec![Ask::new("ok.a. A"), Ask::new("failed.a. A")];
    assert_eq!(
        logged(lines, Format::Text, asks).await,
        [
            "[INFO] ok.a. 192.0.2.53:53 - 10.96.0.10 {foo}",
            "[INFO] failed.a. - - 10.96.0.10 {foo}",
        ]
    );
}

#[tokio::test]
async fn json_lines_have_fields_of_their_own() {
    let asks = vec![Ask::new("missing.a. A"), Ask::new("silent.a. A")];
    let lines = logged("log . \"{name}\"", Format::Json, asks).await;
    let values: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (value, name, rcode) in [
        (&values[0], "missing.a.", serde_json::json!("NXDOMAIN")),
        (&values[1], "silent.a.", serde_json::Value::Null),
    ] {
        assert_eq!(value["msg"], name);
        assert_eq!(value["qname"], name);
        assert_eq!(value["rcode"], rcode);
        assert_eq!(value["plugin"], "log");
        assert!(value["duration_seconds"].is_number(), "{value}");
    }
}

#[test]
fn a_transfer_is_logged_when_it_is_over() {
    let captured = Captured::default();
    let output = captured.output(Format::Text);
    let log = Log::new(rules("log . \"{type} {rsize}\"").0, output.clone());
    let chain = Chain::new(vec![Arc::new(log), Arc::new(stub())]);
    let arrival = Arrival {
        client: ([10, 0, 0, 1], 1).into(),
        local: ([10, 0, 0, 2], 53).into(),
        transport: crate::query::Transport::Tcp,
        now: tokio::time::Instant::now(),
    };
    let packet = Ask::new("zone.a. AXFR").packet();
    let handled = server(&chain).handle(&packet, arrival, &mut Vec::new());
    let Handled::Transfer(transfer, query) = handled else {
        panic!("no transfer");
    };
    assert_eq!(query.qtype, RecordType::AXFR);
    assert_eq!(transfer.0.count(), 2);
    // Two messages of 24 bytes: header, name, type and class.
    assert_eq!(captured.lines(&output), ["[INFO] AXFR 48"]);
}

#[test]
fn repeated_directives_are_one_plugin() {
    let plan = planned(". {\nlog a\nlog b\n}", &Memory::default()).unwrap();
    assert_eq!(
        plan.sites[0].block.chain.names().collect::<Vec<_>>(),
        ["log"]
    );
}
