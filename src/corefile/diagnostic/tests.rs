use std::path::PathBuf;
use std::sync::Arc;

use super::super::place::{Import, Source};
use super::*;

/// The place of `word` in `text`.
fn place(text: &str, word: &str) -> Place {
    let start = text.find(word).unwrap();
    let line = text[..start].matches('\n').count() + 1;
    let source = Source::new("Corefile".into(), PathBuf::from("/"), text.into());
    Place::new(
        &Arc::new(source),
        start,
        start + word.len(),
        u32::try_from(line).unwrap(),
    )
}

#[test]
fn the_place_is_shown_underlined() {
    let text = ". {\r\n\té forwrd . x\r\n}";
    let error = Diagnostic::error("Unknown directive 'forwrd'")
        .at(&place(text, "forwrd"))
        .help("did you mean 'forward'?")
        .note(&place(text, "{"), "the block opens here");
    assert_eq!(
        error.to_string(),
        "\
Corefile:2:4: error: Unknown directive 'forwrd'
   2 | \té forwrd . x
     | \t  ^^^^^^
     = help: did you mean 'forward'?
Corefile:1:3: note: the block opens here
   1 | . {
     |   ^
"
    );
    assert_eq!(
        error.headline(),
        "Corefile:2:4: error: Unknown directive 'forwrd'"
    );
}

#[test]
fn what_was_expected_stands_beside_the_place() {
    let error = Diagnostic::error("invalid number \"x\"").at(&place("a x", "x"));
    let error = error.expected("a number", "'x'").prefixed("plugin/cache");
    assert_eq!(
        error.to_string(),
        "\
Corefile:1:3: error: plugin/cache: invalid number \"x\"
   1 | a x
     |   ^ expected a number, found 'x'
"
    );
}

#[test]
fn the_imports_that_led_there_are_named() {
    let import = |place: &Place, target: &str| {
        let (place, target) = (place.clone(), target.to_owned());
        Arc::new(Import { place, target })
    };
    let outer = place("import b", "b").through(&import(&place("\nimport a", "a"), "/a"));
    let inner = place("x", "x").through(&import(&outer, "(b)"));
    assert_eq!(
        Diagnostic::warning("odd").at(&inner).to_string(),
        "\
Corefile:1:1: warning: odd
   1 | x
     | ^
     = (b) is imported at Corefile:1:8
     = /a is imported at Corefile:2:8
"
    );
}

#[test]
fn what_has_no_place_is_one_line() {
    let error = Diagnostic::error("open /x: no such file or directory");
    assert_eq!(
        error.to_string(),
        "error: open /x: no such file or directory\n"
    );
}

#[test]
fn words_cannot_spoil_the_text() {
    // A word over two lines, with a character that would steer a terminal.
    let text = "log \"a\u{1b}[2J\nb\"";
    let error = Diagnostic::error("odd 'a\u{1b}[2J\nb'").at(&place(text, "\"a\u{1b}[2J\nb\""));
    let shown = error.to_string();
    assert_eq!(shown.lines().count(), 3);
    assert!(!shown.contains('\u{1b}'));
    // A long line shows what is around the place.
    let text = format!("{}here{}", "a".repeat(1000), "b".repeat(1000));
    let shown = Diagnostic::error("x".repeat(1000))
        .at(&place(&text, "here"))
        .to_string();
    assert!(
        shown.lines().all(|line| line.chars().count() < 500),
        "{shown}"
    );
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[1].find("here"), lines[2].find("^^^^"));
    // A long word is underlined in part.
    let shown = Diagnostic::error("x").at(&place(&text, &text)).to_string();
    assert!(
        shown.lines().all(|line| line.chars().count() < 500),
        "{shown}"
    );
}

#[test]
fn misspellings_are_recognised() {
    let known = ["forward", "log", "errors", "cache", "acl", "any"];
    for (word, expected) in [
        ("forwrd", Some("forward")),
        ("froward", Some("forward")),
        ("forwards", Some("forward")),
        ("lgo", Some("log")),
        ("logs", Some("log")),
        ("errrors", Some("errors")),
        ("cahce", Some("cache")),
        ("proxy", None),
        ("x", None),
        ("", None),
    ] {
        assert_eq!(nearest(word, known), expected, "{word}");
    }
    assert_eq!(nearest(&"forward".repeat(100_000), known), None);
}
