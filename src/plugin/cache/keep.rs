//! An answer on its way up: its TTLs, and what of it is stored.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use tokio::time::Instant;

use super::bailiwick::{Chain, Kept};
use super::item::{Content, Item, Question};
use super::metrics::Event;
use super::store::Kind;
use super::verdict::{Shape, Verdict};
use super::{Inner, clear_authenticated};
use crate::answer::{Answer, Body, Order, Origin, Records, Section};
use crate::chain::Failure;
use crate::query::Query;
use crate::wire::Flags;

/// What became of an answer.
pub(super) struct Fresh {
    pub(super) verdict: Verdict,
    /// Whether it is a positive answer to the question.
    pub(super) answering: bool,
    /// The new entry, where it was stored.
    pub(super) item: Option<Arc<Item>>,
}

/// What is known of an answer when it is to be stored.
struct Judged<'r> {
    /// Whether this server's own configuration says it.
    trusted: bool,
    shape: Shape,
    verdict: Verdict,
    chain: Chain<'r>,
    records: &'r Arc<Records>,
    /// Seconds.
    ttl: u32,
}

impl Fresh {
    /// An answer that is not stored.
    fn passed(verdict: Verdict) -> Self {
        Self {
            verdict,
            answering: false,
            item: None,
        }
    }
}

impl Inner {
    /// Gives all records of an answer one TTL, takes off what only concerned the upstream (its
    /// EDNS options; AD where nobody asked for it), and stores it unless it is the cluster's.
    pub(super) fn keep(&self, query: &Query<'_>, answer: &mut Answer, now: Instant) -> Fresh {
        let fresh = match Verdict::of_one_set(query, answer) {
            Some((verdict, lowest)) => {
                answer.ttl = Some(verdict.ttl(Some(lowest), &self.config));
                Fresh::passed(verdict)
            }
            None => self.judge(query, answer, now),
        };
        if let Some(extra) = &mut answer.extra {
            extra.options = None;
        }
        clear_authenticated(query, answer);
        fresh
    }

    /// Looks at all of an answer, for its TTL and for what of it is stored.
    fn judge(&self, query: &Query<'_>, answer: &mut Answer, now: Instant) -> Fresh {
        // What this server is configured to answer is kept as CoreDNS keeps it; what the cluster
        // answers never is.
        let kept = answer.origin != Origin::Zone;
        let trusted = answer.origin != Origin::Upstream;
        // As CoreDNS: where the upstream's answer has an OPT, and so knows of signatures.
        let extra = answer.extra.as_ref();
        let options = extra.and_then(|extra| extra.options.as_ref());
        let unix_time = (query.dnssec_ok() && options.is_some()).then(unix_time);
        let shape = Shape::of(answer, unix_time);
        let verdict = shape.verdict(answer.rcode, query);
        let doubtful = verdict == Verdict::Positive && shape.answers > 0 && shape.soa;
        let mut fresh = Fresh::passed(verdict);
        let mut ttl = verdict.ttl(answer.min_ttl(), &self.config);
        if kept || doubtful {
            let records = whole(answer, query);
            let chain = Chain::of(&records, query);
            fresh.answering = answer.rcode == ResponseCode::NoError && chain.answered;
            if doubtful && !fresh.answering {
                // RFC 2308, 2.2: CNAMEs that lead to a name without such a record.
                fresh.verdict = Verdict::NoData;
                ttl = fresh.verdict.ttl(answer.min_ttl(), &self.config);
            }
            if kept {
                let judged = Judged {
                    trusted,
                    shape,
                    verdict: fresh.verdict,
                    chain,
                    records: &records,
                    ttl,
                };
                fresh.item = self.store_answer(query, answer, &judged, now);
            }
        }
        answer.ttl = Some(ttl);
        fresh
    }

