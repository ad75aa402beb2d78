//! The message in the address of a GET request: `?dns=` and base64url without padding.

use std::sync::LazyLock;

use data_encoding::{BASE64URL_NOPAD, Encoding};

/// As Go reads it: bits behind the last byte are passed over.
static BASE64: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = BASE64URL_NOPAD.specification();
    specification.check_trailing_bits = false;
    // What is left of the standard's alphabet cannot fail.
    specification.encoding().unwrap_or(BASE64URL_NOPAD)
});

/// The message; `None` where there is none, more than one, or what is no base64url.
pub(super) fn message(parameters: &str) -> Option<Vec<u8>> {
    let pairs = parameters
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter_map(|(name, value)| (name == "dns").then_some(value));
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    BASE64.decode(value.as_bytes()).ok()
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
            ("", None),
            ("dns", None),
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
