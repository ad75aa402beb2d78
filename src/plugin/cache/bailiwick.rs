//! What of an answer belongs to its question: the only part that is kept.
//!
//! The answer section is read as RFC 1034, 3.6.2 tells: from the name asked for along its CNAMEs to
//! the name that has the records. What belongs to none of these names, to a zone above them or to
//! what they point at goes to the client that asked, and is not stored.

use std::collections::HashSet;

use hickory_proto::rr::{DNSClass, RecordType};
use smallvec::SmallVec;

use crate::answer::{RdataRef, RecordRef, Records, RecordsBuilder, Section};
use crate::name::NameRef;
use crate::query::Query;
use crate::wire::{self, Piece};

/// CNAMEs that are followed within one answer; resolvers give up long before that.
const MAX_LINKS: usize = 32;

/// The names that answer a question.
#[derive(Debug)]
pub(super) struct Chain<'r> {
    /// The name asked for, then where each CNAME leads.
    names: SmallVec<[NameRef<'r>; 4]>,
    /// Whether the answer section holds what was asked for.
    pub(super) answered: bool,
}

/// The part of an answer that may be kept.
#[derive(Debug)]
pub(super) enum Kept {
    /// Everything.
    All,
    /// Less than came.
    Less(Records),
}

impl<'r> Chain<'r> {
    /// Follows the chain through an answer with the code NOERROR.
    pub(super) fn of(records: &'r Records, query: &Query<'r>) -> Self {
        let mut answers: SmallVec<[RecordRef<'r>; 8]> = SmallVec::new();
        records.each(&mut |record| {
            let class = query.qclass == DNSClass::ANY || record.class == query.qclass;
            if record.section == Section::Answer && class {
                answers.push(record);
            }
        });
        let mut names = SmallVec::from_slice(&[query.name]);
        let whole = follow(&answers, &mut names);
        let last = names.last().copied().unwrap_or(query.name);
        let has = |name: NameRef<'_>, wanted: Option<RecordType>| {
            let of = |record: &RecordRef<'_>| wanted.is_none_or(|rtype| record.rtype == rtype);
            answers
                .iter()
                .any(|record| of(record) && owner(record).eq_ignore_case(name))
        };
        let answered = match query.qtype {
            RecordType::ANY => has(query.name, None),
            RecordType::CNAME => matches!(target(&answers, query.name), Ok(Some(_))),
            qtype => whole && has(last, Some(qtype)),
        };
        Self { names, answered }
    }

    /// Leaves out what does not belong to the names of the chain.
    pub(super) fn keep(&self, records: &'r Records) -> Kept {
        let (zones, targets) = (self.zones(records), self.targets(records));
        let stays = |record: &RecordRef<'r>| match record.section {
            Section::Answer => self.has(owner(record)) || self.is_rename(record),
            Section::Authority => {
                let proof = is_proof(record.rtype);
                let in_zone = |zone: &NameRef<'_>| is_at_or_below(owner(record), *zone);
                self.is_below(owner(record)) || (proof && zones.iter().any(in_zone))
            }
            Section::Additional => {
                let below = |name: &NameRef<'_>| is_at_or_below(owner(record), *name);
                self.names.iter().any(below) || targets.contains(&lower(owner(record)))
            }
        };
        let mut kept: SmallVec<[RecordRef<'r>; 8]> = SmallVec::new();
        let mut all = 0;
        records.each(&mut |record| {
            all += 1;
            if stays(&record) {
                kept.push(record);
            }
        });
        if kept.len() == all {
            return Kept::All;
        }
        let mut builder = RecordsBuilder::default();
        kept.iter().for_each(|record| builder.push(record));
        Kept::Less(builder.finish())
    }

    fn has(&self, name: NameRef<'_>) -> bool {
        self.names.iter().any(|own| own.eq_ignore_case(name))
    }

    /// Whether a name of the chain is `zone` or below it.
    fn is_below(&self, zone: NameRef<'_>) -> bool {
        self.names.iter().any(|name| is_at_or_below(*name, zone))
    }

    /// A DNAME above a name of the chain, of which one of its CNAMEs was made (RFC 6672), or its
    /// signature.
    fn is_rename(&self, record: &RecordRef<'_>) -> bool {
        matches!(record.rtype, RecordType::DNAME | RecordType::RRSIG)
            && self.is_below(owner(record))
    }

