use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::replica::Primary;
use super::*;
use crate::chain::Chain;
use crate::plugin::setup::Shared;
use crate::query::Transport;
use crate::server::stream::{Caps, Limits, Serving, StreamListener};
use crate::testing::{Ask, Stub, listener_with_file, n, set_up, setup_error};
use crate::zone::text;

fn parse(lines: &str) -> Vec<String> {
    let corefile = format!("example.org {{\n{lines}\n}}");
    let set_up = set_up(&corefile, NAME, &mut Shared::default(), Config::parse);
    let config = set_up.value.unwrap();
    let told = config.zones.iter().map(|(zone, from)| {
        let catalog = config.catalogs.get(zone.view());
        let catalog = catalog.map_or(String::new(), |within| format!(" catalog {within:?}"));
        format!("{zone} {from:?}{catalog}")
    });
    told.collect()
}

#[test]
fn each_zone_has_its_servers() {
    for (lines, zones) in [
        (
            "secondary {\ntransfer from 192.0.2.1\n}",
            &["example.org. [192.0.2.1:53]"][..],
        ),
        (
            "secondary a.org b.org {\ntransfer from 192.0.2.1:5353 [::1]:54\ntransfer from ::1\n}",
            &[
                "a.org. [192.0.2.1:5353, [::1]:54, [::1]:53]",
                "b.org. [192.0.2.1:5353, [::1]:54, [::1]:53]",
            ],
        ),
        (
            "secondary a.org {\ncatalog\ntransfer from ::1\n}\nsecondary b.org {\ntransfer from ::1\n}",
            &["a.org. [[::1]:53] catalog []", "b.org. [[::1]:53]"],
        ),
        (
            "secondary a.org {\ntransfer from ::1\ncatalog One.test 10.0.0.0/8\ncatalog two.test\n}",
            &["a.org. [[::1]:53] catalog [one.test., 10.in-addr.arpa., two.test.]"],
        ),
        (
            "secondary a.org {\ntransfer from ::1\ncatalog one.test\ncatalog\n}",
            &["a.org. [[::1]:53] catalog []"],
        ),
    ] {
        assert_eq!(parse(lines), zones, "{lines}");
    }
}

#[test]
fn what_is_wrong_is_told() {
    for (lines, error) in [
        (
            "secondary",
            "secondary zones require a transfer from property",
        ),
        ("secondary {\ntransfer\n}", "Wrong argument count"),
        ("secondary {\ntransfer from\n}", "Wrong argument count"),
        (
            "secondary {\ntransfer from *\n}",
            "can't use '*' in transfer from",
        ),
        (
            "secondary {\ntransfer to 192.0.2.1\n}",
            "unknown property to",
        ),
        (
            "secondary {\ntransfer from ns.test\n}",
            "must specify an IP address: `ns.test'",
        ),
        (
            "secondary {\ntransfer from ::1\ncatalog :\n}",
            "invalid catalog member zone \":\"",
        ),
        ("secondary {\nnope\n}", "unknown property 'nope'"),
    ] {
        let told = setup_error(lines);
        assert!(told.contains(error), "{lines}\n{told}");
    }
}

#[test]
fn nothing_is_answered_before_the_first_transfer() {
    let corefile = "example.org {\nsecondary {\ntransfer from 10.240.0.1\nfallthrough\n}\n}";
    let set_up = set_up(corefile, NAME, &mut Shared::default(), setup);
    set_up.value.unwrap();
    let mut plugins = set_up.plugins;
    let refused = Stub::upstream(ResponseCode::Refused, [&[], &[], &[]]);
    plugins.push(Arc::new(refused));
    let chain = Chain::new(plugins);
    for (question, rcode) in [
        ("www.example.org. A", "SERVFAIL"),
        ("example.org. AXFR", "REFUSED"),
        ("example.com. A", "REFUSED"),
    ] {
        assert_eq!(Ask::new(question).now(&chain).rcode, rcode, "{question}");
    }
}

/// A primary of our own: `file` and `transfer` behind a TCP listener.
#[tokio::test]
async fn a_zone_comes_over_from_another_server() {
    let zone = "$TTL 60\n@ SOA ns host 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n*.w TXT wild\n$GENERATE 1-3000 host-$ A 192.0.2.2\n";
    let corefile = "example.org {\ntransfer {\nto *\n}\nfile /db\n}";
    let server = listener_with_file(corefile, "/db", zone);
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let from = socket.local_addr().unwrap();
    let stop = CancellationToken::new();
    let listener = StreamListener::new(
        Transport::Tcp,
        Serving {
            server,
            tls: None,
            limits: Limits::DEFAULT,
            caps: Caps::TCP,
        },
    );
    let serving = tokio::spawn(listener.run(socket, stop.clone()));

    let primaries = Primaries::new(n("example.org."), vec![from]);
    assert_eq!(primaries.serial().await, Ok(7));
    let copy = primaries.zone().await.unwrap();
    let read = |_: &Path, _| Ok(zone.as_bytes().to_vec());
    let own = text::read(Path::new("db"), n("example.org.").view(), None, &read);
    assert_eq!(copy.records(), own.unwrap().unwrap().records());

    let primaries = Primaries::new(n("example.net."), vec![from]);
    assert_eq!(
        primaries.serial().await,
        Err(format!("{from}: bad xfr rcode: 5"))
    );
    assert!(primaries.zone().await.is_err());
    stop.cancel();
    serving.await.unwrap();
}

/// What a server sends that has no zone to give.
#[tokio::test]
async fn half_a_zone_is_none() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let soa = [
        &[0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 1, 0, 22, 0, 0][..],
        &[0; 20],
    ]
    .concat();
    let address = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 1].to_vec();
    for (what, records) in [
        ("nothing", vec![]),
        ("no SOA first", vec![address.clone(), soa.clone()]),
        ("an end without the SOA", vec![soa.clone(), address]),
    ] {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let from = socket.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = socket.accept().await.unwrap();
            let length = usize::from(stream.read_u16().await.unwrap());
            let mut message = vec![0; length];
            stream.read_exact(&mut message).await.unwrap();
            message[2] |= 0x80;
            message[7] = records.len() as u8;
            message.extend(records.concat());
            stream.write_u16(message.len() as u16).await.unwrap();
            stream.write_all(&message).await.unwrap();
        };
        let primaries = Primaries::new(n("example.org."), vec![from]);
        let (zone, ()) = tokio::join!(primaries.zone(), serve);
        assert!(zone.is_err(), "{what}");
    }
}
