//! The text of one record (RFC 1035, 5.1), as templates write it.
//!
//! What is left out is filled in as CoreDNS does: an hour as TTL, the class IN. Names without a dot
//! at their end are whole all the same.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{DNSClass, RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use hickory_proto::serialize::txt::parse_ttl;

use crate::answer::{RdataRef, RecordRef, Section};
use crate::name::{Name, NameRef};
use crate::wire::mnemonic::{class_number, type_number};

/// The TTL of a record that tells none, in seconds.
const TTL: u32 = 3600;
/// The longest text of a TXT record, in bytes (RFC 1035, 3.3.14).
const LONGEST_TEXT: usize = 255;

/// A record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) owner: Name,
    pub(super) rtype: RecordType,
    class: DNSClass,
    ttl: u32,
    /// Uncompressed.
    rdata: Vec<u8>,
}

/// A word of a record.
struct Word {
    /// As written, without quotes.
    text: String,
    is_quoted: bool,
}

impl Record {
    /// Reads the first record of a text; `None` where there is none.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, String> {
        let words = first_line(text)?;
        let Some((owner, mut rest)) = words.split_first() else {
            return Ok(None);
        };
        let owner = name(&owner.text).map_err(|_| format!("bad owner name: {:?}", owner.text))?;
        let (mut ttl, mut class) = (None, None);
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            let upper = word.text.to_ascii_uppercase();
            if let Some(rtype) = numbered(&upper, "TYPE").or_else(|| type_number(&upper)) {
                let rtype = RecordType::from(rtype);
                return Ok(Some(Self {
                    owner,
                    rtype,
                    class: class.unwrap_or(DNSClass::IN),
                    ttl: ttl.unwrap_or(TTL),
                    rdata: rdata(rtype, rest)?,
                }));
            }
            let known = numbered(&upper, "CLASS").or_else(|| class_number(&upper));
            match known {
                Some(number) if class.is_none() => class = Some(DNSClass::from(number)),
                None if ttl.is_none() => {
                    let seconds = parse_ttl(&word.text);
                    ttl = Some(seconds.map_err(|_| format!("not a TTL: {:?}", word.text))?);
                }
                _ => return Err(format!("no type in front of {:?}", word.text)),
            }
        }
        Err("no type".to_owned())
    }

    /// The name that a CNAME leads to.
    pub(super) fn target(&self) -> Option<NameRef<'_>> {
        let is_alias = self.rtype == RecordType::CNAME;
        is_alias.then(|| NameRef::parse(&self.rdata).ok()).flatten()
    }

    /// The record as it is told in a section.
    pub(super) fn view(&self, section: Section) -> RecordRef<'_> {
        RecordRef {
            section,
            owner: self.owner.view().into(),
            rtype: self.rtype,
            class: self.class,
            ttl: self.ttl,
            rdata: RdataRef::Other(&self.rdata),
        }
    }
}

/// The number of `TYPE123` and its like (RFC 3597, 5).
fn numbered(word: &str, prefix: &str) -> Option<u16> {
    word.strip_prefix(prefix)?.parse().ok()
}

/// The words of the first line that has any; brackets join lines.
fn first_line(text: &str) -> Result<Vec<Word>, String> {
    let mut words: Vec<Word> = Vec::new();
    let mut chars = text.chars().peekable();
    let (mut open, mut at_start) = (0usize, true);
    while let Some(char) = chars.next() {
        let starts_line = std::mem::replace(&mut at_start, char == '\n' && open == 0);
        match char {
            '\n' if open == 0 && !words.is_empty() => break,
            ' ' | '\t' if starts_line => {
                let is_empty = chars.clone().all(|char| " \t\r\n".contains(char));
                if !is_empty {
                    return Err("a blank stands where the owner should".to_owned());
                }
            }
            ' ' | '\t' | '\r' | '\n' => {}
            '(' => open += 1,
            ')' => open = open.checked_sub(1).ok_or("extra closing brace")?,
            ';' => while chars.next_if(|char| *char != '\n').is_some() {},
            '"' => words.push(quoted(&mut chars)?),
            first => {
                let mut text = String::from(first);
                let mut escaped = first == '\\';
                while let Some(char) =
                    chars.next_if(|char| escaped || !" \t\r\n();\"".contains(*char))
                {
                    escaped = char == '\\' && !escaped;
                    text.push(char);
                }
                words.push(Word {
                    text,
                    is_quoted: false,
                });
            }
        }
    }
    match open {
        0 => Ok(words),
        _ => Err("unbalanced brace".to_owned()),
    }
}

fn quoted(chars: &mut impl Iterator<Item = char>) -> Result<Word, String> {
    let (mut text, mut escaped) = (String::new(), false);
    for char in chars {
        if char == '"' && !escaped {
            return Ok(Word {
                text,
                is_quoted: true,
            });
        }
        escaped = char == '\\' && !escaped;
        text.push(char);
    }
    Err("the text has no closing \"".to_owned())
}

