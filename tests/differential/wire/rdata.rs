//! RDATA in zone-file text, both ways. Types without a form of their own are written as RFC 3597
//! has it: `\# length hex`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{from_hex, name, to_hex, words};

/// A part of some RDATA to be sent: names are apart because they may be compressed.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// A name's labels.
    Name(Vec<Vec<u8>>),
}

/// What the RDATA of a type is made of, in order.
#[derive(Clone, Copy)]
enum Field {
    Address4,
    Address6,
    Name,
    U16,
    U32,
    Strings,
}

fn fields(rtype: u16) -> Option<&'static [Field]> {
    use Field::{Address4, Address6, Name, Strings, U16, U32};
    Some(match rtype {
        1 => &[Address4],
        2 | 5 | 12 | 39 => &[Name],
        6 => &[Name, Name, U32, U32, U32, U32, U32],
        13 | 16 => &[Strings],
        15 => &[U16, Name],
        28 => &[Address6],
        33 => &[U16, U16, U16, Name],
        _ => return None,
    })
}

/// RDATA from zone-file text.
pub(crate) fn parse(rtype: u16, text: &str) -> Result<Vec<Part>, String> {
    let words = words(text);
    if let Some((&"\\#", generic)) = words.split_first() {
        let digits: String = generic.iter().skip(1).copied().collect();
        return Ok(vec![Part::Bytes(from_hex(&digits)?)]);
    }
    let fields =
        fields(rtype).ok_or_else(|| format!("type {rtype} has only the form `\\# n hex`"))?;
    let mut words = words.into_iter();
    let mut parts = Vec::new();
    for field in fields {
        if let Field::Strings = field {
            for word in words.by_ref() {
                parts.push(Part::Bytes(character_string(word)?));
            }
            continue;
        }
        let word = words
            .next()
            .ok_or_else(|| format!("`{text}` is too short"))?;
        parts.push(parse_field(*field, word)?);
    }
    match words.next() {
        Some(extra) => Err(format!("`{text}` has `{extra}` too many")),
        None => Ok(parts),
    }
}

fn parse_field(field: Field, word: &str) -> Result<Part, String> {
    Ok(match field {
        Field::Address4 => Part::Bytes(parsed::<Ipv4Addr>(word)?.octets().to_vec()),
        Field::Address6 => Part::Bytes(parsed::<Ipv6Addr>(word)?.octets().to_vec()),
        Field::Name => Part::Name(name::labels(word)?),
        Field::U16 => Part::Bytes(parsed::<u16>(word)?.to_be_bytes().to_vec()),
        Field::U32 => Part::Bytes(parsed::<u32>(word)?.to_be_bytes().to_vec()),
        Field::Strings => Part::Bytes(character_string(word)?),
    })
}

fn parsed<T: FromStr>(word: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    word.parse().map_err(|error| format!("`{word}`: {error}"))
}

fn character_string(word: &str) -> Result<Vec<u8>, String> {
    let text = word.trim_matches('"').as_bytes();
    let length = u8::try_from(text.len()).map_err(|_| format!("`{word}` is longer than 255"))?;
    let mut wire = vec![length];
    wire.extend_from_slice(text);
    Ok(wire)
}

/// The RDATA at `at..end` of a message as zone-file text.
///
/// RDATA that does not fit its type is shown as bytes, with a word that says so.
pub(crate) fn text(message: &[u8], rtype: u16, at: usize, end: usize) -> String {
    let raw = message.get(at..end).unwrap_or_default();
    match fields(rtype) {
        Some(fields) => structured(message, fields, at, end)
            .unwrap_or_else(|problem| format!("{} ({problem})", generic(raw))),
        None => generic(raw),
    }
}

fn generic(raw: &[u8]) -> String {
    format!("\\# {} {}", raw.len(), to_hex(raw))
        .trim_end()
        .to_owned()
}

fn structured(message: &[u8], fields: &[Field], at: usize, end: usize) -> Result<String, String> {
    let mut here = at;
    let mut words = Vec::new();
    for field in fields {
        match field {
            Field::Address4 => {
                words.push(Ipv4Addr::from(take(message, &mut here, end)?).to_string())
            }
            Field::Address6 => {
                words.push(Ipv6Addr::from(take(message, &mut here, end)?).to_string())
            }
            Field::U16 => {
                words.push(u16::from_be_bytes(take(message, &mut here, end)?).to_string())
            }
            Field::U32 => {
                words.push(u32::from_be_bytes(take(message, &mut here, end)?).to_string())
            }
            Field::Name => {
                let (text, after) = name::read(message, here)?;
                words.push(text);
                here = after;
            }
            Field::Strings => {
                while here < end {
                    let [length] = take(message, &mut here, end)?;
                    let stop = here + usize::from(length);
                    let bytes = message.get(here..stop.min(end)).unwrap_or_default();
                    words.push(format!("\"{}\"", bytes.escape_ascii()));
                    here = stop;
                }
            }
        }
    }
    if here == end {
        Ok(words.join(" "))
    } else {
        Err("length does not fit the type".to_owned())
    }
}

fn take<const N: usize>(message: &[u8], here: &mut usize, end: usize) -> Result<[u8; N], String> {
    let stop = *here + N;
    let bytes = message.get(*here..stop).filter(|_| stop <= end);
    *here = stop;
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| "too short for the type".to_owned())
}
