//! How many may wait, how long, and how often an upstream is asked.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use tokio::time::Instant;

use super::bed::Bed;
use super::fake::{Act, Fake};
use crate::answer::ExtendedError;
use crate::metrics::InFlight;
use crate::testing::Ask;

/// An address at which nothing listens, and what keeps others from it: a UDP socket that hears only
/// another address, and a TCP socket that does not listen.
pub(in crate::plugin) fn nobody() -> (SocketAddr, [socket2::Socket; 2]) {
    use socket2::{Domain, Socket, Type};
    loop {
        let [udp, tcp] =
            [Type::DGRAM, Type::STREAM].map(|kind| Socket::new(Domain::IPV4, kind, None).unwrap());
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        udp.bind(&any.into()).unwrap();
        let address = udp.local_addr().unwrap();
        let other: SocketAddr = "127.0.0.2:9".parse().unwrap();
        udp.connect(&other.into()).unwrap();
        if tcp.bind(&address).is_ok() {
            return (address.as_socket().unwrap(), [udp, tcp]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_servfail_before_the_client_gives_up() {
    for (upstreams, least, most, asked) in [(1, 4.0, 4.4, 2), (2, 4.4, 4.6, 3), (3, 4.4, 4.6, 3)] {
        let fakes = join_all((0..upstreams).map(|_| Fake::silent())).await;
        let to: Vec<String> = fakes.iter().map(|fake| fake.address.to_string()).collect();
        let text = format!(
            ".:53 {{\nforward . {} {{\nmax_fails 0\n}}\n}}",
            to.join(" ")
        );
        let bed = Bed::new(&text).await;
        let began = Instant::now();
        let failure = bed.fail("a.example A").await;
        let took = began.elapsed().as_secs_f64();
        assert!((least..most).contains(&took), "{upstreams}: {took}");
        assert_eq!(failure.rcode, ResponseCode::ServFail);
        let error = failure.error.unwrap();
        assert!(error.starts_with("read udp 127.0.0.1:"), "{error}");
        assert!(error.ends_with(": i/o timeout"), "{error}");
        let extended = failure.extended.unwrap();
        assert_eq!(extended.code, ExtendedError::NO_REACHABLE_AUTHORITY);
        assert!(
            extended.text.ends_with(": i/o timeout"),
            "{}",
            extended.text
        );
        let count: usize = fakes.iter().map(Fake::count).sum();
        assert_eq!(count, asked, "{upstreams}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusing_system_is_told_at_once() {
    let (address, _held) = nobody();
    let bed = Bed::new(&format!(".:53 {{\nforward . {address}\n}}")).await;
    let began = Instant::now();
    let failure = bed.fail("a.example A").await;
    assert!(began.elapsed().as_secs_f64() < 1.0, "{:?}", began.elapsed());
    let error = failure.error.unwrap();
    assert!(error.ends_with(": connection refused"), "{error}");
    let extended = failure.extended.unwrap();
    assert_eq!(extended.code, ExtendedError::NETWORK_ERROR);
    let told = Ask::new("a.example A").tcp().ask(&bed.chain).await;
    assert_eq!(told.rcode, "SERVFAIL");
    let crate::chain::Outcome::Failed(failure) = bed.last() else {
        panic!("no failure");
    };
    let error = failure.error.unwrap();
    assert_eq!(
        error,
        format!("dial tcp {address}: connect: connection refused")
    );
}

#[tokio::test(start_paused = true)]
async fn tries_are_bounded() {
    for (what, upstreams, option, tries) in [
        ("two for each by default", 1, "", 2),
        ("two for each of three", 3, "", 6),
        ("as it says", 3, "max_connect_attempts 4", 4),
        ("one", 3, "max_connect_attempts 1", 1),
        // Without a bound of its own the budget of one question is the bound.
        ("no bound", 1, "max_connect_attempts 0", 32),
    ] {
        // It closes each connection: a try costs no time.
        let fakes = join_all((0..upstreams).map(|_| Fake::new(|_| vec![Act::Close]))).await;
        let to: Vec<String> = fakes.iter().map(|fake| fake.address.to_string()).collect();
        let text = format!(
            ".:53 {{\nforward . {} {{\nforce_tcp\nmax_fails 0\n{option}\n}}\n}}",
            to.join(" ")
        );
        let bed = Bed::new(&text).await;
        assert_eq!(bed.ask("a.example A").await.rcode, "SERVFAIL", "{what}");
        let count: usize = fakes.iter().map(Fake::count).sum();
        assert_eq!(count, tries, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_connect_leaves_time_for_another_upstream() {
    // A full backlog: the kernel drops what comes, as a firewall does.
    let deaf = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    deaf.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
        .unwrap();
    deaf.listen(0).unwrap();
    let address = deaf.local_addr().unwrap().as_socket().unwrap();
    let _held = std::net::TcpStream::connect(address).unwrap();
    let good = Fake::good().await;
    let text = format!(
        ".:53 {{\nforward . {address} {} {{\nforce_tcp\npolicy sequential\nmax_fails 0\n}}\n}}",
        good.address
    );
    let bed = Bed::new(&text).await;
    let began = Instant::now();
    let told = bed.ask("a.example A").await;
    let took = began.elapsed().as_secs_f64();
    assert_eq!(told.rcode, "NOERROR");
    assert!((2.2..3.0).contains(&took), "half of the time: {took}");
}

#[tokio::test(start_paused = true)]
async fn more_than_max_concurrent_are_refused() {
    let fake = Fake::silent().await;
    let text = format!(
        ".:53 {{\nforward . {} {{\nmax_concurrent 2\n}}\n}}",
        fake.address
    );
    let bed = Bed::new(&text).await;
    let asks: Vec<Ask> = (0..3)
        .map(|at| Ask::new(&format!("{at}.example A")))
        .collect();
    let told = join_all(asks.iter().map(|ask| ask.ask(&bed.chain))).await;
    let rcodes: Vec<&str> = told.iter().map(|told| told.rcode.as_str()).collect();
    assert_eq!(rcodes, ["SERVFAIL", "SERVFAIL", "REFUSED"]);
    let rejects = bed.metric("coredns_forward_max_concurrent_rejects_total");
    assert_eq!(rejects.as_deref(), Some("1"));
    // The two gave their places back.
    assert_eq!(bed.ask("a.example A").await.rcode, "SERVFAIL");
}

#[tokio::test(start_paused = true)]
async fn the_refusal_names_the_bound() {
    let fake = Fake::silent().await;
    let text = format!(
        ".:53 {{\nforward . {} {{\nmax_concurrent 1\n}}\n}}",
        fake.address
    );
    let bed = Bed::new(&text).await;
    let mut first = Box::pin(bed.ask("a.example A"));
    assert!(futures_util::poll!(&mut first).is_pending());
    let failure = bed.fail("b.example A").await;
    assert_eq!(failure.rcode, ResponseCode::Refused);
    assert_eq!(
        failure.error.as_deref(),
        Some("concurrent queries exceeded maximum 1")
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_process_can_bear_may_wait() {
    let fake = Fake::good().await;
    let mut bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let make = || -> (Arc<InFlight>, _) { panic!("it is kept already") };
    let waiting = bed.shared.keep("forward waiting".to_owned(), make);
    let places: Vec<_> = (0..65_536).map(|_| waiting.enter(i64::MAX)).collect();
    let failure = bed.fail("a.example A").await;
    assert_eq!(failure.rcode, ResponseCode::ServFail);
    assert!(failure.extended.is_some());
    let rejects = bed.metric("callsign_forward_overflow_rejects_total");
    assert_eq!(rejects.as_deref(), Some("1"));
    drop(places);
    assert_eq!(bed.ask("a.example A").await.rcode, "NOERROR");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_clients_with_one_question_cost_one_packet() {
    let fake = Fake::new(|seen| {
        vec![
            Act::Wait(std::time::Duration::from_millis(50)),
            Act::Send(seen.address("192.0.2.1")),
        ]
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let asks: Vec<Ask> = (0..1000)
        .map(|at| {
            // Each in its own case, with its own id.
            let name: String = "www.example.org"
                .chars()
                .enumerate()
                .map(|(bit, letter)| match at >> (bit % 10) & 1 {
                    1 => letter.to_ascii_uppercase(),
                    _ => letter,
                })
                .collect();
            let mut ask = Ask::new(&format!("{name} A"));
            ask.id = at;
            ask
        })
        .collect();
    let told = join_all(asks.iter().map(|ask| ask.ask(&bed.chain))).await;
    assert_eq!(fake.count(), 1);
    for (ask, told) in asks.iter().zip(told) {
        assert_eq!(told.answer.len(), 1);
        assert_eq!(told.bytes[..2], ask.id.to_be_bytes());
        assert_eq!(
            told.bytes[12..29],
            ask.packet()[12..29],
            "each its own case"
        );
    }
    let shared = bed.metric("callsign_forward_shared_exchanges_total");
    assert_eq!(shared.as_deref(), Some("999"));
}

#[tokio::test(start_paused = true)]
async fn questions_that_differ_do_not_share() {
    let fake = Fake::new(|seen| {
        vec![
            Act::Wait(std::time::Duration::from_millis(50)),
            Act::Send(seen.address("192.0.2.1")),
        ]
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let ask = || Ask::new("www.example.org A");
    let mut class = ask();
    class.class = 3;
    let mut option = ask().edns(4096);
    option.opt = Some((4096, 0, b"\0\x0a\0\x01x".to_vec()));
    let asks = [
        ask(),
        Ask::new("www.example.org AAAA"),
        Ask::new("ww.example.org A"),
        class,
        ask().flags(crate::wire::Flags::CD),
        ask().edns(1232),
        ask().edns(4096),
        ask().dnssec(),
        option,
        ask().tcp(),
    ];
    join_all(asks.iter().map(|ask| ask.ask(&bed.chain))).await;
    assert_eq!(fake.count(), asks.len());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_takes_nobody_with_it() {
    let fake = Fake::new(|seen| {
        vec![
            Act::Wait(std::time::Duration::from_millis(50)),
            Act::Send(seen.address("192.0.2.1")),
        ]
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let mut first = Box::pin(bed.ask("a.example A"));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(bed.ask("a.example A"));
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.rcode, "NOERROR");
    assert_eq!(fake.count(), 1);
}
