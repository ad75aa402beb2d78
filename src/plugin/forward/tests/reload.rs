//! What a new configuration takes over from the one before, and what waits for the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::time::sleep;

use super::bed::{Bed, Beside};
use super::fake::{Act, Fake};
use crate::answer::ExtendedError;
use crate::plugin::setup::Settings;
use crate::testing::Ask;

/// The next configuration after this one.
fn after(bed: &Bed) -> Beside {
    Beside {
        metrics: bed.shared.metrics.clone(),
        previous: bed.shared.kept.clone(),
        ..Beside::default()
    }
}

#[tokio::test(start_paused = true)]
async fn connections_and_health_outlive_a_reload_of_the_same_upstream() {
    for (what, options, connections) in [
        ("the same", "", 1),
        ("what is no matter of the upstream", "max_concurrent 9", 1),
        ("other settings of its connections", "expire 20s", 2),
    ] {
        let fake = Fake::good().await;
        let text =
            |options: &str| format!(".:53 {{\nforward . {} {{\n{options}\n}}\n}}", fake.address);
        let first = Bed::new(&text("")).await;
        Ask::new("a.example A").tcp().ask(&first.chain).await;
        let second = Bed::with(&text(options), after(&first)).await;
        drop(first);
        Ask::new("b.example A").tcp().ask(&second.chain).await;
        assert_eq!(fake.open().most, connections, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_down_stays_so_over_a_reload() {
    let fake = Fake::silent().await;
    let text = format!(
        ".:53 {{\nforward . {} {{\nfailfast_all_unhealthy_upstreams\n}}\n}}",
        fake.address
    );
    let first = Bed::new(&text).await;
    first.ask("a.example A").await;
    sleep(Duration::from_secs(5)).await;
    let second = Bed::with(&text, after(&first)).await;
    drop(first);
    let failure = second.fail("b.example A").await;
    assert_eq!(failure.error.as_deref(), Some("no healthy proxies"));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_named_twice_is_asked_as_one() {
    let fake = Fake::silent().await;
    let to = fake.address;
    let bed = Bed::new(&format!(".:53 {{\nforward . {to} dns://{to}\n}}")).await;
    bed.fail("a.example A").await;
    let asked = fake.seen();
    let asked = asked
        .iter()
        .filter(|seen| seen.question().starts_with(b"\x01a"));
    assert_eq!(asked.count(), 2, "two tries for one upstream");
}

/// A resolver that says for every name where an upstream is, while it is switched on.
async fn resolver() -> (Fake, Arc<AtomicBool>) {
    let on = Arc::new(AtomicBool::new(true));
    let switch = on.clone();
    let fake = Fake::new(move |seen| {
        let is_a = seen.question().ends_with(&[0, 1, 0, 1]);
        vec![Act::Send(match on.load(Ordering::Relaxed) && is_a {
            true => seen.address("127.0.0.1"),
            false => seen.reply(ResponseCode::NXDomain, [&[], &[], &[]]),
        })]
    })
    .await;
    (fake, switch)
}

#[tokio::test(start_paused = true)]
async fn a_host_name_is_resolved_before_anything_is_served() {
    let (resolver, _) = resolver().await;
    let fake = Fake::good().await;
    let text = format!(
        ".:53 {{\nforward . dns.example:{} {{\nresolver {}\n}}\n}}",
        fake.address.port(),
        resolver.address
    );
    let bed = Bed::new(&text).await;
    assert_eq!(bed.ask("a.example A").await.rcode, "NOERROR");
    let names: Vec<Vec<u8>> = resolver
        .seen()
        .iter()
        .map(|seen| seen.question().to_vec())
        .collect();
    assert_eq!(names[0], b"\x03dns\x07example\0\0\x01\0\x01");
    assert_eq!(names[1], b"\x03dns\x07example\0\0\x1c\0\x01");
}

#[tokio::test(start_paused = true)]
async fn a_host_name_that_cannot_be_resolved_is_tried_again() {
    let (resolver, on) = resolver().await;
    on.store(false, Ordering::Relaxed);
    let fake = Fake::good().await;
    let text = format!(
        ".:53 {{\nforward . dns.example:{} {{\nresolver {}\n}}\n}}",
        fake.address.port(),
        resolver.address
    );
    let bed = Bed::new(&text).await;
    let failure = bed.fail("a.example A").await;
    assert_eq!(failure.rcode, ResponseCode::ServFail);
    let extended = failure.extended.unwrap();
    assert_eq!(extended.code, ExtendedError::NO_REACHABLE_AUTHORITY);
    on.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(bed.ask("a.example A").await.rcode, "NOERROR");
    let before = resolver.count();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(resolver.count(), before, "once is enough");
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_a_name_stood_for_until_it_knows_better() {
    let (resolver, on) = resolver().await;
    let fake = Fake::good().await;
    let text = format!(
        ".:53 {{\nforward . dns.example:{} {{\nresolver {}\n}}\n}}",
        fake.address.port(),
        resolver.address
    );
    let first = Bed::new(&text).await;
    on.store(false, Ordering::Relaxed);
    let second = Bed::with(&text, after(&first)).await;
    drop(first);
    assert_eq!(second.ask("a.example A").await.rcode, "NOERROR");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_the_block_itself_is_left_out() {
    for (what, listening, strict, error) in [
        ("itself", "0.0.0.0:53", false, "no upstream for ."),
        (
            "at another port",
            "0.0.0.0:5300",
            false,
            "connection refused",
        ),
        ("as CoreDNS does", "0.0.0.0:53", true, "connection refused"),
    ] {
        let port = listening.rsplit(':').next().unwrap();
        // An address of this machine at which nobody listens.
        let text = format!(".:{port} {{\nforward . 127.99.0.1:53 {{\nmax_fails 0\n}}\n}}");
        let beside = Beside {
            listening: vec![listening.parse().unwrap()],
            settings: Settings {
                strict_loop: strict,
                ..Settings::default()
            },
            ..Beside::default()
        };
        let bed = Bed::with(&text, beside).await;
        let found = bed.fail("a.example A").await.error.unwrap();
        assert!(found.contains(error), "{what}: {found}");
    }
}
