//! Response codes by their names, as `next` and `failover` take them.

use crate::wire::mnemonic::rcode_word;

/// The highest response code that has a name (RFC 6895, 2.3).
const LAST: u16 = 23;

/// The response code with this name, in any case.
pub(super) fn rcode_of(word: &str) -> Option<u16> {
    if word.eq_ignore_ascii_case("NOTIMPL") {
        // An old slip of CoreDNS's library, which Corefiles may have.
        return rcode_of("NOTIMP");
    }
    (0..=LAST).find(|code| rcode_word(*code).is_some_and(|known| known.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        for (word, code) in [
            ("NOERROR", Some(0)),
            ("ServFail", Some(2)),
            ("NOTIMPL", Some(4)),
            ("notimp", Some(4)),
            ("BADCOOKIE", Some(23)),
            ("NOPE", None),
            ("2", None),
            ("", None),
        ] {
            assert_eq!(rcode_of(word), code, "{word}");
        }
    }
}
