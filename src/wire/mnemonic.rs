//! The words for types, classes and response codes, as dig, logs and metrics of the field show
//! them.

use std::fmt;

/// A type's word: `AAAA`, or `TYPE1234` where it has none (RFC 3597, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeWord(pub u16);

/// A class's word: `IN`, or `CLASS1234` where it has none of its own (RFC 3597, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassWord(pub u16);

/// Numbers and their words.
type Words = [(u16, &'static str)];

/// The response codes that have a word. 16 is told as `BADSIG`, which stands for BADVERS too.
const RCODES: &Words = &[
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
];

/// The classes that have a word.
const CLASSES: &Words = &[
    (1, "IN"),
    (2, "CS"),
    (3, "CH"),
    (4, "HS"),
    (254, "NONE"),
    (ANY, "ANY"),
];
/// The class ANY (RFC 1035, 3.2.5).
const ANY: u16 = 255;

fn word_of(words: &Words, number: u16) -> Option<&'static str> {
    let found = words.iter().find(|(known, _)| *known == number);
    found.map(|(_, word)| *word)
}

fn number_of(words: &Words, word: &str) -> Option<u16> {
    let found = words.iter().find(|(_, known)| *known == word);
    found.map(|(number, _)| *number)
}

/// The word for a response code: `NXDOMAIN`.
#[must_use]
pub fn rcode_word(rcode: u16) -> Option<&'static str> {
    word_of(RCODES, rcode)
}

/// The word for a class; `None` where it has none.
#[must_use]
pub fn class_word(class: u16) -> Option<&'static str> {
    word_of(CLASSES, class)
}

/// The response code that a word stands for, in upper case.
#[must_use]
pub fn rcode_number(word: &str) -> Option<u16> {
    match word {
        "NOTIMPL" => Some(4),
        word => number_of(RCODES, word),
    }
}

/// The class that a word stands for, in upper case.
#[must_use]
pub fn class_number(word: &str) -> Option<u16> {
    number_of(CLASSES, word)
}

/// The type that a word stands for, in the case in which it is shown: `AAAA`. `TYPE1234` is no word.
#[must_use]
pub fn type_number(word: &str) -> Option<u16> {
    if word.is_empty() {
        return None;
    }
    let low = LOW.iter().position(|known| *known == word);
    low.and_then(|at| u16::try_from(at).ok())
        .or_else(|| number_of(HIGH, word))
}

impl fmt::Display for TypeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match type_word(self.0) {
            Some(word) => f.write_str(word),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Display for ClassWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match word_of(CLASSES, self.0) {
            // The word of this one is a type's, too.
            Some(word) if self.0 != ANY => f.write_str(word),
            _ => write!(f, "CLASS{}", self.0),
        }
    }
}

/// The words of types 0 to 65, by number; empty where there is none.
const LOW: [&str; 66] = [
    "None",
    "A",
    "NS",
    "MD",
    "MF",
    "CNAME",
    "SOA",
    "MB",
    "MG",
    "MR",
    "NULL",
    "",
    "PTR",
    "HINFO",
    "MINFO",
    "MX",
    "TXT",
    "RP",
    "AFSDB",
    "X25",
    "ISDN",
    "RT",
    "",
    "NSAP-PTR",
    "SIG",
    "KEY",
    "PX",
    "GPOS",
    "AAAA",
    "LOC",
    "NXT",
    "EID",
    "NIMLOC",
    "SRV",
    "ATMA",
    "NAPTR",
    "KX",
    "CERT",
    "",
    "DNAME",
    "",
    "OPT",
    "APL",
    "DS",
    "SSHFP",
    "IPSECKEY",
    "RRSIG",
    "NSEC",
    "DNSKEY",
    "DHCID",
    "NSEC3",
    "NSEC3PARAM",
    "TLSA",
    "SMIMEA",
    "",
    "HIP",
    "NINFO",
    "RKEY",
    "TALINK",
    "CDS",
    "CDNSKEY",
    "OPENPGPKEY",
    "CSYNC",
    "ZONEMD",
    "SVCB",
    "HTTPS",
];

/// The types above those that have a word.
const HIGH: &Words = &[
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (128, "NXNAME"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (258, "AVC"),
    (260, "AMTRELAY"),
    (261, "RESINFO"),
    (32768, "TA"),
    (32769, "DLV"),
    (65535, "Reserved"),
];

/// The word for a type; `None` where it has none.
#[must_use]
pub fn type_word(rtype: u16) -> Option<&'static str> {
    match LOW.get(usize::from(rtype)) {
        Some(word) => Some(*word).filter(|word| !word.is_empty()),
        None => word_of(HIGH, rtype),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_fields_words() {
        for (number, word) in [
            (0, "None"),
            (1, "A"),
            (11, "TYPE11"),
            (12, "PTR"),
            (28, "AAAA"),
            (33, "SRV"),
            (43, "DS"),
            (46, "RRSIG"),
            (50, "NSEC3"),
            (64, "SVCB"),
            (65, "HTTPS"),
            (66, "TYPE66"),
            (255, "ANY"),
            (257, "CAA"),
            (1234, "TYPE1234"),
        ] {
            assert_eq!(TypeWord(number).to_string(), word, "{number}");
        }
        for (number, word) in [(1, "IN"), (3, "CH"), (255, "CLASS255"), (7, "CLASS7")] {
            assert_eq!(ClassWord(number).to_string(), word, "{number}");
        }
        assert_eq!(rcode_word(3), Some("NXDOMAIN"));
        assert_eq!(rcode_word(16), Some("BADSIG"));
        assert_eq!(rcode_word(12), None);
    }

    #[test]
    fn words_have_their_numbers() {
        for number in 0..=u16::MAX {
            if let Some(word) = type_word(number) {
                assert_eq!(type_number(word), Some(number), "{word}");
            }
        }
        for (word, number) in [
            ("", None),
            ("aaaa", None),
            ("TYPE1", None),
            ("CAA", Some(257)),
        ] {
            assert_eq!(type_number(word), number, "{word}");
        }
        assert_eq!(rcode_number("SERVFAIL"), Some(2));
        assert_eq!(rcode_number("NOTIMPL"), Some(4));
        assert_eq!(rcode_number("BADVERS"), None);
        assert_eq!(class_number("HS"), Some(4));
    }
}
