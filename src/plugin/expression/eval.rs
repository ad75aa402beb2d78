//! Code to a value, for one query.

use std::borrow::Cow;

use super::check::{Code, Each};
use super::function::Function;
use super::operator::Binary;
use super::value::Value;
use super::{Context, call};
use crate::plugin::pattern;

/// The most elements of a range that is made for a query.
const LONGEST_RANGE: i64 = 10_000;

/// Why an expression gives nothing for a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::plugin) struct EvalError(pub(super) String);

pub(super) type Given<'a> = Result<Value<'a>, EvalError>;

pub(super) fn fail<T>(message: impl Into<String>) -> Result<T, EvalError> {
    Err(EvalError(message.into()))
}

/// What the code gives.
pub(super) fn eval<'a>(code: &'a Code, context: &Context<'a>) -> Given<'a> {
    let mut eval = Eval {
        context,
        elements: Vec::new(),
        locals: Vec::new(),
    };
    eval.value(code)
}

struct Eval<'a, 'c> {
    context: &'c Context<'a>,
    /// The elements that the predicates around are asked about, and their numbers.
    elements: Vec<(Value<'a>, i64)>,
    locals: Vec<Value<'a>>,
}

impl<'a> Eval<'a, '_> {
    fn value(&mut self, code: &'a Code) -> Given<'a> {
        Ok(match code {
            Code::Constant(value) => borrowed(value),
            Code::Variable(number) => match self.context.variables.get(*number) {
                Some(value) => borrowed(value),
                None => Value::Nil,
            },
            Code::Local(number) => self.locals.get(*number).cloned().unwrap_or(Value::Nil),
            Code::Element => self
                .elements
                .last()
                .map_or(Value::Nil, |(value, _)| value.clone()),
            Code::Index => Value::Int(self.elements.last().map_or(0, |(_, index)| *index)),
            Code::Not(inner) => Value::Bool(!self.truth(inner)?),
            Code::Negate(inner) => match self.value(inner)? {
                Value::Int(number) => Value::Int(number.wrapping_neg()),
                Value::Float(number) => Value::Float(-number),
                other => return fail(format!("cannot negate {}", other.kind())),
            },
            Code::All(parts) => Value::Bool(self.first_with(parts, false)?.is_none()),
            Code::Any(parts) => Value::Bool(self.first_with(parts, true)?.is_some()),
            Code::Binary(binary, sides) => self.binary(*binary, sides)?,
            Code::Matches(inner, regex) => Value::Bool(regex.is_match(&self.text(inner)?)),
            Code::InNet(address, net) => {
                // The ordinary question, for which no text need be made.
                let address = match **address {
                    Code::Call(Function::ClientIp, _) => self.context.query.request.client.ip(),
                    Code::Call(Function::ServerIp, _) => self.context.query.request.local.ip(),
                    _ => call::address(&self.text(address)?)?,
                };
                Value::Bool(call::contains(net, address))
            }
            Code::Between(inner, low, high) => match self.value(inner)? {
                Value::Int(number) => Value::Bool((*low..=*high).contains(&number)),
                other => return fail(format!("{} is not in a range", other.kind())),
            },
            Code::Conditional(parts) => {
                let [condition, first, second] = &**parts;
                let branch = if self.truth(condition)? {
                    first
                } else {
                    second
                };
                self.value(branch)?
            }
            Code::Array(parts) => Value::Array(self.values(parts)?),
            Code::At(parts) => {
                let [array, index] = &**parts;
                let (array, index) = (self.array(array)?, self.int(index)?);
                at(array, index)?
            }
            Code::Slice(inner, ends) => self.slice(inner, ends)?,
            Code::Call(function, arguments) => {
                let arguments = self.values(arguments)?;
                call::call(*function, &arguments, self.context)?
            }
            Code::Each(each, array, predicate) => self.each(*each, array, predicate.as_deref())?,
            Code::Let(parts) => {
                let [value, rest] = &**parts;
                let value = self.value(value)?;
                self.locals.push(value);
                let given = self.value(rest);
                self.locals.pop();
                given?
            }
        })
    }

    fn values(&mut self, parts: &'a [Code]) -> Result<Vec<Value<'a>>, EvalError> {
        parts.iter().map(|part| self.value(part)).collect()
    }

    /// The first part that is this truth value.
    fn first_with(&mut self, parts: &'a [Code], truth: bool) -> Result<Option<usize>, EvalError> {
        for (number, part) in parts.iter().enumerate() {
            if self.truth(part)? == truth {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn truth(&mut self, code: &'a Code) -> Result<bool, EvalError> {
        match self.value(code)? {
            Value::Bool(truth) => Ok(truth),
            other => fail(format!("{} is no truth value", other.kind())),
        }
    }

    fn text(&mut self, code: &'a Code) -> Result<Cow<'a, str>, EvalError> {
        match self.value(code)? {
            Value::Text(text) => Ok(text),
            other => fail(format!("{} is no text", other.kind())),
        }
    }

    fn int(&mut self, code: &'a Code) -> Result<i64, EvalError> {
        match self.value(code)? {
            Value::Int(number) => Ok(number),
            other => fail(format!("{} is no whole number", other.kind())),
        }
    }

    fn array(&mut self, code: &'a Code) -> Result<Vec<Value<'a>>, EvalError> {
        match self.value(code)? {
            Value::Array(values) => Ok(values),
            other => fail(format!("{} is no array", other.kind())),
        }
    }

    fn binary(&mut self, binary: Binary, sides: &'a [Code; 2]) -> Given<'a> {
        let [left, right] = sides;
        let left = self.value(left)?;
        if binary == Binary::Coalesce && left != Value::Nil {
            return Ok(left);
        }
        let right = self.value(right)?;
        if let (Value::Text(one), Value::Text(other)) = (&left, &right)
            && let Some(value) = of_texts(binary, one, other)?
        {
            return Ok(value);
        }
        Ok(match (binary, &left, &right) {
            (Binary::Equal, one, other) => Value::Bool(one.equals(other)),
            (Binary::NotEqual, one, other) => Value::Bool(!one.equals(other)),
            (Binary::In, one, Value::Array(values)) => {
                Value::Bool(values.iter().any(|value| value.equals(one)))
            }
            (Binary::Coalesce, _, _) => right,
            (_, Value::Int(one), Value::Int(other)) => of_ints(binary, *one, *other)?,
            _ => match (number(&left), number(&right)) {
                (Some(one), Some(other)) => of_floats(binary, one, other)?,
                _ => {
                    let (one, other) = (left.kind(), right.kind());
                    return fail(format!("invalid operation between {one} and {other}"));
                }
            },
        })
    }

    fn slice(&mut self, inner: &'a Code, ends: &'a [Option<Box<Code>>; 2]) -> Given<'a> {
        let value = self.value(inner)?;
        let length = match &value {
            Value::Text(text) => text.len(),
            Value::Array(values) => values.len(),
            other => return fail(format!("cannot slice {}", other.kind())),
        };
        let [from, to] = ends;
        let mut end = |end: &'a Option<Box<Code>>, otherwise| match end {
            Some(code) => Ok(clamp(self.int(code)?, length)),
            None => Ok(otherwise),
        };
        let (from, to) = (end(from, 0)?, end(to, length)?);
        let range = from.min(to)..to;
        Ok(match value {
            Value::Text(text) => match text.get(range) {
                Some(part) => Value::text(part.to_owned()),
                None => return fail("the slice ends inside a character"),
            },
            Value::Array(values) => Value::Array(values.get(range).unwrap_or_default().to_vec()),
            other => other,
        })
    }

    fn each(&mut self, each: Each, array: &'a Code, predicate: Option<&'a Code>) -> Given<'a> {
        let values = self.array(array)?;
        let (mut held, mut kept, mut index) = (0, Vec::new(), 0);
        for value in values {
            let answer = match predicate {
                Some(predicate) => {
                    self.elements.push((value.clone(), index));
                    let answer = self.value(predicate);
                    self.elements.pop();
                    answer?
                }
                None => value.clone(),
            };
            index += 1;
            if each == Each::Map {
                kept.push(answer);
                continue;
            }
            let Value::Bool(holds) = answer else {
                return fail(format!("the predicate gave {}", answer.kind()));
            };
            held += i64::from(holds);
            match each {
                Each::Any | Each::None if holds => break,
                Each::All if !holds => break,
                Each::Find if holds => return Ok(value),
                Each::FindIndex if holds => return Ok(Value::Int(index - 1)),
                Each::Filter if holds => kept.push(value),
                _ => {}
            }
        }
        Ok(match each {
            Each::All => Value::Bool(held == index),
            Each::None => Value::Bool(held == 0),
            Each::Any => Value::Bool(held > 0),
            Each::One => Value::Bool(held == 1),
            Each::Count => Value::Int(held),
            Each::Filter | Each::Map => Value::Array(kept),
            Each::Find | Each::FindIndex => Value::Nil,
        })
    }
}

/// The same value; its text is not copied.
fn borrowed<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::Text(text) => Value::Text(Cow::Borrowed(text)),
        Value::Array(values) => Value::Array(values.iter().map(borrowed).collect()),
        Value::Nil => Value::Nil,
        Value::Bool(truth) => Value::Bool(*truth),
        Value::Int(number) => Value::Int(*number),
        Value::Float(number) => Value::Float(*number),
    }
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// An index that may count from the end, within the bounds.
fn clamp(index: i64, length: usize) -> usize {
    let from_end =
        || length.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(length));
    match usize::try_from(index) {
        Ok(index) => index.min(length),
        Err(_) => from_end(),
    }
}

fn at(mut array: Vec<Value<'_>>, index: i64) -> Given<'_> {
    let length = array.len();
    let place = match index < 0 {
        true => usize::try_from(index.unsigned_abs())
            .ok()
            .and_then(|back| length.checked_sub(back)),
        false => usize::try_from(index).ok().filter(|place| *place < length),
    };
    match place {
        Some(place) => Ok(array.swap_remove(place)),
        None => fail(format!(
            "index out of range: {index} (array length is {length})"
        )),
    }
}

fn of_texts<'a>(binary: Binary, one: &str, other: &str) -> Result<Option<Value<'a>>, EvalError> {
    Ok(Some(match binary {
        Binary::Equal => Value::Bool(one == other),
        Binary::NotEqual => Value::Bool(one != other),
        Binary::Less => Value::Bool(one < other),
        Binary::LessOrEqual => Value::Bool(one <= other),
        Binary::Greater => Value::Bool(one > other),
        Binary::GreaterOrEqual => Value::Bool(one >= other),
        Binary::Add => Value::text([one, other].concat()),
        Binary::Contains => Value::Bool(one.contains(other)),
        Binary::StartsWith => Value::Bool(one.starts_with(other)),
        Binary::EndsWith => Value::Bool(one.ends_with(other)),
        // A pattern that is not known before the query.
        Binary::Matches => match pattern::compile(other) {
            Ok(regex) => Value::Bool(regex.is_match(one)),
            Err(reason) => return fail(reason),
        },
        _ => return Ok(None),
    }))
}

fn of_ints<'a>(binary: Binary, one: i64, other: i64) -> Given<'a> {
    Ok(match binary {
        Binary::Less => Value::Bool(one < other),
        Binary::LessOrEqual => Value::Bool(one <= other),
        Binary::Greater => Value::Bool(one > other),
        Binary::GreaterOrEqual => Value::Bool(one >= other),
        Binary::Add => Value::Int(one.wrapping_add(other)),
        Binary::Subtract => Value::Int(one.wrapping_sub(other)),
        Binary::Multiply => Value::Int(one.wrapping_mul(other)),
        Binary::Remainder if other == 0 => return fail("integer divide by zero"),
        Binary::Remainder => Value::Int(one.wrapping_rem(other)),
        Binary::Range if other.saturating_sub(one) >= LONGEST_RANGE => {
            return fail(format!(
                "the range {one}..{other} is longer than {LONGEST_RANGE}"
            ));
        }
        Binary::Range => Value::Array((one..=other).map(Value::Int).collect()),
        _ => return of_floats(binary, one as f64, other as f64),
    })
}

fn of_floats<'a>(binary: Binary, one: f64, other: f64) -> Given<'a> {
    Ok(match binary {
        Binary::Less => Value::Bool(one < other),
        Binary::LessOrEqual => Value::Bool(one <= other),
        Binary::Greater => Value::Bool(one > other),
        Binary::GreaterOrEqual => Value::Bool(one >= other),
        Binary::Add => Value::Float(one + other),
        Binary::Subtract => Value::Float(one - other),
        Binary::Multiply => Value::Float(one * other),
        Binary::Divide => Value::Float(one / other),
        Binary::Power => Value::Float(one.powf(other)),
        _ => return fail("invalid operation between numbers"),
    })
}
