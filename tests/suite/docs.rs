//! What the documentation and the samples say must be so.

use std::path::Path;

use callsign::app::examine::examine;
use callsign::corefile::{Input, Memory, Severity};

use crate::program::{callsign, root};

/// All files below a folder with this ending, sorted.
fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match &mut open {
            None if line.trim() == format!("```{language}") => open = Some(String::new()),
            None => {}
            Some(block) if line.trim() == "```" => {
                blocks.push(std::mem::take(block));
                open = None;
            }
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    blocks
}

#[test]
fn every_plugin_has_a_page_with_the_same_headings() {
    let output = callsign(&["-plugins"]).output().unwrap();
    for name in String::from_utf8(output.stdout).unwrap().split_whitespace() {
        let path = root().join(format!("docs/plugins/{name}.md"));
        let page = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for heading in [
            "## Name",
            "## Description",
            "## Syntax",
            "## Metrics",
            "## Ready",
            "## Examples",
            "## Differences from CoreDNS",
        ] {
            assert!(
                page.lines().any(|line| line == heading),
                "{name}: no {heading}"
            );
        }
        assert!(!blocks(&page, "corefile").is_empty(), "{name}: no example");
    }
}

#[test]
fn every_corefile_of_the_documentation_and_the_samples_can_be_used() {
    let mut texts: Vec<(String, String)> = Vec::new();
    for path in files(&root().join("docs"), ".md")
        .into_iter()
        .chain([root().join("README.md")])
    {
        let page = std::fs::read_to_string(&path).unwrap();
        for (number, block) in blocks(&page, "corefile").into_iter().enumerate() {
            texts.push((format!("{}, example {}", path.display(), number + 1), block));
        }
    }
    for path in files(&root().join("config"), "Corefile") {
        texts.push((
            path.display().to_string(),
            std::fs::read_to_string(&path).unwrap(),
        ));
    }
    assert!(texts.len() > 2);
    let settings = callsign::plugin::setup::Settings {
        manifests: Some(callsign::kubernetes::manifests::Source::Embedded),
        ..Default::default()
    };
    let settings = std::sync::Arc::new(settings);
    // A machine whose name servers are known, whatever those of this one are.
    let machine = Memory::default()
        .with_file("/etc/resolv.conf", "nameserver 192.0.2.53\n")
        .with_file("/etc/hosts", "127.0.0.1 localhost\n");
    let mut failed = Vec::new();
    for (place, text) in &texts {
        let input = Input::text("Corefile", text.as_str());
        let found = examine(input, &machine, 53, &settings).diagnostics;
        let errors = found
            .iter()
            .filter(|found| found.severity() == Severity::Error);
        failed.extend(errors.map(|error| format!("{place}:\n{error}")));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn pages_name_files_that_exist() {
    for path in files(&root().join("docs"), ".md")
        .into_iter()
        .chain([root().join("README.md")])
    {
        let page = std::fs::read_to_string(&path).unwrap();
        for word in page.split(|c: char| !(c.is_alphanumeric() || "/._-".contains(c))) {
            let is_source = ["src/", "tests/", "benches/", "docs/", "config/"]
                .iter()
                .any(|folder| word.starts_with(folder));
            let word = word.trim_end_matches(['.', ',']);
            if is_source
                && (word.ends_with(".rs") || word.ends_with(".md") || word.ends_with(".yaml"))
                && !word.contains("NAME")
            {
                assert!(
                    root().join(word).exists(),
                    "{}: {word} is not there",
                    path.display()
                );
            }
        }
    }
}
