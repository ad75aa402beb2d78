//! Records in any order to a zone.

use std::sync::Arc;

use hickory_proto::rr::{DNSClass, RecordType};
use smallvec::SmallVec;

use super::key::Key;
use super::{Apex, Node, Span, Zone, covered};
use crate::answer::{RdataRef, RecordRef, RecordsBuilder, Section};
use crate::name::{Name, NameRef};
use crate::wire;

/// Collects the records of a zone.
pub struct Builder {
    origin: Name,
    bytes: Vec<u8>,
    apex: Vec<Pending>,
    soa: Option<Pending>,
    others: Vec<Pending>,
    /// The owner and key of the record before, which most records share.
    last: Option<(Piece, Piece)>,
}

/// Why a record, or all of them together, are no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// RFC 5155 is not spoken here.
    #[error("NSEC3 is not supported; sign the zone with NSEC")]
    Nsec3,
    /// A record of more than 64 KiB, or a zone of more than four gigabytes.
    #[error("it is too large")]
    TooLarge,
    /// There is no zone without one (RFC 1035, 5.2).
    #[error("there is no SOA record for {0}")]
    NoSoa(Name),
}

/// A place in [`Builder::bytes`].
#[derive(Clone, Copy)]
struct Piece(u32, u32);

#[derive(Clone, Copy)]
struct Pending {
    key: Piece,
    owner: Piece,
    rdata: Piece,
    ttl: u32,
    rtype: RecordType,
    class: DNSClass,
}

impl Builder {
    /// A zone of this apex, with nothing in it.
    #[must_use]
    pub fn new(origin: NameRef<'_>) -> Self {
        Self {
            origin: origin.to_lower(),
            bytes: Vec::new(),
            apex: Vec::new(),
            soa: None,
            others: Vec::new(),
            last: None,
        }
    }

    /// The apex.
    #[must_use]
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// Adds a record. Of several SOA records the last one counts.
    ///
    /// # Errors
    /// The record cannot be served.
    pub fn add(
        &mut self,
        owner: NameRef<'_>,
        rtype: RecordType,
        class: DNSClass,
        ttl: u32,
        rdata: &[u8],
    ) -> Result<(), BuildError> {
        if matches!(rtype, RecordType::NSEC3 | RecordType::NSEC3PARAM) {
            return Err(BuildError::Nsec3);
        }
        if rdata.len() > usize::from(u16::MAX) {
            return Err(BuildError::TooLarge);
        }
        // As CoreDNS: owners are told in lower case, but for those of SRV records.
        let lower = owner.to_lower();
        let told = if rtype == RecordType::SRV {
            owner
        } else {
            lower.view()
        };
        let at_apex = lower == self.origin;
        let (owner, key) = self.owner(told)?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(rdata);
        let rdata = self.piece(start)?;
        self.fold(rtype, rdata);
        let pending = Pending {
            key,
            owner,
            rdata,
            ttl,
            rtype,
            class,
        };
        let signed = (rtype == RecordType::RRSIG)
            .then(|| covered(self.slice(rdata)))
            .flatten();
        match (rtype, signed) {
            (RecordType::SOA, _) => self.soa = Some(pending),
            (RecordType::NS, _) if at_apex => self.apex.push(pending),
            (_, Some(RecordType::SOA)) => self.apex.push(pending),
            (_, Some(RecordType::NS)) if at_apex => self.apex.push(pending),
            _ => self.others.push(pending),
        }
        Ok(())
    }

    fn owner(&mut self, name: NameRef<'_>) -> Result<(Piece, Piece), BuildError> {
        if let Some((owner, key)) = self.last
            && self.slice(owner) == name.as_bytes()
        {
            return Ok((owner, key));
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.as_bytes());
        let owner = self.piece(start)?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(Key::of(name).whole());
        let key = self.piece(start)?;
        self.last = Some((owner, key));
        Ok((owner, key))
    }

    fn piece(&self, start: usize) -> Result<Piece, BuildError> {
        let place = |at: usize| u32::try_from(at).map_err(|_| BuildError::TooLarge);
        Ok(Piece(place(start)?, place(self.bytes.len())?))
    }

    fn slice(&self, piece: Piece) -> &[u8] {
        let place = piece.0 as usize..piece.1 as usize;
        self.bytes.get(place).unwrap_or_default()
    }

