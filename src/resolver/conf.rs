//! `resolv.conf`, as each library reads it: they agree on the usual file and on little else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// More name servers are never asked.
const MOST_SERVERS: usize = 3;
const MOST_NDOTS: i64 = 15;
/// What glibc takes for a blank.
const BLANK: [char; 2] = [' ', '\t'];

/// What a library takes from a `resolv.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// The name servers, in order; the host itself where none is given.
    pub servers: Vec<IpAddr>,
    /// The search list, as it is written.
    pub search: Vec<String>,
    /// With fewer dots than this, a name is tried with the search list first.
    pub ndots: usize,
    /// Seconds; what they mean differs between libraries.
    pub timeout: i64,
    /// Rounds through the list of name servers.
    pub attempts: usize,
    /// The other options.
    pub flags: Flags,
    /// Lines that do nothing, or not what they seem to.
    pub notes: Vec<Note>,
}

/// Something odd in a `resolv.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// From 1.
    pub line: usize,
    /// What the library makes of the line, and why.
    pub text: String,
}

/// Options without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// `rotate`: the first name server changes from query to query.
    pub const ROTATE: Self = Self(1);
    /// `single-request`: AAAA is asked for when the reply to A is there.
    pub const SINGLE_REQUEST: Self = Self(1 << 1);
    /// `single-request-reopen`: and from another port.
    pub const SINGLE_REQUEST_REOPEN: Self = Self(1 << 2);
    /// `use-vc`: TCP only.
    pub const USE_VC: Self = Self(1 << 3);
    /// `no-tld-query`: a bare name without dots is never asked.
    pub const NO_TLD_QUERY: Self = Self(1 << 4);
    /// `no-aaaa`: AAAA is never asked for.
    pub const NO_AAAA: Self = Self(1 << 5);
    /// `edns0`: queries have an OPT record.
    pub const EDNS0: Self = Self(1 << 6);
    /// `trust-ad`.
    pub const TRUST_AD: Self = Self(1 << 7);

    /// Whether these are set.
    #[must_use]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    fn set(&mut self, flags: Self) {
        self.0 |= flags.0;
    }
}

impl Default for ResolvConf {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: 5,
            attempts: 2,
            flags: Flags::default(),
            notes: Vec::new(),
        }
    }
}

impl ResolvConf {
    fn note(&mut self, number: usize, text: impl Into<String>) {
        self.notes.push(Note {
            line: number + 1,
            text: text.into(),
        });
    }

    fn server(&mut self, number: usize, text: &str, address: Option<IpAddr>) {
        match address {
            None => self.note(
                number,
                format!("'{text}' is no address: the line is passed over"),
            ),
            Some(_) if self.servers.len() == MOST_SERVERS => self.note(
                number,
                format!("{text} is never asked: three name servers are the most"),
            ),
            Some(address) => self.servers.push(address),
        }
    }

