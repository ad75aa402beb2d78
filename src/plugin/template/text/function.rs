//! The functions of templates.

use std::cmp::Ordering;

use super::Data;
use super::format;
use super::value::{Object, Value};

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    ParseInt,
}

/// What a function takes in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Any,
    Text,
    Int,
}

/// Functions of Go's templates that are not here.
const ABSENT: &[&str] = &["call", "html", "js", "urlquery"];

/// Whether Go has a function of this name, and callsign does not.
pub(super) fn is_absent(name: &str) -> bool {
    ABSENT.contains(&name)
}

impl Function {
    pub(super) const ALL: &'static [(Self, &'static str)] = &[
        (Self::And, "and"),
        (Self::Or, "or"),
        (Self::Not, "not"),
        (Self::Len, "len"),
        (Self::Index, "index"),
        (Self::Slice, "slice"),
        (Self::Print, "print"),
        (Self::Printf, "printf"),
        (Self::Println, "println"),
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Lt, "lt"),
        (Self::Le, "le"),
        (Self::Gt, "gt"),
        (Self::Ge, "ge"),
        (Self::ParseInt, "parseInt"),
    ];

    pub(super) fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(function, _)| *function == self);
        known.map_or("", |(_, name)| name)
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(_, known)| *known == name);
        known.map(|(function, _)| *function)
    }

    /// How many arguments it takes: at least, and at most where there is a bound.
    pub(super) fn arity(self) -> (usize, Option<usize>) {
        match self {
            Self::Print | Self::Println => (0, None),
            Self::And | Self::Or | Self::Index | Self::Slice | Self::Printf | Self::Eq => (1, None),
            Self::Not | Self::Len => (1, Some(1)),
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => (2, Some(2)),
            Self::ParseInt => (3, Some(3)),
        }
    }

    /// What it takes in a place.
    pub(super) fn takes(self, place: usize) -> Takes {
        match (self, place) {
            (Self::Printf | Self::ParseInt, 0) => Takes::Text,
            (Self::ParseInt, _) => Takes::Int,
            _ => Takes::Any,
        }
    }

    /// What it gives. `and` and `or` are for the caller, which stops at the first that decides.
    pub(super) fn call<'a>(
        self,
        arguments: &[Value<'a>],
        data: &Data<'a>,
    ) -> Result<Value<'a>, String> {
        Ok(match (self, arguments) {
            (Self::Not, [one]) => Value::Bool(!one.is_true(data)),
            (Self::Len, [one]) => Value::Int(len(one, data)?),
            (Self::Index, [item, keys @ ..]) => {
                let mut keys = keys.iter();
                keys.try_fold(item.clone(), |item, key| index(&item, key, data))?
            }
            (Self::Slice, [item, keys @ ..]) => slice(item, keys)?,
            (Self::Print, all) => Value::text(format::print(all, data)),
            (Self::Println, all) => Value::text(format::println(all, data)),
            (Self::Printf, [Value::Text(format), rest @ ..]) => {
                Value::text(format::printf(format, rest, data)?)
            }
            (Self::Eq, [one, others @ ..]) => Value::Bool(equals_any(one, others)?),
            (Self::Ne, [one, other]) => Value::Bool(!equals(one, other)?),
            (Self::Lt, [one, other]) => Value::Bool(compare(one, other)? == Some(Ordering::Less)),
            (Self::Le, [one, other]) => Value::Bool(at_most(one, other)?),
            // As in Go, the opposites of the two before, for numbers that are none too.
            (Self::Gt, [one, other]) => Value::Bool(!at_most(one, other)?),
            (Self::Ge, [one, other]) => Value::Bool(compare(one, other)? != Some(Ordering::Less)),
            (Self::ParseInt, [Value::Text(text), Value::Int(base), Value::Int(bits)]) => {
                Value::Uint(parse_uint(text, *base, *bits)?, "uint64")
            }
            _ => Value::Absent,
        })
    }
}

