//! One upstream: how it is spoken to, and whether it is thought to be alive.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::failure::ExchangeError;
use super::message::{Outgoing, Received};
use super::metrics::UpstreamMetrics;
use super::multiplex::{Multiplex, MultiplexSettings, Protocol};
use super::stream::{Limits, StreamSettings, Streams};
use super::tls::ClientTls;
use super::udp::UdpSockets;
use crate::metrics::Registry;
use crate::name::Name;

/// The time that a health check has to connect, and then to get a reply.
const CHECK_CONNECT: Duration = Duration::from_secs(2);
const CHECK_READ: Duration = Duration::from_secs(1);
/// Checks are never closer to each other than this, whatever `health_check` says.
const CHECK_LEAST_PAUSE: Duration = Duration::from_millis(50);

/// What a query goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Datagrams.
    Udp,
    /// A connection.
    Stream,
}

/// All that an upstream is made from, its address aside. Upstreams with the same address and
/// settings are the same, over reloads too.
#[derive(Clone, Debug)]
pub(super) struct UpstreamSettings {
    /// The address that queries leave from.
    pub(super) source: Option<IpAddr>,
    /// How long an unused connection is kept, and a UDP socket at all.
    pub(super) expire: Duration,
    /// How long any connection is kept; zero is no bound.
    pub(super) max_age: Duration,
    /// Unused connections that are kept; zero is no bound.
    pub(super) max_idle: usize,
    /// How health is checked.
    pub(super) check: CheckSettings,
}

/// How the health of an upstream is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CheckSettings {
    /// The time from one check to the next.
    pub(super) interval: Duration,
    /// Whether the check's query asks for recursion.
    pub(super) recursion: bool,
    /// The name that is asked for, type NS.
    pub(super) domain: Name,
    /// Whether the check goes over TCP.
    pub(super) tcp: bool,
}

/// An upstream's TLS.
#[derive(Clone)]
pub(super) struct UpstreamTls {
    pub(super) client: ClientTls,
    /// How queries are told; `None` is DNS over TLS.
    pub(super) protocol: Option<Protocol>,
    pub(super) name: ServerName<'static>,
}

/// A server that queries are sent to.
pub(super) struct Upstream {
    /// What it is made from: tells one from another.
    key: String,
    address: SocketAddr,
    /// The address as metrics and metadata show it.
    name: Arc<str>,
    tls: bool,
    udp: Arc<UdpSockets>,
    streams: Arc<Streams>,
    /// For HTTPS and QUIC, instead of the two above.
    multiplex: Option<Multiplex>,
    check: CheckSettings,
    /// Checks that failed since the last that did not.
    fails: AtomicU32,
    checking: AtomicBool,
    metrics: Arc<UpstreamMetrics>,
}

impl Upstream {
    /// The text that tells an upstream from others: all that it is made from.
    pub(super) fn key(
        address: SocketAddr,
        tls: Option<&UpstreamTls>,
        settings: &UpstreamSettings,
    ) -> String {
        let tls = tls.map(|tls| (tls.name.to_str(), tls.protocol, tls.client.digest()));
        // A file may name thousands: numbers are written faster than they are told to people.
        let UpstreamSettings {
            source,
            expire,
            max_age,
            max_idle,
            check,
        } = settings;
        let CheckSettings {
            interval,
            recursion,
            domain,
            tcp,
        } = check;
        let [expire, max_age, interval] =
            [expire, max_age, interval].map(|time| (time.as_secs(), time.subsec_nanos()));
        format!(
            "forward {address} {tls:?} {source:?} {}.{} {}.{} {max_idle} {}.{} {recursion} {domain} {tcp}",
            expire.0, expire.1, max_age.0, max_age.1, interval.0, interval.1
        )
    }

