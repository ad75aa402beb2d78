//! The counts of one listener, zone and view, each made when it is first needed.

use std::sync::{Arc, OnceLock};

use hickory_proto::rr::RecordType;

use crate::metrics::{Counter, Desc, Histogram, Registry, Row, SIZE_BUCKETS, TIME_BUCKETS};
use crate::query::{Query, Request};
use crate::wire::mnemonic::{TypeWord, rcode_word};

/// Requests by what was asked and how.
const REQUESTS: Desc = Desc {
    name: "coredns_dns_requests_total",
    help: "Counter of DNS requests made per zone, protocol and family.",
};
/// Requests of clients that want signatures.
const DNSSEC: Desc = Desc {
    name: "coredns_dns_do_requests_total",
    help: "Counter of DNS requests with DO bit set per zone.",
};
/// The time that requests took, by the edges that boards know.
const DURATION: Desc = Desc {
    name: "coredns_dns_request_duration_seconds",
    help: "Histogram of the time (in seconds) each request took per zone.",
};
/// The same by edges that tell microseconds apart.
const FINE_DURATION: Desc = Desc {
    name: "callsign_dns_request_duration_seconds",
    help: "Histogram of the time (in seconds) each request took per zone, with finer buckets below 0.25 ms.",
};
/// The length of requests; the help is the one that CoreDNS has.
const REQUEST_SIZE: Desc = Desc {
    name: "coredns_dns_request_size_bytes",
    help: "Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.",
};
/// The length of responses, before anything is cut or compressed.
const RESPONSE_SIZE: Desc = Desc {
    name: "coredns_dns_response_size_bytes",
    help: "Size of the returned response in bytes.",
};
/// Responses by their code and by who answered.
const RESPONSES: Desc = Desc {
    name: "coredns_dns_responses_total",
    help: "Counter of response status codes.",
};

/// The edges of [`TIME_BUCKETS`], and before them some from a microsecond on.
const FINE_TIME_BUCKETS: [f64; 24] = [
    0.000_001, 0.000_002, 0.000_004, 0.000_008, 0.000_016, 0.000_032, 0.000_064, 0.000_128,
    0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024,
    2.048, 4.096, 8.192,
];

/// The types that are told apart; the last place is for all others.
const TYPES: [RecordType; 19] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::PTR,
    RecordType::HTTPS,
    RecordType::TXT,
    RecordType::MX,
    RecordType::NS,
    RecordType::SOA,
    RecordType::CNAME,
    RecordType::SVCB,
    RecordType::DS,
    RecordType::DNSKEY,
    RecordType::RRSIG,
    RecordType::NSEC,
    RecordType::NSEC3,
    RecordType::ANY,
    RecordType::AXFR,
    RecordType::IXFR,
];
const OTHER: usize = TYPES.len();

/// Pairs of response code and plugin that are found without a lock; more are found with one.
const PAIRS: usize = 32;

/// The labels that all counts of a [`Traffic`] share.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    pub(super) server: Arc<str>,
    pub(super) zone: String,
    pub(super) view: Arc<str>,
}

/// See the module. Clones count in the same place.
#[derive(Clone)]
pub(super) struct Traffic(Arc<Counts>);

struct Counts {
    registry: Arc<Registry>,
    labels: Labels,
    /// By type, then by protocol and family: see [`request_place`].
    requests: [OnceLock<Counter>; (OTHER + 1) * 4],
    dnssec: OnceLock<Counter>,
    duration: OnceLock<Histogram>,
    /// By protocol.
    request_size: [OnceLock<Histogram>; 2],
    response_size: [OnceLock<Histogram>; 2],
    responses: [OnceLock<Pair>; PAIRS],
}

struct Pair {
    rcode: u16,
    plugin: &'static str,
    counter: Counter,
}

/// What came of a query.
pub(super) struct Seen {
    pub(super) rcode: u16,
    /// Who answered; empty for the server itself.
    pub(super) plugin: &'static str,
    /// The response's length.
    pub(super) size: usize,
}

impl Traffic {
    pub(super) fn new(registry: Arc<Registry>, labels: Labels) -> Self {
        Self(Arc::new(Counts {
            registry,
            labels,
            requests: [const { OnceLock::new() }; (OTHER + 1) * 4],
            dnssec: OnceLock::new(),
            duration: OnceLock::new(),
            request_size: [const { OnceLock::new() }; 2],
            response_size: [const { OnceLock::new() }; 2],
            responses: [const { OnceLock::new() }; PAIRS],
        }))
    }

