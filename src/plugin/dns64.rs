//! `dns64`: makes addresses of IPv6 from those of IPv4, for clients that have IPv6 alone (RFC 6147).
//!
//! A question for AAAA is answered by the plugins below. Where they have none, this server is asked
//! for A, from the top, and each address is put behind the prefix.
#![doc = include_str!("../../docs/plugins/dns64.md")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use ipnet::{IpNet, Ipv6Net};

use super::log::class::Kind;
use super::setup::{PerServer, Setup, SetupError};
use crate::answer::{Answer, Body, RdataRef, RecordRef, RecordsBuilder, Section};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply};
use crate::corefile::{Diagnostic, Token};
use crate::metrics::{Counter, Desc, Registry};
use crate::query::Query;
use crate::wire::Flags;

/// The directive's name.
const NAME: &str = "dns64";
const TRANSLATED: Desc = Desc {
    name: "coredns_dns64_requests_translated_total",
    help: "Counter of DNS requests translated by dns64.",
};
/// The prefix that all may use (RFC 6052, 2.1).
const WELL_KNOWN: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
const WELL_KNOWN_LENGTH: u8 = 96;
/// The most seconds for an answer where no SOA tells how long there is no AAAA (RFC 6147, 5.1.7).
const TTL: u32 = 600;

/// What the directive says.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    prefix: Ipv6Net,
    translate_all: bool,
    allow_ipv4: bool,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["prefix", "translate_all", "allow_ipv4"];

/// Reads `dns64 [PREFIX]`, or `dns64 { prefix PREFIX; translate_all; allow_ipv4 }`.
///
/// # Errors
/// PREFIX is no prefix of a length that RFC 6052 has, or there are options that there are not.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    setup.push(Dns64 {
        state: Arc::new(State {
            config,
            metrics: setup.shared.metrics.clone(),
            translated: PerServer::default(),
        }),
    });
    Ok(())
}

impl Config {
    fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut config = Self {
            prefix: Ipv6Net::new(WELL_KNOWN, WELL_KNOWN_LENGTH).unwrap_or_default(),
            translate_all: false,
            allow_ipv4: false,
        };
        let mut cursor = setup.directive.cursor();
        while cursor.next_token().is_some() {
            match cursor.remaining_args().as_slice() {
                [] => {}
                [word] => {
                    config.prefix = prefix(word)?;
                    // As in CoreDNS, a block is not looked into then.
                    if let Some(brace) = cursor.clone().next_arg() {
                        let warning = Diagnostic::warning("options after PREFIX do nothing");
                        let help = "write the prefix among the options: prefix PREFIX";
                        setup.warnings.push(warning.at(brace.place()).help(help));
                    }
                    continue;
                }
                _ => return Err(cursor.arg_err()),
            }
            while let Some(option) = cursor.next_block() {
                match option.text() {
                    "prefix" => match cursor.next_arg() {
                        Some(word) => config.prefix = prefix(word)?,
                        None => return Err(cursor.arg_err()),
                    },
                    "translate_all" => config.translate_all = true,
                    "allow_ipv4" => config.allow_ipv4 = true,
                    _ => return Err(cursor.unknown_property(OPTIONS)),
                }
            }
        }
        Ok(config)
    }
}

fn prefix(word: &Token) -> Result<Ipv6Net, Diagnostic> {
    let text = word.text();
    let error = |message: String| {
        let error = word.err(message);
        error.help("write a network of 32, 40, 48, 56, 64 or 96 bits, like 64:ff9b::/96")
    };
    match text.parse::<IpNet>() {
        Err(_) => Err(error(format!("invalid CIDR address: {text}"))),
        Ok(IpNet::V4(_)) => Err(error(format!("invalid netmask 32 IPv6 address: {text:?}"))),
        Ok(IpNet::V6(network)) => match network.prefix_len() {
            32 | 40 | 48 | 56 | 64 | 96 => Ok(network.trunc()),
            _ => Err(error(format!("invalid prefix length {text:?}"))),
        },
    }
}

/// See the module.
struct Dns64 {
    state: Arc<State>,
}

struct State {
    config: Config,
    metrics: Arc<Registry>,
    translated: PerServer<Counter>,
}

/// What is kept while the question for A is asked.
struct Asked {
    state: Arc<State>,
    /// The most seconds for an address that is made.
    ttl: u32,
}

impl Plugin for Dns64 {
    fn name(&self) -> &'static str {
        NAME
    }

    #[inline]
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let reply = next.serve(query);
        let config = &self.state.config;
        let may_translate = query.qtype == RecordType::AAAA
            && query.qclass == DNSClass::IN
            && (config.allow_ipv4 || query.request.client.is_ipv6());
        if !may_translate {
            return reply;
        }
        reply.then(&self.state, query, State::answered)
    }
}

impl State {
    /// Looks at the answer for AAAA, and asks for A where it has none.
    fn answered(self: &Arc<Self>, query: &Query<'_>, outcome: Outcome) -> Reply {
        let answer = match outcome {
            Outcome::Answer(answer) => answer,
            other => return other.into(),
        };
        let Some(ttl) = self.needs_translation(query, &answer) else {
            return answer.into();
        };
        let asked = Arc::new(Asked {
            state: self.clone(),
            ttl,
        });
        // In lower case, as CoreDNS asks.
        let reply = query.server.resolve(query, query.lower, RecordType::A);
        reply.then(&asked, query, |asked, query, outcome| {
            asked.translate(query, outcome).into()
        })
    }

