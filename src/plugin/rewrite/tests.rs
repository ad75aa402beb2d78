//! What cannot be used, and what the differential suite does not reach: answers that come late, zone
//! transfers, traces, loops.

use std::sync::atomic::Ordering;

use hickory_proto::rr::RecordType;

use super::*;
use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Chain, Transfer};
use crate::corefile::Memory;
use crate::plugin::setup::Shared;
use crate::query::{Transport, Work};
use crate::testing::{Ask, Stub, n, planned, set_up, setup_error};

/// The chain of a server block with these rules and this plugin at its end.
fn chain(rules: &str, end: Stub) -> Arc<Chain> {
    let corefile = format!(". {{\n{rules}\n}}");
    let done = set_up(&corefile, "rewrite", &mut Shared::default(), |setup| {
        super::setup(setup)
    });
    done.value.unwrap();
    let mut plugins = done.plugins;
    plugins.push(Arc::new(end));
    Chain::new(plugins)
}

/// A rule, the place of its error, and the error.
const REFUSED: &[(&str, &str, &str)] = &[
    ("", "2:1", "no rule type specified for rewrite"),
    (
        "continue",
        "2:9",
        "continue rule must begin with a rule type",
    ),
    ("STOP", "2:9", "stop rule must begin with a rule type"),
    (
        "answer name a b",
        "2:9",
        "response rewrites must begin with a name rule",
    ),
    ("nome a b", "2:9", "invalid rule type \"nome\""),
    ("stop nome a b", "2:14", "invalid rule type \"nome\""),
    ("name a", "2:14", "too few arguments for a name rule"),
    ("continue name", "2:18", "too few arguments for a name rule"),
    (
        "name fuzzy a b",
        "2:14",
        "name rule supports only exact, prefix, suffix, substring, and regex name matching, received: fuzzy",
    ),
    (
        "name a *.b",
        "2:16",
        "invalid regex matching pattern: *.b.: repetition operator missing expression",
    ),
    (
        "name {1} b",
        "2:14",
        "the rewrite regex pattern ({1}.) uses more subexpressions than its corresponding matching regex pattern (b.)",
    ),
    (
        "name regex (a b",
        "2:20",
        "invalid regex matching pattern: (a: unclosed group",
    ),
    (
        "name regex (a) {1}{2}",
        "2:24",
        "the rewrite regex pattern ({1}{2}) uses more subexpressions than its corresponding matching regex pattern ((a))",
    ),
    (
        "name exact a b answer",
        "2:24",
        "invalid arguments for a name rule",
    ),
    (
        "name exact a b auto answer",
        "2:24",
        "exceeded the number of arguments for a non-answer rule argument",
    ),
    (
        "name exact a b answer auto answer",
        "2:36",
        "type missing for answer rule",
    ),
    (
        "name exact a b answer target",
        "2:31",
        "invalid type \"target\" for answer rule",
    ),
    (
        "name exact a b answer name a",
        "2:36",
        "name answer rule: 2 arguments required",
    ),
    (
        "name exact a b answer value (a b",
        "2:37",
        "invalid regex matching pattern: (a: unclosed group",
    ),
    (
        "name exact a b answer name a {1}",
        "2:38",
        "the rewrite regex pattern ({1}) uses more subexpressions than its corresponding matching regex pattern (a)",
    ),
    (
        "name suffix a b answer auto name a b",
        "2:32",
        "auto name answer rule cannot be combined with explicit name answer rules",
    ),
    (
        "name suffix a b metadata",
        "2:25",
        "metadata is only supported for regex name rules",
    ),
    (
        "name regex a {1} metadata",
        "2:22",
        "capture group 1 does not exist in name matching pattern",
    ),
    (
        "name regex a {x} metadata",
        "2:22",
        "invalid metadata label \"x\" in name replacement",
    ),
    (
        "name regex a {x metadata",
        "2:22",
        "unclosed placeholder in metadata name replacement",
    ),
    (
        "name regex a x} metadata",
        "2:22",
        "unmatched closing brace in metadata name replacement",
    ),
    (
        "type A",
        "2:14",
        "type rules must have exactly two arguments",
    ),
    (
        "type A AAAA MX",
        "2:21",
        "type rules must have exactly two arguments",
    ),
    ("type A FOO", "2:16", "invalid type \"FOO\""),
    ("type None A", "2:14", "invalid type \"NONE\""),
    ("class IN XX", "2:18", "invalid class \"XX\""),
    ("ttl a", "2:13", "too few (1) arguments for a ttl rule"),
    (
        "ttl exact a 1 2",
        "2:23",
        "too many (4) arguments for a ttl rule",
    ),
    ("ttl a 10-5", "2:15", "invalid TTL '10-5' for a ttl rule"),
    ("ttl a -", "2:15", "invalid TTL '-' for a ttl rule"),
    (
        "ttl a 4294967296",
        "2:15",
        "invalid TTL '4294967296' for a ttl rule",
    ),
    (
        "ttl fuzzy a 1",
        "2:13",
        "ttl rule supports only exact, prefix, suffix, substring, and regex name matching, received: fuzzy",
    ),
    (
        "ttl regex [a 1",
        "2:19",
        "invalid regex matching pattern: [a: missing closing ]",
    ),
    (
        "rcode a SERVFAIL",
        "2:17",
        "too few (2) arguments for a rcode rule",
    ),
    (
        "rcode a OK NOERROR",
        "2:17",
        "invalid matching RCODE 'OK' for a rcode rule",
    ),
    (
        "rcode a 2 24",
        "2:19",
        "invalid replacement RCODE '24' for a rcode rule",
    ),
    (
        "rcode exact a b 1 2",
        "2:27",
        "too many (5) arguments for a rcode rule",
    ),
    ("cname a", "2:15", "too few (1) arguments for a cname rule"),
    (
        "cname fuzzy a b",
        "2:15",
        "cname rule supports only exact, prefix, suffix, substring, and regex name matching, received: fuzzy",
    ),
    ("edns0 local", "2:15", "too few arguments for an EDNS0 rule"),
    ("edns0 local put 1 a", "2:21", "invalid action: \"put\""),
    ("edns0 padding set", "2:15", "invalid rule type \"padding\""),
    (
        "edns0 local set 1",
        "2:25",
        "EDNS0 local rules require three or four args",
    ),
    (
        "edns0 local set 65536 a",
        "2:25",
        "invalid number \"65536\"",
    ),
    ("edns0 local set 0x a", "2:25", "invalid number \"0x\""),
    (
        "edns0 local set 1 0xabc",
        "2:27",
        "invalid hexadecimal data \"0xabc\"",
    ),
    (
        "edns0 local set 1 {foo}",
        "2:27",
        "unsupported variable name \"{foo}\"",
    ),
    (
        "edns0 local unset 1 revert",
        "2:29",
        "local unset action requires exactly two arguments",
    ),
    (
        "edns0 nsid set a",
        "2:24",
        "EDNS0 NSID rules can accept no more than one arg",
    ),
    (
        "edns0 nsid unset a",
        "2:26",
        "nsid unset action requires exactly one argument",
    ),
    (
        "edns0 subnet set 24",
        "2:26",
        "EDNS0 subnet rules require three or four args",
    ),
    (
        "edns0 subnet set 33 56",
        "2:26",
        "invalid IPv4 bit mask length 33",
    ),
    (
        "edns0 subnet set 24 129",
        "2:29",
        "invalid IPv6 bit mask length 129",
    ),
    (
        "edns0 subnet unset 24",
        "2:28",
        "subnet unset action requires exactly one argument",
    ),
];

