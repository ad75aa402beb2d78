use super::super::testing::load;
use super::super::{Corefile, Errors, Input, Memory};
use super::*;
use crate::check::CHAIN;

/// What was read, in short: `keys {directive words; directive words}`. `/` is a line's end.
fn shape(corefile: &Corefile) -> String {
    let blocks = corefile.blocks().iter().map(|block| {
        let keys: Vec<&str> = block.keys().iter().map(|key| key.text.as_str()).collect();
        let directives: Vec<String> = block
            .directives()
            .iter()
            .map(|directive| {
                let mut words = String::new();
                let mut before: Option<&Token> = None;
                for token in directive.tokens() {
                    match before.map(|before| token.gap_after(before)) {
                        Some(Gap::Space) => words.push(' '),
                        Some(Gap::NewLine) => words.push('/'),
                        Some(Gap::Back) => words.push('^'),
                        None => {}
                    }
                    words.push_str(token.text());
                    before = Some(token);
                }
                words
            })
            .collect();
        format!("{} {{{}}}", keys.join(","), directives.join("; "))
    });
    blocks.collect::<Vec<_>>().join(" ")
}

/// The headlines of the errors, without `error: `.
fn headlines(errors: &Errors) -> Vec<String> {
    let errors = errors.errors().iter();
    errors
        .map(|error| error.headline().replace(": error:", ":"))
        .collect()
}

/// What is told, a text, its [`shape`].
const BLOCKS: &[(&str, &str, &str)] = &[
    ("a block", ". {\n log a\n}", ". {log a}"),
    ("several keys", "a b, c {\n}", "a,b,c {}"),
    (
        "a comma goes over the line",
        "a,\nb,\n\n c {\n}",
        "a,b,c {}",
    ),
    ("quoted keys", "\"a\" \"b,\"\nc {\n}", "a,b,c {}"),
    ("an empty word is no key", "\"\" a {\n}", "a {}"),
    ("blocks", "a {\n}\nb {\n}", "a {} b {}"),
    (
        "a block on the line of another",
        "a {\n} b {\n}",
        "a {} b {}",
    ),
    ("an empty block on one line", "a { }", "a {}"),
    ("a brace on its own line", "a\n{\n log\n}", "a {log}"),
    (
        "a first directive on the line of the brace",
        "a { log x\n}",
        "a {log x}",
    ),
    ("no braces", "a\nlog b\nerrors", "a {log b; errors}"),
    ("no braces, several keys", "a,\nb c\nlog", "a,b,c {log}"),
    (
        "no braces, and more blocks",
        "a\nlog\n}\nb {\n}",
        "a {log} b {}",
    ),
    ("keys alone", "a, b", "a,b {}"),
    ("a snippet's name alone is a key", "(a)", "(a) {}"),
    ("no key", "{\n log\n}\na {\n}", "a {}"),
    ("nothing at all", "", ". {whoami; log}"),
    ("comments only", "# a\n # b", ". {whoami; log}"),
    ("snippets only", "(a) {\n log\n}", ". {whoami; log}"),
    (
        "a glued brace is part of the key",
        "a.org{ {\n}",
        "a.org{ {}",
    ),
    ("an unmatched brace is a key", "a {\n}\n}", "a {} } {}"),
    (
        "a word after a comment in a word",
        "a {\n}# end",
        "a {} end {}",
    ),
    (
        "import is a key where no line starts",
        "a import {\n}",
        "a,import {}",
    ),
    ("lines", "a {\n log b {\n c d\n }\n}", "a {log b {/c d/}}"),
    (
        "a directive's brace on its own line",
        "a {\n log\n {\n b\n }\n}",
        "a {log/{/b/}}",
    ),
    (
        "words behind a directive's block",
        "a {\n log {\n b\n } c\n}",
        "a {log {/b/} c}",
    ),
    (
        "blocks in blocks",
        "a {\n log {\n b {\n c\n }\n }\n}",
        "a {log {/b {/c/}/}}",
    ),
    (
        "a directive twice",
        "a {\n log b\n errors\n log c\n}",
        "a {log b/log c; errors}",
    ),
    (
        "quotes over lines",
        "a {\n log \"b\nc\" d\n}",
        "a {log b\nc d}",
    ),
    (
        "a directive's brace does for the block",
        "a {\n log {\n b\n }\n",
        "a {log {/b/}}",
    ),
    (
        "quoted braces are braces",
        "a \"{\"\n log\n\"}\"",
        "a {log}",
    ),
    (
        "a glued brace is part of a word",
        "a {\n log {\n ttl 30}\n }\n}",
        "a {log {/ttl 30}/}}",
    ),
];

