//! The test of truth: a cluster changes at random while it is asked over UDP and TCP. Each answer must
//! be right for the state before or after the change in flight: never stale, never torn.
//!
//! What is right is worked out by the store's oracle, which goes over all objects as text and shares
//! no code with store, zone or plugin. Questions are written and replies read by hickory-proto.
//! `CHURN_SECONDS` and `CHURN_SEED` set how long and which way.

mod client;
mod history;

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::chain::Chain;
use crate::kubernetes::event::Event;
use crate::kubernetes::object::Object;
use crate::kubernetes::store::Store;
use crate::kubernetes::store::tests::random::any_object;
use crate::kubernetes::testkit::{ALL_KINDS, cluster};
use crate::kubernetes::zone::{Pods, View};
use crate::plugin::setup::{Setup, SetupError};
use crate::server::stream::{Limits, Serving, StreamListener};
use crate::server::udp::{self, UdpListener, Worker};
use crate::server::{Block, Server};
use crate::testing::{NoObserver, n};

use client::{Asker, TIMEOUT, Wire};
use history::History;

const SECONDS: u64 = 8;
/// Fewer answers than this prove nothing.
const LEAST: u64 = 500;

/// A zone of the server, and how the oracle is to see the cluster through it.
struct Served {
    zone: &'static str,
    options: &'static str,
    view: View,
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
        },
        Served {
            zone: "second.test",
            options: "pods verified\nendpoint_pod_names",
            view: View {
                pods: Pods::Verified,
                endpoint_pod_names: true,
                ..View::default()
            },
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

/// Changes the cluster until it is told to end, one event for each few answers.
struct Writer {
    store: Store,
    history: Arc<History>,
    runner: TestRunner,
}

impl Writer {
    fn object(&mut self) -> Object {
        let tree = any_object().new_tree(&mut self.runner);
        tree.unwrap().current()
    }

    fn number(&mut self, below: usize) -> usize {
        (0..below).new_tree(&mut self.runner).unwrap().current()
    }

    fn apply(&mut self, event: Event) {
        let version = self.history.begin(&event);
        self.store.apply(event, u32::try_from(version).unwrap());
        self.history.finish(version);
        let answers = self.number(6) as u64;
        self.history.wait_for_answers(answers);
    }

    /// An object comes, changes or goes; now and then all of a kind are listed, but for one.
    fn step(&mut self) {
        match self.number(20) {
            0 => {
                let kind = ALL_KINDS[self.number(ALL_KINDS.len())];
                let mut objects = self.history.objects(kind);
                let left_out = self.number(objects.len() + 1);
                if left_out < objects.len() {
                    objects.remove(left_out);
                }
                self.apply(Event::Listing(kind));
                for object in objects {
                    self.apply(Event::Apply(object));
                }
                self.apply(Event::Listed(kind));
            }
            1..5 => {
                let object = self.object();
                self.apply(Event::Delete(object.kind(), object.key()));
            }
            _ => {
                let object = self.object();
                // A slice never changes its Service: there it would go from two names, in two steps.
                if !self.history.is_of_another_service(&object) {
                    self.apply(Event::Apply(object));
                }
            }
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn under_churn_no_answer_is_stale_or_torn() {
    let seed = setting("CHURN_SEED", 1);
    let end = Instant::now() + Duration::from_secs(setting("CHURN_SECONDS", SECONDS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (store, zone) = cluster("namespace a\nnamespace bb");
    let server = server(&zone);
    let udp = udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let udp_address = udp.local_addr().unwrap();
    let listener = UdpListener::new(server.clone(), runtime.handle().clone());
    let worker = Worker::new(udp, listener).unwrap();
    let stopper = worker.stopper();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp_address = tcp.local_addr().unwrap();
    tcp.set_nonblocking(true).unwrap();
    let stop = CancellationToken::new();
    let streams = StreamListener::new(
        crate::query::Transport::Tcp,
        Serving {
            server,
            tls: None,
            limits: Limits {
                idle: TIMEOUT,
                ..Limits::DEFAULT
            },
            caps: crate::server::stream::Caps::TCP,
        },
    );
    {
        let _inside = runtime.enter();
        let tcp = tokio::net::TcpListener::from_std(tcp).unwrap();
        runtime.spawn(streams.run(tcp, stop.clone()));
    }
    let history = Arc::new(History::new("namespace a\nnamespace bb"));
    let bytes: Vec<u8> = seed.to_le_bytes().into_iter().cycle().take(32).collect();
    let mut writer = Writer {
        store,
        history: history.clone(),
        runner: TestRunner::new_with_rng(
            Config::default(),
            TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
        ),
    };
    let answers = std::thread::scope(|scope| {
        scope.spawn(|| worker.run().unwrap());
        let ask = |wire: Wire, number: usize| {
            let asker = Asker::new(&history, wire, number, seed);
            scope.spawn(move || asker.run())
        };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(udp_address).unwrap();
        let stream = std::net::TcpStream::connect(tcp_address).unwrap();
        let askers = [ask(Wire::Udp(socket), 0), ask(Wire::Tcp(stream), 1)];
        // On a slow machine it takes longer until enough is proved.
        let is_enough = || Instant::now() >= end && history.least() >= LEAST;
        while !is_enough() && !askers.iter().any(|asker| asker.is_finished()) {
            writer.step();
        }
        history.end();
        let answers = askers.map(|asker| asker.join());
        stopper.stop();
        stop.cancel();
        answers.map(|answers| answers.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let events = history.version();
    println!("seed {seed}: {answers:?} answers over UDP and TCP, {events} events");
    assert!(answers.iter().all(|count| *count >= LEAST), "{answers:?}");
    assert!(events >= LEAST, "{events}");
}
