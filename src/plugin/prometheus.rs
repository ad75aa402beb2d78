//! `prometheus`: counts the queries that pass, and serves the page of all metrics.
//!
//! What it counts is found without a lock and without an allocation: the label sets of a listener
//! and a zone are made when the first query needs them (`traffic`). Requests that are refused
//! before any chain are counted by `observer`.

use std::sync::Arc;

use super::setup::{PerServer, Setup, SetupError};
use super::{forward, health, hosts, local};
use crate::chain::{Outcome, Plugin, Transfer, Transferred};
use crate::corefile::{Diagnostic, Directive, HostPort, Token};
use crate::http;
use crate::metrics::{CONTENT_TYPE, Registry};
use crate::name::{Name, NameRef, ZoneList};
use crate::query::Query;
use crate::server::render;

mod info;
mod observer;
mod traffic;
mod web;

pub use info::{publish_build, publish_plugins};
pub use observer::Dropped;

use traffic::{Seen, Traffic};
use web::Web;

/// Where the page is, unless the directive says otherwise.
const ADDRESS: (&str, u16) = ("localhost", 9153);

/// What the directive says.
struct Config<'d> {
    address: HostPort,
    /// The address has a port that is none.
    odd: Option<Diagnostic>,
    /// The file that says how the page is served.
    web: Option<&'d Token>,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["runtime_metrics", "tls"];

/// Reads `prometheus [ADDRESS] { runtime_metrics; tls FILE }`.
///
/// # Errors
/// An address that is none, options that there are not; the directive standing twice.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let Config { address, odd, web } = parse(setup.directive)?;
    let guard = match odd {
        Some(odd) => Some(Err(odd)),
        None => web.map(|file| guard(file, setup)),
    };
    let metrics = setup.shared.metrics.clone();
    publish_build(&metrics);
    // Boards and alerts may ask for what is not counted yet.
    for publish in [
        forward::publish,
        health::publish,
        hosts::publish,
        local::publish,
    ] {
        publish(&metrics);
    }
    match guard.transpose() {
        Ok(guard) => setup.shared.http.push(http::Endpoint {
            address: address.to_string(),
            plugin: "prometheus",
            required: false,
            service: Arc::new(Page(metrics.clone())),
            guard: guard.map(|guard| Arc::new(guard) as Arc<dyn http::Guard>),
        }),
        // As with an address that cannot be had: names are served without the page.
        Err(warning) => setup.warnings.push(warning),
    }
    let (zones, view) = (setup.block.zones.clone(), setup.block.view.clone());
    setup.push(Prometheus::new(metrics, zones, view));
    Ok(())
}

/// Reads the file that says how the page is served.
fn guard(file: &Token, setup: &Setup<'_>) -> Result<Web, Diagnostic> {
    let folder = setup.environment.directory().join(&setup.block.root);
    Web::read(folder.join(file.text()), setup.environment).map_err(|error| {
        let message = format!("there will be no page of metrics: {error}");
        let warning = Diagnostic::warning(message).at(file.place());
        warning.help("the file must be like those of Prometheus's exporters, web-config.yml")
    })
}

fn parse(directive: &Directive) -> Result<Config<'_>, SetupError> {
    let (host, port) = ADDRESS;
    let mut address = HostPort {
        host: host.to_owned(),
        port,
    };
    let (mut web, mut odd) = (None, None);
    let mut cursor = directive.cursor();
    while cursor.next_once()? {
        match cursor.remaining_args().as_slice() {
            [] => {}
            [named] => {
                odd = named.odd_port();
                if odd.is_none() {
                    address = named.listen_address()?;
                }
            }
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
                "tls" if web.is_some() => {
                    let error = option.err("tls block already specified");
                    return Err(error.help("name one file"));
                }
                "tls" => match cursor.remaining_args().as_slice() {
                    [file] => web = Some(*file),
                    _ => return Err(cursor.arg_err()),
                },
                other => {
                    let error = option.err(format!("unknown option: {other}"));
                    return Err(error.help("the options are: runtime_metrics, tls"));
                }
            }
        }
    }
    Ok(Config { address, odd, web })
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
    metrics: Arc<Registry>,
    /// The block's zones; the longest that a name is in labels its queries.
    zones: ZoneList<()>,
    view: Arc<str>,
    /// For each listener the counts of each zone, and of the root for names in none.
    traffic: PerServer<Box<[Traffic]>>,
}

impl Prometheus {
    fn new(metrics: Arc<Registry>, zones: Vec<Name>, view: Arc<str>) -> Self {
        Self {
            metrics,
            zones: zones.into_iter().map(|zone| (zone, ())).collect(),
            view,
            traffic: PerServer::default(),
        }
    }
}

impl Plugin for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn edits(&self) -> bool {
        true
    }

    fn edit(&self, query: &Query<'_>, outcome: &mut Outcome) {
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
}

impl Prometheus {
    #[inline]
    fn traffic(&self, query: &Query<'_>) -> Option<&Traffic> {
        let make = || {
            let zones = self.zones.iter().map(|(zone, ())| zone.to_string());
            let root = self.zones.longest(NameRef::ROOT).is_none();
            let root = root.then(|| ".".to_owned());
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
        match self.zones.place(query.lower) {
            Some(place) => of_listener.get(place),
            None => of_listener.last(),
        }
    }
}

impl Traffic {
    /// Counts a zone transfer when it is over.
    fn count_later(&self, transfer: &mut Transfer, query: &Query<'_>) {
        let traffic = self.clone();
        *transfer = transfer
            .take()
            .counted(query, move |query, sent: Transferred| {
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
