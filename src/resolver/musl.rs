//! musl 1.2: `getaddrinfo` for any family.
//!
//! Every query goes to every server at once, and the first reply that is an answer or a name error
//! counts. The search list is left at the first name that exists, with addresses or without.

use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::{
    Ask, Candidate, Family, Message, Origin, Outcome, Reply, ResolvConf, Sent, Verdict, Walk, name,
};

/// What differs between releases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// up to 1.2.3
    WithoutTcp,
    /// from 1.2.4
    WithTcp,
}

/// The longest name, with the suffix of the search list.
const BUFFER: usize = 256;
const FAMILIES: [Family; 2] = [Family::A, Family::Aaaa];

/// Does what the library does.
pub(super) fn walk(
    conf: &ResolvConf,
    name: &str,
    ask: &mut dyn FnMut(Ask<'_>) -> Reply,
    release: Release,
) -> Walk {
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.is_empty() || bare.ends_with('.') || name.len() >= 255 {
        return Walk::without_queries(Outcome::NoName);
    }
    if conf.attempts == 0 {
        return Walk::without_queries(Outcome::Crash);
    }
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    let is_searched = dots < conf.ndots && !name.ends_with('.');
    let mut walk = Walk::without_queries(Outcome::NoName);
    let suffixes = conf.search.iter().enumerate().filter(|_| is_searched);
    let searched = suffixes
        .filter(|(_, suffix)| suffix.len() < BUFFER - bare.len() - 1)
        .map(|(number, suffix)| (format!("{bare}.{suffix}"), Origin::Search(number)));
    for (full, origin) in searched.chain([(bare.to_owned(), Origin::AsGiven)]) {
        let (candidate, addresses) = Exchange { conf, ask, release }.run(&full, origin);
        let verdict = candidate.verdict;
        walk.candidates.push(candidate);
        walk.outcome = match verdict {
            Verdict::NoName | Verdict::NotAName => {
                walk.outcome = Outcome::NoName;
                continue;
            }
            Verdict::Found => Outcome::Addresses(addresses),
            Verdict::NoData => match release {
                Release::WithoutTcp => Outcome::NoName,
                Release::WithTcp => Outcome::NoData,
            },
            Verdict::TryAgain => Outcome::TryAgain,
            Verdict::Failed => Outcome::Failed,
        };
        break;
    }
    walk
}

struct Exchange<'a> {
    conf: &'a ResolvConf,
    ask: &'a mut dyn FnMut(Ask<'_>) -> Reply,
    release: Release,
}

impl Exchange<'_> {
    fn run(mut self, full: &str, origin: Origin) -> (Candidate, Vec<std::net::IpAddr>) {
        let mut candidate = Candidate {
            name: full.strip_suffix('.').unwrap_or(full).to_owned(),
            origin,
            batches: Vec::new(),
            waited: Duration::ZERO,
            verdict: Verdict::NotAName,
        };
        if !name::fits_the_wire(&candidate.name) {
            return (candidate, Vec::new());
        }
        let accepted = self.converse(&mut candidate);
        candidate.verdict = judge(&accepted);
        let addresses = if candidate.verdict == Verdict::Found {
            // The last family that was asked for comes first.
            let replies = accepted.into_iter().rev().flatten();
            replies.flat_map(|message| message.addresses).collect()
        } else {
            Vec::new()
        };
        (candidate, addresses)
    }

    /// Sends, and sends again, until both families are answered or the time is up.
    fn converse(&mut self, candidate: &mut Candidate) -> [Option<Message>; 2] {
        let mut accepted: [Option<Message>; 2] = [None, None];
        let timeout = u64::try_from(self.conf.timeout).unwrap_or(0) * 1000;
        let interval = timeout / u64::try_from(self.conf.attempts).unwrap_or(1);
        let (mut now, mut over) = (0, false);
        while now < timeout && !over && accepted.iter().any(Option::is_none) {
            over = self.round(candidate, &mut accepted);
            if over || accepted.iter().all(Option::is_some) {
                break;
            }
            // With no time between rounds, rounds follow each other until the time is up.
            now += interval.max(1);
        }
        if accepted.iter().any(Option::is_none) && !over {
            candidate.waited = Duration::from_millis(timeout);
        } else {
            candidate.waited = Duration::from_millis(now);
        }
        accepted
    }

    /// Every query that waits goes to every server. True where a stream broke, which ends all.
    fn round(&mut self, candidate: &mut Candidate, accepted: &mut [Option<Message>; 2]) -> bool {
        let mut batch = Vec::new();
        for (number, family) in FAMILIES.into_iter().enumerate() {
            if accepted[number].is_none() {
                for server in 0..self.conf.servers.len() {
                    batch.push(self.send(candidate, server, family, false));
                }
            }
        }
        // Servers that fail are asked again at once, twice for each query and no more.
        let mut retries = 2 * FAMILIES.len();
        while !batch.is_empty() {
            let (mut again, mut streams, mut broken) = (Vec::new(), Vec::new(), false);
            for sent in &batch {
                let Reply::Message(message) = &sent.reply else {
                    continue;
                };
                let slot = &mut accepted[usize::from(sent.family == Family::Aaaa)];
                if slot.is_some() {
                    continue;
                }
                match message.rcode {
                    ResponseCode::NoError | ResponseCode::NXDomain => *slot = Some(message.clone()),
                    ResponseCode::ServFail if retries > 0 => {
                        retries -= 1;
                        again.push((sent.server, sent.family));
                        continue;
                    }
                    _ => continue,
                }
                if message.truncated && self.release == Release::WithTcp {
                    let over_tcp = self.send(candidate, sent.server, sent.family, true);
                    *slot = accepted_over_tcp(&over_tcp);
                    broken |= slot.is_none();
                    streams.push(over_tcp);
                }
            }
            batch.extend(streams);
            candidate.batches.push(std::mem::take(&mut batch));
            if broken {
                return true;
            }
            for (server, family) in again {
                batch.push(self.send(candidate, server, family, false));
            }
        }
        false
    }

    fn send(&mut self, candidate: &Candidate, server: usize, family: Family, tcp: bool) -> Sent {
        let reply = (self.ask)(Ask {
            server,
            name: &candidate.name,
            family,
            tcp,
        });
        Sent {
            server,
            family,
            tcp,
            reply,
        }
    }
}

fn accepted_over_tcp(sent: &Sent) -> Option<Message> {
    match &sent.reply {
        Reply::Message(message)
            if matches!(
                message.rcode,
                ResponseCode::NoError | ResponseCode::NXDomain
            ) =>
        {
            Some(message.clone())
        }
        _ => None,
    }
}

fn judge(accepted: &[Option<Message>; 2]) -> Verdict {
    for message in accepted {
        match message.as_ref().map(|message| message.rcode) {
            None => return Verdict::TryAgain,
            Some(ResponseCode::NXDomain) => return Verdict::NoName,
            Some(_) => {}
        }
    }
    let mut messages = accepted.iter().flatten();
    if messages.any(|message| !message.addresses.is_empty()) {
        Verdict::Found
    } else {
        Verdict::NoData
    }
}
