//! Whole records of any type: one buffer with names expanded, and an index over it.
//!
//! This is how an upstream's answer is kept: shuffling, truncation, rewriting and TTLs all work on
//! records, which the upstream's compressed bytes would not allow.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use super::{RdataRef, RecordRef, Section};
use crate::name::{MAX_LABEL, MAX_NAME, NameParts, NameRef};
use crate::wire::{self, Flags, HEADER_LEN, Piece};

mod build;

pub use build::RecordsBuilder;

/// Records of any type, immutable; made by [`RecordsBuilder`] or from a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    bytes: Vec<u8>,
    index: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    owner: u32,
    rdata: u32,
    ttl: u32,
    rtype: u16,
    class: u16,
    length: u16,
    section: Section,
}

/// A message that does not hold what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is malformed at byte {0}")]
pub struct MalformedMessage(pub usize);

/// A reply of an upstream, taken apart.
#[derive(Debug)]
pub struct Message<'m> {
    /// The message's id.
    pub id: u16,
    /// Its flags.
    pub flags: Flags,
    /// Its opcode.
    pub opcode: wire::Opcode,
    /// Its response code; the OPT's upper bits are in it.
    pub rcode: ResponseCode,
    /// The question's bytes without type and class, uncompressed; `None` where it has none.
    pub question: Option<(NameRef<'m>, RecordType, DNSClass)>,
    /// The OPT's payload size and options, where it has an OPT.
    pub opt: Option<(u16, &'m [u8])>,
    /// All records but the OPT.
    pub records: Records,
}

impl Records {
    /// Calls `visit` for each record, in order.
    pub fn each<'a>(&'a self, visit: &mut dyn FnMut(RecordRef<'a>)) {
        for entry in &self.index {
            if let Some(record) = self.record(entry) {
                visit(record);
            }
        }
    }

    /// The record at this place, counted from 0.
    #[inline]
    #[must_use]
    pub fn get(&self, at: usize) -> Option<RecordRef<'_>> {
        self.record(self.index.get(at)?)
    }

    /// The type of the record at this place.
    #[inline]
    #[must_use]
    pub fn type_at(&self, at: usize) -> Option<RecordType> {
        Some(self.index.get(at)?.rtype.into())
    }

    /// The section of the record at this place.
    #[inline]
    #[must_use]
    pub fn section_at(&self, at: usize) -> Option<Section> {
        Some(self.index.get(at)?.section)
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    #[inline]
    fn record(&self, entry: &Entry) -> Option<RecordRef<'_>> {
        let owner = NameRef::parse(self.bytes.get(entry.owner as usize..)?).ok()?;
        let start = entry.rdata as usize;
        let rdata = self.bytes.get(start..start + usize::from(entry.length))?;
        Some(RecordRef {
            section: entry.section,
            owner: owner.into(),
            rtype: RecordType::from(entry.rtype),
            class: DNSClass::from(entry.class),
            ttl: entry.ttl,
            rdata: RdataRef::Other(rdata),
        })
    }

    /// The length of all records on the wire, names whole.
    pub(super) fn wire_len(&self) -> usize {
        let records = self.index.iter().filter_map(|entry| self.record(entry));
        records.map(|record| record.wire_len()).sum()
    }

    /// The number of records of a section.
    #[must_use]
    pub fn count(&self, section: Section) -> usize {
        self.index
            .iter()
            .filter(|entry| entry.section == section)
            .count()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The lowest TTL, in seconds.
    #[must_use]
    pub fn min_ttl(&self) -> Option<u32> {
        self.index.iter().map(|entry| entry.ttl).min()
    }

    /// The bytes of heap that these records hold.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.bytes.len() + size_of_val(self.index.as_slice())
    }

    /// The bytes of heap that are there for records to come, too.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<Entry>()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }

    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Where the next bytes come to stand.
    pub(super) fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// The place of the last record's owner, where it is this one to the letter.
    pub(super) fn last_owner(&self, owner: NameParts<'_>) -> Option<u32> {
        let place = self.index.last()?.owner;
        let known = self.bytes.get(place as usize..)?;
        let known = known.strip_prefix(owner.head)?;
        known.starts_with(owner.tail.as_bytes()).then_some(place)
    }

    /// Adds a record whose owner stands at `owner`.
    pub(super) fn append(&mut self, owner: u32, record: &RecordRef<'_>) {
        let start = self.bytes.len();
        append_rdata(&mut self.bytes, &record.rdata);
        self.close(owner, start, record);
    }

    fn close(&mut self, owner: u32, start: usize, record: &RecordRef<'_>) {
        // Rdata of more than 65,535 bytes cannot be sent; such a record is left out.
        let (Ok(length), Ok(rdata)) = (
            u16::try_from(self.bytes.len() - start),
            u32::try_from(start),
        ) else {
            self.bytes.truncate(start);
            return;
        };
        self.index.push(Entry {
            owner,
            rdata,
            length,
            ttl: record.ttl,
            rtype: record.rtype.into(),
            class: record.class.into(),
            section: record.section,
        });
    }
}