fn len(value: &Value<'_>, data: &Data<'_>) -> Result<i64, String> {
    let length = match value {
        Value::Absent => {
            return Err("reflect: call of reflect.Value.Type on zero Value".to_owned());
        }
        Value::Text(text) => Some(text.len()),
        Value::List(values, _) => Some(values.len()),
        Value::Object(object) => object.entries(data).map(|entries| entries.len()),
        _ => None,
    };
    length
        .and_then(|length| i64::try_from(length).ok())
        .ok_or_else(|| format!("len of type {}", value.pointee()))
}

/// The place that a value names in something of this length.
fn place(key: &Value<'_>, most: usize) -> Result<usize, String> {
    let place = match key {
        Value::Int(number) => usize::try_from(*number).ok(),
        Value::Uint(number, _) => usize::try_from(*number).ok(),
        Value::Absent => return Err("cannot index slice/array with nil".to_owned()),
        other => {
            let of = other.type_name();
            return Err(format!("cannot index slice/array with type {of}"));
        }
    };
    let place = place.filter(|place| *place <= most);
    place.ok_or_else(|| format!("index out of range: {}", format::number(key)))
}

fn index<'a>(item: &Value<'a>, key: &Value<'a>, data: &Data<'a>) -> Result<Value<'a>, String> {
    match item {
        Value::Absent => Err("index of untyped nil".to_owned()),
        Value::Text(text) => {
            let byte = text.as_bytes().get(place(key, text.len())?);
            let byte = byte.ok_or("reflect: string index out of range")?;
            Ok(Value::Uint((*byte).into(), "uint8"))
        }
        Value::List(values, _) => {
            let value = values.get(place(key, values.len())?);
            Ok(value.ok_or("reflect: slice index out of range")?.clone())
        }
        Value::Object(object @ (Object::Groups | Object::Variables)) => {
            let key = match key {
                Value::Text(key) => key,
                Value::Absent => return Err("value is nil; should be of type string".to_owned()),
                other => {
                    let of = other.type_name();
                    return Err(format!("value has type {of}; should be string"));
                }
            };
            // What is not there is the zero of its type.
            Ok(object.key(key, data).unwrap_or_else(|| match object {
                Object::Groups => Value::text(""),
                _ => Value::Absent,
            }))
        }
        other => Err(format!("can't index item of type {}", other.pointee())),
    }
}

