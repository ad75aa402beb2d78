//! Rules of the house that no lint knows: the direction of imports, the length of files.

use std::path::{Path, PathBuf};

use crate::program::root;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_tests(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The lines of code: not blank, not comments, not tests.
fn code(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]" || line.starts_with(' '));
    code.map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_file_has_more_than_400_lines_of_code() {
    let src = root().join("src");
    let long: Vec<String> = sources(&src)
        .iter()
        .filter(|path| !is_tests(path.strip_prefix(&src).unwrap()))
        .map(|path| (path.display().to_string(), code(path).len()))
        .filter(|(_, lines)| *lines > 400)
        .map(|(path, lines)| format!("{path}: {lines}"))
        .collect();
    assert!(
        long.is_empty(),
        "a concept is missing in:\n{}",
        long.join("\n")
    );
}

#[test]
fn imports_point_one_way() {
    // A module, and what nothing in it may name.
    let forbidden: &[(&str, &[&str])] = &[
        (
            "corefile",
            &[
                "crate::plugin",
                "crate::server",
                "crate::app",
                "crate::kubernetes",
                "crate::query",
            ],
        ),
        (
            "kubernetes",
            &[
                "crate::plugin",
                "crate::server",
                "crate::app",
                "crate::query",
                "crate::answer",
                "crate::chain",
            ],
        ),
        (
            "server",
            &[
                "crate::plugin",
                "crate::app",
                "crate::corefile",
                "crate::kubernetes",
            ],
        ),
        ("plugin", &["crate::app", "crate::check", "crate::cli"]),
        (
            "check",
            &[
                "crate::app",
                "crate::cli",
                "crate::server",
                "crate::kubernetes",
                "crate::query",
            ],
        ),
        ("answer", &["crate::plugin", "crate::app"]),
        ("app", &["crate::cli"]),
    ];
    let src = root().join("src");
    let mut broken = Vec::new();
    for (module, names) in forbidden {
        let own = [src.join(format!("{module}.rs"))]
            .into_iter()
            .filter(|path| path.exists());
        let folder = src.join(module);
        let below = if folder.is_dir() {
            sources(&folder)
        } else {
            Vec::new()
        };
        for path in own
            .chain(below)
            .filter(|path| !is_tests(path.strip_prefix(&src).unwrap()))
        {
            let lines = code(&path);
            for name in *names {
                if lines.iter().any(|line| line.contains(name)) {
                    broken.push(format!("{} names {name}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// F10: a clock that jumps changes no answer, because nothing is measured on it. The wall clock is read
/// where a time is told to somebody, or compared with one that came from elsewhere.
#[test]
fn the_wall_clock_measures_nothing() {
    // Where it is read, and what for.
    let allowed: &[(&str, &str)] = &[
        ("telemetry/query.rs", "the time of a log line"),
        ("telemetry/line.rs", "the time of a log line"),
        ("plugin/log.rs", "the time of a log line"),
        ("plugin/log/class.rs", "whether a signature has expired"),
        ("plugin/cache/keep.rs", "whether a signature has expired"),
        ("plugin/hosts/file.rs", "a file's stamp"),
        ("plugin/file/source.rs", "a file's stamp"),
        (
            "plugin/kubernetes/source.rs",
            "the serial, and the age of a snapshot",
        ),
        (
            "kubernetes/api/metrics.rs",
            "how long ago an object says that it changed",
        ),
        ("kubernetes/snapshot.rs", "when a snapshot was taken"),
        ("kubernetes/manifests/files.rs", "a file's stamp"),
    ];
    let clocks = ["SystemTime", "Timestamp::now", "std::time::Instant"];
    let src = root().join("src");
    let read: Vec<String> = sources(&src)
        .iter()
        .map(|path| (path, path.strip_prefix(&src).unwrap()))
        .filter(|(_, name)| !is_tests(name))
        .filter(|(path, _)| {
            let mut lines = code(path).into_iter();
            lines.any(|line| clocks.iter().any(|clock| line.contains(clock)))
        })
        .map(|(_, name)| name.display().to_string())
        .filter(|name| !allowed.iter().any(|(path, _)| name == path))
        .collect();
    assert!(
        read.is_empty(),
        "{read:?}: use tokio::time::Instant, which only goes forward"
    );
}
