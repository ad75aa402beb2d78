//! A chain of three plugins and one of ten, asked for the same name: ten are to cost at most 1.5
//! times as much as three. Counted without a clock: `benches/instructions/run`.

#[path = "support/chain.rs"]
mod chain;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant as Clock;

use callsign::metrics::Batch;
use callsign::name::Name;
use callsign::query::Transport;
use callsign::server::{Arrival, Server};
use chain::{NAME, TEN, THREE, server};
use tokio::time::{Duration, Instant};

/// Questions that come together, as a UDP thread has them at saturation.
const BATCH: u32 = 32;
/// Batches of one round.
const BATCHES: u32 = 6_000;
/// Rounds; they take turns, and the best of each chain counts.
const ROUNDS: usize = 9;

/// A question for an address, with an OPT of 1232 bytes.
fn packet() -> Vec<u8> {
    let name = Name::from_text(NAME).expect("a name");
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    packet.extend_from_slice(name.view().as_bytes());
    packet.extend_from_slice(&[0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

fn round(server: &Arc<Server>, packet: &[u8]) -> Duration {
    let mut out = Vec::with_capacity(512);
    let began = Clock::now();
    for _ in 0..BATCHES {
        let arrival = Arrival {
            client: ([192, 0, 2, 7], 40_000).into(),
            local: ([192, 0, 2, 8], 53).into(),
            transport: Transport::Udp,
            now: Instant::now(),
        };
        let _batch = Batch::open(arrival.now);
        for _ in 0..BATCH {
            out.clear();
            black_box(server.handle(black_box(packet), arrival, &mut out));
        }
    }
    began.elapsed()
}

fn main() {
    let servers = [server(THREE), server(TEN)];
    let packet = packet();
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (server, best) in servers.iter().zip(&mut best) {
            *best = round(server, &packet).min(*best);
        }
    }
    let [three, ten] = best.map(|best| best.as_secs_f64() * 1e9 / f64::from(BATCH * BATCHES));
    println!(
        "three plugins: {three:.0} ns a query; ten: {ten:.0} ns; ratio {:.2}",
        ten / three
    );
}
