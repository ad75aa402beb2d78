//! An answer to bytes, for one client (RFC 1035, 4.1).
//!
//! As CoreDNS renders: names are whole while the message fits into what the client takes (and, over
//! UDP, into what a network carries unfragmented); past that they are compressed; past the limit
//! records are cut, additional first, then authority, then the answer's tail, and TC is set
//! whenever something was cut.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use crate::answer::{Answer, ExtendedError};
use crate::chain::Failure;
use crate::name::NameRef;
use crate::query::{Opt, Query, Transport};
use crate::server::decode::Refusal;
use crate::wire::{Flags, HEADER_LEN};

mod compress;
mod writer;

use compress::Compressor;
use writer::{Whole, write};

/// Above this, a UDP reply over IPv4 is compressed though the client would take it whole.
const UNFRAGMENTED_V4: usize = 1480;
/// The same over IPv6.
const UNFRAGMENTED_V6: usize = 1220;
/// The EDNS flags that a reply copies from its request, as CoreDNS does: DO and seven bits that have
/// no meaning yet.
const ECHOED_FLAGS: u16 = 0xff00;
/// The length of an OPT without options (RFC 6891, 6.1.2).
const EMPTY_OPT: usize = 11;
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
    let mut written = write(
        Whole,
        answer,
        query,
        (start, whole.saturating_sub(opt.len())),
        out,
    );
    if written.full {
        out.truncate(start + HEADER_LEN);
        question(query, out);
        let mut names = Compressor::default();
        names.note(query.name, HEADER_LEN);
        let limit = limit.saturating_sub(opt.len());
        written = write(names, answer, query, (start, limit), out);
    }
    opt.write(out);
    let (counts, cut) = (written.counts, written.full);
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
/// counts only where the plugin that answered brought one (an upstream's, or that of `acl`).
#[must_use]
pub fn whole_len(answer: &Answer, query: &Query<'_>) -> usize {
    let length = HEADER_LEN + query.name.as_bytes().len() + 4 + answer.wire_len(query);
    let extra = answer.extra.as_deref();
    let brought = extra.filter(|extra| extra.options.is_some());
    length
        + brought.map_or(0, |_| {
            EMPTY_OPT + OptOut::of_answer(answer, query).options_len()
        })
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
    if let Some((places, _)) = message
        .get_mut(6..)
        .and_then(<[u8]>::split_first_chunk_mut::<6>)
    {
        let [[a, b], [c, d], [e, f]] = numbers.map(u16::to_be_bytes);
        *places = [a, b, c, d, e, f];
    }
    if let Some(place) = message.get_mut(2).filter(|_| cut) {
        *place |= (Flags::TC.bits() >> 8) as u8;
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
            options: extra.map_or(&[][..], |extra| {
                extra.options.as_deref().unwrap_or(&extra.echoed)
            }),
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
            EMPTY_OPT + self.options_len()
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
