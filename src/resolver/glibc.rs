//! glibc 2.36: `getaddrinfo` for any family, `hosts: dns`.
//!
//! A and AAAA go out together and are one exchange: a server that fails one of them is taken for
//! failing neither as long as the other is answered. After a lost reply the library sends one query
//! at a time, for this name and for the rest of the thread's life.

use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::{
    Ask, Candidate, Family, Flags, Message, Origin, Outcome, Reply, ResolvConf, Sent, Verdict,
    Walk, name,
};

/// Does what the library does.
pub(super) fn walk(conf: &ResolvConf, name: &str, ask: &mut dyn FnMut(Ask<'_>) -> Reply) -> Walk {
    if !name::is_glibcs(name) {
        return Walk::without_queries(Outcome::NoName);
    }
    let mut search = Search {
        thread: Thread {
            conf,
            ask,
            single: conf.flags.contains(Flags::SINGLE_REQUEST),
            reopen: conf.flags.contains(Flags::SINGLE_REQUEST_REOPEN),
            last_rcode: None,
            got_somewhere: false,
        },
        candidates: Vec::new(),
        addresses: Vec::new(),
    };
    let outcome = match search.run(name) {
        // Aliases that lead to no address.
        Verdict::Found if search.addresses.is_empty() => Outcome::NoName,
        Verdict::Found => Outcome::Addresses(search.addresses),
        Verdict::NoName => Outcome::NoName,
        Verdict::NoData => Outcome::NoData,
        Verdict::TryAgain => Outcome::TryAgain,
        Verdict::Failed | Verdict::NotAName => Outcome::Failed,
    };
    Walk {
        candidates: search.candidates,
        outcome,
    }
}

struct Search<'a> {
    thread: Thread<'a>,
    candidates: Vec<Candidate>,
    addresses: Vec<std::net::IpAddr>,
}

impl Search<'_> {
    /// The search list's rules; the verdict that becomes the program's error.
    fn run(&mut self, name: &str) -> Verdict {
        let conf = self.thread.conf;
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        let is_full = name.ends_with('.');
        let mut as_given = None;
        if dots >= conf.ndots || is_full {
            let verdict = self.attempt(name.strip_suffix('.').unwrap_or(name), Origin::AsGiven);
            if verdict == Verdict::Found || is_full {
                return verdict;
            }
            as_given = Some(verdict);
        }
        let (mut no_data, mut failed_server, mut root_listed) = (false, false, false);
        let mut last = Verdict::NoName;
        for (number, domain) in conf.search.iter().enumerate() {
            // The root on the list stands for the name as it was given.
            let domain = domain.strip_prefix('.').unwrap_or(domain);
            root_listed |= domain.is_empty();
            let full = join(name, domain);
            last = self.attempt(&full, Origin::Search(number));
            match last {
                Verdict::Found => return last,
                Verdict::NoData => no_data = true,
                Verdict::NoName => {}
                // Nothing listens anywhere: the library gives up for good.
                Verdict::TryAgain if !self.thread.got_somewhere => return last,
                Verdict::TryAgain if self.thread.last_rcode == Some(ResponseCode::ServFail) => {
                    failed_server = true;
                }
                _ => break,
            }
        }
        let is_searched = !conf.search.is_empty();
        let may_ask_bare = dots > 0 || !is_searched || !conf.flags.contains(Flags::NO_TLD_QUERY);
        if may_ask_bare && as_given.is_none() && !root_listed {
            last = self.attempt(name, Origin::AsGiven);
            if last == Verdict::Found {
                return last;
            }
        }
        match as_given {
            Some(verdict) => verdict,
            None if no_data => Verdict::NoData,
            None if failed_server => Verdict::TryAgain,
            None => last,
        }
    }

    fn attempt(&mut self, full: &str, origin: Origin) -> Verdict {
        let mut candidate = Candidate {
            name: full.to_owned(),
            origin,
            batches: Vec::new(),
            waited: Duration::ZERO,
            verdict: Verdict::NotAName,
        };
        if name::fits_the_wire(full) {
            let pair = self.thread.send(&mut candidate);
            candidate.verdict = self.judge(pair);
        }
        let verdict = candidate.verdict;
        self.candidates.push(candidate);
        verdict
    }

    /// What the two replies come to. An answer with records ends the search, whatever they are.
    fn judge(&mut self, pair: Option<[Option<Message>; 2]>) -> Verdict {
        let Some(pair) = pair else {
            return Verdict::TryAgain;
        };
        let replies: Vec<&Message> = pair.iter().flatten().collect();
        let is_answer =
            |reply: &&&Message| reply.rcode == ResponseCode::NoError && reply.answers > 0;
        if replies.iter().any(|reply| is_answer(&reply)) {
            let answers = replies.iter().filter(is_answer);
            self.addresses = answers.flat_map(|reply| reply.addresses.clone()).collect();
            return Verdict::Found;
        }
        let telling = replies
            .iter()
            .find(|reply| reply.rcode != ResponseCode::NoError)
            .or_else(|| replies.first());
        match telling.map(|reply| reply.rcode) {
            Some(ResponseCode::NXDomain) => Verdict::NoName,
            Some(ResponseCode::NoError) => Verdict::NoData,
            Some(ResponseCode::ServFail) | None => Verdict::TryAgain,
            Some(_) => Verdict::Failed,
        }
    }
}

