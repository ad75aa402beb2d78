//! Rdata as it is written, to the bytes it stands for.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::RecordType;

use super::Fault;
use super::scan::{At, Word};
use super::word::{
    ALGORITHMS, CERTIFICATES, address, bitmap, encoded, moment, name, number, parse, record_type,
    seconds, string, strings, unescape, worded,
};
use crate::name::{MAX_NAME, NameRef};
use crate::wire::{self, Piece, mnemonic};

mod service;

use service::is_service;

/// One part of rdata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// A domain name, which may be relative.
    Name,
    U8,
    U16,
    U32,
    /// 32 bits of seconds, with units.
    Seconds,
    /// 32 bits of a moment: `YYYYMMDDhhmmss`, or seconds since 1970.
    Moment,
    V4,
    V6,
    /// A string of at most 255 bytes.
    String,
    /// One such string or more, to the end; longer ones are cut into several.
    Strings,
    /// Bytes without their length, to the end.
    Bytes,
    /// Bytes in hexadecimal, to the end.
    Hex,
    /// Bytes in base 64, to the end.
    Base64,
    /// An algorithm of DNSSEC: a number or its word.
    Algorithm,
    /// A kind of certificate: a number or its word.
    Certificate,
    /// A type of record.
    Type,
    /// Types of records, to the end.
    Types,
    /// Bytes in hexadecimal with `-` or `:` between.
    Address(usize),
}

use Field::{
    Address, Algorithm, Base64, Bytes, Certificate, Hex, Moment, Seconds, String as Text, Strings,
    Type, Types, U8, U16, U32, V4, V6,
};

/// The parts of a type's rdata; `None` where it is read in the generic form only.
fn fields(rtype: u16) -> Option<&'static [Field]> {
    Some(match rtype {
        1 => &[V4],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR, DNAME
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 23 | 39 => &[Field::Name],
        6 => &[
            Field::Name,
            Field::Name,
            U32,
            Seconds,
            Seconds,
            Seconds,
            Seconds,
        ],
        // HINFO
        13 => &[Text, Text],
        // MINFO, RP, TALINK
        14 | 17 | 58 => &[Field::Name, Field::Name],
        // MX, AFSDB, RT, KX, LP
        15 | 18 | 21 | 36 | 107 => &[U16, Field::Name],
        // TXT, ISDN, NINFO, SPF, AVC, RESINFO
        16 | 20 | 56 | 99 | 258 | 261 => &[Strings],
        // X25
        19 => &[Text],
        // SIG, RRSIG
        24 | 46 => &[
            Type,
            Algorithm,
            U8,
            U32,
            Moment,
            Moment,
            U16,
            Field::Name,
            Base64,
        ],
        // KEY, DNSKEY, RKEY, CDNSKEY
        25 | 48 | 57 | 60 => &[U16, U8, Algorithm, Base64],
        // PX
        26 => &[U16, Field::Name, Field::Name],
        // GPOS
        27 => &[Text, Text, Text],
        28 => &[V6],
        // EID, NIMLOC
        31 | 32 => &[Hex],
        33 => &[U16, U16, U16, Field::Name],
        // NAPTR
        35 => &[U16, U16, Text, Text, Text, Field::Name],
        // CERT
        37 => &[Certificate, U16, Algorithm, Base64],
        // DS, CDS, TA, DLV
        43 | 59 | 32768 | 32769 => &[U16, Algorithm, U8, Hex],
        // SSHFP
        44 => &[U8, U8, Hex],
        // NSEC
        47 => &[Field::Name, Types],
        // DHCID, OPENPGPKEY
        49 | 61 => &[Base64],
        // TLSA, SMIMEA
        52 | 53 => &[U8, U8, U8, Hex],
        // CSYNC
        62 => &[U32, U16, Types],
        // ZONEMD
        63 => &[U32, U8, U8, Hex],
        // NID, L64
        104 | 106 => &[U16, Address(8)],
        // L32
        105 => &[U16, V4],
        // EUI48, EUI64
        108 => &[Address(6)],
        109 => &[Address(8)],
        // URI
        256 => &[U16, U16, Bytes],
        // CAA
        257 => &[U8, Text, Bytes],
        _ => return None,
    })
}

