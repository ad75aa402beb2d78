//! What can go wrong with an API server, as a user of the program sees it: F1 to F11 of
//! docs/faults.md. What takes minutes is tested with a paused clock, beside the code
//! (`src/kubernetes/api/tests`).

mod bed;
mod certificates;
mod disk;

use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::api::{Refusal, Resource, Seen};
use crate::awake::Begun;
use crate::program::is;
use bed::{Bed, DB, WEB, namespace, service, slice};

/// How long an audit may take to find something: its interval, the time that it leaves a watch to
/// tell what it lists, and all that once more where it had just begun.
const AUDITED: Duration = Duration::from_secs(60);
/// How long the first answer may take after a start with a snapshot alone: of one of so many starts.
const FIRST_ANSWER: Duration = Duration::from_millis(500);
const STARTS: usize = 5;
/// A name that no cluster here has.
const UNKNOWN: &str = "nosuch.a.svc.cluster.local.";

#[test]
fn what_changes_in_the_cluster_is_served() {
    let bed = Bed::new();
    let program = bed.start(&[]);
    assert_eq!(program.addresses(WEB), ["10.96.0.1"]);
    assert_eq!(program.addresses(DB), ["10.0.1.1", "10.0.1.2"]);
    bed.api.put(service("a/web", "10.96.0.9"));
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    bed.api.put(slice("a/db-2", "db", &["10.0.1.3"]));
    program.ask_until(DB, |reply| reply.answers.len() == 3);
    bed.api.delete(Resource::Services, "a/web");
    program.ask_until(WEB, is(ResponseCode::NXDomain));
    let asked = bed.api.requests();
    assert!(
        asked
            .iter()
            .all(|seen| seen.method == "GET" && seen.resource.is_some()),
        "{asked:#?}"
    );
}

/// F1
#[test]
fn while_the_api_server_is_away_everything_is_answered_as_before() {
    let bed = Bed::new();
    let mut program = bed.start(&[]);
    bed.api.wait_for_watches(3);
    bed::wait_for(|| bed.metric("callsign_kubernetes_api_stale_seconds") == 0.0);
    bed.api.down();
    let line = program.wait_line(|line| line.contains("no word from the API server"));
    assert!(line.contains("what is known is served on"), "{line}");
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert_eq!(program.addresses(WEB), ["10.96.0.1"]);
        assert_eq!(program.addresses(DB), ["10.0.1.1", "10.0.1.2"]);
        let unknown = program.ask(UNKNOWN, RecordType::A);
        assert_eq!(unknown.metadata.response_code, ResponseCode::NXDomain);
    }
    assert_eq!(bed.ready().0, 200);
    assert!(bed.metric("callsign_kubernetes_api_stale_seconds") >= 3.0);
    bed.api.put(service("a/web", "10.96.0.9"));
    bed.api.up();
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    program.wait_line(|line| line.contains("is back after"));
    let lines = program.printed.iter();
    let said = lines.filter(|line| line.contains("] plugin/kubernetes: no word from"));
    assert_eq!(said.count(), 1, "{:#?}", program.printed);
}

