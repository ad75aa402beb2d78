//! What the server itself counts: requests that are refused before any chain, and panics.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;

use super::traffic::{Labels, Seen, Traffic};
use crate::metrics::{Counter, Desc, Registry};
use crate::query::{Query, Transport};
use crate::server::Observer;
use crate::wire::HEADER_LEN;

/// Panics of plugins.
const PANICS: Desc = Desc {
    name: "coredns_panics_total",
    help: "A metrics that counts the number of panics.",
};
/// Responses over HTTPS.
const HTTPS_RESPONSES: Desc = Desc {
    name: "coredns_dns_https_responses_total",
    help: "Counter of DoH responses per server and http status code.",
};
/// Streams of QUIC.
const QUIC_RESPONSES: Desc = Desc {
    name: "coredns_dns_quic_responses_total",
    help: "Counter of DoQ responses per server and QUIC application code.",
};
/// The zone that dropped requests are counted under; without its last dot it is no zone.
const DROPPED: &str = "dropped";
/// The length of an OPT without options.
const OPT_LEN: usize = 11;

/// Counts what one listener does not hand to a chain.
pub struct Dropped {
    registry: Arc<Registry>,
    server: Arc<str>,
    traffic: Traffic,
    panics: Counter,
}

impl Dropped {
    /// For the listener of this name (`dns://:53`).
    #[must_use]
    pub fn new(registry: &Arc<Registry>, server: impl Into<Arc<str>>) -> Self {
        let server = server.into();
        let labels = Labels {
            server: server.clone(),
            zone: DROPPED.to_owned(),
            view: Arc::default(),
        };
        Self {
            registry: registry.clone(),
            server,
            traffic: Traffic::new(registry.clone(), labels),
            panics: registry.counter(PANICS, &[]),
        }
    }
}

impl Observer for Dropped {
    fn dropped(&self, query: &Query<'_>, rcode: ResponseCode) {
        let opt = query.opt.map_or(0, |_| OPT_LEN);
        let seen = Seen {
            rcode: rcode.into(),
            plugin: "",
            size: HEADER_LEN + query.name.as_bytes().len() + 4 + opt,
        };
        self.traffic.count(query, &seen);
    }

    fn responded(&self, transport: Transport, status: &str) {
        let desc = match transport {
            Transport::Quic => QUIC_RESPONSES,
            _ => HTTPS_RESPONSES,
        };
        let labels = [("server", &*self.server), ("status", status)];
        self.registry.counter(desc, &labels).inc();
    }

    fn panicked(&self, what: &str) {
        self.panics.inc();
        let server = &self.server;
        tracing::error!("Recovered from panic in server: {server:?} {what}");
    }
}
