//! The server blocks behind one listener, and the way of a request through them: decode, block
//! match, chain, render.
//!
//! Listeners ([`udp`], [`stream`]) bring bytes in and out; this module turns one into the other and
//! touches no socket.

pub mod decode;
mod https;
pub mod quic;
pub mod render;
pub mod stream;
pub mod udp;
mod zones;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use tokio::time::Instant;

use crate::answer::Origin;
use crate::chain::{BoxFuture, Chain, Failure, Outcome, Reply, Transfer};
use crate::name::{MAX_NAME, Name, NameRef};
use crate::query::{OwnedQuery, Query, Request, Step, Transport, Work};

use decode::Decoded;
use zones::Zones;

/// Decides whether a server block's view takes a query.
pub trait Filter: Send + Sync {
    /// Whether the query passes.
    fn accepts(&self, query: &Query<'_>) -> bool;
}

/// A zone of a server block: the names it serves, for whom, and the chain that does.
pub struct Block {
    /// The apex, in lower case.
    pub zone: Name,
    /// The view's name; empty where the block has none.
    pub view: Arc<str>,
    /// All must accept.
    pub filters: Vec<Arc<dyn Filter>>,
    /// The plugins.
    pub chain: Arc<Chain>,
    /// The names for which these plugins provide metadata; `None` where the block has none.
    pub metadata: Option<Arc<[Name]>>,
}

impl Block {
    /// That this block takes the query, for a trace.
    fn step(&self, listener: &str) -> Step {
        let view = match &*self.view {
            "" => String::new(),
            view => format!(", view {view}"),
        };
        Step {
            plugin: "",
            what: format!("server block {} of {listener}{view}", self.zone),
            place: None,
        }
    }

    /// The query with the metadata of this block; `None` where it keeps what it has.
    #[inline]
    fn enter<'r>(&'r self, query: &Query<'r>) -> Option<Query<'r>> {
        let zones = self.metadata.as_ref()?;
        let covered = zones.iter().any(|zone| query.lower.is_in(zone.view()));
        Some(query.with_metadata(covered.then_some(&self.chain)))
    }
}

/// What the server counts of its own.
pub trait Observer: Send + Sync {
    /// A request was refused before any chain.
    fn dropped(&self, query: &Query<'_>, rcode: ResponseCode);
    /// A plugin panicked.
    fn panicked(&self, what: &str);
    /// A request that came over HTTPS or QUIC ended with this status.
    fn responded(&self, transport: Transport, status: &str) {
        let _ = (transport, status);
    }
}

/// The server blocks that one listener's requests are matched against: one generation of the
/// configuration.
pub struct Server {
    /// The listener as metrics name it: `dns://:53`.
    pub label: Arc<str>,
    /// This listener's number among those of its configuration.
    pub index: usize,
    /// The number of listeners of its configuration.
    pub siblings: usize,
    blocks: Box<[Arc<Block>]>,
    zones: Zones,
    any_class: bool,
    observer: Arc<dyn Observer>,
}

/// What came of a packet.
pub enum Handled {
    /// The reply's bytes are written.
    Replied,
    /// There is no reply.
    Silent,
    /// The reply follows; `None` is silence.
    Later(BoxFuture<Option<Vec<u8>>>),
    /// A zone transfer follows: many messages, for a stream.
    Transfer(Transfer, Box<OwnedQuery>),
}

/// What came of a request that has a stream for itself.
pub enum Told {
    /// Silence, on purpose.
    Nothing,
    /// The reply.
    Message(Vec<u8>),
    /// A zone transfer.
    Messages(Transfer, Box<OwnedQuery>),
}

/// From where a packet came and when.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The sender, an IPv4-mapped address told as IPv4.
    pub client: SocketAddr,
    /// The address it was sent to.
    pub local: SocketAddr,
    /// The listener's kind.
    pub transport: Transport,
    /// When it was read.
    pub now: Instant,
}

impl Server {
    /// A server of these blocks; of equal zones the first block that accepts a query serves it.
    ///
    /// `(index, siblings)` is the listener's number among those of its configuration.
    /// `any_class` lets classes other than IN reach the chain: a block has a plugin that knows them
    /// (chaos, forward).
    #[must_use]
    pub fn new(
        label: impl Into<Arc<str>>,
        (index, siblings): (usize, usize),
        blocks: impl IntoIterator<Item = Arc<Block>>,
        any_class: bool,
        observer: Arc<dyn Observer>,
    ) -> Arc<Self> {
        let blocks: Box<[_]> = blocks.into_iter().collect();
        Arc::new(Self {
            label: label.into(),
            index,
            siblings,
            zones: zones::of(&blocks),
            blocks,
            any_class,
            observer,
        })
    }

