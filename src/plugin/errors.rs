//! `errors`: logs the queries that failed, and why; like errors together, if asked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use regex::Regex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::setup::{Setup, SetupError};
use crate::chain::{Outcome, Plugin};
use crate::corefile::{Cursor, Directive, Token};
use crate::duration::GoDuration;
use crate::query::Query;
use crate::wire::mnemonic::TypeWord;

/// The longest pattern, in bytes: compiling a longer one may take too much memory.
const LONGEST_PATTERN: usize = 10_000;

/// What the directive says.
#[derive(Debug, Default)]
struct Config {
    stacktrace: bool,
    patterns: Vec<Pattern>,
}

/// Errors that are told together.
#[derive(Debug)]
struct Pattern {
    regex: Regex,
    period: Duration,
    level: Level,
    show_first: bool,
    /// Errors since the period began; zero where none has begun.
    count: AtomicU32,
    /// Told when a period begins.
    begun: Notify,
    /// Nobody waits for periods to end any more: errors are told one by one.
    stopped: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Level {
    Debug,
    Info,
    Warning,
    #[default]
    Error,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["stacktrace", "consolidate"];

/// Reads `errors [stdout] { stacktrace; consolidate DURATION REGEXP [LEVEL] [show_first] }`.
///
/// # Errors
/// Options that are none, patterns that are no regular expression, durations that are none; the
/// directive standing twice.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let config = Config::parse(setup.directive)?;
    setup.shared.stacktrace |= config.stacktrace;
    let patterns: Arc<[Pattern]> = config.patterns.into();
    for at in 0..patterns.len() {
        let patterns = patterns.clone();
        setup.shared.task("errors", move |stop| async move {
            if let Some(pattern) = patterns.get(at) {
                pattern.tell_each_period(stop).await;
            }
        });
    }
    setup.push(Errors { patterns });
    Ok(())
}

impl Config {
    fn parse(directive: &Directive) -> Result<Self, SetupError> {
        let mut config = Self::default();
        let mut cursor = directive.cursor();
        while cursor.next_once()? {
            match cursor.remaining_args().as_slice() {
                [] => {}
                [file] if file.text() == "stdout" => {}
                [file] => {
                    let message = format!("invalid log file: {}", file.text());
                    return Err(file.err(message).help("write stdout, or nothing"));
                }
                _ => return Err(cursor.arg_err()),
            }
            while let Some(option) = cursor.next_block() {
                match option.text() {
                    "stacktrace" => config.stacktrace = true,
                    "consolidate" => config.patterns.push(Pattern::parse(&mut cursor)?),
                    _ => return Err(cursor.unknown_property(OPTIONS)),
                }
            }
        }
        Ok(config)
    }
}

impl Pattern {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, SetupError> {
        let arguments = cursor.remaining_args();
        let (period, regex, options) = match arguments.as_slice() {
            [period, regex, options @ ..] if options.len() <= 2 => (period, regex, options),
            _ => return Err(cursor.arg_err()),
        };
        // Below zero is at once, as in CoreDNS.
        let nanos = u64::try_from(period.signed_nanoseconds()?);
        let period = Duration::from_nanos(nanos.unwrap_or(0));
        let (level, show_first) = parse_options(options)?;
        Ok(Self {
            regex: parse_regex(regex)?,
            period,
            level: level.unwrap_or_default(),
            show_first,
            count: AtomicU32::new(0),
            begun: Notify::new(),
            stopped: AtomicBool::new(false),
        })
    }

    /// Counts an error. Whether it is told as part of a sum, and so not by itself.
    fn consolidates(&self) -> bool {
        if self.stopped.load(Ordering::Relaxed) {
            return false;
        }
        if self.count.fetch_add(1, Ordering::Relaxed) > 0 {
            return true;
        }
        self.begun.notify_one();
        !self.show_first
    }

    /// Tells the errors of each period at its end, and those of the last one when stopped.
    async fn tell_each_period(&self, stop: CancellationToken) {
        let periods = async {
            loop {
                self.begun.notified().await;
                tokio::time::sleep(self.period).await;
                self.tell();
            }
        };
        let _: Option<()> = stop.run_until_cancelled(periods).await;
        self.stopped.store(true, Ordering::Relaxed);
        self.tell();
    }

    fn tell(&self) {
        let count = self.count.swap(0, Ordering::Relaxed);
        // The only one of its period was told by itself.
        if count > u32::from(self.show_first) {
            self.level.log(format_args!(
                "{count} errors like '{}' occurred in last {}",
                self.regex,
                GoDuration(self.period)
            ));
        }
    }
}

fn parse_regex(token: &Token) -> Result<Regex, SetupError> {
    let text = token.text();
    if text.len() > LONGEST_PATTERN {
        let length = text.len();
        let message = format!("regex pattern too long: {length} > {LONGEST_PATTERN}");
        return Err(token.err(message));
    }
    Regex::new(text).map_err(|error| {
        // The library draws the place of the fault; its last line says what it is.
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        let reason = reason.trim_start_matches("error: ");
        token.err(format!("error parsing regexp: {reason}: `{text}`"))
    })
}

/// A level and `show_first`, each once at most, in this order.
fn parse_options(options: &[&Token]) -> Result<(Option<Level>, bool), SetupError> {
    let (mut level, mut show_first) = (None, false);
    for option in options {
        let error = |message: &str| Err(option.err(format!("{message} in consolidate")));
        match (option.text(), Level::of(option.text())) {
            (_, Some(_)) if level.is_some() => return error("multiple log levels specified"),
            (_, Some(_)) if show_first => return error("log level must come before show_first"),
            (_, Some(named)) => level = Some(named),
            ("show_first", None) => show_first = true,
            (other, None) => {
                let message = format!("unknown option in consolidate: {other}");
                let help = "write warning, error, info or debug, and then show_first";
                return Err(option.err(message).help(help));
            }
        }
    }
    Ok((level, show_first))
}

impl Level {
    fn of(text: &str) -> Option<Self> {
        match text {
            "debug" => Some(Self::Debug),
            "info" => Some(Self::Info),
            "warning" => Some(Self::Warning),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    fn log(self, message: fmt::Arguments<'_>) {
        match self {
            Self::Debug => debug!(target: "plugin/errors", "{message}"),
            Self::Info => info!(target: "plugin/errors", "{message}"),
            Self::Warning => warn!(target: "plugin/errors", "{message}"),
            Self::Error => error!(target: "plugin/errors", "{message}"),
        }
    }
}

/// See the module.
struct Errors {
    patterns: Arc<[Pattern]>,
}

impl Plugin for Errors {
    fn name(&self) -> &'static str {
        "errors"
    }

    fn edits(&self) -> bool {
        true
    }

    fn edit(&self, query: &Query<'_>, outcome: &mut Outcome) {
        if let Outcome::Failed(failure) = outcome
            && let Some(error) = &failure.error
        {
            self.tell(query, u16::from(failure.rcode), error);
        }
    }
}

impl Errors {
    #[cold]
    fn tell(&self, query: &Query<'_>, rcode: u16, error: &str) {
        let pattern = self
            .patterns
            .iter()
            .find(|pattern| pattern.regex.is_match(error));
        let level = match pattern {
            Some(pattern) if pattern.consolidates() => return,
            Some(pattern) => pattern.level,
            None => Level::Error,
        };
        let qtype = TypeWord(query.qtype.into());
        level.log(format_args!("{rcode} {} {qtype}: {error}", query.lower));
    }
}

#[cfg(test)]
mod tests;
