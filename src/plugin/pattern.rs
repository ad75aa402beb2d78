//! Regular expressions as Corefiles have them: the syntax of Go's `regexp` (RE2).
//!
//! The `regex` crate reads nearly the same language, with the same leftmost-first matches and the
//! same promise of linear time. Where it would read a pattern differently, or refuse what Go takes,
//! the pattern is written anew for it here: a `{` that is no repetition, `[` and `&&` in a class,
//! `\Q...\E`, octal escapes, `\<`. What Go refuses is refused.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use crate::corefile::{Diagnostic, Token};

/// The longest pattern, in bytes, as in CoreDNS.
pub(super) const LONGEST: usize = 10_000;
/// The most memory that a compiled pattern takes, in bytes.
const COMPILED: usize = 8 << 20;
/// The most that a repetition in braces repeats, as in Go.
const MOST_REPEATED: u32 = 1000;
/// The classes that stand in a class by name.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Compiles the pattern that a word holds; `text` where it is not the word as it stands.
///
/// # Errors
/// It is no pattern, or too long.
pub(super) fn of_token(token: &Token, text: &str) -> Result<Regex, Diagnostic> {
    compile(text).map_err(|reason| match text.len() > LONGEST {
        true => token.err(reason).help("split it into several rules"),
        false => {
            let looks_around = ["(?=", "(?!", "(?<=", "(?<!"];
            let help = match looks_around.iter().any(|sign| text.contains(sign)) {
                true => "RE2's patterns do not look ahead or behind: match more, and pass on what is not meant",
                false => "the syntax is RE2's: https://github.com/google/re2/wiki/Syntax",
            };
            let message = format!("invalid regex matching pattern: {text}: {reason}");
            token.err(message).help(help)
        }
    })
}

/// Compiles a pattern.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn compile(text: &str) -> Result<Regex, String> {
    if text.len() > LONGEST {
        let length = text.len();
        return Err(format!("regex pattern too long: {length} > {LONGEST}"));
    }
    let translated = Translator::new(text).translate()?;
    RegexBuilder::new(&translated)
        .size_limit(COMPILED)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it takes too much memory".to_owned(),
            // The library draws the place of the fault; its last line says what it is.
            other => {
                let other = other.to_string();
                let last = other.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })
}

/// Reads Go's syntax and writes the crate's.
struct Translator<'t> {
    rest: Peekable<Chars<'t>>,
    written: String,
    /// The last thing read is a repetition, and so cannot be repeated.
    repeated: bool,
}

