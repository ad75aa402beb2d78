//! The reader of a directive's words, for the setup functions of plugins.
//!
//! Its steps are those of caddy's `Dispenser`, so that a setup reads exactly what CoreDNS's does,
//! in odd files too. The usual shape:
//!
//! ```
//! # use callsign::corefile::{Corefile, Diagnostic, Input, Memory};
//! # let input = Input::text("Corefile", ". {\n health :8080 {\n lameduck 5s\n }\n}");
//! # let corefile = Corefile::load(input, &Memory::default(), &["health"]).unwrap();
//! # let directive = corefile.blocks()[0].directive("health").unwrap();
//! let mut cursor = directive.cursor();
//! while cursor.next_token().is_some() {               // each occurrence of the name
//!     match cursor.remaining_args().as_slice() {
//!         [] => {}
//!         [address] => { address.listen_address()?; }
//!         _ => return Err(cursor.arg_err()),
//!     }
//!     while let Some(option) = cursor.next_block() {   // each line of the block
//!         match option.text() {
//!             "lameduck" => match cursor.remaining_args().as_slice() {
//!                 [duration] => { duration.duration()?; }
//!                 _ => return Err(cursor.arg_err()),
//!             },
//!             _ => return Err(cursor.unknown_property(&["lameduck"])),
//!         }
//!     }
//! }
//! # Ok::<(), Diagnostic>(())
//! ```

use super::diagnostic::{Diagnostic, nearest};
use super::lexer::{Gap, Token};

/// A place among the words of a directive: before the first one, or at one of them.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    tokens: &'a [Token],
    /// How many words are read; the last of them is the current one.
    read: usize,
    nesting: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(tokens: &'a [Token]) -> Self {
        Self {
            tokens,
            read: 0,
            nesting: 0,
        }
    }

    /// The current word; `None` before the first step.
    #[must_use]
    pub fn token(&self) -> Option<&'a Token> {
        self.tokens.get(self.read.checked_sub(1)?)
    }

    /// The text of the current word; empty before the first step.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.token().map_or("", Token::text)
    }

    /// Steps to the next word, wherever it stands. At the end it stays where it is.
    pub fn next_token(&mut self) -> Option<&'a Token> {
        let next = self.tokens.get(self.read)?;
        self.read += 1;
        Some(next)
    }

    /// Steps to the next word if it is on the line of the current one.
    pub fn next_arg(&mut self) -> Option<&'a Token> {
        self.next_after(Gap::Space)
    }

    /// Steps to the next word if it is on a later line than the current one, or in another file.
    pub fn next_line(&mut self) -> Option<&'a Token> {
        self.next_after(Gap::NewLine)
    }

    fn next_after(&mut self, gap: Gap) -> Option<&'a Token> {
        let next = self.tokens.get(self.read)?;
        match self.token() {
            Some(current) if next.gap_after(current) != gap => None,
            _ => self.next_token(),
        }
    }

    /// Steps into the block that opens on this line, and then on through it, word by word:
    /// whatever was left unread of a line is the next word. `None` where no block opens, and at
    /// the `}` that ends it.
    ///
    /// As in caddy, a block in the block is entered in the same way, and `{ }` on one line is
    /// stepped over as if it were the end.
    pub fn next_block(&mut self) -> Option<&'a Token> {
        if self.nesting > 0 {
            let next = self.next_token()?;
            match next.text() {
                // A block in the block: it must open on the line of the word before it.
                "{" => self.read -= 1,
                "}" => {
                    self.nesting -= 1;
                    return None;
                }
                _ => return Some(next),
            }
        }
        if self.next_arg()?.text() != "{" {
            self.read -= 1;
            return None;
        }
        let first = self.next_token()?;
        if first.text() == "}" {
            return None;
        }
        self.nesting += 1;
        Some(first)
    }

    /// Steps over the words left on this line, up to a `{`, and gives them.
    pub fn remaining_args(&mut self) -> Vec<&'a Token> {
        let mut arguments = Vec::new();
        while let Some(argument) = self.next_arg() {
            if argument.text() == "{" {
                self.read -= 1;
                break;
            }
            arguments.push(argument);
        }
        arguments
    }

    /// An error at the current word.
    #[must_use]
    pub fn err(&self, message: impl Into<String>) -> Diagnostic {
        match self.token().or_else(|| self.tokens.first()) {
            Some(token) => token.err(message),
            None => Diagnostic::error(message),
        }
    }

    /// The error for too few or too many arguments on the line of the current word.
    #[must_use]
    pub fn arg_err(&self) -> Diagnostic {
        match self.text() {
            "{" => self.err("Unexpected token '{', expecting argument"),
            text => self.err(wrong_argument_count(text)),
        }
    }

    /// The error for an option that the plugin does not have; `known` are those that it has.
    #[must_use]
    pub fn unknown_property(&self, known: &[&str]) -> Diagnostic {
        let text = self.text();
        let error = self.err(format!("unknown property '{text}'"));
        match nearest(text, known.iter().copied()) {
            Some(known) => error.help(format!("did you mean '{known}'?")),
            None if known.is_empty() => error.help("this plugin has no options"),
            None => error.help(format!("the options are: {}", known.join(", "))),
        }
    }

    /// Goes to the name of a directive that may stand in a server block once; false at the end of it.
    ///
    /// # Errors
    /// Words are left, which CoreDNS takes for another occurrence: those behind a brace too many.
    pub fn next_once(&mut self) -> Result<bool, Diagnostic> {
        let is_first = self.token().is_none();
        let Some(left) = self.next_token() else {
            return Ok(false);
        };
        if is_first {
            return Ok(true);
        }
        let error = self.err(format!(
            "unexpected '{}' behind the end of the directive",
            left.text()
        ));
        Err(error.help("check the braces: the options of this plugin have none of their own"))
    }

    /// The error for a directive that may stand in a server block once, at its second occurrence.
    #[must_use]
    pub fn used_twice(&self) -> Diagnostic {
        let error = self.err("this plugin can only be used once per Server Block");
        match self.tokens.first() {
            Some(first) => error.note(first.place(), "it is used here already"),
            None => error,
        }
    }
}

/// caddy's words for too few or too many arguments behind `text`.
pub(super) fn wrong_argument_count(text: &str) -> String {
    format!("Wrong argument count or unexpected line ending after '{text}'")
}

impl Token {
    /// An error at this word.
    #[must_use]
    pub fn err(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(message).at(self.place())
    }
}

#[cfg(test)]
mod tests;