    /// The zones that the authority section tells of and that hold names of the chain.
    fn zones(&self, records: &'r Records) -> SmallVec<[NameRef<'r>; 2]> {
        let mut zones: SmallVec<[NameRef<'r>; 2]> = SmallVec::new();
        records.each(&mut |record| {
            let tells = matches!(record.rtype, RecordType::SOA | RecordType::NS);
            let zone = owner(&record);
            if record.section == Section::Authority
                && tells
                && self.is_below(zone)
                && !zones.iter().any(|have| have.eq_ignore_case(zone))
            {
                zones.push(zone);
            }
        });
        zones
    }

    /// The hosts that the records of the chain and of its zones point at, in lower case.
    fn targets(&self, records: &'r Records) -> HashSet<Vec<u8>> {
        let mut targets = HashSet::new();
        if records.count(Section::Additional) == 0 {
            return targets;
        }
        records.each(&mut |record| {
            let points = match record.section {
                Section::Answer => self.has(owner(&record)),
                Section::Authority => self.is_below(owner(&record)),
                Section::Additional => false,
            };
            if points {
                each_target(&record, &mut |name| {
                    targets.insert(lower(name));
                });
            }
        });
        targets
    }
}

/// Adds to `names` where each CNAME leads; false where they lead nowhere: to two names at once
/// (RFC 2181, 10.1), in a circle, or too far.
fn follow<'r>(answers: &[RecordRef<'r>], names: &mut SmallVec<[NameRef<'r>; 4]>) -> bool {
    while let Some(last) = names.last().copied() {
        match target(answers, last) {
            Ok(None) => return true,
            Ok(Some(next)) => {
                let seen = names.iter().any(|name| name.eq_ignore_case(next));
                if seen || names.len() > MAX_LINKS {
                    return false;
                }
                names.push(next);
            }
            Err(Ambiguous) => return false,
        }
    }
    false
}

/// A name with two canonical names.
struct Ambiguous;

/// Where the CNAME of `name` leads; `None` where it has none.
fn target<'r>(
    answers: &[RecordRef<'r>],
    name: NameRef<'_>,
) -> Result<Option<NameRef<'r>>, Ambiguous> {
    let mut found: Option<NameRef<'r>> = None;
    for record in answers {
        if record.rtype != RecordType::CNAME || !owner(record).eq_ignore_case(name) {
            continue;
        }
        let RdataRef::Other(rdata) = record.rdata else {
            continue;
        };
        let next = NameRef::parse(rdata).map_err(|_| Ambiguous)?;
        if found.is_some_and(|found| !found.eq_ignore_case(next)) {
            return Err(Ambiguous);
        }
        found = Some(next);
    }
    Ok(found)
}

/// The owner of a whole record, which is always in one piece.
fn owner<'r>(record: &RecordRef<'r>) -> NameRef<'r> {
    record.owner.tail
}

/// Records that prove what a zone does not have (RFC 4035, RFC 5155).
fn is_proof(rtype: RecordType) -> bool {
    matches!(
        rtype,
        RecordType::NSEC | RecordType::NSEC3 | RecordType::RRSIG
    )
}

fn is_at_or_below(name: NameRef<'_>, zone: NameRef<'_>) -> bool {
    let cut = name.as_bytes().len().checked_sub(zone.as_bytes().len());
    let Some(tail) = cut.and_then(|cut| name.as_bytes().get(cut..)) else {
        return false;
    };
    // The bytes decide nearly always; that a label starts there is seen last.
    tail.eq_ignore_ascii_case(zone.as_bytes())
        && name
            .suffixes()
            .any(|suffix| suffix.as_bytes().len() == tail.len())
}

fn lower(name: NameRef<'_>) -> Vec<u8> {
    name.as_bytes().to_ascii_lowercase()
}

/// Calls `visit` for each host that a record points at.
fn each_target<'r>(record: &RecordRef<'r>, visit: &mut dyn FnMut(NameRef<'r>)) {
    let RdataRef::Other(mut rest) = record.rdata else {
        return;
    };
    let pieces = match record.rtype {
        // Not hosts: the zone's primary and its keeper's mailbox.
        RecordType::SOA => return,
        // RFC 9460, 2.2: priority, target, parameters.
        RecordType::SVCB | RecordType::HTTPS => &[Piece::Bytes(2), Piece::WholeName],
        other => wire::layout(other),
    };
    for piece in pieces {
        match piece {
            Piece::Bytes(count) => rest = rest.get(*count..).unwrap_or_default(),
            Piece::Name | Piece::WholeName => {
                let Ok(name) = NameRef::parse(rest) else {
                    return;
                };
                rest = rest.get(name.as_bytes().len()..).unwrap_or_default();
                visit(name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
