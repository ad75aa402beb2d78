//! A name's text, for those who compare and change names as text: patterns, logs.

use smallvec::SmallVec;

use super::{NameParts, NameRef};

/// Texts of up to so many bytes stand on the stack: a text is moved about, and longer ones are odd.
const SHORT: usize = 120;

type Bytes = SmallVec<[u8; SHORT]>;

/// A name in presentation form (RFC 1035, 5.1), with the dot at its end; what is not printable or
/// would be ambiguous is escaped, so the text is ASCII.
#[derive(Clone, Debug)]
pub struct NameText(Bytes);

impl NameText {
    /// The text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<NameParts<'_>> for NameText {
    #[inline]
    fn from(name: NameParts<'_>) -> Self {
        Self(of_letters(name).unwrap_or_else(|| escaped(name)))
    }
}

/// The text of what nearly all names are, letters, digits, hyphens and underscores: the bytes of the
/// name, with dots in the place of lengths. `None` for others.
#[inline]
fn of_letters(name: NameParts<'_>) -> Option<Bytes> {
    let (head, tail) = match (name.head, name.tail.as_bytes()) {
        ([], tail) => (tail, &[][..]),
        both => both,
    };
    let (first, head) = head.split_first()?;
    let mut text = Bytes::from_slice(head);
    text.extend_from_slice(tail);
    let (mut dots, mut at) = (0, usize::from(*first));
    while let Some(length) = text.get_mut(at) {
        at += 1 + usize::from(std::mem::replace(length, b'.'));
        dots += 1;
    }
    // Without a branch for each byte, so that many are looked at together.
    let (letters, told) = text.iter().fold((true, 0), |(letters, dots), byte| {
        let is_dot = *byte == b'.';
        let is_letter = byte.is_ascii_alphanumeric() | (*byte == b'-') | (*byte == b'_');
        (letters & (is_letter | is_dot), dots + usize::from(is_dot))
    });
    // A dot within a label is none that a length was.
    (letters && told == dots && dots > 0).then_some(text)
}

fn escaped(name: NameParts<'_>) -> Bytes {
    let mut text = Bytes::new();
    for label in name.labels() {
        label.iter().for_each(|byte| push_escaped(&mut text, *byte));
        text.push(b'.');
    }
    if text.is_empty() {
        text.push(b'.');
    }
    text
}

impl From<NameRef<'_>> for NameText {
    #[inline]
    fn from(name: NameRef<'_>) -> Self {
        NameParts::from(name).into()
    }
}

fn is_special(byte: u8) -> bool {
    matches!(
        byte,
        b'.' | b'"' | b'\\' | b' ' | b'\'' | b'@' | b';' | b'(' | b')'
    )
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !is_special(byte)
}

fn push_escaped(text: &mut Bytes, byte: u8) {
    match byte {
        byte if is_plain(byte) => text.push(byte),
        byte if is_special(byte) => text.extend_from_slice(&[b'\\', byte]),
        other => {
            let digits = [other / 100, other / 10 % 10, other % 10].map(|digit| b'0' + digit);
            text.push(b'\\');
            text.extend_from_slice(&digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Labels of what is common, of what has to be escaped, and of lengths that are letters' bytes.
    fn label() -> impl Strategy<Value = Vec<u8>> {
        let of = |bytes: &'static [u8]| vec(proptest::sample::select(bytes), 1..=63);
        prop_oneof![of(b"aZ09-_"), of(b"ab.\\* "), vec(any::<u8>(), 1..=63)]
    }

    proptest! {
        #[test]
        fn a_text_is_the_same_whether_its_name_is_common_or_not(
            labels in vec(label(), 0..4),
            split in 0_usize..4,
        ) {
            let wire = |labels: &[Vec<u8>]| -> Vec<u8> {
                let prefixed = |label: &Vec<u8>| [vec![label.len() as u8], label.clone()].concat();
                labels.iter().flat_map(prefixed).collect()
            };
            let (head, tail) = labels.split_at(split.min(labels.len()));
            let (head, tail) = (wire(head), [wire(tail), vec![0]].concat());
            if let Ok(tail) = NameRef::parse(&tail) {
                let name = NameParts { head: &head, tail };
                let text = NameText::from(name);
                prop_assert_eq!(text.as_str().as_bytes(), &*escaped(name));
                let is_common = labels.iter().flatten().all(|byte| {
                    byte.is_ascii_alphanumeric() || b"-_".contains(byte)
                });
                prop_assert_eq!(of_letters(name).is_some(), is_common && !labels.is_empty());
            }
        }
    }
}
