use super::*;
use crate::query::{Request, Transport, Work};
use crate::testing::{n, records, server};
use crate::wire::{Flags, Opcode};

/// Calls `check` with the question `name TYPE`.
fn with_query<T>(question: &str, check: impl FnOnce(&Query<'_>) -> T) -> T {
    let (name, qtype) = question.split_once(' ').unwrap();
    let (name, server) = (n(name), server(&crate::chain::Chain::new(Vec::new())));
    let lower = name.view().to_lower();
    let client = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let request = Request {
        id: 0,
        flags: Flags::RD,
        client,
        local: client,
        opcode: Opcode::QUERY,
        transport: Transport::Udp,
        size: 0,
        now: tokio::time::Instant::now(),
        serial: None,
    };
    check(&Query {
        request: &request,
        name: name.view(),
        lower: lower.view(),
        qtype: qtype.parse().unwrap(),
        qclass: DNSClass::IN,
        opt: None,
        server: &server,
        work: &Work::default(),
        metadata: None,
    })
}

const ANSWERED: &[(&str, &str, &[&str], bool)] = &[
    (
        "the record itself",
        "a.org A",
        &["a.org. 1 IN A 1.1.1.1"],
        true,
    ),
    (
        "in another case",
        "A.Org A",
        &["a.org. 1 IN A 1.1.1.1"],
        true,
    ),
    ("nothing", "a.org A", &[], false),
    (
        "another type",
        "a.org AAAA",
        &["a.org. 1 IN A 1.1.1.1"],
        false,
    ),
    ("another name", "a.org A", &["b.org. 1 IN A 1.1.1.1"], false),
    (
        "two links, in any order",
        "a.org A",
        &[
            "c.org. 1 IN A 1.1.1.1",
            "B.org. 1 IN CNAME c.ORG.",
            "a.org. 1 IN CNAME b.org.",
        ],
        true,
    ),
    (
        "an address in the middle of the chain",
        "a.org A",
        &["a.org. 1 IN CNAME b.org.", "a.org. 1 IN A 1.1.1.1"],
        false,
    ),
    (
        "a chain without an end",
        "a.org A",
        &["a.org. 1 IN CNAME b.org."],
        false,
    ),
    (
        "a circle",
        "a.org A",
        &[
            "a.org. 1 IN CNAME b.org.",
            "b.org. 1 IN CNAME a.org.",
            "a.org. 1 IN A 1.1.1.1",
        ],
        false,
    ),
    (
        "two canonical names",
        "a.org A",
        &[
            "a.org. 1 IN CNAME b.org.",
            "a.org. 1 IN CNAME c.org.",
            "b.org. 1 IN A 1.1.1.1",
        ],
        false,
    ),
    (
        "the same canonical name twice",
        "a.org A",
        &[
            "a.org. 1 IN CNAME b.org.",
            "a.org. 1 IN CNAME B.org.",
            "b.org. 1 IN A 1.1.1.1",
        ],
        true,
    ),
    (
        "a CNAME that is asked for",
        "a.org CNAME",
        &["a.org. 1 IN CNAME b.org."],
        true,
    ),
    (
        "two CNAMEs that are asked for",
        "a.org CNAME",
        &["a.org. 1 IN CNAME b.org.", "a.org. 1 IN CNAME c.org."],
        false,
    ),
    ("anything", "a.org ANY", &["a.org. 1 IN CNAME b.org."], true),
    (
        "anything of another name",
        "a.org ANY",
        &["b.org. 1 IN A 1.1.1.1"],
        false,
    ),
];

#[test]
fn an_answer_answers_at_the_end_of_its_cnames() {
    for (name, question, answer, answered) in ANSWERED {
        let records = records([answer, &[], &[]]);
        let found = with_query(question, |query| Chain::of(&records, query).answered);
        assert_eq!(found, *answered, "{name}");
    }
}

#[test]
fn a_chain_that_goes_on_and_on_is_no_answer() {
    for (links, answered) in [(MAX_LINKS, true), (MAX_LINKS + 1, false), (3000, false)] {
        let mut lines: Vec<String> = (0..links)
            .map(|link| format!("n{link}.org. 1 IN CNAME n{}.org.", link + 1))
            .collect();
        lines.push(format!("n{links}.org. 1 IN A 1.1.1.1"));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let records = records([&lines, &[], &[]]);
        let found = with_query("n0.org A", |query| Chain::of(&records, query).answered);
        assert_eq!(found, answered, "{links}");
    }
}

/// Sections of which lines that start with `-` are left out.
type Marked = [&'static [&'static str]; 3];

