use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::testing::load;
use super::*;
use crate::check::CHAIN;

/// The sample Corefiles: those of distributions and documentations, and odd ones.
fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corefiles")
}

/// The lines of an EXPECTED.tsv: whether CoreDNS 1.15.0 loads the file, its name, and why not.
fn expected(directory: &Path) -> Vec<(bool, String, String)> {
    let table = std::fs::read_to_string(directory.join("EXPECTED.tsv")).unwrap();
    let lines = table.lines().map(|line| {
        let [verdict, name, why] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert!(["OK", "FAIL"].contains(&verdict), "{line}");
        (verdict == "OK", name.to_owned(), why.to_owned())
    });
    lines.collect()
}

/// Whether CoreDNS's message is about the language, and not of a plugin or of overlapping zones.
fn is_of_the_language(why: &str) -> bool {
    !why.starts_with("plugin/") && !why.starts_with("cannot serve")
}

/// The error as CoreDNS would print it.
fn in_coredns_form(error: &Diagnostic) -> String {
    let (place, message) = (error.place().unwrap(), error.message());
    if message.starts_with("zone is not") {
        return format!("error inspecting server blocks: {message}");
    }
    let kind = if message.starts_with("Syntax error") {
        ""
    } else {
        "Error during parsing: "
    };
    format!("/PATH/Corefile:{} - {kind}{message}", place.line())
}

#[test]
fn sample_corefiles_load_or_fail_as_in_coredns() {
    let mut count = 0;
    for directory in [samples(), samples().join("edge")] {
        for (is_ok, name, why) in expected(&directory) {
            let text = std::fs::read(directory.join(format!("{name}.Corefile"))).unwrap();
            let environment = Memory::default()
                .with_file("/etc/coredns/Corefile", text)
                // The one import in the samples of a file that must be there.
                .with_file(
                    "/etc/coredns/generated-config/custom-server-block.server",
                    "",
                );
            let input = Input::file("/etc/coredns/Corefile");
            let loaded = Corefile::load(input, &environment, CHAIN);
            count += 1;
            match loaded {
                Ok(_) => assert!(
                    is_ok || !is_of_the_language(&why),
                    "{name} must fail: {why}"
                ),
                Err(errors) => {
                    assert!(
                        !is_ok && is_of_the_language(&why),
                        "{name} must load: {errors}"
                    );
                    assert_eq!(in_coredns_form(&errors.errors()[0]), why, "{name}");
                }
            }
        }
    }
    let files = |directory: PathBuf| {
        let entries = std::fs::read_dir(directory).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".Corefile")).count()
    };
    assert_eq!(count, files(samples()) + files(samples().join("edge")));
}

