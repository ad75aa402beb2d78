//! Each fault of the catalogue on its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::bed::{AUDIT, Bed, Log};
use crate::api_server::{Refusal, Resource};
use crate::kubernetes::object::Kind;

const CLUSTER: &str = "
    namespace kube-system
    namespace a
    service a/web 10.96.0.1 http:80/TCP
    slice   a/web-1 web http:8080/TCP | 10.0.0.1
    service a/db None
    slice   a/db-1 db pg:5432/TCP | 10.0.1.1(db-0,db-0) 10.0.1.2(db-1,db-1)
    pod     a/db-0 10.0.1.1
";
const SOON: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// F1: a server that is gone for long.
#[tokio::test(start_paused = true)]
async fn six_hours_without_the_server_change_no_answer_and_fill_no_log() {
    let (log, _guard) = Log::record();
    let bed = Bed::start(CLUSTER);
    bed.synced().await;
    sleep(10 * MINUTE).await;
    assert_eq!(bed.health.age(), Duration::ZERO);
    bed.server.down();
    bed.put("service a/web 10.96.0.9");
    for minute in 1..=360_u32 {
        sleep(MINUTE).await;
        assert_eq!(bed.ask("web.a.svc A"), "A 10.96.0.1");
        assert_eq!(bed.ask("db-1.db.a.svc A"), "A 10.0.1.2");
        assert_eq!(bed.ask("nosuch.a.svc A"), "NXDOMAIN");
        // The last word may have been a bookmark of a minute before.
        let age = bed.health.age();
        assert!(
            age >= minute * MINUTE && age <= (minute + 1) * MINUTE,
            "{age:?}"
        );
    }
    assert_eq!(
        log.with("no word from the API server").len() - log.with("still").len(),
        1
    );
    let still = log.with("still no word").len();
    // One more than one each five minutes: what became of the first reason.
    assert!((50..=73).contains(&still), "{still} lines in six hours");
    bed.server.up();
    bed.answers("web.a.svc A", "A 10.96.0.9", 6 * SOON).await;
    bed.synced().await;
    assert_eq!(bed.health.age(), Duration::ZERO);
    assert_eq!(bed.metric("callsign_kubernetes_audit_repairs_total"), 0.0);
}

/// F1: how soon a server that is back is found, and what that costs.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_back_is_found_within_seconds() {
    let bed = Bed::start(CLUSTER);
    bed.synced().await;
    for round in 0..3 {
        bed.server.down();
        let failed = "callsign_kubernetes_watch_failures_total";
        let before = bed.metric(failed);
        sleep(10 * MINUTE).await;
        let tries = bed.metric(failed) - before;
        // Four kinds, one to two tries in five seconds each.
        assert!((480.0..=1_000.0).contains(&tries), "{tries} in ten minutes");
        // It is up, and not ready to say anything yet.
        bed.server.fault(|faults| {
            for resource in Resource::ALL {
                faults.refused.insert(resource, Refusal::Unavailable);
            }
        });
        bed.server.up();
        sleep(6 * SOON).await;
        bed.server.fault(|faults| faults.refused.clear());
        let ip = format!("10.96.1.{round}");
        bed.put(&format!("service a/web {ip}"));
        bed.answers("web.a.svc A", &format!("A {ip}"), 7 * SOON)
            .await;
        bed.synced().await;
    }
}

