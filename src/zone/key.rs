//! Keys by which names sort in DNSSEC's canonical order (RFC 4034, 6.1).

use smallvec::SmallVec;

use crate::name::NameRef;

/// Ends a label. Smaller than any byte of a label, so that a shorter label sorts first.
const END: u8 = 0;
/// In front of what would be taken for [`END`] or for itself.
const ESCAPE: u8 = 1;

/// A name's key: its labels in lower case from right to left. As bytes these sort in canonical
/// order, and a name is at or below another exactly where its key starts with the other's.
pub(super) struct Key {
    bytes: SmallVec<[u8; 256]>,
    /// Where the key of the name's last labels ends, by their number.
    ends: SmallVec<[u16; 16]>,
}

impl Key {
    pub(super) fn of(name: NameRef<'_>) -> Self {
        let mut key = Self {
            bytes: SmallVec::new(),
            ends: SmallVec::new(),
        };
        key.end();
        let labels: SmallVec<[&[u8]; 16]> = name.labels().collect();
        for label in labels.into_iter().rev() {
            push_label(&mut key.bytes, label);
            key.end();
        }
        key
    }

    fn end(&mut self) {
        // A name of 255 bytes has a key of 510 at most.
        self.ends
            .push(u16::try_from(self.bytes.len()).unwrap_or(u16::MAX));
    }

    /// The number of labels.
    pub(super) fn labels(&self) -> usize {
        self.ends.len() - 1
    }

    /// The whole name's key.
    pub(super) fn whole(&self) -> &[u8] {
        &self.bytes
    }

    /// The key of so many of the last labels; all of them where there are not so many.
    pub(super) fn last(&self, labels: usize) -> &[u8] {
        let end = self.ends.get(labels).copied().map(usize::from);
        let end = end.unwrap_or(self.bytes.len());
        self.bytes.get(..end).unwrap_or(&self.bytes)
    }

    /// The key of the wildcard below so many of the last labels.
    pub(super) fn wildcard(&self, labels: usize) -> SmallVec<[u8; 64]> {
        let mut key = SmallVec::from_slice(self.last(labels));
        key.extend_from_slice(&[b'*', END]);
        key
    }
}

fn push_label(to: &mut SmallVec<[u8; 256]>, label: &[u8]) {
    for byte in label {
        match byte.to_ascii_lowercase() {
            low @ (END | ESCAPE) => to.extend_from_slice(&[ESCAPE, low + 1]),
            byte => to.push(byte),
        }
    }
    to.push(END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::n;

    fn key(text: &str) -> Vec<u8> {
        Key::of(n(text).view()).whole().to_vec()
    }

    #[test]
    fn names_sort_as_rfc_4034_says() {
        let sorted = [
            ".",
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "Z.a.example.",
            "zABC.a.EXAMPLE.",
            "z.example.",
            "\\000.z.example.",
            "\\001.z.example.",
            "\\001\\000.z.example.",
            "*.z.example.",
            "\\200.z.example.",
            "za.example.",
        ];
        for pair in sorted.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn a_key_starts_with_those_of_the_names_above() {
        let whole = Key::of(n("www.example.org.").view());
        assert_eq!(whole.labels(), 3);
        for (labels, name) in [
            (0, "."),
            (1, "org."),
            (2, "Example.ORG."),
            (3, "www.example.org."),
        ] {
            assert_eq!(whole.last(labels), key(name), "{name}");
        }
        assert_eq!(whole.wildcard(2).as_slice(), key("*.example.org."));
        assert!(!key("wwwx.example.org.").starts_with(whole.whole()));
    }
}
