//! Upstreams that are this server itself, or a resolver of the machine that a pod cannot reach.

use std::net::{IpAddr, SocketAddr};

use super::usage::{Block, Usage};
use crate::corefile::{Diagnostic, Environment, Severity, Token, Transport};

/// An upstream from which questions come back.
pub(super) const UPSTREAM_IS_SELF: &str = "upstream-is-self";
/// An upstream on the loopback address, where nothing of this server listens.
pub(super) const LOOPBACK_UPSTREAM: &str = "loopback-upstream";

/// The file that says which resolvers a machine, or a pod, has.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// What to do about an upstream that a machine's own resolver is meant by.
const RESOLVED: &str = "name the servers that the machine's resolver asks: those of systemd-resolved \
     are in /run/systemd/resolve/resolv.conf, which the kubelet's resolvConf can name";
/// The most bytes of such a file that are read.
const LONGEST_FILE: usize = 1 << 20;

/// Finds them in one block.
pub(super) fn find(
    block: &Block<'_>,
    dns_port: u16,
    environment: &dyn Environment,
    findings: &mut Vec<Diagnostic>,
) {
    let own = Own::of(block, dns_port);
    for forward in block.of_name("forward") {
        for word in forward.args.iter().skip(1) {
            findings.extend(match Upstream::read(word.text()) {
                Some(upstream) => own.wrong(&upstream).map(|wrong| {
                    wrong.diagnostic(word, &upstream.address.to_string(), Severity::Warning)
                }),
                None => own.wrong_in_file(forward, word, environment),
            });
        }
    }
}

/// Where a block is listened for.
struct Own {
    ports: Vec<(Transport, u16)>,
    /// The addresses of `bind`; names of interfaces tell nothing.
    addresses: Vec<IpAddr>,
    is_everywhere: bool,
}

impl Own {
    fn of(block: &Block<'_>, dns_port: u16) -> Self {
        let keys = block.source.keys().iter();
        let binds = block.of_name("bind").flat_map(|bind| &bind.args);
        let addresses = binds.filter_map(|host| host.text().parse().ok());
        let addresses: Vec<IpAddr> = addresses.collect();
        Self {
            ports: keys
                .map(|key| (key.transport, key.port_or(dns_port)))
                .collect(),
            is_everywhere: !block.has("bind") || addresses.iter().any(IpAddr::is_unspecified),
            addresses,
        }
    }

    fn wrong(&self, upstream: &Upstream) -> Option<Wrong> {
        let (ip, port) = (upstream.address.ip(), upstream.address.port());
        let is_of_machine = ip.is_loopback() || ip.is_unspecified();
        let is_listened_on = self.addresses.contains(&ip) || (is_of_machine && self.is_everywhere);
        if is_listened_on && self.ports.contains(&(upstream.transport, port)) {
            return Some(Wrong::Itself);
        }
        // Another port of the loopback address is what a sidecar or another block listens on.
        let is_resolver = ip.is_loopback() && port == upstream.transport.default_port();
        is_resolver.then_some(Wrong::Loopback)
    }

    /// What is wrong with the servers that a file names, the first of them.
    fn wrong_in_file(
        &self,
        forward: &Usage<'_>,
        word: &Token,
        environment: &dyn Environment,
    ) -> Option<Diagnostic> {
        let path = environment.directory().join(word.text());
        let content = environment.read(&path, LONGEST_FILE).ok()?;
        let content = String::from_utf8_lossy(&content);
        let servers = content.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
        });
        let mut upstreams = servers.map(|ip: IpAddr| Upstream {
            address: SocketAddr::new(ip, Transport::Dns.default_port()),
            transport: Transport::Dns,
        });
        // The file of the machine on which this is checked need not be that of the pod.
        let severity = match word.text() == RESOLV_CONF {
            true => Severity::Hint,
            false => Severity::Warning,
        };
        let (wrong, address) =
            upstreams.find_map(|upstream| Some((self.wrong(&upstream)?, upstream.address)))?;
        let what = format!("{address} of {}", word.text());
        let finding = wrong.diagnostic(word, &what, severity);
        Some(finding.note(
            forward.place(),
            "this reads the file as it is on this machine",
        ))
    }
}

/// An upstream by its address.
struct Upstream {
    address: SocketAddr,
    transport: Transport,
}

/// What is wrong with an upstream.
enum Wrong {
    Itself,
    Loopback,
}

impl Wrong {
    fn diagnostic(&self, word: &Token, what: &str, severity: Severity) -> Diagnostic {
        let (message, rule, help) = match self {
            Self::Itself => (
                format!("the upstream {what} is this server itself: questions would go in circles"),
                UPSTREAM_IS_SELF,
                match what.starts_with("127.0.0.53:") {
                    true => RESOLVED,
                    false => "name another server; callsign does not ask this one",
                },
            ),
            Self::Loopback => (
                format!(
                    "the upstream {what} is a resolver of the machine itself, and in a pod nothing \
                     listens there"
                ),
                LOOPBACK_UPSTREAM,
                RESOLVED,
            ),
        };
        let finding = Diagnostic::warning(message).graded(severity);
        finding.rule(rule).at(word.place()).help(help)
    }
}

impl Upstream {
    /// Reads `[SCHEME://]IP[%NAME][:PORT]`; `None` for what is no address.
    fn read(text: &str) -> Option<Self> {
        let (transport, rest) = match text.split_once("://") {
            Some(("dns", rest)) => (Transport::Dns, rest),
            Some(("tls", rest)) => (Transport::Tls, rest),
            Some(("quic", rest)) => (Transport::Quic, rest),
            Some(("https", rest)) => (Transport::Https, rest),
            Some(_) => return None,
            None => (Transport::Dns, text),
        };
        let port = transport.default_port();
        let (host, name) = rest.split_once('%').unwrap_or((rest, ""));
        let port = name
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .unwrap_or(port);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = match bare.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, port),
            Err(_) => host.parse().ok()?,
        };
        let ip = address.ip().to_canonical();
        Some(Self {
            address: SocketAddr::new(ip, address.port()),
            transport,
        })
    }
}
