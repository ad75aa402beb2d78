//! Rendering: sizes, cuts, compression.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;

use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::Chain;
use crate::testing::{Ask, Stub};
use crate::wire::Flags;

fn addresses(count: u32) -> Arc<[Ipv4Addr]> {
    (0..count)
        .map(|number| Ipv4Addr::from(0x0a00_0000 + number))
        .collect()
}

/// A chain that answers every question with so many addresses.
fn many(count: u32) -> Arc<Chain> {
    let addresses = addresses(count);
    Chain::new(vec![Arc::new(Stub::new(move |query| {
        let mut answer = Answer::new(query, "stub", Origin::Local).authoritative();
        answer.push(
            query,
            RecordSet {
                section: Section::Answer,
                owner: NameSpec::QNAME,
                ttl: 5,
                data: Data::ManyA(addresses.clone()),
            },
        );
        answer.into()
    }))])
}

#[test]
fn an_answer_echoes_the_case_of_the_question_and_copies_rd_and_cd() {
    let ask = Ask::new("WeB.Example. A").flags(Flags::RD.with(Flags::CD).with(Flags::AD));
    let told = ask.now(&many(1));
    assert_eq!(told.answer, ["WeB.Example. 5 IN A 10.0.0.0"]);
    assert_eq!(told.flags, Flags::AA.with(Flags::RD).with(Flags::CD));
    assert_eq!(told.opt, None);
}

#[test]
fn names_are_whole_while_they_fit_then_compressed_then_cut() {
    // Header and question are 12 + 19 bytes; a record is 29 whole, and 16 with a pointer.
    for (name, count, size, kept, length) in [
        ("sixteen whole records fit", 16, 512, 16, 31 + 16 * 29),
        (
            "seventeen do not, and are compressed",
            17,
            512,
            17,
            31 + 17 * 16,
        ),
        ("thirty fit compressed", 30, 512, 30, 31 + 30 * 16),
        ("of thirty-one one is cut", 31, 512, 30, 31 + 30 * 16),
        (
            "a larger client takes more, an OPT being 11 bytes",
            46,
            1400,
            46,
            42 + 46 * 29,
        ),
        ("the OPT counts", 47, 1400, 47, 42 + 47 * 16),
        (
            "above 1480 bytes all is compressed though the client takes 4096",
            60,
            4096,
            60,
            42 + 60 * 16,
        ),
    ] {
        let ask = Ask::new("a.example.org. A");
        let ask = if size > 512 { ask.edns(size) } else { ask };
        let told = ask.now(&many(count));
        assert_eq!(told.answer.len(), kept, "{name}");
        assert_eq!(told.bytes.len(), length, "{name}");
        assert_eq!(told.flags.has(Flags::TC), kept < count as usize, "{name}");
    }
}

#[test]
fn over_tcp_nothing_is_cut_below_64_kib() {
    let told = Ask::new("a.example.org. A").tcp().now(&many(1000));
    assert_eq!(told.answer.len(), 1000);
    assert!(!told.flags.has(Flags::TC));
}

#[test]
fn the_additional_section_goes_first_and_tc_tells_so() {
    let records: Vec<String> = (0..20)
        .map(|number| format!("a.example.org. 5 IN A 10.0.0.{number}"))
        .collect();
    let extra: Vec<String> = (0..20)
        .map(|number| format!("b{number}.example.org. 5 IN A 10.0.1.{number}"))
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
    let stub = Stub::upstream(ResponseCode::NoError, [&records, &[], &extra]);
    let told = Ask::new("a.example.org. A").now(&Chain::new(vec![Arc::new(stub)]));
    assert_eq!(told.answer.len(), 20);
    assert!(told.additional.len() < 20);
    assert!(told.flags.has(Flags::TC));
    assert!(told.bytes.len() <= 512);
}

#[test]
fn many_distinct_names_compress_in_little_time_and_read_back() {
    let records: Vec<String> = (0..2000)
        .map(|number| format!("srv.example.org. 5 IN SRV 0 1 80 pod-{number}.web.example.org."))
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let stub = Stub::upstream(ResponseCode::NoError, [&records, &[], &[]]);
    let told = Ask::new("srv.example.org. SRV")
        .tcp()
        .now(&Chain::new(vec![Arc::new(stub)]));
    // SRV targets must not be compressed (RFC 2782), owners are.
    assert!(told.bytes.len() <= 65_535);
    assert!(told.answer.len() > 1000);
}

#[test]
fn a_name_error_tells_its_code_and_an_opt_only_to_who_sent_one() {
    let stub = Stub::upstream(
        ResponseCode::NXDomain,
        [&[], &["org. 60 IN SOA ns.org. h.org. 1 2 3 4 5"], &[]],
    );
    let chain = Chain::new(vec![Arc::new(stub)]);
    let told = Ask::new("no.org. A").now(&chain);
    assert_eq!((told.rcode.as_str(), told.opt), ("NXDOMAIN", None));
    assert_eq!(told.authority, ["org. 60 IN SOA ns.org. h.org. 1 2 3 4 5"]);
    let told = Ask::new("no.org. A").edns(1232).now(&chain);
    assert_eq!((told.rcode.as_str(), told.opt), ("NXDOMAIN", Some(1232)));
}
