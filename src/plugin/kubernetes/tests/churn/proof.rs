//! The judge finds what is wrong: true replies of the server, each with one fault put into it.

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, RecordType};

use super::judge::{self, Way};
use super::question::Asked;
use super::*;
use crate::kubernetes::event::Event;
use crate::kubernetes::store::tests::oracle::Oracle;
use crate::kubernetes::testkit::object;
use crate::server::{Arrival, Handled};

const BEFORE: &str = "
    namespace a
    service a/x None
    slice a/s1 x http:80/TCP | 10.0.0.1 10.0.0.2
    service a/yy 10.0.0.4 http:80/TCP";

const AFTER: &str = "
    namespace a
    service a/x None
    slice a/s1 x http:80/TCP | 10.0.0.2 10.0.0.3
    service a/yy 10.0.0.4 http:80/TCP";

/// A state of a cluster, what the oracle makes of it, and the server that answers from it.
struct State {
    oracle: Arc<Oracle>,
    server: Arc<Server>,
}

impl State {
    fn new(objects: &str) -> Self {
        let mut oracle = Oracle::default();
        for line in objects
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            oracle.apply(&Event::Apply(object(line)));
        }
        let (_store, zone) = cluster(objects);
        Self {
            oracle: Arc::new(oracle),
            server: server(&zone),
        }
    }

    fn reply(&self, asked: &Asked, way: Way) -> Vec<u8> {
        let arrival = Arrival {
            client: ([127, 0, 0, 1], 40_000).into(),
            local: ([127, 0, 0, 1], 53).into(),
            transport: match way {
                Way::Udp => Transport::Udp,
                Way::Tcp => Transport::Tcp,
            },
            now: tokio::time::Instant::now(),
        };
        let mut reply = Vec::new();
        let handled = self.server.handle(&asked.packet, arrival, &mut reply);
        assert!(matches!(handled, Handled::Replied));
        reply
    }
}

/// A question to the zone whose answers are not shuffled, every third letter in upper case.
fn asked(text: &str, edns: Option<u16>) -> Asked {
    let [_, second] = served();
    let edns = edns.map(|size| {
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        edns.set_dnssec_ok(true);
        edns
    });
    let mut at = 0;
    Asked::new(Arc::new(second), text, edns, |letter| {
        at += 1;
        match at % 3 {
            0 => letter.to_ascii_uppercase(),
            _ => letter,
        }
    })
}

/// A reply with a fault in it, as bytes.
type Spoil = fn(&mut Message);

fn spoiled(reply: &[u8], spoil: Spoil) -> Vec<u8> {
    let mut message = Message::from_vec(reply).unwrap();
    spoil(&mut message);
    message.to_vec().unwrap()
}

fn srv(message: &mut Message) -> &mut hickory_proto::rr::rdata::SRV {
    match &mut message.answers[0].data {
        RData::SRV(srv) => srv,
        other => panic!("{other:?}"),
    }
}

fn other_name() -> Name {
    Name::from_ascii("z.a.svc.second.test.").unwrap()
}

const X: &str = "x.a.svc A";
const X_SRV: &str = "_http._tcp.x.a.svc SRV";
const NODATA: &str = "x.a.svc AAAA";
const NXDOMAIN: &str = "nope.a.svc A";

