//! The keys of a server block, `[SCHEME://]ZONE[:PORT]`, and the zones that words name.

mod cidr;

use std::fmt;

use super::diagnostic::Diagnostic;
use super::lexer::Token;
use super::place::Place;

/// The longest zone in a key, in bytes of text.
const MAX_ZONE: usize = 255;
/// The most bytes of a name by miekg/dns's count, which leaves out the root.
const MAX_LABELS: usize = 256;
/// Longest label (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;

/// How a server block is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// DNS over UDP and TCP (RFC 1035, RFC 7766).
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over QUIC (RFC 9250).
    Quic,
    /// DNS over gRPC, a protocol of CoreDNS's own.
    Grpc,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over HTTPS on HTTP/3.
    Https3,
}

impl Transport {
    const ALL: [Self; 6] = [
        Self::Dns,
        Self::Tls,
        Self::Quic,
        Self::Grpc,
        Self::Https,
        Self::Https3,
    ];

    /// The word before `://`.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Grpc => "grpc",
            Self::Https => "https",
            Self::Https3 => "https3",
        }
    }

    /// The port of a key that names none. For [`Transport::Dns`] a flag may say otherwise.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls | Self::Quic => 853,
            Self::Grpc | Self::Https | Self::Https3 => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme())
    }
}

/// One key of a server block, as it was written and as it is meant.
#[derive(Clone, Debug)]
pub struct Key {
    /// The text, with variables replaced and without the comma of the list.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// The transport; DNS where the key names none.
    pub transport: Transport,
    /// The zones, in lower case and with the dot at the end. One, or for a network that is not
    /// cut at an octet (IPv6: a nibble) several reverse zones.
    pub zones: Vec<String>,
    /// The port, where the key has one.
    pub port: Option<u16>,
}

impl Key {
    /// Reads the key `text`, which stands at `place`.
    pub(super) fn parse(text: &str, place: &Place) -> Result<Self, Diagnostic> {
        let (scheme, rest) = split_scheme(text);
        let Some(transport) = scheme else {
            return Err(
                Diagnostic::error(format!("cannot serve {text}: unix:// is no listener"))
                    .at(place)
                    .help("unix:// can stand in an upstream only; leave it out here"),
            );
        };
        let (zones, port) = split_zone_port(rest).map_err(|message| {
            let expected = "[SCHEME://]ZONE[:PORT]";
            let error = Diagnostic::error(message).at(place);
            let error = error.expected(expected, format_args!("'{text}'"));
            if text.is_empty() {
                error.help("a comma stands right behind its key, without white space")
            } else if rest.starts_with(':') {
                error.help(format!("for all names, write the root zone: .{rest}"))
            } else if text.len() > 1 && text.ends_with('{') {
                error.help("put white space before the '{'")
            } else if text.contains(',') {
                error.help("write a key for each port: .:53 .:5353")
            } else {
                error
            }
        })?;
        let port = port
            .map(|port| u16::try_from(port).map_err(|_| port))
            .transpose();
        let port = port.map_err(|port| {
            Diagnostic::error(format!("address {port}: invalid port"))
                .at(place)
                .expected("a port from 0 to 65535", port)
        })?;
        Ok(Self {
            text: text.to_owned(),
            place: place.clone(),
            transport,
            zones,
            port,
        })
    }

    /// The port to listen on; `dns` is the port of plain DNS where the key names none.
    #[must_use]
    pub fn port_or(&self, dns: u16) -> u16 {
        match (self.port, self.transport) {
            (Some(port), _) => port,
            (None, Transport::Dns) => dns,
            (None, other) => other.default_port(),
        }
    }

    /// What people mean by keys that are legal, and name zones that nobody asks for.
    fn advice(&self) -> Option<&'static str> {
        let text = self.text.as_str();
        let host = text.rsplit_once("://").map_or(text, |(_, host)| host);
        let host = host.trim_start_matches('[');
        let host = host.split([']', '/']).next().unwrap_or(host);
        let is_v4 = |host: &str| host.parse::<std::net::Ipv4Addr>().is_ok();
        let is_address = is_v4(host.split(':').next().unwrap_or(host))
            || host.parse::<std::net::Ipv6Addr>().is_ok();
        if is_address {
            Some("a key is a zone; the address to listen on is that of bind")
        } else if text.contains("://") {
            Some(
                "this is no scheme, but a part of the zone's name; there are dns://, tls://, https:// and quic://",
            )
        } else if text.contains(',') {
            Some("put white space between keys: a comma within a word belongs to the name")
        } else if text.starts_with('*') {
            Some(
                "'*' stands for itself: a zone is for all names below it, and '.' for all there are",
            )
        } else {
            None
        }
    }

    /// A warning for each zone that no host could have (RFC 1035, 2.3.1), in CoreDNS's words.
    pub(super) fn odd_zones(&self) -> impl Iterator<Item = Diagnostic> {
        self.zones
            .iter()
            .filter(|zone| !is_preferred_syntax(zone))
            .map(|zone| {
                let message = format!("Domain {zone:?} does not follow RFC1035 preferred syntax");
                let warning = Diagnostic::warning(message).at(&self.place);
                match self.advice() {
                    Some(advice) => warning.help(advice),
                    None => warning,
                }
            })
    }
}

