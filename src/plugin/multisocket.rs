//! `multisocket`: how many sockets, and threads that read them, an address has.
#![doc = include_str!("../../docs/plugins/multisocket.md")]

use super::setup::{Setup, SetupError};
use crate::corefile::Token;

/// CoreDNS refuses more.
const MOST: usize = 1024;

/// Reads `multisocket [NUMBER]`.
///
/// # Errors
/// The number is none from 1 to 1024, or the directive stands in the block twice.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    let arguments = cursor.remaining_args();
    if arguments.len() > 1 || cursor.next_token().is_some() {
        return Err(cursor.arg_err());
    }
    let sockets = match arguments.first() {
        None => processors(),
        Some(number) => sockets(number)?,
    };
    setup.block.listen.sockets = Some(sockets);
    Ok(())
}

/// A number of sockets.
fn sockets(number: &Token) -> Result<usize, SetupError> {
    let text = number.text();
    let message = match text.parse::<i64>() {
        Err(_) => format!("invalid num sockets: {text:?}"),
        Ok(below @ ..1) => format!("num sockets can not be zero or negative: {below}"),
        Ok(sockets) => match usize::try_from(sockets) {
            Ok(sockets) if sockets <= MOST => return Ok(sockets),
            _ => format!("num sockets exceeds maximum ({MOST}): {sockets}"),
        },
    };
    let error = number.err(message);
    Err(error.help(format!(
        "write a number from 1 to {MOST}, or none for one for each processor"
    )))
}

/// The processors that this process may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use crate::corefile::Memory;
    use crate::testing::{planned, setup_error};

    #[test]
    fn a_number_that_is_none_is_refused() {
        for (lines, error) in [
            ("multisocket x", "2:13: invalid num sockets: \"x\""),
            (
                "multisocket 0",
                "2:13: num sockets can not be zero or negative: 0",
            ),
            (
                "multisocket 1025",
                "2:13: num sockets exceeds maximum (1024): 1025",
            ),
            (
                "multisocket 1 2",
                "2:15: Wrong argument count or unexpected line ending after '2'",
            ),
            (
                "multisocket 1\nmultisocket 2",
                "3:1: Wrong argument count or unexpected line ending after 'multisocket'",
            ),
        ] {
            let (place, message) = error.split_once(": ").unwrap();
            let expected = format!("Corefile:{place}: error: plugin/multisocket: {message}");
            assert_eq!(setup_error(lines), expected, "{lines}");
        }
    }

    #[test]
    fn without_a_number_there_is_one_socket_for_each_processor() {
        for (lines, sockets) in [
            ("", None),
            ("multisocket", Some(super::processors())),
            ("multisocket 1", Some(1)),
            ("multisocket 1024", Some(1024)),
        ] {
            let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
            assert_eq!(plan.sites[0].listen.sockets, sockets, "{lines}");
        }
    }
}
