//! A chain of three plugins and one of ten, asked for the same name: ten are to cost at most 1.5
//! times as much as three. Counted without a clock: `benches/instructions/run`.

#[path = "support/server.rs"]
#[expect(dead_code, reason = "it has a cluster, too")]
mod bed;
#[path = "support/chain.rs"]
mod chain;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bed::{Bed, packet};
use chain::{NAME, TEN, THREE, server};

/// Questions that come together, as a UDP thread has them at saturation.
const BATCH: u32 = 32;
/// Batches of one round.
const BATCHES: u32 = 6_000;
/// Rounds; they take turns, and the best of each chain counts.
const ROUNDS: usize = 9;

fn round(bed: &mut Bed, packet: &[u8]) -> Duration {
    let mut out = Vec::with_capacity(512);
    let began = Instant::now();
    for _ in 0..BATCHES {
        let _batch = bed.batch();
        for _ in 0..BATCH {
            bed.ask(black_box(packet), &mut out);
            black_box(&out);
        }
    }
    began.elapsed()
}

fn main() {
    let mut beds = [THREE, TEN].map(|corefile| Bed::of(server(corefile)));
    let packet = packet(NAME, true);
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (bed, best) in beds.iter_mut().zip(&mut best) {
            *best = round(bed, &packet).min(*best);
        }
    }
    let [three, ten] = best.map(|best| best.as_secs_f64() * 1e9 / f64::from(BATCH * BATCHES));
    println!(
        "three plugins: {three:.0} ns a query; ten: {ten:.0} ns; ratio {:.2}",
        ten / three
    );
}
