//! What is taken for a request, and what is not.

// The table of packets is one list.
#![allow(clippy::too_many_lines)]

use proptest::prelude::*;

use super::*;
use crate::testing::Ask;

const QUESTION: &[u8] = b"\x03web\x07default\x03svc\x07cluster\x05local\0\0\x01\0\x01";
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

fn packet(flags: u16, counts: [u16; 4], body: &[&[u8]]) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34];
    packet.extend(flags.to_be_bytes());
    counts
        .iter()
        .for_each(|count| packet.extend(count.to_be_bytes()));
    body.iter()
        .for_each(|piece| packet.extend_from_slice(piece));
    packet
}

/// `ok`, `silence`, or the code of the refusal.
fn verdict(packet: &[u8]) -> String {
    match decode(packet, &mut [0; MAX_NAME]) {
        Ok(_) => "ok".into(),
        Err(Refusal::Silence) => "silence".into(),
        Err(Refusal::Reply { rcode, .. }) => crate::testing::rcode_text(rcode),
    }
}

#[test]
fn packets_are_taken_or_refused_as_the_field_does() {
    let a_record = b"\0\0\x01\0\x01\0\0\0\0\0\x04\x01\x02\x03\x04";
    let opt_of = |options: &[u8]| {
        let length = u16::try_from(options.len()).unwrap().to_be_bytes();
        [&OPT[..9], &length, options].concat()
    };
    for (name, packet, expected) in [
        (
            "an ordinary question",
            packet(0x0100, [1, 0, 0, 0], &[QUESTION]),
            "ok",
        ),
        (
            "with an OPT",
            packet(0x0100, [1, 0, 0, 1], &[QUESTION, OPT]),
            "ok",
        ),
        (
            "eleven bytes",
            packet(0x0100, [1, 0, 0, 0], &[])[..11].to_vec(),
            "silence",
        ),
        (
            "a response",
            packet(0x8100, [1, 0, 0, 0], &[QUESTION]),
            "silence",
        ),
        (
            "an inverse query",
            packet(0x0900, [1, 0, 0, 0], &[QUESTION]),
            "NOTIMP",
        ),
        (
            "an update",
            packet(0x2900, [1, 0, 0, 0], &[QUESTION]),
            "NOTIMP",
        ),
        ("a notify", packet(0x2100, [1, 0, 0, 0], &[QUESTION]), "ok"),
        (
            "no question counted",
            packet(0x0100, [0, 0, 0, 0], &[]),
            "FORMERR",
        ),
        (
            "a question counted and none there",
            packet(0x0100, [1, 0, 0, 0], &[]),
            "FORMERR",
        ),
        (
            "two questions",
            packet(0x0100, [2, 0, 0, 0], &[QUESTION, QUESTION]),
            "FORMERR",
        ),
        (
            "one answer",
            packet(0x0100, [1, 1, 0, 0], &[QUESTION, a_record]),
            "ok",
        ),
        (
            "two answers",
            packet(0x0100, [1, 2, 0, 0], &[QUESTION, a_record, a_record]),
            "FORMERR",
        ),
        (
            "two authorities",
            packet(0x0100, [1, 0, 2, 0], &[QUESTION]),
            "FORMERR",
        ),
        (
            "three additionals",
            packet(0x0100, [1, 0, 0, 3], &[QUESTION]),
            "FORMERR",
        ),
        (
            "all counts at their most",
            packet(0x0100, [1, 0xffff, 0xffff, 0xffff], &[QUESTION]),
            "FORMERR",
        ),
        (
            "bytes after the message",
            packet(0x0100, [1, 0, 0, 0], &[QUESTION, b"garbage"]),
            "ok",
        ),
        (
            "a name that points at itself",
            packet(0x0100, [1, 0, 0, 0], &[b"\xc0\x0c\0\x01\0\x01"]),
            "FORMERR",
        ),
        (
            "a name that points ahead",
            packet(0x0100, [1, 0, 0, 0], &[b"\xc0\x20\0\x01\0\x01"]),
            "FORMERR",
        ),
        (
            "a label that is cut",
            packet(0x0100, [1, 0, 0, 0], &[b"\x3fabc"]),
            "FORMERR",
        ),
        (
            "a label of a reserved kind",
            packet(0x0100, [1, 0, 0, 0], &[b"\x80a\0\0\x01\0\x01"]),
            "FORMERR",
        ),
        (
            "two OPTs",
            packet(0x0100, [1, 0, 0, 2], &[QUESTION, OPT, OPT]),
            "FORMERR",
        ),
        (
            "an OPT in the answer",
            packet(0x0100, [1, 1, 0, 0], &[QUESTION, OPT]),
            "ok",
        ),
        (
            "an OPT counted and none there",
            packet(0x0100, [1, 0, 0, 1], &[QUESTION]),
            "ok",
        ),
        (
            "a name that points at a zero of the header",
            packet(0x0100, [1, 0, 0, 0], &[b"\xc0\x06\0\x01\0\x01"]),
            "ok",
        ),
        (
            "an address record of three bytes",
            packet(
                0x0100,
                [1, 0, 0, 1],
                &[QUESTION, b"\0\0\x01\0\x01\0\0\0\0\0\x03\x01\x02\x03"],
            ),
            "FORMERR",
        ),
        (
            "a client subnet of a family that is none",
            packet(
                0x0100,
                [1, 0, 0, 1],
                &[QUESTION, &opt_of(b"\0\x08\0\x05\0\x09\x08\0\x0a")],
            ),
            "FORMERR",
        ),
        (
            "an option whose length is too long",
            packet(
                0x0100,
                [1, 0, 0, 1],
                &[QUESTION, &opt_of(b"\0\x0c\0\x09ab")],
            ),
            "FORMERR",
        ),
        (
            "half an option",
            packet(0x0100, [1, 0, 0, 1], &[QUESTION, &opt_of(b"\0\x0c")]),
            "FORMERR",
        ),
        (
            "600 bytes, which CoreDNS would cut",
            packet(
                0x0100,
                [1, 0, 0, 1],
                &[
                    QUESTION,
                    &opt_of(&[b"\0\x0c\x02\0".as_slice(), &[0; 512]].concat()),
                ],
            ),
            "ok",
        ),
    ] {
        assert_eq!(verdict(&packet), expected, "{name}");
    }
}