impl<'t> Translator<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            rest: text.chars().peekable(),
            written: String::with_capacity(text.len()),
            repeated: false,
        }
    }

    fn translate(mut self) -> Result<String, String> {
        while let Some(char) = self.rest.next() {
            let was_repeated = std::mem::take(&mut self.repeated);
            match char {
                '*' | '+' | '?' => self.repeat(&char.to_string(), was_repeated)?,
                '{' => match self.braces() {
                    Some(repetition) => self.repeat(&repetition?, was_repeated)?,
                    None => self.literal('{'),
                },
                '[' => self.class()?,
                '(' => self.group()?,
                '\\' => self.escape()?,
                '.' | '|' | ')' | '^' | '$' => self.written.push(char),
                other => self.literal(other),
            }
        }
        Ok(self.written)
    }

    fn repeat(&mut self, operator: &str, was_repeated: bool) -> Result<(), String> {
        if was_repeated {
            return Err(format!("{operator} repeats what is repeated already"));
        }
        self.written.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.written.push('?');
        }
        self.repeated = true;
        Ok(())
    }

    /// `{N}`, `{N,}` or `{N,M}` after its brace; `None` where there is none, and the brace is itself.
    fn braces(&mut self) -> Option<Result<String, String>> {
        let mut ahead = self.rest.clone();
        let least = number(&mut ahead)?;
        let most = match ahead.next()? {
            '}' => Some(least),
            ',' if ahead.next_if_eq(&'}').is_some() => None,
            ',' => {
                let most = number(&mut ahead)?;
                ahead.next_if_eq(&'}')?;
                Some(most)
            }
            _ => return None,
        };
        self.rest = ahead;
        let text = match most {
            Some(most) => format!("{{{least},{most}}}"),
            None => format!("{{{least},}}"),
        };
        let valid = least <= MOST_REPEATED
            && most.is_none_or(|most| (least..=MOST_REPEATED).contains(&most));
        Some(match valid {
            true => Ok(text),
            false => Err(format!(
                "the repeat count {text} is above {MOST_REPEATED}, or from more to less"
            )),
        })
    }

    /// A group after its parenthesis: what follows `(?` is a name or flags that Go has.
    fn group(&mut self) -> Result<(), String> {
        self.written.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.written.push('?');
        let mut ahead = self.rest.clone();
        match ahead.next() {
            Some('P') if ahead.next_if_eq(&'<').is_some() => {}
            Some('<') if !matches!(ahead.peek(), Some('=' | '!')) => {}
            Some(mut flag) => {
                while matches!(flag, 'i' | 'm' | 's' | 'U' | '-') {
                    flag = ahead.next().unwrap_or_default();
                }
                if flag != ':' && flag != ')' {
                    return Err("invalid or unsupported Perl syntax after (?".into());
                }
            }
            None => return Err("missing )".into()),
        }
        // Names and flags are the same in both.
        while let Some(char) = self.rest.next_if(|char| !matches!(char, ':' | ')' | '>')) {
            self.written.push(char);
        }
        self.written.extend(self.rest.next());
        Ok(())
    }

    /// An escape outside of a class, after its backslash.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.peek().copied() {
            Some('A' | 'b' | 'B' | 'z') => {
                self.written.push('\\');
                self.written.extend(self.rest.next());
            }
            Some('Q') => {
                self.rest.next();
                self.quoted();
            }
            _ if self.named_class() => {}
            _ => {
                let char = self.escaped_char()?;
                self.literal(char);
            }
        }
        Ok(())
    }

    /// Plain text up to `\E` or the end.
    fn quoted(&mut self) {
        while let Some(char) = self.rest.next() {
            if char == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(char);
        }
    }

    /// `\d`, `\pL`, `\p{Greek}` and their like, after the backslash; false where it is none.
    fn named_class(&mut self) -> bool {
        let Some(name) = self
            .rest
            .next_if(|char| matches!(char, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P'))
        else {
            return false;
        };
        match name {
            // In Go these are of ASCII.
            'd' => self.written.push_str("[0-9]"),
            'D' => self.written.push_str("[^0-9]"),
            's' => self.written.push_str("[\\t\\n\\x0C\\r ]"),
            'S' => self.written.push_str("[^\\t\\n\\x0C\\r ]"),
            'w' => self.written.push_str("[0-9A-Za-z_]"),
            'W' => self.written.push_str("[^0-9A-Za-z_]"),
            property => {
                self.written.push('\\');
                self.written.push(property);
                if self.rest.next_if_eq(&'{').is_some() {
                    self.written.push('{');
                    while let Some(char) = self.rest.next_if(|char| *char != '}') {
                        self.written.push(char);
                    }
                }
                self.written.extend(self.rest.next());
            }
        }
        true
    }

    /// A class after its bracket.
    fn class(&mut self) -> Result<(), String> {
        self.written.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.written.push('^');
        }
        let mut first = true;
        loop {
            match self.rest.next().ok_or("missing closing ]")? {
                ']' if !first => break,
                '[' if self.rest.peek() == Some(&':') && self.posix_class()? => {}
                '\\' if self.named_class() => {}
                other => self.range(other)?,
            }
            first = false;
        }
        self.written.push(']');
        Ok(())
    }

    /// `[:alpha:]` after its bracket; false where it is none.
    fn posix_class(&mut self) -> Result<bool, String> {
        let rest: String = self.rest.clone().skip(1).collect();
        let Some((name, _)) = rest.split_once(":]") else {
            return Ok(false);
        };
        let word = name.strip_prefix('^').unwrap_or(name);
        if !POSIX_CLASSES.contains(&word) {
            return Err(format!("invalid character class [:{name}:]"));
        }
        self.written.push_str(&format!("[:{name}:]"));
        self.rest.nth(name.len() + 2);
        Ok(true)
    }

    /// A character of a class, or a range that begins with it.
    fn range(&mut self, first: char) -> Result<(), String> {
        let low = self.class_char(first)?;
        self.class_literal(low);
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || ahead.peek() == Some(&']') {
            return Ok(());
        }
        self.rest = ahead;
        let high = self.rest.next().ok_or("missing closing ]")?;
        let high = self.class_char(high)?;
        if high < low {
            return Err(format!("invalid character class range {low}-{high}"));
        }
        self.written.push('-');
        self.class_literal(high);
        Ok(())
    }

    fn class_char(&mut self, char: char) -> Result<char, String> {
        match char {
            '\\' => self.escaped_char(),
            other => Ok(other),
        }
    }

    /// The character that an escape stands for, after its backslash.
    fn escaped_char(&mut self) -> Result<char, String> {
        let char = self.rest.next().ok_or("trailing backslash")?;
        let error = || format!("invalid escape sequence \\{char}");
        let octal = |char: &char| char.is_digit(8);
        Ok(match char {
            '1'..='7' if !self.rest.peek().is_some_and(octal) => {
                return Err(format!("{}, a back reference", error()));
            }
            '0'..='7' => {
                let mut value = char.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = self.rest.next_if(octal) else {
                        break;
                    };
                    value = value * 8 + digit.to_digit(8).unwrap_or_default();
                }
                char::from_u32(value).ok_or_else(error)?
            }
            'x' => self.hexadecimal().ok_or_else(error)?,
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            punctuation if punctuation.is_ascii() && !punctuation.is_ascii_alphanumeric() => {
                punctuation
            }
            _ => return Err(error()),
        })
    }

    /// `HH` or `{H...}`.
    fn hexadecimal(&mut self) -> Option<char> {
        let braced = self.rest.next_if_eq(&'{').is_some();
        let digits: String = match braced {
            true => self.rest.by_ref().take_while(|char| *char != '}').collect(),
            false => self.rest.by_ref().take(2).collect(),
        };
        let valid = digits.chars().all(|char| char.is_ascii_hexdigit());
        let valid = valid && (braced || digits.len() == 2);
        char::from_u32(u32::from_str_radix(&digits, 16).ok().filter(|_| valid)?)
    }

    fn literal(&mut self, char: char) {
        if is_meta(char) {
            self.written.push('\\');
        }
        self.written.push(char);
    }

    fn class_literal(&mut self, char: char) {
        if char.is_ascii() && !char.is_ascii_alphanumeric() {
            self.written
                .push_str(&format!("\\x{{{:X}}}", u32::from(char)));
        } else {
            self.written.push(char);
        }
    }
}

/// Whether the crate would read a character as more than itself outside of a class.
fn is_meta(char: char) -> bool {
    matches!(
        char,
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$'
    )
}

/// A whole number without leading zeros.
fn number(ahead: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut digits = String::new();
    while let Some(digit) = ahead.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    match digits.as_str() {
        "" => None,
        zero if zero.len() > 1 && zero.starts_with('0') => None,
        // What is too long for a number is too much for a repetition.
        digits => Some(digits.parse().unwrap_or(u32::MAX)),
    }
}

#[cfg(test)]
mod tests;
