//! Bytes to a question, or the reply that refuses them.
//!
//! The rules are the accept rules of the field (header first, so that junk costs nothing), then a
//! walk over the bounds of every record, in which only the question and the OPT are read. Nothing
//! is allocated, and no count of the header is trusted.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use crate::name::{MAX_LABEL, MAX_NAME, NameRef};
use crate::query::Opt;
use crate::wire::{self, Flags, HEADER_LEN, Opcode, Piece};

/// A request that can be asked of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'p> {
    /// The message's id.
    pub id: u16,
    /// Its flags.
    pub flags: Flags,
    /// Its opcode.
    pub opcode: Opcode,
    /// The name asked for.
    pub name: NameRef<'p>,
    /// The type asked for.
    pub qtype: RecordType,
    /// The class asked for.
    pub qclass: DNSClass,
    /// The OPT, where there is one.
    pub opt: Option<Opt<'p>>,
    /// The serial of the authority section's SOA record, where there is one.
    pub serial: Option<u32>,
}

/// A name, type and class asked for.
pub type Question<'p> = (NameRef<'p>, RecordType, DNSClass);

/// Why a packet is not asked of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'p> {
    /// Not a request at all: answered with silence, so that nothing can be made to answer itself.
    Silence,
    /// A header, and the question where it could be read, go back with this code.
    Reply {
        /// The message's id.
        id: u16,
        /// The opcode to tell: a malformed message's is QUERY.
        opcode: Opcode,
        /// The flags of the request.
        flags: Flags,
        /// Format error or not implemented.
        rcode: ResponseCode,
        /// The question.
        question: Option<Question<'p>>,
    },
}

/// Room for a name that has to be put together, because it is compressed in the packet.
pub type Scratch = [u8; MAX_NAME];

/// Compression pointers of one name; more make a circle.
const MOST_POINTERS: usize = 126;

/// Reads a request. What is accepted is what CoreDNS's library accepts, compressed questions and
/// announced records that are not there included, but for three things: more than one OPT
/// (RFC 6891, 6.1.1) and a question that is announced and not there are format errors.
///
/// # Errors
/// [`Refusal`] where the packet is no request, or one that is refused before any plugin: opcodes
/// other than QUERY and NOTIFY, counts that no ordinary request has (RFC 9619), records that do not
/// fit.
pub fn decode<'p>(packet: &'p [u8], scratch: &'p mut Scratch) -> Result<Decoded<'p>, Refusal<'p>> {
    let header = packet.get(..HEADER_LEN).ok_or(Refusal::Silence)?;
    let number = |at| wire::u16_at(header, at).unwrap_or(0);
    let (id, bits) = (number(0), number(2));
    let (flags, opcode) = (Flags::from_bits(bits), Opcode::from_bits(bits));
    if flags.has(Flags::QR) {
        return Err(Refusal::Silence);
    }
    if opcode != Opcode::QUERY && opcode != Opcode::NOTIFY {
        let rcode = ResponseCode::NotImp;
        return Err(Refusal::Reply {
            id,
            opcode,
            flags,
            rcode,
            question: None,
        });
    }
    let malformed = |question| {
        let (opcode, rcode) = (Opcode::QUERY, ResponseCode::FormErr);
        Refusal::Reply {
            id,
            opcode,
            flags,
            rcode,
            question,
        }
    };
    let [questions, answers, authorities, additionals] = [4, 6, 8, 10].map(number);
    if questions != 1 || answers > 1 || authorities > 1 || additionals > 2 {
        return Err(malformed(None));
    }
    let mut walk = Walk {
        packet,
        at: HEADER_LEN,
        serial: None,
    };
    let Some(question) = walk.question(scratch) else {
        return Err(malformed(None));
    };
    let Some(opt) = walk.records([answers, authorities, additionals]) else {
        return Err(malformed(Some(question)));
    };
    let (name, qtype, qclass) = question;
    Ok(Decoded {
        id,
        flags,
        opcode,
        name,
        qtype,
        qclass,
        opt,
        serial: walk.serial,
    })
}

struct Walk<'p> {
    packet: &'p [u8],
    at: usize,
    serial: Option<u32>,
}

impl<'p> Walk<'p> {
    /// The question. One that ends after its name or type is taken for one of type or class 0.
    fn question(&mut self, scratch: &'p mut Scratch) -> Option<Question<'p>> {
        let name = match NameRef::parse(self.packet.get(self.at..)?) {
            Ok(name) => {
                self.at += name.as_bytes().len();
                name
            }
            Err(_) => self
                .name(Some(scratch))
                .and_then(|length| NameRef::parse(scratch.get(..length)?).ok())?,
        };
        let mut number = || {
            if self.at == self.packet.len() {
                return Some(0);
            }
            let number = wire::u16_at(self.packet, self.at)?;
            self.at += 2;
            Some(number)
        };
        Some((name, number()?.into(), number()?.into()))
    }

    /// Steps over all records, and gives the OPT of the additional section; `None` where they do
    /// not fit or there is more than one OPT. Records that are announced and not there are none.
    fn records(&mut self, counts: [u16; 3]) -> Option<Option<Opt<'p>>> {
        let [answers, authorities, additionals] = counts;
        let others = answers + authorities;
        let mut found = None;
        for number in 0..others + additionals {
            if self.at == self.packet.len() {
                break;
            }
            let is_authority = (answers..others).contains(&number);
            match self.record(is_authority)? {
                Some(_) if number >= others && found.is_some() => return None,
                Some(opt) if number >= others => found = Some(opt),
                _ => {}
            }
        }
        Some(found)
    }

