use super::super::{Config, Limits};
use super::*;
use crate::plugin::setup::Shared;
use crate::testing::{n, place_and_message, set_up};

/// Reads the directive that these lines are, in the block of `example.org`.
fn parse(lines: &str) -> Result<Config, String> {
    let corefile = format!("example.org {{\n{lines}\n}}\n");
    let set_up = set_up(&corefile, "cache", &mut Shared::default(), Config::parse);
    set_up.value.map_err(|error| place_and_message(&error))
}

fn config() -> Config {
    Config::new(vec![n("example.org")])
}

fn limits(capacity: usize, max_ttl: u32, min_ttl: u32) -> Limits {
    Limits {
        capacity,
        max_ttl,
        min_ttl,
        except: Vec::new(),
    }
}

const STALE: Stale = Stale {
    up_to: DEFAULT_STALE,
    verify: None,
    ttl: 0,
    recheck: Duration::ZERO,
    prefer_positive: false,
};

#[test]
fn the_defaults_are_those_of_coredns() {
    let config = parse("cache").unwrap();
    assert_eq!(config, self::config());
    assert_eq!(config.success, limits(10_000, 3600, 5));
    assert_eq!(config.denial, limits(10_000, 1800, 5));
    assert_eq!(config.servfail, Duration::from_secs(5));
    assert_eq!(config.zones_label(), "example.org.");
}

#[test]
fn arguments_are_a_ttl_and_zones() {
    let with = |ttl: Option<u32>, zones: &[&str]| {
        let mut config = config();
        config.success.max_ttl = ttl.unwrap_or(config.success.max_ttl);
        config.denial.max_ttl = ttl.unwrap_or(config.denial.max_ttl);
        config.zones = zones.iter().map(|zone| n(zone)).collect();
        config
    };
    for (lines, expected) in [
        ("cache 30", with(Some(30), &["example.org"])),
        (
            "cache +30 a.Org b.org.",
            with(Some(30), &["a.org", "b.org"]),
        ),
        ("cache a.org 30", with(None, &["a.org", "30"])),
        // As a generator once wrote it: a zone, not a duration.
        ("cache 3600s", with(None, &["3600s"])),
        (
            "cache 10.0.0.0/15",
            with(None, &["0.10.in-addr.arpa", "1.10.in-addr.arpa"]),
        ),
        ("cache 99999999999", with(Some(u32::MAX), &["example.org"])),
        ("cache {\n}", config()),
    ] {
        assert_eq!(parse(lines).as_ref(), Ok(&expected), "{lines}");
    }
}

