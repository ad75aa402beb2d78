//! What is held against each reply: the states that it may be from, and another reply to the same
//! question.

use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::question::Asked;
use crate::kubernetes::store::tests::oracle::Oracle;

/// How a question went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Udp,
    Tcp,
}

/// The default of `ttl`, which the cache in front lets stand.
const TTL: u32 = 5;
/// Up to this, a UDP reply over IPv4 has its names whole where the client takes it so.
const UNFRAGMENTED: usize = 1480;
/// An OPT without options.
const OPT_LENGTH: usize = 11;

/// What a reply says of the cluster.
#[derive(Debug)]
struct Told {
    lines: Vec<String>,
    is_cut: bool,
}

/// What is wrong with a reply that has to be right for one of these states.
pub(super) fn reply(
    asked: &Asked,
    way: Way,
    bytes: &[u8],
    states: &[Arc<Oracle>],
) -> Result<(), String> {
    let told = read(asked, way, bytes).map_err(|wrong| format!("{asked}: {wrong}"))?;
    let view = &asked.served.view;
    let mut right: Vec<_> = states
        .iter()
        .map(|state| state.ask(view, &asked.text))
        .collect();
    right.dedup();
    let is_right = right.iter().any(|right| is_of(right, &told));
    ensure(is_right, || {
        format!("{asked}: neither before nor after\n told {told:?}\n right was {right:#?}")
    })
}

/// What is wrong with the replies over UDP and TCP to one question, where nothing changed between.
/// Where nothing is, whether the one over UDP is cut.
pub(super) fn pair(asked: &Asked, udp: &[u8], tcp: &[u8]) -> Result<bool, String> {
    let [over_udp, over_tcp] = [udp, tcp].map(Message::from_vec);
    let (Ok(over_udp), Ok(over_tcp)) = (over_udp, over_tcp) else {
        return Err(format!("{asked}: no message"));
    };
    let is_cut = over_udp.metadata.truncation;
    let wrong = if tcp.len() <= asked.udp_limit().min(UNFRAGMENTED) {
        ensure(are_alike(asked, (udp, &over_udp), (tcp, &over_tcp)), || {
            "it fits, and is another one over UDP".to_owned()
        })
    } else {
        is_part(asked, &over_udp, &over_tcp)
    };
    wrong.map_err(|wrong| format!("{asked}: {wrong}\n UDP {over_udp:?}\n TCP {over_tcp:?}"))?;
    Ok(is_cut)
}

/// To the last byte, but for the order of addresses where that is changed each time.
fn are_alike(
    asked: &Asked,
    (udp, over_udp): (&[u8], &Message),
    (tcp, over_tcp): (&[u8], &Message),
) -> bool {
    if !asked.served.is_shuffled {
        return udp == tcp;
    }
    let [mut some, mut others] = [over_udp, over_tcp].map(records);
    some.sort();
    others.sort();
    udp.len() == tcp.len() && udp.get(..12) == tcp.get(..12) && some == others
}

/// A reply that does not fit, or fits only compressed: all of the records, or their beginning and TC.
fn is_part(asked: &Asked, over_udp: &Message, over_tcp: &Message) -> Result<(), String> {
    let [some, all] = [over_udp, over_tcp].map(records);
    let is_cut = over_udp.metadata.truncation;
    ensure(!over_tcp.metadata.truncation, || "TC over TCP".to_owned())?;
    ensure(is_cut == (some.len() < all.len()), || {
        format!("TC is {is_cut}, {} of {} records", some.len(), all.len())
    })?;
    let is_beginning = if asked.served.is_shuffled {
        some.iter().all(|record| all.contains(record))
    } else {
        all.starts_with(&some)
    };
    ensure(is_beginning, || "not the beginning of it".to_owned())
}

/// The records of a message in their order, each with its section.
fn records(message: &Message) -> Vec<String> {
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let sections = ["answer", "authority", "additional"].iter().zip(sections);
    sections
        .flat_map(|(section, records)| {
            records
                .iter()
                .map(move |record| format!("{section} {record}"))
        })
        .collect()
}

/// Whether this is the answer, or as much of it as fits.
fn is_of(right: &[String], told: &Told) -> bool {
    if told.is_cut {
        told.lines.len() < right.len() && told.lines.iter().all(|line| right.contains(line))
    } else {
        right == told.lines
    }
}