/// The rdata that these words stand for. `at` is where the record starts.
pub(super) fn rdata(
    rtype: RecordType,
    words: &[Word<'_>],
    origin: NameRef<'_>,
    at: At,
) -> Result<Vec<u8>, Fault> {
    if let Some((_, rest)) = words
        .split_first()
        .filter(|(first, _)| first.text == b"\\#")
    {
        return generic(rtype, rest, at);
    }
    let word = || mnemonic::TypeWord(rtype.into());
    if words.is_empty() {
        return Err(Fault::new(
            at,
            format!("the {} record says nothing", word()),
        ));
    }
    if is_service(rtype) {
        return service::rdata(rtype, words, origin, at);
    }
    let Some(fields) = fields(rtype.into()) else {
        let message = format!(
            r"rdata of type {} is read in its generic form only: \# LENGTH HEX",
            word()
        );
        return Err(Fault::new(at, message));
    };
    let (mut to, mut rest) = (Vec::new(), words);
    for field in fields {
        rest = field.read(rest, origin, &mut to).unwrap_or_else(|| {
            Err(Fault::new(
                at,
                format!("the {} record is too short", word()),
            ))
        })?;
    }
    match rest.first() {
        Some(more) => Err(Fault::of(
            more,
            format!("is too much for a {} record", word()),
        )),
        None => Ok(to),
    }
}

impl Field {
    /// Reads this part from the first words; the others. `None` where there are not enough.
    fn read<'w, 't>(
        self,
        words: &'w [Word<'t>],
        origin: NameRef<'_>,
        to: &mut Vec<u8>,
    ) -> Option<Result<&'w [Word<'t>], Fault>> {
        let (first, rest) = match words.split_first() {
            Some((first, rest)) => (first, rest),
            None if self == Types => return Some(Ok(words)),
            None => return None,
        };
        let done = match self {
            Strings => {
                return Some(
                    words
                        .iter()
                        .try_for_each(|word| strings(word, to))
                        .map(|()| &[][..]),
                );
            }
            Hex | Base64 => {
                return Some(encoded(self == Hex, words, to).map(|()| &[][..]));
            }
            Types => return Some(bitmap(words, to).map(|()| &[][..])),
            Self::Name => name(first, origin).map(|name| to.extend(name.view().as_bytes())),
            U8 => number(first).map(|number: u8| to.push(number)),
            U16 => number(first).map(|number: u16| to.extend(number.to_be_bytes())),
            U32 => number(first).map(|number: u32| to.extend(number.to_be_bytes())),
            Seconds => seconds(first).map(|number| to.extend(number.to_be_bytes())),
            Moment => moment(first).map(|number| to.extend(number.to_be_bytes())),
            V4 => parse(first, "is no IPv4 address").map(|ip: Ipv4Addr| to.extend(ip.octets())),
            V6 => parse(first, "is no IPv6 address").map(|ip: Ipv6Addr| to.extend(ip.octets())),
            Text => string(first, to),
            Bytes => unescape(first).map(|bytes| to.extend(bytes)),
            Algorithm => worded(first, ALGORITHMS).and_then(|number| {
                let number = u8::try_from(number);
                let number = number.map_err(|_| Fault::of(first, "is no algorithm"))?;
                to.push(number);
                Ok(())
            }),
            Certificate => {
                worded(first, CERTIFICATES).map(|number| to.extend(number.to_be_bytes()))
            }
            Type => record_type(first).map(|number| to.extend(number.to_be_bytes())),
            Address(length) => address(first, length).map(|bytes| to.extend(bytes)),
        };
        Some(done.map(|()| rest))
    }
}

/// `LENGTH HEX` (RFC 3597, 5).
fn generic(rtype: RecordType, words: &[Word<'_>], at: At) -> Result<Vec<u8>, Fault> {
    let Some((length, hex)) = words.split_first() else {
        return Err(Fault::new(
            at,
            r"\# needs a length and so many bytes in hexadecimal",
        ));
    };
    let mut rdata = Vec::new();
    encoded(true, hex, &mut rdata)?;
    if rdata.len() != usize::from(number::<u16>(length)?) {
        let message = format!("is not the number of bytes that follow: {}", rdata.len());
        return Err(Fault::of(length, message));
    }
    if is_valid(rtype, &rdata) {
        Ok(rdata)
    } else {
        let word = mnemonic::TypeWord(rtype.into());
        Err(Fault::of(
            length,
            format!("bytes that are no rdata of type {word}"),
        ))
    }
}

/// Whether the names and addresses in rdata are whole: what answers are made of relies on that.
fn is_valid(rtype: RecordType, rdata: &[u8]) -> bool {
    let mut rest = rdata;
    let pieces = if is_service(rtype) {
        &[Piece::Bytes(2), Piece::WholeName]
    } else {
        wire::layout(rtype)
    };
    for piece in pieces {
        let length = match piece {
            Piece::Bytes(count) => *count,
            Piece::Name | Piece::WholeName => match NameRef::parse(rest) {
                Ok(name) => name.as_bytes().len().min(MAX_NAME),
                Err(_) => return false,
            },
        };
        let Some(after) = rest.get(length..) else {
            return false;
        };
        rest = after;
    }
    match rtype {
        RecordType::A => rest.len() == 4,
        RecordType::AAAA => rest.len() == 16,
        RecordType::SOA => rest.len() == 20,
        _ => true,
    }
}
