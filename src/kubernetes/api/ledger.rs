//! What a follower has been told: each object's name and version, in eight bytes.
//!
//! An [audit](super::audit) compares this with what the server lists. It is kept here and not beside
//! the names that are served, because it must know objects too that give no name.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tokio::sync::Notify;

/// The lower bits of an entry: the end of its version.
const VERSION: u64 = (1 << 24) - 1;

/// The key of this process, so that nobody can choose names that look the same.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// What is known of one resource, shared by its follower and the audit.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    state: Mutex<State>,
    relist: Notify,
}

/// A set of objects with their versions.
#[derive(Debug, Default)]
pub(super) struct Stamps(HashSet<Stamp, BuildHasherDefault<Direct>>);

/// 40 bits of a name's hash and 24 of a version. With 200,000 objects two have the same name here
/// once in fifty runs, and are then listed again at each audit; two versions of one object look the
/// same after 16 million other changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp(u64);

#[derive(Debug, Default)]
struct State {
    told: Stamps,
    /// a list was complete, and what changed since is known
    is_whole: bool,
    /// how many lists were begun
    lists: u64,
    /// what was told since an audit began, while one is under way
    since: Option<Stamps>,
}

/// An audit under way.
pub(super) struct Audit {
    lists: u64,
}

impl Ledger {
    /// A list begins: what was told before is of no account.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.told = Stamps::default();
        state.is_whole = false;
        state.lists += 1;
    }

    /// The list is complete.
    pub(super) fn complete(&self) {
        let mut state = self.state();
        state.told.0.shrink_to_fit();
        state.is_whole = true;
    }

    /// What changed since the list is not known any more, until there is another one.
    pub(super) fn lose(&self) {
        self.state().is_whole = false;
    }

    /// An object is told as it is now.
    pub(super) fn put(&self, stamp: Stamp) {
        let mut state = self.state();
        state.told.put(stamp);
        if let Some(since) = &mut state.since {
            since.put(stamp);
        }
    }

    /// An object is told to be gone.
    pub(super) fn remove(&self, stamp: Stamp) {
        let mut state = self.state();
        state.told.0.remove(&stamp);
        if let Some(since) = &mut state.since {
            since.put(stamp);
        }
    }

    /// Begins an audit; `None` while a list is under way.
    pub(super) fn audit(&self) -> Option<Audit> {
        let mut state = self.state();
        if !state.is_whole {
            return None;
        }
        state.since = Some(Stamps::default());
        Some(Audit { lists: state.lists })
    }

    /// Ends it: how many objects differ from what the server has listed since it began. What was told
    /// meanwhile is left out: the list may be older, and it was told, so nothing is lost. `None`
    /// where there was another list meanwhile.
    pub(super) fn differences(&self, audit: &Audit, listed: &Stamps) -> Option<usize> {
        let mut state = self.state();
        let since = state.since.take()?;
        if !state.is_whole || state.lists != audit.lists {
            return None;
        }
        let is_lost = |stamp: &&Stamp| !since.0.contains(*stamp);
        let told = state.told.0.iter().filter(is_lost);
        let told = told.filter(|stamp| listed.0.get(*stamp).map(|other| other.0) != Some(stamp.0));
        let missing = listed.0.iter().filter(is_lost);
        let missing = missing.filter(|stamp| !state.told.0.contains(*stamp));
        Some(told.count() + missing.count())
    }

    /// Has the follower list again.
    pub(super) fn relist(&self) {
        self.relist.notify_one();
    }

    /// Waits until it is to list again.
    pub(super) async fn relisted(&self) {
        self.relist.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stamps {
    /// Puts an entry in the place of an older one of the same object.
    pub(super) fn put(&mut self, stamp: Stamp) {
        self.0.replace(stamp);
    }
}

impl Stamp {
    /// An object's entry.
    pub(super) fn of(namespace: &str, name: &str, version: u64) -> Self {
        let hash = HASHER.hash_one((namespace, name));
        Self((hash & !VERSION) | (version & VERSION))
    }

    fn name(self) -> u64 {
        self.0 & !VERSION
    }
}

impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Stamp {}

impl Hash for Stamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Tables look at both ends of a hash, and the lower end of an entry is its version.
        let name = self.name();
        state.write_u64(name | (name >> 40));
    }
}