#[test]
fn sample_corefiles_are_the_same_after_printing() {
    let mut count = 0;
    for directory in [samples(), samples().join("edge")] {
        for (_, name, _) in expected(&directory) {
            let text = std::fs::read(directory.join(format!("{name}.Corefile"))).unwrap();
            let Ok(corefile) = load(&import::decode(&text)) else {
                continue;
            };
            let printed = corefile.to_string();
            let again = load(&printed).unwrap_or_else(|errors| panic!("{name}: {errors}"));
            assert_eq!(again.hash(), corefile.hash(), "{name}: {printed}");
            assert_eq!(again.to_string(), printed, "{name}");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn a_file_is_read_with_its_imports_from_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Corefile",
        "import custom/*.server\n. {\n import custom/*.override\n}",
    );
    write("custom/b.server", "b {\n import ../shared\n}");
    write("custom/a.server", "a {\n import ../shared\n}");
    write("custom/x.override", "log");
    write("shared", "errors");
    let input = Input::file(directory.path().join("Corefile"));
    let corefile = Corefile::load(input, &System, CHAIN).unwrap();
    assert_eq!(
        corefile.to_string(),
        "a {\n    errors\n}\n\nb {\n    errors\n}\n\n. {\n    log\n}\n"
    );
    let names = [
        "Corefile",
        "custom/a.server",
        "custom/b.server",
        "shared",
        "custom/x.override",
    ];
    assert_eq!(
        corefile.files(),
        names.map(|name| directory.path().join(name))
    );
}

#[test]
fn what_cannot_be_read_is_said_with_its_path() {
    let environment = Memory::default().with_file("/etc/coredns/Corefile", "");
    for (path, message) in [
        (
            "/nowhere/Corefile",
            "error: open /nowhere/Corefile: no such file or directory",
        ),
        ("etc/coredns", "error: open etc/coredns: is a directory"),
    ] {
        let errors = Corefile::load(Input::file(path), &environment, CHAIN).unwrap_err();
        assert_eq!(errors.errors()[0].headline(), message);
    }
    let long = "x".repeat(MAX_FILE_BYTES + 1);
    let errors = load(&long).unwrap_err();
    let message = "error: Corefile: is larger than 16777216 bytes";
    assert_eq!(errors.errors()[0].headline(), message);
}

#[test]
fn a_text_imports_from_the_directory_it_is_given() {
    let environment = Memory::default().with_file("/here/x", "log");
    let text = Input::text("/dev/stdin", ". {\n import x\n}");
    assert!(Corefile::load(text.clone(), &environment, CHAIN).is_err());
    for directory in ["/here", "here"] {
        let input = text.clone().in_directory(directory);
        let corefile = Corefile::load(input, &environment, CHAIN).unwrap();
        assert_eq!(corefile.files(), [PathBuf::from("/here/x")]);
    }
}

#[test]
fn an_unknown_default_is_an_error() {
    // Who knows no whoami cannot serve what an empty Corefile stands for.
    let input = Input::text("empty", "");
    let errors = Corefile::load(input, &Memory::default(), &["log"]).unwrap_err();
    let message = "Corefile:2:5: error: Unknown directive 'whoami'";
    assert_eq!(errors.errors()[0].headline(), message);
}

/// What the random Corefiles of the properties find around them.
pub(super) fn around() -> Memory {
    Memory::default()
        .with_file("/f1", "log x\nerrors {\n y\n}")
        .with_file("/f2", "a.org,\nb.org")
        .with_file("/sub/f3", "import f*\nlog")
        .with_file("/sub/f4", "import f4")
        .with_variable("A", "1")
        .with_variable("SPACE", "x y")
        .with_variable("LOG", "log")
}

/// Words that mean something to some part of the language, or nothing to any.
fn any_word() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "log",
        "errors",
        "cache",
        "bogus",
        "import",
        "s",
        "t",
        "(s)",
        "(t)",
        "f1",
        "f2",
        "f*",
        "sub/*",
        "sub/f3",
        "{",
        "}",
        "{",
        "}",
        ".",
        "a.org",
        "b.org:53",
        "tls://c",
        "10.0.0.0/9",
        "a,",
        ",",
        "{,",
        "\"q q\"",
        "\"a\nb\"",
        "\"\\\"\"",
        "\"\\\\\"",
        "\"\"",
        "\"",
        "\\",
        "#c",
        "x#y",
        "{$A}",
        "{$SPACE}",
        "{$LOG}",
        "{%A%}",
        "{$}",
        "{$NOT_SET}",
        "30}",
        "x{",
        "\u{feff}",
        "\u{a0}",
        "é",
        ":53",
        "a:",
        "..",
        "[x",
        "x]",
        "\r",
    ]);
    words.prop_map(str::to_owned)
}

/// Words with white space, comments or nothing between them.
pub(super) fn any_text() -> impl Strategy<Value = String> {
    let between =
        prop::sample::select(vec![" ", " ", "\n", "\n", "\n", "\t", "", "\r\n", " # c\n"]);
    let pieces = prop::collection::vec((any_word(), between), 0..60);
    pieces.prop_map(|pieces| {
        pieces
            .into_iter()
            .flat_map(|(word, gap)| [word, gap.to_owned()])
            .collect()
    })
}

