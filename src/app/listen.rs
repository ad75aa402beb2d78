//! Sockets and the threads and tasks on them: what a reload keeps, adds and takes away.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::plan::{ListenKey, Site};
use crate::plugin::setup::Listen;
use crate::query::Transport;
use crate::server::quic::QuicListener;
use crate::server::stream::{Caps, Serving, StreamListener};
use crate::server::udp::{bind as bind_udp, unspecified};

mod udp;

use udp::UdpThreads;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Connections over HTTPS and QUIC, unless a block says otherwise.
const CONNECTIONS: usize = 200;
/// Requests of one connection over HTTPS that wait at one time, unless a block says otherwise.
const HTTPS_STREAMS: usize = 250;
/// The same over QUIC.
const QUIC_STREAMS: usize = 256;
/// The same of all connections over QUIC.
const WORKERS: usize = 1024;
/// How often it is looked whether queries still come.
const LOOK: Duration = Duration::from_millis(50);
/// Looks in a row without a new query, a second together, after which the sockets count as quiet. They
/// are counted, not timed: while this process gets no processor, it sees no query and nobody is quiet.
const QUIET: u32 = 20;

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {proto} {address}: {source}{hint}")]
pub struct BindError {
    proto: &'static str,
    address: SocketAddr,
    source: io::Error,
    hint: &'static str,
}

impl BindError {
    fn new(proto: &'static str, address: SocketAddr, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::PermissionDenied => {
                " (ports below 1024 need the capability NET_BIND_SERVICE, or another port by -dns.port)"
            }
            io::ErrorKind::AddrInUse => " (another server has it; -dns.port sets another port)",
            io::ErrorKind::AddrNotAvailable => " (no interface of this machine has this address)",
            _ => "",
        };
        Self {
            proto,
            address,
            source,
            hint,
        }
    }
}

/// What one listening address is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The address.
    pub key: ListenKey,
    /// UDP threads.
    pub threads: usize,
}

/// Sockets of one address, bound and not yet served.
pub struct Bound {
    wanted: Wanted,
    /// The port: the kernel's choice where 0 was asked for.
    port: u16,
    udp: Vec<UdpSocket>,
    /// `None` where the address is served, and only its UDP sockets are to be others.
    main: Option<Main>,
}

/// The socket of which an address has one.
enum Main {
    Tcp(std::net::TcpListener),
    Quic(UdpSocket),
}

/// An address that is served.
struct Active {
    wanted: Wanted,
    port: u16,
    udp: Option<UdpThreads>,
    main: Served,
    stop: CancellationToken,
}

/// What is read from the main socket of an address.
enum Served {
    Stream(Arc<StreamListener>),
    Quic(Arc<QuicListener>),
}

/// All addresses that are served.
#[derive(Default)]
pub struct Listeners {
    active: BTreeMap<ListenKey, Active>,
    tasks: TaskTracker,
}

impl Active {
    /// The number of requests that came so far.
    fn received(&self) -> u64 {
        let udp = self.udp.as_ref().map_or(0, UdpThreads::received);
        udp + match &self.main {
            Served::Stream(listener) => listener.received(),
            Served::Quic(listener) => listener.received(),
        }
    }
}

