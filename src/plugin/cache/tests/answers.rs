//! What an upstream says, what goes to the client, and what is kept of it.

use super::*;

/// What an upstream says, what the client gets, and what the next client gets a second later.
struct Case {
    name: &'static str,
    cache: &'static str,
    ask: Ask,
    rcode: ResponseCode,
    upstream: [&'static [&'static str]; 3],
    told: [&'static [&'static str]; 3],
    kept: Kept,
}

/// What comes from the store.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    AsTold,
    Sections([&'static [&'static str]; 3]),
    Nothing,
}

impl Case {
    fn check(&self) {
        let kit = Kit::new(self.cache, Stub::upstream(self.rcode, self.upstream));
        let ask = self.ask.clone();
        let first = ask.now(&kit.chain);
        assert_eq!(sections(&first), lines(self.told), "{}", self.name);
        let later = ask.now + Duration::from_secs(1);
        let second = ask.at(later).now(&kit.chain);
        assert_eq!(second.rcode, first.rcode, "{}", self.name);
        assert_eq!(second.flags, first.flags, "{}", self.name);
        let stored = kit.asked() == 1;
        assert_eq!(stored, self.kept != Kept::Nothing, "{}: stored", self.name);
        let expected = match self.kept {
            Kept::AsTold => aged(lines(self.told), 1),
            Kept::Sections(kept) => aged(lines(kept), 1),
            Kept::Nothing => lines(self.told),
        };
        assert_eq!(
            sections(&second),
            expected,
            "{}: the second time",
            self.name
        );
        let hits = kit.metric(r#"hits_total{type="success"}"#)
            + kit.metric(r#"hits_total{type="denial"}"#);
        assert_eq!(hits, f64::from(stored), "{}", self.name);
        assert_eq!(kit.metric("requests_total"), 2.0, "{}", self.name);
        assert_eq!(kit.metric("misses_total"), 2.0 - hits, "{}", self.name);
        let entries =
            kit.metric(r#"entries{type="success"}"#) + kit.metric(r#"entries{type="denial"}"#);
        assert_eq!(entries, f64::from(stored), "{}", self.name);
    }
}

fn case(name: &'static str) -> Case {
    Case {
        name,
        cache: "cache",
        ask: Ask::new("a.example.org. A"),
        rcode: ResponseCode::NoError,
        upstream: [A, &[], &[]],
        told: [A, &[], &[]],
        kept: Kept::AsTold,
    }
}

#[test]
fn a_positive_answer_has_one_ttl_within_the_bounds() {
    let five: &[&str] = &["a.example.org. 5 IN A 1.2.3.4"];
    let zero: &[&str] = &["a.example.org. 0 IN A 1.2.3.4"];
    let day: &[&str] = &["a.example.org. 86400 IN A 1.2.3.4"];
    let hour: &[&str] = &["a.example.org. 3600 IN A 1.2.3.4"];
    let thirty: &[&str] = &["a.example.org. 30 IN A 1.2.3.4"];
    for case in [
        case("an ordinary answer"),
        Case {
            upstream: [
                &[
                    "a.example.org. 300 IN A 1.2.3.4",
                    "a.example.org. 100 IN A 1.2.3.5",
                ],
                &["example.org. 200 IN NS ns.example.org."],
                &["ns.example.org. 50 IN A 9.9.9.9"],
            ],
            told: [
                &[
                    "a.example.org. 50 IN A 1.2.3.4",
                    "a.example.org. 50 IN A 1.2.3.5",
                ],
                &["example.org. 50 IN NS ns.example.org."],
                &["ns.example.org. 50 IN A 9.9.9.9"],
            ],
            ..case("the lowest TTL of all sections")
        },
        Case {
            upstream: [zero, &[], &[]],
            told: [five, &[], &[]],
            ..case("a TTL of zero is five seconds")
        },
        Case {
            cache: "cache {\nsuccess 1000 3600 0\n}",
            upstream: [zero, &[], &[]],
            told: [zero, &[], &[]],
            kept: Kept::Nothing,
            ..case("a TTL of zero with MINTTL 0 is not stored")
        },
        Case {
            upstream: [day, &[], &[]],
            told: [hour, &[], &[]],
            ..case("an hour at most")
        },
        Case {
            cache: "cache 30",
            told: [thirty, &[], &[]],
            ..case("the TTL of the directive")
        },
        Case {
            cache: "cache 30 {\nsuccess 1000 20 60\n}",
            told: [&["a.example.org. 20 IN A 1.2.3.4"], &[], &[]],
            ..case("a minimum above the maximum gives way")
        },
        Case {
            upstream: [&[], &[], &[]],
            told: [&[], &[], &[]],
            ..case("NOERROR with nothing at all")
        },
        Case {
            ask: Ask::new("example.org. NS"),
            upstream: [&["example.org. 300 IN NS ns.example.org."], &[], &[]],
            told: [&["example.org. 300 IN NS ns.example.org."], &[], &[]],
            ..case("another type")
        },
    ] {
        case.check();
    }
}

#[test]
fn a_negative_answer_is_kept_as_its_soa_says() {
    const SHORT: &str = "example.org. 30 IN SOA ns.example.org. h.example.org. 1 2 3 4 60";
    const DAY: &str = "example.org. 86400 IN SOA ns.example.org. h.example.org. 1 2 3 4 60";
    const HALF: &str = "example.org. 1800 IN SOA ns.example.org. h.example.org. 1 2 3 4 60";
    const CNAME: &str = "a.example.org. 300 IN CNAME b.example.org.";
    const SOA_300: &str = "example.org. 300 IN SOA ns.example.org. h.example.org. 1 2 3 4 60";
    let nx = |name, soa: &'static [&'static str]| Case {
        rcode: ResponseCode::NXDomain,
        upstream: [&[], soa, &[]],
        told: [&[], soa, &[]],
        ..case(name)
    };
    for case in [
        nx(
            "a name error; the SOA's own TTL counts, not its minimum",
            &[SOA],
        ),
        Case {
            upstream: [&[], &[DAY], &[]],
            told: [&[], &[HALF], &[]],
            ..nx("half an hour at most", &[])
        },
        Case {
            cache: "cache 30",
            upstream: [&[], &[DAY], &[]],
            told: [&[], &[SHORT], &[]],
            ..nx("the TTL of the directive", &[])
        },
        Case {
            kept: Kept::Nothing,
            ..nx("a name error without an SOA", &[])
        },
        Case {
            rcode: ResponseCode::NoError,
            ..nx("NODATA", &[SOA])
        },
        Case {
            upstream: [&[CNAME], &[SOA], &[]],
            told: [&[CNAME], &[SOA_300], &[]],
            ..case("NODATA at the end of a CNAME")
        },
        Case {
            cache: "cache {\ndenial 1000 20\n}",
            upstream: [&[CNAME], &[SOA], &[]],
            told: [
                &["a.example.org. 20 IN CNAME b.example.org."],
                &["example.org. 20 IN SOA ns.example.org. h.example.org. 1 2 3 4 60"],
                &[],
            ],
            ..case("NODATA at the end of a CNAME is a denial")
        },
        Case {
            upstream: [&[CNAME], &[], &[]],
            told: [&[CNAME], &[], &[]],
            kept: Kept::Nothing,
            ..case("a CNAME that leads nowhere")
        },
        Case {
            ask: Ask::new("a.example.org. CNAME"),
            upstream: [&[CNAME], &[], &[]],
            told: [&[CNAME], &[], &[]],
            ..case("a CNAME that was asked for")
        },
        Case {
            upstream: [&[CNAME], &[SOA], &[]],
            told: [
                &["a.example.org. 5 IN CNAME b.example.org."],
                &["example.org. 5 IN SOA ns.example.org. h.example.org. 1 2 3 4 60"],
                &[],
            ],
            kept: Kept::Nothing,
            ..nx("a name error at the end of a CNAME", &[])
        },
    ] {
        case.check();
    }
}

#[test]
fn failures_are_kept_for_as_long_as_servfail_says() {
    const FIVE: &str = "example.org. 5 IN SOA ns.example.org. h.example.org. 1 2 3 4 60";
    let failed = |name, rcode| Case {
        rcode,
        upstream: [&[], &[], &[]],
        told: [&[], &[], &[]],
        ..case(name)
    };
    for case in [
        failed("SERVFAIL", ResponseCode::ServFail),
        failed("NOTIMP", ResponseCode::NotImp),
        Case {
            kept: Kept::Nothing,
            ..failed("REFUSED", ResponseCode::Refused)
        },
        Case {
            kept: Kept::Nothing,
            ..failed("FORMERR", ResponseCode::FormErr)
        },
        Case {
            upstream: [&[], &[SOA], &[]],
            told: [&[], &[FIVE], &[]],
            ..failed("SERVFAIL with records", ResponseCode::ServFail)
        },
        Case {
            cache: "cache {\nservfail 0\n}",
            kept: Kept::Nothing,
            ..failed("SERVFAIL that is not to be kept", ResponseCode::ServFail)
        },
        Case {
            cache: "cache {\ndisable denial org\n}",
            kept: Kept::Nothing,
            ..failed(
                "SERVFAIL in a zone that is not to be kept",
                ResponseCode::ServFail,
            )
        },
    ] {
        case.check();
    }
}

#[test]
fn a_referral_is_kept_for_five_seconds() {
    Case {
        upstream: [
            &[],
            &["a.example.org. 300 IN NS ns.a.example.org."],
            &["ns.a.example.org. 300 IN A 9.9.9.9"],
        ],
        told: [
            &[],
            &["a.example.org. 5 IN NS ns.a.example.org."],
            &["ns.a.example.org. 5 IN A 9.9.9.9"],
        ],
        ..case("a referral")
    }
    .check();
}

#[test]
fn options_say_what_is_stored_and_for_whom() {
    for case in [
        Case {
            cache: "cache {\nkeepttl\n}",
            // The records are told again with the TTL that they had: one second more than aged.
            kept: Kept::Sections([&["a.example.org. 301 IN A 1.2.3.4"], &[], &[]]),
            ..case("keepttl")
        },
        Case {
            cache: "cache 30 {\ndisable success example.org\n}",
            told: [&["a.example.org. 30 IN A 1.2.3.4"], &[], &[]],
            kept: Kept::Nothing,
            ..case("disable success: not stored, but bounded")
        },
        Case {
            cache: "cache 30 {\ndisable denial example.org\n}",
            told: [&["a.example.org. 30 IN A 1.2.3.4"], &[], &[]],
            ..case("disable denial leaves answers alone")
        },
        Case {
            cache: "cache {\ndisable denial\n}",
            rcode: ResponseCode::NXDomain,
            upstream: [&[], &[SOA], &[]],
            told: [&[], &[SOA], &[]],
            kept: Kept::Nothing,
            ..case("disable denial")
        },
    ] {
        case.check();
    }
}

#[test]
fn only_what_belongs_to_the_question_is_stored() {
    for case in [
        Case {
            upstream: [
                &[
                    "a.example.org. 300 IN A 1.2.3.4",
                    "bank.example.com. 300 IN A 6.6.6.6",
                ],
                &["com. 300 IN NS ns.evil.net."],
                &[
                    "ns.evil.net. 300 IN A 6.6.6.7",
                    "www.example.com. 300 IN A 6.6.6.8",
                ],
            ],
            told: [
                &[
                    "a.example.org. 300 IN A 1.2.3.4",
                    "bank.example.com. 300 IN A 6.6.6.6",
                ],
                &["com. 300 IN NS ns.evil.net."],
                &[
                    "ns.evil.net. 300 IN A 6.6.6.7",
                    "www.example.com. 300 IN A 6.6.6.8",
                ],
            ],
            kept: Kept::Sections([A, &[], &[]]),
            ..case("records of other names")
        },
        Case {
            upstream: [
                &["bank.example.com. 300 IN A 6.6.6.6"],
                &["example.com. 300 IN SOA ns.example.com. h.example.com. 1 2 3 4 60"],
                &[],
            ],
            told: [
                &["bank.example.com. 300 IN A 6.6.6.6"],
                &["example.com. 300 IN SOA ns.example.com. h.example.com. 1 2 3 4 60"],
                &[],
            ],
            kept: Kept::Nothing,
            ..case("an answer to another question")
        },
        Case {
            upstream: [&[], &[], &["example.com. 300 IN A 6.6.6.6"]],
            told: [&[], &[], &["example.com. 300 IN A 6.6.6.6"]],
            kept: Kept::Nothing,
            ..case("an empty answer with a stray record: nothing is left to keep")
        },
        Case {
            rcode: ResponseCode::NXDomain,
            upstream: [
                &[],
                &["example.com. 300 IN SOA ns.example.com. h.example.com. 1 2 3 4 60"],
                &[],
            ],
            told: [
                &[],
                &["example.com. 300 IN SOA ns.example.com. h.example.com. 1 2 3 4 60"],
                &[],
            ],
            kept: Kept::Nothing,
            ..case("a name error with the SOA of another zone")
        },
    ] {
        case.check();
    }
    let stub = Stub::upstream(
        ResponseCode::NoError,
        [&["bank.example.com. 300 IN A 6.6.6.6"], &[], &[]],
    );
    let kit = Kit::new("cache", stub);
    let _ = Ask::new("a.example.org. A").now(&kit.chain);
    assert_eq!(kit.metric("drops_total"), 1.0);
}
