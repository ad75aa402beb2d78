//! A follower against a server that the test plays: each request waits for what the test answers.

mod bed;
mod faults;
mod random;
mod server;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, advance, timeout};

use super::follow::Follower;
use super::*;
use crate::kubernetes::object::Kind;
use bed::Log;
use server::{Request, Server, bookmark, closing, error, line, page, service};

/// A follower of Services, and the server that it asks.
struct Bed {
    server: Server,
    events: mpsc::Receiver<Event>,
    health: Arc<Health>,
    registry: Arc<Registry>,
}

impl Bed {
    fn new() -> Self {
        Self::of(Kind::Service, "")
    }

    fn of(kind: Kind, labels: &str) -> Self {
        let registry = Arc::<Registry>::default();
        let metrics = Arc::new(Metrics::new(registry.clone()));
        let resource = Resource {
            kind,
            labels: labels.to_owned(),
        };
        let access = Access::Endpoint("http://api".into(), None);
        let health = Arc::new(Health::new(&access, std::slice::from_ref(&resource)));
        let (server, link) = Server::new(metrics.clone());
        let (sender, events) = mpsc::channel(64);
        let follower = Follower::new(
            (resource, Arc::default()),
            Arc::new(link),
            health.clone(),
            metrics,
            sender,
        );
        tokio::spawn(follower.run());
        Self {
            server,
            events,
            health,
            registry,
        }
    }

    /// Listed as a stream at version 10, with these Services, and now watched.
    async fn listed(names: &[&str]) -> (Self, server::Answer) {
        let mut bed = Self::new();
        let answer = bed.asked().await.answer();
        for (at, name) in names.iter().enumerate() {
            answer.send(&line("ADDED", &service(name, at + 1)));
        }
        answer.send(&closing(10));
        bed.expect(&[&["listing"], names, &["listed"]].concat())
            .await;
        (bed, answer)
    }

    /// The next request.
    async fn asked(&mut self) -> Request {
        self.server.next().await
    }

    /// The next events, in a word each: a Service by its name, with a `-` before it once it is gone.
    async fn expect(&mut self, expected: &[&str]) {
        for expected in expected {
            let event = timeout(Duration::from_secs(600), self.events.recv()).await;
            assert_eq!(word(event.expect("an event")), *expected);
        }
        assert!(self.events.try_recv().is_err(), "and nothing more");
    }

    fn metric(&self, line: &str) -> bool {
        self.registry.text().lines().any(|told| told == line)
    }
}

