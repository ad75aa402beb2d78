//! The text of a template to items.

use std::ops::Range;

use crate::plugin::language::{self, Fault, NotQuoted};

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item<'t> {
    pub(super) kind: Kind,
    /// The piece as it is written.
    pub(super) text: &'t str,
    pub(super) at: Range<usize>,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Text outside of actions, trimmed as the marks beside it say.
    Text,
    /// `{{`
    Left,
    /// `}}`
    Right,
    Space,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    Pipe,
    Open,
    Close,
    /// Any other sign.
    Sign,
    /// A text constant without its quotes, escapes resolved.
    Quoted(String),
    Number(Number),
    Bool(bool),
    Dot,
    /// `.Name`
    Field,
    /// `$` or `$name`
    Variable,
    Name,
    Keyword,
    End,
}

/// A number constant. Which of its values counts depends on what takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) int: Option<i64>,
    pub(super) float: Option<f64>,
    /// Whether it is written as a fraction or with an exponent.
    pub(super) is_fraction: bool,
}

const KEYWORDS: &[&str] = &[
    "block", "break", "continue", "define", "else", "end", "if", "range", "nil", "template", "with",
];
/// What may stand between arguments.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// The items of a text; the last one is its end.
pub(super) fn lex(text: &str) -> Result<Vec<Item<'_>>, Fault> {
    let mut lexer = Lexer {
        text,
        at: 0,
        open: 0,
        items: Vec::new(),
    };
    while lexer.outside()? {
        lexer.inside()?;
    }
    lexer.push(Kind::End, text.len()..text.len());
    Ok(lexer.items)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// How many parentheses are open.
    open: usize,
    items: Vec<Item<'t>>,
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, at: Range<usize>) {
        let text = self.text.get(at.clone()).unwrap_or_default();
        self.items.push(Item { kind, text, at });
    }

    /// Takes the next bytes as one item.
    fn take(&mut self, kind: Kind, length: usize) {
        let start = self.at;
        self.at += length;
        self.push(kind, start..self.at);
    }

    fn fault<T>(&self, message: impl Into<String>, length: usize) -> Result<T, Fault> {
        Err(Fault::new(message, self.at..self.at + length))
    }

    /// Text up to the next action, and the action's start; false where there is none.
    fn outside(&mut self) -> Result<bool, Fault> {
        let rest = self.rest();
        let Some(length) = rest.find("{{") else {
            if !rest.is_empty() {
                self.take(Kind::Text, rest.len());
            }
            return Ok(false);
        };
        let before = rest.get(..length).unwrap_or_default();
        let after = rest.get(length + 2..).unwrap_or_default();
        let marked = after.starts_with('-') && after.get(1..).is_some_and(starts_blank);
        let kept = match marked {
            true => before.trim_end_matches(SPACES).len(),
            false => length,
        };
        let start = self.at;
        if kept > 0 {
            self.push(Kind::Text, start..start + kept);
        }
        self.at = start + length;
        let mark = if marked { 2 } else { 0 };
        let inner = after.get(mark..).unwrap_or_default();
        if inner.starts_with("/*") {
            return self.comment(2 + mark);
        }
        self.take(Kind::Left, 2);
        self.at += mark;
        Ok(true)
    }

    fn comment(&mut self, start: usize) -> Result<bool, Fault> {
        let rest = self.rest();
        let inside = rest.get(start..).unwrap_or_default();
        let Some(end) = inside.find("*/") else {
            return self.fault("unclosed comment", start + 2);
        };
        self.at += start + end + 2;
        match self.right() {
            Some(length) => {
                self.at += length;
                self.outside()
            }
            None => self.fault("comment ends before closing delimiter", 1),
        }
    }

    /// The length of `}}`, or of ` -}}` and the blanks that it trims, where one is next.
    fn right(&self) -> Option<usize> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some(2);
        }
        let after = rest.strip_prefix(SPACES)?.strip_prefix("-}}")?;
        Some(rest.len() - after.trim_start_matches(SPACES).len())
    }

    /// The items of an action, up to its end.
    fn inside(&mut self) -> Result<(), Fault> {
        loop {
            if let Some(length) = self.right() {
                if self.open > 0 {
                    return self.fault("unclosed left paren", length);
                }
                self.take(Kind::Right, length);
                return Ok(());
            }
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                return self.fault("unclosed action", 0);
            };
            match first {
                first if SPACES.contains(&first) => self.space(),
                '=' => self.take(Kind::Assign, 1),
                ':' if rest.starts_with(":=") => self.take(Kind::Declare, 2),
                ':' => return self.fault("expected :=", 1),
                '|' => self.take(Kind::Pipe, 1),
                '"' => self.quoted()?,
                '`' => self.raw()?,
                '\'' => self.character()?,
                '$' => self.word(1, Kind::Variable)?,
                '.' if !rest.get(1..).is_some_and(starts_digit) => self.field()?,
                '.' | '+' | '-' | '0'..='9' => self.number()?,
                first if is_word(first) => self.name()?,
                '(' => {
                    self.open += 1;
                    self.take(Kind::Open, 1);
                }
                ')' => {
                    let Some(open) = self.open.checked_sub(1) else {
                        return self.fault("unexpected right paren", 1);
                    };
                    self.open = open;
                    self.take(Kind::Close, 1);
                }
                ' '..='~' => self.take(Kind::Sign, 1),
                other => {
                    let message = format!("unrecognized character in action: {other:?}");
                    return self.fault(message, other.len_utf8());
                }
            }
        }
    }

    /// Blanks, but for one that belongs to the mark at the action's end.
    fn space(&mut self) {
        let rest = self.rest();
        let all = rest.len() - rest.trim_start_matches(SPACES).len();
        let is_marked = rest.get(all..).is_some_and(|rest| rest.starts_with("-}}"));
        self.take(Kind::Space, all - usize::from(is_marked));
    }

    /// Letters and digits after the first bytes.
    fn word(&mut self, first: usize, kind: Kind) -> Result<(), Fault> {
        let after = self.rest().get(first..).unwrap_or_default();
        let length = after.find(|char| !is_word(char)).unwrap_or(after.len());
        let next = after.get(length..).unwrap_or_default();
        let is_ended = next.is_empty()
            || starts_blank(next)
            || next.starts_with(['.', ',', '|', ':', ')', '('])
            || next.starts_with("}}");
        if !is_ended {
            let bad = next.chars().next().unwrap_or_default();
            self.at += first + length;
            return self.fault(format!("bad character {bad:?}"), bad.len_utf8());
        }
        self.take(kind, first + length);
        Ok(())
    }

    fn field(&mut self) -> Result<(), Fault> {
        self.word(1, Kind::Field)?;
        if let Some(item) = self.items.last_mut().filter(|item| item.text == ".") {
            item.kind = Kind::Dot;
        }
        Ok(())
    }

    fn name(&mut self) -> Result<(), Fault> {
        self.word(0, Kind::Name)?;
        if let Some(item) = self.items.last_mut() {
            item.kind = match item.text {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                word if KEYWORDS.contains(&word) => Kind::Keyword,
                _ => Kind::Name,
            };
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let rest = self.rest();
        let mut before = ' ';
        let mut length = 0;
        for (at, char) in rest.char_indices() {
            let is_sign = matches!(char, '+' | '-')
                && (at == 0 || matches!(before, 'e' | 'E' | 'p' | 'P') && !is_hex(rest));
            if !(is_sign || char == '.' || is_word(char)) {
                break;
            }
            (before, length) = (char, at + char.len_utf8());
        }
        let written = rest.get(..length).unwrap_or_default();
        match Number::parse(written) {
            Some(number) => {
                self.take(Kind::Number(number), length);
                Ok(())
            }
            None if written.ends_with('i') => {
                let fault = Fault::new(
                    "callsign's templates have no complex numbers",
                    self.at..self.at + length,
                );
                Err(fault)
            }
            None => self.fault(format!("bad number syntax: {written:?}"), length),
        }
    }

    fn raw(&mut self) -> Result<(), Fault> {
        match language::raw(self.rest()) {
            Some(text) => {
                self.take(Kind::Quoted(text.replace('\r', "")), text.len() + 2);
                Ok(())
            }
            None => self.fault("unterminated raw quoted string", 1),
        }
    }

    fn quoted(&mut self) -> Result<(), Fault> {
        let (text, length) = self.until_quote("unterminated quoted string")?;
        self.take(Kind::Quoted(text), length);
        Ok(())
    }

    fn character(&mut self) -> Result<(), Fault> {
        let (text, length) = self.until_quote("unterminated character constant")?;
        let mut chars = text.chars();
        let (Some(char), None) = (chars.next(), chars.next()) else {
            let written = self.rest().get(..length).unwrap_or_default();
            return self.fault(format!("malformed character constant: {written}"), length);
        };
        let int = i64::from(u32::from(char));
        let number = Number {
            int: Some(int),
            float: Some(int as f64),
            is_fraction: false,
        };
        self.take(Kind::Number(number), length);
        Ok(())
    }

    /// The text in quotes that is next, and the length of all.
    fn until_quote(&self, unterminated: &str) -> Result<(String, usize), Fault> {
        language::quoted(self.rest()).or_else(|wrong| match wrong {
            NotQuoted::Open => self.fault(unterminated, 1),
            NotQuoted::Escape(at) => {
                let at = self.at + at;
                Err(Fault::new("invalid syntax", at..at + 1))
            }
        })
    }
}

