//! Sockets and the threads and tasks on them: what a reload keeps, adds and takes away.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::plan::ListenKey;
use crate::server::Server;
use crate::server::stream::{Limits, StreamListener};
use crate::server::udp::{self, Stopper, UdpListener, Worker};

/// UDP sockets of a wildcard address that get batches; other addresses share one.
const MOST_ADDRESSES: usize = 8;
/// A UDP thread's stack: a query runs through the chain on it.
const STACK: usize = 512 << 10;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long no query must come for the sockets to count as quiet.
const QUIET: Duration = Duration::from_secs(1);

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

/// What one listening address is to serve.
pub struct Wanted {
    /// The address.
    pub key: ListenKey,
    /// TLS settings, where the transport needs them.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// UDP threads.
    pub threads: usize,
}

/// Sockets of one address, bound and not yet served.
pub struct Bound {
    wanted: Wanted,
    /// The port: the kernel's choice where 0 was asked for.
    port: u16,
    udp: Vec<UdpSocket>,
    tcp: std::net::TcpListener,
}

/// An address that is served.
pub struct Active {
    port: u16,
    udp: Option<Arc<UdpListener>>,
    stoppers: Vec<Stopper>,
    threads: Vec<JoinHandle<()>>,
    stream: Arc<StreamListener>,
    stop: CancellationToken,
}

/// All addresses that are served.
#[derive(Default)]
pub struct Listeners {
    active: BTreeMap<ListenKey, Active>,
    tasks: TaskTracker,
}

impl Bound {
    /// Binds the sockets of an address: UDP and TCP for `dns`, TCP for the others.
    ///
    /// # Errors
    /// [`BindError`] names the address, and what can be done.
    pub fn bind(wanted: Wanted) -> Result<Self, BindError> {
        let ip = wanted.key.ip.unwrap_or_else(udp::unspecified);
        // Where the kernel is to choose the port, the one it gives for TCP may be taken for UDP.
        let tries = if wanted.key.port == 0 { 16 } else { 1 };
        let mut failed = None;
        for _ in 0..tries {
            let address = SocketAddr::new(ip, wanted.key.port);
            let tcp = bind_tcp(address).map_err(|error| BindError::new("tcp", address, error))?;
            let port = tcp
                .local_addr()
                .map_or(wanted.key.port, |bound| bound.port());
            if wanted.key.transport != "dns" {
                return Ok(Self {
                    wanted,
                    port,
                    udp: Vec::new(),
                    tcp,
                });
            }
            match bind_udp(SocketAddr::new(ip, port), wanted.threads) {
                Ok(udp) => {
                    return Ok(Self {
                        wanted,
                        port,
                        udp,
                        tcp,
                    });
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| {
            BindError::new(
                "udp",
                SocketAddr::new(ip, 0),
                io::ErrorKind::AddrInUse.into(),
            )
        }))
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

    fn start(self, server: Arc<Server>, limits: Limits, tasks: &TaskTracker) -> io::Result<Active> {
        let stop = CancellationToken::new();
        let stream = StreamListener::new(server.clone(), self.wanted.tls, limits);
        tasks.spawn(
            stream
                .clone()
                .run(TcpListener::from_std(self.tcp)?, stop.clone()),
        );
        let mut active = Active {
            port: self.port,
            udp: None,
            stoppers: Vec::new(),
            threads: Vec::new(),
            stream,
            stop,
        };
        if !self.udp.is_empty() {
            let listener = UdpListener::new(server, Handle::current());
            for socket in self.udp {
                let worker = Worker::new(socket, listener.clone())?;
                active.stoppers.push(worker.stopper());
                active.threads.push(spawn_worker(worker)?);
            }
            active.udp = Some(listener);
        }
        Ok(active)
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

/// `threads` sockets for the address; for the unspecified one so many for each local address, and
/// one for all others.
fn bind_udp(address: SocketAddr, threads: usize) -> Result<Vec<UdpSocket>, BindError> {
    let bind = |address| udp::bind(address).map_err(|error| BindError::new("udp", address, error));
    if !address.ip().is_unspecified() {
        return (0..threads).map(|_| bind(address)).collect();
    }
    let mut sockets = vec![bind(address)?];
    for ip in udp::local_addresses(MOST_ADDRESSES) {
        // An address may go away at any time; the socket for all addresses serves it then.
        let bound: io::Result<Vec<_>> = (0..threads)
            .map(|_| udp::bind(SocketAddr::new(ip, address.port())))
            .collect();
        sockets.extend(bound.unwrap_or_default());
    }
    Ok(sockets)
}

/// A thread that serves a socket, and goes on after what should not happen.
fn spawn_worker(worker: Worker) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("udp".into())
        .stack_size(STACK)
        .spawn(move || {
            while let Err(error) = worker.run() {
                error!("reading a UDP socket failed and is tried again: {error}");
                std::thread::sleep(Duration::from_millis(100));
            }
        })
}

impl Listeners {
    /// Whether this address is served already.
    #[must_use]
    pub fn has(&self, key: &ListenKey) -> bool {
        self.active.contains_key(key)
    }

    /// The address with the port that it has.
    #[must_use]
    pub fn bound_key(&self, key: &ListenKey) -> Option<ListenKey> {
        self.active.get(key).map(|active| ListenKey {
            port: active.port,
            ..key.clone()
        })
    }

    /// Starts what is bound, with its server blocks.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(&mut self, bound: Bound, server: Arc<Server>, limits: Limits) -> io::Result<()> {
        let key = bound.wanted.key.clone();
        let active = bound.start(server, limits, &self.tasks)?;
        self.active.insert(key, active);
        Ok(())
    }

    /// Gives an address new server blocks; its sockets stay.
    pub fn swap(
        &self,
        key: &ListenKey,
        server: Arc<Server>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) {
        if let Some(active) = self.active.get(key) {
            if let Some(udp) = &active.udp {
                udp.server.store(server.clone());
            }
            active.stream.server.store(server);
            active.stream.tls.store(Arc::new(tls));
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
            tokio::spawn(async move { stop_all(gone, most).await });
        }
    }

    /// Answers until the sockets are quiet for a second, at most for `most`; then lets go.
    pub async fn drain(&mut self, most: Duration) {
        let active = std::mem::take(&mut self.active).into_values().collect();
        stop_all(active, most).await;
        self.tasks.close();
        let _ = tokio::time::timeout(most, self.tasks.wait()).await;
    }

    /// The local addresses that are served, unspecified ones as such.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |(key, active): (&ListenKey, &Active)| {
            SocketAddr::new(
                key.ip
                    .unwrap_or(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)),
                active.port,
            )
        };
        self.active.iter().map(address).collect()
    }
}

async fn stop_all(mut active: Vec<Active>, most: Duration) {
    let deadline = Instant::now() + most;
    let received = |active: &[Active]| -> u64 {
        active
            .iter()
            .filter_map(|one| one.udp.as_ref())
            .map(|udp| udp.received())
            .sum()
    };
    let (mut seen, mut since) = (received(&active), Instant::now());
    active.iter().for_each(|one| one.stop.cancel());
    while Instant::now() < deadline && since.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = received(&active);
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    active
        .iter()
        .flat_map(|one| &one.stoppers)
        .for_each(Stopper::stop);
    let threads: Vec<_> = active
        .iter_mut()
        .flat_map(|one| one.threads.drain(..))
        .collect();
    // A thread ends after the datagram that it has at hand.
    let _ = tokio::task::spawn_blocking(move || {
        threads.into_iter().for_each(|thread| {
            let _ = thread.join();
        })
    })
    .await;
}
