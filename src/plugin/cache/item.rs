//! One stored answer: what it says, for how long, and who is at work to renew it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use tokio::time::Instant;

use crate::answer::{ExtendedError, Records};
use crate::query::Query;
use crate::wire::Flags;

/// All of a question that an answer can depend on. Two questions that differ here share nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question<'q> {
    /// The name's wire bytes, in lower case.
    pub(super) name: &'q [u8],
    pub(super) qtype: RecordType,
    pub(super) qclass: DNSClass,
    pub(super) dnssec_ok: bool,
    pub(super) checking_disabled: bool,
}

impl<'q> Question<'q> {
    pub(super) fn of(query: &Query<'q>) -> Self {
        Self {
            name: query.lower.as_bytes(),
            qtype: query.qtype,
            qclass: query.qclass,
            dnssec_ok: query.dnssec_ok(),
            checking_disabled: query.request.flags.has(Flags::CD),
        }
    }
}

/// In two pieces, for each that is written to a keyed hash has its price.
impl Hash for Question<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.name);
        let [qtype, qclass] = [u16::from(self.qtype), u16::from(self.qclass)].map(u64::from);
        let flags = u64::from(self.dnssec_ok) << 1 | u64::from(self.checking_disabled);
        state.write_u64(qtype << 32 | qclass << 16 | flags);
    }
}

/// What an answer says, as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) rcode: ResponseCode,
    /// AA, AD and RA as they came; nothing else.
    pub(super) flags: Flags,
    pub(super) records: Arc<Records>,
    /// Whether it is a positive answer to its question, and not an empty one or a referral.
    pub(super) answering: bool,
    /// Why a failure failed.
    pub(super) error: Option<ExtendedError>,
}

/// A stored answer.
#[derive(Debug)]
pub(super) struct Item {
    name: Box<[u8]>,
    qtype: RecordType,
    qclass: DNSClass,
    dnssec_ok: bool,
    checking_disabled: bool,
    pub(super) content: Content,
    /// Seconds from `stored` on.
    pub(super) ttl: u32,
    stored: Instant,
    /// The last answer that answered the question, where this one does not (`prefer_positive`).
    pub(super) last_good: Option<Arc<Self>>,
    /// Whether it was ever of use: an entry that was goes later than one that was not.
    used: AtomicBool,
    frequency: Frequency,
    renewal: Renewal,
}

impl Item {
    pub(super) fn new(question: Question<'_>, content: Content, ttl: u32, stored: Instant) -> Self {
        Self {
            name: question.name.into(),
            qtype: question.qtype,
            qclass: question.qclass,
            dnssec_ok: question.dnssec_ok,
            checking_disabled: question.checking_disabled,
            content,
            ttl,
            stored,
            last_good: None,
            used: AtomicBool::new(false),
            frequency: Frequency::default(),
            renewal: Renewal::default(),
        }
    }

