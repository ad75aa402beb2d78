use std::sync::atomic::AtomicBool;

use futures_util::FutureExt;
use hickory_proto::op::ResponseCode;
use tokio::time::sleep;

use super::*;
use crate::plugin::forward::tests::bed::{Bed, Beside, read};
use crate::plugin::forward::tests::fake::{Act, Fake};
use crate::query::Transport;
use crate::server::{Arrival, Handled};
use crate::testing::{self, Ask};

/// Serves a chain on a socket.
fn serve(socket: UdpSocket, bed: &Bed) {
    let server = testing::server(&bed.chain);
    let socket = Arc::new(socket);
    tokio::spawn(async move {
        let local = socket.local_addr().unwrap();
        let mut packet = [0; 4096];
        loop {
            let (length, client) = socket.recv_from(&mut packet).await.unwrap();
            let arrival = Arrival {
                client,
                local,
                transport: Transport::Udp,
                now: Instant::now(),
            };
            let mut reply = Vec::new();
            let handled = server.handle(&packet[..length], arrival, &mut reply);
            let socket = socket.clone();
            tokio::spawn(async move {
                let reply = match handled {
                    Handled::Later(future) => future.await.unwrap_or_default(),
                    _ => reply,
                };
                let _ = socket.send_to(&reply, client).await;
            });
        }
    });
}

/// A server that sends all on to `to` while it is switched on, and else says that there is no such
/// name.
async fn relay(to: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let on = Arc::new(AtomicBool::new(true));
    let switch = on.clone();
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        loop {
            let (length, client) = socket.recv_from(&mut packet).await.unwrap();
            let (mut query, socket) = (packet[..length].to_vec(), socket.clone());
            if !on.load(Ordering::Relaxed) {
                query[2] |= 0x80;
                query[3] |= 3;
                let _ = socket.send_to(&query, client).await;
                continue;
            }
            tokio::spawn(async move {
                let onward = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                onward.connect(to).await.unwrap();
                onward.send(&query).await.unwrap();
                let mut reply = [0; 4096];
                if let Ok(length) = onward.recv(&mut reply).await {
                    let _ = socket.send_to(&reply[..length], client).await;
                }
            });
        }
    });
    (address, switch)
}

/// A socket for a listener, and its address.
async fn listener() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

async fn bed(corefile: &str, listening: SocketAddr) -> Bed {
    let beside = Beside {
        listening: vec![listening],
        ..Beside::default()
    };
    Bed::with(corefile, beside).await
}

#[tokio::test(start_paused = true)]
async fn what_goes_round_is_stopped_and_all_else_is_served() {
    let (socket, own) = listener().await;
    let (relay, on) = relay(own).await;
    let good = Fake::good().await;
    let text = format!(
        ".:{} {{\nloop\nforward example.org {}\nforward . {relay}\n}}",
        own.port(),
        good.address
    );
    let bed = bed(&text, own).await;
    serve(socket, &bed);
    sleep(Duration::from_secs(5)).await;
    let failure = bed.fail("a.test A").await;
    assert_eq!(
        (failure.plugin, failure.rcode),
        ("forward", ResponseCode::ServFail)
    );
    let extended = failure.extended.unwrap();
    assert_eq!(
        extended.text,
        "the upstream sends queries back to this server"
    );
    assert_eq!(bed.ask("a.example.org A").await.rcode, "NOERROR");

    // Whatever it was is mended: it is found out without a restart.
    on.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(70)).await;
    assert_eq!(bed.ask("a.test A").await.rcode, "NXDOMAIN");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_goes_on_is_found_again_each_time() {
    let (socket, own) = listener().await;
    let (relay, _on) = relay(own).await;
    let bed = bed(
        &format!(".:{} {{\nloop\nforward . {relay}\n}}", own.port()),
        own,
    )
    .await;
    serve(socket, &bed);
    for _ in 0..3 {
        sleep(Duration::from_secs(65)).await;
        assert_eq!(bed.ask("a.test A").await.rcode, "SERVFAIL");
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_goes_round_it_asks_once() {
    let (socket, own) = listener().await;
    let upstream = Fake::coded(ResponseCode::NXDomain).await;
    let text = format!(
        "example.org:{} {{\nloop\nforward . {}\n}}",
        own.port(),
        upstream.address
    );
    let bed = bed(&text, own).await;
    serve(socket, &bed);
    sleep(Duration::from_secs(100)).await;
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1);
    let question = seen[0].question();
    assert!(question.ends_with(b"\x07example\x03org\0\0\x0d\0\x01"));
    let first = question[0];
    assert!(
        (20..=39).contains(&first),
        "128 random bits: {first} digits"
    );
    assert_eq!(bed.ask("a.example.org A").await.rcode, "NXDOMAIN");
}

#[tokio::test(start_paused = true)]
async fn it_tries_for_30_seconds_where_nobody_answers() {
    let (socket, own) = listener().await;
    let upstream = Fake::silent().await;
    let text = format!(
        ".:{} {{\nloop\nforward . {} {{\nmax_fails 0\nmax_connect_attempts 1\n}}\n}}",
        own.port(),
        upstream.address
    );
    let bed = bed(&text, own).await;
    serve(socket, &bed);
    sleep(Duration::from_secs(100)).await;
    let names: std::collections::HashSet<Vec<u8>> = upstream
        .seen()
        .iter()
        .map(|seen| seen.question().to_vec())
        .collect();
    // Each try waits 2 s, and then 1 s: ten fit.
    assert_eq!(names.len(), 10, "each with a name of its own");
}

#[tokio::test]
async fn only_its_own_question_counts() {
    let fake = Fake::new(|seen| {
        vec![Act::Send(
            seen.reply(ResponseCode::NXDomain, [&[], &[], &[]]),
        )]
    })
    .await;
    let probe = Probe::new(Name::root(), false);
    probe.out.store(true, Ordering::Relaxed);
    let name = probe.round.load().name.to_string();
    let after = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let chain = {
        struct Then(Arc<crate::chain::Chain>);
        impl Plugin for Then {
            fn name(&self) -> &'static str {
                "then"
            }
            fn serve(&self, query: &Query<'_>, _: Next<'_>) -> Reply {
                self.0.start().serve(query)
            }
        }
        let then = Then(after.chain.clone());
        crate::chain::Chain::new(vec![Arc::new(Loop(probe.clone())), Arc::new(then)])
    };
    for question in [
        "1.2. HINFO",
        &format!("{name} A"),
        &format!("x.{name} HINFO"),
    ] {
        for _ in 0..5 {
            assert_eq!(
                Ask::new(question).ask(&chain).await.rcode,
                "NXDOMAIN",
                "{question}"
            );
        }
    }
    assert!(!probe.looping.load(Ordering::Relaxed));
    let own = format!("{name} HINFO");
    for expected in ["NXDOMAIN", "NXDOMAIN", "SERVFAIL"] {
        assert_eq!(Ask::new(&own).ask(&chain).await.rcode, expected);
    }
    assert!(probe.looping.load(Ordering::Relaxed));
    // When the round is over, the name is one like others.
    probe.out.store(false, Ordering::Relaxed);
    assert_eq!(Ask::new(&own).ask(&chain).await.rcode, "NXDOMAIN");
}

