//! What hosts lines say, ready to be answered with.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hickory_proto::rr::RecordType;
use smallvec::SmallVec;

use crate::name::{Name, NameRef};

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A word that is longer than this names nothing: a domain name has 255 bytes at most.
const MAX_WORD: usize = 1024;

/// Which names are taken from hosts lines.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Names outside of these, in lower case, are passed over.
    pub(super) zones: Vec<Name>,
    /// Whether addresses lead back to names.
    pub(super) reverse: bool,
}

/// Hosts lines, taken apart.
#[derive(Debug, Default)]
pub(super) struct Lines {
    names: Map<Name, Addresses>,
    /// By the parent of the asterisk.
    wildcards: Map<Name, Addresses>,
    owners: Map<IpAddr, Listed<Name>>,
    /// Entries that no question can find.
    unreachable: usize,
    /// What is wrong, with the number of its line.
    pub(super) faults: Vec<(usize, &'static str)>,
}

/// The addresses of a name.
#[derive(Clone, Debug, Default)]
struct Addresses {
    v4: Listed<Ipv4Addr>,
    v6: Listed<Ipv6Addr>,
}

/// What lines say of one thing, and the line of the first one.
#[derive(Clone, Debug)]
struct Listed<T> {
    all: Vec<T>,
    line: usize,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// In this line of the file, from 1.
    File(usize),
    /// In the Corefile: the hosts line of this number, from 1.
    Inline(usize),
}

/// What is told of one thing, and where the first of it stands.
pub(super) type Told<T> = (Arc<[T]>, Entry);

/// The addresses of a name: of one family at least.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) v4: Option<Told<Ipv4Addr>>,
    pub(super) v6: Option<Told<Ipv6Addr>>,
}

/// What is answered from: the lines of the file, then those of the Corefile.
#[derive(Debug, Default)]
pub(super) struct Table {
    names: Map<Name, Host>,
    wildcards: Map<Name, Host>,
    owners: Map<IpAddr, Told<Name>>,
}

impl Lines {
    /// Reads lines of `ADDRESS NAME...`, with the rules of Go's parser: `#` starts a comment even
    /// inside a word, the zone of an IPv6 address is left out, a line without an address says
    /// nothing. Names may be repeated and keep their order.
    pub(super) fn parse(text: &[u8], rules: &Rules) -> Self {
        let mut lines = Self::default();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            let mut words = line.split(is_space).filter(|word| !word.is_empty());
            let Some(first) = words.next() else {
                continue;
            };
            if first.len() > MAX_WORD {
                lines
                    .faults
                    .push((number, "the address is too long, the line is dropped"));
                continue;
            }
            if let Some(address) = parse_address(first) {
                for word in words {
                    if let Err(fault) = lines.add((address, word), number, rules) {
                        lines.faults.push((number, fault));
                    }
                }
            }
        }
        lines
    }

    fn add(
        &mut self,
        (address, word): (IpAddr, &[u8]),
        line: usize,
        rules: &Rules,
    ) -> Result<(), &'static str> {
        if word.len() > MAX_WORD {
            return Err("a name is too long and is dropped");
        }
        let text = std::str::from_utf8(word).ok();
        let named = text.and_then(|text| Some((text, Name::from_text(text).ok()?)));
        let Some((text, name)) = named else {
            return Err("a word is no domain name and is dropped");
        };
        let name = name.view().to_lower();
        if !rules
            .zones
            .iter()
            .any(|zone| name.view().is_in(zone.view()))
        {
            return Ok(());
        }
        let wildcard = text == "*" || text.starts_with("*.");
        if rules.reverse && !wildcard {
            self.owners
                .entry(address)
                .or_default()
                .push(name.clone(), line);
        }
        // CoreDNS compares text: a name that is written in another way than a question's name is
        // told (escapes that need not be, `@` without one) leads back from its address only.
        let told = name.to_string();
        let told = told.strip_suffix('.').unwrap_or(&told);
        if !text
            .strip_suffix('.')
            .unwrap_or(text)
            .eq_ignore_ascii_case(told)
        {
            self.unreachable += 1;
        } else if wildcard {
            let parent = name.view().parent().unwrap_or(NameRef::ROOT).to_name();
            self.wildcards
                .entry(parent)
                .or_default()
                .push(address, line);
        } else {
            self.names.entry(name).or_default().push(address, line);
        }
        Ok(())
    }

    /// The number of addresses of names and of names of addresses, as CoreDNS counts entries.
    pub(super) fn len(&self) -> usize {
        let addresses = self.names.values().chain(self.wildcards.values());
        let addresses = addresses.map(|each| each.v4.all.len() + each.v6.all.len());
        let addresses: usize = addresses.sum();
        let owned = self.owners.values().map(|owned| owned.all.len());
        self.unreachable + addresses + owned.sum::<usize>()
    }

    /// The addresses of a name: its own; of a family that it has none of, the wildcard's.
    fn host(&self, name: NameRef<'_>) -> Addresses {
        let mut own = self.names.get(name.as_bytes()).cloned().unwrap_or_default();
        if let Some(wildcard) =
            wildcard_of(name).and_then(|name| self.wildcards.get(name.as_bytes()))
        {
            if own.v4.all.is_empty() {
                own.v4 = wildcard.v4.clone();
            }
            if own.v6.all.is_empty() {
                own.v6 = wildcard.v6.clone();
            }
        }
        own
    }
}

impl Addresses {
    fn push(&mut self, address: IpAddr, line: usize) {
        match address {
            IpAddr::V4(address) => self.v4.push(address, line),
            IpAddr::V6(address) => self.v6.push(address, line),
        }
    }

