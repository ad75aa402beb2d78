//! `cache`: answers, kept until their TTL ends.
//!
//! A look-up comes first, and a hit goes out at once. On a miss the rest of the chain is asked, all
//! TTLs of its answer become one within the configured bounds, and the answer is stored, but never
//! one of the cluster's zone: that is as quick to ask as to keep, and must not be older than the
//! cluster. Entries are renewed ahead of their end (`prefetch`) or after it (`serve_stale`) by a
//! task beside the queries.
#![doc = include_str!("../../docs/plugins/cache.md")]

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use tokio::time::Instant;

pub(super) use self::config::OPTIONS;

use self::config::Config;
use self::item::{Item, Question};
use self::metrics::{Counters, Event};
use self::renew::{Job, Purpose, Renewals};
use self::store::{Budget, Kind, Store};
use super::REGISTRY;
use super::setup::{PerServer, Setup, SetupError};
use crate::answer::{Answer, Body, ExtendedError, Order, Origin};
use crate::chain::{Next, Outcome, Plugin, Reply};
use crate::metrics::Registry;
use crate::name::Name;
use crate::query::{Query, Request, Step};
use crate::server::Server;
use crate::wire::{Flags, Opcode};

mod bailiwick;
mod config;
mod item;
mod keep;
mod metrics;
mod renew;
mod store;
mod verdict;

/// The directive's name.
const NAME: &str = "cache";

/// The bytes that all caches of the process take together, at most. CoreDNS counts entries only, of
/// which one may be 64 KiB; this is room for 10,000 entries of 6 KiB, within the 170 MiB that a DNS
/// pod has.
const MAX_BYTES: usize = 64 << 20;

/// The plugin of one server block.
pub struct Cache(Arc<Inner>);

struct Inner {
    config: Config,
    /// The zones of which nothing is ever stored.
    unstored: Vec<Name>,
    /// Outlives this plugin where a reload leaves the directive and those below it as they are.
    store: Arc<Store>,
    /// `None` where no option asks for renewals.
    renewals: Option<Renewals>,
    registry: Arc<Registry>,
    counters: PerServer<Counters>,
    zones: Arc<str>,
    view: Arc<str>,
    /// Where the directive stands, for traces.
    place: Option<Arc<str>>,
}

/// Reads the directive and adds the plugin to the block's chain.
///
/// # Errors
/// Names the word that is wrong, and what would be right.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    let renews = config.prefetch.is_some() || config.stale.is_some();
    let renewals = renews.then(|| {
        let (renewals, jobs) = Renewals::new();
        let run = |stop| renew::run(jobs, stop);
        setup.shared.task("cache renewals", run);
        renewals
    });
    let budget: Arc<Budget> = setup.shared.keep("cache/bytes".to_owned(), || {
        (Arc::new(Budget::new(MAX_BYTES)), None)
    });
    let (success, denial) = (config.success.capacity, config.denial.capacity);
    let store = setup.shared.keep(kept_for(setup), || {
        (Store::new(success, denial, budget), None)
    });
    let place = setup.directive.tokens().first();
    let place = place.map(|token| token.place().to_string().into());
    let (registry, view) = (setup.shared.metrics.clone(), setup.block.view.clone());
    setup.push(Cache::new(config, store, renewals, registry, view, place));
    Ok(())
}

/// All that an answer in the store of this directive was made by: the block, the directive and
/// those below it. While a reload leaves these as they are, what is stored stays true.
fn kept_for(setup: &Setup<'_>) -> String {
    let mut key = format!("cache/{}", setup.block.view);
    for block_key in setup.source.keys() {
        key.push(' ');
        key.push_str(&block_key.text);
    }
    let below = REGISTRY.iter().skip_while(|entry| entry.name != NAME);
    for directive in below.filter_map(|entry| setup.source.directive(entry.name)) {
        key.push('\n');
        key.push_str(&directive.to_string());
    }
    key
}