const A: &str = "www.a.org. 1 IN A 1.1.1.1";

/// A name, a question, and the sections of an answer.
const KEPT: &[(&str, &str, Marked)] = &[
    ("an answer alone", "www.a.org A", [&[A], &[], &[]]),
    (
        "another name's record",
        "www.a.org A",
        [&[A, "-a.org. 1 IN A 2.2.2.2"], &[], &[]],
    ),
    (
        "the chain's records",
        "www.a.org A",
        [
            &[
                "www.a.org. 1 IN CNAME x.b.net.",
                "x.b.net. 1 IN A 1.1.1.1",
                "-y.b.net. 1 IN A 2.2.2.2",
            ],
            &[],
            &[],
        ],
    ),
    (
        "the zone's name servers and their addresses",
        "www.a.org A",
        [
            &[A],
            &[
                "a.org. 1 IN NS ns.a.org.",
                "a.org. 1 IN NS ns.b.net.",
                "-b.net. 1 IN NS ns.b.net.",
            ],
            &[
                "ns.a.org. 1 IN A 3.3.3.3",
                "NS.b.net. 1 IN A 3.3.3.3",
                "-ns.c.net. 1 IN A 4.4.4.4",
            ],
        ],
    ),
    (
        "the zone of a later link",
        "www.a.org A",
        [
            &["www.a.org. 1 IN CNAME x.b.net.", "x.b.net. 1 IN A 1.1.1.1"],
            &[
                "b.net. 1 IN NS ns.b.net.",
                "net. 1 IN NS ns.net.",
                "-c.net. 1 IN NS ns.net.",
            ],
            &[],
        ],
    ),
    (
        "the SOA of a zone above",
        "www.a.org A",
        [&[], &["org. 1 IN SOA ns.org. h.org. 1 2 3 4 5"], &[]],
    ),
    (
        "the SOA of another zone",
        "www.a.org A",
        [
            &[],
            &[
                "-b.org. 1 IN SOA ns.org. h.org. 1 2 3 4 5",
                "-w.a.org. 1 IN SOA ns.org. h.org. 1 2 3 4 5",
            ],
            &[],
        ],
    ),
    (
        "a name that only ends like the zone",
        "xa.org A",
        [&[], &["-a.org. 1 IN SOA ns.org. h.org. 1 2 3 4 5"], &[]],
    ),
    (
        "the root's SOA",
        "www.a.org A",
        [&[], &[". 1 IN SOA a. b. 1 2 3 4 5"], &[]],
    ),
    (
        "mail servers",
        "a.org MX",
        [
            &["a.org. 1 IN MX 10 mx.b.net."],
            &[],
            &[
                "mx.b.net. 1 IN A 1.1.1.1",
                "mx.b.net. 1 IN AAAA ::1",
                "-mx.c.net. 1 IN A 1.1.1.1",
            ],
        ],
    ),
    (
        "hosts of services",
        "_dns._tcp.a.org SRV",
        [
            &["_dns._tcp.a.org. 1 IN SRV 0 0 53 Pod.b.net."],
            &[],
            &["pod.B.net. 1 IN A 1.1.1.1", "-b.net. 1 IN A 1.1.1.1"],
        ],
    ),
    (
        "data beside an empty answer, as of whoami",
        "a.org A",
        [
            &[],
            &[],
            &[
                "a.org. 1 IN A 1.1.1.1",
                "_udp.a.org. 1 IN SRV 0 0 53 .",
                "-b.org. 1 IN A 1.1.1.1",
            ],
        ],
    ),
    (
        "what a stray record points at",
        "www.a.org A",
        [
            &[A],
            &["-b.net. 1 IN NS ns.b.net."],
            &["-ns.b.net. 1 IN A 1.1.1.1"],
        ],
    ),
];

#[test]
fn what_belongs_to_the_question_is_kept() {
    for (name, question, marked) in KEPT {
        let plain = marked.map(|lines| -> Vec<&str> {
            lines
                .iter()
                .map(|line| line.trim_start_matches('-'))
                .collect()
        });
        let kept = marked.map(|lines| -> Vec<&str> {
            lines
                .iter()
                .filter(|line| !line.starts_with('-'))
                .copied()
                .collect()
        });
        let all = records([&plain[0], &plain[1], &plain[2]]);
        let expected = records([&kept[0], &kept[1], &kept[2]]);
        let found = with_query(question, |query| Chain::of(&all, query).keep(&all));
        match found {
            Kept::All => assert_eq!(all, expected, "{name}: everything was kept"),
            Kept::Less(found) => assert_eq!(found, expected, "{name}"),
        }
    }
}

