//! `prometheus`: counts the queries that pass, and serves the page of all metrics.
//!
//! What it counts is found without a lock and without an allocation: the label sets of a listener
//! and a zone are made when the first query needs them (`traffic`). Requests that are refused
//! before any chain are counted by `observer`.

use std::sync::Arc;

use super::setup::{PerServer, Setup, SetupError};
use crate::chain::{Next, Outcome, Plugin, Reply, Transfer, Transferred};
use crate::corefile::{Directive, HostPort};
use crate::http;
use crate::metrics::{CONTENT_TYPE, Registry};
use crate::name::Name;
use crate::query::Query;
use crate::server::render;

mod info;
mod observer;
mod traffic;

pub use info::{publish_build, publish_plugins};
pub use observer::Dropped;

use traffic::{Seen, Traffic};

/// Where the page is, unless the directive says otherwise.
const ADDRESS: (&str, u16) = ("localhost", 9153);

/// Reads `prometheus [ADDRESS] { runtime_metrics }`.
///
/// # Errors
/// An address that is none, options that there are not; the directive standing twice.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let address = parse(setup.directive)?;
    let metrics = setup.shared.metrics.clone();
    publish_build(&metrics);
    setup.shared.http.push(http::Endpoint {
        address: address.to_string(),
        plugin: "prometheus",
        required: false,
        service: Arc::new(Page(metrics.clone())),
    });
    let (zones, view) = (setup.block.zones.clone(), setup.block.view.clone());
    setup.push(Prometheus::new(metrics, zones, view));
    Ok(())
}

fn parse(directive: &Directive) -> Result<HostPort, SetupError> {
    let (host, port) = ADDRESS;
    let mut address = HostPort {
        host: host.to_owned(),
        port,
    };
    let mut cursor = directive.cursor();
    while cursor.next_token().is_some() {
        match cursor.remaining_args().as_slice() {
            [] => {}
            [named] => address = named.listen_address()?,
            _ => return Err(cursor.arg_err()),
        }
        while let Some(option) = cursor.next_block() {
            match option.text() {
                // There is no Go runtime to tell of; the word is for Corefiles that have it.
                "runtime_metrics" => {
                    if !cursor.remaining_args().is_empty() {
                        return Err(cursor.arg_err());
                    }
                }
                "tls" => {
                    let error = option.err("callsign serves metrics over plain HTTP only, yet");
                    return Err(error.help(
                        "take the option out and scrape over HTTP, or put a TLS proxy in front",
                    ));
                }
                other => {
                    let error = option.err(format!("unknown option: {other}"));
                    return Err(error.help("the option is: runtime_metrics"));
                }
            }
        }
    }
    Ok(address)
}

/// The page of all metrics.
struct Page(Arc<Registry>);

impl http::Service for Page {
    fn get(&self, path: &str) -> Option<http::Response> {
        (path == "/metrics").then(|| http::Response {
            status: 200,
            content_type: CONTENT_TYPE,
            body: self.0.text().into_bytes(),
        })
    }
}

/// See the module.
struct Prometheus {
    state: Arc<State>,
}

struct State {
    metrics: Arc<Registry>,
    /// The block's zones; the longest that a name is in labels its queries.
    zones: Vec<Name>,
    view: Arc<str>,
    /// For each listener the counts of each zone, and of the root for names in none.
    traffic: PerServer<Box<[Traffic]>>,
}

impl Prometheus {
    fn new(metrics: Arc<Registry>, zones: Vec<Name>, view: Arc<str>) -> Self {
        Self {
            state: Arc::new(State {
                metrics,
                zones,
                view,
                traffic: PerServer::default(),
            }),
        }
    }
}

impl Plugin for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    #[inline]
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        next.serve(query).edit(&self.state, query, State::see)
    }
}

impl State {
    fn see(&self, query: &Query<'_>, outcome: &mut Outcome) {
        let Some(traffic) = self.traffic(query) else {
            return;
        };
        let (rcode, plugin, size) = match outcome {
            Outcome::Answer(answer) => (
                answer.rcode.into(),
                answer.plugin,
                render::whole_len(answer, query),
            ),
            // The server writes this reply, so no plugin has written one of any size.
            Outcome::Failed(failure) => (failure.rcode.into(), "", 0),
            Outcome::Drop => (0, "", 0),
            Outcome::Transfer(transfer) => return traffic.count_later(transfer, query),
        };
        traffic.count(
            query,
            &Seen {
                rcode,
                plugin,
                size,
            },
        );
    }

    #[inline]
    fn traffic(&self, query: &Query<'_>) -> Option<&Traffic> {
        let make = || {
            let zones = self.zones.iter().map(Name::to_string);
            let root = (!self.zones.contains(&Name::root())).then(|| ".".to_owned());
            let new = |zone| {
                let labels = traffic::Labels {
                    server: query.server.label.clone(),
                    zone,
                    view: self.view.clone(),
                };
                Traffic::new(self.metrics.clone(), labels)
            };
            zones.chain(root).map(new).collect()
        };
        let of_listener = self.traffic.get(query.server, make)?;
        let longest = self
            .zones
            .iter()
            .enumerate()
            .filter(|(_, zone)| query.lower.is_in(zone.view()))
            .max_by_key(|(_, zone)| zone.view().as_bytes().len());
        match longest {
            Some((at, _)) => of_listener.get(at),
            None => of_listener.last(),
        }
    }
}

impl Traffic {
    /// Counts a zone transfer when it is over.
    fn count_later(&self, transfer: &mut Transfer, query: &Query<'_>) {
        let traffic = self.clone();
        let messages = std::mem::replace(transfer, Transfer(Box::new(std::iter::empty())));
        *transfer = messages.counted(query, move |query, sent: Transferred| {
            let seen = Seen {
                rcode: 0,
                plugin: "transfer",
                size: sent.size,
            };
            traffic.count(query, &seen);
        });
    }
}

#[cfg(test)]
mod tests;
