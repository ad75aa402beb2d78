//! One kind of question, asked so many times: `benches/instructions/run` counts the instructions.
//!
//!     instructions KIND COUNT

#[path = "../support/chain.rs"]
mod chain;
#[path = "../support/cluster.rs"]
mod cluster;
#[path = "../support/server.rs"]
mod server;

use callsign::kubernetes::event::Event;
use cluster::ENDPOINTS;
use server::{Bed, packet};

/// The kinds: what is asked, the type, with an OPT or without, and the response code and number of
/// records that must come.
const KINDS: [(&str, &str, u8, bool, u8, u8); 6] = [
    ("now", "redis.production.svc.cluster.local", A, false, 0, 1),
    (
        "now_edns",
        "REDIS.production.svc.Cluster.local",
        A,
        true,
        0,
        1,
    ),
    (
        "now_nxdomain",
        "api.example.com.production.svc.cluster.local",
        A,
        false,
        3,
        0,
    ),
    (
        "now_srv",
        "_postgresql._tcp.postgres-headless.production.svc.cluster.local",
        SRV,
        true,
        0,
        3,
    ),
    ("cache_hit", "www.example.com", A, false, 0, 1),
    ("forward", "www.fresh.example", A, false, 0, 1),
];

const A: u8 = 1;
const SRV: u8 = 33;

/// Chains of so many plugins that answer from what the Corefile says.
const CHAINS: [(&str, &str); 2] = [("chain_of_3", chain::THREE), ("chain_of_10", chain::TEN)];

/// Requests of one batch, as callsign reads them.
const BATCH: u32 = 32;

/// A change of one EndpointSlice, in clusters of so many Services: the count must not grow with them.
const EVENTS: [(&str, u32); 2] = [("event_of_1000", 1_000), ("event_of_20000", 20_000)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, count] = arguments.as_slice() else {
        return eprintln!("instructions KIND COUNT; see benches/instructions/run");
    };
    let count: u32 = count.parse().expect("a number");
    if let Some((_, services)) = EVENTS.iter().find(|(name, _)| name == kind) {
        return change(*services, count);
    }
    if let Some((_, corefile)) = CHAINS.iter().find(|(name, _)| name == kind) {
        let bed = Bed::of(chain::server(corefile));
        return ask(bed, &packet(chain::NAME, true), count, (0, 1));
    }
    let kind = KINDS.iter().find(|(name, ..)| name == kind);
    let (_, name, qtype, edns, rcode, answers) = *kind.expect("a kind");
    let mut packet = packet(name, edns);
    // The type stands behind the header, the labels, each with its length, and the root.
    packet[12 + name.len() + 3] = qtype;
    ask(Bed::new(), &packet, count, (rcode, answers));
}

/// Asks so many times, and expects this response code and number of records.
fn ask(mut bed: Bed, packet: &[u8], count: u32, (rcode, answers): (u8, u8)) {
    let mut out = Vec::with_capacity(4096);
    let mut batch = bed.batch();
    for number in 0..count {
        if number % BATCH == 0 {
            drop(batch);
            batch = bed.batch();
        }
        bed.ask(packet, &mut out);
        let told = (out.get(3).map(|byte| byte & 0xf), out.get(7).copied());
        assert_eq!(told, (Some(rcode), Some(answers)));
    }
}

fn change(services: u32, count: u32) {
    let (mut store, zone) = cluster::cluster(services);
    for n in 0..count {
        // Each time another Service, and each Service between two states.
        let service = n.wrapping_mul(2_654_435_761) % services;
        let slice = cluster::slice(service, ENDPOINTS - 1 - n / services % 2);
        store.apply(Event::Apply(slice), n);
    }
    assert!(zone.serial() > 0);
}
