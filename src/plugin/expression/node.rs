//! The tree of an expression, as it is written.

use std::ops::Range;

use super::Fault;
use super::operator::Binary;
use super::value::Value;

/// The deepest nesting, which bounds the stack that reading and asking take. A list of conditions
/// joined by `or` is one level.
pub(super) const DEEPEST: usize = 100;

/// A part of an expression, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) at: Range<usize>,
    depth: usize,
}

/// See [`Node`].
#[derive(Debug)]
pub(super) enum What {
    Constant(Value<'static>),
    Name(String),
    /// `#`: the element that a predicate is asked about.
    Element,
    /// `#index`: its number.
    Index,
    Not(Box<Node>),
    Negate(Box<Node>),
    /// Whether all hold: `and`.
    All(Vec<Node>),
    /// Whether one holds: `or`.
    Any(Vec<Node>),
    Binary(Binary, Box<[Node; 2]>),
    Conditional(Box<[Node; 3]>),
    Array(Vec<Node>),
    At(Box<[Node; 2]>),
    Slice(Box<Node>, [Option<Box<Node>>; 2]),
    Call(String, Vec<Node>),
    /// `any(ARRAY, PREDICATE)` and its like.
    Each(String, Box<Node>, Option<Box<Node>>),
    Let(String, Box<[Node; 2]>),
}

impl Node {
    /// A part with these parts below it.
    pub(super) fn new(what: What, at: Range<usize>) -> Result<Self, Fault> {
        let depth = 1 + what.deepest();
        if depth > DEEPEST {
            return Err(too_deep(at));
        }
        Ok(Self { what, at, depth })
    }

    /// The same once more, for what asks nothing else: constants, names, calls without arguments.
    pub(super) fn again(&self) -> Option<Self> {
        let what = match &self.what {
            What::Constant(value) => What::Constant(value.clone()),
            What::Name(name) => What::Name(name.clone()),
            What::Element => What::Element,
            What::Index => What::Index,
            What::Call(name, arguments) => {
                let again: Option<Vec<Self>> = arguments.iter().map(Self::again).collect();
                What::Call(name.clone(), again?)
            }
            _ => return None,
        };
        Some(Self {
            what,
            at: self.at.clone(),
            depth: self.depth,
        })
    }
}

/// The fault of an expression that nests too deep.
pub(super) fn too_deep(at: Range<usize>) -> Fault {
    let message = format!("the expression is nested more than {DEEPEST} times");
    Fault::new(message, at)
}

/// Both joined by `or` or by `and`; a list of them is one node.
pub(super) fn joined(left: Node, right: Node, by_or: bool) -> What {
    let mut nodes = match left.what {
        What::Any(nodes) if by_or => nodes,
        What::All(nodes) if !by_or => nodes,
        what => vec![Node { what, ..left }],
    };
    nodes.push(right);
    match by_or {
        true => What::Any(nodes),
        false => What::All(nodes),
    }
}

impl What {
    /// The depth of the deepest node below.
    fn deepest(&self) -> usize {
        let deepest = |nodes: &[Node]| nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        let of = |node: &Option<Box<Node>>| node.as_ref().map_or(0, |node| node.depth);
        match self {
            Self::Constant(_) | Self::Name(_) | Self::Element | Self::Index => 0,
            Self::Not(node) | Self::Negate(node) => node.depth,
            Self::All(nodes) | Self::Any(nodes) | Self::Array(nodes) | Self::Call(_, nodes) => {
                deepest(nodes)
            }
            Self::Binary(_, nodes) | Self::At(nodes) | Self::Let(_, nodes) => deepest(&nodes[..]),
            Self::Conditional(nodes) => deepest(&nodes[..]),
            Self::Slice(node, [from, to]) => node.depth.max(of(from)).max(of(to)),
            Self::Each(_, array, predicate) => array.depth.max(of(predicate)),
        }
    }
}