    fn store_answer(
        &self,
        query: &Query<'_>,
        answer: &Answer,
        judged: &Judged<'_>,
        now: Instant,
    ) -> Option<Arc<Item>> {
        let Judged { shape, verdict, .. } = judged;
        let (kind, limits) = match verdict {
            Verdict::Positive | Verdict::Delegation => (Kind::Success, &self.config.success),
            Verdict::NameError | Verdict::NoData | Verdict::ServerError => {
                (Kind::Denial, &self.config.denial)
            }
            Verdict::Other => return None,
        };
        let unbounded = *verdict == Verdict::NameError && !shape.soa;
        if judged.ttl == 0 || unbounded || answer.flags.has(Flags::TC) {
            return None;
        }
        if let Some(counters) = self.counters(query.server) {
            counters.show_entries();
        }
        if !limits.stores(query.lower) {
            return None;
        }
        let Some(records) = storable(query, judged) else {
            self.count(query, Event::Drop);
            return None;
        };
        if *verdict == Verdict::Positive && shape.answers > 0 && !judged.chain.answered {
            // A chain that leads nowhere, and nothing that tells for how long (RFC 2308, 5).
            return None;
        }
        let content = Content {
            rcode: answer.rcode,
            flags: answer.flags.and(Flags::AA.with(Flags::AD).with(Flags::RA)),
            records,
            answering: answer.rcode == ResponseCode::NoError && judged.chain.answered,
            error: answer.extra.as_ref().and_then(|extra| extra.error.clone()),
        };
        Some(self.store(query, kind, content, judged.ttl, now))
    }

    /// Stores the failure of an upstream that gave no answer at all, so that a name that everybody
    /// asks for is not asked of a dead upstream by each of them.
    pub(super) fn keep_failure(&self, query: &Query<'_>, failure: &Failure, now: Instant) {
        let ttl = self.config.servfail_ttl();
        let known = failure.rcode == ResponseCode::ServFail && failure.error.is_some();
        if !known || ttl == 0 {
            return;
        }
        if let Some(counters) = self.counters(query.server) {
            counters.show_entries();
        }
        if !self.config.denial.stores(query.lower) {
            return;
        }
        let content = Content {
            rcode: failure.rcode,
            flags: Flags::NONE,
            records: Arc::default(),
            answering: false,
            error: failure.extended.clone(),
        };
        self.store(query, Kind::Denial, content, ttl, now);
    }

    fn store(
        &self,
        query: &Query<'_>,
        kind: Kind,
        content: Content,
        ttl: u32,
        now: Instant,
    ) -> Arc<Item> {
        let question = Question::of(query);
        let key = self.store.key(question);
        let answering = content.answering;
        let mut item = Item::new(question, content, ttl, now);
        let prefers_positive = self.config.prefers_positive();
        if kind == Kind::Success && prefers_positive && !answering {
            let before = self.store.get(Kind::Success, key, question);
            item.last_good = before.and_then(Item::answering);
        }
        let item = Arc::new(item);
        let evicted = self.store.put(kind, key, item.clone(), now);
        if let Some(counters) = self.counters(query.server) {
            counters.evicted(evicted);
        }
        if kind == Kind::Success && (answering || !prefers_positive) {
            // What was denied before is answered now.
            self.store.remove(Kind::Denial, key);
        }
        item
    }
}

/// The part of an answer that belongs to its question; `None` where that is too little to keep.
fn storable(query: &Query<'_>, judged: &Judged<'_>) -> Option<Arc<Records>> {
    let records = match judged.chain.keep(judged.records) {
        Kept::All => return Some(judged.records.clone()),
        Kept::Less(_) if judged.trusted => return Some(judged.records.clone()),
        Kept::Less(records) => Arc::new(records),
    };
    let enough = match judged.verdict {
        // The SOA must be of a zone that holds the name: it tells for how long nothing is there.
        Verdict::NameError | Verdict::NoData => has_soa(&records),
        Verdict::Positive if judged.shape.answers == 0 => !records.is_empty(),
        Verdict::Positive => records.count(Section::Answer) > 0,
        Verdict::Delegation => records.count(Section::Authority) > 0,
        Verdict::ServerError | Verdict::Other => true,
    };
    enough.then_some(records).or_else(|| {
        tracing::debug!(target: "plugin/cache", name = %query.name, "an answer to another question is not stored");
        None
    })
}

fn has_soa(records: &Records) -> bool {
    let mut found = false;
    records.each(&mut |record| {
        found |= record.section == Section::Authority && record.rtype == RecordType::SOA;
    });
    found
}

/// The records of an answer, told by themselves and not by means of the question.
fn whole(answer: &Answer, query: &Query<'_>) -> Arc<Records> {
    if let (Body::Records(records), Order::AsIs) = (&answer.body, answer.order) {
        return records.clone();
    }
    match answer.clone().settle(query).body {
        Body::Records(records) => records,
        Body::Sets(_) => Arc::default(),
    }
}

/// Seconds since 1970, modulo 2^32 as signatures count them. The only clock that tells a date;
/// TTLs never depend on it.
fn unix_time() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as u32)
}