    /// An upstream that nothing was sent to yet.
    pub(super) fn new(
        address: SocketAddr,
        tls: Option<UpstreamTls>,
        settings: &UpstreamSettings,
        registry: &Arc<Registry>,
    ) -> Arc<Self> {
        let key = Self::key(address, tls.as_ref(), settings);
        let name: Arc<str> = address.to_string().into();
        let metrics = Arc::new(UpstreamMetrics::new(registry.clone(), name.clone()));
        let lifetime = match settings.max_age {
            Duration::ZERO => settings.expire,
            max_age => max_age.min(settings.expire),
        };
        let has_tls = tls.is_some();
        let protocol = tls
            .as_ref()
            .and_then(|tls| Some((tls.protocol?, tls.clone())));
        let multiplex = protocol.map(|(protocol, tls)| {
            let settings = MultiplexSettings {
                remote: address,
                source: settings.source,
                tls: tls.client.config(),
                name: tls.name,
                protocol,
                expire: settings.expire,
                max_age: settings.max_age,
            };
            Multiplex::new(settings, metrics.clone())
        });
        let streams = StreamSettings {
            remote: address,
            source: settings.source,
            tls: tls.map(|tls| (TlsConnector::from(tls.client.config()), tls.name)),
            expire: settings.expire,
            max_age: settings.max_age,
            max_idle: settings.max_idle,
        };
        Arc::new(Self {
            key,
            address,
            name,
            tls: has_tls,
            udp: UdpSockets::new(
                address,
                settings.source,
                lifetime,
                settings.max_idle,
                metrics.clone(),
            ),
            streams: Streams::new(streams, metrics.clone()),
            multiplex,
            check: settings.check.clone(),
            fails: AtomicU32::new(0),
            checking: AtomicBool::new(false),
            metrics,
        })
    }

    /// Whether both are made from the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as metrics and metadata show it.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Sends a query and waits for its reply, which began now. An upstream with TLS has connections
    /// only.
    pub(super) async fn exchange(
        &self,
        query: &Arc<Outgoing>,
        over: Over,
        limits: &Limits,
        began: Instant,
    ) -> Result<Received, ExchangeError> {
        let received = match (over, &self.multiplex) {
            (_, Some(multiplex)) => Box::pin(multiplex.exchange(query, limits)).await?,
            (Over::Udp, None) if !self.tls => {
                let deadline = limits.end.min(began + limits.read);
                self.udp.exchange(query, began, deadline).await?
            }
            // In a box: what waits at a UDP socket, by the thousand, is not to be as large.
            _ => Box::pin(self.streams.exchange(query, limits)).await?,
        };
        self.metrics.replied(received.rcode, began.elapsed());
        Ok(received)
    }

    /// Whether more than `max_fails` checks failed since the last that did not; 0 is never.
    pub(super) fn is_down(&self, max_fails: u32) -> bool {
        max_fails > 0 && self.fails.load(Ordering::Relaxed) > max_fails
    }

    /// Checks at once, and then until a check does not fail, unless that is going on already.
    pub(super) fn check_until_healthy(self: &Arc<Self>) {
        if self.checking.swap(true, Ordering::Relaxed) {
            return;
        }
        let upstream = Arc::downgrade(self);
        let pause = self.check.interval.max(CHECK_LEAST_PAUSE);
        tokio::spawn(async move {
            // It ends with the upstream too: nobody is left who wants to know.
            while let Some(upstream) = upstream.upgrade() {
                if upstream.check().await {
                    upstream.fails.store(0, Ordering::Relaxed);
                    upstream.checking.store(false, Ordering::Relaxed);
                    return;
                }
                upstream.metrics.failed();
                let more = |fails: u32| Some(fails.saturating_add(1));
                let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
                // The function always gives a value, so this cannot fail.
                let _ = upstream.fails.fetch_update(set, get, more);
                drop(upstream);
                tokio::time::sleep(pause).await;
            }
        });
    }

    /// Whether anything at all replies.
    async fn check(&self) -> bool {
        let CheckSettings {
            recursion,
            domain,
            tcp,
            ..
        } = &self.check;
        let query = Outgoing::plain(domain.view(), RecordType::NS, *recursion).any_reply();
        let now = Instant::now();
        let limits = Limits {
            connect: CHECK_CONNECT,
            read: CHECK_READ,
            end: now + CHECK_CONNECT + CHECK_READ,
        };
        let replied = match &self.multiplex {
            Some(multiplex) => multiplex.exchange(&query, &limits).await,
            None if *tcp || self.tls => self.streams.probe(&query, &limits).await,
            None => self.udp.probe(&Arc::new(query), now + CHECK_READ).await,
        };
        replied.is_ok()
    }
}