    fn with_default_servers(mut self, default: &[IpAddr]) -> Self {
        if self.servers.is_empty() {
            self.servers = default.to_vec();
        }
        self
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOOPBACK_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// glibc: keywords stand in the first column and are followed by a blank; a comment is a line that
/// starts with `;` or `#`.
pub(super) fn glibc(text: &str) -> ResolvConf {
    let mut conf = ResolvConf::default();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with([';', '#']) || line.trim().is_empty() {
            continue;
        }
        let Some((keyword, rest)) = line.split_once(BLANK) else {
            conf.note(
                number,
                format!("'{line}' says nothing: a value must follow"),
            );
            continue;
        };
        let mut words = rest.split(BLANK).filter(|word| !word.is_empty());
        match keyword {
            "nameserver" => {
                let word = words.next().unwrap_or_default();
                conf.server(number, word, address(word));
            }
            "domain" => {
                if let Some(domain) = words.next() {
                    conf.search = vec![domain.to_owned()];
                }
            }
            "search" => {
                let list: Vec<String> = words.map(str::to_owned).collect();
                if !list.is_empty() {
                    conf.search = list;
                }
            }
            "options" => {
                let mut rest = rest.trim_start_matches(BLANK);
                while !rest.is_empty() {
                    glibc_option(&mut conf, number, rest);
                    let end = rest.find(BLANK).unwrap_or(rest.len());
                    rest = rest[end..].trim_start_matches(BLANK);
                }
            }
            "sortlist" => {}
            _ => conf.note(
                number,
                format!("'{keyword}' is no keyword: the line is passed over"),
            ),
        }
    }
    conf.with_default_servers(&[LOOPBACK])
}

/// The option that `text` starts with. It is known by how it starts, and a number is read past the
/// blanks before it, as C's `atoi` does.
fn glibc_option(conf: &mut ResolvConf, number: usize, text: &str) {
    const FLAGS: [(&str, Flags); 9] = [
        ("rotate", Flags::ROTATE),
        ("edns0", Flags::EDNS0),
        ("single-request-reopen", Flags::SINGLE_REQUEST_REOPEN),
        ("single-request", Flags::SINGLE_REQUEST),
        ("no_tld_query", Flags::NO_TLD_QUERY),
        ("no-tld-query", Flags::NO_TLD_QUERY),
        ("use-vc", Flags::USE_VC),
        ("trust-ad", Flags::TRUST_AD),
        ("no-aaaa", Flags::NO_AAAA),
    ];
    if let Some(value) = text.strip_prefix("ndots:") {
        // The field has four bits.
        let ndots = atoi(value).min(MOST_NDOTS);
        conf.ndots = usize::try_from(ndots.rem_euclid(16)).unwrap_or(0);
    } else if let Some(value) = text.strip_prefix("timeout:") {
        conf.timeout = atoi(value).min(30);
    } else if let Some(value) = text.strip_prefix("attempts:") {
        conf.attempts = usize::try_from(atoi(value).min(5)).unwrap_or(0);
    } else if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| text.starts_with(name)) {
        conf.flags.set(*flag);
        if conf.flags.contains(Flags::SINGLE_REQUEST_REOPEN) {
            conf.flags.set(Flags::SINGLE_REQUEST);
        }
    } else if !text.starts_with("no-reload") {
        let word = text.split(BLANK).next().unwrap_or(text);
        conf.note(number, format!("the option '{word}' does nothing"));
    }
}

/// musl: lines of 255 bytes and more are passed over whole.
pub(super) fn musl(text: &str) -> ResolvConf {
    const BUFFER: usize = 256;
    let mut conf = ResolvConf::default();
    let lines: Vec<&str> = text.split('\n').collect();
    for (number, line) in lines.iter().enumerate() {
        let is_last = number + 1 == lines.len();
        let most = if is_last { BUFFER - 1 } else { BUFFER - 2 };
        if line.len() > most {
            conf.note(
                number,
                "the line is longer than 254 bytes: it is passed over",
            );
            continue;
        }
        if let Some(rest) = keyword(line, "options") {
            musl_options(&mut conf, line);
            let known = ["ndots:", "attempts:", "timeout:"];
            for word in rest.split_ascii_whitespace() {
                if !known.iter().any(|known| word.contains(known)) {
                    conf.note(number, format!("the option '{word}' does nothing"));
                }
            }
        } else if let Some(rest) = keyword(line, "nameserver") {
            let word = rest.split(is_space).find(|word| !word.is_empty());
            let word = word.unwrap_or_default();
            conf.server(number, word, address(word));
        } else if let Some(rest) = keyword(line, "search").or_else(|| keyword(line, "domain")) {
            let words = rest.split(is_space).filter(|word| !word.is_empty());
            conf.search = words.map(str::to_owned).collect();
        } else if !line.trim().is_empty() && !line.starts_with(['#', ';']) {
            conf.note(number, "no keyword that is known: the line is passed over");
        }
    }
    conf.with_default_servers(&[LOOPBACK])
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

/// What follows a keyword and one blank; a keyword alone has its line's end for a blank.
fn keyword<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(keyword)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix(is_space)
}

/// The first place of each option in the line counts, wherever it stands.
fn musl_options(conf: &mut ResolvConf, line: &str) {
    let value = |name: &str, dot: bool| {
        let value = &line[line.find(name)? + name.len()..];
        let starts = |c: char| c.is_ascii_digit() || dot && c == '.';
        value.starts_with(starts).then(|| atoi(value))
    };
    // A dot in front of the digits is taken for a number's start, and no number follows.
    let timeout = value("timeout:", true).filter(|_| value("timeout:", false).is_some());
    if let Some(ndots) = value("ndots:", false) {
        conf.ndots = usize::try_from(ndots.min(MOST_NDOTS)).unwrap_or(0);
    }
    if let Some(attempts) = value("attempts:", false) {
        conf.attempts = usize::try_from(attempts.min(10)).unwrap_or(0);
    }
    if let Some(timeout) = timeout {
        conf.timeout = timeout.min(60);
    }
}

