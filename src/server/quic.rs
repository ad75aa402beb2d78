//! DNS over QUIC (RFC 9250): a stream for each question, on connections that are bounded in number.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, Incoming, ReadExactError, RecvStream, SendStream,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::decode::Decoded;
use super::stream::Serving;
use super::{Arrival, Told, decode, render};
use crate::chain::Transfer;
use crate::name::MAX_NAME;
use crate::query::{OwnedQuery, Transport};
use crate::wire;

/// All is well, and there is nothing more to say.
const NO_ERROR: VarInt = VarInt::from_u32(0);
/// This server could not answer on a stream.
const INTERNAL_ERROR: VarInt = VarInt::from_u32(1);
/// The client does not speak DNS over QUIC.
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
/// What a client may send on a stream before it is read: one message and its length.
const STREAM_WINDOW: u32 = (64 << 10) + 2;
/// The same on all streams of a connection.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The EDNS option that TCP has and QUIC must not (RFC 9250, 5.5.2).
const TCP_KEEPALIVE: u16 = 11;

/// A bound QUIC socket's shared state.
pub struct QuicListener {
    endpoint: Endpoint,
    state: ArcSwap<State>,
    connections: TaskTracker,
    received: AtomicU64,
}

/// One generation of the configuration.
struct State {
    serving: Serving,
    /// Places for streams that are being answered.
    workers: Arc<Semaphore>,
}

impl State {
    fn new(serving: Serving) -> Self {
        let workers = Arc::new(Semaphore::new(serving.caps.workers));
        Self { serving, workers }
    }
}

/// What QUIC is to be like. Without TLS there is none.
fn settings(serving: &Serving) -> io::Result<ServerConfig> {
    let tls = serving.tls.clone().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "QUIC needs the directive tls")
    })?;
    let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(serving.caps.streams.into())
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(u64::from(CONNECTION_WINDOW))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(serving.limits.idle.try_into().ok());
    let mut settings = ServerConfig::with_crypto(Arc::new(crypto));
    settings.transport_config(Arc::new(transport));
    Ok(settings)
}

impl QuicListener {
    /// A listener that serves this on a bound socket. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// There are no TLS settings, or none that QUIC can use; the system refuses the socket.
    pub fn new(socket: UdpSocket, serving: Serving) -> io::Result<Arc<Self>> {
        let settings = Some(settings(&serving)?);
        let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        Ok(Arc::new(Self {
            endpoint: Endpoint::new(config, settings, socket, runtime)?,
            state: ArcSwap::from_pointee(State::new(serving)),
            connections: TaskTracker::new(),
            received: AtomicU64::new(0),
        }))
    }

    /// The number of requests that came so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Serves something new. Open connections answer by the new server blocks, and keep the limits
    /// that they began with.
    pub fn swap(&self, serving: Serving) {
        match settings(&serving) {
            Ok(settings) => self.endpoint.set_server_config(Some(settings)),
            Err(error) => warn!("QUIC goes on with the TLS settings that it had: {error}"),
        }
        self.state.store(Arc::new(State::new(serving)));
    }

    /// Accepts until `stop`, then waits until the open connections have answered what they read.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let incoming = tokio::select! {
                () = stop.cancelled() => break,
                incoming = self.endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { break };
            if self.connections.len() >= self.state.load().serving.caps.connections {
                incoming.refuse();
                continue;
            }
            let (listener, stop) = (self.clone(), stop.clone());
            let connection = async move { listener.connection(incoming, &stop).await };
            self.connections.spawn(connection);
        }
        self.endpoint.set_server_config(None);
        self.connections.close();
        self.connections.wait().await;
        self.endpoint.wait_idle().await;
    }

    /// Answers the streams of a connection until it ends or `stop`, and those that are open by then.
    async fn connection(self: Arc<Self>, incoming: Incoming, stop: &CancellationToken) {
        let limits = self.state.load().serving.limits;
        let Ok(connecting) = incoming.accept() else {
            return;
        };
        let Ok(Ok(connection)) = timeout(limits.read, connecting).await else {
            return;
        };
        let streams = TaskTracker::new();
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                stream = connection.accept_bi() => stream,
            };
            let Ok((send, receive)) = stream else { break };
            self.received.fetch_add(1, Ordering::Relaxed);
            let state = self.state.load_full();
            // The semaphore is never closed.
            let Ok(place) = state.workers.clone().acquire_owned().await else {
                break;
            };
            let stream = Stream {
                connection: connection.clone(),
                local: self.local(&connection),
                state,
                send,
            };
            streams.spawn(stream.serve(receive, place));
        }
        streams.close();
        streams.wait().await;
        connection.close(NO_ERROR, b"");
    }

    fn local(&self, connection: &Connection) -> SocketAddr {
        let bound = self.endpoint.local_addr();
        let bound = bound.unwrap_or_else(|_| ([0, 0, 0, 0], 0).into());
        let ip = connection.local_ip().unwrap_or_else(|| bound.ip());
        SocketAddr::new(ip.to_canonical(), bound.port())
    }
}

