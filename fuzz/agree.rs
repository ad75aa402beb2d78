//! The decoder beside hickory-proto's, on the same bytes.
//!
//! They are not to agree on everything: callsign takes what CoreDNS takes. But an ordinary query that
//! the other one reads must be read, and all that both read must be the same.

use callsign::name::MAX_NAME;
use callsign::query::Opt;
use callsign::server::decode::{Decoded, Refusal, decode};
use callsign::wire::{Flags, HEADER_LEN};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

/// Fails where the two differ in what they must not differ in.
pub(super) fn check(bytes: &[u8]) {
    let mut scratch = [0; MAX_NAME];
    let ours = decode(bytes, &mut scratch);
    if let Ok(ours) = &ours {
        assert!(
            !ours.flags.has(Flags::QR),
            "a reply was taken for a request"
        );
    }
    let Ok(theirs) = Message::from_vec(bytes) else {
        return;
    };
    match ours {
        Ok(ours) => same(&ours, &theirs),
        Err(Refusal::Silence) => assert_eq!(theirs.metadata.message_type, MessageType::Response),
        Err(Refusal::Reply { .. }) => {
            assert!(!is_ordinary(&theirs, bytes.len()), "refused: {theirs}")
        }
    }
}

/// One question, and nothing else but an OPT without options, of which there would be more bytes.
fn is_ordinary(message: &Message, length: usize) -> bool {
    let [query] = message.queries.as_slice() else {
        return false;
    };
    let question = wire(query).map_or(0, |name| name.len()) + 4;
    let opt = if message.edns.is_some() { 11 } else { 0 };
    message.metadata.op_code == OpCode::Query && length == HEADER_LEN + question + opt
}

/// The name of a question, uncompressed.
fn wire(query: &Query) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut encoder = BinEncoder::new(&mut name);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    query.name().emit(&mut encoder).ok()?;
    Some(name)
}

fn same(ours: &Decoded<'_>, theirs: &Message) {
    assert_eq!(ours.id, theirs.metadata.id);
    assert_eq!(ours.flags.has(Flags::RD), theirs.metadata.recursion_desired);
    assert_eq!(ours.flags.has(Flags::CD), theirs.metadata.checking_disabled);
    let Some(query) = theirs.queries.first() else {
        // A question that ends early is one of type or class 0 to CoreDNS, and so to callsign.
        return;
    };
    if let Some(name) = wire(query) {
        assert_eq!(ours.name.as_bytes(), name, "the name");
    }
    assert_eq!(ours.qtype, query.query_type());
    assert_eq!(ours.qclass, query.query_class());
    if let (Some(ours), Some(theirs)) = (ours.opt, &theirs.edns) {
        same_opt(ours, theirs);
    }
}

fn same_opt(ours: Opt<'_>, theirs: &Edns) {
    assert_eq!(ours.version, theirs.version());
    assert_eq!(ours.dnssec_ok(), theirs.flags().dnssec_ok);
    assert_eq!(ours.udp_size.max(512), theirs.max_payload().max(512));
}
