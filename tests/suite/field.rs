//! Corefiles as people and distributions write them, with what CoreDNS 1.15 said of each.
//!
//! `field.corefiles` holds them one after the other: `== VERDICT NAME`, then the Corefile, then
//! `-- PATH` before each other file that stands in its folder. CoreDNS was started with each, in a
//! network of its own, without a cluster. The verdicts:
//!
//! - `FAIL`: CoreDNS refuses it, and so does callsign.
//! - `OK`: both load it.
//! - `QUIET`: both load it, and `check` has nothing to warn of: the default of a distribution, or
//!   what its pages tell to write.
//! - `ABSENT`: CoreDNS loads it; callsign says what it does not have, and nothing else.

use std::sync::Arc;

use callsign::app::examine::{Examined, examine};
use callsign::corefile::{Input, Memory, Severity};
use callsign::kubernetes::manifests::Source;
use callsign::plugin::setup::Settings;

use crate::program::root;

/// One of them.
struct Corefile {
    verdict: String,
    name: String,
    /// The Corefile itself first.
    files: Vec<(String, String)>,
}

fn all() -> Vec<Corefile> {
    let text = std::fs::read_to_string(root().join("tests/data/corefiles/field.corefiles"));
    let mut all: Vec<Corefile> = Vec::new();
    for line in text.unwrap().split_inclusive('\n') {
        if let Some(heading) = line.strip_prefix("== ") {
            let (verdict, name) = heading.trim_end().split_once(' ').unwrap();
            all.push(Corefile {
                verdict: verdict.to_owned(),
                name: name.to_owned(),
                files: vec![("Corefile".to_owned(), String::new())],
            });
        } else if let Some(last) = all.last_mut() {
            match line.strip_prefix("-- ") {
                Some(path) => last.files.push((path.trim_end().to_owned(), String::new())),
                None => last.files.last_mut().unwrap().1.push_str(line),
            }
        }
    }
    all
}

impl Corefile {
    /// Where CoreDNS was started with it.
    fn examined(&self) -> Examined {
        let authority = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        let authority = authority.cert.pem();
        let pod = Memory::default()
            .with_variable("POD_IP", "192.0.2.10")
            .with_variable("MY_HOST_IP", "192.0.2.11")
            .with_file("/etc/resolv.conf", "nameserver 192.0.2.53\n")
            .with_file("/etc/hosts", "127.0.0.1 localhost\n")
            .with_file("/etc/ssl/certs/ca-certificates.crt", authority);
        let pod = self.files.iter().fold(pod, |pod, (path, text)| {
            pod.with_file(format!("/etc/coredns/{path}"), text.clone())
        });
        let settings = Arc::new(Settings {
            manifests: Some(Source::Embedded),
            ..Settings::default()
        });
        examine(Input::file("/etc/coredns/Corefile"), &pod, 53, &settings)
    }
}

/// The diagnostics of one severity.
fn told(examined: &Examined, severity: Severity) -> Vec<String> {
    let found = examined.diagnostics.iter();
    let found = found.filter(|found| found.severity() == severity);
    found.map(ToString::to_string).collect()
}

#[test]
fn verdicts_on_corefiles_of_the_field_are_those_of_coredns() {
    let mut wrong = Vec::new();
    let all = all();
    assert!(all.len() > 300, "{}", all.len());
    for corefile in all {
        let examined = corefile.examined();
        let (errors, warnings) = (
            told(&examined, Severity::Error),
            told(&examined, Severity::Warning),
        );
        let is_as_expected = match corefile.verdict.as_str() {
            "FAIL" => !errors.is_empty(),
            "OK" => errors.is_empty(),
            "QUIET" => errors.is_empty() && warnings.is_empty(),
            "ABSENT" => {
                let is_absence = |error: &String| {
                    error.contains("does not have") || error.contains("is not spoken")
                };
                !errors.is_empty() && errors.iter().all(is_absence)
            }
            other => panic!("{}: {other}", corefile.name),
        };
        if !is_as_expected {
            let told = [errors, warnings].concat().join("\n");
            wrong.push(format!(
                "{} expected: {}\n{told}",
                corefile.verdict, corefile.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
