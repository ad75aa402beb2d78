//! Where answers are kept: two tables, each bounded by a count, all together bounded in bytes.
//!
//! Both are cut into shards, each with a lock that is held for one look-up or one exchange and
//! never while a query goes on. Keys are hashed with a secret, so that nobody can choose names that
//! fall on one another.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use super::item::{Item, Question};

/// Shards of a table. Few enough that they fill evenly, so many that threads seldom meet.
const SHARDS: usize = 64;
/// CoreDNS rounds a capacity down to a multiple of this, and up to four times this.
const CAPACITY_STEP: usize = 256;
/// An answer that takes more than this is not kept: a handful of them would push out all others.
const MAX_ITEM_BYTES: usize = 128 * 1024;
/// Entries that are looked at to find the one that goes.
const SAMPLE: usize = 8;

/// What a table holds; the label `type` of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Answers, and referrals.
    Success,
    /// "There is no such name", "no such record", and failures.
    Denial,
}

/// How many entries had to go for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) success: u64,
    pub(super) denial: u64,
}

/// The bytes that all stores of the process may take together.
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
    stores: Mutex<Vec<Weak<Store>>>,
}

/// The contents of one cache.
pub(super) struct Store {
    shards: Box<[Mutex<Shard>]>,
    /// Entries of one table of a shard.
    success: usize,
    denial: usize,
    secret: RandomState,
    bytes: AtomicUsize,
    budget: Arc<Budget>,
}

/// A question's place, from [`Store::key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

/// What has one lock: a look-up goes through both tables.
#[derive(Default)]
struct Shard {
    success: Table,
    denial: Table,
}

/// An index over a list without gaps, so that any entry can be picked at once.
#[derive(Default)]
struct Table {
    index: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    slots: Vec<(u64, Arc<Item>)>,
}

impl Evicted {
    fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Success => self.success += 1,
            Kind::Denial => self.denial += 1,
        }
    }
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
            stores: Mutex::default(),
        }
    }

    /// Sets `bytes` aside, at the cost of entries of whichever store takes most. False where there
    /// is no room even so.
    fn reserve(&self, bytes: usize, now: Instant, chance: u64, evicted: &mut Evicted) -> bool {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        while self.used.load(Ordering::Relaxed) > self.limit {
            match self.heaviest().and_then(|store| store.shed(now, chance)) {
                Some(kind) => evicted.count(kind),
                None => {
                    self.release(bytes);
                    return false;
                }
            }
        }
        true
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn heaviest(&self) -> Option<Arc<Store>> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let stores = stores.iter().filter_map(Weak::upgrade);
        stores.max_by_key(|store| store.bytes.load(Ordering::Relaxed))
    }

    fn join(&self, store: &Arc<Store>) {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.retain(|store| store.strong_count() > 0);
        stores.push(Arc::downgrade(store));
    }
}

