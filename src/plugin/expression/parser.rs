//! Tokens to a tree, by expr-lang's grammar and precedences.

use std::ops::Range;

use super::Fault;
use super::lexer::{Kind, Lexeme, lex};
use super::node::{DEEPEST, Node, What, joined, too_deep};
use super::operator::{Binary, Operator};
use super::value::Value;

/// Functions that ask a predicate about each element of an array.
pub(super) const EACH: &[&str] = &[
    "all",
    "none",
    "any",
    "one",
    "filter",
    "map",
    "count",
    "find",
    "findIndex",
];

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let lexemes = lex(text)?;
    let mut parser = Parser {
        lexemes: &lexemes,
        read: 0,
        predicates: 0,
        depth: 0,
    };
    let node = parser.expression(0)?;
    match parser.peek().kind {
        Kind::End => Ok(node),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'t> {
    lexemes: &'t [Lexeme<'t>],
    read: usize,
    /// How many predicates are around.
    predicates: usize,
    depth: usize,
}

/// What stands in for a token that is not there; there always is [`Kind::End`].
const NOTHING: &Lexeme<'static> = &Lexeme {
    kind: Kind::End,
    text: "",
    at: 0..0,
};

impl<'t> Parser<'t> {
    fn peek(&self) -> &'t Lexeme<'t> {
        self.lexemes
            .get(self.read)
            .or_else(|| self.lexemes.last())
            .unwrap_or(NOTHING)
    }

    fn next(&mut self) -> &'t Lexeme<'t> {
        let next = self.peek();
        self.read += 1;
        next
    }

    fn sees(&self, sign: &str) -> bool {
        let next = self.peek();
        next.kind == Kind::Sign && next.text == sign
    }

    fn accept(&mut self, sign: &str) -> bool {
        let sees = self.sees(sign);
        self.read += usize::from(sees);
        sees
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        match self.accept(sign) {
            true => Ok(()),
            false => Err(self.unexpected().help(format!("expected '{sign}' here"))),
        }
    }

    fn unexpected(&self) -> Fault {
        let next = self.peek();
        let fault = match next.kind {
            Kind::End => Fault::new("unexpected end of the expression", next.at.clone()),
            _ => Fault::new(format!("unexpected token '{}'", next.text), next.at.clone()),
        };
        match next.text {
            "=" => fault.help("equality is '=='"),
            "{" => fault.help("callsign does not have the maps of expr-lang"),
            "." | "?." => fault.help("values of queries have no fields"),
            _ => fault,
        }
    }

