//! `pprof`: where the process spends its time, in the form that `go tool pprof` reads.
#![doc = include_str!("../../docs/plugins/pprof.md")]

use std::sync::Arc;
use std::time::Duration;

use super::setup::{Setup, SetupError};
use crate::chain::BoxFuture;
use crate::corefile::{Directive, HostPort, Token};
use crate::http::{self, Response};

mod profile;

use profile::Usage;

/// Where CoreDNS listens.
const HOST: &str = "localhost";
/// The same.
const PORT: u16 = 6053;
/// The pages.
const ROOT: &str = "/debug/pprof";
/// Seconds of a profile, unless the request says otherwise.
const SECONDS: u64 = 30;
/// Seconds of a profile, at most.
const MOST_SECONDS: u64 = 300;

/// The page that tells what there is.
const INDEX: &str = "<!DOCTYPE html>
<html><head><title>/debug/pprof/</title></head><body>
<p>callsign</p>
<table>
<tr><td><a href=\"/debug/pprof/profile?seconds=30\">profile</a></td>
<td>CPU time of each thread, in the program and in the kernel, over so many seconds</td></tr>
<tr><td><a href=\"/debug/pprof/cmdline\">cmdline</a></td><td>the command line</td></tr>
</table>
<p>go tool pprof -top http://HOST:PORT/debug/pprof/profile?seconds=30</p>
</body></html>
";

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["block"];

/// Reads `pprof [ADDRESS] { block [RATE] }`.
///
/// # Errors
/// An address that is none, options that there are not, the directive twice in a block.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.once()?;
    let (address, block) = parse(setup.directive)?;
    if let Some(block) = block {
        let warning = SetupError::warning("there is no profile of blocked goroutines");
        let help = "callsign has none; take the line out when you do not go back to CoreDNS";
        setup.warnings.push(warning.at(block.place()).help(help));
    }
    setup.shared.http.push(http::Endpoint {
        address: address.to_string(),
        plugin: "pprof",
        required: true,
        service: Arc::new(Pages),
        guard: None,
    });
    Ok(())
}

/// The address, and the option `block` where it is there.
fn parse(directive: &Directive) -> Result<(HostPort, Option<&Token>), SetupError> {
    let (mut address, mut block) = (None, None);
    let mut cursor = directive.cursor();
    cursor.next_token();
    match cursor.remaining_args().as_slice() {
        [] => {}
        [named] => address = Some(named.listen_address()?),
        _ => return Err(cursor.arg_err()),
    }
    while let Some(option) = cursor.next_block() {
        if option.text() != "block" {
            return Err(cursor.unknown_property(OPTIONS));
        }
        match cursor.remaining_args().as_slice() {
            [] => {}
            [rate] if rate.text().parse::<i64>().is_ok() => {}
            [rate] => {
                let rate = rate.err(format!(
                    "property 'block' invalid integer value '{}'",
                    rate.text()
                ));
                return Err(rate.help("write a whole number, or none"));
            }
            _ => return Err(cursor.arg_err()),
        }
        block = Some(option);
    }
    cursor.next_once()?;
    let address = address.unwrap_or_else(|| HostPort {
        host: HOST.to_owned(),
        port: PORT,
    });
    Ok((address, block))
}

/// See the module.
struct Pages;

impl http::Service for Pages {
    fn get(&self, path: &str) -> Option<Response> {
        let page = path.strip_prefix(ROOT)?;
        Some(match page {
            "" | "/" => Response {
                status: 200,
                content_type: "text/html; charset=utf-8",
                body: INDEX.into(),
            },
            "/cmdline" => {
                let arguments: Vec<String> = std::env::args().collect();
                Response::text(200, arguments.join("\0"))
            }
            other => {
                let name = other.strip_prefix('/')?;
                let text = format!(
                    "callsign is no Go program and has no profile '{name}'. {ROOT}/profile tells \
                     the CPU time of its threads; perf(1) and gdb(1) tell more.\n"
                );
                Response::text(404, text)
            }
        })
    }

    fn wait(&self, path: &str, parameters: &str) -> Option<BoxFuture<Response>> {
        let is_profile = path.strip_prefix(ROOT) == Some("/profile");
        is_profile.then(|| -> BoxFuture<Response> { Box::pin(measure(seconds(parameters))) })
    }
}

/// How long a profile is to be.
fn seconds(parameters: &str) -> u64 {
    let mut pairs = parameters
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let seconds = pairs.find_map(|(name, value)| (name == "seconds").then_some(value));
    // As Go does, what is no number is passed over.
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    seconds.filter(|seconds| *seconds > 0).unwrap_or(SECONDS)
}

/// Waits that long, and tells what was used meanwhile.
async fn measure(seconds: u64) -> Response {
    if seconds > MOST_SECONDS {
        let text = format!("a profile takes {MOST_SECONDS} seconds at most, not {seconds}\n");
        return Response::text(400, text);
    }
    let (before, duration) = (Usage::now(), Duration::from_secs(seconds));
    tokio::time::sleep(duration).await;
    Response {
        status: 200,
        content_type: "application/octet-stream",
        body: Usage::now().since(&before).encode(duration),
    }
}

#[cfg(test)]
mod tests;
