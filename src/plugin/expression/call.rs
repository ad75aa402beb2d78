//! What the functions of expressions give.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Context;
use super::eval::{EvalError, Given, fail};
use super::function::Function;
use super::value::Value;
use crate::wire::mnemonic::{ClassWord, TypeWord};

/// The longest text that `repeat` makes, in bytes: more than any record holds.
const LONGEST_TEXT: usize = 65_535;

/// What a function gives for these arguments.
pub(super) fn call<'a>(
    function: Function,
    arguments: &[Value<'a>],
    context: &Context<'a>,
) -> Given<'a> {
    match arguments {
        [] => of_query(function, context),
        [Value::Text(label)] if function == Function::Metadata => {
            let value = context.query.metadata(label);
            Ok(Value::text(
                value.map_or_else(String::new, |value| value.to_string()),
            ))
        }
        [name] if function == Function::Group => {
            let text = context.group.and_then(|group| group(&name.to_string()));
            Ok(Value::text(text.unwrap_or_default()))
        }
        _ => of_values(function, arguments),
    }
}

fn of_query<'a>(function: Function, context: &Context<'a>) -> Given<'a> {
    let query = context.query;
    let request = query.request;
    Ok(match function {
        Function::Bufsize => int(query.size_limit()),
        Function::Class => Value::text(ClassWord(query.qclass.into()).to_string()),
        Function::ClientIp => Value::text(request.client.ip().to_string()),
        Function::Do => Value::Bool(query.dnssec_ok()),
        Function::Id => Value::Int(request.id.into()),
        Function::Name => Value::text(query.lower.to_string()),
        Function::Opcode => Value::Int(request.opcode.0.into()),
        Function::Port => Value::text(request.client.port().to_string()),
        Function::Proto => Value::text(request.transport.proto()),
        Function::ServerIp => Value::text(request.local.ip().to_string()),
        Function::ServerPort => Value::text(request.local.port().to_string()),
        Function::Size => int(request.size),
        Function::Type => Value::text(TypeWord(query.qtype.into()).to_string()),
        _ => return fail("a function without its arguments"),
    })
}

fn of_values<'a>(function: Function, arguments: &[Value<'a>]) -> Given<'a> {
    Ok(match (function, arguments) {
        (Function::InCidr, [Value::Text(text), Value::Text(net)]) => {
            let address = address(text)?;
            match net.parse() {
                Ok(net) => Value::Bool(contains(&net, address)),
                Err(_) => return fail(format!("invalid CIDR address: {net}")),
            }
        }
        (Function::Abs, [Value::Int(number)]) => Value::Int(number.wrapping_abs()),
        (Function::Abs, [Value::Float(number)]) => Value::Float(number.abs()),
        (Function::Int, [value]) => to_int(value)?,
        (Function::Float, [value]) => to_float(value)?,
        (Function::Text, [value]) => Value::text(value.to_string()),
        (Function::Len, [Value::Text(text)]) => int(text.chars().count()),
        (Function::Len, [Value::Array(values)]) => int(values.len()),
        (Function::First, [Value::Array(values)]) => values.first().cloned().unwrap_or(Value::Nil),
        (Function::Last, [Value::Array(values)]) => values.last().cloned().unwrap_or(Value::Nil),
        (Function::Max | Function::Min, values) => extreme(function == Function::Max, values)?,
        (Function::Join, [Value::Array(values), rest @ ..]) => join(values, rest)?,
        (function, [Value::Text(text), rest @ ..]) => of_text(function, text, rest)?,
        (_, arguments) => {
            let kinds: Vec<&str> = arguments.iter().map(Value::kind).collect();
            return fail(format!("a function cannot take {}", kinds.join(", ")));
        }
    })
}

fn of_text<'a>(function: Function, text: &str, rest: &[Value<'a>]) -> Given<'a> {
    Ok(match (function, rest) {
        (Function::Lower, []) => Value::text(text.to_lowercase()),
        (Function::Upper, []) => Value::text(text.to_uppercase()),
        (Function::Trim, []) => Value::text(text.trim().to_owned()),
        (Function::Trim, [Value::Text(set)]) => {
            Value::text(text.trim_matches(|char| set.contains(char)).to_owned())
        }
        (Function::TrimPrefix, rest) => {
            let prefix = or_space(rest)?;
            Value::text(text.strip_prefix(prefix).unwrap_or(text).to_owned())
        }
        (Function::TrimSuffix, rest) => {
            let suffix = or_space(rest)?;
            Value::text(text.strip_suffix(suffix).unwrap_or(text).to_owned())
        }
        (Function::HasPrefix, [Value::Text(part)]) => Value::Bool(text.starts_with(&**part)),
        (Function::HasSuffix, [Value::Text(part)]) => Value::Bool(text.ends_with(&**part)),
        (Function::IndexOf, [Value::Text(part)]) => found(text.find(&**part)),
        (Function::LastIndexOf, [Value::Text(part)]) => found(text.rfind(&**part)),
        (Function::Repeat, [Value::Int(count)]) => repeat(text, *count)?,
        (Function::Split, [Value::Text(by)]) => split(text, by, None),
        (Function::Split, [Value::Text(by), Value::Int(most)]) => split(text, by, Some(*most)),
        (Function::Replace, [Value::Text(from), Value::Text(to)]) => {
            Value::text(text.replace(&**from, to))
        }
        (Function::Replace, [Value::Text(from), Value::Text(to), Value::Int(most)]) => {
            Value::text(match usize::try_from(*most) {
                Ok(most) => text.replacen(&**from, to, most),
                Err(_) => text.replace(&**from, to),
            })
        }
        _ => return fail("a function cannot take these values"),
    })
}