#[test]
fn server_blocks_are_read_as_caddy_does() {
    for &(name, text, expected) in BLOCKS {
        let corefile = load(text).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        assert_eq!(shape(&corefile), expected, "{name}");
    }
}

/// What is told, a text, its one error.
const ERRORS: &[(&str, &str, &str)] = &[
    (
        "an unknown directive",
        ". {\n  proxy\n}",
        "Corefile:2:3: Unknown directive 'proxy'",
    ),
    (
        "a brace as a directive",
        ". {\n {\n }\n}",
        "Corefile:2:2: Unknown directive '{'",
    ),
    (
        "keys on two lines without a comma",
        "a\nb {\n}",
        "Corefile:2:1: Unknown directive 'b'",
    ),
    (
        "no closing brace",
        ". {\n log",
        "Corefile:2:2: Syntax error: Unexpected token 'log', expecting '}'",
    ),
    (
        "nothing after the brace",
        ". {",
        "Corefile:1:3: Syntax error: Unexpected token '{', expecting '}'",
    ),
    (
        "no closing brace of a directive",
        ". {\n log {\n a\n",
        "Corefile:3:2: Unexpected EOF",
    ),
    ("no key after a comma", "a,", "Corefile:1:1: Unexpected EOF"),
    (
        "a brace after a comma",
        "a, {\n}",
        "Corefile:1:4: Expected another address but had '{' - check for extra comma",
    ),
    (
        "a block on one line",
        ". { log }",
        "Corefile:1:9: Unexpected '}' because no matching opening brace",
    ),
    (
        "a snippet without braces",
        "(a)\nlog",
        "Corefile:2:1: Syntax error: Unexpected token 'log', expecting '{'",
    ),
    (
        "a snippet without an end",
        "(a) {\n log",
        "Corefile:2:2: Syntax error: Unexpected token 'log', expecting '}'",
    ),
    (
        "a snippet twice",
        "(a) {\n}\n(a) {\n}\n. {\n}",
        "Corefile:3:1: redeclaration of previously declared snippet a",
    ),
    (
        "a snippet in itself, never imported",
        "(a) {\n import a\n}\n. {\n}",
        "Corefile:2:9: maximum snippet import depth (10000) exceeded",
    ),
    (
        "an import of nothing",
        ". {\n import\n}",
        "Corefile:2:2: Wrong argument count or unexpected line ending after 'import'",
    ),
    (
        "an import of an empty word",
        ". {\n import \"\"\n}",
        "Corefile:2:9: Import requires a non-empty filepath",
    ),
    (
        "an import of two",
        ". {\n import a b\n}",
        "Corefile:2:11: Import takes only one argument (glob pattern or file)",
    ),
    (
        "an import of no file",
        "import a",
        "Corefile:1:8: File to import not found: a",
    ),
    (
        "white space before a comma",
        "a , b {\n}",
        "Corefile:1:3: expecting data after last colon: \"\"",
    ),
    (
        "a bad key",
        "a..b {\n}",
        "Corefile:1:1: zone is not a valid domain name: a..b",
    ),
];

#[test]
fn errors_have_caddys_words_and_a_place() {
    for &(name, text, expected) in ERRORS {
        let errors = load(text).expect_err(name);
        assert_eq!(headlines(&errors), [expected], "{name}");
    }
}

