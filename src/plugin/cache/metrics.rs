//! What a cache counts, for each listener that it is asked through.

use std::sync::{Arc, OnceLock, Weak};

use super::store::{Evicted, Kind, Store};
use crate::metrics::{Counter, Desc, Registry, Row};

/// One listener's counters. As in CoreDNS a series is there once it has counted something.
pub(super) struct Counters {
    registry: Arc<Registry>,
    store: Weak<Store>,
    server: Arc<str>,
    zones: Arc<str>,
    view: Arc<str>,
    events: [OnceLock<Counter>; 5],
    hits: [OnceLock<Counter>; 2],
    evictions: [OnceLock<Counter>; 2],
    entries: OnceLock<()>,
}

/// What is counted without a type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A question came by.
    Request,
    /// It was not answered from the store.
    Miss,
    /// An entry is renewed in the background.
    Prefetch,
    /// An answer belongs to another question.
    Drop,
    /// An answer was told after its end.
    ServedStale,
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

impl Event {
    fn desc(self) -> Desc {
        match self {
            Self::Request => REQUESTS,
            Self::Miss => MISSES,
            Self::Prefetch => PREFETCHES,
            Self::Drop => DROPS,
            Self::ServedStale => SERVED_STALE,
        }
    }
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denial => "denial",
        }
    }
}

impl Counters {
    /// The counters of the listener `server` for a cache of `zones` in the view `view`.
    pub(super) fn new(
        registry: Arc<Registry>,
        store: &Arc<Store>,
        [server, zones, view]: [Arc<str>; 3],
    ) -> Self {
        Self {
            registry,
            store: Arc::downgrade(store),
            server,
            zones,
            view,
            events: Default::default(),
            hits: Default::default(),
            evictions: Default::default(),
            entries: OnceLock::new(),
        }
    }

    /// Counts a question, and that it was answered by an entry of this kind, or by none.
    #[inline]
    pub(super) fn asked(&self, hit: Option<Kind>) {
        let row = Row::here();
        self.of_event(Event::Request).inc_in(row);
        match hit {
            Some(kind) => self.of_kind(&self.hits, HITS, kind).inc_in(row),
            None => self.of_event(Event::Miss).inc_in(row),
        }
    }

    pub(super) fn count(&self, event: Event) {
        self.of_event(event).inc();
    }

    #[inline]
    fn of_event(&self, event: Event) -> &Counter {
        let make = || {
            let labels = [
                ("server", &*self.server),
                ("view", &*self.view),
                ("zones", &*self.zones),
            ];
            self.registry.counter(event.desc(), &labels)
        };
        // There is one place for each event.
        self.events[event as usize].get_or_init(make)
    }

    pub(super) fn evicted(&self, evicted: Evicted) {
        for (kind, count) in [
            (Kind::Success, evicted.success),
            (Kind::Denial, evicted.denial),
        ] {
            if count > 0 {
                self.of_kind(&self.evictions, EVICTIONS, kind).add(count);
            }
        }
    }

    /// Shows the number of entries from now on.
    pub(super) fn show_entries(&self) {
        self.entries.get_or_init(|| {
            for kind in [Kind::Success, Kind::Denial] {
                let store = self.store.clone();
                let count = move || store.upgrade().map_or(0, |store| store.len(kind)) as f64;
                self.registry.sampled(ENTRIES, &self.labels(kind), count);
            }
        });
    }

    #[inline]
    fn of_kind<'c>(
        &self,
        counters: &'c [OnceLock<Counter>; 2],
        desc: Desc,
        kind: Kind,
    ) -> &'c Counter {
        let [success, denial] = counters;
        let place = match kind {
            Kind::Success => success,
            Kind::Denial => denial,
        };
        place.get_or_init(|| self.registry.counter(desc, &self.labels(kind)))
    }

    fn labels(&self, kind: Kind) -> [(&'static str, &str); 4] {
        [
            ("server", &self.server),
            ("type", kind.label()),
            ("view", &self.view),
            ("zones", &self.zones),
        ]
    }
}
