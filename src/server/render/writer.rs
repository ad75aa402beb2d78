//! Records to bytes, one after the other, until one does not fit.

use hickory_proto::rr::RecordType;

use super::compress::Compressor;
use crate::answer::{Answer, RdataRef, RecordRef, Section};
use crate::name::{NameParts, NameRef};
use crate::query::Query;
use crate::wire::{self, Piece};

/// How names are written.
pub(super) trait Names {
    /// Whether a name takes just the bytes that it has, so that lengths are known beforehand.
    const ARE_WHOLE: bool;

    /// Writes a name to the end of a message that starts at `start`; `may_point` where the record's
    /// type lets it be compressed.
    fn write(&mut self, name: NameParts<'_>, may_point: bool, out: &mut Vec<u8>, start: usize);
}

/// Names as they are.
pub(super) struct Whole;

impl Names for Whole {
    const ARE_WHOLE: bool = true;

    #[inline]
    fn write(&mut self, name: NameParts<'_>, _: bool, out: &mut Vec<u8>, _: usize) {
        if !name.head.is_empty() {
            out.extend_from_slice(name.head);
        }
        out.extend_from_slice(name.tail.as_bytes());
    }
}

impl Names for Compressor {
    const ARE_WHOLE: bool = false;

    fn write(&mut self, name: NameParts<'_>, may_point: bool, out: &mut Vec<u8>, start: usize) {
        Self::write(self, name, may_point, out, start);
    }
}

/// What was written of an answer.
#[derive(Default)]
pub(super) struct Written {
    /// The records of each section.
    pub(super) counts: [u16; 3],
    /// Whether a record did not fit; it and all after it are left out.
    pub(super) full: bool,
}

/// Writes an answer's records to the end of a message that starts at `start` and is `limit` bytes
/// long at most, the OPT left out.
#[inline]
pub(super) fn write<N: Names>(
    names: N,
    answer: &Answer,
    query: &Query<'_>,
    (start, limit): (usize, usize),
    out: &mut Vec<u8>,
) -> Written {
    let mut writer = Writer {
        out,
        start,
        limit,
        names,
        written: Written::default(),
    };
    answer.each_inline(query, |record| writer.record(&record));
    writer.written
}

struct Writer<'o, N> {
    out: &'o mut Vec<u8>,
    start: usize,
    limit: usize,
    names: N,
    written: Written,
}

impl<N: Names> Writer<'_, N> {
    #[inline]
    fn record(&mut self, record: &RecordRef<'_>) {
        if self.written.full {
            return;
        }
        let before = self.out.len();
        // Checked before it is written: an answer of thousands of records is not built in vain.
        if N::ARE_WHOLE && before - self.start + record.wire_len() > self.limit {
            self.written.full = true;
            return;
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
        if !N::ARE_WHOLE && self.out.len() - self.start > self.limit {
            self.out.truncate(before);
            self.written.full = true;
            return;
        }
        let section = match record.section {
            Section::Answer => 0,
            Section::Authority => 1,
            Section::Additional => 2,
        };
        self.written.counts[section] += 1;
    }

    #[inline]
    fn name(&mut self, name: NameParts<'_>, may_point: bool) {
        self.names.write(name, may_point, self.out, self.start);
    }

    #[inline]
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
                    if N::ARE_WHOLE {
                        self.out.extend_from_slice(head);
                        self.name(*apex, true);
                    } else {
                        let name = [head, apex.head, apex.tail.as_bytes()].concat_name();
                        self.name(name.parts(), true);
                    }
                }
                for number in [*serial, shape.refresh, shape.retry, shape.expire, *minimum] {
                    self.out.extend_from_slice(&number.to_be_bytes());
                }
            }
            RdataRef::Other(rdata) if N::ARE_WHOLE => self.out.extend_from_slice(rdata),
            RdataRef::Other(rdata) => self.with_names(record.rtype, rdata),
        }
    }

    /// Rdata of any type, the names in it compressed.
    fn with_names(&mut self, rtype: RecordType, rdata: &[u8]) {
        let mut rest = rdata;
        for piece in wire::layout(rtype) {
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
