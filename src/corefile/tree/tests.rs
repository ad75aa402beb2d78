use super::super::testing::{block, load};
use super::super::{Corefile, Input, Memory, Token};
use crate::check::CHAIN;

#[test]
fn a_block_gives_its_zones_and_directives() {
    let text = "A.org, tls://b:54 10.0.0.0/15 {\n log a\n errors\n log b\n}";
    let corefile = load(text).unwrap();
    let [block] = corefile.blocks() else { panic!() };
    let zones: Vec<String> = block
        .zones()
        .map(|zone| {
            format!(
                "{}://{}:{}",
                zone.transport(),
                zone.name,
                zone.key.port_or(53)
            )
        })
        .collect();
    let expected = [
        "dns://a.org.:53",
        "tls://b.:54",
        "dns://0.10.in-addr.arpa.:53",
        "dns://1.10.in-addr.arpa.:53",
    ];
    assert_eq!(zones, expected);
    assert_eq!(block.keys().len(), 3);
    assert_eq!(block.keys()[1].place.to_string(), "Corefile:1:8");
    let names: Vec<&str> = block
        .directives()
        .iter()
        .map(|directive| directive.name())
        .collect();
    assert_eq!(names, ["log", "errors"]);
    let occurrences: Vec<String> = block
        .directive("log")
        .unwrap()
        .occurrences()
        .map(|words| format!("{} at {}", words[1].text(), words[0].place()))
        .collect();
    assert_eq!(occurrences, ["a at Corefile:2:2", "b at Corefile:4:2"]);
    assert!(block.directive("cache").is_none());
}

#[test]
fn a_plugin_is_for_its_arguments_zones_or_else_the_blocks() {
    for (key, arguments, origins, ignored) in [
        (".", "", &["."][..], &[][..]),
        ("A.org:53, b", "", &["a.org.", "b."], &[]),
        (
            "10.0.0.0/15",
            "",
            &["0.10.in-addr.arpa.", "1.10.in-addr.arpa."],
            &[],
        ),
        (
            "a",
            "Cluster.Local in-addr.arpa",
            &["cluster.local.", "in-addr.arpa."],
            &[],
        ),
        (
            "a",
            "10.96.0.0/15",
            &["96.10.in-addr.arpa.", "97.10.in-addr.arpa."],
            &[],
        ),
        ("a", "dns://b:53", &["b."], &[]),
        // CoreDNS passes over what is no name, and then is for no zone at all.
        (
            "a",
            "b..c d",
            &["d."],
            &["ignored: zone is not a valid domain name: b..c"],
        ),
        (
            "a",
            "\"\"",
            &[],
            &["ignored: expecting data after last colon: \"\""],
        ),
    ] {
        let corefile = load(&format!("{key} {{\n log {arguments}\n}}")).unwrap();
        let block = &corefile.blocks()[0];
        let mut cursor = block.directive("log").unwrap().cursor();
        cursor.next_token();
        let (zones, warnings) = block.origins(&cursor.remaining_args());
        assert_eq!(zones, origins, "{key}: {arguments}");
        let warnings: Vec<&str> = warnings.iter().map(|warning| warning.message()).collect();
        assert_eq!(warnings, ignored, "{key}: {arguments}");
    }
}

#[test]
fn the_tree_is_printed_as_a_corefile() {
    let text = "\
# comment
(s) {
  errors
}
A.org, b:54   \"c\" {
 import s # again
\tlog  \"a b\" \"\" x#y
 log {$NAME} \"q\\\"q\" c\\ {
 class   all {
 x
 }
 y }
 cache
 {
 }
}
d {
}
";
    let environment = Memory::default().with_variable("NAME", "with space");
    let input = Input::text("Corefile", text);
    let corefile = Corefile::load(input, &environment, CHAIN).unwrap();
    let printed = "\
A.org, b:54, c {
    errors
    log \"a b\" \"\" x
    log \"with space\" q\"q c\\ {
        class all {
            x
        }
        y }
    cache
    {
    }
}

d {
}
";
    assert_eq!(corefile.to_string(), printed);
    assert_eq!(load(printed).unwrap().to_string(), printed);
}

