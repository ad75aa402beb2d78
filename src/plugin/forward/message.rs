//! A query as it goes to an upstream, and which bytes are believed to be its reply (RFC 5452, 9.1).

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use super::upstream::Over;
use crate::answer::{Message, Records};
use crate::name::{MAX_NAME, NameRef};
use crate::query::{Opt, Query};
use crate::wire::{self, Flags, HEADER_LEN, Opcode};

/// The longest UDP reply that everybody can take (RFC 1035, 4.2.1).
const SMALLEST: usize = 512;

/// A query, ready to be sent under an id of our own.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The message, its id zero.
    packet: Box<[u8]>,
    /// Where the question ends.
    question_end: usize,
    /// The longest UDP reply that the client can take.
    limit: usize,
    /// Whether any reply under the right id will do, as it does for a health check.
    any_reply: bool,
}

/// What an upstream replied.
#[derive(Debug)]
pub(super) struct Received {
    /// The response code, the OPT's upper bits in it.
    pub(super) rcode: ResponseCode,
    /// The header's flags.
    pub(super) flags: Flags,
    /// The options of the reply's OPT, where it has one.
    pub(super) options: Option<Box<[u8]>>,
    /// All records but the OPT.
    pub(super) records: Arc<Records>,
}

/// Why bytes are not the reply to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bogus {
    /// Nothing with this id waits.
    Id,
    /// A query, or a reply to another opcode.
    Kind,
    /// A reply to another question, or to none.
    Question,
    /// Records that are not whole.
    Malformed,
}

impl Bogus {
    /// The number of reasons.
    pub(super) const COUNT: usize = 4;

    /// The word that metrics have for it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Kind => "kind",
            Self::Question => "question",
            Self::Malformed => "malformed",
        }
    }
}

impl Outgoing {
    /// The query as it stands at this link: flags and OPT go on as they came.
    pub(super) fn of(query: &Query<'_>) -> Self {
        let flags = query.request.flags.bits() | query.request.opcode.bits();
        let (packet, question_end) = encode(
            flags,
            query.name,
            (query.qtype, query.qclass),
            query.opt.as_ref(),
        );
        Self {
            packet,
            question_end,
            limit: query.size_limit(),
            any_reply: false,
        }
    }

    /// A query of our own: no EDNS, 512 bytes.
    pub(super) fn plain(name: NameRef<'_>, qtype: RecordType, recursion: bool) -> Self {
        let flags = if recursion { Flags::RD } else { Flags::NONE };
        let (packet, question_end) = encode(flags.bits(), name, (qtype, DNSClass::IN), None);
        Self {
            packet,
            question_end,
            limit: SMALLEST,
            any_reply: false,
        }
    }

    /// The same, content with any reply: for a health check, all that replies is alive.
    pub(super) fn any_reply(mut self) -> Self {
        self.any_reply = true;
        self
    }

    /// The bytes to send under this id.
    pub(super) fn with_id(&self, id: u16) -> Vec<u8> {
        let mut packet = self.packet.to_vec();
        if let Some(place) = packet.get_mut(..2) {
            place.copy_from_slice(&id.to_be_bytes());
        }
        packet
    }

    /// The bytes but for the id: up to the name, the name, and what follows it.
    fn parts(&self) -> Option<[&[u8]; 3]> {
        let (head, rest) = self.packet.split_at_checked(HEADER_LEN)?;
        let name = self.question_end.checked_sub(HEADER_LEN + 4)?;
        let (name, rest) = rest.split_at_checked(name)?;
        Some([head, name, rest])
    }

