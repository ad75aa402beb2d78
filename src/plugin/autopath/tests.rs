//! Search lists of files, and what cannot be used. Walks are held by the differential suite.

use crate::testing::setup_error;

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
