//! What templates work on.

use std::borrow::Cow;

use super::Data;
use crate::name::NameText;
use crate::plugin::expression;
use crate::wire::Flags;
use crate::wire::mnemonic::{ClassWord, TypeWord};

/// A value; text is borrowed from the template or the query where it can be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing: a key that there is not, `nil`.
    Absent,
    Bool(bool),
    Int(i64),
    /// A number of one of Go's unsigned types.
    Uint(u64, &'static str),
    Float(f64),
    Text(Cow<'a, str>),
    /// Values one after the other, and Go's type of them all.
    List(Vec<Self>, &'static str),
    Object(Object),
}

/// A thing with fields or keys, of which there is one for each query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// The dot.
    Data,
    Message,
    /// The fields of a message's header.
    Header,
    Question,
    Groups,
    Variables,
}

/// What is known of a query, by the names of fields.
pub(super) const FIELDS: &[&str] = &[
    "Zone", "Name", "Regex", "Match", "Group", "Class", "Type", "Message", "Question", "Remote",
    "Var", "Meta",
];
/// The fields of a message that there are.
pub(super) const OF_MESSAGE: &[&str] = &[
    "Id",
    "Response",
    "Opcode",
    "Authoritative",
    "Truncated",
    "RecursionDesired",
    "RecursionAvailable",
    "Zero",
    "AuthenticatedData",
    "CheckingDisabled",
    "Rcode",
    "MsgHdr",
    "Compress",
    "Question",
];

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Go's name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Absent => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_, of) | Self::List(_, of) => of,
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Go's name of the type, of what a pointer leads to.
    pub(super) fn pointee(&self) -> &'static str {
        self.type_name().trim_start_matches('*')
    }

    /// Whether it is not the zero of its type.
    pub(super) fn is_true(&self, data: &Data<'_>) -> bool {
        match self {
            Self::Absent => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Uint(number, _) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(values, _) => !values.is_empty(),
            Self::Object(object) => object.entries(data).is_none_or(|all| !all.is_empty()),
        }
    }

    /// A value of an expression.
    pub(super) fn of_expression(value: &expression::Value<'static>) -> Self {
        match value {
            expression::Value::Nil => Self::Absent,
            expression::Value::Bool(truth) => Self::Bool(*truth),
            expression::Value::Int(number) => Self::Int(*number),
            expression::Value::Float(number) => Self::Float(*number),
            expression::Value::Text(text) => Self::Text(text.clone()),
            expression::Value::Array(values) => Self::List(
                values.iter().map(Self::of_expression).collect(),
                "[]interface {}",
            ),
        }
    }
}

impl Object {
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Data => "*template.templateData",
            Self::Message => "*dns.Msg",
            Self::Header => "dns.MsgHdr",
            Self::Question => "*dns.Question",
            Self::Groups => "map[string]string",
            Self::Variables => "map[string]interface {}",
        }
    }

    /// Keys and values, sorted; `None` for what has fields instead.
    pub(super) fn entries<'a>(self, data: &Data<'a>) -> Option<Vec<(Cow<'a, str>, Value<'a>)>> {
        let mut entries: Vec<(Cow<'a, str>, Value<'a>)> = match self {
            Self::Groups => {
                let numbers = (0..data.captures.len()).map(|number| number.to_string());
                let names = data.regex.capture_names().flatten().map(str::to_owned);
                let all = numbers.chain(names);
                all.filter_map(|key| Some((Cow::from(key.clone()), data.group(&key)?)))
                    .map(|(key, text)| (key, Value::text(text)))
                    .collect()
            }
            Self::Variables => {
                let entry = |(name, value): &(&'a str, expression::Value<'static>)| {
                    (Cow::from(*name), Value::of_expression(value))
                };
                data.variables.iter().map(entry).collect()
            }
            _ => return None,
        };
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Some(entries)
    }

    /// Whether it has keys, which may be any, and no fields.
    pub(super) fn has_keys(self) -> bool {
        matches!(self, Self::Groups | Self::Variables)
    }

    /// The value of a key; `None` where there is none.
    pub(super) fn key<'a>(self, key: &str, data: &Data<'a>) -> Option<Value<'a>> {
        match self {
            Self::Groups => data.group(key).map(Value::text),
            Self::Variables => {
                let found = data.variables.iter().rfind(|(name, _)| *name == key);
                found.map(|(_, value)| Value::of_expression(value))
            }
            _ => None,
        }
    }

    /// The value of a field; `None` where there is none.
    pub(super) fn field<'a>(self, name: &str, data: &Data<'a>) -> Option<Value<'a>> {
        match self {
            Self::Data => of_data(name, data),
            Self::Message | Self::Header => of_message(self, name, data),
            Self::Question => of_question(name, data),
            Self::Groups | Self::Variables => None,
        }
    }
}

fn of_data<'a>(name: &str, data: &Data<'a>) -> Option<Value<'a>> {
    Some(match name {
        "Zone" => Value::text(data.zone),
        "Name" => Value::text(data.name),
        "Regex" => Value::text(data.pattern),
        "Match" => {
            let groups = data.captures.iter();
            let groups = groups.map(|group| Value::text(group.map_or("", |group| group.as_str())));
            Value::List(groups.collect(), "[]string")
        }
        "Group" => Value::Object(Object::Groups),
        "Class" => Value::text(data.class),
        "Type" => Value::text(data.qtype),
        "Message" => Value::Object(Object::Message),
        "Question" => Value::Object(Object::Question),
        "Remote" => Value::text(data.query.request.client.ip().to_string()),
        "Var" => Value::Object(Object::Variables),
        _ => return None,
    })
}

fn of_message<'a>(of: Object, name: &str, data: &Data<'a>) -> Option<Value<'a>> {
    let request = data.query.request;
    let flag = |flag| Value::Bool(request.flags.has(flag));
    Some(match name {
        "Id" => Value::Uint(request.id.into(), "uint16"),
        "Response" => flag(Flags::QR),
        "Opcode" => Value::Int(request.opcode.0.into()),
        "Authoritative" => flag(Flags::AA),
        "Truncated" => flag(Flags::TC),
        "RecursionDesired" => flag(Flags::RD),
        "RecursionAvailable" => flag(Flags::RA),
        "Zero" => flag(Flags::Z),
        "AuthenticatedData" => flag(Flags::AD),
        "CheckingDisabled" => flag(Flags::CD),
        "Rcode" => Value::Int((request.flags.bits() & 0xf).into()),
        "MsgHdr" if of == Object::Message => Value::Object(Object::Header),
        "Compress" if of == Object::Message => Value::Bool(false),
        "Question" if of == Object::Message => {
            Value::List(vec![Value::Object(Object::Question)], "[]dns.Question")
        }
        _ => return None,
    })
}

fn of_question<'a>(name: &str, data: &Data<'a>) -> Option<Value<'a>> {
    let query = data.query;
    Some(match name {
        "Name" => Value::text(NameText::from(query.name).as_str().to_owned()),
        "Qtype" => Value::Uint(u16::from(query.qtype).into(), "uint16"),
        "Qclass" => Value::Uint(u16::from(query.qclass).into(), "uint16"),
        _ => return None,
    })
}

/// The question as it is printed.
pub(super) fn question(data: &Data<'_>) -> String {
    let query = data.query;
    let (class, qtype) = (query.qclass.into(), query.qtype.into());
    let name = NameText::from(query.name);
    format!(
        ";{}\t{}\t {}",
        name.as_str(),
        ClassWord(class),
        TypeWord(qtype)
    )
}