    /// Reads a UDP datagram that came under this query's id.
    ///
    /// One that is longer than the client can take, or that was cut on its way in mid-record, is
    /// told as truncated, so that the client asks again over TCP.
    pub(super) fn read_datagram(&self, bytes: &[u8]) -> Result<Received, Bogus> {
        let header = self.check(bytes)?;
        if bytes.len() > self.limit {
            return Ok(header.truncated());
        }
        // Who cuts without saying so cuts at what the client takes, or at what all take.
        let is_cut = header.flags.has(Flags::TC) || [SMALLEST, self.limit].contains(&bytes.len());
        match Received::parse(bytes) {
            Err(Bogus::Malformed) if is_cut => Ok(header.truncated()),
            Err(_) if self.any_reply => Ok(header.truncated()),
            read => read,
        }
    }

    /// Reads a message that came over a stream under this query's id.
    pub(super) fn read_message(&self, bytes: &[u8]) -> Result<Received, Bogus> {
        let header = self.check(bytes)?;
        match Received::parse(bytes) {
            Err(_) if self.any_reply => Ok(header.truncated()),
            read => read,
        }
    }

    /// Whether a header and question are those of the reply.
    fn check(&self, bytes: &[u8]) -> Result<Header, Bogus> {
        let number = |at| wire::u16_at(bytes, at).ok_or(Bogus::Malformed);
        let (bits, questions) = (number(2)?, number(4)?);
        let header = Header {
            flags: Flags::from_bits(bits),
            rcode: ResponseCode::from(0, (bits & 0xf) as u8),
        };
        if !header.flags.has(Flags::QR) {
            return Err(Bogus::Kind);
        }
        if self.any_reply {
            return Ok(header);
        }
        let asked = wire::u16_at(&self.packet, 2).map(Opcode::from_bits);
        if asked != Some(Opcode::from_bits(bits)) {
            return Err(Bogus::Kind);
        }
        let question = HEADER_LEN..self.question_end;
        let asked = self.packet.get(question.clone());
        if questions != 1 || !same_question(bytes.get(question), asked) {
            return Err(Bogus::Question);
        }
        Ok(header)
    }
}

/// What makes two queries the same to an upstream: all bytes but the id and the name's case, the
/// longest reply that the client can take, and what they go over.
#[derive(Clone, Debug)]
pub(super) struct Key(pub(super) Arc<Outgoing>, pub(super) Over);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let (Self(one, over), Self(other, over_other)) = (self, other);
        let same = match (one.parts(), other.parts()) {
            (Some([head, name, rest]), Some([other_head, other_name, other_rest])) => {
                // Lengths of labels are below 64, and so no letters.
                name.eq_ignore_ascii_case(other_name) && head == other_head && rest == other_rest
            }
            _ => false,
        };
        same && one.limit == other.limit && over == over_other
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Some([head, name, rest]) = self.0.parts() else {
            return;
        };
        let mut lower = [0; MAX_NAME];
        if let Some(lower) = lower.get_mut(..name.len()) {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            state.write(lower);
        }
        state.write(head);
        state.write(rest);
    }
}

/// Whether both are the same name (some resolvers send it back in lower case), type and class.
fn same_question(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    let parts = [one, other].map(|bytes| bytes?.split_last_chunk::<4>());
    match parts.into() {
        (Some((name, kind)), Some((other_name, other_kind))) => {
            name.eq_ignore_ascii_case(other_name) && kind == other_kind
        }
        _ => false,
    }
}

/// What of a reply is known from its first bytes.
struct Header {
    flags: Flags,
    rcode: ResponseCode,
}

impl Header {
    /// A reply with no record, that says that it was cut.
    fn truncated(self) -> Received {
        Received {
            rcode: self.rcode,
            flags: self.flags.with(Flags::TC),
            options: None,
            records: Arc::default(),
        }
    }
}

impl Received {
    fn parse(bytes: &[u8]) -> Result<Self, Bogus> {
        let message = Message::parse(bytes).map_err(|_| Bogus::Malformed)?;
        Ok(Self {
            rcode: message.rcode,
            flags: message.flags,
            options: message.opt.map(|(_, options)| options.into()),
            records: Arc::new(message.records),
        })
    }
}