impl Cache {
    fn new(
        config: Config,
        store: Arc<Store>,
        renewals: Option<Renewals>,
        registry: Arc<Registry>,
        view: Arc<str>,
        place: Option<Arc<str>>,
    ) -> Self {
        let zones = config.zones_label().into();
        Self(Arc::new(Inner {
            unstored: config.unstored(),
            config,
            store,
            renewals,
            registry,
            counters: PerServer::default(),
            zones,
            view,
            place,
        }))
    }
}

impl Plugin for Cache {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let cache = &self.0;
        // A NOTIFY may look like a question that is stored, and must reach its plugin.
        if query.request.opcode != Opcode::QUERY || !cache.config.covers(query.lower) {
            return next.serve(query);
        }
        let now = query.request.now;
        let found = cache.find(query);
        if let Some(counters) = cache.counters(query.server) {
            counters.asked(found.as_ref().map(|(kind, _)| *kind));
        }
        let Some((_, item)) = found else {
            return cache.ask(query, next);
        };
        item.mark_used();
        match u32::try_from(item.remaining(now)) {
            Ok(remaining) if remaining > 0 => {
                cache.prefetch(query, next, &item, remaining);
                cache.fresh(query, &item, remaining).into()
            }
            _ => cache.stale(query, next, item),
        }
    }
}

impl Inner {
    fn counters(&self, server: &Server) -> Option<&Counters> {
        self.counters.get(server, || {
            let labels = [&server.label, &self.zones, &self.view].map(Clone::clone);
            Counters::new(self.registry.clone(), &self.store, labels)
        })
    }

    fn count(&self, query: &Query<'_>, event: Event) {
        if let Some(counters) = self.counters(query.server) {
            counters.count(event);
        }
    }

    /// The entry to answer with: what was denied last comes first, but a failure never hides an
    /// answer.
    fn find(&self, query: &Query<'_>) -> Option<(Kind, Arc<Item>)> {
        if self
            .unstored
            .iter()
            .any(|zone| query.lower.is_in(zone.view()))
        {
            return None;
        }
        let (question, now) = (Question::of(query), query.request.now);
        let key = self.store.key(question);
        let stale = self.config.stale_up_to();
        let usable = |item: &Arc<Item>| item.is_usable(now, stale);
        let [success, denial] = self.store.find(key, question);
        let hit = |item| (Kind::Success, item);
        if self.config.prefers_positive() && !stale.is_zero() {
            let answering = success.clone().and_then(Item::answering).filter(usable);
            if answering.is_some() {
                return answering.map(hit);
            }
        }
        let success = || success.filter(usable);
        let Some(denial) = denial.filter(usable) else {
            return success().map(hit);
        };
        let failed = denial.content.rcode == ResponseCode::ServFail;
        let answer = failed.then(success).flatten();
        Some(answer.map_or((Kind::Denial, denial), hit))
    }

    /// Asks the rest of the chain, and keeps what it says. As in CoreDNS, where what is below a cache
    /// has a copy of the request, a refusal has the flags of the request itself.
    fn ask(self: &Arc<Self>, query: &Query<'_>, next: Next<'_>) -> Reply {
        let mut reply = below(query, next);
        match &mut reply {
            // A failure that was known at once is as cheap to ask for as to keep.
            Reply::Now(outcome) => match outcome {
                Outcome::Answer(answer) => {
                    self.keep(query, answer, query.request.now);
                }
                Outcome::Failed(failure) => failure.flags = None,
                Outcome::Drop | Outcome::Transfer(_) => {}
            },
            Reply::Later(_) => {
                let (cache, query) = (self.clone(), query.to_owned());
                let future = std::mem::replace(&mut reply, Outcome::Drop.into());
                reply = Reply::later(async move {
                    let mut outcome = future.await;
                    // The query's instant is from before the wait.
                    let now = Instant::now();
                    match &mut outcome {
                        Outcome::Answer(answer) => {
                            cache.keep(&query.view(), answer, now);
                        }
                        Outcome::Failed(failure) => {
                            failure.flags = None;
                            cache.keep_failure(&query.view(), failure, now);
                        }
                        Outcome::Drop | Outcome::Transfer(_) => {}
                    }
                    outcome
                });
            }
        }
        reply
    }

