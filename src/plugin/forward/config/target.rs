//! The words that name upstreams.

use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::ServerName;

use super::{MOST_TARGETS, Stanza, Target, TargetReader, TargetTls};
use crate::corefile::{Diagnostic, MAX_FILE_BYTES, Token, is_host_name};
use crate::plugin::forward::address::{self, Host, Scheme, Written};
use crate::plugin::forward::multiplex::Protocol;
use crate::plugin::forward::resolv_conf::{self, NameServer};
use crate::plugin::forward::tls::{ClientTls, TlsFiles};

/// The port of what a file names.
const DNS_PORT: u16 = 53;

impl Stanza<'_> {
    /// All targets, in the order in which they stand.
    pub(super) fn targets(&self, reader: &mut TargetReader<'_>) -> Result<Vec<Target>, Diagnostic> {
        let mut client = self.client_tls(reader)?;
        let mut targets = Vec::new();
        let mut words = 0;
        // A line that is passed over takes no cluster names away: the server starts, as CoreDNS does.
        let mut was_passed_over = false;
        for token in &self.to {
            let written = address::read(token.text()).map_err(|error| refusal(token, error))?;
            let found = match written.host {
                Host::Other(other) => reader.file_or_host(token, other)?,
                Host::Address(address) => vec![Found::Address(address)],
            };
            if !found.is_empty() {
                words += 1;
            }
            if written.port == 0 {
                let text = format!(
                    "{} has no port that can be asked: it never answers",
                    token.text()
                );
                let warning = Diagnostic::warning(text).at(token.place());
                let help = "write IP:PORT with a port from 1 to 65535, or leave the port out";
                reader.warnings.push(warning.help(help));
            }
            if words > MOST_TARGETS {
                let words = self.to.len();
                return Err(token
                    .err(format!("more than {MOST_TARGETS} TOs configured: {words}"))
                    .help("leave some out: a query tries no more than a few"));
            }
            for found in found {
                let mut tls = || self.target_tls(token, &written, &mut client, reader);
                targets.push(match found {
                    Found::Address(ip) => {
                        Target::Address(SocketAddr::new(ip, written.port), tls()?)
                    }
                    Found::Host(name) => Target::Host(name, written.port, tls()?),
                    // What a file names is plain DNS, whatever stands before the file.
                    Found::Line(ip) => Target::Line(SocketAddr::new(ip, DNS_PORT)),
                    Found::NamedLine(name) => Target::Host(name, DNS_PORT, None),
                    Found::Nothing => {
                        was_passed_over = true;
                        continue;
                    }
                });
            }
        }
        match (targets.is_empty() && !was_passed_over, self.to.first()) {
            (true, Some(first)) => Err(first
                .err("no valid upstream addresses found")
                .help("the file names no server: add a line 'nameserver ADDRESS' to it")),
            _ => Ok(targets),
        }
    }

    /// The TLS of a target that wants it.
    fn target_tls(
        &self,
        token: &Token,
        written: &Written<'_>,
        client: &mut Option<ClientTls>,
        reader: &mut TargetReader<'_>,
    ) -> Result<Option<TargetTls>, Diagnostic> {
        let protocol = match written.scheme {
            Scheme::Dns => return Ok(None),
            Scheme::Tls => None,
            Scheme::Https => Some(Protocol::Https { get: self.doh_get }),
            Scheme::Quic => Some(Protocol::Quic),
        };
        let name = match (&self.tls_servername, written.server_name) {
            (Some(all), Some(own)) => {
                let host = without_server_name(token.text());
                return Err(token.err(format!(
                    "both forward ('{all}') and proxy level ('{own}') TLS servernames are set for upstream proxy '{host}'"
                )).help("keep one of the two"));
            }
            (all, own) => own.map(str::to_owned).or_else(|| all.clone()),
        };
        let name = name.map(|name| {
            let valid = ServerName::try_from(name.clone());
            valid.map_err(|_| token.err(format!("'{name}' cannot be the name of a TLS server")))
        });
        let name = name.transpose()?;
        let client = match client {
            Some(client) => client.clone(),
            None => {
                let loaded = ClientTls::load(&TlsFiles::default(), reader.environment);
                let loaded = loaded.map_err(|error| token.err(error))?;
                client.insert(loaded).clone()
            }
        };
        if client.trusts_nobody() {
            let text = format!(
                "no certificate authority is found on this system: {} cannot be trusted, and will not be asked",
                token.text()
            );
            let help = "name a file of authorities (tls CA), or mount one at /etc/ssl/certs/ca-certificates.crt";
            let warning = Diagnostic::warning(text).at(token.place());
            reader.warnings.push(warning.help(help));
        }
        Ok(Some(TargetTls {
            client,
            protocol,
            name,
        }))
    }
}

