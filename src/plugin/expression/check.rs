//! A tree to code: names are looked up, types checked, what is constant is worked out.

use std::ops::Range;

use ipnet::IpNet;
use regex::Regex;

use super::function::{self, Function, Gives, Takes};
use super::node::{Node, What};
use super::operator::Binary;
use super::value::{Type, Value};
use super::{Fault, Scope, arguments};
use crate::corefile::nearest;
use crate::plugin::pattern;

/// What is left to do for each query.
#[derive(Debug)]
pub(super) enum Code {
    Constant(Value<'static>),
    /// A variable of the scope, by its number.
    Variable(usize),
    /// A variable of a `let`, by its number from the outermost.
    Local(usize),
    Element,
    Index,
    Not(Box<Self>),
    Negate(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Binary(Binary, Box<[Self; 2]>),
    /// `matches` with a pattern that is known.
    Matches(Box<Self>, Regex),
    /// `incidr` with a network that is known.
    InNet(Box<Self>, IpNet),
    /// `in` a range that is known.
    Between(Box<Self>, i64, i64),
    Conditional(Box<[Self; 3]>),
    Array(Vec<Self>),
    At(Box<[Self; 2]>),
    Slice(Box<Self>, [Option<Box<Self>>; 2]),
    Call(Function, Vec<Self>),
    Each(Each, Box<Self>, Option<Box<Self>>),
    Let(Box<[Self; 2]>),
}

/// A function that asks a predicate about each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Each {
    All,
    None,
    Any,
    One,
    Filter,
    Map,
    Count,
    Find,
    FindIndex,
}

/// The code of an expression, and the type of what it gives. What will fail for each query, and is
/// no error yet, is put to `doubts`.
pub(super) fn check(
    node: &Node,
    scope: &Scope,
    doubts: &mut Vec<Fault>,
) -> Result<(Code, Type), Fault> {
    let mut checker = Checker {
        scope,
        elements: Vec::new(),
        locals: Vec::new(),
        doubts,
    };
    checker.check(node)
}

struct Checker<'s> {
    scope: &'s Scope,
    /// The types of the elements of the predicates around, and whether they are numbered.
    elements: Vec<(Type, bool)>,
    /// The variables of the `let`s around.
    locals: Vec<(String, Type)>,
    doubts: &'s mut Vec<Fault>,
}

type Checked = Result<(Code, Type), Fault>;

fn mismatch<T>(sign: &str, types: &[&Type], at: &Range<usize>) -> Result<T, Fault> {
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    let noun = if types.len() > 1 { "types" } else { "type" };
    let types = types.join(" and ");
    let message = format!("invalid operation: {sign} (mismatched {noun} {types})");
    Err(Fault::new(message, at.clone()))
}

fn is(given: &Type, wanted: &Type) -> bool {
    given == wanted || *given == Type::Any
}

