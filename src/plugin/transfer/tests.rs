use super::*;
use crate::chain::Chain;
use crate::corefile::Memory;
use crate::plugin::setup::Shared;
use crate::server::{Arrival, Handled, render};
use crate::testing::{Ask, Told, n, records, server, set_up, set_up_with, setup_error};

/// A plugin that has `example.org`, with this serial and so many addresses, in portions.
#[derive(Default)]
struct Stubbed {
    serial: u32,
    hosts: usize,
    keeps_newer: bool,
}

impl Export for Stubbed {
    fn export(&self, zone: NameRef<'_>) -> Option<Exported> {
        if zone.as_bytes() == n("late.org.").view().as_bytes() {
            return Some(Exported::NotYet);
        }
        if zone.as_bytes() != n("example.org.").view().as_bytes() {
            return None;
        }
        let soa = format!("example.org. 60 IN SOA a. b. {} 1 2 3 4", self.serial);
        let soa = std::iter::once(Arc::new(records([&[&soa], &[], &[]])));
        let hosts = (0..self.hosts).map(|number| {
            let line = format!("host-{number}.example.org. 60 IN A 192.0.2.1");
            Arc::new(records([&[&line], &[], &[]]))
        });
        Some(Exported::Zone(Snapshot {
            serial: self.serial,
            keeps_newer: self.keeps_newer,
            records: Box::new(soa.chain(hosts)),
        }))
    }
}

fn chain(lines: &str, stub: Stubbed) -> Arc<Chain> {
    let corefile = format!(". {{\n{lines}\n}}");
    let mut shared = Shared::default();
    let set_up = set_up(&corefile, NAME, &mut shared, |setup| {
        super::setup(setup).unwrap();
        Transfers::of(setup).unwrap()
    });
    set_up.value.offer(Arc::new(stub));
    Chain::new(set_up.plugins)
}

/// The messages of a transfer.
fn transferred(chain: &Arc<Chain>, ask: &Ask) -> Vec<Told> {
    messages(chain, ask, &ask.packet())
}

fn messages(chain: &Arc<Chain>, ask: &Ask, packet: &[u8]) -> Vec<Told> {
    let arrival = Arrival {
        client: ask.client,
        local: ask.client,
        transport: ask.transport,
        now: ask.now,
    };
    let mut out = Vec::new();
    let Handled::Transfer(transfer, query) = server(chain).handle(packet, arrival, &mut out) else {
        panic!("no transfer: {ask:?}");
    };
    let told = transfer.0.map(|answer| {
        let mut out = Vec::new();
        render::answer(&answer, &query.view(), &mut out);
        Told::read(out)
    });
    told.collect()
}

#[test]
fn a_zone_begins_and_ends_with_its_soa() {
    let stub = Stubbed {
        serial: 5,
        hosts: 2,
        ..Stubbed::default()
    };
    let chain = chain("transfer example.org {\nto *\n}", stub);
    let told = transferred(&chain, &Ask::new("example.org. AXFR").tcp());
    let soa = "example.org. 60 IN SOA a. b. 5 1 2 3 4";
    let hosts = [0, 1].map(|number| format!("host-{number}.example.org. 60 IN A 192.0.2.1"));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].answer, [soa, &hosts[0], &hosts[1], soa]);
}

#[test]
fn a_large_zone_takes_messages_that_fit() {
    let stub = Stubbed {
        serial: 5,
        hosts: 5000,
        ..Stubbed::default()
    };
    let chain = chain("transfer example.org {\nto *\n}", stub);
    let told = transferred(&chain, &Ask::new("example.org. AXFR").tcp());
    assert!(told.len() > 2, "{}", told.len());
    let count: usize = told.iter().map(|message| message.answer.len()).sum();
    assert_eq!(count, 5002);
    for message in &told {
        assert!(message.bytes.len() < 65_000 && !message.answer.is_empty());
    }
}

