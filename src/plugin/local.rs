//! `local`: answers for names that mean this machine, so that no upstream is asked (RFC 6761, 6.3).
#![doc = include_str!("../../docs/plugins/local.md")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use tracing::debug;

use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Next, Plugin, Reply};
use crate::corefile::Directive;
use crate::metrics::{Counter, Desc, Registry};
use crate::name::{Name, NameRef};
use crate::query::Query;
use crate::wire::mnemonic::TypeWord;

/// Questions for names at or below localhost that are not localhost itself.
const LOCALHOST_REQUESTS: Desc = Desc {
    name: "coredns_local_localhost_requests_total",
    help: "Counter of special localhost subdomain requests.",
};
/// Seconds: a week.
const TTL: u32 = 604_800;
const LOCALHOST: &[u8] = b"\x09localhost\0";
/// localhost, and the zones of 0.0.0.0/8, 127.0.0.0/8 and 255.0.0.0/8.
const ZONES: [&[u8]; 4] = [
    LOCALHOST,
    b"\x010\x07in-addr\x04arpa\0",
    b"\x03127\x07in-addr\x04arpa\0",
    b"\x03255\x07in-addr\x04arpa\0",
];
/// The name of 127.0.0.1.
const LOOPBACK: &[u8] = b"\x011\x010\x010\x03127\x07in-addr\x04arpa\0";
/// Primary server and mailbox, then serial 1, no times, and the TTL of what does not exist.
const SOA: &[u8] =
    b"\x09localhost\0\x04root\x09localhost\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x00\x09\x3a\x80";

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["localhost_prefix"];

/// Tells the family that CoreDNS has from the start on, whatever the Corefile says.
pub(super) fn publish(registry: &Registry) {
    registry.counter(LOCALHOST_REQUESTS, &[]);
}

/// Reads `local { localhost_prefix on|off }`.
///
/// # Errors
/// There are arguments, or options that there are not.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let prefix = parse(setup.directive)?;
    let zones = ZONES.iter().filter_map(|zone| NameRef::parse(zone).ok());
    setup.push(Local {
        prefix,
        requests: setup.shared.metrics.counter(LOCALHOST_REQUESTS, &[]),
        soa: SOA.into(),
        localhost: NameRef::parse(LOCALHOST).map_or_else(|_| Name::root(), NameRef::to_name),
        zones: zones.map(NameRef::to_name).collect(),
    });
    Ok(())
}

fn parse(directive: &Directive) -> Result<bool, SetupError> {
    let mut prefix = true;
    let mut cursor = directive.cursor();
    while cursor.next_token().is_some() {
        if !cursor.remaining_args().is_empty() {
            return Err(cursor.arg_err());
        }
        while let Some(option) = cursor.next_block() {
            if option.text() != "localhost_prefix" {
                return Err(cursor.unknown_property(OPTIONS));
            }
            prefix = match cursor.remaining_args().as_slice() {
                [word] if word.text() == "on" => true,
                [word] if word.text() == "off" => false,
                [other] => {
                    let message = format!(
                        "localhost_prefix expects 'on' or 'off', got {:?}",
                        other.text()
                    );
                    return Err(other.err(message));
                }
                _ => return Err(cursor.arg_err()),
            };
        }
    }
    Ok(prefix)
}

/// See the module.
struct Local {
    /// Whether `localhost.` in front of any domain means this machine too.
    prefix: bool,
    requests: Counter,
    soa: Arc<[u8]>,
    localhost: Name,
    /// [`ZONES`].
    zones: Box<[Name]>,
}

impl Plugin for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    #[inline]
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let name = query.lower;
        if self.is_localhost_of_domain(name) {
            return self.localhost(query);
        }
        let within = |zone: &Name| name.strip_zone(zone.view()).map(<[u8]>::len);
        match self.zones.iter().find_map(within) {
            Some(zone_at) => self.zone(query, zone_at),
            None => next.serve(query),
        }
    }
}

