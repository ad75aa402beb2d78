//! A chain of three plugins and one of ten, asked for the same name: ten are to cost at most 1.5
//! times as much as three.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callsign::app::plan::{Inputs, plan};
use callsign::corefile::{Corefile, Input, Memory};
use callsign::name::Name;
use callsign::plugin::names;
use callsign::query::{Query, Transport};
use callsign::server::{Arrival, Observer, Server};
use hickory_proto::op::ResponseCode;

/// The shortest useful server block.
const THREE: &str = ".:53 {
    prometheus :9153
    errors
    hosts {
        192.0.2.1 redis.production.svc.cluster.local
    }
}
";

/// The same with seven more plugins that a query passes.
const TEN: &str = ".:53 {
    bufsize 1232
    prometheus :9153
    errors
    local
    any
    loadbalance
    rewrite name example.net example.org
    acl {
        block net 198.51.100.0/24
    }
    header {
        response set ra
    }
    hosts {
        192.0.2.1 redis.production.svc.cluster.local
    }
}
";

/// Questions of one round.
const QUESTIONS: u32 = 200_000;
/// Rounds; they take turns, and the best of each chain counts.
const ROUNDS: usize = 9;

struct Blind;

impl Observer for Blind {
    fn dropped(&self, _: &Query<'_>, _: ResponseCode) {}
    fn panicked(&self, what: &str) {
        panic!("{what}");
    }
}

fn server(corefile: &str) -> Arc<Server> {
    let files = Memory::default();
    let input = Input::text("Corefile", corefile);
    let corefile = Corefile::load(input, &files, &names()).expect("a Corefile");
    let inputs = Inputs {
        dns_port: 53,
        metrics: Arc::default(),
        settings: Arc::default(),
        previous: std::collections::HashMap::new(),
        environment: &files,
    };
    let plan = plan(&corefile, inputs).expect("a plan");
    let blocks = plan.sites.iter().map(|site| site.block.clone());
    Server::new("dns://:53", (0, 1), blocks, false, Arc::new(Blind))
}

/// A question for an address, with an OPT of 1232 bytes.
fn packet() -> Vec<u8> {
    let name = Name::from_text("redis.production.svc.cluster.local").expect("a name");
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    packet.extend_from_slice(name.view().as_bytes());
    packet.extend_from_slice(&[0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

fn round(server: &Arc<Server>, packet: &[u8]) -> Duration {
    let arrival = Arrival {
        client: ([192, 0, 2, 7], 40_000).into(),
        local: ([192, 0, 2, 8], 53).into(),
        transport: Transport::Udp,
        now: tokio::time::Instant::now(),
    };
    let mut out = Vec::with_capacity(512);
    let began = Instant::now();
    for _ in 0..QUESTIONS {
        out.clear();
        black_box(server.handle(black_box(packet), arrival, &mut out));
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
    let [three, ten] = best.map(|best| best.as_secs_f64() * 1e9 / f64::from(QUESTIONS));
    println!(
        "three plugins: {three:.0} ns a query; ten: {ten:.0} ns; ratio {:.2}",
        ten / three
    );
}
