//! One connected socket, and who waits at it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{MultiHeaders, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::Outcome;
use crate::datagram::{self, BATCH};
use crate::plugin::forward::failure::{Ends, ErrorKind, ExchangeError};
use crate::plugin::forward::message::{Bogus, Outgoing};
use crate::plugin::forward::metrics::UpstreamMetrics;
use crate::wire;

/// A connected socket, and who waits at it.
pub(super) struct Socket {
    io: UdpSocket,
    remote: SocketAddr,
    /// When it takes no more queries.
    pub(super) expires: Instant,
    state: Mutex<State>,
    /// Those that wait, for a look without the lock.
    waiting: AtomicUsize,
    /// Whether queries stand ready to be sent, for a look without the lock.
    filling: AtomicBool,
    /// Its task is to look at [`Socket::is_done`] and [`Socket::alarm`].
    tell: Notify,
    metrics: Arc<UpstreamMetrics>,
}

struct State {
    waiting: Vec<Waiting>,
    /// Queries that it still takes; 0 once it is retired.
    left: u16,
    /// Queries that are to be sent together.
    ready: Vec<Vec<u8>>,
    /// When its task looks for those whose time is over. Not later than the first of them.
    alarm: Instant,
}

struct Waiting {
    id: u16,
    /// Tells it from one before or after it that has the same id.
    number: u16,
    deadline: Instant,
    query: Arc<Outgoing>,
    reply: oneshot::Sender<Outcome>,
}

/// A place at a socket; leaving it forgets the query.
pub(super) struct Ticket {
    socket: Arc<Socket>,
    /// See [`Waiting::number`].
    number: u16,
    /// Queries that stood ready to be sent, with this one.
    ready: usize,
    /// `None` once it has come.
    reply: Option<oneshot::Receiver<Outcome>>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.socket.waiting.fetch_sub(1, Ordering::Relaxed);
        if self.reply.is_none() {
            return;
        }
        let mut state = self.socket.lock();
        let number = self.number;
        state.waiting.retain(|waiting| waiting.number != number);
        self.socket.tell_if_done(&state);
    }
}

impl Ticket {
    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Sends the query; where `in_crowd` says that others come in this moment, together with them.
    pub(super) fn send(&self, in_crowd: bool) {
        datagram::leave(&self.socket, self.ready, in_crowd, Socket::flush);
    }

    /// Waits for the reply, or for the query's time to be over.
    pub(super) async fn wait(mut self) -> Outcome {
        let Some(reply) = &mut self.reply else {
            return Err(self.socket.closed());
        };
        let outcome = reply.await;
        self.reply = None;
        // The sender goes only with the socket's task, at the end of the process.
        outcome.unwrap_or_else(|_| Err(self.socket.closed()))
    }
}

