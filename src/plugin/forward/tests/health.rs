//! Who is thought to be down, and what follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use tokio::time::sleep;

use super::bed::Bed;
use super::fake::{Act, Fake};
use crate::testing::n;
use crate::wire::Flags;

/// An upstream that can be switched off and on.
async fn switched() -> (Fake, Arc<AtomicBool>) {
    let on = Arc::new(AtomicBool::new(true));
    let switch = on.clone();
    let fake = Fake::new(move |seen| match on.load(Ordering::Relaxed) {
        true => vec![Act::Send(seen.address("192.0.2.1"))],
        false => Vec::new(),
    })
    .await;
    (fake, switch)
}

fn failures(bed: &Bed, fake: &Fake) -> String {
    let line = format!(
        "coredns_proxy_healthcheck_failures_total{{proxy_name=\"forward\",to=\"{}\"}}",
        fake.address
    );
    bed.metric(&line).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_upstream_is_checked_after_an_error_until_it_replies() {
    let (first, on) = switched().await;
    let second = Fake::good().await;
    let text = format!(
        ".:53 {{\nforward . {} {} {{\npolicy sequential\n}}\n}}",
        first.address, second.address
    );
    let bed = Bed::new(&text).await;
    bed.ask("0.example A").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        (first.count(), second.count()),
        (1, 0),
        "no checks without an error"
    );

    on.store(false, Ordering::Relaxed);
    assert_eq!(
        bed.ask("1.example A").await.rcode,
        "NOERROR",
        "the second one replies"
    );
    assert_eq!(second.count(), 1);
    // Each check takes 1 s, and 0.5 s pass to the next: the third fails after 4 s, the fourth after 5.5.
    sleep(Duration::from_millis(4700)).await;
    assert_eq!(failures(&bed, &first), "3");
    let before = first.count();
    let began = tokio::time::Instant::now();
    assert_eq!(bed.ask("2.example A").await.rcode, "NOERROR");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "it is not asked any more, nor waited for"
    );
    assert_eq!(first.count(), before);

    on.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(3)).await;
    let before = (first.count(), second.count());
    assert_eq!(bed.ask("3.example A").await.rcode, "NOERROR");
    assert_eq!(
        (first.count(), second.count()),
        (before.0 + 1, before.1),
        "it is asked again"
    );
    sleep(Duration::from_secs(60)).await;
    assert_eq!(first.count(), before.0 + 1, "and is not checked any more");
}

#[tokio::test(start_paused = true)]
async fn the_check_asks_what_the_corefile_says() {
    for (option, name, flags, stream) in [
        ("", ".", Flags::RD, false),
        (
            "health_check 1s no_rec domain Example.org",
            "example.org",
            Flags::NONE,
            false,
        ),
        ("force_tcp", ".", Flags::RD, true),
    ] {
        let fake = Fake::silent().await;
        let text = format!(
            ".:53 {{\nforward . {} {{\nmax_connect_attempts 1\n{option}\n}}\n}}",
            fake.address
        );
        let bed = Bed::new(&text).await;
        bed.ask("a.test A").await;
        fake.wait_for(2).await;
        let seen = fake.seen();
        let check = &seen[1];
        let mut question = n(name).view().as_bytes().to_vec();
        question.extend_from_slice(&u16::from(RecordType::NS).to_be_bytes());
        question.extend_from_slice(&[0, 1]);
        assert_eq!(check.question(), question, "{option}");
        assert!(check.rest().is_empty(), "{option}: no OPT");
        assert_eq!(check.flags(), flags, "{option}");
        assert_eq!(check.stream, stream, "{option}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_reply_is_a_sign_of_life() {
    // A header alone, with REFUSED: some resolvers reply so to a question for the root.
    let (silent, reply) = (Arc::new(AtomicBool::new(true)), b"\x80\x05\0\0\0\0\0\0\0\0");
    let switch = silent.clone();
    let fake = Fake::new(move |seen| match silent.load(Ordering::Relaxed) {
        true => Vec::new(),
        false => vec![Act::Send([&seen.packet[..2], &reply[..]].concat())],
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    bed.ask("a.example A").await;
    sleep(Duration::from_secs(3)).await;
    switch.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(2)).await;
    let before = fake.count();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.count(), before, "the checks have ended");
}

#[tokio::test(start_paused = true)]
async fn with_all_down_any_is_tried_or_none() {
    for (option, tried, error) in [
        ("", true, ": i/o timeout"),
        (
            "failfast_all_unhealthy_upstreams",
            false,
            "no healthy proxies",
        ),
    ] {
        let fakes = [Fake::silent().await, Fake::silent().await];
        let text = format!(
            ".:53 {{\nforward . {} {} {{\n{option}\n}}\n}}",
            fakes[0].address, fakes[1].address
        );
        let bed = Bed::new(&text).await;
        bed.ask("0.example A").await;
        sleep(Duration::from_secs(10)).await;
        let questions = || -> usize {
            let all = fakes.iter().flat_map(Fake::seen);
            all.filter(|seen| seen.question().starts_with(b"\x011"))
                .count()
        };
        let failure = bed.fail("1.example A").await;
        assert!(
            failure.error.as_ref().unwrap().ends_with(error),
            "{failure:?}"
        );
        assert!(failure.extended.is_some());
        assert_eq!(questions(), usize::from(tried), "{option}: one try at most");
        let broken = bed.metric("coredns_forward_healthcheck_broken_total");
        assert_eq!(broken.as_deref(), Some("1"), "{option}");
    }
}

#[tokio::test(start_paused = true)]
async fn max_fails_zero_means_no_checks() {
    let fake = Fake::silent().await;
    let text = format!(
        ".:53 {{\nforward . {} {{\nmax_fails 0\n}}\n}}",
        fake.address
    );
    let bed = Bed::new(&text).await;
    bed.ask("a.example A").await;
    let before = fake.count();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.count(), before);
    assert_eq!(failures(&bed, &fake), "");
}

#[tokio::test(start_paused = true)]
async fn checks_end_when_nobody_wants_to_know() {
    let fake = Fake::silent().await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    bed.ask("a.example A").await;
    drop(bed);
    sleep(Duration::from_secs(3)).await;
    let before = fake.count();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_flapping_upstream_costs_no_query_while_another_is_up() {
    let (first, on) = switched().await;
    let second = Fake::good().await;
    let bed = Bed::new(&format!(
        ".:53 {{\nforward . {} {}\n}}",
        first.address, second.address
    ))
    .await;
    for at in 0..40 {
        on.store(at % 2 == 0, Ordering::Relaxed);
        let told = bed.ask(&format!("{at}.example A")).await;
        assert_eq!(told.rcode, "NOERROR", "{at}");
        sleep(Duration::from_millis(700)).await;
    }
}