#[test]
fn the_question_and_the_opt_are_read_as_they_stand() {
    let mut ask = Ask::new("MiXed.Example. AAAA").dnssec();
    ask.opt = Some((1400, 0x8001, b"\0\x0a\0\x02ab".to_vec()));
    let packet = ask.packet();
    let mut scratch = [0; MAX_NAME];
    let decoded = decode(&packet, &mut scratch).unwrap();
    assert_eq!(decoded.name.to_string(), "MiXed.Example.");
    assert_eq!(
        (decoded.qtype, decoded.qclass),
        (RecordType::AAAA, DNSClass::IN)
    );
    let opt = decoded.opt.unwrap();
    assert_eq!((opt.udp_size, opt.version, opt.flags), (1400, 0, 0x8001));
    assert_eq!(opt.options, b"\0\x0a\0\x02ab");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes, &mut [0; MAX_NAME]);
    }

    #[test]
    fn a_request_with_any_byte_changed_is_read_or_refused(at in 0..60_usize, byte: u8) {
        let mut packet = Ask::new("web.default.svc.cluster.local. A").edns(1232).packet();
        if let Some(place) = packet.get_mut(at) {
            *place = byte;
        }
        let mut scratch = [0; MAX_NAME];
        if let Ok(decoded) = decode(&packet, &mut scratch) {
            // What is taken is whole: the name is one, and stands in the packet.
            prop_assert!(NameRef::parse(decoded.name.as_bytes()).is_ok());
        }
    }

    #[test]
    fn what_hickory_writes_is_read_the_same(labels in proptest::collection::vec("[a-zA-Z0-9]{1,20}", 1..6), rtype: u16, id: u16) {
        use hickory_proto::op::{Message, MessageType, OpCode, Query};
        use hickory_proto::serialize::binary::BinEncodable;
        let text = labels.join(".") + ".";
        let name = hickory_proto::rr::Name::from_ascii(&text).unwrap();
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(name, rtype.into()));
        let packet = message.to_bytes().unwrap();
        let mut scratch = [0; MAX_NAME];
    let decoded = decode(&packet, &mut scratch).unwrap();
        prop_assert_eq!(decoded.id, id);
        prop_assert_eq!(decoded.qtype, RecordType::from(rtype));
        prop_assert_eq!(decoded.name.to_string(), text);
    }
}
