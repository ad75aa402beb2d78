//! What goes to an upstream, and what comes back from it.

use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::bed::Bed;
use super::fake::{Act, Fake};
use crate::chain::Outcome;
use crate::testing::Ask;
use crate::wire::Flags;

fn forward(fake: &Fake) -> String {
    format!(".:53 {{\n forward . {}\n}}", fake.address)
}

#[tokio::test(start_paused = true)]
async fn a_query_goes_on_as_it_came_but_for_its_id() {
    let fake = Fake::good().await;
    let bed = Bed::new(&forward(&fake)).await;
    let mut ask = Ask::new("WWW.example.ORG AAAA")
        .flags(Flags::RD.with(Flags::CD).with(Flags::AD).with(Flags::Z));
    // An ECS option and a cookie.
    let options = b"\0\x08\0\x04\0\x01\0\0\0\x0a\0\x0812345678";
    ask.opt = Some((1410, 0x8000, options.to_vec()));
    ask.id = 7;
    let told = ask.ask(&bed.chain).await;
    assert_eq!(told.rcode, "NOERROR");
    let seen = &fake.seen()[0];
    assert_eq!(seen.flags(), ask.flags);
    let packet = ask.packet();
    assert_eq!(seen.packet[2..], packet[2..], "all but the id is the same");
    assert!(!seen.stream);
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_passed_on_with_its_flags_records_and_options() {
    let fake = Fake::new(|seen| {
        let mut reply = seen.reply(
            ResponseCode::NXDomain,
            [
                &["www.example.org. 60 IN CNAME a.example.org."],
                &["example.org. 30 IN SOA ns.example.org. mail.example.org. 1 2 3 4 5"],
                &["ns.example.org. 90 IN A 192.0.2.9"],
            ],
        );
        // AA and AD, and an OPT with an option of its own.
        reply[2] |= 4;
        reply[3] |= 0x20;
        reply[11] += 1;
        reply.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\0\0\0\x08\0\x0f\0\x04\0\x12ab");
        vec![Act::Send(reply)]
    })
    .await;
    let bed = Bed::new(&forward(&fake)).await;
    let ask = Ask::new("WWW.example.org. A").dnssec();
    let told = ask.ask(&bed.chain).await;
    assert_eq!(told.rcode, "NXDOMAIN");
    let flags = Flags::AA.with(Flags::AD).with(Flags::RD).with(Flags::RA);
    assert_eq!(told.flags, flags);
    assert_eq!(told.answer, ["www.example.org. 60 IN CNAME a.example.org."]);
    assert_eq!(told.authority.len(), 1);
    assert_eq!(told.additional, ["ns.example.org. 90 IN A 192.0.2.9"]);
    assert_eq!(told.opt, Some(4096), "the client's own size");
    assert_eq!(told.bytes[..2], ask.id.to_be_bytes());
    assert_eq!(
        told.bytes[12..30],
        ask.packet()[12..30],
        "the case that was asked"
    );
    let tail = &told.bytes[told.bytes.len() - 8..];
    assert_eq!(tail, b"\0\x0f\0\x04\0\x12ab", "the upstream's option");
    let Outcome::Answer(answer) = bed.last() else {
        panic!("no answer");
    };
    let metadata = answer.extra.unwrap().metadata;
    assert_eq!(metadata[0].0, "forward/upstream");
    assert_eq!(*metadata[0].1, *fake.address.to_string());
}

#[tokio::test(start_paused = true)]
async fn an_upstream_without_opt_leaves_the_client_its_own() {
    let fake = Fake::good().await;
    let bed = Bed::new(&forward(&fake)).await;
    let told = Ask::new("a.example.org A").edns(1300).ask(&bed.chain).await;
    assert_eq!(told.opt, Some(1300));
    let told = Ask::new("a.example.org A").ask(&bed.chain).await;
    assert_eq!(told.opt, None);
}

#[tokio::test(start_paused = true)]
async fn the_client_decides_between_udp_and_tcp_unless_an_option_does() {
    for (what, options, over_tcp, expected) in [
        ("UDP as the client", "", false, &[false][..]),
        ("TCP as the client", "", true, &[true]),
        ("TCP by force", "force_tcp", false, &[true]),
        ("UDP by preference", "prefer_udp", true, &[false]),
        ("force wins", "force_tcp\nprefer_udp", false, &[true]),
    ] {
        let fake = Fake::good().await;
        let text = format!(".:53 {{\nforward . {} {{\n{options}\n}}\n}}", fake.address);
        let bed = Bed::new(&text).await;
        let ask = Ask::new("a.example.org A");
        let ask = if over_tcp { ask.tcp() } else { ask };
        assert_eq!(ask.ask(&bed.chain).await.answer.len(), 1, "{what}");
        let streams: Vec<bool> = fake.seen().iter().map(|seen| seen.stream).collect();
        assert_eq!(streams, expected, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_reply_is_passed_on_as_cut_or_asked_again_over_tcp() {
    for (option, streams, cut, count) in [
        ("", &[false][..], true, 0),
        ("prefer_udp", &[false, true], false, 1),
    ] {
        let fake = Fake::new(|seen| {
            vec![Act::Send(match seen.stream {
                true => seen.address("192.0.2.1"),
                false => seen.truncated(),
            })]
        })
        .await;
        let text = format!(".:53 {{\nforward . {} {{\n{option}\n}}\n}}", fake.address);
        let bed = Bed::new(&text).await;
        let told = bed.ask("a.example.org A").await;
        assert_eq!(told.flags.has(Flags::TC), cut, "{option}");
        assert_eq!(told.answer.len(), count, "{option}");
        let seen: Vec<bool> = fake.seen().iter().map(|seen| seen.stream).collect();
        assert_eq!(seen, streams, "{option}");
    }
}

#[tokio::test(start_paused = true)]
async fn class_chaos_is_forwarded() {
    let fake = Fake::good().await;
    let bed = Bed::new(&forward(&fake)).await;
    let mut ask = Ask::new("version.bind TXT");
    ask.class = 3;
    assert!(bed.any_class, "the listener lets it in");
    ask.ask(&bed.chain).await;
    assert_eq!(fake.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn names_go_to_the_first_forward_that_is_for_them() {
    let [lab, example, all] = [Fake::good().await, Fake::good().await, Fake::good().await];
    let text = format!(
        ".:53 {{
            forward lab.example {}
            forward example {} {{
                except secret.example example
            }}
            forward . {}
        }}",
        lab.address, example.address, all.address
    );
    let bed = Bed::new(&text).await;
    let counts = || [&lab, &example, &all].map(Fake::count);
    for (name, expected) in [
        ("a.lab.example", [1, 0, 0]),
        ("LAB.Example", [2, 0, 0]),
        ("a.example", [2, 0, 1]),
        ("example", [2, 1, 1]),
        ("notexample", [2, 1, 2]),
        ("x.secret.example", [2, 1, 3]),
    ] {
        bed.ask(&format!("{name} A")).await;
        assert_eq!(counts(), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_no_forward_is_for_falls_off_the_chain() {
    let fake = Fake::good().await;
    let bed = Bed::new(&format!(".:53 {{\nforward example {}\n}}", fake.address)).await;
    let failure = bed.fail("a.test A").await;
    assert_eq!(
        failure.error.as_deref(),
        Some("plugin/forward: no next plugin found")
    );
    assert_eq!(fake.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn next_and_next_on_nodata_ask_the_next_forward_only() {
    let nodata = || Fake::coded(ResponseCode::NoError);
    for (what, first, option, last, expected) in [
        (
            "a code that is listed",
            Fake::coded(ResponseCode::NXDomain).await,
            "next NXDOMAIN",
            true,
            "NOERROR 1",
        ),
        (
            "a code that is not",
            Fake::coded(ResponseCode::Refused).await,
            "next NXDOMAIN",
            true,
            "REFUSED 0",
        ),
        (
            "no data",
            nodata().await,
            "next_on_nodata",
            true,
            "NOERROR 1",
        ),
        (
            "no data, not asked for",
            nodata().await,
            "next NXDOMAIN",
            true,
            "NOERROR 0",
        ),
        (
            "no next forward",
            Fake::coded(ResponseCode::NXDomain).await,
            "next NXDOMAIN",
            false,
            "NXDOMAIN 0",
        ),
    ] {
        let second = Fake::good().await;
        let mut text = format!(".:53 {{\nforward . {} {{\n{option}\n}}\n", first.address);
        if last {
            text += &format!("forward . {}\n", second.address);
        }
        let bed = Bed::new(&(text + "}")).await;
        let told = bed.ask("a.example A").await;
        let told = format!("{} {}", told.rcode, told.answer.len());
        assert_eq!(told, expected, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn failover_asks_the_next_upstream_and_gives_the_last_reply() {
    let [failing, refusing, good] = [
        Fake::coded(ResponseCode::ServFail).await,
        Fake::coded(ResponseCode::Refused).await,
        Fake::good().await,
    ];
    for (what, upstreams, options, expected) in [
        (
            "until one is good",
            vec![&failing, &refusing, &good],
            "failover ServFail REFUSED",
            "NOERROR",
        ),
        ("not asked for", vec![&failing, &good], "", "SERVFAIL"),
        (
            "none is good",
            vec![&failing, &refusing],
            "failover SERVFAIL REFUSED",
            "REFUSED",
        ),
        ("one alone", vec![&failing], "failover SERVFAIL", "SERVFAIL"),
    ] {
        let addresses: Vec<String> = upstreams
            .iter()
            .map(|fake| fake.address.to_string())
            .collect();
        let to = addresses.join(" ");
        let text = format!(".:53 {{\nforward . {to} {{\npolicy sequential\n{options}\n}}\n}}");
        let bed = Bed::new(&text).await;
        let before: usize = upstreams.iter().map(|fake| fake.count()).sum();
        assert_eq!(bed.ask("a.example A").await.rcode, expected, "{what}");
        let after: usize = upstreams.iter().map(|fake| fake.count()).sum();
        let asked = if options.is_empty() {
            1
        } else {
            upstreams.len()
        };
        assert_eq!(after - before, asked, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reply_within_the_read_timeout_counts() {
    for (read_timeout, expected) in [("2s", "NOERROR"), ("1s", "SERVFAIL"), ("500ms", "SERVFAIL")] {
        let fake = Fake::new(|seen| {
            vec![
                Act::Wait(Duration::from_millis(1900)),
                Act::Send(seen.address("192.0.2.1")),
            ]
        })
        .await;
        let text = format!(
            ".:53 {{\nforward . {} {{\nread_timeout {read_timeout}\n}}\n}}",
            fake.address
        );
        let bed = Bed::new(&text).await;
        assert_eq!(
            bed.ask("a.example A").await.rcode,
            expected,
            "{read_timeout}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn replies_are_counted_by_their_code() {
    let fake = Fake::coded(ResponseCode::NXDomain).await;
    let bed = Bed::new(&forward(&fake)).await;
    bed.ask("a.example A").await;
    let to = fake.address;
    for (line, value) in [
        (
            format!(
                "coredns_proxy_request_duration_seconds_count{{proxy_name=\"forward\",rcode=\"NXDOMAIN\",to=\"{to}\"}}"
            ),
            "1",
        ),
        (
            format!(
                "coredns_proxy_conn_cache_misses_total{{proto=\"udp\",proxy_name=\"forward\",to=\"{to}\"}}"
            ),
            "1",
        ),
        (
            "coredns_forward_max_concurrent_rejects_total".to_owned(),
            "0",
        ),
        ("coredns_forward_healthcheck_broken_total".to_owned(), "0"),
    ] {
        assert_eq!(bed.metric(&line).as_deref(), Some(value), "{line}");
    }
}
