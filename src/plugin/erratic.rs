//! `erratic`: answers that go wrong on purpose, to test clients with.
#![doc = include_str!("../../docs/plugins/erratic.md")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::autopath::{self, SearchPath};
use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply, Transfer};
use crate::corefile::{Cursor, Token};
use crate::name::Name;
use crate::query::Query;
use crate::readiness::ReadyFlag;
use crate::wire::Flags;

/// The directive's name.
const NAME: &str = "erratic";
/// Every so many queries something goes wrong, unless told.
const DEFAULT_AMOUNT: u64 = 2;
/// How long an answer is held back, unless told.
const DEFAULT_DELAY: Duration = Duration::from_millis(100);
/// The number of queries after which the plugin says that it is ready.
const READY: std::ops::Range<u64> = 3..5;
/// Records of a large answer.
const LARGE: usize = 30;

const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["drop", "truncate", "delay", "large"];

/// How often what goes wrong; zero is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Config {
    drop: u64,
    delay: u64,
    truncate: u64,
    duration: Duration,
    large: bool,
}

struct Erratic {
    config: Config,
    count: AtomicU64,
    ready: ReadyFlag,
}

/// The search list of every client, to test *autopath* with.
struct SamplePath;

impl SearchPath for SamplePath {
    fn search_path(&self, _: &Query<'_>) -> Vec<Name> {
        let domains = ["a.example.org.", "b.example.org.", "."];
        let domains = domains.into_iter().map(Name::from_text);
        domains.filter_map(Result::ok).collect()
    }
}

/// Reads the directive and ends the block's chain with the plugin.
///
/// # Errors
/// Names the word that is wrong, and what would be right.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    let ready = setup.ready_flag(NAME);
    let path: Arc<dyn SearchPath> = Arc::new(SamplePath);
    autopath::offer(setup, NAME, &path);
    setup.push(Erratic {
        config,
        count: AtomicU64::new(0),
        ready,
    });
    Ok(())
}

impl Config {
    fn parse(setup: &Setup<'_>) -> Result<Self, SetupError> {
        let mut config = Self {
            drop: DEFAULT_AMOUNT,
            delay: 0,
            truncate: 0,
            duration: Duration::ZERO,
            large: false,
        };
        let mut names_drop = false;
        let mut cursor = setup.directive.cursor();
        while cursor.next_token().is_some() {
            while let Some(option) = cursor.next_block() {
                config.option(option, &mut cursor, &mut names_drop)?;
            }
        }
        if (config.delay > 0 || config.truncate > 0) && !names_drop {
            config.drop = 0;
        }
        Ok(config)
    }

    fn option(
        &mut self,
        option: &Token,
        cursor: &mut Cursor<'_>,
        names_drop: &mut bool,
    ) -> Result<(), SetupError> {
        let at_option = cursor.clone();
        // `large` leaves the rest of its line to be read as options, in CoreDNS too.
        if option.text() == "large" {
            self.large = true;
            return Ok(());
        }
        let arguments = cursor.remaining_args();
        match (option.text(), arguments.as_slice()) {
            ("drop", []) => {}
            ("drop", [number]) => (self.drop, *names_drop) = (amount(number)?, true),
            ("truncate", []) => self.truncate = DEFAULT_AMOUNT,
            ("truncate", [number]) => self.truncate = amount(number)?,
            ("delay", []) => (self.delay, self.duration) = (DEFAULT_AMOUNT, DEFAULT_DELAY),
            ("delay", [number]) => (self.delay, self.duration) = (amount(number)?, DEFAULT_DELAY),
            ("delay", [number, duration]) => {
                // Below zero is no delay, in CoreDNS too.
                let nanoseconds = duration.signed_nanoseconds()?;
                let nanoseconds = nanoseconds.try_into().unwrap_or(0);
                (self.delay, self.duration) = (amount(number)?, Duration::from_nanos(nanoseconds));
            }
            ("drop" | "truncate" | "delay", _) => return Err(at_option.arg_err()),
            _ => return Err(at_option.unknown_property(OPTIONS)),
        }
        Ok(())
    }
}

fn amount(token: &Token) -> Result<u64, SetupError> {
    let number = token.integer(0..=i64::from(i32::MAX))?;
    Ok(number.unsigned_abs())
}

impl Plugin for Erratic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, _: Next<'_>) -> Reply {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.ready.set(READY.contains(&(number + 1)));
        let every = |amount: u64| amount > 0 && number.is_multiple_of(amount);
        if every(self.config.drop) {
            return Outcome::Drop.into();
        }
        // The bits of the number, as CoreDNS has it.
        let truncates = self.config.truncate > 0 && number & self.config.truncate == 0;
        let outcome = self.outcome(query, truncates);
        if every(self.config.delay) && !self.config.duration.is_zero() {
            let duration = self.config.duration;
            return Reply::later(async move {
                tokio::time::sleep(duration).await;
                outcome
            });
        }
        outcome.into()
    }
}

