//! The words of a `forward` directive as values.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::multiplex::Protocol;
use super::policy::Policy;
use super::tls::{ClientTls, TlsFiles};
use super::upstream::{CheckSettings, UpstreamSettings};
use crate::corefile::{Cursor, Diagnostic, Environment, Token};
use crate::duration::GoDuration;
use crate::name::{Name, NameRef};
use crate::plugin::setup::{Setup, SetupError};

mod option;
mod target;

pub(in crate::plugin) use option::OPTIONS;

/// Upstreams that one `forward` may name; a file counts as one.
const MOST_TARGETS: usize = 15;

/// One `forward` of a server block.
#[derive(Debug)]
pub(super) struct Config {
    /// Names at or below this are forwarded.
    pub(super) from: Name,
    /// Names at or below these are not; `from` itself always is.
    pub(super) except: Vec<Name>,
    /// Where to.
    pub(super) targets: Vec<Target>,
    /// Where to, as it is written.
    pub(super) written: Vec<String>,
    /// What all upstreams of this forward are made with.
    pub(super) upstream: UpstreamSettings,
    /// TCP whatever the client came over.
    pub(super) force_tcp: bool,
    /// UDP whatever the client came over, and TCP for what was cut.
    pub(super) prefer_udp: bool,
    /// The time that an upstream has to reply.
    pub(super) read_timeout: Duration,
    /// Failed checks in a row that an upstream may have and still be asked; 0 is any number.
    pub(super) max_fails: u32,
    /// Tries for each query: `None` is two for each upstream, `Some(None)` no bound but time.
    pub(super) max_connect_attempts: Option<Option<usize>>,
    /// The order of upstreams.
    pub(super) policy: Policy,
    /// Queries at the same time; `None` is no bound of its own.
    pub(super) max_concurrent: Option<i64>,
    /// Response codes that are passed to the next forward.
    pub(super) next: Vec<u16>,
    /// Whether an answer without records is passed to the next forward.
    pub(super) next_on_nodata: bool,
    /// With all upstreams down: SERVFAIL, rather than a try at any.
    pub(super) failfast: bool,
    /// Response codes for which the next upstream is asked.
    pub(super) failover: Vec<u16>,
    /// Who is asked for the addresses of host names; nobody: the system.
    pub(super) resolvers: Vec<SocketAddr>,
    /// Where the directive stands, for traces and logs.
    pub(super) place: Arc<str>,
}

/// One upstream, or a name that stands for some.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// An address.
    Address(SocketAddr, Option<TargetTls>),
    /// An address that a file names.
    Line(SocketAddr),
    /// A host name, to be resolved at start, and its port.
    Host(String, u16, Option<TargetTls>),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let over = |tls: &Option<TargetTls>| if tls.is_some() { "tls://" } else { "" };
        match self {
            Self::Address(address, tls) => write!(f, "{}{address}", over(tls)),
            Self::Line(address) => write!(f, "{address}"),
            Self::Host(host, port, tls) => write!(f, "{}{host}:{port}", over(tls)),
        }
    }
}

/// The TLS of a target.
#[derive(Clone)]
pub(super) struct TargetTls {
    pub(super) client: ClientTls,
    /// How queries are told; `None` is DNS over TLS.
    pub(super) protocol: Option<Protocol>,
    /// The name that the certificate must have; `None` is the address itself.
    pub(super) name: Option<ServerName<'static>>,
}

impl std::fmt::Debug for TargetTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name.as_ref().map(ServerName::to_str);
        let digest = self.client.digest();
        write!(f, "tls {name:?} {:?} {digest}", self.protocol)
    }
}

impl Config {
    /// Whether a name, in lower case, is forwarded here.
    pub(super) fn matches(&self, lower: NameRef<'_>) -> bool {
        lower.is_in(self.from.view())
            && (lower == self.from.view()
                || !self.except.iter().any(|except| lower.is_in(except.view())))
    }
}

/// Reads every occurrence of the directive.
///
/// # Errors
/// Says what is wrong, and where.
pub(super) fn parse(setup: &mut Setup<'_>) -> Result<Vec<Config>, SetupError> {
    let mut cursor = setup.directive.cursor();
    let mut configs = Vec::new();
    while let Some(directive) = cursor.next_token() {
        let mut stanza = Stanza::new(directive);
        stanza.head(&mut cursor, setup.warnings)?;
        while cursor.next_block().is_some() {
            stanza.option(&mut cursor, setup.warnings)?;
        }
        let reader = TargetReader {
            environment: setup.environment,
            root: &setup.block.root,
            warnings: setup.warnings,
        };
        configs.push(stanza.finish(reader)?);
    }
    Ok(configs)
}

