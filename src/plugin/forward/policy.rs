//! The order in which upstreams are tried.

use std::sync::atomic::{AtomicUsize, Ordering};

use smallvec::SmallVec;

/// Places in a list of upstreams, first to last.
pub(super) type Order = SmallVec<[u16; 16]>;

/// How upstreams are chosen.
#[derive(Debug)]
pub(super) enum Policy {
    /// Any order, each as likely.
    Random,
    /// Another first one each time; the others as they stand.
    RoundRobin(AtomicUsize),
    /// As they stand.
    Sequential,
}

impl Policy {
    /// The policy with this name in the Corefile.
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "random" => Some(Self::Random),
            "round_robin" => Some(Self::RoundRobin(AtomicUsize::new(0))),
            "sequential" => Some(Self::Sequential),
            _ => None,
        }
    }

    /// The order for the next query among `count` upstreams.
    pub(super) fn order(&self, count: usize) -> Order {
        let mut order: Order = (0..u16::try_from(count).unwrap_or(u16::MAX)).collect();
        match self {
            Self::Sequential => {}
            Self::Random => {
                // Fisher-Yates.
                for at in (1..order.len()).rev() {
                    order.swap(at, rand::random_range(0..=at));
                }
            }
            Self::RoundRobin(turn) => {
                let turn = turn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                if let Some(first) = turn.checked_rem(count) {
                    order.get_mut(..=first).unwrap_or_default().rotate_right(1);
                }
            }
        }
        order
    }
}

/// Any one of `count`, for when all are thought to be down.
pub(super) fn any_of(count: usize) -> usize {
    match count {
        0 => 0,
        count => rand::random_range(0..count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_changes_the_first_and_keeps_the_others_in_order() {
        let policy = Policy::of("round_robin").unwrap();
        let orders: Vec<Vec<u16>> = (0..4).map(|_| policy.order(3).to_vec()).collect();
        assert_eq!(orders, [[1, 0, 2], [2, 0, 1], [0, 1, 2], [1, 0, 2]]);
    }

    #[test]
    fn sequential_keeps_the_order() {
        let policy = Policy::of("sequential").unwrap();
        assert_eq!(policy.order(3).as_slice(), [0, 1, 2]);
        assert_eq!(policy.order(3).as_slice(), [0, 1, 2]);
    }

    #[test]
    fn random_is_even() {
        let policy = Policy::of("random").unwrap();
        let mut seen = std::collections::BTreeMap::<Vec<u16>, u32>::new();
        for _ in 0..6000 {
            *seen.entry(policy.order(3).to_vec()).or_default() += 1;
        }
        assert_eq!(seen.len(), 6, "all orders come up");
        // 1000 each; 6 standard deviations are 173.
        assert!(
            seen.values().all(|count| (820..1180).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn no_upstream_is_no_order() {
        for name in ["random", "round_robin", "sequential"] {
            assert!(Policy::of(name).unwrap().order(0).is_empty(), "{name}");
        }
        assert!(Policy::of("best").is_none());
    }
}