/// What a word stands for.
enum Found {
    Address(IpAddr),
    Host(String),
    /// A line of a file.
    Line(IpAddr),
    /// A line of a file that names a host.
    NamedLine(String),
    /// A line of a file that nobody can be asked by.
    Nothing,
}

impl TargetReader<'_> {
    /// The name servers of a file, or a host name where there is no such file.
    fn file_or_host(&mut self, token: &Token, text: &str) -> Result<Vec<Found>, Diagnostic> {
        let path = self.environment.directory().join(text);
        let error = match self.environment.read(&path, MAX_FILE_BYTES) {
            Ok(content) => return Ok(self.lines(token, &content)),
            Err(error) => error,
        };
        if is_host_name(text) {
            return Ok(vec![Found::Host(text.to_owned())]);
        }
        if text.contains('/') && !text.contains("://") {
            let text = format!("cannot read {text}: {error}");
            let help = "name a file like /etc/resolv.conf, or an address";
            return Err(token.err(text).help(help));
        }
        Err(refusal(
            token,
            format!("not an IP address, file, or valid domain: {text:?}"),
        ))
    }

    fn lines(&mut self, token: &Token, content: &[u8]) -> Vec<Found> {
        let servers = resolv_conf::parse(&String::from_utf8_lossy(content));
        let mut found = Vec::new();
        for (line, server) in servers {
            found.push(match server {
                NameServer::Address(ip) => Found::Line(ip),
                NameServer::Other(name) if is_host_name(&name) => Found::NamedLine(name),
                NameServer::Other(word) => {
                    let warning = format!(
                        "{}:{line}: the nameserver '{word}' is no IP address, and is passed over",
                        token.text()
                    );
                    let warning = Diagnostic::warning(warning).at(token.place());
                    self.warnings.push(warning);
                    Found::Nothing
                }
            });
        }
        found
    }
}

fn refusal(token: &Token, error: String) -> Diagnostic {
    let text = token.text();
    let error = token.err(error).expected(
        "IP[:PORT], SCHEME://IP[:PORT] with dns, tls, https or quic, a host name or a file",
        format_args!("'{text}'"),
    );
    match advice(text) {
        Some(advice) => error.help(advice),
        None => error,
    }
}

/// What people write where an upstream is wanted, and what they mean.
fn advice(text: &str) -> Option<String> {
    let scheme = text.split_once("://");
    Some(match scheme {
        _ if text.contains("${") => "a variable is written {$NAME}".to_owned(),
        _ if text.contains(',') => {
            "upstreams stand apart by white space, without commas".to_owned()
        }
        _ if text.ends_with(';') => "a line ends without a ';'".to_owned(),
        _ if text.ends_with('{') => "put white space before the '{'".to_owned(),
        Some(("udp" | "tcp", address)) => {
            format!("write {address}: the options prefer_udp and force_tcp say how it is asked")
        }
        Some(("https", rest)) => {
            let host = rest.split('/').next().unwrap_or(rest);
            format!("leave the path out: https://{host}")
        }
        _ => return None,
    })
}

/// `tls://9.9.9.9%name:853` without the name.
fn without_server_name(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once('%') else {
        return text.to_owned();
    };
    let port = after.rsplit_once(':').map_or("", |(_, port)| port);
    let bracket = if before.contains('[') { "]" } else { "" };
    match port {
        "" => format!("{before}{bracket}"),
        port => format!("{before}{bracket}:{port}"),
    }
}
