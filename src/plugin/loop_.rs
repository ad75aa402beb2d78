//! `loop`: finds out whether what this server forwards comes back to it.
//!
//! After the start it asks itself, over the network, for a name that nobody can guess. Seen more
//! than twice, the question goes round. CoreDNS then ends the process, and Kubernetes starts it again,
//! without end; here only what would go round is answered SERVFAIL, with the reason, and all else
//! is served. The question is asked again now and then, so that a loop that is gone is forgotten.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::setup::{Setup, SetupError};
use crate::answer::ExtendedError;
use crate::chain::{Failure, Next, Plugin, Reply};
use crate::name::{Name, NameRef};
use crate::query::Query;
use crate::wire;

/// The directive's name.
const NAME: &str = "loop";
/// The target of log lines.
const LOG: &str = "plugin/loop";
/// How often the question may be seen where nothing goes round.
const MOST_SEEN: u32 = 2;
/// How long the question is tried, until it is answered once.
const TRIES: Duration = Duration::from_secs(30);
/// The pause after a try that was not answered.
const PAUSE: Duration = Duration::from_secs(1);
/// The time for an answer, and then for stragglers.
const WAIT: Duration = Duration::from_secs(2);
/// The time from one look at a loop that was found to the next.
const AGAIN: Duration = Duration::from_secs(60);

/// What looks for a loop through one server block; `forward` asks it what not to send.
pub struct Probe {
    zone: Name,
    round: ArcSwap<Round>,
    /// Whether the round's question is out, and is to be counted.
    out: AtomicBool,
    looping: AtomicBool,
    /// Ends the process where a loop is found.
    strict: bool,
}

/// One question, and how often it was seen.
struct Round {
    name: Name,
    seen: AtomicU32,
}

/// What came of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Loop,
    NoLoop,
    NoAnswer,
}

struct Loop(Arc<Probe>);

/// Reads the directive.
///
/// # Errors
/// It stands in the block twice, or has an argument.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    if cursor.next_arg().is_some() {
        return Err(cursor.arg_err());
    }
    let zone = setup.block.zones.first().cloned();
    let strict = setup.shared.settings.strict_loop;
    let probe = Probe::new(zone.unwrap_or_else(Name::root), strict);
    let block = setup.shared.block;
    setup.shared.exports.push((block, probe.clone()));
    let own = Own {
        listening: setup.shared.listening.clone(),
        host: setup.block.listen.hosts().next().map(str::to_owned),
        port: setup.block.port,
    };
    let task = probe.clone();
    setup.shared.task(
        "loop",
        move |stop| async move { task.run(&own, &stop).await },
    );
    setup.push(Loop(probe));
    Ok(())
}

impl Plugin for Loop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let Self(probe) = self;
        if !probe.is(query) {
            return next.serve(query);
        }
        match probe.see(query) {
            Some(failure) => failure.into(),
            None => next.serve(query),
        }
    }
}

impl Probe {
    fn new(zone: Name, strict: bool) -> Arc<Self> {
        let round = Round::new(&zone);
        Arc::new(Self {
            zone,
            round: ArcSwap::from_pointee(round),
            out: AtomicBool::new(false),
            looping: AtomicBool::new(false),
            strict,
        })
    }

    /// Whether a query is the question that is out now. It must be sent on each time that it
    /// comes, never joined to itself.
    #[must_use]
    pub fn is(&self, query: &Query<'_>) -> bool {
        query.qtype == RecordType::HINFO
            && self.out.load(Ordering::Relaxed)
            && query.lower == self.round.load().name.view()
    }

