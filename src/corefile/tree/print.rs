//! The tree as a Corefile: what is read from the text is the same tree, but for the places.
//!
//! Variables and imports stay replaced, and comments are gone. Three things cannot be written,
//! since no text means them; they come from variables or from snippets in an unusual order:
//!
//! - a word that needs quotes and has an odd number of backslashes before a `"` or at its end;
//! - `import` as the first word of a line, a brace, or `{$NAME}`, where they are variables' values;
//! - a word on an earlier line than the word before it, if it is outside of braces or `import`: it
//!   is put on the same line, so that it stays an argument.

use std::fmt::{self, Write};

use super::{Directive, ServerBlock};
use crate::corefile::lexer::Gap;

/// One step of indentation.
const INDENT: &str = "    ";

impl fmt::Display for ServerBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A first word `import` would be one; an empty word before it is no key, and prevents it.
        if self.keys.first().is_some_and(|key| key.text == "import") {
            f.write_str("\"\" ")?;
        }
        for (index, key) in self.keys.iter().enumerate() {
            match index + 1 == self.keys.len() {
                false => {
                    write_word(f, &format!("{},", key.text))?;
                    f.write_char(' ')?;
                }
                true => write_word(f, &key.text)?,
            }
        }
        // A key like a snippet's name is one at the end of a file only, and without braces.
        let is_snippet_name = match self.keys.as_slice() {
            [key] => super::super::parser::snippet_name(&key.text).is_some(),
            _ => false,
        };
        if is_snippet_name && self.directives.is_empty() {
            return f.write_char('\n');
        }
        f.write_str(" {\n")?;
        for directive in &self.directives {
            directive.fmt(f)?;
        }
        f.write_str("}\n")
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nesting = 1_usize;
        for (index, (gap, text)) in self.words().enumerate() {
            nesting = nesting.saturating_sub(usize::from(text == "}"));
            let is_start = self.starts.binary_search(&index).is_ok();
            match gap {
                _ if index == 0 => f.write_str(INDENT)?,
                Gap::Back if text == "import" => f.write_char(' ')?,
                Gap::Back if nesting == 1 && !is_start => f.write_char(' ')?,
                Gap::NewLine | Gap::Back => {
                    f.write_char('\n')?;
                    (0..nesting).try_for_each(|_| f.write_str(INDENT))?;
                }
                Gap::Space => f.write_char(' ')?,
            }
            nesting += usize::from(text == "{");
            write_word(f, text)?;
        }
        f.write_char('\n')
    }
}

/// A word, in quotes where it would not be one word without.
fn write_word(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let needs_quotes = text.is_empty()
        || text.starts_with(['"', '\u{feff}'])
        || text.contains(|char: char| char.is_whitespace() || char == '#');
    match needs_quotes {
        true => write!(f, "\"{}\"", text.replace('"', "\\\"")),
        false => f.write_str(text),
    }
}
