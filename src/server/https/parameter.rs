//! The message in the address of a GET request: `?dns=` and base64url without padding.

use std::borrow::Cow;
use std::sync::LazyLock;

use data_encoding::{BASE64URL_NOPAD, Encoding, HEXLOWER_PERMISSIVE};

/// As Go reads it: bits behind the last byte and ends of lines are passed over.
static BASE64: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = BASE64URL_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.ignore.push_str("\r\n");
    // What is left of the standard's alphabet cannot fail.
    specification.encoding().unwrap_or(BASE64URL_NOPAD)
});

/// The message; `None` where there is none, more than one, or what is no base64url.
pub(super) fn message(parameters: &str) -> Option<Vec<u8>> {
    // What is no pair is passed over: one with a semicolon, or an escape that is none.
    let pairs = parameters.split('&').filter(|pair| !pair.contains(';'));
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let pairs = pairs.filter_map(|(name, value)| Some((unescaped(name)?, unescaped(value)?)));
    let mut values = pairs.filter_map(|(name, value)| (*name == *b"dns").then_some(value));
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    BASE64.decode(&value).ok()
}

/// A part of a request's address without its escapes (RFC 3986, 2.1); `None` where one is wrong.
pub(super) fn unescaped(text: &str) -> Option<Cow<'_, [u8]>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (escape, rest) = part.as_bytes().split_at_checked(2)?;
        bytes.extend(HEXLOWER_PERMISSIVE.decode(escape).ok()?);
        bytes.extend_from_slice(rest);
    }
    Some(Cow::Owned(bytes))
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn one_parameter_holds_the_message() {
        for (parameters, expected) in [
            ("dns=AAEC", Some(&[0u8, 1, 2][..])),
            ("a=b&dns=_-8&c", Some(&[0xff, 0xef])),
            ("dns=", Some(&[])),
            // The last bits of the last character are nobody's.
            ("dns=_-9", Some(&[0xff, 0xef])),
            ("%64n%73=%41AEC", Some(&[0, 1, 2])),
            ("dns=AA%0D%0AEC", Some(&[0, 1, 2])),
            // These are no parameters.
            ("dns=AAEC&dns=A;B&dns=%zz&dns=%4", Some(&[0, 1, 2])),
            ("", None),
            ("dns=AAEC&dns", None),
            ("dns", Some(&[])),
            ("DNS=AAEC", None),
            ("dns=AAEC&dns=AAEC", None),
            ("dns=AAE=", None),
            ("dns=A", None),
            ("dns=+/8", None),
        ] {
            assert_eq!(message(parameters).as_deref(), expected, "{parameters}");
        }
    }
}
