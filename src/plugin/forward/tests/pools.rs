//! Which sockets and connections queries go over, and for how long.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::bed::Bed;
use super::fake::{Act, Fake, Open, Seen};
use crate::testing::Ask;

/// A forward to this upstream with these options.
async fn bed(fake: &Fake, options: &str) -> Bed {
    let text = format!(".:53 {{\nforward . {} {{\n{options}\n}}\n}}", fake.address);
    Bed::new(&text).await
}

fn ports(seen: &[Seen]) -> BTreeMap<u16, usize> {
    let mut ports = BTreeMap::new();
    for seen in seen {
        *ports.entry(seen.from.port()).or_default() += 1;
    }
    ports
}

fn connections(bed: &Bed, fake: &Fake, proto: &str) -> [String; 2] {
    ["hits", "misses"].map(|what| {
        let to = fake.address;
        let line = format!(
            "coredns_proxy_conn_cache_{what}_total{{proto=\"{proto}\",proxy_name=\"forward\",to=\"{to}\"}}"
        );
        bed.metric(&line).unwrap_or_default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_udp_port_is_used_for_64_queries_at_most() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "").await;
    for at in 0..2000 {
        bed.ask(&format!("{at}.example A")).await;
    }
    let ports = ports(&fake.seen());
    let [hits, misses] = connections(&bed, &fake, "udp").map(|text| text.parse::<usize>().unwrap());
    assert_eq!(hits + misses, 2000);
    // The kernel may give a port again that it had back.
    let needed: usize = ports.values().map(|count| count.div_ceil(64)).sum();
    assert!(needed <= misses, "{misses} sockets, and {ports:?}");
    assert!(misses <= 2000 / 64 + 8, "{misses} sockets were opened");
}

#[tokio::test(start_paused = true)]
async fn a_udp_port_is_used_for_the_time_of_expire_at_most() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "max_idle_conns 1").await;
    for (wait, sockets) in [(0, 1), (9, 1), (2, 2), (9, 2), (2, 3)] {
        sleep(Duration::from_secs(wait)).await;
        bed.ask("a.example A").await;
        assert_eq!(ports(&fake.seen()).len(), sockets);
    }
}

#[tokio::test(start_paused = true)]
async fn max_age_bounds_a_udp_port_too() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "max_idle_conns 1\nexpire 3s\nmax_age 4s").await;
    for (wait, sockets) in [(0, 1), (2, 1), (2, 2)] {
        sleep(Duration::from_secs(wait)).await;
        bed.ask("a.example A").await;
        assert_eq!(ports(&fake.seen()).len(), sockets);
    }
}

#[tokio::test(start_paused = true)]
async fn many_queries_wait_at_few_sockets() {
    let fake = Fake::new(|seen| {
        vec![
            Act::Wait(Duration::from_millis(500)),
            Act::Send(seen.address("192.0.2.1")),
        ]
    })
    .await;
    let bed = bed(&fake, "").await;
    let mut asked = tokio::task::JoinSet::new();
    for at in 0..1000 {
        let (ask, chain) = (Ask::new(&format!("{at}.example A")), bed.chain.clone());
        asked.spawn(async move { ask.ask(&chain).await });
        if at % 100 == 0 {
            // A burst beyond the upstream's buffer would be lost on the way.
            sleep(Duration::from_millis(1)).await;
        }
    }
    let told = asked.join_all().await;
    assert!(told.iter().all(|told| told.answer.len() == 1));
    let seen = fake.seen();
    assert!(
        ports(&seen).len() <= 1000 / 64 + 8,
        "{}",
        ports(&seen).len()
    );
    let pairs: HashSet<(u16, u16)> = seen
        .iter()
        .map(|seen| (seen.from.port(), seen.id()))
        .collect();
    assert_eq!(
        pairs.len(),
        1000,
        "no two in flight have the same port and id"
    );
}

#[tokio::test(start_paused = true)]
async fn queries_of_one_moment_leave_together_over_one_socket() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "").await;
    let asks: Vec<Ask> = (0..40)
        .map(|at| Ask::new(&format!("{at}.example A")))
        .collect();
    let told = join_all(asks.iter().map(|ask| ask.ask(&bed.chain))).await;
    assert!(told.iter().all(|told| told.answer.len() == 1));
    // The first leaves at once, as nobody was there before it; then a batch, and what is left.
    let mut counts: Vec<usize> = ports(&fake.seen()).into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 7, 32]);
}

