//! Expressions as CoreDNS's expr-lang reads and answers them; what each gives was asked of it.

use std::sync::{Arc, Mutex};

use super::*;
use crate::answer::{Answer, Origin};
use crate::chain::Chain;
use crate::testing::{Ask, Stub};

/// Expressions, and what they give in CoreDNS 1.15, one a line.
const IN_COREDNS: &str = include_str!("../../../tests/data/expressions.tsv");

/// What an expression gives for a question: `KIND VALUE`, `error` if it is none, `fails` if it
/// gives nothing.
fn give(text: &str) -> String {
    let scope = Scope {
        groups: true,
        variables: vec![("port_number".into(), Type::Int)],
    };
    let Ok(expression) = Expression::compile(text, &scope, &mut Vec::new()) else {
        return "error".into();
    };
    let told = Arc::new(Mutex::new(String::new()));
    let into = told.clone();
    let stub = Stub::new(move |query| {
        let group = |name: &str| match name {
            "0" => Some("www.example.org."),
            "1" | "host" => Some("www"),
            _ => None,
        };
        let context = Context {
            query,
            group: Some(&group),
            variables: &[Value::Int(53)],
        };
        *into.lock().unwrap() = match expression.value(&context) {
            Ok(Value::Nil) => "nil".into(),
            Ok(value) => format!("{} {value}", value.kind()),
            Err(_) => "fails".into(),
        };
        Answer::new(query, "stub", Origin::Local).into()
    });
    let _ = Ask::new("WWW.example.org. A").now(&Chain::new(vec![Arc::new(stub)]));
    told.lock().unwrap().clone()
}

#[test]
fn expressions_give_what_they_give_in_coredns() {
    let mut wrong = String::new();
    for line in IN_COREDNS.lines() {
        let (text, expected) = line.split_once('\t').unwrap();
        let found = give(text);
        if found != expected {
            wrong += &format!("\n{text}\n  expected {expected}\n  found    {found}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_beyond_coredns_or_bounded() {
    for (case, text, expected) in [
        ("nothing at all", String::new(), "error"),
        ("a variable", "port_number + 1".to_owned(), "int 54"),
        (
            "a list of conditions is no nesting",
            ["false"; 500].join(" || "),
            "bool false",
        ),
        ("brackets that nest too deep", "(".repeat(5_000), "error"),
        (
            "signs that nest too deep",
            "!".repeat(5_000) + "true",
            "error",
        ),
        ("sums that nest too deep", ["1"; 5_000].join(" + "), "error"),
        (
            "a range that is too long",
            "len(1..1000000)".to_owned(),
            "fails",
        ),
        (
            "a long range that is not made",
            "5 in 1..1000000000".to_owned(),
            "bool true",
        ),
        (
            "a text that is too long",
            "len(repeat('abc', 1000000))".to_owned(),
            "fails",
        ),
        (
            "a network that is none",
            "incidr(client_ip(), '10.0.0.0/33')".to_owned(),
            "fails",
        ),
        (
            "a network that is known later",
            "incidr('10.0.0.1', '10.0.0.0/' + group('none') + '8')".to_owned(),
            "bool true",
        ),
        (
            "a pattern that is known later",
            "name() matches '^' + group('host')".to_owned(),
            "bool true",
        ),
    ] {
        assert_eq!(give(&text), expected, "{case}");
    }
}