/// What is asked, what is done to the reply, and what the judge says of it.
const FAULTS: &[(&str, Spoil, &str)] = &[
    (X, |it| drop(it.answers.pop()), "neither before nor after"),
    (X, |it| it.answers.clear(), "no SOA record"),
    (
        X,
        |it| it.answers[0].data = RData::A(A::new(10, 0, 0, 9)),
        "neither before nor after",
    ),
    (X, |it| it.answers.push(it.answers[0].clone()), "twice"),
    (X, |it| it.answers[1].ttl = 6, "the TTL"),
    (X, |it| it.answers[0].ttl = 0, "the TTL"),
    (
        X,
        |it| it.answers[0].name = it.answers[0].name.to_lowercase(),
        "the owner",
    ),
    (X, |it| it.answers[0].name = other_name(), "the owner"),
    (X, |it| it.metadata.authoritative = false, "the flags"),
    (X, |it| it.metadata.recursion_available = true, "the flags"),
    (X, |it| it.metadata.authentic_data = true, "the flags"),
    (X, |it| it.metadata.recursion_desired = true, "the flags"),
    (X, |it| it.metadata.checking_disabled = true, "the flags"),
    (
        X,
        |it| it.metadata.truncation = true,
        "neither before nor after",
    ),
    (
        X,
        |it| it.metadata.response_code = ResponseCode::NXDomain,
        "NXDOMAIN, and an answer",
    ),
    (X, |it| it.metadata.id ^= 1, "the id"),
    (
        X,
        |it| {
            it.queries[0].set_query_type(RecordType::AAAA);
        },
        "the question",
    ),
    (
        X,
        |it| {
            let name = it.queries[0].name().to_lowercase();
            it.queries[0].set_name(name);
        },
        "the question",
    ),
    (X, |it| drop(it.queries.pop()), "the question"),
    (X, |it| it.edns = None, "the OPT"),
    (
        X,
        |it| {
            it.edns.as_mut().unwrap().set_dnssec_ok(false);
        },
        "the OPT",
    ),
    (
        X,
        |it| {
            it.edns.as_mut().unwrap().set_max_payload(4096);
        },
        "the OPT",
    ),
    (
        X,
        |it| {
            it.edns.as_mut().unwrap().set_version(1);
        },
        "the OPT",
    ),
    (
        X,
        |it| {
            let record = it.answers[0].clone();
            it.authorities.push(record);
        },
        "an authority",
    ),
    (X_SRV, |it| srv(it).port = 81, "neither before nor after"),
    (X_SRV, |it| srv(it).weight = 100, "neither before nor after"),
    (X_SRV, |it| srv(it).priority = 1, "neither before nor after"),
    (
        X_SRV,
        |it| srv(it).target = other_name(),
        "neither before nor after",
    ),
    (
        X_SRV,
        |it| drop(it.additionals.pop()),
        "neither before nor after",
    ),
    (
        X_SRV,
        |it| it.additionals[0].name = other_name(),
        "neither before nor after",
    ),
    (
        X_SRV,
        |it| it.additionals[0].data = RData::A(A::new(10, 0, 0, 9)),
        "neither before nor after",
    ),
    (
        NODATA,
        |it| it.metadata.response_code = ResponseCode::NXDomain,
        "neither before nor after",
    ),
    (NODATA, |it| it.authorities.clear(), "no SOA record"),
    (
        NODATA,
        |it| it.authorities[0].name = other_name(),
        "the SOA record",
    ),
    (
        NXDOMAIN,
        |it| it.metadata.response_code = ResponseCode::NoError,
        "neither before nor after",
    ),
    (
        NXDOMAIN,
        |it| it.metadata.response_code = ResponseCode::ServFail,
        "Server Failure",
    ),
    (
        NXDOMAIN,
        |it| it.metadata.response_code = ResponseCode::Refused,
        "Query Refused",
    ),
    (NXDOMAIN, |it| it.authorities[0].ttl = 30, "the TTL"),
];

#[test]
fn each_fault_in_a_reply_is_found() {
    let state = State::new(BEFORE);
    let states = [state.oracle.clone()];
    for (at, (text, spoil, wrong)) in FAULTS.iter().enumerate() {
        let asked = asked(text, Some(1232));
        let reply = state.reply(&asked, Way::Udp);
        assert_eq!(judge::reply(&asked, Way::Udp, &reply, &states), Ok(()));
        let reply = spoiled(&reply, *spoil);
        let found = judge::reply(&asked, Way::Udp, &reply, &states).unwrap_err();
        assert!(found.contains(wrong), "{at}, {text}: {wrong}\n{found}");
    }
}

