//! Domain names as they stand on the wire: labels with their lengths, then the root.
//!
//! [`NameRef`] is a view of bytes that were checked once; [`Name`] owns them. Comparisons of the
//! query's path run on lower-cased wire bytes at label boundaries (RFC 4343), so a name is
//! lower-cased once, when it is read.

use std::fmt;
use std::sync::Arc;

mod text;
mod zone_list;
mod zone_map;

pub use text::NameText;
pub use zone_list::ZoneList;
pub use zone_map::ZoneMap;

/// Longest name on the wire (RFC 1035, 2.3.4).
pub const MAX_NAME: usize = 255;
/// Longest label (RFC 1035, 2.3.4).
pub const MAX_LABEL: usize = 63;
/// Bytes that are lower-cased at a time: what a register holds.
const BLOCK: usize = 16;

/// A whole, uncompressed name in wire form, borrowed. Never empty: the root is one zero byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameRef<'a>(&'a [u8]);

/// A whole, uncompressed name in wire form, shared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<[u8]>);

/// A name as two pieces that follow each other: any number of labels, then a whole name.
///
/// The owner or target of a record is often "some labels of the cluster's, then the end of the
/// question"; in two pieces it is rendered with no copy of its own.
#[derive(Clone, Copy)]
pub struct NameParts<'a> {
    /// Labels without the root; may be empty.
    pub head: &'a [u8],
    /// The rest, up to and with the root.
    pub tail: NameRef<'a>,
}

/// Why text or bytes are not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A label of more than 63 bytes.
    #[error("a label is longer than 63 bytes")]
    LabelTooLong,
    /// More than 255 bytes in wire form.
    #[error("the name is longer than 255 bytes")]
    TooLong,
    /// Two dots in a row, or a dot at the start.
    #[error("a label is empty")]
    EmptyLabel,
    /// A backslash that is not followed by a character or by three digits up to 255.
    #[error("a backslash escapes nothing")]
    BadEscape,
    /// The bytes end inside the name, or are compressed.
    #[error("the bytes do not hold a whole name")]
    Malformed,
}

impl<'a> NameRef<'a> {
    /// The root.
    pub const ROOT: NameRef<'static> = NameRef(&[0]);

    /// The uncompressed name that `bytes` starts with; what follows it is not looked at.
    ///
    /// # Errors
    /// [`NameError`] where there is no whole name, or a compression pointer.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NameError> {
        let mut at = 0;
        loop {
            let length = usize::from(*bytes.get(at).ok_or(NameError::Malformed)?);
            if length > MAX_LABEL {
                return Err(NameError::Malformed);
            }
            at += 1 + length;
            if at > MAX_NAME {
                return Err(NameError::TooLong);
            }
            if length == 0 {
                return bytes.get(..at).map(Self).ok_or(NameError::Malformed);
            }
        }
    }

    /// The wire bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether this is the root.
    #[inline]
    #[must_use]
    pub fn is_root(self) -> bool {
        self.0.len() == 1
    }

    /// The labels from left to right, without the root.
    pub fn labels(self) -> Labels<'a> {
        Labels(self.0)
    }

    /// The number of labels, without the root.
    #[must_use]
    pub fn label_count(self) -> usize {
        self.labels().count()
    }

    /// The name without its leftmost label; `None` for the root.
    #[inline]
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        let length = usize::from(*self.0.first()?);
        if length == 0 {
            return None;
        }
        self.0.get(1 + length..).map(Self)
    }

    /// This name, its parent, and so on up to the root.
    pub fn suffixes(self) -> impl Iterator<Item = Self> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let name = rest;
            let length = usize::from(*name.first()?);
            rest = name.get(1 + length..).unwrap_or_default();
            Some(Self(name))
        })
    }

    /// The name that starts `skip` bytes into this one, where a label starts there.
    ///
    /// The root where `skip` is out of range, so that a bad offset cannot panic.
    #[inline]
    #[must_use]
    pub fn skip(self, skip: usize) -> Self {
        match self.0.get(skip..) {
            Some(rest) if !rest.is_empty() => Self(rest),
            _ => NameRef::ROOT,
        }
    }

    /// Where this name is `zone` or below it: the labels left of the zone, without a root.
    ///
    /// Both must be lower-cased. The match is on a label boundary: `notexample.org` is not below
    /// `example.org`.
    #[inline]
    #[must_use]
    pub fn strip_zone(self, zone: NameRef<'_>) -> Option<&'a [u8]> {
        let cut = self.0.len().checked_sub(zone.0.len())?;
        let (head, tail) = self.0.split_at_checked(cut)?;
        if zone.is_root() {
            return Some(head);
        }
        // Zones mostly differ in their first byte already, which costs no call.
        if tail.first() != zone.0.first() || tail != zone.0 {
            return None;
        }
        // A byte suffix may start inside a label: walk the labels to see that one starts here.
        let mut at = 0;
        while at < cut {
            at += 1 + usize::from(*head.get(at)?);
        }
        (at == cut).then_some(head)
    }

    /// Whether this name is `zone` or below it; see [`Self::strip_zone`].
    #[inline]
    #[must_use]
    pub fn is_in(self, zone: NameRef<'_>) -> bool {
        self.strip_zone(zone).is_some()
    }

    /// An owned copy.
    #[must_use]
    pub fn to_name(self) -> Name {
        Name(Arc::from(self.0))
    }

    /// An owned copy in lower case.
    #[must_use]
    pub fn to_lower(self) -> Name {
        Name(self.0.iter().map(u8::to_ascii_lowercase).collect())
    }

    /// Lower-cases into `buffer`, and gives the view of it. Length bytes are below `A`, so the
    /// whole slice can be mapped at once.
    #[inline]
    #[must_use]
    pub fn lower_into(self, buffer: &mut [u8; MAX_NAME]) -> NameRef<'_> {
        let length = self.0.len().min(MAX_NAME);
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), self.0.get(..length)) {
            to.copy_from_slice(from);
        }
        // Whole blocks, of which the last may reach past the name: no byte is mapped on its own.
        let end = length.next_multiple_of(BLOCK).min(MAX_NAME);
        let (blocks, rest) = buffer
            .get_mut(..end)
            .unwrap_or_default()
            .as_chunks_mut::<BLOCK>();
        blocks
            .iter_mut()
            .for_each(|block| block.make_ascii_lowercase());
        rest.make_ascii_lowercase();
        buffer.get(..length).map_or(NameRef::ROOT, NameRef)
    }

    /// Whether both names are the same but for case.
    #[must_use]
    pub fn eq_ignore_case(self, other: NameRef<'_>) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

/// The labels of a name; see [`NameRef::labels`].
#[derive(Clone)]
pub struct Labels<'a>(&'a [u8]);

