//! How records are collected.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::{Entry, Records};
use crate::answer::RecordRef;

/// Collects records; see [`Records`].
#[derive(Debug, Default)]
pub struct RecordsBuilder {
    pub(super) records: Records,
    /// Where the first few owners stand, each another name. Most messages have no more.
    few: SmallVec<[u32; FEW]>,
    /// The others, where there are more.
    many: HashMap<Vec<u8>, u32>,
}

/// Owners that are looked for one after the other.
const FEW: usize = 4;

/// The fewest bytes that a record takes: a root, type, class, TTL and length.
const LEAST_RECORD: usize = 11;
/// Room that records may keep for more.
const SPARE: usize = 64;

impl RecordsBuilder {
    /// With room for so many records, as far as they fit into so many bytes.
    pub(super) fn with_room(bytes: usize, records: usize) -> Self {
        let records = records.min(bytes / LEAST_RECORD);
        Self {
            records: Records {
                bytes: Vec::with_capacity(bytes + SPARE / 2),
                index: Vec::with_capacity(records),
            },
            few: SmallVec::new(),
            many: HashMap::new(),
        }
    }

    /// Adds a record. Records must come in the order of their sections.
    pub fn push(&mut self, record: &RecordRef<'_>) {
        let owner = self.owner(&[record.owner.head, record.owner.tail.as_bytes()].concat());
        self.records.append(owner, record);
    }

    pub(super) fn owner(&mut self, name: &[u8]) -> u32 {
        let bytes = &self.records.bytes;
        // A name ends with its only zero length, so what starts with it is the same name.
        let is_there = |place: &&u32| {
            let there = bytes.get(**place as usize..);
            there.is_some_and(|there| there.starts_with(name))
        };
        let known = self.few.iter().find(is_there);
        if let Some(place) = known.or_else(|| self.many.get(name)) {
            return *place;
        }
        let place = self.records.end();
        self.records.bytes.extend_from_slice(name);
        if self.few.len() < FEW {
            self.few.push(place);
        } else {
            self.many.insert(name.to_vec(), place);
        }
        place
    }

    /// The records, in the order in which they came.
    #[must_use]
    pub fn finish(self) -> Records {
        let mut records = self.records;
        if records.bytes.capacity() > records.bytes.len() + SPARE {
            records.bytes.shrink_to_fit();
        }
        if records.index.capacity() > records.index.len() + SPARE / size_of::<Entry>() {
            records.index.shrink_to_fit();
        }
        records
    }
}

impl From<&Records> for RecordsBuilder {
    fn from(records: &Records) -> Self {
        let mut builder = Self::default();
        records.each(&mut |record| builder.push(&record));
        builder
    }
}
