//! Pipelines, commands and terms: what stands inside of actions.

use super::Fault;
use super::function::{self, Function};
use super::lexer::{Item, Kind};
use super::node::{Command, Pipeline, Term, What};
use super::parser::{NOTHING, Parser, Place};
use crate::corefile::nearest;

impl<'t> Parser<'t> {
    pub(super) fn pipeline(&mut self, place: Place) -> Result<Pipeline, Fault> {
        let mut pipeline = Pipeline {
            variables: Vec::new(),
            assigns: false,
            commands: Vec::new(),
        };
        self.declarations(&mut pipeline, place)?;
        let end = match place {
            Place::Parentheses => Kind::Close,
            _ => Kind::Right,
        };
        loop {
            let item = self.peek_word();
            if item.kind == end {
                self.read += 1;
                break;
            }
            let starts_term = matches!(
                item.kind,
                Kind::Bool(_)
                    | Kind::Number(_)
                    | Kind::Dot
                    | Kind::Field
                    | Kind::Name
                    | Kind::Quoted(_)
                    | Kind::Variable
                    | Kind::Open
            ) || item.text == "nil";
            if !starts_term {
                return self.unexpected(item, place.word());
            }
            let at = item.at.clone();
            let command = self.command()?;
            let stage = pipeline.commands.len() + 1;
            if stage > 1 && !command.first.is_executable() {
                let message = format!("non executable command in pipeline stage {stage}");
                return Err(Fault::new(message, at));
            }
            pipeline.commands.push(command);
        }
        if pipeline.commands.is_empty() {
            let message = format!("missing value for {}", place.word());
            let last = self.read.checked_sub(1).and_then(|at| self.items.get(at));
            return Err(Fault::new(message, last.unwrap_or(NOTHING).at.clone()));
        }
        Ok(pipeline)
    }

    /// `$x :=`, `$x =`, and `$i, $x :=` of a loop.
    fn declarations(&mut self, pipeline: &mut Pipeline, place: Place) -> Result<(), Fault> {
        loop {
            let start = self.read;
            let variable = self.peek_word();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            self.read += 1;
            let next = self.peek_word();
            match (&next.kind, next.text) {
                (Kind::Assign | Kind::Declare, _) => {
                    pipeline.assigns = next.kind == Kind::Assign;
                    self.read += 1;
                    self.declare(pipeline, variable);
                    return Ok(());
                }
                (Kind::Sign, ",") => {
                    self.read += 1;
                    self.declare(pipeline, variable);
                    if place != Place::Range || pipeline.variables.len() > 1 {
                        let message = format!("too many declarations in {}", place.word());
                        return Err(Fault::new(message, next.at.clone()));
                    }
                    let after = self.peek_word();
                    if !matches!(after.kind, Kind::Variable | Kind::Right | Kind::Close) {
                        let message = "range can only initialize variables";
                        return Err(Fault::new(message, after.at.clone()));
                    }
                }
                _ => {
                    self.read = start;
                    return Ok(());
                }
            }
        }
    }

    fn declare(&mut self, pipeline: &mut Pipeline, variable: &Item<'_>) {
        pipeline.variables.push(variable.text.to_owned());
        self.variables.push(variable.text.to_owned());
    }

    fn command(&mut self) -> Result<Command, Fault> {
        let mut terms = Vec::new();
        loop {
            self.skip_space();
            if let Some(term) = self.operand()? {
                terms.push(term);
            }
            let item = self.next();
            match item.kind {
                Kind::Space => continue,
                Kind::Right | Kind::Close => self.read -= 1,
                Kind::Pipe => {}
                _ => return self.unexpected(item, "operand"),
            }
            let mut terms = terms.into_iter();
            let Some(first) = terms.next() else {
                return Err(Fault::new("empty command", item.at.clone()));
            };
            return Ok(Command {
                first,
                arguments: terms.collect(),
            });
        }
    }

    /// A term and the fields after it; `None` where no term is next.
    fn operand(&mut self) -> Result<Option<Term>, Fault> {
        let Some(mut term) = self.term()? else {
            return Ok(None);
        };
        let start = self.peek().at.start;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            let item = self.next();
            names.push(item.text.trim_start_matches('.').to_owned());
            term.end = item.at.end;
        }
        if names.is_empty() {
            return Ok(Some(term));
        }
        term.what = match term.what {
            What::Field(mut all) => {
                all.extend(names);
                What::Field(all)
            }
            What::Variable(name, mut all) => {
                all.extend(names);
                What::Variable(name, all)
            }
            What::Bool(_) | What::Text { .. } | What::Number { .. } | What::Nil | What::Dot => {
                let message = format!("unexpected . after term \"{term}\"");
                return Err(Fault::new(message, start..term.end));
            }
            what => {
                let inner = Term {
                    what,
                    at: term.at,
                    end: start,
                };
                What::Chain(Box::new(inner), names)
            }
        };
        // As in Go, which tells errors where the further fields start.
        term.at = start;
        Ok(Some(term))
    }

    fn term(&mut self) -> Result<Option<Term>, Fault> {
        let item = self.peek_word();
        let written = item.text.to_owned();
        let what = match &item.kind {
            Kind::Name => What::Function(self.function(item)?),
            Kind::Dot => What::Dot,
            Kind::Keyword if item.text == "nil" => What::Nil,
            Kind::Variable if self.variables.iter().any(|known| known == item.text) => {
                What::Variable(written, Vec::new())
            }
            Kind::Variable => {
                let message = format!("undefined variable {written:?}");
                return Err(Fault::new(message, item.at.clone()));
            }
            Kind::Field => What::Field(vec![written.trim_start_matches('.').to_owned()]),
            Kind::Bool(truth) => What::Bool(*truth),
            Kind::Number(number) => What::Number {
                written,
                number: *number,
            },
            Kind::Quoted(text) => What::Text {
                written,
                text: text.clone(),
            },
            Kind::Open => {
                self.read += 1;
                let inner = self.deeper(|parser| parser.pipeline(Place::Parentheses))?;
                let last = self.read.checked_sub(1).and_then(|at| self.items.get(at));
                return Ok(Some(Term {
                    what: What::Pipeline(Box::new(inner)),
                    at: item.at.start,
                    end: last.unwrap_or(NOTHING).at.end,
                }));
            }
            _ => return Ok(None),
        };
        self.read += 1;
        Ok(Some(Term {
            what,
            at: item.at.start,
            end: item.at.end,
        }))
    }

    fn function(&self, item: &Item<'_>) -> Result<Function, Fault> {
        if let Some(function) = Function::of(item.text) {
            return Ok(function);
        }
        let at = item.at.clone();
        if function::is_absent(item.text) {
            let message = format!(
                "callsign's templates do not have the function {}",
                item.text
            );
            let help = "docs/plugins/template.md lists the functions that there are";
            return Err(Fault::new(message, at).help(help));
        }
        let fault = Fault::new(format!("function {:?} not defined", item.text), at);
        let names = Function::ALL.iter().map(|(_, name)| *name);
        Err(match nearest(item.text, names) {
            Some(known) => fault.help(format!("did you mean '{known}'?")),
            None => fault.help(format!(
                "what is known of the query starts with a dot: .{}",
                item.text
            )),
        })
    }
}

impl Term {
    /// Whether it can take the value of the command before it.
    fn is_executable(&self) -> bool {
        !matches!(
            self.what,
            What::Bool(_) | What::Dot | What::Nil | What::Number { .. } | What::Text { .. }
        )
    }
}
