use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::answer::{Data, NameSpec, RecordSet, Section};
use crate::chain::{Chain, Failure};
use crate::plugin::setup::Shared;
use crate::testing::{Ask, Stub, Told, n, records, server, set_up};

mod answers;
mod model;
mod renewal;

const SOA: &str = "example.org. 900 IN SOA ns.example.org. h.example.org. 1 2 3 4 60";
const A: &[&str] = &["a.example.org. 300 IN A 1.2.3.4"];

/// A cache in front of something that answers.
struct Kit {
    chain: Arc<Chain>,
    asked: Arc<AtomicUsize>,
    shared: Shared,
}

impl Kit {
    /// The cache that the directive describes, in the block of the root zone.
    fn new(directive: &str, stub: Stub) -> Self {
        Self::after(Shared::default(), directive, stub)
    }

    fn after(mut shared: Shared, directive: &str, stub: Stub) -> Self {
        let corefile = format!(". {{\n{directive}\n}}");
        let set_up = set_up(&corefile, "cache", &mut shared, setup);
        set_up.value.unwrap();
        let mut plugins = set_up.plugins;
        let asked = stub.asked.clone();
        plugins.push(Arc::new(stub));
        let chain = Chain::new(plugins);
        Self {
            chain,
            asked,
            shared,
        }
    }

