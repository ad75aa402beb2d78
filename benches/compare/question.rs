//! A question as bytes, and what a right answer to it holds.

use std::net::Ipv4Addr;

/// The length of a header.
const HEADER: usize = 12;
/// The types that are looked at.
const A: u16 = 1;

/// Whether a question has an OPT, and the case of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Lower case, no OPT: musl, and glibc without `edns0`.
    Plain,
    /// Random case and an OPT of 1232 bytes: a resolver with 0x20.
    Mixed,
}

/// A question for an IPv4 address, with its right answer.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The message; its id is put in when it is sent.
    pub(crate) packet: Vec<u8>,
    end: usize,
    rcode: u8,
    /// The addresses, in any order.
    addresses: Vec<Ipv4Addr>,
}

impl Question {
    /// A name that has these addresses; none is NODATA.
    pub(crate) fn found(name: &str, style: Style, addresses: Vec<Ipv4Addr>) -> Self {
        Self::new(name, style, 0, addresses)
    }

    /// A name that does not exist.
    pub(crate) fn missing(name: &str, style: Style) -> Self {
        Self::new(name, style, 3, Vec::new())
    }

    fn new(name: &str, style: Style, rcode: u8, addresses: Vec<Ipv4Addr>) -> Self {
        let additional = u8::from(style == Style::Mixed);
        let mut packet = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            packet.push(u8::try_from(label.len()).unwrap_or_default());
            packet.extend_from_slice(label.as_bytes());
        }
        packet.extend_from_slice(&[0, 0, 1, 0, 1]);
        let end = packet.len();
        if style == Style::Mixed {
            for byte in &mut packet[HEADER..end - 5] {
                if byte.is_ascii_lowercase() && rand::random() {
                    *byte = byte.to_ascii_uppercase();
                }
            }
            packet.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        }
        Self {
            packet,
            end,
            rcode,
            addresses,
        }
    }

    /// What is wrong with a reply of which the id is known to be right; an `echo` is the question
    /// with QR set.
    pub(crate) fn check(&self, reply: &[u8], echo: bool) -> Result<(), String> {
        let number = |at| u16_at(reply, at).unwrap_or_default();
        let flags = number(2);
        if reply.len() < HEADER || flags & 0x8000 == 0 {
            return Err("it is no reply".into());
        }
        if echo {
            let same = reply.get(HEADER..) == self.packet.get(HEADER..);
            return same.then_some(()).ok_or_else(|| "it is no echo".into());
        }
        if flags & 0x0200 != 0 {
            return Err("it is truncated".into());
        }
        if reply.get(HEADER..self.end) != self.packet.get(HEADER..self.end) {
            return Err("it repeats another question".into());
        }
        if flags & 0xf != u16::from(self.rcode) {
            return Err(format!("code {} for {}", flags & 0xf, self.rcode));
        }
        if self.packet.get(11) == Some(&1) && number(10) == 0 {
            return Err("it has no OPT".into());
        }
        self.check_records(reply, number(6))
    }

    fn check_records(&self, reply: &[u8], count: u16) -> Result<(), String> {
        if usize::from(count) != self.addresses.len() {
            return Err(format!("{count} records for {}", self.addresses.len()));
        }
        let mut at = self.end;
        for _ in 0..count {
            let found = address(reply, &mut at).ok_or("its answer is no address")?;
            if !self.addresses.contains(&found) {
                return Err(format!("{found} for {:?}", self.addresses));
            }
        }
        Ok(())
    }

    /// The name that is asked for, as text.
    pub(crate) fn name(&self) -> String {
        let mut rest = self.packet.get(HEADER..).unwrap_or_default();
        let mut text = String::new();
        while let Some((length @ 1.., after)) = rest.split_first() {
            let (label, after) = after.split_at(usize::from(*length).min(after.len()));
            text += &String::from_utf8_lossy(label);
            text.push('.');
            rest = after;
        }
        text
    }
}

/// Reads the A record at `at`, and steps over it.
fn address(message: &[u8], at: &mut usize) -> Option<Ipv4Addr> {
    loop {
        match *message.get(*at)? {
            0 => {
                *at += 1;
                break;
            }
            0xc0.. => {
                *at += 2;
                break;
            }
            length => *at += 1 + usize::from(length),
        }
    }
    let (rtype, length) = (u16_at(message, *at)?, u16_at(message, *at + 8)?);
    let rdata: [u8; 4] = message.get(*at + 10..*at + 14)?.try_into().ok()?;
    *at += 14;
    (rtype == A && length == 4).then(|| rdata.into())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..at + 2)?
        .try_into()
        .ok()
        .map(u16::from_be_bytes)
}
