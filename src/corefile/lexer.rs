//! Text to words: the first step of reading a Corefile.
//!
//! The rules are those of caddy 1.1.4, to the last oddity, since files in the field lean on them:
//!
//! - White space separates words. A carriage return is as if it were not there, even inside a word.
//! - `#` starts a comment wherever it stands outside quotes. At the start of a word the comment
//!   ends with the line; **inside a word it ends at the next white space**: `a#b c` is `a`, `c`.
//! - A word that *starts* with `"` ends at the next `"`, may span lines, and knows one escape,
//!   `\"`. The end of the file closes it, and an empty one is then no word.
//! - `{` and `}` mean something only as whole words, which is the parser's affair.

use std::ops::Range;
use std::sync::Arc;

use super::place::{Import, Place, Source};

/// One word, with its place.
#[derive(Clone, Debug)]
pub struct Token {
    text: Arc<str>,
    place: Place,
}

/// How a word stands to the word before it. Three ways, since caddy asks two questions ("is it on
/// the same line?", "is it on a later line?") and both can have the answer no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// On the line on which the word before ends.
    Space,
    /// On a later line, or in another file.
    NewLine,
    /// On an earlier line of the same file: a snippet was imported that stands further down.
    Back,
}

/// The words of a text.
#[derive(Debug)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// The quote that the end of the file closed.
    pub(super) unclosed_quote: Option<Place>,
    /// The first word that follows a comment in a word on its line, and so is none of the comment.
    pub(super) after_comment: Option<Token>,
}

impl Token {
    pub(super) fn new(text: impl Into<Arc<str>>, place: Place) -> Self {
        Self {
            text: text.into(),
            place,
        }
    }

    /// The text: without quotes, with environment variables replaced.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the word stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A part of the text, by bytes: a place within the word. The whole word where quotes with
    /// escapes, or variables, make the text another than what is written.
    #[must_use]
    pub fn part(&self, bytes: Range<usize>) -> Place {
        let written = self.place.source().text().get(self.place.bytes());
        let quote = match written {
            Some(written) if written == &*self.text => 0,
            Some(written)
                if written.starts_with('"')
                    && written.get(1..=self.text.len()) == Some(&*self.text) =>
            {
                1
            }
            _ => return self.place.clone(),
        };
        self.place
            .within(quote, bytes)
            .unwrap_or_else(|| self.place.clone())
    }

    /// Whether it is written in quotes.
    pub(crate) fn is_quoted(&self) -> bool {
        let written = self.place.source().text().get(self.place.bytes());
        written.is_some_and(|written| written.starts_with('"'))
    }

    /// The same word, brought in by `import`.
    pub(super) fn through(&self, import: &Arc<Import>) -> Self {
        Self {
            text: Arc::clone(&self.text),
            place: self.place.through(import),
        }
    }

    /// The same place with another text.
    pub(super) fn with_text(&self, text: &str) -> Self {
        Self::new(text, self.place.clone())
    }

    /// How this word stands to the word before it.
    pub(super) fn gap_after(&self, before: &Self) -> Gap {
        if !self.place.is_same_file(&before.place) {
            return Gap::NewLine;
        }
        let inside = before.text.bytes().filter(|byte| *byte == b'\n').count();
        let ends_on = u64::from(before.place.line()) + inside as u64;
        match u64::from(self.place.line()).cmp(&ends_on) {
            std::cmp::Ordering::Less => Gap::Back,
            std::cmp::Ordering::Equal => Gap::Space,
            std::cmp::Ordering::Greater => Gap::NewLine,
        }
    }
}

/// The words of `source`.
pub(super) fn lex(source: &Arc<Source>) -> Lexed {
    let mut lexer = Lexer {
        source,
        chars: source.text().char_indices().peekable(),
        line: 1,
    };
    // A byte order mark is no part of the first word.
    lexer.chars.next_if(|(_, char)| *char == '\u{feff}');
    let mut lexed = Lexed {
        tokens: Vec::new(),
        unclosed_quote: None,
        after_comment: None,
    };
    let mut commented_line = None;
    loop {
        let token = match lexer.next_token() {
            Found::Token {
                token,
                with_comment,
            } => {
                if lexed.after_comment.is_none() && commented_line == Some(token.place.line()) {
                    lexed.after_comment = Some(token.clone());
                }
                commented_line = with_comment.then(|| token.place.line());
                token
            }
            Found::Unclosed(token, quote) => {
                lexed.tokens.extend(token);
                lexed.unclosed_quote = Some(quote);
                return lexed;
            }
            Found::End => return lexed,
        };
        lexed.tokens.push(token);
    }
}

/// What reading one word gave.
enum Found {
    Token {
        token: Token,
        with_comment: bool,
    },
    /// The end of the file inside quotes: the word if it is not empty, and the quote's place.
    Unclosed(Option<Token>, Place),
    End,
}

struct Lexer<'a> {
    source: &'a Arc<Source>,
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    line: u32,
}

impl Lexer<'_> {
    fn next_token(&mut self) -> Found {
        let mut comment = false;
        while let Some((at, char)) = self.chars.next() {
            match char {
                '\n' => {
                    self.line = self.line.saturating_add(1);
                    comment = false;
                }
                '#' => comment = true,
                _ if comment || char.is_whitespace() => {}
                '"' => return self.quoted(at),
                _ => return self.bare(at, char),
            }
        }
        Found::End
    }

    /// A word without quotes, of which the first character is read.
    fn bare(&mut self, start: usize, first: char) -> Found {
        let line = self.line;
        let mut text = String::from(first);
        let mut end = start + first.len_utf8();
        let mut comment = false;
        while let Some((at, char)) = self
            .chars
            .next_if(|(_, c)| *c == '\r' || !c.is_whitespace())
        {
            comment |= char == '#';
            if !comment && char != '\r' {
                text.push(char);
                end = at + char.len_utf8();
            }
        }
        Found::Token {
            token: Token::new(text, Place::new(self.source, start, end, line)),
            with_comment: comment,
        }
    }

    /// A word in quotes, of which the opening quote is read.
    fn quoted(&mut self, start: usize) -> Found {
        let line = self.line;
        let mut text = String::new();
        let mut escaped = false;
        for (at, char) in self.chars.by_ref() {
            if char == '\n' {
                self.line = self.line.saturating_add(1);
            }
            match char {
                '"' if !escaped => {
                    return Found::Token {
                        token: Token::new(text, Place::new(self.source, start, at + 1, line)),
                        with_comment: false,
                    };
                }
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                // Any other escape is none: its backslash stays.
                _ if escaped && char != '"' => text.push('\\'),
                _ => {}
            }
            text.push(char);
            escaped = false;
        }
        let place = Place::new(self.source, start, self.source.text().len(), line);
        let token = (!text.is_empty()).then(|| Token::new(text, place.clone()));
        Found::Unclosed(token, place)
    }
}

#[cfg(test)]
mod tests;
