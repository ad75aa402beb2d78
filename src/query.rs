//! What a plugin reads: the request as it came, and the question as the plugins above left it.
//!
//! A [`Query`] is a cheap view. A plugin that changes the question on its way down (rewrite,
//! bufsize, header) makes a changed copy of the view and hands that to `next`; names in the answer
//! are then told relative to the question as it was at that link (see [`crate::answer`]).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hickory_proto::rr::{DNSClass, RecordType};
use tokio::time::Instant;

use crate::name::{Name, NameRef};
use crate::server::Server;
use crate::wire::{Flags, Opcode};

mod metadata;

use metadata::OwnedMetadata;

pub use metadata::Metadata;

/// How a request came in, and so how its answer goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// DNS over UDP: answers are cut at the client's size.
    Udp,
    /// DNS over TCP (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over QUIC (RFC 9250).
    Quic,
}

impl Transport {
    /// `udp` or `tcp`, as metrics and logs of CoreDNS name what a request came over.
    #[must_use]
    pub fn proto(self) -> &'static str {
        match self {
            Self::Udp | Self::Quic => "udp",
            Self::Tcp | Self::Tls | Self::Https => "tcp",
        }
    }
}

/// The facts of one request that no plugin changes.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The message's id, to be echoed.
    pub id: u16,
    /// The header's flags as they came.
    pub flags: Flags,
    /// Who asks; an IPv4-mapped address is told as IPv4.
    pub client: SocketAddr,
    /// The address that was asked.
    pub local: SocketAddr,
    /// What is asked for.
    pub opcode: Opcode,
    /// How it came.
    pub transport: Transport,
    /// The length of the message as it came, in bytes.
    pub size: usize,
    /// When it came. Plugins read no other clock.
    pub now: Instant,
    /// The serial of the SOA record in the authority section, where that is all there is in it: what
    /// the client of an IXFR has (RFC 1995, 3).
    pub serial: Option<u32>,
}

impl Request {
    /// The flags that a reply copies from its request: RD and CD, for opcode QUERY.
    #[inline]
    #[must_use]
    pub fn reply_flags(&self) -> Flags {
        if self.opcode == Opcode::QUERY {
            self.flags.and(Flags::RD.with(Flags::CD))
        } else {
            Flags::NONE
        }
    }
}

/// The OPT pseudo-record of a request (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opt<'q> {
    /// The payload size that the client can take over UDP, as sent.
    pub udp_size: u16,
    /// The EDNS version.
    pub version: u8,
    /// The 16 flag bits; the highest is DO.
    pub flags: u16,
    /// The options as they came: code, length, data, and again.
    pub options: &'q [u8],
}

impl Opt<'_> {
    /// The DO bit of [`Opt::flags`] (RFC 3225).
    pub const DO: u16 = 0x8000;

    /// Whether the client asks for DNSSEC records.
    #[must_use]
    pub fn dnssec_ok(&self) -> bool {
        self.flags & Self::DO != 0
    }
}

/// The question as one link of the chain sees it, with all that comes with it.
#[derive(Clone, Copy)]
pub struct Query<'q> {
    /// The facts that no plugin changes.
    pub request: &'q Request,
    /// The name, in the case that was asked.
    pub name: NameRef<'q>,
    /// The same name in lower case, which all comparisons run on.
    pub lower: NameRef<'q>,
    /// The type.
    pub qtype: RecordType,
    /// The class.
    pub qclass: DNSClass,
    /// The OPT, where the request has one.
    pub opt: Option<Opt<'q>>,
    /// The server blocks of the listener that was asked: the generation that this query runs in.
    pub server: &'q Arc<Server>,
    /// The client's question and all that it sets off share one of these.
    pub work: &'q Work,
    /// Who knows more about the question; see [`Query::metadata`]. `None` where no server block
    /// on its way has `metadata`.
    pub metadata: Option<Metadata<'q>>,
}

impl<'q> Query<'q> {
    /// The size that the client can take: over UDP what its OPT says and 512 at least
    /// (RFC 6891, 6.2.3), over a stream 65,535.
    #[must_use]
    pub fn size_limit(&self) -> usize {
        match (self.request.transport, self.opt) {
            (Transport::Udp, Some(opt)) => usize::from(opt.udp_size.max(512)),
            (Transport::Udp, None) => 512,
            _ => usize::from(u16::MAX),
        }
    }

    /// Whether the client asks for DNSSEC records.
    #[must_use]
    pub fn dnssec_ok(&self) -> bool {
        self.opt.is_some_and(|opt| opt.dnssec_ok())
    }