/// The bytes of a query, and where its question ends.
fn encode(
    flags: u16,
    name: NameRef<'_>,
    (qtype, qclass): (RecordType, DNSClass),
    opt: Option<&Opt<'_>>,
) -> (Box<[u8]>, usize) {
    let name = name.as_bytes();
    let options = opt.map_or(0, |opt| 11 + opt.options.len());
    let mut packet = Vec::with_capacity(HEADER_LEN + name.len() + 4 + options);
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(&flags.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(opt.is_some())]);
    packet.extend_from_slice(name);
    packet.extend_from_slice(&u16::from(qtype).to_be_bytes());
    packet.extend_from_slice(&u16::from(qclass).to_be_bytes());
    let question_end = packet.len();
    if let Some(opt) = opt {
        packet.push(0);
        packet.extend_from_slice(&u16::from(RecordType::OPT).to_be_bytes());
        packet.extend_from_slice(&opt.udp_size.to_be_bytes());
        packet.extend_from_slice(&[0, opt.version]);
        packet.extend_from_slice(&opt.flags.to_be_bytes());
        // Options came in a message of at most 64 KiB, so their length fits.
        let length = u16::try_from(opt.options.len()).unwrap_or(0);
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(opt.options);
    }
    (packet.into(), question_end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Ask, n};

    fn query() -> Outgoing {
        Outgoing::plain(n("www.example.org").view(), RecordType::A, true)
    }

    /// The bytes of a reply with one address, under id 7.
    fn reply() -> Vec<u8> {
        let mut reply = query().with_id(7);
        reply[2] |= 0x80;
        reply[7] = 1;
        reply.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
        reply
    }

    #[test]
    fn the_key_is_all_but_the_id_and_the_case_of_the_name() {
        use std::hash::BuildHasher;
        let hasher = std::hash::RandomState::new();
        let plain = |name: &str, rd| Arc::new(Outgoing::plain(n(name).view(), RecordType::A, rd));
        let key = Key(plain("www.example.org", true), Over::Udp);
        let same = Key(plain("WWW.Example.ORG", true), Over::Udp);
        assert_eq!(key, same);
        assert_eq!(hasher.hash_one(&key), hasher.hash_one(&same));
        for other in [
            Key(plain("www.example.org", false), Over::Udp),
            Key(plain("wwww.example.org", true), Over::Udp),
            Key(plain("www.example.org", true), Over::Stream),
        ] {
            assert_ne!(key, other);
        }
    }

    #[test]
    fn the_packet_is_that_of_the_client() {
        let ask = Ask::new("www.example.org A").edns(1232);
        let packet = ask.packet();
        let seen = std::sync::Mutex::new(Vec::new());
        let stub = crate::testing::Stub::new(move |query| {
            seen.lock()
                .unwrap()
                .push(Outgoing::of(query).with_id(0x1234));
            assert_eq!(seen.lock().unwrap()[0], packet);
            crate::chain::Outcome::Drop.into()
        });
        let asked = stub.asked.clone();
        let _ = ask.now(&crate::chain::Chain::new(vec![Arc::new(stub)]));
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            // Twelve random bytes and the question by chance: it does not happen.
            prop_assert!(query().read_datagram(&bytes).is_err());
            let _ = query().any_reply().read_datagram(&bytes);
            let _ = query().read_message(&bytes);
        }

        #[test]
        fn a_reply_with_a_byte_changed_is_a_reply_to_the_question_or_none(
            at in 0..reply().len(),
            with in any::<u8>(),
        ) {
            let mut bytes = reply();
            bytes[at] = with;
            if query().read_datagram(&bytes).is_ok() {
                let question = 12..query().question_end;
                prop_assert!(bytes[question.clone()].eq_ignore_ascii_case(&reply()[question]));
                prop_assert!(bytes[2] & 0x80 != 0);
            }
        }
    }
}