/// F3: the version to go on from is gone, at the request and in the stream, again and again.
#[tokio::test(start_paused = true)]
async fn no_name_vanishes_over_hundreds_of_lists() {
    let bed = Bed::start(CLUSTER);
    bed.synced().await;
    let mut lists = 0.0;
    for round in 0..300 {
        // A watch that lasted: the list comes at once.
        sleep(MINUTE).await;
        match round % 3 {
            0 => bed.server.expire_watches(),
            1 => bed.server.restart(),
            // Two at a time: the second list may be cut.
            _ => {
                bed.server.expire_watches();
                yield_now().await;
                bed.server.restart();
            }
        }
        bed.put(&format!("service a/w{} 10.96.1.1", round % 7));
        bed.delete(Kind::Service, &format!("a/w{}", (round + 3) % 7));
        let before = lists;
        let deadline = Instant::now() + 10 * MINUTE;
        while lists < before + 1.0 {
            assert_eq!(bed.ask("web.a.svc A"), "A 10.96.0.1");
            assert_eq!(bed.ask("db-0.db.a.svc A"), "A 10.0.1.1");
            assert_eq!(bed.ask("10.0.1.2 PTR"), "PTR db-1.db.a.svc");
            assert!(Instant::now() < deadline, "no list after round {round}");
            // Between every two things that happen in this process.
            yield_now().await;
            sleep(Duration::from_millis(5)).await;
            lists = bed.metric("callsign_kubernetes_relists_total{kind=\"Service\"");
        }
    }
    bed.put("service a/web 10.96.0.9");
    bed.answers("web.a.svc A", "A 10.96.0.9", MINUTE).await;
}

/// F4: events that are lost without a sign.
#[tokio::test(start_paused = true)]
async fn lost_events_are_found_within_one_audit() {
    let (log, _guard) = Log::record();
    let bed = Bed::start(CLUSTER);
    bed.synced().await;
    bed.server.fault(|faults| faults.lose_one_in = Some(3));
    for n in 0..100 {
        bed.put(&format!(
            "service a/s{n} 10.97.0.{n}\nslice a/s{n}-1 s{n} | 10.1.0.{n}"
        ));
        sleep(SOON).await;
    }
    bed.delete(Kind::Service, "a/web");
    bed.server.fault(|faults| faults.lose_one_in = None);
    let all = |bed: &Bed| {
        let there = |n| bed.ask(&format!("s{n}.a.svc A")) == format!("A 10.97.0.{n}");
        (0..100).all(there) && bed.zone.totals().endpoints == 103
    };
    assert!(!all(&bed), "nothing was lost");
    let took = bed
        .until("repaired", AUDIT.mul_f64(1.25) + 15 * SOON, all)
        .await;
    println!("repaired after {took:?}");
    let repairs = bed.metric("callsign_kubernetes_audit_repairs_total");
    assert!((10.0..=200.0).contains(&repairs), "{repairs}");
    assert!(!log.with("has lost changes of").is_empty());
    bed.answers("web.a.svc A", "NXDOMAIN", MINUTE).await;
}

/// F4, the other side: an audit that finds nothing changes nothing, whatever happens meanwhile.
#[tokio::test(start_paused = true)]
async fn an_audit_is_not_misled_by_what_changes_meanwhile() {
    let bed = Bed::start(CLUSTER);
    bed.synced().await;
    // An hour, five changes a second: before, while and after each audit lists.
    for n in 0..18_000_u32 {
        let name = n % 50;
        match n % 3 {
            0 => bed.delete(Kind::Service, &format!("a/s{name}")),
            _ => bed.put(&format!("service a/s{name} 10.97.{}.{name}", n % 250)),
        }
        sleep(Duration::from_millis(200)).await;
    }
    assert!(bed.metric("callsign_kubernetes_audits_total") >= 16.0);
    assert_eq!(bed.metric("callsign_kubernetes_audit_repairs_total"), 0.0);
    assert_eq!(bed.metric("callsign_kubernetes_relists_total"), 0.0);
    let partial = bed.server.requests();
    let partial = partial.iter().filter(|seen| seen.is_partial).count();
    assert!(partial >= 16, "{partial} lists of metadata");
}

/// Objects that give no name are known to an audit all the same.
#[tokio::test(start_paused = true)]
async fn an_audit_knows_objects_that_have_no_name() {
    let bed = Bed::start(CLUSTER);
    let mut odd = crate::api_server::object::of_api(&crate::kubernetes::testkit::object(
        "service a/odd 10.96.0.66",
    ));
    odd["spec"]["ports"] = serde_json::json!("none");
    bed.server.put(odd.clone());
    bed.put("slice a/alone - http:1/TCP | 10.0.0.1");
    let mut going = crate::api_server::object::of_api(&crate::kubernetes::testkit::object(
        "pod a/going 10.0.0.9",
    ));
    going["metadata"]["deletionTimestamp"] = serde_json::json!("2026-01-01T00:00:00Z");
    bed.server.put(going);
    bed.synced().await;
    odd["metadata"]["labels"] = serde_json::json!({"changed": "yes"});
    bed.server.put(odd);
    sleep(4 * AUDIT).await;
    assert!(bed.metric("callsign_kubernetes_audits_total") >= 12.0);
    assert_eq!(bed.metric("callsign_kubernetes_audit_repairs_total"), 0.0);
}