impl Erratic {
    fn outcome(&self, query: &Query<'_>, truncates: bool) -> Outcome {
        let data = match query.qtype {
            RecordType::A => Data::A(V4),
            RecordType::AAAA => Data::Aaaa(V6),
            RecordType::AXFR => return transfer(query, truncates),
            _ => return Failure::refusal(NAME, ResponseCode::ServFail).into(),
        };
        let mut answer = Answer::new(query, NAME, Origin::Local).authoritative();
        if truncates {
            answer.flags = answer.flags.with(Flags::TC);
        }
        let is_large = self.config.large && query.qtype == RecordType::A;
        for _ in 0..if is_large { LARGE } else { 1 } {
            answer.push(query, set(NameSpec::QNAME, data.clone()));
        }
        Outcome::Answer(answer)
    }
}

fn set(owner: NameSpec, data: Data) -> RecordSet {
    RecordSet {
        section: Section::Answer,
        owner,
        ttl: 0,
        data,
    }
}

/// A small zone; without its end where it is cut.
fn transfer(query: &Query<'_>, is_cut: bool) -> Outcome {
    let below = |label: &[u8]| {
        let labels = std::iter::once(label).chain(query.name.labels());
        NameSpec::Full(Name::from_labels(labels).unwrap_or_else(|_| query.name.to_name()))
    };
    let soa = set(NameSpec::QNAME, Data::Other(RecordType::SOA, SOA.into()));
    let mut answer = Answer::new(query, NAME, Origin::Local).authoritative();
    let servers = [&b"b"[..], b"a"].map(|label| Data::Name(RecordType::NS, below(label)));
    let hosts = [
        (&b"a"[..], Ipv6Addr::new(0x2001, 0xbd8, 0, 0, 0, 0, 0, 0x53)),
        (b"b", Ipv6Addr::new(0x2001, 0x500, 0, 0, 0, 0, 0, 0x54)),
    ];
    answer.push(query, soa.clone());
    for server in servers {
        answer.push(query, set(NameSpec::QNAME, server));
    }
    for (label, address) in hosts {
        answer.push(query, set(below(label), Data::Aaaa(address)));
    }
    if !is_cut {
        answer.push(query, soa);
    }
    Outcome::Transfer(Transfer(Box::new(std::iter::once(answer))))
}

/// `sns.dns.icann.org. noc.dns.icann.org. 2018050825 7200 3600 1209600 3600`
const SOA: &[u8] = b"\x03sns\x03dns\x05icann\x03org\0\x03noc\x03dns\x05icann\x03org\0\
    \x78\x49\x03\x09\0\0\x1c\x20\0\0\x0e\x10\0\x12\x75\0\0\0\x0e\x10";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Chain;
    use crate::plugin::setup::Shared;
    use crate::testing::{Ask, set_up, setup_error};

    fn chain(lines: &str) -> Arc<Chain> {
        let corefile = format!(". {{\nerratic {{\n{lines}\n}}\n}}");
        let set_up = set_up(&corefile, NAME, &mut Shared::default(), setup);
        set_up.value.unwrap();
        Chain::new(set_up.plugins)
    }

    /// The codes of four questions, with `tc` where the answer is cut.
    fn four(lines: &str, question: &str) -> Vec<String> {
        let chain = chain(lines);
        let told = (0..4).map(|_| {
            let told = Ask::new(question).now(&chain);
            let cut = if told.flags.has(Flags::TC) { " tc" } else { "" };
            format!("{}{cut}", told.rcode)
        });
        told.collect()
    }

    #[test]
    fn every_so_many_go_wrong() {
        for (lines, question, expected) in [
            ("", "a.test. A", ["", "NOERROR", "", "NOERROR"]),
            ("drop 3", "a.test. AAAA", ["", "NOERROR", "NOERROR", ""]),
            ("drop 0", "a.test. TXT", ["SERVFAIL"; 4]),
            (
                "truncate",
                "a.test. A",
                ["NOERROR tc", "NOERROR tc", "NOERROR", "NOERROR"],
            ),
            (
                "truncate 1\ndrop 2",
                "a.test. A",
                ["", "NOERROR", "", "NOERROR"],
            ),
        ] {
            assert_eq!(four(lines, question), expected, "{lines}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_held_back() {
        let chain = chain("delay 2 1h");
        for wait in [3600, 0] {
            let start = tokio::time::Instant::now();
            assert_eq!(Ask::new("a.test. A").ask(&chain).await.answer.len(), 1);
            assert_eq!(start.elapsed().as_secs(), wait);
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (lines, error) in [
            ("erratic {\ndrop -1\n}", "invalid number \"-1\""),
            ("erratic {\ndrop 1 2\n}", "Wrong argument count"),
            ("erratic {\ndelay 1 x\n}", "x"),
            ("erratic {\nnope\n}", "unknown property 'nope'"),
        ] {
            let told = setup_error(lines);
            assert!(told.contains(error), "{lines}\n{told}");
        }
    }
}
