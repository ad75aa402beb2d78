use std::path::Path;

use super::*;
use crate::testing::n;
use crate::zone::text;

fn zone(origin: &str, records: &str) -> Zone {
    let start = "@ 60 IN SOA ns host 1 2 3 4 5\n@ 60 IN NS invalid.\n";
    let records = format!("{start}{records}").into_bytes();
    let read = |_: &Path, _| Ok(records.clone());
    let zone = text::read(Path::new("db"), n(origin).view(), None, &read);
    zone.unwrap().unwrap()
}

/// `LABEL ZONE [SUCCESSOR]`, one on a line.
fn take(members: &Members, origin: &str, lines: &str) {
    let mut records = "version 0 IN TXT \"2\"\n".to_owned();
    for line in lines.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        records += &format!("{}.zones 0 IN PTR {}\n", words[0], words[1]);
        if let Some(successor) = words.get(2) {
            records += &format!("coo.{}.zones 0 IN PTR {successor}\n", words[0]);
        }
    }
    members.take(&zone(origin, &records)).unwrap();
}

/// Two catalogs, `one.` and `two.`, the second of which may name zones in `org.` only.
fn members() -> Members {
    let source = |within: &[&str]| Source {
        from: Vec::new(),
        within: within.iter().map(|name| n(name)).collect(),
    };
    let sources = [(n("one."), source(&[])), (n("two."), source(&["org."]))];
    Members::new(vec![n("own.org.")], sources.into_iter().collect())
}

fn served(members: &Members) -> Vec<String> {
    let served = members.served.load();
    let told = served.iter().map(|(zone, served)| {
        let id = String::from_utf8_lossy(&served.id);
        format!("{zone} {id} of {}", served.catalog)
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

#[test]
fn zones_come_and_go_with_their_catalogs() {
    for (what, steps, zones) in [
        (
            "they come",
            &[("one.", "a a.org.\nb b.org.")][..],
            &["a.org. a of one.", "b.org. b of one."][..],
        ),
        (
            "and go",
            &[("one.", "a a.org.\nb b.org."), ("one.", "b b.org.")],
            &["b.org. b of one."],
        ),
        (
            "what is outside of the names that are allowed is passed over",
            &[("two.", "a a.org.\nb b.com.\nc org.")],
            &["a.org. a of two.", "org. c of two."],
        ),
        (
            "the Corefile's own zone is not taken",
            &[("one.", "a own.org.\nb x.own.org.")],
            &["x.own.org. b of one."],
        ),
        (
            "of two catalogs the first has it",
            &[("one.", "a a.org."), ("two.", "b a.org.")],
            &["a.org. a of one."],
        ),
        (
            "unless it says that it may go",
            &[("one.", "a a.org. two."), ("two.", "b a.org.")],
            &["a.org. b of two."],
        ),
        (
            "and then the first can no more take it away",
            &[
                ("one.", "a a.org. two."),
                ("two.", "b a.org."),
                ("one.", "x x.org."),
            ],
            &["a.org. b of two.", "x.org. x of one."],
        ),
        (
            "to another one it does not go",
            &[("one.", "a a.org. three."), ("two.", "b a.org.")],
            &["a.org. a of one."],
        ),
        (
            "nor where it may not be",
            &[("one.", "a a.com. two."), ("two.", "b a.com.")],
            &["a.com. a of one."],
        ),
    ] {
        let members = members();
        for (origin, lines) in steps {
            take(&members, origin, lines);
        }
        assert_eq!(served(&members), zones, "{what}");
    }
}

/// Puts data into a member, and tells whether they are there after another step.
fn keeps(first: (&str, &str), then: (&str, &str)) -> bool {
    let members = members();
    take(&members, first.0, first.1);
    let replica = members.get(n("a.org.").view()).unwrap();
    replica.put(zone("a.org.", ""));
    take(&members, then.0, then.1);
    let replica = members.get(n("a.org.").view()).unwrap();
    replica.zone().is_some()
}

#[test]
fn what_was_transferred_is_kept_for_as_long_as_the_label_is_the_same() {
    let of_one = ("one.", "a a.org. two.");
    assert!(keeps(of_one, ("one.", "a a.org.\nb b.org.")));
    assert!(!keeps(of_one, ("one.", "b a.org.")));
    assert!(keeps(of_one, ("two.", "a a.org.")));
    assert!(!keeps(of_one, ("two.", "b a.org.")));
}

#[test]
fn what_is_no_catalog_changes_nothing() {
    let members = members();
    take(&members, "one.", "a a.org.");
    assert_eq!(
        members.take(&zone("one.", "")),
        Err(NotCatalog::Versions(n("one."), 0))
    );
    assert_eq!(served(&members), ["a.org. a of one."]);
}

/// The servers do not exist, so the tasks do nothing but wait.
#[tokio::test(start_paused = true)]
async fn each_member_has_a_task() {
    let (members, stop) = (Arc::new(members()), CancellationToken::new());
    let replicas = |members: &Members| {
        let served = members.served.load();
        let counts = served
            .iter()
            .map(|(_, served)| Arc::strong_count(&served.replica));
        counts.collect::<Vec<usize>>()
    };
    take(&members, "one.", "a a.org.");
    let following = tokio::spawn(follow(members.clone(), None, stop.clone()));
    let settle = || tokio::time::sleep(std::time::Duration::from_secs(60));
    settle().await;
    // The map, the list of what runs, and the task.
    assert_eq!(replicas(&members), [3]);
    let gone = members.get(n("a.org.").view()).unwrap();
    take(&members, "one.", "b a.org.\nc c.org.");
    settle().await;
    assert_eq!(replicas(&members), [3, 3]);
    assert_eq!(Arc::strong_count(&gone), 1);
    stop.cancel();
    following.await.unwrap();
    assert_eq!(replicas(&members), [1, 1]);
}
