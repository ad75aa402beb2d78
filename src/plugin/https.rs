//! `https`: limits of listeners for DNS over HTTPS.
#![doc = include_str!("../../docs/plugins/https.md")]

use super::setup::{Setup, SetupError};
use crate::corefile::{Cursor, Token};

/// What a block says of the limits of its listeners; what it does not say has its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Connections at one time; 0 is as many as a listener for TCP takes.
    pub connections: Option<usize>,
    /// Requests of a connection that wait at one time; 0 is the default.
    pub streams: Option<usize>,
    /// Requests of all connections that wait at one time.
    pub workers: Option<usize>,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["max_connections", "max_streams"];

/// Reads `https { max_connections N; max_streams N }`; of several the first counts.
///
/// # Errors
/// Arguments, options that there are not or that are there twice, numbers that are none.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let most = u64::from(u32::MAX);
    let options = [("max_connections", 0, u64::MAX), ("max_streams", 0, most)];
    let [connections, streams] = numbers(&mut setup.directive.cursor(), &options)?;
    setup.block.listen.https = Caps {
        connections,
        streams,
        workers: None,
    };
    Ok(())
}

/// Reads a block whose options are numbers: each with its name, its least and its most.
pub(super) fn numbers<const N: usize>(
    cursor: &mut Cursor<'_>,
    options: &[(&'static str, u64, u64); N],
) -> Result<[Option<usize>; N], SetupError> {
    cursor.next_token();
    if !cursor.remaining_args().is_empty() {
        return Err(cursor.arg_err());
    }
    let mut numbers = [None; N];
    while let Some(option) = cursor.next_block() {
        let mut known = options.iter().zip(&mut numbers);
        let Some((bounds, number)) = known.find(|((name, ..), _)| *name == option.text()) else {
            let names = options.map(|(name, ..)| name);
            return Err(cursor.unknown_property(&names));
        };
        let arguments = cursor.remaining_args();
        let [argument] = arguments.as_slice() else {
            return Err(cursor.arg_err());
        };
        let value = value(argument, bounds)?;
        if number.replace(value).is_some() {
            let message = format!("{} already defined for this server block", bounds.0);
            return Err(option.err(message).help("take one of the two lines out"));
        }
    }
    Ok(numbers)
}

fn value(
    argument: &Token,
    (name, least, most): &(&'static str, u64, u64),
) -> Result<usize, SetupError> {
    let text = argument.text();
    let help = format!("write a whole number, {least} or more");
    let Ok(number) = text.parse::<i64>() else {
        let message = format!("invalid {name} value '{text}'");
        return Err(argument.err(message).help(help));
    };
    match u64::try_from(number) {
        Ok(number) if number > *most => {
            Err(argument.err(format!("{name} must not exceed {most}: {number}")))
        }
        Ok(number) if number >= *least => {
            usize::try_from(number).map_err(|_| argument.err(format!("{name} is too large")))
        }
        _ => {
            let kind = if *least == 0 {
                "non-negative"
            } else {
                "positive"
            };
            let message = format!("{name} must be a {kind} integer: {number}");
            Err(argument.err(message).help(help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Caps;
    use crate::corefile::Memory;
    use crate::testing::{planned, setup_error};

    #[test]
    fn what_cannot_be_used_is_told_with_its_place() {
        for (lines, plugin, error) in [
            (
                "https now",
                "https",
                "2:7: Wrong argument count or unexpected line ending after 'now'",
            ),
            (
                "https {\nmax_connections\n}",
                "https",
                "3:1: Wrong argument count or unexpected line ending after 'max_connections'",
            ),
            (
                "https {\nmax_connections abc\n}",
                "https",
                "3:17: invalid max_connections value 'abc'",
            ),
            (
                "https {\nmax_connections -1\n}",
                "https",
                "3:17: max_connections must be a non-negative integer: -1",
            ),
            (
                "https {\nmax_streams 4294967296\n}",
                "https",
                "3:13: max_streams must not exceed 4294967295: 4294967296",
            ),
            (
                "https {\nmax_streams 1\nmax_streams 2\n}",
                "https",
                "4:1: max_streams already defined for this server block",
            ),
            (
                "https {\nmax_stream 1\n}",
                "https",
                "3:1: unknown property 'max_stream'",
            ),
            (
                "quic {\nmax_streams 0\n}",
                "quic",
                "3:13: max_streams must be a positive integer: 0",
            ),
            (
                "quic {\nworker_pool_size 0\n}",
                "quic",
                "3:18: worker_pool_size must be a positive integer: 0",
            ),
        ] {
            let (place, message) = error.split_once(": ").unwrap();
            let expected = format!("Corefile:{place}: error: plugin/{plugin}: {message}");
            assert_eq!(setup_error(lines), expected, "{lines}");
        }
    }

    #[test]
    fn what_a_block_does_not_say_has_its_default() {
        for (lines, https, quic) in [
            ("", Caps::default(), Caps::default()),
            (
                "https {\nmax_connections 0\n}\nquic",
                Caps {
                    connections: Some(0),
                    ..Caps::default()
                },
                Caps::default(),
            ),
            (
                "https {\nmax_streams 7\n}\nquic {\nmax_streams 1\nmax_connections 2\nworker_pool_size 3\n}",
                Caps {
                    streams: Some(7),
                    ..Caps::default()
                },
                Caps {
                    connections: Some(2),
                    streams: Some(1),
                    workers: Some(3),
                },
            ),
        ] {
            let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
            let listen = &plan.sites[0].listen;
            assert_eq!((listen.https, listen.quic), (https, quic), "{lines}");
        }
    }
}
