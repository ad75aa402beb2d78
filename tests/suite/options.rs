//! Every option of every plugin, valid and invalid, with CoreDNS's verdict.

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
    let table = root().join("tests/data/corefiles/options.tsv");
    let table = std::fs::read_to_string(table).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (verdict, lines) = line.split_once('\t').unwrap();
        let lines = unescaped(lines);
        let corefile = format!(".:5300 {{\n{lines}\n}}\n");
        let pod = Memory::default()
            .with_file("/etc/resolv.conf", "nameserver 192.0.2.53\n")
            .with_file("/etc/hosts", "127.0.0.1 localhost\n")
            .with_file("/Corefile", corefile.clone());
        let settings = Arc::new(Settings::default());
        let examined = examine(Input::file("/Corefile"), &pod, 53, &settings);
        let errors = examined.diagnostics.iter();
        let errors: Vec<String> = errors
            .filter(|found| found.severity() == Severity::Error)
            .map(ToString::to_string)
            .collect();
        // What is not built in yet is told as such, and not compared.
        if errors.iter().any(|error| error.contains("does not have")) {
            continue;
        }
        count += 1;
        if (verdict == "OK") != errors.is_empty() {
            wrong.push(format!(
                "{verdict} expected:\n{corefile}{}",
                errors.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count > 370, "{count}");
}
