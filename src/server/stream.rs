//! Streams: DNS over TCP (RFC 7766) and over TLS (RFC 7858), with limits; and the connections of
//! DNS over HTTPS, which `server/https.rs` reads.
//!
//! A connection's requests are answered as they become known, in any order: one that waits for an
//! upstream holds up no other. Replies that are known at once leave in one write. A connection that
//! says nothing holds next to no memory.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::{Arrival, Handled, Server, https, render};
use crate::chain::{BoxFuture, Transfer};
use crate::metrics;
use crate::query::{OwnedQuery, Transport};
use crate::telemetry::Pace;

mod clients;
mod handshake;

use clients::Clients;

/// Limits of a connection, which the `timeouts` plugin changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the TLS handshake and the first request, until that is there whole.
    pub read: Duration,
    /// For a reply to be taken.
    pub write: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Requests of a connection, after whose answers it is closed; `None` is any number.
    pub requests: Option<usize>,
}

impl Limits {
    /// CoreDNS's defaults.
    pub const DEFAULT: Self = Self {
        read: Duration::from_secs(3),
        write: Duration::from_secs(5),
        idle: Duration::from_secs(10),
        requests: None,
    };
}

/// How much a listener takes at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Connections.
    pub connections: usize,
    /// Requests of one connection, over HTTPS and QUIC.
    pub streams: u32,
    /// Requests of all connections, over QUIC.
    pub workers: usize,
}

impl Caps {
    /// For TCP and TLS; streams and workers are of no concern to them.
    pub const TCP: Self = Self {
        connections: 16_384,
        streams: 0,
        workers: 0,
    };
}

/// What a listener serves: one generation of the configuration.
#[derive(Clone)]
pub struct Serving {
    /// The server blocks.
    pub server: Arc<Server>,
    /// TLS settings; `None` is in the clear.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Limits of connections.
    pub limits: Limits,
    /// How many there may be.
    pub caps: Caps,
}

/// Requests of one connection that wait at one time; it is not read further meanwhile.
const MOST_IN_FLIGHT: usize = 128;
/// Idle time on a crowded listener.
const SHORT_IDLE: Duration = Duration::from_secs(1);
/// Pause after the kernel refused a connection (no descriptors left), so that the loop cannot spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Bytes read by one call, at most.
const READ_AT_ONCE: usize = 16 << 10;
/// Replies gathered before they are written.
const WRITE_AT: usize = 64 << 10;

/// A bound TCP or TLS listener's shared state.
pub struct StreamListener {
    /// What is served; a reload swaps it and keeps the socket. Connections that are open answer by
    /// the new server blocks, and keep the limits that they began with.
    pub serving: ArcSwap<Serving>,
    transport: Transport,
    clients: Clients,
    connections: TaskTracker,
    received: AtomicU64,
}

impl StreamListener {
    /// A listener that serves this by DNS or, if `transport` says so, by HTTP; over TLS where
    /// settings are given.
    #[must_use]
    pub fn new(transport: Transport, serving: Serving) -> Arc<Self> {
        Arc::new(Self {
            transport,
            serving: ArcSwap::from_pointee(serving),
            clients: Clients::default(),
            connections: TaskTracker::new(),
            received: AtomicU64::new(0),
        })
    }

    /// The number of requests that came so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether more than half of the connections that there may be are in use.
    fn is_crowded(&self) -> bool {
        self.connections.len() > self.serving.load().caps.connections / 2
    }

    /// Counts requests that came.
    pub(super) fn count(&self, requests: usize) {
        self.received.fetch_add(requests as u64, Ordering::Relaxed);
    }

