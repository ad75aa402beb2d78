//! `metadata`: lets the plugins of a block tell each other what they know about a query.
//!
//! The directive only says for which names; the server hands out values when a plugin reads one
//! (see [`crate::query::Metadata`]).

use super::setup::{Setup, SetupError};
use crate::chain::{Next, Plugin, Reply};
use crate::query::Query;

/// Reads `metadata [ZONES...]`.
///
/// # Errors
/// There are options, or the directive stands in the block twice.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    let zones = setup.zones(&cursor.remaining_args());
    if cursor.next_block().is_some() {
        return Err(cursor.arg_err().help("this plugin has no options"));
    }
    if cursor.next_token().is_some() {
        return Err(cursor
            .arg_err()
            .help("write all zones into one line: metadata ZONE ZONE"));
    }
    setup.block.metadata = Some(zones.into());
    setup.push(Metadata);
    Ok(())
}

/// Where the directive stands in the chain; it passes every query on.
struct Metadata;

impl Plugin for Metadata {
    fn name(&self) -> &'static str {
        "metadata"
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        next.serve(query)
    }
}

#[cfg(test)]
mod tests;
