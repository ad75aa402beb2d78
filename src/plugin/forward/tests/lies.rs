//! Upstreams that lie, or others that pretend to be them (RFC 5452): what does not match is ignored
//! until the deadline, and the truth that comes later still counts.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::time::Instant;

use super::bed::Bed;
use super::fake::{Act, Fake, Seen};
use crate::testing::Ask;
use crate::wire::Flags;

/// A false reply, made of the true one.
type Lie = fn(&Seen, Vec<u8>) -> Vec<u8>;

/// A reply to the query with other bytes in place of the question.
fn with_question(seen: &Seen, reply: &[u8], question: &[u8]) -> Vec<u8> {
    let rest = &reply[12 + seen.question().len()..];
    [&reply[..12], question, rest].concat()
}

/// Replies that are to something else.
const LIES: [(&str, Lie); 14] = [
    ("another id", |_, mut reply| {
        reply[0] ^= 0xff;
        reply
    }),
    ("the id one up", |seen, mut reply| {
        reply[..2].copy_from_slice(&seen.id().wrapping_add(1).to_be_bytes());
        reply
    }),
    ("a query", |_, mut reply| {
        reply[2] &= 0x7f;
        reply
    }),
    ("the query itself", |seen, _| seen.packet.clone()),
    ("another opcode", |_, mut reply| {
        reply[2] |= 4 << 3;
        reply
    }),
    ("no question", |seen, mut reply| {
        reply[5] = 0;
        with_question(seen, &reply, b"")
    }),
    ("no question, and an error", |_, mut reply| {
        reply[3] |= 5;
        reply[4..12].fill(0);
        reply.truncate(12);
        reply
    }),
    ("two questions", |seen, mut reply| {
        reply[5] = 2;
        let twice = seen.question().repeat(2);
        with_question(seen, &reply, &twice)
    }),
    ("a question that is only counted", |_, mut reply| {
        reply[5] = 2;
        reply
    }),
    ("another name of the same length", |seen, reply| {
        let mut question = seen.question().to_vec();
        question[1] ^= 1;
        with_question(seen, &reply, &question)
    }),
    ("a longer name", |seen, reply| {
        let question = [b"\x01x", seen.question()].concat();
        with_question(seen, &reply, &question)
    }),
    ("the parent's name", |seen, reply| {
        let first = usize::from(seen.question()[0]) + 1;
        let question = seen.question()[first..].to_vec();
        with_question(seen, &reply, &question)
    }),
    ("another type", |seen, mut reply| {
        reply[12 + seen.question().len() - 3] = 28;
        reply
    }),
    ("another class", |seen, mut reply| {
        reply[12 + seen.question().len() - 1] = 3;
        reply
    }),
];

/// Replies to the true question that are not whole.
const BROKEN: [(&str, Lie); 6] = [
    ("more answers than there are", |_, mut reply| {
        reply[7] = 2;
        reply
    }),
    ("65,535 of each", |_, mut reply| {
        reply[6..12].fill(0xff);
        reply
    }),
    ("an address of three bytes", |_, mut reply| {
        let end = reply.len();
        reply[end - 5] = 3;
        reply.truncate(end - 1);
        reply
    }),
    ("an owner that points at itself", |seen, reply| {
        let start = 12 + seen.question().len();
        let owner = seen.question().len() - 4;
        let pointer = (0xc000 | start as u16).to_be_bytes();
        [&reply[..start], &pointer[..], &reply[start + owner..]].concat()
    }),
    ("a label of 64 bytes", |seen, mut reply| {
        reply[12 + seen.question().len()] = 64;
        reply
    }),
    ("nothing", |_, _| Vec::new()),
];