impl Token {
    /// The zones that the word names, with a scheme or a port left out: in lower case, with the
    /// dot at the end, a network as its reverse zones. At least one.
    ///
    /// # Errors
    /// The word is no domain name.
    pub fn zones(&self) -> Result<Vec<String>, Diagnostic> {
        let (_, rest) = split_scheme(self.text());
        let zones = split_zone_port(rest).map(|(zones, _)| zones);
        zones.map_err(|message| Diagnostic::error(message).at(self.place()))
    }
}

/// The transport before `://`, and the rest. `None` is `unix://`, which only upstreams have.
/// Schemes are lower case: `DNS://x` is a zone with a slash in it.
fn split_scheme(text: &str) -> (Option<Transport>, &str) {
    if let Some((scheme, rest)) = text.split_once("://") {
        if scheme == "unix" {
            return (None, rest);
        }
        let known = Transport::ALL
            .into_iter()
            .find(|known| known.scheme() == scheme);
        if known.is_some() {
            return (known, rest);
        }
    }
    (Some(Transport::Dns), text)
}

/// The zones and the port of `ZONE[:PORT]`. The port may be one that no socket can have.
fn split_zone_port(text: &str) -> Result<(Vec<String>, Option<i64>), String> {
    let (zone, port) = match text.rsplit_once(':') {
        _ if text.is_empty() || text.ends_with(':') => {
            return Err(format!("expecting data after last colon: {text:?}"));
        }
        // What follows is a number or else a part of the name.
        Some((zone, digits)) => match digits.parse() {
            Ok(port) => (zone, Some(port)),
            Err(_) => (text, None),
        },
        None => (text, None),
    };
    check_zone(zone)?;
    let zones = match cidr::reverse_zones(zone) {
        Some(_) if zone.starts_with(':') || (zone.starts_with('0') && zone.contains(':')) => {
            return Err(format!("invalid CIDR {zone}"));
        }
        Some(zones) => zones,
        None => vec![qualified(zone)],
    };
    for zone in &zones {
        check_zone(zone)?;
    }
    Ok((zones.into_iter().map(lower).collect(), port))
}

/// Whether `zone` can be one: its length, then its labels.
fn check_zone(zone: &str) -> Result<(), String> {
    if zone.len() > MAX_ZONE {
        let length = zone.len();
        return Err(format!("specified zone is too long: {length} > {MAX_ZONE}"));
    }
    if !is_domain_name(zone) {
        return Err(format!("zone is not a valid domain name: {zone}"));
    }
    Ok(())
}

/// The name with a dot at its end. A dot after an odd number of backslashes is no such dot.
fn qualified(name: &str) -> String {
    let mut full = String::with_capacity(name.len() + 1);
    full.push_str(name);
    if !is_qualified(name) {
        full.push('.');
    }
    full
}

/// Whether the name ends with a dot that is none of a label's.
fn is_qualified(name: &str) -> bool {
    name.strip_suffix('.').is_some_and(|rest| {
        let backslashes = rest.bytes().rev().take_while(|byte| *byte == b'\\').count();
        backslashes % 2 == 0
    })
}

/// Go's `strings.ToLower`: one character for one.
fn lower(mut name: String) -> String {
    if name.is_ascii() {
        name.make_ascii_lowercase();
        return name;
    }
    name.chars()
        .map(|char| char.to_lowercase().next().unwrap_or(char))
        .collect()
}

/// Whether `name` is one by miekg/dns, for which almost all text is: labels of 1 to 63 bytes, 255
/// together, no escape at the end.
fn is_domain_name(name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    if name == "." {
        return true;
    }
    let bytes = name.as_bytes();
    let (mut label, mut total, mut at) = (0, 0, 0);
    let mut ends_in_escape = false;
    while let Some((byte, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) {
        at += 1;
        match byte {
            b'\\' => {
                let digits = rest
                    .iter()
                    .take(3)
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                at += if digits == 3 { 3 } else { 1 };
                label += 1;
                ends_in_escape = !ends_in_escape;
                continue;
            }
            b'.' => {
                total += 1 + label;
                if !(1..=MAX_LABEL).contains(&label) || total > MAX_LABELS {
                    return false;
                }
                label = 0;
            }
            _ => label += 1,
        }
        ends_in_escape = false;
    }
    // An escape at the end takes the dot that is not written.
    if is_qualified(name) || at > bytes.len() {
        return !ends_in_escape;
    }
    (1..=MAX_LABEL).contains(&label) && total + 1 + label <= MAX_LABELS
}

/// Whether a zone has the preferred syntax of RFC 1035, 2.3.1, in each of its labels. The root and
/// reverse zones pass, whatever they look like.
fn is_preferred_syntax(zone: &str) -> bool {
    let is_label = |label: &str| {
        let ends = label.starts_with(|first: char| first.is_ascii_alphabetic())
            && label.ends_with(|last: char| last.is_ascii_alphanumeric());
        ends && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    zone == "."
        || [".in-addr.arpa.", ".ip6.arpa."]
            .iter()
            .any(|reverse| zone.ends_with(reverse))
        || zone
            .strip_suffix('.')
            .is_some_and(|labels| labels.split('.').all(is_label))
}

#[cfg(test)]
mod tests;
