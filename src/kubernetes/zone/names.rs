//! The names of a slice's endpoints, packed.
//!
//! First is the text with which all of them start; then for each endpoint one byte that says what
//! its name is and how long the rest of it, and that rest. They are read one after the other.

use super::label;
use crate::kubernetes::object::Endpoint;

/// What the byte of an endpoint says, besides a length.
const LENGTH: u8 = 0b0011_1111;
const NAMED: u8 = 0b0100_0000;
const OF_POD: u8 = 0b1000_0000;

/// A reader of packed names.
#[derive(Debug)]
pub(super) struct Names<'s> {
    start: &'s [u8],
    rest: &'s [u8],
}

/// The name of an endpoint, in two pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'s> {
    pub(super) start: &'s [u8],
    pub(super) end: &'s [u8],
    /// whether it is the pod's, not a host name
    pub(super) is_of_pod: bool,
}

impl<'s> Names<'s> {
    /// Packs the host name of each endpoint, or where it has none its pod's: where it has one,
    /// that of its pod is never asked for. Nothing is added where no endpoint has a name.
    pub(super) fn pack(endpoints: &[&Endpoint], packed: &mut Vec<u8>) {
        let names = || endpoints.iter().map(|endpoint| name_of(endpoint));
        let texts = names().flatten().map(|(text, _)| text);
        let Some(start) = texts.reduce(common_start) else {
            return;
        };
        packed.push(length(start));
        packed.extend_from_slice(start);
        for name in names() {
            let Some((text, kind)) = name else {
                packed.push(0);
                continue;
            };
            let end = text.strip_prefix(start).unwrap_or_default();
            packed.push(NAMED | kind | length(end));
            packed.extend_from_slice(end);
        }
    }

    pub(super) fn open(packed: &'s [u8]) -> Self {
        let split = packed
            .split_first()
            .and_then(|(&length, rest)| rest.split_at_checked(usize::from(length)));
        let (start, rest) = split.unwrap_or_default();
        Self { start, rest }
    }

    /// The name of the next endpoint, if it has one.
    pub(super) fn next(&mut self) -> Option<Name<'s>> {
        let (&kind, rest) = self.rest.split_first()?;
        let (end, rest) = rest.split_at_checked(usize::from(kind & LENGTH))?;
        self.rest = rest;
        (kind & NAMED != 0).then_some(Name {
            start: self.start,
            end,
            is_of_pod: kind & OF_POD != 0,
        })
    }
}

fn name_of(endpoint: &Endpoint) -> Option<(&[u8], u8)> {
    let hostname = endpoint.hostname.as_deref().and_then(as_label);
    let pod = || endpoint.pod.as_deref().and_then(as_label);
    hostname
        .map(|name| (name, 0))
        .or_else(|| pod().map(|name| (name, OF_POD)))
}

/// A text that is not too long for a label, as CoreDNS asks of a pod's name.
fn as_label(text: &str) -> Option<&[u8]> {
    (1..=label::MOST)
        .contains(&text.len())
        .then_some(text.as_bytes())
}

fn common_start<'a>(one: &'a [u8], other: &[u8]) -> &'a [u8] {
    let length = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    one.get(..length).unwrap_or_default()
}

/// The length of a text that is at most a label.
fn length(text: &[u8]) -> u8 {
    u8::try_from(text.len()).unwrap_or_default() & LENGTH
}
