//! What is counted of the API server, and of what it tells.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::kubernetes::event::Event;
use crate::kubernetes::name::service_key;
use crate::kubernetes::object::{Kind, Object};
use crate::kubernetes::zone::{Shape, Zone};
use crate::metrics::{Desc, Histogram, Registry};

const REQUESTS: Desc = Desc {
    name: "coredns_kubernetes_rest_client_requests_total",
    help: "Number of HTTP requests, partitioned by status code, method, and host.",
};
const DURATION: Desc = Desc {
    name: "coredns_kubernetes_rest_client_request_duration_seconds",
    help: "Request latency in seconds. Broken down by verb and host.",
};
const LIMITED: Desc = Desc {
    name: "coredns_kubernetes_rest_client_rate_limiter_duration_seconds",
    help: "Client side rate limiter latency in seconds. Broken down by verb and host.",
};
const PROGRAMMING: Desc = Desc {
    name: "coredns_kubernetes_dns_programming_duration_seconds",
    help: "Histogram of the time (in seconds) it took to program a dns instance.",
};
const RELISTS: Desc = Desc {
    name: "callsign_kubernetes_relists_total",
    help: "Lists of a kind after its first one, by what made them necessary.",
};
const BREAKS: Desc = Desc {
    name: "callsign_kubernetes_watch_failures_total",
    help: "Requests and watches of a kind that failed.",
};
const UNREADABLE: Desc = Desc {
    name: "callsign_kubernetes_unreadable_objects_total",
    help: "Objects that were passed over because they could not be decoded.",
};
const AUDITS: Desc = Desc {
    name: "callsign_kubernetes_audits_total",
    help: "Comparisons of what was told of a kind with a list of it, by what came of them.",
};
const REPAIRS: Desc = Desc {
    name: "callsign_kubernetes_audit_repairs_total",
    help: "Objects of a kind of which a watch had lost changes, and that were listed again.",
};

/// The client library's default edges, in seconds.
const REQUEST_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// One millisecond doubled 19 times, in seconds.
const PROGRAMMING_BUCKETS: [f64; 20] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096,
    8.192, 16.384, 32.768, 65.536, 131.072, 262.144, 524.288,
];

/// What the followers of a source count.
pub(super) struct Metrics {
    registry: Arc<Registry>,
}

/// What is counted of requests to one server.
pub(super) struct Requests {
    registry: Arc<Registry>,
    host: Arc<str>,
}

impl Metrics {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }

    pub(super) fn requests(&self, host: &str) -> Requests {
        Requests {
            registry: self.registry.clone(),
            host: host.into(),
        }
    }

    pub(super) fn relist(&self, kind: Kind, reason: &'static str) {
        let labels = [("kind", kind.name()), ("reason", reason)];
        self.registry.counter(RELISTS, &labels).inc();
    }

    pub(super) fn failure(&self, kind: Kind) {
        let labels = [("kind", kind.name())];
        self.registry.counter(BREAKS, &labels).inc();
    }

    pub(super) fn audited(&self, kind: Kind, result: &'static str) {
        let labels = [("kind", kind.name()), ("result", result)];
        self.registry.counter(AUDITS, &labels).inc();
    }

    pub(super) fn repaired(&self, kind: Kind, objects: usize) {
        let labels = [("kind", kind.name())];
        let objects = u64::try_from(objects).unwrap_or(u64::MAX);
        self.registry.counter(REPAIRS, &labels).add(objects);
    }

    pub(super) fn unreadable(&self, kind: Kind) {
        let labels = [("kind", kind.name())];
        self.registry.counter(UNREADABLE, &labels).inc();
    }
}

impl Requests {
    pub(super) fn count(&self, code: &str) {
        let labels = [("code", code), ("method", "GET"), ("host", &*self.host)];
        self.registry.counter(REQUESTS, &labels).inc();
    }

    /// As CoreDNS, of lists alone. Nothing here limits how often the server is asked.
    pub(super) fn observe(&self, time: Duration) {
        let labels = [("verb", "GET"), ("host", &*self.host)];
        let duration = self.registry.histogram(DURATION, &REQUEST_BUCKETS, &labels);
        duration.observe_duration(time);
        let limited = self.registry.histogram(LIMITED, &REQUEST_BUCKETS, &labels);
        limited.observe_duration(Duration::ZERO);
    }
}

/// How long changes of endpoints take to be served.
pub struct Programming {
    registry: Arc<Registry>,
    counts_imports_twice: bool,
    /// held by the source itself, and by each directive that reads it
    readers: Weak<()>,
    /// of Services with addresses of their own, and of headless ones
    kinds: [Option<Histogram>; 2],
}

/// What is to be counted of an event once it is served.
pub struct Changed {
    service: Box<[u8]>,
    /// Unix time in nanoseconds
    at: u64,
    of_import: bool,
}