    /// Has a popular entry renewed that is near its end.
    fn prefetch(
        self: &Arc<Self>,
        query: &Query<'_>,
        next: Next<'_>,
        item: &Arc<Item>,
        remaining: u32,
    ) {
        let Some(prefetch) = self.config.prefetch else {
            return;
        };
        let now = query.request.now;
        let hits = item.hit(prefetch.gap, now);
        let threshold = (u64::from(prefetch.percentage) * u64::from(item.ttl)).div_ceil(100);
        if hits < prefetch.amount || u64::from(remaining) > threshold {
            return;
        }
        if let Some(renewing) = item.begin_renewal(now, std::time::Duration::ZERO) {
            self.renew(query, next, renewing, Purpose::Prefetch);
        }
    }

    /// Hands a renewal to the task; false where that has too much to do already.
    fn renew(
        self: &Arc<Self>,
        query: &Query<'_>,
        next: Next<'_>,
        renewing: item::Renewing,
        purpose: Purpose,
    ) -> bool {
        let Some(renewals) = &self.renewals else {
            return false;
        };
        renewals.add(|| Job::new(self.clone(), query, next.detach(), renewing, purpose))
    }

    fn fresh(&self, query: &Query<'_>, item: &Item, remaining: u32) -> Answer {
        query.note(|| {
            let age = item.age(query.request.now);
            self.step(format!(
                "a stored answer, {age} s old and good for {remaining} s more"
            ))
        });
        let ttl = if self.config.keep_ttl {
            item.ttl
        } else {
            remaining
        };
        self.tell(query, item, ttl)
    }

    /// An answer after its end.
    fn expired(&self, query: &Query<'_>, item: &Item) -> Answer {
        query.note(|| {
            let age = item.age(query.request.now);
            self.step(format!("a stored answer, {age} s old and past its end"))
        });
        self.count(query, Event::ServedStale);
        let ttl = match self.config.stale {
            Some(stale) if stale.ttl > 0 => stale.ttl,
            _ if self.config.keep_ttl => item.ttl,
            _ => 0,
        };
        let mut answer = self.tell(query, item, ttl);
        if query.opt.is_some() {
            answer.extra_mut().error = Some(ExtendedError {
                code: ExtendedError::STALE_ANSWER,
                text: String::new(),
            });
        }
        answer
    }

    fn tell(&self, query: &Query<'_>, item: &Item, ttl: u32) -> Answer {
        let content = &item.content;
        let mut answer = Answer {
            rcode: content.rcode,
            flags: query.reply_flags().with(content.flags),
            plugin: NAME,
            origin: Origin::Upstream,
            ttl: Some(ttl),
            order: Order::AsIs,
            body: Body::Records(content.records.clone()),
            extra: None,
        };
        clear_authenticated(query, &mut answer);
        if query.opt.is_some() && content.error.is_some() {
            answer.extra_mut().error.clone_from(&content.error);
        }
        answer
    }

    fn step(&self, what: String) -> Step {
        Step {
            plugin: NAME,
            what,
            place: self.place.clone(),
        }
    }
}

/// Asks the rest of the chain as somebody who wants to know whether data is authenticated (RFC
/// 6840, 5.7): the answer serves those who ask for that and those who do not.
fn below(query: &Query<'_>, next: Next<'_>) -> Reply {
    let request = authenticating(query.request);
    next.serve(&Query {
        request: &request,
        ..*query
    })
}

fn authenticating(request: &Request) -> Request {
    Request {
        flags: request.flags.with(Flags::AD),
        ..*request
    }
}

/// Takes AD off where the client asked for it neither by AD nor by DO (RFC 6840, 5.8).
fn clear_authenticated(query: &Query<'_>, answer: &mut Answer) {
    if !query.dnssec_ok() && !query.request.flags.has(Flags::AD) {
        answer.flags = answer.flags.without(Flags::AD);
    }
}

#[cfg(test)]
mod tests;
