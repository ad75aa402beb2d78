//! A record of an answer, while rules change it.

use hickory_proto::rr::{DNSClass, RecordType};
use smallvec::SmallVec;

use super::name::RecordPart;
use crate::answer::{RdataRef, RecordRef, Section, append_rdata};
use crate::name::NameRef;

/// See the module. All in wire form, names whole.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) section: Section,
    owner: SmallVec<[u8; 64]>,
    rtype: RecordType,
    class: DNSClass,
    pub(super) ttl: u32,
    rdata: Vec<u8>,
}

impl From<&RecordRef<'_>> for Record {
    fn from(record: &RecordRef<'_>) -> Self {
        let mut owner = SmallVec::from_slice(record.owner.head);
        owner.extend_from_slice(record.owner.tail.as_bytes());
        let mut rdata = Vec::new();
        append_rdata(&mut rdata, &record.rdata);
        Self {
            section: record.section,
            owner,
            rtype: record.rtype,
            class: record.class,
            ttl: record.ttl,
            rdata,
        }
    }
}

impl Record {
    pub(super) fn view(&self) -> RecordRef<'_> {
        RecordRef {
            section: self.section,
            // Only names are ever put here.
            owner: NameRef::parse(&self.owner).unwrap_or(NameRef::ROOT).into(),
            rtype: self.rtype,
            class: self.class,
            ttl: self.ttl,
            rdata: RdataRef::Other(&self.rdata),
        }
    }

    /// The target, of a CNAME.
    pub(super) fn target(&self) -> Option<NameRef<'_>> {
        let name = self.name(RecordPart::Value);
        name.filter(|_| self.rtype == RecordType::CNAME)
    }

    /// Leads a CNAME elsewhere.
    pub(super) fn set_target(&mut self, target: NameRef<'_>) {
        self.set_name(RecordPart::Value, target);
    }

    /// A name of the record; `None` where its type holds none.
    pub(super) fn name(&self, part: RecordPart) -> Option<NameRef<'_>> {
        let bytes = match part {
            RecordPart::Owner => &self.owner,
            RecordPart::Value => self.rdata.get(self.value_at()?..)?,
        };
        NameRef::parse(bytes).ok()
    }

    /// Puts another name there.
    pub(super) fn set_name(&mut self, part: RecordPart, name: NameRef<'_>) {
        match part {
            RecordPart::Owner => self.owner = SmallVec::from_slice(name.as_bytes()),
            RecordPart::Value => {
                let (Some(at), Some(old)) = (self.value_at(), self.name(part)) else {
                    return;
                };
                let end = at + old.as_bytes().len();
                let mut rdata = self.rdata.get(..at).unwrap_or_default().to_vec();
                rdata.extend_from_slice(name.as_bytes());
                rdata.extend_from_slice(self.rdata.get(end..).unwrap_or_default());
                self.rdata = rdata;
            }
        }
    }

    /// Where the name stands in the rdata: of an SOA the first one.
    fn value_at(&self) -> Option<usize> {
        match self.rtype {
            RecordType::CNAME
            | RecordType::NS
            | RecordType::PTR
            | RecordType::SOA
            | RecordType::DNAME => Some(0),
            RecordType::MX => Some(2),
            RecordType::SRV => Some(6),
            RecordType::NAPTR => {
                // Order and preference, then three character strings (RFC 3403, 4.1).
                (0..3).try_fold(4, |at: usize, _| {
                    let length = usize::from(*self.rdata.get(at)?);
                    Some(at + 1 + length)
                })
            }
            _ => None,
        }
    }
}
