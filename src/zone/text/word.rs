//! Words to what they stand for: names, numbers, times, strings, bytes.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::scan::Word;
use super::{Fault, shown};
use crate::name::{Name, NameRef};
use crate::wire::mnemonic;

/// A name, completed by `origin` where it is relative.
pub(super) fn name(word: &Word<'_>, origin: NameRef<'_>) -> Result<Name, Fault> {
    if word.text == b"@" && !word.quoted {
        return Ok(origin.to_name());
    }
    let fault = |why: &str| Fault::of(word, format!("is no name: {why}"));
    let text = std::str::from_utf8(word.text);
    let text = text.map_err(|_| fault(r"write bytes that are no text as \DDD"))?;
    if text.is_empty() {
        return Err(fault("it is empty"));
    }
    let name = Name::from_text(text).map_err(|error| fault(&error.to_string()))?;
    if is_absolute(word.text) {
        return Ok(name);
    }
    let labels = name.view().labels().chain(origin.labels());
    Name::from_labels(labels).map_err(|error| fault(&error.to_string()))
}

/// Whether the text ends with a dot that is not escaped.
fn is_absolute(text: &[u8]) -> bool {
    let Some((b'.', rest)) = text.split_last() else {
        return false;
    };
    rest.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

/// Seconds, or a time like `1h30m`.
pub(super) fn seconds(word: &Word<'_>) -> Result<u32, Fault> {
    let (mut sum, mut number) = (0_u64, 0_u64);
    for byte in word.text {
        let unit = match byte.to_ascii_lowercase() {
            digit @ b'0'..=b'9' => {
                number = number
                    .saturating_mul(10)
                    .saturating_add(u64::from(digit - b'0'));
                continue;
            }
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return Err(Fault::of(word, "is no time like 3600 or 1h30m")),
        };
        sum = sum.saturating_add(number.saturating_mul(unit));
        number = 0;
    }
    let is_empty = word.text.is_empty();
    let sum = u32::try_from(sum.saturating_add(number)).ok();
    sum.filter(|_| !is_empty)
        .ok_or_else(|| Fault::of(word, "is no time of at most 4294967295 seconds"))
}

/// `YYYYMMDDhhmmss` in UTC, or the number itself (RFC 4034, 3.2).
pub(super) fn moment(word: &Word<'_>) -> Result<u32, Fault> {
    if word.text.len() != 14 {
        return number(word);
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", word.text);
    let zoned = time.and_then(|time| time.to_zoned(TimeZone::UTC));
    let seconds = zoned.map(|zoned| zoned.timestamp().as_second());
    // In serial arithmetic (RFC 1982): modulo 2 to the 32nd.
    seconds
        .map(|seconds| seconds as u32)
        .map_err(|_| Fault::of(word, "is no time like 20261231235959"))
}

/// A type's number, of its word in upper case or of `TYPE123`.
pub(super) fn type_of(word: &str) -> Option<u16> {
    let number = || word.strip_prefix("TYPE")?.parse().ok();
    mnemonic::type_number(word).or_else(number)
}

pub(super) fn record_type(word: &Word<'_>) -> Result<u16, Fault> {
    let found = type_of(&shown(word).to_ascii_uppercase());
    found.ok_or_else(|| Fault::of(word, "is no type of record"))
}

pub(super) fn parse<T: std::str::FromStr>(word: &Word<'_>, wrong: &str) -> Result<T, Fault> {
    let text = std::str::from_utf8(word.text).ok();
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Fault::of(word, wrong))
}

pub(super) fn number<T: TryFrom<u32>>(word: &Word<'_>) -> Result<T, Fault> {
    let digits = word.text.iter().all(u8::is_ascii_digit);
    let number = parse::<u32>(word, "is no number that fits here")?;
    let number = T::try_from(number).ok().filter(|_| digits);
    number.ok_or_else(|| Fault::of(word, "is no number that fits here"))
}

/// The word's bytes, escapes undone.
pub(super) fn unescape(word: &Word<'_>) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(word.text.len());
    let mut rest = word.text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let digits = after
            .get(..3)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit));
        if let Some(digits) = digits {
            let value = digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            let byte = u8::try_from(value);
            bytes.push(byte.map_err(|_| Fault::of(word, r"has a \DDD of more than 255"))?);
            rest = after.get(3..).unwrap_or_default();
        } else if let Some((escaped, after)) = after.split_first() {
            bytes.push(*escaped);
            rest = after;
        } else {
            return Err(Fault::of(
                word,
                "ends with a backslash that escapes nothing",
            ));
        }
    }
    Ok(bytes)
}

