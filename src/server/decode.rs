//! Bytes to a question, or the reply that refuses them.
//!
//! The rules are the accept rules of the field (header first, so that junk costs nothing), then a
//! walk over the bounds of every record, in which only the question and the OPT are read. Nothing
//! is allocated, and no count of the header is trusted.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use crate::name::NameRef;
use crate::query::Opt;
use crate::wire::{self, Flags, HEADER_LEN, Opcode};

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
}

/// Why a packet is not asked of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a request at all: answered with silence, so that nothing can be made to answer itself.
    Silence,
    /// A header alone goes back, with this code: id, opcode, RD and CD are copied.
    Header {
        /// The message's id.
        id: u16,
        /// The opcode to copy.
        opcode: Opcode,
        /// The flags of the request.
        flags: Flags,
        /// Format error or not implemented.
        rcode: ResponseCode,
    },
}

/// Reads a request.
///
/// # Errors
/// [`Refusal`] where the packet is no request, or one that is refused before any plugin: opcodes
/// other than QUERY and NOTIFY, counts that no ordinary request has (RFC 9619), records that do not
/// fit, more than one OPT (RFC 6891, 6.1.1).
pub fn decode(packet: &[u8]) -> Result<Decoded<'_>, Refusal> {
    let header = packet.get(..HEADER_LEN).ok_or(Refusal::Silence)?;
    let number = |at| wire::u16_at(header, at).unwrap_or(0);
    let (id, bits) = (number(0), number(2));
    let (flags, opcode) = (Flags::from_bits(bits), Opcode::from_bits(bits));
    if flags.has(Flags::QR) {
        return Err(Refusal::Silence);
    }
    let refuse = |rcode| Refusal::Header {
        id,
        opcode,
        flags,
        rcode,
    };
    if opcode != Opcode::QUERY && opcode != Opcode::NOTIFY {
        return Err(refuse(ResponseCode::NotImp));
    }
    let [questions, answers, authorities, additionals] = [4, 6, 8, 10].map(number);
    if questions != 1 || answers > 1 || authorities > 1 || additionals > 2 {
        return Err(refuse(ResponseCode::FormErr));
    }
    let mut walk = Walk {
        packet,
        at: HEADER_LEN,
        opts: 0,
        opt: None,
    };
    let read = walk.question().and_then(|question| {
        (0..answers + authorities + additionals).try_for_each(|_| walk.record())?;
        (walk.opts < 2).then_some(question)
    });
    let Some((name, qtype, qclass)) = read else {
        return Err(refuse(ResponseCode::FormErr));
    };
    Ok(Decoded {
        id,
        flags,
        opcode,
        name,
        qtype,
        qclass,
        opt: walk.opt,
    })
}

struct Walk<'p> {
    packet: &'p [u8],
    at: usize,
    opts: u8,
    opt: Option<Opt<'p>>,
}

impl<'p> Walk<'p> {
    fn question(&mut self) -> Option<(NameRef<'p>, RecordType, DNSClass)> {
        let name = NameRef::parse(self.packet.get(self.at..)?).ok()?;
        self.at += name.as_bytes().len();
        let qtype = wire::u16_at(self.packet, self.at)?;
        let qclass = wire::u16_at(self.packet, self.at + 2)?;
        self.at += 4;
        Some((name, qtype.into(), qclass.into()))
    }

    fn record(&mut self) -> Option<()> {
        self.skip_name()?;
        let rtype = wire::u16_at(self.packet, self.at)?;
        let class = wire::u16_at(self.packet, self.at + 2)?;
        let ttl = wire::u32_at(self.packet, self.at + 4)?;
        let start = self.at + 10;
        let end = start + usize::from(wire::u16_at(self.packet, self.at + 8)?);
        let rdata = self.packet.get(start..end)?;
        self.at = end;
        if RecordType::from(rtype) == RecordType::OPT {
            check_options(rdata)?;
            let [_, version, high, low] = ttl.to_be_bytes();
            self.opts += 1;
            self.opt = Some(Opt {
                udp_size: class,
                version,
                flags: u16::from_be_bytes([high, low]),
                options: rdata,
            });
        }
        Some(())
    }

    /// Steps over a name: it ends at the root or at a pointer, which must lead back
    /// (RFC 1035, 4.1.4).
    fn skip_name(&mut self) -> Option<()> {
        let start = self.at;
        loop {
            let length = usize::from(*self.packet.get(self.at)?);
            match length {
                0 => {
                    self.at += 1;
                    return Some(());
                }
                1..=63 => self.at += 1 + length,
                0xc0.. => {
                    let target = usize::from(wire::u16_at(self.packet, self.at)? & 0x3fff);
                    self.at += 2;
                    return (HEADER_LEN..start).contains(&target).then_some(());
                }
                _ => return None,
            }
            if self.at - start > crate::name::MAX_NAME {
                return None;
            }
        }
    }
}

/// Whether an OPT's rdata is whole options to its end.
fn check_options(mut rdata: &[u8]) -> Option<()> {
    while !rdata.is_empty() {
        let length = usize::from(wire::u16_at(rdata, 2)?);
        rdata = rdata.get(4 + length..)?;
    }
    Some(())
}

#[cfg(test)]
mod tests;
