//! The directive's words to a [`Config`].

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Config, Limits, Prefetch, Stale};
use crate::corefile::{Cursor, Token};
use crate::name::Name;
use crate::plugin::setup::{Setup, SetupError};

/// All whole numbers that a word may tell.
const ANY: RangeInclusive<i64> = i64::MIN..=i64::MAX;
/// SERVFAIL must not be kept for longer (RFC 2308, 7.1), and a renewal that failed should be tried
/// again after no more than this (RFC 8767, section 5).
const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);
/// For how long after their end answers are told.
const DEFAULT_STALE: Duration = Duration::from_secs(60 * 60);
/// The longest time between two hits of a popular entry.
const DEFAULT_GAP: Duration = Duration::from_secs(60);
/// What is left of the TTL when a popular entry is renewed, in percent.
const DEFAULT_PERCENTAGE: u32 = 10;

/// The lines of its block, by their first words.
pub(in crate::plugin) const OPTIONS: &[&str] = &[
    "success",
    "denial",
    "prefetch",
    "serve_stale",
    "serve_stale_policy",
    "servfail",
    "disable",
    "keepttl",
];

impl Config {
    /// Reads `cache [TTL] [ZONES...] { ... }`.
    ///
    /// # Errors
    /// Names the word that is wrong, and what would be right.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        setup.once()?;
        let mut cursor = setup.directive.cursor();
        cursor.next_token();
        let arguments = cursor.remaining_args();
        // A number is the TTL; anything else is a zone, `300s` too.
        let (ttl, zones) = match arguments.split_first() {
            Some((first, rest)) if first.integer(ANY).is_ok() => (Some(max_ttl(first)?), rest),
            _ => (None, arguments.as_slice()),
        };
        let mut config = Self::new(setup.zones(zones));
        if let Some(ttl) = ttl {
            config.success.max_ttl = ttl;
            config.denial.max_ttl = ttl;
        }
        let mut policy = None;
        while let Some(option) = cursor.next_block() {
            config.option(option, &mut cursor, &mut policy)?;
        }
        cursor.next_once()?;
        if let Some(place) = policy {
            let Some(stale) = &mut config.stale else {
                let error = place.err("serve_stale_policy requires serve_stale");
                return Err(error.help("add a line: serve_stale"));
            };
            stale.prefer_positive = true;
        }
        Ok(config)
    }

    fn option<'t>(
        &mut self,
        option: &'t Token,
        cursor: &mut Cursor<'t>,
        policy: &mut Option<&'t Token>,
    ) -> Result<(), SetupError> {
        if !OPTIONS.contains(&option.text()) {
            return Err(cursor.unknown_property(OPTIONS));
        }
        let arguments = cursor.remaining_args();
        let wrong_count = || Err(cursor.arg_err());
        match (option.text(), arguments.as_slice()) {
            ("success", [capacity, ttls @ ..]) => limits(&mut self.success, capacity, ttls)?,
            ("denial", [capacity, ttls @ ..]) => limits(&mut self.denial, capacity, ttls)?,
            ("prefetch", [amount, rest @ ..]) if rest.len() < 3 => {
                self.prefetch = prefetch(amount, rest)?;
            }
            ("serve_stale", arguments) if arguments.len() <= 5 => match stale(arguments)? {
                Some(stale) => self.stale = Some(stale),
                None => return wrong_count(),
            },
            ("serve_stale_policy", [word]) => {
                if policy.replace(word).is_some() {
                    return Err(option.err("serve_stale_policy can only be specified once"));
                }
                if !word.text().eq_ignore_ascii_case("prefer_positive") {
                    let error = word.err(format!("invalid serve_stale_policy: {}", word.text()));
                    return Err(error.expected("prefer_positive", quoted(word)));
                }
            }
            ("servfail", [duration]) => self.servfail = servfail(duration)?,
            ("disable", [kind, zones @ ..]) => {
                let except = match kind.text() {
                    "success" => &mut self.success.except,
                    "denial" => &mut self.denial.except,
                    _ => {
                        let error = kind.err("cache type for disable is unknown");
                        return Err(error.expected("success or denial", quoted(kind)));
                    }
                };
                *except = disabled(zones)?;
            }
            ("keepttl", []) => self.keep_ttl = true,
            _ => return wrong_count(),
        }
        Ok(())
    }
}

/// `CAPACITY [TTL] [MINTTL]`; what follows is passed over, as in CoreDNS.
fn limits(limits: &mut Limits, capacity: &Token, ttls: &[&Token]) -> Result<(), SetupError> {
    // Less than the smallest capacity is that one, numbers below zero too.
    limits.capacity = usize::try_from(capacity.integer(ANY)?).unwrap_or(0);
    if let Some(ttl) = ttls.first() {
        limits.max_ttl = max_ttl(ttl)?;
    }
    if let Some(ttl) = ttls.get(1) {
        limits.min_ttl = seconds(ttl, 0, "cache min TTL can not be negative")?;
    }
    Ok(())
}

