//! An authoritative zone: its records, held compactly, and what they answer.
//!
//! All records stand in one [`Records`], sorted by name in canonical order, so that a set is a place
//! in it, shared with the answers that tell it: a record costs its rdata and 24 bytes, a name twice
//! its length. [`text`] reads zone files, [`serve`] turns a lookup into an answer.
//!
//! The rules are CoreDNS's, to its corners: which names are looked for, in which order, and what
//! stands in which section.

use std::sync::Arc;

use hickory_proto::rr::RecordType;

use crate::answer::{RdataRef, RecordRef, Records};
use crate::name::{Name, NameRef};
use crate::wire;

mod build;
mod key;
mod lookup;
pub mod serve;
pub mod text;

pub use build::{BuildError, Builder};

/// A zone of one moment; immutable.
#[derive(Debug)]
pub struct Zone {
    origin: Name,
    /// The number of the origin's labels.
    labels: usize,
    serial: u32,
    apex: Apex,
    /// The names' keys, one after the other.
    keys: Box<[u8]>,
    /// The names that have records, by key. The SOA and NS records of the apex and their signatures
    /// are no node's.
    nodes: Box<[Node]>,
    /// The apex's records, then those of the nodes.
    records: Arc<Records>,
}

/// Records from the first place to before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span(u32, u32);

#[derive(Debug)]
struct Apex {
    soa: Span,
    /// With signatures.
    soa_signed: Span,
    ns: Span,
    /// With signatures.
    ns_signed: Span,
}

/// Where a name's key and records start. They end where those of the next one start.
#[derive(Clone, Copy, Debug)]
struct Node {
    key: u32,
    first: u32,
}

impl Span {
    fn is_empty(self) -> bool {
        self.0 >= self.1
    }

    fn places(self) -> std::ops::Range<usize> {
        self.0 as usize..self.1 as usize
    }
}

impl Zone {
    /// The apex, in lower case.
    #[must_use]
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// The SOA record's serial.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The SOA record's refresh, retry, expire and minimum, in seconds.
    #[must_use]
    pub fn timers(&self) -> [u32; 4] {
        let soa = self.records.get(0).map(|record| record.rdata);
        let Some(RdataRef::Other(rdata)) = soa else {
            return [0; 4];
        };
        let numbers = rdata.len().saturating_sub(16);
        [0, 4, 8, 12].map(|at| wire::u32_at(rdata, numbers + at).unwrap_or(0))
    }

    /// All records: the SOA with its signatures, the apex's NS with theirs, then every other name's.
    /// The SOA is not repeated at the end.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// The node of this key.
    fn find(&self, key: &[u8]) -> Option<usize> {
        let at = self.first_from(key);
        (self.key(at)? == key).then_some(at)
    }

    /// Whether there is a name below this key, but no record at it. Of a name that has records it is
    /// not told whether there are others below.
    fn is_empty_with_names_below(&self, key: &[u8]) -> bool {
        let next = self.key(self.first_from(key));
        next.is_some_and(|next| next.len() > key.len() && next.starts_with(key))
    }

    /// The last node that is not behind this key.
    fn last_upto(&self, key: &[u8]) -> Option<usize> {
        let at = self.first_from(key);
        match self.key(at) {
            Some(found) if found == key => Some(at),
            _ => at.checked_sub(1),
        }
    }

    /// The first node that is not in front of this key.
    fn first_from(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.nodes.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle).is_some_and(|found| found < key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn key(&self, node: usize) -> Option<&[u8]> {
        let start = self.nodes.get(node)?.key as usize;
        match self.nodes.get(node + 1) {
            Some(next) => self.keys.get(start..next.key as usize),
            None => self.keys.get(start..),
        }
    }

    /// A node's records.
    fn all_of(&self, node: usize) -> Span {
        let Some(start) = self.nodes.get(node) else {
            return Span(0, 0);
        };
        let end = self.nodes.get(node + 1).map(|next| next.first);
        let end = end.unwrap_or_else(|| u32::try_from(self.records.len()).unwrap_or(u32::MAX));
        Span(start.first, end)
    }

    /// A node's records of a type, without their signatures.
    fn set(&self, node: usize, rtype: RecordType) -> Span {
        let Span(start, end) = self.all_of(node);
        let is_of = |at: &u32| self.records.type_at(*at as usize) == Some(rtype);
        let Some(from) = (start..end).find(is_of) else {
            return Span(start, start);
        };
        Span(from, (from..end).find(|at| !is_of(at)).unwrap_or(end))
    }

    /// A node's signatures of the records of a type.
    fn signatures(&self, node: usize, rtype: RecordType) -> Span {
        let Span(start, end) = self.all_of(node);
        let signs = |at: &u32| {
            let at = *at as usize;
            self.records.type_at(at) == Some(RecordType::RRSIG)
                && self.records.get(at).and_then(|record| signed(&record)) == Some(rtype)
        };
        let Some(from) = (start..end).find(signs) else {
            return Span(start, start);
        };
        Span(from, (from..end).find(|at| !signs(at)).unwrap_or(end))
    }

    /// The records of a span.
    fn each(&self, span: Span) -> impl Iterator<Item = RecordRef<'_>> {
        span.places().filter_map(|at| self.records.get(at))
    }

    /// The one name that is the rdata of the first record of a span.
    fn first_target(&self, span: Span) -> Option<NameRef<'_>> {
        target(
            &self
                .records
                .get(span.0 as usize)
                .filter(|_| !span.is_empty())?,
            0,
        )
    }
}

/// The type that a signature's rdata is of.
fn covered(rdata: &[u8]) -> Option<RecordType> {
    wire::u16_at(rdata, 0).map(RecordType::from)
}

fn signed(record: &RecordRef<'_>) -> Option<RecordType> {
    match record.rdata {
        RdataRef::Other(rdata) => covered(rdata),
        _ => None,
    }
}

/// The name that stands so many bytes into a record's rdata.
fn target<'r>(record: &RecordRef<'r>, skip: usize) -> Option<NameRef<'r>> {
    match record.rdata {
        RdataRef::Other(rdata) => NameRef::parse(rdata.get(skip..)?).ok(),
        RdataRef::Name(name) if name.head.is_empty() && skip == 0 => Some(name.tail),
        RdataRef::Srv(.., name) if name.head.is_empty() && skip == 6 => Some(name.tail),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
