//! Values of which many objects hold the same.

use foldhash::fast::RandomState;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Keeps one copy of each value in use.
#[derive(Debug)]
pub(super) struct Pool<T: ?Sized> {
    values: HashSet<Arc<T>, RandomState>,
    /// how many values there may be before those out of use are dropped
    limit: usize,
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    const LEAST: usize = 64;

    pub(super) fn new() -> Self {
        Self {
            values: HashSet::default(),
            limit: Self::LEAST,
        }
    }

    /// The shared copy of `value`, which `make` makes if it is the first.
    pub(super) fn share(&mut self, value: &T, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        if let Some(known) = self.values.get(value) {
            return known.clone();
        }
        if self.values.len() >= self.limit {
            // twice what is in use, so that a sweep is paid for by as many new values
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.limit = Self::LEAST.max(self.values.len() * 2);
        }
        let new = make();
        self.values.insert(new.clone());
        new
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}
