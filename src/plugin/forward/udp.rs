//! Exchanges over UDP: a few connected sockets for each upstream, many queries in flight on each.
//!
//! A socket has a port of the kernel's choosing and takes at most [`MOST_QUERIES`] queries or lives
//! for `expire`; then another takes its place. Off the path, a forger must guess port and id of a
//! query that is in flight, and has one upstream's address to pretend (RFC 5452, 9). What does not
//! match is ignored until the deadline: a lie that comes first does not keep the truth out.
//!
//! One task reads each socket. A query leaves its id and its expectations behind in the socket, and
//! waits; so a silent upstream costs a descriptor for each 64 queries, not for each query.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::failure::{Ends, ErrorKind, ExchangeError};
use super::message::{Bogus, Outgoing, Received};
use super::metrics::{Proto, UpstreamMetrics};
use crate::wire;

/// Queries that one socket takes in its life.
const MOST_QUERIES: u16 = 64;
/// Sockets of one upstream that take queries at the same time. Another is opened only when all are
/// waited at; when there are so many, a query goes to any of them.
const MOST_SOCKETS: usize = 8;
/// Datagrams read before other tasks get their turn.
const READS_IN_A_ROW: usize = 32;
/// The longest datagram.
const LONGEST: usize = 65_535;

type Outcome = Result<Received, ExchangeError>;

/// The UDP sockets of one upstream.
pub(super) struct UdpSockets {
    remote: SocketAddr,
    source: Option<IpAddr>,
    /// How long a socket takes queries.
    lifetime: Duration,
    /// Sockets that take queries, the one that was used last at the end.
    open: Mutex<Vec<Arc<Socket>>>,
    most: usize,
    metrics: Arc<UpstreamMetrics>,
}

/// A connected socket, and who waits at it.
struct Socket {
    io: UdpSocket,
    ends: Ends,
    /// When it takes no more queries.
    expires: Instant,
    state: Mutex<State>,
    /// Those that wait, for a look without the lock.
    waiting: AtomicUsize,
    /// Told when a retired socket has nobody waiting any more.
    done: Notify,
    metrics: Arc<UpstreamMetrics>,
}

struct State {
    waiting: Vec<Waiting>,
    /// Queries that it still takes; 0 once it is retired.
    left: u16,
}

struct Waiting {
    id: u16,
    /// Tells it from one before or after it that has the same id.
    number: u16,
    query: Arc<Outgoing>,
    reply: oneshot::Sender<Outcome>,
}

/// A place at a socket; leaving it forgets the query.
struct Ticket {
    socket: Arc<Socket>,
    id: u16,
    /// See [`Waiting::number`].
    number: u16,
    reply: oneshot::Receiver<Outcome>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.socket.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.socket.lock();
        state
            .waiting
            .retain(|waiting| waiting.number != self.number);
        self.socket.tell_if_done(&state);
    }
}

