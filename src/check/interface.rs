//! Interfaces that this machine does not have.
//!
//! Where a server is to run, a name that is no interface keeps it from starting. That the Corefile
//! may be for another machine is why this is no error.

use std::net::IpAddr;
use std::path::Path;

use super::usage::Block;
use crate::corefile::{Diagnostic, Environment, Token, nearest};
use crate::plugin::bind::can_be_host;

/// A name in a `bind` that is no interface here.
pub(super) const MISSING_INTERFACE: &str = "missing-interface";

/// Where Linux has an entry for each interface.
const FOLDER: &str = "/sys/class/net";

/// Finds them in one block.
pub(super) fn find(
    block: &Block<'_>,
    environment: &dyn Environment,
    findings: &mut Vec<Diagnostic>,
) {
    let binds = block.of_name("bind");
    let words = binds.flat_map(|bind| {
        let except = bind.options("except").flat_map(|line| &line.args);
        bind.args.iter().chain(except)
    });
    // What is no host on any machine is an error of the plugin.
    let mut named = words.filter(|word| {
        let text = word.text();
        text.parse::<IpAddr>().is_err() && can_be_host(text)
    });
    let Some(first) = named.next() else { return };
    // A system that does not tell its interfaces there is asked nothing.
    let Ok(known) = environment.list(Path::new(FOLDER)) else {
        return;
    };
    let missing = std::iter::once(first).chain(named);
    let missing = missing.filter(|word| !known.iter().any(|known| known == word.text()));
    findings.extend(missing.map(|word| finding(word, &known)));
}

fn finding(word: &Token, known: &[String]) -> Diagnostic {
    let text = word.text();
    let finding = Diagnostic::warning(format!(
        "{text}: no such interface on this machine, where callsign would not start"
    ));
    let finding = finding.at(word.place()).rule(MISSING_INTERFACE);
    match nearest(text, known.iter().map(String::as_str)) {
        Some(known) => finding.help(format!("did you mean '{known}'?")),
        None => finding.help("check again where the server is to run, or write its addresses"),
    }
}
