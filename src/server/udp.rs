//! UDP: plain threads that read a batch, answer it, and send a batch.
//!
//! A thread has a socket of its own (`SO_REUSEPORT`), so no two threads share a queue. What is
//! answered from memory is answered here, in the thread that received it; what must wait is spawned
//! on the runtime, within a bound, and sent on the same socket when it is known, in batches too where
//! many are known at about the same time. Nothing in these threads blocks but the read. A full send
//! buffer drops a reply rather than stalling the thread.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{Arrival, Handled, Server};
use crate::chain::BoxFuture;
use crate::datagram::{BATCH, Outbox, send_all};
use crate::metrics;
use crate::query::Transport;

mod wildcard;

/// The longest request that is read. CoreDNS reads 512 bytes and takes what is longer for garbage.
const LONGEST_REQUEST: usize = 4096;
/// From the start of one request's place to the next: not a power of two, so that requests, which are
/// short, do not all fall on the same few lines of the processor's cache.
const STRIDE: usize = LONGEST_REQUEST + 5 * 64;
/// A reply buffer that grew above this is given back after the batch.
const KEPT_REPLY: usize = 4096;
/// Asked of the kernel, which gives what its limit allows: room for a burst while a thread is not
/// scheduled.
const RECEIVE_BUFFER: usize = 4 << 20;

/// What all threads of one address share.
pub struct UdpListener {
    /// The server blocks; a reload swaps them and keeps the sockets.
    pub server: ArcSwap<Server>,
    runtime: Handle,
    stopping: AtomicBool,
    received: AtomicU64,
    /// Replies that are waited for.
    awaited: AtomicUsize,
    /// What waits for them.
    tasks: TaskTracker,
}

impl UdpListener {
    /// A listener that serves these blocks; replies that wait run on `runtime`.
    #[must_use]
    pub fn new(server: Arc<Server>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            server: ArcSwap::new(server),
            runtime,
            stopping: AtomicBool::new(false),
            received: AtomicU64::new(0),
            awaited: AtomicUsize::new(0),
            tasks: TaskTracker::new(),
        })
    }

    /// Batches received so far: while this does not change, nobody asks.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Waits until all replies that are waited for have been sent. No worker runs any more.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Whether nothing is left to answer on a socket that was stopped: it gives what it has
    /// received, and then datagrams of no length.
    fn has_ended(&self, lengths: &[usize]) -> bool {
        self.stopping.load(Ordering::Relaxed) && lengths.iter().all(|length| *length == 0)
    }

    /// Waits for replies on the runtime, all in one task. `to` gets each with whom it is for, and
    /// whether others are waited for still.
    fn spawn<P: Send + 'static>(
        self: &Arc<Self>,
        awaited: Vec<Awaited<P>>,
        to: impl Fn(Vec<u8>, P, bool) + Send + 'static,
    ) {
        self.awaited.fetch_add(awaited.len(), Ordering::Relaxed);
        let listener = self.clone();
        let waiting = async move {
            let awaited = awaited.into_iter();
            let awaited = awaited.map(|(reply, peer)| async move { (reply.await, peer) });
            let mut awaited: FuturesUnordered<_> = awaited.collect();
            while let Some((reply, peer)) = awaited.next().await {
                let others = listener.awaited.fetch_sub(1, Ordering::Relaxed) > 1;
                if let Some(reply) = reply {
                    to(reply, peer, others);
                }
            }
        };
        self.tasks.spawn_on(waiting, &self.runtime);
    }
}

/// A reply that is waited for, and what tells whom it is for.
type Awaited<P> = (BoxFuture<Option<Vec<u8>>>, P);

/// A bound socket and the thread that serves it.
pub struct Worker {
    socket: Arc<UdpSocket>,
    listener: Arc<UdpListener>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One local address: replies leave from it in any case, and batches are sent whole.
    Address,
    /// All addresses that have no socket of their own: each reply names the address it leaves from.
    Wildcard,
}

