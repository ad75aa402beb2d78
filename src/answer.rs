//! What a plugin returns: an answer that is rendered once, at the end, for the client that asked.
//!
//! Records are held compactly and shared: the addresses of a Service as one slice, an upstream's
//! answer as one buffer with an index. Names are told relative to the question ("as asked", "these
//! labels and the question's last ones"), so that case and cost follow the question. A plugin that
//! changed the question on the way down calls [`Answer::settle`] before it changes it back.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use smallvec::SmallVec;

use crate::name::{Name, NameParts};
use crate::query::Query;
use crate::wire::Flags;

mod made;
mod records;
mod walk;

pub use made::Making;
pub(crate) use records::append_rdata;
pub use records::{MalformedMessage, Message, Records, RecordsBuilder};
pub use walk::{RdataRef, RecordRef};

/// The part of a message that a record stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// The answer.
    Answer,
    /// The authority section.
    Authority,
    /// The additional section, without the OPT.
    Additional,
}

/// From where an answer's data comes, which decides who may keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The cluster's own state: never kept, so that no answer is older than the cluster.
    Zone,
    /// An upstream, or a keeper of an upstream's answers.
    Upstream,
    /// This server's configuration (hosts, templates, refusals).
    Local,
}

/// The order in which address records are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they stand.
    #[default]
    AsIs,
    /// CNAMEs, others, then addresses and then MX, these two shuffled by this seed.
    Shuffled(u64),
}

/// A name in a record, told by means of the question where that is shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameSpec {
    /// The question's name without its first bytes, up to a label's start; 0 is the whole name.
    Asked(u8),
    /// These labels, then the question's name without its first bytes.
    Under(Arc<[u8]>, u8),
    /// A whole name.
    Full(Name),
}

impl NameSpec {
    /// The question's own name.
    pub const QNAME: Self = Self::Asked(0);

    /// The name, for a given question.
    #[inline]
    #[must_use]
    pub fn parts<'a>(&'a self, query: &Query<'a>) -> NameParts<'a> {
        match self {
            Self::Asked(skip) => query.name.skip(usize::from(*skip)).into(),
            Self::Under(head, skip) => NameParts {
                head,
                tail: query.name.skip(usize::from(*skip)),
            },
            Self::Full(name) => name.view().into(),
        }
    }
}

/// Records of one owner, type and TTL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// Where they stand.
    pub section: Section,
    /// The owner.
    pub owner: NameSpec,
    /// Seconds.
    pub ttl: u32,
    /// What they hold.
    pub data: Data,
}

/// What the records of a set hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// One IPv4 address.
    A(Ipv4Addr),
    /// One IPv6 address.
    Aaaa(Ipv6Addr),
    /// A record for each IPv4 address.
    ManyA(Arc<[Ipv4Addr]>),
    /// A record for each IPv6 address.
    ManyAaaa(Arc<[Ipv6Addr]>),
    /// A record that is one name: CNAME, NS, PTR.
    Name(RecordType, NameSpec),
    /// An SRV record (RFC 2782).
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// A share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: NameSpec,
    },
    /// A zone's SOA, its apex being the owner.
    Soa(&'static SoaShape, u32, u32),
    /// Any record of class IN: its type and uncompressed rdata.
    Other(RecordType, Arc<[u8]>),
    /// Records of one type out of a store, from the first of these places to before the second.
    /// They are told with their own owners, classes and TTLs; those of the set stand for nothing,
    /// but for the TTL, which is the lowest.
    Held(Arc<Records>, u32, u32),
}

/// What all SOA records of a plugin share; serial and minimum TTL stand in [`Data::Soa`].
#[derive(Debug, PartialEq, Eq)]
pub struct SoaShape {
    /// The labels of the primary server in front of the apex.
    pub mname: &'static [u8],
    /// The labels of the mailbox in front of the apex.
    pub rname: &'static [u8],
    /// Seconds.
    pub refresh: u32,
    /// Seconds.
    pub retry: u32,
    /// Seconds.
    pub expire: u32,
}

