//! What cannot be used; the answers are held by the differential suite.

use crate::testing::setup_error;

#[test]
fn what_is_wrong_with_a_policy_is_told_where_it_stands() {
    let mut wrong = Vec::new();
    for (line, place, message) in [
        (
            "deny",
            "3:1",
            "unexpected token \"deny\"; expect 'allow', 'block', 'filter' or 'drop'",
        ),
        (
            "block A",
            "3:7",
            "unexpected token \"A\"; expect 'type | net'",
        ),
        (
            "block type",
            "3:7",
            "no token specified in \"type\" section",
        ),
        (
            "block type A Net",
            "3:14",
            "no token specified in \"net\" section",
        ),
        (
            "block type a",
            "3:12",
            "unexpected token \"a\"; expect legal QTYPE",
        ),
        (
            "block net 10.0.0.0/33",
            "3:11",
            "illegal CIDR notation \"10.0.0.0/33\"",
        ),
        (
            "block net 10.0.0",
            "3:11",
            "illegal CIDR notation \"10.0.0\"",
        ),
        ("block net lo", "3:11", "illegal CIDR notation \"lo\""),
        (
            "block net 10.0.0.0/8 type A AAAA FOO",
            "3:34",
            "unexpected token \"FOO\"; expect legal QTYPE",
        ),
    ] {
        let error = setup_error(&format!("acl {{\n{line}\n}}"));
        let expected = format!("Corefile:{place}: error: plugin/acl: {message}");
        if error != expected {
            wrong.push(format!("{line}:\n  {error}\n  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