/// A Corefile that loads, most of the time.
pub(super) fn likely_corefile() -> impl Strategy<Value = String> {
    let argument = prop::sample::select(vec![
        "1",
        "x#y",
        "\"q q\"",
        "\"a\nb\"",
        "\"\"",
        "\"\\\"x\"",
        "{$A}",
        "{$SPACE}",
        "30}",
        "import",
        "a\\b",
        "#",
    ]);
    let name = prop::sample::select(vec!["log", "errors", "cache", "{$LOG}", "rewrite"]);
    let arguments = prop::collection::vec(argument, 0..4);
    let line = (name, arguments).prop_map(|(name, words)| format!("{name} {}", words.join(" ")));
    let import = prop::sample::select(vec!["import s", "import f1", "import nope*"]);
    let line = prop_oneof![6 => line, 1 => import.prop_map(str::to_owned)];
    let line = line.prop_recursive(3, 16, 4, |line| {
        let inner = prop::collection::vec(line.clone(), 0..4);
        (line, inner).prop_map(|(line, inner)| match line.contains(['#', 'p']) {
            true => line,
            false => format!("{line} {{\n{}\n}}", inner.join("\n")),
        })
    });
    let key = prop::sample::select(vec![
        "a.org",
        "b.org, c.org",
        "d:53 e",
        "f,\ng",
        "10.0.0.0/9",
        "\"h\"",
        "{$A}",
        "_x",
        "y import",
    ]);
    let body = prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"));
    let block = (key, body.clone()).prop_map(|(key, body)| format!("{key} {{\n{body}\n}}\n"));
    let snippet =
        body.prop_map(|body| format!("(s) {{\n{}\n}}\n", body.replace("import s", "log")));
    let blocks = prop::collection::vec(block, 1..4).prop_map(|blocks| blocks.concat());
    (snippet, blocks).prop_map(|(snippet, blocks)| snippet + &blocks)
}

/// Loads the text, and looks at all that comes of it.
fn exercise(text: &str) -> Result<Corefile, Errors> {
    let environment = around();
    let started = std::time::Instant::now();
    let loaded = Corefile::load(Input::text("Corefile", text), &environment, CHAIN);
    let shown = match &loaded {
        Ok(corefile) => format!("{corefile}{:?}{}", corefile.warnings(), corefile.hash()),
        Err(errors) => errors.to_string(),
    };
    assert!(!shown.is_empty());
    // Milliseconds in fact; the bound is for a machine that has much else to do.
    assert!(
        started.elapsed().as_secs() < 5,
        "{:?} for {text:?}",
        started.elapsed()
    );
    loaded
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_hang(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}") {
        let _ = exercise(&text);
    }

    #[test]
    fn no_bytes_do(content: Vec<u8>) {
        let environment = around().with_file("/Corefile", content);
        let input = Input::file("Corefile");
        if let Err(errors) = Corefile::load(input, &environment, CHAIN) {
            prop_assert!(!errors.to_string().is_empty());
        }
    }

    #[test]
    fn no_order_of_words_does(text in any_text()) {
        let _ = exercise(&text);
    }

    #[test]
    fn what_is_printed_says_the_same(text in likely_corefile()) {
        // Most of these texts load, and few have words in an order that cannot be printed.
        let is_unprintable = |warning: &Diagnostic| warning.message().contains("is read as an argument");
        if let Ok(corefile) = exercise(&text)
            && !corefile.warnings().iter().any(is_unprintable)
        {
            let printed = corefile.to_string();
            let again = load(&printed);
            prop_assert!(again.is_ok(), "{printed}: {}", again.unwrap_err());
            let again = again.unwrap();
            prop_assert_eq!(again.hash(), corefile.hash(), "{}", printed);
            prop_assert_eq!(again.to_string(), printed);
        }
    }

    #[test]
    fn any_words_of_a_block_are_walked_without_a_panic(text in any_text(), steps: Vec<u8>) {
        let Ok(corefile) = exercise(&format!("(s) {{\n}}\na {{\n log {text}\n}}")) else {
            return Ok(());
        };
        for directive in corefile.blocks().iter().flat_map(ServerBlock::directives) {
            let mut cursor = directive.cursor();
            for step in &steps {
                match step % 8 {
                    0 => drop(cursor.next_token()),
                    1 => drop(cursor.next_arg()),
                    2 => drop(cursor.next_line()),
                    3 | 4 => drop(cursor.next_block()),
                    5 => drop(cursor.remaining_args()),
                    6 => drop(cursor.arg_err().to_string()),
                    _ => drop(cursor.used_twice().to_string()),
                }
            }
        }
    }

    #[test]
    fn any_word_is_read_as_a_value_without_a_panic(word in "\\PC{0,40}|[-+0-9.a-zµ:%\\[\\]/]{0,20}") {
        // Without what ends a word in quotes, and with a letter: quoted braces are braces.
        let word = word.replace(['"', '\\'], "");
        let corefile = load(&format!(". {{\n log \"{word}0\"\n}}")).unwrap();
        let token = &corefile.blocks()[0].directives()[0].tokens()[1];
        let _ = (token.duration(), token.integer(-5..=5), token.listen_address());
        let _ = (token.address(53), token.zones());
    }
}
