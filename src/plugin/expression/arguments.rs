//! Calls of functions: whether there is one, and whether it takes what it is given.

use std::ops::Range;

use super::Fault;
use super::check::Code;
use super::function::{self, Signature, Takes};
use super::node::Node;
use super::value::Type;
use crate::corefile::nearest;

/// Whether a function takes what it is given.
pub(super) fn check(
    signature: &Signature,
    nodes: &[Node],
    given: &[(Code, Type)],
    at: &Range<usize>,
) -> Result<(), Fault> {
    let Signature { name, takes, .. } = signature;
    let least = takes.len() - signature.optional;
    if given.len() < least {
        let message = format!("not enough arguments to call {name}");
        return Err(Fault::new(message, at.clone()));
    }
    if given.len() > takes.len() && !signature.more {
        let message = format!("too many arguments to call {name}");
        return Err(Fault::new(message, at.clone()));
    }
    let takes = takes.iter().chain(std::iter::repeat_n(
        takes.last().unwrap_or(&Takes::Any),
        given.len().saturating_sub(takes.len()),
    ));
    for ((node, (_, given)), takes) in nodes.iter().zip(given).zip(takes) {
        if !takes.fits(given) {
            let wanted = takes.word();
            let message = format!("cannot use {given} as argument (type {wanted}) to call {name}");
            return Err(Fault::new(message, node.at.clone()));
        }
    }
    Ok(())
}

/// The fault of a call of no function.
pub(super) fn unknown_function(name: &str, groups: bool, at: &Range<usize>) -> Fault {
    if function::is_absent(name) {
        let message = format!("callsign does not have the function {name} of expr-lang");
        let help = "docs/plugins/view.md lists the functions that there are";
        return Fault::new(message, at.clone()).help(help);
    }
    let fault = Fault::new(format!("unknown name {name}"), at.clone());
    let names = function::OF_QUERY.iter().chain(function::BUILTIN);
    let names = names.map(|signature| signature.name);
    let names = names.chain(super::parser::EACH.iter().copied());
    let names = names.chain(groups.then_some(function::GROUP.name));
    match nearest(name, names) {
        Some(known) => fault.help(format!("did you mean '{known}'?")),
        None => fault,
    }
}
