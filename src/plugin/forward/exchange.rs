//! One query's way through the upstreams: which is asked, how often, and until when.

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::time::Instant;

use super::Link;
use super::failure::{ErrorKind, ExchangeError};
use super::message::{Outgoing, Received};
use super::policy::any_of;
use super::stream::Limits;
use super::upstream::{Over, Upstream};
use crate::answer::ExtendedError;
use crate::chain::Failure;
use crate::query::Work;
use crate::wire::Flags;

/// The time that a query has in all, from when it came in. CoreDNS has 5 s, which is also when glibc
/// gives up: our SERVFAIL is to come before.
pub(super) const DEADLINE: Duration = Duration::from_millis(4500);
/// Connections that are tried for each upstream where `max_connect_attempts` does not say.
const TRIES_FOR_EACH: usize = 2;

/// What came of a query.
pub(super) enum Landed {
    /// An upstream replied.
    Replied(Received, Arc<str>),
    /// None did.
    Failed(Failure),
}

/// A query, and what it may still use.
pub(super) struct Exchange {
    pub(super) link: Arc<Link>,
    pub(super) query: Arc<Outgoing>,
    /// What the client came over, and so what is asked over.
    pub(super) over: Over,
    pub(super) work: Arc<Work>,
    pub(super) deadline: Instant,
}

/// How the tries went so far.
struct Tries {
    /// Tries that are allowed; `None` is no bound but the deadline.
    most: Option<usize>,
    made: usize,
    last: Option<ExchangeError>,
}

impl Tries {
    fn are_left(&self) -> bool {
        self.most.is_none_or(|most| self.made < most)
    }
}

impl Exchange {
    /// Asks upstreams until one replies.
    pub(super) async fn run(self) -> Landed {
        let upstreams = self.link.upstreams.load_full();
        let settings = &self.link.config;
        let count = upstreams.len();
        if count == 0 {
            return Landed::Failed(self.link.no_upstream());
        }
        let mut tries = Tries {
            most: settings
                .max_connect_attempts
                .unwrap_or(Some(TRIES_FOR_EACH * count)),
            made: 0,
            last: None,
        };
        let window = self.window(&tries);
        let order = settings.policy.order(count);
        let (mut at, mut down, mut failovers) = (0, 0, 0);
        while Instant::now() < self.deadline && tries.are_left() {
            if at >= order.len() {
                (at, down) = (0, 0);
            }
            let place = order.get(at).map_or(0, |place| usize::from(*place));
            at += 1;
            let Some(mut upstream) = upstreams.get(place) else {
                continue;
            };
            if upstream.is_down(settings.max_fails) {
                down += 1;
                if down < count {
                    continue;
                }
                self.link.metrics.broken.inc();
                if settings.failfast {
                    break;
                }
                // Perhaps it is the checks that are broken: any upstream is worth a try.
                upstream = upstreams.get(any_of(count)).unwrap_or(upstream);
            }
            match self.ask(upstream, window).await {
                Ok(received) => {
                    if settings.failover.contains(&u16::from(received.rcode)) {
                        failovers += 1;
                        if failovers < count {
                            continue;
                        }
                    }
                    return Landed::Replied(received, upstream.name().clone());
                }
                Err(Stop::Now(failure)) => return Landed::Failed(*failure),
                Err(Stop::Try(error)) => {
                    if settings.max_fails != 0 {
                        upstream.check_until_healthy();
                    }
                    tries.made += 1;
                    tries.last = Some(error);
                    if down >= count {
                        break;
                    }
                }
            }
        }
        Landed::Failed(match tries.last {
            Some(error) => failure(&error),
            None => all_down(&upstreams),
        })
    }

    /// The time in which a connection must stand: half of all, so that one that hangs leaves time
    /// for another; all where there is no other try.
    fn window(&self, tries: &Tries) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match tries.most {
            Some(1) => left,
            _ => left / 2,
        }
    }

    /// Asks one upstream; over TCP too where UDP was only preferred and the reply was cut.
    async fn ask(&self, upstream: &Arc<Upstream>, window: Duration) -> Result<Received, Stop> {
        let settings = &self.link.config;
        let over = match (settings.force_tcp, settings.prefer_udp) {
            (true, _) => Over::Stream,
            (_, true) => Over::Udp,
            _ => self.over,
        };
        let received = self.ask_over(upstream, over, window).await?;
        if received.flags.has(Flags::TC) && settings.prefer_udp && over == Over::Udp {
            return self.ask_over(upstream, Over::Stream, window).await;
        }
        Ok(received)
    }

    async fn ask_over(
        &self,
        upstream: &Arc<Upstream>,
        over: Over,
        window: Duration,
    ) -> Result<Received, Stop> {
        if !self.work.take() {
            return Err(Stop::Now(Box::new(over_budget())));
        }
        let limits = Limits {
            connect: Instant::now() + window,
            read: self.link.config.read_timeout,
            end: self.deadline,
        };
        let received = upstream.exchange(&self.query, over, limits).await;
        received.map_err(|error| match error.kind() {
            // As CoreDNS: what replies to another question is told as a format error.
            ErrorKind::WrongReply => {
                let rcode = ResponseCode::FormErr;
                Stop::Now(Box::new(Failure::new(
                    super::NAME,
                    rcode,
                    error.to_string(),
                )))
            }
            ErrorKind::Timeout | ErrorKind::Network => Stop::Try(error),
        })
    }
}

/// Why an upstream gave no reply to pass on.
enum Stop {
    /// Another try may do better.
    Try(ExchangeError),
    /// It is over.
    Now(Box<Failure>),
}

fn failure(error: &ExchangeError) -> Failure {
    let (code, text) = error.extended();
    Failure::new(super::NAME, ResponseCode::ServFail, error.to_string()).with_extended(code, text)
}

/// A question that has set off too much already.
pub(super) fn over_budget() -> Failure {
    let text = "too many exchanges follow from one question";
    Failure::new(super::NAME, ResponseCode::ServFail, text)
        .with_extended(ExtendedError::OTHER, text)
}

fn all_down(upstreams: &[Arc<Upstream>]) -> Failure {
    let names: Vec<&str> = upstreams
        .iter()
        .map(|upstream| &**upstream.name())
        .collect();
    let text = format!("all upstreams are down: {}", names.join(", "));
    Failure::new(super::NAME, ResponseCode::ServFail, "no healthy proxies")
        .with_extended(ExtendedError::NO_REACHABLE_AUTHORITY, text)
}