#[test]
fn what_is_wrong_with_a_rule_is_told_where_it_stands() {
    let mut wrong = Vec::new();
    for (rule, place, message) in REFUSED {
        let expected = format!("Corefile:{place}: error: plugin/rewrite: {message}");
        let error = setup_error(&format!("rewrite {rule}"));
        if error != expected {
            wrong.push(format!("{rule}:\n  {error}\n  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_pattern_may_not_be_long_nor_large() {
    for (pattern, message) in [
        (
            "a".repeat(10_001),
            "regex pattern too long: 10001 > 10000".to_owned(),
        ),
        (
            "(((a{100}){100}){100})".into(),
            "invalid regex matching pattern: (((a{100}){100}){100}): it takes too much memory"
                .into(),
        ),
    ] {
        let error = setup_error(&format!("rewrite name regex {pattern} b"));
        assert!(error.ends_with(&message), "{error}");
    }
}

#[test]
fn rules_that_do_nothing_are_told() {
    let corefile = ". {
        rewrite cname a b
        rewrite name a b
        rewrite continue name regex (.*) {1}.{plugin/label} metadata
        rewrite continue edns0 local set 1 {plugin/label}
        rewrite continue name regex (.*) {1}.x metadata
    }";
    let done = set_up(corefile, "rewrite", &mut Shared::default(), |setup| {
        super::setup(setup)
    });
    done.value.unwrap();
    let never = "this rule never applies: it needs metadata, and this server block has no plugin 'metadata'";
    assert_eq!(
        done.warnings,
        [
            "3:9: this rule is never reached; the rule at Corefile:2:9 takes every question and stops: write rewrite continue there".to_owned(),
            format!("4:9: {never}"),
            format!("5:9: {never}"),
        ]
    );
    assert!(planned(corefile, &Memory::default()).is_ok());
}

#[test]
fn an_answer_that_comes_late_is_undone_the_same() {
    let late = Stub::new(|query| {
        let (name, query) = (query.name.to_name(), query.to_owned());
        Reply::later(async move {
            tokio::task::yield_now().await;
            let mut answer = Answer::new(&query.view(), "stub", Origin::Upstream);
            let set = |owner, data| RecordSet {
                section: Section::Answer,
                owner,
                ttl: 10,
                data,
            };
            let target = NameSpec::Under(Arc::from(&b"\x03www"[..]), 0);
            answer.push(
                &query.view(),
                set(NameSpec::QNAME, Data::Name(RecordType::CNAME, target)),
            );
            answer.push(
                &query.view(),
                set(NameSpec::Full(name), Data::A([192, 0, 2, 1].into())),
            );
            Outcome::Answer(answer)
        })
    });
    let rules = "rewrite continue name suffix .old .new answer auto\nrewrite ttl regex . 30-";
    let chain = chain(rules, late);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let told = runtime.block_on(Ask::new("A.old. A").ask(&chain));
    assert_eq!(
        told.answer,
        ["a.old. 30 IN CNAME www.a.old.", "a.old. 30 IN A 192.0.2.1"]
    );
}

#[test]
fn cnames_that_lead_back_to_themselves_come_to_an_end() {
    let end = Stub::new(|query| {
        let mut answer = Answer::new(query, "stub", Origin::Upstream);
        let data = Data::Name(RecordType::CNAME, NameSpec::Full(n("loop.test")));
        let set = RecordSet {
            section: Section::Answer,
            owner: NameSpec::QNAME,
            ttl: 10,
            data,
        };
        answer.push(query, set);
        answer.into()
    });
    let asked = end.asked.clone();
    let chain = chain("rewrite cname loop.test loop.test", end);
    let told = Ask::new("a.test. A").tcp().now(&chain);
    assert_eq!(told.rcode, "NOERROR");
    assert_eq!(asked.load(Ordering::Relaxed), usize::from(Work::LIMIT) + 1);
}

#[test]
fn a_zone_transfer_is_undone_message_by_message() {
    let end = Stub::new(|query| {
        let mut answer = Answer::new(query, "stub", Origin::Local);
        let set = RecordSet {
            section: Section::Answer,
            owner: NameSpec::QNAME,
            ttl: 10,
            data: Data::A([192, 0, 2, 1].into()),
        };
        answer.push(query, set);
        Outcome::Transfer(Transfer(Box::new([answer.clone(), answer].into_iter()))).into()
    });
    let chain = chain("rewrite name old.test new.test", end);
    let server = crate::testing::server(&chain);
    let packet = Ask::new("old.test. AXFR").tcp().packet();
    let arrival = crate::server::Arrival {
        client: ([127, 0, 0, 1], 1).into(),
        local: ([127, 0, 0, 1], 53).into(),
        transport: Transport::Tcp,
        now: tokio::time::Instant::now(),
    };
    let handled = server.handle(&packet, arrival, &mut Vec::new());
    let crate::server::Handled::Transfer(transfer, query) = handled else {
        panic!("no transfer");
    };
    let mut owners = Vec::new();
    for answer in transfer.0 {
        answer.each(&query.view(), &mut |record| {
            owners.push(record.owner.to_string())
        });
    }
    assert_eq!(owners, ["old.test.", "old.test."]);
}
