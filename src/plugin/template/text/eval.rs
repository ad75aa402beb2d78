//! A tree and a query to text.

use std::fmt::Display;

use super::Data;
use super::format;
use super::node::{Branch, List, Node, Pipeline, Term};
use super::value::{Object, Value};

/// The most commands that one template runs for a query.
const MOST_STEPS: u32 = 2_000;
/// The longest text, in bytes: a record is not longer than a message.
pub(super) const LONGEST: usize = 65_535;

/// Why a template failed, in Go's words.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::plugin::template) struct ExecError {
    /// Where in the template, in bytes.
    pub(in crate::plugin::template) at: usize,
    /// The part that failed.
    pub(in crate::plugin::template) part: String,
    /// The cause.
    pub(in crate::plugin::template) message: String,
}

pub(super) type Evaluated<'a> = Result<Value<'a>, ExecError>;

/// Whether the loop around goes on.
enum Flow {
    On,
    Break,
    Continue,
}

/// What a template writes.
pub(super) fn run<'a>(nodes: &'a [Node], data: &'a Data<'a>) -> Result<String, ExecError> {
    let dot = Value::Object(Object::Data);
    let mut state = State {
        data,
        variables: vec![("$", dot.clone())],
        out: String::new(),
        steps: 0,
    };
    state.walk(&dot, nodes)?;
    Ok(state.out)
}

/// A template while it is run.
pub(super) struct State<'a> {
    pub(super) data: &'a Data<'a>,
    pub(super) variables: Vec<(&'a str, Value<'a>)>,
    out: String,
    steps: u32,
}

pub(super) fn failed<T>(term: &Term, message: impl Into<String>) -> Result<T, ExecError> {
    failed_at(term.at, term, message)
}

pub(super) fn failed_at<T>(
    at: usize,
    part: &impl Display,
    message: impl Into<String>,
) -> Result<T, ExecError> {
    Err(ExecError {
        at,
        part: part.to_string(),
        message: message.into(),
    })
}

impl Pipeline {
    /// Where it starts.
    fn at(&self) -> usize {
        self.commands.first().map_or(0, |command| command.first.at)
    }
}

