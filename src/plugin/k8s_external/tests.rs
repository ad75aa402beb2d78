//! What cannot be used; the answers are held by the differential suite.

use crate::corefile::{Diagnostic, Memory};
use crate::testing::{planned, setup_error};

#[test]
fn what_cannot_be_used_is_told() {
    for (lines, place, message) in [
        ("k8s_external", "2:1", "kubernetes plugin not loaded"),
        (
            "k8s_external {\nttl\n}",
            "3:1",
            "Wrong argument count or unexpected line ending after 'ttl'",
        ),
        (
            "k8s_external {\nttl 3601\n}",
            "3:5",
            "ttl must be in range [0, 3600]: 3601",
        ),
        (
            "k8s_external {\nttl -1\n}",
            "3:5",
            "ttl must be in range [0, 3600]: -1",
        ),
        (
            "k8s_external {\napex\n}",
            "3:1",
            "Wrong argument count or unexpected line ending after 'apex'",
        ),
        (
            "k8s_external {\nupstream\n}",
            "3:1",
            "unknown property 'upstream'",
        ),
    ] {
        let error = setup_error(lines);
        let expected = format!("Corefile:{place}: error: plugin/k8s_external: {message}");
        assert_eq!(error, expected, "{lines}");
    }
}

#[test]
fn an_apex_that_is_no_name_is_warned_of() {
    let text = ". {\nkubernetes cluster.local\nk8s_external x {\napex a..b\n}\n}";
    let plan = planned(text, &Memory::default()).unwrap();
    let warnings: Vec<_> = plan.warnings.iter().map(Diagnostic::headline).collect();
    let warning = "Corefile:4:6: warning: plugin/k8s_external: \"a..b\" is no name: a label is \
                   empty; 'dns' is taken";
    assert_eq!(warnings, [warning]);
}
