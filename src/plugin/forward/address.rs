//! What may stand where an upstream is named: `[SCHEME://]IP[%SERVERNAME][:PORT]` with the scheme dns,
//! tls, https or quic, a file like `/etc/resolv.conf`, or a host name.

use std::net::IpAddr;

/// The protocol before `://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Dns,
    Tls,
    Https,
    Quic,
}

/// An upstream as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written<'t> {
    pub(super) scheme: Scheme,
    pub(super) host: Host<'t>,
    /// The port; the scheme's own where none is written.
    pub(super) port: u16,
    /// What follows `%`: the name that the certificate must have.
    pub(super) server_name: Option<&'t str>,
}

/// Where an upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host<'t> {
    Address(IpAddr),
    /// A name, or a file.
    Other(&'t str),
}

/// Schemes that CoreDNS knows elsewhere.
const FOREIGN: [&str; 3] = ["grpc", "https3", "unix"];

impl Scheme {
    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls | Self::Quic => 853,
            Self::Https => 443,
        }
    }
}

/// Takes the text apart.
///
/// # Errors
/// Says what is wrong, without the place.
pub(super) fn read(text: &str) -> Result<Written<'_>, String> {
    let (scheme, rest) = split_scheme(text)?;
    if rest.is_empty() {
        return Err(format!("invalid address: {text:?}"));
    }
    if scheme == Scheme::Https && rest.contains('/') {
        return Err(format!(
            "paths are not allowed in HTTPS upstream addresses (the /dns-query path is used by default): {text}"
        ));
    }
    let (host, port) = match split_host_port(rest) {
        Some((host, port)) => (host, Some(port)),
        None => (rest.trim_matches(['[', ']']), None),
    };
    let (address, server_name) = match host.rsplit_once('%') {
        Some((address, name)) => (address, Some(name)),
        None => (host, None),
    };
    let port_of = |port: Option<&str>| match port {
        None => Ok(scheme.default_port()),
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => Err(format!("{text:?} has an invalid port {port:?}")),
            Ok(port) => Ok(port),
        },
    };
    if let Ok(address) = address.parse() {
        return Ok(Written {
            scheme,
            host: Host::Address(address),
            // As in CoreDNS: what is no port of an address shows when it is asked.
            port: port_of(port).unwrap_or(0),
            server_name,
        });
    }
    // A file may have a colon in its name: what is looked for is the whole text.
    let is_path = rest.contains('/');
    Ok(Written {
        scheme,
        host: Host::Other(if is_path { rest } else { address }),
        port: port_of(port.filter(|_| !is_path))?,
        server_name: server_name.filter(|_| !is_path),
    })
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), String> {
    let Some((word, rest)) = text.split_once("://") else {
        return Ok((Scheme::Dns, text));
    };
    match word {
        "dns" => Ok((Scheme::Dns, rest)),
        "tls" => Ok((Scheme::Tls, rest)),
        "https" => Ok((Scheme::Https, rest)),
        "quic" => Ok((Scheme::Quic, rest)),
        word if FOREIGN.contains(&word) => Err(format!(
            "'{word}' is not supported as a destination protocol in forward: {text}"
        )),
        _ => Ok((Scheme::Dns, text)),
    }
}

/// `HOST:PORT` or `[HOST]:PORT`, as Go takes it apart; `None` where there is no port.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let brackets = ['[', ']'];
    (!host.contains(brackets) && !port.contains(brackets)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read_as_they_are_written() {
        use Scheme::{Dns, Https, Quic, Tls};
        for (text, scheme, address, port, name) in [
            ("10.0.0.1", Dns, "10.0.0.1", 53, None),
            ("10.0.0.1:5353", Dns, "10.0.0.1", 5353, None),
            ("dns://10.0.0.1", Dns, "10.0.0.1", 53, None),
            ("::1", Dns, "::1", 53, None),
            ("[::1]", Dns, "::1", 53, None),
            ("[2003::1]:5353", Dns, "2003::1", 5353, None),
            ("fe80::1%eth0", Dns, "fe80::1", 53, Some("eth0")),
            ("tls://9.9.9.9", Tls, "9.9.9.9", 853, None),
            (
                "tls://9.9.9.9%dns.quad9.net",
                Tls,
                "9.9.9.9",
                853,
                Some("dns.quad9.net"),
            ),
            (
                "tls://9.9.9.9%dns.quad9.net:854",
                Tls,
                "9.9.9.9",
                854,
                Some("dns.quad9.net"),
            ),
            (
                "tls://[2400::1%dns.ali.com]:854",
                Tls,
                "2400::1",
                854,
                Some("dns.ali.com"),
            ),
            (
                "tls://fe80::1%example.com",
                Tls,
                "fe80::1",
                853,
                Some("example.com"),
            ),
            ("https://1.1.1.1", Https, "1.1.1.1", 443, None),
            ("1.1.1.1:", Dns, "1.1.1.1", 0, None),
            ("1.1.1.1:dns", Dns, "1.1.1.1", 0, None),
            ("1.1.1.1:65536", Dns, "1.1.1.1", 0, None),
            ("tls://1.1.1.1:853%a.b", Tls, "1.1.1.1", 0, None),
            ("quic://[::1]:8853", Quic, "::1", 8853, None),
        ] {
            let expected = Written {
                scheme,
                host: Host::Address(address.parse().unwrap()),
                port,
                server_name: name,
            };
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_and_files_are_told_apart_later() {
        for (text, other, port) in [
            ("dns.example.org", "dns.example.org", 53),
            ("dns.example.org:5353", "dns.example.org", 5353),
            ("/etc/resolv.conf", "/etc/resolv.conf", 53),
            ("/a:b/resolv.conf", "/a:b/resolv.conf", 53),
            ("foo://10.0.0.1", "foo://10.0.0.1", 53),
        ] {
            let written = read(text).unwrap();
            assert_eq!(
                (written.host, written.port),
                (Host::Other(other), port),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_an_upstream_is_refused() {
        for (text, error) in [
            ("", "invalid address: \"\""),
            ("dns://", "invalid address: \"dns://\""),
            ("ns.test:0", "\"ns.test:0\" has an invalid port \"0\""),
            ("ns.test:dns", "\"ns.test:dns\" has an invalid port \"dns\""),
            (
                "https://1.1.1.1/dns-query",
                "paths are not allowed in HTTPS upstream addresses (the /dns-query path is used by default): https://1.1.1.1/dns-query",
            ),
            (
                "grpc://1.1.1.1",
                "'grpc' is not supported as a destination protocol in forward: grpc://1.1.1.1",
            ),
        ] {
            assert_eq!(read(text), Err(error.to_owned()), "{text}");
        }
    }
}
