//! Corefiles for tests: of plugins' setup functions too.

use super::{Corefile, Errors, Input, Memory, ServerBlock};
use crate::check::CHAIN;

/// The Corefile `text`, with no files and variables around it.
pub(crate) fn load(text: &str) -> Result<Corefile, Errors> {
    Corefile::load(Input::text("Corefile", text), &Memory::default(), CHAIN)
}

/// A server block with the key `.` and the lines of `body`, of which the first is line 1.
///
/// # Panics
/// The language of the lines is wrong.
pub(crate) fn block(body: &str) -> ServerBlock {
    let corefile = load(&format!(". {{ {body}\n}}")).unwrap();
    corefile.blocks()[0].clone()
}