/// F5: a watch whose other end was forgotten on the way.
#[tokio::test(start_paused = true)]
async fn a_watch_that_fell_silent_is_noticed_within_95_seconds() {
    for wait in [0, 10, 59, 61] {
        let bed = Bed::start(CLUSTER);
        bed.synced().await;
        sleep(Duration::from_secs(wait)).await;
        bed.server.freeze();
        bed.put("service a/web 10.96.0.9");
        let took = bed.answers("web.a.svc A", "A 10.96.0.9", 95 * SOON).await;
        assert!(took > 20 * SOON, "{took:?}: it was not silent");
    }
}

/// A quiet watch is none that fell silent.
#[tokio::test(start_paused = true)]
async fn bookmarks_keep_a_quiet_watch_alive() {
    let bed = Bed::start(CLUSTER);
    bed.synced().await;
    sleep(60 * MINUTE).await;
    assert_eq!(bed.metric("callsign_kubernetes_watch_failures_total"), 0.0);
    assert_eq!(bed.metric("callsign_kubernetes_relists_total"), 0.0);
    // Without bookmarks it is begun anew each time, and nothing is lost.
    bed.server.fault(|faults| faults.withhold_bookmarks = true);
    sleep(60 * MINUTE).await;
    assert!(bed.metric("callsign_kubernetes_watch_failures_total") > 0.0);
    assert_eq!(bed.metric("callsign_kubernetes_relists_total"), 0.0);
    bed.put("service a/web 10.96.0.9");
    bed.answers("web.a.svc A", "A 10.96.0.9", 2 * SOON).await;
}

