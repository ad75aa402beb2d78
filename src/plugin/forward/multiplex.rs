//! Exchanges over HTTPS (RFC 8484) and QUIC (RFC 9250): all queries share one connection to an
//! upstream, each on a stream of its own. It is opened for the first query, and anew when it is
//! not used for `expire` or has ended.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Endpoint, TransportConfig, VarInt};
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::failure::{Ends, ErrorKind, ExchangeError};
use super::message::{Bogus, Outgoing, Received};
use super::metrics::{Proto, UpstreamMetrics};
use super::stream::Limits;

/// Where questions are sent.
const PATH: &str = "/dns-query";
/// A message in a request or a response.
const MESSAGE: HeaderValue = HeaderValue::from_static("application/dns-message");
/// No reply is longer.
const LONGEST: usize = u16::MAX as usize;

/// How queries are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Protocol {
    /// In the body of a request, or in its address.
    Https { get: bool },
    /// On a stream of QUIC.
    Quic,
}

/// To whom a connection leads.
pub(super) struct MultiplexSettings {
    pub(super) remote: SocketAddr,
    pub(super) source: Option<IpAddr>,
    pub(super) tls: Arc<rustls::ClientConfig>,
    pub(super) name: ServerName<'static>,
    pub(super) protocol: Protocol,
    pub(super) expire: Duration,
    pub(super) max_age: Duration,
}

/// The connection to one upstream.
pub(super) struct Multiplex {
    settings: MultiplexSettings,
    open: Mutex<Option<Open>>,
    metrics: Arc<UpstreamMetrics>,
}

struct Open {
    line: Line,
    created: Instant,
    used: Instant,
}

/// What queries are sent on.
#[derive(Clone)]
enum Line {
    Https(SendRequest<Full<Bytes>>),
    Quic(quinn::Connection),
}

impl Multiplex {
    pub(super) fn new(mut settings: MultiplexSettings, metrics: Arc<UpstreamMetrics>) -> Self {
        let protocol: &[u8] = match settings.protocol {
            Protocol::Https { .. } => b"h2",
            Protocol::Quic => b"doq",
        };
        let mut tls = (*settings.tls).clone();
        tls.alpn_protocols = vec![protocol.to_vec()];
        settings.tls = Arc::new(tls);
        Self {
            settings,
            open: Mutex::new(None),
            metrics,
        }
    }

    /// Asks; a connection that ended while it was kept is opened anew once.
    pub(super) async fn exchange(
        &self,
        query: &Outgoing,
        limits: &Limits,
    ) -> Result<Received, ExchangeError> {
        loop {
            let (line, reused) = self.line(limits).await?;
            let until = limits.end.min(Instant::now() + limits.read);
            // RFC 8484, 4.1 and RFC 9250, 4.2.1: the id is zero.
            let asked = timeout_at(until, self.ask(line, query.with_id(0))).await;
            return match asked {
                Ok(Ok(message)) => query.read_message(&message).map_err(|why| {
                    let (kind, cause) = match why {
                        Bogus::Malformed => (ErrorKind::Network, "the reply is malformed"),
                        _ => (ErrorKind::WrongReply, "the reply is to another question"),
                    };
                    self.ends().other("read", kind, cause)
                }),
                Ok(Err(error)) => {
                    self.open.lock().await.take();
                    if reused {
                        continue;
                    }
                    Err(self.ends().io("read", &error))
                }
                Err(_) => {
                    // Perhaps the whole connection hangs; the next query finds out by a new one.
                    self.open.lock().await.take();
                    Err(self.ends().timeout("read"))
                }
            };
        }
    }

    /// The connection, and whether it was there before.
    async fn line(&self, limits: &Limits) -> Result<(Line, bool), ExchangeError> {
        let until = limits.end.min(Instant::now() + limits.connect);
        let Ok(mut open) = timeout_at(until, self.open.lock()).await else {
            return Err(self.ends().timeout("dial"));
        };
        let now = Instant::now();
        if let Some(kept) = open.as_mut().filter(|kept| self.is_good(kept, now)) {
            kept.used = now;
            self.metrics.connection(self.proto(), true);
            return Ok((kept.line.clone(), true));
        }
        // As in CoreDNS, one that cannot be made is counted too.
        self.metrics.connection(self.proto(), false);
        let line = match timeout_at(until, self.connect()).await {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => return Err(self.ends().io("dial", &error)),
            Err(_) => return Err(self.ends().timeout("dial")),
        };
        let (created, used) = (Instant::now(), Instant::now());
        let kept = open.insert(Open {
            line,
            created,
            used,
        });
        Ok((kept.line.clone(), false))
    }

