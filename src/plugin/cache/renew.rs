//! Renewing entries: beside the queries for `prefetch` and stale answers that go out at once, and
//! in front of one that `verify` holds back.
//!
//! The threads that receive queries have no runtime: they put a job on a bounded queue, and a task
//! of the configuration works it off. Where the queue is full the job is let go; the next hit of
//! the same entry makes a new one.

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::item::{Item, Renewing};
use super::keep::Fresh;
use super::metrics::Event;
use super::verdict::Verdict;
use super::{Inner, NAME, authenticating, below};
use crate::answer::Answer;
use crate::chain::{Next, Outcome, Reply, Rest};
use crate::query::{OwnedQuery, Query, Transport, Work};
use crate::wire::Flags;

/// Jobs that wait for the task.
const QUEUE: usize = 256;
/// Jobs that run at the same time.
const RUNNING: usize = 512;

/// The way to the task.
#[derive(Clone)]
pub(super) struct Renewals(mpsc::Sender<Job>);

/// A renewal that is to be done.
pub(super) struct Job {
    cache: Arc<Inner>,
    query: OwnedQuery,
    rest: Rest,
    renewing: Renewing,
    purpose: Purpose,
}

/// What a renewal is for.
pub(super) enum Purpose {
    /// The entry is popular and near its end: whatever comes takes its place.
    Prefetch,
    /// The entry has ended and was told: an answer takes its place, a failure does not.
    Stale,
    /// As before, and somebody waits for the answer; `None` where there is none.
    Verify(oneshot::Sender<Option<Answer>>),
}

impl Renewals {
    /// A queue, and its end for [`run`].
    pub(super) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Adds a job, which is made only where there is room.
    pub(super) fn add(&self, job: impl FnOnce() -> Job) -> bool {
        let Ok(place) = self.0.try_reserve() else {
            return false;
        };
        place.send(job());
        true
    }
}

/// Works off jobs until it is stopped or no cache is left to send any.
pub(super) async fn run(mut jobs: mpsc::Receiver<Job>, stop: CancellationToken) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            job = jobs.recv(), if running.len() < RUNNING => match job {
                Some(job) => drop(running.spawn(job.run())),
                None => return,
            },
            Some(done) = running.join_next() => {
                if let Err(error) = done {
                    tracing::error!(target: "plugin/cache", "a renewal failed: {error}");
                }
            }
        }
    }
}

impl Job {
    pub(super) fn new(
        cache: Arc<Inner>,
        query: &Query<'_>,
        rest: Rest,
        renewing: Renewing,
        purpose: Purpose,
    ) -> Self {
        let mut query = query.to_owned();
        // Not the client's work any more: it may be over before this starts.
        query.work = Arc::new(Work::default());
        Self {
            cache,
            query,
            rest,
            renewing,
            purpose,
        }
    }

    async fn run(self) {
        let reply = self.ask();
        let outcome = reply.await;
        let Self {
            cache,
            query,
            renewing,
            purpose,
            ..
        } = self;
        let (view, now) = (query.view(), Instant::now());
        let hits = renewing.item().hits();
        match purpose {
            Purpose::Prefetch => {
                if let Outcome::Answer(mut answer) = outcome
                    && let Some(item) = cache.keep(&view, &mut answer, now).item
                {
                    item.inherit_hits(hits);
                }
                renewing.end(true);
            }
            Purpose::Stale => {
                let accepted = cache.accept(&view, outcome, now);
                renewing.end(accepted.is_some());
                if let Some((_, Some(item))) = accepted {
                    item.inherit_hits(hits);
                }
            }
            Purpose::Verify(waiting) => {
                let accepted = cache.accept(&view, outcome, now);
                renewing.end(accepted.is_some());
                // Nobody waits any more where the time is up.
                let _ = waiting.send(accepted.map(|(answer, _)| answer));
            }
        }
    }

    fn ask(&self) -> Reply {
        let view = self.query.view();
        let mut request = authenticating(view.request);
        if !matches!(self.purpose, Purpose::Verify(_)) {
            self.cache.count(&view, Event::Prefetch);
            // No client limits the size of this answer: over a stream it comes whole.
            request.transport = Transport::Tcp;
        }
        self.rest.serve(&Query {
            request: &request,
            ..view
        })
    }
}