#[test]
fn odd_words_are_printed_so_that_they_are_read_again() {
    for text in [
        "\"\" import {\n}",
        "(a)",
        "(a), b {\n}",
        "a,, \"b c,\" \"d,,\" e {\n}",
        "} {\n}",
        "{, a {\n}",
        "\"\u{feff}a\" {\n log \"\u{feff}\" \"#\" \"\\\"x\" \"a\r\nb\" \"\u{a0}\" \"\\\\\"\n}",
        "a {\n log {\n \"\" b\n} c {\n}\n}",
    ] {
        let corefile = load(text).unwrap_or_else(|errors| panic!("{text}: {errors}"));
        let printed = corefile.to_string();
        let again = load(&printed).unwrap_or_else(|errors| panic!("{printed}: {errors}"));
        assert_eq!(again.hash(), corefile.hash(), "{printed}");
        assert_eq!(again.to_string(), printed);
    }
}

#[test]
fn the_hash_is_of_what_is_said_and_not_how() {
    let hash = |text: &str| load(text).unwrap().hash();
    let text = "a.org, b {\n log x y\n errors {\n consolidate 5m z\n }\n}";
    let same = hash(text);
    assert_eq!(same.len(), 128);
    assert!(
        same.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    );
    for other in [
        "# comment\n\nA.ORG. dns://b {\n\tlog   \"x\" y # c\n\n errors {\nconsolidate 5m z\n}\n}\n",
        "a.org, b {\n errors {\n consolidate 5m z\n }\n log x y\n}",
        "(s) {\n log x y\n}\na.org,\nb {\n import s\n errors {\n consolidate 5m z\n }\n}",
    ] {
        assert_eq!(hash(other), same, "{other}");
    }
    for other in [
        "b, a.org {\n log x y\n errors {\n consolidate 5m z\n }\n}",
        "a.org:53, b {\n log x y\n errors {\n consolidate 5m z\n }\n}",
        "tls://a.org, b {\n log x y\n errors {\n consolidate 5m z\n }\n}",
        "a.org {\n log x y\n errors {\n consolidate 5m z\n }\n}",
        "a.org, b {\n log \"x y\"\n errors {\n consolidate 5m z\n }\n}",
        "a.org, b {\n log x Y\n errors {\n consolidate 5m z\n }\n}",
        "a.org, b {\n log x y\n errors {\n consolidate 5m\n z\n }\n}",
        "a.org, b {\n log x y\n errors\n}",
        "a.org, b {\n log x y\n errors {\n consolidate 5m z\n }\n}\nc {\n}",
        "a.org {\n}\nb {\n log x y\n errors {\n consolidate 5m z\n }\n}",
    ] {
        assert_ne!(hash(other), same, "{other}");
    }
    assert_eq!(hash("."), hash(". {\n}"));
}

#[test]
fn the_order_of_a_directives_occurrences_counts() {
    let one = block("rewrite a\nrewrite b");
    let other = block("rewrite b\nrewrite a");
    let content = |block: &super::ServerBlock| {
        let mut content = Vec::new();
        block.write_content(&mut content);
        content
    };
    assert_ne!(content(&one), content(&other));
}

#[test]
fn a_line_can_be_left_out() {
    let text = "log a b {\n x 1\n y {\n z\n }\n w \"1\n2\" 3\n}\nlog c\n";
    let block = block(&format!("\n{text}"));
    let directive = block.directive("log").unwrap();
    let without = |word: &str| {
        let mut words = directive.tokens().iter();
        let place = words.rfind(|token| token.text() == word).unwrap();
        directive.without_line(place.place()).map(|rest| {
            let words = rest.tokens().iter().map(Token::text);
            assert!(
                rest.occurrences().all(|words| words[0].text() == "log"),
                "{word}"
            );
            (
                words.collect::<Vec<_>>().join(" ").replace('\n', "_"),
                rest.occurrences().count(),
            )
        })
    };
    for (what, word, rest, count) in [
        (
            "a line of its block",
            "1",
            "log a b { y { z } w 1_2 3 } log c",
            2,
        ),
        (
            "a line with a block",
            "y",
            "log a b { x 1 w 1_2 3 } log c",
            2,
        ),
        (
            "a line in that block",
            "z",
            "log a b { x 1 y { } w 1_2 3 } log c",
            2,
        ),
        (
            "a word behind one with lines",
            "3",
            "log a b { x 1 y { z } } log c",
            2,
        ),
        ("the line of a name: the whole occurrence", "b", "log c", 1),
        (
            "the last occurrence",
            "c",
            "log a b { x 1 y { z } w 1_2 3 }",
            1,
        ),
    ] {
        assert_eq!(without(word), Some((rest.to_owned(), count)), "{what}");
    }
    let other = super::super::testing::block("\nlog c");
    let elsewhere = other.directives()[0].tokens()[0].place();
    assert!(directive.without_line(elsewhere).is_none());
    let single = other.directive("log").unwrap();
    assert!(single.without_line(elsewhere).is_none());
}
