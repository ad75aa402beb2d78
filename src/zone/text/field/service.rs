//! The rdata of SVCB and HTTPS (RFC 9460), by hickory.

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::super::scan::{At, Word};
use super::super::word::{name, number};
use super::super::{Fault, shown};
use crate::name::NameRef;

/// SVCB and HTTPS, whose parameters are a language of their own.
pub(super) fn is_service(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::SVCB | RecordType::HTTPS)
}

/// The rdata. hickory knows no relative names.
pub(super) fn rdata(
    rtype: RecordType,
    words: &[Word<'_>],
    origin: NameRef<'_>,
    at: At,
) -> Result<Vec<u8>, Fault> {
    let [priority, target, parameters @ ..] = words else {
        return Err(Fault::new(at, "the record needs a priority and a target"));
    };
    let mut pairs: Vec<String> = Vec::new();
    for word in parameters {
        let quote = if word.quoted { "\"" } else { "" };
        let text = format!("{quote}{}{quote}", shown(word));
        match pairs.last_mut().filter(|_| word.joined) {
            Some(pair) => pair.push_str(&text),
            None => pairs.push(text),
        }
    }
    // In any order, as CoreDNS takes them; hickory takes them as they are sent.
    pairs.sort_by_key(|pair| parameter_key(pair));
    let (priority, name) = (number::<u16>(priority)?, name(target, origin)?);
    let text = format!("{priority} {name} {}", pairs.join(" "));
    let wrong = |error: String| Fault::of(target, format!("and what follows is wrong: {error}"));
    let data = RData::try_from_str(rtype, &text).map_err(|error| wrong(error.to_string()))?;
    let mut rdata = Vec::new();
    let mut encoder = BinEncoder::new(&mut rdata);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder)
        .map_err(|error| wrong(error.to_string()))?;
    Ok(rdata)
}

/// The number of a parameter (RFC 9460, 14.3.2); one that is not known sorts last.
fn parameter_key(pair: &str) -> u16 {
    const KEYS: [&str; 9] = [
        "mandatory",
        "alpn",
        "no-default-alpn",
        "port",
        "ipv4hint",
        "ech",
        "ipv6hint",
        "dohpath",
        "ohttp",
    ];
    let key = pair.split_once('=').map_or(pair, |(key, _)| key);
    let known = KEYS.iter().position(|known| *known == key);
    let number = || key.strip_prefix("key")?.parse().ok();
    let known = known.and_then(|at| u16::try_from(at).ok());
    known.or_else(number).unwrap_or(u16::MAX)
}