impl UdpSockets {
    /// No socket is opened before the first query. `most` sockets are kept for reuse; 0 is no
    /// bound of its own.
    pub(super) fn new(
        remote: SocketAddr,
        source: Option<IpAddr>,
        lifetime: Duration,
        most: usize,
        metrics: Arc<UpstreamMetrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            remote,
            source,
            lifetime,
            open: Mutex::default(),
            most: match most {
                0 => MOST_SOCKETS,
                most => most.min(MOST_SOCKETS),
            },
            metrics,
        })
    }

    /// Sends a query and waits for its reply until `deadline`.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        query: &Arc<Outgoing>,
        deadline: Instant,
    ) -> Outcome {
        let entered = self.enter(query);
        let ticket = entered.map_err(|error| self.ends(None).io("dial", &error))?;
        ticket.send(query)?;
        ticket.wait(deadline).await
    }

    /// The same over a socket of its own, for a health check: it tells what a new one would find.
    pub(super) async fn probe(
        self: &Arc<Self>,
        query: &Arc<Outgoing>,
        deadline: Instant,
    ) -> Outcome {
        let opened = self.open(query);
        let ticket = opened.map_err(|error| self.ends(None).io("dial", &error))?;
        // Nobody else is to use it: it ends with this query.
        ticket.socket.lock().left = 0;
        ticket.send(query)?;
        ticket.wait(deadline).await
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Socket>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place at one of the sockets, or at a new one.
    fn enter(self: &Arc<Self>, query: &Arc<Outgoing>) -> io::Result<Ticket> {
        let now = Instant::now();
        let mut open = self.lock();
        loop {
            let at = match open.iter().position(|socket| socket.is_idle()) {
                None if open.len() < self.most => break,
                None => rand::random_range(0..open.len()),
                Some(idle) => idle,
            };
            let socket = open.remove(at);
            // A socket that takes no more is let go of.
            if now >= socket.expires {
                socket.retire();
            } else if let Some(ticket) = socket.enter(query) {
                open.push(socket);
                self.metrics.connection(Proto::Udp, true);
                return Ok(ticket);
            }
        }
        match self.open(query) {
            Ok(ticket) => {
                self.metrics.connection(Proto::Udp, false);
                open.push(ticket.socket.clone());
                Ok(ticket)
            }
            // Out of descriptors, perhaps: a socket that others wait at will do.
            Err(error) => open
                .iter()
                .find_map(|socket| socket.enter(query))
                .ok_or(error),
        }
    }

    /// A place at a new socket.
    fn open(self: &Arc<Self>, query: &Arc<Outgoing>) -> io::Result<Ticket> {
        let io = connect(self.remote, self.source)?;
        let socket = Arc::new(Socket {
            ends: self.ends(io.local_addr().ok()),
            expires: Instant::now() + self.lifetime,
            io,
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                waiting: Vec::new(),
                left: MOST_QUERIES,
            }),
            done: Notify::new(),
            metrics: self.metrics.clone(),
        });
        // Before its task may end it, so that there is a place in any case.
        let entered = socket.enter(query).ok_or(io::ErrorKind::NotFound)?;
        tokio::spawn(serve(socket, Arc::downgrade(self)));
        Ok(entered)
    }

    fn ends(&self, local: Option<SocketAddr>) -> Ends {
        Ends {
            network: "udp",
            local,
            remote: self.remote,
        }
    }

    /// Lets go of a socket that takes no more queries.
    fn forget(&self, socket: &Arc<Socket>) {
        self.lock().retain(|open| !Arc::ptr_eq(open, socket));
    }
}

impl Drop for UdpSockets {
    fn drop(&mut self) {
        self.lock().iter().for_each(|socket| socket.retire());
    }
}

impl Socket {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody waits.
    fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// A place under an id that nobody here has; `None` where the socket takes no more queries.
    fn enter(self: &Arc<Self>, query: &Arc<Outgoing>) -> Option<Ticket> {
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
            query: query.clone(),
            reply,
        });
        drop(state);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Some(Ticket {
            socket: self.clone(),
            id,
            number,
            reply: receiver,
        })
    }

    /// Takes no more queries; those that wait go on waiting.
    fn retire(&self) {
        let mut state = self.lock();
        state.left = 0;
        self.tell_if_done(&state);
    }

    fn tell_if_done(&self, state: &State) {
        if state.left == 0 && state.waiting.is_empty() {
            self.done.notify_one();
        }
    }

    fn is_done(&self) -> bool {
        let state = self.lock();
        state.left == 0 && state.waiting.is_empty()
    }

    /// Gives a datagram to whom it is for, or ignores it.
    fn deliver(&self, bytes: &[u8]) {
        if let Err(why) = self.try_deliver(bytes) {
            self.metrics.ignored(why);
        }
    }

    fn try_deliver(&self, bytes: &[u8]) -> Result<(), Bogus> {
        let id = wire::u16_at(bytes, 0).ok_or(Bogus::Malformed)?;
        let mut state = self.lock();
        let at = state.waiting.iter().position(|waiting| waiting.id == id);
        let at = at.ok_or(Bogus::Id)?;
        let query = state.waiting.get(at).map(|waiting| &waiting.query);
        let received = query.ok_or(Bogus::Id)?.read_datagram(bytes)?;
        let waiting = state.waiting.swap_remove(at);
        drop(state);
        // Who asked may have gone in this moment.
        let _ = waiting.reply.send(Ok(received));
        Ok(())
    }

    /// Ends the wait of all: the network said no, and says it to each.
    fn fail(&self, error: &ExchangeError) {
        let mut state = self.lock();
        state.left = 0;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waiting in waiting {
            let _ = waiting.reply.send(Err(error.clone()));
        }
        self.done.notify_one();
    }
}