    /// Whether an answer is to be replaced, and then for how many seconds at most.
    fn needs_translation(&self, query: &Query<'_>, answer: &Answer) -> Option<u32> {
        // RFC 6147, 5.1.2: a name that does not exist has no address of any kind.
        if Kind::of_answer(answer, query) == Kind::NameError {
            return None;
        }
        let (mut has_address, mut ttl) = (false, TTL);
        answer.each(query, &mut |record| match (record.section, record.rtype) {
            (Section::Answer, RecordType::AAAA) => has_address = true,
            (Section::Authority, RecordType::SOA) => ttl = record.ttl,
            _ => {}
        });
        (self.config.translate_all || !has_address).then_some(ttl)
    }

    fn count(&self, query: &Query<'_>) {
        let make = || {
            let labels = [("server", &*query.server.label)];
            self.metrics.counter(TRANSLATED, &labels)
        };
        if let Some(counter) = self.translated.get(query.server, make) {
            counter.inc();
        }
    }
}

impl Asked {
    /// The answer for AAAA, made of that for A.
    fn translate(&self, query: &Query<'_>, outcome: Outcome) -> Outcome {
        let found = match outcome {
            Outcome::Answer(answer) => answer,
            Outcome::Failed(failure) => {
                self.state.count(query);
                let origin = crate::answer::Origin::Local;
                let mut answer = Answer::new(query, NAME, origin).with_rcode(failure.rcode);
                if failure.extended.is_some() {
                    answer.extra_mut().error = failure.extended;
                }
                bring_opt(query, &mut answer);
                return Outcome::Answer(answer);
            }
            Outcome::Drop | Outcome::Transfer(_) => {
                let error = "dns64: upstream returned no response";
                return Failure::new(NAME, ResponseCode::ServFail, error).into();
            }
        };
        self.state.count(query);
        let mut answer = Answer::new(query, NAME, found.origin).with_rcode(found.rcode);
        answer.flags = answer.flags.with(found.flags.and(Flags::TC));
        let of_a = query.with_question(query.lower, query.lower, RecordType::A);
        let mut builder = RecordsBuilder::default();
        found.each(&of_a, &mut |record| builder.push(&self.record(record)));
        answer.body = Body::Records(Arc::new(builder.finish()));
        answer.extra = found.extra;
        bring_opt(query, &mut answer);
        Outcome::Answer(answer)
    }

    /// RFC 6147, 5.1.7: an address behind the prefix. All other records stay as they are (5.3.3).
    fn record<'r>(&self, record: RecordRef<'r>) -> RecordRef<'r> {
        let address = match record.rdata {
            RdataRef::A(address) => Some(address),
            RdataRef::Other(rdata) if record.rtype == RecordType::A => {
                <[u8; 4]>::try_from(rdata).ok().map(Ipv4Addr::from)
            }
            _ => None,
        };
        match address.filter(|_| record.section == Section::Answer) {
            None => record,
            Some(address) => RecordRef {
                rtype: RecordType::AAAA,
                ttl: record.ttl.min(self.ttl),
                rdata: RdataRef::Aaaa(embed(self.state.config.prefix, address)),
                ..record
            },
        }
    }
}

/// Gives an answer the OPT that this server's own reply for A has, as CoreDNS passes that on.
fn bring_opt(query: &Query<'_>, answer: &mut Answer) {
    if query.opt.is_some() {
        let extra = answer.extra_mut();
        let echoed = std::mem::take(&mut extra.echoed);
        extra.options.get_or_insert(echoed);
    }
}

/// An IPv4 address behind a prefix (RFC 6052, 2.2): bits 64 to 71 stay zero.
fn embed(prefix: Ipv6Net, address: Ipv4Addr) -> Ipv6Addr {
    let mut octets = prefix.addr().octets();
    let start = usize::from(prefix.prefix_len() / 8);
    let places = octets.iter_mut().enumerate().skip(start);
    let places = places.filter(|(at, _)| start > 8 || *at != 8);
    for ((_, place), octet) in places.zip(address.octets()) {
        *place = octet;
    }
    octets.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::setup::Shared;
    use crate::testing::{set_up, setup_error};

    /// RFC 6052, 2.4.
    #[test]
    fn addresses_stand_behind_prefixes_of_any_length() {
        let address = Ipv4Addr::new(192, 0, 2, 33);
        for (prefix, embedded) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let expected: Ipv6Addr = embedded.parse().unwrap();
            assert_eq!(
                embed(prefix.parse().unwrap(), address),
                expected,
                "{prefix}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (words, place, message) in [
            ("64:ff9b::", "2:7", "invalid CIDR address: 64:ff9b::"),
            (
                "10.0.0.0/8",
                "2:7",
                "invalid netmask 32 IPv6 address: \"10.0.0.0/8\"",
            ),
            (
                "64:ff9b::/97",
                "2:7",
                "invalid prefix length \"64:ff9b::/97\"",
            ),
            (
                "a b",
                "2:9",
                "Wrong argument count or unexpected line ending after 'b'",
            ),
            (
                "{\nprefix\n}",
                "3:1",
                "Wrong argument count or unexpected line ending after 'prefix'",
            ),
            ("{\ntranslate\n}", "3:1", "unknown property 'translate'"),
        ] {
            let error = setup_error(&format!("dns64 {words}"));
            assert_eq!(
                error,
                format!("Corefile:{place}: error: plugin/dns64: {message}")
            );
        }
    }

    #[test]
    fn options_after_a_prefix_are_told_to_do_nothing() {
        let corefile = ". {\n dns64 64:ff9b::/96 {\n allow_ipv4\n }\n}";
        let done = set_up(corefile, "dns64", &mut Shared::default(), |setup| {
            Config::parse(setup)
        });
        assert!(!done.value.unwrap().allow_ipv4);
        let warning = "2:21: options after PREFIX do nothing; write the prefix among the options: prefix PREFIX";
        assert_eq!(done.warnings, [warning]);
    }
}
