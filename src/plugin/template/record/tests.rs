//! Records that are none; those that are, are held by the differential suite.

use proptest::prelude::*;

use super::Record;

#[test]
fn what_is_no_record_is_told() {
    for (text, message) in [
        (
            "a.test. 60 IN A 192.0.2",
            "bad A record: no IPv4 address: \"192.0.2\"",
        ),
        ("a.test. 60 IN A", "bad A record: no data: \"\""),
        (
            "a.test. 60 IN A 192.0.2.1 x",
            "bad A record: too much or too little data: \"192.0.2.1 x\"",
        ),
        (
            "a.test. 60 IN MX mail 10",
            "bad MX record: no number: \"mail 10\"",
        ),
        ("a.test. sixty IN A 192.0.2.1", "not a TTL: \"sixty\""),
        ("a.test. 60 IN IN A 192.0.2.1", "no type in front of \"IN\""),
        ("a.test. 60", "no type"),
        ("a..b A 192.0.2.1", "bad owner name: \"a..b\""),
        (" a A 192.0.2.1", "a blank stands where the owner should"),
        ("a TXT \"x", "the text has no closing \""),
        ("a ( A 192.0.2.1", "unbalanced brace"),
        ("a A ) 192.0.2.1", "extra closing brace"),
        ("a TYPE1 \\# 3 0a000001", "bad length of rdata: \"3\""),
        ("a TYPE1 \\# 1 0", "bad rdata: \"0\""),
    ] {
        assert_eq!(Record::parse(text), Err(message.to_owned()), "{text}");
    }
}

#[test]
fn a_text_without_words_is_no_record() {
    for text in ["", "\n\n", "  ", "; a comment", "\n; a comment\n"] {
        assert_eq!(Record::parse(text), Ok(None), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a.]{0,3}([ \t\n();\"\\\\]|IN|A|TXT|SOA|SRV|HTTPS|CAA|[0-9]{1,3}|\\PC){0,20}") {
        let _ = Record::parse(&text);
    }
}