fn word(event: Option<Event>) -> String {
    match event {
        Some(Event::Listing(_)) => "listing".into(),
        Some(Event::Listed(_)) => "listed".into(),
        Some(Event::Apply(object)) => object.key().name.to_string(),
        Some(Event::Delete(_, key)) => format!("-{}", key.name),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_comes_as_a_stream_and_the_watch_goes_on_in_it() {
    let mut bed = Bed::of(Kind::Service, "app in (a,b),!c");
    let asked = bed.asked().await;
    assert_eq!(asked.path, "/api/v1/services");
    let told = [
        "watch=true",
        "sendInitialEvents=true",
        "resourceVersionMatch=NotOlderThan",
    ];
    for parameter in told {
        asked.assert_with(parameter);
    }
    let labels = "labelSelector=app+in+%28a%2Cb%29%2C%21c".to_owned();
    asked.assert_with(&labels);
    let answer = asked.answer();
    answer.send(&line("ADDED", &service("web", 1)));
    bed.expect(&["listing", "web"]).await;
    assert!(bed.health.age() > Duration::ZERO || Instant::now().elapsed().is_zero());
    answer.send(&closing(10));
    answer.send(&line("MODIFIED", &service("web", 11)));
    answer.send(&line("DELETED", &service("web", 12)));
    bed.expect(&["listed", "web", "-web"]).await;
    assert_eq!(bed.health.age(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn pods_that_have_ended_are_not_asked_for() {
    let mut bed = Bed::of(Kind::Pod, "");
    let asked = bed.asked().await;
    let fields = "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed%2C\
                  status.phase%21%3DUnknown";
    asked.assert_with(fields);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_stream_the_list_comes_in_pages() {
    let no = error(
        500,
        "the required storage feature RequestWatchProgress is disabled",
    );
    type Refuse = Box<dyn Fn(Request)>;
    let cases: [(&str, Refuse, &[&str]); 4] = [
        (
            "a status",
            Box::new(|asked| asked.refuse(422, "sendInitialEvents is forbidden", &[])),
            &[],
        ),
        (
            "a bad request",
            Box::new(|asked| asked.refuse(400, "", &[])),
            &[],
        ),
        (
            "an error in the stream",
            Box::new(move |asked| asked.answer().send(&line("ERROR", &no))),
            &["listing"],
        ),
        (
            "no bookmark that closes it",
            Box::new(|asked| {
                let answer = asked.answer();
                answer.send(&line("ADDED", &service("web", 1)));
                answer.send(&bookmark(5));
                answer.keep();
            }),
            &["listing", "web"],
        ),
    ];
    for (name, refuse, before) in cases {
        let (mut bed, started) = (Bed::new(), Instant::now());
        refuse(bed.asked().await);
        let asked = bed.asked().await;
        assert!(started.elapsed() <= Duration::from_secs(11), "{name}");
        assert!(
            asked.query.contains(&"limit=500".into()),
            "{name}: {:?}",
            asked.query
        );
        asked.give(&page(20, "more", &[service("web", 1)]));
        let asked = bed.asked().await;
        assert!(
            asked.query.contains(&"continue=more".into()),
            "{name}: {:?}",
            asked.query
        );
        asked.give(&page(20, "", &[service("db", 2)]));
        let asked = bed.asked().await;
        assert!(
            asked.query.contains(&"resourceVersion=20".into()),
            "{name}: {:?}",
            asked.query
        );
        bed.expect(&[before, &["listing", "web", "db", "listed"]].concat())
            .await;
        // It is not tried again.
        asked.answer().send(&line("ERROR", &error(410, "too old")));
        let asked = bed.asked().await;
        assert!(
            asked.query.contains(&"limit=500".into()),
            "{name}: {:?}",
            asked.query
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_from_where_it_was() {
    let (mut bed, answer) = Bed::listed(&["web"]).await;
    answer.send(&line("ADDED", &service("db", 12)));
    answer.send(&bookmark(15));
    bed.expect(&["db"]).await;
    advance(Duration::from_secs(270)).await;
    let ended = Instant::now();
    answer.end();
    let asked = bed.asked().await;
    asked.assert_with("resourceVersion=15");
    assert!(!asked.query.contains(&"sendInitialEvents=true".into()));
    assert!(ended.elapsed() < Duration::from_millis(200));
    asked.answer().send(&line("DELETED", &service("db", 16)));
    bed.expect(&["-db"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_gone_is_listed_again_and_nothing_vanishes_meanwhile() {
    let (mut bed, answer) = Bed::listed(&["web", "db"]).await;
    answer.send(&line(
        "ERROR",
        &error(410, "too old resource version: 10 (99)"),
    ));
    let asked = bed.asked().await;
    asked.assert_with("sendInitialEvents=true");
    // Not older than what was seen.
    asked.assert_with("resourceVersion=10");
    let answer = asked.answer();
    answer.send(&line("ADDED", &service("web", 1)));
    bed.expect(&["listing", "web"]).await;
    answer.send(&closing(99));
    bed.expect(&["listed"]).await;
    assert!(bed.metric(r#"callsign_kubernetes_relists_total{kind="Service",reason="expired"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_is_begun_anew() {
    let mut bed = Bed::new();
    let answer = bed.asked().await.answer();
    answer.send(&line("ADDED", &service("web", 1)));
    answer.fail();
    let asked = bed.asked().await;
    asked.assert_with("sendInitialEvents=true");
    let answer = asked.answer();
    answer.send(&closing(10));
    bed.expect(&["listing", "web", "listing", "listed"]).await;
    answer.keep();
}

/// The server ends a stream that it has too many changes for.
#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_before_the_list_does_is_followed_by_pages_at_once() {
    let mut bed = Bed::new();
    let answer = bed.asked().await.answer();
    answer.send(&line("ADDED", &service("web", 1)));
    let ended = Instant::now();
    answer.end();
    let asked = bed.asked().await;
    assert_eq!(ended.elapsed(), Duration::ZERO);
    asked.assert_with("limit=500");
    asked.give(&page(20, "", &[service("db", 2)]));
    let asked = bed.asked().await;
    asked.assert_with("resourceVersion=20");
    bed.expect(&["listing", "web", "listing", "db", "listed"])
        .await;
    // The next list may be a stream.
    asked.answer().send(&line("ERROR", &error(410, "too old")));
    let asked = bed.asked().await;
    asked.assert_with("sendInitialEvents=true");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_cut_off_while_it_tells_something_is_opened_again_without_delay() {
    let (mut bed, mut answer) = Bed::listed(&["web"]).await;
    for version in 11..40 {
        answer.send(&line("MODIFIED", &service("web", version)));
        bed.expect(&["web"]).await;
        let ended = Instant::now();
        answer.end();
        let asked = bed.asked().await;
        assert!(
            ended.elapsed() <= Duration::from_millis(100),
            "{:?}",
            ended.elapsed()
        );
        let from = format!("resourceVersion={version}");
        asked.assert_with(&from);
        answer = asked.answer();
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_is_given_up_within_95_seconds() {
    let (mut bed, answer) = Bed::listed(&["web"]).await;
    let silent = Instant::now();
    let asked = bed.asked().await;
    assert!(
        (85..=95).contains(&silent.elapsed().as_secs()),
        "{:?}",
        silent.elapsed()
    );
    asked.assert_with("resourceVersion=10");
    answer.keep();
}

#[tokio::test(start_paused = true)]
async fn the_server_says_when_it_wants_to_be_asked_again() {
    for (says, expected) in [
        ("7", 7..=14),
        // Nobody means what is longer than five minutes.
        ("86400", 300..=360),
        ("18446744073709551615", 300..=360),
    ] {
        let (mut bed, answer) = Bed::listed(&[]).await;
        answer.send(&line("ERROR", &error(410, "too old")));
        bed.asked()
            .await
            .refuse(429, "too many requests", &[("retry-after", says)]);
        let refused = Instant::now();
        let asked = bed.asked().await;
        let waited = refused.elapsed();
        assert!(expected.contains(&waited.as_secs()), "{says}: {waited:?}");
        assert!(
            asked.query.contains(&"sendInitialEvents=true".into()),
            "it is no reason for pages"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_told_as_the_rule_to_add() {
    let mut bed = Bed::of(Kind::EndpointSlice, "");
    let asked = bed.asked().await;
    asked.assert_with("sendInitialEvents=true");
    asked.refuse(403, "endpointslices is forbidden", &[]);
    // There might be a right to list.
    for _ in 0..3 {
        let asked = bed.asked().await;
        asked.assert_with("limit=500");
        asked.refuse(403, "endpointslices is forbidden", &[]);
    }
    let asked = bed.asked().await;
    assert_eq!(
        bed.health.advice(),
        "; the API server does not allow to list and watch endpointslices; this rule is missing in \
         the ClusterRole: - {apiGroups: [\"discovery.k8s.io\"], resources: [\"endpointslices\"], \
         verbs: [\"list\", \"watch\"]}"
    );
    asked.give(&page(1, "", &[]));
    let watch = bed.asked().await.answer();
    bed.expect(&[&["listing"; 4][..], &["listed"]].concat())
        .await;
    yield_now().await;
    assert_eq!(bed.health.advice(), "");
    // The next list is a stream again.
    watch.send(&line("ERROR", &error(410, "too old")));
    let asked = bed.asked().await;
    asked.assert_with("sendInitialEvents=true");
}

#[tokio::test(start_paused = true)]
async fn a_right_to_list_alone_is_told_as_the_rule_to_add_and_lists_are_followed() {
    let mut bed = Bed::of(Kind::Service, "");
    bed.asked().await.refuse(403, "services is forbidden", &[]);
    for version in 1..10 {
        let listed = Instant::now();
        let asked = bed.asked().await;
        asked.assert_with("limit=500");
        asked.give(&page(version, "", &[service("web", 1)]));
        bed.expect(&["listing", "web", "listed"]).await;
        bed.asked().await.refuse(403, "services is forbidden", &[]);
        if version == 1 {
            // A server that has just started may not know its rules yet.
            bed.asked().await.refuse(403, "services is forbidden", &[]);
        }
        assert!(listed.elapsed() <= Duration::from_secs(61));
    }
    let asked = bed.asked().await;
    assert_eq!(
        bed.health.advice(),
        "; the API server allows to list services, but not to watch them, so that changes are seen \
         about a minute late; this rule is missing in the ClusterRole: - {apiGroups: [\"\"], \
         resources: [\"services\"], verbs: [\"list\", \"watch\"]}"
    );
    let age = bed.health.age();
    assert!(age <= Duration::from_secs(60), "{age:?}");
    asked.give(&page(10, "", &[]));
    let _watch = bed.asked().await.answer();
    bed.expect(&["listing", "listed"]).await;
    yield_now().await;
    assert_eq!(bed.health.advice(), "");
    assert_eq!(bed.health.age(), Duration::ZERO);
}

/// First the rule is missing, and then what it allows to list.
#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_anew_where_it_is_something_else() {
    let (log, _guard) = Log::record();
    let mut bed = Bed::of(Kind::ServiceImport, "");
    let rule = "this rule is missing";
    let definition = "install their CustomResourceDefinition";
    while log.with(rule).is_empty() {
        let asked = bed.asked().await;
        asked.refuse(403, "serviceimports is forbidden", &[]);
    }
    for _ in 0..2 {
        let asked = bed.asked().await;
        asked.refuse(404, "the server could not find the requested resource", &[]);
    }
    let asked = bed.asked().await;
    let advice = bed.health.advice();
    assert!(advice.contains(definition), "{advice}");
    assert!(!advice.contains(rule), "{advice}");
    assert_eq!(log.with(rule).len(), 1);
    assert_eq!(log.with(definition).len(), 1, "at once, and once");
    asked.give(&page(1, "", &[]));
    let _watch = bed.asked().await.answer();
    yield_now().await;
    assert_eq!(bed.health.advice(), "");
}

#[tokio::test(start_paused = true)]
async fn imports_that_nobody_has_installed_are_told_as_what_to_install() {
    let mut bed = Bed::of(Kind::ServiceImport, "");
    for _ in 0..4 {
        let asked = bed.asked().await;
        let path = "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports";
        assert_eq!(asked.path, path);
        assert!(
            asked.query.contains(&"sendInitialEvents=true".into()),
            "it is no reason for pages"
        );
        let message = "the server could not find the requested resource";
        asked.refuse(404, message, &[]);
    }
    let _asked = bed.asked().await;
    assert_eq!(
        bed.health.advice(),
        "; the API server does not know serviceimports, which the option multicluster is for; \
         install their CustomResourceDefinition (multicluster.x-k8s.io/v1alpha1), or take the \
         option out"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_older_than_what_was_seen_is_not_taken() {
    let (mut bed, answer) = Bed::listed(&["web"]).await;
    answer.send(&line("MODIFIED", &service("web", 50)));
    answer.send(&line("ERROR", &error(410, "too old")));
    bed.expect(&["web"]).await;
    bed.asked().await.answer().send(&closing(49));
    bed.expect(&["listing"]).await;
    // It is asked for the newest there is, whatever that is.
    let asked = bed.asked().await;
    asked.assert_with("resourceVersion=");
    asked.answer().send(&closing(50));
    bed.expect(&["listing", "listed"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_set_back_is_believed_in_the_end() {
    let (mut bed, answer) = Bed::listed(&["web"]).await;
    answer.send(&bookmark(50));
    answer.send(&line("ERROR", &error(410, "too old")));
    let mut lists = 0;
    let answer = loop {
        lists += 1;
        let answer = bed.asked().await.answer();
        answer.send(&closing(20));
        assert_eq!(word(bed.events.recv().await), "listing");
        match timeout(Duration::from_millis(10), bed.events.recv()).await {
            Ok(event) => {
                assert_eq!(word(event), "listed");
                break answer;
            }
            Err(_) => assert!(lists < 10),
        }
    };
    assert!(lists > 3, "{lists}");
    answer.end();
    let asked = bed.asked().await;
    asked.assert_with("resourceVersion=20");
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_version_that_the_server_does_not_know_becomes_a_list() {
    for (code, message) in [
        (504, "Too large resource version: 10, current: 5"),
        (400, "invalid"),
    ] {
        let (mut bed, answer) = Bed::listed(&["web"]).await;
        answer.end();
        loop {
            let asked = bed.asked().await;
            if asked.query.contains(&"sendInitialEvents=true".into()) {
                break;
            }
            asked.refuse(code, message, &[]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_does_not_end_the_watch() {
    let (mut bed, answer) = Bed::listed(&[]).await;
    answer.send(r#"{"type":"ADDED","object":{"metadata":{"name":"odd"},"spec":7}}"#);
    answer.send(&line("ADDED", &service("web", 12)));
    bed.expect(&["web"]).await;
    assert!(bed.metric(r#"callsign_kubernetes_unreadable_objects_total{kind="Service"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn while_the_server_is_away_the_state_ages_and_retries_slow_down() {
    let (mut bed, answer) = Bed::listed(&["web"]).await;
    advance(Duration::from_secs(30)).await;
    answer.fail();
    let mut gaps = Vec::new();
    for _ in 0..12 {
        let before = Instant::now();
        bed.asked().await.break_off();
        gaps.push(before.elapsed());
    }
    assert!(
        gaps.first().is_some_and(|gap| gap.as_millis() <= 100),
        "{gaps:?}"
    );
    let last = gaps.last().unwrap().as_secs();
    assert!((29..=61).contains(&last), "{gaps:?}");
    let age = bed.health.age();
    assert!(age >= Duration::from_secs(60), "{age:?}");
    let asked = bed.asked().await;
    asked.assert_with("resourceVersion=10");
    let answer = asked.answer();
    answer.send(&line("ADDED", &service("db", 11)));
    bed.expect(&["db"]).await;
    assert_eq!(bed.health.age(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_gone_begins_the_list_anew_and_then_in_one() {
    let mut bed = Bed::new();
    bed.asked().await.refuse(400, "", &[]);
    bed.asked()
        .await
        .give(&page(20, "more", &[service("web", 1)]));
    bed.asked()
        .await
        .refuse(410, "the continue parameter is too old", &[]);
    let asked = bed.asked().await;
    let limited = asked.query.iter().any(|pair| pair.starts_with("limit="));
    assert!(!limited, "{:?}", asked.query);
    asked.give(&page(30, "", &[service("db", 2)]));
    bed.expect(&["listing", "web", "listing", "db", "listed"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_ends_with_its_receiver() {
    let (bed, answer) = Bed::listed(&["web"]).await;
    let Bed { server, events, .. } = bed;
    drop(events);
    answer.send(&line("ADDED", &service("db", 11)));
    server.unasked().await;
}