#[test]
fn reading_goes_on_behind_an_error() {
    let text = "\
(s) {
  lgo
}
a:, b {
  import s
  forwrd . 192.0.2.1 {
    policy x
  }
  import nowhere
  log }
  errors
}
c..d, {
  import a b {
    x
  }
  proxy
}
e { whoami }
f {
  nope
";
    let errors = load(text).unwrap_err();
    assert_eq!(
        headlines(&errors),
        [
            "Corefile:2:3: Unknown directive 'lgo'",
            "Corefile:6:3: Unknown directive 'forwrd'",
            "Corefile:9:10: File to import not found: nowhere",
            "Corefile:10:7: Unexpected '}' because no matching opening brace",
            "Corefile:13:7: Expected another address but had '{' - check for extra comma",
            "Corefile:14:12: Import takes only one argument (glob pattern or file)",
            "Corefile:17:3: Unknown directive 'proxy'",
            "Corefile:19:12: Unexpected '}' because no matching opening brace",
            "Corefile:21:3: Unknown directive 'nope'",
            "Corefile:21:3: Syntax error: Unexpected token 'nope', expecting '}'",
            "Corefile:4:1: expecting data after last colon: \"a:\"",
            "Corefile:13:1: zone is not a valid domain name: c..d",
        ]
    );
}

#[test]
fn errors_end_at_a_hundred() {
    let text = format!(". {{\n{}}}", "nope\n".repeat(100_000));
    assert_eq!(load(&text).unwrap_err().errors().len(), 100);
    let text = format!("{}{{\n}}", "a..b\n, ".repeat(100_000));
    assert!(load(&text).unwrap_err().errors().len() <= 200);
}

#[test]
fn help_says_what_to_do() {
    for (text, help) in [
        (". {\n forwrd\n}", "did you mean 'forward'?"),
        (". {\n LOG\n}", "did you mean 'log'?"),
        (". {\n log{\n}", "put white space before and after a brace"),
        (". {\n // no\n}", "a comment starts with '#'"),
        (
            ". {\n log\na.org {\n}",
            "if this is the key of a server block, the block before it lacks its '}', or the key \
             on the line before it lacks its comma",
        ),
    ] {
        let errors = load(text).unwrap_err();
        assert_eq!(errors.errors()[0].help_text(), Some(help), "{text}");
    }
}

#[test]
fn what_is_odd_is_a_warning() {
    for (text, expected) in [
        (
            "",
            "warning: the Corefile has no server block: '.' is served with whoami and log",
        ),
        (
            "{\n log\n}\na {\n}",
            "Corefile:1:1: warning: this block has no key and is ignored",
        ),
        (
            ". {\n log {\n a\n }\n",
            "Corefile:4:2: warning: the server block's own '}' is missing at the end of the file",
        ),
        (
            "a.org{ {\n}",
            "Corefile:1:1: warning: the brace in 'a.org{' is part of the word: it neither opens \
             nor closes",
        ),
        (
            ". {\n log 30}\n}",
            "Corefile:2:6: warning: the brace in '30}' is part of the word: it neither opens nor \
             closes",
        ),
        (
            "_a {\n}",
            "Corefile:1:1: warning: Domain \"_a.\" does not follow RFC1035 preferred syntax",
        ),
        (
            ". {\n log \"a\n }",
            "Corefile:2:6: warning: the quote is never closed: all up to the end of the file is \
             one word",
        ),
        (
            ". {\n}# end",
            "Corefile:2:4: warning: 'end' is no part of the comment before it",
        ),
        (
            ". {\n log {$NOT_SET}\n}",
            "Corefile:2:6: warning: the environment variable 'NOT_SET' is not set",
        ),
        (
            ". {\n import nope*\n}",
            "Corefile:2:9: hint: No files matching import glob pattern: nope*",
        ),
        (
            "a\u{fffd}a {\n}",
            "Corefile:1:2: warning: here stands U+FFFD: the file may not be UTF-8",
        ),
    ] {
        let warnings = match load(text) {
            Ok(corefile) => corefile.warnings().to_vec(),
            Err(errors) => errors.warnings().to_vec(),
        };
        let headlines: Vec<String> = warnings.iter().map(Diagnostic::headline).collect();
        assert!(
            headlines.iter().any(|headline| headline == expected),
            "{text}: {headlines:?}"
        );
    }
    for text in [
        ". {\n log {$A}\n}",
        ". {\n log {{.Name}} \"30}\" [a-z]{3}\n}",
    ] {
        let environment = Memory::default().with_variable("A", "1");
        let corefile = Corefile::load(Input::text("", text), &environment, CHAIN).unwrap();
        assert!(
            corefile.warnings().is_empty(),
            "{text}: {:?}",
            corefile.warnings()
        );
    }
}

