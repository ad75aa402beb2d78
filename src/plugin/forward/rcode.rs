//! Response codes by their names, as `next` and `failover` take them and metrics show them.

const WORDS: [(u16, &str); 21] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADSIG"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
    // An old slip of CoreDNS's library, which Corefiles still have. Last, so that it is not shown.
    (4, "NOTIMPL"),
];

/// The name of a response code; 16 is BADSIG, which stands for BADVERS too.
pub(super) fn rcode_word(code: u16) -> Option<&'static str> {
    WORDS
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, word)| *word)
}

/// The response code with this name, in any case.
pub(super) fn rcode_of(word: &str) -> Option<u16> {
    WORDS
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(word))
        .map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_go_both_ways() {
        for (code, word) in WORDS {
            assert_eq!(rcode_of(word), Some(code), "{word}");
        }
        assert_eq!(rcode_word(4), Some("NOTIMP"));
        assert_eq!(rcode_of("ServFail"), Some(2));
        assert_eq!(rcode_of("NOPE"), None);
        assert_eq!(rcode_word(12), None);
    }
}
