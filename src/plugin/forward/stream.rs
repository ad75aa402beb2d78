//! Exchanges over TCP (RFC 7766) and TLS (RFC 7858): connections that are kept for `expire` after
//! their last query, one query at a time on each, the longest unused first, as in CoreDNS.
//!
//! One at a time, since upstreams (CoreDNS among them) often answer a connection's queries in order:
//! a slow one would hold up those behind it. At most [`MOST_CONNECTIONS`] are open to an upstream;
//! who finds them all busy waits for one, within its own time to read.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::failure::{Ends, ErrorKind, ExchangeError};
use super::message::{Bogus, Outgoing, Received};
use super::metrics::{Proto, UpstreamMetrics};
use crate::wire;

/// Connections open to one upstream.
const MOST_CONNECTIONS: usize = 256;
/// The time for connecting follows what it took before, within these bounds.
const DIAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A new observation counts one part in so many.
const DIAL_WEIGHT: u64 = 4;

/// The time that an exchange has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The time in which a new connection must stand, TLS included.
    pub(super) connect: Duration,
    /// The time for a reply, once the query is sent.
    pub(super) read: Duration,
    /// All must be over by then.
    pub(super) end: Instant,
}

/// How connections of an upstream are made and kept.
#[derive(Clone)]
pub(super) struct StreamSettings {
    pub(super) remote: SocketAddr,
    pub(super) source: Option<IpAddr>,
    /// TLS, and the name that the upstream's certificate must have.
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    /// How long a connection that is not used is kept.
    pub(super) expire: Duration,
    /// How long a connection is kept at all; zero is no bound.
    pub(super) max_age: Duration,
    /// Connections that are kept unused; zero is no bound of its own.
    pub(super) max_idle: usize,
}

/// The connections to one upstream.
pub(super) struct Streams {
    settings: StreamSettings,
    idle: Mutex<Idle>,
    room: Semaphore,
    /// Nanoseconds that connecting took, averaged.
    dial_time: AtomicU64,
    metrics: Arc<UpstreamMetrics>,
}

#[derive(Default)]
struct Idle {
    connections: VecDeque<Connection>,
    /// Whether a task looks after those that expire.
    watched: bool,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    ends: Ends,
    /// What was read and not yet taken.
    input: Vec<u8>,
    created: Instant,
    used: Instant,
    reused: bool,
}

/// Why a connection gave no reply.
enum Broken {
    /// It ended before any byte of a reply; one that was kept may have ended long ago.
    Ended(ExchangeError),
    /// Anything else.
    Failed(ExchangeError),
}

impl Streams {
    pub(super) fn new(settings: StreamSettings, metrics: Arc<UpstreamMetrics>) -> Arc<Self> {
        let half = u64::try_from(DIAL.1.as_nanos() / 2).unwrap_or(u64::MAX);
        Arc::new(Self {
            settings,
            idle: Mutex::default(),
            room: Semaphore::new(MOST_CONNECTIONS),
            dial_time: AtomicU64::new(half),
            metrics,
        })
    }

