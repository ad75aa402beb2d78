//! `forward`: asks other servers, and passes on what they reply.
//!
//! ```text
//!  Link ── flight (identical queries share) ── exchange (who, how often, until when)
//!                                                  └── Upstream ── udp | stream (TCP, TLS)
//! ```
//!
//! Each `forward` of a block is a link of its own, in file order. Nothing here blocks the thread
//! that asks: a reply that waits is a future, and how many may wait is bounded.

mod address;
mod ceiling;
mod config;
mod exchange;
mod failure;
mod flight;
mod message;
mod metrics;
mod multiplex;
mod policy;
mod rcode;
mod resolv_conf;
mod start;
mod stream;
mod tls;
mod udp;
mod upstream;

use std::sync::Arc;

use arc_swap::ArcSwap;
use hickory_proto::op::ResponseCode;

use crate::answer::{Answer, Body, ExtendedError, Extra, Order, Origin, Section};
use crate::chain::{Failure, Next, Plugin, Reply, Rest};
use crate::metrics::InFlight;
use crate::query::{OwnedQuery, Query, Step};
use crate::wire::Flags;
use crate::wire::mnemonic::rcode_word;

use super::loop_::Probe;
use super::setup::{Setup, SetupError};
pub(super) use config::OPTIONS;

use config::Config;
use exchange::{DEADLINE, Exchange, Landed};
use flight::{Flight, Flights};
use message::{Key, Outgoing, Received};
use metrics::ForwardMetrics;
pub(super) use metrics::publish;
use upstream::{Over, Upstream};

/// The directive's name.
const NAME: &str = "forward";
/// One `forward` of a server block.
struct Forward(Arc<Link>);

/// What one `forward` of a server block says, and the upstreams that it has now.
pub(super) struct Link {
    config: Config,
    /// Whether another forward of the same block follows.
    has_next: bool,
    /// None where no host name is resolved yet, or all were this server itself.
    upstreams: ArcSwap<Vec<Arc<Upstream>>>,
    flights: Flights<Key, Landed>,
    in_flight: Arc<InFlight>,
    /// Those of all forwards, and how many they may be.
    waiting: Arc<InFlight>,
    most_waiting: i64,
    /// What looks for loops through this link, where the block has `loop`.
    probe: Option<Arc<Probe>>,
    /// In a rehearsal: where queries would go, and the directive's place.
    rehearsal: Option<Rehearsal>,
    metrics: Arc<ForwardMetrics>,
}

/// What a link tells in place of asking an upstream.
struct Rehearsal {
    upstreams: String,
    place: Arc<str>,
}

impl Rehearsal {
    fn of(setup: &Setup<'_>, config: &Config) -> Option<Self> {
        // A file is that of the machine where the server will run.
        let written = config.written.iter().map(|to| match to.starts_with('/') {
            true => format!("the name servers of {to}"),
            false => to.clone(),
        });
        setup.shared.settings.is_rehearsal.then(|| Self {
            upstreams: written.collect::<Vec<_>>().join(", "),
            place: config.place.clone(),
        })
    }

    fn serve(&self, query: &Query<'_>) -> Reply {
        query.note(|| Step {
            plugin: NAME,
            what: format!("{WOULD_FORWARD}{}", self.upstreams),
            place: Some(self.place.clone()),
        });
        Failure::new(NAME, ResponseCode::ServFail, "a rehearsal asks no upstream").into()
    }
}

/// How the step of a [rehearsal](crate::plugin::setup::Settings::is_rehearsal) starts; the
/// upstreams follow.
pub const WOULD_FORWARD: &str = "would be forwarded to ";

/// Reads the directive: one link for each time that it stands in the block.
///
/// # Errors
/// Says what is wrong, and where.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let configs = config::parse(setup)?;
    setup.block.listen.any_class = true;
    let metrics = Arc::new(ForwardMetrics::new(&setup.shared.metrics));
    let waiting: Arc<InFlight> = setup
        .shared
        .keep("forward waiting".to_owned(), || (Arc::default(), None));
    let most_waiting = ceiling::most_waiting(setup.environment);
    let block = setup.shared.block;
    let probe = setup.shared.exports.iter().find_map(|(number, export)| {
        let export = (*number == block).then(|| export.clone())?;
        export.downcast::<Probe>().ok()
    });
    let last = configs.len().saturating_sub(1);
    for (at, config) in configs.into_iter().enumerate() {
        let rehearsal = Rehearsal::of(setup, &config);
        let link = start::link(setup, config, |config| Link {
            config,
            rehearsal,
            has_next: at < last,
            upstreams: ArcSwap::default(),
            flights: Flights::default(),
            in_flight: Arc::default(),
            waiting: waiting.clone(),
            most_waiting,
            probe: probe.clone(),
            metrics: metrics.clone(),
        });
        setup.push(Forward(link));
    }
    Ok(())
}

