use std::sync::Arc;

use crate::corefile::Memory;
use crate::plugin::setup::Shared;
use crate::testing::set_up_with;

use super::*;

/// The forwards of a block with these lines, or the first line of the error; and the warnings.
fn parse_lines(lines: &str) -> (Result<Vec<Config>, String>, Vec<String>) {
    let environment = Memory::default()
        .with_file(
            "/resolv.conf",
            "nameserver 10.10.255.252\nnameserver 10.10.255.253\n",
        )
        .with_file(
            "/v6.conf",
            "nameserver 388:d254:7aec:6892:9f7f:e93b:5806:1b0f%en0\n",
        )
        .with_file("/empty.conf", "# nameserver 1.1.1.1\n")
        .with_file(
            "/odd.conf",
            "nameserver 10.0.0.9#53\nnameserver dns.example\nnameserver 10.0.0.9\n",
        )
        .with_file("/nobody.conf", "nameserver 10.0.0.9#53\n")
        .with_file("/junk.pem", "junk");
    let text = format!(". {{\n{lines}\n}}");
    let mut shared = Shared::default();
    let found = set_up_with(&text, "forward", &environment, &mut shared, |setup| {
        parse(setup).map_err(|error| error.headline())
    });
    (found.value, found.warnings)
}

/// The one forward of these lines.
fn one(lines: &str) -> Config {
    let (parsed, _) = parse_lines(lines);
    let mut configs = parsed.unwrap_or_else(|error| panic!("{lines}: {error}"));
    assert_eq!(configs.len(), 1, "{lines}");
    configs.remove(0)
}

/// The targets as text.
fn targets(config: &Config) -> Vec<String> {
    let tls = |tls: &Option<TargetTls>| match tls {
        None => String::new(),
        Some(TargetTls { name: None, .. }) => " tls".to_owned(),
        Some(TargetTls {
            name: Some(name), ..
        }) => format!(" tls {}", name.to_str()),
    };
    let text = |target: &Target| match target {
        Target::Address(address, secret) => format!("{address}{}", tls(secret)),
        Target::Line(address) => address.to_string(),
        Target::Host(host, port, secret) => format!("{host} {port}{}", tls(secret)),
    };
    config.targets.iter().map(text).collect()
}

#[test]
fn defaults_are_those_of_coredns() {
    let config = one("forward . 127.0.0.1");
    assert_eq!(config.from, Name::root());
    assert!(config.except.is_empty() && config.next.is_empty() && config.failover.is_empty());
    assert!(!config.force_tcp && !config.prefer_udp && !config.next_on_nodata && !config.failfast);
    assert_eq!(config.upstream.expire, Duration::from_secs(10));
    assert_eq!(config.upstream.max_age, Duration::ZERO);
    assert_eq!(config.upstream.max_idle, 0);
    assert_eq!(config.upstream.source, None);
    assert_eq!(config.upstream.check.interval, Duration::from_millis(500));
    assert_eq!(config.upstream.check.domain, Name::root());
    assert!(config.upstream.check.recursion && !config.upstream.check.tcp);
    assert_eq!(config.read_timeout, Duration::from_secs(2));
    assert_eq!(config.max_fails, 2);
    assert_eq!(config.max_connect_attempts, None);
    assert!(matches!(config.policy, Policy::Random));
    assert_eq!(config.max_concurrent, None);
    assert!(config.resolvers.is_empty());
    assert_eq!(&*config.place, "Corefile:2:1");
}

#[test]
fn upstreams_are_addresses_files_and_names() {
    for (to, expected) in [
        ("127.0.0.1", &["127.0.0.1:53"][..]),
        (
            "127.0.0.1:8080 [::1]:53 2003::1",
            &["127.0.0.1:8080", "[::1]:53", "[2003::1]:53"],
        ),
        ("/resolv.conf", &["10.10.255.252:53", "10.10.255.253:53"]),
        (
            "resolv.conf 10.0.0.1",
            &["10.10.255.252:53", "10.10.255.253:53", "10.0.0.1:53"],
        ),
        ("/v6.conf", &["[388:d254:7aec:6892:9f7f:e93b:5806:1b0f]:53"]),
        ("/empty.conf 127.0.0.1", &["127.0.0.1:53"]),
        ("/odd.conf", &["dns.example 53", "10.0.0.9:53"]),
        ("/nobody.conf", &[]),
        (
            "dns.example.org my-dns.svc.cluster.local:5353",
            &["dns.example.org 53", "my-dns.svc.cluster.local 5353"],
        ),
        ("tls://127.0.0.1", &["127.0.0.1:853 tls"]),
        (
            "tls://9.9.9.9%dns.quad9.net:854",
            &["9.9.9.9:854 tls dns.quad9.net"],
        ),
        (
            "tls://[2400:3200::1%dns.alidns.com]:853",
            &["[2400:3200::1]:853 tls dns.alidns.com"],
        ),
        ("tls://dns.quad9.net", &["dns.quad9.net 853 tls"]),
        ("dns://10.0.0.1%eth0", &["10.0.0.1:53"]),
    ] {
        assert_eq!(targets(&one(&format!("forward . {to}"))), expected, "{to}");
    }
    let named = one("forward . tls://9.9.9.9 10.0.0.1 {\ntls\ntls_servername dns.quad9.net\n}");
    assert_eq!(
        targets(&named),
        ["9.9.9.9:853 tls dns.quad9.net", "10.0.0.1:53"]
    );
}

