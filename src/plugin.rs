//! The plugins: one list, whose order is the chain's order whatever a Corefile says.
//!
//! A plugin is one file here, one line in [`REGISTRY`], and one page in `docs/plugins`.

pub mod cache;
pub mod setup;

use setup::{Setup, SetupError};

/// A directive and the plugin behind it.
pub struct Entry {
    /// The directive's name.
    pub name: &'static str,
    /// Reads the directive and adds to the block's chain.
    pub setup: fn(&mut Setup<'_>) -> Result<(), SetupError>,
}

/// All plugins, in the order in which a query meets them.
pub const REGISTRY: &[Entry] = &[];
