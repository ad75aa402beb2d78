//! What the small languages in the words of a Corefile share, expressions and templates: what is
//! wrong with a text, and texts in quotes.

use std::ops::Range;
use std::str::CharIndices;

/// What is wrong with a text, and where in it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) at: Range<usize>,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, at: Range<usize>) -> Self {
        Self {
            message: message.into(),
            at,
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Why there is no text in quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotQuoted {
    /// The backslash at this place escapes nothing.
    Escape(usize),
    /// There is no second quote on the line.
    Open,
}

/// The text in quotes that `rest` starts with, its escapes resolved as Go resolves them, and the
/// length of all with both quotes.
///
/// # Errors
/// There is no such text.
pub(super) fn quoted(rest: &str) -> Result<(String, usize), NotQuoted> {
    let mut text = String::new();
    let mut chars = rest.char_indices();
    let Some((_, quote)) = chars.next() else {
        return Err(NotQuoted::Open);
    };
    while let Some((at, char)) = chars.next() {
        match char {
            '\n' => break,
            '\\' => text.push(escape(&mut chars, quote).ok_or(NotQuoted::Escape(at))?),
            char if char == quote => return Ok((text, at + char.len_utf8())),
            char => text.push(char),
        }
    }
    Err(NotQuoted::Open)
}

/// The text between backquotes, which knows no escape, that `rest` starts with; `None` where it has
/// no end. With both quotes it is two bytes longer.
pub(super) fn raw(rest: &str) -> Option<&str> {
    let (text, _) = rest.get(1..)?.split_once('`')?;
    Some(text)
}

/// The character that an escape stands for, its backslash being read.
fn escape(chars: &mut CharIndices<'_>, quote: char) -> Option<char> {
    let (_, first) = chars.next()?;
    let number = |digits: String, radix| char::from_u32(u32::from_str_radix(&digits, radix).ok()?);
    let mut take = |count| -> String { chars.by_ref().take(count).map(|(_, char)| char).collect() };
    match first {
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        '\\' => Some('\\'),
        'x' => number(take(2), 16),
        'u' => number(take(4), 16),
        'U' => number(take(8), 16),
        '0'..='3' => number(format!("{first}{}", take(2)), 8),
        first if first == quote => Some(first),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_at_their_quote() {
        for (text, expected) in [
            ("'a' b", Ok(("a", 3))),
            (r#""a\"b\t\\" c"#, Ok(("a\"b\t\\", 10))),
            (r"'\x41\101\u20ac'", Ok(("AA€", 16))),
            ("'€'", Ok(("€", 5))),
            (r#"'\"'"#, Err(NotQuoted::Escape(1))),
            (r"'\x4'", Err(NotQuoted::Escape(1))),
            (r"'a\", Err(NotQuoted::Escape(2))),
            ("'a\nb'", Err(NotQuoted::Open)),
            ("'", Err(NotQuoted::Open)),
            ("", Err(NotQuoted::Open)),
        ] {
            let expected = expected.map(|(text, length)| (text.to_owned(), length));
            assert_eq!(quoted(text), expected, "{text}");
        }
        assert_eq!(raw("`a\\n` `b`"), Some("a\\n"));
        assert_eq!(raw("`a"), None);
    }
}