/// F2
#[test]
fn a_start_without_the_api_server_serves_the_snapshot() {
    let bed = Bed::new();
    let snapshot = bed.folder.path().join("state");
    let flag = ["--snapshot", snapshot.to_str().unwrap()];
    let program = bed.start(&flag);
    assert_eq!(program.addresses(WEB), ["10.96.0.1"]);
    bed::wait_for(|| snapshot.exists());
    drop(program);
    bed.api.down();

    // A busy machine may be slow with one of the starts.
    let mut took = Vec::new();
    let mut program = loop {
        let begun = Begun::now();
        let program = bed.start(&flag);
        assert_eq!(program.addresses(DB), ["10.0.1.1", "10.0.1.2"]);
        let awake = begun.took().awake;
        took.push(awake);
        if awake <= FIRST_ANSWER {
            break program;
        }
        assert!(took.len() < STARTS, "the first answers came after {took:?}");
    };
    assert_eq!(program.addresses(WEB), ["10.96.0.1"]);
    assert_eq!(
        bed::extended_error(&program, WEB).map(|(code, _)| code),
        Some(3)
    );
    let unknown = program.ask(UNKNOWN, RecordType::A);
    assert_eq!(unknown.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(bed.metric("callsign_kubernetes_snapshot_stale"), 1.0);
    assert_eq!(bed.ready().0, 503);
    program.wait_said("starting server with a snapshot of the Kubernetes API");

    bed.api.put(service("a/web", "10.96.0.9"));
    bed.api.delete(Resource::Services, "a/db");
    bed.api.up();
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    program.ask_until(DB, is(ResponseCode::NXDomain));
    bed.wait_until_ready();
    assert_eq!(bed::extended_error(&program, WEB), None);
    assert_eq!(bed.metric("callsign_kubernetes_snapshot_stale"), 0.0);
}

/// F2
#[test]
fn a_start_without_the_api_server_and_without_a_usable_snapshot_knows_no_name() {
    let bed = Bed::waiting(2);
    bed.api.down();
    let bad = bed.folder.write("state", "{\"snapshot\":1}\n{\"source\":");
    for (flags, said) in [
        (&[][..], "starting server with unsynced Kubernetes API"),
        (
            &["--snapshot", bad.to_str().unwrap()][..],
            "is passed over: it ends before its end",
        ),
        (
            &["--snapshot", "/nowhere/at/all"][..],
            "starting server with unsynced Kubernetes API",
        ),
    ] {
        let mut program = bed.start(flags);
        program.wait_said(said);
        for name in [WEB, UNKNOWN] {
            let reply = program.ask(name, RecordType::A);
            assert_eq!(
                reply.metadata.response_code,
                ResponseCode::ServFail,
                "{said}"
            );
        }
        assert_eq!(bed.ready().0, 503);
    }
}

/// F3
#[test]
fn no_name_vanishes_while_watches_are_gone_and_lists_are_taken_again() {
    let bed = Bed::new();
    let program = bed.start(&[]);
    let names: Vec<String> = (0..40)
        .map(|n| format!("s{n}.a.svc.cluster.local."))
        .collect();
    for n in 0..40 {
        bed.api
            .put(service(&format!("a/s{n}"), &format!("10.97.0.{n}")));
    }
    let last = names.last().unwrap();
    program.ask_until(last, |reply| reply.answers.len() == 1);
    let is_list = |resource, seen: &Seen| {
        seen.resource == Some(resource) && (!seen.is_watch || seen.target.contains("sendInitial"))
    };
    let lists = || {
        let lists = bed.api.requests();
        let lists = lists
            .iter()
            .filter(|seen| is_list(Resource::Services, seen));
        lists.count()
    };
    let end = Instant::now() + Duration::from_secs(8);
    let (mut asked, mut round) = (0, 0);
    let mut next = Instant::now();
    // On a slow machine it takes longer until enough is proved.
    while Instant::now() < end || lists() < 5 {
        if Instant::now() >= next {
            next += Duration::from_millis(400);
            round += 1;
            match round % 3 {
                0 => bed.api.restart(),
                1 => bed.api.expire_watches(),
                _ => bed.api.cut(),
            }
            // Something comes and goes, so that no list is like the one before.
            let other = format!("a/t{}", round % 5);
            bed.api.put(service(&other, "10.98.0.1"));
            bed.api
                .delete(Resource::Services, &format!("a/t{}", (round + 2) % 5));
        }
        for name in &names {
            let reply = program.ask(name, RecordType::A);
            assert_eq!(
                reply.answers.len(),
                1,
                "{asked} were right, then {name}: {reply}"
            );
            asked += 1;
        }
    }
    println!("{asked} right answers over {} lists of Services", lists());
    bed.api.put(service("a/web", "10.96.0.9"));
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
}

/// F4
#[test]
fn what_a_watch_has_lost_is_found_by_the_audit() {
    let bed = Bed::new();
    let mut program = bed.start(&["--audit-interval", "2"]);
    bed.api.wait_for_watches(3);
    bed.api
        .fault(|faults| faults.lose_name = Some("web".to_owned()));
    bed.api.put(service("a/web", "10.96.0.9"));
    bed.api.put(service("a/other", "10.96.0.8"));
    program.ask_until("other.a.svc.cluster.local.", |reply| {
        reply.answers.len() == 1
    });
    // The audit may have been as fast.
    let found = "has lost changes of 1 objects without a sign";
    program.wait_line_for(AUDITED, |line| line.contains(found));
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    let repairs = "callsign_kubernetes_audit_repairs_total{kind=\"Service\"}";
    assert_eq!(bed.metric(repairs), 1.0);
    let audits = bed.api.requests();
    let mut audits = audits.iter().filter(|seen| seen.is_partial);
    assert!(audits.all(|seen| !seen.is_watch && seen.target.contains("limit=500")));
}

/// F5
#[test]
fn a_connection_that_was_forgotten_on_the_way_is_found_by_the_audit_too() {
    let bed = Bed::new();
    let mut program = bed.start(&["--audit-interval", "4"]);
    bed.api.wait_for_watches(3);
    bed.api.freeze();
    // Both at once: an audit between them would find one.
    bed.api.put_all([
        service("a/web", "10.96.0.9"),
        service("a/other", "10.96.0.8"),
    ]);
    // Long before the watch is given up for its silence.
    let found = "watch of services has lost changes of 2 objects";
    program.wait_line_for(AUDITED, |line| line.contains(found));
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    assert_eq!(program.addresses(DB), ["10.0.1.1", "10.0.1.2"]);
    assert_eq!(bed.ready().0, 200);
}

/// F6
#[test]
fn a_list_that_is_never_closed_is_taken_in_pages() {
    let bed = Bed::waiting(2);
    bed.api.fault(|faults| faults.withhold_end = true);
    let mut program = bed.start(&[]);
    // Until then nothing is known, and nothing is said not to exist.
    program.wait_said("starting server with unsynced Kubernetes API");
    program.wait_said("does not close its list of");
    program.ask_until(WEB, |reply| reply.answers.len() == 1);
    program.ask_until(DB, |reply| reply.answers.len() == 2);
    program.ask_until(UNKNOWN, is(ResponseCode::NXDomain));
    bed.wait_until_ready();
    // It goes on by watching, and does not try the stream again.
    bed.api.put(service("a/web", "10.96.0.9"));
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    let streams = || {
        let asked = bed.api.requests();
        let streams = asked
            .iter()
            .filter(|seen| seen.target.contains("sendInitialEvents"));
        streams.count()
    };
    let before = streams();
    bed.api.expire_watches();
    bed.api.put(service("a/web", "10.96.0.10"));
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.10"));
    assert_eq!(streams(), before);
}

/// F7
#[test]
fn a_server_that_is_busy_is_not_asked_before_it_says() {
    let bed = Bed::new();
    let (wait, times) = (Duration::from_secs(2), 1);
    bed.api.fault(|faults| {
        for resource in Resource::ALL {
            faults
                .refused
                .insert(resource, Refusal::TooMany { wait, times });
        }
    });
    let program = bed.start(&[]);
    program.ask_until(WEB, |reply| reply.answers.len() == 1);
    for resource in [
        Resource::Services,
        Resource::Namespaces,
        Resource::EndpointSlices,
    ] {
        // What was asked after the refusal.
        let tried = |seen: &[Seen]| {
            let mut of = seen.iter().filter(|seen| seen.resource == Some(resource));
            let refused = of.find(|seen| seen.status == 429)?.at;
            Some((refused, of.next()?.at))
        };
        let what = format!("another request for {resource:?}");
        bed.api.wait_for(&what, |seen| tried(seen).is_some());
        let (refused, next) = tried(&bed.api.requests()).unwrap();
        assert!(next - refused >= wait, "{:?}", bed.api.requests());
    }
}

/// F8
#[test]
fn a_right_that_is_missing_is_told_as_the_rule_to_add() {
    let bed = Bed::waiting(2);
    bed.api.fault(|faults| {
        faults
            .refused
            .insert(Resource::EndpointSlices, Refusal::Forbidden);
    });
    let mut program = bed.start(&[]);
    let rule = r#"- {apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]}"#;
    program.wait_said(rule);
    bed::wait_for(|| bed.ready().1.contains(rule));
    assert_eq!(bed.ready().0, 503);
    // What is known is answered.
    let web = program.ask_until(WEB, is(ResponseCode::NoError));
    assert!(web.to_string().contains("10.96.0.1"), "{web}");
    let reply = program.ask(DB, RecordType::A);
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    bed.api.fault(|faults| faults.refused.clear());
    program.ask_until(DB, |reply| reply.answers.len() == 2);
    bed.wait_until_ready();
}

/// F8
#[test]
fn with_a_right_to_list_alone_lists_are_followed() {
    let bed = Bed::new();
    bed.api.fault(|faults| {
        faults.refuse_watches_alone = true;
        let all = Resource::ALL.map(|resource| (resource, Refusal::Forbidden));
        faults.refused.extend(all);
    });
    let mut program = bed.start(&[]);
    let line = program.wait_said("allows to list services, but not to watch them");
    let rule = r#"- {apiGroups: [""], resources: ["services"], verbs: ["list", "watch"]}"#;
    assert!(line.contains(rule), "{line}");
    assert_eq!(bed.ready().0, 200);
    bed.api.put(service("a/web", "10.96.0.9"));
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    assert!(bed.metric("callsign_kubernetes_api_stale_seconds") > 0.0);
    bed.api.fault(|faults| faults.refused.clear());
    bed.api.wait_for_watches(3);
    bed::wait_for(|| bed.metric("callsign_kubernetes_api_stale_seconds") == 0.0);
}

/// F9
#[test]
fn a_kubeconfig_that_is_broken_while_the_program_runs_is_told_and_then_taken_again() {
    let bed = Bed::tls();
    bed.folder.write("token", "one\n");
    let mut program = bed.start(&[]);
    bed.api.wait_for_watches(3);
    let path = bed.folder.path().join("kubeconfig");
    let whole = std::fs::read_to_string(&path).unwrap();
    bed.folder.write("kubeconfig", "clusters: [");
    bed.api.cut();
    bed.api.put(service("a/web", "10.96.0.9"));
    let line = program.wait_line(|line| line.contains("cannot be used"));
    let said = format!("the kubeconfig {} cannot be used: ", path.display());
    assert!(
        line.contains(&said) && line.contains("line 1 column"),
        "{line}"
    );
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert_eq!(program.addresses(WEB), ["10.96.0.1"]);
        assert_eq!(program.addresses(DB), ["10.0.1.1", "10.0.1.2"]);
        std::thread::sleep(Duration::from_millis(20));
    }
    bed.folder.write("kubeconfig", &whole);
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    program.wait_line(|line| line.contains("is back after"));
    let lines = program.printed.iter();
    let said = lines.filter(|line| line.contains("cannot be used")).count();
    assert_eq!(said, 1, "{:#?}", program.printed);
}

