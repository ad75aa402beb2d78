use std::path::PathBuf;
use std::sync::Arc;

use super::super::lexer::lex;
use super::super::place::Source;
use super::*;

fn word(text: &str) -> Token {
    let source = Source::new(
        "Corefile".into(),
        PathBuf::from("/"),
        format!("x \"{text}\""),
    );
    lex(&Arc::new(source)).tokens.remove(1)
}

fn message<T: fmt::Debug>(result: Result<T, Diagnostic>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.place().unwrap().to_string(), "Corefile:1:3");
    error.message().to_owned()
}

#[test]
fn durations_are_gos() {
    const SECOND: i64 = 1_000_000_000;
    for (text, nanoseconds) in [
        ("0", 0),
        ("-0", 0),
        ("5s", 5 * SECOND),
        ("+5s", 5 * SECOND),
        ("-5s", -5 * SECOND),
        ("05s", 5 * SECOND),
        ("1h30m", 5400 * SECOND),
        ("0.5s", SECOND / 2),
        (".5s", SECOND / 2),
        ("5.s", 5 * SECOND),
        ("1.5h.5m", 5430 * SECOND),
        ("500ms", SECOND / 2),
        ("1us1\u{b5}s1\u{3bc}s", 3_000),
        ("1.9ns", 1),
        ("0.3333333333333333333h", 1_199_999_999_999),
        ("9223372036854775807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
        ("2562047h47m16.854775807s", i64::MAX),
    ] {
        assert_eq!(
            word(text).signed_nanoseconds().unwrap(),
            nanoseconds,
            "{text}"
        );
    }
    assert_eq!(word("1m").duration().unwrap(), Duration::from_secs(60));
}

#[test]
fn what_is_no_duration_is_refused_in_gos_words() {
    for (text, expected) in [
        ("", "time: invalid duration \"\""),
        ("-", "time: invalid duration \"-\""),
        (".s", "time: invalid duration \".s\""),
        ("s", "time: invalid duration \"s\""),
        ("five", "time: invalid duration \"five\""),
        ("5", "time: missing unit in duration \"5\""),
        ("1h5", "time: missing unit in duration \"1h5\""),
        ("5 s", "time: unknown unit \" s\" in duration \"5 s\""),
        ("5d", "time: unknown unit \"d\" in duration \"5d\""),
        ("1e3s", "time: unknown unit \"e\" in duration \"1e3s\""),
        (
            "9223372036854775808ns",
            "time: invalid duration \"9223372036854775808ns\"",
        ),
        (
            "99999999999999999999s",
            "time: invalid duration \"99999999999999999999s\"",
        ),
        ("2562048h", "time: invalid duration \"2562048h\""),
        ("5é", "time: unknown unit \"é\" in duration \"5é\""),
    ] {
        assert_eq!(message(word(text).signed_nanoseconds()), expected, "{text}");
    }
    assert_eq!(
        message(word("-1s").duration()),
        "invalid negative duration \"-1s\""
    );
}

#[test]
fn integers_are_held_to_their_range() {
    for (text, number) in [
        ("0", Some(0)),
        ("+7", Some(7)),
        ("007", Some(7)),
        ("65535", Some(65535)),
        ("65536", None),
        ("-1", None),
        ("", None),
        ("1.0", None),
        ("0x10", None),
        ("1_0", None),
        ("99999999999999999999", None),
    ] {
        assert_eq!(word(text).integer(0..=65535).ok(), number, "{text}");
    }
    let error = word("70000").integer(0..=65535);
    assert_eq!(message(error), "invalid number \"70000\"");
}

#[test]
fn listen_addresses_have_a_port() {
    for (text, host, port) in [
        (":8080", "", 8080),
        ("127.0.0.1:53", "127.0.0.1", 53),
        ("localhost:0", "localhost", 0),
        ("[::1]:8080", "::1", 8080),
        ("[fe80::1%eth0]:8080", "fe80::1%eth0", 8080),
    ] {
        assert!(word(text).odd_port().is_none(), "{text}");
        let found = word(text).listen_address().unwrap();
        assert_eq!((found.host.as_str(), found.port), (host, port), "{text}");
        assert_eq!(found.to_string(), text);
    }
    for (text, port) in [(":", 0), (":http", 80), ("localhost:domain", 53)] {
        assert_eq!(word(text).listen_address().unwrap().port, port, "{text}");
    }
    for (text, is_odd) in [
        (":65536", true),
        (":-1", true),
        (":x", true),
        ("5:", true),
        ("x", false),
    ] {
        assert_eq!(word(text).odd_port().is_some(), is_odd, "{text}");
    }
    for (text, reason) in [
        ("", "missing port in address"),
        ("8080", "missing port in address"),
        ("[::1]", "missing port in address"),
        ("[::1]x:1", "missing port in address"),
        ("[::1", "missing ']' in address"),
        ("::1", "too many colons in address"),
        ("[::1]:1:2", "too many colons in address"),
        ("a]:1", "unexpected bracket in address"),
        (":x", "invalid port"),
        (":65536", "invalid port"),
        ("5:", "no such host"),
        ("5:8080", "no such host"),
        ("1.2.3.256:8080", "no such host"),
        ("-a:8080", "no such host"),
    ] {
        assert_eq!(
            message(word(text).listen_address()),
            format!("address {text}: {reason}")
        );
    }
}

#[test]
fn an_address_of_another_machine_may_leave_out_the_port() {
    for (text, shown) in [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:", "192.0.2.1:53"),
        ("192.0.2.1:54", "192.0.2.1:54"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]:54", "[2001:db8::1]:54"),
        ("fe80::1%eth0", "[fe80::1%eth0]:53"),
    ] {
        assert_eq!(word(text).address(53).unwrap().to_string(), shown, "{text}");
    }
    for text in [
        "",
        "localhost",
        "localhost:53",
        "192.0.2.1:x",
        "[192.0.2.1",
        ":53",
        "%eth0",
    ] {
        let expected = format!("must specify an IP address: `{text}'");
        assert_eq!(message(word(text).address(53)), expected);
    }
}

#[test]
fn host_names() {
    for (text, is_name) in [
        ("dns.example.org", true),
        ("dns.example.org.", true),
        ("kube-dns", true),
        ("my_dns.svc", true),
        ("a-.example.org", false),
        ("-5s", false),
        ("1.5.-1", false),
        ("5", false),
        ("10.0.0.256", false),
        ("a27.0.0.1", false),
        ("/etc/resolv.conf", false),
        ("a..b", false),
        ("", false),
        (".", false),
    ] {
        assert_eq!(is_host_name(text), is_name, "{text:?}");
    }
}
