//! The label by which an endpoint is called.

use std::fmt::{self, Write};
use std::net::IpAddr;

/// The bytes that a label may have: RFC 1035, section 2.3.4.
pub(super) const MOST: usize = 63;

/// A short text on the stack: the label of an endpoint.
///
/// It can hold dots, where it is the name of a pod: then it is several labels of a target, as in
/// CoreDNS, and no question finds the endpoint by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label {
    length: u8,
    bytes: [u8; MOST],
}

impl Label {
    /// The label's bytes, without a length before them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    pub(super) const fn empty() -> Self {
        Self {
            length: 0,
            bytes: [0; MOST],
        }
    }

    /// Adds what fits.
    pub(super) fn push(&mut self, more: &[u8]) {
        let room = self.bytes.iter_mut().skip(usize::from(self.length));
        for (byte, &new) in room.zip(more) {
            *byte = new;
            self.length += 1;
        }
    }

    /// A text as a label, cut where it is longer than one; `None` where it is empty.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let mut label = Self::empty();
        label.push(text.as_bytes());
        (!text.is_empty()).then_some(label)
    }

    /// How CoreDNS calls an endpoint that has no other name: its address with `-` for `.` and
    /// `:`. As no label may end in `-`, a `0` follows there.
    pub(super) fn of_address(address: IpAddr) -> Self {
        let mut label = Self::text(address);
        for byte in &mut label.bytes {
            if matches!(byte, b'.' | b':') {
                *byte = b'-';
            }
        }
        if label.as_bytes().ends_with(b"-") {
            label.push(b"0");
        }
        label
    }

    /// The address as text: RFC 5952 for IPv6.
    fn text(address: IpAddr) -> Self {
        let mut text = Self::empty();
        // an address always fits, so there is no error to see
        let _ = match address {
            IpAddr::V4(address) => write!(text, "{address}"),
            IpAddr::V6(address) => write!(text, "{address}"),
        };
        text
    }

    fn with_separator(label: &[u8], separator: u8) -> Self {
        let mut text = Self::empty();
        text.push(label);
        for byte in &mut text.bytes {
            if *byte == b'-' {
                *byte = separator;
            }
        }
        text
    }

    fn address(&self) -> Option<IpAddr> {
        std::str::from_utf8(self.as_bytes()).ok()?.parse().ok()
    }
}

impl Write for Label {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        self.push(more.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

/// The address whose [`Label::of_address`] this label is.
pub(super) fn endpoint_address(label: &[u8]) -> Option<IpAddr> {
    // most names of endpoints are told from an address by their first byte
    let is_address = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    if !label.iter().all(is_address) {
        return None;
    }
    let address = [b'.', b':']
        .into_iter()
        .find_map(|separator| Label::with_separator(label, separator).address())?;
    (Label::of_address(address).as_bytes() == label).then_some(address)
}

/// The address that the label of a pod stands for; with `as_written`, only if a pod's status
/// writes it like this.
///
/// Three dashes, none beside another, separate the octets of an IPv4 address; any other label is
/// read as an IPv6 address. An IPv4-mapped one is the IPv4 address.
pub(super) fn pod_address(label: &[u8], as_written: bool) -> Option<IpAddr> {
    let dashes = label.iter().filter(|byte| **byte == b'-').count();
    let octets = dashes == 3 && !label.windows(2).any(|pair| pair == b"--");
    // a dot in a label is written `\.` in the name's text, which is no address
    if label.contains(&b'.') {
        return None;
    }
    let text = Label::with_separator(label, if octets { b'.' } else { b':' });
    let address = text.address()?;
    (!as_written || Label::text(address) == text).then(|| address.to_canonical())
}
