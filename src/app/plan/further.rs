//! The errors of a directive behind its first one.
//!
//! A setup ends at the first thing that is wrong. As it is pure it can be tried again without that
//! line, and so tells the next one, until nothing is left to tell.

use crate::corefile::{Diagnostic, Directive};

/// So many errors of one directive are told.
const MOST: usize = 20;

/// All errors of a directive whose setup failed with `first`, that one first. `set_up` tries a
/// directive.
pub(super) fn errors(
    directive: &Directive,
    first: Diagnostic,
    mut set_up: impl FnMut(&Directive) -> Result<(), Diagnostic>,
) -> Vec<Diagnostic> {
    let mut rest = without(directive, &first);
    let mut errors = vec![first];
    while let Some(directive) = rest
        && errors.len() < MOST
    {
        let Err(error) = set_up(&directive) else {
            break;
        };
        if is_about_what_is_missing(&directive, &error) {
            break;
        }
        rest = without(&directive, &error);
        errors.push(error);
    }
    errors
}

fn without(directive: &Directive, error: &Diagnostic) -> Option<Directive> {
    directive.without_line(error.place()?)
}

/// Whether the error may be there only because a line was left out: an option that must be given
/// is missed at the name of the directive, or at the end of its block.
fn is_about_what_is_missing(directive: &Directive, error: &Diagnostic) -> bool {
    let Some(place) = error.place() else {
        return true;
    };
    let names = directive.occurrences().filter_map(<[_]>::first);
    let ends = directive.tokens().iter().filter(|word| word.text() == "}");
    let mut words = names.chain(ends);
    words.any(|word| word.place().is_same(place))
}
