use proptest::prelude::*;

use super::super::tests::{any_text, around, likely_corefile};
use super::super::{Corefile, Diagnostic, Input};
use super::*;
use crate::check::CHAIN;

/// What the parser sees: each word, and whether it stands on the line on which the last one ends.
fn words(text: &str) -> Vec<(String, bool)> {
    let source = Arc::new(Source::new(String::new(), "/".into(), text.to_owned()));
    let tokens = lex(&source).tokens;
    let before = std::iter::once(None).chain(tokens.iter().map(Some));
    let pairs = tokens.iter().zip(before);
    pairs
        .map(|(token, before)| {
            let starts_line = before
                .is_none_or(|before| token.gap_after(before) != super::super::lexer::Gap::Space);
            (token.text().to_owned(), starts_line)
        })
        .collect()
}

/// What a text means, or what is wrong with it, without places.
fn meaning(text: &str) -> (bool, String) {
    let input = Input::text("Corefile", text);
    match Corefile::load(input, &around(), CHAIN) {
        Ok(corefile) => (true, corefile.to_string()),
        Err(errors) => {
            let messages = errors.errors().iter().map(Diagnostic::message);
            (false, messages.collect::<Vec<_>>().join("\n"))
        }
    }
}

#[test]
fn white_space_is_made_the_same() {
    for (what, text, formatted) in [
        ("nothing", "", ""),
        ("blank lines alone", "\n \n\t\n", ""),
        (
            "indentation, spacing, and the end of the file",
            "\n\n  .:53  {\n errors\n\t\tforward   .  /etc/resolv.conf {\nmax_concurrent 1000\n} \n   }",
            ".:53 {\n    errors\n    forward . /etc/resolv.conf {\n        max_concurrent 1000\n    }\n}\n",
        ),
        (
            "one blank line between blocks, at most one within, none at the edges",
            "a {\n\n\nlog\n\n\n\nerrors\n\n}\nb {\n}\n\n\n\nc {\n}\n",
            "a {\n    log\n\n    errors\n}\n\nb {\n}\n\nc {\n}\n",
        ),
        (
            "comments of their own, behind words, between blocks",
            "# head\na { # of a\n\n  # one\nlog   # two\n # last\n\n}  # end\n# of b\nb {\n}",
            "# head\na { # of a\n    # one\n    log # two\n    # last\n} # end\n\n# of b\nb {\n}\n",
        ),
        (
            "a comment in a word stays in it, for it ends with the word",
            ". {\n log#y  x\n forward . 192.0.2.1#my 192.0.2.2\n}",
            ". {\n    log#y x\n    forward . 192.0.2.1#my 192.0.2.2\n}\n",
        ),
        (
            "quoted words stay as they are, over lines too",
            ". {\n log \"a  b\n   c\"   d\n \"q\"#x\n}",
            ". {\n    log \"a  b\n   c\" d\n    \"q\" #x\n}\n",
        ),
        (
            "carriage returns and the byte order mark go",
            "\u{feff}. {\r\n\tlog\r\n}\r\n",
            ". {\n    log\n}\n",
        ),
        (
            "a file without braces, and imports side by side",
            "example.org\n  log\n\n",
            "example.org\nlog\n",
        ),
        (
            "imports side by side, and keys over lines",
            "import a/*\nimport b/*\n a.org,\n  b.org {\n import s\n}\nimport c\n",
            "import a/*\nimport b/*\na.org,\nb.org {\n    import s\n}\n\nimport c\n",
        ),
        (
            "a quote that is never closed",
            ". {\n log \"x  \n\n",
            ". {\n    log \"x  \n\n",
        ),
        ("too many braces", "a {\n}\n}\nb", "a {\n}\n}\n\nb\n"),
        (
            "a mark that is a word's",
            "\n\u{feff}x",
            "\u{feff}\u{feff}x\n",
        ),
    ] {
        assert_eq!(format(text), formatted, "{what}");
        assert_eq!(format(formatted), formatted, "{what}, again");
        assert_eq!(words(formatted), words(text), "{what}");
    }
}

#[test]
fn sample_corefiles_mean_the_same_afterwards() {
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corefiles");
    let mut count = 0;
    for directory in [samples.clone(), samples.join("edge")] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "Corefile") {
                continue;
            }
            let text = super::super::import::decode(&std::fs::read(&path).unwrap());
            let formatted = format(&text);
            assert_eq!(meaning(&formatted), meaning(&text), "{}", path.display());
            assert_eq!(format(&formatted), formatted, "{}", path.display());
            let comments = |text: &str| text.matches('#').count();
            assert_eq!(comments(&formatted), comments(&text), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

proptest! {
    #[test]
    fn any_text_keeps_its_words(text in any_text()) {
        let formatted = format(&text);
        prop_assert_eq!(words(&formatted), words(&text), "{:?}", formatted);
        prop_assert_eq!(&format(&formatted), &formatted);
        prop_assert_eq!(formatted.matches('#').count(), text.matches('#').count());
    }

    #[test]
    fn any_characters_keep_their_words(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}|[ a{}#\"\\\\\r\n\u{feff}]{0,40}") {
        let formatted = format(&text);
        prop_assert_eq!(words(&formatted), words(&text), "{:?}", formatted);
        prop_assert_eq!(&format(&formatted), &formatted);
    }

    #[test]
    fn a_corefile_keeps_its_meaning(text in likely_corefile()) {
        prop_assert_eq!(meaning(&format(&text)), meaning(&text));
    }
}