/// The hash of what is one already.
#[derive(Debug, Default)]
struct Direct(u64);

impl Hasher for Direct {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(objects: &[(&str, u64)]) -> Stamps {
        let mut stamps = Stamps::default();
        for (name, version) in objects {
            stamps.put(Stamp::of("a", name, *version));
        }
        stamps
    }

    /// A ledger that was told these in a list.
    fn told(objects: &[(&str, u64)]) -> Ledger {
        let ledger = Ledger::default();
        ledger.begin();
        for (name, version) in objects {
            ledger.put(Stamp::of("a", name, *version));
        }
        ledger.complete();
        ledger
    }

    #[test]
    fn what_differs_is_counted_once() {
        let own = [("x", 1), ("y", 2), ("z", 3)];
        for (what, listed, expected) in [
            ("the same", &own[..], 0),
            ("in another order", &[("z", 3), ("x", 1), ("y", 2)][..], 0),
            ("a newer one", &[("x", 4), ("y", 2), ("z", 3)][..], 1),
            ("one that is gone", &[("x", 1), ("y", 2)][..], 1),
            ("one more", &[("x", 1), ("y", 2), ("z", 3), ("w", 3)][..], 1),
            ("another", &[("x", 1), ("y", 2), ("w", 3)][..], 2),
            ("nothing", &[][..], 3),
        ] {
            let ledger = told(&own);
            let audit = ledger.audit().unwrap();
            let listed = stamps(listed);
            assert_eq!(
                ledger.differences(&audit, &listed),
                Some(expected),
                "{what}"
            );
        }
    }

    #[test]
    fn what_is_told_during_an_audit_is_left_out() {
        let ledger = told(&[("x", 1), ("y", 2), ("z", 3)]);
        let audit = ledger.audit().unwrap();
        let listed = stamps(&[("x", 1), ("y", 2), ("z", 3)]);
        ledger.put(Stamp::of("a", "x", 9));
        ledger.remove(Stamp::of("a", "y", 10));
        ledger.put(Stamp::of("a", "new", 11));
        assert_eq!(ledger.differences(&audit, &listed), Some(0));
        // Not so with the next one.
        let audit = ledger.audit().unwrap();
        assert_eq!(ledger.differences(&audit, &listed), Some(3));
    }

    #[test]
    fn a_list_ends_an_audit() {
        let ledger = told(&[("x", 1)]);
        let audit = ledger.audit().unwrap();
        ledger.begin();
        assert!(ledger.audit().is_none());
        ledger.put(Stamp::of("a", "y", 2));
        ledger.complete();
        let listed = stamps(&[("x", 1)]);
        assert_eq!(ledger.differences(&audit, &listed), None);
        let audit = ledger.audit().unwrap();
        assert_eq!(ledger.differences(&audit, &listed), Some(2));
    }

    #[test]
    fn what_is_not_watched_is_not_audited() {
        let ledger = told(&[("x", 1)]);
        let audit = ledger.audit().unwrap();
        ledger.lose();
        assert!(ledger.audit().is_none());
        assert_eq!(ledger.differences(&audit, &stamps(&[])), None);
    }

    #[test]
    fn names_are_told_apart_by_namespace_and_versions_by_their_end() {
        let of = Stamp::of;
        assert_ne!(of("a", "b", 1), of("b", "a", 1));
        assert_ne!(of("ab", "c", 1), of("a", "bc", 1));
        assert_eq!(of("a", "b", 1), of("a", "b", 2));
        assert_ne!(of("a", "b", 1).0, of("a", "b", 2).0);
    }

    #[test]
    fn an_object_costs_less_than_twenty_bytes() {
        let ledger = Ledger::default();
        ledger.begin();
        for number in 0..100_000_u64 {
            ledger.put(Stamp::of("default", &number.to_string(), number));
        }
        ledger.complete();
        let state = ledger.state();
        // Two of them have the same 40 bits once in two hundred runs.
        assert!(state.told.0.len() >= 99_998);
        // A slot is an entry and one byte of the table's own; an eighth of them stay free, at least.
        let slots = (state.told.0.capacity() * 8).div_ceil(7);
        assert!(slots * 9 < 100_000 * 20, "{slots} slots");
    }
}
