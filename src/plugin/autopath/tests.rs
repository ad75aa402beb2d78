//! Search lists of files, and what cannot be used. Walks are held by the differential suite.

use crate::corefile::Memory;
use crate::testing::{place_and_message, planned, setup_error};

#[test]
fn what_cannot_be_used_is_told() {
    for (line, place, message) in [
        ("autopath", "2:1", "no resolv-conf specified"),
        (
            "autopath /missing",
            "2:10",
            "failed to parse \"/missing\": open /missing: entity not found",
        ),
        (
            "autopath @whoami\nwhoami",
            "2:10",
            "whoami does not implement the AutoPather interface",
        ),
    ] {
        let error = setup_error(line);
        let expected = format!("Corefile:{place}: error: plugin/autopath: {message}");
        assert_eq!(error, expected, "{line}");
    }
}

#[test]
fn a_plugin_that_is_not_there_is_warned_of() {
    let plan = planned(". {\nautopath @kubernetes\nwhoami\n}", &Memory::default()).unwrap();
    let warnings: Vec<_> = plan.warnings.iter().map(place_and_message).collect();
    assert_eq!(
        warnings,
        [
            "2:10: plugin/autopath: the block has no 'kubernetes', so no search list is walked; \
             put autopath and kubernetes into one block"
        ]
    );
}