impl Ticket {
    fn send(&self, query: &Outgoing) -> Result<(), ExchangeError> {
        let socket = &self.socket;
        let packet = query.with_id(self.id);
        let Err(error) = socket.io.try_send(&packet) else {
            return Ok(());
        };
        if error.kind() == io::ErrorKind::WouldBlock {
            // Rare enough for a task of its own: who waits by the thousand is to be small.
            let socket = socket.clone();
            tokio::spawn(async move { socket.io.send(&packet).await });
            return Ok(());
        }
        let told = socket.ends.io("write", &error);
        if is_of_upstream(&error) {
            socket.fail(&told);
        }
        Err(told)
    }

    async fn wait(mut self, deadline: Instant) -> Outcome {
        match timeout_at(deadline, &mut self.reply).await {
            Ok(Ok(outcome)) => outcome,
            // The sender goes only with the socket's task, at the end of the process.
            Ok(Err(_)) => {
                let ends = self.socket.ends;
                Err(ends.other("read", ErrorKind::Network, "closed"))
            }
            Err(_) => Err(self.socket.ends.timeout("read")),
        }
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

/// Reads a socket for as long as somebody may wait at it.
async fn serve(socket: Arc<Socket>, owner: Weak<UdpSockets>) {
    let expiry = tokio::time::sleep_until(socket.expires);
    tokio::pin!(expiry);
    let mut expired = false;
    loop {
        tokio::select! {
            biased;
            () = socket.done.notified() => {
                if socket.is_done() {
                    break;
                }
            }
            () = &mut expiry, if !expired => {
                expired = true;
                socket.retire();
            }
            ready = socket.io.ready(Interest::READABLE | Interest::ERROR) => {
                match ready.and_then(|ready| read(&socket, ready)) {
                    // A flood at one socket must not keep the others waiting.
                    Ok(More::MayBe) => tokio::task::yield_now().await,
                    Ok(More::No) => {}
                    Err(error) => {
                        socket.fail(&socket.ends.io("read", &error));
                        break;
                    }
                }
            }
        }
    }
    if let Some(owner) = owner.upgrade() {
        owner.forget(&socket);
    }
}

/// Whether a socket has more to read.
enum More {
    No,
    MayBe,
}

/// Reads what is there, up to a turn's worth.
fn read(socket: &Socket, ready: Ready) -> io::Result<More> {
    if ready.is_error() {
        // An ICMP error makes a socket "in error", not "readable".
        if let Some(error) = socket.io.take_error()? {
            return Err(error);
        }
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        // There was none after all: forget that there was said to be one.
        let _ = socket.io.try_io(Interest::ERROR, nothing);
    }
    thread_local! {
        /// Replies are read here and copied out by their true length.
        static BUFFER: std::cell::RefCell<Box<[u8]>> =
            std::cell::RefCell::new(vec![0; LONGEST].into());
    }
    BUFFER.with_borrow_mut(|buffer| {
        for _ in 0..READS_IN_A_ROW {
            match socket.io.try_recv(buffer) {
                Ok(length) => socket.deliver(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(More::No),
                Err(error) => return Err(error),
            }
        }
        Ok(More::MayBe)
    })
}

/// A connected socket on a port of the kernel's choosing, so that nobody but the upstream's address
/// is heard.
fn connect(remote: SocketAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(remote);
    let socket = RawSocket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
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
