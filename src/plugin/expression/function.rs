//! The functions of expressions: those about a query, and those of expr-lang.

use super::value::Type;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Bufsize,
    Class,
    ClientIp,
    Do,
    Id,
    Name,
    Opcode,
    Port,
    Proto,
    ServerIp,
    ServerPort,
    Size,
    Type,
    InCidr,
    Metadata,
    Group,
    Abs,
    First,
    Float,
    HasPrefix,
    HasSuffix,
    IndexOf,
    Int,
    Join,
    Last,
    LastIndexOf,
    Len,
    Lower,
    Max,
    Min,
    Repeat,
    Replace,
    Split,
    Text,
    Trim,
    TrimPrefix,
    TrimSuffix,
    Upper,
}

/// What a function takes in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// A value of any type.
    Any,
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// Text or an array.
    Long,
    /// An array.
    Array,
    /// The name or number of a group.
    Group,
}

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    Bool,
    Int,
    Float,
    Text,
    Texts,
    /// An element of its argument.
    Element,
    /// What its arguments are.
    Same,
}

/// How a function is called.
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) takes: &'static [Takes],
    /// How many of the arguments may be left out.
    pub(super) optional: usize,
    /// Whether there may be more arguments of the last kind.
    pub(super) more: bool,
    pub(super) gives: Gives,
}

const fn of(
    name: &'static str,
    function: Function,
    takes: &'static [Takes],
    gives: Gives,
) -> Signature {
    Signature {
        name,
        function,
        takes,
        optional: 0,
        more: false,
        gives,
    }
}

const fn optional(optional: usize, signature: Signature) -> Signature {
    Signature {
        optional,
        ..signature
    }
}

const fn with_more(signature: Signature) -> Signature {
    Signature {
        more: true,
        ..signature
    }
}

use Function as F;
use Takes as T;

/// What can be asked about a query.
pub(super) const OF_QUERY: &[Signature] = &[
    of("bufsize", F::Bufsize, &[], Gives::Int),
    of("class", F::Class, &[], Gives::Text),
    of("client_ip", F::ClientIp, &[], Gives::Text),
    of("do", F::Do, &[], Gives::Bool),
    of("id", F::Id, &[], Gives::Int),
    of("incidr", F::InCidr, &[T::Text, T::Text], Gives::Bool),
    of("metadata", F::Metadata, &[T::Text], Gives::Text),
    of("name", F::Name, &[], Gives::Text),
    of("opcode", F::Opcode, &[], Gives::Int),
    of("port", F::Port, &[], Gives::Text),
    of("proto", F::Proto, &[], Gives::Text),
    of("server_ip", F::ServerIp, &[], Gives::Text),
    of("server_port", F::ServerPort, &[], Gives::Text),
    of("size", F::Size, &[], Gives::Int),
    of("type", F::Type, &[], Gives::Text),
];

/// What can be asked about a match.
pub(super) const GROUP: Signature = of("group", F::Group, &[T::Group], Gives::Text);

/// Functions of expr-lang.
pub(super) const BUILTIN: &[Signature] = &[
    of("abs", F::Abs, &[T::Number], Gives::Same),
    of("first", F::First, &[T::Array], Gives::Element),
    of("float", F::Float, &[T::Any], Gives::Float),
    of("hasPrefix", F::HasPrefix, &[T::Text, T::Text], Gives::Bool),
    of("hasSuffix", F::HasSuffix, &[T::Text, T::Text], Gives::Bool),
    of("indexOf", F::IndexOf, &[T::Text, T::Text], Gives::Int),
    of("int", F::Int, &[T::Any], Gives::Int),
    optional(1, of("join", F::Join, &[T::Array, T::Text], Gives::Text)),
    of("last", F::Last, &[T::Array], Gives::Element),
    of(
        "lastIndexOf",
        F::LastIndexOf,
        &[T::Text, T::Text],
        Gives::Int,
    ),
    of("len", F::Len, &[T::Long], Gives::Int),
    of("lower", F::Lower, &[T::Text], Gives::Text),
    with_more(of("max", F::Max, &[T::Number], Gives::Same)),
    with_more(of("min", F::Min, &[T::Number], Gives::Same)),
    of("repeat", F::Repeat, &[T::Text, T::Int], Gives::Text),
    optional(
        1,
        of(
            "replace",
            F::Replace,
            &[T::Text, T::Text, T::Text, T::Int],
            Gives::Text,
        ),
    ),
    optional(
        1,
        of("split", F::Split, &[T::Text, T::Text, T::Int], Gives::Texts),
    ),
    of("string", F::Text, &[T::Any], Gives::Text),
    optional(1, of("trim", F::Trim, &[T::Text, T::Text], Gives::Text)),
    optional(
        1,
        of(
            "trimPrefix",
            F::TrimPrefix,
            &[T::Text, T::Text],
            Gives::Text,
        ),
    ),
    optional(
        1,
        of(
            "trimSuffix",
            F::TrimSuffix,
            &[T::Text, T::Text],
            Gives::Text,
        ),
    ),
    of("upper", F::Upper, &[T::Text], Gives::Text),
];

/// Functions of expr-lang that are not here.
const ABSENT: &[&str] = &[
    "bitand",
    "bitnand",
    "bitnot",
    "bitor",
    "bitshl",
    "bitshr",
    "bitushr",
    "bitxor",
    "ceil",
    "concat",
    "date",
    "duration",
    "findLast",
    "findLastIndex",
    "flatten",
    "floor",
    "fromBase64",
    "fromJSON",
    "fromPairs",
    "get",
    "groupBy",
    "keys",
    "mean",
    "median",
    "now",
    "reduce",
    "reverse",
    "round",
    "sort",
    "sortBy",
    "splitAfter",
    "sum",
    "take",
    "timezone",
    "toBase64",
    "toJSON",
    "toPairs",
    "uniq",
    "values",
];

/// The function of a name.
pub(super) fn find(name: &str, groups: bool) -> Option<&'static Signature> {
    if groups && name == GROUP.name {
        return Some(&GROUP);
    }
    let all = OF_QUERY.iter().chain(BUILTIN);
    all.into_iter().find(|signature| signature.name == name)
}

/// Whether expr-lang has a function of this name, and callsign does not.
pub(super) fn is_absent(name: &str) -> bool {
    ABSENT.contains(&name)
}

/// Whether a variable may not have this name: functions, words of the language.
pub(in crate::plugin) fn is_reserved(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "true",
        "false",
        "nil",
        "not",
        "in",
        "or",
        "and",
        "matches",
        "contains",
        "startsWith",
        "endsWith",
        "let",
        "if",
        "else",
    ];
    WORDS.contains(&name)
        || find(name, true).is_some()
        || is_absent(name)
        || super::parser::EACH.contains(&name)
}

impl Takes {
    /// Whether a value of this type fits here.
    pub(super) fn fits(self, given: &Type) -> bool {
        match (self, given) {
            (_, Type::Any) | (Self::Any, _) => true,
            (Self::Text | Self::Long, Type::String) => true,
            (Self::Int, Type::Int) => true,
            // max and min take arrays of numbers too.
            (Self::Number, Type::Int | Type::Float | Type::Array(_)) => true,
            (Self::Array | Self::Long, Type::Array(_)) => true,
            (Self::Group, Type::Int | Type::String) => true,
            _ => false,
        }
    }

    /// The word for messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Text => "string",
            Self::Int => "int",
            Self::Number => "int or float",
            Self::Long => "string or array",
            Self::Array => "array",
            Self::Group => "string or int",
        }
    }
}
