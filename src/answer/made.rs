//! Records of one answer, in memory that the thread uses again and again.

use std::cell::RefCell;
use std::sync::Arc;

use super::records::{Records, append_rdata};
use super::{RdataRef, RecordRef};

/// What a thread keeps of an answer that is gone, at most, in bytes.
const MOST_KEPT: usize = 16 * 1024;

thread_local! {
    /// The records that were made last. An answer that is not gone yet shares them.
    static LAST: RefCell<Option<Arc<Records>>> = const { RefCell::new(None) };
}

/// Adds records; see [`Records::made`].
pub struct Making<'r>(&'r mut Records);

impl Records {
    /// The records that `make` adds, each name copied: for an answer that is told and forgotten.
    ///
    /// They stand where those of the thread's last such answer stood, if that one is gone. So nothing
    /// is allocated, however many records there are and whatever names they have.
    #[must_use]
    pub fn made(make: impl FnOnce(&mut Making<'_>)) -> Arc<Self> {
        let last = LAST.take().filter(|last| Arc::strong_count(last) == 1);
        let mut records = last.unwrap_or_default();
        if let Some(records) = Arc::get_mut(&mut records) {
            records.clear();
            make(&mut Making(records));
        }
        if records.capacity() <= MOST_KEPT {
            LAST.set(Some(records.clone()));
        }
        records
    }
}

impl Making<'_> {
    /// Adds a record. Records must come in the order of their sections.
    pub fn push(&mut self, record: &RecordRef<'_>) {
        let Self(records) = self;
        let owner = records.last_owner(record.owner).unwrap_or_else(|| {
            let place = records.end();
            append_rdata(records.bytes_mut(), &RdataRef::Name(record.owner));
            place
        });
        records.append(owner, record);
    }

    /// Whether there is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::*;
    use crate::answer::CLASS;
    use crate::testing::n;
    use hickory_proto::rr::RecordType;

    /// A PTR record for each of these lines: owner, target.
    fn made(lines: &[(&str, &str)]) -> Arc<Records> {
        Records::made(|making| {
            for (owner, target) in lines {
                making.push(&RecordRef {
                    section: Section::Answer,
                    owner: n(owner).view().into(),
                    rtype: RecordType::PTR,
                    class: CLASS,
                    ttl: 5,
                    rdata: RdataRef::Name(n(target).view().into()),
                });
            }
        })
    }

    fn told(records: &Records) -> Vec<(String, Vec<u8>)> {
        let mut told = Vec::new();
        records.each(&mut |record| {
            let RdataRef::Other(rdata) = record.rdata else {
                panic!("{record:?}");
            };
            let owner = [record.owner.head, record.owner.tail.as_bytes()].concat();
            told.push((format!("{owner:?}"), rdata.to_vec()));
        });
        told
    }

    #[test]
    fn an_answer_keeps_its_records_while_others_are_made() {
        let first = made(&[("a.org.", "one.org."), ("b.org.", "two.org.")]);
        let before = told(&first);
        let second = made(&[("c.org.", "three.org.")]);
        assert_eq!(told(&first), before);
        assert_eq!(told(&second).len(), 1);
        let place = Arc::as_ptr(&second);
        drop(second);
        let third = made(&[("a.org.", "one.org."), ("b.org.", "two.org.")]);
        assert_eq!(Arc::as_ptr(&third), place, "the memory of one that is gone");
        assert_eq!(told(&third), before);
    }

    #[test]
    fn records_made_while_records_are_made_are_others() {
        let mut inner = None;
        let outer = Records::made(|_| inner = Some(made(&[("a.org.", "one.org.")])));
        assert!(outer.is_empty());
        assert_eq!(inner.map(|inner| inner.len()), Some(1));
    }

    #[test]
    fn a_large_answer_is_not_kept() {
        let large = "x".repeat(60);
        let large = format!("{large}.{large}.{large}.org.");
        let lines: Vec<_> = (0..200).map(|_| ("a.org.", large.as_str())).collect();
        let records = made(&lines);
        assert_eq!(records.len(), 200);
        drop(records);
        assert!(LAST.take().is_none());
    }
}