#[tokio::test(start_paused = true)]
async fn no_lie_is_believed_and_the_truth_still_is() {
    for (what, lie) in LIES.into_iter().chain(BROKEN) {
        let fake = Fake::new(move |seen| {
            let lie = lie(seen, seen.address("192.0.2.66"));
            vec![
                Act::Send(lie.clone()),
                Act::Send(lie),
                Act::Wait(Duration::from_millis(100)),
                Act::Send(seen.address("192.0.2.1")),
            ]
        })
        .await;
        let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
        let told = bed.ask("www.example.org A").await;
        assert_eq!(
            told.answer,
            ["www.example.org. 60 IN A 192.0.2.1"],
            "{what}"
        );
        assert_eq!(fake.count(), 1, "{what}: it is not asked again");
        let page = bed.shared.metrics.text();
        let ignored: u64 = page
            .lines()
            .filter(|line| line.starts_with("callsign_forward_bogus_replies_total"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum();
        assert_eq!(ignored, 2, "{what}\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_cut_at_any_byte_is_not_believed() {
    let whole = Fake::good().await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", whole.address)).await;
    bed.ask("www.example.org A").await;
    let length = whole.seen()[0].address("192.0.2.1").len();
    for cut in 0..length {
        let fake = Fake::new(move |seen| {
            let mut part = seen.address("192.0.2.66");
            part.truncate(cut);
            vec![Act::Send(part), Act::Send(seen.address("192.0.2.1"))]
        })
        .await;
        let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
        let told = bed.ask("www.example.org A").await;
        assert_eq!(
            told.answer,
            ["www.example.org. 60 IN A 192.0.2.1"],
            "cut at {cut}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_lies_before_the_truth_change_nothing() {
    let fake = Fake::new(|seen| {
        let mut acts = Vec::new();
        for at in 0..1000u16 {
            let mut lie = seen.address("192.0.2.66");
            // All over the ids, but for the true one.
            let id = seen.id().wrapping_add(1 + at * 60);
            lie[..2].copy_from_slice(&id.to_be_bytes());
            acts.push(Act::Send(lie));
            if at % 100 == 0 {
                // No more at once than the socket's buffer holds.
                acts.push(Act::Wait(Duration::from_millis(1)));
            }
        }
        acts.push(Act::Send(seen.address("192.0.2.1")));
        acts
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let told = bed.ask("www.example.org A").await;
    assert_eq!(told.answer, ["www.example.org. 60 IN A 192.0.2.1"]);
}

#[tokio::test(start_paused = true)]
async fn lies_alone_end_in_a_timeout() {
    let fake = Fake::new(|seen| {
        let mut lie = seen.address("192.0.2.66");
        lie[1] ^= 1;
        vec![Act::Send(lie)]
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let began = Instant::now();
    let failure = bed.fail("www.example.org A").await;
    assert_eq!(failure.rcode, ResponseCode::ServFail);
    assert!(failure.error.unwrap().ends_with(": i/o timeout"));
    let took = began.elapsed();
    assert!((4.0..4.5).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_in_another_case_is_the_same_name() {
    let fake = Fake::new(|seen| {
        let mut reply = seen.address("192.0.2.1");
        reply[12..30].make_ascii_lowercase();
        vec![Act::Send(reply)]
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let told = bed.ask("WWW.Example.ORG A").await;
    assert_eq!(told.answer.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_says_it_is_cut_may_be_cut_in_mid_record() {
    let fake = Fake::new(|seen| {
        let mut reply = seen.address("192.0.2.1");
        reply[2] |= 2;
        reply.truncate(reply.len() - 3);
        vec![Act::Send(reply)]
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let told = bed.ask("www.example.org A").await;
    assert!(told.flags.has(Flags::TC));
    assert_eq!((told.rcode.as_str(), told.answer.len()), ("NOERROR", 0));
}

#[tokio::test(start_paused = true)]
async fn a_reply_longer_than_the_client_takes_is_told_as_cut() {
    let long = |seen: &Seen| {
        let lines: Vec<String> = (0..20)
            .map(|at| format!("www.example.org. 60 IN A 192.0.2.{at}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        vec![Act::Send(
            seen.reply(ResponseCode::NoError, [&lines, &[], &[]]),
        )]
    };
    let fake = Fake::new(long).await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    for (what, ask, cut, count) in [
        ("512 bytes", Ask::new("www.example.org A"), true, 0),
        (
            "1232 bytes",
            Ask::new("www.example.org A").edns(1232),
            false,
            20,
        ),
        ("TCP", Ask::new("www.example.org A").tcp(), false, 20),
    ] {
        let told = ask.ask(&bed.chain).await;
        assert_eq!(told.flags.has(Flags::TC), cut, "{what}");
        assert_eq!(told.answer.len(), count, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_cut_over_tcp_too_ends_the_matter() {
    let fake = Fake::new(|seen| vec![Act::Send(seen.truncated())]).await;
    let text = format!(".:53 {{\nforward . {} {{\nprefer_udp\n}}\n}}", fake.address);
    let bed = Bed::new(&text).await;
    let told = bed.ask("www.example.org A").await;
    assert!(told.flags.has(Flags::TC));
    assert_eq!(fake.count(), 2, "once over UDP, once over TCP");
}

#[tokio::test(start_paused = true)]
async fn over_tcp_another_id_is_passed_over_and_another_question_is_a_format_error() {
    let fake = Fake::new(|seen| {
        let mut late = seen.address("192.0.2.66");
        late[0] ^= 0xff;
        vec![Act::Send(late), Act::Send(seen.address("192.0.2.1"))]
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let told = Ask::new("www.example.org A").tcp().ask(&bed.chain).await;
    assert_eq!(told.answer, ["www.example.org. 60 IN A 192.0.2.1"]);
    // What is not even whole is a failure: another try may do better.
    let lies = LIES.iter().skip(2).map(|lie| (lie, "FORMERR"));
    let broken = BROKEN.iter().take(5).map(|lie| (lie, "SERVFAIL"));
    for ((what, lie), rcode) in lies.chain(broken) {
        let fake = Fake::new(move |seen| {
            let reply = lie(seen, seen.address("192.0.2.66"));
            vec![Act::Send(reply), Act::Send(seen.address("192.0.2.1"))]
        })
        .await;
        let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
        let told = Ask::new("www.example.org A").tcp().ask(&bed.chain).await;
        assert_eq!(
            (told.rcode.as_str(), told.answer.len()),
            (rcode, 0),
            "{what}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn odd_ttls_and_thousands_of_records_are_carried() {
    let fake = Fake::new(|seen| {
        let line = "www.example.org. 4294967295 IN A 192.0.2.1";
        let many = vec![line; 1600];
        vec![Act::Send(
            seen.reply(ResponseCode::NXDomain, [&many, &[], &[]]),
        )]
    })
    .await;
    let bed = Bed::new(&format!(".:53 {{\nforward . {}\n}}", fake.address)).await;
    let told = Ask::new("www.example.org A").tcp().ask(&bed.chain).await;
    assert_eq!(told.rcode, "NXDOMAIN");
    assert_eq!(told.answer.len(), 1600);
    // RFC 2181, 8: the highest bit makes it zero.
    assert_eq!(told.answer[0], "www.example.org. 4294967295 IN A 192.0.2.1");
}
