//! What expressions work on.

use std::borrow::Cow;
use std::fmt;

/// What kind of value an expression gives, as far as can be told without a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plugin) enum Type {
    /// Any of the others.
    Any,
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A number of 64 bits.
    Float,
    /// Text.
    String,
    /// Values one after the other.
    Array(Box<Self>),
}

/// A value; text is borrowed from the expression or the query where it can be.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::plugin) enum Value<'a> {
    /// Nothing.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Values one after the other.
    Array(Vec<Self>),
}

impl Type {
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// The type of the elements; of [`Type::Any`] it is any.
    pub(super) fn element(&self) -> Option<&Self> {
        match self {
            Self::Array(element) => Some(element),
            Self::Any => Some(self),
            _ => None,
        }
    }

    pub(super) fn array_of(element: Self) -> Self {
        Self::Array(Box::new(element))
    }

    /// Whether both may be compared by `==`.
    pub(super) fn comparable(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any | Self::Nil, _) | (_, Self::Any | Self::Nil) => true,
            (Self::Array(_), Self::Array(_)) => true,
            _ => self == other || (self.is_number() && other.is_number()),
        }
    }

    /// What either of two values is.
    pub(super) fn either(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nil, other) | (other, Self::Nil) => other,
            (one, other) if one == other => one,
            _ => Self::Any,
        }
    }
}

/// The words of expr-lang's messages.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Nil => f.write_str("nil"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::String => f.write_str("string"),
            Self::Array(element) => write!(f, "[]{element}"),
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// The same, owning its text.
    pub(in crate::plugin) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Int(number) => Value::Int(number),
            Self::Float(number) => Value::Float(number),
            Self::Text(text) => Value::Text(text.into_owned().into()),
            Self::Array(values) => Value::Array(values.into_iter().map(Self::into_owned).collect()),
        }
    }

    /// The kind of value, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
        }
    }

    /// Whether `==` holds: numbers by their value, whatever their type.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(whole), Self::Float(number)) | (Self::Float(number), Self::Int(whole)) => {
                *whole as f64 == *number
            }
            (Self::Array(one), Self::Array(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| one.equals(other))
            }
            _ => self == other,
        }
    }
}

/// As Go's `%v` writes it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("<nil>"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write_float(*number, f),
            Self::Text(text) => f.write_str(text),
            Self::Array(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    let space = if at == 0 { "" } else { " " };
                    write!(f, "{space}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Go's `%v` of a number: the shortest text, with an exponent where it is below -4 or above 20.
fn write_float(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let size = number.abs();
    if !number.is_finite() {
        let text = match number {
            number if number.is_nan() => "NaN",
            number if number > 0.0 => "+Inf",
            _ => "-Inf",
        };
        return f.write_str(text);
    }
    if size == 0.0 || (1e-4..1e21).contains(&size) {
        return write!(f, "{number}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    write!(f, "{digits}e{sign}{exponent:0>2}")
}