/// A Corefile in `/etc/coredns` beside a few others.
fn load_among_files(text: &str) -> Result<Corefile, Errors> {
    let environment = Memory::default()
        .with_file("/etc/coredns/Corefile", text)
        .with_file("/etc/coredns/custom/b.override", "log b\nerrors")
        .with_file("/etc/coredns/custom/a.override", "log a {\n class all\n}")
        .with_file(
            "/etc/coredns/custom/x.server",
            "x.org {\n import a.override\n}",
        )
        .with_file("/etc/coredns/keys", "k.org,\nl.org")
        .with_file("/etc/coredns/options", "class all\nimport more")
        .with_file("/etc/coredns/more", "format x")
        .with_file(
            "/etc/coredns/snippets",
            "(s) {\n import keys\n}\n(t) {\n log t\n}",
        )
        .with_file("/etc/coredns/s", "errors")
        .with_file("/etc/coredns/loop/self", "log\nimport self")
        .with_file("/etc/coredns/loop/other", "import ot*")
        .with_file("/etc/coredns/bad", "\n  nope")
        .with_variable("NAME", "t")
        .with_variable("WORD", "import")
        .with_variable("BRACE", "}");
    let input = Input::file("/etc/coredns/Corefile");
    Corefile::load(input, &environment, CHAIN)
}

#[test]
fn imports_stand_for_their_words() {
    for (name, text, expected) in [
        (
            "a file in a block",
            ". {\n import custom/b.override\n}",
            ". {log b; errors}",
        ),
        (
            "a pattern, in the order of the names",
            ". {\n import custom/*.override\n}",
            ". {log a {/class all/}/log b; errors}",
        ),
        (
            "server blocks, with imports from their own directory",
            "import custom/*.server\n. {\n}",
            "x.org {log a {/class all/}} . {}",
        ),
        ("keys", "import keys {\n}", "never"),
        (
            "keys and a block",
            "a.org,\nimport keys\n{\n log\n}",
            "a.org,k.org,l.org {log}",
        ),
        (
            "lines of a directive's block, and imports in them",
            ". {\n log {\n import options\n format y\n }\n}",
            ". {log {/class all/format x/format y/}}",
        ),
        (
            "an argument called import",
            ". {\n log import keys\n}",
            ". {log import keys}",
        ),
        (
            "a snippet",
            "(t) {\n log t\n}\n. {\n import t\n}",
            ". {log t}",
        ),
        (
            "a snippet by a variable",
            "(t) {\n log t\n}\n. {\n import {$NAME}\n}",
            ". {log t}",
        ),
        (
            "the directive by a variable",
            ". {\n {$WORD} keys\n}",
            "never",
        ),
        (
            "a snippet in a snippet",
            "(t) {\n log t\n}\n(u) {\n import t\n}\n. {\n import u\n}",
            ". {log t}",
        ),
        (
            "a snippet before a file",
            "(s) {\n log s\n}\n. {\n import s\n}",
            ". {log s}",
        ),
        ("else the file", ". {\n import s\n}", ". {errors}"),
        (
            "snippets of a file",
            "import snippets\n. {\n import t\n}",
            ". {log t}",
        ),
        (
            "an empty snippet",
            "(t) {\n}\n. {\n import t\n log\n}",
            ". {log}",
        ),
        (
            "a snippet twice is one line",
            "(t) {\n log t\n}\n. {\n import t\n import t\n}",
            ". {log t log t}",
        ),
        (
            "a snippet that stands further down swallows the next line",
            "(u) {\n log\n import t\n errors\n}\n(t) {\n cache\n}\n. {\n import u\n}",
            ". {log; cache^errors}",
        ),
        (
            "a closing brace by a variable",
            ". {\n log {$BRACE}",
            ". {log }}",
        ),
    ] {
        match load_among_files(text) {
            Ok(corefile) => assert_eq!(shape(&corefile), expected, "{name}"),
            Err(errors) => assert_eq!("never", expected, "{name}: {errors}"),
        }
    }
}

