//! `header`: sets and clears flags of requests on their way down, of replies on their way up.
#![doc = include_str!("../../docs/plugins/header.md")]

use std::sync::Arc;

use super::setup::{Setup, SetupError};
use crate::chain::{Next, Outcome, Plugin, Reply};
use crate::corefile::{Cursor, Token};
use crate::query::{Query, Request};
use crate::wire::Flags;

/// Flags to set and flags to clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    set: Flags,
    clear: Flags,
}

/// What the directive says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rules {
    query: Option<Change>,
    response: Option<Change>,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["query", "response"];

/// Reads `header { query|response set|clear FLAG... }`.
///
/// # Errors
/// There is no rule, or one that is none.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    while cursor.next_token().is_some() {
        let mut rules = Rules::default();
        while let Some(word) = cursor.next_block() {
            rules.read(word, &mut cursor)?;
        }
        // As in CoreDNS, the first directive that has a rule is the one that counts.
        if rules != Rules::default() {
            setup.push(Header {
                rules: Arc::new(rules),
            });
            return Ok(());
        }
    }
    let help = "write a block of lines like: response set ra";
    Err(cursor.arg_err().help(help))
}

impl Rules {
    fn read(&mut self, word: &Token, cursor: &mut Cursor<'_>) -> Result<(), SetupError> {
        let selector = word.text().to_lowercase();
        let change = match selector.as_str() {
            "query" => &mut self.query,
            "response" => &mut self.response,
            other => {
                let message = format!("invalid selector={other} should be query or response");
                let error = word.err(format!("setting up rule: {message}"));
                return Err(error.help("write response set aa, or query clear rd"));
            }
        };
        let Some(action) = cursor.next_arg() else {
            let error = word.err("setting up rule: no flag action provided");
            return Err(error.help("write set or clear, and flags after it"));
        };
        let flags = cursor.remaining_args();
        if flags.is_empty() {
            let message = "invalid length for flags, at least one should be provided";
            let error = action.err(format!("setting up rule: {message}"));
            return Err(error.help("the flags are aa, ra and rd"));
        }
        let change = change.get_or_insert_default();
        for flag in flags {
            change.add(action, flag)?;
        }
        Ok(())
    }
}

impl Change {
    /// Adds a flag; what is said last of it counts.
    fn add(&mut self, action: &Token, flag: &Token) -> Result<(), SetupError> {
        let named = match flag.text().to_lowercase().as_str() {
            "aa" => Flags::AA,
            "ra" => Flags::RA,
            "rd" => Flags::RD,
            other => {
                let message = format!("setting up rule: unknown/unsupported flag={other}");
                return Err(flag.err(message).help("the flags are aa, ra and rd"));
            }
        };
        match action.text().to_lowercase().as_str() {
            "set" => {
                *self = Self {
                    set: self.set.with(named),
                    clear: self.clear.without(named),
                }
            }
            "clear" => {
                *self = Self {
                    set: self.set.without(named),
                    clear: self.clear.with(named),
                }
            }
            other => {
                let message = format!("unknown flag action={other}, should be set or clear");
                return Err(action.err(format!("setting up rule: {message}")));
            }
        }
        Ok(())
    }

    #[inline]
    fn apply(self, flags: Flags) -> Flags {
        flags.with(self.set).without(self.clear)
    }
}

/// See the module.
struct Header {
    rules: Arc<Rules>,
}

impl Plugin for Header {
    fn name(&self) -> &'static str {
        "header"
    }

    /// Without a rule for queries.
    fn edits(&self) -> bool {
        self.rules.query.is_none()
    }

    fn edit(&self, query: &Query<'_>, outcome: &mut Outcome) {
        self.rules.answer(query, outcome);
    }

    #[inline]
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let change = self.rules.query.unwrap_or_default();
        let request = Request {
            flags: change.apply(query.request.flags),
            ..*query.request
        };
        let changed = Query {
            request: &request,
            ..*query
        };
        let mut reply = next.serve(&changed);
        reply.edit(&self.rules, &changed, Rules::answer);
        reply
    }
}

impl Rules {
    #[inline]
    fn answer(&self, query: &Query<'_>, outcome: &mut Outcome) {
        match outcome {
            Outcome::Answer(answer) => {
                if let Some(change) = self.response {
                    answer.flags = change.apply(answer.flags);
                }
            }
            // The server itself answers: by the request as it was changed, past the rules for
            // responses, as in CoreDNS.
            Outcome::Failed(failure) => {
                if self.query.is_some() {
                    failure.flags.get_or_insert_with(|| query.reply_flags());
                }
            }
            Outcome::Transfer(transfer) => {
                if let Some(change) = self.response {
                    *transfer = transfer.take().map(move |mut answer| {
                        answer.flags = change.apply(answer.flags);
                        answer
                    });
                }
            }
            Outcome::Drop => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::setup_error;

    #[test]
    fn what_is_wrong_with_a_rule_is_told_where_it_stands() {
        for (lines, place, message) in [
            (
                "",
                "2:1",
                "Wrong argument count or unexpected line ending after 'header'",
            ),
            (
                "{\n}",
                "3:1",
                "Wrong argument count or unexpected line ending after '}'",
            ),
            (
                "{\nanswer set aa\n}",
                "3:1",
                "setting up rule: invalid selector=answer should be query or response",
            ),
            (
                "{\nquery\n}",
                "3:1",
                "setting up rule: no flag action provided",
            ),
            (
                "{\nquery set\n}",
                "3:7",
                "setting up rule: invalid length for flags, at least one should be provided",
            ),
            (
                "{\nQuery put aa\n}",
                "3:7",
                "setting up rule: unknown flag action=put, should be set or clear",
            ),
            (
                "{\nresponse set aa tc\n}",
                "3:17",
                "setting up rule: unknown/unsupported flag=tc",
            ),
        ] {
            let error = setup_error(&format!("header {lines}"));
            assert_eq!(
                error,
                format!("Corefile:{place}: error: plugin/header: {message}"),
                "{lines}"
            );
        }
    }
}
