//! An answer to bytes, for one client (RFC 1035, 4.1).
//!
//! As CoreDNS renders: names are whole while the message fits into what the client takes (and, over
//! UDP, into what a network carries unfragmented); past that they are compressed; past the limit
//! records are cut, additional first, then authority, then the answer's tail, and TC is set
//! whenever something was cut.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use crate::answer::{Answer, ExtendedError, RdataRef, RecordRef, Section};
use crate::chain::Failure;
use crate::name::{NameParts, NameRef};
use crate::query::{Opt, Query, Transport};
use crate::server::decode::Refusal;
use crate::wire::{self, Flags, HEADER_LEN, Piece};

mod compress;

use compress::Compressor;

/// Above this, a UDP reply over IPv4 is compressed though the client would take it whole.
const UNFRAGMENTED_V4: usize = 1480;
/// The same over IPv6.
const UNFRAGMENTED_V6: usize = 1220;
/// The EDNS flags that a reply copies from its request, as CoreDNS does: DO and seven bits that have
/// no meaning yet.
const ECHOED_FLAGS: u16 = 0xff00;
/// The EDNS option code of an extended error (RFC 8914).
const EXTENDED_ERROR: u16 = 15;

/// A header's changing parts.
struct Head {
    id: u16,
    bits: u16,
    rcode: ResponseCode,
}

/// Writes `answer` to the end of `out`, which holds nothing of this message yet.
///
/// `query` is the question as the client asked it.
pub fn answer(answer: &Answer, query: &Query<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let size = answer.extra.as_ref().and_then(|extra| extra.udp_size);
    let resized = size.map(|size| with_size(query, size));
    let query = resized.as_ref().unwrap_or(query);
    let opt = OptOut::of_answer(answer, query);
    let limit = query.size_limit();
    let whole = match (query.request.transport, query.request.client.is_ipv4()) {
        (Transport::Udp, true) => limit.min(UNFRAGMENTED_V4),
        (Transport::Udp, false) => limit.min(UNFRAGMENTED_V6),
        _ => limit,
    };
    let flags = answer.flags.with(Flags::QR);
    let head = Head {
        id: query.request.id,
        bits: flags.bits() | query.request.opcode.bits(),
        rcode: told_rcode(answer.rcode, query),
    };
    write_head(&head, query, out);
    let mut writer = Writer {
        out,
        start,
        limit: whole.saturating_sub(opt.len()),
        counts: [0; 3],
        full: false,
        names: None,
    };
    answer.each(query, &mut |record| writer.record(&record));
    if writer.full {
        let out = writer.out;
        out.truncate(start + HEADER_LEN);
        question(query, out);
        writer = Writer {
            out,
            start,
            limit: limit.saturating_sub(opt.len()),
            counts: [0; 3],
            full: false,
            names: Some(Compressor::default()),
        };
        writer.note_question(query.name);
        answer.each(query, &mut |record| writer.record(&record));
    }
    let (counts, cut) = (writer.counts, writer.full);
    opt.write(out);
    finish(&mut out[start..], counts, opt.present(), cut);
}

/// A code of more than four bits cannot be told without an OPT; its low bits would mean another.
fn told_rcode(rcode: ResponseCode, query: &Query<'_>) -> ResponseCode {
    if rcode.high() > 0 && query.opt.is_none() {
        ResponseCode::ServFail
    } else {
        rcode
    }
}

/// The query as if its OPT told another payload size.
fn with_size<'q>(query: &Query<'q>, udp_size: u16) -> Query<'q> {
    Query {
        opt: query.opt.map(|opt| Opt { udp_size, ..opt }),
        ..*query
    }
}

/// Writes the reply to a query that failed: no record, but the OPT and, in it, the reason.
pub fn failure(failure: &Failure, query: &Query<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let resized = failure.udp_size.map(|size| with_size(query, size));
    let query = resized.as_ref().unwrap_or(query);
    let flags = failure.flags.unwrap_or_else(|| query.reply_flags());
    let bits = flags.with(Flags::QR).bits() | query.request.opcode.bits();
    write_head(
        &Head {
            id: query.request.id,
            bits,
            rcode: failure.rcode,
        },
        query,
        out,
    );
    let opt = OptOut {
        opt: query.opt,
        size: query.opt.map_or(0, |opt| opt.udp_size),
        options: &[],
        error: failure.extended.as_ref(),
        upper: failure.rcode.high(),
    };
    opt.write(out);
    finish(&mut out[start..], [0; 3], opt.present(), false);
}

/// Writes the reply to a request of an EDNS version that nobody speaks (RFC 6891, 6.1.3).
pub fn bad_version(query: &Query<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let bits = query.reply_flags().with(Flags::QR).bits() | query.request.opcode.bits();
    write_head(
        &Head {
            id: query.request.id,
            bits,
            rcode: ResponseCode::BADVERS,
        },
        query,
        out,
    );
    let opt = OptOut {
        opt: query.opt.map(|opt| Opt { flags: 0, ..opt }),
        size: 0,
        options: &[],
        error: None,
        upper: ResponseCode::BADVERS.high(),
    };
    opt.write(out);
    finish(&mut out[start..], [0; 3], opt.present(), false);
}