/// Records of an answer, in one of two forms.
#[derive(Clone, Debug)]
pub enum Body {
    /// Sets, built for this question. In the order of their sections.
    Sets(SmallVec<[RecordSet; 2]>),
    /// Whole records of any type, shared with who keeps them.
    Records(Arc<Records>),
}

/// An extended error (RFC 8914): told only to a client whose request has an OPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// The info code.
    pub code: u16,
    /// The extra text.
    pub text: String,
}

impl ExtendedError {
    /// Stale answer (3).
    pub const STALE_ANSWER: u16 = 3;
    /// Not ready (14).
    pub const NOT_READY: u16 = 14;
    /// Blocked (15).
    pub const BLOCKED: u16 = 15;
    /// Filtered (17).
    pub const FILTERED: u16 = 17;
    /// No reachable authority (22).
    pub const NO_REACHABLE_AUTHORITY: u16 = 22;
    /// Network error (23).
    pub const NETWORK_ERROR: u16 = 23;
    /// Other (0).
    pub const OTHER: u16 = 0;
}

/// What few answers have.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// EDNS options to send, encoded: code, length, data, and again. `Some` also where an upstream's
    /// answer had an OPT with no option, or a plugin made one for its `error`.
    pub options: Option<Vec<u8>>,
    /// Options of the request that the reply shows where the answer brought no OPT, encoded
    /// likewise (`rewrite`). They are no part of the answer's size.
    pub echoed: Vec<u8>,
    /// Why it failed.
    pub error: Option<ExtendedError>,
    /// The payload size that the reply is cut at over UDP, and that its OPT tells, in place of the
    /// client's own (`bufsize`); only for a client that sent an OPT.
    pub udp_size: Option<u16>,
    /// Name and value pairs that other plugins read (`forward/upstream`).
    pub metadata: Vec<(&'static str, Arc<str>)>,
}

/// An answer, not yet rendered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The response code.
    pub rcode: ResponseCode,
    /// The response's flags; QR is set when it is rendered.
    pub flags: Flags,
    /// The plugin that answered: a label of metrics.
    pub plugin: &'static str,
    /// Where the data comes from.
    pub origin: Origin,
    /// One TTL for all records in place of their own, in seconds.
    pub ttl: Option<u32>,
    /// The order of addresses.
    pub order: Order,
    /// The records.
    pub body: Body,
    /// Options, extended error, metadata.
    pub extra: Option<Box<Extra>>,
}

impl Answer {
    /// An answer with no record, and the flags that every reply copies from its request.
    #[inline]
    #[must_use]
    pub fn new(query: &Query<'_>, plugin: &'static str, origin: Origin) -> Self {
        Self {
            rcode: ResponseCode::NoError,
            flags: query.reply_flags(),
            plugin,
            origin,
            ttl: None,
            order: Order::AsIs,
            body: Body::Sets(SmallVec::new()),
            extra: None,
        }
    }

    /// The same with this response code.
    #[inline]
    #[must_use]
    pub fn with_rcode(mut self, rcode: ResponseCode) -> Self {
        self.rcode = rcode;
        self
    }

    /// The same as an authoritative answer.
    #[inline]
    #[must_use]
    pub fn authoritative(mut self) -> Self {
        self.flags = self.flags.with(Flags::AA);
        self
    }

    /// Adds a set. Sets must come in the order of their sections.
    ///
    /// On an answer that holds whole records this copies them once, to add to them.
    #[inline]
    pub fn push(&mut self, query: &Query<'_>, set: RecordSet) {
        match &mut self.body {
            Body::Sets(sets) => sets.push(set),
            Body::Records(records) => {
                let mut builder = RecordsBuilder::from(records.as_ref());
                walk::each_of_set(&set, query, &mut |record| builder.push(&record));
                self.body = Body::Records(Arc::new(builder.finish()));
            }
        }
    }

