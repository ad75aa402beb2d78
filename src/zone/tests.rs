use std::collections::BTreeMap;
use std::path::Path;

use hickory_proto::op::ResponseCode;
use proptest::prelude::*;

use super::serve::{Manner, serve};
use super::*;
use crate::chain::{Chain, Failure};
use crate::testing::{Ask, Stub, Told, n};
use crate::wire::Flags;

/// A zone `example.org` of these lines, below an SOA and an NS record.
fn zone(lines: &str) -> Arc<Zone> {
    let head = "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\n";
    let text = format!("{head}{lines}");
    let read = |_: &Path, _| Ok(text.clone().into_bytes());
    let zone = text::read(Path::new("db"), n("example.org.").view(), None, &read);
    Arc::new(
        zone.unwrap_or_else(|error| panic!("{error}: {lines}"))
            .unwrap(),
    )
}

fn chain(zone: Arc<Zone>) -> Arc<Chain> {
    let manner = Manner {
        plugin: "file",
        falls_through: false,
        aliases_of_cuts_are_referrals: false,
    };
    let stub = Stub::new(move |query| {
        let refused = || Failure::refusal("", ResponseCode::Refused).into();
        if query.lower.is_in(zone.origin().view()) {
            serve(&zone, query, manner).unwrap_or_else(refused)
        } else {
            refused()
        }
    });
    Chain::new(vec![Arc::new(stub)])
}

fn ask(zone: &Arc<Zone>, question: &str) -> Told {
    Ask::new(question).now(&chain(zone.clone()))
}

const LINES: &str = "
ns A 192.0.2.1
www CNAME ns
both A 192.0.2.2
both A 192.0.2.3
both 7 A 192.0.2.4
mixed 9 SRV 1 2 3 NS
a.ent A 192.0.2.5
*.wild TXT one two
sub NS ns.sub
ns.sub AAAA 2001:db8::1
dn DNAME ent
";

#[test]
fn what_a_zone_answers() {
    let zone = zone(LINES);
    for (what, question, rcode, counts) in [
        ("an address", "ns.example.org. A", "NOERROR", [1, 1, 0]),
        (
            "each record keeps its TTL",
            "both.example.org. A",
            "NOERROR",
            [3, 1, 0],
        ),
        (
            "an alias in the zone",
            "www.example.org. A",
            "NOERROR",
            [2, 1, 0],
        ),
        (
            "a type that is not there",
            "ns.example.org. TXT",
            "NOERROR",
            [0, 1, 0],
        ),
        (
            "a name that is not there",
            "no.example.org. A",
            "NXDOMAIN",
            [0, 1, 0],
        ),
        ("a name between", "ent.example.org. A", "NOERROR", [0, 1, 0]),
        (
            "below a wildcard",
            "x.y.wild.example.org. TXT",
            "NOERROR",
            [1, 1, 0],
        ),
        ("a cut", "x.sub.example.org. A", "NOERROR", [0, 1, 1]),
        (
            "a renamed tree",
            "a.dn.example.org. A",
            "NOERROR",
            [3, 1, 0],
        ),
        (
            "a service's host",
            "mixed.example.org. SRV",
            "NOERROR",
            [1, 1, 1],
        ),
        ("the apex", "example.org. SOA", "NOERROR", [1, 1, 0]),
        ("its servers", "example.org. NS", "NOERROR", [1, 0, 1]),
    ] {
        let told = ask(&zone, question);
        let sections = [&told.answer, &told.authority, &told.additional].map(Vec::len);
        assert_eq!(
            (told.rcode.as_str(), sections),
            (rcode, counts),
            "{what}: {told:?}"
        );
        let is_referral = what == "a cut";
        assert_eq!(told.flags.has(Flags::AA), !is_referral, "{what}");
    }
    let told = ask(&zone, "both.example.org. A");
    let ttls: Vec<_> = told
        .answer
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(ttls, ["60", "60", "7"]);
}

#[test]
fn a_wildcard_tells_its_name() {
    let zone = zone(LINES);
    for (name, source) in [
        ("x.y.wild.example.org.", Some("*.wild.example.org.")),
        ("wild.example.org.", None),
        ("ns.example.org.", None),
        ("no.example.org.", None),
    ] {
        let found = serve::wildcard(&zone, n(name).view()).map(|name| name.to_string());
        assert_eq!(found.as_deref(), source, "{name}");
    }
}

#[test]
fn a_loop_through_a_wildcard_ends() {
    let zone = zone("*.w CNAME x.w\n");
    let told = ask(&zone, "a.w.example.org. A");
    assert_eq!((told.rcode.as_str(), told.answer.len()), ("SERVFAIL", 9));
}

