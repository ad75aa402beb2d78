use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::answer::{Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Chain, Reply};
use crate::corefile::Memory;
use crate::plugin::setup::Shared;
use crate::testing::{Ask, Stub, Told, place_and_message, set_up, set_up_with};

fn chain(directive: &str, stub: Stub) -> Arc<Chain> {
    let corefile = format!(". {{\n{directive}\n}}");
    let set_up = set_up(&corefile, NAME, &mut Shared::default(), setup);
    set_up.value.unwrap();
    let mut plugins = set_up.plugins;
    plugins.push(Arc::new(stub));
    Chain::new(plugins)
}

const ANSWER: &[&str] = &[
    "a.example.org. 1 IN MX 10 mx1.example.org.",
    "a.example.org. 1 IN A 10.0.0.1",
    "a.example.org. 1 IN TXT one",
    "a.example.org. 1 IN AAAA ::1",
    "b.example.org. 1 IN CNAME a.example.org.",
    "a.example.org. 1 IN A 10.0.0.2",
    "a.example.org. 1 IN MX 20 mx2.example.org.",
    "a.example.org. 1 IN TXT two",
];

/// The types of records, in order.
fn types(lines: &[String]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| line.split(' ').nth(3))
        .collect()
}

#[test]
fn cnames_come_first_then_others_then_addresses_then_mx() {
    let stub = Stub::upstream(ResponseCode::NoError, [ANSWER, &[], ANSWER]);
    let chain = chain("loadbalance", stub);
    let (mut addresses, mut mail) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..200 {
        let told = Ask::new("a.example.org. A").tcp().now(&chain);
        for section in [&told.answer, &told.additional] {
            let types = types(section);
            assert_eq!(types[..3], ["CNAME", "TXT", "TXT"]);
            assert!(
                types[3..6]
                    .iter()
                    .all(|rtype| ["A", "AAAA"].contains(rtype)),
                "{types:?}"
            );
            assert_eq!(types[6..], ["MX", "MX"]);
            // Others keep their order.
            assert!(section[1].contains("one") && section[2].contains("two"));
        }
        let mut sorted = told.answer.clone();
        sorted.sort();
        let mut expected: Vec<String> = ANSWER.iter().map(|line| (*line).to_owned()).collect();
        expected.sort();
        assert_eq!(sorted, expected, "nothing is lost");
        addresses.insert(told.answer[3..6].to_vec());
        mail.insert(told.answer[6..].to_vec());
    }
    assert_eq!(
        (addresses.len(), mail.len()),
        (6, 2),
        "every order was seen"
    );
}

fn addresses(count: u8) -> Stub {
    Stub::new(move |query| {
        let mut answer = Answer::new(query, "kubernetes", Origin::Zone);
        let all: Vec<_> = (1..=count).map(|last| [10, 0, 0, last].into()).collect();
        let (section, owner) = (Section::Answer, NameSpec::QNAME);
        let data = Data::ManyA(all.into());
        answer.push(
            query,
            RecordSet {
                section,
                owner,
                ttl: 5,
                data,
            },
        );
        answer.into()
    })
}

#[test]
fn each_address_is_the_first_as_often_as_any_other() {
    const ROUNDS: u32 = 5000;
    let chain = chain("loadbalance round_robin", addresses(5));
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let Told { answer, .. } = Ask::new("a.example.org. A").now(&chain);
        *first.entry(answer[0].clone()).or_default() += 1;
    }
    // Chi-squared with four degrees of freedom: above 27.9 once in 80,000 runs.
    let expected = f64::from(ROUNDS) / 5.0;
    let distance: f64 = first
        .values()
        .map(|seen| (f64::from(*seen) - expected).powi(2) / expected)
        .sum();
    assert_eq!(first.len(), 5);
    assert!(distance < 27.9, "{distance}: {first:?}");
}