impl Programming {
    /// Tells nothing until there is something.
    ///
    /// `counts_imports_twice` is for a cluster whose endpoints are watched for itself and for its
    /// imports: CoreDNS has a watch for each there, and counts what comes by both of them. So it has
    /// and does for each directive that reads the source: `readers` is held once by the source, and
    /// once by each of them.
    #[must_use]
    pub fn new(registry: Arc<Registry>, counts_imports_twice: bool, readers: Weak<()>) -> Self {
        Self {
            registry,
            counts_imports_twice,
            readers,
            kinds: [None, None],
        }
    }

    /// A change of a Service's endpoints that tells its time.
    #[must_use]
    pub fn of(event: &Event) -> Option<Changed> {
        let (namespace, service, at, of_import) = match event {
            Event::Apply(Object::EndpointSlice(slice)) => (
                &slice.key.namespace,
                &slice.service,
                slice.triggered?,
                slice.import.is_some(),
            ),
            Event::Changed(changed) => {
                let key = &changed.service;
                (&key.namespace, &key.name, changed.at, changed.of_import)
            }
            _ => return None,
        };
        Some(Changed {
            service: service_key(namespace, service)?,
            at,
            of_import,
        })
    }

    /// A change is served from now on. Without such a Service nothing is counted, as in CoreDNS.
    pub fn served(&mut self, zone: &Zone, changed: &Changed) {
        let Some(service) = zone.service(&changed.service) else {
            return;
        };
        let (at, kind) = match service.entry().shape() {
            Shape::Absent => return,
            Shape::Headless => (1, "headless_with_selector"),
            // As in CoreDNS, whatever else it is.
            _ => (0, "cluster_ip"),
        };
        let registry = &self.registry;
        let make = || {
            let labels = [("service_kind", kind)];
            registry.histogram(PROGRAMMING, &PROGRAMMING_BUCKETS, &labels)
        };
        if let Some(histogram) = self.kinds.get_mut(at) {
            let histogram = histogram.get_or_insert_with(make);
            let took = since_epoch().saturating_sub(Duration::from_nanos(changed.at));
            let watches = 1 + usize::from(changed.of_import && self.counts_imports_twice);
            let readers = self.readers.strong_count().saturating_sub(1);
            for _ in 0..watches * readers {
                histogram.observe_duration(took);
            }
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::event::EndpointsChange;
    use crate::kubernetes::object::{EndpointSlice, Import};
    use crate::kubernetes::testkit::{cluster, key, object};

    /// What is counted of some changes, for both kinds of Services, with so many readers.
    fn counted(counts_imports_twice: bool, readers: usize) -> [String; 2] {
        let (mut store, zone) = cluster(
            "namespace a
             service a/web 10.96.0.1 http:80/TCP
             service a/db None",
        );
        let registry = Arc::new(Registry::default());
        let source = Arc::new(());
        let _readers = vec![source.clone(); readers];
        let readers = Arc::downgrade(&source);
        let mut programming = Programming::new(registry.clone(), counts_imports_twice, readers);
        let slice = |line: &str, triggered, import: &str| match object(line) {
            Object::EndpointSlice(slice) => Event::Apply(Object::EndpointSlice(EndpointSlice {
                triggered: Some(triggered).filter(|at| *at > 0),
                import: (!import.is_empty()).then(|| {
                    Box::new(Import {
                        service: import.into(),
                        cluster: "east".into(),
                    })
                }),
                ..slice
            })),
            other => panic!("{other:?}"),
        };
        let gone = |service: &str, of_import| {
            Event::Changed(EndpointsChange {
                service: key(service),
                at: 1,
                of_import,
            })
        };
        for event in [
            slice("slice a/web-1 web | 10.0.0.1", 1, ""),
            slice("slice a/db-1 db | 10.0.0.2", 1, ""),
            slice("slice a/db-2 db | 10.0.0.5", 1, "db"),
            slice("slice a/web-2 web | 10.0.0.3", 0, "web"),
            slice("slice a/other-1 other | 10.0.0.4", 1, ""),
            slice("slice a/imported-1 - | 10.0.0.4", 1, "web"),
            Event::Delete(Kind::EndpointSlice, key("a/web-1")),
            gone("a/web", false),
            gone("a/db", true),
            gone("a/other", true),
        ] {
            let changed = Programming::of(&event);
            store.apply(event, 0);
            if let Some(changed) = changed {
                programming.served(&zone, &changed);
            }
        }
        let page = registry.text();
        ["cluster_ip", "headless_with_selector"].map(|kind| {
            let start = format!(
                "coredns_kubernetes_dns_programming_duration_seconds_count{{service_kind=\"{kind}\"}} "
            );
            let count = page.lines().find_map(|line| line.strip_prefix(&start));
            count.unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn a_change_of_endpoints_is_counted_once_it_is_served() {
        assert_eq!(counted(false, 1), ["2", "3"]);
    }

    #[test]
    fn a_change_that_comes_for_an_import_too_is_counted_twice() {
        assert_eq!(counted(true, 1), ["2", "5"]);
    }

    #[test]
    fn a_change_is_counted_once_for_each_directive_that_reads_the_source() {
        assert_eq!(counted(false, 2), ["4", "6"]);
        assert_eq!(counted(true, 2), ["4", "10"]);
    }
}