#[test]
fn each_option_is_read() {
    type Change = fn(&mut Config);
    let cases: [(&str, Change); 24] = [
        ("success 5000", |c| c.success.capacity = 5000),
        ("success 5000 60", |c| c.success = limits(5000, 60, 5)),
        ("success 5000 60 0 more", |c| {
            c.success = limits(5000, 60, 0)
        }),
        ("success -1", |c| c.success.capacity = 0),
        ("denial 9984 30", |c| c.denial = limits(9984, 30, 5)),
        ("denial 9984 30 10", |c| c.denial = limits(9984, 30, 10)),
        ("prefetch 0", |_| {}),
        ("prefetch 10", |c| c.prefetch = prefetch(10, 60, 10)),
        ("prefetch 10 1m 25%", |c| c.prefetch = prefetch(10, 60, 25)),
        ("prefetch 1 -1s 90%", |c| c.prefetch = prefetch(1, 0, 90)),
        ("serve_stale", |c| c.stale = Some(STALE)),
        ("serve_stale 24h", |c| {
            c.stale = Some(Stale {
                up_to: hours(24),
                ..STALE
            })
        }),
        ("serve_stale 1h IMMEDIATE", |c| c.stale = Some(STALE)),
        ("serve_stale 1h immediate 30s 1m", |c| {
            c.stale = Some(Stale {
                ttl: 30,
                recheck: Duration::from_secs(60),
                ..STALE
            });
        }),
        ("serve_stale 1h verify", |c| {
            c.stale = Some(Stale {
                verify: Some(Duration::ZERO),
                ..STALE
            });
        }),
        ("serve_stale 1h verify 200ms 30s 5m", |c| {
            c.stale = Some(Stale {
                verify: Some(Duration::from_millis(200)),
                ttl: 30,
                recheck: Duration::from_secs(300),
                ..STALE
            });
        }),
        ("serve_stale_policy prefer_positive\nserve_stale", |c| {
            c.stale = Some(Stale {
                prefer_positive: true,
                ..STALE
            });
        }),
        ("servfail 0", |c| c.servfail = Duration::ZERO),
        ("servfail 5m", |c| c.servfail = Duration::from_secs(300)),
        ("disable success", |c| c.success.except = vec![n(".")]),
        ("disable denial Sub.example.org b", |c| {
            c.denial.except = vec![n("sub.example.org"), n("b")];
        }),
        ("disable success a\ndisable success b", |c| {
            c.success.except = vec![n("b")]
        }),
        ("keepttl", |c| c.keep_ttl = true),
        ("", |_| {}),
    ];
    for (lines, change) in cases {
        let mut expected = config();
        change(&mut expected);
        let found = parse(&format!("cache {{\n{lines}\n}}"));
        assert_eq!(found.as_ref(), Ok(&expected), "{lines}");
    }
}

