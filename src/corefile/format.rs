//! A Corefile's text with the same indentation and spacing everywhere.
//!
//! It works on words and comments as they are written, not on the tree: no line is split or
//! joined, no word is changed, so the text means what it meant. What changes is white space: four
//! spaces for each brace that is open, one between words, none at the end of a line; at most one
//! blank line, none at the edges of a block, one between blocks.

use std::sync::Arc;

use super::lexer::lex;
use super::place::Source;

/// One step of indentation.
const INDENT: &str = "    ";

const BYTE_ORDER_MARK: char = '\u{feff}';

/// A word or a comment, as it is written.
struct Atom<'t> {
    text: &'t str,
    /// The line breaks before it.
    breaks: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Open,
    Close,
    Comment,
    /// From a quote that is never closed to the end of the text.
    Unclosed,
}

/// Formats a Corefile's text. It has the same words and comments afterwards, on lines of the same
/// order, and formatting it again changes nothing.
#[must_use]
pub fn format(text: &str) -> String {
    let mut printer = Printer::default();
    let atoms = atoms(text);
    // The first of a text is no part of a word, so this one needs another before it.
    if atoms
        .first()
        .is_some_and(|atom| atom.text.starts_with(BYTE_ORDER_MARK))
    {
        printer.text.push(BYTE_ORDER_MARK);
    }
    for atom in atoms {
        printer.atom(&atom);
    }
    printer.finish()
}

/// The words and comments of a text.
fn atoms(text: &str) -> Vec<Atom<'_>> {
    let source = Arc::new(Source::new(String::new(), "/".into(), text.to_owned()));
    let lexed = lex(&source);
    let mut atoms = Vec::new();
    let mut rest = 0;
    let mut breaks = 0;
    let unclosed = lexed.unclosed_quote.map(|quote| quote.bytes().start);
    for token in &lexed.tokens {
        let bytes = token.place().bytes();
        if Some(bytes.start) == unclosed {
            break;
        }
        gap(text.get(rest..bytes.start), &mut breaks, &mut atoms);
        // A comment that starts inside of a word ends with the word, and is one with it.
        let end = match token.is_quoted() {
            true => bytes.end,
            false => {
                let behind = text.get(bytes.end..).unwrap_or_default();
                let length = behind.find(|c: char| c.is_whitespace() && c != '\r');
                bytes.end + length.unwrap_or(behind.len())
            }
        };
        rest = end;
        atoms.push(Atom {
            text: text.get(bytes.start..end).unwrap_or_default(),
            breaks: std::mem::take(&mut breaks),
            kind: match token.text() {
                "{" => Kind::Open,
                "}" => Kind::Close,
                _ => Kind::Word,
            },
        });
    }
    let end = unclosed.unwrap_or(text.len());
    gap(text.get(rest..end), &mut breaks, &mut atoms);
    if let Some(quote) = unclosed {
        atoms.push(Atom {
            text: text.get(quote..).unwrap_or_default(),
            breaks,
            kind: Kind::Unclosed,
        });
    }
    atoms
}

/// Adds the comments between two words, and counts the line breaks behind the last of them.
fn gap<'t>(text: Option<&'t str>, breaks: &mut usize, atoms: &mut Vec<Atom<'t>>) {
    for (index, line) in text.unwrap_or_default().split('\n').enumerate() {
        *breaks += usize::from(index > 0);
        let Some(start) = line.find('#') else {
            continue;
        };
        atoms.push(Atom {
            text: line.get(start..).unwrap_or_default().trim_end(),
            breaks: std::mem::take(breaks),
            kind: Kind::Comment,
        });
    }
}

/// The text so far.
#[derive(Default)]
struct Printer {
    text: String,
    /// The braces that are open.
    depth: usize,
    last: Option<Kind>,
    /// Whether the last line so far closes a block that no other is around.
    closes_block: bool,
}

impl Printer {
    fn atom(&mut self, atom: &Atom<'_>) {
        if atom.kind == Kind::Close {
            self.depth = self.depth.saturating_sub(1);
        }
        match (self.last, atom.breaks) {
            (None, _) => {}
            (_, 0) => self.text.push(' '),
            (last, breaks) => {
                let at_edge = last == Some(Kind::Open) || atom.kind == Kind::Close;
                let between_blocks = self.closes_block && self.depth == 0;
                let is_blank = !at_edge && (breaks > 1 || between_blocks);
                self.text.push_str(if is_blank { "\n\n" } else { "\n" });
                self.closes_block = false;
                (0..self.depth).for_each(|_| self.text.push_str(INDENT));
            }
        }
        // White space as it is in a quoted word; elsewhere a carriage return is nothing.
        match atom.text.starts_with('"') {
            true => self.text.push_str(atom.text),
            false => self
                .text
                .extend(atom.text.chars().filter(|char| *char != '\r')),
        }
        match atom.kind {
            Kind::Open => self.depth += 1,
            Kind::Close => self.closes_block = self.depth == 0,
            _ => {}
        }
        // A brace with a comment behind it is still the edge of a block.
        let is_trailing = atom.kind == Kind::Comment && atom.breaks == 0;
        if !(is_trailing && self.last == Some(Kind::Open)) {
            self.last = Some(atom.kind);
        }
    }

    fn finish(mut self) -> String {
        if !self.text.is_empty() && self.last != Some(Kind::Unclosed) {
            self.text.push('\n');
        }
        self.text
    }
}

#[cfg(test)]
mod tests;