/// Writes rdata with its names whole.
pub(crate) fn append_rdata(to: &mut Vec<u8>, rdata: &RdataRef<'_>) {
    match rdata {
        RdataRef::A(address) => to.extend_from_slice(&address.octets()),
        RdataRef::Aaaa(address) => to.extend_from_slice(&address.octets()),
        RdataRef::Name(name) => {
            to.extend_from_slice(name.head);
            to.extend_from_slice(name.tail.as_bytes());
        }
        RdataRef::Srv(priority, weight, port, target) => {
            for number in [priority, weight, port] {
                to.extend_from_slice(&number.to_be_bytes());
            }
            to.extend_from_slice(target.head);
            to.extend_from_slice(target.tail.as_bytes());
        }
        RdataRef::Soa(shape, apex, serial, minimum) => {
            for head in [shape.mname, shape.rname] {
                to.extend_from_slice(head);
                to.extend_from_slice(apex.head);
                to.extend_from_slice(apex.tail.as_bytes());
            }
            for number in [*serial, shape.refresh, shape.retry, shape.expire, *minimum] {
                to.extend_from_slice(&number.to_be_bytes());
            }
        }
        RdataRef::Other(bytes) => to.extend_from_slice(bytes),
    }
}

impl<'m> Message<'m> {
    /// Takes a message apart, expanding every name. What follows the counted records is ignored.
    ///
    /// Nothing is allocated by a count of the header: memory follows the bytes that are there.
    ///
    /// # Errors
    /// [`MalformedMessage`] tells where the message stops making sense.
    pub fn parse(bytes: &'m [u8]) -> Result<Self, MalformedMessage> {
        let number = |at| wire::u16_at(bytes, at).ok_or(MalformedMessage(bytes.len()));
        let (id, bits) = (number(0)?, number(2)?);
        let counts = [number(4)?, number(6)?, number(8)?, number(10)?];
        let mut at = HEADER_LEN;
        let mut question = None;
        for _ in 0..counts[0] {
            let name = NameRef::parse(bytes.get(at..).unwrap_or_default())
                .map_err(|_| MalformedMessage(at))?;
            at += name.as_bytes().len();
            question.get_or_insert((name, number(at)?.into(), number(at + 2)?.into()));
            at += 4;
        }
        let records = counts[1..].iter().map(|count| usize::from(*count)).sum();
        let mut reader = Reader {
            bytes,
            at,
            builder: RecordsBuilder::with_room(bytes.len().saturating_sub(at), records),
            owner: Vec::new(),
            opt: None,
            upper: 0,
        };
        for (section, count) in [Section::Answer, Section::Authority, Section::Additional]
            .into_iter()
            .zip(&counts[1..])
        {
            for _ in 0..*count {
                reader.record(section)?;
            }
        }
        Ok(Self {
            id,
            flags: Flags::from_bits(bits),
            opcode: wire::Opcode::from_bits(bits),
            rcode: ResponseCode::from(reader.upper, (bits & 0xf) as u8),
            question,
            opt: reader.opt,
            records: reader.builder.finish(),
        })
    }
}

struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
    builder: RecordsBuilder,
    /// The owner that is read.
    owner: Vec<u8>,
    opt: Option<(u16, &'m [u8])>,
    /// The upper eight bits of the response code, which stand in the OPT.
    upper: u8,
}

impl<'m> Reader<'m> {
    fn broken<T>(&self) -> Result<T, MalformedMessage> {
        Err(MalformedMessage(self.at))
    }

    fn record(&mut self, section: Section) -> Result<(), MalformedMessage> {
        self.owner.clear();
        let end = expand(self.bytes, self.at, &mut self.owner);
        self.at = end.ok_or(MalformedMessage(self.at))?;
        let fixed = (
            wire::u16_at(self.bytes, self.at),
            wire::u16_at(self.bytes, self.at + 2),
            wire::u32_at(self.bytes, self.at + 4),
            wire::u16_at(self.bytes, self.at + 8),
        );
        let (Some(rtype), Some(class), Some(ttl), Some(length)) = fixed else {
            return self.broken();
        };
        let start = self.at + 10;
        let end = start + usize::from(length);
        let Some(rdata) = self.bytes.get(start..end) else {
            return self.broken();
        };
        let rtype = RecordType::from(rtype);
        if rtype == RecordType::OPT {
            self.opt = Some((class, rdata));
            self.upper = ttl.to_be_bytes()[0];
            self.at = end;
            return Ok(());
        }
        let owner = self.builder.owner(&self.owner);
        let place = self.builder.records.bytes.len();
        if self.rdata(rtype, start, end).is_none() {
            return self.broken();
        }
        let record = RecordRef {
            section,
            owner: NameRef::ROOT.into(),
            rtype,
            class: class.into(),
            // As it came: a TTL that RFC 2181, 8 takes for zero is the client's to judge.
            ttl,
            rdata: RdataRef::Other(&[]),
        };
        self.builder.records.close(owner, place, &record);
        self.at = end;
        Ok(())
    }

    /// Copies rdata with its names expanded; `None` where they do not fit into it.
    fn rdata(&mut self, rtype: RecordType, start: usize, end: usize) -> Option<()> {
        let mut at = start;
        let pieces = wire::layout(rtype);
        // An empty rdata has no names (as in a dynamic update); it is passed as it is.
        let pieces = if start == end { &[] } else { pieces };
        for piece in pieces {
            match piece {
                Piece::Bytes(count) => {
                    self.builder
                        .records
                        .bytes
                        .extend_from_slice(self.bytes.get(at..at + count)?);
                    at += count;
                }
                Piece::Name | Piece::WholeName => {
                    at = expand(self.bytes, at, &mut self.builder.records.bytes)?;
                }
            }
        }
        let plain = self.bytes.get(at..end)?;
        // A and AAAA are told by their length to all who read them.
        match rtype {
            RecordType::A if plain.len() != 4 => return None,
            RecordType::AAAA if plain.len() != 16 => return None,
            RecordType::SOA if plain.len() != 20 => return None,
            _ => {}
        }
        self.builder.records.bytes.extend_from_slice(plain);
        Some(())
    }
}

/// Appends the name at `at`, expanded, and gives where it ends in the message. Pointers must lead
/// strictly backwards (RFC 1035, 4.1.4), so that no message can make a loop.
fn expand(bytes: &[u8], mut at: usize, to: &mut Vec<u8>) -> Option<usize> {
    let mut end = None;
    let mut lowest = at;
    let mut written = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => {
                to.push(0);
                return Some(end.unwrap_or(at + 1));
            }
            1..=MAX_LABEL => {
                written += 1 + length;
                if written + 1 > MAX_NAME {
                    return None;
                }
                to.extend_from_slice(bytes.get(at..=at + length)?);
                at += 1 + length;
            }
            0xc0.. => {
                let target = usize::from(wire::u16_at(bytes, at)? & 0x3fff);
                end.get_or_insert(at + 2);
                if target >= lowest {
                    return None;
                }
                lowest = target;
                at = target;
            }
            _ => return None,
        }
    }
}
