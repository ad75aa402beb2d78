//! The errors of a directive behind its first one.
//!
//! A setup ends at the first thing that is wrong. As it is pure it can be tried again without that
//! line, and so tells the next one, until nothing is left to tell.

use crate::corefile::{Diagnostic, Directive, Place, Token};
use crate::plugin::{is_swallowed, is_unknown_option};

/// So many errors of one directive are told.
const MOST: usize = 20;

/// All errors of a directive whose setup failed with `first`, that one first. `set_up` tries a
/// directive. Behind a directive that stands as an option, for want of a `}` above it, options that
/// there are not are not told: they are those of other directives.
pub(super) fn errors(
    directive: &Directive,
    first: Diagnostic,
    mut set_up: impl FnMut(&Directive) -> Result<(), Diagnostic>,
) -> Vec<Diagnostic> {
    let mut touched = Vec::new();
    let mut rest = without(directive, first.place(), &mut touched);
    let mut last = first.clone();
    let mut swallows = is_swallowed(&first);
    let mut errors = vec![first];
    while let Some(directive) = rest
        && errors.len() < MOST
    {
        let Err(error) = set_up(&directive) else {
            break;
        };
        // What stands on the line of a brace is not left out with it.
        if last.is_same(&error) {
            break;
        }
        last = error.clone();
        rest = match is_about_what_was_left_out(&directive, &error, &touched) {
            Some(name) => directive.without_line(name),
            None => {
                let rest = without(&directive, error.place(), &mut touched);
                if !(swallows && is_unknown_option(&error)) {
                    swallows |= is_swallowed(&error);
                    errors.push(error);
                }
                rest
            }
        };
    }
    errors
}

/// The directive without the line of a place; the occurrence that it was in is noted.
fn without(
    directive: &Directive,
    place: Option<&Place>,
    touched: &mut Vec<Place>,
) -> Option<Directive> {
    touched.extend(occurrence(directive, place?).map(|name| name.place().clone()));
    directive.without_line(place?)
}

/// Whether an error may be there only because a line was left out: an option that must be given is
/// missed at the name of its occurrence, or at the end of its block. If so, where the name stands.
fn is_about_what_was_left_out<'d>(
    directive: &'d Directive,
    error: &Diagnostic,
    touched: &[Place],
) -> Option<&'d Place> {
    let name = occurrence(directive, error.place()?)?.place();
    let is_touched = touched.iter().any(|touched| touched.is_same(name));
    let mut ends = directive.tokens().iter().filter(|word| word.text() == "}");
    let is_at_edge = error
        .place()
        .is_some_and(|place| place.is_same(name) || ends.any(|end| end.place().is_same(place)));
    (is_touched && is_at_edge).then_some(name)
}

/// The name that starts the occurrence in which a place is.
fn occurrence<'d>(directive: &'d Directive, place: &Place) -> Option<&'d Token> {
    let mut occurrences = directive.occurrences();
    let around = occurrences.find(|words| words.iter().any(|word| word.place().is_same(place)));
    around?.first()
}