impl Plugin for Forward {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let Self(link) = self;
        if !link.config.matches(query.lower) {
            return next.serve(query);
        }
        if let Some(failure) = link.loops(query) {
            return failure.into();
        }
        if let Some(rehearsal) = &link.rehearsal {
            return rehearsal.serve(query);
        }
        let (flight, places) = match link.fly(query) {
            Ok(flight) => flight,
            Err(failure) => return failure.into(),
        };
        let link = link.clone();
        // Most replies need nothing of the query, and thousands may wait for one.
        let context = (link.has_next || query.work.is_traced()).then(|| {
            Box::new(Context {
                query: query.to_owned(),
                rest: next.detach(),
            })
        });
        Reply::later(async move {
            let landed = flight.await;
            drop(places);
            link.land(&landed, context).await
        })
    }
}

/// What is kept of a query for when its reply comes.
struct Context {
    query: OwnedQuery,
    rest: Rest,
}

impl Link {
    /// Starts an exchange or joins one, within the bounds.
    fn fly(
        self: &Arc<Self>,
        query: &Query<'_>,
    ) -> Result<(Flight<Landed>, impl Send + use<>), Failure> {
        let most = self.config.max_concurrent.unwrap_or(i64::MAX);
        let Some(place) = self.in_flight.enter(most) else {
            self.metrics.rejects.inc();
            let text = format!("concurrent queries exceeded maximum {most}");
            return Err(Failure::new(NAME, ResponseCode::Refused, text));
        };
        let Some(waits) = self.waiting.enter(self.most_waiting) else {
            self.metrics.overflow.inc();
            let text = format!("{} queries wait for upstreams already", self.most_waiting);
            let failure = Failure::new(NAME, ResponseCode::ServFail, text.clone());
            return Err(failure.with_extended(ExtendedError::NO_REACHABLE_AUTHORITY, text));
        };
        let outgoing = Arc::new(Outgoing::of(query));
        let over = match query.request.transport.proto() {
            "udp" => Over::Udp,
            _ => Over::Stream,
        };
        let key = Key(outgoing.clone(), over);
        let start = || {
            let (work, end) = (query.work.share(), query.request.now + DEADLINE);
            Exchange::new(self, outgoing, over, work, end).run()
        };
        // The loop's probe must go all the way round each time, to be seen.
        let probes = self.probe.as_ref().is_some_and(|probe| probe.is(query));
        let flight = if probes {
            Flights::<Key, _>::alone(start())
        } else {
            let (flight, shared) = self.flights.join(key, start);
            if shared {
                self.metrics.shared.inc();
            }
            flight
        };
        Ok((flight, (place, waits)))
    }

    /// What the client gets for what came of an exchange.
    fn land(&self, landed: &Landed, context: Option<Box<Context>>) -> Reply {
        if let Some(context) = context {
            let query = context.query.view();
            self.note(&query, landed);
            if let Landed::Replied(received, _) = landed
                && self.has_next
                && self.config.passes_on(received)
            {
                return context.rest.serve(&query);
            }
        }
        match landed {
            Landed::Failed(failure) => failure.clone().into(),
            Landed::Replied(received, upstream) => answer(received, upstream).into(),
        }
    }

    /// The failure of a query that would only go round in a loop.
    fn loops(&self, query: &Query<'_>) -> Option<Failure> {
        let probe = self.probe.as_ref()?;
        if !probe.stops(query, |name| self.config.matches(name)) {
            return None;
        }
        let text = "the upstream sends queries back to this server";
        let failure = Failure::new(NAME, ResponseCode::ServFail, text);
        Some(failure.with_extended(ExtendedError::NO_REACHABLE_AUTHORITY, text))
    }

    fn no_upstream(&self) -> Failure {
        let text = format!("no upstream for {}: see the log at start", self.config.from);
        Failure::new(NAME, ResponseCode::ServFail, text.clone())
            .with_extended(ExtendedError::NO_REACHABLE_AUTHORITY, text)
    }

    fn note(&self, query: &Query<'_>, landed: &Landed) {
        query.note(|| Step {
            plugin: NAME,
            what: match landed {
                Landed::Replied(received, upstream) => {
                    let rcode = u16::from(received.rcode);
                    let word = rcode_word(rcode).unwrap_or("a response code of its own");
                    let took = query.request.now.elapsed().as_secs_f64() * 1000.0;
                    format!("{upstream} replied {word} in {took:.1} ms")
                }
                Landed::Failed(failure) => {
                    let error = failure.error.as_deref().unwrap_or("failed");
                    error.to_owned()
                }
            },
            place: Some(self.config.place.clone()),
        });
    }
}

impl Config {
    /// Whether the next forward is to be asked in place of passing this on.
    fn passes_on(&self, received: &Received) -> bool {
        let nodata = || {
            received.rcode == ResponseCode::NoError && received.records.count(Section::Answer) == 0
        };
        self.next.contains(&u16::from(received.rcode)) || (self.next_on_nodata && nodata())
    }
}

/// The reply as it came; the renderer puts the client's own id and question to it.
fn answer(received: &Received, upstream: &Arc<str>) -> Answer {
    let extra = Extra {
        options: received.options.as_ref().map(|options| options.to_vec()),
        metadata: vec![("forward/upstream", upstream.clone())],
        ..Extra::default()
    };
    Answer {
        rcode: received.rcode,
        flags: received.flags.without(Flags::QR),
        plugin: NAME,
        origin: Origin::Upstream,
        ttl: None,
        order: Order::AsIs,
        body: Body::Records(received.records.clone()),
        extra: Some(Box::new(extra)),
    }
}

#[cfg(test)]
pub(super) mod tests;
