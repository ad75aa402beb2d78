//! The signs between values: how they bind, and what they give.

use super::value::Type;

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Coalesce,
}

/// What a sign between two values is.
pub(super) enum Operator {
    Pipe,
    Or,
    And,
    Binary(Binary),
}

impl Operator {
    /// The operator, how tightly it binds, and whether it groups from the right.
    pub(super) fn of(sign: &str) -> Option<(Self, u32)> {
        use Binary::{
            Add, Coalesce, Contains, Divide, EndsWith, Equal, Greater, GreaterOrEqual, In, Less,
            LessOrEqual, Matches, Multiply, NotEqual, Power, Remainder, StartsWith, Subtract,
        };
        let (binary, binds) = match sign {
            "|" => return Some((Self::Pipe, 0)),
            "or" | "||" => return Some((Self::Or, 10)),
            "and" | "&&" => return Some((Self::And, 15)),
            "==" => (Equal, 20),
            "!=" => (NotEqual, 20),
            "<" => (Less, 20),
            ">" => (Greater, 20),
            ">=" => (GreaterOrEqual, 20),
            "<=" => (LessOrEqual, 20),
            "in" => (In, 20),
            "matches" => (Matches, 20),
            "contains" => (Contains, 20),
            "startsWith" => (StartsWith, 20),
            "endsWith" => (EndsWith, 20),
            ".." => (Binary::Range, 25),
            "+" => (Add, 30),
            "-" => (Subtract, 30),
            "*" => (Multiply, 60),
            "/" => (Divide, 60),
            "%" => (Remainder, 60),
            "**" | "^" => (Power, 100),
            "??" => (Coalesce, 500),
            _ => return None,
        };
        Some((Self::Binary(binary), binds))
    }
}

impl Binary {
    pub(super) fn is_order(self) -> bool {
        matches!(
            self,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual
        )
    }

    /// Whether `not` may stand before it.
    pub(super) fn can_be_negated(self) -> bool {
        matches!(
            self,
            Self::In | Self::Matches | Self::Contains | Self::StartsWith | Self::EndsWith
        )
    }
}

impl Binary {
    /// The type of what an operator gives; `None` where the types of its sides do not fit.
    pub(super) fn gives(self, left: &Type, right: &Type) -> Option<Type> {
        let numbers = |one: &Type, other: &Type| one.is_number() && other.is_number();
        let any = *left == Type::Any || *right == Type::Any;
        // With a side that nothing is known of, the other one must be possible.
        let both = |fits: &dyn Fn(&Type) -> bool| {
            let fits = |given: &Type| *given == Type::Any || fits(given);
            fits(left) && fits(right)
        };
        let is_text = |given: &Type| *given == Type::String;
        match self {
            Self::Equal | Self::NotEqual => left.comparable(right).then_some(Type::Bool),
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => {
                (both(&Type::is_number) || both(&is_text)).then_some(Type::Bool)
            }
            Self::Matches | Self::Contains | Self::StartsWith | Self::EndsWith => {
                both(&is_text).then_some(Type::Bool)
            }
            Self::Add if both(&is_text) && !any => Some(Type::String),
            Self::Add | Self::Subtract | Self::Multiply if numbers(left, right) => {
                Some(match (left, right) {
                    (Type::Int, Type::Int) => Type::Int,
                    _ => Type::Float,
                })
            }
            Self::Add if both(&is_text) || both(&Type::is_number) => Some(Type::Any),
            Self::Subtract | Self::Multiply => both(&Type::is_number).then_some(Type::Any),
            Self::Divide | Self::Power => both(&Type::is_number).then_some(Type::Float),
            Self::Remainder => both(&|given| *given == Type::Int).then_some(Type::Int),
            Self::Range => both(&|given| *given == Type::Int).then(|| Type::array_of(Type::Int)),
            Self::In => match right {
                Type::Any => Some(Type::Bool),
                Type::Array(element) => left.comparable(element).then_some(Type::Bool),
                _ => None,
            },
            Self::Coalesce => Some(left.clone().either(right.clone())),
            Self::Add => None,
        }
    }

    /// The sign, for messages.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::In => "in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Range => "..",
            Self::Coalesce => "??",
        }
    }
}
