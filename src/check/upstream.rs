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
/// The most bytes of such a file that are read.
const LONGEST_FILE: usize = 1 << 20;

/// Finds them in one block.
pub(super) fn find(
    block: &Block<'_>,
    dns_port: u16,
    environment: &dyn Environment,
    findings: &mut Vec<Diagnostic>,
) {
    for forward in block.of_name("forward") {
        for word in forward.args.iter().skip(1) {
            match Upstream::read(word.text()) {
                Some(upstream) => findings.extend(wrong(block, dns_port, &upstream).map(|wrong| {
                    wrong.diagnostic(word, &upstream.address.to_string(), Severity::Warning)
                })),
                None => findings.extend(in_file(block, dns_port, environment, forward, word)),
            }
        }
    }
}

/// What is wrong with the servers that a file names, the first of them.
fn in_file(
    block: &Block<'_>,
    dns_port: u16,
    environment: &dyn Environment,
    forward: &Usage<'_>,
    word: &Token,
) -> Option<Diagnostic> {
    let path = environment.directory().join(word.text());
    let content = environment.read(&path, LONGEST_FILE).ok()?;
    let content = String::from_utf8_lossy(&content);
    let servers = content.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
    });
    let upstreams = servers.map(|ip: IpAddr| Upstream {
        address: SocketAddr::new(ip, Transport::Dns.default_port()),
        transport: Transport::Dns,
    });
    // The file of the machine on which this is checked need not be that of the pod.
    let severity = match word.text() == RESOLV_CONF {
        true => Severity::Hint,
        false => Severity::Warning,
    };
    let (wrong, upstream) = upstreams
        .filter_map(|upstream| Some((wrong(block, dns_port, &upstream)?, upstream)))
        .next()?;
    let what = format!("{} of {}", upstream.address, word.text());
    let finding = wrong.diagnostic(word, &what, severity);
    let finding = finding.note(
        forward.place(),
        "this reads the file as it is on this machine",
    );
    Some(finding)
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
                "name another server; callsign does not ask this one",
            ),
            Self::Loopback => (
                format!(
                    "the upstream {what} is a resolver of the machine itself, and in a pod nothing \
                     listens there"
                ),
                LOOPBACK_UPSTREAM,
                "name the servers that it asks; with systemd-resolved they are in \
                 /run/systemd/resolve/resolv.conf, and the kubelet's resolvConf can name that file",
            ),
        };
        let finding = Diagnostic::warning(message).graded(severity);
        finding.rule(rule).at(word.place()).help(help)
    }
}

fn wrong(block: &Block<'_>, dns_port: u16, upstream: &Upstream) -> Option<Wrong> {
    let (ip, port) = (upstream.address.ip(), upstream.address.port());
    let is_of_machine = ip.is_loopback() || ip.is_unspecified();
    let keys = block.source.keys().iter();
    let mut own_ports = keys.filter(|key| key.transport == upstream.transport);
    if own_ports.any(|key| key.port_or(dns_port) == port) {
        let binds = block.of_name("bind").flat_map(|bind| &bind.args);
        let binds: Vec<Option<IpAddr>> = binds.map(|host| host.text().parse().ok()).collect();
        let is_everywhere = binds.is_empty() || binds.iter().flatten().any(IpAddr::is_unspecified);
        if binds.contains(&Some(ip)) || (is_of_machine && is_everywhere) {
            return Some(Wrong::Itself);
        }
    }
    // Another port of the loopback address is what a sidecar or another block listens on.
    let is_resolver = ip.is_loopback() && port == upstream.transport.default_port();
    is_resolver.then_some(Wrong::Loopback)
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