/// Binds a socket that shares its address with others of this process.
///
/// # Errors
/// The address is taken by a socket that does not share it, is not local, or needs a right that
/// the process lacks (ports below 1024).
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // The unspecified address serves both families, any other only its own.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_port(true)?;
    // A smaller buffer than asked for is no error.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if address.ip().is_unspecified() {
        wildcard::tell_local_address(&socket, address.is_ipv6())?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl Worker {
    /// A worker on a bound socket.
    ///
    /// # Errors
    /// The socket does not tell its address.
    pub fn new(socket: UdpSocket, listener: Arc<UdpListener>) -> io::Result<Self> {
        let kind = match socket.local_addr()?.ip().is_unspecified() {
            true => Kind::Wildcard,
            false => Kind::Address,
        };
        Ok(Self {
            socket: Arc::new(socket),
            listener,
            kind,
        })
    }

    /// A handle that ends [`Self::run`] from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper {
            socket: self.socket.clone(),
            listener: self.listener.clone(),
        }
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// The socket broke in a way that reading again does not mend.
    pub fn run(&self) -> io::Result<()> {
        let local = self.socket.local_addr()?;
        match (self.kind, local) {
            (Kind::Wildcard, _) => wildcard::run(&self.socket, &self.listener, local.port()),
            (Kind::Address, SocketAddr::V4(_)) => self.run_batches::<SockaddrIn>(local),
            (Kind::Address, SocketAddr::V6(_)) => self.run_batches::<SockaddrIn6>(local),
        }
    }

    fn run_batches<S: Peer>(&self, local: SocketAddr) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        let mut buffers = Buffers::<S>::new();
        let mut send_headers = MultiHeaders::<S>::preallocate(BATCH, None);
        let outbox = Outbox::new(self.socket.clone());
        loop {
            let count = match buffers.receive(fd) {
                Ok(count) => count,
                Err(Errno::EINTR | Errno::EAGAIN | Errno::ECONNREFUSED) => continue,
                Err(error) => return Err(error.into()),
            };
            if self.listener.has_ended(&buffers.lengths[..count]) {
                return Ok(());
            }
            self.listener.received.fetch_add(1, Ordering::Relaxed);
            let server = &self.listener.server.load_full();
            let batch = Batch {
                now: Instant::now(),
                local,
                server,
            };
            let times = metrics::Batch::open(batch.now);
            let queued = self.answer_all(&batch, count, &mut buffers);
            drop(times);
            send_all(
                fd,
                &mut send_headers,
                &buffers.replies[..queued],
                &buffers.peers,
                |_, _| true,
            );
            if !buffers.awaited.is_empty() {
                let outbox = outbox.clone();
                let to = move |reply, peer, others| outbox.post(reply, peer, others);
                let awaited = std::mem::take(&mut buffers.awaited);
                self.listener.spawn(awaited, to);
            }
            buffers.give_back();
        }
    }

    /// Answers the first requests of a batch, `count` of them, and gives the number of replies to send
    /// now.
    fn answer_all<S: Peer>(
        &self,
        batch: &Batch<'_>,
        count: usize,
        buffers: &mut Buffers<S>,
    ) -> usize {
        let mut queued = 0;
        for at in 0..count {
            let mut reply = std::mem::take(&mut buffers.replies[queued]);
            reply.clear();
            let peer = buffers.peers[at];
            let handled = match (peer, buffers.packet(at)) {
                (Some(peer), Some(packet)) => self.answer(batch, packet, peer, &mut reply),
                _ => Handled::Silent,
            };
            buffers.replies[queued] = reply;
            match (handled, peer) {
                (Handled::Replied, _) => {
                    // Replies move up over requests that have none, so that one call sends all.
                    buffers.peers[queued] = peer;
                    queued += 1;
                }
                (Handled::Later(reply), Some(peer)) => buffers.awaited.push((reply, peer)),
                _ => {}
            }
        }
        queued
    }

    /// Answers one request; a reply that is known at once stands in `reply`.
    fn answer<S: Peer>(
        &self,
        batch: &Batch<'_>,
        packet: &[u8],
        peer: S,
        reply: &mut Vec<u8>,
    ) -> Handled {
        let client = peer.address();
        // A reply to port 0 reaches nobody.
        if client.port() == 0 {
            return Handled::Silent;
        }
        let arrival = Arrival {
            client,
            local: batch.local,
            transport: Transport::Udp,
            now: batch.now,
        };
        batch.server.handle(packet, arrival, reply)
    }
}

/// Room for one batch in and out. Arrays are [`BATCH`] long.
struct Buffers<S> {
    requests: Box<[[u8; STRIDE]]>,
    lengths: [usize; BATCH],
    peers: [Option<S>; BATCH],
    replies: [Vec<u8>; BATCH],
    /// Those that come later.
    awaited: Vec<Awaited<S>>,
    headers: MultiHeaders<S>,
}

impl<S: Peer> Buffers<S> {
    fn new() -> Self {
        Self {
            // Zeroed by the kernel: a slot costs memory when a datagram first lands in it.
            requests: vec![[0; STRIDE]; BATCH].into(),
            lengths: [0; BATCH],
            peers: [None; BATCH],
            replies: std::array::from_fn(|_| Vec::with_capacity(512)),
            awaited: Vec::new(),
            headers: MultiHeaders::preallocate(BATCH, None),
        }
    }

