use super::*;
use crate::corefile::Memory;
use crate::kubernetes::manifests::Source;

fn examined(text: &str, files: Memory) -> Vec<String> {
    let settings = Arc::new(Settings {
        manifests: Some(Source::Embedded),
        ..Settings::default()
    });
    let environment = files.with_file("/here/Corefile", text);
    let examined = examine(Input::file("/here/Corefile"), &environment, 53, &settings);
    let found = examined.diagnostics.iter();
    let lines = found.map(|found| found.headline().replace("/here/Corefile:", ""));
    lines.collect()
}

#[test]
fn all_errors_are_told_in_the_order_of_the_file() {
    for (what, text, expected) in [
        (
            "of the language, of plugins, of plugins that there are not, and overlaps",
            "a.org {\n bogus\n reload 1s\n dnssec\n}\na.org {\n whoami x\n}\n",
            vec![
                "2:2: error: Unknown directive 'bogus'",
                "3:9: error: plugin/reload: interval value must be greater or equal to 2s",
                "4:2: error: callsign does not have the plugin 'dnssec'",
                "6:1: error: cannot serve dns://a.org.:53 - it is already defined",
                "7:9: error: plugin/whoami: Wrong argument count or unexpected line ending after 'x'",
            ],
        ),
        (
            "several of one directive",
            ". {\n kubernetes cluster.local {\n ttl x\n bogus {\n a\n }\n pods nonsense\n }\n}\n",
            vec![
                "3:6: error: plugin/kubernetes: invalid number \"x\"",
                "4:2: error: plugin/kubernetes: unknown property 'bogus'",
                "7:7: error: plugin/kubernetes: wrong value for pods: nonsense,  must be one of: disabled, verified, insecure",
            ],
        ),
        (
            "behind a directive that stands as an option, but for what are options of others",
            ". {\n cache {\n success 5\n forward . 192.0.2.1 {\n max_fails 2\n }\n denial 5 x\n log\n }\n whoami x\n}\n",
            vec![
                "4:2: error: plugin/cache: unknown property 'forward'",
                "7:11: error: plugin/cache: invalid number \"x\"",
                "10:9: error: plugin/whoami: Wrong argument count or unexpected line ending after 'x'",
            ],
        ),
        (
            "several occurrences of one directive",
            ". {\n cache 0\n cache 30\n cache 30 {\n bogus\n }\n whoami\n}\n",
            vec![
                "2:8: error: plugin/cache: cache TTL can not be zero or negative: 0",
                "3:2: error: plugin/cache: this plugin can only be used once per Server Block",
                "4:2: error: plugin/cache: this plugin can only be used once per Server Block",
            ],
        ),
    ] {
        let mut found = examined(text, Memory::default());
        found.retain(|line| line.contains(" error: "));
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn a_file_beside_the_corefile_that_is_not_there_is_an_error() {
    let found = examined(". {\n autopath off\n whoami\n}\n", Memory::default());
    let error = "2:11: error: plugin/autopath: failed to parse \"off\": open off: entity not found";
    assert!(found.contains(&error.to_owned()), "{found:#?}");
}

#[test]
fn a_brace_that_is_missing_is_one_error() {
    let text = ". {\n health {\n lameduck 5s\n ready\n forward . 192.0.2.1\n cache x\n}\n";
    let mut found = examined(text, Memory::default());
    found.retain(|line| !line.contains("hint"));
    assert_eq!(
        found,
        [
            "4:2: error: plugin/health: unknown property 'ready'",
            "7:1: warning: the server block's own '}' is missing at the end of the file",
        ]
    );
}

#[test]
fn with_errors_of_the_language_nothing_is_said_of_the_whole() {
    // Without the line that cannot be read the block has no answer, and that is not its fault.
    assert_eq!(
        examined(". {\n forwrd . 192.0.2.1\n}\n", Memory::default()),
        ["2:2: error: Unknown directive 'forwrd'"]
    );
}

#[test]
fn files_that_are_not_here_are_as_grave_as_that_can_be_told() {
    let files = Memory::default().with_file("/etc/hosts", "");
    for (what, line, expected) in [
        ("a file that is here", "hosts /etc/hosts", vec![]),
        (
            "a file is missing in a folder that is here",
            "hosts /etc/nope",
            vec!["2:8: warning: plugin/hosts: File does not exist: /etc/nope"],
        ),
        (
            "there is no such folder",
            "hosts /no/such/file",
            vec!["2:8: warning: plugin/hosts: File does not exist: /no/such/file"],
        ),
        (
            "a folder that pods have mounted",
            "hosts /etc/coredns/NodeHosts",
            vec!["2:8: hint: plugin/hosts: File does not exist: /etc/coredns/NodeHosts"],
        ),
        (
            "what must be there is an error in a folder that is here",
            "tls /etc/cert.pem /etc/key.pem",
            vec![
                "2:6: error: plugin/tls: could not load TLS cert: open /etc/cert.pem: entity not found",
            ],
        ),
        (
            "and else may be there where it is served",
            "tls /no/cert.pem /no/key.pem",
            vec![
                "2:6: warning: plugin/tls: could not load TLS cert: open /no/cert.pem: entity not found",
            ],
        ),
        (
            "an import from a folder beside the Corefile that is not here",
            "import custom/file",
            vec!["2:9: hint: No files matching import glob pattern: custom/file"],
        ),
        (
            "an import from a folder that is here",
            "import file",
            vec!["2:9: error: File to import not found: file"],
        ),
        (
            "an import from no folder that pods have",
            "import /no/such/file",
            vec!["2:9: error: File to import not found: /no/such/file"],
        ),
        (
            "a pattern that matches nothing",
            "import /no/such/*",
            vec!["2:9: hint: No files matching import glob pattern: /no/such/*"],
        ),
    ] {
        let text = format!(". {{\n {line}\n whoami\n}}\n");
        let mut found = examined(&text, files.clone());
        found.retain(|line| !line.contains("never runs"));
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn what_is_said_twice_is_told_once() {
    let text = "(s) {\n hosts /etc/nope {\n fallthrough\n }\n whoami\n}\na.org {\n import s\n}\nb.org {\n import s\n}\n";
    let files = Memory::default().with_file("/etc/hosts", "");
    assert_eq!(
        examined(text, files),
        ["2:8: warning: plugin/hosts: File does not exist: /etc/nope"]
    );
}