    /// Sends a query over a kept or a new connection, and waits for its reply.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        query: &Outgoing,
        limits: &Limits,
    ) -> Result<Received, ExchangeError> {
        let until = limits.end.min(Instant::now() + limits.read);
        let Ok(Ok(_room)) = timeout_at(until, self.room.acquire()).await else {
            let cause = "i/o timeout: all connections to it are busy";
            return Err(self.ends(None).other("dial", ErrorKind::Timeout, cause));
        };
        loop {
            let kept = self.take();
            // As in CoreDNS, one that cannot be made is counted too.
            self.metrics.connection(self.proto(), kept.is_some());
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.dial(limits).await?,
            };
            match connection.exchange(query, limits).await {
                Ok(received) => {
                    self.give_back(connection);
                    return Ok(received);
                }
                // The upstream closed it while it was kept: no fault of this query.
                Err(Broken::Ended(_)) if connection.reused => {}
                Err(Broken::Ended(error) | Broken::Failed(error)) => return Err(error),
            }
        }
    }

    /// The same over a connection of its own, for a health check.
    pub(super) async fn probe(
        &self,
        query: &Outgoing,
        limits: &Limits,
    ) -> Result<Received, ExchangeError> {
        let mut connection = self.dial(limits).await?;
        match connection.exchange(query, limits).await {
            Ok(received) => Ok(received),
            Err(Broken::Ended(error) | Broken::Failed(error)) => Err(error),
        }
    }

    fn proto(&self) -> Proto {
        match self.settings.tls {
            Some(_) => Proto::Tls,
            None => Proto::Tcp,
        }
    }

    fn ends(&self, local: Option<SocketAddr>) -> Ends {
        Ends {
            network: self.proto().label(),
            local,
            remote: self.settings.remote,
        }
    }

    async fn dial(&self, limits: &Limits) -> Result<Connection, ExchangeError> {
        let began = Instant::now();
        let until = began + limits.connect.min(self.dial_timeout());
        let until = until.min(limits.end);
        let connected = timeout_at(until, self.connect()).await;
        self.learn(began.elapsed());
        match connected {
            Ok(Ok((stream, local))) => Ok(Connection {
                stream,
                ends: self.ends(local),
                input: Vec::new(),
                created: Instant::now(),
                used: Instant::now(),
                reused: false,
            }),
            Ok(Err(error)) => Err(self.ends(None).io("dial", &error)),
            Err(_) => Err(self.ends(None).timeout("dial")),
        }
    }

    async fn connect(&self) -> io::Result<(Box<dyn Stream>, Option<SocketAddr>)> {
        let remote = self.settings.remote;
        let socket = match remote {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if let Some(source) = self.settings.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(remote).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr().ok();
        Ok(match &self.settings.tls {
            None => (Box::new(stream), local),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                (Box::new(stream), local)
            }
        })
    }

    /// Twice what connecting took before, within [`DIAL`].
    fn dial_timeout(&self) -> Duration {
        let (least, most) = DIAL;
        let average = Duration::from_nanos(self.dial_time.load(Ordering::Relaxed));
        if average < least {
            least
        } else if average < most / 2 {
            average * 2
        } else {
            most
        }
    }

    fn learn(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let average = self.dial_time.load(Ordering::Relaxed);
        // Two that learn at once may lose one observation, which is one of many.
        let next = average - average / DIAL_WEIGHT + took / DIAL_WEIGHT;
        self.dial_time.store(next, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest unused of the kept connections.
    fn take(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.lock();
        while let Some(mut connection) = idle.connections.pop_front() {
            if !self.is_over(&connection, now) {
                connection.reused = true;
                return Some(connection);
            }
        }
        None
    }

    fn is_over(&self, connection: &Connection, now: Instant) -> bool {
        let StreamSettings {
            expire, max_age, ..
        } = self.settings;
        now.duration_since(connection.used) > expire
            || (!max_age.is_zero() && now.duration_since(connection.created) > max_age)
    }

    fn give_back(self: &Arc<Self>, mut connection: Connection) {
        connection.used = Instant::now();
        let most = self.settings.max_idle;
        let mut idle = self.lock();
        // Bytes beyond the reply belong to no query of ours: whose they are cannot be told.
        if !connection.input.is_empty() || (most > 0 && idle.connections.len() >= most) {
            return;
        }
        connection.input = Vec::new();
        idle.connections.push_back(connection);
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(close_expired(Arc::downgrade(self), self.settings.expire));
        }
    }

    /// Closes what is kept too long; when the next is due, where there is one.
    fn close_over(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = self.lock();
        idle.connections
            .retain(|connection| !self.is_over(connection, now));
        let next = idle.connections.front().map(|first| first.used);
        idle.watched = next.is_some();
        next
    }
}

/// Closes connections that expire though nobody asks, until none is left.
async fn close_expired(streams: std::sync::Weak<Streams>, expire: Duration) {
    let mut due = Instant::now() + expire;
    loop {
        tokio::time::sleep_until(due + Duration::from_millis(1)).await;
        let next = streams.upgrade().and_then(|streams| streams.close_over());
        match next {
            Some(used) => due = used + expire,
            None => return,
        }
    }
}

impl Connection {
    async fn exchange(&mut self, query: &Outgoing, limits: &Limits) -> Result<Received, Broken> {
        let id: u16 = rand::random();
        let packet = query.with_id(id);
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        let mut frame = Vec::with_capacity(packet.len() + 2);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&packet);
        let until = limits.end.min(Instant::now() + limits.read);
        self.write(&frame, until).await?;
        loop {
            let message = self.message(until).await?;
            // A reply that is late for a query before this one.
            if wire::u16_at(&message, 0) != Some(id) {
                continue;
            }
            return query.read_message(&message).map_err(|why| {
                let (kind, cause) = match why {
                    Bogus::Malformed => (ErrorKind::Network, "the reply is malformed"),
                    _ => (ErrorKind::WrongReply, "the reply is to another question"),
                };
                Broken::Failed(self.ends.other("read", kind, cause))
            });
        }
    }

    async fn write(&mut self, frame: &[u8], until: Instant) -> Result<(), Broken> {
        let written = timeout_at(until, async {
            self.stream.write_all(frame).await?;
            self.stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Broken::Ended(self.ends.io("write", &error))),
            Err(_) => Err(Broken::Failed(self.ends.timeout("write"))),
        }
    }

    /// The next message. Memory follows the bytes that come, not the length that is announced.
    async fn message(&mut self, until: Instant) -> Result<Vec<u8>, Broken> {
        loop {
            if let Some(length) = wire::u16_at(&self.input, 0) {
                let end = 2 + usize::from(length);
                if let Some(message) = self.input.get(2..end) {
                    let message = message.to_vec();
                    self.input.drain(..end);
                    return Ok(message);
                }
            }
            let error = match timeout_at(until, self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(0)) => io::ErrorKind::UnexpectedEof.into(),
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => error,
                Err(_) => return Err(Broken::Failed(self.ends.timeout("read"))),
            };
            let error = self.ends.io("read", &error);
            return Err(match self.input.is_empty() {
                true => Broken::Ended(error),
                false => Broken::Failed(error),
            });
        }
    }
}
