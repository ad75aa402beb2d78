//! Expressions over a query: the conditions of `view` and `template`, and the variables of
//! `template`.
//!
//! The language is that of expr-lang as CoreDNS has it; `docs/plugins/view.md` tells which part of
//! it is here. An expression is read, typed and lowered when a Corefile is set up, so that a
//! mistake is told with its place:
//!
//! ```text
//! words ── lexer ──> tokens ── parser ──> Node ── check ──> Code, Type ── eval ──> Value
//! ```
//!
//! What is left for a query is a walk over a small tree, of a depth that the parser bounds.

mod arguments;
mod call;
mod check;
mod eval;
mod function;
mod lexer;
mod node;
mod operator;
mod parser;
mod value;

use super::language::Fault;
use crate::corefile::{Diagnostic, Severity, Token};
use crate::query::Query;

pub(super) use eval::EvalError;
pub(super) use function::is_reserved;
pub(super) use value::{Type, Value};

use check::Code;

/// A name that stands for a part of a regular expression's match; see [`Context::group`].
pub(super) type Group<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// What an expression may name besides the functions that all have.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Whether there is a match, and so the function `group`.
    pub(super) groups: bool,
    /// Variables, in the order of [`Context::variables`].
    pub(super) variables: Vec<(String, Type)>,
}

/// What an expression is about.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The query.
    pub(super) query: &'a Query<'a>,
    /// The text of a group of the match by its name or number; `None` where there is no match.
    pub(super) group: Option<Group<'a>>,
    /// The values of [`Scope::variables`]; may be fewer while variables are being set.
    pub(super) variables: &'a [Value<'static>],
}

/// An expression that can be asked.
#[derive(Debug)]
pub(super) struct Expression {
    code: Code,
    /// The type of what it gives.
    pub(super) gives: Type,
}

impl Expression {
    /// Reads the expression that words of a directive hold, as if there were one space between
    /// each. What can only fail for each query is a warning.
    ///
    /// # Errors
    /// It is no expression, or its types do not fit.
    pub(super) fn of_tokens(
        words: &[&Token],
        scope: &Scope,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Self, Diagnostic> {
        let texts: Vec<&str> = words.iter().map(|word| word.text()).collect();
        let text = texts.join(" ");
        let mut doubts = Vec::new();
        let compiled = Self::compile(&text, scope, &mut doubts);
        let doubts = doubts.into_iter().map(|doubt| tell(doubt, words, &text));
        warnings.extend(doubts.map(|doubt| doubt.graded(Severity::Warning)));
        compiled.map_err(|fault| tell(fault, words, &text))
    }

    fn compile(text: &str, scope: &Scope, doubts: &mut Vec<Fault>) -> Result<Self, Fault> {
        let node = parser::parse(text)?;
        let (code, gives) = check::check(&node, scope, doubts)?;
        Ok(Self { code, gives })
    }

    /// What the expression gives.
    ///
    /// # Errors
    /// A value is not what a function or an operator can take.
    pub(super) fn value<'a>(&'a self, context: &Context<'a>) -> Result<Value<'a>, EvalError> {
        eval::eval(&self.code, context)
    }

    /// Whether it gives `true`; what fails, or is no truth value, is not.
    pub(super) fn is_true<'a>(&'a self, context: &Context<'a>) -> bool {
        matches!(self.value(context), Ok(Value::Bool(true)))
    }

    /// A warning for an expression that can never be `true`, where a condition is wanted.
    pub(super) fn warn_unless_condition(&self, words: &[&Token]) -> Option<Diagnostic> {
        if matches!(self.gives, Type::Bool | Type::Any) {
            return None;
        }
        let warning = Diagnostic::warning(format!(
            "the expression gives {}, so the condition never holds",
            self.gives
        ));
        let warning = warning.help("compare it: name() == 'example.org.'");
        Some(match words.first() {
            Some(word) => warning.at(word.place()),
            None => warning,
        })
    }
}

/// Says where in the Corefile a fault is.
fn tell(fault: Fault, words: &[&Token], text: &str) -> Diagnostic {
    let mut start = 0;
    let mut place = None;
    for word in words {
        let end = start + word.text().len();
        if fault.at.start <= end {
            let from = fault.at.start.saturating_sub(start);
            let to = fault.at.end.min(end).saturating_sub(start).max(from);
            place = Some(match from < to {
                true => word.part(from..to),
                // What is missing is missing after the word.
                false => word.place().clone(),
            });
            break;
        }
        start = end + 1;
    }
    let error = Diagnostic::error(fault.message);
    let place = place.or_else(|| words.last().map(|word| word.place().clone()));
    let error = match &place {
        Some(place) => error.at(place),
        None => error,
    };
    // CoreDNS's own lexer takes double quotes around a whole word away.
    let lost_quotes = words.len() > 1 && words.iter().any(|word| word.is_quoted());
    match fault.help {
        _ if lost_quotes => error.help(format!(
            "a Corefile takes double quotes away, so this reads: {text}; write 'text'"
        )),
        Some(help) => error.help(help),
        None => error,
    }
}

#[cfg(test)]
mod tests;