/// Go: words between blanks; the keyword may be indented.
pub(super) fn go(text: &str) -> ResolvConf {
    let mut conf = ResolvConf::default();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with([';', '#']) {
            continue;
        }
        let blank = [' ', '\r', '\t', '\n'];
        let mut words = line.split(blank).filter(|word| !word.is_empty());
        match words.next() {
            None => {}
            Some("nameserver") => {
                if let Some(word) = words.next() {
                    conf.server(number, word, go_address(word));
                }
            }
            Some("domain") => {
                if let Some(domain) = words.next() {
                    conf.search = vec![domain.to_owned()];
                }
            }
            Some("search") => {
                let domains = words.filter(|word| *word != ".");
                conf.search = domains.map(str::to_owned).collect();
            }
            Some("options") => words.for_each(|word| go_option(&mut conf, number, word)),
            Some("lookup") => {}
            Some(other) => {
                conf.note(
                    number,
                    format!("'{other}' is no keyword: the line is passed over"),
                );
            }
        }
    }
    conf.with_default_servers(&[LOOPBACK, LOOPBACK_V6])
}

fn go_option(conf: &mut ResolvConf, number: usize, word: &str) {
    if let Some(value) = word.strip_prefix("ndots:") {
        conf.ndots = usize::try_from(digits(value).min(MOST_NDOTS)).unwrap_or(0);
    } else if let Some(value) = word.strip_prefix("timeout:") {
        conf.timeout = digits(value).max(1);
    } else if let Some(value) = word.strip_prefix("attempts:") {
        conf.attempts = usize::try_from(digits(value).max(1)).unwrap_or(1);
    } else {
        match word {
            "rotate" => conf.flags.set(Flags::ROTATE),
            "single-request" | "single-request-reopen" => conf.flags.set(Flags::SINGLE_REQUEST),
            "use-vc" | "usevc" | "tcp" => conf.flags.set(Flags::USE_VC),
            "trust-ad" => conf.flags.set(Flags::TRUST_AD),
            "edns0" | "no-reload" => {}
            _ => conf.note(
                number,
                format!(
                    "the option '{word}' is not known; a build with cgo asks libc because of it"
                ),
            ),
        }
    }
}

/// The digits at the start, as a number; 0 where there is none. Go stops at 0xFFFFFF.
fn digits(text: &str) -> i64 {
    let mut number = 0_i64;
    for digit in text.bytes().take_while(u8::is_ascii_digit) {
        number = number * 10 + i64::from(digit - b'0');
        if number >= 0xFF_FFFF {
            return 0xFF_FFFF;
        }
    }
    number
}

/// C's `atoi`: blanks, a sign, digits.
fn atoi(text: &str) -> i64 {
    let text = text.trim_start_matches(is_space);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    sign * digits(text)
}

fn go_address(text: &str) -> Option<IpAddr> {
    let text = text.split_once('%').map_or(
        text,
        |(address, zone)| {
            if zone.is_empty() { text } else { address }
        },
    );
    text.parse().ok()
}

fn ipv6(text: &str) -> Option<IpAddr> {
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok().map(IpAddr::V6)
}

/// What C libraries take for an address, which they ask nobody for.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    inet_aton(text).or_else(|| ipv6(text))
}

/// C's `inet_aton`: one to four parts, each decimal, octal or hexadecimal; the last fills the rest.
fn inet_aton(text: &str) -> Option<IpAddr> {
    let parts: Vec<&str> = text.split('.').collect();
    let (last, first) = parts.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut address = 0_u32;
    for part in first {
        address = address << 8 | part_of_address(part).filter(|part| *part < 256)?;
    }
    let bits = 32 - 8 * u32::try_from(first.len()).ok()?;
    let last = part_of_address(last)?;
    if bits < 32 && last >> bits != 0 {
        return None;
    }
    let address = if bits == 32 {
        last
    } else {
        address << bits | last
    };
    Some(IpAddr::V4(address.into()))
}

fn part_of_address(text: &str) -> Option<u32> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match hexadecimal {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}