    /// Waits for one datagram and takes with it what else is there; their number, at most
    /// [`BATCH`].
    fn receive(&mut self, fd: i32) -> nix::Result<usize> {
        let mut requests = self.requests.iter_mut();
        let mut slices: [_; BATCH] = std::array::from_fn(|_| {
            let place = requests.next().map_or(&mut [][..], |place| place);
            let end = place.len().min(LONGEST_REQUEST);
            [IoSliceMut::new(&mut place[..end])]
        });
        let flags = MsgFlags::MSG_WAITFORONE;
        let received = recvmmsg(fd, &mut self.headers, slices.iter_mut(), flags, None)?;
        let places = self.peers.iter_mut().zip(&mut self.lengths);
        let mut count = 0;
        for (message, (peer, length)) in received.zip(places) {
            (*peer, *length) = (message.address, message.bytes);
            count += 1;
        }
        Ok(count)
    }

    fn packet(&self, at: usize) -> Option<&[u8]> {
        self.requests.get(at)?.get(..*self.lengths.get(at)?)
    }

    /// Frees what single large replies took.
    fn give_back(&mut self) {
        for reply in self
            .replies
            .iter_mut()
            .filter(|reply| reply.capacity() > KEPT_REPLY)
        {
            *reply = Vec::with_capacity(512);
        }
    }
}

/// What the requests of one batch have in common.
struct Batch<'b> {
    now: Instant,
    local: SocketAddr,
    server: &'b Arc<Server>,
}

/// A peer's address as the kernel's calls take it.
trait Peer: SockaddrLike + Copy + Send + 'static {
    fn address(&self) -> SocketAddr;
}

impl Peer for SockaddrIn {
    fn address(&self) -> SocketAddr {
        SocketAddrV4::from(*self).into()
    }
}

impl Peer for SockaddrIn6 {
    fn address(&self) -> SocketAddr {
        SocketAddrV6::from(*self).into()
    }
}

/// Ends a [`Worker`].
pub struct Stopper {
    socket: Arc<UdpSocket>,
    listener: Arc<UdpListener>,
}

impl Stopper {
    /// Makes the worker's loop end when it has answered what the socket has received, also while it
    /// waits for a datagram.
    ///
    /// Where other sockets share the address, new datagrams go to them from here on, and none is
    /// lost.
    pub fn stop(&self) {
        self.listener.stopping.store(true, Ordering::Relaxed);
        // A connected socket is no longer one of those that the kernel spreads datagrams over. It
        // is its own peer, so that it hears of nobody.
        let own = self.socket.local_addr();
        let _ = own.and_then(|own| self.socket.connect(own));
        // Wakes the reader. An unconnected socket says ENOTCONN and is woken all the same.
        let _ = socket2::SockRef::from(&*self.socket).shutdown(Shutdown::Read);
    }
}

/// The addresses of this machine that a wildcard socket would answer for, loopback first; at most
/// `most`.
#[must_use]
pub fn local_addresses(most: usize) -> Vec<std::net::IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let mut addresses: Vec<std::net::IpAddr> = Vec::new();
    for address in interfaces.filter_map(|interface| interface.address) {
        let ip = if let Some(v4) = address.as_sockaddr_in() {
            Some(v4.ip().into())
        } else {
            // A link-local address needs its interface to be bound; the wildcard socket serves it.
            address
                .as_sockaddr_in6()
                .map(SockaddrIn6::ip)
                .filter(|ip| !is_link_local(*ip))
                .map(Into::into)
        };
        addresses.extend(ip.filter(|ip| !addresses.contains(ip)));
    }
    addresses.sort_by_key(|ip| (!ip.is_loopback(), ip.is_ipv6()));
    addresses.truncate(most);
    addresses
}

fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

/// The unspecified address that stands for all of this machine's: of IPv6, which serves both
/// families, where the kernel has it.
#[must_use]
pub fn unspecified() -> std::net::IpAddr {
    match Socket::new(Domain::IPV6, Type::DGRAM, None) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_from_port_0_is_not_answered() {
        let refuses = crate::testing::server(&crate::chain::Chain::new(Vec::new()));
        let listener = UdpListener::new(refuses, Handle::current());
        let worker = Worker::new(bind("127.0.0.1:0".parse().unwrap()).unwrap(), listener).unwrap();
        let server = worker.listener.server.load_full();
        let batch = Batch {
            now: Instant::now(),
            local: worker.socket.local_addr().unwrap(),
            server: &server,
        };
        let packet = crate::testing::Ask::new("a.test. A").packet();
        for (port, is_answered) in [(0, false), (1, true)] {
            let mut reply = Vec::new();
            let peer = SockaddrIn::new(127, 0, 0, 1, port);
            let handled = worker.answer(&batch, &packet, peer, &mut reply);
            let replied = matches!(handled, Handled::Replied);
            assert_eq!((replied, !reply.is_empty()), (is_answered, is_answered));
        }
    }
}
