//! The sections of an answer from a zone.

use hickory_proto::rr::RecordType;
use smallvec::SmallVec;

use super::super::key::Key;
use super::super::{Span, Zone, target};
use super::{Lookup, Owner, Verdict};
use crate::answer::{Answer, Data, NameSpec, RdataRef, RecordSet, Section};
use crate::query::Query;

impl Lookup<'_, '_> {
    /// A node's NSEC record, with DO.
    pub(super) fn push_denial(&mut self, node: usize) {
        if self.signed {
            let zone = self.zone;
            self.push(Section::Authority, zone.set(node, RecordType::NSEC));
            self.push(Section::Authority, zone.signatures(node, RecordType::NSEC));
        }
    }

    pub(super) fn push_soa(&mut self) {
        let apex = &self.zone.apex;
        let soa = if self.signed {
            apex.soa_signed
        } else {
            apex.soa
        };
        self.push(Section::Authority, soa);
    }

    pub(super) fn push_ns(&mut self) {
        let apex = &self.zone.apex;
        let ns = if self.signed { apex.ns_signed } else { apex.ns };
        self.push(Section::Authority, ns);
    }

    /// Addresses of the name servers whose names are at or below the names they serve.
    pub(super) fn push_glue(&mut self, servers: Span) {
        let zone = self.zone;
        for server in zone.each(servers) {
            let Some(name) = target(&server, 0) else {
                continue;
            };
            let owner = server.owner.tail.to_lower();
            if name.is_in(owner.view())
                && let Some(node) = zone.find(Key::of(name).whole())
            {
                self.push_addresses(node);
            }
        }
    }

    pub(super) fn push_addresses(&mut self, node: usize) {
        for rtype in [RecordType::A, RecordType::AAAA] {
            self.push(Section::Additional, self.zone.set(node, rtype));
            if self.signed {
                self.push(Section::Additional, self.zone.signatures(node, rtype));
            }
        }
    }

    /// Addresses of the hosts of the zone that the answer names.
    pub(super) fn push_additional(&mut self) {
        for node in hosts(self.zone, self.query, self.answer) {
            self.push_addresses(node);
        }
    }

    pub(super) fn push(&mut self, section: Section, span: Span) {
        push(self.zone, self.query, self.answer, section, span);
    }

    /// Adds records to the answer section.
    pub(super) fn push_as(&mut self, owner: Owner, span: Span) {
        if owner == Owner::Own {
            return self.push(Section::Answer, span);
        }
        for record in self.zone.each(span) {
            let RdataRef::Other(rdata) = record.rdata else {
                continue;
            };
            let set = RecordSet {
                section: Section::Answer,
                owner: asked(self.query),
                ttl: record.ttl,
                data: Data::Other(record.rtype, rdata.into()),
            };
            self.answer.push(self.query, set);
        }
    }
}

/// What is added to an answer that goes on with records from elsewhere: SOA or NS records, and
/// addresses of hosts that the whole answer names.
pub(in crate::zone) fn complete(
    zone: &Zone,
    query: &Query<'_>,
    answer: &Answer,
    verdict: Verdict,
) -> Answer {
    let mut rest = Answer::new(query, answer.plugin, answer.origin);
    let mut lookup = Lookup::new(zone, query, &mut rest);
    match verdict {
        Verdict::NameError | Verdict::NoData => lookup.push_soa(),
        _ => lookup.push_ns(),
    }
    for node in hosts(zone, query, answer) {
        lookup.push_addresses(node);
    }
    rest
}

/// The nodes of the hosts that the records of the answer section name, each once.
fn hosts(zone: &Zone, query: &Query<'_>, answer: &Answer) -> SmallVec<[usize; 4]> {
    let mut nodes = SmallVec::new();
    answer.each(query, &mut |record| {
        let skip = match record.rtype {
            RecordType::SRV => 6,
            RecordType::MX | RecordType::SVCB | RecordType::HTTPS => 2,
            _ => return,
        };
        let Some(host) = target(&record, skip).filter(|_| record.section == Section::Answer) else {
            return;
        };
        let host = host.to_lower();
        let node = host.view().is_in(zone.origin.view());
        let node = node
            .then(|| zone.find(Key::of(host.view()).whole()))
            .flatten();
        if let Some(node) = node.filter(|node| !nodes.contains(node)) {
            nodes.push(node);
        }
    });
    nodes
}

fn push(zone: &Zone, query: &Query<'_>, answer: &mut Answer, section: Section, span: Span) {
    if span.is_empty() {
        return;
    }
    let lowest = zone.each(span).map(|record| record.ttl).min();
    let set = RecordSet {
        section,
        owner: NameSpec::QNAME,
        ttl: lowest.unwrap_or(0),
        data: Data::Held(zone.records.clone(), span.0, span.1),
    };
    answer.push(query, set);
}

/// The question's name in lower case, as CoreDNS tells it.
pub(super) fn asked(query: &Query<'_>) -> NameSpec {
    if query.lower.as_bytes() == query.name.as_bytes() {
        NameSpec::QNAME
    } else {
        NameSpec::Full(query.lower.to_name())
    }
}
