//! What templates count.

use std::sync::OnceLock;

use hickory_proto::rr::DNSClass;

use super::text::Text;
use super::{Template, Templates};
use crate::answer::Section;
use crate::metrics::{Counter, Desc, Registry};
use crate::query::Query;

const MATCHES: Desc = Desc {
    name: "coredns_template_matches_total",
    help: "Counter of template regex matches.",
};
const TEXT_FAILURES: Desc = Desc {
    name: "coredns_template_template_failures_total",
    help: "Counter of go template failures.",
};
const RECORD_FAILURES: Desc = Desc {
    name: "coredns_template_rr_failures_total",
    help: "Counter of mis-templated RRs.",
};
/// Types below this number have a place for their counter; others are looked up when counted.
const TYPES: u16 = 66;

/// What all counts of a match are told by.
pub(super) struct Labels<'a> {
    pub(super) zone: &'a str,
    pub(super) view: &'a str,
    pub(super) class: &'a str,
    pub(super) qtype: &'a str,
}

/// What went wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The template.
    Text,
    /// What it wrote.
    Record,
}

/// The matches of one listener: for each template and each of its zones, by type.
pub(super) struct Counters(Vec<Vec<Box<[OnceLock<Counter>]>>>);

impl Counters {
    fn new(templates: &[Template]) -> Self {
        let types = || (0..TYPES).map(|_| OnceLock::new()).collect();
        let zones = |template: &Template| template.zones.iter().map(|_| types()).collect();
        Self(templates.iter().map(zones).collect())
    }
}

impl Templates {
    /// Counts a match of a template and a zone of it, both by their numbers.
    #[inline]
    pub(super) fn count(
        &self,
        query: &Query<'_>,
        (template, zone): (usize, usize),
        labels: &Labels<'_>,
    ) {
        let make = || {
            let labels = labels.with(&query.server.label);
            self.metrics.counter(MATCHES, &labels)
        };
        let counters = self
            .counters
            .get(query.server, || Counters::new(&self.templates));
        let slot = counters.filter(|_| query.qclass == DNSClass::IN);
        let slot = slot.and_then(|counters| {
            let types = counters.0.get(template)?.get(zone)?;
            types.get(usize::from(u16::from(query.qtype)))
        });
        match slot {
            Some(slot) => slot.get_or_init(make).inc(),
            None => make().inc(),
        }
    }
}

impl Failed {
    pub(super) fn count(
        self,
        registry: &Registry,
        query: &Query<'_>,
        labels: &Labels<'_>,
        (section, text): (Section, &Text),
    ) {
        let desc = match self {
            Self::Text => TEXT_FAILURES,
            Self::Record => RECORD_FAILURES,
        };
        let mut labels = labels.with(&query.server.label).to_vec();
        labels.push(("section", word(section)));
        labels.push(("template", &text.canonical));
        registry.counter(desc, &labels).inc();
    }
}

impl<'a> Labels<'a> {
    fn with(&self, server: &'a str) -> [(&'static str, &'a str); 5] {
        [
            ("server", server),
            ("zone", self.zone),
            ("view", self.view),
            ("class", self.class),
            ("type", self.qtype),
        ]
    }
}

/// The option that makes records of a section.
pub(super) fn word(section: Section) -> &'static str {
    match section {
        Section::Answer => "answer",
        Section::Authority => "authority",
        Section::Additional => "additional",
    }
}