impl Bound {
    /// Binds the sockets of an address: UDP and TCP for `dns`, UDP for `quic`, TCP for the others.
    fn bind(wanted: Wanted) -> Result<Self, BindError> {
        let ip = wanted.key.ip.unwrap_or_else(unspecified);
        if wanted.key.transport == "quic" {
            return Self::bind_quic(SocketAddr::new(ip, wanted.key.port), wanted);
        }
        // Where the kernel is to choose the port, the one it gives for TCP may be taken for UDP.
        let tries = if wanted.key.port == 0 { 16 } else { 1 };
        let mut failed = None;
        for _ in 0..tries {
            let address = SocketAddr::new(ip, wanted.key.port);
            let tcp = bind_tcp(address).map_err(|error| BindError::new("tcp", address, error))?;
            let port = tcp
                .local_addr()
                .map_or(wanted.key.port, |bound| bound.port());
            let udp = match wanted.key.transport {
                "dns" => udp::bind(SocketAddr::new(ip, port), wanted.threads),
                _ => Ok(Vec::new()),
            };
            match udp {
                Ok(udp) => {
                    return Ok(Self {
                        wanted,
                        port,
                        udp,
                        main: Some(Main::Tcp(tcp)),
                    });
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| {
            let address = SocketAddr::new(ip, 0);
            BindError::new("udp", address, io::ErrorKind::AddrInUse.into())
        }))
    }

    fn bind_quic(address: SocketAddr, wanted: Wanted) -> Result<Self, BindError> {
        let failed = |error| BindError::new("udp", address, error);
        let socket = bind_udp(address).map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        Ok(Self {
            wanted,
            port,
            udp: Vec::new(),
            main: Some(Main::Quic(socket)),
        })
    }

    /// The address that was asked for.
    #[must_use]
    pub fn wanted(&self) -> &ListenKey {
        &self.wanted.key
    }

    /// The address as metrics and logs name it, with the port that was bound.
    #[must_use]
    pub fn key(&self) -> ListenKey {
        ListenKey {
            port: self.port,
            ..self.wanted.key.clone()
        }
    }

    fn start_udp(udp: Vec<UdpSocket>, serving: &Serving) -> io::Result<Option<UdpThreads>> {
        match udp.is_empty() {
            true => Ok(None),
            false => UdpThreads::start(udp, serving.server.clone()).map(Some),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    // As CoreDNS: the next process can listen before this one has let go.
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How much an address takes at one time. As in CoreDNS, the first block of a listener decides.
pub(super) fn caps(key: &ListenKey, sites: &[Site]) -> Caps {
    let said = |of: fn(&Listen) -> crate::plugin::https::Caps| {
        sites
            .first()
            .map_or_else(Default::default, |site| of(&site.listen))
    };
    let (said, streams) = match key.transport {
        "https" => (said(|listen| listen.https), HTTPS_STREAMS),
        "quic" => (said(|listen| listen.quic), QUIC_STREAMS),
        _ => return Caps::TCP,
    };
    let connections = match said.connections {
        None => CONNECTIONS,
        Some(0) => Caps::TCP.connections,
        Some(most) => most,
    };
    let streams = said.streams.filter(|most| *most > 0).unwrap_or(streams);
    Caps {
        connections,
        streams: u32::try_from(streams).unwrap_or(u32::MAX),
        workers: said.workers.unwrap_or(WORKERS).min(Semaphore::MAX_PERMITS),
    }
}

impl Listeners {
    /// Binds what is not served yet; `None` where the address is served as it is wanted.
    ///
    /// # Errors
    /// [`BindError`] names the address, and what can be done.
    pub fn bind(&self, wanted: Wanted) -> Result<Option<Bound>, BindError> {
        let Some(active) = self.active.get(&wanted.key) else {
            return Bound::bind(wanted).map(Some);
        };
        if active.wanted == wanted || active.udp.is_none() {
            return Ok(None);
        }
        let ip = wanted.key.ip.unwrap_or_else(unspecified);
        let udp = udp::bind(SocketAddr::new(ip, active.port), wanted.threads)?;
        Ok(Some(Bound {
            wanted,
            port: active.port,
            udp,
            main: None,
        }))
    }

    /// The address with the port that it has.
    #[must_use]
    pub fn bound_key(&self, key: &ListenKey) -> Option<ListenKey> {
        self.active.get(key).map(|active| ListenKey {
            port: active.port,
            ..key.clone()
        })
    }

    /// Starts what is bound. Where only UDP sockets are new, the old ones are let go of.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(&mut self, bound: Bound, serving: Serving) -> io::Result<()> {
        let udp = Bound::start_udp(bound.udp, &serving)?;
        let key = bound.wanted.key.clone();
        let Some(main) = bound.main else {
            self.swap(&key, serving);
            if let Some(active) = self.active.get_mut(&key) {
                active.wanted = bound.wanted;
                if let Some(old) = std::mem::replace(&mut active.udp, udp) {
                    self.tasks.spawn(old.stop());
                }
            }
            return Ok(());
        };
        let stop = CancellationToken::new();
        let main = match main {
            Main::Quic(socket) => {
                let quic = QuicListener::new(socket, serving)?;
                self.tasks.spawn(quic.clone().run(stop.clone()));
                Served::Quic(quic)
            }
            Main::Tcp(listener) => {
                let transport = match key.transport {
                    "https" => Transport::Https,
                    _ => Transport::Tcp,
                };
                let stream = StreamListener::new(transport, serving);
                let listener = TcpListener::from_std(listener)?;
                self.tasks.spawn(stream.clone().run(listener, stop.clone()));
                Served::Stream(stream)
            }
        };
        let active = Active {
            wanted: bound.wanted,
            port: bound.port,
            udp,
            main,
            stop,
        };
        self.active.insert(key, active);
        Ok(())
    }

    /// Gives an address something new to serve; its sockets stay.
    pub fn swap(&self, key: &ListenKey, serving: Serving) {
        if let Some(active) = self.active.get(key) {
            if let Some(udp) = &active.udp {
                udp.swap(serving.server.clone());
            }
            match &active.main {
                Served::Stream(stream) => stream.serving.store(Arc::new(serving)),
                Served::Quic(quic) => quic.swap(serving),
            }
        }
    }

    /// Lets go of the addresses that are not wanted any more, once nobody asks there, or after
    /// `most`.
    pub fn retain(&mut self, wanted: &[ListenKey], most: Duration) {
        let gone: Vec<_> = self
            .active
            .keys()
            .filter(|key| !wanted.contains(key))
            .cloned()
            .collect();
        let gone: Vec<_> = gone
            .iter()
            .filter_map(|key| self.active.remove(key))
            .collect();
        if !gone.is_empty() {
            let tasks = self.tasks.clone();
            tokio::spawn(async move { stop_all(gone, most, &tasks).await });
        }
    }

    /// Answers until nobody has asked for a second, at most for `most`; then lets go, and waits for what
    /// is under way, at most for `most` too.
    pub async fn drain(&mut self, most: Duration) {
        let active = std::mem::take(&mut self.active).into_values().collect();
        stop_all(active, most, &self.tasks).await;
        self.tasks.close();
        let _ = tokio::time::timeout(most, self.tasks.wait()).await;
    }

    /// The local addresses that are served, unspecified ones as such.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let bound = self.active.keys().filter_map(|key| self.bound_key(key));
        bound.map(|key| key.address()).collect()
    }
}

/// What is under way then is left to `tasks`.
async fn stop_all(active: Vec<Active>, most: Duration, tasks: &TaskTracker) {
    let deadline = Instant::now() + most;
    let received = || -> u64 { active.iter().map(Active::received).sum() };
    let (mut seen, mut quiet) = (received(), 0);
    while Instant::now() < deadline && quiet < QUIET {
        tokio::time::sleep(LOOK).await;
        let now = received();
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
    }
    active.iter().for_each(|one| one.stop.cancel());
    let udp = active.into_iter().filter_map(|one| one.udp);
    udp.for_each(|udp| drop(tasks.spawn(udp.stop())));
}
