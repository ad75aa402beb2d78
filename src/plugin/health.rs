//! `health`: says over HTTP that the process lives, and how long it takes to say so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::setup::{Setup, SetupError};
use crate::corefile::{Directive, HostPort, Token};
use crate::http;
use crate::metrics::{Desc, Registry, SLIM_TIME_BUCKETS};

mod poll;

use poll::Poll;

/// The port of the endpoint, unless the directive says otherwise.
const PORT: u16 = 8080;

/// The time that the endpoint takes to answer this process.
const DURATION: Desc = Desc {
    name: "coredns_health_request_duration_seconds",
    help: "Histogram of the time (in seconds) each request took.",
};
/// How often it did not.
const FAILURES: Desc = Desc {
    name: "coredns_health_request_failures_total",
    help: "The number of times the health check failed.",
};

/// What the directive says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Config {
    address: HostPort,
    lameduck: Duration,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["lameduck"];

/// Reads `health [ADDRESS] { lameduck DURATION }`; of several the last values count.
///
/// # Errors
/// An address or a duration that is none; options that there are not.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup.directive)?;
    let shared = &mut *setup.shared;
    // CoreDNS sleeps once for each block that has the plugin; the longest is what was meant.
    shared.lameduck = shared.lameduck.max(config.lameduck);
    let bound = Arc::new(OnceLock::new());
    let poll = Poll {
        url: config.url(),
        address: bound.clone(),
        duration: shared.metrics.histogram(DURATION, &SLIM_TIME_BUCKETS, &[]),
        failures: shared.metrics.counter(FAILURES, &[]),
    };
    shared.task("health", move |stop| async move {
        let _: Option<()> = stop.run_until_cancelled(poll.run()).await;
    });
    shared.http.push(http::Endpoint {
        address: config.address.to_string(),
        plugin: "health",
        required: true,
        service: Arc::new(Page { bound }),
        guard: None,
    });
    Ok(())
}

/// Tells the families that CoreDNS has from the start on, whatever the Corefile says.
pub(super) fn publish(registry: &Registry) {
    registry.histogram(DURATION, &SLIM_TIME_BUCKETS, &[]);
    registry.counter(FAILURES, &[]);
}

/// An address that stands in a URL, too, which CoreDNS asks itself by: no port by name, no link.
fn listen_address(word: &Token) -> Result<HostPort, SetupError> {
    let address = word.listen_address()?;
    let port = word.text().rsplit_once(':').map_or("", |(_, port)| port);
    if address.host.contains('%') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        let error = word.err(format!("address {}: not one of a URL", word.text()));
        return Err(error.help("write [ADDRESS]:PORT, without a link and with a number"));
    }
    Ok(address)
}

impl Config {
    fn parse(directive: &Directive) -> Result<Self, SetupError> {
        let mut config = Self {
            address: HostPort {
                host: String::new(),
                port: PORT,
            },
            lameduck: Duration::ZERO,
        };
        let mut cursor = directive.cursor();
        while cursor.next_token().is_some() {
            match cursor.remaining_args().as_slice() {
                [] => {}
                [address] => config.address = listen_address(address)?,
                _ => return Err(cursor.arg_err()),
            }
            while let Some(option) = cursor.next_block() {
                if option.text() != "lameduck" {
                    return Err(cursor.unknown_property(OPTIONS));
                }
                match cursor.remaining_args().as_slice() {
                    [duration] => {
                        // Below zero is no lameduck at all, as in CoreDNS.
                        let nanos = u64::try_from(duration.signed_nanoseconds()?);
                        config.lameduck = Duration::from_nanos(nanos.unwrap_or(0));
                    }
                    _ => return Err(cursor.arg_err()),
                }
            }
        }
        Ok(config)
    }

    /// The endpoint as messages name it.
    fn url(&self) -> String {
        let HostPort { host, port } = &self.address;
        let host = if host.is_empty() { "localhost" } else { host };
        let address = HostPort {
            host: host.to_owned(),
            port: *port,
        };
        format!("http://{address}/health")
    }
}

/// The endpoint.
struct Page {
    /// Where this process reaches it.
    bound: Arc<OnceLock<SocketAddr>>,
}

impl http::Service for Page {
    fn get(&self, path: &str) -> Option<http::Response> {
        (path == "/health").then(|| http::Response::text(200, "OK"))
    }

    fn bound(&self, address: SocketAddr) {
        let mut address = address;
        if address.ip().is_unspecified() {
            // A socket for all addresses takes IPv4's loopback on any host.
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        // A configuration is served once.
        let _ = self.bound.set(address);
    }
}

#[cfg(test)]
mod tests;
