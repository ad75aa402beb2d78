//! The tree of a template, and how Go prints it.

use std::fmt;

use super::function::Function;
use super::lexer::Number;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
}

/// What a condition or a loop holds.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) list: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

/// Commands, each of which gives its value to the next.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// Variables that take the value.
    pub(super) variables: Vec<String>,
    /// Whether they were declared before.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// A word and its arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) first: Term,
    pub(super) arguments: Vec<Term>,
}

/// A word, and where it starts.
#[derive(Debug)]
pub(super) struct Term {
    pub(super) what: What,
    pub(super) at: usize,
    /// Where it ends.
    pub(super) end: usize,
}

/// See [`Term`].
#[derive(Debug)]
pub(super) enum What {
    Dot,
    Nil,
    Bool(bool),
    Number { written: String, number: Number },
    Text { written: String, text: String },
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Function(Function),
    Pipeline(Box<Pipeline>),
    Chain(Box<Term>, Vec<String>),
}

/// Nodes one after the other.
pub(super) struct List<'n>(pub(super) &'n [Node]);

fn dotted(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    names.iter().try_for_each(|name| write!(f, ".{name}"))
}

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|node| node.fmt(f))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Action(pipeline) => write!(f, "{{{{{pipeline}}}}}"),
            Self::If(branch) => branch.write("if", f),
            Self::With(branch) => branch.write("with", f),
            Self::Range(branch) => branch.write("range", f),
            Self::Break => f.write_str("{{break}}"),
            Self::Continue => f.write_str("{{continue}}"),
        }
    }
}

impl Branch {
    fn write(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{word} {}}}}}{}", self.pipeline, List(&self.list))?;
        if let Some(otherwise) = &self.otherwise {
            write!(f, "{{{{else}}}}{}", List(otherwise))?;
        }
        f.write_str("{{end}}")
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.assigns { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (at, command) in self.commands.iter().enumerate() {
            let pipe = if at == 0 { "" } else { " | " };
            write!(f, "{pipe}{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.arguments
            .iter()
            .try_for_each(|argument| write!(f, " {argument}"))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Dot => f.write_str("."),
            What::Nil => f.write_str("nil"),
            What::Bool(truth) => write!(f, "{truth}"),
            What::Number { written, .. } | What::Text { written, .. } => f.write_str(written),
            What::Field(names) => dotted(f, names),
            What::Variable(name, names) => {
                f.write_str(name)?;
                dotted(f, names)
            }
            What::Function(function) => f.write_str(function.name()),
            What::Pipeline(pipeline) => write!(f, "({pipeline})"),
            What::Chain(inner, names) => {
                inner.fmt(f)?;
                dotted(f, names)
            }
        }
    }
}