    /// Puts the names in the rdata of these types into lower case, as CoreDNS does.
    fn fold(&mut self, rtype: RecordType, piece: Piece) {
        let skip = match rtype {
            RecordType::NS | RecordType::SOA | RecordType::CNAME => 0,
            RecordType::MX | RecordType::SVCB | RecordType::HTTPS => 2,
            _ => return,
        };
        let names = if rtype == RecordType::SOA { 2 } else { 1 };
        let mut at = piece.0 as usize + skip;
        for _ in 0..names {
            let rest = self.bytes.get(at..piece.1 as usize).unwrap_or_default();
            let length = NameRef::parse(rest).map_or(0, |name| name.as_bytes().len());
            if let Some(name) = self.bytes.get_mut(at..at + length) {
                // Length bytes are below `A`.
                name.make_ascii_lowercase();
            }
            at += length;
        }
    }

    /// The zone.
    ///
    /// # Errors
    /// There is no SOA record, or too much of all.
    pub fn finish(mut self) -> Result<Zone, BuildError> {
        let Some(soa) = self.soa else {
            return Err(BuildError::NoSoa(self.origin));
        };
        let serial = soa_serial(self.slice(soa.rdata));
        let others = self.sorted();
        let mut store = Store::default();
        let apex = self.apex(&soa, &mut store);
        let (mut nodes, mut keys) = (Vec::new(), Vec::new());
        let mut before = None;
        for pending in &others {
            let key = self.slice(pending.key);
            if before != Some(key) {
                nodes.push(Node {
                    key: u32::try_from(keys.len()).map_err(|_| BuildError::TooLarge)?,
                    first: store.count,
                });
                keys.extend_from_slice(key);
                before = Some(key);
            }
            store.push(&self, pending);
        }
        Ok(Zone {
            labels: self.origin.view().label_count(),
            serial,
            apex,
            keys: keys.into(),
            nodes: nodes.into(),
            records: Arc::new(store.builder.finish()),
            origin: self.origin,
        })
    }

    /// The records of all nodes in their order. Those of a set keep theirs, and sets that of their
    /// first records. A set's signatures follow it.
    fn sorted(&mut self) -> Vec<Pending> {
        let mut others = std::mem::take(&mut self.others);
        others.sort_by(|one, two| self.slice(one.key).cmp(self.slice(two.key)));
        let is_same = |one: &Pending, two: &Pending| self.slice(one.key) == self.slice(two.key);
        for node in others.chunk_by_mut(is_same) {
            let mut sets: SmallVec<[u16; 8]> = SmallVec::new();
            for pending in node.iter() {
                let (set, _) = self.group(pending);
                if !sets.contains(&set) {
                    sets.push(set);
                }
            }
            node.sort_by_key(|pending| {
                let (set, is_signature) = self.group(pending);
                (sets.iter().position(|known| *known == set), is_signature)
            });
        }
        others
    }

    /// Stores the SOA, its signatures, the apex's NS and theirs.
    fn apex(&self, soa: &Pending, store: &mut Store) -> Apex {
        let (of_soa, of_ns) = (u16::from(RecordType::SOA), u16::from(RecordType::NS));
        store.push(self, soa);
        let mut push = |group: (u16, bool)| {
            let mut of_group = self.apex.iter();
            while let Some(pending) = of_group.find(|pending| self.group(pending) == group) {
                store.push(self, pending);
            }
            store.count
        };
        let ns = push((of_soa, true));
        let ns_end = push((of_ns, false));
        let end = push((of_ns, true));
        Apex {
            soa: Span(0, 1),
            soa_signed: Span(0, ns),
            ns: Span(ns, ns_end),
            ns_signed: Span(ns, end),
        }
    }

    /// The type whose set a record stands with, and whether it is a signature of that set.
    fn group(&self, pending: &Pending) -> (u16, bool) {
        if pending.rtype == RecordType::RRSIG
            && let Some(covered) = covered(self.slice(pending.rdata))
        {
            return (covered.into(), true);
        }
        (pending.rtype.into(), false)
    }
}

#[derive(Default)]
struct Store {
    builder: RecordsBuilder,
    count: u32,
}

impl Store {
    fn push(&mut self, from: &Builder, pending: &Pending) {
        let owner = NameRef::parse(from.slice(pending.owner)).unwrap_or(NameRef::ROOT);
        self.builder.push(&RecordRef {
            section: Section::Answer,
            owner: owner.into(),
            rtype: pending.rtype,
            class: pending.class,
            ttl: pending.ttl,
            rdata: RdataRef::Other(from.slice(pending.rdata)),
        });
        self.count += 1;
    }
}

/// The serial in an SOA record's rdata: the first number after its two names.
pub(super) fn soa_serial(rdata: &[u8]) -> u32 {
    let numbers = rdata.len().saturating_sub(20);
    wire::u32_at(rdata, numbers).unwrap_or(0)
}