fn prefetch(amount: u32, gap: u64, percentage: u32) -> Option<Prefetch> {
    let gap = Duration::from_secs(gap);
    Some(Prefetch {
        amount,
        gap,
        percentage,
    })
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

#[test]
fn kubeadms_directive_is_read() {
    let config =
        parse("cache 30 {\n disable success cluster.local\n disable denial cluster.local\n}");
    let config = config.unwrap();
    assert_eq!((config.success.max_ttl, config.denial.max_ttl), (30, 30));
    assert!(!config.success.stores(n("a.cluster.local").view()));
    assert!(!config.denial.stores(n("cluster.local").view()));
    assert!(config.success.stores(n("example.org").view()));
    assert_eq!(config.unstored(), [n("cluster.local")]);
}

#[test]
fn nothing_is_stored_of_what_both_tables_leave_out() {
    for (success, denial, unstored) in [
        ("a.test", "b.test", ""),
        ("a.test", "test", "a.test."),
        ("test", "b.a.test a.test", "a.test. b.a.test."),
        (".", "nota.test", "nota.test."),
        ("a.test", "nota.test", ""),
    ] {
        let lines = format!("cache {{\n disable success {success}\n disable denial {denial}\n}}");
        let zones = parse(&lines).unwrap().unstored();
        let mut zones: Vec<String> = zones.iter().map(ToString::to_string).collect();
        zones.sort();
        assert_eq!(zones.join(" "), unstored, "{lines}");
    }
}

const WRONG: &[(&str, &str)] = &[
    ("cache 0", "2:7: cache TTL can not be zero or negative: 0"),
    ("cache -5", "2:7: cache TTL can not be zero or negative: -5"),
    (
        "cache {\nsuccess\n}",
        "3:1: Wrong argument count or unexpected line ending after 'success'",
    ),
    ("cache {\nsuccess many\n}", "3:9: invalid number \"many\""),
    (
        "cache {\nsuccess 1 0\n}",
        "3:11: cache TTL can not be zero or negative: 0",
    ),
    (
        "cache {\ndenial 1 1 -1\n}",
        "3:12: cache min TTL can not be negative: -1",
    ),
    (
        "cache {\nprefetch\n}",
        "3:1: Wrong argument count or unexpected line ending after 'prefetch'",
    ),
    (
        "cache {\nprefetch 1 1m 10% x\n}",
        "3:19: Wrong argument count or unexpected line ending after 'x'",
    ),
    (
        "cache {\nprefetch -1\n}",
        "3:10: prefetch amount should be positive: -1",
    ),
    (
        "cache {\nprefetch 1 60\n}",
        "3:12: time: missing unit in duration \"60\"; write a number and a unit, without \
             white space: 500ms, 5s, 1h30m",
    ),
    (
        "cache {\nprefetch 1 1m 10\n}",
        "3:15: invalid percentage \"10\"",
    ),
    (
        "cache {\nprefetch 1 1m 5%\n}",
        "3:15: invalid percentage \"5%\"",
    ),
    (
        "cache {\nprefetch 1 1m 91%\n}",
        "3:15: invalid percentage \"91%\"",
    ),
    (
        "cache {\nserve_stale -1h\n}",
        "3:13: invalid negative duration \"-1h\"; leave out the '-'",
    ),
    (
        "cache {\nserve_stale 1h later\n}",
        "3:16: invalid value for serve_stale refresh mode: later",
    ),
    (
        "cache {\nserve_stale 1h immediate 1s 1s 1s\n}",
        "3:32: Wrong argument count or unexpected line ending after '1s'",
    ),
    (
        "cache {\nserve_stale 1h verify 1s 1s 1s 1s\n}",
        "3:32: Wrong argument count or unexpected line ending after '1s'",
    ),
    (
        "cache {\nserve_stale 1h immediate 1500ms\n}",
        "3:26: serve_stale response TTL must be a whole number of seconds",
    ),
    (
        "cache {\nserve_stale 1h immediate 1200000h\n}",
        "3:26: serve_stale response TTL exceeds the DNS TTL range",
    ),
    (
        "cache {\nserve_stale 1h immediate 1s 6m\n}",
        "3:29: serve_stale failure recheck cannot exceed 5 minutes",
    ),
    (
        "cache {\nserve_stale_policy prefer_positive\n}",
        "3:20: serve_stale_policy requires serve_stale; add a line: serve_stale",
    ),
    (
        "cache {\nserve_stale\nserve_stale_policy best\n}",
        "4:20: invalid serve_stale_policy: best",
    ),
    (
        "cache {\nserve_stale_policy prefer_positive\nserve_stale_policy prefer_positive\n}",
        "4:1: serve_stale_policy can only be specified once",
    ),
    (
        "cache {\nservfail 6m\n}",
        "3:10: caching SERVFAIL responses over 5 minutes is not permitted",
    ),
    (
        "cache {\nservfail\n}",
        "3:1: Wrong argument count or unexpected line ending after 'servfail'",
    ),
    (
        "cache {\ndisable\n}",
        "3:1: Wrong argument count or unexpected line ending after 'disable'",
    ),
    (
        "cache {\ndisable all\n}",
        "3:9: cache type for disable is unknown",
    ),
    (
        "cache {\ndisable success a..b\n}",
        "3:17: invalid disabled zone: a..b: a label is empty; write domain names, like \
             cluster.local",
    ),
    (
        "cache {\nkeepttl yes\n}",
        "3:9: Wrong argument count or unexpected line ending after 'yes'",
    ),
    (
        "cache {\nservefail 5s\n}",
        "3:1: unknown property 'servefail'; did you mean 'servfail'?",
    ),
];

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (lines, error) in WRONG {
        assert_eq!(parse(lines), Err((*error).to_owned()), "{lines}");
    }
}

#[test]
fn a_word_that_is_no_zone_is_passed_over_with_a_warning() {
    let corefile = "example.org {\ncache 30 a..b c\n}";
    let set_up = set_up(corefile, "cache", &mut Shared::default(), Config::parse);
    assert_eq!(set_up.value.unwrap().zones, [n("c")]);
    assert_eq!(
        set_up.warnings,
        ["2:10: ignored: zone is not a valid domain name: a..b"]
    );
}

#[test]
fn a_second_directive_in_a_block_is_an_error() {
    let error = parse("cache\ncache 30").unwrap_err();
    assert!(
        error.ends_with("this plugin can only be used once per Server Block"),
        "{error}"
    );
}