#[test]
fn from_is_a_zone_of_any_form() {
    for (from, expected) in [
        (".", "."),
        ("Example.ORG", "example.org."),
        ("dns://example.org:5353", "example.org."),
        ("10.9.3.0/24", "3.9.10.in-addr.arpa."),
        ("10.9.3.0/18", "0.9.10.in-addr.arpa."),
    ] {
        let config = one(&format!("forward {from} 127.0.0.1"));
        assert_eq!(config.from.to_string(), expected, "{from}");
    }
}

#[test]
fn options_are_read() {
    type Check = fn(&Config) -> bool;
    let cases: [(&str, Check); 25] = [
        ("except miek.nl 10.0.0.0/8", |c| {
            let names: Vec<String> = c.except.iter().map(Name::to_string).collect();
            names == ["miek.nl.", "10.in-addr.arpa."]
        }),
        ("force_tcp", |c| c.force_tcp && c.upstream.check.tcp),
        ("prefer_udp", |c| c.prefer_udp),
        ("expire 30s", |c| {
            c.upstream.expire == Duration::from_secs(30)
        }),
        ("max_age 30s", |c| {
            c.upstream.max_age == Duration::from_secs(30)
        }),
        ("max_age 0s", |c| c.upstream.max_age.is_zero()),
        ("expire 10s\nmax_age 10s", |c| {
            c.upstream.max_age == c.upstream.expire
        }),
        ("max_idle_conns 10", |c| c.upstream.max_idle == 10),
        ("read_timeout 500ms", |c| {
            c.read_timeout == Duration::from_millis(500)
        }),
        ("max_fails 0", |c| c.max_fails == 0),
        ("max_connect_attempts 5", |c| {
            c.max_connect_attempts == Some(Some(5))
        }),
        ("max_connect_attempts 0", |c| {
            c.max_connect_attempts == Some(None)
        }),
        ("doh_method GET", |_| true),
        ("policy round_robin", |c| {
            matches!(c.policy, Policy::RoundRobin(_))
        }),
        ("policy sequential", |c| {
            matches!(c.policy, Policy::Sequential)
        }),
        ("health_check 5s", |c| {
            c.upstream.check.interval == Duration::from_secs(5)
        }),
        ("health_check 0.5s no_rec", |c| !c.upstream.check.recursion),
        ("health_check 0.5s no_rec domain example.org", |c| {
            c.upstream.check.domain.to_string() == "example.org."
        }),
        ("max_concurrent 1000", |c| c.max_concurrent == Some(1000)),
        ("max_concurrent 0", |c| c.max_concurrent.is_none()),
        ("next NXDOMAIN servfail\nnext_on_nodata", |c| {
            c.next == [3, 2] && c.next_on_nodata
        }),
        ("failfast_all_unhealthy_upstreams", |c| c.failfast),
        ("failover ServFail Refused", |c| c.failover == [2, 5]),
        ("resolver 10.0.0.1 [::1]:5353", |c| {
            let expected = ["10.0.0.1:53", "[::1]:5353"].map(|text| text.parse().unwrap());
            c.resolvers == expected
        }),
        ("source_address 192.0.2.1", |c| {
            c.upstream.source == "192.0.2.1".parse().ok()
        }),
    ];
    for (lines, check) in cases {
        let config = one(&format!("forward . 127.0.0.1 {{\n{lines}\n}}"));
        assert!(check(&config), "{lines}: {config:?}");
    }
}

#[test]
fn several_forwards_of_a_block_keep_their_order() {
    let (parsed, _) = parse_lines("forward a.example 10.0.0.1\nwhoami\nforward . 10.0.0.2");
    let froms: Vec<String> = parsed.unwrap().iter().map(|c| c.from.to_string()).collect();
    assert_eq!(froms, ["a.example.", "."]);
}

