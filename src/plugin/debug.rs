//! `debug`: more lines in the log, and the stack of a panic.
#![doc = include_str!("../../docs/plugins/debug.md")]

use super::setup::{Setup, SetupError};

/// Reads `debug`.
///
/// # Errors
/// It has an argument.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    while cursor.next_token().is_some() {
        if cursor.next_arg().is_some() {
            return Err(cursor.arg_err().help("write debug alone"));
        }
    }
    setup.shared.debug = true;
    setup.shared.stacktrace = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::corefile::Memory;
    use crate::testing::{planned, setup_error};

    #[test]
    fn it_takes_no_argument() {
        let error = setup_error("debug off");
        let message = "Wrong argument count or unexpected line ending after 'off'";
        let expected = format!("Corefile:2:7: error: plugin/debug: {message}");
        assert_eq!(error, expected);
    }

    #[test]
    fn one_block_turns_it_on_for_the_process() {
        for (text, on) in [
            (". {\ndebug\n}\na. {\n}\n", true),
            ("a. {\n}\n. {\ndebug\ndebug\n}\n", true),
            ("a. {\n}\n. {\n}\n", false),
        ] {
            let shared = planned(text, &Memory::default()).unwrap().shared;
            assert_eq!((shared.debug, shared.stacktrace), (on, on), "{text}");
        }
    }
}
