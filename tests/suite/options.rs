//! Every option of every plugin, valid and invalid, and texts of all kinds, with CoreDNS's verdict.
//!
//! `options.tsv` was written by hand. `more-options.tsv` has each option with values of all kinds,
//! `texts.tsv` whole Corefiles of odd keys, braces and white space: CoreDNS 1.15 was started with
//! each. What depends on a machine (its files, addresses, names) is not in the tables.

use std::sync::Arc;

use callsign::app::examine::examine;
use callsign::corefile::{Input, Memory, Severity};
use callsign::plugin::setup::Settings;

use crate::program::root;

/// What a line of the table stands for.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next().unwrap() {
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                other => panic!("{text}: \\{other}"),
            },
            other => other,
        });
    }
    out
}

#[test]
fn verdicts_on_options_are_those_of_coredns() {
    hold("options.tsv", 370, |lines| {
        format!(".:5300 {{\n{lines}\n}}\n")
    });
}

#[test]
fn verdicts_on_more_options_are_those_of_coredns() {
    let block = |lines: String| format!(".:5300 {{\n    bind 127.0.0.1\n    {lines}\n}}\n");
    hold("more-options.tsv", 4000, block);
}

#[test]
fn verdicts_on_odd_texts_are_those_of_coredns() {
    hold("texts.tsv", 500, |text| text);
}

/// Holds the lines of a table, at least `least` of which can be compared.
fn hold(table: &str, least: usize, corefile: impl Fn(String) -> String) {
    let table = root().join("tests/data/corefiles").join(table);
    let table = std::fs::read_to_string(table).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in table.split('\n').filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            continue;
        }
        let (verdict, text) = line.split_once('\t').unwrap();
        let corefile = corefile(unescaped(text));
        let errors = errors(&corefile);
        // What is not built in yet is told as such, and not compared.
        if errors.contains("does not have") || errors.contains("is not spoken") {
            continue;
        }
        count += 1;
        if (verdict == "OK") != errors.is_empty() {
            wrong.push(format!("{verdict} expected:\n{corefile}{errors}"));
        }
    }
    let all = wrong.len();
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{all} wrong:\n\n{}", wrong.join("\n\n"));
    assert!(count > least, "{count} lines could be compared");
}

/// The errors of a Corefile in a pod.
fn errors(corefile: &str) -> String {
    let pod = Memory::default()
        .with_file("/etc/resolv.conf", "nameserver 192.0.2.53\n")
        .with_file("/etc/hosts", "127.0.0.1 localhost\n")
        .with_file("/Corefile", corefile);
    let settings = Arc::new(Settings::default());
    let examined = examine(Input::file("/Corefile"), &pod, 53, &settings);
    let errors = examined.diagnostics.iter();
    let errors: Vec<String> = errors
        .filter(|found| found.severity() == Severity::Error)
        .map(ToString::to_string)
        .collect();
    errors.join("\n")
}