    /// Whether a query is not to be sent: a loop was found on the way of the names for which
    /// `carries` is true.
    #[must_use]
    pub fn stops(&self, query: &Query<'_>, carries: impl FnOnce(NameRef<'_>) -> bool) -> bool {
        self.looping.load(Ordering::Relaxed)
            && !self.is(query)
            && carries(self.round.load().name.view())
    }

    /// Counts the question; the failure that ends its way where it goes round.
    fn see(&self, query: &Query<'_>) -> Option<Failure> {
        let round = self.round.load();
        if round.seen.fetch_add(1, Ordering::Relaxed) < MOST_SEEN {
            return None;
        }
        if !self.looping.swap(true, Ordering::Relaxed) {
            self.tell(query, &round.name);
        }
        let text = "the query goes round in a loop of forwards";
        let failure = Failure::new(NAME, ResponseCode::ServFail, text);
        Some(failure.with_extended(ExtendedError::NO_REACHABLE_AUTHORITY, text))
    }

    /// Says once what was found. The first sentence is CoreDNS's, which people search for.
    fn tell(&self, query: &Query<'_>, name: &Name) {
        let (client, local, zone) = (query.request.client, query.request.local, &self.zone);
        let found = format!(
            "Loop ({client} -> {local}) detected for zone \"{zone}\", see \
             https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO {name}\""
        );
        if self.strict {
            // Not by way of the log: the thread that writes it may not get to it any more.
            eprintln!("[FATAL] {LOG}: {found}");
            std::process::exit(1);
        }
        error!(
            target: LOG,
            "{found}. Names that would go round are answered SERVFAIL; all others are served. Look \
             for an upstream of 'forward' that leads back here: a loopback address in the \
             resolv.conf of the node, or the address of the cluster's DNS Service"
        );
    }

    /// Asks until there is an answer, or time is up; and where there is a loop, until it is gone.
    async fn run(&self, own: &Own, stop: &CancellationToken) {
        let began = Instant::now();
        let mut found = Found::NoAnswer;
        while found == Found::NoAnswer && began.elapsed() < TRIES {
            found = self.round(own, stop).await;
            if found == Found::NoAnswer && !sleep(PAUSE, stop).await {
                return;
            }
        }
        while self.looping.load(Ordering::Relaxed) {
            if !sleep(AGAIN, stop).await {
                return;
            }
            if self.round(own, stop).await == Found::NoLoop {
                self.looping.store(false, Ordering::Relaxed);
                info!(target: LOG, "the loop for zone \"{}\" is gone: forwarding again", self.zone);
            }
        }
    }

    /// Asks once, under a new name: what a cache kept of the name before would tell nothing.
    async fn round(&self, own: &Own, stop: &CancellationToken) -> Found {
        let round = Arc::new(Round::new(&self.zone));
        self.round.store(round.clone());
        self.out.store(true, Ordering::Relaxed);
        let loops = || round.seen.load(Ordering::Relaxed) > MOST_SEEN;
        let mut found = match timeout(WAIT, ask(own.address(), &round.name)).await {
            _ if loops() => Found::Loop,
            Ok(Ok(())) => Found::NoLoop,
            Ok(Err(_)) | Err(_) => Found::NoAnswer,
        };
        if found == Found::NoLoop {
            sleep(WAIT, stop).await;
            if loops() {
                found = Found::Loop;
            }
        }
        self.out.store(false, Ordering::Relaxed);
        found
    }
}

impl Round {
    /// `<128 random bits>.<64 random bits>.ZONE`: nobody who did not see it can ask for it.
    fn new(zone: &Name) -> Self {
        let labels = [
            rand::random::<u128>().to_string(),
            rand::random::<u64>().to_string(),
        ];
        let labels = labels.iter().map(String::as_bytes);
        let name = Name::from_labels(labels.chain(zone.view().labels()));
        Self {
            // Below a zone so long that no name fits there is nothing to find: its own is not asked.
            name: name.unwrap_or_else(|_| zone.clone()),
            seen: AtomicU32::new(0),
        }
    }
}

/// Where this block is listened for.
struct Own {
    listening: Arc<OnceLock<Vec<SocketAddr>>>,
    host: Option<String>,
    port: u16,
}

impl Own {
    /// The first address of the block; a loopback address where it listens on all.
    fn address(&self) -> SocketAddr {
        let host = self.host.as_ref().and_then(|host| host.parse().ok());
        let listening = self.listening.get().into_iter().flatten();
        let mut fitting = listening.filter(|own| {
            own.port() == self.port && host.is_none_or(|host: IpAddr| own.ip() == host)
        });
        let ip = host.or_else(|| fitting.next().map(SocketAddr::ip));
        match ip.filter(|ip| !ip.is_unspecified()) {
            Some(ip) => SocketAddr::new(ip, self.port),
            None => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port),
        }
    }
}

/// Sleeps, unless it is time to stop.
async fn sleep(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}

/// Asks for `name HINFO`, and waits for any reply.
async fn ask(server: SocketAddr, name: &Name) -> std::io::Result<()> {
    let id: u16 = rand::random();
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend_from_slice(&wire::Flags::RD.bits().to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(name.view().as_bytes());
    packet.extend_from_slice(&u16::from(RecordType::HINFO).to_be_bytes());
    packet.extend_from_slice(&1u16.to_be_bytes());
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(&packet).await?;
    let mut reply = [0; 512];
    loop {
        let length = socket.recv(&mut reply).await?;
        if wire::u16_at(reply.get(..length).unwrap_or_default(), 0) == Some(id) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