/// F10: a machine that was suspended. That no clock is read which can be set is held by `house.rs`.
#[test]
fn a_program_that_was_suspended_goes_on_where_it_was() {
    let bed = Bed::new();
    let program = bed.start(&[]);
    bed.wait_until_ready();
    program.signal("STOP");
    bed.api.put(service("a/web", "10.96.0.9"));
    bed.api.delete(Resource::Services, "a/db");
    bed.api.cut();
    bed.api.compact();
    std::thread::sleep(Duration::from_secs(2));
    program.signal("CONT");
    program.ask_until(WEB, |reply| reply.to_string().contains("10.96.0.9"));
    program.ask_until(DB, is(ResponseCode::NXDomain));
    bed.wait_until_ready();
    let ttl = program.ask(WEB, RecordType::A).answers.first().unwrap().ttl;
    assert_eq!(ttl, 5);
    bed::wait_for(|| bed.metric("callsign_kubernetes_api_stale_seconds") == 0.0);
}

/// F11
#[test]
fn the_same_objects_are_the_same_names_in_whatever_order_they_come() {
    let bed = Bed::new();
    let program = bed.start(&[]);
    bed.wait_until_ready();
    let objects = bed::odd();
    let orders: [Vec<usize>; 3] = [
        (0..objects.len()).collect(),
        (0..objects.len()).rev().collect(),
        // Each third, then those between.
        (0..3)
            .flat_map(|first| (first..objects.len()).step_by(3))
            .collect(),
    ];
    for (round, order) in orders.iter().enumerate() {
        for at in order {
            bed.api.put(objects.get(*at).unwrap().clone());
        }
        bed.settle(&program, &format!("{round}-come"));
        for (name, expected) in bed::ODD {
            let told = program.addresses(&format!("{name}.b.svc.cluster.local."));
            assert_eq!(told, *expected, "{name}, order {round}");
        }
        for at in order {
            bed.delete(objects.get(*at).unwrap());
        }
        bed.settle(&program, &format!("{round}-gone"));
        for (name, _) in bed::ODD {
            let reply = program.ask(&format!("{name}.b.svc.cluster.local."), RecordType::A);
            let code = reply.metadata.response_code;
            assert_eq!(code, ResponseCode::NXDomain, "{name}, order {round}");
        }
    }
}

/// F11: nothing that comes ends the watch.
#[test]
fn what_cannot_be_read_is_passed_over() {
    let bed = Bed::new();
    let program = bed.start(&[]);
    let mut odd = service("a/odd", "10.96.0.66");
    odd["spec"]["ports"] = serde_json::json!("none");
    bed.api.put(odd);
    let mut ported = service("a/ported", "10.96.0.67");
    ported["spec"]["ports"] = serde_json::json!([{"port": 0}, {"port": -7}, {"port": 99_999}]);
    bed.api.put(ported);
    bed.api.put(namespace("b"));
    bed.api.put(service("b/web", "10.96.1.1"));
    program.ask_until("web.b.svc.cluster.local.", |reply| reply.answers.len() == 1);
    assert_eq!(
        program.addresses("ported.a.svc.cluster.local."),
        ["10.96.0.67"]
    );
    let odd = program.ask("odd.a.svc.cluster.local.", RecordType::A);
    assert_eq!(odd.metadata.response_code, ResponseCode::NXDomain);
}