/// The lines of a block, and what is said about them.
const WRONG: &[(&str, &str)] = &[
    (
        "forward",
        "2:1: error: Wrong argument count or unexpected line ending after 'forward'",
    ),
    (
        "forward .",
        "2:9: error: Wrong argument count or unexpected line ending after '.'",
    ),
    (
        "forward . 10.0.0.256",
        "2:11: error: not an IP address, file, or valid domain: \"10.0.0.256\"",
    ),
    (
        "forward . a27.0.0.1",
        "2:11: error: not an IP address, file, or valid domain: \"a27.0.0.1\"",
    ),
    (
        "forward . /nowhere.conf",
        "2:11: error: cannot read /nowhere.conf: entity not found",
    ),
    (
        "forward . /empty.conf",
        "2:11: error: no valid upstream addresses found",
    ),
    (
        "forward . ns.test:x",
        "2:11: error: \"ns.test:x\" has an invalid port \"x\"",
    ),
    (
        "forward . https://1.1.1.1/dns-query",
        "2:11: error: paths are not allowed in HTTPS upstream addresses (the /dns-query path is used by default): https://1.1.1.1/dns-query",
    ),
    (
        "forward . grpc://1.1.1.1",
        "2:11: error: 'grpc' is not supported as a destination protocol in forward: grpc://1.1.1.1",
    ),
    (
        "forward . 10.0.0.1 {\nblaatl\n}",
        "3:1: error: unknown property 'blaatl'",
    ),
    (
        "forward . 10.0.0.1 {\nmax_fails 3 4\n}",
        "3:13: error: unknown property '4'",
    ),
    (
        "forward . 10.0.0.1 {\nexcept\n}",
        "3:1: error: Wrong argument count or unexpected line ending after 'except'",
    ),
    (
        "forward . 10.0.0.1 {\nforce_tcp yes\n}",
        "3:11: error: Wrong argument count or unexpected line ending after 'yes'",
    ),
    (
        "forward . 10.0.0.1 {\nfailfast_all_unhealthy_upstreams false\n}",
        "3:34: error: Wrong argument count or unexpected line ending after 'false'",
    ),
    (
        "forward . 10.0.0.1 {\nexpire\n}",
        "3:1: error: Wrong argument count or unexpected line ending after 'expire'",
    ),
    (
        "forward . 10.0.0.1 {\nexpire soon\n}",
        "3:8: error: time: invalid duration \"soon\"",
    ),
    (
        "forward . 10.0.0.1 {\nexpire -1s\n}",
        "3:8: error: invalid negative duration \"-1s\"",
    ),
    (
        "forward . 10.0.0.1 {\nexpire 30s\nmax_age 10s\n}",
        "4:9: error: max_age (10s) must not be less than expire (30s)",
    ),
    (
        "forward . 10.0.0.1 {\nread_timeout 0s\n}",
        "3:14: error: read_timeout must be positive: 0s",
    ),
    (
        "forward . 10.0.0.1 {\nread_timeout -1s\n}",
        "3:14: error: read_timeout must be positive: -1s",
    ),
    (
        "forward . 10.0.0.1 {\nmax_fails many\n}",
        "3:11: error: invalid number \"many\"",
    ),
    (
        "forward . 10.0.0.1 {\nmax_connect_attempts -4\n}",
        "3:22: error: invalid number \"-4\"",
    ),
    (
        "forward . 10.0.0.1 {\nmax_idle_conns -1\n}",
        "3:16: error: invalid number \"-1\"",
    ),
    (
        "forward . 10.0.0.1 {\nmax_concurrent many\n}",
        "3:16: error: invalid number \"many\"",
    ),
    (
        "forward . 10.0.0.1 {\ndoh_method PUT\n}",
        "3:12: error: doh_method must be either POST or GET",
    ),
    (
        "forward . 10.0.0.1 {\npolicy best\n}",
        "3:8: error: unknown policy 'best'",
    ),
    (
        "forward . 10.0.0.1 {\nhealth_check no_rec\n}",
        "3:14: error: time: invalid duration \"no_rec\"",
    ),
    (
        "forward . 10.0.0.1 {\nhealth_check 1s rec\n}",
        "3:17: error: health_check: unknown option rec",
    ),
    (
        "forward . 10.0.0.1 {\nhealth_check 1s domain\n}",
        "3:17: error: Wrong argument count or unexpected line ending after 'domain'",
    ),
    (
        "forward . 10.0.0.1 {\nhealth_check 1s domain a..b\n}",
        "3:24: error: health_check: invalid domain name a..b: a label is empty",
    ),
    (
        "forward . 10.0.0.1 {\nnext\n}",
        "3:1: error: Wrong argument count or unexpected line ending after 'next'",
    ),
    (
        "forward . 10.0.0.1 {\nnext NXDOMAIN INVALID\n}",
        "3:15: error: INVALID is not a valid rcode",
    ),
    (
        "forward . 10.0.0.1 {\nfailover SERVFAIL NOERROR\n}",
        "3:19: error: NoError cannot be used in failover",
    ),
    (
        "forward . 10.0.0.1 {\nresolver\n}",
        "3:1: error: Wrong argument count or unexpected line ending after 'resolver'",
    ),
    (
        "forward . 10.0.0.1 {\nresolver dns.example\n}",
        "3:10: error: resolver must be an IP address or IP:port: \"dns.example\"",
    ),
    (
        "forward . 10.0.0.1 {\nsource_address here\n}",
        "3:16: error: invalid IP address: here",
    ),
    (
        "forward . 10.0.0.1 {\ntls a b c d\n}",
        "3:11: error: Wrong argument count or unexpected line ending after 'd'",
    ),
    (
        "forward . 10.0.0.1 {\ntls /nowhere.pem\n}",
        "3:1: error: error reading /nowhere.pem: entity not found",
    ),
    (
        "forward . 10.0.0.1 {\ntls junk.pem\n}",
        "3:1: error: could not read root certs: /junk.pem holds no certificate in PEM form",
    ),
    (
        "forward . 10.0.0.1 {\ntls junk.pem junk.pem\n}",
        "3:1: error: could not load TLS cert: /junk.pem holds no certificate in PEM form",
    ),
    (
        "forward . tls://10.0.0.1%a.example:854 {\ntls_servername foo\n}",
        "2:11: error: both forward ('foo') and proxy level ('a.example') TLS servernames are set for upstream proxy 'tls://10.0.0.1:854'",
    ),
    (
        "forward . tls://10.0.0.1%-a-",
        "2:11: error: '-a-' cannot be the name of a TLS server",
    ),
];

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (lines, error) in WRONG {
        let (parsed, _) = parse_lines(lines);
        match parsed {
            Ok(_) => panic!("no error: {lines}"),
            Err(found) => assert_eq!(found, format!("Corefile:{error}"), "{lines}"),
        }
    }
}

