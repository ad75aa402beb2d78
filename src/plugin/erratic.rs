//! `erratic`: answers late, cut or not at all, for tests of clients.
#![doc = include_str!("../../docs/plugins/erratic.md")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply};
use crate::corefile::{Cursor, Token};
use crate::query::Query;
use crate::readiness::ReadyFlag;
use crate::wire::Flags;

/// The address that is told.
const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// The same of IPv6.
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
/// Every so many queries, unless the directive says otherwise.
const EVERY: u64 = 2;
/// How late an answer is, unless the directive says otherwise.
const DELAY: Duration = Duration::from_millis(100);
/// The records of a large answer.
const LARGE: usize = 30;
/// It is ready while it has been asked so many times: from, and below.
const READY: std::ops::Range<u64> = 3..5;

/// What the directive says: each of every so many queries; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Config {
    drop: Option<u64>,
    delay: u64,
    duration: Duration,
    truncate: u64,
    large: bool,
}

/// Reads `erratic { drop [EVERY]; delay [EVERY [DURATION]]; truncate [EVERY]; large }`.
///
/// # Errors
/// Options that there are not, numbers that are none.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(&mut setup.directive.cursor())?;
    let ready = setup.ready_flag("erratic");
    setup.push(Erratic(Arc::new(State {
        config,
        asked: AtomicU64::new(0),
        ready,
    })));
    Ok(())
}

impl Config {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, SetupError> {
        let mut config = Self::default();
        while cursor.next_token().is_some() {
            while let Some(option) = cursor.next_block() {
                let name = option.text();
                if !["drop", "delay", "truncate", "large"].contains(&name) {
                    return Err(cursor.unknown_property(&["drop", "delay", "truncate"]));
                }
                if name != "large" {
                    let arguments = cursor.remaining_args();
                    let most = if name == "delay" { 2 } else { 1 };
                    if arguments.len() > most {
                        return Err(cursor.arg_err());
                    }
                    config.read(name, &arguments)?;
                } else {
                    config.large = true;
                }
            }
        }
        Ok(config)
    }

    fn read(&mut self, name: &str, arguments: &[&Token]) -> Result<(), SetupError> {
        let every = arguments.first().map(|word| amount(word)).transpose()?;
        match name {
            "drop" => self.drop = every.or(self.drop),
            "truncate" => self.truncate = every.unwrap_or(EVERY),
            _ => {
                self.delay = every.unwrap_or(EVERY);
                self.duration = match arguments.get(1) {
                    Some(word) => {
                        let nanos = word.signed_nanoseconds()?;
                        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
                    }
                    None => DELAY,
                };
            }
        }
        Ok(())
    }

    /// What is dropped where nothing is said of it: half, unless something else goes wrong.
    fn dropped(&self) -> u64 {
        let otherwise = self.delay > 0 || self.truncate > 0;
        self.drop.unwrap_or(if otherwise { 0 } else { EVERY })
    }
}

fn amount(word: &Token) -> Result<u64, SetupError> {
    let text = word.text();
    let help = "write a whole number, 0 for none";
    let Ok(number) = text.parse::<i32>() else {
        return Err(word.err(format!("invalid amount {text:?}")).help(help));
    };
    let message = format!("illegal amount value given {text:?}");
    u64::try_from(number).map_err(|_| word.err(message).help(help))
}

/// See the module.
struct Erratic(Arc<State>);

struct State {
    config: Config,
    /// Queries so far.
    asked: AtomicU64,
    ready: ReadyFlag,
}

impl Plugin for Erratic {
    fn name(&self) -> &'static str {
        "erratic"
    }

    fn serve(&self, query: &Query<'_>, _: Next<'_>) -> Reply {
        let State {
            config,
            asked,
            ready,
        } = &*self.0;
        let number = asked.fetch_add(1, Ordering::Relaxed);
        ready.set(READY.contains(&(number + 1)));
        let is_one_of = |every: u64| every > 0 && number.is_multiple_of(every);
        if is_one_of(config.dropped()) {
            return Outcome::Drop.into();
        }
        // As in CoreDNS, whose rule for cutting is one of bits.
        let is_cut = config.truncate > 0 && number & config.truncate == 0;
        let outcome = answer(query, is_cut, config.large);
        if !is_one_of(config.delay) {
            return outcome.into();
        }
        let duration = config.duration;
        Reply::later(async move {
            tokio::time::sleep(duration).await;
            outcome
        })
    }
}

fn answer(query: &Query<'_>, is_cut: bool, is_large: bool) -> Outcome {
    let data = match query.qtype {
        RecordType::A if is_large => Data::ManyA(Arc::from([V4; LARGE])),
        RecordType::A => Data::A(V4),
        RecordType::AAAA => Data::Aaaa(V6),
        _ => return Failure::refusal("erratic", ResponseCode::ServFail).into(),
    };
    let mut answer = Answer::new(query, "erratic", Origin::Local).authoritative();
    if is_cut {
        answer.flags = answer.flags.with(Flags::TC);
    }
    let set = RecordSet {
        section: Section::Answer,
        owner: NameSpec::QNAME,
        ttl: 0,
        data,
    };
    answer.push(query, set);
    Outcome::Answer(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{set_up, setup_error};

    #[test]
    fn what_cannot_be_used_is_told_with_its_place() {
        for (lines, error) in [
            ("erratic {\ndrop x\n}", "3:6: invalid amount \"x\""),
            (
                "erratic {\ndrop -1\n}",
                "3:6: illegal amount value given \"-1\"",
            ),
            (
                "erratic {\ndelay 1 soon\n}",
                "3:9: time: invalid duration \"soon\"",
            ),
            (
                "erratic {\ntruncate 1 2\n}",
                "3:12: Wrong argument count or unexpected line ending after '2'",
            ),
            ("erratic {\nlose 1\n}", "3:1: unknown property 'lose'"),
        ] {
            let (place, message) = error.split_once(": ").unwrap();
            let expected = format!("Corefile:{place}: error: plugin/erratic: {message}");
            assert_eq!(setup_error(lines), expected, "{lines}");
        }
    }

    #[test]
    fn half_is_dropped_unless_something_else_goes_wrong() {
        for (lines, drop, delay, truncate) in [
            ("erratic", 2, 0, 0),
            ("erratic {\ndrop\n}", 2, 0, 0),
            ("erratic {\ndrop 3\n}", 3, 0, 0),
            ("erratic {\ndrop 0\n}", 0, 0, 0),
            ("erratic {\ndelay\n}", 0, 2, 0),
            ("erratic {\ndrop 3\ndelay 4 5ms\ntruncate\n}", 3, 4, 2),
            ("erratic {\ntruncate 5\nlarge\n}", 0, 0, 5),
        ] {
            let corefile = format!(". {{\n{lines}\n}}");
            let shared = &mut crate::plugin::setup::Shared::default();
            let config = set_up(&corefile, "erratic", shared, |setup| {
                Config::parse(&mut setup.directive.cursor())
            });
            let config = config.value.unwrap();
            let found = (config.dropped(), config.delay, config.truncate);
            assert_eq!(found, (drop, delay, truncate), "{lines}");
        }
    }
}