#[tokio::test(start_paused = true)]
async fn without_the_plugin_a_loop_does_not_spin() {
    let (socket, own) = listener().await;
    let (relay, _on) = relay(own).await;
    let bed = bed(&format!(".:{} {{\nforward . {relay}\n}}", own.port()), own).await;
    serve(socket, &bed);
    assert_eq!(bed.ask("a.test A").await.rcode, "SERVFAIL");
    let line = format!(
        "coredns_proxy_conn_cache_misses_total{{proto=\"udp\",proxy_name=\"forward\",to=\"{relay}\"}}"
    );
    let sockets: usize = bed.metric(&line).unwrap().parse().unwrap();
    assert!(
        sockets < 8,
        "{sockets} sockets for one question that came back"
    );
}

#[test]
fn it_takes_no_argument_and_stands_once() {
    for (lines, error) in [
        (
            "loop argument",
            "Corefile:2:6: error: plugin/loop: Wrong argument count or unexpected line ending after 'argument'",
        ),
        (
            "loop\nloop",
            "Corefile:3:1: error: plugin/loop: this plugin can only be used once per Server Block",
        ),
    ] {
        let text = format!(". {{\n{lines}\n}}");
        let found = read(&text, Beside::default()).err().unwrap();
        assert_eq!(found, error);
    }
    assert!(read(". {\nloop\n}", Beside::default()).is_ok());
}

#[test]
fn the_question_goes_to_where_the_block_listens() {
    for (what, listening, host, expected) in [
        ("all addresses", "[::]:53", None, "127.0.0.1:53"),
        (
            "one address",
            "127.0.0.5:53",
            Some("127.0.0.5"),
            "127.0.0.5:53",
        ),
        (
            "another block's address",
            "10.0.0.5:53",
            Some("127.0.0.5"),
            "127.0.0.5:53",
        ),
        ("an interface", "10.0.0.5:53", Some("eth0"), "10.0.0.5:53"),
        ("nothing is known", "10.0.0.5:5353", None, "127.0.0.1:53"),
    ] {
        let own = Own {
            listening: Arc::new(OnceLock::from(vec![listening.parse().unwrap()])),
            host: host.map(str::to_owned),
            port: 53,
        };
        assert_eq!(own.address().to_string(), expected, "{what}");
    }
}

#[tokio::test]
async fn nothing_is_waited_for_where_nothing_is_out() {
    let probe = Probe::new(Name::root(), false);
    let name = probe.round.load().name.to_string();
    let chain = crate::chain::Chain::new(vec![Arc::new(Loop(probe))]);
    let told = Ask::new(&format!("{name} HINFO"))
        .ask(&chain)
        .now_or_never();
    assert!(told.is_some());
}
