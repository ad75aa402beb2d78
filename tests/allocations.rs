//! What is answered in the receive loop allocates nothing: each row is asked a thousand times, and
//! the counting allocator must not have counted.

#[path = "../benches/support/server.rs"]
#[allow(dead_code, reason = "benchmarks use the rest")]
mod bed;

use std::collections::HashMap;
use std::sync::Arc;

use callsign::app::plan::{Inputs, plan};
use callsign::corefile::{Corefile, Input, Memory};
use callsign::plugin;
use callsign::query::{Query, Transport};
use callsign::server::{Arrival, Handled, Observer, Server};
use hickory_proto::op::ResponseCode;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const COREFILE: &str = "
. {
    prometheus
    errors
    loadbalance
    cache {
        prefetch 1000000
    }
    hosts absent {
        10.0.0.1 a.example.org many.example.org
        10.0.0.2 many.example.org
        10.0.0.3 many.example.org
        fd00::1 a.example.org
        10.0.0.9 *.wild.example.org
    }
}
plain.test {
    prometheus
    errors
    loadbalance
    hosts absent {
        10.0.0.1 a.plain.test many.plain.test
        10.0.0.2 many.plain.test
        10.0.0.9 *.wild.plain.test
    }
}
";

const A: u16 = 1;
const AAAA: u16 = 28;
const PTR: u16 = 12;
const SRV: u16 = 33;

struct Silent;

impl Observer for Silent {
    fn dropped(&self, _: &Query<'_>, _: ResponseCode) {}
    fn panicked(&self, what: &str) {
        panic!("{what}");
    }
}

fn server() -> Arc<Server> {
    let files = Memory::default();
    let input = Input::text("Corefile", COREFILE);
    let corefile = Corefile::load(input, &files, &plugin::names()).expect("a Corefile");
    let inputs = Inputs {
        dns_port: 53,
        metrics: Arc::default(),
        settings: Arc::default(),
        previous: HashMap::new(),
        environment: &files,
    };
    let plan = plan(&corefile, inputs).expect("a plan");
    let blocks = plan.sites.into_iter().map(|site| site.block);
    Server::new("dns://:53", (0, 1), blocks, false, Arc::new(Silent))
}

/// A question of type `qtype`, recursion desired.
fn packet(name: &str, qtype: u16) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend([0, 0]);
    packet.extend([qtype as u8, 0, 1]);
    packet
}