impl<'a> Labels<'a> {
    /// The labels of bytes that are labels only, with no root at their end.
    #[must_use]
    pub fn of_head(head: &'a [u8]) -> Self {
        Self(head)
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first()?;
        if *length == 0 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some(label)
    }
}

impl Name {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        NameRef::ROOT.to_name()
    }

    /// A name from presentation text (RFC 1035, 5.1): dots between labels, `\.` and `\DDD`
    /// escapes; a dot at the end may be left out. Case is kept. Empty text is the root.
    ///
    /// # Errors
    /// [`NameError`] says what the text breaks.
    pub fn from_text(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text == "." {
            return Ok(Self::root());
        }
        let mut wire: Vec<u8> = vec![0];
        let mut start = 0; // where the current label's length byte is
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'.' => {
                    finish_label(&mut wire, start)?;
                    if bytes.peek().is_none() {
                        start = wire.len();
                        break;
                    }
                    start = wire.len();
                    wire.push(0);
                    continue;
                }
                b'\\' => unescape(&mut bytes)?,
                other => other,
            };
            wire.push(byte);
        }
        if start < wire.len() {
            finish_label(&mut wire, start)?;
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        Ok(Self(wire.into()))
    }

    /// A name from its labels, left to right.
    ///
    /// # Errors
    /// [`NameError`] where a label is empty or too long, or the whole is.
    pub fn from_labels<'l>(labels: impl IntoIterator<Item = &'l [u8]>) -> Result<Self, NameError> {
        let mut wire = Vec::new();
        for label in labels {
            match u8::try_from(label.len()) {
                Ok(0) => return Err(NameError::EmptyLabel),
                Ok(length) if label.len() <= MAX_LABEL => wire.push(length),
                _ => return Err(NameError::LabelTooLong),
            }
            wire.extend_from_slice(label);
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        Ok(Self(wire.into()))
    }

    /// A name from bytes that are an uncompressed name and no more.
    ///
    /// # Errors
    /// [`NameError`] where they are not.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, NameError> {
        let name = NameRef::parse(bytes)?;
        if name.as_bytes().len() == bytes.len() {
            Ok(name.to_name())
        } else {
            Err(NameError::Malformed)
        }
    }

    /// A view of the name.
    #[inline]
    #[must_use]
    pub fn view(&self) -> NameRef<'_> {
        NameRef(&self.0)
    }
}