    /// Accepts until `stop`, then waits until the open connections have answered what they read.
    pub async fn run(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let (mut failed, mut full) = (Pace::default(), Pace::default());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let most = self.serving.load().caps.connections;
            match accepted {
                Ok(_) if self.connections.len() >= most => {
                    if full.is_due() {
                        let label = self.serving.load().server.label.clone();
                        warn!("{label} has {most} connections, the most: further ones are closed");
                    }
                }
                Ok((stream, client)) => self.accept(stream, client, &stop),
                Err(error) => {
                    // Out of descriptors, or a connection that ended before it was taken.
                    if error.kind() != io::ErrorKind::ConnectionAborted && failed.is_due() {
                        warn!("cannot accept a connection: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        self.connections.close();
        self.connections.wait().await;
    }

    fn accept(self: &Arc<Self>, stream: TcpStream, client: SocketAddr, stop: &CancellationToken) {
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let (listener, stop) = (self.clone(), stop.clone());
        self.connections.spawn(async move {
            let is_crowded = listener.is_crowded();
            let Some(_slot) = listener.clients.enter(client.ip(), is_crowded) else {
                return;
            };
            // Errors end the connection, which is all that can be done about them.
            let _ = listener.connection(stream, client, &stop).await;
        });
    }

    async fn connection(
        self: &Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let serving = self.serving.load_full();
        let first = Instant::now() + serving.limits.read;
        let is_http = self.transport == Transport::Https;
        let (ends, until) = ((client, local), (first, stop));
        let Some(tls) = serving.tls.clone() else {
            if is_http {
                https::serve(self, &serving, stream, ends, until).await;
                return Ok(());
            }
            let from = (client, local, Transport::Tcp);
            let connection = Connection::new(self, serving.limits, stream, from);
            return connection.run(first, stop).await;
        };
        let handshake = Box::pin(handshake::serve(tls, is_http, stream));
        let stream = timeout_at(first, handshake).await??;
        if is_http {
            Box::pin(https::serve(self, &serving, stream, ends, until)).await;
            return Ok(());
        }
        let from = (client, local, Transport::Tls);
        Box::pin(Connection::new(self, serving.limits, stream, from).run(first, stop)).await
    }
}

/// One connection: what was read and not yet answered, what is answered and not yet written.
struct Connection<'l, S> {
    listener: &'l StreamListener,
    limits: Limits,
    /// Requests that were read so far.
    requests: usize,
    stream: S,
    client: SocketAddr,
    local: SocketAddr,
    transport: Transport,
    input: Vec<u8>,
    output: Vec<u8>,
    pending: FuturesUnordered<BoxFuture<Option<Vec<u8>>>>,
}

/// A zone transfer, and who asked for it.
type Transferring = (Transfer, Box<OwnedQuery>);

/// What woke a connection.
enum Woken {
    Read(io::Result<usize>),
    Reply(Option<Vec<u8>>),
    Idle,
    Stop,
}

impl<'l, S: AsyncRead + AsyncWrite + Unpin> Connection<'l, S> {
    fn new(
        listener: &'l StreamListener,
        limits: Limits,
        stream: S,
        (client, local, transport): (SocketAddr, SocketAddr, Transport),
    ) -> Self {
        Self {
            listener,
            limits,
            requests: 0,
            stream,
            client,
            local,
            transport,
            input: Vec::new(),
            output: Vec::new(),
            pending: FuturesUnordered::new(),
        }
    }

    /// Answers requests, the first of which must be there at `deadline`.
    async fn run(mut self, mut deadline: Instant, stop: &CancellationToken) -> io::Result<()> {
        loop {
            match self.wait(deadline, stop).await {
                Woken::Read(read) => {
                    if is_end(read)? {
                        return self.finish().await;
                    }
                    let answered = self.answer_all().await?;
                    if self.has_asked_enough() {
                        return self.finish().await;
                    }
                    if answered > 0 {
                        deadline = Instant::now() + self.idle();
                    }
                }
                Woken::Reply(reply) => {
                    if let Some(reply) = reply {
                        frame(&mut self.output, &reply);
                    }
                    deadline = Instant::now() + self.idle();
                }
                Woken::Idle | Woken::Stop => return self.finish().await,
            }
            self.flush().await?;
        }
    }

    /// Waits for more of a request, for a reply, or for the end.
    async fn wait(&mut self, deadline: Instant, stop: &CancellationToken) -> Woken {
        let (busy, full) = (
            !self.pending.is_empty(),
            self.pending.len() >= MOST_IN_FLIGHT,
        );
        tokio::select! {
            reply = self.pending.next(), if busy => Woken::Reply(reply.flatten()),
            read = read_some(&mut self.stream, &mut self.input), if !full => Woken::Read(read),
            () = tokio::time::sleep_until(deadline), if !busy => Woken::Idle,
            () = stop.cancelled() => Woken::Stop,
        }
    }

    fn idle(&self) -> Duration {
        if self.listener.is_crowded() {
            SHORT_IDLE.min(self.limits.idle)
        } else {
            self.limits.idle
        }
    }

    fn has_asked_enough(&self) -> bool {
        let most = self.limits.requests;
        most.is_some_and(|most| self.requests >= most)
    }

    /// Answers every whole request that was read, within the limit; their number.
    async fn answer_all(&mut self) -> io::Result<usize> {
        let mut at = 0;
        let mut answered = 0;
        let now = Instant::now();
        loop {
            let (end, count, transfer) = self.answer_some(at, now);
            answered += count;
            if let Some((transfer, query)) = transfer {
                self.transfer(transfer, &query).await?;
            } else if self.output.len() > WRITE_AT {
                self.flush().await?;
            } else if end == at {
                break;
            }
            at = end;
        }
        self.listener.count(answered);
        self.input.drain(..at);
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        Ok(answered)
    }

    /// Answers requests from `at` on, until there are no more, much is to be written, or one is a
    /// transfer: where it ended, and how many.
    fn answer_some(&mut self, mut at: usize, now: Instant) -> (usize, usize, Option<Transferring>) {
        let _times = metrics::Batch::open(now);
        self.output.reserve(self.input.len() * 2);
        let serving = self.listener.serving.load_full();
        let arrival = Arrival {
            client: self.client,
            local: self.local,
            transport: self.transport,
            now,
        };
        let mut answered = 0;
        while let Some((packet, end)) = next_frame(&self.input, at)
            && !self.has_asked_enough()
        {
            let start = self.output.len();
            self.output.extend_from_slice(&[0, 0]);
            let packet = self.input.get(packet).unwrap_or_default();
            let handled = serving.server.handle(packet, arrival, &mut self.output);
            close_frame(&mut self.output, start);
            self.requests += 1;
            (at, answered) = (end, answered + 1);
            match handled {
                Handled::Replied | Handled::Silent => {}
                Handled::Later(future) => self.pending.push(future),
                Handled::Transfer(transfer, query) => {
                    return (at, answered, Some((transfer, query)));
                }
            }
            if self.output.len() > WRITE_AT {
                break;
            }
        }
        (at, answered, None)
    }

    async fn transfer(&mut self, transfer: Transfer, query: &OwnedQuery) -> io::Result<()> {
        for answer in transfer.0 {
            let start = self.output.len();
            self.output.extend_from_slice(&[0, 0]);
            let mut message = Vec::new();
            render::answer(&answer, &query.view(), &mut message);
            self.output.extend_from_slice(&message);
            close_frame(&mut self.output, start);
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        timeout(self.limits.write, async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        })
        .await??;
        self.output = Vec::new();
        Ok(())
    }

    /// Waits for the replies that are still to come, and closes.
    async fn finish(mut self) -> io::Result<()> {
        while let Some(reply) = self.pending.next().await {
            if let Some(reply) = reply {
                frame(&mut self.output, &reply);
            }
        }
        self.flush().await?;
        self.stream.shutdown().await
    }
}

/// Whether a client has said all that it wants to: over TLS, too, where it ends TCP and does not tell
/// TLS so. What it asked before that is answered.
fn is_end(read: io::Result<usize>) -> io::Result<bool> {
    match read {
        Ok(length) => Ok(length == 0),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        Err(error) => Err(error),
    }
}

/// Adds what has come to the end of `input`; the number of bytes, 0 at the end of the stream.
///
/// The room to read into is on the stack for the time of a poll alone, so that many requests come with
/// one call and a connection that waits holds none. `input` grows as bytes come, never to a length that
/// a client announces.
async fn read_some(
    stream: &mut (impl AsyncRead + Unpin),
    input: &mut Vec<u8>,
) -> io::Result<usize> {
    poll_fn(|context| {
        let mut room = [MaybeUninit::uninit(); READ_AT_ONCE];
        let mut room = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut room))?;
        input.extend_from_slice(room.filled());
        Poll::Ready(Ok(room.filled().len()))
    })
    .await
}

/// The next whole message at `at`: where it stands, and where the one after it starts.
fn next_frame(input: &[u8], at: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let length = usize::from(crate::wire::u16_at(input, at)?);
    let (start, end) = (at + 2, at + 2 + length);
    (end <= input.len()).then_some((start..end, end))
}

fn frame(output: &mut Vec<u8>, message: &[u8]) {
    let start = output.len();
    output.extend_from_slice(&[0, 0]);
    output.extend_from_slice(message);
    close_frame(output, start);
}

/// Puts the length in front of the message that starts at `start`; takes it away where it is empty.
fn close_frame(output: &mut Vec<u8>, start: usize) {
    let length = output.len() - start - 2;
    match u16::try_from(length) {
        Ok(0) | Err(_) => output.truncate(start),
        Ok(length) => output[start..start + 2].copy_from_slice(&length.to_be_bytes()),
    }
}