/// The same from a client that takes 1,232 bytes.
fn with_opt(mut packet: Vec<u8>) -> Vec<u8> {
    packet[11] = 1;
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

/// The rows of [`what_is_answered_from_memory_allocates_nothing`] that ask the sample cluster, with
/// the response code.
const CLUSTER: &[(&str, &str, u16, (u8, u8))] = &[
    (
        "a Service's address",
        "redis.production.svc.cluster.local",
        A,
        (0, 1),
    ),
    (
        "no data of a Service",
        "redis.production.svc.cluster.local",
        AAAA,
        (0, 0),
    ),
    (
        "addresses of a headless Service, shuffled",
        "postgres-headless.production.svc.cluster.local",
        A,
        (0, 3),
    ),
    (
        "one endpoint of it",
        "postgres-0.postgres-headless.production.svc.cluster.local",
        A,
        (0, 1),
    ),
    (
        "a name of the search path that does not exist",
        "www.example.com.production.svc.cluster.local",
        A,
        (3, 0),
    ),
    ("a namespace", "production.svc.cluster.local", A, (0, 0)),
    (
        "a port of a Service, and the Service's address with it",
        "_redis._tcp.redis.production.svc.cluster.local",
        SRV,
        (0, 1),
    ),
    (
        "a port of a headless Service, and its endpoints' addresses with it",
        "_postgresql._tcp.postgres-headless.production.svc.cluster.local",
        SRV,
        (0, 3),
    ),
    (
        "all its ports, in another case",
        "Postgres-Headless.production.svc.CLUSTER.local",
        SRV,
        (0, 3),
    ),
    (
        "one endpoint's ports",
        "postgres-0.postgres-headless.production.svc.cluster.local",
        SRV,
        (0, 1),
    ),
    (
        "a pod's name, as SRV",
        "10-1-2-3.production.pod.cluster.local",
        SRV,
        (0, 1),
    ),
];

/// Names whose addresses lead back to names: to so many.
const POINTERS: &[(&str, u8)] = &[
    ("redis.production.svc.cluster.local", 1),
    (
        "postgres-0.postgres-headless.production.svc.cluster.local",
        2,
    ),
];

#[test]
fn what_is_answered_from_memory_allocates_nothing() {
    let server = server();
    let arrival = Arrival {
        client: ([127, 0, 0, 1], 4000).into(),
        local: ([127, 0, 0, 1], 53).into(),
        transport: Transport::Udp,
        now: tokio::time::Instant::now(),
    };
    let ask = |packet: &[u8], out: &mut Vec<u8>| {
        out.clear();
        let handled = server.handle(packet, arrival, out);
        assert!(matches!(handled, Handled::Replied));
    };
    for (what, name, qtype, answers) in [
        ("an answer from the cache", "a.example.org", A, 1),
        ("in another case", "A.Example.org", AAAA, 1),
        (
            "several addresses from the cache, shuffled",
            "many.example.org",
            A,
            3,
        ),
        ("no data from the cache", "many.example.org", AAAA, 0),
        ("an answer of hosts", "a.plain.test", A, 1),
        ("in another case", "A.PLAIN.test", A, 1),
        (
            "several addresses of hosts, shuffled",
            "many.plain.test",
            A,
            2,
        ),
        ("a wildcard of hosts", "x.wild.plain.test", A, 1),
        ("no data of hosts", "a.plain.test", AAAA, 0),
    ] {
        allocates_nothing(what, &packet(name, qtype), (0, answers), ask);
    }
    let bed = bed::Bed::new();
    for (what, name, qtype, told) in CLUSTER {
        let ask = |packet: &[u8], out: &mut Vec<u8>| bed.ask(packet, out);
        // With an OPT: what fits only compressed needs a table of names.
        let packet = match *qtype {
            SRV => with_opt(packet(name, SRV)),
            qtype => packet(name, qtype),
        };
        allocates_nothing(what, &packet, *told, ask);
    }
    for (name, pointers) in POINTERS {
        let ask = |packet: &[u8], out: &mut Vec<u8>| bed.ask(packet, out);
        let mut reply = Vec::new();
        ask(&packet(name, A), &mut reply);
        let address = reply.last_chunk::<4>().expect("an address");
        let [a, b, c, d] = address;
        let reverse = format!("{d}.{c}.{b}.{a}.in-addr.arpa");
        let what = format!("the names of {name}'s address");
        allocates_nothing(&what, &packet(&reverse, PTR), (0, *pointers), ask);
    }
}

/// Asks a thousand times for the same; told are the response code and the number of answers.
fn allocates_nothing(
    what: &str,
    packet: &[u8],
    (rcode, answers): (u8, u8),
    ask: impl Fn(&[u8], &mut Vec<u8>),
) {
    let mut out = Vec::with_capacity(4096);
    let mut ask = || {
        ask(packet, &mut out);
        let told = (out.get(3).map(|byte| byte & 0xf), out.get(7).copied());
        assert_eq!(told, (Some(rcode), Some(answers)), "{what}");
    };
    // The first times fill the cache and make counters.
    (0..3).for_each(|_| ask());
    // What another thread allocates meanwhile (that of the harness, after a minute) is counted too, and
    // not each time.
    let mut count = || {
        let region = Region::new(ALLOCATOR);
        (0..1000).for_each(|_| ask());
        let change = region.change();
        (change.allocations, change.reallocations)
    };
    let fewest = (0..3).map(|_| count()).min();
    assert_eq!(fewest, Some((0, 0)), "{what}");
}
