//! Exchanges over UDP: a few connected sockets for each upstream, many queries in flight on each.
//!
//! A socket has a port of the kernel's choosing and takes at most [`MOST_QUERIES`] queries or lives
//! for `expire`; then another takes its place. Off the path, a forger must guess port and id of a
//! query that is in flight, and has one upstream's address to pretend (RFC 5452, 9). What does not
//! match is ignored until the deadline: a lie that comes first does not keep the truth out.
//!
//! Queries that are asked at about the same time go over one socket, in batches, and their replies
//! are read in batches. One task serves each socket: it reads, and ends the wait of those whose time
//! is over. A query leaves its id and its expectations behind in the socket, and waits; so a silent
//! upstream costs a descriptor for each 64 queries, and one timer, not one for each query.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::io::{Interest, Ready};
use tokio::time::Instant;

use super::failure::{Ends, ExchangeError};
use super::message::{Outgoing, Received};
use super::metrics::{Proto, UpstreamMetrics};
use crate::datagram::Crowd;

mod socket;

use socket::{Socket, Ticket};

/// Queries that one socket takes in its life.
const MOST_QUERIES: u16 = 64;
/// Sockets of one upstream that take queries at the same time. Another is opened only when all are
/// waited at; when there are so many, a query goes to any of them.
const MOST_SOCKETS: usize = 8;
/// Times that a socket is read before other tasks get their turn.
const READS_IN_A_ROW: usize = 2;

type Outcome = Result<Received, ExchangeError>;

/// The UDP sockets of one upstream.
pub(super) struct UdpSockets {
    remote: SocketAddr,
    source: Option<IpAddr>,
    /// How long a socket takes queries.
    lifetime: Duration,
    open: Mutex<Open>,
    most: usize,
    metrics: Arc<UpstreamMetrics>,
}

#[derive(Default)]
struct Open {
    /// Sockets that take queries, the one that was used last at the end.
    sockets: Vec<Arc<Socket>>,
    crowd: Crowd,
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

    /// Sends a query and waits for its reply until `deadline`. It is `now`.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        query: &Arc<Outgoing>,
        now: Instant,
        deadline: Instant,
    ) -> Outcome {
        let entered = self.enter(query, now, deadline);
        let ticket = entered.map_err(|error| self.ends().io("dial", &error))?;
        ticket.wait().await
    }

    /// The same over a socket of its own, for a health check: it tells what a new one would find.
    pub(super) async fn probe(
        self: &Arc<Self>,
        query: &Arc<Outgoing>,
        deadline: Instant,
    ) -> Outcome {
        // Nobody else is to use it: it ends with this query.
        let opened = self.open(query, 1, Instant::now(), deadline);
        let ticket = opened.map_err(|error| self.ends().io("dial", &error))?;
        ticket.send(false);
        ticket.wait().await
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place at one of the sockets, or at a new one, with the query on its way.
    fn enter(
        self: &Arc<Self>,
        query: &Arc<Outgoing>,
        now: Instant,
        deadline: Instant,
    ) -> io::Result<Ticket> {
        let mut open = self.lock();
        let others = !open.sockets.iter().all(|socket| socket.is_idle());
        let in_crowd = open.crowd.join(now) && others;
        let ticket = self.place(&mut open.sockets, query, now, deadline)?;
        drop(open);
        ticket.send(in_crowd);
        Ok(ticket)
    }

    fn place(
        self: &Arc<Self>,
        open: &mut Vec<Arc<Socket>>,
        query: &Arc<Outgoing>,
        now: Instant,
        deadline: Instant,
    ) -> io::Result<Ticket> {
        loop {
            let filling = open.iter().position(|socket| socket.is_filling());
            let at = match filling.or_else(|| open.iter().position(|socket| socket.is_idle())) {
                None if open.len() < self.most => break,
                None => rand::random_range(0..open.len()),
                Some(at) => at,
            };
            let socket = open.remove(at);
            // A socket that takes no more is let go of.
            if now >= socket.expires {
                socket.retire();
            } else if let Some(ticket) = socket.enter(query, deadline) {
                open.push(socket);
                self.metrics.connection(Proto::Udp, true);
                return Ok(ticket);
            }
        }
        match self.open(query, MOST_QUERIES, now, deadline) {
            Ok(ticket) => {
                self.metrics.connection(Proto::Udp, false);
                open.push(ticket.socket().clone());
                Ok(ticket)
            }
            // Out of descriptors, perhaps: a socket that others wait at will do.
            Err(error) => open
                .iter()
                .find_map(|socket| socket.enter(query, deadline))
                .ok_or(error),
        }
    }

    /// A place at a new socket, which takes `most` queries.
    fn open(
        self: &Arc<Self>,
        query: &Arc<Outgoing>,
        most: u16,
        now: Instant,
        deadline: Instant,
    ) -> io::Result<Ticket> {
        let io = socket::connect(self.remote, self.source)?;
        let expires = now + self.lifetime;
        let socket = Socket::new(io, self.remote, expires, most, self.metrics.clone());
        // Before its task may end it, so that there is a place in any case.
        let entered = socket.enter(query, deadline);
        let entered = entered.ok_or(io::ErrorKind::NotFound)?;
        tokio::spawn(serve(socket, Arc::downgrade(self)));
        Ok(entered)
    }

    fn ends(&self) -> Ends {
        Ends {
            network: "udp",
            local: None,
            remote: self.remote,
        }
    }

    /// Lets go of a socket that takes no more queries.
    fn forget(&self, socket: &Arc<Socket>) {
        self.lock()
            .sockets
            .retain(|open| !Arc::ptr_eq(open, socket));
    }
}

impl Drop for UdpSockets {
    fn drop(&mut self) {
        self.lock()
            .sockets
            .iter()
            .for_each(|socket| socket.retire());
    }
}

/// Serves a socket for as long as somebody may wait at it.
async fn serve(socket: Arc<Socket>, owner: Weak<UdpSockets>) {
    let alarm = tokio::time::sleep_until(socket.alarm());
    tokio::pin!(alarm);
    loop {
        tokio::select! {
            biased;
            () = socket.told() => {
                if socket.is_done() {
                    break;
                }
                alarm.as_mut().reset(socket.alarm());
            }
            () = &mut alarm => alarm.as_mut().reset(socket.ring(Instant::now())),
            ready = socket.io().ready(Interest::READABLE | Interest::ERROR) => {
                match ready.and_then(|ready| read(&socket, ready)) {
                    // A flood at one socket must not keep the others waiting.
                    Ok(More::MayBe) => tokio::task::yield_now().await,
                    Ok(More::No) => {}
                    Err(error) => {
                        socket.fail(&socket.ends().io("read", &error));
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
    let io = socket.io();
    if ready.is_error() {
        // An ICMP error makes a socket "in error", not "readable".
        if let Some(error) = io.take_error()? {
            return Err(error);
        }
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        // There was none after all: forget that there was said to be one.
        let _ = io.try_io(Interest::ERROR, nothing);
    }
    for _ in 0..READS_IN_A_ROW {
        let read = io.try_io(Interest::READABLE, || socket.take());
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(More::No),
            Err(error) => return Err(error),
        }
    }
    Ok(More::MayBe)
}
