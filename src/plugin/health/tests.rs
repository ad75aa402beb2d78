use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::corefile::Memory;
use crate::http::Endpoints;
use crate::metrics::Registry;
use crate::plugin::forward::tests::{bed::hold_the_clock, bounds::nobody};
use crate::telemetry::Captured;
use crate::testing::{planned, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    for (lines, error) in [
        (
            "health localhost",
            "Corefile:2:8: error: plugin/health: address localhost: missing port in address",
        ),
        (
            "health :1 :2",
            "Corefile:2:11: error: plugin/health: Wrong argument count or unexpected line ending after ':2'",
        ),
        (
            "health {\nlameduck\n}",
            "Corefile:3:1: error: plugin/health: Wrong argument count or unexpected line ending after 'lameduck'",
        ),
        (
            "health {\nlameduck soon\n}",
            "Corefile:3:10: error: plugin/health: time: invalid duration \"soon\"",
        ),
        (
            "health {\nlameduk 5s\n}",
            "Corefile:3:1: error: plugin/health: unknown property 'lameduk'",
        ),
    ] {
        assert_eq!(setup_error(lines), error, "{lines}");
    }
}

#[test]
fn address_and_lameduck_are_read() {
    for (lines, address, lameduck) in [
        ("health", ":8080", 0),
        ("health localhost:8091", "localhost:8091", 0),
        ("health {\nlameduck 5s\n}", ":8080", 5),
        (
            "health :1 {\nlameduck 1m\n}\nhealth :2 {\nlameduck 20s\n}",
            ":2",
            20,
        ),
        ("health :1 {\nlameduck -5s\n}", ":1", 0),
    ] {
        let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
        let endpoint = &plan.shared.http[0];
        assert_eq!(
            (endpoint.address.as_str(), endpoint.plugin),
            (address, "health")
        );
        assert_eq!(
            plan.shared.lameduck,
            Duration::from_secs(lameduck),
            "{lines}"
        );
        assert_eq!(plan.shared.tasks.len(), 1);
    }
    let two = ".:1 {\nhealth :1 {\nlameduck 5s\n}\n}\n.:2 {\nhealth :2 {\nlameduck 2s\n}\n}";
    let plan = planned(two, &Memory::default()).unwrap();
    assert_eq!(
        plan.shared.lameduck,
        Duration::from_secs(5),
        "the longest counts"
    );
}

#[tokio::test]
async fn the_endpoint_answers_and_the_process_asks_it() {
    let mut plan = planned(". {\nhealth 127.0.0.1:0\n}", &Memory::default()).unwrap();
    let service = plan.shared.http[0].service.clone();
    let response = service.get("/health").unwrap();
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, &b"OK"[..])
    );
    assert!(service.get("/healthz").is_none());
    let mut endpoints = Endpoints::default();
    let bound = endpoints.bind(std::mem::take(&mut plan.shared.http)).await;
    endpoints.swap(bound.unwrap());
    let address = Arc::new(OnceLock::from(endpoints.addresses()[0].1));
    let (poll, duration, failures) = poll(address);
    poll.ask().await;
    assert_eq!((duration.total(), failures.get()), (1, 0));
}

/// A poll of some address, and what it counts.
fn poll(
    address: Arc<OnceLock<SocketAddr>>,
) -> (Poll, crate::metrics::Histogram, crate::metrics::Counter) {
    let registry = Registry::default();
    let duration = registry.histogram(DURATION, &SLIM_TIME_BUCKETS, &[]);
    let failures = registry.counter(FAILURES, &[]);
    let poll = Poll {
        url: "http://localhost:8080/health".into(),
        address,
        duration: duration.clone(),
        failures: failures.clone(),
    };
    (poll, duration, failures)
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_is_counted_and_told() {
    let captured = Captured::default();
    let (output, guard) = captured.events();
    // Takes connections, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Arc::new(OnceLock::from(listener.local_addr().unwrap()));
    let (poll, duration, failures) = poll(address);
    poll.ask().await;
    assert_eq!((duration.total(), failures.get()), (1, 1));
    drop(guard);
    assert_eq!(
        captured.lines(&output),
        [
            "[WARNING] plugin/health: Local health request to \"http://localhost:8080/health\" failed: no answer within 3s"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_told() {
    let captured = Captured::default();
    let (output, guard) = captured.events();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Arc::new(OnceLock::from(listener.local_addr().unwrap()));
    let (poll, duration, failures) = poll(address);
    tokio::spawn(hold_the_clock());
    let slow = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 256]).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    };
    tokio::join!(poll.ask(), slow);
    assert_eq!((duration.total(), failures.get()), (1, 0));
    drop(guard);
    let lines = captured.lines(&output);
    let told = "[WARNING] plugin/health: Local health request to \"http://localhost:8080/health\" took more than 1s: 1.";
    assert!(lines[0].starts_with(told), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_is_asked_each_second() {
    let (address, _held) = nobody();
    let (poll, duration, failures) = poll(Arc::new(OnceLock::from(address)));
    tokio::spawn(hold_the_clock());
    let running = tokio::spawn(poll.run());
    tokio::time::sleep(Duration::from_millis(5500)).await;
    running.abort();
    assert_eq!((duration.total(), failures.get()), (5, 5));
}

#[test]
fn messages_name_an_address_that_a_person_can_ask() {
    for (host, url) in [
        ("", "http://localhost:8080/health"),
        ("10.0.0.1", "http://10.0.0.1:8080/health"),
        ("::1", "http://[::1]:8080/health"),
    ] {
        let config = Config {
            address: HostPort {
                host: host.into(),
                port: 8080,
            },
            lameduck: Duration::ZERO,
        };
        assert_eq!(config.url(), url);
    }
}

#[tokio::test]
async fn a_machine_without_ipv4_asks_over_ipv6() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let mut address = listener.local_addr().unwrap();
    address.set_ip(Ipv4Addr::LOCALHOST.into());
    let (poll, duration, failures) = poll(Arc::new(OnceLock::from(address)));
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 256]).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    };
    tokio::join!(poll.ask(), answer);
    assert_eq!((duration.total(), failures.get()), (1, 0));
}