fn join(name: &str, domain: &str) -> String {
    if domain.is_empty() {
        return name.to_owned();
    }
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    format!("{name}.{domain}")
}

/// What the library keeps of a thread.
struct Thread<'a> {
    conf: &'a ResolvConf,
    ask: &'a mut dyn FnMut(Ask<'_>) -> Reply,
    single: bool,
    reopen: bool,
    /// Of the last reply to the first query; it stays when nothing comes after it.
    last_rcode: Option<ResponseCode>,
    /// Whether the last name got any reply, or waited for one in vain.
    got_somewhere: bool,
}

/// How an exchange with one server ended.
enum Exchange {
    /// Replies to A and to AAAA, one of them at least.
    Done([Option<Message>; 2]),
    /// The next server is asked.
    Next,
    /// The same server is asked over TCP.
    OverTcp,
}

impl Thread<'_> {
    fn families(&self) -> &'static [Family] {
        if self.conf.flags.contains(Flags::NO_AAAA) {
            &[Family::A]
        } else {
            &[Family::A, Family::Aaaa]
        }
    }

    /// Asks the servers in turn; `None` when none of them gave an answer.
    fn send(&mut self, candidate: &mut Candidate) -> Option<[Option<Message>; 2]> {
        let mut over_tcp = self.conf.flags.contains(Flags::USE_VC);
        let mut round = 0;
        self.got_somewhere = false;
        while round < self.conf.attempts {
            for server in 0..self.conf.servers.len() {
                if !over_tcp {
                    match self.over_udp(server, candidate) {
                        Exchange::Done(pair) => return Some(pair),
                        Exchange::Next => continue,
                        Exchange::OverTcp => over_tcp = true,
                    }
                }
                // One round of TCP, whatever `attempts` says.
                round = self.conf.attempts;
                if let Some(pair) = self.over_tcp(server, candidate) {
                    return Some(pair);
                }
            }
            round += 1;
        }
        None
    }

    fn patience(&self, server: usize) -> Duration {
        let mut seconds = self.conf.timeout << server.min(8);
        if server > 0 {
            seconds /= i64::try_from(self.conf.servers.len()).unwrap_or(1);
        }
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0).max(1))
    }

    fn query(
        &mut self,
        candidate: &mut Candidate,
        server: usize,
        families: &[Family],
        tcp: bool,
    ) -> Vec<Reply> {
        let mut batch = Vec::new();
        for &family in families {
            let reply = (self.ask)(Ask {
                server,
                name: &candidate.name,
                family,
                tcp,
            });
            batch.push(Sent {
                server,
                family,
                tcp,
                reply,
            });
        }
        self.got_somewhere |= batch.iter().any(|sent| sent.reply != Reply::Unreachable);
        let replies = batch.iter().map(|sent| sent.reply.clone()).collect();
        candidate.batches.push(batch);
        replies
    }

    fn over_udp(&mut self, server: usize, candidate: &mut Candidate) -> Exchange {
        let families = self.families();
        if families.len() == 1 {
            return self.alone(server, candidate);
        }
        if !self.single {
            match self.together(server, candidate) {
                Some(exchange) => return exchange,
                // One reply was lost: it may be the server's way with two at a time.
                None => self.single = true,
            }
        }
        match self.one_by_one(server, candidate) {
            Ok(exchange) => exchange,
            Err(_) if !self.reopen => {
                self.reopen = true;
                match self.one_by_one(server, candidate) {
                    Ok(exchange) => exchange,
                    Err(first) => Exchange::Done([Some(first), None]),
                }
            }
            Err(first) => Exchange::Done([Some(first), None]),
        }
    }

    /// Only A is asked for (`no-aaaa`).
    fn alone(&mut self, server: usize, candidate: &mut Candidate) -> Exchange {
        match self.query(candidate, server, &[Family::A], false).pop() {
            Some(Reply::Message(message)) => {
                self.last_rcode = Some(message.rcode);
                if passes_on(&message) {
                    Exchange::Next
                } else if message.truncated {
                    Exchange::OverTcp
                } else {
                    Exchange::Done([Some(message), None])
                }
            }
            Some(Reply::Silence) => {
                candidate.waited += self.patience(server);
                Exchange::Next
            }
            _ => Exchange::Next,
        }
    }

    /// Both queries at once. `None` where one reply came and the other did not.
    fn together(&mut self, server: usize, candidate: &mut Candidate) -> Option<Exchange> {
        let replies = self.query(candidate, server, &[Family::A, Family::Aaaa], false);
        if replies.contains(&Reply::Unreachable) {
            return Some(Exchange::Next);
        }
        let is_silent = replies.contains(&Reply::Silence);
        let mut kept: [Option<Message>; 2] = [None, None];
        let mut is_first = true;
        for (slot, reply) in kept.iter_mut().zip(replies) {
            let Reply::Message(message) = reply else {
                continue;
            };
            // The first reply to come lands where the response code is read from.
            if is_first {
                self.last_rcode = Some(message.rcode);
                is_first = false;
            }
            if passes_on(&message) {
                continue;
            }
            if message.truncated {
                return Some(Exchange::OverTcp);
            }
            *slot = Some(message);
        }
        if is_silent {
            candidate.waited += self.patience(server);
            return kept.iter().all(Option::is_none).then_some(Exchange::Next);
        }
        if kept.iter().all(Option::is_none) {
            return Some(Exchange::Next);
        }
        Some(Exchange::Done(kept))
    }

    /// A, and AAAA when its reply is there. The error is the reply to A, where that to AAAA is lost.
    fn one_by_one(
        &mut self,
        server: usize,
        candidate: &mut Candidate,
    ) -> Result<Exchange, Message> {
        let first = match self.query(candidate, server, &[Family::A], false).pop() {
            Some(Reply::Message(message)) => message,
            Some(Reply::Silence) => {
                candidate.waited += self.patience(server);
                return Ok(Exchange::Next);
            }
            _ => return Ok(Exchange::Next),
        };
        self.last_rcode = Some(first.rcode);
        if passes_on(&first) {
            // It waits for a reply to a query that it has not sent.
            candidate.waited += self.patience(server);
            return Ok(Exchange::Next);
        }
        if first.truncated {
            return Ok(Exchange::OverTcp);
        }
        match self.query(candidate, server, &[Family::Aaaa], false).pop() {
            Some(Reply::Message(second)) if passes_on(&second) => {
                Ok(Exchange::Done([Some(first), None]))
            }
            Some(Reply::Message(second)) if second.truncated => Ok(Exchange::OverTcp),
            Some(Reply::Message(second)) => Ok(Exchange::Done([Some(first), Some(second)])),
            Some(Reply::Silence) => {
                candidate.waited += self.patience(server);
                Err(first)
            }
            _ => Ok(Exchange::Next),
        }
    }

    fn over_tcp(
        &mut self,
        server: usize,
        candidate: &mut Candidate,
    ) -> Option<[Option<Message>; 2]> {
        let replies = self.query(candidate, server, self.families(), true);
        let mut messages = replies.into_iter().map(|reply| match reply {
            Reply::Message(message) => Some(message),
            Reply::Silence | Reply::Unreachable => None,
        });
        let first = messages.next()??;
        self.last_rcode = Some(first.rcode);
        Some([Some(first), messages.next().flatten()])
    }
}

/// Whether the reply makes the library ask the next server.
fn passes_on(message: &Message) -> bool {
    matches!(
        message.rcode,
        ResponseCode::ServFail | ResponseCode::NotImp | ResponseCode::Refused
    ) || message.is_lame()
}
