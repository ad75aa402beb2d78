//! Name compression (RFC 1035, 4.1.4) in time that grows with the names, not with their square.

use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;

use crate::name::{NameParts, NameRef};
use crate::wire;

/// A pointer has 14 bits.
const FURTHEST: usize = 0x4000;

/// The names written so far: a keyed hash of each suffix, and where it stands.
///
/// Case counts, so that each name keeps the case it came in.
#[derive(Default)]
pub(super) struct Compressor {
    suffixes: HashMap<u64, u16, RandomState>,
}

impl Compressor {
    /// Notes a whole name that already stands at `at`.
    pub(super) fn note(&mut self, name: NameRef<'_>, at: usize) {
        let whole = name.as_bytes();
        for suffix in name.suffixes().filter(|suffix| !suffix.is_root()) {
            let place = at + whole.len() - suffix.as_bytes().len();
            self.insert(self.hash(suffix), place);
        }
    }

    /// Writes a name: its leading labels, then a pointer to a suffix that stands already, where
    /// there is one and the record's type allows it (`may_point`). Either way others may point at
    /// what is written here.
    pub(super) fn write(
        &mut self,
        name: NameParts<'_>,
        may_point: bool,
        out: &mut Vec<u8>,
        start: usize,
    ) {
        let whole;
        let view = if name.head.is_empty() {
            name.tail
        } else {
            whole = name.to_name();
            whole.view()
        };
        for suffix in view.suffixes() {
            if suffix.is_root() {
                break;
            }
            let hash = self.hash(suffix);
            match self.suffixes.get(&hash) {
                Some(place)
                    if may_point && stands_at(&out[start..], usize::from(*place), suffix) =>
                {
                    out.extend_from_slice(&(0xc000 | *place).to_be_bytes());
                    return;
                }
                Some(_) => {}
                None => self.insert(hash, out.len() - start),
            }
            let label = suffix.labels().next().unwrap_or_default();
            out.push(u8::try_from(label.len()).unwrap_or(0));
            out.extend_from_slice(label);
        }
        out.push(0);
    }

    fn insert(&mut self, hash: u64, place: usize) {
        if let Some(place) = u16::try_from(place).ok().filter(|_| place < FURTHEST) {
            self.suffixes.entry(hash).or_insert(place);
        }
    }

    fn hash(&self, suffix: NameRef<'_>) -> u64 {
        self.suffixes.hasher().hash_one(suffix.as_bytes())
    }
}

/// Whether the name at `at` is `suffix`: equal hashes are not proof.
fn stands_at(message: &[u8], mut at: usize, suffix: NameRef<'_>) -> bool {
    let mut rest = suffix.as_bytes();
    loop {
        let Some(length) = message.get(at).map(|byte| usize::from(*byte)) else {
            return false;
        };
        if length >= 0xc0 {
            match wire::u16_at(message, at).map(|pointer| usize::from(pointer & 0x3fff)) {
                Some(target) if target < at => at = target,
                _ => return false,
            }
            continue;
        }
        let label = message.get(at..=at + length);
        let (Some(label), Some((expected, after))) = (label, rest.split_at_checked(1 + length))
        else {
            return false;
        };
        if label != expected {
            return false;
        }
        if length == 0 {
            return true;
        }
        (at, rest) = (at + 1 + length, after);
    }
}