#[test]
fn a_dname_above_the_chain_is_kept() {
    let cname = records([&["www.a.org. 1 IN CNAME www.b.net."], &[], &[]]);
    for (owner, kept) in [("a.org", 3), ("c.org", 1)] {
        let mut builder = RecordsBuilder::from(&cname);
        for (rtype, rdata) in [
            (RecordType::DNAME, n("b.net").view().as_bytes()),
            (RecordType::RRSIG, &[0; 30]),
        ] {
            builder.push(&RecordRef {
                section: Section::Answer,
                owner: n(owner).view().into(),
                rtype,
                class: DNSClass::IN,
                ttl: 1,
                rdata: RdataRef::Other(rdata),
            });
        }
        let records = builder.finish();
        let found = with_query("www.a.org A", |query| {
            Chain::of(&records, query).keep(&records)
        });
        let found = match found {
            Kept::All => 3,
            Kept::Less(found) => found.count(Section::Answer),
        };
        assert_eq!(found, kept, "{owner}");
    }
}

#[test]
fn proofs_of_a_kept_zone_are_kept() {
    // The rdata does not matter here: a type and an owner do.
    let add = |builder: &mut RecordsBuilder, owner: &str, rtype, rdata: &[u8]| {
        builder.push(&RecordRef {
            section: Section::Authority,
            owner: n(owner).view().into(),
            rtype,
            class: DNSClass::IN,
            ttl: 1,
            rdata: RdataRef::Other(rdata),
        });
    };
    let soa = [0; 22];
    for (zone, kept) in [("a.org", 5), ("b.org", 0)] {
        let mut builder = RecordsBuilder::default();
        add(&mut builder, zone, RecordType::SOA, &soa);
        for (owner, rtype) in [
            (zone.to_owned(), RecordType::RRSIG),
            (format!("x.{zone}"), RecordType::NSEC),
            (format!("hash.{zone}"), RecordType::NSEC3),
            (format!("hash.{zone}"), RecordType::RRSIG),
            ("elsewhere.net".to_owned(), RecordType::NSEC),
            (format!("x.{zone}"), RecordType::TXT),
        ] {
            add(&mut builder, &owner, rtype, &[0]);
        }
        let records = builder.finish();
        let found = with_query("www.a.org A", |query| {
            Chain::of(&records, query).keep(&records)
        });
        let Kept::Less(found) = found else {
            panic!("everything was kept");
        };
        assert_eq!(found.count(Section::Authority), kept, "{zone}");
    }
}

#[test]
fn an_enormous_answer_is_read_in_time() {
    // 64 KiB of records that each nearly belong: far above what an upstream ever sends.
    let long = "x.".repeat(100);
    let mut lines: Vec<String> = (0..30)
        .map(|n| format!("{n}.{long}a. 1 IN CNAME {}.{long}a.", n + 1))
        .collect();
    lines.extend((0..500).map(|n| format!("y{n}.{long}a. 1 IN A 1.1.1.1")));
    let ns: Vec<String> = (0..500)
        .map(|n| format!("x.{long}a. 1 IN NS z{n}.{long}a."))
        .collect();
    let glue: Vec<String> = (0..500)
        .map(|n| format!("w{n}.{long}a. 1 IN A 1.1.1.1"))
        .collect();
    fn section(lines: &[String]) -> Vec<&str> {
        lines.iter().map(String::as_str).collect()
    }
    let records = records([&section(&lines), &section(&ns), &section(&glue)]);
    let before = processor_time();
    with_query(&format!("0.{long}a A"), |query| {
        let chain = Chain::of(&records, query);
        assert!(matches!(chain.keep(&records), Kept::Less(_)));
    });
    let took = processor_time() - before;
    // A bound for a slow machine and a build that is not optimised.
    assert!(took < std::time::Duration::from_secs(1), "{took:?}");
}

/// What this thread has used, whatever else the machine does.
fn processor_time() -> std::time::Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    // A tick is told as a hundredth of a second on all of Linux.
    std::time::Duration::from_millis(ticks * 10)
}
