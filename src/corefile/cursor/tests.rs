use super::super::testing::block;
use super::super::{Directive, ServerBlock};
use super::*;

/// The directive `log` of a block with these lines.
fn log(block: &ServerBlock) -> &Directive {
    block.directive("log").unwrap()
}

fn texts(tokens: &[&Token]) -> Vec<String> {
    tokens.iter().map(|token| token.text().to_owned()).collect()
}

#[test]
fn steps_go_from_word_to_word() {
    let block = block("log a b {\n c\n}\nlog d");
    let mut cursor = log(&block).cursor();
    assert_eq!(cursor.text(), "");
    assert!(cursor.token().is_none());
    let mut words = Vec::new();
    while let Some(token) = cursor.next_token() {
        assert_eq!(cursor.text(), token.text());
        words.push(token.text());
    }
    assert_eq!(words, ["log", "a", "b", "{", "c", "}", "log", "d"]);
    assert!(cursor.next_token().is_none() && cursor.next_arg().is_none());
    // At the end the last word stays the current one.
    assert_eq!(cursor.text(), "d");
}

#[test]
fn an_argument_is_on_the_same_line_and_a_line_is_not() {
    let block = block("log a \"b\nb\" c {\n d\n}");
    let mut cursor = log(&block).cursor();
    // The first step is always one.
    assert_eq!(cursor.clone().next_line().unwrap().text(), "log");
    assert_eq!(cursor.next_arg().unwrap().text(), "log");
    assert!(cursor.next_line().is_none());
    assert_eq!(cursor.next_arg().unwrap().text(), "a");
    assert_eq!(cursor.next_arg().unwrap().text(), "b\nb");
    // The word before ends on this line.
    assert_eq!(cursor.next_arg().unwrap().text(), "c");
    assert_eq!(cursor.next_arg().unwrap().text(), "{");
    assert!(cursor.next_arg().is_none());
    assert_eq!(cursor.next_line().unwrap().text(), "d");
}

#[test]
fn remaining_args_stop_at_a_brace_and_at_the_end_of_the_line() {
    let block = block("log a b {\n c d\n e\n}\nlog f");
    let mut cursor = log(&block).cursor();
    cursor.next_token();
    assert_eq!(texts(&cursor.remaining_args()), ["a", "b"]);
    assert_eq!(cursor.text(), "b");
    assert!(cursor.remaining_args().is_empty());
    assert_eq!(cursor.next_block().unwrap().text(), "c");
    assert_eq!(texts(&cursor.remaining_args()), ["d"]);
}

/// Walks as most setups do: names, arguments, and the lines of the block with theirs.
fn walk(body: &str) -> String {
    let block = block(body);
    let mut cursor = log(&block).cursor();
    let mut walked = Vec::new();
    while let Some(name) = cursor.next_token() {
        let mut line = vec![name.text().to_owned()];
        line.extend(texts(&cursor.remaining_args()));
        while let Some(option) = cursor.next_block() {
            line.push(format!("<{}", option.text()));
            line.extend(texts(&cursor.remaining_args()));
            line.push(">".to_owned());
        }
        walked.push(line.join(" "));
    }
    walked.join("; ")
}

#[test]
fn blocks_are_walked_as_caddy_does() {
    for (name, body, expected) in [
        ("no block", "log", "log"),
        ("two occurrences", "log a\nlog b", "log a; log b"),
        ("others in between", "log a\nerrors\nlog b", "log a; log b"),
        ("a block", "log a {\n b c\n d\n}", "log a <b c > <d >"),
        ("an empty block", "log {\n}\nlog a", "log; log a"),
        ("an empty block on one line", "log { }\nlog a", "log; log a"),
        ("a block on one line", "log { a b }", "log <a b } >"),
        (
            "a brace on its own line is no block",
            "log\n{\n a\n}",
            "log; {; a; }",
        ),
        ("words behind a block", "log {\n a\n} b", "log <a >; b"),
        (
            "a second block",
            "log {\n a\n} {\n b\n}",
            "log <a >; {; b; }",
        ),
        // The end of the inner block looks like the end of the outer one.
        (
            "a block in a block",
            "log {\n a b {\n c d\n }\n e\n}",
            "log <a b > <c d >; e",
        ),
        (
            "an empty block in a block",
            "log {\n a {\n }\n e\n}",
            "log <a >; e",
        ),
        (
            "quoted braces are braces",
            "log \"{\"\n a\n\"}\"",
            "log <a >",
        ),
    ] {
        assert_eq!(walk(body), expected, "{name}");
    }
}

#[test]
fn errors_point_at_the_current_word() {
    let block = block("log a\n errors\nlog {\n  bogus x\n}");
    let mut cursor = log(&block).cursor();
    cursor.next_token();
    cursor.next_token();
    let error = cursor.arg_err();
    let message = "Wrong argument count or unexpected line ending after 'a'";
    assert_eq!(error.headline(), format!("Corefile:1:9: error: {message}"));
    cursor.next_token();
    let error = cursor.used_twice().to_string();
    assert!(error.starts_with("Corefile:3:1: error: this plugin can only be used once per"));
    assert!(
        error.contains("Corefile:1:5: note: it is used here already"),
        "{error}"
    );
    cursor.next_arg();
    let message = "Unexpected token '{', expecting argument";
    assert_eq!(cursor.arg_err().message(), message);
    cursor.next_token();
    let error = cursor.unknown_property(&["class", "format"]);
    assert_eq!(
        error.headline(),
        "Corefile:4:3: error: unknown property 'bogus'"
    );
    assert_eq!(error.help_text(), Some("the options are: class, format"));
    let error = cursor.unknown_property(&["bogos", "class"]);
    assert_eq!(error.help_text(), Some("did you mean 'bogos'?"));
    let error = cursor.unknown_property(&[]);
    assert_eq!(error.help_text(), Some("this plugin has no options"));
}

#[test]
fn before_the_first_step_an_error_points_at_the_name() {
    let block = block("log a");
    let error = log(&block).cursor().err("odd");
    assert_eq!(error.place().unwrap().to_string(), "Corefile:1:5");
}
