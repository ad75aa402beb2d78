//! The text of an expression to tokens.

use std::ops::Range;

use crate::plugin::language::{self, Fault, NotQuoted};

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lexeme<'t> {
    pub(super) kind: Kind,
    /// The word as it is written.
    pub(super) text: &'t str,
    pub(super) at: Range<usize>,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Int(i64),
    Float(f64),
    /// Text, its escapes resolved.
    Text(String),
    Name,
    /// Signs, brackets, and the names that are operators.
    Sign,
    End,
}

/// Names that are operators.
const OPERATORS: &[&str] = &[
    "in",
    "or",
    "and",
    "not",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
    "else",
];
/// Signs of two characters; each other sign is one.
const PAIRS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "**", "..", "??", "?.", "::",
];
const SIGNS: &str = "+-*/%^!<>=?:.,;|#()[]{}";

/// The tokens of a text; the last one is its end.
pub(super) fn lex(text: &str) -> Result<Vec<Lexeme<'_>>, Fault> {
    let mut lexer = Lexer { text, at: 0 };
    let mut lexemes = Vec::new();
    loop {
        lexer.skip_blank()?;
        let start = lexer.at;
        let kind = lexer.kind()?;
        let is_end = kind == Kind::End;
        lexemes.push(Lexeme {
            kind,
            text: text.get(start..lexer.at).unwrap_or_default(),
            at: start..lexer.at,
        });
        if is_end {
            return Ok(lexemes);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

fn is_word(char: char) -> bool {
    char == '_' || char == '$' || char.is_alphanumeric()
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault<T>(&self, message: impl Into<String>, length: usize) -> Result<T, Fault> {
        let end = (self.at + length).min(self.text.len());
        Err(Fault::new(message, self.at.min(end)..end))
    }

    /// White space and comments.
    fn skip_blank(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                match trimmed.find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return self.fault("the comment has no end", 2),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn kind(&mut self) -> Result<Kind, Fault> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Kind::End);
        };
        match first {
            '\'' | '"' => self.quoted(first).map(Kind::Text),
            '`' => self.raw().map(Kind::Text),
            '0'..='9' => self.number(),
            '.' if rest
                .get(1..2)
                .is_some_and(|next| next.as_bytes()[..].iter().all(u8::is_ascii_digit)) =>
            {
                self.number()
            }
            first if is_word(first) => {
                let length = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
                let word = rest.get(..length).unwrap_or_default();
                self.at += length;
                Ok(match OPERATORS.contains(&word) {
                    true => Kind::Sign,
                    false => Kind::Name,
                })
            }
            _ => self.sign(first),
        }
    }

    fn sign(&mut self, first: char) -> Result<Kind, Fault> {
        let pair = self.rest().get(..2).unwrap_or_default();
        if PAIRS.contains(&pair) {
            self.at += 2;
        } else if SIGNS.contains(first) {
            self.at += 1;
        } else {
            let help = match first {
                '&' => "write && or 'and'",
                _ => "text stands in single quotes: 'example.org.'",
            };
            let fault =
                self.fault::<()>(format!("unrecognized character: {first}"), first.len_utf8());
            return fault.map_err(|fault| fault.help(help)).map(|()| Kind::End);
        }
        Ok(Kind::Sign)
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        let rest = self.rest();
        let mut length = 0;
        let mut before = ' ';
        for (at, char) in rest.char_indices() {
            let goes_on = match char {
                // `1..3` is a range of whole numbers.
                '.' => !rest.get(at..).is_some_and(|rest| rest.starts_with("..")),
                '+' | '-' => matches!(before, 'e' | 'E') && !rest.starts_with("0x"),
                other => is_word(other),
            };
            if !goes_on {
                break;
            }
            before = char;
            length = at + char.len_utf8();
        }
        let written = rest.get(..length).unwrap_or_default();
        let digits = written.replace('_', "").to_ascii_lowercase();
        let whole = |digits: &str, radix| i64::from_str_radix(digits, radix).ok().map(Kind::Int);
        let number = match digits.get(..2) {
            Some("0x") => whole(digits.get(2..).unwrap_or_default(), 16),
            Some("0o") => whole(digits.get(2..).unwrap_or_default(), 8),
            Some("0b") => whole(digits.get(2..).unwrap_or_default(), 2),
            _ if digits.contains(['.', 'e']) => digits.parse().ok().map(Kind::Float),
            _ => whole(&digits, 10),
        };
        match number {
            Some(number) => {
                self.at += length;
                Ok(number)
            }
            None => self.fault(format!("bad number syntax: {written}"), length),
        }
    }

    /// Text between backquotes, which knows no escape.
    fn raw(&mut self) -> Result<String, Fault> {
        let Some(text) = language::raw(self.rest()) else {
            return self.fault("the text has no closing `", 1);
        };
        self.at += text.len() + 2;
        Ok(text.to_owned())
    }

    /// Text between quotes.
    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        match language::quoted(self.rest()) {
            Ok((text, length)) => {
                self.at += length;
                Ok(text)
            }
            Err(NotQuoted::Open) => self.fault(format!("the text has no closing {quote}"), 1),
            Err(NotQuoted::Escape(at)) => {
                self.at += at;
                let fault = self.fault::<String>("invalid escape in a text", 2);
                let help = "a backslash in a text is written twice: '[.]' or '\\\\.'";
                fault.map_err(|fault| fault.help(help))
            }
        }
    }
}