#[test]
fn an_opt_that_nobody_sent_and_odd_bits_are_found() {
    let state = State::new(BEFORE);
    let states = [state.oracle.clone()];
    let asked = asked(X, None);
    let reply = state.reply(&asked, Way::Udp);
    let judge = |reply: &[u8]| judge::reply(&asked, Way::Udp, reply, &states);
    assert_eq!(judge(&reply), Ok(()));
    let with_opt = spoiled(&reply, |it| it.edns = Some(Edns::new()));
    assert!(judge(&with_opt).unwrap_err().contains("the OPT"));
    for (at, bit) in [(2, 0x80), (2, 0x08), (3, 0x40), (5, 2)] {
        let mut reply = reply.clone();
        reply[at] ^= bit;
        assert!(judge(&reply).is_err(), "bit {bit:02x} of byte {at}");
    }
    assert!(
        judge(&reply[..reply.len() - 1]).is_err(),
        "a byte is missing"
    );
    assert!(judge(&reply[..11]).is_err(), "no header");
}

#[test]
fn stale_and_torn_answers_are_found() {
    let (before, after) = (State::new(BEFORE), State::new(AFTER));
    let both = [before.oracle.clone(), after.oracle.clone()];
    let (only_before, only_after) = (&both[..1], &both[1..]);
    for text in [X, X_SRV, "x.a.svc SRV", "10-0-0-1.x.a.svc A"] {
        let asked = asked(text, Some(1232));
        let judge = |reply: &[u8], states: &[_]| judge::reply(&asked, Way::Udp, reply, states);
        let (old, new) = (
            before.reply(&asked, Way::Udp),
            after.reply(&asked, Way::Udp),
        );
        for (reply, states) in [(&old, only_before), (&new, only_after)] {
            assert_eq!(judge(reply, states), Ok(()), "{text}");
            assert_eq!(judge(reply, &both), Ok(()), "{text}, while it changes");
        }
        assert!(judge(&old, only_after).is_err(), "{text}: stale");
        assert!(judge(&new, only_before).is_err(), "{text}: of the future");
    }
    for text in [X, X_SRV] {
        let asked = asked(text, Some(1232));
        let [mut torn, new] = [&before, &after]
            .map(|state| Message::from_vec(&state.reply(&asked, Way::Udp)).unwrap());
        // 10.0.0.1 was, 10.0.0.3 is to come.
        torn.answers[1] = new.answers[1].clone();
        if let Some(record) = torn.additionals.get_mut(1) {
            *record = new.additionals[1].clone();
        }
        let torn = torn.to_vec().unwrap();
        let found = judge::reply(&asked, Way::Udp, &torn, &both);
        assert!(found.unwrap_err().contains("neither"), "{text}: torn");
    }
}

/// Thirty endpoints: more than fit into 512 bytes.
fn many() -> String {
    let endpoints: Vec<String> = (1..=30).map(|last| format!("10.0.1.{last}")).collect();
    let endpoints = endpoints.join(" ");
    format!("namespace a\nservice a/x None\nslice a/s1 x http:80/TCP | {endpoints}")
}

