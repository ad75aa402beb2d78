//! What forwarding counts: CoreDNS's names, and `callsign_` ones for what CoreDNS does not have.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::message::Bogus;
use crate::metrics::{Counter, Desc, Histogram, Registry, TIME_BUCKETS};
use crate::wire::mnemonic::rcode_word;

const BROKEN: Desc = Desc {
    name: "coredns_forward_healthcheck_broken_total",
    help: "Counter of the number of complete failures of the healthchecks.",
};
const REJECTS: Desc = Desc {
    name: "coredns_forward_max_concurrent_rejects_total",
    help: "Counter of the number of queries rejected because the concurrent queries were at maximum.",
};
const OVERFLOW: Desc = Desc {
    name: "callsign_forward_overflow_rejects_total",
    help: "Counter of queries answered SERVFAIL because as many as the process can bear wait for upstreams.",
};
const SHARED: Desc = Desc {
    name: "callsign_forward_shared_exchanges_total",
    help: "Counter of queries that shared the exchange of an identical query in flight.",
};
const DURATION: Desc = Desc {
    name: "coredns_proxy_request_duration_seconds",
    help: "Histogram of the time each request took.",
};
const FAILURES: Desc = Desc {
    name: "coredns_proxy_healthcheck_failures_total",
    help: "Counter of the number of failed healthchecks.",
};
const HITS: Desc = Desc {
    name: "coredns_proxy_conn_cache_hits_total",
    help: "Counter of connection cache hits per upstream and protocol.",
};
const MISSES: Desc = Desc {
    name: "coredns_proxy_conn_cache_misses_total",
    help: "Counter of connection cache misses per upstream and protocol.",
};
const BOGUS: Desc = Desc {
    name: "callsign_forward_bogus_replies_total",
    help: "Counter of datagrams from an upstream's address that were not the reply to a query in flight.",
};

/// The value of the label `proxy_name`.
const PROXY: &str = "forward";
/// Response codes below this have a histogram at hand; others are looked up.
const COMMON_RCODES: usize = 6;

/// What all forwards of the process count together.
pub(super) struct ForwardMetrics {
    pub(super) broken: Counter,
    pub(super) rejects: Counter,
    pub(super) overflow: Counter,
    pub(super) shared: Counter,
}

impl ForwardMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            broken: registry.counter(BROKEN, &[]),
            rejects: registry.counter(REJECTS, &[]),
            overflow: registry.counter(OVERFLOW, &[]),
            shared: registry.counter(SHARED, &[]),
        }
    }
}

/// Tells the families without labels that CoreDNS has from the start on, whatever the Corefile says.
pub(in crate::plugin) fn publish(registry: &Registry) {
    registry.counter(BROKEN, &[]);
    registry.counter(REJECTS, &[]);
}

/// How a connection is held, as the label `proto` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proto {
    Udp,
    Tcp,
    Tls,
    Https,
    Quic,
}

impl Proto {
    const COUNT: usize = 5;

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tcp-tls",
            Self::Https => "https",
            Self::Quic => "quic",
        }
    }
}

/// What is counted for one upstream.
pub(super) struct UpstreamMetrics {
    registry: Arc<Registry>,
    to: Arc<str>,
    durations: [OnceLock<Histogram>; COMMON_RCODES],
    failures: OnceLock<Counter>,
    hits: [OnceLock<Counter>; Proto::COUNT],
    misses: [OnceLock<Counter>; Proto::COUNT],
    bogus: [OnceLock<Counter>; Bogus::COUNT],
}

impl UpstreamMetrics {
    pub(super) fn new(registry: Arc<Registry>, to: Arc<str>) -> Self {
        Self {
            registry,
            to,
            durations: Default::default(),
            failures: OnceLock::new(),
            hits: Default::default(),
            misses: Default::default(),
            bogus: Default::default(),
        }
    }

    /// Counts an exchange that ended in a reply.
    pub(super) fn replied(&self, rcode: ResponseCode, took: Duration) {
        let code = u16::from(rcode);
        let make = || {
            let number = code.to_string();
            let word = rcode_word(code).unwrap_or(&number);
            let labels = [("proxy_name", PROXY), ("rcode", word), ("to", &*self.to)];
            self.registry.histogram(DURATION, &TIME_BUCKETS, &labels)
        };
        match self.durations.get(usize::from(code)) {
            Some(histogram) => histogram.get_or_init(make).observe_duration(took),
            None => make().observe_duration(took),
        }
    }

    /// Counts a health check that failed.
    pub(super) fn failed(&self) {
        let labels = [("proxy_name", PROXY), ("to", &*self.to)];
        let make = || self.registry.counter(FAILURES, &labels);
        self.failures.get_or_init(make).inc();
    }

    /// Counts a query that got a connection: one that was there, or a new one.
    pub(super) fn connection(&self, proto: Proto, reused: bool) {
        let labels = [
            ("proto", proto.label()),
            ("proxy_name", PROXY),
            ("to", &*self.to),
        ];
        let (desc, counters) = match reused {
            true => (HITS, &self.hits),
            false => (MISSES, &self.misses),
        };
        if let Some(counter) = counters.get(proto as usize) {
            let make = || self.registry.counter(desc, &labels);
            counter.get_or_init(make).inc();
        }
    }

    /// Counts a datagram that was ignored.
    pub(super) fn ignored(&self, why: Bogus) {
        let make = || {
            let labels = [("reason", why.reason()), ("to", &*self.to)];
            self.registry.counter(BOGUS, &labels)
        };
        if let Some(counter) = self.bogus.get(why as usize) {
            counter.get_or_init(make).inc();
        }
    }
}
