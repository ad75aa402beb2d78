//! Values as text, as Go's `fmt` writes them.

use std::fmt::Write;

use super::Data;
use super::value::{Object, Value, question};
use crate::plugin::expression;

/// The widest field, in characters: what is wider would not fit into a record.
const WIDEST: usize = 1024;

/// A value by `%v`.
pub(super) fn plain(value: &Value<'_>, data: &Data<'_>) -> String {
    let verb = Verb {
        letter: 'v',
        ..Verb::default()
    };
    verb.value(value, data)
}

/// A whole number.
pub(super) fn number(value: &Value<'_>) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Uint(number, _) => number.to_string(),
        _ => String::new(),
    }
}

/// Go's `fmt.Sprint`: a space between two values of which neither is text.
pub(super) fn print(values: &[Value<'_>], data: &Data<'_>) -> String {
    let mut out = String::new();
    let mut before_is_text = true;
    for value in values {
        let is_text = matches!(value, Value::Text(_));
        if !is_text && !before_is_text {
            out.push(' ');
        }
        out.push_str(&plain(value, data));
        before_is_text = is_text;
    }
    out
}

/// Go's `fmt.Sprintln`.
pub(super) fn println(values: &[Value<'_>], data: &Data<'_>) -> String {
    let texts: Vec<String> = values.iter().map(|value| plain(value, data)).collect();
    texts.join(" ") + "\n"
}

/// Go's `fmt.Sprintf`.
///
/// # Errors
/// The format uses what is not here.
pub(super) fn printf(
    format: &str,
    values: &[Value<'_>],
    data: &Data<'_>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut values = values.iter();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let Some(verb) = Verb::read(&mut chars, &mut values, &mut out)? else {
            out.push_str("%!(NOVERB)");
            break;
        };
        match verb.letter {
            '%' => out.push('%'),
            letter => match values.next() {
                Some(value) => out.push_str(&verb.value(value, data)),
                None => {
                    let _ = write!(out, "%!{letter}(MISSING)");
                }
            },
        }
    }
    let extra: Vec<String> = values
        .map(|value| match value {
            Value::Absent => "<nil>".to_owned(),
            value => format!("{}={}", value.type_name(), plain(value, data)),
        })
        .collect();
    if !extra.is_empty() {
        let _ = write!(out, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(out)
}

/// A verb and what stands between it and its `%`.
#[derive(Clone, Copy, Default)]
struct Verb {
    letter: char,
    left: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

type Chars<'f> = std::iter::Peekable<std::str::Chars<'f>>;
type Values<'v, 'a> = std::slice::Iter<'v, Value<'a>>;

impl Verb {
    /// Reads a verb after its `%`; `None` where the format ends before it.
    fn read(
        chars: &mut Chars<'_>,
        values: &mut Values<'_, '_>,
        out: &mut String,
    ) -> Result<Option<Self>, String> {
        let mut verb = Self::default();
        while let Some(flag) = chars.next_if(|char| "-+# 0".contains(*char)) {
            match flag {
                '-' => verb.left = true,
                '+' => verb.plus = true,
                '#' => verb.sharp = true,
                ' ' => verb.space = true,
                _ => verb.zero = true,
            }
        }
        verb.width = Self::count(chars, values)?.map(|width| {
            let width = width.unwrap_or_else(|| {
                out.push_str("%!(BADWIDTH)");
                0
            });
            // A width below zero that an argument tells is one to the left.
            verb.left |= width < 0;
            usize::try_from(width.unsigned_abs()).unwrap_or(WIDEST)
        });
        if chars.next_if_eq(&'.').is_some() {
            let precision = Self::count(chars, values)?.unwrap_or(Some(0));
            verb.precision = precision.and_then(|count| usize::try_from(count).ok());
            if verb.precision.is_none() {
                out.push_str("%!(BADPREC)");
            }
        }
        if verb.width.max(verb.precision) > Some(WIDEST) {
            return Err(format!("a width or precision of printf is above {WIDEST}"));
        }
        if chars.peek() == Some(&'[') {
            return Err("callsign's printf has no argument indexes".to_owned());
        }
        let Some(letter) = chars.next() else {
            return Ok(None);
        };
        verb.letter = letter;
        Ok(Some(verb))
    }

    /// A number, or `*` and the argument for it; `Some(None)` where that is no number.
    fn count(
        chars: &mut Chars<'_>,
        values: &mut Values<'_, '_>,
    ) -> Result<Option<Option<i64>>, String> {
        if chars.next_if_eq(&'*').is_some() {
            return Ok(Some(match values.next() {
                Some(Value::Int(number)) => Some(*number),
                Some(Value::Uint(number, _)) => i64::try_from(*number).ok(),
                _ => None,
            }));
        }
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if digits.is_empty() {
            return Ok(None);
        }
        let number = digits.parse::<i64>();
        let number = number.map_err(|_| format!("a width of printf is above {WIDEST}"))?;
        Ok(Some(Some(number)))
    }

    fn value(&self, value: &Value<'_>, data: &Data<'_>) -> String {
        if self.letter == 'T' {
            return self.pad(value.type_name().to_owned(), false);
        }
        let written = match value {
            Value::Absent if self.letter == 'v' => Some(self.pad("<nil>".to_owned(), false)),
            Value::Absent => return format!("%!{}(<nil>)", self.letter),
            Value::Bool(truth) => {
                matches!(self.letter, 't' | 'v').then(|| self.pad(truth.to_string(), false))
            }
            Value::Int(number) => self.whole(*number < 0, number.unsigned_abs()),
            Value::Uint(number, _) => self.whole(false, *number),
            Value::Float(number) => self.float(*number),
            Value::Text(text) => self.text(text),
            Value::List(values, _) => {
                let texts: Vec<String> = values.iter().map(|one| self.value(one, data)).collect();
                Some(format!("[{}]", texts.join(" ")))
            }
            Value::Object(object) => Some(self.object(*object, data)),
        };
        written.unwrap_or_else(|| {
            let (letter, of) = (self.letter, value.type_name());
            format!("%!{letter}({of}={})", plain(value, data))
        })
    }

    fn object(&self, object: Object, data: &Data<'_>) -> String {
        if let Some(entries) = object.entries(data) {
            let entry = |(key, value): &(_, Value<'_>)| {
                let key = self.value(&Value::Text(std::borrow::Cow::clone(key)), data);
                format!("{key}:{}", self.value(value, data))
            };
            let entries: Vec<String> = entries.iter().map(entry).collect();
            return format!("map[{}]", entries.join(" "));
        }
        match object {
            Object::Question => self.text(&question(data)).unwrap_or_default(),
            other => format!("({})", other.type_name()),
        }
    }

    /// Fills up to the width; zeros go after a sign.
    fn pad(&self, text: String, is_number: bool) -> String {
        let Some(missing) = self
            .width
            .and_then(|width| width.checked_sub(text.chars().count()))
        else {
            return text;
        };
        if self.left {
            return text + &" ".repeat(missing);
        }
        if !(self.zero && is_number) {
            return " ".repeat(missing) + &text;
        }
        let (sign, digits) = match text.strip_prefix(['-', '+', ' ']) {
            Some(digits) => text.split_at(text.len() - digits.len()),
            None => ("", text.as_str()),
        };
        format!("{sign}{}{digits}", "0".repeat(missing))
    }

    fn sign(&self, is_negative: bool) -> &'static str {
        match (is_negative, self.plus, self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        }
    }

    fn whole(&self, is_negative: bool, number: u64) -> Option<String> {
        let (prefix, digits) = match self.letter {
            'v' | 'd' => ("", number.to_string()),
            'b' => (if self.sharp { "0b" } else { "" }, format!("{number:b}")),
            'o' => (if self.sharp { "0" } else { "" }, format!("{number:o}")),
            'O' => ("0o", format!("{number:o}")),
            'x' => (if self.sharp { "0x" } else { "" }, format!("{number:x}")),
            'X' => (if self.sharp { "0X" } else { "" }, format!("{number:X}")),
            'c' | 'q' => {
                let char = u32::try_from(number).ok().and_then(char::from_u32);
                let char = char.filter(|_| !is_negative).unwrap_or('\u{fffd}');
                let text = match self.letter {
                    'c' => char.to_string(),
                    _ => format!("{char:?}"),
                };
                return Some(self.pad(text, false));
            }
            'U' => ("U+", format!("{number:04X}")),
            _ => return None,
        };
        let digits = match self.precision {
            Some(0) if number == 0 => String::new(),
            Some(precision) => format!("{digits:0>precision$}"),
            None => digits,
        };
        let text = format!("{}{prefix}{digits}", self.sign(is_negative));
        Some(self.pad(text, self.precision.is_none()))
    }

    fn float(&self, number: f64) -> Option<String> {
        let precision = self.precision.unwrap_or(6);
        let size = number.abs();
        let digits = match self.letter {
            'v' if self.precision.is_none() => expression::Value::Float(size).to_string(),
            'f' | 'F' => format!("{size:.precision$}"),
            'e' => {
                let text = format!("{size:.precision$e}");
                let (digits, exponent) = text.split_once('e')?;
                let (sign, exponent) = match exponent.strip_prefix('-') {
                    Some(exponent) => ('-', exponent),
                    None => ('+', exponent),
                };
                format!("{digits}e{sign}{exponent:0>2}")
            }
            _ => return None,
        };
        let text = format!("{}{digits}", self.sign(number.is_sign_negative()));
        Some(self.pad(text, true))
    }

    fn text(&self, text: &str) -> Option<String> {
        let cut = || match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        };
        let hex = |upper: bool| {
            let most = self.precision.unwrap_or(text.len());
            let mut out = String::new();
            for byte in text.bytes().take(most) {
                let _ = match upper {
                    true => write!(out, "{byte:02X}"),
                    false => write!(out, "{byte:02x}"),
                };
            }
            out
        };
        let written = match self.letter {
            'v' if self.sharp => format!("{:?}", cut()),
            's' | 'v' => cut(),
            'q' => format!("{:?}", cut()),
            'x' => hex(false),
            'X' => hex(true),
            _ => return None,
        };
        Some(self.pad(written, false))
    }
}