/// Writes the length of the label that starts at `start`.
fn finish_label(wire: &mut [u8], start: usize) -> Result<(), NameError> {
    let length = wire.len() - start - 1;
    if length == 0 {
        return Err(NameError::EmptyLabel);
    }
    if length > MAX_LABEL {
        return Err(NameError::LabelTooLong);
    }
    if let (Some(place), Ok(length)) = (wire.get_mut(start), u8::try_from(length)) {
        *place = length;
    }
    Ok(())
}

/// The byte that an escape stands for; the backslash is already read.
fn unescape(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes
            .next()
            .filter(u8::is_ascii_digit)
            .ok_or(NameError::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

impl<'a> NameParts<'a> {
    /// The length in wire form.
    #[inline]
    #[must_use]
    pub fn wire_len(self) -> usize {
        self.head.len() + self.tail.0.len()
    }

    /// The labels from left to right, without the root.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        Labels(self.head).chain(Labels(self.tail.0))
    }

    /// The name in one piece. Too long a whole gives its tail alone, which cannot come from names
    /// that were checked against [`MAX_NAME`] together.
    #[must_use]
    pub fn to_name(self) -> Name {
        if self.head.is_empty() || self.wire_len() > MAX_NAME {
            return self.tail.to_name();
        }
        Name([self.head, self.tail.0].concat().into())
    }
}

impl<'a> From<NameRef<'a>> for NameParts<'a> {
    fn from(tail: NameRef<'a>) -> Self {
        Self { head: &[], tail }
    }
}

/// The form of [`NameText`], so that a name can stand in a log line.
impl fmt::Display for NameParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NameText::from(*self).as_str())
    }
}

impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NameParts::from(*self).fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for NameParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::borrow::Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::from_text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn text_and_wire_agree() {
        for (text, wire, shown) in [
            (".", &b"\0"[..], "."),
            ("", b"\0", "."),
            ("a", b"\x01a\0", "a."),
            ("a.bc.", b"\x01a\x02bc\0", "a.bc."),
            (r"a\.b.c", b"\x03a.b\x01c\0", r"a\.b.c."),
            (r"\000\255x", b"\x03\x00\xffx\0", r"\000\255x."),
            ("Mixed.Case", b"\x05Mixed\x04Case\0", "Mixed.Case."),
        ] {
            assert_eq!(n(text).view().as_bytes(), wire, "{text}");
            assert_eq!(n(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn bad_text_is_refused_with_its_reason() {
        for (text, error) in [
            ("..", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            ("a\\", NameError::BadEscape),
            ("a\\25", NameError::BadEscape),
            ("a\\256", NameError::BadEscape),
        ] {
            assert_eq!(Name::from_text(text), Err(error), "{text}");
        }
        let long = "x".repeat(64);
        assert_eq!(Name::from_text(&long), Err(NameError::LabelTooLong));
        assert_eq!(
            Name::from_text(&["abcdefg"; 32].join(".")),
            Err(NameError::TooLong)
        );
        assert!(Name::from_text(&["x"; 127].join(".")).is_ok());
    }

    #[test]
    fn a_zone_matches_on_label_boundaries_only() {
        for (name, zone, head) in [
            ("a.example.org", "example.org", Some(&b"\x01a"[..])),
            ("example.org", "example.org", Some(b"")),
            ("notexample.org", "example.org", None),
            ("org", "example.org", None),
            ("a.b", ".", Some(b"\x01a\x01b")),
        ] {
            assert_eq!(
                n(name).view().strip_zone(n(zone).view()),
                head,
                "{name} {zone}"
            );
        }
        // The bytes of "\x03www\x07example\x03org\0" inside one label are no zone.
        let tricky = Name::from_labels([&b"x\x07example\x03org"[..]]).unwrap();
        assert!(!tricky.view().is_in(n("example.org").view()));
    }

    #[test]
    fn parse_takes_whole_uncompressed_names_only() {
        for (bytes, length) in [
            (&b"\0rest"[..], Some(1)),
            (b"\x01a\0", Some(3)),
            (b"\x01a", None),
            (b"", None),
            (b"\xc0\x0c", None),
            (b"\x40aaaa", None),
        ] {
            let parsed = NameRef::parse(bytes).ok().map(|name| name.as_bytes().len());
            assert_eq!(parsed, length, "{bytes:?}");
        }
    }
}
