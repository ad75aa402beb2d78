use std::path::PathBuf;

use super::*;

fn source(text: &str) -> Arc<Source> {
    Arc::new(Source::new(
        "Corefile".into(),
        PathBuf::from("/"),
        text.into(),
    ))
}

fn words(text: &str) -> Vec<String> {
    let lexed = lex(&source(text));
    lexed
        .tokens
        .iter()
        .map(|token| token.text().to_owned())
        .collect()
}

/// What is told, a text, its words.
const WORDS: &[(&str, &str, &[&str])] = &[
    ("nothing", "", &[]),
    (
        "white space only",
        " \t\r\n\u{a0}\u{85}\u{2003}\u{b}\u{c}",
        &[],
    ),
    (
        "words and braces",
        ". {\n whoami\n}",
        &[".", "{", "whoami", "}"],
    ),
    (
        "a brace in a word is no brace",
        "example.org{ 30}",
        &["example.org{", "30}"],
    ),
    (
        "a byte order mark is dropped",
        "\u{feff}.:53 {",
        &[".:53", "{"],
    ),
    (
        "only the first one is",
        "\u{feff}\u{feff}a \u{feff}b",
        &["\u{feff}a", "\u{feff}b"],
    ),
    (
        "other spaces separate too",
        "a\u{a0}b\u{85}c\u{2003}d",
        &["a", "b", "c", "d"],
    ),
    ("a zero-width space does not", "a\u{200b}b", &["a\u{200b}b"]),
    ("a carriage return is dropped", "a\r\nb\rc", &["a", "bc"]),
    (
        "a comment ends with its line",
        "# c c\na #c c\nb",
        &["a", "b"],
    ),
    (
        "a comment in a word ends with the word",
        "a#b c\nd",
        &["a", "c", "d"],
    ),
    ("a carriage return does not end it", "a#b\rc d", &["a", "d"]),
    (
        "two of them",
        "192.0.2.1#my 192.0.2.2",
        &["192.0.2.1", "192.0.2.2"],
    ),
    (
        "so a brace does not hide what follows",
        "}# end",
        &["}", "end"],
    ),
    ("quotes in a comment", "# \"\na", &["a"]),
    (
        "no other comments",
        "// a /* b */",
        &["//", "a", "/*", "b", "*/"],
    ),
    ("quotes", r#"a "b c" d"#, &["a", "b c", "d"]),
    ("an empty word", r#"a "" b"#, &["a", "", "b"]),
    (
        "quotes end a word at once",
        r#""a"b "c""d""#,
        &["a", "b", "c", "d"],
    ),
    (
        "quotes inside a word are letters",
        r#"a"b c" d"#,
        &["a\"b", "c\"", "d"],
    ),
    ("an escaped quote", r#""a \"b\" c""#, &["a \"b\" c"]),
    (
        "no other escape",
        r#""\n \\ \" \a\\""#,
        &["\\n \\\\ \" \\a\\\\"],
    ),
    (
        "outside of quotes none",
        r#"a\"b \" c\"#,
        &["a\\\"b", "\\\"", "c\\"],
    ),
    ("lines in quotes", "\"a\r\nb\" c", &["a\r\nb", "c"]),
    ("a hash in quotes", "\"a #b\" c", &["a #b", "c"]),
    ("no end of quotes", "a \"b c", &["a", "b c"]),
    ("no end of quotes, and nothing in them", "a \"", &["a"]),
    ("no end of quotes after a backslash", "\"a\\", &["a"]),
];

#[test]
fn words_are_cut_as_caddy_does() {
    for &(name, text, expected) in WORDS {
        assert_eq!(words(text), expected, "{name}");
    }
}

#[test]
fn each_word_knows_its_line_column_and_bytes() {
    let text = "\u{feff}é b#x c\n\t\"d\ne\" f\r\n\u{a0}g\rh# i\n\"\" \"j";
    let lexed = lex(&source(text));
    let found: Vec<(u32, usize, &str)> = lexed
        .tokens
        .iter()
        .map(|token| {
            let place = token.place();
            (
                place.line(),
                place.column(),
                text.get(place.bytes()).unwrap(),
            )
        })
        .collect();
    let expected = [
        // The byte order mark is a character of its line.
        (1, 2, "é"),
        (1, 4, "b"),
        (1, 8, "c"),
        (2, 2, "\"d\ne\""),
        (3, 4, "f"),
        (4, 2, "g\rh"),
        (4, 7, "i"),
        (5, 1, "\"\""),
        (5, 4, "\"j"),
    ];
    assert_eq!(found, expected);
    let quote = lexed.unclosed_quote.unwrap();
    assert_eq!((quote.line(), quote.column()), (5, 4));
    assert_eq!(quote.to_string(), "Corefile:5:4");
}

#[test]
fn a_word_after_a_comment_in_a_word_is_told() {
    for (text, expected) in [
        ("a#b c d#e f", Some("c")),
        ("a#b\nc", None),
        ("a #b c", None),
        ("\"a#b\" c", None),
        ("}# end", Some("end")),
    ] {
        let found = lex(&source(text)).after_comment;
        assert_eq!(found.as_ref().map(Token::text), expected, "{text}");
    }
}

#[test]
fn the_gap_to_the_word_before_is_told() {
    use Gap::{Back, NewLine, Space};
    let source = source("a b\nc \"d\ne\" f\ng");
    let tokens = lex(&source).tokens;
    let gaps: Vec<Gap> = tokens
        .iter()
        .zip(&tokens[1..])
        .map(|(before, token)| token.gap_after(before))
        .collect();
    // `f` is on the line on which the word in quotes ends.
    assert_eq!(gaps, [Space, NewLine, Space, Space, NewLine]);
    assert_eq!(tokens[0].gap_after(&tokens[2]), Back);
    // The start of a word counts, not its end: `g` is after `d`'s end, `f` before it.
    assert_eq!(tokens[2].gap_after(&tokens[3]), Back);
    let other = lex(&Arc::new(Source::new(
        "other".into(),
        PathBuf::from("/"),
        "x".into(),
    )))
    .tokens;
    assert_eq!(other[0].gap_after(&tokens[0]), NewLine);
}
