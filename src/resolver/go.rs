//! Go 1.26: `net.LookupHost` of the resolver that is written in Go.
//!
//! A and AAAA are asked for side by side, each with attempts of its own. Whatever comes of a name
//! but an address, the next of the list is tried.

use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::{
    Ask, Candidate, Family, Flags, Message, Origin, Outcome, Reply, ResolvConf, Sent, Verdict,
    Walk, name,
};

/// The longest full name, with the dot at its end.
const LONGEST: usize = 254;

/// Does what the library does.
pub(super) fn walk(conf: &ResolvConf, name: &str, ask: &mut dyn FnMut(Ask<'_>) -> Reply) -> Walk {
    let mut walk = Walk::without_queries(Outcome::NoName);
    if !name::is_gos(name) {
        return walk;
    }
    let mut error = None;
    let mut offset = 0;
    for (full, origin) in names(conf, name) {
        let mut candidate = Candidate {
            name: full.trim_end_matches('.').to_owned(),
            origin,
            batches: Vec::new(),
            waited: Duration::ZERO,
            verdict: Verdict::NoName,
        };
        let lanes = [Family::A, Family::Aaaa].map(|family| {
            let lane = Lane::run(conf, &candidate.name, family, offset, ask);
            offset += usize::from(conf.flags.contains(Flags::ROTATE));
            lane
        });
        for lane in &lanes {
            let is_own = origin == Origin::AsGiven;
            if let Some(failed) = lane.error
                && (error.is_none() || is_own)
            {
                error = Some(failed);
            }
        }
        let addresses: Vec<_> = lanes
            .iter()
            .flat_map(|lane| lane.addresses.clone())
            .collect();
        candidate.verdict = verdict(&lanes, !addresses.is_empty());
        candidate.waited = if conf.flags.contains(Flags::SINGLE_REQUEST) {
            lanes.iter().map(|lane| lane.waited).sum()
        } else {
            lanes
                .iter()
                .map(|lane| lane.waited)
                .max()
                .unwrap_or_default()
        };
        candidate.batches = batches(lanes, conf.flags.contains(Flags::SINGLE_REQUEST));
        walk.candidates.push(candidate);
        if !addresses.is_empty() {
            walk.outcome = Outcome::Addresses(addresses);
            return walk;
        }
    }
    walk.outcome = match error {
        Some(Verdict::TryAgain | Verdict::Failed) => Outcome::TryAgain,
        _ => Outcome::NoName,
    };
    walk
}

/// The full names to try, with a dot at their end.
fn names(conf: &ResolvConf, name: &str) -> Vec<(String, Origin)> {
    if name.ends_with('.') {
        let only = (name.to_owned(), Origin::AsGiven);
        return if is_avoided(name) { vec![] } else { vec![only] };
    }
    let own = (format!("{name}."), Origin::AsGiven);
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    let first = dots >= conf.ndots;
    let searched = conf.search.iter().enumerate().map(|(number, suffix)| {
        let dot = if suffix.ends_with('.') { "" } else { "." };
        (format!("{name}.{suffix}{dot}"), Origin::Search(number))
    });
    let mut names: Vec<_> = searched.filter(|(full, _)| full.len() <= LONGEST).collect();
    if first {
        names.insert(0, own);
    } else {
        names.push(own);
    }
    names.retain(|(full, _)| !is_avoided(full));
    names
}

/// Names of Tor never leave the host (RFC 7686).
fn is_avoided(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.is_empty() || name.ends_with(".onion")
}

/// The attempts for one family.
struct Lane {
    sent: Vec<Sent>,
    addresses: Vec<std::net::IpAddr>,
    error: Option<Verdict>,
    waited: Duration,
}

impl Lane {
    fn run(
        conf: &ResolvConf,
        full: &str,
        family: Family,
        offset: usize,
        ask: &mut dyn FnMut(Ask<'_>) -> Reply,
    ) -> Self {
        let mut lane = Self {
            sent: Vec::new(),
            addresses: Vec::new(),
            error: None,
            waited: Duration::ZERO,
        };
        if !name::fits_the_wire(full) {
            lane.error = Some(Verdict::Failed);
            return lane;
        }
        let servers = conf.servers.len();
        for attempt in 0..conf.attempts * servers {
            let server = (offset + attempt) % servers;
            let message = lane.exchange(conf, full, family, server, ask);
            let Some(message) = message else {
                lane.error = Some(Verdict::TryAgain);
                continue;
            };
            lane.error = Some(match message.rcode {
                ResponseCode::NXDomain => Verdict::NoName,
                ResponseCode::NoError if message.is_lame() => Verdict::Failed,
                ResponseCode::NoError if message.addresses.is_empty() => Verdict::NoData,
                ResponseCode::NoError => {
                    lane.addresses = message.addresses;
                    lane.error = None;
                    return lane;
                }
                ResponseCode::ServFail => Verdict::TryAgain,
                _ => Verdict::Failed,
            });
            if matches!(lane.error, Some(Verdict::NoName | Verdict::NoData)) {
                return lane;
            }
        }
        lane
    }

    /// One server: over UDP, and over TCP where the reply is cut.
    fn exchange(
        &mut self,
        conf: &ResolvConf,
        name: &str,
        family: Family,
        server: usize,
        ask: &mut dyn FnMut(Ask<'_>) -> Reply,
    ) -> Option<Message> {
        let transports: &[bool] = if conf.flags.contains(Flags::USE_VC) {
            &[true]
        } else {
            &[false, true]
        };
        for &tcp in transports {
            let reply = ask(Ask {
                server,
                name,
                family,
                tcp,
            });
            self.sent.push(Sent {
                server,
                family,
                tcp,
                reply: reply.clone(),
            });
            match reply {
                Reply::Message(message) if message.truncated && !tcp => {}
                Reply::Message(message) => return Some(message),
                Reply::Silence => {
                    let seconds = u64::try_from(conf.timeout).unwrap_or(1).max(1);
                    self.waited += Duration::from_secs(seconds);
                    return None;
                }
                Reply::Unreachable => return None,
            }
        }
        None
    }
}

fn verdict(lanes: &[Lane; 2], is_found: bool) -> Verdict {
    if is_found {
        return Verdict::Found;
    }
    let errors = || lanes.iter().filter_map(|lane| lane.error);
    [Verdict::TryAgain, Verdict::Failed, Verdict::NoData]
        .into_iter()
        .find(|verdict| errors().any(|error| error == *verdict))
        .unwrap_or(Verdict::NoName)
}

/// The nth queries of both families are on their way together, unless one waits for the other.
fn batches(lanes: [Lane; 2], is_single: bool) -> Vec<Vec<Sent>> {
    let [first, second] = lanes.map(|lane| lane.sent);
    if is_single {
        return first
            .into_iter()
            .chain(second)
            .map(|sent| vec![sent])
            .collect();
    }
    let mut batches = Vec::new();
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let batch: Vec<_> = first.next().into_iter().chain(second.next()).collect();
        if batch.is_empty() {
            return batches;
        }
        batches.push(batch);
    }
}
