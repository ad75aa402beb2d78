//! What can be read, and yet would fail for each query.

use super::Fault;
use super::node::{Branch, Command, Node, Pipeline, Term, What};
use super::value::{FIELDS, OF_MESSAGE};
use crate::corefile::nearest;

/// Looks at what is asked of the query's data, as far as a template shows it.
///
/// # Errors
/// Something that CoreDNS's data has and callsign's does not.
pub(super) fn lint(nodes: &[Node]) -> Result<Vec<Fault>, Fault> {
    let mut lint = Lint { faults: Vec::new() };
    lint.nodes(nodes, true)?;
    Ok(lint.faults)
}

struct Lint {
    faults: Vec<Fault>,
}

impl Lint {
    /// `top` is whether the dot is the query's data.
    fn nodes(&mut self, nodes: &[Node], top: bool) -> Result<(), Fault> {
        for node in nodes {
            match node {
                Node::Action(pipeline) => self.pipeline(pipeline, top)?,
                Node::If(branch) => self.branch(branch, top, top)?,
                Node::With(branch) | Node::Range(branch) => self.branch(branch, top, false)?,
                Node::Text(_) | Node::Break | Node::Continue => {}
            }
        }
        Ok(())
    }

    fn branch(&mut self, branch: &Branch, top: bool, inside: bool) -> Result<(), Fault> {
        self.pipeline(&branch.pipeline, top)?;
        self.nodes(&branch.list, inside)?;
        match &branch.otherwise {
            Some(otherwise) => self.nodes(otherwise, top),
            None => Ok(()),
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, top: bool) -> Result<(), Fault> {
        let terms = |command: &Command, lint: &mut Self| -> Result<(), Fault> {
            let all = std::iter::once(&command.first).chain(&command.arguments);
            all.into_iter().try_for_each(|term| lint.term(term, top))
        };
        let mut commands = pipeline.commands.iter();
        commands.try_for_each(|command| terms(command, self))
    }

    fn term(&mut self, term: &Term, top: bool) -> Result<(), Fault> {
        match &term.what {
            What::Pipeline(pipeline) => self.pipeline(pipeline, top),
            What::Chain(inner, _) => self.term(inner, top),
            What::Field(names) if top => self.names(term, names),
            What::Variable(name, names) if name == "$" => self.names(term, names),
            _ => Ok(()),
        }
    }

    fn names(&mut self, term: &Term, names: &[String]) -> Result<(), Fault> {
        let Some(first) = names.first() else {
            return Ok(());
        };
        let at = term.at..term.end;
        if !FIELDS.contains(&first.as_str()) {
            let message = format!("there is no .{first}, so each answer would fail");
            let fault = Fault::new(message, at);
            let insensitive = FIELDS
                .iter()
                .find(|field| field.eq_ignore_ascii_case(first));
            let known = insensitive.copied();
            self.faults.push(
                match known.or_else(|| nearest(first, FIELDS.iter().copied())) {
                    Some(known) => fault.help(format!("did you mean '.{known}'?")),
                    None => fault.help(format!("there are: .{}", FIELDS.join(", ."))),
                },
            );
            return Ok(());
        }
        match (first.as_str(), names.get(1)) {
            ("Message", Some(second)) if !OF_MESSAGE.contains(&second.as_str()) => {
                let message = format!("callsign's templates do not have .Message.{second}");
                let help = format!("there are: {}", OF_MESSAGE.join(", "));
                Err(Fault::new(message, at).help(help))
            }
            _ => Ok(()),
        }
    }
}
