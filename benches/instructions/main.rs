//! One kind of question, asked so many times: `benches/instructions/run` counts the instructions.
//!
//!     instructions KIND COUNT

#[path = "../support/server.rs"]
mod server;

use server::{Bed, packet};

/// The kinds: what is asked, with an OPT or without, and the response code and number of records
/// that must come.
const KINDS: [(&str, &str, bool, u8, u8); 5] = [
    ("now", "redis.production.svc.cluster.local", false, 0, 1),
    ("now_edns", "REDIS.production.svc.Cluster.local", true, 0, 1),
    (
        "now_nxdomain",
        "api.example.com.production.svc.cluster.local",
        false,
        3,
        0,
    ),
    ("cache_hit", "www.example.com", false, 0, 1),
    ("forward", "www.fresh.example", false, 0, 1),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, count] = arguments.as_slice() else {
        return eprintln!("instructions KIND COUNT; see benches/instructions/run");
    };
    let count: u32 = count.parse().expect("a number");
    let kind = KINDS.iter().find(|(name, ..)| name == kind);
    let (_, name, edns, rcode, answers) = *kind.expect("a kind");
    let (bed, packet) = (Bed::new(), packet(name, edns));
    let mut out = Vec::with_capacity(4096);
    for _ in 0..count {
        bed.ask(&packet, &mut out);
        let told = (out.get(3).map(|byte| byte & 0xf), out.get(7).copied());
        assert_eq!(told, (Some(rcode), Some(answers)), "{name}");
    }
}