    /// The question that it answers.
    pub(super) fn question(&self) -> Question<'_> {
        Question {
            name: &self.name,
            qtype: self.qtype,
            qclass: self.qclass,
            dnssec_ok: self.dnssec_ok,
            checking_disabled: self.checking_disabled,
        }
    }

    /// Whole seconds until it expires; zero and less from then on.
    pub(super) fn remaining(&self, now: Instant) -> i64 {
        i64::from(self.ttl).saturating_sub(i64::try_from(self.age(now)).unwrap_or(i64::MAX))
    }

    /// Whole seconds since it was stored.
    pub(super) fn age(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.stored).as_secs()
    }

    /// Whether it may be told: not expired, or expired for less than `stale`.
    ///
    /// A failure is told only while it is fresh. An old one says nothing about the name (RFC 8767,
    /// section 4), where CoreDNS would tell it once more before it asks again.
    pub(super) fn is_usable(&self, now: Instant, stale: Duration) -> bool {
        let remaining = self.remaining(now);
        let failure = matches!(
            self.content.rcode,
            ResponseCode::ServFail | ResponseCode::NotImp
        );
        remaining > 0 || (!failure && remaining.unsigned_abs() < stale.as_secs())
    }

    /// This item or the one kept behind it, whichever answers its question.
    pub(super) fn answering(self: Arc<Self>) -> Option<Arc<Self>> {
        if self.content.answering {
            return Some(self);
        }
        self.last_good.clone()
    }

    /// Notes that it was of use.
    pub(super) fn mark_used(&self) {
        // Written once only, so that threads that read the same entry do not contend for it.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// How much it is worth keeping: the lowest goes first when there is no room.
    pub(super) fn worth(&self, now: Instant) -> (bool, bool, Instant) {
        let expires = self.stored + Duration::from_secs(self.ttl.into());
        (expires > now, self.used.load(Ordering::Relaxed), expires)
    }

    /// The bytes that it takes, with its place in the store.
    pub(super) fn weight(&self) -> usize {
        const COUNTS_AND_SLOT: usize = 2 * 16 + 64;
        let error = self.content.error.as_ref();
        size_of::<Self>()
            + COUNTS_AND_SLOT
            + self.name.len()
            + size_of::<Records>()
            + self.content.records.heap_size()
            + error.map_or(0, |error| error.text.len())
            + self.last_good.as_ref().map_or(0, |item| item.weight())
    }

    /// Counts a hit, and gives how many there were with no gap of more than `gap` between them.
    pub(super) fn hit(&self, gap: Duration, now: Instant) -> u32 {
        self.frequency.hit(gap, self.since_stored(now))
    }

    /// The count that [`Item::hit`] last gave.
    pub(super) fn hits(&self) -> u32 {
        self.frequency.hits()
    }

    /// Goes on counting from what the item before this one had.
    pub(super) fn inherit_hits(&self, hits: u32) {
        self.frequency.set(hits, 0);
    }

    /// Takes the task of renewing it, unless somebody has it, or the last try failed less than
    /// its time to wait ago.
    pub(super) fn begin_renewal(
        self: &Arc<Self>,
        now: Instant,
        recheck: Duration,
    ) -> Option<Renewing> {
        let wait = self.renewal.not_before.load(Ordering::Acquire);
        if !recheck.is_zero() && self.since_stored(now) < wait {
            return None;
        }
        if self.renewal.running.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Renewing {
            item: self.clone(),
            recheck,
            renewed: false,
        })
    }

    /// Milliseconds from when it was stored.
    fn since_stored(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.stored).as_millis();
        u64::try_from(age).unwrap_or(u64::MAX)
    }
}

/// A count of hits and the time of the last one, in one word: hits above, milliseconds from when
/// the item was stored below. An item older than what 32 bits hold (49 days) starts anew each time.
#[derive(Debug, Default)]
struct Frequency(AtomicU64);

impl Frequency {
    fn hit(&self, gap: Duration, now: u64) -> u32 {
        let gap = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX);
        let count = |state: u64| {
            let (hits, last) = (state >> 32, state & u64::from(u32::MAX));
            let again = hits > 0 && now.saturating_sub(last) <= gap;
            if again {
                (hits as u32).saturating_add(1)
            } else {
                1
            }
        };
        let next = |state: u64| Some(Self::pack(count(state), now));
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .unwrap_or_default();
        count(before)
    }

    fn hits(&self) -> u32 {
        (self.0.load(Ordering::Relaxed) >> 32) as u32
    }

    fn set(&self, hits: u32, now: u64) {
        self.0.store(Self::pack(hits, now), Ordering::Relaxed);
    }

    fn pack(hits: u32, now: u64) -> u64 {
        u64::from(hits) << 32 | now.min(u64::from(u32::MAX))
    }
}

/// Whether somebody renews an item, and when the next one may try.
#[derive(Debug, Default)]
struct Renewal {
    running: AtomicBool,
    /// Milliseconds from when the item was stored.
    not_before: AtomicU64,
}

/// The task of renewing an item: one at a time has it. It ends when this is dropped, as a failure
/// unless [`Renewing::end`] said otherwise, so that a panic leaves no item that nobody may renew.
#[derive(Debug)]
pub(super) struct Renewing {
    item: Arc<Item>,
    recheck: Duration,
    renewed: bool,
}

impl Renewing {
    /// The item that is to be renewed.
    pub(super) fn item(&self) -> &Arc<Item> {
        &self.item
    }

    /// Ends the task.
    pub(super) fn end(mut self, renewed: bool) {
        self.renewed = renewed;
    }
}

impl Drop for Renewing {
    fn drop(&mut self) {
        let renewal = &self.item.renewal;
        let not_before = if self.renewed || self.recheck.is_zero() {
            0
        } else {
            self.item.since_stored(Instant::now() + self.recheck)
        };
        // The time to wait is told before another may start.
        renewal.not_before.store(not_before, Ordering::Release);
        renewal.running.store(false, Ordering::Release);
    }
}
