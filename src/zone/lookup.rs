//! What a zone knows of a question (RFC 1034, 4.3.2; RFC 4592; RFC 6672; RFC 4035, 3.1).

use hickory_proto::rr::RecordType;
use smallvec::SmallVec;

use super::key::Key;
use super::{Span, Zone, target};
use crate::answer::{Answer, Data, NameSpec, RecordSet, Section};
use crate::name::{Name, NameRef};
use crate::query::Query;

mod sections;

use sections::asked;
pub(super) use sections::complete;

/// CNAMEs of one zone that are followed, after the first.
const MOST_LINKS: usize = 9;
/// Questions that a question may have led to before it is taken for a loop.
const MOST_QUESTIONS: u16 = 8;

/// What a lookup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There are records, or there are names below this one.
    Success,
    /// The name does not exist.
    NameError,
    /// The name exists and has no record of this type.
    NoData,
    /// Another server knows.
    Delegation,
    /// There is no answer.
    Failure,
    /// A DNAME makes a name of it that is longer than a name can be.
    TooLong,
}

/// Whether a lookup ends here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It does.
    Done(Verdict),
    /// The answer so far ends with a CNAME to this name, of which this zone has no records.
    Elsewhere(Name),
}

/// A lookup of one question, and the answer that it fills.
pub(super) struct Lookup<'l, 'q> {
    zone: &'l Zone,
    query: &'l Query<'q>,
    signed: bool,
    answer: &'l mut Answer,
}

/// A source of synthesis (RFC 4592).
#[derive(Clone, Copy)]
struct Wildcard {
    /// `None`: it has no record of its own, but names below it.
    node: Option<usize>,
    /// The number of labels of the name it stands below.
    parent: usize,
}

/// Whose records are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Their own.
    Own,
    /// The question's name: they are a wildcard's.
    Asked,
}

impl<'l, 'q> Lookup<'l, 'q> {
    pub(super) fn new(zone: &'l Zone, query: &'l Query<'q>, answer: &'l mut Answer) -> Self {
        Self {
            zone,
            query,
            signed: query.dnssec_ok(),
            answer,
        }
    }

    /// Looks the question up. Its name must be in the zone.
    pub(super) fn run(mut self) -> Step {
        let key = Key::of(self.query.lower);
        let (zone, levels) = (self.zone, key.labels());
        if levels == zone.labels
            && let Some(verdict) = self.of_apex()
        {
            return Step::Done(verdict);
        }
        if self.query.work.used() > MOST_QUESTIONS {
            return Step::Done(Verdict::Failure);
        }
        let (mut exact, mut wildcard) = (None, None);
        // From the apex down: what stands above the name decides first.
        for level in zone.labels..=levels {
            exact = zone.find(key.last(level));
            let Some(node) = exact else {
                if level > zone.labels {
                    wildcard = zone.wildcard(&key, level - 1).or(wildcard);
                }
                continue;
            };
            if level < levels
                && let Some(step) = self.dname(node)
            {
                return step;
            }
            if self.refers(node, level == levels) {
                return Step::Done(Verdict::Delegation);
            }
        }
        if let Some(node) = exact {
            return self.of_node(node, Owner::Own);
        }
        match wildcard.filter(|wildcard| !zone.has_closer_encloser(&key, wildcard.parent)) {
            Some(Wildcard {
                node: Some(node), ..
            }) => self.of_node(node, Owner::Asked),
            Some(_) => {
                self.push_soa();
                Step::Done(Verdict::NoData)
            }
            None => Step::Done(self.denial(&key)),
        }
    }

    /// SOA and NS of the apex; `None` for any other type.
    fn of_apex(&mut self) -> Option<Verdict> {
        let apex = &self.zone.apex;
        match self.query.qtype {
            RecordType::SOA => {
                let soa = if self.signed {
                    apex.soa_signed
                } else {
                    apex.soa
                };
                self.push(Section::Answer, soa);
                self.push_ns();
            }
            RecordType::NS => {
                let ns = if self.signed { apex.ns_signed } else { apex.ns };
                self.push(Section::Answer, ns);
                self.push_glue(apex.ns);
            }
            _ => return None,
        }
        Some(Verdict::Success)
    }