#[tokio::test(start_paused = true)]
async fn each_query_of_a_socket_has_a_time_of_its_own() {
    let fake = Fake::silent().await;
    let bed = bed(
        &fake,
        "read_timeout 1s\nmax_connect_attempts 1\nmax_idle_conns 1\nmax_fails 0",
    )
    .await;
    let ask = async |wait: u64, name: &str| {
        sleep(Duration::from_millis(wait)).await;
        let began = tokio::time::Instant::now();
        let told = bed.ask(&format!("{name} A")).await;
        assert_eq!(told.rcode, "SERVFAIL");
        began.elapsed().as_millis()
    };
    let (a, b, c) = tokio::join!(
        ask(0, "a.example"),
        ask(300, "b.example"),
        ask(2500, "c.example")
    );
    for took in [a, b, c] {
        assert!((1000..1100).contains(&took), "{took} ms");
    }
    assert_eq!(ports(&fake.seen()).len(), 1, "over one socket");
}

#[tokio::test(start_paused = true)]
async fn ids_are_spread_evenly_and_do_not_follow_each_other() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "").await;
    let mut ask = Ask::new("a.example A");
    for _ in 0..8192 {
        ask.id = 1;
        ask.ask(&bed.chain).await;
    }
    let ids: Vec<u16> = fake.seen().iter().map(Seen::id).collect();
    for shift in [0, 4, 8, 12] {
        let mut buckets = [0f64; 16];
        for id in &ids {
            buckets[usize::from(id >> shift & 0xf)] += 1.0;
        }
        let expected = ids.len() as f64 / 16.0;
        let chi: f64 = buckets
            .iter()
            .map(|count| (count - expected).powi(2) / expected)
            .sum();
        // 15 degrees of freedom: more than 60 comes up once in 4 million times.
        assert!(chi < 60.0, "bits {shift}..: {chi} {buckets:?}");
    }
    let near = ids
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 16)
        .count();
    // Chance gives 4; more than 24 would be a pattern.
    assert!(near < 24, "{near}");
}

#[tokio::test(start_paused = true)]
async fn queries_leave_from_the_source_address() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "source_address 127.0.0.2").await;
    bed.ask("a.example A").await;
    Ask::new("b.example A").tcp().ask(&bed.chain).await;
    for seen in fake.seen() {
        assert_eq!(
            seen.from.ip().to_string(),
            "127.0.0.2",
            "stream: {}",
            seen.stream
        );
    }
    assert_eq!(fake.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_until_it_expires() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "").await;
    for (wait, used) in [(0, 1), (9, 1), (9, 1), (11, 2)] {
        sleep(Duration::from_secs(wait)).await;
        let told = Ask::new("a.example A").tcp().ask(&bed.chain).await;
        assert_eq!(told.rcode, "NOERROR");
        assert_eq!(ports(&fake.seen()).len(), used, "after {wait} s");
    }
    assert_eq!(connections(&bed, &fake, "tcp"), ["2", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_used_beyond_max_age() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "max_age 20s").await;
    for (wait, used) in [(0, 1), (9, 1), (9, 1), (9, 2)] {
        sleep(Duration::from_secs(wait)).await;
        Ask::new("a.example A").tcp().ask(&bed.chain).await;
        assert_eq!(ports(&fake.seen()).len(), used, "after {wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_nobody_uses_are_closed() {
    let fake = Fake::good().await;
    let bed = bed(&fake, "max_idle_conns 2").await;
    let asks: Vec<Ask> = (0..4)
        .map(|at| Ask::new(&format!("{at}.example A")).tcp())
        .collect();
    join_all(asks.iter().map(|ask| ask.ask(&bed.chain))).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.open(), Open { now: 2, most: 4 }, "two are kept");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(fake.open().now, 0, "they expire though nobody asks");
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_was_closed_is_no_failure() {
    let fake = Fake::new(|seen| vec![Act::Send(seen.address("192.0.2.1")), Act::Close]).await;
    let bed = bed(&fake, "max_connect_attempts 1").await;
    for at in 0..5 {
        let ask = Ask::new(&format!("{at}.example A")).tcp();
        assert_eq!(ask.ask(&bed.chain).await.rcode, "NOERROR");
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!(fake.count(), 5, "no health checks");
    assert_eq!(connections(&bed, &fake, "tcp"), ["4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_that_is_closed_is_a_failure() {
    let fake = Fake::new(|_| vec![Act::Close]).await;
    let bed = bed(&fake, "force_tcp\nmax_connect_attempts 1").await;
    let failure = bed.fail("a.example A").await;
    assert_eq!(failure.error.as_deref(), Some("EOF"));
    assert!(failure.extended.unwrap().text.ends_with(": EOF"));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_gets_no_more_than_256_connections() {
    let fake = Fake::new(|seen| {
        vec![
            Act::Wait(Duration::from_millis(100)),
            Act::Send(seen.address("192.0.2.1")),
        ]
    })
    .await;
    let bed = bed(&fake, "").await;
    let asks: Vec<Ask> = (0..600)
        .map(|at| Ask::new(&format!("{at}.example A")).tcp())
        .collect();
    let told = join_all(asks.iter().map(|ask| ask.ask(&bed.chain))).await;
    assert!(told.iter().all(|told| told.answer.len() == 1));
    assert_eq!(fake.open().most, 256);
}
