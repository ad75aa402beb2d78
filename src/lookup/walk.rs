//! What a pod's resolver asks for a name, and what it gets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::told::{Heard, Told};
use super::{Names, Question};
use crate::resolver::{
    Ask, Candidate, Family, Libc, Message, Origin, Outcome, Reply, ResolvConf, Sent, Verdict, Walk,
};

/// A walk, and the replies in full.
pub struct Walked {
    /// What the library did.
    pub walk: Walk,
    /// What it heard, query by query.
    pub heard: Vec<Heard>,
}

impl Walked {
    /// The reply that made the library stop: the first with an address, or the first that would
    /// have come from an upstream.
    #[must_use]
    pub fn winner(&self) -> Option<&Told> {
        let replies = self.heard.iter().filter_map(|heard| match heard {
            Heard::Told(told) => Some(told),
            Heard::Silence | Heard::Unreachable(_) => None,
        });
        let last = replies.clone().next_back();
        let mut with_addresses = replies.filter(|told| !told.addresses.is_empty());
        with_addresses.next().or(last)
    }
}

/// What a rehearsal assumes of the upstreams that it does not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// They have the name as it was given, and none that the search list made of it.
    HasTheName,
    /// They have no such name.
    HasNone,
}

/// Looks a name up as a program with this library does.
pub fn addresses(
    libc: Libc,
    conf: &ResolvConf,
    name: &str,
    elsewhere: Elsewhere,
    names: &mut dyn Names,
) -> Walked {
    let mut heard = Vec::new();
    let own = name.strip_suffix('.').unwrap_or(name);
    let walk = libc.walk(conf, name, &mut |ask: Ask<'_>| {
        let mut reply = names.ask(Question {
            name: ask.name,
            qtype: qtype(ask.family),
            server: ask.server,
            tcp: ask.tcp,
        });
        if let Heard::Told(told) = &mut reply {
            let is_there = ask.name == own && elsewhere == Elsewhere::HasTheName;
            rehearse(told, is_there, ask.family);
        }
        let as_read = match &reply {
            Heard::Told(told) => Reply::Message(told.as_resolver_message()),
            Heard::Silence => Reply::Silence,
            Heard::Unreachable(_) => Reply::Unreachable,
        };
        heard.push(reply);
        as_read
    });
    Walked { walk, heard }
}

/// Puts in what an upstream would have said. An address that says nothing stands for its answer.
/// An alias of the cluster leads there, so it has one.
fn rehearse(told: &mut Told, is_there: bool, family: Family) {
    if told.would_forward_to().is_none() {
        return;
    }
    told.is_sound = true;
    if is_there || !told.records.is_empty() {
        told.code = ResponseCode::NoError.into();
        told.addresses = vec![match family {
            Family::A => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Aaaa => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }];
    } else {
        told.code = ResponseCode::NXDomain.into();
    }
}

fn qtype(family: Family) -> RecordType {
    match family {
        Family::A => RecordType::A,
        Family::Aaaa => RecordType::AAAA,
    }
}

/// Looks a name up for one type, along the search list, as `dig +search` does. No library's
/// `getaddrinfo` asks for such types; a program that does asks for itself.
pub fn records(
    qtype: RecordType,
    conf: &ResolvConf,
    name: &str,
    elsewhere: Elsewhere,
    names: &mut dyn Names,
) -> Walked {
    let (mut heard, mut candidates) = (Vec::new(), Vec::new());
    let mut outcome = Outcome::NoName;
    for (full, origin) in candidates_of(conf, name) {
        let reply = names.ask(Question {
            name: &full,
            qtype,
            server: 0,
            tcp: false,
        });
        let verdict = match &reply {
            Heard::Told(told) if told.would_forward_to().is_some() => match (origin, elsewhere) {
                (Origin::AsGiven, Elsewhere::HasTheName) => Verdict::Found,
                _ => Verdict::NoName,
            },
            Heard::Told(told) => verdict(told),
            Heard::Silence | Heard::Unreachable(_) => Verdict::TryAgain,
        };
        let message = match &reply {
            Heard::Told(told) => Reply::Message(told.as_resolver_message()),
            _ => Reply::Silence,
        };
        candidates.push(Candidate {
            name: full,
            origin,
            // The family is none of the two; the report tells the type by itself.
            batches: vec![vec![Sent {
                server: 0,
                family: Family::A,
                tcp: false,
                reply: message,
            }]],
            waited: Duration::ZERO,
            verdict,
        });
        heard.push(reply);
        outcome = match verdict {
            Verdict::Found => Outcome::Addresses(Vec::new()),
            Verdict::NoData => Outcome::NoData,
            Verdict::TryAgain => Outcome::TryAgain,
            _ => continue,
        };
        if verdict == Verdict::Found {
            break;
        }
    }
    Walked {
        walk: Walk {
            candidates,
            outcome,
        },
        heard,
    }
}

fn verdict(told: &Told) -> Verdict {
    let Message { rcode, answers, .. } = told.as_resolver_message();
    match rcode {
        ResponseCode::NoError if answers > 0 => Verdict::Found,
        ResponseCode::NoError => Verdict::NoData,
        ResponseCode::NXDomain => Verdict::NoName,
        ResponseCode::ServFail => Verdict::TryAgain,
        _ => Verdict::Failed,
    }
}

/// The names that a search list makes of one, in order.
fn candidates_of(conf: &ResolvConf, name: &str) -> Vec<(String, Origin)> {
    if let Some(full) = name.strip_suffix('.') {
        return vec![(full.to_owned(), Origin::AsGiven)];
    }
    let own = (name.to_owned(), Origin::AsGiven);
    let searched = conf.search.iter().enumerate().map(|(number, domain)| {
        let domain = domain.trim_matches('.');
        let dot = if domain.is_empty() { "" } else { "." };
        (format!("{name}{dot}{domain}"), Origin::Search(number))
    });
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    if dots >= conf.ndots {
        std::iter::once(own).chain(searched).collect()
    } else {
        searched.chain([own]).collect()
    }
}