    /// An expression of operators that bind at least this tightly.
    fn expression(&mut self, least: u32) -> Result<Node, Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(too_deep(self.peek().at.clone()));
        }
        let node = match () {
            () if least == 0 && self.accept("let") => self.declaration(),
            () if least == 0 && self.accept("if") => self.branches(),
            () => self.operators(least),
        };
        self.depth -= 1;
        node
    }

    fn operators(&mut self, least: u32) -> Result<Node, Fault> {
        let mut left = self.primary()?;
        let mut coalesced = false;
        loop {
            let start = self.read;
            let negated = self.accept("not");
            let sign = self.peek();
            let found = Operator::of(sign.text).filter(|_| sign.kind == Kind::Sign);
            let Some((operator, binds)) = found.filter(|(_, binds)| *binds >= least) else {
                self.read = start;
                break;
            };
            self.read += 1;
            if coalesced && sign.text != "??" {
                let message = "?? and other operators cannot be mixed";
                let fault = Fault::new(message, sign.at.clone());
                return Err(fault.help("put parentheses around either"));
            }
            coalesced = sign.text == "??";
            if negated && !matches!(operator, Operator::Binary(binary) if binary.can_be_negated()) {
                self.read -= 1;
                return Err(self.unexpected());
            }
            left = self.binary(left, operator, binds, sign)?;
            if negated {
                left = Node::new(What::Not(Box::new(left)), sign.at.clone())?;
            }
        }
        if least == 0 {
            left = self.conditional(left)?;
        }
        Ok(left)
    }

    fn binary(
        &mut self,
        left: Node,
        operator: Operator,
        binds: u32,
        sign: &Lexeme<'_>,
    ) -> Result<Node, Fault> {
        let at = sign.at.clone();
        let binary = match operator {
            Operator::Pipe => {
                let name = self.next();
                if name.kind != Kind::Name {
                    self.read -= 1;
                    return Err(self.unexpected().help("a function's name follows '|'"));
                }
                return self.call(name, Some(left));
            }
            Operator::Or | Operator::And => {
                let right = self.expression(binds + 1)?;
                let what = joined(left, right, matches!(operator, Operator::Or));
                return Node::new(what, at);
            }
            Operator::Binary(binary) => binary,
        };
        if binary.is_order() {
            return self.orders(left, binary, binds, at);
        }
        let from_the_right = binary == Binary::Power;
        let right = self.expression(binds + u32::from(!from_the_right))?;
        Node::new(What::Binary(binary, Box::new([left, right])), at)
    }

    /// `1 < x < 3` asks both.
    fn orders(
        &mut self,
        left: Node,
        binary: Binary,
        binds: u32,
        at: Range<usize>,
    ) -> Result<Node, Fault> {
        let right = self.expression(binds + 1)?;
        let sign = self.peek();
        let next = match Operator::of(sign.text) {
            Some((Operator::Binary(next), _)) if next.is_order() && sign.kind == Kind::Sign => next,
            _ => return Node::new(What::Binary(binary, Box::new([left, right])), at),
        };
        self.read += 1;
        // The middle is read again for the second comparison: it is written once.
        let again = right.again().ok_or_else(|| {
            Fault::new(
                "comparisons in a row need a simple middle",
                right.at.clone(),
            )
            .help("write both comparisons, and 'and' between them")
        })?;
        let first = Node::new(What::Binary(binary, Box::new([left, right])), at)?;
        let rest = self.orders(again, next, binds, sign.at.clone())?;
        Node::new(joined(first, rest, false), sign.at.clone())
    }

    fn conditional(&mut self, mut node: Node) -> Result<Node, Fault> {
        while self.sees("?") {
            let at = self.next().at.clone();
            let first = self.expression(0)?;
            self.expect(":")?;
            let second = self.expression(0)?;
            node = Node::new(What::Conditional(Box::new([node, first, second])), at)?;
        }
        Ok(node)
    }

    /// `let NAME = VALUE; EXPRESSION`
    fn declaration(&mut self) -> Result<Node, Fault> {
        let name = self.next();
        if name.kind != Kind::Name {
            self.read -= 1;
            return Err(self.unexpected().help("a variable's name follows 'let'"));
        }
        self.expect("=")?;
        let value = self.expression(0)?;
        self.expect(";")?;
        let rest = self.expression(0)?;
        let what = What::Let(name.text.to_owned(), Box::new([value, rest]));
        Node::new(what, name.at.clone())
    }

    /// `if CONDITION { A } else { B }`
    fn branches(&mut self) -> Result<Node, Fault> {
        let condition = self.expression(0)?;
        let at = condition.at.clone();
        self.expect("{")?;
        let first = self.expression(0)?;
        self.expect("}")?;
        self.expect("else")?;
        let second = if self.sees("if") {
            self.expression(0)?
        } else {
            self.expect("{")?;
            let second = self.expression(0)?;
            self.expect("}")?;
            second
        };
        Node::new(What::Conditional(Box::new([condition, first, second])), at)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let first = self.peek();
        let at = first.at.clone();
        if first.kind == Kind::Sign {
            let (binds, negates) = match first.text {
                "not" | "!" => (50, false),
                "-" | "+" => (90, true),
                _ => return self.bracketed(),
            };
            self.read += 1;
            let inner = Box::new(self.expression(binds)?);
            let what = match (negates, first.text) {
                (false, _) => What::Not(inner),
                (true, "-") => What::Negate(inner),
                // A plus wants a number, which the minus checks too.
                _ => What::Negate(Box::new(Node::new(What::Negate(inner), at.clone())?)),
            };
            let node = Node::new(what, at)?;
            return self.postfix(node);
        }
        self.read += 1;
        let what = match &first.kind {
            Kind::Int(number) => What::Constant(Value::Int(*number)),
            Kind::Float(number) => What::Constant(Value::Float(*number)),
            Kind::Text(text) => What::Constant(Value::text(text.clone())),
            Kind::Name => match first.text {
                "true" => What::Constant(Value::Bool(true)),
                "false" => What::Constant(Value::Bool(false)),
                "nil" => What::Constant(Value::Nil),
                _ if self.sees("(") => {
                    let call = self.call(first, None)?;
                    return self.postfix(call);
                }
                name => What::Name(name.to_owned()),
            },
            Kind::Sign | Kind::End => {
                self.read -= 1;
                return Err(self.unexpected());
            }
        };
        let node = Node::new(what, at)?;
        self.postfix(node)
    }

    /// What starts with a sign that is no operator before a value.
    fn bracketed(&mut self) -> Result<Node, Fault> {
        let at = self.peek().at.clone();
        let node = if self.accept("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            inner
        } else if self.accept("[") {
            let elements = self.list("]")?;
            Node::new(What::Array(elements), at)?
        } else if self.predicates > 0 && self.accept("#") {
            let what = match self.peek() {
                next if next.kind == Kind::Name && next.at.start == at.end => {
                    if next.text != "index" {
                        return Err(self.unexpected().help("there is '#' and '#index'"));
                    }
                    self.read += 1;
                    What::Index
                }
                _ => What::Element,
            };
            Node::new(what, at)?
        } else {
            return Err(self.unexpected());
        };
        self.postfix(node)
    }

    /// Expressions with commas between them, up to a bracket.
    fn list(&mut self, end: &str) -> Result<Vec<Node>, Fault> {
        let mut nodes = Vec::new();
        while !self.accept(end) {
            if !nodes.is_empty() {
                self.expect(",")?;
                if self.accept(end) {
                    break;
                }
            }
            nodes.push(self.expression(0)?);
        }
        Ok(nodes)
    }

    /// The arguments of a function, its name being read; before a pipe stands the first of them.
    fn call(&mut self, name: &Lexeme<'_>, first: Option<Node>) -> Result<Node, Fault> {
        self.expect("(")?;
        let at = name.at.clone();
        if !EACH.contains(&name.text) {
            let mut arguments: Vec<Node> = first.into_iter().collect();
            arguments.extend(self.list(")")?);
            return Node::new(What::Call(name.text.to_owned(), arguments), at);
        }
        let piped = first.is_some();
        let array = match first {
            Some(array) => array,
            None => self.expression(0)?,
        };
        let predicate = if self.sees(")") {
            None
        } else {
            if !piped {
                self.expect(",")?;
            }
            Some(Box::new(self.predicate()?))
        };
        self.accept(",");
        self.expect(")")?;
        let what = What::Each(name.text.to_owned(), Box::new(array), predicate);
        Node::new(what, at)
    }

    fn predicate(&mut self) -> Result<Node, Fault> {
        let braces = self.accept("{");
        self.predicates += 1;
        let node = self.expression(0)?;
        self.predicates -= 1;
        if braces {
            self.expect("}")?;
        }
        Ok(node)
    }

    /// `[INDEX]` and `[FROM:TO]` after a value.
    fn postfix(&mut self, mut node: Node) -> Result<Node, Fault> {
        while self.sees("[") {
            let at = self.next().at.clone();
            let from = match self.sees(":") {
                true => None,
                false => Some(self.expression(0)?),
            };
            if self.accept(":") {
                let to = match self.sees("]") {
                    true => None,
                    false => Some(Box::new(self.expression(0)?)),
                };
                let from = from.map(Box::new);
                node = Node::new(What::Slice(Box::new(node), [from, to]), at)?;
            } else if let Some(index) = from {
                node = Node::new(What::At(Box::new([node, index])), at)?;
            }
            self.expect("]")?;
        }
        Ok(node)
    }
}