    /// The server blocks' zones, in the order of the file.
    pub fn blocks(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.blocks.iter()
    }

    /// Takes one packet; a reply that is known at once is appended to `out`.
    pub fn handle(self: &Arc<Self>, packet: &[u8], arrival: Arrival, out: &mut Vec<u8>) -> Handled {
        self.handle_with(packet, arrival, &Work::default(), out)
    }

    /// The same for a packet with work of its own, which may be [traced](Work::traced).
    pub fn handle_with(
        self: &Arc<Self>,
        packet: &[u8],
        arrival: Arrival,
        work: &Work,
        out: &mut Vec<u8>,
    ) -> Handled {
        let mut scratch = [0; MAX_NAME];
        match decode::decode(packet, &mut scratch) {
            Ok(decoded) => self.ask(&decoded, packet.len(), arrival, work, out),
            Err(refusal) => {
                let before = out.len();
                render::refusal(refusal, out);
                match out.len() > before {
                    true => Handled::Replied,
                    false => Handled::Silent,
                }
            }
        }
    }

    /// The same for a request of its own stream, which waits for the reply.
    pub async fn told(
        self: &Arc<Self>,
        decoded: &Decoded<'_>,
        size: usize,
        arrival: Arrival,
    ) -> Told {
        let mut out = Vec::new();
        match self.ask(decoded, size, arrival, &Work::default(), &mut out) {
            Handled::Replied => Told::Message(out),
            Handled::Silent => Told::Nothing,
            Handled::Later(reply) => reply.await.map_or(Told::Nothing, Told::Message),
            Handled::Transfer(transfer, query) => Told::Messages(transfer, query),
        }
    }

    /// Counts how a request that came over HTTPS or QUIC ended.
    pub fn responded(&self, transport: Transport, status: &str) {
        self.observer.responded(transport, status);
    }

    /// Takes one request of `size` bytes that was read.
    fn ask(
        self: &Arc<Self>,
        decoded: &Decoded<'_>,
        size: usize,
        arrival: Arrival,
        work: &Work,
        out: &mut Vec<u8>,
    ) -> Handled {
        let Decoded {
            id,
            flags,
            opcode,
            name,
            qtype,
            qclass,
            opt,
            serial,
        } = *decoded;
        let Arrival {
            client,
            local,
            transport,
            now,
        } = arrival;
        let request = Request {
            id,
            flags,
            opcode,
            client,
            local,
            transport,
            size,
            now,
            serial,
        };
        let mut lower = [0; MAX_NAME];
        let lower = name.lower_into(&mut lower);
        let query = Query {
            request: &request,
            name,
            lower,
            qtype,
            qclass,
            opt,
            server: self,
            work,
            metadata: None,
        };
        if qclass != DNSClass::IN && !self.any_class {
            self.observer.dropped(&query, ResponseCode::Refused);
            render::failure(&Failure::refusal("", ResponseCode::Refused), &query, out);
            return Handled::Replied;
        }
        if opt.is_some_and(|opt| opt.version != 0) {
            render::bad_version(&query, out);
            return Handled::Replied;
        }
        // A panic is a defect of one plugin; the query fails and the thread goes on.
        let before = out.len();
        let handled = catch_unwind(AssertUnwindSafe(|| self.answer(&query, out)));
        handled.unwrap_or_else(|panic| {
            out.truncate(before);
            finish(&mut self.panicked(panic.as_ref(), &query), &query, out)
        })
    }

    /// Asks the blocks, and renders what is known at once.
    fn answer(&self, query: &Query<'_>, out: &mut Vec<u8>) -> Handled {
        // The outcome is large, and stays where it is.
        let mut reply = self.serve(query);
        if let Reply::Now(outcome) = &mut reply {
            return finish(outcome, query, out);
        }
        let query = query.to_owned();
        Handled::Later(Box::pin(async move {
            let outcome = AssertUnwindSafe(reply).catch_unwind().await;
            let view = query.view();
            let mut outcome =
                outcome.unwrap_or_else(|panic| view.server.panicked(panic.as_ref(), &view));
            let mut out = Vec::with_capacity(512);
            // A transfer is never late: the plugin that makes one has its zone at hand.
            matches!(finish(&mut outcome, &view, &mut out), Handled::Replied).then_some(out)
        }))
    }

