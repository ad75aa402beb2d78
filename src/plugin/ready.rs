//! `ready`: says over HTTP whether the plugins can serve, and which cannot yet.

use std::sync::Arc;

use tracing::info;

use super::setup::{Setup, SetupError};
use crate::corefile::{Cursor, Directive, HostPort};
use crate::http;
use crate::readiness::Readiness;

/// The port of the endpoint, unless the directive says otherwise.
const PORT: u16 = 8181;

/// What the directive says.
#[derive(Clone, Debug)]
struct Config {
    address: HostPort,
    /// The address has a port that is none.
    odd: Option<SetupError>,
    continuously: bool,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["monitor"];

/// Reads `ready [ADDRESS] { monitor until-ready|continuously }`.
///
/// # Errors
/// An address that is none, options that there are not; the directive standing twice.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let config = Config::parse(setup.directive)?;
    setup.block.ready = true;
    let readiness = setup.shared.readiness.clone();
    // One process is ready or not; as in CoreDNS the last block decides how that is watched.
    readiness.watch_continuously(config.continuously);
    if let Some(odd) = config.odd {
        setup.warnings.push(odd);
        return Ok(());
    }
    setup.shared.http.push(http::Endpoint {
        address: config.address.to_string(),
        plugin: "ready",
        required: false,
        service: Arc::new(Page { readiness }),
        guard: None,
    });
    Ok(())
}

impl Config {
    fn parse(directive: &Directive) -> Result<Self, SetupError> {
        let mut config = Self {
            address: HostPort {
                host: String::new(),
                port: PORT,
            },
            continuously: false,
            odd: None,
        };
        let mut cursor = directive.cursor();
        while cursor.next_once()? {
            match cursor.remaining_args().as_slice() {
                [] => {}
                [address] => {
                    config.odd = address.odd_port();
                    if config.odd.is_none() {
                        config.address = address.listen_address()?;
                    }
                }
                _ => return Err(cursor.arg_err()),
            }
            while let Some(option) = cursor.next_block() {
                match option.text() {
                    "monitor" => config.continuously = parse_monitor(&mut cursor)?,
                    _ => return Err(cursor.unknown_property(OPTIONS)),
                }
            }
        }
        Ok(config)
    }
}

fn parse_monitor(cursor: &mut Cursor<'_>) -> Result<bool, SetupError> {
    let arguments = cursor.remaining_args();
    let [kind] = arguments.as_slice() else {
        return Err(cursor.arg_err());
    };
    match kind.text() {
        "until-ready" => Ok(false),
        "continuously" => Ok(true),
        other => Err(kind
            .err(format!("monitor type '{other}' not supported"))
            .help("write until-ready or continuously")),
    }
}

/// The endpoint.
struct Page {
    readiness: Arc<Readiness>,
}

impl http::Service for Page {
    fn get(&self, path: &str) -> Option<http::Response> {
        (path == "/ready").then(|| self.response())
    }
}

impl Page {
    fn response(&self) -> http::Response {
        if self.readiness.is_draining() {
            return http::Response::text(503, "Shutting down");
        }
        let pending = self.readiness.pending();
        if pending.is_empty() {
            let warning = self.readiness.warning();
            return match warning.as_str() {
                "" => http::Response::text(200, "OK"),
                warning => http::Response::text(200, format!("OK\n{warning}\n")),
            };
        }
        let names: Vec<_> = pending.iter().map(|pending| pending.plugin).collect();
        let mut body = names.join(",");
        info!(target: "plugin/ready", "Plugins not ready: {body:?}");
        // The first line is what CoreDNS's body is; a person reads on.
        for plugin in &pending {
            for reason in &plugin.reasons {
                body.push_str(&format!("\n{}: {reason}", plugin.plugin));
            }
        }
        http::Response::text(503, body)
    }
}

#[cfg(test)]
mod tests;
