//! Catalog zones (RFC 9432): a zone whose records name other zones of the same servers.

use std::collections::{BTreeMap, HashSet};

use hickory_proto::rr::{DNSClass, RecordType};
use smallvec::SmallVec;

use crate::answer::{RdataRef, RecordRef};
use crate::name::{Labels, Name, NameRef};
use crate::zone::Zone;

/// The version of the schema that is read, as the catalog's `version` record writes it.
const VERSION: &[u8] = b"2";

/// What a catalog zone says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Catalog {
    /// In the order of their labels.
    pub(super) members: Vec<Member>,
}

/// A zone that a catalog names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The label that the catalog has for it: another one means that the zone begins anew.
    pub(super) id: Box<[u8]>,
    pub(super) zone: Name,
    /// The catalog that may take the zone over (`coo`).
    pub(super) successor: Option<Name>,
}

/// Why a zone is no catalog.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotCatalog {
    #[error("a record of {0} is not of class IN")]
    Class(Name),
    #[error("it has no NS record")]
    NoNs,
    #[error("it must have one TXT record version.{0}, and has {1}")]
    Versions(Name, usize),
    #[error("its version is {0:?}, and 2 is what is known here")]
    Version(String),
    #[error("{0}.zones must have one PTR record, and has {1}")]
    Pointers(String, usize),
    #[error("{0} is a member twice, by {1} and by another label")]
    Twice(Name, String),
    #[error("coo.{0}.zones must have one PTR record at most, and has {1}")]
    Successors(String, usize),
}

/// The records that count, by the labels of members.
#[derive(Default)]
struct Properties {
    has_ns: bool,
    versions: Vec<Vec<u8>>,
    zones: BTreeMap<Box<[u8]>, Vec<Name>>,
    successors: BTreeMap<Box<[u8]>, Vec<Name>>,
}

impl Catalog {
    /// Reads a zone that was transferred.
    ///
    /// # Errors
    /// Says why it is no catalog. Such a zone is not to be served (RFC 9432, 5.1).
    pub(super) fn of(zone: &Zone) -> Result<Self, NotCatalog> {
        let mut properties = Properties::default();
        let mut wrong_class = None;
        zone.records().each(&mut |record| {
            if record.class != DNSClass::IN {
                wrong_class = Some(record.owner.to_name());
            }
            properties.see(zone.origin().view(), &record);
        });
        match wrong_class {
            Some(owner) => Err(NotCatalog::Class(owner)),
            None => properties.catalog(zone.origin()),
        }
    }

    pub(super) fn member(&self, zone: &Name) -> Option<&Member> {
        self.members.iter().find(|member| member.zone == *zone)
    }
}

impl Properties {
    fn see(&mut self, origin: NameRef<'_>, record: &RecordRef<'_>) {
        let RdataRef::Other(rdata) = record.rdata else {
            return;
        };
        let Some(head) = record.owner.tail.strip_zone(origin) else {
            return;
        };
        let labels: SmallVec<[&[u8]; 4]> = Labels::of_head(head).collect();
        let target = || NameRef::parse(rdata).map(|target| target.to_lower()).ok();
        match (record.rtype, labels.as_slice()) {
            (RecordType::NS, []) => self.has_ns = true,
            (RecordType::TXT, [b"version"]) => self.versions.push(text(rdata)),
            (RecordType::PTR, [id, b"zones"]) => {
                let zones = self.zones.entry((*id).into()).or_default();
                zones.extend(target());
            }
            (RecordType::PTR, [b"coo", id, b"zones"]) => {
                let successors = self.successors.entry((*id).into()).or_default();
                successors.extend(target());
            }
            _ => {}
        }
    }

    fn catalog(self, origin: &Name) -> Result<Catalog, NotCatalog> {
        if !self.has_ns {
            return Err(NotCatalog::NoNs);
        }
        match self.versions.as_slice() {
            [version] if version == VERSION => {}
            [other] => {
                let other = String::from_utf8_lossy(other).into_owned();
                return Err(NotCatalog::Version(other));
            }
            several => return Err(NotCatalog::Versions(origin.clone(), several.len())),
        }
        let (mut members, mut seen) = (Vec::new(), HashSet::new());
        for (id, zones) in self.zones {
            let label = || String::from_utf8_lossy(&id).into_owned();
            let [zone] = zones.as_slice() else {
                return Err(NotCatalog::Pointers(label(), zones.len()));
            };
            if !seen.insert(zone.clone()) {
                return Err(NotCatalog::Twice(zone.clone(), label()));
            }
            let successor = match self.successors.get(&id).map(Vec::as_slice) {
                None | Some([]) => None,
                Some([one]) => Some(one.clone()),
                Some(several) => return Err(NotCatalog::Successors(label(), several.len())),
            };
            members.push(Member {
                zone: zone.clone(),
                successor,
                id,
            });
        }
        Ok(Catalog { members })
    }
}

/// The strings of a TXT record, one after the other.
fn text(mut rdata: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((length, rest)) = rdata.split_first() {
        let (string, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        text.extend_from_slice(string);
        rdata = rest;
    }
    text
}

#[cfg(test)]
mod tests;