#[test]
fn only_a_positive_answer_is_shuffled() {
    for (name, rcode, ask) in [
        ("a name error", ResponseCode::NXDomain, "a.example.org. A"),
        ("a failure", ResponseCode::ServFail, "a.example.org. A"),
        ("a transfer", ResponseCode::NoError, "a.example.org. AXFR"),
        (
            "a transfer of changes",
            ResponseCode::NoError,
            "a.example.org. TYPE251",
        ),
    ] {
        let chain = chain("loadbalance", Stub::upstream(rcode, [ANSWER, &[], &[]]));
        for _ in 0..20 {
            let told = Ask::new(ask).tcp().now(&chain);
            assert_eq!(told.answer, ANSWER, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_later_is_shuffled_too() {
    let stub = Stub::new(|query| {
        let mut answer = Answer::new(query, "forward", Origin::Upstream);
        let all = (1..=9).map(|last| [10, 0, 0, last].into()).collect();
        let (section, owner) = (Section::Answer, NameSpec::QNAME);
        let data = Data::ManyA(all);
        answer.push(
            query,
            RecordSet {
                section,
                owner,
                ttl: 5,
                data,
            },
        );
        Reply::later(async move {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            Outcome::Answer(answer)
        })
    });
    let chain = chain("loadbalance", stub);
    let mut orders = BTreeSet::new();
    for _ in 0..20 {
        orders.insert(Ask::new("a.example.org. A").ask(&chain).await.answer);
    }
    assert!(orders.len() > 10, "{}", orders.len());
}

#[test]
fn the_directive_is_read_as_coredns_does() {
    for (directive, error) in [
        ("loadbalance", None),
        ("loadbalance {\n}", None),
        ("loadbalance round_robin", None),
        ("loadbalance round_robin\nloadbalance", None),
        (
            "loadbalance round_robin 2",
            Some("2:25: unknown property for round_robin"),
        ),
        (
            "loadbalance least_conn",
            Some("2:13: unknown policy: least_conn"),
        ),
        ("loadbalance weighted weights.txt", None),
        (
            "loadbalance weighted",
            Some("2:13: missing weight file argument; name the file: loadbalance weighted FILE"),
        ),
        (
            "loadbalance weighted a b",
            Some("2:24: unexpected argument(s)"),
        ),
        (
            "loadbalance weighted a {\nreload\n}",
            Some("3:1: reload duration value is missing"),
        ),
        (
            "loadbalance weighted a {\nreload 1s 2s\n}",
            Some("3:11: unexpected argument"),
        ),
        (
            "loadbalance weighted a {\nprefer 10.0.0.0/8\n}",
            Some("3:1: unknown property 'prefer'; the options are: reload"),
        ),
        ("loadbalance {\nprefer 10.0.0.0/8 2001:db8::/32\n}", None),
        ("loadbalance round_robin {\nprefer\n}", None),
        (
            "loadbalance {\nprefer 10.0.0.1\n}",
            Some("3:8: invalid CIDR \"10.0.0.1\"; write a network: 10.0.0.0/8, 2001:db8::/32"),
        ),
        (
            "loadbalance {\nreload 5s\n}",
            Some("3:1: unknown property 'reload'; the options are: prefer"),
        ),
    ] {
        let corefile = format!(". {{\n{directive}\n}}");
        let set_up = set_up(&corefile, NAME, &mut Shared::default(), setup);
        let found = set_up.value.err().map(|error| place_and_message(&error));
        assert_eq!(found.as_deref(), error, "{directive}");
        assert_eq!(set_up.plugins.len(), usize::from(error.is_none()));
    }
}

#[test]
fn addresses_of_preferred_networks_come_first_and_the_others_follow() {
    let answer: &[&str] = &[
        "a.org. 60 IN A 192.0.2.1",
        "a.org. 60 IN TXT text",
        "a.org. 60 IN AAAA 2001:db8::1",
        "a.org. 60 IN A 10.2.0.1",
        "a.org. 60 IN CNAME b.org.",
    ];
    let stub = Stub::upstream(ResponseCode::NoError, [answer, &[], &[]]);
    let chain = chain("loadbalance {\nprefer 10.0.0.0/8 2001:db8::/32\n}", stub);
    for _ in 0..8 {
        let told = Ask::new("a.org. ANY").now(&chain);
        assert_eq!(
            told.answer,
            [
                "a.org. 60 IN CNAME b.org.",
                "a.org. 60 IN A 10.2.0.1",
                "a.org. 60 IN AAAA 2001:db8::1",
                "a.org. 60 IN A 192.0.2.1",
                "a.org. 60 IN TXT text",
            ]
        );
    }
}

#[test]
fn an_address_of_weight_comes_first_more_often() {
    let answer: &[&str] = &[
        "A.org. 60 IN A 192.0.2.1",
        "a.org. 60 IN TXT text",
        "a.org. 60 IN A 192.0.2.2",
        "a.org. 60 IN CNAME b.org.",
    ];
    let corefile = ". {\nloadbalance weighted /weights\n}";
    let files = Memory::default().with_file("/weights", "a.org\n192.0.2.2 255\n");
    let set_up = set_up_with(corefile, NAME, &files, &mut Shared::default(), setup);
    set_up.value.unwrap();
    let mut plugins = set_up.plugins;
    let stub = Stub::upstream(ResponseCode::NoError, [answer, &[], &[]]);
    plugins.push(Arc::new(stub));
    let chain = Chain::new(plugins);
    let mut first = 0;
    for _ in 0..256 {
        let told = Ask::new("a.org. A").now(&chain).answer;
        assert_eq!(told[0], "a.org. 60 IN CNAME b.org.");
        assert_eq!(told[1], "a.org. 60 IN TXT text");
        first += usize::from(told[2].ends_with("192.0.2.2"));
    }
    // All but one of 256, by chance; not so few in the life of this universe.
    assert!(first > 200, "{first}");
    // Another type is told as it stands.
    let told = Ask::new("a.org. TXT").now(&chain).answer;
    assert_eq!(told[0], "A.org. 60 IN A 192.0.2.1");
}
