//! What kind of answer an answer is, and so for how long it holds (RFC 2308).

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::config::Config;
use crate::answer::{Answer, Body, Data, Origin, RdataRef, RecordRef, Section};
use crate::query::Query;
use crate::wire;

/// The TTL of an answer that has no record, and of one that is not understood, in seconds.
const DEFAULT_TTL: u32 = 5;

/// The kinds of answers, as CoreDNS tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// NOERROR with what was asked for, or with nothing at all.
    Positive,
    /// NOERROR with the name servers of a zone below, and no answer.
    Delegation,
    /// The name exists and has no such record: NOERROR with an SOA, and an answer that ends in a
    /// CNAME at most.
    NoData,
    /// NXDOMAIN without an answer.
    NameError,
    /// SERVFAIL or NOTIMP.
    ServerError,
    /// Anything else: never kept.
    Other,
}

/// What one pass over the records tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// Records in the answer section.
    pub(super) answers: usize,
    /// Records in all sections.
    pub(super) records: usize,
    /// Whether the authority section has an SOA.
    pub(super) soa: bool,
    /// Whether it has an NS.
    ns: bool,
    /// Whether a signature is not valid yet, or no longer.
    expired: bool,
}

impl Shape {
    /// Looks at all records; at signatures only where `unix_time`, in seconds, is given.
    pub(super) fn of(answer: &Answer, unix_time: Option<u32>) -> Self {
        let mut shape = Self::default();
        match &answer.body {
            Body::Sets(sets) => {
                for set in sets {
                    shape.note(set.section, set.data.rtype(), set.data.len());
                }
            }
            Body::Records(records) => records.each(&mut |record| {
                shape.note(record.section, record.rtype, 1);
                shape.expired |= unix_time.is_some_and(|time| is_expired(&record, time));
            }),
        }
        shape
    }

    fn note(&mut self, section: Section, rtype: RecordType, count: usize) {
        self.records += count;
        match section {
            Section::Answer => self.answers += count,
            Section::Authority => {
                self.soa |= rtype == RecordType::SOA;
                self.ns |= rtype == RecordType::NS;
            }
            Section::Additional => {}
        }
    }

    /// The verdict, as long as an answer section that is not empty is taken for an answer.
    pub(super) fn verdict(&self, rcode: ResponseCode, query: &Query<'_>) -> Verdict {
        let transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
        if transfer || self.expired {
            return Verdict::Other;
        }
        match rcode {
            ResponseCode::NoError if self.answers > 0 => Verdict::Positive,
            ResponseCode::NoError if self.soa => Verdict::NoData,
            ResponseCode::NoError if self.ns => Verdict::Delegation,
            ResponseCode::NoError => Verdict::Positive,
            ResponseCode::NXDomain if self.answers == 0 => Verdict::NameError,
            ResponseCode::ServFail | ResponseCode::NotImp => Verdict::ServerError,
            _ => Verdict::Other,
        }
    }
}

impl Verdict {
    /// The verdict of what nearly all answers of the cluster are, one set of records, and its TTL.
    #[inline]
    pub(super) fn of_one_set(query: &Query<'_>, answer: &Answer) -> Option<(Self, u32)> {
        let (Origin::Zone, Body::Sets(sets)) = (answer.origin, &answer.body) else {
            return None;
        };
        let ([set], None) = (sets.as_slice(), answer.ttl) else {
            return None;
        };
        let transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
        let is_soa = matches!(set.data, Data::Soa(..)) && set.section == Section::Authority;
        let verdict = match answer.rcode {
            ResponseCode::NoError if is_soa => Self::NoData,
            ResponseCode::NXDomain if is_soa => Self::NameError,
            ResponseCode::NoError if set.section == Section::Answer && !set.data.is_empty() => {
                Self::Positive
            }
            _ => return None,
        };
        (!transfer).then_some((verdict, set.ttl))
    }

    /// The one TTL that all records of the answer get, in seconds. `lowest` is the lowest that they
    /// came with; `None` where there is no record.
    pub(super) fn ttl(self, lowest: Option<u32>, config: &Config) -> u32 {
        let ttl = match self {
            Self::Positive | Self::NameError | Self::NoData => lowest.unwrap_or(DEFAULT_TTL),
            Self::Delegation | Self::ServerError | Self::Other => DEFAULT_TTL,
        };
        let limits = match self {
            Self::NameError | Self::NoData => &config.denial,
            Self::ServerError => return config.servfail_ttl(),
            Self::Positive | Self::Delegation | Self::Other => &config.success,
        };
        // Where the two contradict each other, the maximum counts.
        ttl.max(limits.min_ttl).min(limits.max_ttl)
    }
}

/// Whether a record is a signature outside its time (RFC 4034, 3.1.5: serial number arithmetic).
fn is_expired(record: &RecordRef<'_>, unix_time: u32) -> bool {
    let RdataRef::Other(rdata) = record.rdata else {
        return false;
    };
    if record.rtype != RecordType::RRSIG {
        return false;
    }
    let (Some(expiration), Some(inception)) = (wire::u32_at(rdata, 8), wire::u32_at(rdata, 12))
    else {
        return false;
    };
    let is_after = |one: u32, other: u32| one.wrapping_sub(other).cast_signed() >= 0;
    !(is_after(unix_time, inception) && is_after(expiration, unix_time))
}
