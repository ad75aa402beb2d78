//! The plugins: one list, whose order is the chain's order whatever a Corefile says.
//!
//! A plugin is one file here, one line in [`REGISTRY`], and one page in `docs/plugins`.

pub mod bind;
pub mod forward;
pub mod loop_;
pub mod setup;

use crate::corefile::Directive;
use setup::{Setup, SetupError};

/// A directive and the plugin behind it.
pub struct Entry {
    /// The directive's name.
    pub name: &'static str,
    /// Reads the directive and adds to the block's chain.
    pub setup: fn(&mut Setup<'_>) -> Result<(), SetupError>,
}

/// All plugins, in the order in which a query meets them.
pub const REGISTRY: &[Entry] = &[
    Entry {
        name: "bind",
        setup: bind::setup,
    },
    Entry {
        name: "loop",
        setup: loop_::setup,
    },
    Entry {
        name: "forward",
        setup: forward::setup,
    },
];

/// Directives of CoreDNS that callsign does not have, or not yet; with what to use instead.
const MISSING: &[(&str, &str)] = &[];

/// The names that a line of a server block may start with: those of the plugins, and those for
/// which there is an answer of their own.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let missing = MISSING.iter().map(|(name, _)| *name);
    REGISTRY
        .iter()
        .map(|entry| entry.name)
        .chain(missing)
        .collect()
}

/// The error for a directive that callsign knows of and does not have.
#[must_use]
pub fn missing(directive: &Directive) -> Option<SetupError> {
    let (name, instead) = MISSING.iter().find(|(name, _)| *name == directive.name())?;
    let error = SetupError::error(format!("callsign does not have the plugin '{name}'"));
    let place = directive
        .tokens()
        .first()
        .map(crate::corefile::Token::place);
    let error = place.map_or_else(|| error.clone(), |place| error.clone().at(place));
    Some(error.help(*instead))
}
