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
    link: Arc<Link>,
    query: Arc<Outgoing>,
    /// What the client came over, and so what is asked over.
    over: Over,
    work: Work,
    /// All must be over by then.
    end: Instant,
}

/// Where a query is in its list of upstreams.
#[derive(Default)]
struct Turn {
    /// The next place in the order.
    at: usize,
    /// Upstreams that were found down since the list began.
    down: usize,
}

impl Exchange {
    /// An exchange that must be over by `end`.
    pub(super) fn new(
        link: &Arc<Link>,
        query: Arc<Outgoing>,
        over: Over,
        work: Work,
        end: Instant,
    ) -> Self {
        Self {
            link: link.clone(),
            query,
            over,
            work,
            end,
        }
    }

    /// What each upstream gets of the time, and the tries that are allowed; `None` is no bound but the
    /// deadline.
    fn bounds(&self, now: Instant, upstreams: usize) -> (Limits, Option<usize>) {
        let config = &self.link.config;
        let most = config.max_connect_attempts;
        let most = most.unwrap_or(Some(TRIES_FOR_EACH * upstreams));
        let left = self.end.saturating_duration_since(now);
        let limits = Limits {
            // Half of all, so that one that hangs leaves time for another; all where there is no
            // other try.
            connect: if most == Some(1) { left } else { left / 2 },
            read: config.read_timeout,
            end: self.end,
        };
        (limits, most)
    }

    /// Asks upstreams until one replies.
    pub(super) async fn run(self) -> Landed {
        let upstreams = self.link.upstreams.load_full();
        if upstreams.is_empty() {
            return Landed::Failed(self.link.no_upstream());
        }
        let config = &self.link.config;
        let order = config.policy.order(upstreams.len());
        let mut turn = Turn::default();
        let (mut tries, mut failovers, mut last) = (0, 0, None);
        let mut now = Instant::now();
        let (limits, most) = self.bounds(now, upstreams.len());
        while now < self.end && most.is_none_or(|most| tries < most) {
            let Some(upstream) = self.next(&mut turn, &order, &upstreams) else {
                break;
            };
            match self.ask(upstream, &limits, now).await {
                Ok(received) => {
                    if config.failover.contains(&u16::from(received.rcode)) {
                        failovers += 1;
                        if failovers < upstreams.len() {
                            now = Instant::now();
                            continue;
                        }
                    }
                    return Landed::Replied(received, upstream.name().clone());
                }
                Err(Stop::Now(failure)) => return Landed::Failed(*failure),
                Err(Stop::Try(error)) => {
                    if config.max_fails != 0 {
                        upstream.check_until_healthy();
                    }
                    tries += 1;
                    last = Some(error);
                    if turn.down >= upstreams.len() {
                        break;
                    }
                    now = Instant::now();
                }
            }
        }
        Landed::Failed(match last {
            Some(error) => failure(&error),
            None => all_down(&upstreams),
        })
    }

    /// The upstream to ask now: the next in the order that is not down; with all down any, unless
    /// the configuration would rather have none.
    fn next<'u>(
        &self,
        turn: &mut Turn,
        order: &[u16],
        upstreams: &'u [Arc<Upstream>],
    ) -> Option<&'u Arc<Upstream>> {
        let config = &self.link.config;
        loop {
            if turn.at >= order.len() {
                *turn = Turn::default();
            }
            let place = order.get(turn.at)?;
            turn.at += 1;
            let upstream = upstreams.get(usize::from(*place))?;
            if !upstream.is_down(config.max_fails) {
                return Some(upstream);
            }
            turn.down += 1;
            if turn.down >= upstreams.len() {
                break;
            }
        }
        self.link.metrics.broken.inc();
        // Perhaps it is the checks that are broken: any upstream is worth a try.
        (!config.failfast).then(|| upstreams.get(any_of(upstreams.len())))?
    }

    /// Asks one upstream; over TCP too where UDP was only preferred and the reply was cut.
    async fn ask(
        &self,
        upstream: &Upstream,
        limits: &Limits,
        mut now: Instant,
    ) -> Result<Received, Stop> {
        let config = &self.link.config;
        let mut over = match (config.force_tcp, config.prefer_udp) {
            (true, _) => Over::Stream,
            (_, true) => Over::Udp,
            _ => self.over,
        };
        loop {
            if !self.work.take() {
                return Err(Stop::Now(Box::new(over_budget())));
            }
            let received = upstream.exchange(&self.query, over, limits, now).await?;
            let was_cut = received.flags.has(Flags::TC);
            if !(was_cut && config.prefer_udp && over == Over::Udp) {
                return Ok(received);
            }
            over = Over::Stream;
            now = Instant::now();
        }
    }
}

/// Why an upstream gave no reply to pass on.
enum Stop {
    /// Another try may do better.
    Try(ExchangeError),
    /// It is over.
    Now(Box<Failure>),
}

impl From<ExchangeError> for Stop {
    fn from(error: ExchangeError) -> Self {
        match error.kind() {
            // As CoreDNS: what replies to another question is told as a format error, and not
            // logged.
            ErrorKind::WrongReply => {
                let (code, text) = error.extended();
                let failure = Failure::refusal(super::NAME, ResponseCode::FormErr);
                Self::Now(Box::new(failure.with_extended(code, text)))
            }
            ErrorKind::Timeout | ErrorKind::Network => Self::Try(error),
        }
    }
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
