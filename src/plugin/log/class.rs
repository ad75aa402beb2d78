//! What a response is, coarsely: what the option `class` selects by.

use std::time::{SystemTime, UNIX_EPOCH};

use hickory_proto::rr::RecordType;

use crate::answer::{Answer, RdataRef, Section};
use crate::corefile::{Diagnostic, Token};
use crate::query::Query;
use crate::wire::{Opcode, u32_at};

/// A class of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Any.
    All,
    /// There is something, or it is elsewhere.
    Success,
    /// The name or the type does not exist.
    Denial,
    /// Anything else, silence included.
    Error,
}

/// A kind of response; [`Class`]es are made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    NoError,
    NameError,
    ServerError,
    NoData,
    Delegation,
    Meta,
    OtherError,
}

const NOERROR: u16 = 0;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const NOTIMP: u16 = 4;

impl Class {
    pub(super) fn of(token: &Token) -> Result<Self, Diagnostic> {
        match token.text() {
            "all" => Ok(Self::All),
            "success" => Ok(Self::Success),
            "denial" => Ok(Self::Denial),
            "error" => Ok(Self::Error),
            other => Err(token
                .err(format!("invalid Class: {other}"))
                .help("the classes are: all, success, denial, error")),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Success => "success",
            Self::Denial => "denial",
            Self::Error => "error",
        }
    }
}

impl Kind {
    pub(super) fn class(self) -> Class {
        match self {
            Self::NoError | Self::Delegation => Class::Success,
            Self::NameError | Self::NoData => Class::Denial,
            Self::ServerError | Self::Meta | Self::OtherError => Class::Error,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::NameError => "NXDOMAIN",
            Self::ServerError => "SERVERERROR",
            Self::NoData => "NODATA",
            Self::Delegation => "DELEGATION",
            Self::Meta => "META",
            Self::OtherError => "OTHERERROR",
        }
    }

    /// The kind of a response without records.
    pub(super) fn of_empty(rcode: u16, query: &Query<'_>) -> Self {
        if is_meta(query) {
            return Self::Meta;
        }
        match rcode {
            NOERROR => Self::NoError,
            NXDOMAIN => Self::NameError,
            SERVFAIL | NOTIMP => Self::ServerError,
            _ => Self::OtherError,
        }
    }

    pub(super) fn of_answer(answer: &Answer, query: &Query<'_>) -> Self {
        let rcode = u16::from(answer.rcode);
        let empty = Self::of_empty(rcode, query);
        if empty == Self::Meta {
            return empty;
        }
        if signatures_count(answer, query) && has_expired_signature(answer, query) {
            return Self::OtherError;
        }
        match (answer.count(Section::Answer) > 0, rcode) {
            (true, NOERROR) => Self::NoError,
            (true, NXDOMAIN) => Self::OtherError,
            (_, NOERROR) => match authority(answer, query) {
                (true, _) => Self::NoData,
                (false, true) => Self::Delegation,
                (false, false) => Self::NoError,
            },
            _ => empty,
        }
    }
}

/// Whether it is not a question for data at all: NOTIFY, or a transfer.
fn is_meta(query: &Query<'_>) -> bool {
    query.request.opcode == Opcode::NOTIFY
        || matches!(query.qtype, RecordType::AXFR | RecordType::IXFR)
}

/// Whether the authority section has an SOA, and whether it has an NS.
fn authority(answer: &Answer, query: &Query<'_>) -> (bool, bool) {
    let (mut soa, mut ns) = (false, false);
    if answer.count(Section::Authority) > 0 {
        answer.each(query, &mut |record| {
            if record.section == Section::Authority {
                soa |= record.rtype == RecordType::SOA;
                ns |= record.rtype == RecordType::NS;
            }
        });
    }
    (soa, ns)
}

/// An expired signature is an error only to a client that asked for signatures, of an upstream that
/// sent an OPT.
fn signatures_count(answer: &Answer, query: &Query<'_>) -> bool {
    let extra = answer.extra.as_ref();
    query.dnssec_ok() && extra.is_some_and(|extra| extra.options.is_some())
}

fn has_expired_signature(answer: &Answer, query: &Query<'_>) -> bool {
    // Signatures are bound to the time of day, which no query carries.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs() as u32);
    let mut expired = false;
    answer.each(query, &mut |record| {
        if record.rtype == RecordType::RRSIG
            && let RdataRef::Other(rdata) = record.rdata
        {
            expired |= !is_valid(rdata, now).unwrap_or(false);
        }
    });
    expired
}

/// Whether `now` is between inception and expiration (RFC 4034, 3.1.5, in serial numbers).
fn is_valid(rrsig: &[u8], now: u32) -> Option<bool> {
    let (expiration, inception) = (u32_at(rrsig, 8)?, u32_at(rrsig, 12)?);
    let not_after = |one: u32, other: u32| other.wrapping_sub(one) < 1 << 31;
    Some(not_after(inception, now) && not_after(now, expiration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_valid_between_their_times() {
        let mut rdata = [0; 18];
        for (inception, expiration, now, valid) in [
            (100, 200, 150, true),
            (100, 200, 100, true),
            (100, 200, 200, true),
            (100, 200, 99, false),
            (100, 200, 201, false),
            (u32::MAX - 10, 10, 5, true),
            (u32::MAX - 10, 10, 20, false),
        ] {
            rdata[8..12].copy_from_slice(&u32::to_be_bytes(expiration));
            rdata[12..16].copy_from_slice(&u32::to_be_bytes(inception));
            assert_eq!(
                is_valid(&rdata, now),
                Some(valid),
                "{inception} {expiration} {now}"
            );
        }
        assert_eq!(is_valid(&[0; 15], 0), None);
    }
}