fn starts_blank(text: &str) -> bool {
    text.starts_with(SPACES)
}

fn starts_digit(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_digit())
}

fn is_hex(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with("0x") || digits.starts_with("0X")
}

impl Number {
    fn parse(written: &str) -> Option<Self> {
        let digits = written.trim_start_matches(['+', '-']);
        let minus = written.starts_with('-');
        let int = whole(digits).and_then(|value| match minus {
            true => i64::try_from(-i128::from(value)).ok(),
            false => i64::try_from(value).ok(),
        });
        let is_fraction = !is_hex(written) && digits.contains(['.', 'e', 'E']);
        let float = match digits.chars().all(|char| "0123456789.eE+-_".contains(char)) {
            true => written.replace('_', "").parse::<f64>().ok(),
            false => int.map(|int| int as f64),
        };
        let float = float.filter(|float| float.is_finite());
        // A fraction that is whole may stand where a whole number is wanted.
        let whole_float = float.filter(|float| float.fract() == 0.0 && float.abs() < 9e15);
        let int = int.or_else(|| {
            whole_float
                .filter(|_| is_fraction)
                .map(|float| float as i64)
        });
        let known = int.is_some() || (is_fraction && float.is_some());
        known.then_some(Self {
            int,
            float,
            is_fraction,
        })
    }
}

/// A whole number with Go's prefixes.
fn whole(digits: &str) -> Option<u64> {
    let bare = digits.replace('_', "");
    let lower = bare.to_ascii_lowercase();
    let (radix, rest) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    match rest.starts_with(['+', '-']) {
        true => None,
        false => u64::from_str_radix(rest, radix).ok(),
    }
}