/// The address that a text is.
pub(super) fn address(text: &str) -> Result<IpAddr, EvalError> {
    let address = text.parse();
    address.or_else(|_| fail("first argument is not an IP address"))
}

/// Whether an address is in a network; one that is IPv4 within IPv6 is taken as IPv4.
pub(super) fn contains(net: &IpNet, address: IpAddr) -> bool {
    net.contains(&address.to_canonical())
}

fn int<'a>(number: usize) -> Value<'a> {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn found<'a>(place: Option<usize>) -> Value<'a> {
    place.map_or(Value::Int(-1), int)
}

fn or_space<'v>(rest: &'v [Value<'_>]) -> Result<&'v str, EvalError> {
    match rest {
        [] => Ok(" "),
        [Value::Text(text)] => Ok(text),
        _ => fail("a function cannot take these values"),
    }
}

fn to_int<'a>(value: &Value<'a>) -> Given<'a> {
    Ok(match value {
        Value::Int(number) => Value::Int(*number),
        Value::Float(number) => Value::Int(*number as i64),
        Value::Text(text) => match text.parse() {
            Ok(number) => Value::Int(number),
            Err(_) => return fail(format!("invalid operation: int({text})")),
        },
        other => return fail(format!("invalid operation: int({})", other.kind())),
    })
}

fn to_float<'a>(value: &Value<'a>) -> Given<'a> {
    Ok(match value {
        Value::Int(number) => Value::Float(*number as f64),
        Value::Float(number) => Value::Float(*number),
        Value::Text(text) => match text.parse() {
            Ok(number) => Value::Float(number),
            Err(_) => return fail(format!("invalid operation: float({text})")),
        },
        other => return fail(format!("invalid operation: float({})", other.kind())),
    })
}

/// The greatest or the least of numbers, and of the numbers of arrays.
fn extreme<'a>(greatest: bool, values: &[Value<'a>]) -> Given<'a> {
    let mut best: Option<(f64, Value<'a>)> = None;
    for value in values {
        let (number, value) = match value {
            Value::Int(whole) => (*whole as f64, value.clone()),
            Value::Float(number) => (*number, value.clone()),
            Value::Array(values) if values.is_empty() => continue,
            Value::Array(values) => match extreme(greatest, values)? {
                Value::Int(whole) => (whole as f64, Value::Int(whole)),
                Value::Float(number) => (number, Value::Float(number)),
                _ => continue,
            },
            other => return fail(format!("{} is no number", other.kind())),
        };
        if best
            .as_ref()
            .is_none_or(|(known, _)| (number > *known) == greatest && number != *known)
        {
            best = Some((number, value));
        }
    }
    match best {
        Some((_, value)) => Ok(value),
        None => fail("there is no number"),
    }
}

fn join<'a>(values: &[Value<'a>], rest: &[Value<'a>]) -> Given<'a> {
    let between = match rest {
        [] => "",
        [Value::Text(text)] => text,
        _ => return fail("join takes a text"),
    };
    let text = |value: &Value<'a>| match value {
        Value::Text(text) => Ok(text.to_string()),
        other => fail(format!("join cannot take {}", other.kind())),
    };
    let texts: Result<Vec<String>, EvalError> = values.iter().map(text).collect();
    Ok(Value::text(texts?.join(between)))
}

fn repeat<'a>(text: &str, count: i64) -> Given<'a> {
    let Ok(count) = usize::try_from(count) else {
        let message = "invalid argument for repeat (expected positive integer";
        return fail(format!("{message}, got {count})"));
    };
    match text.len().checked_mul(count) {
        Some(length) if length <= LONGEST_TEXT => Ok(Value::text(text.repeat(count))),
        _ => fail(format!("repeat makes more than {LONGEST_TEXT} bytes")),
    }
}

/// Go's `strings.SplitN`: at most so many parts; all of them where that is below zero.
fn split<'a>(text: &str, by: &str, most: Option<i64>) -> Value<'a> {
    let part = |part: &str| Value::text(part.to_owned());
    let most = usize::try_from(most.unwrap_or(-1)).unwrap_or(usize::MAX);
    if by.is_empty() {
        let mut parts: Vec<_> = text
            .chars()
            .map(|char| Value::text(char.to_string()))
            .collect();
        if parts.len() > most {
            let kept: usize = text
                .chars()
                .take(most.saturating_sub(1))
                .map(char::len_utf8)
                .sum();
            parts.truncate(most.saturating_sub(1));
            parts.extend(text.get(kept..).filter(|_| most > 0).map(part));
        }
        return Value::Array(parts);
    }
    Value::Array(text.splitn(most, by).map(part).collect())
}