impl Store {
    /// An empty store with room for so many entries of each kind.
    pub(super) fn new(success: usize, denial: usize, budget: Arc<Budget>) -> Arc<Self> {
        let store = Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            success: of_shard(success),
            denial: of_shard(denial),
            secret: RandomState::new(),
            bytes: AtomicUsize::new(0),
            budget,
        });
        store.budget.join(&store);
        store
    }

    pub(super) fn key(&self, question: Question<'_>) -> Key {
        Key(self.secret.hash_one(question))
    }

    /// The entries that answer this very question, fresh or not: a success, a denial.
    pub(super) fn find(&self, key: Key, question: Question<'_>) -> [Option<Arc<Item>>; 2] {
        let found = {
            let shard = self.shard(key.0);
            [Kind::Success, Kind::Denial].map(|kind| shard.table(kind).get(key.0).cloned())
        };
        // Two questions may have one hash; the later one has the place then.
        found.map(|item| item.filter(|item| item.question() == question))
    }

    /// The one of these that is of this kind.
    pub(super) fn get(&self, kind: Kind, key: Key, question: Question<'_>) -> Option<Arc<Item>> {
        let [success, denial] = self.find(key, question);
        match kind {
            Kind::Success => success,
            Kind::Denial => denial,
        }
    }

    /// Stores an entry in place of what the question had, and tells what had to go for it.
    pub(super) fn put(&self, kind: Kind, key: Key, item: Arc<Item>, now: Instant) -> Evicted {
        let mut evicted = Evicted::default();
        let weight = item.weight();
        if weight > MAX_ITEM_BYTES || !self.budget.reserve(weight, now, key.0, &mut evicted) {
            // What the question had before is out of date all the same.
            self.remove(kind, key);
            return evicted;
        }
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        let capacity = match kind {
            Kind::Success => self.success,
            Kind::Denial => self.denial,
        };
        let gone = {
            let mut shard = self.shard(key.0);
            let table = shard.table_mut(kind);
            match table.index.get(&key.0).copied() {
                Some(place) => table.replace(place, item),
                None => {
                    let full = table.slots.len() >= capacity;
                    let gone = if full { table.evict(now, key.0) } else { None };
                    if gone.is_some() {
                        evicted.count(kind);
                    }
                    table.push(key.0, item);
                    gone
                }
            }
        };
        self.forget(gone);
        evicted
    }

    pub(super) fn remove(&self, kind: Kind, key: Key) {
        let gone = {
            let mut shard = self.shard(key.0);
            let table = shard.table_mut(kind);
            let place = table.index.get(&key.0).copied();
            place.and_then(|place| table.take(place))
        };
        self.forget(gone);
    }

    pub(super) fn len(&self, kind: Kind) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| lock(shard).table(kind).slots.len())
            .sum()
    }

    /// Drops one entry for the sake of bytes; `None` where there is none.
    fn shed(&self, now: Instant, chance: u64) -> Option<Kind> {
        let kinds = if chance & 1 == 0 {
            [Kind::Success, Kind::Denial]
        } else {
            [Kind::Denial, Kind::Success]
        };
        for kind in kinds {
            let start = shard_of(chance);
            for shard in self.shards.iter().cycle().skip(start).take(SHARDS) {
                let gone = lock(shard).table_mut(kind).evict(now, chance);
                if gone.is_some() {
                    self.forget(gone);
                    return Some(kind);
                }
            }
        }
        None
    }

    fn forget(&self, item: Option<Arc<Item>>) {
        if let Some(item) = item {
            let weight = item.weight();
            self.bytes.fetch_sub(weight, Ordering::Relaxed);
            self.budget.release(weight);
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        // There are as many shards as `shard_of` has values.
        lock(&self.shards[shard_of(key)])
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.budget.release(*self.bytes.get_mut());
    }
}

impl Shard {
    fn table(&self, kind: Kind) -> &Table {
        match kind {
            Kind::Success => &self.success,
            Kind::Denial => &self.denial,
        }
    }

    fn table_mut(&mut self, kind: Kind) -> &mut Table {
        match kind {
            Kind::Success => &mut self.success,
            Kind::Denial => &mut self.denial,
        }
    }
}

impl Table {
    #[inline]
    fn get(&self, key: u64) -> Option<&Arc<Item>> {
        let place = *self.index.get(&key)?;
        self.slots.get(place).map(|(_, item)| item)
    }

    fn push(&mut self, key: u64, item: Arc<Item>) {
        self.index.insert(key, self.slots.len());
        self.slots.push((key, item));
    }

    fn replace(&mut self, place: usize, item: Arc<Item>) -> Option<Arc<Item>> {
        let (_, slot) = self.slots.get_mut(place)?;
        Some(std::mem::replace(slot, item))
    }

    fn take(&mut self, place: usize) -> Option<Arc<Item>> {
        if place >= self.slots.len() {
            return None;
        }
        let (key, item) = self.slots.swap_remove(place);
        self.index.remove(&key);
        if let Some((moved, _)) = self.slots.get(place) {
            self.index.insert(*moved, place);
        }
        Some(item)
    }

    /// Drops the least worthy of a few entries: expired before fresh, never used before used, the
    /// soonest to expire first. CoreDNS drops any one; this keeps what is asked for when a flood of
    /// names that nobody asks for twice comes by.
    fn evict(&mut self, now: Instant, chance: u64) -> Option<Arc<Item>> {
        let count = self.slots.len();
        if count == 0 {
            return None;
        }
        // The key's upper half is as good as random here, and chooses no shard.
        let start = (chance >> 32) as usize;
        let sample = (0..SAMPLE).map(|step| start.wrapping_add(step * 7919) % count);
        let place = sample.min_by_key(|place| self.slots.get(*place).map(|slot| slot.1.worth(now)));
        self.take(place?)
    }
}

/// The entries that a shard has room for, of so many in all.
fn of_shard(capacity: usize) -> usize {
    let capacity = (capacity / CAPACITY_STEP).max(4) * CAPACITY_STEP;
    capacity / SHARDS
}

/// A shard's number, from the bits of the hash that the index inside it does not start from.
fn shard_of(key: u64) -> usize {
    (key >> 20) as usize % SHARDS
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
