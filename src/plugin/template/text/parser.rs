//! Items to a tree, by the grammar of Go's `text/template`.

use super::Fault;
use super::lexer::{Item, Kind, lex};
use super::node::{Branch, Node};

/// The deepest nesting of conditions, loops and parentheses, which bounds the stack.
const DEEPEST: usize = 100;

/// What stands in for an item that is not there; there always is [`Kind::End`].
pub(super) const NOTHING: &Item<'static> = &Item {
    kind: Kind::End,
    text: "",
    at: 0..0,
};

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Fault> {
    let items = lex(text)?;
    let mut parser = Parser {
        items: &items,
        read: 0,
        variables: vec!["$".to_owned()],
        loops: 0,
        depth: 0,
    };
    let mut nodes = Vec::new();
    while parser.peek().kind != Kind::End {
        match parser.node()? {
            Step::Node(node) => nodes.push(node),
            Step::End => return Err(parser.stray("{{end}}")),
            Step::Else => return Err(parser.stray("{{else}}")),
        }
    }
    Ok(nodes)
}

pub(super) struct Parser<'t> {
    pub(super) items: &'t [Item<'t>],
    pub(super) read: usize,
    /// The variables that are known here.
    pub(super) variables: Vec<String>,
    loops: usize,
    depth: usize,
}

/// What one action is.
enum Step {
    Node(Node),
    End,
    Else,
}

/// Where a pipeline stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Command,
    If,
    With,
    Range,
    Parentheses,
}

impl Place {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
            Self::Parentheses => "parenthesized pipeline",
        }
    }
}

impl<'t> Parser<'t> {
    pub(super) fn peek(&self) -> &'t Item<'t> {
        self.items.get(self.read).unwrap_or(NOTHING)
    }

    pub(super) fn next(&mut self) -> &'t Item<'t> {
        let item = self.peek();
        if item.kind != Kind::End {
            self.read += 1;
        }
        item
    }

    pub(super) fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.read += 1;
        }
    }

    pub(super) fn peek_word(&mut self) -> &'t Item<'t> {
        self.skip_space();
        self.peek()
    }

    fn next_word(&mut self) -> &'t Item<'t> {
        self.skip_space();
        self.next()
    }

    pub(super) fn unexpected<T>(&self, item: &Item<'_>, context: &str) -> Result<T, Fault> {
        let what = match item.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Keyword => format!("<{}>", item.text),
            _ => format!("{:?}", item.text),
        };
        Err(Fault::new(
            format!("unexpected {what} in {context}"),
            item.at.clone(),
        ))
    }

    /// The fault of an end that belongs to nothing; it was read last.
    fn stray(&self, what: &str) -> Fault {
        let read = self.items.get(..self.read).unwrap_or_default();
        let keyword = read.iter().rfind(|item| item.kind == Kind::Keyword);
        let at = keyword.unwrap_or(NOTHING).at.clone();
        Fault::new(format!("unexpected {what}"), at)
    }

    pub(super) fn deeper<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.depth >= DEEPEST {
            return Err(Fault::new(
                "max expression depth exceeded",
                self.peek().at.clone(),
            ));
        }
        self.depth += 1;
        let done = f(self);
        self.depth -= 1;
        done
    }

    fn node(&mut self) -> Result<Step, Fault> {
        let item = self.next();
        match item.kind {
            Kind::Text => Ok(Step::Node(Node::Text(item.text.to_owned()))),
            Kind::Left => self.action(),
            _ => self.unexpected(item, "input"),
        }
    }

    fn action(&mut self) -> Result<Step, Fault> {
        let item = self.peek_word();
        if item.kind != Kind::Keyword || item.text == "nil" {
            return Ok(Step::Node(Node::Action(self.pipeline(Place::Command)?)));
        }
        self.read += 1;
        let node = match item.text {
            "if" => Node::If(self.deeper(|parser| parser.branch(Place::If))?),
            "with" => Node::With(self.deeper(|parser| parser.branch(Place::With))?),
            "range" => Node::Range(self.deeper(|parser| parser.branch(Place::Range))?),
            "end" => {
                self.right("end")?;
                return Ok(Step::End);
            }
            "else" => {
                let next = self.peek_word();
                if !matches!((&next.kind, next.text), (Kind::Keyword, "if" | "with")) {
                    self.right("else")?;
                }
                return Ok(Step::Else);
            }
            word @ ("break" | "continue") => {
                let action = format!("{{{{{word}}}}}");
                self.right(&action)?;
                if self.loops == 0 {
                    let message = format!("{action} outside {{{{range}}}}");
                    return Err(Fault::new(message, item.at.clone()));
                }
                match word {
                    "break" => Node::Break,
                    _ => Node::Continue,
                }
            }
            word => {
                let message = format!("callsign's templates do not have '{word}'");
                let fault = Fault::new(message, item.at.clone());
                return Err(fault.help("a template here makes one record; write it out"));
            }
        };
        Ok(Step::Node(node))
    }

    fn right(&mut self, context: &str) -> Result<(), Fault> {
        let item = self.next_word();
        match item.kind {
            Kind::Right => Ok(()),
            _ => self.unexpected(item, context),
        }
    }

    /// A condition or a loop after its word, up to its end.
    fn branch(&mut self, place: Place) -> Result<Branch, Fault> {
        let known = self.variables.len();
        let pipeline = self.pipeline(place)?;
        self.loops += usize::from(place == Place::Range);
        let (list, has_else) = self.list()?;
        self.loops -= usize::from(place == Place::Range);
        let otherwise = match has_else {
            false => None,
            true => Some(self.otherwise(place)?),
        };
        self.variables.truncate(known);
        Ok(Branch {
            pipeline,
            list,
            otherwise,
        })
    }

    fn otherwise(&mut self, place: Place) -> Result<Vec<Node>, Fault> {
        let next = self.peek();
        match (&next.kind, next.text, place) {
            (Kind::Keyword, "if", Place::If) => {
                self.read += 1;
                let branch = self.deeper(|parser| parser.branch(Place::If))?;
                Ok(vec![Node::If(branch)])
            }
            (Kind::Keyword, "with", Place::With) => {
                self.read += 1;
                let branch = self.deeper(|parser| parser.branch(Place::With))?;
                Ok(vec![Node::With(branch)])
            }
            _ => match self.list()? {
                (list, false) => Ok(list),
                (_, true) => Err(self.stray("{{else}}; expected {{end}}")),
            },
        }
    }

    /// Nodes up to an end (false) or an else (true).
    fn list(&mut self) -> Result<(Vec<Node>, bool), Fault> {
        let mut nodes = Vec::new();
        loop {
            if self.peek().kind == Kind::End {
                let fault = Fault::new("unexpected EOF", self.peek().at.clone());
                return Err(fault.help("each if, with and range ends with {{ end }}"));
            }
            match self.node()? {
                Step::Node(node) => nodes.push(node),
                Step::End => return Ok((nodes, false)),
                Step::Else => return Ok((nodes, true)),
            }
        }
    }
}
