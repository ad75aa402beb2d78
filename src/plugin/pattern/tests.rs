//! What patterns match is what they match in Go.

use super::*;

/// Pattern, text, and what Go 1.26's `regexp` says: `refused`, `no match`, or `=` and the groups.
const GO: &str = include_str!("../../../tests/data/patterns.tsv");

#[test]
fn patterns_match_as_in_go() {
    let mut wrong = Vec::new();
    for line in GO.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [pattern, text, expected] = fields.as_slice() else {
            panic!("{line}");
        };
        let found = match compile(pattern) {
            Err(_) => "refused".to_owned(),
            Ok(regex) => match regex.captures(text) {
                None => "no match".to_owned(),
                Some(groups) => {
                    let groups = groups
                        .iter()
                        .map(|group| group.map_or("", |group| group.as_str()));
                    format!("={}", groups.collect::<Vec<_>>().join("|"))
                }
            },
        };
        if found != *expected {
            wrong.push(format!("{pattern} on {text}: {found}, in Go {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
