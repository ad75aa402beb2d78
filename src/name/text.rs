//! A name's text, for those who compare and change names as text: patterns, logs.

use smallvec::SmallVec;

use super::{NameParts, NameRef};

/// A name in presentation form (RFC 1035, 5.1), with the dot at its end; what is not printable or
/// would be ambiguous is escaped, so the text is ASCII. On the stack but for the oddest names.
#[derive(Clone, Debug)]
pub struct NameText(SmallVec<[u8; 256]>);

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
        let mut text = SmallVec::new();
        for label in name.labels() {
            if label.iter().all(|byte| is_plain(*byte)) {
                text.extend_from_slice(label);
            } else {
                label.iter().for_each(|byte| push_escaped(&mut text, *byte));
            }
            text.push(b'.');
        }
        if text.is_empty() {
            text.push(b'.');
        }
        Self(text)
    }
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

#[inline]
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !is_special(byte)
}

fn push_escaped(text: &mut SmallVec<[u8; 256]>, byte: u8) {
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