#[test]
fn each_word_keeps_its_own_place_and_names_its_imports() {
    let text = "(t) {\n log t\n}\n. {\n  import custom/b.override\n  import t\n}";
    let corefile = load_among_files(text).unwrap();
    let log = corefile.blocks()[0].directive("log").unwrap();
    let places: Vec<String> = log
        .tokens()
        .iter()
        .map(|token| token.place().to_string())
        .collect();
    let file = "/etc/coredns/custom/b.override";
    let main = "/etc/coredns/Corefile";
    let expected = [
        format!("{file}:1:1"),
        format!("{file}:1:5"),
        format!("{main}:2:2"),
        format!("{main}:2:6"),
    ];
    assert_eq!(places, expected);
    let occurrences: Vec<usize> = log.occurrences().map(<[Token]>::len).collect();
    assert_eq!(occurrences, [2, 2]);
    let imports: Vec<String> = log
        .occurrences()
        .flat_map(|words| words[0].place().imports())
        .map(|import| format!("{} at {}", import.target, import.place))
        .collect();
    assert_eq!(
        imports,
        [
            format!("{file} at {main}:5:10"),
            format!("(t) at {main}:6:10")
        ]
    );
}

#[test]
fn errors_in_imports_name_the_file_and_the_way_there() {
    let errors = load_among_files(". {\n  import bad\n}").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "\
/etc/coredns/bad:2:3: error: Unknown directive 'nope'
   2 |   nope
     |   ^^^^
     = /etc/coredns/bad is imported at /etc/coredns/Corefile:2:10
"
    );
}

#[test]
fn imports_without_end_are_errors() {
    for (name, text) in [
        ("a file", ". {\n import loop/self\n}"),
        ("a pattern that matches its own file", "import loop/other"),
        (
            "two snippets",
            "(a) {\n import b\n}\n(b) {\n import a\n}\n. {\n import a\n}",
        ),
        ("the Corefile", "import Corefile"),
    ] {
        let errors = load_among_files(text).expect_err(name);
        let message = errors.errors()[0].message();
        assert!(message.starts_with("maximum "), "{name}: {message}");
        let help = errors.errors()[0].help_text().unwrap();
        assert!(help.contains(" imports itself"), "{name}: {help}");
    }
}

#[test]
fn imports_that_multiply_are_stopped() {
    // Each snippet imports the one before it ten times: a billion words in twenty lines.
    let mut text = "(s0) {\n log a b c d e f g h i\n}\n".to_owned();
    for level in 1..10 {
        let import = format!(" import s{}\n", level - 1).repeat(10);
        text.push_str(&format!("(s{level}) {{\n{import}}}\n"));
    }
    text.push_str(". {\n import s9\n}");
    let errors = load(&text).unwrap_err();
    let message = "maximum snippet import depth (10000) exceeded";
    assert_eq!(errors.errors()[0].message(), message);

    let long = "x ".repeat(10_000);
    let import = " import s\n".repeat(101);
    let text = format!("(s) {{\n log {long}\n}}\n. {{\n{import}}}");
    let errors = load(&text).unwrap_err();
    assert_eq!(
        errors.errors()[0].message(),
        "imports bring in more than 1000000 words"
    );
}

#[test]
fn variables_without_end_are_an_error() {
    let environment = Memory::default().with_variable("A", "{$A}");
    let text = ". {\n log {$A}\n}";
    let input = Input::text("Corefile", text);
    let errors = Corefile::load(input, &environment, CHAIN).unwrap_err();
    let message = "Corefile:2:6: environment variables make this word longer than 1 MiB";
    assert_eq!(headlines(&errors), [message]);
}
