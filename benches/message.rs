//! A request through decode, chain and render, without a socket.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use callsign::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use callsign::chain::{Chain, Next, Plugin, Reply};
use callsign::name::{MAX_NAME, Name};
use callsign::query::{Query, Request, Transport};
use callsign::server::decode::decode;
use callsign::server::{Arrival, Block, Observer, Server};
use criterion::{Criterion, criterion_group, criterion_main};
use hickory_proto::op::ResponseCode;
use tokio::time::Instant;

struct Blind;

impl Observer for Blind {
    fn dropped(&self, _: &Query<'_>, _: ResponseCode) {}
    fn panicked(&self, _: &str) {}
}

/// So many addresses for every question.
struct Addresses(Arc<[Ipv4Addr]>);

impl Plugin for Addresses {
    fn name(&self) -> &'static str {
        "addresses"
    }

    fn serve(&self, query: &Query<'_>, _: Next<'_>) -> Reply {
        let mut answer = Answer::new(query, "addresses", Origin::Zone).authoritative();
        let data = match self.0.as_ref() {
            [one] => Data::A(*one),
            _ => Data::ManyA(self.0.clone()),
        };
        let set = RecordSet {
            section: Section::Answer,
            owner: NameSpec::QNAME,
            ttl: 30,
            data,
        };
        answer.push(query, set);
        answer.into()
    }
}

fn server(addresses: u8) -> Arc<Server> {
    let addresses = (0..addresses)
        .map(|last| Ipv4Addr::new(10, 0, 0, last))
        .collect();
    let block = Block {
        zone: Name::root(),
        view: "".into(),
        filters: Vec::new(),
        chain: Chain::new(vec![Arc::new(Addresses(addresses))]),
    };
    Server::new(
        "dns://:53",
        (0, 1),
        [Arc::new(block)],
        false,
        Arc::new(Blind),
    )
}

/// A question for an address, with an OPT of 1232 bytes.
fn packet() -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    if let Ok(name) = Name::from_text("redis.production.svc.cluster.local") {
        packet.extend_from_slice(name.view().as_bytes());
    }
    packet.extend_from_slice(&[0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

fn messages(criterion: &mut Criterion) {
    let packet = packet();
    criterion.bench_function("decode", |bencher| {
        bencher.iter(|| decode(black_box(&packet), &mut [0; MAX_NAME]).is_ok());
    });
    let arrival = Arrival {
        client: ([127, 0, 0, 1], 40_000).into(),
        local: ([127, 0, 0, 1], 53).into(),
        transport: Transport::Udp,
        now: Instant::now(),
    };
    for addresses in [1, 5, 50] {
        let server = server(addresses);
        let mut out = Vec::with_capacity(4096);
        criterion.bench_function(&format!("handle, {addresses} addresses"), |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(server.handle(black_box(&packet), arrival, &mut out));
            });
        });
    }
    // What a request costs in memory is part of what it costs in time.
    assert!(size_of::<Request>() < 160);
}

criterion_group!(benches, messages);
criterion_main!(benches);
