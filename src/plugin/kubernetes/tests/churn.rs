//! The test of truth: a cluster changes at random while it is asked over UDP, over TCP and by calls.
//! Each answer must be right for the state before or after the change in flight: never stale, never
//! torn. Where nothing is in flight, the answer over TCP is that over UDP to the last byte, and where
//! that one is cut, the whole of it.
//!
//! What is right is worked out by the store's oracle, which goes over all objects as text and shares
//! no code with store, zone or plugin. Questions are written and replies read by hickory-proto. That
//! wrong answers are found is seen in two ways: `proof.rs` gives the judge replies with a fault in
//! them, and the whole test is run with stores that have one.
//! `CHURN_SECONDS` and `CHURN_SEED` set how long and which way.

mod client;
mod history;
mod judge;
mod proof;
mod question;
mod writer;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::chain::Chain;
use crate::kubernetes::testkit::cluster;
use crate::kubernetes::zone::{Pods, View};
use crate::plugin::setup::{Setup, SetupError};
use crate::query::Transport;
use crate::server::stream::{Caps, Limits, Serving, StreamListener};
use crate::server::udp::{self, UdpListener, Worker};
use crate::server::{Block, Server};
use crate::testing::{NoObserver, n};

use client::{Asker, Caller, TIMEOUT};
use history::History;
use question::Questions;
use writer::{Fault, Writer};

const SECONDS: u64 = 8;
/// How much longer a slow machine may take to prove enough.
const PATIENCE: Duration = Duration::from_secs(120);
/// How the cluster begins.
const OBJECTS: &str = "namespace a\nnamespace bb";

/// A zone of the server, and how the oracle is to see the cluster through it.
struct Served {
    zone: &'static str,
    options: &'static str,
    view: View,
    /// Whether addresses come in another order each time.
    is_shuffled: bool,
}

/// What was asked and found right.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Over UDP and TCP.
    answers: u64,
    /// Without a socket.
    calls: u64,
}

fn served() -> [Served; 2] {
    [
        Served {
            zone: "cluster.local",
            options: "pods insecure",
            view: View {
                pods: Pods::Insecure,
                ..View::default()
            },
            is_shuffled: true,
        },
        Served {
            zone: "second.test",
            options: "pods verified\nendpoint_pod_names",
            view: View {
                pods: Pods::Verified,
                endpoint_pod_names: true,
                ..View::default()
            },
            is_shuffled: false,
        },
    ]
}

/// The plugins that stand before `kubernetes` in kubeadm's Corefile and see every answer.
fn chain(served: &Served, zone: &Arc<Zone>) -> Arc<Chain> {
    type SetUp = fn(&mut Setup<'_>) -> Result<(), SetupError>;
    let before: [(&str, SetUp); 4] = [
        ("prometheus", crate::plugin::prometheus::setup),
        ("errors", crate::plugin::errors::setup),
        ("loadbalance", crate::plugin::loadbalance::setup),
        ("cache", crate::plugin::cache::setup),
    ];
    let mut plugins = Vec::new();
    for (name, setup) in before {
        if name == "loadbalance" && !served.is_shuffled {
            continue;
        }
        let corefile = format!("{} {{\n{name}\n}}", served.zone);
        let made = set_up(&corefile, name, &mut Shared::default(), setup);
        made.value.unwrap();
        plugins.extend(made.plugins);
    }
    let directive = format!(
        "{} in-addr.arpa ip6.arpa {{\n{}\n}}",
        served.zone, served.options
    );
    let state = state(&directive, zone.clone(), &[]);
    plugins.push(Arc::new(Kubernetes { state }));
    Chain::new(plugins)
}

fn server(zone: &Arc<Zone>) -> Arc<Server> {
    let mut blocks = Vec::new();
    for served in served() {
        let chain = chain(&served, zone);
        let is_first = blocks.is_empty();
        let reverse = ["in-addr.arpa", "ip6.arpa"];
        let zones = [served.zone]
            .into_iter()
            .chain(reverse.into_iter().filter(|_| is_first));
        blocks.extend(zones.map(|zone| {
            Arc::new(Block {
                zone: n(zone),
                view: "".into(),
                filters: Vec::new(),
                chain: chain.clone(),
                metadata: None,
            })
        }));
    }
    Server::new("dns://:53", (0, 1), blocks, true, Arc::new(NoObserver))
}

/// A server's sockets.
struct Listening {
    runtime: Runtime,
    worker: Worker,
    udp: SocketAddr,
    tcp: SocketAddr,
    stop: CancellationToken,
}

impl Listening {
    fn new(server: &Arc<Server>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let udp = udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let udp_address = udp.local_addr().unwrap();
        let listener = UdpListener::new(server.clone(), runtime.handle().clone());
        let worker = Worker::new(udp, listener).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp_address = tcp.local_addr().unwrap();
        tcp.set_nonblocking(true).unwrap();
        let stop = CancellationToken::new();
        let serving = Serving {
            server: server.clone(),
            tls: None,
            limits: Limits {
                idle: TIMEOUT,
                ..Limits::DEFAULT
            },
            caps: Caps::TCP,
        };
        let streams = StreamListener::new(Transport::Tcp, serving);
        {
            let _inside = runtime.enter();
            let tcp = tokio::net::TcpListener::from_std(tcp).unwrap();
            runtime.spawn(streams.run(tcp, stop.clone()));
        }
        Self {
            runtime,
            worker,
            udp: udp_address,
            tcp: tcp_address,
            stop,
        }
    }

    fn asker<'h>(&self, history: &'h History, number: usize, seed: u64) -> Asker<'h> {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.connect(self.udp).unwrap();
        Asker {
            history,
            udp,
            tcp: std::net::TcpStream::connect(self.tcp).unwrap(),
            number,
            questions: Questions::new(seed + 1 + number as u64),
        }
    }
}