fn name(text: &str) -> Result<Name, String> {
    let bad = || format!("bad name: {text:?}");
    match text {
        "@" => Ok(Name::root()),
        "" => Err(bad()),
        text => Name::from_text(text).map_err(|_| bad()),
    }
}

fn rdata(rtype: RecordType, words: &[Word]) -> Result<Vec<u8>, String> {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let bad = |what: &str| format!("bad {rtype} record: {what}: {:?}", texts.join(" "));
    let mut out = Vec::new();
    let number = |text: &str| text.parse::<u16>().map_err(|_| bad("no number"));
    match (rtype, texts.as_slice()) {
        (_, []) => return Err(bad("no data")),
        (_, ["\\#", length, hex @ ..]) => return generic(length, &hex.concat()),
        (RecordType::A, [address]) => {
            let address = address.parse::<Ipv4Addr>();
            out.extend_from_slice(&address.map_err(|_| bad("no IPv4 address"))?.octets());
        }
        (RecordType::AAAA, [address]) => {
            let address = address.parse::<Ipv6Addr>();
            out.extend_from_slice(&address.map_err(|_| bad("no IPv6 address"))?.octets());
        }
        (RecordType::CNAME | RecordType::NS | RecordType::PTR | RecordType::DNAME, [target]) => {
            out.extend_from_slice(name(target)?.view().as_bytes())
        }
        (RecordType::MX, [preference, host]) => {
            out.extend_from_slice(&number(preference)?.to_be_bytes());
            out.extend_from_slice(name(host)?.view().as_bytes());
        }
        (RecordType::SRV, [priority, weight, port, host]) => {
            for text in [priority, weight, port] {
                out.extend_from_slice(&number(text)?.to_be_bytes());
            }
            out.extend_from_slice(name(host)?.view().as_bytes());
        }
        (RecordType::SOA, [primary, mailbox, serial, times @ ..]) if times.len() == 4 => {
            for text in [primary, mailbox] {
                out.extend_from_slice(name(text)?.view().as_bytes());
            }
            let serial = serial.parse::<u32>().map_err(|_| bad("no serial"))?;
            out.extend_from_slice(&serial.to_be_bytes());
            for text in times {
                let seconds = parse_ttl(text).map_err(|_| bad("no time"))?;
                out.extend_from_slice(&seconds.to_be_bytes());
            }
        }
        (RecordType::TXT, texts) => texts.iter().for_each(|text| push_text(&mut out, text)),
        (
            RecordType::A
            | RecordType::AAAA
            | RecordType::CNAME
            | RecordType::NS
            | RecordType::PTR
            | RecordType::DNAME
            | RecordType::MX
            | RecordType::SRV
            | RecordType::SOA,
            _,
        ) => return Err(bad("too much or too little data")),
        _ => return of_library(rtype, words),
    }
    Ok(out)
}

/// Data of any type as bytes (RFC 3597, 5).
fn generic(length: &str, hex: &str) -> Result<Vec<u8>, String> {
    let pairs = hex.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let bytes = bytes.filter(|bytes| hex.len() == 2 * bytes.len());
    let bytes = bytes.ok_or_else(|| format!("bad rdata: {hex:?}"))?;
    match length.parse() == Ok(bytes.len()) {
        true => Ok(bytes),
        false => Err(format!("bad length of rdata: {length:?}")),
    }
}

/// A text with its length, in several where it is too long for one; escapes are resolved.
fn push_text(out: &mut Vec<u8>, text: &str) {
    let bytes = unescape(text);
    let mut parts = bytes.chunks(LONGEST_TEXT).peekable();
    if parts.peek().is_none() {
        out.push(0);
    }
    for part in parts {
        out.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(part);
    }
}

/// The bytes that a text stands for: `\"` and `\DDD` (RFC 1035, 5.1).
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let digits = rest
            .get(..3)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let (byte, taken) = match (number, rest.first()) {
            (Some(number), _) => (number, 3),
            (None, Some(byte)) => (*byte, 1),
            (None, None) => break,
        };
        out.push(byte);
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// Data of a type whose text hickory-proto reads.
fn of_library(rtype: RecordType, words: &[Word]) -> Result<Vec<u8>, String> {
    let texts: Vec<String> = words
        .iter()
        .map(|word| match word.is_quoted {
            true => format!("\"{}\"", word.text),
            false => word.text.clone(),
        })
        .collect();
    let data = RData::try_from_str(rtype, &texts.join(" "));
    let data = data.map_err(|error| format!("bad {rtype} record: {error}"))?;
    let mut rdata = Vec::new();
    let mut encoder = BinEncoder::new(&mut rdata);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    match data.emit(&mut encoder) {
        Ok(()) => Ok(rdata),
        Err(error) => Err(format!("bad {rtype} record: {error}")),
    }
}

#[cfg(test)]
mod tests;
