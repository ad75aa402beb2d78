//! Commands: words, what they name, and what they are given.

use std::fmt::Display;

use super::eval::{Evaluated, LONGEST, State, failed, failed_at};
use super::function::{Function, Takes};
use super::node::{Command, Term, What};
use super::value::{Object, Value, question};

impl<'a> State<'a> {
    pub(super) fn command(
        &mut self,
        dot: &Value<'a>,
        command: &'a Command,
        last: Option<Value<'a>>,
    ) -> Evaluated<'a> {
        let (term, arguments) = (&command.first, command.arguments.as_slice());
        match &term.what {
            What::Function(function) => {
                return self.call(*function, dot, (term, arguments), last);
            }
            What::Field(_) | What::Chain(..) => {
                return self.fields(dot, (term, arguments), last);
            }
            What::Variable(_, names) if !names.is_empty() => {
                return self.fields(dot, (term, arguments), last);
            }
            What::Nil => return failed(term, "nil is not a command"),
            _ => {}
        }
        if !arguments.is_empty() || last.is_some() {
            let message = format!("can't give argument to non-function {term}");
            return failed(term, message);
        }
        self.term(dot, term)
    }

    /// The value of a word that is given no argument.
    fn term(&mut self, dot: &Value<'a>, term: &'a Term) -> Evaluated<'a> {
        match &term.what {
            What::Dot => Ok(dot.clone()),
            What::Nil => Ok(Value::Absent),
            What::Bool(truth) => Ok(Value::Bool(*truth)),
            What::Number { number, written } => match (number.is_fraction, number.int) {
                (true, _) => Ok(Value::Float(number.float.unwrap_or(0.0))),
                (false, Some(int)) => Ok(Value::Int(int)),
                (false, None) => failed(term, format!("{written} overflows int")),
            },
            What::Text { text, .. } => Ok(Value::text(text.as_str())),
            What::Pipeline(pipeline) => self.pipeline(dot, pipeline),
            What::Function(function) => self.call(*function, dot, (term, &[]), None),
            What::Variable(name, names) if names.is_empty() => Ok(self.variable(name)),
            What::Field(_) | What::Variable(..) | What::Chain(..) => {
                self.fields(dot, (term, &[]), None)
            }
        }
    }

    fn variable(&self, name: &str) -> Value<'a> {
        let known = self.variables.iter().rfind(|(known, _)| *known == name);
        known.map_or(Value::Absent, |(_, value)| value.clone())
    }

    /// `.A.B`, `$x.A.B` or `(...).A.B`, the last with arguments where it is a function.
    fn fields(
        &mut self,
        dot: &Value<'a>,
        (term, arguments): (&'a Term, &'a [Term]),
        last: Option<Value<'a>>,
    ) -> Evaluated<'a> {
        let (mut receiver, names) = match &term.what {
            What::Field(names) => (dot.clone(), names),
            What::Variable(name, names) => (self.variable(name), names),
            What::Chain(inner, names) => {
                if matches!(inner.what, What::Nil) {
                    let message = format!("indirection through explicit nil in {term}");
                    return failed(term, message);
                }
                (self.term(dot, inner)?, names)
            }
            _ => return self.term(dot, term),
        };
        let Some((name, before)) = names.split_last() else {
            return Ok(receiver);
        };
        for name in before {
            receiver = self.field(dot, &receiver, name, (term, &[]), None)?;
        }
        self.field(dot, &receiver, name, (term, arguments), last)
    }

    fn field(
        &mut self,
        dot: &Value<'a>,
        receiver: &Value<'a>,
        name: &'a str,
        (term, arguments): (&'a Term, &'a [Term]),
        last: Option<Value<'a>>,
    ) -> Evaluated<'a> {
        let Value::Object(object) = receiver else {
            if matches!(receiver, Value::Absent) {
                return Ok(Value::Absent);
            }
            let of = receiver.type_name();
            return failed(term, format!("can't evaluate field {name} in type {of}"));
        };
        let given = arguments.len() + usize::from(last.is_some());
        let wanted = |wanted: usize| match given == wanted {
            true => Ok(()),
            false => failed(
                term,
                format!("wrong number of args for {name}: want {wanted} got {given}"),
            ),
        };
        match (object, name) {
            (Object::Data, "Meta") => {
                wanted(1)?;
                let label = match arguments.first() {
                    Some(argument) => self.argument(dot, argument, Takes::Text)?,
                    None => fitting(term, last.unwrap_or(Value::Absent), Takes::Text)?,
                };
                let Value::Text(label) = label else {
                    return Ok(Value::Absent);
                };
                let value = self.data.query.metadata(&label);
                return Ok(Value::text(value.as_deref().unwrap_or_default().to_owned()));
            }
            (Object::Question, "String") => {
                wanted(0)?;
                return Ok(Value::text(question(self.data)));
            }
            _ => {}
        }
        if object.has_keys() {
            return match given {
                0 => Ok(object.key(name, self.data).unwrap_or(Value::Absent)),
                _ => failed(term, format!("{name} is not a method but has arguments")),
            };
        }
        let found = object.field(name, self.data);
        match found {
            Some(_) if given > 0 => {
                let message = format!("{name} has arguments but cannot be invoked as function");
                failed(term, message)
            }
            Some(value) => Ok(value),
            None => {
                let of = object.type_name();
                failed(term, format!("can't evaluate field {name} in type {of}"))
            }
        }
    }

    fn call(
        &mut self,
        function: Function,
        dot: &Value<'a>,
        (term, arguments): (&'a Term, &'a [Term]),
        last: Option<Value<'a>>,
    ) -> Evaluated<'a> {
        let name = function.name();
        let given = arguments.len() + usize::from(last.is_some());
        let (least, most) = function.arity();
        match most {
            None if given < least => {
                let message = format!(
                    "wrong number of args for {name}: want at least {least} got {}",
                    arguments.len()
                );
                return failed(term, message);
            }
            Some(most) if given != most => {
                let message = format!("wrong number of args for {name}: want {most} got {given}");
                return failed(term, message);
            }
            _ => {}
        }
        if matches!(function, Function::And | Function::Or) {
            return self.first_that_decides(function, dot, arguments, last);
        }
        let mut values = Vec::with_capacity(given);
        for (place, argument) in arguments.iter().enumerate() {
            values.push(self.argument(dot, argument, function.takes(place))?);
        }
        if let Some(last) = last {
            values.push(fitting(term, last, function.takes(values.len()))?);
        }
        match function.call(&values, self.data) {
            Ok(Value::Text(text)) if text.len() > LONGEST => {
                failed(term, format!("{name} gives more than {LONGEST} bytes"))
            }
            Ok(value) => Ok(value),
            Err(message) => {
                // As in Go, where the whole command is shown.
                let command = Shown(term, arguments);
                failed_at(
                    term.at,
                    &command,
                    format!("error calling {name}: {message}"),
                )
            }
        }
    }

    fn first_that_decides(
        &mut self,
        function: Function,
        dot: &Value<'a>,
        arguments: &'a [Term],
        last: Option<Value<'a>>,
    ) -> Evaluated<'a> {
        let mut value = Value::Absent;
        for argument in arguments {
            value = self.argument(dot, argument, Takes::Any)?;
            if value.is_true(self.data) == (function == Function::Or) {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn argument(&mut self, dot: &Value<'a>, term: &'a Term, takes: Takes) -> Evaluated<'a> {
        match (&term.what, takes) {
            (_, Takes::Any) => self.term(dot, term),
            (What::Text { .. }, Takes::Text) => self.term(dot, term),
            (What::Number { number, .. }, Takes::Int) => match number.int {
                Some(int) => Ok(Value::Int(int)),
                None => failed(term, format!("expected integer; found {term}")),
            },
            (What::Nil, _) => {
                let word = takes.word();
                failed(term, format!("cannot assign nil to {word}"))
            }
            (What::Number { .. } | What::Bool(_), Takes::Text) => {
                failed(term, format!("expected string; found {term}"))
            }
            (What::Text { .. } | What::Bool(_), Takes::Int) => {
                failed(term, format!("expected integer; found {term}"))
            }
            _ => {
                let value = self.term(dot, term)?;
                fitting(term, value, takes)
            }
        }
    }
}

impl Takes {
    fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Text => "string",
            Self::Int => "int",
        }
    }
}

/// A value, where it is of the type that is wanted.
fn fitting<'a>(term: &Term, value: Value<'a>, takes: Takes) -> Evaluated<'a> {
    match (&value, takes) {
        (_, Takes::Any) | (Value::Text(_), Takes::Text) | (Value::Int(_), Takes::Int) => Ok(value),
        (Value::Absent, _) => {
            let message = format!("invalid value; expected {}", takes.word());
            failed(term, message)
        }
        (other, _) => {
            let (word, of) = (takes.word(), other.type_name());
            let message = format!("wrong type for value; expected {word}; got {of}");
            failed(term, message)
        }
    }
}

/// A command as it is printed.
struct Shown<'t>(&'t Term, &'t [Term]);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)?;
        self.1
            .iter()
            .try_for_each(|argument| write!(f, " {argument}"))
    }
}