    /// The records of the type that is asked for, of the name itself or of a wildcard.
    fn of_node(&mut self, node: usize, owner: Owner) -> Step {
        let (zone, qtype) = (self.zone, self.query.qtype);
        let cname = zone.set(node, RecordType::CNAME);
        if !cname.is_empty() && qtype != RecordType::CNAME {
            self.push_as(owner, cname);
            if self.signed {
                self.push(Section::Answer, zone.signatures(node, RecordType::CNAME));
            }
            return self.chase(cname);
        }
        let found = self.push_type(node, owner);
        if !found {
            self.push_soa();
            self.push_denial(node);
            return Step::Done(Verdict::NoData);
        }
        if self.signed && owner == Owner::Own {
            self.push(Section::Answer, zone.signatures(node, qtype));
        }
        if self.signed && owner == Owner::Asked {
            self.push_as(owner, zone.signatures(node, qtype));
        }
        self.push_ns();
        if owner == Owner::Asked {
            // That no name stands between the wildcard and this one.
            let key = Key::of(self.query.lower);
            if let Some(before) = zone.last_upto(key.whole()) {
                self.push_denial(before);
            }
        }
        self.push_additional();
        Step::Done(Verdict::Success)
    }

    /// Whether there are records of the type that is asked for. Signatures stand in several places.
    fn push_type(&mut self, node: usize, owner: Owner) -> bool {
        if self.query.qtype != RecordType::RRSIG {
            let set = self.zone.set(node, self.query.qtype);
            self.push_as(owner, set);
            return !set.is_empty();
        }
        let Span(start, end) = self.zone.all_of(node);
        let mut found = false;
        for at in start..end {
            if self.zone.records.type_at(at as usize) == Some(RecordType::RRSIG) {
                self.push_as(owner, Span(at, at + 1));
                found = true;
            }
        }
        found
    }

    /// A DNAME above the question's name: a CNAME is made of it, and followed.
    fn dname(&mut self, node: usize) -> Option<Step> {
        let zone = self.zone;
        let dnames = zone.set(node, RecordType::DNAME);
        let first = zone
            .records
            .get(dnames.0 as usize)
            .filter(|_| !dnames.is_empty())?;
        let head = self.query.lower.strip_zone(first.owner.tail)?;
        let target = target(&first, 0)?;
        let target = Name::from_wire(&[head, target.as_bytes()].concat());
        if target
            .as_ref()
            .is_ok_and(|target| target.view().eq_ignore_case(self.query.lower))
        {
            return Some(Step::Done(Verdict::Failure));
        }
        self.push(Section::Answer, dnames);
        if self.signed {
            self.push(Section::Answer, zone.signatures(node, RecordType::DNAME));
        }
        let Ok(target) = target else {
            return Some(Step::Done(Verdict::TooLong));
        };
        let set = RecordSet {
            section: Section::Answer,
            owner: asked(self.query),
            ttl: first.ttl,
            data: Data::Name(RecordType::CNAME, NameSpec::Full(target.clone())),
        };
        self.answer.push(self.query, set);
        if self.query.qtype == RecordType::CNAME {
            self.push_ns();
            return Some(Step::Done(Verdict::Success));
        }
        if self.signed {
            self.push(Section::Answer, zone.signatures(node, RecordType::CNAME));
        }
        Some(self.follow(target))
    }

    /// Follows the first of these CNAMEs, which are told already.
    fn chase(&mut self, cnames: Span) -> Step {
        match self.zone.first_target(cnames) {
            Some(target) => self.follow(target.to_name()),
            None => Step::Done(Verdict::Failure),
        }
    }

