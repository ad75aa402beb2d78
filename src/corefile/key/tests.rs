use std::path::PathBuf;
use std::sync::Arc;

use super::super::lexer::lex;
use super::super::place::Source;
use super::*;

fn word(text: &str) -> Token {
    let source = Source::new("Corefile".into(), PathBuf::from("/"), text.into());
    lex(&Arc::new(source)).tokens.remove(0)
}

fn key(text: &str) -> Result<Key, Diagnostic> {
    Key::parse(text, word(text).place())
}

#[test]
fn keys_are_read_as_coredns_does() {
    use Transport::{Dns, Grpc, Https, Https3, Quic, Tls};
    for (text, transport, zones, port) in [
        (".", Dns, &["."][..], None),
        (".:53", Dns, &["."], Some(53)),
        ("EXAMPLE.Org", Dns, &["example.org."], None),
        ("example.org.:1053", Dns, &["example.org."], Some(1053)),
        ("dns://a", Dns, &["a."], None),
        ("tls://.", Tls, &["."], None),
        ("quic://.:8853", Quic, &["."], Some(8853)),
        ("grpc://a.b", Grpc, &["a.b."], None),
        ("https://a", Https, &["a."], None),
        ("https3://a", Https3, &["a."], None),
        ("10.0.0.0/24", Dns, &["0.0.10.in-addr.arpa."], None),
        (
            "10.0.0.0/15:54",
            Dns,
            &["0.10.in-addr.arpa.", "1.10.in-addr.arpa."],
            Some(54),
        ),
        (
            "tls://2001:db8::/32",
            Tls,
            &["8.b.d.0.1.0.0.2.ip6.arpa."],
            None,
        ),
        (
            "2001:db8::/32:53",
            Dns,
            &["8.b.d.0.1.0.0.2.ip6.arpa."],
            Some(53),
        ),
        // Oddities that load.
        ("example.org{", Dns, &["example.org{."], None),
        ("}", Dns, &["}."], None),
        ("DNS://a", Dns, &["dns://a."], None),
        ("a:+53", Dns, &["a."], Some(53)),
        ("a:0053", Dns, &["a."], Some(53)),
        ("a:-0", Dns, &["a."], Some(0)),
        ("a:http", Dns, &["a:http."], None),
        (
            "a:99999999999999999999",
            Dns,
            &["a:99999999999999999999."],
            None,
        ),
        ("2001:db8::1", Dns, &["2001:db8:."], Some(1)),
        ("10.0.0.0/33", Dns, &["10.0.0.0/33."], None),
        (r"a\.b", Dns, &[r"a\.b."], None),
        ("ÉXAMPLE", Dns, &["éxample."], None),
        ("a/b", Dns, &["a/b."], None),
    ] {
        let key = key(text).unwrap();
        assert_eq!((key.transport, key.port), (transport, port), "{text}");
        assert_eq!(key.zones, zones, "{text}");
        assert_eq!(key.text, text);
    }
}

#[test]
fn bad_keys_are_refused_in_coredns_words() {
    let long_label = "x".repeat(64);
    let long = ["abcdefg"; 33].join(".");
    for (text, message) in [
        ("a:", "expecting data after last colon: \"a:\""),
        (":53", "zone is not a valid domain name: "),
        ("dns://", "expecting data after last colon: \"\""),
        ("a..b", "zone is not a valid domain name: a..b"),
        (".a", "zone is not a valid domain name: .a"),
        ("a\\", "zone is not a valid domain name: a\\"),
        (
            &long_label,
            &format!("zone is not a valid domain name: {long_label}"),
        ),
        (&long, "specified zone is too long: 263 > 255"),
        ("::/3", "invalid CIDR ::/3"),
        ("0::/8", "invalid CIDR 0::/8"),
        ("a:99999", "address 99999: invalid port"),
        ("a:-1", "address -1: invalid port"),
        ("unix://a", "cannot serve unix://a: unix:// is no listener"),
    ] {
        let error = key(text).unwrap_err();
        assert_eq!(error.message(), message, "{text}");
        assert_eq!(error.place().unwrap().to_string(), "Corefile:1:1");
    }
    let help = "for all names, write the root zone: .:53";
    assert_eq!(key(":53").unwrap_err().help_text(), Some(help));
}

#[test]
fn a_port_that_is_not_written_is_the_transports() {
    for (text, port) in [
        ("a", 1053),
        ("a:54", 54),
        ("tls://a", 853),
        ("quic://a", 853),
        ("grpc://a", 443),
        ("https://a", 443),
        ("https3://a:8443", 8443),
    ] {
        assert_eq!(key(text).unwrap().port_or(1053), port, "{text}");
    }
}

#[test]
fn odd_zones_are_told() {
    for (text, is_odd) in [
        (".", false),
        ("example.org", false),
        ("a-b.c1", false),
        ("0.0.10.in-addr.arpa", false),
        ("10.0.0.0/9", false),
        ("in-addr.arpa", false),
        ("_tcp.service", true),
        ("-leading.com", true),
        ("trailing-.com", true),
        ("1.org", true),
        ("example.org{", true),
        ("é", true),
    ] {
        let key = key(text).unwrap();
        let warnings: Vec<Diagnostic> = key.odd_zones().collect();
        assert_eq!(!warnings.is_empty(), is_odd, "{text}");
    }
    let warning = key("_tcp.x").unwrap().odd_zones().next().unwrap();
    let message = "Domain \"_tcp.x.\" does not follow RFC1035 preferred syntax";
    assert_eq!(warning.message(), message);
}

#[test]
fn a_word_names_zones() {
    for (text, zones) in [
        ("cluster.LOCAL", &["cluster.local."][..]),
        ("3600s", &["3600s."]),
        ("dns://a.:53", &["a."]),
        ("unix://a", &["a."]),
        ("10.0.0.0/15", &["0.10.in-addr.arpa.", "1.10.in-addr.arpa."]),
    ] {
        assert_eq!(word(text).zones().unwrap(), zones, "{text}");
    }
    let error = word("a..b").zones().unwrap_err();
    assert_eq!(
        error.headline(),
        "Corefile:1:1: error: zone is not a valid domain name: a..b"
    );
}