fn slice<'a>(item: &Value<'a>, keys: &[Value<'a>]) -> Result<Value<'a>, String> {
    if keys.len() > 3 {
        return Err(format!("too many slice indexes: {}", keys.len()));
    }
    let length = match item {
        Value::Absent => return Err("slice of untyped nil".to_owned()),
        Value::Text(_) if keys.len() == 3 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        Value::Text(text) => text.len(),
        Value::List(values, _) => values.len(),
        other => return Err(format!("can't slice item of type {}", other.pointee())),
    };
    let mut ends = [0, length, length];
    for (end, key) in ends.iter_mut().zip(keys) {
        *end = place(key, length)?;
    }
    let [from, to, most] = ends;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > most {
        return Err(format!("invalid slice index: {to} > {most}"));
    }
    Ok(match item {
        Value::Text(text) => {
            let part = text.as_bytes().get(from..to).unwrap_or_default();
            Value::text(String::from_utf8_lossy(part).into_owned())
        }
        Value::List(values, of) => {
            Value::List(values.get(from..to).unwrap_or_default().to_vec(), of)
        }
        _ => Value::Absent,
    })
}

fn mismatch(one: &Value<'_>, other: &Value<'_>) -> String {
    let (one, other) = (one.type_name(), other.type_name());
    format!("incompatible types for comparison: {one} and {other}")
}

fn equals_any(one: &Value<'_>, others: &[Value<'_>]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equals(one, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equals(one: &Value<'_>, other: &Value<'_>) -> Result<bool, String> {
    match (one, other) {
        (Value::Int(int), Value::Uint(uint, _)) | (Value::Uint(uint, _), Value::Int(int)) => {
            Ok(u64::try_from(*int) == Ok(*uint))
        }
        (Value::Absent, Value::Absent) => Ok(true),
        (Value::Absent, _) | (_, Value::Absent) => Ok(false),
        (Value::Uint(one, _), Value::Uint(other, _)) => Ok(one == other),
        (Value::Bool(_), Value::Bool(_))
        | (Value::Int(_), Value::Int(_))
        | (Value::Float(_), Value::Float(_))
        | (Value::Text(_), Value::Text(_)) => Ok(one == other),
        (Value::List(..) | Value::Object(_), Value::List(..) | Value::Object(_)) => {
            Err(format!("non-comparable type {}", other.type_name()))
        }
        _ => Err(mismatch(one, other)),
    }
}

fn at_most(one: &Value<'_>, other: &Value<'_>) -> Result<bool, String> {
    let order = compare(one, other)?;
    Ok(matches!(order, Some(Ordering::Less | Ordering::Equal)))
}

/// The order of two values; `None` where a number is none.
fn compare(one: &Value<'_>, other: &Value<'_>) -> Result<Option<Ordering>, String> {
    let has_order = |value: &Value<'_>| {
        !matches!(
            value,
            Value::Absent | Value::List(..) | Value::Object(_) | Value::Bool(_)
        )
    };
    if !has_order(one) || !has_order(other) {
        return Err("invalid type for comparison".to_owned());
    }
    let whole = |value: &Value<'_>| match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number, _) => Some(i128::from(*number)),
        _ => None,
    };
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => Ok(one.partial_cmp(other)),
        (Value::Text(one), Value::Text(other)) => Ok(Some(one.cmp(other))),
        _ => match (whole(one), whole(other)) {
            (Some(one), Some(other)) => Ok(Some(one.cmp(&other))),
            _ => Err(mismatch(one, other)),
        },
    }
}

/// As Go's `strconv.ParseUint` reads a number.
fn parse_uint(text: &str, base: i64, bits: i64) -> Result<u64, String> {
    let error = |what: &str| format!("strconv.ParseUint: parsing {text:?}: {what}");
    if text.is_empty() {
        return Err(error("invalid syntax"));
    }
    let (digits, radix) = match base {
        0 => prefixed(text).ok_or_else(|| error("invalid syntax"))?,
        2..=36 => (text.to_owned(), u32::try_from(base).unwrap_or(10)),
        _ => return Err(error(&format!("invalid base {base}"))),
    };
    let most = match bits {
        0 | 64 => u64::MAX,
        1..=63 => (1 << bits) - 1,
        _ => return Err(error(&format!("invalid bit size {bits}"))),
    };
    if digits.is_empty() || !digits.chars().all(|char| char.is_digit(radix)) {
        return Err(error("invalid syntax"));
    }
    let number = u64::from_str_radix(&digits, radix).ok();
    let number = number.filter(|number| *number <= most);
    number.ok_or_else(|| error("value out of range"))
}

/// The digits of a number that tells its own base, and the base.
fn prefixed(text: &str) -> Option<(String, u32)> {
    let lower = text.to_ascii_lowercase();
    let (rest, radix) = match lower.get(..2) {
        Some("0x") => (lower.get(2..)?, 16),
        Some("0b") => (lower.get(2..)?, 2),
        Some("0o") => (lower.get(2..)?, 8),
        _ if lower.len() > 1 && lower.starts_with('0') => (lower.get(1..)?, 8),
        _ => (lower.as_str(), 10),
    };
    // Underscores stand between digits, or after the prefix.
    let is_fair =
        !(rest.ends_with('_') || rest.contains("__") || rest.starts_with('_') && radix == 10);
    is_fair.then(|| (rest.replace('_', ""), radix))
}