pub(super) fn string(word: &Word<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let bytes = unescape(word)?;
    let Ok(length) = u8::try_from(bytes.len()) else {
        return Err(Fault::of(word, "is longer than 255 bytes"));
    };
    to.push(length);
    to.extend(bytes);
    Ok(())
}

/// A string, or several where it is longer than one can be.
pub(super) fn strings(word: &Word<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let bytes = unescape(word)?;
    if bytes.is_empty() {
        to.push(0);
    }
    for chunk in bytes.chunks(255) {
        to.push(u8::try_from(chunk.len()).unwrap_or(u8::MAX));
        to.extend_from_slice(chunk);
    }
    Ok(())
}

/// Hexadecimal or base 64, in one word or several.
pub(super) fn encoded(is_hex: bool, words: &[Word<'_>], to: &mut Vec<u8>) -> Result<(), Fault> {
    let text: Vec<u8> = words.iter().flat_map(|word| word.text).copied().collect();
    let (decoded, what) = match is_hex {
        true if words.len() == 1 && text == b"-" => (Ok(Vec::new()), ""),
        true => (HEXLOWER_PERMISSIVE.decode(&text), "hexadecimal"),
        _ if text.ends_with(b"=") => (BASE64.decode(&text), "base 64"),
        _ => (BASE64_NOPAD.decode(&text), "base 64"),
    };
    match (decoded, words.first()) {
        (Ok(bytes), _) => to.extend(bytes),
        (Err(error), Some(word)) => {
            let message = format!("and what follows is no {what}: {error}");
            return Err(Fault::of(word, message));
        }
        (Err(_), None) => {}
    }
    Ok(())
}

/// The bitmap of types (RFC 4034, 4.1.2).
pub(super) fn bitmap(words: &[Word<'_>], to: &mut Vec<u8>) -> Result<(), Fault> {
    let types: Result<std::collections::BTreeSet<u16>, Fault> =
        words.iter().map(record_type).collect();
    let mut windows: std::collections::BTreeMap<u8, Vec<u8>> = std::collections::BTreeMap::new();
    for rtype in types? {
        let [window, low] = rtype.to_be_bytes();
        let bits = windows.entry(window).or_default();
        let byte = usize::from(low / 8);
        bits.resize(bits.len().max(byte + 1), 0);
        if let Some(place) = bits.get_mut(byte) {
            *place |= 0x80 >> (low % 8);
        }
    }
    for (window, bits) in windows {
        to.extend([window, u8::try_from(bits.len()).unwrap_or(32)]);
        to.extend(bits);
    }
    Ok(())
}

/// `00-00-5e-90-01-2a` or `0014:4fff:ff20:ee64`.
pub(super) fn address(word: &Word<'_>, length: usize) -> Result<Vec<u8>, Fault> {
    let digits = |byte: &u8| *byte != b'-' && *byte != b':';
    let text: Vec<u8> = word.text.iter().copied().filter(digits).collect();
    let bytes = HEXLOWER_PERMISSIVE.decode(&text).ok();
    let bytes = bytes.filter(|bytes| bytes.len() == length);
    bytes.ok_or_else(|| Fault::of(word, format!("is no address of {length} bytes")))
}

pub(super) const ALGORITHMS: &[(&str, u16)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];
pub(super) const CERTIFICATES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// A number, or a word that stands for one.
pub(super) fn worded(word: &Word<'_>, words: &[(&str, u16)]) -> Result<u16, Fault> {
    let text = shown(word);
    match words.iter().find(|(known, _)| *known == text) {
        Some((_, number)) => Ok(*number),
        None => number(word),
    }
}