/// F6: a list as a stream that is never closed.
#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_closed_is_taken_in_pages_ten_seconds_later() {
    let server = crate::api_server::Api::new();
    server.fault(|faults| faults.withhold_end = true);
    let bed = Bed::watch(server);
    bed.put(CLUSTER);
    let took = bed.synced().await;
    assert!((9 * SOON..=11 * SOON).contains(&took), "{took:?}");
    assert_eq!(bed.ask("web.a.svc A"), "A 10.96.0.1");
    // It is remembered.
    bed.server.expire_watches();
    bed.put("service a/web 10.96.0.9");
    bed.answers("web.a.svc A", "A 10.96.0.9", 2 * SOON).await;
    let streams = bed.server.requests();
    let streams = streams
        .iter()
        .filter(|seen| seen.target.contains("sendInitialEvents"));
    assert!(streams.count() <= 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_knows_no_streams_is_listed_in_pages() {
    let server = crate::api_server::Api::new();
    server.fault(|faults| (faults.no_streams, faults.no_protobuf) = (true, true));
    let bed = Bed::watch(server);
    bed.put(CLUSTER);
    let many: Vec<String> = (0..1200)
        .map(|n| format!("service a/s{n} 10.97.{}.{}", n / 250, n % 250))
        .collect();
    bed.put(&many.join("\n"));
    assert!(bed.synced().await <= SOON);
    assert_eq!(bed.zone.totals().services, 1202);
    let pages = bed.server.requests();
    let is_page = |seen: &&crate::api_server::Seen| {
        seen.resource == Some(Resource::Services) && !seen.is_watch
    };
    assert_eq!(pages.iter().filter(is_page).count(), 3);
}

/// F7: a server that says how long it does not want to be asked.
#[tokio::test(start_paused = true)]
async fn a_busy_server_is_left_alone_for_as_long_as_it_says() {
    let server = crate::api_server::Api::new();
    let (wait, times) = (30 * SOON, 3);
    server.fault(|faults| {
        for resource in Resource::ALL {
            let refusal = Refusal::TooMany { wait, times };
            faults.refused.insert(resource, refusal);
        }
    });
    let bed = Bed::watch(server);
    bed.put(CLUSTER);
    bed.until("synced", 10 * MINUTE, |bed| bed.zone.has_synced())
        .await;
    let seen = bed.server.requests();
    for resource in [
        Resource::Namespaces,
        Resource::Services,
        Resource::EndpointSlices,
    ] {
        let of: Vec<_> = seen
            .iter()
            .filter(|seen| seen.resource == Some(resource))
            .collect();
        let refused: Vec<_> = of.iter().filter(|seen| seen.status == 429).collect();
        assert_eq!(refused.len(), 3, "{of:#?}");
        for pair in of.windows(2).filter(|pair| pair[0].status == 429) {
            let waited = pair[1].at - pair[0].at;
            assert!(waited >= wait && waited < 3 * wait, "{waited:?}");
        }
    }
}

/// F8: a right that is missing.
#[tokio::test(start_paused = true)]
async fn a_missing_right_is_told_as_a_rule_and_holds_up_no_other_kind() {
    let (log, _guard) = Log::record();
    let server = crate::api_server::Api::new();
    let forbid = |resource| (resource, Refusal::Forbidden);
    server.fault(|faults| faults.refused.extend([forbid(Resource::EndpointSlices)]));
    let bed = Bed::watch(server);
    bed.put(CLUSTER);
    bed.answers("web.a.svc A", "A 10.96.0.1", SOON).await;
    let unsynced: Vec<Kind> = bed.zone.unsynced().collect();
    assert_eq!(unsynced, [Kind::EndpointSlice]);
    sleep(10 * MINUTE).await;
    let rule = r#"- {apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]}"#;
    assert!(
        bed.health.advice().contains(rule),
        "{}",
        bed.health.advice()
    );
    let said = log.with(rule).len();
    assert!((1..=3).contains(&said), "{said} lines in ten minutes");
    bed.server.fault(|faults| faults.refused.clear());
    bed.answers("db-0.db.a.svc A", "A 10.0.1.1", MINUTE + SOON)
        .await;
    assert!(bed.zone.has_synced() && bed.health.advice().is_empty());
}

/// A server whose cache is behind: what was seen is not taken back.
#[tokio::test(start_paused = true)]
async fn an_older_list_is_not_taken() {
    for no_streams in [false, true] {
        let server = crate::api_server::Api::new();
        server.fault(|faults| faults.no_streams = no_streams);
        let bed = Bed::watch(server);
        bed.put(CLUSTER);
        bed.synced().await;
        bed.put("service a/web 10.96.0.9");
        bed.answers("web.a.svc A", "A 10.96.0.9", SOON).await;
        bed.server.fault(|faults| faults.behind = 1);
        bed.server.cut();
        sleep(Duration::from_millis(1)).await;
        for refusal in [Refusal::Gone, Refusal::Broken] {
            bed.server.fault(|faults| {
                faults.refused.insert(Resource::Services, refusal);
            });
            for _ in 0..100 {
                sleep(Duration::from_millis(10)).await;
                assert_eq!(bed.ask("web.a.svc A"), "A 10.96.0.9");
            }
        }
        bed.server.fault(|faults| {
            faults.refused.clear();
            faults.behind = 0;
        });
        bed.put("service a/web 10.96.0.10");
        bed.answers("web.a.svc A", "A 10.96.0.10", 2 * MINUTE).await;
    }
}

/// Each kind of refusal ends, and then all is as it should be.
#[tokio::test(start_paused = true)]
async fn no_refusal_is_for_ever() {
    for refusal in [
        Refusal::Forbidden,
        Refusal::Gone,
        Refusal::Broken,
        Refusal::Unavailable,
        Refusal::Unknown,
    ] {
        let bed = Bed::start(CLUSTER);
        bed.synced().await;
        bed.server.fault(|faults| {
            for resource in Resource::ALL {
                faults.refused.insert(resource, refusal.clone());
            }
        });
        bed.server.cut();
        bed.put("service a/web 10.96.0.9");
        for _ in 0..20 {
            sleep(MINUTE).await;
            let answer = bed.ask("web.a.svc A");
            // A list is answered where only watches are refused.
            let expected = match refusal {
                Refusal::Gone => "A 10.96.0.9",
                _ => "A 10.96.0.1",
            };
            assert_eq!(answer, expected, "{refusal:?}");
            assert_eq!(bed.ask("db-0.db.a.svc A"), "A 10.0.1.1");
        }
        bed.assert_slow(&format!("{refusal:?}"));
        bed.server.fault(|faults| faults.refused.clear());
        bed.answers("web.a.svc A", "A 10.96.0.9", MINUTE + SOON)
            .await;
    }
}

/// What is known is never older than a minute, though no watch lasts; and that is not paid for with
/// lists without end.
async fn follows_lists(bed: &Bed, what: &str) {
    let mut oldest = Duration::ZERO;
    for minute in 0..20 {
        let ip = format!("10.96.2.{minute}");
        bed.put(&format!("service a/web {ip}"));
        for _ in 0..61 {
            sleep(SOON).await;
            oldest = oldest.max(bed.health.age());
        }
        assert_eq!(bed.ask("web.a.svc A"), format!("A {ip}"), "{what}");
        assert_eq!(bed.ask("db-0.db.a.svc A"), "A 10.0.1.1", "{what}");
    }
    assert!(oldest <= 61 * SOON, "{what}: {oldest:?}");
    bed.assert_slow(what);
}

/// Soon all is watched, and the next break is mended at once.
async fn is_well_again(bed: &Bed) {
    bed.put("service a/web 10.96.0.9");
    bed.answers("web.a.svc A", "A 10.96.0.9", MINUTE + SOON)
        .await;
    bed.until("watched", MINUTE + SOON, |bed| bed.server.watches() == 4)
        .await;
    sleep(MINUTE).await;
    assert_eq!(bed.health.age(), Duration::ZERO);
    assert_eq!(bed.health.advice(), "");
    bed.server.expire_watches();
    bed.put("service a/web 10.96.0.10");
    bed.answers("web.a.svc A", "A 10.96.0.10", SOON / 5).await;
    assert_eq!(bed.metric("callsign_kubernetes_audit_repairs_total"), 0.0);
}

/// F3: each version is forgotten as soon as it was listed.
#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_what_it_lists_is_not_asked_without_pause() {
    for no_streams in [false, true] {
        let (log, _guard) = Log::record();
        let server = crate::api_server::Api::new();
        server.fault(|faults| faults.no_streams = no_streams);
        let bed = Bed::watch(server);
        bed.put(CLUSTER);
        bed.synced().await;
        bed.server.fault(|faults| faults.forgetful = true);
        bed.server.cut();
        sleep(5 * MINUTE).await;
        bed.server.forget_requests();
        follows_lists(&bed, &format!("without streams: {no_streams}")).await;
        assert_eq!(log.with("led to no watch that lasted").len(), 4);
        bed.server.fault(|faults| faults.forgetful = false);
        is_well_again(&bed).await;
    }
}

