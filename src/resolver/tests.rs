use std::time::Duration;

use super::*;

/// What Kubernetes writes into a pod.
const POD: &str = "nameserver 10.96.0.10\n\
    search production.svc.cluster.local svc.cluster.local cluster.local\n\
    options ndots:5\n";

/// A world in which these names have an address, or do what their code says.
fn world<'a>(known: &'a [(&'a str, ResponseCode)]) -> impl FnMut(Ask<'_>) -> Reply + 'a {
    move |ask| {
        let found = known.iter().find(|(name, _)| *name == ask.name);
        Reply::Message(match (found, ask.family) {
            (None, _) => Message::empty(ResponseCode::NXDomain),
            (Some((_, ResponseCode::NoError)), Family::A) => {
                Message::of(vec![[10, 0, 0, 1].into()])
            }
            (Some((_, code)), _) => Message::empty(*code),
        })
    }
}

fn names(walk: &Walk) -> Vec<&str> {
    let candidates = walk.candidates.iter();
    candidates
        .map(|candidate| candidate.name.as_str())
        .collect()
}

#[test]
fn the_search_list_is_walked_until_the_name_is_found() {
    let found = ResponseCode::NoError;
    for (libc, name, known, tried, cost) in [
        (Libc::Glibc, "db", "db.production.svc.cluster.local", 1, 2),
        (Libc::Glibc, "web.dev", "web.dev.svc.cluster.local", 2, 4),
        (Libc::Musl, "web.dev", "web.dev.svc.cluster.local", 2, 4),
        (Libc::Go, "web.dev", "web.dev.svc.cluster.local", 2, 4),
        (Libc::Glibc, "example.com", "example.com", 4, 8),
        (Libc::Glibc, "example.com.", "example.com", 1, 2),
        (Libc::Go, "a.b.c.d.e.f", "a.b.c.d.e.f", 1, 2),
    ] {
        let walk = libc.walk(&libc.read(POD), name, &mut world(&[(known, found)]));
        assert_eq!(walk.candidates.len(), tried, "{libc:?} {name}");
        assert_eq!(walk.cost(), cost, "{libc:?} {name}");
        assert_eq!(walk.found().map(|found| found.name.as_str()), Some(known));
    }
}

#[test]
fn libraries_stop_by_rules_of_their_own() {
    let first = "db.production.svc.cluster.local";
    let second = "db.svc.cluster.local";
    let cases = [
        (Libc::Glibc, ResponseCode::ServFail, vec![first, second]),
        (Libc::Glibc, ResponseCode::Refused, vec![first, "db"]),
        (Libc::Glibc, ResponseCode::NoError, vec![first]),
        (Libc::Musl, ResponseCode::ServFail, vec![first]),
        (Libc::Go, ResponseCode::Refused, vec![first, second]),
    ];
    for (libc, code, tried) in cases {
        let known = [(first, code), (second, ResponseCode::NoError)];
        let walk = libc.walk(&libc.read(POD), "db", &mut world(&known));
        assert_eq!(names(&walk), tried, "{libc:?} {code}");
    }
}

#[test]
fn silence_costs_what_the_options_say() {
    let silent = &mut |_: Ask<'_>| Reply::Silence;
    for (libc, text, seconds, cost) in [
        (
            Libc::Glibc,
            "nameserver ::1\noptions timeout:2 attempts:3",
            6,
            6,
        ),
        (
            Libc::Musl,
            "nameserver ::1\noptions timeout:2 attempts:2",
            2,
            4,
        ),
        (
            Libc::Go,
            "nameserver ::1\noptions timeout:2 attempts:3",
            6,
            6,
        ),
    ] {
        let walk = libc.walk(&libc.read(text), "a.test.", silent);
        assert_eq!(walk.waited(), Duration::from_secs(seconds), "{libc:?}");
        assert_eq!(walk.cost(), cost, "{libc:?}");
        assert_eq!(walk.outcome, Outcome::TryAgain, "{libc:?}");
    }
}

#[test]
fn a_lost_reply_makes_glibc_ask_one_by_one() {
    let half = &mut |ask: Ask<'_>| match ask.family {
        Family::A => Reply::Message(Message::of(vec![[10, 0, 0, 1].into()])),
        Family::Aaaa => Reply::Silence,
    };
    let conf = Libc::Glibc.read("nameserver 10.96.0.10\noptions timeout:1");
    let walk = Libc::Glibc.walk(&conf, "a.test", half);
    assert_eq!(walk.waited(), Duration::from_secs(3));
    assert_eq!(walk.cost(), 6);
}

#[test]
fn addresses_are_asked_of_nobody() {
    for (libc, text, address) in [
        (Libc::Glibc, "10.0.0.1", Some("10.0.0.1")),
        (Libc::Glibc, "1.2.3", Some("1.2.0.3")),
        (Libc::Musl, "0x7f000001", Some("127.0.0.1")),
        (Libc::Glibc, "fe80::1%lo", Some("fe80::1")),
        (Libc::Go, "1.2.3", None),
    ] {
        let nobody = &mut |_: Ask<'_>| panic!("nobody is asked");
        let outcome = libc.walk(&ResolvConf::default(), text, nobody).outcome;
        let wanted = address.map_or(Outcome::NoName, |address| {
            Outcome::Addresses(vec![address.parse().unwrap()])
        });
        assert_eq!(outcome, wanted, "{libc:?} {text}");
    }
}

#[test]
fn each_library_reads_resolv_conf_in_its_own_way() {
    let long = format!("search one {}", "x".repeat(300));
    for (libc, text, ndots, search) in [
        (Libc::Glibc, "options ndots: 5", 5, vec![]),
        (Libc::Go, "options ndots: 5", 0, vec![]),
        (Libc::Glibc, "options ndots:-1", 15, vec![]),
        (Libc::Go, "options ndots:-1", 0, vec![]),
        (Libc::Musl, "options ndots:x", 1, vec![]),
        (Libc::Glibc, "options ndots:99", 15, vec![]),
        (Libc::Glibc, " search one", 1, vec![]),
        (Libc::Go, " search one", 1, vec!["one"]),
        (Libc::Glibc, "domain one two", 1, vec!["one"]),
        (Libc::Musl, "domain one two", 1, vec!["one", "two"]),
        (Libc::Musl, &long, 1, vec![]),
        (Libc::Go, "search . one", 1, vec!["one"]),
    ] {
        let conf = libc.read(text);
        assert_eq!(conf.ndots, ndots, "{libc:?} {text}");
        assert_eq!(conf.search, search, "{libc:?} {text}");
    }
}

#[test]
fn what_does_nothing_is_told_with_its_line() {
    let text = "nameserver 10.96.0.10\nnameserver dns\noptions inet6\nnonsense x\n";
    let notes = Libc::Glibc.read(text).notes;
    let told: Vec<_> = notes
        .iter()
        .map(|note| (note.line, note.text.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (2, "'dns' is no address: the line is passed over"),
            (3, "the option 'inet6' does nothing"),
            (4, "'nonsense' is no keyword: the line is passed over"),
        ]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_and_no_name_panics(text in "[a-z0-9:. \t\n#;-]{0,200}", name in ".{0,40}") {
        for libc in Libc::ALL {
            let conf = libc.read(&text);
            libc.walk(&conf, &name, &mut |ask| match ask.server {
                0 => Reply::Silence,
                _ => Reply::Message(Message::empty(ResponseCode::ServFail)),
            });
        }
    }
}
