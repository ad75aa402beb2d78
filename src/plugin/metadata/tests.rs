use std::sync::{Arc, Mutex};

use super::*;
use crate::answer::{Answer, Origin};
use crate::chain::Chain;
use crate::name::Name;
use crate::server::{Block, Server};
use crate::testing::{Ask, NoObserver, Stub, n, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    for (lines, error) in [
        (
            "metadata {\nfoo\n}",
            "Corefile:3:1: error: plugin/metadata: Wrong argument count or unexpected line ending after 'foo'",
        ),
        (
            "metadata a\nmetadata b",
            "Corefile:3:1: error: plugin/metadata: Wrong argument count or unexpected line ending after 'metadata'",
        ),
    ] {
        assert_eq!(setup_error(lines), error, "{lines}");
    }
}

/// A plugin that knows its own question by the label `asked/name`.
struct Asked;

impl Plugin for Asked {
    fn name(&self) -> &'static str {
        "asked"
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        // As rewrite does: the readers below see another question.
        let other = n("other.example.org");
        next.serve(&query.with_question(other.view(), other.view(), query.qtype))
    }

    fn metadata(&self, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
        (label == "asked/name").then(|| query.name.to_string().into())
    }
}

/// What a reader at the end of the chain is told, at once and through an owned query.
fn told(zones: Option<&[&str]>, question: &str) -> [Option<String>; 2] {
    let found = Arc::new(Mutex::new([None, None]));
    let into = found.clone();
    let reader = Stub::new(move |query| {
        let text = |query: &Query<'_>| query.metadata("asked/name").map(|value| value.to_string());
        let owned = query.to_owned();
        *into.lock().unwrap() = [text(query), text(&owned.view())];
        Answer::new(query, "stub", Origin::Local).into()
    });
    let block = Block {
        zone: Name::root(),
        view: "".into(),
        filters: Vec::new(),
        chain: Chain::new(vec![Arc::new(Metadata), Arc::new(Asked), Arc::new(reader)]),
        metadata: zones.map(|zones| zones.iter().map(|zone| n(zone)).collect()),
    };
    let observer = Arc::new(NoObserver);
    let server = Server::new("dns://:53", (0, 1), [Arc::new(block)], true, observer);
    use futures_util::FutureExt;
    let _ = Ask::new(question).ask_server(&server).now_or_never();
    found.lock().unwrap().clone()
}

#[test]
fn values_are_those_of_the_question_as_it_came() {
    let value = Some("A.example.org.".to_owned());
    for (case, zones, question, expected) in [
        ("for all names", Some(&["."][..]), "A.example.org", &value),
        (
            "for its own names",
            Some(&["example.com", "example.org"]),
            "A.example.org",
            &value,
        ),
        (
            "not for others",
            Some(&["example.com"]),
            "a.example.org",
            &None,
        ),
        ("not without the directive", None, "a.example.org", &None),
    ] {
        let told = told(zones, question);
        assert_eq!(told, [expected.clone(), expected.clone()], "{case}");
    }
}
