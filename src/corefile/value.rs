//! Words as values: durations, numbers, addresses. Each error names the word that it is about.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::lexer::Token;

/// A host and a port, as Go's `net.SplitHostPort` takes them apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host, without the brackets of IPv6. Empty for all addresses of this machine.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Token {
    /// A duration in Go's syntax: numbers with units (`ns`, `us`, `ms`, `s`, `m`, `h`), `1h30m`.
    ///
    /// # Errors
    /// It is no duration, or is below zero.
    pub fn duration(&self) -> Result<Duration, Diagnostic> {
        let nanoseconds = self.signed_nanoseconds()?;
        match u64::try_from(nanoseconds) {
            Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
            Err(_) => Err(self
                .err(format!("invalid negative duration {:?}", self.text()))
                .help("leave out the '-'")),
        }
    }

    /// The same in nanoseconds, for the few options that take durations below zero.
    ///
    /// # Errors
    /// It is no duration.
    pub fn signed_nanoseconds(&self) -> Result<i64, Diagnostic> {
        parse_duration(self.text()).map_err(|error| {
            let message = format!("time: {error} in duration {:?}", self.text());
            let message = match error {
                DurationError::Invalid => format!("time: invalid duration {:?}", self.text()),
                _ => message,
            };
            let error = self.err(message);
            error.help("write a number and a unit, without white space: 500ms, 5s, 1h30m")
        })
    }

    /// A whole number of a range. A sign and zeros may stand before it.
    ///
    /// # Errors
    /// It is no whole number, or outside of `range`.
    pub fn integer(&self, range: RangeInclusive<i64>) -> Result<i64, Diagnostic> {
        let text = self.text();
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let expected = match (*range.start(), *range.end()) {
                (i64::MIN, i64::MAX) => "a whole number".to_owned(),
                (least, i64::MAX) => format!("a whole number of at least {least}"),
                (least, most) => format!("a whole number from {least} to {most}"),
            };
            self.err(format!("invalid number {text:?}"))
                .expected(expected, format_args!("'{text}'"))
        })
    }

    /// An address to listen on, `[HOST]:PORT`.
    ///
    /// # Errors
    /// The port is missing or no number, the host neither an address nor a name, or the brackets and
    /// colons do not fit.
    pub fn listen_address(&self) -> Result<HostPort, Diagnostic> {
        let expected = "[ADDRESS]:PORT, like :8080 or 127.0.0.1:8080";
        let error = |reason| {
            self.err(format!("address {}: {reason}", self.text()))
                .expected(expected, format_args!("'{}'", self.text()))
        };
        let (host, port) = split_host_port(self.text()).map_err(error)?;
        if !may_be_here(host) {
            return Err(error("no such host"));
        }
        let known = SERVICES.iter().find(|(name, _)| *name == port);
        let port = match (port, known) {
            // Of the kernel's choice.
            ("", _) => 0,
            (_, Some((_, number))) => *number,
            (number, None) => number.parse().map_err(|_| error("invalid port"))?,
        };
        Ok(HostPort {
            host: host.to_owned(),
            port,
        })
    }

    /// The warning for what would be an address to listen on, were its host and its port such. CoreDNS
    /// finds that out when it listens, and serves names without that address.
    #[must_use]
    pub fn odd_port(&self) -> Option<Diagnostic> {
        let (host, _) = split_host_port(self.text()).ok()?;
        let lacks = if may_be_here(host) { "port" } else { "host" };
        let message = format!("{} has no {lacks}: nothing is served there", self.text());
        let help = "write [ADDRESS]:PORT with a port up to 65535";
        let is_odd = self.listen_address().is_err();
        is_odd.then(|| Diagnostic::warning(message).at(self.place()).help(help))
    }

    /// The address of another machine, `IP[:PORT]`; IPv6 may have a zone, `fe80::1%eth0`.
    ///
    /// # Errors
    /// It is no address: a name is none.
    pub fn address(&self, default_port: u16) -> Result<HostPort, Diagnostic> {
        let text = self.text();
        let error = || {
            self.err(format!("must specify an IP address: `{text}'"))
                .expected("IP or IP:PORT", format_args!("'{text}'"))
        };
        let (host, port) = match split_host_port(text) {
            Ok((host, "")) => (host, default_port),
            Ok((host, port)) => (host, port.parse().map_err(|_| error())?),
            Err(_) => (text, default_port),
        };
        without_zone(host).parse::<IpAddr>().map_err(|_| error())?;
        Ok(HostPort {
            host: host.to_owned(),
            port,
        })
    }
}