    /// Starts what the configuration runs beside the queries.
    fn start(mut self) -> Self {
        for (_, task) in self.shared.tasks.drain(..) {
            tokio::spawn(task(CancellationToken::new()));
        }
        self
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The value of a series, told as `name{labels}` without `coredns_cache_`; labels that are the
    /// same everywhere are left out.
    fn metric(&self, series: &str) -> f64 {
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let kind = labels.trim_end_matches('}');
        let kind = if kind.is_empty() {
            String::new()
        } else {
            format!("{kind},")
        };
        let line =
            format!(r#"coredns_cache_{name}{{server="dns://:53",{kind}view="",zones="."}} "#);
        let page = self.shared.metrics.text();
        let value = page.lines().find_map(|have| have.strip_prefix(&line));
        // A series that has counted nothing is not there.
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// The sections of a reply, one line for each record.
fn sections(told: &Told) -> [Vec<String>; 3] {
    [&told.answer, &told.authority, &told.additional].map(Clone::clone)
}

fn lines(sections: [&[&str]; 3]) -> [Vec<String>; 3] {
    sections.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect())
}

/// The same records with the TTLs lower by `seconds`.
fn aged(sections: [Vec<String>; 3], seconds: u32) -> [Vec<String>; 3] {
    let age = |line: String| {
        let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
        fields[1] = (fields[1].parse::<u32>().unwrap() - seconds).to_string();
        fields.join(" ")
    };
    sections.map(|lines| lines.into_iter().map(age).collect())
}

#[test]
fn what_the_cluster_answers_is_bounded_and_not_stored() {
    for (origin, stored) in [(Origin::Zone, false), (Origin::Local, true)] {
        let stub = Stub::new(move |query| {
            let mut answer = Answer::new(query, "kubernetes", origin).authoritative();
            for (section, owner, ttl, data) in [
                (
                    Section::Answer,
                    NameSpec::QNAME,
                    300,
                    Data::A([10, 0, 0, 1].into()),
                ),
                (
                    Section::Answer,
                    NameSpec::QNAME,
                    60,
                    Data::ManyA(Arc::from([[10, 0, 0, 2].into(), [10, 0, 0, 3].into()])),
                ),
            ] {
                answer.push(
                    query,
                    RecordSet {
                        section,
                        owner,
                        ttl,
                        data,
                    },
                );
            }
            answer.into()
        });
        let kit = Kit::new("cache 30", stub);
        for round in 1..=2 {
            let told = Ask::new("A.example.org. A").now(&kit.chain);
            let expected = [1, 2, 3].map(|last| format!("A.example.org. 30 IN A 10.0.0.{last}"));
            assert_eq!(told.answer, expected);
            assert_eq!(told.flags, Flags::RD.with(Flags::AA));
            assert_eq!(kit.asked(), if stored { 1 } else { round });
        }
        assert_eq!(kit.metric("requests_total"), 2.0);
        let entries = kit.metric(r#"entries{type="success"}"#);
        assert_eq!(entries, f64::from(stored));
        assert_eq!(kit.metric("misses_total"), 2.0 - entries);
    }
}

#[test]
fn what_this_server_is_configured_to_answer_is_stored_whole() {
    let stub = Stub::new(|query| {
        let mut answer = Answer::new(query, "template", Origin::Local);
        let stray: &[&str] = &["stray.example.com. 300 IN A 6.6.6.6"];
        answer.body = Body::Records(Arc::new(records([A, &[], stray])));
        answer.into()
    });
    let kit = Kit::new("cache", stub);
    for _ in 0..2 {
        let told = Ask::new("a.example.org. A").now(&kit.chain);
        assert_eq!(told.additional.len(), 1);
    }
    assert_eq!(kit.asked(), 1);
}

#[test]
fn a_hit_has_the_flags_that_were_stored_and_the_clients_own() {
    let stub = Stub::new(|query| {
        assert!(query.request.flags.has(Flags::AD), "AD goes upstream");
        let mut answer = Answer::new(query, "forward", Origin::Upstream);
        answer.flags = answer.flags.with(Flags::RA.with(Flags::AA).with(Flags::AD));
        answer.body = Body::Records(Arc::new(records([A, &[], &[]])));
        answer.into()
    });
    let kit = Kit::new("cache", stub);
    let (rd, own) = (Flags::RD, Flags::AA.with(Flags::RA));
    let plain = Ask::new("a.example.org. A");
    for (name, ask, flags, asked) in [
        (
            "no AD where nobody asks for it",
            plain.clone(),
            rd.with(own),
            1,
        ),
        ("the same from the store", plain.clone(), rd.with(own), 1),
        (
            "AD for AD",
            plain.clone().flags(rd.with(Flags::AD)),
            rd.with(own).with(Flags::AD),
            1,
        ),
        ("no RD for no RD", plain.clone().flags(Flags::NONE), own, 1),
        (
            "DO is another question",
            plain.clone().dnssec(),
            rd.with(own).with(Flags::AD),
            2,
        ),
        (
            "AD for DO",
            plain.clone().dnssec(),
            rd.with(own).with(Flags::AD),
            2,
        ),
        (
            "an OPT without DO is none",
            plain.clone().edns(1232),
            rd.with(own),
            2,
        ),
        (
            "CD is another question",
            plain.clone().flags(rd.with(Flags::CD)),
            rd.with(own).with(Flags::CD),
            3,
        ),
    ] {
        let told = ask.now(&kit.chain);
        assert_eq!(told.flags, flags, "{name}");
        assert_eq!(kit.asked(), asked, "{name}");
    }
}

#[test]
fn a_hit_keeps_the_owner_that_filled_it_and_echoes_the_question() {
    let kit = Kit::new(
        "cache",
        Stub::upstream(ResponseCode::NoError, [A, &[], &[]]),
    );
    let _ = Ask::new("a.example.org. A").now(&kit.chain);
    let told = Ask::new("A.EXAMPLE.org. A").now(&kit.chain);
    assert_eq!(told.answer, A);
    assert_eq!(told.bytes[13..16], *b"A\x07E");
    assert_eq!(kit.asked(), 1);
}

#[test]
fn an_answer_with_names_told_by_the_question_is_stored_whole() {
    let stub = Stub::new(|query| {
        let mut answer = Answer::new(query, "template", Origin::Upstream);
        answer.push(
            query,
            RecordSet {
                section: Section::Answer,
                owner: NameSpec::QNAME,
                ttl: 60,
                data: Data::Name(RecordType::CNAME, NameSpec::Asked(2)),
            },
        );
        answer.into()
    });
    let kit = Kit::new("cache", stub);
    for name in ["b.Example.org. CNAME", "B.example.ORG. CNAME"] {
        let told = Ask::new(name).now(&kit.chain);
        assert_eq!(told.answer, ["b.Example.org. 60 IN CNAME Example.org."]);
    }
    assert_eq!(kit.asked(), 1);
}

#[test]
fn classes_and_types_are_kept_apart() {
    let kit = Kit::new(
        "cache",
        Stub::upstream(ResponseCode::NoError, [&[], &[], &[]]),
    );
    let mut chaos = Ask::new("a.example.org. A");
    chaos.class = 3;
    let asks = [
        Ask::new("a.example.org. A"),
        Ask::new("a.example.org. AAAA"),
        chaos,
    ];
    for ask in asks.iter().chain(&asks) {
        let _ = ask.now(&kit.chain);
    }
    assert_eq!(kit.asked(), 3);
}

#[test]
fn what_is_not_to_be_kept_is_not() {
    let truncated = |query: &Query<'_>| {
        let mut answer = Answer::new(query, "forward", Origin::Upstream);
        answer.flags = answer.flags.with(Flags::TC);
        answer.body = Body::Records(Arc::new(records([A, &[], &[]])));
        answer.into()
    };
    let whole = || Stub::upstream(ResponseCode::NoError, [A, &[], &[]]);
    for (name, cache, stub, ask) in [
        (
            "a truncated answer",
            "cache",
            Stub::new(truncated),
            "a.example.org. A",
        ),
        ("a transfer", "cache", whole(), "a.example.org. AXFR"),
        (
            "a name outside of the zones",
            "cache example.com",
            whole(),
            "a.example.org. A",
        ),
    ] {
        let kit = Kit::new(cache, stub);
        for round in 1..=2 {
            let _ = Ask::new(ask).now(&kit.chain);
            assert_eq!(kit.asked(), round, "{name}");
        }
    }
}

#[test]
fn a_notify_is_not_answered_from_the_store() {
    let kit = Kit::new(
        "cache",
        Stub::upstream(ResponseCode::NoError, [A, &[], &[]]),
    );
    let ask = Ask::new("a.example.org. A");
    let _ = ask.now(&kit.chain);
    let mut packet = ask.packet();
    packet[2] = 4 << 3;
    let arrival = crate::server::Arrival {
        client: ask.client,
        local: ask.client,
        transport: ask.transport,
        now: ask.now,
    };
    server(&kit.chain).handle(&packet, arrival, &mut Vec::new());
    assert_eq!(kit.asked(), 2);
}

#[test]
fn an_upstreams_edns_options_stop_at_the_cache() {
    let stub = Stub::new(|query| {
        let mut answer = Answer::new(query, "forward", Origin::Upstream);
        answer.extra_mut().options = Some(vec![0, 15, 0, 2, 0, 0]);
        answer.body = Body::Records(Arc::new(records([A, &[], &[]])));
        answer.into()
    });
    let kit = Kit::new("cache", stub);
    for _ in 0..2 {
        let told = Ask::new("a.example.org. A").edns(1232).now(&kit.chain);
        assert_eq!(
            told.bytes[told.bytes.len() - 2..],
            [0, 0],
            "an OPT without options"
        );
    }
}

#[test]
fn an_answer_whose_signature_is_out_of_date_is_not_stored() {
    let signed = |expiration: u32, inception: u32, opt: bool| {
        let mut rdata = vec![0, 1, 13, 3, 0, 0, 1, 44];
        rdata.extend(expiration.to_be_bytes());
        rdata.extend(inception.to_be_bytes());
        rdata.extend(*b"\0\x01\x07example\x03org\0sig");
        let rdata: Arc<[u8]> = rdata.into();
        Stub::new(move |query| {
            let mut answer = Answer::new(query, "forward", Origin::Upstream);
            answer.extra_mut().options = opt.then(Vec::new);
            for data in [
                Data::A([1, 2, 3, 4].into()),
                Data::Other(RecordType::RRSIG, rdata.clone()),
            ] {
                let (section, owner) = (Section::Answer, NameSpec::QNAME);
                answer.push(
                    query,
                    RecordSet {
                        section,
                        owner,
                        ttl: 300,
                        data,
                    },
                );
            }
            answer.settle(query).into()
        })
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs() as u32;
    for (name, stub, dnssec, asked) in [
        ("in time", signed(now + 1000, now - 1000, true), true, 1),
        (
            "across the end of the count",
            signed(now.wrapping_add(1 << 30), now.wrapping_sub(1 << 30), true),
            true,
            1,
        ),
        ("too late", signed(now - 500, now - 1000, true), true, 2),
        (
            "too late, of an upstream that speaks no EDNS",
            signed(now - 500, now - 1000, false),
            true,
            1,
        ),
        ("too early", signed(now + 1000, now + 500, true), true, 2),
        (
            "too late, but nobody asked for signatures",
            signed(now - 500, now - 1000, true),
            false,
            1,
        ),
    ] {
        let kit = Kit::new("cache", stub);
        let mut ask = Ask::new("a.example.org. A");
        if dnssec {
            ask = ask.dnssec();
        }
        for _ in 0..2 {
            let _ = ask.now(&kit.chain);
        }
        assert_eq!(kit.asked(), asked, "{name}");
    }
}

#[test]
fn a_failure_never_hides_an_answer() {
    let rcode = Arc::new(Mutex::new(ResponseCode::NoError));
    let stub = {
        let (rcode, found) = (rcode.clone(), Arc::new(records([A, &[], &[]])));
        Stub::new(move |query| {
            let rcode = *rcode.lock().unwrap();
            let mut answer = Answer::new(query, "forward", Origin::Upstream).with_rcode(rcode);
            if rcode == ResponseCode::NoError {
                answer.body = Body::Records(found.clone());
            }
            answer.into()
        })
    };
    // Both tables hold something once the answer has ended and its renewal failed.
    let kit = Kit::new(
        "cache {\nsuccess 1000 10\nservfail 5m\nserve_stale 1h verify\n}",
        stub,
    );
    let ask = Ask::new("a.example.org. A");
    let at = |seconds| ask.clone().at(ask.now + Duration::from_secs(seconds));
    assert_eq!(at(0).now(&kit.chain).rcode, "NOERROR");
    *rcode.lock().unwrap() = ResponseCode::ServFail;
    let told = at(11).now(&kit.chain);
    assert_eq!(
        (told.rcode.as_str(), told.answer[0].as_str()),
        ("NOERROR", "a.example.org. 0 IN A 1.2.3.4")
    );
    assert_eq!(kit.metric("served_stale_total"), 1.0);
}

#[test]
fn a_series_is_there_once_it_has_counted() {
    let kit = Kit::new(
        "cache",
        Stub::new(|query| {
            let denied = query.lower.as_bytes().starts_with(b"\x02nx");
            let rcode = if denied {
                ResponseCode::NXDomain
            } else {
                ResponseCode::Refused
            };
            let mut answer = Answer::new(query, "forward", Origin::Upstream).with_rcode(rcode);
            answer.body = Body::Records(Arc::new(records([&[], &[SOA], &[]])));
            answer.into()
        }),
    );
    let series = |kit: &Kit| -> Vec<String> {
        let page = kit.shared.metrics.text();
        let lines = page
            .lines()
            .filter(|line| line.starts_with("coredns_cache"));
        lines.map(str::to_owned).collect()
    };
    assert!(series(&kit).is_empty());
    let _ = Ask::new("refused.example.org. A").now(&kit.chain);
    assert_eq!(
        series(&kit),
        [
            r#"coredns_cache_misses_total{server="dns://:53",view="",zones="."} 1"#,
            r#"coredns_cache_requests_total{server="dns://:53",view="",zones="."} 1"#,
        ]
    );
    for _ in 0..2 {
        let _ = Ask::new("nx.example.org. A").now(&kit.chain);
    }
    assert_eq!(
        series(&kit),
        [
            r#"coredns_cache_entries{server="dns://:53",type="denial",view="",zones="."} 1"#,
            r#"coredns_cache_entries{server="dns://:53",type="success",view="",zones="."} 0"#,
            r#"coredns_cache_hits_total{server="dns://:53",type="denial",view="",zones="."} 1"#,
            r#"coredns_cache_misses_total{server="dns://:53",view="",zones="."} 2"#,
            r#"coredns_cache_requests_total{server="dns://:53",view="",zones="."} 3"#,
        ]
    );
}

#[test]
fn a_full_cache_counts_what_goes() {
    let kit = Kit::new(
        "cache {\nsuccess 0\n}",
        Stub::upstream(ResponseCode::NoError, [&[], &[], &[]]),
    );
    for number in 0..1500 {
        let _ = Ask::new(&format!("n{number}.example.org. A")).now(&kit.chain);
    }
    let entries = kit.metric(r#"entries{type="success"}"#);
    let evictions = kit.metric(r#"evictions_total{type="success"}"#);
    assert_eq!(entries + evictions, 1500.0);
    assert!(entries <= 1024.0 && evictions > 0.0);
    assert_eq!(kit.metric(r#"evictions_total{type="denial"}"#), 0.0);
}

#[test]
fn what_is_stored_outlives_a_reload_that_leaves_its_sources_alone() {
    let stub = || Stub::upstream(ResponseCode::NoError, [A, &[], &[]]);
    let before = Kit::new("cache 60\nloadbalance", stub());
    let ask = Ask::new("a.example.org. A");
    let _ = ask.now(&before.chain);
    for (name, directives, asked) in [
        ("the same", "cache 60\nloadbalance", 0),
        (
            "other words for the same, and another plugin above",
            "cache   60 # a comment",
            0,
        ),
        ("another directive", "cache 61", 1),
        ("another plugin below", "cache 60\nhosts {\n1.1.1.1 x\n}", 1),
    ] {
        let kept = before.shared.kept.clone();
        let shared = Shared::new(before.shared.metrics.clone(), Arc::default(), kept);
        let after = Kit::after(shared, directives, stub());
        let _ = ask.now(&after.chain);
        assert_eq!(after.asked(), asked, "{name}");
    }
}

#[test]
fn a_trace_tells_where_an_answer_is_from() {
    let kit = Kit::new(
        "cache",
        Stub::upstream(ResponseCode::NoError, [A, &[], &[]]),
    );
    let ask = Ask::new("a.example.org. A");
    let _ = ask.now(&kit.chain);
    let server = server(&kit.chain);
    let work = crate::query::Work::traced();
    let name = n("a.example.org");
    let request = Request {
        id: 1,
        flags: Flags::RD,
        client: ask.client,
        local: ask.client,
        opcode: Opcode::QUERY,
        transport: ask.transport,
        size: 0,
        now: ask.now + Duration::from_secs(1),
        serial: None,
    };
    let query = Query {
        request: &request,
        name: name.view(),
        lower: name.view(),
        qtype: RecordType::A,
        qclass: hickory_proto::rr::DNSClass::IN,
        opt: None,
        server: &server,
        work: &work,
        metadata: None,
    };
    drop(server.serve(&query));
    let steps = work.steps();
    // The first is the server block's.
    assert_eq!(
        steps[1].what,
        "a stored answer, 1 s old and good for 299 s more"
    );
    assert_eq!(steps[1].place.as_deref(), Some("Corefile:2:1"));
}

/// A reply that waits for a moment.
fn after(wait: Duration, outcome: impl FnOnce() -> Outcome + Send + 'static) -> Reply {
    Reply::later(async move {
        tokio::time::sleep(wait).await;
        outcome()
    })
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_an_answer_is_kept_if_it_took_time() {
    let failure =
        || Failure::new("forward", ResponseCode::ServFail, "timeout").with_extended(23, "why");
    let second = Duration::from_secs(1);
    for (name, cache, make, asked) in [
        (
            "an upstream that is silent",
            "cache",
            Box::new(move || after(second, move || failure().into()))
                as Box<dyn Fn() -> Reply + Send + Sync>,
            1,
        ),
        (
            "a failure known at once",
            "cache",
            Box::new(move || failure().into()),
            2,
        ),
        (
            "a refusal",
            "cache",
            Box::new(move || {
                after(second, || {
                    Failure::refusal("x", ResponseCode::Refused).into()
                })
            }),
            2,
        ),
        (
            "a failure without a cause",
            "cache",
            Box::new(move || {
                after(second, || {
                    Failure::refusal("x", ResponseCode::ServFail).into()
                })
            }),
            2,
        ),
        (
            "servfail 0",
            "cache {\nservfail 0\n}",
            Box::new(move || after(second, move || failure().into())),
            2,
        ),
        (
            "disable denial",
            "cache {\ndisable denial\n}",
            Box::new(move || after(second, move || failure().into())),
            2,
        ),
    ] {
        let kit = Kit::new(cache, Stub::new(move |_| make()));
        for _ in 0..2 {
            let told = Ask::new("a.example.org. A")
                .edns(1232)
                .ask(&kit.chain)
                .await;
            assert!(
                told.rcode == "SERVFAIL" || told.rcode == "REFUSED",
                "{name}"
            );
        }
        assert_eq!(kit.asked(), asked, "{name}");
        if asked == 1 {
            let told = Ask::new("a.example.org. A").edns(1232).now(&kit.chain);
            assert_eq!(
                told.bytes[told.bytes.len() - 5..],
                *b"\0\x17why",
                "the reason is kept"
            );
            tokio::time::advance(Duration::from_secs(6)).await;
            let _ = Ask::new("a.example.org. A").ask(&kit.chain).await;
            assert_eq!(kit.asked(), 2, "{name}: for five seconds");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_counts_from_when_the_answer_came() {
    let kit = Kit::new(
        "cache",
        Stub::new(|query| {
            let mut answer = Answer::new(query, "forward", Origin::Upstream);
            answer.body = Body::Records(Arc::new(records([A, &[], &[]])));
            after(Duration::from_secs(4), move || Outcome::Answer(answer))
        }),
    );
    let told = Ask::new("a.example.org. A").ask(&kit.chain).await;
    assert_eq!(told.answer, A);
    let told = Ask::new("a.example.org. A").now(&kit.chain);
    assert_eq!(told.answer, A);
    tokio::time::advance(Duration::from_secs(300)).await;
    let told = Ask::new("a.example.org. A").ask(&kit.chain).await;
    assert_eq!(
        (told.answer.as_slice(), kit.asked()),
        (
            &A.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()[..],
            2
        )
    );
}