fn max_ttl(word: &Token) -> Result<u32, SetupError> {
    seconds(word, 1, "cache TTL can not be zero or negative")
}

fn seconds(word: &Token, least: i64, message: &str) -> Result<u32, SetupError> {
    let number = word.integer(ANY)?;
    if number < least {
        return Err(word
            .err(format!("{message}: {number}"))
            .expected(format!("seconds, {least} at least"), quoted(word)));
    }
    // A TTL has 32 bits.
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// `AMOUNT [DURATION] [PERCENTAGE%]`; an amount of zero is no prefetch.
fn prefetch(amount: &Token, rest: &[&Token]) -> Result<Option<Prefetch>, SetupError> {
    let number = amount.integer(ANY)?;
    let Ok(number) = u64::try_from(number) else {
        let error = amount.err(format!("prefetch amount should be positive: {number}"));
        return Err(error.expected("a number of hits, 0 for no prefetch", quoted(amount)));
    };
    let gap = rest.first().map_or(Ok(DEFAULT_GAP), |word| {
        // Below zero no two hits are close enough, as with zero.
        let nanoseconds = word.signed_nanoseconds()?;
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(0);
        Ok::<_, SetupError>(Duration::from_nanos(nanoseconds))
    })?;
    let percentage = rest.get(1).map_or(Ok(DEFAULT_PERCENTAGE), |word| {
        let number = word.text().strip_suffix('%');
        let number = number.and_then(|number| number.parse().ok());
        number
            .filter(|number| (10..=90).contains(number))
            .ok_or_else(|| {
                let error = word.err(format!("invalid percentage {:?}", word.text()));
                error.expected("a percentage from 10% to 90%", quoted(word))
            })
    })?;
    Ok((number > 0).then(|| Prefetch {
        amount: u32::try_from(number).unwrap_or(u32::MAX),
        gap,
        percentage,
    }))
}

/// `[DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]`; `None` where there
/// are too many words.
fn stale(words: &[&Token]) -> Result<Option<Stale>, SetupError> {
    let mut stale = Stale {
        up_to: DEFAULT_STALE,
        verify: None,
        ttl: 0,
        recheck: Duration::ZERO,
        prefer_positive: false,
    };
    let mut words = words.iter();
    if let Some(word) = words.next() {
        stale.up_to = word.duration()?;
    }
    match words.next() {
        Some(word) if word.text().eq_ignore_ascii_case("verify") => {
            let wait = words.next().map(|word| word.duration()).transpose()?;
            stale.verify = Some(wait.unwrap_or_default());
        }
        Some(word) if !word.text().eq_ignore_ascii_case("immediate") => {
            let message = format!(
                "invalid value for serve_stale refresh mode: {}",
                word.text()
            );
            return Err(word
                .err(message)
                .expected("immediate or verify", quoted(word)));
        }
        _ => {}
    }
    if let Some(word) = words.next() {
        stale.ttl = stale_ttl(word)?;
    }
    if let Some(word) = words.next() {
        stale.recheck =
            at_most_five_minutes(word, "serve_stale failure recheck cannot exceed 5 minutes")?;
    }
    Ok(words.next().is_none().then_some(stale))
}

fn stale_ttl(word: &Token) -> Result<u32, SetupError> {
    let ttl = word.duration()?;
    let whole = ttl.subsec_nanos() == 0;
    u32::try_from(ttl.as_secs())
        .ok()
        .filter(|_| whole)
        .ok_or_else(|| {
            let message = match whole {
                true => "serve_stale response TTL exceeds the DNS TTL range",
                false => "serve_stale response TTL must be a whole number of seconds",
            };
            word.err(message)
                .expected("whole seconds, like 30s", quoted(word))
        })
}

fn servfail(word: &Token) -> Result<Duration, SetupError> {
    at_most_five_minutes(
        word,
        "caching SERVFAIL responses over 5 minutes is not permitted",
    )
}

fn at_most_five_minutes(word: &Token, message: &str) -> Result<Duration, SetupError> {
    let duration = word.duration()?;
    if duration > FIVE_MINUTES {
        return Err(word
            .err(message)
            .expected("a duration from 0s to 5m", quoted(word)));
    }
    Ok(duration)
}

/// The zones of `disable`; none is all names. A network stays a name, as in CoreDNS.
fn disabled(words: &[&Token]) -> Result<Vec<Name>, SetupError> {
    if words.is_empty() {
        return Ok(vec![Name::root()]);
    }
    let zone = |word: &&Token| {
        Name::from_text(word.text())
            .map(|name| name.view().to_lower())
            .map_err(|error| {
                word.err(format!("invalid disabled zone: {}: {error}", word.text()))
                    .help("write domain names, like cluster.local")
            })
    };
    words.iter().map(zone).collect()
}

fn quoted(word: &Token) -> String {
    format!("'{}'", word.text())
}

#[cfg(test)]
mod tests;