impl Local {
    /// Whether the name is below localhost, or has it in front of other labels.
    #[inline]
    fn is_localhost_of_domain(&self, name: NameRef<'_>) -> bool {
        let name_bytes = name.as_bytes();
        let is_longer = name_bytes.len() > LOCALHOST.len();
        let label = LOCALHOST.strip_suffix(b"\0").unwrap_or_default();
        // The first byte tells most names apart, without a call.
        let has_label = name_bytes.first() == label.first() && name_bytes.starts_with(label);
        is_longer && (self.prefix && has_label || name.is_in(self.localhost.view()))
    }

    /// The answer for such a name.
    fn localhost(&self, query: &Query<'_>) -> Reply {
        debug!(
            target: "plugin/local",
            "Intercepting localhost query for \"{}\" {}, from {}",
            query.lower,
            TypeWord(query.qtype.into()),
            query.request.client.ip()
        );
        self.requests.inc();
        match query.qtype {
            RecordType::A => answer(query, v4()),
            RecordType::AAAA => answer(query, v6()),
            _ => self.denial(query, 0, ResponseCode::NoError),
        }
    }

    /// The answer for a name of a zone that starts so many bytes into it.
    fn zone(&self, query: &Query<'_>, zone_at: usize) -> Reply {
        let is_apex = zone_at == 0;
        let is_localhost = query.lower == self.localhost.view();
        let localhost = |rtype| Data::Name(rtype, NameSpec::Full(self.localhost.clone()));
        let (is_loopback, qtype) = (query.lower.as_bytes() == LOOPBACK, query.qtype);
        match qtype {
            RecordType::A if is_localhost => answer(query, v4()),
            RecordType::AAAA if is_localhost => answer(query, v6()),
            RecordType::SOA if is_apex => {
                answer(query, Data::Other(RecordType::SOA, self.soa.clone()))
            }
            RecordType::NS if is_apex => answer(query, localhost(RecordType::NS)),
            RecordType::PTR if is_loopback => answer(query, localhost(RecordType::PTR)),
            _ if is_apex || is_loopback => self.denial(query, zone_at, ResponseCode::NoError),
            _ => self.denial(query, zone_at, ResponseCode::NXDomain),
        }
    }

    fn denial(&self, query: &Query<'_>, zone_at: usize, rcode: ResponseCode) -> Reply {
        let mut answer = Answer::new(query, "local", Origin::Local).with_rcode(rcode);
        let soa = Data::Other(RecordType::SOA, self.soa.clone());
        // A name has at most 255 bytes.
        let owner = NameSpec::Asked(u8::try_from(zone_at).unwrap_or_default());
        answer.push(query, record(Section::Authority, owner, soa));
        answer.into()
    }
}

fn v4() -> Data {
    Data::A(Ipv4Addr::LOCALHOST)
}

fn v6() -> Data {
    Data::Aaaa(Ipv6Addr::LOCALHOST)
}

fn answer(query: &Query<'_>, data: Data) -> Reply {
    let mut answer = Answer::new(query, "local", Origin::Local);
    answer.push(query, record(Section::Answer, NameSpec::QNAME, data));
    answer.into()
}

fn record(section: Section, owner: NameSpec, data: Data) -> RecordSet {
    RecordSet {
        section,
        owner,
        ttl: TTL,
        data,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::setup_error;

    #[test]
    fn what_cannot_be_used_is_told() {
        for (words, place, message) in [
            (
                "x",
                "2:7",
                "Wrong argument count or unexpected line ending after 'x'",
            ),
            ("{\nprefix on\n}", "3:1", "unknown property 'prefix'"),
            (
                "{\nlocalhost_prefix\n}",
                "3:1",
                "Wrong argument count or unexpected line ending after 'localhost_prefix'",
            ),
            (
                "{\nlocalhost_prefix yes\n}",
                "3:18",
                "localhost_prefix expects 'on' or 'off', got \"yes\"",
            ),
        ] {
            let error = setup_error(&format!("local {words}"));
            assert_eq!(
                error,
                format!("Corefile:{place}: error: plugin/local: {message}")
            );
        }
    }
}