    fn record(&mut self, is_authority: bool) -> Option<Option<Opt<'p>>> {
        self.name(None)?;
        let rtype = RecordType::from(wire::u16_at(self.packet, self.at)?);
        let class = wire::u16_at(self.packet, self.at + 2)?;
        let ttl = wire::u32_at(self.packet, self.at + 4)?;
        let start = self.at + 10;
        let end = start + usize::from(wire::u16_at(self.packet, self.at + 8)?);
        let rdata = self.packet.get(start..end)?;
        if rtype != RecordType::OPT {
            if !rdata.is_empty() {
                self.rdata(rtype, start, end)?;
                if is_authority && rtype == RecordType::SOA {
                    // The numbers are the last 20 bytes, and were seen to be there.
                    self.serial = wire::u32_at(self.packet, end - 20);
                }
            }
            self.at = end;
            return Some(None);
        }
        check_options(rdata)?;
        self.at = end;
        let [_, version, high, low] = ttl.to_be_bytes();
        let flags = u16::from_be_bytes([high, low]);
        Some(Some(Opt {
            udp_size: class,
            version,
            flags,
            options: rdata,
        }))
    }

    /// Checks that rdata is what its type says, as far as names and addresses go.
    fn rdata(&mut self, rtype: RecordType, start: usize, end: usize) -> Option<()> {
        self.at = start;
        for piece in wire::layout(rtype) {
            match piece {
                Piece::Bytes(count) => self.at += count,
                Piece::Name | Piece::WholeName => {
                    self.name(None)?;
                }
            }
        }
        let rest = end.checked_sub(self.at)?;
        let is_whole = match rtype {
            RecordType::A => rest == 4,
            RecordType::AAAA => rest == 16,
            RecordType::SOA => rest == 20,
            RecordType::SIG | RecordType::RRSIG | RecordType::NSEC => true,
            _ => rest == 0 || wire::layout(rtype).is_empty(),
        };
        is_whole.then_some(())
    }

    /// Steps over a name, and puts it together in `to`; its length there.
    ///
    /// Pointers may lead anywhere in the message (CoreDNS's library takes them so), but not in
    /// circles, and not to more than a name can have.
    fn name(&mut self, mut to: Option<&mut Scratch>) -> Option<usize> {
        let (mut at, mut end, mut length, mut pointers) = (self.at, None, 0, 0);
        loop {
            let first = usize::from(*self.packet.get(at)?);
            match first {
                0..=MAX_LABEL => {
                    let label = self.packet.get(at..=at + first)?;
                    let place = length..length + label.len();
                    if place.end > MAX_NAME {
                        return None;
                    }
                    if let Some(to) = to.as_deref_mut() {
                        to.get_mut(place.clone())?.copy_from_slice(label);
                    }
                    (at, length) = (at + label.len(), place.end);
                    if first == 0 {
                        self.at = end.unwrap_or(at);
                        return Some(length);
                    }
                }
                0xc0.. => {
                    let target = usize::from(wire::u16_at(self.packet, at)? & 0x3fff);
                    end.get_or_insert(at + 2);
                    pointers += 1;
                    if pointers > MOST_POINTERS {
                        return None;
                    }
                    at = target;
                }
                _ => return None,
            }
        }
    }
}

/// Whether an OPT's rdata is whole options to its end, each of the length that its kind has.
fn check_options(mut rdata: &[u8]) -> Option<()> {
    while !rdata.is_empty() {
        let code = wire::u16_at(rdata, 0)?;
        let length = usize::from(wire::u16_at(rdata, 2)?);
        let data = rdata.get(4..4 + length)?;
        let is_right = match code {
            // Long-lived queries, update lease, expire, keepalive, extended error, zone version
            1 => length >= 18,
            2 => length == 4 || length == 8,
            9 => length == 0 || length >= 4,
            11 => length == 0 || length == 2,
            15 | 19 => length >= 2,
            8 => is_subnet(data),
            18 => is_agent(data),
            _ => true,
        };
        if !is_right {
            return None;
        }
        rdata = rdata.get(4 + length..)?;
    }
    Some(())
}

/// Whether an option starts with a name: the agent that errors are reported to (RFC 9567, 5).
fn is_agent(data: &[u8]) -> bool {
    let mut walk = Walk {
        packet: data,
        at: 0,
        serial: None,
    };
    walk.name(None).is_some()
}

/// Whether an option is a client subnet (RFC 7871, 6).
fn is_subnet(data: &[u8]) -> bool {
    let Some((fixed, _)) = data.split_at_checked(4) else {
        return false;
    };
    let within = |most| fixed.iter().skip(2).all(|prefix| *prefix <= most);
    match wire::u16_at(fixed, 0) {
        Some(0) => fixed.get(2) == Some(&0),
        Some(1) => within(32),
        Some(2) => within(128),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
