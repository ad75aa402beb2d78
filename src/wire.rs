//! The message format's fixed parts (RFC 1035, 4.1): header, flags, and where names stand in rdata.

use hickory_proto::rr::RecordType;

pub mod mnemonic;
pub mod options;

/// The header's length in bytes.
pub const HEADER_LEN: usize = 12;

/// A message's 16 flag bits without opcode and rcode: QR AA TC RD RA Z AD CD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// The message is a response.
    pub const QR: Self = Self(0x8000);
    /// Authoritative answer.
    pub const AA: Self = Self(0x0400);
    /// Truncated.
    pub const TC: Self = Self(0x0200);
    /// Recursion desired.
    pub const RD: Self = Self(0x0100);
    /// Recursion available.
    pub const RA: Self = Self(0x0080);
    /// Reserved.
    pub const Z: Self = Self(0x0040);
    /// Authentic data (RFC 4035).
    pub const AD: Self = Self(0x0020);
    /// Checking disabled (RFC 4035).
    pub const CD: Self = Self(0x0010);
    /// No flag.
    pub const NONE: Self = Self(0);

    const MASK: u16 = 0x87f0;

    /// The flags of the header's second 16 bits.
    #[inline]
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits & Self::MASK)
    }

    /// The bits, in their place in the header.
    #[inline]
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `other` are set.
    #[inline]
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and `other`.
    #[inline]
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without `other`.
    #[inline]
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in both.
    #[inline]
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// An operation code (RFC 6895, 2.2), as it stands in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(pub u8);

impl Opcode {
    /// A question.
    pub const QUERY: Self = Self(0);
    /// A zone changed (RFC 1996).
    pub const NOTIFY: Self = Self(4);

    /// The opcode of the header's second 16 bits.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(((bits >> 11) & 0xf) as u8)
    }

    /// The bits, in their place in the header.
    #[must_use]
    pub fn bits(self) -> u16 {
        u16::from(self.0 & 0xf) << 11
    }
}

/// A piece of rdata that is not plain bytes to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// So many plain bytes.
    Bytes(usize),
    /// A name that may be compressed, here and by others (types of RFC 1035).
    Name,
    /// A name that must not be compressed when sent (RFC 3597, 4), but that others may point at.
    WholeName,
}

/// Where the names of a type's rdata stand. What follows the last piece is plain bytes; a type
/// that is not told here has plain rdata.
#[must_use]
pub fn layout(rtype: RecordType) -> &'static [Piece] {
    use Piece::{Bytes, Name, WholeName};
    match u16::from(rtype) {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 => &[Name],
        // SOA, MINFO
        6 | 14 => &[Name, Name],
        // MX
        15 => &[Bytes(2), Name],
        // RP, TALINK
        17 | 58 => &[WholeName, WholeName],
        // AFSDB, RT, KX, LP
        18 | 21 | 36 | 107 => &[Bytes(2), WholeName],
        // SIG, RRSIG
        24 | 46 => &[Bytes(18), WholeName],
        // PX
        26 => &[Bytes(2), WholeName, WholeName],
        // NSAP-PTR, DNAME, NXT, NSEC
        23 | 30 | 39 | 47 => &[WholeName],
        // SRV
        33 => &[Bytes(6), WholeName],
        _ => &[],
    }
}

/// Reads a big-endian 16-bit number.
#[inline]
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    pair.try_into().ok().map(u16::from_be_bytes)
}

/// Reads a big-endian 32-bit number.
#[inline]
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(u32::from_be_bytes)
}

/// The place behind the name at `at`, which may end in a pointer; `None` where there is none.
#[must_use]
pub fn name_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}