#[test]
fn a_domain_or_a_list_that_is_too_long_is_told_with_its_place() {
    let long = "x".repeat(64);
    let (parsed, _) = parse_lines(&format!("forward {long} 10.0.0.1"));
    let error = format!(
        "Corefile:2:9: error: unable to normalize '{long}': zone is not a valid domain name: {long}"
    );
    assert_eq!(parsed.err(), Some(error));
    let many: Vec<String> = (1..=16).map(|at| format!("10.0.0.{at}")).collect();
    let (parsed, _) = parse_lines(&format!("forward . {}", many.join(" ")));
    let error = "Corefile:2:152: error: more than 15 TOs configured: 16";
    assert_eq!(parsed.err().as_deref(), Some(error));
}

#[test]
fn what_is_likely_wrong_is_a_warning() {
    for (lines, expected) in [
        ("forward . 10.0.0.1", None),
        (
            "forward 10.9.3.0/18 10.0.0.1",
            Some(
                "2:9: Unsupported CIDR notation: '10.9.3.0/18' expands to multiple zones. Using only '0.9.10.in-addr.arpa.'.; write a forward for each of its octets",
            ),
        ),
        (
            "forward . /odd.conf",
            Some(
                "2:11: /odd.conf:1: the nameserver '10.0.0.9#53' is no IP address, and is passed over",
            ),
        ),
        (
            "forward . tls://10.0.0.1",
            Some(
                "2:11: no certificate authority is found on this system: tls://10.0.0.1 cannot be trusted, and will not be asked; name a file of authorities (tls CA), or mount one at /etc/ssl/certs/ca-certificates.crt",
            ),
        ),
        (
            "forward . 10.0.0.1 {\nexcept a..b\n}",
            Some("3:8: ignored: zone is not a valid domain name: a..b"),
        ),
    ] {
        let (parsed, warnings) = parse_lines(lines);
        assert!(parsed.is_ok(), "{lines}");
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(warnings, expected, "{lines}");
    }
}

#[test]
fn a_changed_file_makes_another_upstream() {
    let digest = |content: &str| {
        let environment = Memory::default().with_file("/ca.pem", content);
        let files = TlsFiles::default();
        let environment = environment.with_variable("SSL_CERT_FILE", "/ca.pem");
        let tls = ClientTls::load(&files, &environment).unwrap();
        Arc::<str>::from(tls.digest())
    };
    assert_eq!(digest("a"), digest("a"));
    assert_ne!(digest("a"), digest("b"));
}