    /// Those of the file, and then those of the Corefile.
    fn then(self, inline: Self) -> Host {
        Host {
            v4: self.v4.then(inline.v4),
            v6: self.v6.then(inline.v6),
        }
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            line: 0,
        }
    }
}

impl<T> Listed<T> {
    fn push(&mut self, one: T, line: usize) {
        if self.all.is_empty() {
            self.line = line;
        }
        self.all.push(one);
    }

    /// What the file says, and then what the Corefile does; `None` where neither says anything.
    fn then(mut self, inline: Self) -> Option<Told<T>> {
        let entry = match self.all.is_empty() {
            true => Entry::Inline(inline.line),
            false => Entry::File(self.line),
        };
        self.all.extend(inline.all);
        (!self.all.is_empty()).then(|| (self.all.into(), entry))
    }
}

impl Host {
    /// Where the entry stands that an answer of this type is of: without an address of its family, one
    /// of the other.
    pub(super) fn entry(&self, qtype: RecordType) -> Option<Entry> {
        let v4 = self.v4.as_ref().map(|(_, entry)| *entry);
        let v6 = self.v6.as_ref().map(|(_, entry)| *entry);
        match qtype {
            RecordType::AAAA => v6.or(v4),
            _ => v4.or(v6),
        }
    }
}

impl Table {
    /// The lines of the file, followed by those of the Corefile.
    pub(super) fn of(file: &Lines, inline: &Lines) -> Self {
        let mut table = Self::default();
        for name in file.names.keys().chain(inline.names.keys()) {
            if !table.names.contains_key(name) {
                let host = file.host(name.view()).then(inline.host(name.view()));
                table.names.insert(name.clone(), host);
            }
        }
        let of = |lines: &Lines, parent: &Name| lines.wildcards.get(parent).cloned();
        for parent in file.wildcards.keys().chain(inline.wildcards.keys()) {
            if !table.wildcards.contains_key(parent) {
                let first = of(file, parent).unwrap_or_default();
                let host = first.then(of(inline, parent).unwrap_or_default());
                table.wildcards.insert(parent.clone(), host);
            }
        }
        for address in file.owners.keys().chain(inline.owners.keys()) {
            let of = |lines: &Lines| lines.owners.get(address).cloned().unwrap_or_default();
            if !table.owners.contains_key(address) {
                let told = of(file).then(of(inline));
                table.owners.extend(told.map(|told| (*address, told)));
            }
        }
        table
    }

    /// The addresses of a name in lower case, and the name as it is held; `None` in its place
    /// where a wildcard has them.
    pub(super) fn host(&self, name: NameRef<'_>) -> Option<(&Host, Option<&Name>)> {
        if let Some((name, host)) = self.names.get_key_value(name.as_bytes()) {
            return Some((host, Some(name)));
        }
        let host = self.wildcards.get(wildcard_of(name)?.as_bytes())?;
        Some((host, None))
    }

    /// The names of an address, and where the first one stands.
    pub(super) fn names(&self, address: IpAddr) -> Option<&Told<Name>> {
        self.owners.get(&address)
    }
}

/// The parent whose asterisk stands for a name: its own, with one label left at least.
fn wildcard_of(name: NameRef<'_>) -> Option<NameRef<'_>> {
    name.parent().filter(|parent| !parent.is_root())
}

/// An address without its zone; an IPv4 one that is written as IPv6 is IPv4.
fn parse_address(word: &[u8]) -> Option<IpAddr> {
    let word = word.split(|byte| *byte == b'%').next()?;
    let address: IpAddr = std::str::from_utf8(word).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// Whether a word could start a hosts line that says something.
pub(super) fn is_address(word: &str) -> bool {
    parse_address(word.as_bytes()).is_some()
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c' | b'\r')
}

/// The address that a name under `in-addr.arpa` or `ip6.arpa` is of; the name is in lower case.
///
/// As in CoreDNS, up to three labels in front of the 32 of an IPv6 address change nothing.
pub(super) fn address_of(name: NameRef<'_>) -> Option<IpAddr> {
    let labels: SmallVec<[&[u8]; 40]> = name.labels().collect();
    let [parts @ .., tree, b"arpa"] = labels.as_slice() else {
        return None;
    };
    match *tree {
        b"in-addr" => v4_of(parts).map(IpAddr::V4),
        b"ip6" => v6_of(parts).map(|address| IpAddr::V6(address).to_canonical()),
        _ => None,
    }
}

fn v4_of(parts: &[&[u8]]) -> Option<Ipv4Addr> {
    let [d, c, b, a] = parts else {
        return None;
    };
    let octet = |label: &[u8]| {
        // Digits only, and no zeros in front: `01` is another name than `1`.
        let plain =
            label.iter().all(u8::is_ascii_digit) && (label == b"0" || !label.starts_with(b"0"));
        let text = std::str::from_utf8(label).ok().filter(|_| plain)?;
        text.parse::<u8>().ok()
    };
    Some(Ipv4Addr::new(octet(a)?, octet(b)?, octet(c)?, octet(d)?))
}

fn v6_of(parts: &[&[u8]]) -> Option<Ipv6Addr> {
    let extra = parts.len().checked_sub(32).filter(|extra| *extra < 4)?;
    let mut bits: u128 = 0;
    for label in parts.get(extra..)?.iter().rev() {
        let [digit] = label else {
            return None;
        };
        bits = bits << 4 | u128::from(char::from(*digit).to_digit(16)?);
    }
    Some(Ipv6Addr::from(bits))
}

#[cfg(test)]
mod tests;
