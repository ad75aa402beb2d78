//! What is wrong with a Corefile, said to the person who wrote it: what, where, and what to do.
//!
//! A [`Diagnostic`] is a value. Its [`Display`](fmt::Display) is plain text:
//!
//! ```text
//! Corefile:3:5: error: Unknown directive 'forwrd'
//!    3 |     forwrd . /etc/resolv.conf
//!      |     ^^^^^^
//!      = help: did you mean 'forward'?
//! ```

mod render;

use std::fmt;

use super::Corefile;
use super::place::Place;

/// The longest message, in characters.
const MAX_MESSAGE: usize = 400;

/// Whether a [`Diagnostic`] stops the Corefile from being used. The gravest is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The Corefile cannot be used.
    Error,
    /// The Corefile is used; it may not mean what its writer thinks.
    Warning,
    /// Worth to be known, and in most Corefiles as it is meant.
    Hint,
}

/// One thing that is wrong, or odd, and where.
#[derive(Clone)]
pub struct Diagnostic(Box<Content>);

/// What a [`Diagnostic`] holds, in a box: it is the error of many small functions.
#[derive(Clone)]
struct Content {
    severity: Severity,
    rule: Option<&'static str>,
    message: String,
    place: Option<Place>,
    label: Option<String>,
    help: Option<String>,
    notes: Vec<(Place, String)>,
}

impl Diagnostic {
    /// An error with no place yet.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// A warning with no place yet.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    /// A hint with no place yet.
    #[must_use]
    pub fn hint(message: impl Into<String>) -> Self {
        Self::new(Severity::Hint, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        Self(Box::new(Content {
            severity,
            rule: None,
            message: one_line(&message),
            place: None,
            label: None,
            help: None,
            notes: Vec::new(),
        }))
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.0.place = Some(place.clone());
        self
    }

    /// Says, beside the underlined place, what would be right there and what stands there.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        self.0.label = Some(one_line(&format!("expected {expected}, found {found}")));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Points to another place that has to do with it.
    #[must_use]
    pub fn note(mut self, place: &Place, note: impl Into<String>) -> Self {
        self.0.notes.push((place.clone(), note.into()));
        self
    }

    /// Puts `prefix: ` before the message: `plugin/cache`, say.
    #[must_use]
    pub fn prefixed(mut self, prefix: impl fmt::Display) -> Self {
        self.0.message = format!("{prefix}: {}", self.0.message);
        self
    }

    /// Says how grave it is after all.
    #[must_use]
    pub fn graded(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// Says by a short name, for machines, what kind of finding it is: `never-runs`, say.
    #[must_use]
    pub fn rule(mut self, rule: &'static str) -> Self {
        self.0.rule = Some(rule);
        self
    }

    /// The kind of finding; the word for its severity where it has no name of its own.
    #[must_use]
    pub fn rule_name(&self) -> &'static str {
        self.0.rule.unwrap_or_else(|| self.severity().word())
    }

    /// Whether it stops the Corefile from being used.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// What is wrong, in one line, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where, unless it is about no place in a file.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What to do, where that is known.
    #[must_use]
    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// What would be right at the place, and what stands there.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// Other places that have to do with it, and how.
    pub fn notes(&self) -> impl Iterator<Item = (&Place, &str)> {
        let notes = self.0.notes.iter();
        notes.map(|(place, note)| (place, note.as_str()))
    }

    /// The first line of the text: `FILE:LINE:COLUMN: error: MESSAGE`, for a log of lines.
    #[must_use]
    pub fn headline(&self) -> String {
        render::headline(self.place(), self.severity().word(), self.message())
    }

    /// Whether both say the same about the same place.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same_place = match (self.place(), other.place()) {
            (Some(one), Some(two)) => one.is_same(two),
            (None, None) => true,
            _ => false,
        };
        same_place && self.message() == other.message()
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())
    }
}

impl std::error::Error for Diagnostic {}

impl Severity {
    /// The word for texts.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

/// Why a Corefile cannot be used: at least one error, and the warnings found on the way.
#[derive(Clone, Debug)]
pub struct Errors {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    readable: Option<Box<Corefile>>,
}

impl Errors {
    /// The errors that were found, and the warnings. There should be an error among them.
    #[must_use]
    pub fn new(errors: Vec<Diagnostic>, warnings: Vec<Diagnostic>) -> Self {
        Self {
            errors,
            warnings,
            readable: None,
        }
    }

    /// The same with what could be read all the same.
    #[must_use]
    pub(super) fn beside(mut self, readable: Corefile) -> Self {
        self.readable = Some(Box::new(readable));
        self
    }

    /// What could be read all the same, for errors of the language: lines in which there are some
    /// are left out, so it is good for finding more of them and for nothing else.
    #[must_use]
    pub fn readable(&self) -> Option<&Corefile> {
        self.readable.as_deref()
    }

    /// The errors; the first is the one that CoreDNS would report.
    #[must_use]
    pub fn errors(&self) -> &[Diagnostic] {
        &self.errors
    }

    /// The warnings found beside them.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }
}

impl From<Diagnostic> for Errors {
    fn from(error: Diagnostic) -> Self {
        Self::new(vec![error], Vec::new())
    }
}

/// All errors in full, one after the other, then the warnings: these often name the cause.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.errors.iter().chain(&self.warnings).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// The text as one line of bearable length: words of a Corefile may have lines, and no end.
fn one_line(text: &str) -> String {
    let mut chars = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char });
    let mut line: String = chars.by_ref().take(MAX_MESSAGE).collect();
    if chars.next().is_some() {
        line.push_str("...");
    }
    line
}

/// The word of `known` that `word` is most likely a misspelling of.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let length = word.chars().count();
    // One slip in three letters; a long "word" is no misspelling and would be slow to measure.
    let most = (length / 3).clamp(1, 3);
    if length > 64 {
        return None;
    }
    let known: Vec<&str> = known.into_iter().collect();
    let slips = known
        .iter()
        .map(|candidate| (edits(word, candidate), *candidate));
    let near = slips
        .filter(|(edits, candidate)| *edits <= most && *edits < candidate.chars().count())
        .min_by_key(|(edits, _)| *edits);
    // Or the end is another: 'fallthru'.
    let beginnings = known
        .iter()
        .map(|candidate| (same_start(word, candidate), *candidate));
    let begins = beginnings
        .filter(|(same, _)| *same >= 4 && same * 3 >= length * 2)
        .max_by_key(|(same, _)| *same);
    near.or(begins).map(|(_, candidate)| candidate)
}

/// How many letters both start with.
fn same_start(one: &str, two: &str) -> usize {
    let letters = one.chars().zip(two.chars());
    letters.take_while(|(one, two)| one == two).count()
}

/// How many letters must be put in, left out, replaced or swapped with the next one to make `one`
/// into `two`.
fn edits(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=two.len()).collect();
    let mut last = None;
    for (index, letter) in one.chars().enumerate() {
        let mut row = vec![index + 1];
        for (column, other) in two.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let replaced = at(&above, column) + usize::from(letter != *other);
            let mut least = replaced
                .min(at(&row, column) + 1)
                .min(at(&above, column + 1) + 1);
            let left = column.checked_sub(1);
            if let Some(left) = left
                && last == Some(*other)
                && two.get(left) == Some(&letter)
            {
                least = least.min(at(&before, left).saturating_add(1));
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
        last = Some(letter);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