/// Writes the header that refuses a packet, and its question where there is one; nothing where
/// silence is the answer.
pub fn refusal(refusal: Refusal<'_>, out: &mut Vec<u8>) {
    let Refusal::Reply {
        id,
        opcode,
        flags,
        rcode,
        question,
    } = refusal
    else {
        return;
    };
    let flags = flags.without(Flags::Z).without(Flags::AA).with(Flags::QR);
    let bits = flags.bits() | opcode.bits() | u16::from(rcode.low());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&bits.to_be_bytes());
    out.extend_from_slice(&[0, u8::from(question.is_some()), 0, 0, 0, 0, 0, 0]);
    if let Some((name, qtype, qclass)) = question {
        write_question(name, qtype, qclass, out);
    }
}

/// The length of `answer` with all its records and whole names: what metrics and logs tell. An OPT
/// counts only where the plugin that answered brought one (an upstream's).
#[must_use]
pub fn whole_len(answer: &Answer, query: &Query<'_>) -> usize {
    let length = HEADER_LEN + query.name.as_bytes().len() + 4 + answer.wire_len(query);
    let options = answer
        .extra
        .as_ref()
        .and_then(|extra| extra.options.as_ref());
    length + options.map_or(0, |options| 11 + options.len())
}

fn write_head(head: &Head, query: &Query<'_>, out: &mut Vec<u8>) {
    let bits = head.bits | u16::from(head.rcode.low());
    let mut header = [0; HEADER_LEN];
    header[..2].copy_from_slice(&head.id.to_be_bytes());
    header[2..4].copy_from_slice(&bits.to_be_bytes());
    header[5] = 1;
    out.extend_from_slice(&header);
    question(query, out);
}

fn question(query: &Query<'_>, out: &mut Vec<u8>) {
    write_question(query.name, query.qtype, query.qclass, out);
}

fn write_question(name: NameRef<'_>, qtype: RecordType, qclass: DNSClass, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&u16::from(qtype).to_be_bytes());
    out.extend_from_slice(&u16::from(qclass).to_be_bytes());
}

/// Puts the counts, and TC where records were cut, into the header of a finished message.
fn finish(message: &mut [u8], counts: [u16; 3], opt: bool, cut: bool) {
    let [answers, authorities, additionals] = counts;
    let numbers = [answers, authorities, additionals + u16::from(opt)];
    for (at, number) in [6, 8, 10].into_iter().zip(numbers) {
        if let Some(place) = message.get_mut(at..at + 2) {
            place.copy_from_slice(&number.to_be_bytes());
        }
    }
    if let Some(place) = message.get_mut(2).filter(|_| cut) {
        *place |= (Flags::TC.bits() >> 8) as u8;
    }
}

/// Writes records until one does not fit.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    /// The longest message, the OPT left out.
    limit: usize,
    counts: [u16; 3],
    full: bool,
    names: Option<Compressor>,
}