#[test]
fn a_record_costs_little() {
    let count = 2000;
    let lines: String = (0..count)
        .map(|number| format!("host-{number} A 10.0.0.1\n"))
        .collect();
    let zone = zone(&lines);
    let heap = zone.records.heap_size() + zone.keys.len() + size_of_val(zone.nodes.as_ref());
    assert!(heap / count < 100, "{} bytes", heap / count);
}

// The oracle: RFC 1034, 4.3.2 and RFC 4592 on a map of whole names, with no key and no order.

type Rrsets = BTreeMap<&'static str, Vec<String>>;

/// What a question for addresses comes to.
#[derive(Debug, PartialEq)]
enum Expected {
    Addresses(Vec<String>),
    NoData,
    NameError,
    Referral(String),
}

fn above(name: &str) -> Option<&str> {
    name.split_once('.')
        .map(|(_, rest)| rest)
        .filter(|rest| !rest.is_empty())
}

fn oracle(records: &BTreeMap<String, Rrsets>, apex: &str, name: &str) -> Expected {
    let exists = |name: &str| {
        let below = format!(".{name}");
        name == apex
            || records
                .keys()
                .any(|owner| owner == name || owner.ends_with(&below))
    };
    let chain = |name: &str| {
        let names =
            std::iter::successors(Some(name.to_owned()), |name| above(name).map(str::to_owned));
        let mut names: Vec<String> = names
            .take_while(|name| name != above(apex).unwrap_or(""))
            .collect();
        names.reverse();
        names
    };
    for name in chain(name).into_iter().skip(1) {
        if records
            .get(&name)
            .is_some_and(|sets| sets.contains_key("NS"))
        {
            return Expected::Referral(name);
        }
    }
    let of = |sets: &Rrsets| match sets.get("A") {
        Some(addresses) => Expected::Addresses(addresses.clone()),
        None => Expected::NoData,
    };
    if let Some(sets) = records.get(name) {
        return of(sets);
    }
    // As CoreDNS, and against RFC 4592, 2.2.2: a name that has no record, but names below it, takes
    // those of a wildcard.
    let encloser = chain(name)
        .into_iter()
        .rev()
        .skip(1)
        .find(|name| exists(name));
    let wildcard = format!("*.{}", encloser.unwrap_or_default());
    match records.get(&wildcard) {
        Some(sets) => of(sets),
        None if exists(&wildcard) || exists(name) => Expected::NoData,
        None => Expected::NameError,
    }
}

fn owner() -> impl Strategy<Value = String> {
    let label = prop_oneof![Just("a"), Just("b"), Just("*"), Just("ab"), Just("A")];
    let labels = prop::collection::vec(label, 1..4);
    labels.prop_map(|labels| format!("{}.example.org.", labels.join(".")))
}

proptest! {
    #[test]
    fn lookups_agree_with_a_plain_oracle(
        set in prop::collection::vec((owner(), 0_usize..8, 0_u8..4), 0..12),
        names in prop::collection::vec(owner(), 1..12),
    ) {
        let mut records: BTreeMap<String, Rrsets> = BTreeMap::new();
        // The apex has a record of its own: CoreDNS does not find one that has none.
        let mut lines = String::from("@ TXT apex\n");
        for (owner, kind, last) in set {
            let (rtype, data) = match kind {
                0 => ("NS", "ns.elsewhere.test.".to_owned()),
                1 => ("TXT", "text".to_owned()),
                _ => ("A", format!("192.0.2.{last}")),
            };
            lines += &format!("{owner} {rtype} {data}\n");
            let sets = records.entry(owner.to_lowercase()).or_default();
            sets.entry(rtype).or_default().push(data);
        }
        let zone = zone(&lines);
        for name in names {
            let expected = oracle(&records, "example.org.", &name.to_lowercase());
            let told = ask(&zone, &format!("{name} A"));
            let last = |lines: &[String]| -> Vec<String> {
                lines.iter().map(|line| line.rsplit(' ').next().unwrap_or("").to_owned()).collect()
            };
            let is_referral = !told.flags.has(Flags::AA);
            let found = match told.rcode.as_str() {
                "NXDOMAIN" => Expected::NameError,
                _ if is_referral => {
                    let owner = told.authority.first().and_then(|line| line.split(' ').next());
                    Expected::Referral(owner.unwrap_or("").to_owned())
                }
                _ if told.answer.is_empty() => Expected::NoData,
                _ => Expected::Addresses(last(&told.answer)),
            };
            prop_assert_eq!(found, expected, "{} in\n{}", name, lines);
        }
    }
}