impl Socket {
    pub(super) fn new(
        io: UdpSocket,
        remote: SocketAddr,
        expires: Instant,
        most: u16,
        metrics: Arc<UpstreamMetrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            io,
            remote,
            expires,
            waiting: AtomicUsize::new(0),
            filling: AtomicBool::new(false),
            state: Mutex::new(State {
                waiting: Vec::new(),
                left: most,
                ready: Vec::new(),
                alarm: expires,
            }),
            tell: Notify::new(),
            metrics,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn io(&self) -> &UdpSocket {
        &self.io
    }

    pub(super) fn ends(&self) -> Ends {
        Ends {
            network: "udp",
            local: self.io.local_addr().ok(),
            remote: self.remote,
        }
    }

    fn closed(&self) -> ExchangeError {
        self.ends().other("read", ErrorKind::Network, "closed")
    }

    /// Whether nobody waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Whether queries stand ready to be sent.
    pub(super) fn is_filling(&self) -> bool {
        self.filling.load(Ordering::Relaxed)
    }

    /// A place under an id that nobody here has, with the query ready to be sent; `None` where the
    /// socket takes no more queries.
    pub(super) fn enter(
        self: &Arc<Self>,
        query: &Arc<Outgoing>,
        deadline: Instant,
    ) -> Option<Ticket> {
        let mut state = self.lock();
        state.left = state.left.checked_sub(1)?;
        let id = loop {
            // From ChaCha, seeded by the system: a forger must not be able to tell the next one.
            let id: u16 = rand::random();
            if state.waiting.iter().all(|waiting| waiting.id != id) {
                break id;
            }
        };
        let (reply, receiver) = oneshot::channel();
        // Each query of a socket leaves another number.
        let number = state.left;
        state.waiting.push(Waiting {
            id,
            number,
            deadline,
            query: query.clone(),
            reply,
        });
        state.ready.push(query.with_id(id));
        let ready = state.ready.len();
        if deadline < state.alarm {
            state.alarm = deadline;
            self.tell.notify_one();
        }
        drop(state);
        self.filling.store(true, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Some(Ticket {
            socket: self.clone(),
            number,
            ready,
            reply: Some(receiver),
        })
    }

    fn flush(self: &Arc<Self>) {
        let mut state = self.lock();
        let ready = std::mem::take(&mut state.ready);
        self.filling.store(false, Ordering::Relaxed);
        drop(state);
        for batch in ready.chunks(BATCH) {
            self.send_batch(batch);
        }
    }

    fn send_batch(self: &Arc<Self>, batch: &[Vec<u8>]) {
        let mut headers = MultiHeaders::<()>::preallocate(batch.len(), None);
        let fd = self.io.as_raw_fd();
        let refused = |at, errno| self.refused(batch.get(at..).unwrap_or_default(), errno);
        datagram::send_all(fd, &mut headers, batch, &[None; BATCH], refused);
    }

    /// The kernel did not send the first of these; whether it is to be asked for the others.
    fn refused(self: &Arc<Self>, rest: &[Vec<u8>], errno: Errno) -> bool {
        if errno == Errno::EAGAIN {
            // Rare enough for a task of its own: who waits by the thousand is to be small.
            let (socket, rest) = (self.clone(), rest.to_vec());
            tokio::spawn(async move {
                for packet in rest {
                    let _ = socket.io.send(&packet).await;
                }
            });
            return false;
        }
        let error = io::Error::from(errno);
        let told = self.ends().io("write", &error);
        if is_of_upstream(&error) {
            self.fail(&told);
            return false;
        }
        let id = rest.first().and_then(|packet| wire::u16_at(packet, 0));
        let mut state = self.lock();
        let at = state.waiting.iter().position(|it| Some(it.id) == id);
        let waiting = at.map(|at| state.waiting.swap_remove(at));
        self.tell_if_done(&state);
        drop(state);
        if let Some(waiting) = waiting {
            let _ = waiting.reply.send(Err(told));
        }
        true
    }

    /// Takes no more queries; those that wait go on waiting.
    pub(super) fn retire(&self) {
        let mut state = self.lock();
        state.left = 0;
        self.tell_if_done(&state);
    }

    fn tell_if_done(&self, state: &State) {
        if state.is_done() {
            self.tell.notify_one();
        }
    }

    /// Ends when the socket may be done, or its alarm set to another time.
    pub(super) async fn told(&self) {
        self.tell.notified().await;
    }

    /// Whether it takes no more queries and nobody waits.
    pub(super) fn is_done(&self) -> bool {
        self.lock().is_done()
    }

    /// When to [ring](Self::ring).
    pub(super) fn alarm(&self) -> Instant {
        self.lock().alarm
    }

    /// Ends the wait of those whose time is over, and the socket's taking of queries if that is; gives
    /// when to look again.
    pub(super) fn ring(&self, now: Instant) -> Instant {
        let mut state = self.lock();
        if now >= self.expires {
            state.left = 0;
        }
        let late: Vec<Waiting> = state
            .waiting
            .extract_if(.., |waiting| waiting.deadline <= now)
            .collect();
        let next = state.waiting.iter().map(|waiting| waiting.deadline).min();
        let end = (state.left > 0).then_some(self.expires);
        // With nobody and nothing to wait for the task ends; it is told so.
        state.alarm = next.into_iter().chain(end).min().unwrap_or(now);
        let alarm = state.alarm;
        self.tell_if_done(&state);
        drop(state);
        for waiting in late {
            let _ = waiting.reply.send(Err(self.ends().timeout("read")));
        }
        alarm
    }

    /// Gives what is received to whom it is for, or ignores it.
    ///
    /// # Errors
    /// `WouldBlock` where no more was there than what was taken.
    pub(super) fn take(&self) -> io::Result<()> {
        let taken = datagram::take(self.io.as_raw_fd(), |bytes| {
            if let Err(why) = self.deliver(bytes) {
                self.metrics.ignored(why);
            }
        })?;
        match taken < datagram::TAKEN {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }

    fn deliver(&self, bytes: &[u8]) -> Result<(), Bogus> {
        let id = wire::u16_at(bytes, 0).ok_or(Bogus::Malformed)?;
        let mut state = self.lock();
        let at = state.waiting.iter().position(|waiting| waiting.id == id);
        let at = at.ok_or(Bogus::Id)?;
        let query = state.waiting.get(at).map(|waiting| &waiting.query);
        let received = query.ok_or(Bogus::Id)?.read_datagram(bytes)?;
        let waiting = state.waiting.swap_remove(at);
        self.tell_if_done(&state);
        drop(state);
        // Who asked may have gone in this moment.
        let _ = waiting.reply.send(Ok(received));
        Ok(())
    }

    /// Ends the wait of all: the network said no, and says it to each.
    pub(super) fn fail(&self, error: &ExchangeError) {
        let mut state = self.lock();
        state.left = 0;
        state.ready.clear();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waiting in waiting {
            let _ = waiting.reply.send(Err(error.clone()));
        }
        self.tell.notify_one();
    }
}

impl State {
    fn is_done(&self) -> bool {
        self.left == 0 && self.waiting.is_empty()
    }
}

/// Whether an error at sending tells of the upstream, by way of a query sent before, rather than of
/// this machine's buffers and rules.
fn is_of_upstream(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable
    )
}

/// A connected socket on a port of the kernel's choosing, so that nobody but the upstream's address
/// is heard.
pub(super) fn connect(remote: SocketAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(remote);
    let kind = Type::DGRAM.nonblocking();
    let socket = RawSocket::new(domain, kind, Some(Protocol::UDP))?;
    // Without it the kernel keeps "no route to host" to itself, and the query waits in vain.
    // Where it cannot be had, the wait is all that is lost.
    let _ = match remote {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true),
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true),
    };
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect(&remote.into())?;
    UdpSocket::from_std(socket.into())
}
