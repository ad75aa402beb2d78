//! What a cache counts, for each listener that it is asked through.

use std::sync::{Arc, Weak};

use super::store::{Evicted, Kind, Store};
use crate::metrics::{Counter, Desc, Registry};

/// One listener's counters.
pub(super) struct Counters {
    pub(super) requests: Counter,
    pub(super) misses: Counter,
    pub(super) prefetches: Counter,
    pub(super) drops: Counter,
    pub(super) served_stale: Counter,
    hits: [Counter; 2],
    evictions: [Counter; 2],
}

const ENTRIES: Desc = Desc {
    name: "coredns_cache_entries",
    help: "The number of elements in the cache.",
};
const REQUESTS: Desc = Desc {
    name: "coredns_cache_requests_total",
    help: "The count of cache requests.",
};
const HITS: Desc = Desc {
    name: "coredns_cache_hits_total",
    help: "The count of cache hits.",
};
const MISSES: Desc = Desc {
    name: "coredns_cache_misses_total",
    help: "The count of cache misses. Deprecated, derive misses from cache hits/requests counters.",
};
const PREFETCHES: Desc = Desc {
    name: "coredns_cache_prefetch_total",
    help: "The number of times the cache has prefetched a cached item.",
};
const DROPS: Desc = Desc {
    name: "coredns_cache_drops_total",
    help: "The number responses that are not cached, because the reply is malformed.",
};
const SERVED_STALE: Desc = Desc {
    name: "coredns_cache_served_stale_total",
    help: "The number of requests served from stale cache entries.",
};
const EVICTIONS: Desc = Desc {
    name: "coredns_cache_evictions_total",
    help: "The count of cache evictions.",
};

/// The tables in the order of a counter's pair.
const KINDS: [Kind; 2] = [Kind::Success, Kind::Denial];

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denial => "denial",
        }
    }
}

impl Counters {
    /// The counters of the listener `server`, and the gauges of what is stored.
    pub(super) fn new(
        registry: &Registry,
        store: &Arc<Store>,
        server: &str,
        zones: &str,
        view: &str,
    ) -> Self {
        let plain = |desc| {
            let labels = [("server", server), ("view", view), ("zones", zones)];
            registry.counter(desc, &labels)
        };
        let labels = |kind: Kind| {
            [
                ("server", server),
                ("type", kind.label()),
                ("view", view),
                ("zones", zones),
            ]
        };
        for kind in KINDS {
            let store: Weak<Store> = Arc::downgrade(store);
            let count = move || store.upgrade().map_or(0, |store| store.len(kind)) as f64;
            registry.sampled(ENTRIES, &labels(kind), count);
        }
        Self {
            requests: plain(REQUESTS),
            misses: plain(MISSES),
            prefetches: plain(PREFETCHES),
            drops: plain(DROPS),
            served_stale: plain(SERVED_STALE),
            hits: KINDS.map(|kind| registry.counter(HITS, &labels(kind))),
            evictions: KINDS.map(|kind| registry.counter(EVICTIONS, &labels(kind))),
        }
    }

    pub(super) fn hit(&self, kind: Kind) {
        let [success, denial] = &self.hits;
        match kind {
            Kind::Success => success.inc(),
            Kind::Denial => denial.inc(),
        }
    }

    pub(super) fn evicted(&self, evicted: Evicted) {
        let [success, denial] = &self.evictions;
        success.add(evicted.success);
        denial.add(evicted.denial);
    }
}