#[test]
fn a_reply_that_is_cut_wrongly_is_found() {
    let state = State::new(&many());
    let states = [state.oracle.clone()];
    for text in [X, X_SRV] {
        let asked = asked(text, None);
        let [udp, tcp] = [Way::Udp, Way::Tcp].map(|way| state.reply(&asked, way));
        let judge = |reply: &[u8]| judge::reply(&asked, Way::Udp, reply, &states);
        assert_eq!(judge(&udp), Ok(()));
        assert_eq!(judge::reply(&asked, Way::Tcp, &tcp, &states), Ok(()));
        assert_eq!(judge::pair(&asked, &udp, &tcp), Ok(true));
        assert!(judge(&tcp).unwrap_err().contains("bytes"), "too long");
        let of_tcp = judge::reply(&asked, Way::Tcp, &udp, &states);
        assert!(of_tcp.unwrap_err().contains("TC over TCP"));
        let without_tc = spoiled(&udp, |it| it.metadata.truncation = false);
        assert!(judge(&without_tc).unwrap_err().contains("neither"), "no TC");
        let other = spoiled(&udp, |it| {
            it.answers[0].data = RData::A(A::new(10, 0, 0, 9));
        });
        assert!(
            judge(&other).unwrap_err().contains("neither"),
            "another record"
        );
        let faults: [(&str, Spoil, Spoil); 5] = [
            ("no TC", |udp| udp.metadata.truncation = false, |_| ()),
            ("TC over TCP", |_| (), |tcp| tcp.metadata.truncation = true),
            ("not the beginning", |udp| udp.answers.swap(0, 1), |_| ()),
            (
                "a record is left out",
                |udp| drop(udp.answers.remove(0)),
                |_| (),
            ),
            (
                "TCP has no more",
                |_| (),
                |tcp| {
                    tcp.answers.truncate(4);
                    tcp.additionals.clear();
                },
            ),
        ];
        for (what, of_udp, of_tcp) in faults {
            let (udp, tcp) = (spoiled(&udp, of_udp), spoiled(&tcp, of_tcp));
            assert!(judge::pair(&asked, &udp, &tcp).is_err(), "{text}: {what}");
        }
    }
}

#[test]
fn replies_over_udp_and_tcp_that_differ_are_found() {
    let state = State::new(BEFORE);
    for text in [X, X_SRV, NODATA, NXDOMAIN] {
        let asked = asked(text, Some(1232));
        let [udp, tcp] = [Way::Udp, Way::Tcp].map(|way| state.reply(&asked, way));
        assert_eq!(judge::pair(&asked, &udp, &tcp), Ok(false), "{text}");
        for at in 2..tcp.len() {
            let mut tcp = tcp.clone();
            tcp[at] ^= 1;
            assert!(
                judge::pair(&asked, &udp, &tcp).is_err(),
                "{text}: byte {at}"
            );
        }
    }
    // Where the order is another each time, everything else is the same.
    let [first, _] = served();
    let asked = Asked::new(Arc::new(first), X, None, |letter| letter);
    let reply = state.reply(&asked, Way::Udp);
    let turned = spoiled(&reply, |it| it.answers.reverse());
    let whole = Message::from_vec(&reply).unwrap();
    assert_eq!(whole.answers.len(), 2);
    let is_same_length = turned.len() == reply.len();
    assert_eq!(judge::pair(&asked, &reply, &turned).is_ok(), is_same_length);
    let other = spoiled(&reply, |it| it.answers[0].ttl = 6);
    assert!(judge::pair(&asked, &reply, &other).is_err());
}

#[test]
fn only_the_states_of_the_time_count() {
    let history = History::new(BEFORE);
    let states = |oldest| {
        let asked = asked(X, None);
        let states = history.since(oldest);
        let told = states
            .iter()
            .map(|state| state.ask(&asked.served.view, X).len());
        told.collect::<Vec<_>>()
    };
    let oldest = history.oldest();
    assert_eq!(states(oldest), [2]);
    let change = Event::Apply(object(
        "slice a/s1 x http:80/TCP | 10.0.0.1 10.0.0.2 10.0.0.3",
    ));
    let version = history.begin(&change);
    assert!(!history.is_quiet_since(oldest), "a change has begun");
    assert_eq!(states(history.oldest()), [2, 3], "while it is made, both");
    history.finish(version);
    assert_eq!(
        states(history.oldest()),
        [3],
        "once it is made, the new one"
    );
    assert_eq!(states(oldest), [2, 3], "of a question from before, both");
    assert!(history.is_quiet_since(history.oldest()));
}