/// F8: watches are refused, and lists are not.
#[tokio::test(start_paused = true)]
async fn where_watches_alone_are_refused_lists_are_followed() {
    let refusals = [Refusal::Forbidden, Refusal::Broken, Refusal::Unknown];
    let cases = refusals.into_iter().flat_map(|refusal| {
        [("from the start", false), ("later", true)].map(|when| (refusal.clone(), when))
    });
    for (refusal, (when, is_known)) in cases {
        let what = format!("{refusal:?} {when}");
        let (log, _guard) = Log::record();
        let bed = Bed::watch(crate::api_server::Api::new());
        bed.put(CLUSTER);
        if is_known {
            bed.synced().await;
        }
        bed.server.fault(|faults| {
            faults.refuse_watches_alone = true;
            let of = |resource| (resource, refusal.clone());
            faults.refused.extend(Resource::ALL.map(of));
        });
        bed.server.cut();
        bed.until(&what, 2 * MINUTE, |bed| bed.zone.has_synced())
            .await;
        sleep(5 * MINUTE).await;
        bed.server.forget_requests();
        follows_lists(&bed, &what).await;
        if refusal == Refusal::Forbidden {
            let advice = bed.health.advice();
            assert_eq!(advice.matches("but not to watch them").count(), 4);
            assert!(!advice.contains("no word"), "{what}: {advice}");
            let said = log.with("services, but not to watch them").len();
            assert!((3..=8).contains(&said), "{said} lines in 25 minutes");
        }
        bed.server.fault(|faults| faults.refused.clear());
        is_well_again(&bed).await;
    }
}