    /// Matches the query to a server block and asks its chain.
    pub fn serve(&self, query: &Query<'_>) -> Reply {
        let mut parent_of_ds = None;
        // What the metadata of a block adds stays when its filters refuse, as in CoreDNS.
        let mut entered: Option<Query<'_>> = None;
        for (zone, blocks) in self.zones.above(query.lower) {
            // As in CoreDNS, the root's blocks are for what is left over, and nobody's parent.
            let is_last = zone.view().is_root() && !query.lower.is_root();
            if is_last && parent_of_ds.is_some() {
                break;
            }
            for block in blocks {
                if block.chain.is_empty() {
                    if is_last {
                        continue;
                    }
                    return self.refuse(query);
                }
                if let Some(with) = block.enter(entered.as_ref().unwrap_or(query)) {
                    entered = Some(with);
                }
                let query = entered.as_ref().unwrap_or(query);
                if !block.filters.iter().all(|filter| filter.accepts(query)) {
                    continue;
                }
                if query.qtype != RecordType::DS || is_last {
                    query.note(|| block.step(&self.label));
                    return block.chain.start().serve(query);
                }
                // RFC 4035, 3.1.4.1: DS records are the parent's; the shortest suffix that is
                // served here is the parent as far as this server knows.
                parent_of_ds = Some(block);
            }
        }
        let query = entered.as_ref().unwrap_or(query);
        match parent_of_ds {
            Some(block) => block.chain.start().serve(query),
            None => self.refuse(query),
        }
    }

    /// Asks this server, from the top, for another question of the same client: the target of a
    /// CNAME, for example. Fails where the client's question has set off too much already.
    pub fn resolve(&self, query: &Query<'_>, name: NameRef<'_>, qtype: RecordType) -> Reply {
        if !query.work.take() {
            return Failure::new(
                "",
                ResponseCode::ServFail,
                "too many names follow from one question",
            )
            .into();
        }
        let mut lower = [0; MAX_NAME];
        let lower = name.lower_into(&mut lower);
        self.serve(&Query {
            // As in CoreDNS, whatever the client's is.
            qclass: DNSClass::IN,
            ..query.with_question(name, lower, qtype)
        })
    }

    fn refuse(&self, query: &Query<'_>) -> Reply {
        self.observer.dropped(query, ResponseCode::Refused);
        Failure::refusal("", ResponseCode::Refused).into()
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send), query: &Query<'_>) -> Outcome {
        let what = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        self.observer.panicked(&what);
        self.observer.dropped(query, ResponseCode::ServFail);
        Failure::refusal("", ResponseCode::ServFail).into()
    }
}

/// Renders an outcome for the client's own question.
fn finish(outcome: &mut Outcome, query: &Query<'_>, out: &mut Vec<u8>) -> Handled {
    query.note(|| answered(outcome));
    match outcome {
        Outcome::Answer(answer) => render::answer(answer, query, out),
        Outcome::Failed(failure) => render::failure(failure, query, out),
        Outcome::Drop => return Handled::Silent,
        Outcome::Transfer(transfer) => {
            return Handled::Transfer(transfer.take(), Box::new(query.to_owned()));
        }
    }
    Handled::Replied
}

/// Who gave the answer, for a trace.
fn answered(outcome: &Outcome) -> Step {
    let (plugin, what) = match outcome {
        Outcome::Answer(answer) => {
            let from = match answer.origin {
                Origin::Zone => "answered from the cluster's state",
                Origin::Upstream => "answered with what an upstream replied",
                Origin::Local => "answered from its configuration",
            };
            (answer.plugin, from.to_owned())
        }
        Outcome::Failed(failure) => {
            let error = failure.error.as_deref().unwrap_or("refused");
            (failure.plugin, error.to_owned())
        }
        Outcome::Drop => ("", "dropped without a reply".to_owned()),
        Outcome::Transfer(_) => ("", "a zone transfer".to_owned()),
    };
    Step {
        plugin,
        what,
        place: None,
    }
}