/// Changes and asks for so long, or on a slow machine until enough is proved. What was right, or what
/// was wrong first.
fn churn(seed: u64, time: Duration, fault: Option<Fault>) -> Result<Tally, String> {
    let end = Instant::now() + time;
    let (store, zone) = cluster(OBJECTS);
    let server = server(&zone);
    let listening = Listening::new(&server);
    let history = Arc::new(History::new(OBJECTS));
    let mut writer = Writer::new(store, history.clone(), seed, fault);
    let stopper = listening.worker.stopper();
    let tallies = std::thread::scope(|scope| {
        let askers = [0, 1].map(|number| listening.asker(&history, number, seed));
        let caller = Caller {
            history: &history,
            server: server.clone(),
        };
        scope.spawn(|| listening.worker.run().unwrap());
        let [one, other] = askers.map(|asker| scope.spawn(|| asker.run()));
        let asking = [one, other, scope.spawn(|| caller.run())];
        let is_over = || match Instant::now() {
            now if now < end => false,
            now => history.is_enough() || now >= end + PATIENCE,
        };
        while !is_over() && !asking.iter().any(|asking| asking.is_finished()) {
            writer.step();
        }
        history.end();
        let tallies = asking.map(|asking| asking.join());
        stopper.stop();
        listening.stop.cancel();
        tallies
    });
    drop(listening.runtime);
    let mut sum = Tally::default();
    for tally in tallies {
        // A panic is the test's own.
        let tally = tally.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        sum.answers += tally.answers;
        sum.calls += tally.calls;
    }
    assert!(history.is_enough(), "{sum:?}, {}", history.progress());
    Ok(sum)
}

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn under_churn_no_answer_is_stale_or_torn() {
    let seed = setting("CHURN_SEED", 1);
    let time = Duration::from_secs(setting("CHURN_SECONDS", SECONDS));
    let tally = churn(seed, time, None).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    println!("seed {seed}: {tally:?}");
}

/// A test that cannot fail proves nothing: the same with a fault in what is done for an event.
#[test]
fn under_churn_each_fault_of_a_store_is_found() {
    let time = Duration::from_secs(60);
    for fault in [
        Fault::Skips,
        Fault::ForgetsRemovals,
        Fault::ForgetsRelists,
        Fault::InTwoSteps,
        Fault::IsLate,
    ] {
        let begin = Instant::now();
        let found = churn(setting("CHURN_SEED", 1), time, Some(fault));
        assert!(found.is_err(), "{fault:?}: {found:?}");
        println!("{fault:?}: after {:?}", begin.elapsed());
    }
}