    fn is_good(&self, open: &Open, now: Instant) -> bool {
        let MultiplexSettings {
            expire, max_age, ..
        } = self.settings;
        let is_alive = match &open.line {
            Line::Https(sender) => !sender.is_closed(),
            Line::Quic(connection) => connection.close_reason().is_none(),
        };
        is_alive
            && now.duration_since(open.used) <= expire
            && (max_age.is_zero() || now.duration_since(open.created) <= max_age)
    }

    async fn connect(&self) -> io::Result<Line> {
        match self.settings.protocol {
            Protocol::Https { .. } => self.connect_https().await,
            Protocol::Quic => self.connect_quic().await,
        }
    }

    async fn connect_https(&self) -> io::Result<Line> {
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
        let connector = TlsConnector::from(self.settings.tls.clone());
        let stream = connector
            .connect(self.settings.name.clone(), stream)
            .await?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        // It ends when nobody holds the sender any more.
        tokio::spawn(connection);
        Ok(Line::Https(sender))
    }

    async fn connect_quic(&self) -> io::Result<Line> {
        let remote = self.settings.remote;
        let source = self.settings.source.unwrap_or_else(|| match remote {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
        let crypto = QuicClientConfig::try_from(self.settings.tls.clone());
        let crypto = crypto.map_err(io::Error::other)?;
        let mut transport = TransportConfig::default();
        transport
            .max_idle_timeout(self.settings.expire.try_into().ok())
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(0));
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::client(SocketAddr::new(source, 0))?;
        let name = self.settings.name.to_str();
        let connecting = endpoint.connect_with(config, remote, &name);
        let connection = connecting.map_err(io::Error::other)?.await?;
        Ok(Line::Quic(connection))
    }

    async fn ask(&self, line: Line, packet: Vec<u8>) -> io::Result<Vec<u8>> {
        match line {
            Line::Https(mut sender) => {
                let request = self.request(packet)?;
                sender.ready().await.map_err(io::Error::other)?;
                let response = sender.send_request(request).await;
                let response = response.map_err(io::Error::other)?;
                let status = response.status();
                if !status.is_success() {
                    let text = format!("the upstream answers with the HTTP status {status}");
                    return Err(io::Error::other(text));
                }
                let body = Limited::new(response.into_body(), LONGEST).collect().await;
                Ok(body.map_err(io::Error::other)?.to_bytes().to_vec())
            }
            Line::Quic(connection) => {
                let (mut send, mut receive) = connection.open_bi().await?;
                let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
                let frame = [&length.to_be_bytes()[..], &packet].concat();
                send.write_all(&frame).await?;
                send.finish().map_err(io::Error::other)?;
                let mut length = [0; 2];
                let read = receive.read_exact(&mut length).await;
                read.map_err(io::Error::other)?;
                let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
                let read = receive.read_exact(&mut message).await;
                read.map_err(io::Error::other)?;
                Ok(message)
            }
        }
    }

    fn request(&self, packet: Vec<u8>) -> io::Result<Request<Full<Bytes>>> {
        let MultiplexSettings {
            remote,
            name,
            protocol,
            ..
        } = &self.settings;
        let host = match name {
            ServerName::DnsName(name) => format!("{}:{}", name.as_ref(), remote.port()),
            _ => remote.to_string(),
        };
        let is_get = *protocol == Protocol::Https { get: true };
        let (method, address, body) = if is_get {
            let question = data_encoding::BASE64URL_NOPAD.encode(&packet);
            let address = format!("https://{host}{PATH}?dns={question}");
            (Method::GET, address, Vec::new())
        } else {
            (Method::POST, format!("https://{host}{PATH}"), packet)
        };
        Request::builder()
            .method(method)
            .uri(address)
            .header(ACCEPT, MESSAGE)
            .header(CONTENT_TYPE, MESSAGE)
            .body(Full::new(Bytes::from(body)))
            .map_err(io::Error::other)
    }

    fn proto(&self) -> Proto {
        match self.settings.protocol {
            Protocol::Https { .. } => Proto::Https,
            Protocol::Quic => Proto::Quic,
        }
    }

    fn ends(&self) -> Ends {
        Ends {
            network: self.proto().label(),
            local: None,
            remote: self.settings.remote,
        }
    }
}