impl Inner {
    /// Answers with an entry past its end, or with what its source says now.
    pub(super) fn stale(
        self: &Arc<Self>,
        query: &Query<'_>,
        next: Next<'_>,
        item: Arc<Item>,
    ) -> Reply {
        let now = query.request.now;
        let (verify, recheck) = match self.config.stale {
            Some(stale) => (stale.verify, stale.recheck),
            None => (None, Duration::ZERO),
        };
        let Some(wait) = verify else {
            if let Some(renewing) = item.begin_renewal(now, recheck) {
                self.renew(query, next, renewing, Purpose::Stale);
            }
            return self.expired(query, &item).into();
        };
        if wait.is_zero() && recheck.is_zero() {
            return self.verify(query, next, item, None);
        }
        match item.begin_renewal(now, recheck) {
            Some(renewing) if wait.is_zero() => self.verify(query, next, item, Some(renewing)),
            Some(renewing) => self.verify_within(wait, query, next, item, renewing),
            None => self.expired(query, &item).into(),
        }
    }

    /// Asks the source, and tells the entry only where that has no answer.
    fn verify(
        self: &Arc<Self>,
        query: &Query<'_>,
        next: Next<'_>,
        item: Arc<Item>,
        renewing: Option<Renewing>,
    ) -> Reply {
        match below(query, next) {
            Reply::Now(outcome) => {
                let now = query.request.now;
                self.verified(query, outcome, now, &item, renewing).into()
            }
            Reply::Later(future) => {
                let (cache, query) = (self.clone(), query.to_owned());
                Reply::later(async move {
                    let outcome = future.await;
                    cache.verified(&query.view(), outcome, Instant::now(), &item, renewing)
                })
            }
        }
    }

    fn verified(
        &self,
        query: &Query<'_>,
        outcome: Outcome,
        now: Instant,
        item: &Item,
        renewing: Option<Renewing>,
    ) -> Outcome {
        let accepted = self.accept(query, outcome, now);
        if let Some(renewing) = renewing {
            renewing.end(accepted.is_some());
        }
        let answer = accepted.map(|(answer, _)| answer);
        Outcome::Answer(answer.unwrap_or_else(|| self.expired(query, item)))
    }

    /// The same, but waits for so long only; the renewal goes on after that.
    fn verify_within(
        self: &Arc<Self>,
        wait: Duration,
        query: &Query<'_>,
        next: Next<'_>,
        item: Arc<Item>,
        renewing: Renewing,
    ) -> Reply {
        let (sender, answer) = oneshot::channel();
        if !self.renew(query, next, renewing, Purpose::Verify(sender)) {
            return self.expired(query, &item).into();
        }
        let (cache, query) = (self.clone(), query.to_owned());
        Reply::later(async move {
            let answer = timeout(wait, answer).await;
            let Ok(Ok(Some(mut answer))) = answer else {
                return Outcome::Answer(cache.expired(&query.view(), &item));
            };
            answer.plugin = NAME;
            Outcome::Answer(answer)
        })
    }

    /// Takes what the source says in place of an entry that has ended (RFC 8767, section 4): an
    /// answer or a name error does, a failure does not; with `prefer_positive` only an answer
    /// that has what was asked for does, and all else is stored beside the entry.
    fn accept(
        &self,
        query: &Query<'_>,
        outcome: Outcome,
        now: Instant,
    ) -> Option<(Answer, Option<Arc<Item>>)> {
        let Outcome::Answer(mut answer) = outcome else {
            return None;
        };
        if answer.flags.has(Flags::TC) {
            return None;
        }
        let prefers_positive = self.config.prefers_positive();
        let told = matches!(answer.rcode, ResponseCode::NoError | ResponseCode::NXDomain);
        if !told && !prefers_positive {
            return None;
        }
        let Fresh {
            verdict,
            answering,
            item,
        } = self.keep(query, &mut answer, now);
        let accepted = if prefers_positive {
            verdict == Verdict::Positive && answering
        } else {
            verdict != Verdict::Other
        };
        accepted.then_some((answer, item))
    }
}