    /// Counts a query and its response.
    #[inline]
    pub(super) fn count(&self, query: &Query<'_>, seen: &Seen) {
        let counts = &*self.0;
        let (request, row) = (query.request, Row::here());
        counts.request(request, query.qtype, row);
        if query.dnssec_ok() {
            let make = || counts.counter(DNSSEC, &[]);
            counts.dnssec.get_or_init(make).inc_in(row);
        }
        counts
            .duration
            .get_or_init(|| counts.new_duration())
            .observe_since(request.now);
        let sized = |histograms: &[OnceLock<Histogram>; 2], desc, size| {
            if let Some(histogram) = histograms.get(proto_place(request)) {
                let make = || counts.size(desc, request.transport.proto());
                histogram.get_or_init(make).observe_bytes(row, size);
            }
        };
        sized(&counts.request_size, REQUEST_SIZE, request.size);
        sized(&counts.response_size, RESPONSE_SIZE, seen.size);
        counts.response(seen.rcode, seen.plugin, row);
    }
}

impl Counts {
    #[inline]
    fn request(&self, request: &Request, qtype: RecordType, row: Row) {
        let (place, of_type) = request_place(request, qtype);
        let make = || {
            let word = TYPES.get(of_type).map(|qtype| TypeWord((*qtype).into()));
            let word = word.map_or_else(|| "other".to_owned(), |word| word.to_string());
            let family = if request.client.is_ipv4() { "1" } else { "2" };
            let proto = request.transport.proto();
            let own = [("proto", proto), ("family", family), ("type", &*word)];
            self.counter(REQUESTS, &own)
        };
        if let Some(counter) = self.requests.get(place) {
            counter.get_or_init(make).inc_in(row);
        }
    }

    #[inline]
    fn response(&self, rcode: u16, plugin: &'static str, row: Row) {
        for place in &self.responses {
            let pair = place.get_or_init(|| Pair {
                rcode,
                plugin,
                counter: self.response_counter(rcode, plugin),
            });
            let same_plugin = std::ptr::eq(pair.plugin, plugin) || pair.plugin == plugin;
            if pair.rcode == rcode && same_plugin {
                return pair.counter.inc_in(row);
            }
        }
        self.response_counter(rcode, plugin).inc_in(row);
    }

    fn response_counter(&self, rcode: u16, plugin: &'static str) -> Counter {
        let word = rcode_word(rcode).map_or_else(|| format!("RCODE{rcode}"), str::to_owned);
        self.counter(RESPONSES, &[("rcode", &word), ("plugin", plugin)])
    }

    fn counter(&self, desc: Desc, own: &[(&'static str, &str)]) -> Counter {
        self.registry.counter(desc, &self.with(own))
    }

    fn size(&self, desc: Desc, proto: &'static str) -> Histogram {
        let labels = self.with(&[("proto", proto)]);
        self.registry.histogram(desc, &SIZE_BUCKETS, &labels)
    }

    fn new_duration(&self) -> Histogram {
        let labels = self.with(&[]);
        let registry = &self.registry;
        let histogram = registry.histogram(FINE_DURATION, &FINE_TIME_BUCKETS, &labels);
        registry.histogram_view(DURATION, &TIME_BUCKETS, &labels, &histogram);
        histogram
    }

    /// The shared labels and these.
    fn with<'l>(&'l self, own: &[(&'static str, &'l str)]) -> Vec<(&'static str, &'l str)> {
        let Labels { server, zone, view } = &self.labels;
        let shared = [("server", &**server), ("zone", zone), ("view", view)];
        shared.into_iter().chain(own.iter().copied()).collect()
    }
}

#[inline]
fn proto_place(request: &Request) -> usize {
    usize::from(request.transport.proto() == "tcp")
}

/// The place of a request's counter, and of its type.
#[inline]
fn request_place(request: &Request, qtype: RecordType) -> (usize, usize) {
    let of_type = TYPES.iter().position(|known| *known == qtype);
    let of_type = of_type.unwrap_or(OTHER);
    let family = usize::from(!request.client.is_ipv4());
    (of_type * 4 + proto_place(request) * 2 + family, of_type)
}
