//! DNS messages as bytes: a plain decoder that hides nothing, and the encoder of queries and of
//! the scripted upstream's replies.
//!
//! The suite decodes on its own, not with the library that the server under test is built on:
//! the order of records, the case of names, the raw OPT and the size are what it is there to see.

pub(crate) mod message;
pub(crate) mod name;
pub(crate) mod query;
pub(crate) mod rdata;
pub(crate) mod writer;

/// Record types by mnemonic; every other number is written `TYPEn` (RFC 3597).
const TYPES: &[(&str, u16)] = &[
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("NULL", 10),
    ("PTR", 12),
    ("HINFO", 13),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("NAPTR", 35),
    ("DNAME", 39),
    ("OPT", 41),
    ("DS", 43),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("ANY", 255),
    ("CAA", 257),
];

const CLASSES: &[(&str, u16)] = &[("IN", 1), ("CH", 3), ("HS", 4), ("NONE", 254), ("ANY", 255)];

const RCODES: &[(&str, u16)] = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NOTAUTH", 9),
    ("BADVERS", 16),
    ("BADCOOKIE", 23),
];

const OPCODES: &[(&str, u16)] = &[
    ("QUERY", 0),
    ("IQUERY", 1),
    ("STATUS", 2),
    ("NOTIFY", 4),
    ("UPDATE", 5),
];

/// The header's flag bits by the names that the data files use.
pub(crate) const FLAGS: &[(&str, u16)] = &[
    ("qr", 0x8000),
    ("aa", 0x0400),
    ("tc", 0x0200),
    ("rd", 0x0100),
    ("ra", 0x0080),
    ("z", 0x0040),
    ("ad", 0x0020),
    ("cd", 0x0010),
];

fn number(table: &[(&str, u16)], prefix: &str, text: &str) -> Result<u16, String> {
    if let Some((_, code)) = table.iter().find(|(name, _)| *name == text) {
        return Ok(*code);
    }
    text.strip_prefix(prefix)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("`{text}` is neither a known mnemonic nor {prefix}n"))
}

fn mnemonic(table: &[(&str, u16)], prefix: &str, code: u16) -> String {
    table
        .iter()
        .find(|(_, known)| *known == code)
        .map_or_else(|| format!("{prefix}{code}"), |(name, _)| (*name).to_owned())
}

/// The number of a record type: a mnemonic or `TYPEn`.
pub(crate) fn type_number(text: &str) -> Result<u16, String> {
    number(TYPES, "TYPE", text)
}

/// A record type as text.
pub(crate) fn type_text(code: u16) -> String {
    mnemonic(TYPES, "TYPE", code)
}

/// The number of a class: a mnemonic or `CLASSn`.
pub(crate) fn class_number(text: &str) -> Result<u16, String> {
    number(CLASSES, "CLASS", text)
}

/// A class as text.
pub(crate) fn class_text(code: u16) -> String {
    mnemonic(CLASSES, "CLASS", code)
}

/// The number of a response code: a mnemonic or `RCODEn`.
pub(crate) fn rcode_number(text: &str) -> Result<u16, String> {
    number(RCODES, "RCODE", text)
}

/// A response code as text.
pub(crate) fn rcode_text(code: u16) -> String {
    mnemonic(RCODES, "RCODE", code)
}

/// The number of an opcode: a mnemonic or `OPCODEn`.
pub(crate) fn opcode_number(text: &str) -> Result<u16, String> {
    number(OPCODES, "OPCODE", text)
}

/// An opcode as text.
pub(crate) fn opcode_text(code: u16) -> String {
    mnemonic(OPCODES, "OPCODE", code)
}

/// Bytes from pairs of hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .ok_or_else(|| format!("`{text}` is not hexadecimal"))
        })
        .collect::<Result<_, _>>()?;
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).map_err(|error| error.to_string()),
            _ => Err(format!("`{text}` has an odd number of digits")),
        })
        .collect()
}

/// Bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The words of a line; a word that starts with `"` goes on to the next `"`, which is kept, so
/// that a quoted empty or spaced string is one word.
pub(crate) fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"') {
            Some(inner) => inner.find('"').map_or(rest.len(), |at| at + 2),
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (word, tail) = rest.split_at(end);
        words.push(word);
        rest = tail.trim_start();
    }
    words
}