#[test]
fn who_has_the_serial_gets_no_more_than_that() {
    for (known, keeps_newer, is_whole) in [
        (4, false, true),
        (5, false, false),
        (6, false, true),
        (4, true, true),
        (5, true, false),
        (6, true, false),
    ] {
        let stub = Stubbed {
            serial: 5,
            hosts: 2,
            keeps_newer,
        };
        let chain = chain("transfer example.org {\nto *\n}", stub);
        let ask = Ask::new("example.org. TYPE251").tcp();
        let mut packet = ask.packet();
        // One record of the authority section: an SOA record of this serial.
        packet[9] = 1;
        packet.extend([
            0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0, 0, 0, 0, known,
        ]);
        packet.extend([0; 16]);
        let told = messages(&chain, &ask, &packet);
        let expected = if is_whole { 4 } else { 1 };
        assert_eq!(told[0].answer.len(), expected, "{known}, {keeps_newer}");
    }
}

#[test]
fn who_may_have_which_zone() {
    let rules = "transfer example.org {\nto 10.240.0.1:5353 192.0.2.1\n}\ntransfer late.org no.org other.org {\nto *\n}\ntransfer sub.example.org {\nto 192.0.2.9\n}";
    for (what, question, client, rcode) in [
        (
            "another client",
            "example.org. AXFR",
            "10.240.0.2",
            "REFUSED",
        ),
        (
            "a part of a zone",
            "www.example.org. AXFR",
            "10.240.0.1",
            "SERVFAIL",
        ),
        (
            "the longest zone counts",
            "a.sub.example.org. AXFR",
            "10.240.0.1",
            "REFUSED",
        ),
        (
            "a zone that is not there",
            "no.org. AXFR",
            "10.240.0.2",
            "SERVFAIL",
        ),
        (
            "a zone that is not known yet",
            "late.org. AXFR",
            "10.240.0.2",
            "SERVFAIL",
        ),
        (
            "no serial",
            "example.org. TYPE251",
            "10.240.0.1",
            "SERVFAIL",
        ),
    ] {
        let chain = chain(
            rules,
            Stubbed {
                serial: 5,
                hosts: 0,
                ..Stubbed::default()
            },
        );
        let mut ask = Ask::new(question).tcp();
        ask.client = (client.parse::<IpAddr>().unwrap(), 4242).into();
        assert_eq!(ask.now(&chain).rcode, rcode, "{what}");
    }
    let chain = chain(
        rules,
        Stubbed {
            serial: 5,
            hosts: 0,
            ..Stubbed::default()
        },
    );
    assert_eq!(
        Ask::new("example.org. AXFR").now(&chain).rcode,
        "REFUSED",
        "UDP"
    );
    assert_eq!(
        transferred(&chain, &Ask::new("example.org. AXFR").tcp()).len(),
        1
    );
}

#[test]
fn what_is_wrong_is_told() {
    for (lines, error) in [
        ("transfer", "'to' is required"),
        ("transfer {\nto\n}", "Wrong argument count"),
        (
            "transfer {\nto example.org\n}",
            "must specify an IP address: `example.org'",
        ),
        (
            "transfer {\nto *\nsource x\n}",
            "invalid source address \"x\"",
        ),
        (
            "transfer {\nto *\nsource ::1\nsource ::1\n}",
            "source already specified",
        ),
        ("transfer {\nfrom *\n}", "unknown property 'from'"),
    ] {
        let told = setup_error(lines);
        assert!(told.contains(error), "{lines}\n{told}");
    }
}

/// A server that is told of changes: the opcode, flags and name that it sees.
#[tokio::test]
async fn a_change_is_told_until_it_is_confirmed() {
    let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let corefile = format!(
        "example.org {{\ntransfer {{\nto * {}\nsource 127.0.0.1\n}}\n}}",
        peer.local_addr().unwrap()
    );
    let set_up = set_up_with(
        &corefile,
        NAME,
        &Memory::default(),
        &mut Shared::default(),
        |setup| {
            super::setup(setup).unwrap();
            Transfers::of(setup).unwrap()
        },
    );
    let answer = async {
        for rcode in [5, 0] {
            let mut packet = [0; 512];
            let (length, from) = peer.recv_from(&mut packet).await.unwrap();
            let name = n("example.org.");
            assert_eq!(packet[2..12], [0x24, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            assert_eq!(&packet[12..length - 4], name.view().as_bytes());
            assert_eq!(packet[length - 4..length], [0, 6, 0, 1]);
            packet[2] |= 0x80;
            packet[3] = rcode;
            peer.send_to(&packet[..length], from).await.unwrap();
        }
    };
    let (zone, transfers) = (n("example.org."), set_up.value);
    tokio::join!(transfers.notify(&zone), answer);
}
