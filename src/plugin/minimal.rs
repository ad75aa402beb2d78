//! `minimal`: answers without what was not asked for.
#![doc = include_str!("../../docs/plugins/minimal.md")]

use std::sync::Arc;

use super::log::class::Kind;
use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Body, RecordsBuilder, Section};
use crate::chain::{Outcome, Plugin};
use crate::query::Query;

/// Reads `minimal`.
///
/// # Errors
/// There are arguments.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    if cursor.next_arg().is_some() {
        return Err(cursor.arg_err());
    }
    setup.push(Minimal);
    Ok(())
}

/// See the module.
struct Minimal;

impl Plugin for Minimal {
    fn name(&self) -> &'static str {
        "minimal"
    }

    fn edits(&self) -> bool {
        true
    }

    fn edit(&self, query: &Query<'_>, outcome: &mut Outcome) {
        if let Outcome::Answer(answer) = outcome {
            shorten(answer, query);
        }
    }
}

/// Leaves of an answer that has one the answer section alone.
fn shorten(answer: &mut Answer, query: &Query<'_>) {
    let is_short = [Section::Authority, Section::Additional]
        .iter()
        .all(|section| answer.count(*section) == 0);
    let has_options = answer
        .extra
        .as_ref()
        .is_some_and(|extra| extra.options.is_some() || extra.error.is_some());
    // A denial's authority section says for how long it holds, a referral's where to go on.
    if is_short && !has_options || Kind::of_answer(answer, query) != Kind::NoError {
        return;
    }
    if let Some(extra) = &mut answer.extra {
        (extra.options, extra.error) = (None, None);
    }
    match &mut answer.body {
        Body::Sets(sets) => sets.retain(|set| set.section == Section::Answer),
        Body::Records(records) => {
            let mut builder = RecordsBuilder::default();
            records.each(&mut |record| {
                if record.section == Section::Answer {
                    builder.push(&record);
                }
            });
            *records = Arc::new(builder.finish());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::setup_error;

    #[test]
    fn there_are_no_arguments() {
        let error = "Corefile:2:9: error: plugin/minimal: Wrong argument count or unexpected line ending after 'all'";
        assert_eq!(setup_error("minimal all"), error);
    }
}
