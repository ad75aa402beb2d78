//! The sample cluster behind kubeadm's chain, or another listener, without a socket of its own: what
//! a UDP thread calls for every request.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use callsign::app::plan::{Inputs, plan};
use callsign::corefile::{Corefile, Input, System};
use callsign::kubernetes::manifests::Source;
use callsign::metrics::{Batch, Registry};
use callsign::plugin;
use callsign::plugin::prometheus::Dropped;
use callsign::plugin::setup::Settings;
use callsign::query::Transport;
use callsign::server::{Arrival, Handled, Server};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// What kubeadm writes, without what opens a port.
const COREFILE: &str = "
.:53 {
    errors
    health 127.0.0.1:0
    ready 127.0.0.1:0
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus 127.0.0.1:0
    forward . UPSTREAM {
        max_concurrent 1000
        health_check 1h
    }
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
fresh.example:53 {
    errors
    prometheus 127.0.0.1:0
    forward . UPSTREAM {
        max_concurrent 1000
        health_check 1h
    }
}
";

/// The chain, the tasks beside it and an upstream that knows every name.
pub(crate) struct Bed {
    server: Arc<Server>,
    runtime: Runtime,
    arrival: Arrival,
    /// A prefetch or a connection ends with these.
    _stop: tokio_util::sync::DropGuard,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let runtime = runtime();
        let upstream = upstream();
        let text = COREFILE.replace("UPSTREAM", &upstream.to_string());
        let input = Input::text("Corefile", text.as_str());
        let corefile = Corefile::load(input, &System, &plugin::names()).expect("a Corefile");
        let settings = Settings {
            // The compiled-in copy: nothing looks for changes of files meanwhile.
            manifests: Some(Source::Embedded),
            ..Settings::default()
        };
        let metrics = Arc::<Registry>::default();
        let inputs = Inputs {
            dns_port: 53,
            metrics: metrics.clone(),
            settings: Arc::new(settings),
            previous: Default::default(),
            environment: &System,
        };
        let mut plan = plan(&corefile, inputs).expect("a plan");
        let stop = CancellationToken::new();
        runtime.block_on(async {
            let shared = &mut plan.shared;
            let _ = shared.runtime.set(tokio::runtime::Handle::current());
            let _ = shared.listening.set(Vec::new());
            for (task, stop) in shared.kept.values().filter_map(|kept| kept.start()) {
                tokio::spawn(task(stop));
            }
            for (plugin, before) in std::mem::take(&mut shared.before_serving) {
                before
                    .await
                    .unwrap_or_else(|error| panic!("{plugin}: {error}"));
            }
            for (_, task) in std::mem::take(&mut shared.tasks) {
                tokio::spawn(task(stop.clone()));
            }
        });
        let observer = Arc::new(Dropped::new(&metrics, "dns://:53"));
        let blocks = plan.sites.iter().map(|site| site.block.clone());
        // The cluster's state lives for as long as somebody keeps it.
        std::mem::forget(plan.shared);
        let server = Server::new("dns://:53", (0, 1), blocks, false, observer);
        Self {
            runtime,
            _stop: stop.drop_guard(),
            ..Self::of(server)
        }
    }

    /// A listener with no task beside it.
    pub(crate) fn of(server: Arc<Server>) -> Self {
        Self {
            server,
            runtime: runtime(),
            arrival: Arrival {
                client: ([127, 0, 0, 1], 40_000).into(),
                local: ([127, 0, 0, 1], 53).into(),
                transport: Transport::Udp,
                now: tokio::time::Instant::now(),
            },
            _stop: CancellationToken::new().drop_guard(),
        }
    }

    /// Requests that come together and now, as a UDP thread has them: times are told at their end.
    pub(crate) fn batch(&mut self) -> Batch {
        self.arrival.now = tokio::time::Instant::now();
        Batch::open(self.arrival.now)
    }

    /// Asks, waiting for what comes later; the reply is in `out`.
    pub(crate) fn ask(&self, packet: &[u8], out: &mut Vec<u8>) {
        out.clear();
        match self.server.handle(packet, self.arrival, out) {
            Handled::Replied => {}
            Handled::Later(reply) => {
                let reply = self.runtime.block_on(reply);
                out.extend_from_slice(&reply.unwrap_or_default());
            }
            Handled::Silent | Handled::Transfer(..) => {}
        }
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// A question for an address, with or without an OPT of 1232 bytes.
pub(crate) fn packet(name: &str, edns: bool) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    for label in name.split('.') {
        packet.push(u8::try_from(label.len()).unwrap_or_default());
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend_from_slice(&[0, 0, 1, 0, 1]);
    if edns {
        packet.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    }
    packet
}

/// Answers every question with one address, in a thread of its own.
fn upstream() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let address = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut message) {
            message[2] |= 0x80;
            message[3] = 0x80;
            message[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
            let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1];
            let end = length + record.len();
            if let Some(place) = message.get_mut(length..end) {
                place.copy_from_slice(&record);
                let _ = socket.send_to(&message[..end], peer);
            }
        }
    });
    address
}