impl<'a> State<'a> {
    fn walk(&mut self, dot: &Value<'a>, nodes: &'a [Node]) -> Result<Flow, ExecError> {
        for node in nodes {
            match node {
                Node::Text(text) => self.put(text, &List(nodes))?,
                Node::Action(pipeline) => {
                    let value = self.pipeline(dot, pipeline)?;
                    if pipeline.variables.is_empty() {
                        self.print(&value, pipeline)?;
                    }
                }
                Node::If(branch) | Node::With(branch) => {
                    let sets_dot = matches!(node, Node::With(_));
                    match self.choose(dot, branch, sets_dot)? {
                        Flow::On => {}
                        other => return Ok(other),
                    }
                }
                Node::Range(branch) => match self.range(dot, branch)? {
                    Flow::On => {}
                    other => return Ok(other),
                },
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::On)
    }

    fn put(&mut self, text: &str, part: &impl Display) -> Result<(), ExecError> {
        if self.out.len() + text.len() > LONGEST {
            let message = format!("it writes more than {LONGEST} bytes");
            return failed_at(0, part, message);
        }
        self.out.push_str(text);
        Ok(())
    }

    fn print(&mut self, value: &Value<'a>, pipeline: &'a Pipeline) -> Result<(), ExecError> {
        let text = match value {
            Value::Absent => "<no value>".to_owned(),
            Value::Object(Object::Data | Object::Message | Object::Header) => {
                let message = format!("can't print {pipeline} of type {}", value.type_name());
                return failed_at(pipeline.at(), pipeline, message);
            }
            value => format::plain(value, self.data),
        };
        self.put(&text, pipeline)
    }

    fn choose(
        &mut self,
        dot: &Value<'a>,
        branch: &'a Branch,
        sets_dot: bool,
    ) -> Result<Flow, ExecError> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipeline)?;
        let flow = match (value.is_true(self.data), &branch.otherwise) {
            (true, _) if sets_dot => self.walk(&value, &branch.list)?,
            (true, _) => self.walk(dot, &branch.list)?,
            (false, Some(otherwise)) => self.walk(dot, otherwise)?,
            (false, None) => Flow::On,
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value<'a>, branch: &'a Branch) -> Result<Flow, ExecError> {
        let mark = self.variables.len();
        let pipeline = &branch.pipeline;
        let value = self.pipeline(dot, pipeline)?;
        let fail = |message: String| match pipeline.commands.first() {
            Some(command) => failed_at(pipeline.at(), command, message),
            None => failed_at(0, pipeline, message),
        };
        let counted = |most: u64| (0..most).map(|number| number.min(MOST_STEPS.into()));
        let elements: Vec<(Value<'a>, Value<'a>)> = match &value {
            Value::Int(_) | Value::Uint(..) if pipeline.variables.len() > 1 => {
                let number = format::number(&value);
                return fail(format!(
                    "can't use {number} to iterate over more than one variable"
                ));
            }
            Value::Int(most) => counted(u64::try_from(*most).unwrap_or(0))
                .take(MOST_STEPS as usize)
                .map(|at| (Value::Absent, Value::Int(at as i64)))
                .collect(),
            Value::Uint(most, of) => counted(*most)
                .take(MOST_STEPS as usize)
                .map(|at| (Value::Absent, Value::Uint(at, of)))
                .collect(),
            Value::List(values, _) => {
                let numbers = (0..).map(Value::Int);
                numbers.zip(values.iter().cloned()).collect()
            }
            Value::Absent => Vec::new(),
            Value::Object(object) => match object.entries(self.data) {
                Some(entries) => entries
                    .into_iter()
                    .map(|(key, value)| (Value::Text(key), value))
                    .collect(),
                None => return fail(format!("range can't iterate over {}", value.type_name())),
            },
            other => {
                let text = format::plain(other, self.data);
                return fail(format!("range can't iterate over {text}"));
            }
        };
        let mut flow = Flow::On;
        if let (true, Some(otherwise)) = (elements.is_empty(), &branch.otherwise) {
            flow = self.walk(dot, otherwise)?;
        }
        let inner = self.variables.len();
        for (key, element) in elements {
            self.step(pipeline)?;
            self.set_element(pipeline, mark, key, &element);
            let turn = self.walk(&element, &branch.list)?;
            self.variables.truncate(inner);
            if matches!(turn, Flow::Break) {
                break;
            }
        }
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// Gives the variables of a loop their values for one turn. Those that it declares are the
    /// first after the mark.
    fn set_element(
        &mut self,
        pipeline: &'a Pipeline,
        mark: usize,
        key: Value<'a>,
        element: &Value<'a>,
    ) {
        let (key_name, element_name) = match pipeline.variables.as_slice() {
            [element] => (None, Some(element)),
            [key, element] => (Some(key), Some(element)),
            _ => (None, None),
        };
        if pipeline.assigns {
            if let Some(name) = key_name {
                self.assign(name, key);
            }
            if let Some(name) = element_name {
                self.assign(name, element.clone());
            }
            return;
        }
        let mut own = self.variables.iter_mut().skip(mark);
        if key_name.is_some()
            && let Some((_, place)) = own.next()
        {
            *place = key;
        }
        if element_name.is_some()
            && let Some((_, place)) = own.next()
        {
            *place = element.clone();
        }
    }

    fn assign(&mut self, name: &str, value: Value<'a>) {
        let known = self.variables.iter_mut().rfind(|(known, _)| *known == name);
        if let Some((_, place)) = known {
            *place = value;
        }
    }

    fn step(&mut self, pipeline: &'a Pipeline) -> Result<(), ExecError> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            let message = format!("it takes more than {MOST_STEPS} steps");
            return failed_at(pipeline.at(), pipeline, message);
        }
        Ok(())
    }

    pub(super) fn pipeline(&mut self, dot: &Value<'a>, pipeline: &'a Pipeline) -> Evaluated<'a> {
        let mut last = None;
        for command in &pipeline.commands {
            self.step(pipeline)?;
            last = Some(self.command(dot, command, last)?);
        }
        let value = last.unwrap_or(Value::Absent);
        for name in &pipeline.variables {
            match pipeline.assigns {
                true => self.assign(name, value.clone()),
                false => self.variables.push((name, value.clone())),
            }
        }
        Ok(value)
    }
}
