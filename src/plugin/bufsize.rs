//! `bufsize`: lowers the payload size of clients, so that no reply over UDP is cut into fragments.
#![doc = include_str!("../../docs/plugins/bufsize.md")]

use std::sync::Arc;

use super::setup::{Setup, SetupError};
use crate::chain::{Next, Outcome, Plugin, Reply};
use crate::query::{Opt, Query};

/// The size unless the directive says otherwise: what the DNS flag day of 2020 agreed on.
const SIZE: u16 = 1232;

/// Reads `bufsize [SIZE]`.
///
/// # Errors
/// SIZE is no number from 512 to 4096, or there is more than one.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    let size = match cursor.remaining_args().as_slice() {
        [] => SIZE,
        [size] => {
            let number = size.integer(512..=4096)?;
            u16::try_from(number).map_err(|_| cursor.arg_err())?
        }
        _ => return Err(cursor.arg_err()),
    };
    setup.push(Bufsize {
        size: Arc::new(size),
    });
    Ok(())
}

/// See the module.
struct Bufsize {
    size: Arc<u16>,
}

impl Plugin for Bufsize {
    fn name(&self) -> &'static str {
        "bufsize"
    }

    #[inline]
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let udp_size = *self.size;
        match query.opt {
            Some(opt) if opt.udp_size > udp_size => {
                let opt = Some(Opt { udp_size, ..opt });
                let lowered = Query { opt, ..*query };
                let mut reply = next.serve(&lowered);
                reply.edit(&self.size, &lowered, lower);
                reply
            }
            _ => next.serve(query),
        }
    }
}

/// Lets the reply be cut at the lower size, and tell it.
fn lower(size: &u16, _: &Query<'_>, outcome: &mut Outcome) {
    match outcome {
        Outcome::Answer(answer) => answer.extra_mut().udp_size = Some(*size),
        Outcome::Failed(failure) => failure.udp_size = Some(*size),
        Outcome::Drop | Outcome::Transfer(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::plugin::setup::Shared;
    use crate::testing::{set_up, setup_error};

    #[test]
    fn a_size_that_is_none_is_refused() {
        for (words, error) in [
            ("511", "2:9: error: plugin/bufsize: invalid number \"511\""),
            (
                "4097",
                "2:9: error: plugin/bufsize: invalid number \"4097\"",
            ),
            ("x", "2:9: error: plugin/bufsize: invalid number \"x\""),
            (
                "512 512",
                "2:13: error: plugin/bufsize: Wrong argument count or unexpected line ending after '512'",
            ),
        ] {
            let found = setup_error(&format!("bufsize {words}"));
            assert_eq!(found, format!("Corefile:{error}"), "{words}");
        }
    }

    #[test]
    fn only_the_first_directive_counts() {
        let corefile = ". {\n bufsize 512\n bufsize none\n}";
        let done = set_up(corefile, "bufsize", &mut Shared::default(), |setup| {
            super::setup(setup)
        });
        done.value.unwrap();
        assert_eq!(done.plugins.len(), 1);
    }
}