impl Writer<'_> {
    fn note_question(&mut self, name: NameRef<'_>) {
        if let Some(names) = &mut self.names {
            names.note(name, HEADER_LEN);
        }
    }

    fn record(&mut self, record: &RecordRef<'_>) {
        if self.full {
            return;
        }
        let before = self.out.len();
        if self.names.is_none() {
            // Checked before it is written: an answer of thousands of records is not built in
            // vain.
            if before - self.start + record.wire_len() > self.limit {
                self.full = true;
                return;
            }
        }
        self.name(record.owner, true);
        let mut fixed = [0; 10];
        fixed[..2].copy_from_slice(&u16::from(record.rtype).to_be_bytes());
        fixed[2..4].copy_from_slice(&u16::from(record.class).to_be_bytes());
        fixed[4..8].copy_from_slice(&record.ttl.to_be_bytes());
        self.out.extend_from_slice(&fixed);
        let rdata = self.out.len();
        self.rdata(record);
        let length = u16::try_from(self.out.len() - rdata).unwrap_or(u16::MAX);
        if let Some(place) = self.out.get_mut(rdata - 2..rdata) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        if self.out.len() - self.start > self.limit {
            self.out.truncate(before);
            self.full = true;
            return;
        }
        let section = match record.section {
            Section::Answer => 0,
            Section::Authority => 1,
            Section::Additional => 2,
        };
        self.counts[section] += 1;
    }

    fn name(&mut self, name: NameParts<'_>, may_point: bool) {
        match &mut self.names {
            Some(names) => names.write(name, may_point, self.out, self.start),
            None => {
                self.out.extend_from_slice(name.head);
                self.out.extend_from_slice(name.tail.as_bytes());
            }
        }
    }

    fn rdata(&mut self, record: &RecordRef<'_>) {
        match &record.rdata {
            RdataRef::A(address) => self.out.extend_from_slice(&address.octets()),
            RdataRef::Aaaa(address) => self.out.extend_from_slice(&address.octets()),
            RdataRef::Name(name) => self.name(*name, record.rtype != RecordType::DNAME),
            RdataRef::Srv(priority, weight, port, target) => {
                for number in [priority, weight, port] {
                    self.out.extend_from_slice(&number.to_be_bytes());
                }
                self.name(*target, false);
            }
            RdataRef::Soa(shape, apex, serial, minimum) => {
                for head in [shape.mname, shape.rname] {
                    let pieces = [head, apex.head, apex.tail.as_bytes()];
                    match &mut self.names {
                        Some(names) => {
                            let name = pieces.concat_name();
                            names.write(name.parts(), true, self.out, self.start);
                        }
                        None => pieces
                            .iter()
                            .for_each(|piece| self.out.extend_from_slice(piece)),
                    }
                }
                for number in [*serial, shape.refresh, shape.retry, shape.expire, *minimum] {
                    self.out.extend_from_slice(&number.to_be_bytes());
                }
            }
            RdataRef::Other(rdata) => self.other(record.rtype, rdata),
        }
    }

    /// Rdata of any type: with names of their own only where names are compressed.
    fn other(&mut self, rtype: RecordType, rdata: &[u8]) {
        let pieces = if self.names.is_none() {
            &[]
        } else {
            wire::layout(rtype)
        };
        let mut rest = rdata;
        for piece in pieces {
            match piece {
                Piece::Bytes(count) => {
                    let (bytes, after) = rest.split_at(rest.len().min(*count));
                    self.out.extend_from_slice(bytes);
                    rest = after;
                }
                Piece::Name | Piece::WholeName => {
                    let Ok(name) = NameRef::parse(rest) else {
                        break;
                    };
                    rest = rest.get(name.as_bytes().len()..).unwrap_or_default();
                    self.name(name.into(), *piece == Piece::Name);
                }
            }
        }
        self.out.extend_from_slice(rest);
    }
}

/// A short name put together on the stack.
struct StackName {
    bytes: [u8; crate::name::MAX_NAME],
    length: usize,
}

trait ConcatName {
    fn concat_name(&self) -> StackName;
}

impl ConcatName for [&[u8]; 3] {
    fn concat_name(&self) -> StackName {
        let mut name = StackName {
            bytes: [0; crate::name::MAX_NAME],
            length: 0,
        };
        for piece in self {
            let end = name.length + piece.len();
            // A name that is too long ends where it still fits: the root follows from the zeroes.
            if let Some(place) = name.bytes.get_mut(name.length..end) {
                place.copy_from_slice(piece);
                name.length = end;
            }
        }
        name
    }
}

impl StackName {
    fn parts(&self) -> NameParts<'_> {
        NameRef::parse(&self.bytes).unwrap_or(NameRef::ROOT).into()
    }
}

/// The OPT of a reply; there is one exactly where the request had one (RFC 6891, 6.1.1).
struct OptOut<'a> {
    opt: Option<Opt<'a>>,
    size: u16,
    options: &'a [u8],
    error: Option<&'a ExtendedError>,
    upper: u8,
}

impl<'a> OptOut<'a> {
    fn of_answer(answer: &'a Answer, query: &Query<'a>) -> Self {
        let extra = answer.extra.as_deref();
        Self {
            opt: query.opt,
            size: query.opt.map_or(0, |opt| opt.udp_size),
            options: extra
                .and_then(|extra| extra.options.as_deref())
                .unwrap_or_default(),
            error: extra.and_then(|extra| extra.error.as_ref()),
            upper: answer.rcode.high(),
        }
    }

    fn present(&self) -> bool {
        self.opt.is_some()
    }

    fn options_len(&self) -> usize {
        self.options.len() + self.error.map_or(0, |error| 6 + error.text.len())
    }

    fn len(&self) -> usize {
        if self.present() {
            11 + self.options_len()
        } else {
            0
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Some(opt) = self.opt else {
            return;
        };
        out.push(0);
        out.extend_from_slice(&u16::from(RecordType::OPT).to_be_bytes());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&[self.upper, 0]);
        out.extend_from_slice(&(opt.flags & ECHOED_FLAGS).to_be_bytes());
        let length = u16::try_from(self.options_len()).unwrap_or(0);
        out.extend_from_slice(&length.to_be_bytes());
        if length == 0 {
            return;
        }
        out.extend_from_slice(self.options);
        if let Some(error) = self.error {
            out.extend_from_slice(&EXTENDED_ERROR.to_be_bytes());
            let length = u16::try_from(2 + error.text.len()).unwrap_or(2);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&error.code.to_be_bytes());
            out.extend_from_slice(error.text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