/// A `forward` while it is read.
struct Stanza<'t> {
    config: Config,
    to: Vec<&'t Token>,
    /// The option `tls` and its files, not yet told from the folder that they are in.
    tls: Option<(&'t Token, Vec<String>)>,
    tls_servername: Option<String>,
    /// Whether questions stand in the address of a request over HTTPS.
    doh_get: bool,
    max_age: Option<&'t Token>,
}

/// What is needed to make targets of words.
struct TargetReader<'s> {
    environment: &'s dyn Environment,
    root: &'s Path,
    warnings: &'s mut Vec<Diagnostic>,
}

impl<'t> Stanza<'t> {
    /// All defaults.
    fn new(directive: &Token) -> Self {
        Self {
            config: Config {
                from: Name::root(),
                except: Vec::new(),
                targets: Vec::new(),
                written: Vec::new(),
                upstream: UpstreamSettings {
                    source: None,
                    expire: Duration::from_secs(10),
                    max_age: Duration::ZERO,
                    max_idle: 0,
                    check: CheckSettings {
                        interval: Duration::from_millis(500),
                        recursion: true,
                        domain: Name::root(),
                        tcp: false,
                    },
                },
                force_tcp: false,
                prefer_udp: false,
                read_timeout: Duration::from_secs(2),
                max_fails: 2,
                max_connect_attempts: None,
                policy: Policy::Random,
                max_concurrent: None,
                next: Vec::new(),
                next_on_nodata: false,
                failfast: false,
                failover: Vec::new(),
                resolvers: Vec::new(),
                place: directive.place().to_string().into(),
            },
            to: Vec::new(),
            tls: None,
            tls_servername: None,
            doh_get: false,
            max_age: None,
        }
    }

    /// `FROM TO...`.
    fn head(
        &mut self,
        cursor: &mut Cursor<'t>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let from = cursor.next_arg().ok_or_else(|| cursor.arg_err())?;
        let unable = |why: &dyn std::fmt::Display| {
            let error = from.err(format!("unable to normalize '{}': {why}", from.text()));
            error.help("the first argument is a domain: '.' for all names, or example.org")
        };
        let zones = from.zones().map_err(|error| unable(&error.message()))?;
        let zone = zones.first().map_or(".", String::as_str);
        self.config.from = Name::from_text(zone).map_err(|error| unable(&error))?;
        if zones.len() > 1 {
            let text = from.text();
            let warning = format!(
                "Unsupported CIDR notation: '{text}' expands to multiple zones. Using only '{zone}'."
            );
            let warning = Diagnostic::warning(warning).at(from.place());
            warnings.push(warning.help("write a forward for each of its octets"));
        }
        self.to = cursor.remaining_args();
        let is_address = || from.text().parse::<std::net::IpAddr>().is_ok();
        if is_address() {
            let text = from.text();
            let warning = format!("'{text}' is read as the domain that is forwarded");
            let help = format!("write the domain before the upstreams: forward . {text}");
            let warning = Diagnostic::warning(warning).at(from.place());
            warnings.push(warning.help(help));
        }
        match self.to.is_empty() {
            true if is_address() => {
                let help = format!("write the domain first: forward . {}", from.text());
                Err(cursor.arg_err().help(help))
            }
            true => {
                let help = "name upstreams: forward . 192.0.2.1, or forward . /etc/resolv.conf";
                Err(cursor.arg_err().help(help))
            }
            false => Ok(()),
        }
    }

    /// Checks what depends on several options, and makes the targets.
    fn finish(mut self, mut reader: TargetReader<'_>) -> Result<Config, Diagnostic> {
        let UpstreamSettings {
            max_age, expire, ..
        } = self.config.upstream;
        if let Some(token) = self.max_age
            && !max_age.is_zero()
            && max_age < expire
        {
            let [max_age, expire] = [max_age, expire].map(GoDuration);
            let text = format!("max_age ({max_age}) must not be less than expire ({expire})");
            return Err(token.err(text).help("raise max_age, or lower expire"));
        }
        self.config.upstream.check.tcp = self.config.force_tcp;
        self.config.targets = self.targets(&mut reader)?;
        self.config.written = self.to.iter().map(|to| to.text().to_owned()).collect();
        Ok(self.config)
    }

    /// Loads what the option `tls` names.
    fn client_tls(&self, reader: &TargetReader<'_>) -> Result<Option<ClientTls>, Diagnostic> {
        let Some((token, files)) = &self.tls else {
            return Ok(None);
        };
        let path = |file: &String| reader.root.join(file);
        let files = match files.as_slice() {
            [] => TlsFiles::default(),
            [authority] => TlsFiles {
                identity: None,
                authority: Some(path(authority)),
            },
            [certificate, key, rest @ ..] => TlsFiles {
                identity: Some((path(certificate), path(key))),
                authority: rest.first().map(path),
            },
        };
        let loaded = ClientTls::load(&files, reader.environment);
        loaded.map(Some).map_err(|error| token.err(error))
    }
}

#[cfg(test)]
mod tests;
