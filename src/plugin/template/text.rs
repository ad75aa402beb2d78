//! Go's `text/template`, as far as records of DNS want it: the language of `answer`, `additional`
//! and `authority`. `docs/plugins/template.md` has the table of what is here.
//!
//! A text is read when a Corefile is set up, and refused where Go's reader refuses it:
//!
//! ```text
//! text ── lexer ──> items ── parser ──> Node ── lint ──> warnings
//!                                         └── eval (for each query) ──> text of a record
//! ```
//!
//! Nesting, steps and the length of what is written are bounded, so no template can hold a thread.

mod command;
mod eval;
mod format;
mod function;
mod lexer;
mod lint;
mod node;
mod parser;
mod pipeline;
mod value;

use regex::{Captures, Regex};

use crate::corefile::{Diagnostic, Token};
use crate::plugin::expression;
use crate::plugin::language::Fault;
use crate::query::Query;

pub(super) use eval::ExecError;

use node::{List, Node};

/// A template that was read.
#[derive(Debug)]
pub(super) struct Text {
    nodes: Vec<Node>,
    /// The text as Go prints what it read: a label of metrics.
    pub(super) canonical: String,
}

/// What the dot of a template is.
pub(super) struct Data<'a> {
    /// The zone that the name is in.
    pub(super) zone: &'a str,
    /// The name that is asked for, in lower case.
    pub(super) name: &'a str,
    /// The pattern that matched.
    pub(super) pattern: &'a str,
    /// The same, compiled.
    pub(super) regex: &'a Regex,
    /// What it matched.
    pub(super) captures: &'a Captures<'a>,
    /// The words for class and type.
    pub(super) class: &'a str,
    pub(super) qtype: &'a str,
    /// The values of `var`, by name.
    pub(super) variables: &'a [(&'a str, expression::Value<'static>)],
    /// The query.
    pub(super) query: &'a Query<'a>,
}

/// A fault as it is told, at its place in the word that holds the template.
fn tell(fault: Fault, severity: fn(String) -> Diagnostic, word: &Token) -> Diagnostic {
    let length = word.text().len();
    let (from, to) = (fault.at.start.min(length), fault.at.end.min(length));
    let place = match from < to {
        true => word.part(from..to),
        false => word.place().clone(),
    };
    let told = severity(fault.message).at(&place);
    match fault.help {
        Some(help) => told.help(help),
        None => told,
    }
}

impl Text {
    /// Reads the template that a word of a directive holds. What is legal and would fail for each
    /// query is put among the warnings.
    ///
    /// # Errors
    /// Go would not read it, or it uses what is not here.
    pub(super) fn of_token(
        word: &Token,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Self, Diagnostic> {
        let (text, faults) = Self::parse(word.text()).map_err(|mut fault| {
            fault.message = format!("could not compile template: {}", fault.message);
            let text = word.text();
            if !word.is_quoted() && text.contains("{{") && !text.contains("}}") {
                fault.help = Some("put double quotes around the whole record".to_owned());
            } else if text.matches("{{").count() > text.matches("}}").count() {
                fault.help = Some("close each '{{' by '}}'".to_owned());
            }
            tell(fault, Diagnostic::error, word)
        })?;
        let faults = faults.into_iter();
        warnings.extend(faults.map(|fault| tell(fault, Diagnostic::warning, word)));
        Ok(text)
    }

    fn parse(text: &str) -> Result<(Self, Vec<Fault>), Fault> {
        let nodes = parser::parse(text)?;
        let faults = lint::lint(&nodes)?;
        let canonical = List(&nodes).to_string();
        Ok((Self { nodes, canonical }, faults))
    }

    /// What the template writes.
    ///
    /// # Errors
    /// A value is not what is done with it.
    pub(super) fn write<'a>(&'a self, data: &'a Data<'a>) -> Result<String, ExecError> {
        eval::run(&self.nodes, data)
    }
}

impl<'a> Data<'a> {
    fn group(&self, key: &str) -> Option<&'a str> {
        group(self.regex, self.captures, key)
    }
}

/// The text of a group of a match by its name or number; `None` where there is none.
pub(super) fn group<'a>(regex: &Regex, captures: &Captures<'a>, key: &str) -> Option<&'a str> {
    let number = key.parse::<usize>().ok();
    let number = number.filter(|number| number.to_string() == key);
    let found = match number {
        Some(number) if number < captures.len() => captures.get(number),
        None if regex.capture_names().flatten().any(|name| name == key) => captures.name(key),
        _ => return None,
    };
    Some(found.map_or("", |found| found.as_str()))
}

#[cfg(test)]
mod tests;
