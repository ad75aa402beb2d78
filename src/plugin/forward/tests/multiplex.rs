//! Upstreams over HTTPS and QUIC: this project's own listeners.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::bed::Bed;
use super::tls::Authority;
use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::Chain;
use crate::query::Transport;
use crate::server::quic::QuicListener;
use crate::server::stream::{Caps, Limits, Serving, StreamListener};
use crate::testing::{Stub, server};

/// What a listener serves: 192.0.2.1 for every name, with a certificate for 127.0.0.1.
fn serving(authority: &Authority, protocol: &str) -> Serving {
    let stub = Stub::new(|query| {
        let mut answer = Answer::new(query, "stub", Origin::Upstream);
        let set = RecordSet {
            section: Section::Answer,
            owner: NameSpec::QNAME,
            ttl: 60,
            data: Data::A([192, 0, 2, 1].into()),
        };
        answer.push(query, set);
        answer.into()
    });
    let mut tls = authority.server(&["127.0.0.1"], false);
    tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Serving {
        server: server(&Chain::new(vec![Arc::new(stub)])),
        tls: Some(Arc::new(tls)),
        limits: Limits::DEFAULT,
        caps: Caps {
            connections: 4,
            streams: 8,
            workers: 8,
        },
    }
}

async fn https(authority: &Authority, stop: &CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let https = StreamListener::new(Transport::Https, serving(authority, "h2"));
    tokio::spawn(https.run(listener, stop.clone()));
    address
}

fn quic(authority: &Authority, stop: &CancellationToken) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let quic = QuicListener::new(socket, serving(authority, "doq")).unwrap();
    tokio::spawn(quic.run(stop.clone()));
    address
}

#[tokio::test]
async fn queries_share_one_connection() {
    let (authority, stop) = (Authority::new(), CancellationToken::new());
    let folder = tempfile::tempdir().unwrap();
    let ca = authority.write(folder.path());
    for (to, option, proto) in [
        (https(&authority, &stop).await, "", "https"),
        (https(&authority, &stop).await, "doh_method GET", "https"),
        (quic(&authority, &stop), "", "quic"),
    ] {
        let text = format!(".:53 {{\nforward . {proto}://{to} {{\ntls {ca}\n{option}\n}}\n}}");
        let bed = Bed::new(&text).await;
        for name in ["a.example", "b.example", "c.example"] {
            let told = bed.ask(&format!("{name} A")).await;
            let expected = format!("{name}. 60 IN A 192.0.2.1");
            assert_eq!(told.answer, [expected], "{proto} {option}");
        }
        let count = |family: &str| {
            let labels = format!("proto=\"{proto}\",proxy_name=\"forward\",to=\"{to}\"");
            bed.metric(&format!(
                "coredns_proxy_conn_cache_{family}_total{{{labels}}}"
            ))
        };
        assert_eq!(count("misses").as_deref(), Some("1"), "{proto} {option}");
        assert_eq!(count("hits").as_deref(), Some("2"), "{proto} {option}");
    }
}

#[tokio::test]
async fn a_connection_that_ended_is_opened_anew() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = authority.write(folder.path());
    let first = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let again = listener.into_std().unwrap();
    let listener = TcpListener::from_std(again.try_clone().unwrap()).unwrap();
    let https = StreamListener::new(Transport::Https, serving(&authority, "h2"));
    let served = tokio::spawn(https.run(listener, first.clone()));
    let text = format!(".:53 {{\nforward . https://{to} {{\ntls {ca}\n}}\n}}");
    let bed = Bed::new(&text).await;
    assert_eq!(bed.ask("a.example A").await.rcode, "NOERROR");
    first.cancel();
    served.await.unwrap();
    let https = StreamListener::new(Transport::Https, serving(&authority, "h2"));
    let listener = TcpListener::from_std(again).unwrap();
    tokio::spawn(https.run(listener, CancellationToken::new()));
    assert_eq!(bed.ask("b.example A").await.rcode, "NOERROR");
}

#[tokio::test]
async fn an_upstream_must_prove_who_it_is() {
    let (authority, stop) = (Authority::new(), CancellationToken::new());
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new().write(folder.path());
    for (to, proto) in [
        (https(&authority, &stop).await, "https"),
        (quic(&authority, &stop), "quic"),
    ] {
        let text = format!(".:53 {{\nforward . {proto}://{to} {{\ntls {ca}\nmax_fails 0\n}}\n}}");
        let error = Bed::new(&text)
            .await
            .fail("a.example A")
            .await
            .error
            .unwrap();
        assert!(error.contains("UnknownIssuer"), "{proto}: {error}");
        let start = format!("dial {proto} {to}: ");
        assert!(error.starts_with(&start), "{proto}: {error}");
    }
}
