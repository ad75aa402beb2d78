//! The options of an OPT record, to be changed.

use std::ops::Range;

use super::u16_at;

/// An OPT's options are at most so many bytes.
const LONGEST: usize = u16::MAX as usize;

/// Options as they stand in an OPT: code, length, data, and again (RFC 6891, 6.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(Vec<u8>);

impl From<Vec<u8>> for Options {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Options {
    /// The options' bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The options' bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The place of the first option of this code.
    #[must_use]
    pub fn find(&self, code: u16) -> Option<Range<usize>> {
        find(&self.0, code)
    }

    /// Puts an option in place of another, and gives the other's data; `None`, with nothing done,
    /// where there is no room.
    pub fn replace(&mut self, place: Range<usize>, code: u16, data: &[u8]) -> Option<Vec<u8>> {
        let option = option(code, data)?;
        if self.0.len() - place.len() + option.len() > LONGEST {
            return None;
        }
        let before = self.0.splice(place, option).skip(4).collect();
        Some(before)
    }

    /// Adds an option; `None`, with nothing done, where there is no room.
    pub fn push(&mut self, code: u16, data: &[u8]) -> Option<()> {
        let option = option(code, data)?;
        if self.0.len() + option.len() > LONGEST {
            return None;
        }
        self.0.extend(option);
        Some(())
    }

    /// Takes an option out.
    pub fn remove(&mut self, place: Range<usize>) {
        if place.end <= self.0.len() {
            self.0.drain(place);
        }
    }

    /// Takes all options of this code out.
    pub fn remove_all(&mut self, code: u16) {
        while let Some(place) = self.find(code) {
            self.remove(place);
        }
    }

    /// Those options that have one of these codes.
    #[must_use]
    pub fn only(&self, codes: &[u16]) -> Self {
        let wanted = each(&self.0).filter(|(code, _)| codes.contains(code));
        let bytes = wanted.filter_map(|(_, place)| self.0.get(place));
        Self(bytes.flatten().copied().collect())
    }
}

/// The place of the first option of this code in the options of an OPT.
#[must_use]
pub fn find(options: &[u8], code: u16) -> Option<Range<usize>> {
    each(options)
        .find(|(found, _)| *found == code)
        .map(|(_, place)| place)
}

/// The code and the place of each option.
fn each(options: &[u8]) -> impl Iterator<Item = (u16, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let code = u16_at(options, at)?;
        let start = at;
        at += 4 + usize::from(u16_at(options, at + 2)?);
        (at <= options.len()).then_some((code, start..at))
    })
}

fn option(code: u16, data: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(data.len()).ok()?;
    Some([&code.to_be_bytes()[..], &length.to_be_bytes(), data].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_replaced_and_taken_out() {
        let mut options = Options::default();
        options.push(3, b"ab").unwrap();
        options.push(8, b"").unwrap();
        options.push(3, b"c").unwrap();
        assert_eq!(options.find(3), Some(0..6));
        assert_eq!(options.find(9), None);
        let before = options.replace(0..6, 3, b"xyz").unwrap();
        assert_eq!(before, b"ab");
        assert_eq!(
            options.only(&[3]).as_bytes(),
            b"\0\x03\0\x03xyz\0\x03\0\x01c"
        );
        options.remove_all(3);
        assert_eq!(options.as_bytes(), b"\0\x08\0\0");
    }

    #[test]
    fn there_are_never_more_than_an_opt_holds() {
        let mut options = Options::default();
        assert_eq!(options.push(1, &[0; 65_536]), None);
        options.push(1, &[0; 65_531]).unwrap();
        assert_eq!(options.push(2, b""), None);
        assert_eq!(options.replace(0..65_535, 1, &[0; 65_532]), None);
        assert_eq!(options.as_bytes().len(), 65_535);
    }

    #[test]
    fn half_an_option_is_none() {
        for bytes in [&b"\0"[..], b"\0\x03\0", b"\0\x03\0\x02a"] {
            assert_eq!(Options::from(bytes.to_vec()).find(3), None, "{bytes:?}");
        }
    }
}