    /// The same query for another question.
    #[must_use]
    pub fn with_question<'r>(
        &self,
        name: NameRef<'r>,
        lower: NameRef<'r>,
        qtype: RecordType,
    ) -> Query<'r>
    where
        'q: 'r,
    {
        Query {
            name,
            lower,
            qtype,
            ..*self
        }
    }

    /// Tells the trace, where this query has one, what a plugin decided and which line of its
    /// configuration made it. `step` runs only then.
    pub fn note(&self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &self.work.trace {
            trace.push(step());
        }
    }

    /// An owned copy, for work that outlives the caller.
    #[must_use]
    pub fn to_owned(&self) -> OwnedQuery {
        let name = self.name.to_name();
        // Most are asked in lower case.
        let is_lower = self.name.as_bytes() == self.lower.as_bytes();
        let lower = if is_lower {
            name.clone()
        } else {
            self.lower.to_name()
        };
        OwnedQuery {
            request: *self.request,
            name,
            lower,
            qtype: self.qtype,
            qclass: self.qclass,
            opt: self.opt.map(|opt| OwnedOpt {
                udp_size: opt.udp_size,
                version: opt.version,
                flags: opt.flags,
                options: opt.options.into(),
            }),
            server: self.server.clone(),
            work: Arc::new(self.work.share()),
            metadata: self.metadata.map(Metadata::to_owned),
        }
    }
}

/// A [`Query`] that owns what it shows.
#[derive(Clone)]
pub struct OwnedQuery {
    /// See [`Query::request`].
    pub request: Request,
    /// See [`Query::name`].
    pub name: Name,
    /// See [`Query::lower`].
    pub lower: Name,
    /// See [`Query::qtype`].
    pub qtype: RecordType,
    /// See [`Query::qclass`].
    pub qclass: DNSClass,
    opt: Option<OwnedOpt>,
    /// See [`Query::server`].
    pub server: Arc<Server>,
    /// See [`Query::work`].
    pub work: Arc<Work>,
    metadata: Option<OwnedMetadata>,
}

#[derive(Clone)]
struct OwnedOpt {
    udp_size: u16,
    version: u8,
    flags: u16,
    options: Box<[u8]>,
}

impl OwnedQuery {
    /// The view that plugins read.
    #[must_use]
    pub fn view(&self) -> Query<'_> {
        Query {
            request: &self.request,
            name: self.name.view(),
            lower: self.lower.view(),
            qtype: self.qtype,
            qclass: self.qclass,
            opt: self.opt.as_ref().map(|opt| Opt {
                udp_size: opt.udp_size,
                version: opt.version,
                flags: opt.flags,
                options: &opt.options,
            }),
            server: &self.server,
            work: &self.work,
            metadata: self.metadata.as_ref().map(OwnedMetadata::view),
        }
    }
}

/// What one client's question may still set off, and the record of what it did.
///
/// It lives on the stack of who received the query; the first owned copy of the query moves the
/// count to where all copies share it.
#[derive(Debug, Default)]
pub struct Work {
    used: AtomicU16,
    shared: OnceLock<Arc<AtomicU16>>,
    trace: Option<Arc<Trace>>,
}

impl Work {
    /// Re-entries of the chain and exchanges with upstreams that one question may cause. CNAME
    /// chains of CoreDNS end after ten; an exchange and a retry for each leaves room.
    pub const LIMIT: u16 = 32;

    /// Work that records its steps.
    #[must_use]
    pub fn traced() -> Self {
        Self {
            trace: Some(Arc::default()),
            ..Self::default()
        }
    }

    /// Takes one unit; false where the budget is used up, and the caller gives up.
    #[must_use]
    pub fn take(&self) -> bool {
        let used = self.shared.get().map_or(&self.used, AsRef::as_ref);
        used.fetch_add(1, Ordering::Relaxed) < Self::LIMIT
    }

    /// The units that were taken so far.
    #[must_use]
    pub fn used(&self) -> u16 {
        let used = self.shared.get().map_or(&self.used, AsRef::as_ref);
        used.load(Ordering::Relaxed)
    }

    /// The steps so far; empty where nothing is traced.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.trace
            .as_ref()
            .map(|trace| trace.steps())
            .unwrap_or_default()
    }

    /// Whether steps are recorded.
    #[must_use]
    pub fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// A handle on the same budget and trace, for work that outlives this one.
    #[must_use]
    pub fn share(&self) -> Self {
        let used = || Arc::new(AtomicU16::new(self.used.load(Ordering::Relaxed)));
        Self {
            used: AtomicU16::new(0),
            shared: OnceLock::from(self.shared.get_or_init(used).clone()),
            trace: self.trace.clone(),
        }
    }
}

/// One decision on the way of a traced query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The plugin's name.
    pub plugin: &'static str,
    /// What it decided, for a person: a rule, an object, an upstream.
    pub what: String,
    /// The line that made it so, as `FILE:LINE:COLUMN`, where one did.
    pub place: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Trace(Mutex<Vec<Step>>);

impl Trace {
    fn push(&self, step: Step) {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(step);
    }

    fn steps(&self) -> Vec<Step> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}
