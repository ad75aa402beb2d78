//! Answers: their records in order, settled, taken apart from messages.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::chain::Chain;
use crate::testing::{Ask, Stub, Told, records};

/// A reply's bytes, as an upstream would send them.
fn reply(sections: [&[&str]; 3]) -> Vec<u8> {
    let stub = Stub::upstream(ResponseCode::NoError, sections);
    Ask::new("a.example.org. A")
        .tcp()
        .now(&Chain::new(vec![Arc::new(stub)]))
        .bytes
}

const RECORDS: [&[&str]; 3] = [
    &[
        "a.example.org. 30 IN CNAME b.example.org.",
        "b.example.org. 20 IN A 192.0.2.1",
        "b.example.org. 20 IN MX 10 mail.example.org.",
        "b.example.org. 20 IN SRV 1 2 3 srv.example.org.",
        "b.example.org. 20 IN TXT text",
    ],
    &["example.org. 60 IN SOA ns.example.org. host.example.org. 1 2 3 4 5"],
    &["ns.example.org. 60 IN AAAA 2001:db8::1"],
];

#[test]
fn a_message_is_taken_apart_into_the_records_it_was_made_of() {
    let bytes = reply(RECORDS);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.records, records(RECORDS));
    assert_eq!(message.records.min_ttl(), Some(20));
    assert_eq!(message.records.count(Section::Answer), 5);
}

#[test]
fn compressed_names_are_expanded() {
    // Twelve records do not fit into 512 bytes whole, so names are compressed.
    let lines: Vec<String> = (0..12)
        .map(|n| format!("a.example.org. 5 IN NS ns{n}.example.org."))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let stub = Stub::upstream(ResponseCode::NoError, [&lines, &[], &[]]);
    let bytes = Ask::new("a.example.org. NS")
        .now(&Chain::new(vec![Arc::new(stub)]))
        .bytes;
    assert!(bytes.len() < 12 * 33);
    assert_eq!(
        Message::parse(&bytes).unwrap().records,
        records([&lines, &[], &[]])
    );
}

#[test]
fn pointers_that_lead_ahead_or_in_circles_are_no_message() {
    for name in [&b"\xc0\x2b"[..], b"\xc0\x1f", b"\x01a\xc0\x1f", b"\xc0\xff"] {
        let mut bytes = reply([&[], &[], &[]]);
        bytes[7] = 1;
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b"\0\x01\0\x01\0\0\0\x05\0\x04\x01\x02\x03\x04");
        assert!(Message::parse(&bytes).is_err(), "{name:02x?}");
    }
}

#[test]
fn shuffled_addresses_come_after_cnames_and_every_order_comes() {
    let mut firsts = std::collections::HashSet::new();
    for seed in 0..64 {
        let stub = Stub::new(move |query| {
            let mut answer = Answer::new(query, "stub", Origin::Upstream);
            let lines: [&[&str]; 3] = [
                &[
                    "b.org. 5 IN A 192.0.2.1",
                    "a.org. 5 IN CNAME b.org.",
                    "b.org. 5 IN A 192.0.2.2",
                    "b.org. 5 IN A 192.0.2.3",
                ],
                &[],
                &[],
            ];
            answer.body = Body::Records(Arc::new(records(lines)));
            answer.order = Order::Shuffled(seed);
            answer.into()
        });
        let Told { answer, .. } = Ask::new("a.org. A").now(&Chain::new(vec![Arc::new(stub)]));
        assert_eq!(answer[0], "a.org. 5 IN CNAME b.org.");
        assert_eq!(answer.len(), 4);
        firsts.insert(answer[1].clone());
    }
    assert_eq!(firsts.len(), 3);
}

#[test]
fn a_settled_answer_means_the_same_under_another_name() {
    let chain = Chain::new(vec![Arc::new(Stub::new(|query| {
        let mut answer = Answer::new(query, "stub", Origin::Zone);
        let set = RecordSet {
            section: Section::Answer,
            owner: NameSpec::QNAME,
            ttl: 5,
            data: Data::Name(
                RecordType::NS,
                NameSpec::Under(Arc::from(&b"\x02ns"[..]), 2),
            ),
        };
        answer.push(query, set);
        let settled = answer.settle(query);
        // Rendered for another question: names do not follow it any more.
        let other = crate::testing::n("other.net.");
        let query = query.with_question(other.view(), other.view(), query.qtype);
        settled.settle(&query).into()
    }))]);
    let told = Ask::new("a.Example.org. NS").now(&chain);
    assert_eq!(told.answer, ["a.Example.org. 5 IN NS ns.Example.org."]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&bytes);
    }

    #[test]
    fn a_reply_cut_or_changed_anywhere_is_read_or_refused(cut in 0..400_usize, at in 0..400_usize, byte: u8) {
        let mut bytes = reply(RECORDS);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        if let Ok(message) = Message::parse(&bytes) {
            // Memory follows the bytes that are there, not the counts.
            prop_assert!(message.records.heap_size() < 64 * (bytes.len() + 1));
        }
    }
}
