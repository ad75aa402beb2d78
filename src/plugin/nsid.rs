//! `nsid`: tells clients that ask for it which server answers (RFC 5001).
#![doc = include_str!("../../docs/plugins/nsid.md")]

use std::sync::Arc;

use super::setup::{Setup, SetupError, hostname};
use crate::answer::Answer;
use crate::chain::{Outcome, Plugin};
use crate::query::{Opt, Query};
use crate::wire::options::{self, Options};

/// The option's code.
const NSID: u16 = 3;
/// The longest name that fits into an OPT record beside other options.
const LONGEST: usize = 4096;

/// Reads `nsid [DATA...]`.
///
/// # Errors
/// The directive stands twice, or DATA is too long.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    let words = cursor.remaining_args();
    let data = match words.as_slice() {
        [] => hostname(),
        words => {
            let words: Vec<_> = words.iter().map(|word| word.text()).collect();
            words.join(" ")
        }
    };
    cursor.next_once()?;
    if data.len() > LONGEST {
        let error = cursor.err(format!("the name has {} bytes", data.len()));
        return Err(error.help(format!("write at most {LONGEST}")));
    }
    setup.push(Nsid {
        data: Arc::new(data),
    });
    Ok(())
}

/// See the module.
struct Nsid {
    data: Arc<String>,
}

impl Plugin for Nsid {
    fn name(&self) -> &'static str {
        "nsid"
    }

    fn edits(&self) -> bool {
        true
    }

    fn edit(&self, query: &Query<'_>, outcome: &mut Outcome) {
        let is_asked = |opt: Opt<'_>| options::find(opt.options, NSID).is_some();
        if !query.opt.is_some_and(is_asked) {
            return;
        }
        match outcome {
            Outcome::Answer(answer) => tell(answer, &self.data),
            Outcome::Transfer(transfer) => {
                let data = self.data.clone();
                *transfer = transfer.take().map(move |mut answer| {
                    tell(&mut answer, &data);
                    answer
                });
            }
            // What the server itself answers has no option, as in CoreDNS.
            Outcome::Failed(_) | Outcome::Drop => {}
        }
    }
}

/// Puts the option into a reply, in place of one that an upstream sent.
fn tell(answer: &mut Answer, data: &str) {
    let options = answer.extra_mut().options.take().unwrap_or_default();
    let mut options = Options::from(options);
    let done = match options.find(NSID) {
        Some(place) => options.replace(place, NSID, data.as_bytes()).map(drop),
        None => options.push(NSID, data.as_bytes()),
    };
    // Where an upstream filled its OPT to the brim there is no room, and nothing to be done.
    let _ = done;
    answer.extra_mut().options = Some(options.into_bytes());
}

#[cfg(test)]
mod tests {
    use crate::testing::setup_error;

    #[test]
    fn what_cannot_be_used_is_told() {
        for (lines, message) in [
            (
                "nsid a\nnsid b",
                "3:1: error: plugin/nsid: this plugin can only be used once per Server Block",
            ),
            (
                &format!("nsid {}", "x".repeat(4097)),
                "2:6: error: plugin/nsid: the name has 4097 bytes",
            ),
        ] {
            assert_eq!(setup_error(lines), format!("Corefile:{message}"));
        }
    }
}
