use super::super::environment::Memory;
use super::*;

fn memory() -> Memory {
    Memory::default()
        .with_file("/etc/Corefile", ". {\n}")
        .with_file("/etc/custom/b.server", "b")
        .with_file("/etc/custom/a.server", "a")
        .with_file("/etc/custom/.hidden.server", "h")
        .with_file("/etc/custom/x.override", "x")
        .with_file("/etc/other/a.server", "o")
        .with_file("/etc/we*ird", "w")
}

/// The paths that an import finds, from a file in `/etc`.
fn find(pattern: &str) -> Result<Vec<String>, Diagnostic> {
    let environment = memory();
    let source = Source::new("Corefile".into(), PathBuf::from("/etc"), String::new());
    let files = Files::new(&environment).import(pattern, &source)?;
    Ok(files
        .iter()
        .map(|file| file.path.display().to_string())
        .collect())
}

#[test]
fn patterns_find_what_gos_glob_finds() {
    for (pattern, paths) in [
        ("custom/x.override", &["/etc/custom/x.override"][..]),
        (
            "./custom/../custom//x.override",
            &["/etc/custom/x.override"],
        ),
        ("/etc/custom/x.override", &["/etc/custom/x.override"]),
        (
            "/etc/custom/../custom/x.override",
            &["/etc/custom/x.override"],
        ),
        (
            "custom/*.server",
            &[
                "/etc/custom/.hidden.server",
                "/etc/custom/a.server",
                "/etc/custom/b.server",
            ],
        ),
        (
            "custom/?.server",
            &["/etc/custom/a.server", "/etc/custom/b.server"],
        ),
        (
            "custom/?.ser*",
            &["/etc/custom/a.server", "/etc/custom/b.server"],
        ),
        (
            "*/a.server",
            &["/etc/custom/a.server", "/etc/other/a.server"],
        ),
        ("custom/a*.server", &["/etc/custom/a.server"]),
        ("custom/*nothing", &[]),
        ("nowhere/*", &[]),
        ("nowhere/x]", &[]),
        (r"custom/\a.server", &["/etc/custom/a.server"]),
        (r"we\*ird", &["/etc/we*ird"]),
    ] {
        assert_eq!(find(pattern).unwrap(), paths, "{pattern}");
    }
}

#[test]
fn what_cannot_be_imported_is_said_in_coredns_words() {
    for (pattern, message) in [
        ("nowhere", "File to import not found: nowhere"),
        ("custom", "Could not import /etc/custom: is a directory"),
        ("custom*", "Could not import /etc/custom: is a directory"),
        (
            "*/*.server",
            "Glob pattern may only contain one wildcard (*), but has others: /etc/*/*.server",
        ),
        (
            "??",
            "Glob pattern may only contain one wildcard (*), but has others: /etc/??",
        ),
        (
            "[a]",
            "Glob pattern may only contain one wildcard (*), but has others: /etc/[a]",
        ),
        (
            "[a",
            "Failed to use import pattern [a: syntax error in pattern",
        ),
        (
            "a\\",
            "Failed to use import pattern a\\: syntax error in pattern",
        ),
    ] {
        let error = find(pattern).unwrap_err();
        assert_eq!(error.message(), message, "{pattern}");
        assert!(error.help_text().is_some(), "{pattern}");
    }
}

#[test]
fn each_file_is_read_once() {
    let environment = memory();
    let source = Source::new("Corefile".into(), PathBuf::from("/etc"), String::new());
    let mut files = Files::new(&environment);
    let first = files.import("custom/a.server", &source).unwrap();
    let second = files.import("custom/*.server", &source).unwrap();
    assert!(Arc::ptr_eq(&first[0].tokens, &second[1].tokens));
    let paths =
        ["a.server", ".hidden.server", "b.server"].map(|name| format!("/etc/custom/{name}"));
    assert_eq!(files.paths, paths.map(PathBuf::from));
}

#[test]
fn each_bad_byte_is_one_replacement() {
    assert_eq!(decode(b"a\xffb"), "a\u{fffd}b");
    // The start of a character of three bytes, cut off.
    assert_eq!(decode(b"\xe2\x82 x"), "\u{fffd}\u{fffd} x");
    assert_eq!(decode("\u{feff}é".as_bytes()), "\u{feff}é");
}