/// Whether text can be the name of a host (RFC 1123, 2.1): no path, no address that is mistyped.
pub(crate) fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let at_edge = label.starts_with('-') || label.ends_with('-');
        (1..=63).contains(&label.len()) && label.bytes().all(is_letter) && !at_edge
    };
    let last_is_number = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(is_label) && !last_is_number
}

/// Whether a host may be one of this machine's addresses: none is all of them.
fn may_be_here(host: &str) -> bool {
    host.is_empty() || without_zone(host).parse::<IpAddr>().is_ok() || is_host_name(host)
}

/// An address without the zone of an IPv6 one, which says which link; what that is called is the
/// system's affair.
fn without_zone(host: &str) -> &str {
    host.rsplit_once('%').map_or(host, |(address, _)| address)
}

/// Ports that go by a name in Go on any system, as far as anybody might listen on them here.
const SERVICES: [(&str, u16); 3] = [("http", 80), ("https", 443), ("domain", 53)];

/// Go's `net.SplitHostPort`: the host without brackets, and the port, which may be empty.
fn split_host_port(text: &str) -> Result<(&str, &str), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("missing port in address")?;
    let host = match host.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((inner, "")) => inner,
            // The last colon was inside the brackets.
            None if text.ends_with(']') => return Err("missing port in address"),
            None => return Err("missing ']' in address"),
            Some((_, rest)) if rest.starts_with(':') => return Err("too many colons in address"),
            Some(_) => return Err("missing port in address"),
        },
        None if host.contains(':') => return Err("too many colons in address"),
        None => host,
    };
    if host.contains(['[', ']']) || port.contains(['[', ']']) {
        return Err("unexpected bracket in address");
    }
    Ok((host, port))
}

/// Why text is no duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DurationError {
    Invalid,
    MissingUnit,
    UnknownUnit(String),
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("invalid number"),
            Self::MissingUnit => f.write_str("missing unit"),
            Self::UnknownUnit(unit) => write!(f, "unknown unit {unit:?}"),
        }
    }
}

/// Go's `time.ParseDuration`, in nanoseconds: a sign, then numbers with units; `0` needs none.
pub(crate) fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(DurationError::Invalid);
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(DurationError::Invalid);
        }
        let unit_end = after.find(|char: char| char == '.' || char.is_ascii_digit());
        let (unit, after) = after.split_at(unit_end.unwrap_or(after.len()));
        let unit = unit_nanoseconds(unit)?;
        total += nanoseconds(whole, fraction, unit).ok_or(DurationError::Invalid)?;
        if total > 1 << 63 {
            return Err(DurationError::Invalid);
        }
        rest = after;
    }
    let total = if is_negative { -total } else { total };
    i64::try_from(total).map_err(|_| DurationError::Invalid)
}

/// `WHOLE.FRACTION` units; what is less than a nanosecond is cut off.
fn nanoseconds(whole: &str, fraction: &str, unit: i128) -> Option<i128> {
    let whole: i128 = match whole.trim_start_matches('0') {
        "" => 0,
        // More digits than an i64 has cannot be a duration.
        digits if digits.len() > 19 => return None,
        digits => digits.parse().ok()?,
    };
    // The longest unit has 13 digits of nanoseconds; what comes after 18 digits cannot count.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let numerator: i128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    Some(whole * unit + numerator * unit / scale)
}

/// The digits that `text` starts with, and the rest.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|char: char| !char.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn unit_nanoseconds(unit: &str) -> Result<i128, DurationError> {
    Ok(match unit {
        "" => return Err(DurationError::MissingUnit),
        "ns" => 1,
        // Both characters for micro: U+00B5 and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        other => return Err(DurationError::UnknownUnit(other.to_owned())),
    })
}

#[cfg(test)]
mod tests;