/// F7: many servers that are started as one, and an API server that takes a few requests in a second.
#[tokio::test(start_paused = true)]
async fn a_herd_is_served_with_few_requests_more_than_it_needs() {
    const SERVERS: usize = 100;
    const PER_SECOND: usize = 5;
    let server = Arc::new(crate::api_server::Api::new());
    server.fault(|faults| faults.most_per_second = Some(PER_SECOND));
    let start = Instant::now();
    let beds: Vec<Bed> = (0..SERVERS)
        .map(|_| Bed::of(server.clone(), None))
        .collect();
    beds[0].put(CLUSTER);
    while !beds.iter().all(|bed| bed.zone.has_synced()) {
        assert!(start.elapsed() < 10 * MINUTE, "not all are served");
        sleep(SOON).await;
    }
    let seen = server.requests();
    let of = |second: u64| {
        let of_it = seen
            .iter()
            .filter(move |seen| (seen.at - start).as_secs() == second);
        of_it.count()
    };
    let refused = seen.iter().filter(|seen| seen.status == 429).count();
    let followers = SERVERS * 4;
    println!(
        "all after {:?}: {} requests, {refused} of them refused",
        start.elapsed(),
        seen.len()
    );
    // Each is turned away a few times, and what is turned away is soon a small part of what it was.
    assert!(refused <= 8 * followers, "{refused} refused");
    assert_eq!(of(0), followers);
    let later = (30..60).map(of).max().unwrap();
    assert!(later <= followers / 10, "{later} in a second");
    for bed in &beds {
        assert_eq!(bed.ask("web.a.svc A"), "A 10.96.0.1");
    }
}

/// F9: a token that is replaced, and is good no longer.
#[tokio::test(start_paused = true)]
async fn a_new_token_is_taken_within_a_minute_and_open_watches_live_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let renew = |server: &crate::api_server::Api, token: &str| {
        std::fs::write(&file, token).unwrap();
        server.fault(|faults| faults.token = Some(token.to_owned()));
    };
    let server = Arc::new(crate::api_server::Api::new());
    renew(&server, "one");
    let bed = Bed::of(server, Some(file.clone()));
    bed.put(CLUSTER);
    bed.synced().await;

    bed.server.forget_requests();
    renew(&bed.server, "two");
    bed.put("service a/web 10.96.0.9");
    bed.answers("web.a.svc A", "A 10.96.0.9", SOON).await;
    assert!(bed.server.requests().is_empty(), "the watches went on");
    assert_eq!(bed.server.watches(), 4);
    // Watches end and are begun anew, audits list: no request has the old token.
    sleep(20 * MINUTE).await;
    let seen = bed.server.requests();
    assert!(seen.len() > 4 * 4, "{} requests", seen.len());
    assert!(seen.iter().all(|seen| seen.status == 200), "{seen:#?}");
    assert_eq!(bed.metric("callsign_kubernetes_watch_failures_total"), 0.0);

    // A request within the minute is refused, and has the file read at once.
    bed.server.expire_watches();
    sleep(SOON).await;
    renew(&bed.server, "three");
    bed.server.expire_watches();
    bed.put("service a/web 10.96.0.10");
    bed.answers("web.a.svc A", "A 10.96.0.10", 2 * SOON).await;
    let seen = bed.server.requests();
    assert!(seen.iter().any(|seen| seen.status == 401));
}