/// A stream, and what it is answered by.
struct Stream {
    connection: Connection,
    local: SocketAddr,
    state: Arc<State>,
    send: SendStream,
}

/// Why no message was read from a stream.
enum Unread {
    /// The client does not say what the protocol asks for.
    Malformed,
    /// The client gave this stream up, or is too slow.
    Gone,
}

impl Stream {
    async fn serve(mut self, mut receive: RecvStream, place: OwnedSemaphorePermit) {
        let limits = self.state.serving.limits;
        let read = timeout(limits.read, read(&mut receive)).await;
        match read.unwrap_or(Err(Unread::Gone)) {
            Ok(message) => self.answer(&message).await,
            Err(Unread::Malformed) => self.abort(),
            Err(Unread::Gone) => {
                self.give_up();
                self.told("0x1");
            }
        }
        drop(place);
        // The connection may be closed when the client has all of it, and no sooner. The client's end
        // of the stream is waited for: without it quinn would send STOP_SENDING, which no client may
        // get (RFC 9250, 4.3.3).
        let ends = async { tokio::join!(self.send.stopped(), drain(&mut receive)) };
        let _ = timeout(limits.write, ends).await;
    }

    async fn answer(&mut self, message: &[u8]) {
        let mut scratch = [0; MAX_NAME];
        let decoded = decode::decode(message, &mut scratch);
        let Some(decoded) = decoded.ok().filter(is_for_quic) else {
            return self.abort();
        };
        let client = self.connection.remote_address();
        let arrival = Arrival {
            client: SocketAddr::new(client.ip().to_canonical(), client.port()),
            local: self.local,
            transport: Transport::Quic,
            now: Instant::now(),
        };
        let server = self.state.serving.server.clone();
        let sent = match server.told(&decoded, message.len(), arrival).await {
            Told::Nothing => None,
            Told::Message(reply) => self.write(&reply).await,
            Told::Messages(transfer, query) => self.write_all(transfer, &query).await,
        };
        match sent {
            Some(()) => {
                let _ = self.send.finish();
            }
            None => self.give_up(),
        }
        self.told("0x0");
    }

    /// Sends one message; `None` where the client does not take it.
    async fn write(&mut self, message: &[u8]) -> Option<()> {
        let length = u16::try_from(message.len()).ok()?.to_be_bytes();
        let framed = [&length, message].concat();
        let written = self.send.write_all(&framed);
        let written = timeout(self.state.serving.limits.write, written).await;
        written.ok()?.ok()
    }

    async fn write_all(&mut self, transfer: Transfer, query: &OwnedQuery) -> Option<()> {
        for answer in transfer.0 {
            let mut message = Vec::new();
            render::answer(&answer, &query.view(), &mut message);
            self.write(&message).await?;
        }
        Some(())
    }

    /// Ends this stream without an answer; the others of the connection go on.
    fn give_up(&mut self) {
        let _ = self.send.reset(INTERNAL_ERROR);
    }

    /// Ends the connection of a client that does not speak the protocol (RFC 9250, 4.3.3).
    fn abort(&self) {
        self.connection.close(PROTOCOL_ERROR, b"");
        self.told("0x2");
    }

    fn told(&self, code: &'static str) {
        let server = &self.state.serving.server;
        server.responded(Transport::Quic, code);
    }
}

/// Passes over what follows the message of a stream, as far as one more may be long.
async fn drain(receive: &mut RecvStream) {
    let _ = receive.read_to_end(STREAM_WINDOW as usize).await;
}

/// Reads the one message of a stream.
async fn read(receive: &mut RecvStream) -> Result<Vec<u8>, Unread> {
    let unread = |error| match error {
        ReadExactError::FinishedEarly(_) => Unread::Malformed,
        ReadExactError::ReadError(_) => Unread::Gone,
    };
    let mut length = [0; 2];
    receive.read_exact(&mut length).await.map_err(unread)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    receive.read_exact(&mut message).await.map_err(unread)?;
    Ok(message)
}

/// Whether a request is one that may come over QUIC: its id is 0, and nothing in it is about TCP.
fn is_for_quic(decoded: &Decoded<'_>) -> bool {
    let mut options = decoded.opt.map_or(&[][..], |opt| opt.options);
    while let (Some(code), Some(length)) = (wire::u16_at(options, 0), wire::u16_at(options, 2)) {
        if code == TCP_KEEPALIVE {
            return false;
        }
        options = options.get(4 + usize::from(length)..).unwrap_or_default();
    }
    decoded.id == 0
}
