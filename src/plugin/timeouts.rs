//! `timeouts`: how long connections may take, and how many requests they may bring.
#![doc = include_str!("../../docs/plugins/timeouts.md")]

use std::time::Duration;

use super::setup::{Setup, SetupError};
use crate::corefile::{Cursor, Token, nearest};
use crate::duration::GoDuration;
use crate::server::stream::Limits;

/// A connection that is given less than this cannot be used over a slow link.
const LEAST: Duration = Duration::from_secs(1);
/// A connection that is given more than this is never closed in practice.
const MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["read", "write", "idle", "maxtcpqueries"];

/// What a block says; what it does not say is left to other blocks of the listener, or the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    read: Option<Duration>,
    write: Option<Duration>,
    idle: Option<Duration>,
    /// `Some(None)`: any number, said so.
    requests: Option<Option<usize>>,
}

/// Reads `timeouts { read TIME; write TIME; idle TIME; maxtcpqueries N }`; of several the last values
/// count.
///
/// # Errors
/// A block without a line, options that there are not, times out of range.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    let timeouts = &mut setup.block.listen.timeouts;
    while cursor.next_token().is_some() {
        if !cursor.remaining_args().is_empty() {
            return Err(cursor.arg_err());
        }
        let mut lines = 0;
        while let Some(option) = cursor.next_block() {
            timeouts.read(option, &mut cursor)?;
            lines += 1;
        }
        if lines == 0 {
            let error = cursor.err("timeouts block with no timeouts specified");
            return Err(error.help(format!("the options are: {}", OPTIONS.join(", "))));
        }
    }
    Ok(())
}

impl Timeouts {
    /// Reads one line of the block.
    fn read(&mut self, option: &Token, cursor: &mut Cursor<'_>) -> Result<(), SetupError> {
        let arguments = cursor.remaining_args();
        let [argument] = arguments.as_slice() else {
            return Err(cursor.arg_err());
        };
        if option.text() == "maxtcpqueries" {
            self.requests = Some(requests(argument)?);
            return Ok(());
        }
        let limit = match option.text() {
            "read" => &mut self.read,
            "write" => &mut self.write,
            "idle" => &mut self.idle,
            other => {
                let error = option.err(format!("unknown option: '{other}'"));
                return Err(match nearest(other, OPTIONS.iter().copied()) {
                    Some(known) => error.help(format!("did you mean '{known}'?")),
                    None => error.help(format!("the options are: {}", OPTIONS.join(", "))),
                });
            }
        };
        *limit = Some(time(argument)?);
        Ok(())
    }

    /// Sets what this block says.
    pub fn apply(&self, limits: &mut Limits) {
        limits.read = self.read.unwrap_or(limits.read);
        limits.write = self.write.unwrap_or(limits.write);
        limits.idle = self.idle.unwrap_or(limits.idle);
        limits.requests = self.requests.unwrap_or(limits.requests);
    }
}

/// A time from one second to a day; a bare number is seconds.
fn time(argument: &Token) -> Result<Duration, SetupError> {
    let text = argument.text();
    let time = match text.parse::<i64>() {
        Ok(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        Err(_) => {
            let nanos = argument.signed_nanoseconds().map_err(|_| {
                let error = argument.err(format!("failed to parse duration '{text}'"));
                error.help("write seconds, or a number and a unit: 10, 10s, 1m30s")
            })?;
            u64::try_from(nanos).ok().map(Duration::from_nanos)
        }
    };
    match time {
        Some(time) if (LEAST..=MOST).contains(&time) => Ok(time),
        _ => {
            let told = time.map_or_else(|| text.to_owned(), |time| GoDuration(time).to_string());
            let message =
                format!("timeout provided '{told}' needs to be between 1 second and 24 hours");
            Err(argument.err(message))
        }
    }
}

/// A number of requests; -1 is any.
fn requests(argument: &Token) -> Result<Option<usize>, SetupError> {
    let text = argument.text();
    let help = "write how many queries of a connection are answered, or -1 for any number";
    let number: i64 = text.parse().map_err(|_| {
        let error = argument.err(format!("invalid value for maxtcpqueries '{text}'"));
        error.help(help)
    })?;
    match usize::try_from(number) {
        Ok(0) => {}
        Ok(number) => return Ok(Some(number)),
        Err(_) if number == -1 => return Ok(None),
        Err(_) => {}
    }
    let message = format!(
        "maxtcpqueries provided '{number}' needs to be -1 (unlimited) or a positive integer"
    );
    Err(argument.err(message).help(help))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::corefile::Memory;
    use crate::server::stream::Limits;
    use crate::testing::{planned, setup_error};

    #[test]
    fn what_cannot_be_used_is_told_with_its_place() {
        for (lines, error) in [
            ("timeouts", "2:1: timeouts block with no timeouts specified"),
            (
                "timeouts {\n}",
                "3:1: timeouts block with no timeouts specified",
            ),
            (
                "timeouts 5s {\nread 5s\n}",
                "2:10: Wrong argument count or unexpected line ending after '5s'",
            ),
            (
                "timeouts {\nread\n}",
                "3:1: Wrong argument count or unexpected line ending after 'read'",
            ),
            (
                "timeouts {\nread 1s 2s\n}",
                "3:9: Wrong argument count or unexpected line ending after '2s'",
            ),
            (
                "timeouts {\nread soon\n}",
                "3:6: failed to parse duration 'soon'",
            ),
            (
                "timeouts {\nread 999ms\n}",
                "3:6: timeout provided '999ms' needs to be between 1 second and 24 hours",
            ),
            (
                "timeouts {\nidle 25h\n}",
                "3:6: timeout provided '25h0m0s' needs to be between 1 second and 24 hours",
            ),
            (
                "timeouts {\nwrite -1\n}",
                "3:7: timeout provided '-1' needs to be between 1 second and 24 hours",
            ),
            ("timeouts {\nreed 5s\n}", "3:1: unknown option: 'reed'"),
            (
                "timeouts {\nmaxtcpqueries many\n}",
                "3:15: invalid value for maxtcpqueries 'many'",
            ),
            (
                "timeouts {\nmaxtcpqueries 0\n}",
                "3:15: maxtcpqueries provided '0' needs to be -1 (unlimited) or a positive integer",
            ),
        ] {
            let (place, message) = error.split_once(": ").unwrap();
            let expected = format!("Corefile:{place}: error: plugin/timeouts: {message}");
            assert_eq!(setup_error(lines), expected, "{lines}");
        }
    }

    #[test]
    fn what_a_block_does_not_say_stays_as_it_is() {
        let seconds = Duration::from_secs;
        let none = Limits::DEFAULT;
        for (lines, expected) in [
            (
                "timeouts {\nread 30\n}",
                Limits {
                    read: seconds(30),
                    ..none
                },
            ),
            (
                "timeouts {\nwrite 1m\nidle 24h\nmaxtcpqueries 2\n}",
                Limits {
                    write: seconds(60),
                    idle: seconds(86_400),
                    requests: Some(2),
                    ..none
                },
            ),
            (
                "timeouts {\nread 2s\nmaxtcpqueries 2\n}\ntimeouts {\nread 4s\nmaxtcpqueries -1\n}",
                Limits {
                    read: seconds(4),
                    ..none
                },
            ),
        ] {
            let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
            let mut limits = none;
            plan.sites[0].listen.timeouts.apply(&mut limits);
            assert_eq!(limits, expected, "{lines}");
        }
    }
}
