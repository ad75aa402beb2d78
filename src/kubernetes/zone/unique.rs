//! Lists without repetition.

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

/// Items in the order in which they first came. The first few are searched one by one, which is
/// all that most Services need; only those past them are hashed.
pub(super) struct Unique<T> {
    items: SmallVec<[T; FEW]>,
    places: HashMap<T, usize, RandomState>,
}

/// The items that are held without allocating.
pub(super) const FEW: usize = 16;

impl<T: Copy + Eq + Hash> Unique<T> {
    pub(super) fn new() -> Self {
        Self {
            items: SmallVec::new(),
            places: HashMap::default(),
        }
    }

    /// The items of a list, each once.
    pub(super) fn list(items: impl Iterator<Item = T>) -> SmallVec<[T; FEW]> {
        let mut unique = Self::new();
        for item in items {
            unique.insert(item);
        }
        unique.items
    }

    /// As [`Unique::list`], shared. An empty list is not allocated.
    pub(super) fn of(items: impl Iterator<Item = T>) -> Arc<[T]> {
        let items = Self::list(items);
        if items.is_empty() {
            return Arc::default();
        }
        items[..].into()
    }

    /// The place of an item, and whether it is new.
    pub(super) fn insert(&mut self, item: T) -> (usize, bool) {
        let next = self.items.len();
        let mut few = self.items.iter().take(FEW);
        if let Some(place) = few.position(|known| *known == item) {
            return (place, false);
        }
        if next >= FEW {
            match self.places.entry(item) {
                Entry::Occupied(known) => return (*known.get(), false),
                Entry::Vacant(new) => new.insert(next),
            };
        }
        self.items.push(item);
        (next, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_in_order_whether_few_or_many() {
        for length in [0_u32, 1, 15, 16, 17, 18, 100] {
            let items = (0..length).chain((0..length).rev()).chain([7, 99, 7]);
            let mut expected: Vec<u32> = (0..length).collect();
            expected.extend([7, 99].iter().filter(|item| **item >= length));
            assert_eq!(*Unique::of(items), *expected, "{length}");
        }
    }
}