    /// What a CNAME leads to.
    fn follow(&mut self, mut target: Name) -> Step {
        let (zone, qtype) = (self.zone, self.query.qtype);
        for links in 0.. {
            let lower = target.view().to_lower();
            let key = Key::of(lower.view());
            let exact = zone.find(key.whole());
            if self.is_cut_above(&key, exact) {
                return Step::Done(Verdict::Delegation);
            }
            let node = match exact {
                Some(node) if qtype != RecordType::NS => node,
                _ => return Step::Elsewhere(target),
            };
            if qtype == RecordType::SOA && lower == zone.origin {
                return Step::Elsewhere(target);
            }
            if links == MOST_LINKS {
                break;
            }
            let cnames = zone.set(node, RecordType::CNAME);
            let Some(next) = zone.first_target(cnames) else {
                self.push(Section::Answer, zone.set(node, qtype));
                if self.signed {
                    self.push(Section::Answer, zone.signatures(node, qtype));
                }
                break;
            };
            if next == lower.view() {
                // Its own target: nothing can come of it.
                self.answer.body = crate::answer::Body::Sets(SmallVec::new());
                return Step::Done(Verdict::Failure);
            }
            self.push(Section::Answer, cnames);
            if self.signed {
                self.push(Section::Answer, zone.signatures(node, RecordType::CNAME));
            }
            target = next.to_name();
        }
        self.push_ns();
        self.push_additional();
        Step::Done(Verdict::Success)
    }

    /// Whether a name lies at or below a zone cut, whose referral is told then.
    fn is_cut_above(&mut self, key: &Key, exact: Option<usize>) -> bool {
        let levels = key.labels();
        (self.zone.labels + 1..=levels).any(|level| {
            let node = if level == levels {
                exact
            } else {
                self.zone.find(key.last(level))
            };
            node.is_some_and(|node| self.refers(node, level == levels))
        })
    }

    /// Tells the referral of a zone cut, where this is one. DS records of the cut itself are on this
    /// side of it.
    fn refers(&mut self, node: usize, is_asked: bool) -> bool {
        let zone = self.zone;
        let ns = zone.set(node, RecordType::NS);
        if ns.is_empty() || (is_asked && self.query.qtype == RecordType::DS) {
            return false;
        }
        self.push(Section::Authority, ns);
        if self.signed {
            self.push(Section::Authority, zone.set(node, RecordType::DS));
            self.push(Section::Authority, zone.signatures(node, RecordType::DS));
        }
        self.push_glue(ns);
        true
    }

    /// No such name: the SOA, and with DO the proof.
    fn denial(&mut self, key: &Key) -> Verdict {
        let zone = self.zone;
        // A name without records that has names below it exists.
        let exists = zone.is_empty_with_names_below(key.whole());
        self.push_soa();
        let verdict = if exists {
            Verdict::Success
        } else {
            Verdict::NameError
        };
        let Some(before) = zone.last_upto(key.whole()).filter(|_| self.signed) else {
            return verdict;
        };
        self.push_denial(before);
        if exists {
            return verdict;
        }
        // And that no wildcard stands for it.
        let enclosers = (1..key.labels()).rev();
        let mut enclosers = enclosers.filter(|level| zone.find(key.last(*level)).is_some());
        let closest = match enclosers.next() {
            Some(level) => Some(level),
            None => zone.find(key.last(zone.labels)).map(|_| zone.labels),
        };
        let wildcard = closest.and_then(|level| zone.last_upto(&key.wildcard(level)));
        if let Some(wildcard) = wildcard.filter(|wildcard| *wildcard != before) {
            self.push_denial(wildcard);
        }
        verdict
    }
}

impl Zone {
    /// The name of the wildcard that a name of the zone takes its records from, in lower case.
    pub(super) fn source_of(&self, name: NameRef<'_>) -> Option<Name> {
        let key = Key::of(name);
        let mut found = None;
        for level in self.labels + 1..=key.labels() {
            if self.find(key.last(level)).is_none() {
                found = self.wildcard(&key, level - 1).or(found);
            } else if level == key.labels() {
                return None;
            }
        }
        let wildcard = found.filter(|found| !self.has_closer_encloser(&key, found.parent))?;
        let record = self.each(self.all_of(wildcard.node?)).next()?;
        Some(record.owner.to_name().view().to_lower())
    }

    fn wildcard(&self, key: &Key, parent: usize) -> Option<Wildcard> {
        let wildcard = key.wildcard(parent);
        let node = self.find(&wildcard);
        (node.is_some() || self.is_empty_with_names_below(&wildcard))
            .then_some(Wildcard { node, parent })
    }

    /// Whether a name without records stands between the wildcard's parent and the question's name
    /// (RFC 4592, 3.3.1).
    fn has_closer_encloser(&self, key: &Key, parent: usize) -> bool {
        let mut between = parent + 1..key.labels();
        between.any(|level| self.is_empty_with_names_below(key.last(level)))
    }
}
