//! Placeholder until the language lands.
/// A diagnostic.
#[derive(Debug)]
pub struct Diagnostic;
/// A cursor over a directive's tokens.
pub struct Args<'a>(&'a [u8]);