/// The records of a reply as the oracle tells them, once all that does not depend on the cluster
/// is seen to be right.
fn read(asked: &Asked, way: Way, bytes: &[u8]) -> Result<Told, String> {
    let reply = Message::from_vec(bytes).map_err(|error| error.to_string())?;
    let is_cut = reply.metadata.truncation;
    header(asked, way, bytes, &reply)?;
    let all = [&reply.answers, &reply.authorities, &reply.additionals];
    for record in all.into_iter().flatten() {
        let is_right = record.ttl == TTL && record.dns_class == DNSClass::IN;
        ensure(is_right, || format!("the TTL or class of {record}"))?;
    }
    let mut lines = Vec::new();
    for record in &reply.answers {
        let is_own = record.name.eq_case(asked.name());
        ensure(is_own, || format!("the owner of {record}"))?;
        lines.push(line(record, asked.served.zone));
    }
    let code = reply.metadata.response_code;
    let is_error = code == ResponseCode::NXDomain;
    ensure(is_error || code == ResponseCode::NoError, || {
        format!("{code}")
    })?;
    if lines.is_empty() && !is_cut {
        lines.push(if is_error { "NXDOMAIN" } else { "NODATA" }.to_owned());
        authority(asked, &reply)?;
    } else {
        ensure(reply.authorities.is_empty(), || "an authority".to_owned())?;
        ensure(!is_error, || "NXDOMAIN, and an answer".to_owned())?;
    }
    for record in &reply.additionals {
        let address = record.data.ip_addr();
        let address = address.ok_or_else(|| format!("additional {record}"))?;
        let owner = relative(&record.name, asked.served.zone);
        lines.push(format!("+ {owner} {address}"));
    }
    lines.sort();
    let twice = lines.windows(2).find(|pair| pair[0] == pair[1]);
    ensure(twice.is_none(), || format!("twice: {twice:?}"))?;
    Ok(Told { lines, is_cut })
}

/// Id, flags, question, size and OPT.
fn header(asked: &Asked, way: Way, bytes: &[u8], reply: &Message) -> Result<(), String> {
    let sent = &asked.packet;
    let start = |bytes: &[u8]| bytes.get(..2).map(<[u8]>::to_vec);
    ensure(start(bytes) == start(sent), || "the id".to_owned())?;
    let question = 12..asked.question_end();
    let is_same = bytes.get(question.clone()) == sent.get(question);
    ensure(is_same && bytes.get(4..6) == Some(&[0, 1]), || {
        "the question".to_owned()
    })?;
    // QR and AA; RD and CD as they came; no RA, Z, AD, nor an opcode.
    let asked_for = |bit: u8, at: usize| sent.get(at).map_or(0, |byte| byte & bit);
    let cut = if reply.metadata.truncation { 0x02 } else { 0 };
    let flags = [
        0x84 | cut | asked_for(0x01, 2),
        asked_for(0x10, 3) | reply.metadata.response_code.low(),
    ];
    ensure(bytes.get(2..4) == Some(&flags), || {
        format!("the flags are {:02x?}, not {flags:02x?}", bytes.get(2..4))
    })?;
    let has_opt = asked.message.edns.is_some();
    let tail = |bytes: &[u8]| {
        bytes
            .len()
            .checked_sub(OPT_LENGTH)
            .map(|at| bytes[at..].to_vec())
    };
    ensure(
        reply.edns.is_some() == has_opt && (!has_opt || tail(bytes) == tail(sent)),
        || "the OPT".to_owned(),
    )?;
    match way {
        Way::Udp => ensure(bytes.len() <= asked.udp_limit(), || {
            format!("{} bytes", bytes.len())
        }),
        Way::Tcp => ensure(!reply.metadata.truncation, || "TC over TCP".to_owned()),
    }
}

/// The SOA record of a reply without an answer.
fn authority(asked: &Asked, reply: &Message) -> Result<(), String> {
    let [record] = reply.authorities.as_slice() else {
        return Err("no SOA record".to_owned());
    };
    let RData::SOA(soa) = &record.data else {
        return Err(format!("{record} in place of an SOA record"));
    };
    let is_pointer = asked
        .message
        .queries
        .iter()
        .any(|query| query.query_type() == RecordType::PTR);
    let zone = record.name.to_string().to_lowercase();
    let is_zone = match is_pointer {
        true => ["in-addr.arpa.", "ip6.arpa."].contains(&zone.as_str()),
        false => zone.strip_suffix('.') == Some(asked.served.zone),
    };
    let is_above = record.name.zone_of(asked.name());
    ensure(is_zone && is_above && soa.minimum == TTL, || {
        format!("the SOA record {record}")
    })
}

/// A record of the answer section as the oracle tells it.
fn line(record: &Record, zone: &str) -> String {
    match &record.data {
        RData::A(address) => format!("A {address}"),
        RData::AAAA(address) => format!("AAAA {address}"),
        RData::CNAME(target) => format!("CNAME {}", target.to_string().trim_end_matches('.')),
        RData::PTR(target) => format!("PTR {}", relative(target, zone)),
        RData::SRV(srv) => {
            let target = relative(&srv.target, zone);
            format!("SRV {} {} {} {target}", srv.priority, srv.weight, srv.port)
        }
        other => format!("{other:?}"),
    }
}

/// A name without its zone, in lower case.
fn relative(name: &Name, zone: &str) -> String {
    let name = name.to_string().to_lowercase();
    let zone = format!(".{zone}.");
    name.strip_suffix(&zone).unwrap_or(&name).to_owned()
}

fn ensure(is_right: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if is_right { Ok(()) } else { Err(wrong()) }
}