impl Checker<'_> {
    fn check(&mut self, node: &Node) -> Checked {
        match &node.what {
            What::Constant(value) => Ok((Code::Constant(value.clone()), type_of(value))),
            What::Name(name) => self.name(name, &node.at),
            What::Element => match self.elements.last() {
                Some((element, _)) => Ok((Code::Element, element.clone())),
                None => Err(Fault::new("'#' stands in predicates only", node.at.clone())),
            },
            What::Index => match self.elements.last() {
                Some((_, true)) => Ok((Code::Index, Type::Int)),
                _ => Err(Fault::new("'#index' stands in 'map' only", node.at.clone())),
            },
            What::Not(inner) => {
                let (code, given) = self.check(inner)?;
                match is(&given, &Type::Bool) {
                    true => Ok((Code::Not(Box::new(code)), Type::Bool)),
                    false => mismatch("not", &[&given], &node.at),
                }
            }
            What::Negate(inner) => {
                let (code, given) = self.check(inner)?;
                match given.is_number() || given == Type::Any {
                    true => Ok((Code::Negate(Box::new(code)), given)),
                    false => mismatch("-", &[&given], &node.at),
                }
            }
            What::All(nodes) => Ok((Code::All(self.truths(nodes, "and")?), Type::Bool)),
            What::Any(nodes) => Ok((Code::Any(self.truths(nodes, "or")?), Type::Bool)),
            What::Binary(binary, sides) => self.binary(*binary, sides, &node.at),
            What::Conditional(nodes) => self.conditional(nodes),
            What::Array(nodes) => self.array(nodes),
            What::At(nodes) => self.at(nodes, &node.at),
            What::Slice(inner, ends) => self.slice(inner, ends, &node.at),
            What::Call(name, arguments) => self.call(name, arguments, &node.at),
            What::Each(name, array, predicate) => {
                self.each(name, array, predicate.as_deref(), &node.at)
            }
            What::Let(name, nodes) => self.declare(name, nodes, &node.at),
        }
    }

    fn all(&mut self, nodes: &[Node]) -> Result<Vec<(Code, Type)>, Fault> {
        nodes.iter().map(|node| self.check(node)).collect()
    }

    fn truths(&mut self, nodes: &[Node], sign: &str) -> Result<Vec<Code>, Fault> {
        let truth = |node: &Node| {
            let (code, given) = self.check(node)?;
            match is(&given, &Type::Bool) {
                true => Ok(code),
                false => mismatch(sign, &[&given], &node.at),
            }
        };
        nodes.iter().map(truth).collect()
    }

    fn name(&self, name: &str, at: &Range<usize>) -> Checked {
        let named = |(known, _): &&(String, Type)| known == name;
        if let Some(number) = self.locals.iter().rposition(|known| named(&known)) {
            let given = self.locals.get(number).map(|(_, given)| given.clone());
            return Ok((Code::Local(number), given.unwrap_or(Type::Any)));
        }
        let variables = &self.scope.variables;
        if let Some((number, (_, given))) = variables
            .iter()
            .enumerate()
            .rfind(|(_, known)| named(known))
        {
            return Ok((Code::Variable(number), given.clone()));
        }
        let fault = Fault::new(format!("unknown name {name}"), at.clone());
        Err(match function::find(name, self.scope.groups) {
            Some(_) => fault.help(format!("call the function: {name}()")),
            None => {
                let functions = function::OF_QUERY.iter().map(|signature| signature.name);
                let names = variables.iter().map(|(name, _)| name.as_str());
                match nearest(name, functions.chain(names)) {
                    Some(known) => fault.help(format!("did you mean '{known}'?")),
                    None => fault.help(format!("text stands in single quotes: '{name}'")),
                }
            }
        })
    }

    fn binary(&mut self, binary: Binary, sides: &[Node; 2], at: &Range<usize>) -> Checked {
        let [left, right] = sides;
        let ((one, left_type), (other, right_type)) = (self.check(left)?, self.check(right)?);
        let Some(gives) = binary.gives(&left_type, &right_type) else {
            return mismatch(binary.sign(), &[&left_type, &right_type], at);
        };
        let code = match (binary, one, other) {
            (Binary::Matches, one, Code::Constant(Value::Text(text))) => {
                let regex = pattern::compile(&text)
                    .map_err(|reason| Fault::new(reason, right.at.clone()))?;
                Code::Matches(Box::new(one), regex)
            }
            (Binary::In, one, Code::Binary(Binary::Range, ends)) if is_int(&left_type) => {
                match *ends {
                    [
                        Code::Constant(Value::Int(low)),
                        Code::Constant(Value::Int(high)),
                    ] => Code::Between(Box::new(one), low, high),
                    ends => {
                        let range = Code::Binary(Binary::Range, Box::new(ends));
                        Code::Binary(binary, Box::new([one, range]))
                    }
                }
            }
            (_, one, other) => Code::Binary(binary, Box::new([one, other])),
        };
        Ok((code, gives))
    }

    fn conditional(&mut self, nodes: &[Node; 3]) -> Checked {
        let [condition, first, second] = nodes;
        let (code, given) = self.check(condition)?;
        if !is(&given, &Type::Bool) {
            let message = format!("non-bool expression (type {given}) used as condition");
            return Err(Fault::new(message, condition.at.clone()));
        }
        let ((first, one), (second, other)) = (self.check(first)?, self.check(second)?);
        let code = Code::Conditional(Box::new([code, first, second]));
        Ok((code, one.either(other)))
    }

    fn array(&mut self, nodes: &[Node]) -> Checked {
        let mut elements = self.all(nodes)?.into_iter();
        let (mut codes, mut of) = (Vec::new(), Type::Any);
        if let Some((code, given)) = elements.next() {
            codes.push(code);
            of = given;
        }
        for (code, given) in elements {
            codes.push(code);
            if given != of {
                of = Type::Any;
            }
        }
        let constants = codes.iter().map(|code| match code {
            Code::Constant(value) => Some(value.clone()),
            _ => None,
        });
        let code = match constants.collect() {
            Some(values) => Code::Constant(Value::Array(values)),
            None => Code::Array(codes),
        };
        Ok((code, Type::array_of(of)))
    }

    fn at(&mut self, nodes: &[Node; 2], at: &Range<usize>) -> Checked {
        let [array, index] = nodes;
        let ((array, given), (code, number)) = (self.check(array)?, self.check(index)?);
        let Some(element) = given.element().cloned() else {
            let message = format!("type {given}[{number}] is undefined");
            return Err(Fault::new(message, at.clone()));
        };
        if !is(&number, &Type::Int) {
            let message =
                format!("array elements can only be selected using an integer (got {number})");
            return Err(Fault::new(message, index.at.clone()));
        }
        Ok((Code::At(Box::new([array, code])), element))
    }

    fn slice(&mut self, inner: &Node, ends: &[Option<Box<Node>>; 2], at: &Range<usize>) -> Checked {
        let (code, given) = self.check(inner)?;
        if !Takes::Long.fits(&given) {
            return Err(Fault::new(format!("cannot slice {given}"), at.clone()));
        }
        let mut end = |end: &Option<Box<Node>>| -> Result<Option<Box<Code>>, Fault> {
            let Some(node) = end else { return Ok(None) };
            let (code, number) = self.check(node)?;
            match is(&number, &Type::Int) {
                true => Ok(Some(Box::new(code))),
                false => {
                    let message = format!("non-integer slice index {number}");
                    Err(Fault::new(message, node.at.clone()))
                }
            }
        };
        let [from, to] = ends;
        let ends = [end(from)?, end(to)?];
        Ok((Code::Slice(Box::new(code), ends), given))
    }

    fn call(&mut self, name: &str, arguments: &[Node], at: &Range<usize>) -> Checked {
        let Some(signature) = function::find(name, self.scope.groups) else {
            return Err(arguments::unknown_function(name, self.scope.groups, at));
        };
        let given = self.all(arguments)?;
        arguments::check(signature, arguments, &given, at)?;
        let (mut codes, types): (Vec<Code>, Vec<Type>) = given.into_iter().unzip();
        let gives = match signature.gives {
            Gives::Bool => Type::Bool,
            Gives::Int => Type::Int,
            Gives::Float => Type::Float,
            Gives::Text => Type::String,
            Gives::Texts => Type::array_of(Type::String),
            Gives::Element => element_of(types.first()),
            Gives::Same => same(&types),
        };
        if signature.function == Function::InCidr
            && let [_, Code::Constant(Value::Text(text))] = codes.as_slice()
        {
            match text.parse::<IpNet>() {
                Ok(net) => {
                    codes.truncate(1);
                    if let Some(address) = codes.pop() {
                        return Ok((Code::InNet(Box::new(address), net), Type::Bool));
                    }
                }
                // As in CoreDNS, asking it fails, and the Corefile is taken.
                Err(_) => {
                    let place = arguments.get(1).map_or(at, |node| &node.at).clone();
                    let message =
                        format!("incidr fails for each query: invalid CIDR address: {text}");
                    let doubt = Fault::new(message, place);
                    let help = "write an address and a prefix length: 10.0.0.0/8";
                    self.doubts.push(doubt.help(help));
                }
            }
        }
        Ok((Code::Call(signature.function, codes), gives))
    }

    fn each(
        &mut self,
        name: &str,
        array: &Node,
        predicate: Option<&Node>,
        at: &Range<usize>,
    ) -> Checked {
        let each = match name {
            "all" => Each::All,
            "none" => Each::None,
            "any" => Each::Any,
            "one" => Each::One,
            "filter" => Each::Filter,
            "map" => Each::Map,
            "count" => Each::Count,
            "find" => Each::Find,
            _ => Each::FindIndex,
        };
        let (code, given) = self.check(array)?;
        let Some(element) = given.element().cloned() else {
            let message = format!("builtin {name} takes only array (got {given})");
            return Err(Fault::new(message, array.at.clone()));
        };
        let mut asked = None;
        if let Some(predicate) = predicate {
            self.elements.push((element.clone(), each == Each::Map));
            let checked = self.check(predicate);
            self.elements.pop();
            let (code, answer) = checked?;
            if each != Each::Map && !is(&answer, &Type::Bool) {
                let message = format!("predicate should return boolean (got {answer})");
                return Err(Fault::new(message, predicate.at.clone()));
            }
            asked = Some((Box::new(code), answer));
        } else if each != Each::Count {
            let message = format!("not enough arguments to call {name}");
            return Err(Fault::new(message, at.clone())
                .help(format!("give it a predicate: {name}(ARRAY, # == 'a')")));
        }
        let (asked, answer) = asked.unzip();
        let gives = match each {
            Each::All | Each::None | Each::Any | Each::One => Type::Bool,
            Each::Filter => Type::array_of(element),
            Each::Map => Type::array_of(answer.unwrap_or(Type::Any)),
            Each::Count | Each::FindIndex => Type::Int,
            // nil where there is none.
            Each::Find => element,
        };
        Ok((Code::Each(each, Box::new(code), asked), gives))
    }

    fn declare(&mut self, name: &str, nodes: &[Node; 2], at: &Range<usize>) -> Checked {
        let known = self.locals.iter().chain(&self.scope.variables);
        if function::is_reserved(name) || known.into_iter().any(|(known, _)| known == name) {
            return Err(Fault::new(format!("cannot redeclare {name}"), at.clone()));
        }
        let [value, rest] = nodes;
        let (value, given) = self.check(value)?;
        self.locals.push((name.to_owned(), given));
        let rest = self.check(rest);
        self.locals.pop();
        let (rest, gives) = rest?;
        Ok((Code::Let(Box::new([value, rest])), gives))
    }
}

fn is_int(given: &Type) -> bool {
    *given == Type::Int
}

fn type_of(value: &Value<'_>) -> Type {
    match value {
        Value::Nil => Type::Nil,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Text(_) => Type::String,
        Value::Array(_) => Type::array_of(Type::Any),
    }
}

fn element_of(array: Option<&Type>) -> Type {
    array.and_then(Type::element).cloned().unwrap_or(Type::Any)
}

/// What `abs`, `max` and `min` give.
fn same(types: &[Type]) -> Type {
    let of = |given: &Type| match given {
        Type::Array(element) => (**element).clone(),
        other => other.clone(),
    };
    let mut types = types.iter().map(of);
    let first = types.next().unwrap_or(Type::Any);
    match types.all(|other| other == first) {
        true => first,
        false => Type::Any,
    }
}