    /// Calls `visit` for each record, in the order in which they are told, TTLs as they are told.
    pub fn each<'a>(&'a self, query: &Query<'a>, visit: &mut dyn FnMut(RecordRef<'a>)) {
        walk::each(self, query, visit);
    }

    /// The same, told to code that is worth a copy of this walk: the renderer.
    #[inline]
    pub(crate) fn each_inline<'a>(&'a self, query: &Query<'a>, visit: impl FnMut(RecordRef<'a>)) {
        walk::each(self, query, visit);
    }

    /// The length of all records on the wire, names whole.
    #[must_use]
    pub fn wire_len(&self, query: &Query<'_>) -> usize {
        match &self.body {
            Body::Sets(sets) => sets.iter().map(|set| walk::set_len(set, query)).sum(),
            Body::Records(records) => records.wire_len(),
        }
    }

    /// The number of records in a section.
    #[must_use]
    pub fn count(&self, section: Section) -> usize {
        match &self.body {
            Body::Sets(sets) => {
                let of_section = sets.iter().filter(|set| set.section == section);
                of_section.map(|set| set.data.len()).sum()
            }
            Body::Records(records) => records.count(section),
        }
    }

    /// The lowest TTL of all records as they are told; `None` where there is no record.
    #[must_use]
    pub fn min_ttl(&self) -> Option<u32> {
        let lowest = match &self.body {
            Body::Sets(sets) => sets
                .iter()
                .filter(|set| !set.data.is_empty())
                .map(|set| set.ttl)
                .min(),
            Body::Records(records) => records.min_ttl(),
        };
        lowest.map(|ttl| self.ttl.unwrap_or(ttl))
    }

    /// Replaces names that are told by means of the question by whole names, and rewrites records
    /// into their final order and TTL: from here on the answer means the same for any question.
    #[must_use]
    pub fn settle(mut self, query: &Query<'_>) -> Self {
        let mut builder = RecordsBuilder::default();
        self.each(query, &mut |record| builder.push(&record));
        self.body = Body::Records(Arc::new(builder.finish()));
        self.ttl = None;
        self.order = Order::AsIs;
        self
    }

    /// Has the answer bring an OPT that tells why it is as it is.
    pub fn bring_error(&mut self, error: ExtendedError) {
        let extra = self.extra_mut();
        extra.options.get_or_insert_default();
        extra.error = Some(error);
    }

    /// What few answers have, made on first use.
    pub fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl Data {
    /// The number of records.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::ManyA(addresses) => addresses.len(),
            Self::ManyAaaa(addresses) => addresses.len(),
            Self::Held(_, from, to) => to.saturating_sub(*from) as usize,
            _ => 1,
        }
    }

    /// Whether there is no record at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records' type.
    #[inline]
    #[must_use]
    pub fn rtype(&self) -> RecordType {
        match self {
            Self::A(_) | Self::ManyA(_) => RecordType::A,
            Self::Aaaa(_) | Self::ManyAaaa(_) => RecordType::AAAA,
            Self::Name(rtype, _) | Self::Other(rtype, _) => *rtype,
            Self::Srv { .. } => RecordType::SRV,
            Self::Soa(..) => RecordType::SOA,
            Self::Held(records, from, _) => records
                .get(*from as usize)
                .map_or(RecordType::ZERO, |record| record.rtype),
        }
    }
}

impl Query<'_> {
    /// The flags that a reply copies from its request: RD and CD, for opcode QUERY.
    #[inline]
    #[must_use]
    pub fn reply_flags(&self) -> Flags {
        self.request.reply_flags()
    }
}

/// The class that all records of [`RecordSet`]s have.
pub const CLASS: DNSClass = DNSClass::IN;

#[cfg(test)]
mod tests;
