//! A diagnostic as text: plain, no colours, no tabs expanded.

use std::fmt;

use super::Diagnostic;
use crate::corefile::place::{Import, Place};

/// The most characters of a source line that are shown.
const MAX_SHOWN: usize = 160;
/// Of them, how many before the place.
const MAX_BEFORE: usize = 80;
/// The most imports that are shown, from the innermost out.
const MAX_IMPORTS: usize = 8;

/// `FILE:LINE:COLUMN: WORD: MESSAGE`.
pub(super) fn headline(place: Option<&Place>, word: &str, message: &str) -> String {
    match place {
        Some(place) => format!("{place}: {word}: {message}"),
        None => format!("{word}: {message}"),
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        if let Some(place) = self.place() {
            excerpt(f, place, self.label())?;
        }
        if let Some(help) = self.help_text() {
            writeln!(f, "     = help: {help}")?;
        }
        for (place, note) in self.notes() {
            writeln!(f, "{}", headline(Some(place), "note", note))?;
            excerpt(f, place, None)?;
        }
        Ok(())
    }
}

/// The line of the place, below it the place underlined, with the label, and the imports that led
/// there.
fn excerpt(f: &mut fmt::Formatter<'_>, place: &Place, label: Option<&str>) -> fmt::Result {
    let (line, start) = place.line_of_text();
    let bytes = place.bytes();
    let (from, to) = (
        bytes.start.saturating_sub(start),
        bytes.end.saturating_sub(start),
    );
    let before = line.get(..from).unwrap_or_default();
    // A quoted word may go on below: its first line is enough.
    let word = line.get(from..to.min(line.len())).unwrap_or_default();
    let skipped = before.chars().count().saturating_sub(MAX_BEFORE);
    let shown: String = line
        .trim_end()
        .chars()
        .skip(skipped)
        .take(MAX_SHOWN)
        .map(visible)
        .collect();
    let margin: String = before.chars().skip(skipped).map(blank).collect();
    let width = word.chars().count().clamp(1, MAX_SHOWN - MAX_BEFORE);
    writeln!(f, "{:4} | {shown}", place.line())?;
    write!(f, "     | {margin}{}", "^".repeat(width))?;
    match label {
        Some(label) => writeln!(f, " {label}"),
        None => writeln!(f),
    }?;
    for Import { place, target } in place.imports().take(MAX_IMPORTS) {
        writeln!(f, "     = {target} is imported at {place}")?;
    }
    Ok(())
}

/// A character as it is shown: nothing that could steer the reader's terminal.
fn visible(char: char) -> char {
    match char {
        '\t' => '\t',
        char if char.is_control() => '\u{fffd}',
        char => char,
    }
}

/// What stands under a character, so that the underline stays below its word.
fn blank(char: char) -> char {
    if char == '\t' { '\t' } else { ' ' }
}
