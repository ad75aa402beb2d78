//! The counts of one listener, zone and view, each made when it is first needed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::metrics::{Counter, Desc, Histogram, Registry, Row, SIZE_BUCKETS, TIME_BUCKETS};
use crate::query::{Query, Transport};
use crate::wire::mnemonic::{TypeWord, rcode_word};

mod tally;

use tally::Sum;

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
    /// By type, then by protocol and family.
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

    /// Counts a query and its response: at the end of the batch, where they are of one.
    #[inline]
    pub(super) fn count(&self, query: &Query<'_>, seen: &Seen) {
        let request = query.request;
        let sizes = [request.size, seen.size];
        tally::add(self, Kind::of(query, seen), request.now, sizes);
    }

    /// Whether both count in one place.
    #[inline]
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Counts so many requests of a kind, each of which took this time.
    fn tell(&self, kind: Kind, sum: &Sum, time: Duration) {
        let (counts, row) = (&*self.0, Row::here());
        counts.request(kind, sum.times, row);
        if kind.dnssec_ok {
            let make = || counts.counter(DNSSEC, &[]);
            counts.dnssec.get_or_init(make).add_in(row, sum.times);
        }
        counts
            .duration
            .get_or_init(|| counts.new_duration())
            .observe_durations(time, sum.times);
        for (histograms, desc, sizes) in [
            (&counts.request_size, REQUEST_SIZE, &sum.requests),
            (&counts.response_size, RESPONSE_SIZE, &sum.responses),
        ] {
            let (proto, place) = kind.proto();
            if let Some(histogram) = histograms.get(place) {
                let histogram = histogram.get_or_init(|| counts.size(desc, proto));
                histogram.observe_sizes(row, &sizes.places, sizes.bytes);
            }
        }
        counts.response(kind, sum.times, row);
    }
}

/// What is the same of requests that count alike.
#[derive(Clone, Copy)]
struct Kind {
    rcode: u16,
    /// The place of its type.
    of_type: u8,
    transport: Transport,
    over_v6: bool,
    dnssec_ok: bool,
    plugin: &'static str,
}

impl Kind {
    #[inline]
    fn of(query: &Query<'_>, seen: &Seen) -> Self {
        let of_type = TYPES.iter().position(|known| *known == query.qtype);
        Self {
            rcode: seen.rcode,
            of_type: of_type.unwrap_or(OTHER) as u8,
            transport: query.request.transport,
            over_v6: !query.request.client.is_ipv4(),
            dnssec_ok: query.dnssec_ok(),
            plugin: seen.plugin,
        }
    }

    /// Whether both are the same kind. One plugin's name may stand in two places: then it may say no.
    #[inline]
    fn is(self, other: Self) -> bool {
        let rest = |kind: Self| {
            let flags = [kind.over_v6, kind.dnssec_ok];
            (kind.rcode, kind.of_type, kind.transport, flags)
        };
        std::ptr::eq(self.plugin, other.plugin) && rest(self) == rest(other)
    }

    /// `udp` or `tcp`, and the place of its histograms.
    fn proto(self) -> (&'static str, usize) {
        let proto = self.transport.proto();
        (proto, usize::from(proto == "tcp"))
    }
}

impl Counts {
    fn request(&self, kind: Kind, times: u64, row: Row) {
        let (proto, of_proto) = kind.proto();
        let of_type = usize::from(kind.of_type);
        let make = || {
            let word = TYPES.get(of_type).map(|qtype| TypeWord((*qtype).into()));
            let word = word.map_or_else(|| "other".to_owned(), |word| word.to_string());
            let family = if kind.over_v6 { "2" } else { "1" };
            let own = [("proto", proto), ("family", family), ("type", &*word)];
            self.counter(REQUESTS, &own)
        };
        let place = of_type * 4 + of_proto * 2 + usize::from(kind.over_v6);
        if let Some(counter) = self.requests.get(place) {
            counter.get_or_init(make).add_in(row, times);
        }
    }

    fn response(&self, kind: Kind, times: u64, row: Row) {
        let Kind { rcode, plugin, .. } = kind;
        for place in &self.responses {
            let pair = place.get_or_init(|| Pair {
                rcode,
                plugin,
                counter: self.response_counter(rcode, plugin),
            });
            let same_plugin = std::ptr::eq(pair.plugin, plugin) || pair.plugin == plugin;
            if pair.rcode == rcode && same_plugin {
                return pair.counter.add_in(row, times);
            }
        }
        self.response_counter(rcode, plugin).add_in(row, times);
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
