//! All that a lookup found, for a person and for a program.

mod behind;
mod text;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use serde::Serialize;

use super::advice::{Advice, Reach};
use super::inventory::Inventory;
use super::told::{Heard, Reason, Told};
use super::walk::{self, Elsewhere, Walked};
use super::{Names, Question};
use crate::resolver::{Candidate, Family, Libc, Origin, Outcome, ResolvConf, Sent, Verdict};

pub use behind::Behind;
pub use text::Paint;

/// Who looks up what.
pub struct Subject<'a> {
    /// The name, as a program has it.
    pub name: &'a str,
    /// `None` asks for addresses, as `getaddrinfo` does.
    pub qtype: Option<RecordType>,
    /// Who asks, for a person: `production/Pod/web, dnsPolicy ClusterFirst`.
    pub from: String,
    /// The namespace of who asks.
    pub namespace: &'a str,
    /// The cluster's domain, without a dot at its end.
    pub domain: &'a str,
    /// Whose resolver it is.
    pub libc: Libc,
    /// The file's text.
    pub resolv_conf: String,
    /// What there is to say of the file.
    pub notes: Vec<String>,
    /// The names of the cluster, where they are known.
    pub inventory: Option<&'a Inventory>,
    /// Name servers in the file that are not the cluster's: these are not asked.
    pub strangers: &'a [IpAddr],
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was looked up.
    pub name: String,
    /// `A/AAAA`, or the type.
    pub types: String,
    /// Who asks.
    pub from: String,
    /// Whose resolver it is.
    pub libc: &'static str,
    /// The file that it reads, and what there is to say of it.
    pub resolv_conf: String,
    /// What is odd in it.
    pub notes: Vec<String>,
    /// The names that were tried, in order.
    pub tried: Vec<Tried>,
    /// Whether it resolves, or would at an upstream.
    pub resolves: bool,
    /// The full name that answered.
    pub full_name: Option<String>,
    /// Addresses, or records of other types.
    pub answer: Vec<String>,
    /// The name that it is an alias of.
    pub alias: Option<String>,
    /// Where a rehearsal would have forwarded it.
    pub forwarded_to: Option<String>,
    /// What the program is told in place of addresses.
    pub error: Option<&'static str>,
    /// Seconds that the answer may be kept.
    pub ttl: Option<u32>,
    /// How many queries it took.
    pub queries: usize,
    /// How long was waited for replies that did not come, in milliseconds.
    pub waited_ms: u64,
    /// What it would cost with other settings.
    pub alternatives: Vec<Alternative>,
    /// The way of the decisive query through the server.
    pub why: Vec<Reason>,
    /// What to write in place, and what is wrong.
    pub advice: Vec<String>,
    /// The Service that the name is of, where there is one.
    pub service: Option<Behind>,
}

/// A full name that was tried.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// The name.
    pub name: String,
    /// `as given`, or the suffix of the search list.
    pub origin: String,
    /// Its queries.
    pub queries: Vec<Asked>,
    /// Whether it is the one.
    pub wins: bool,
    /// How long was waited for replies that did not come, in milliseconds.
    pub waited_ms: u64,
}

/// A query and its reply.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Queries of a name with the same number are sent without waiting for each other.
    pub batch: usize,
    /// The name server.
    pub server: String,
    /// The type.
    pub qtype: String,
    /// Whether it went over TCP.
    pub tcp: bool,
    /// Addresses, or the response code.
    pub reply: String,
    /// How long it took, in microseconds; 0 where that says nothing.
    pub took_us: u64,
}

/// Other settings, and what they would cost.
#[derive(Debug, Serialize)]
pub struct Alternative {
    /// `ndots:1`, or the full name with its dot.
    pub with: String,
    /// How many queries.
    pub queries: usize,
    /// Whether it would resolve.
    pub resolves: bool,
}

/// Replies are remembered, so that what other settings would cost asks little anew. In place of name
/// servers that are not the cluster's nobody is asked.
struct Memory<'a> {
    names: &'a mut dyn Names,
    servers: &'a [IpAddr],
    strangers: &'a [IpAddr],
    known: HashMap<(String, RecordType, usize, bool), Heard>,
}

impl Names for Memory<'_> {
    fn ask(&mut self, question: Question<'_>) -> Heard {
        let server = self.servers.get(question.server);
        if let Some(stranger) = server.filter(|server| self.strangers.contains(server)) {
            return Heard::Told(Told::by_stranger(*stranger));
        }
        let key = (
            question.name.to_ascii_lowercase(),
            question.qtype,
            question.server,
            question.tcp,
        );
        if let Some(heard) = self.known.get(&key) {
            return heard.clone();
        }
        let heard = self.names.ask(question);
        self.known.insert(key, heard.clone());
        heard
    }
}

impl Report {
    /// Looks it up, and tells what came of it.
    pub fn new(subject: &Subject<'_>, names: &mut dyn Names) -> Self {
        let conf = subject.libc.read(&subject.resolv_conf);
        let mut names = Memory {
            names,
            servers: &conf.servers,
            strangers: subject.strangers,
            known: HashMap::new(),
        };
        let walked = subject.walk(&conf, subject.name, &mut names);
        let mut notes = subject.notes.clone();
        let odd = conf.notes.iter();
        notes.extend(odd.map(|note| format!("line {}: {}", note.line, note.text)));
        let resolves = resolves(&walked);
        let winner = walked.winner();
        let forwarded_to = winner
            .and_then(|told| told.would_forward_to())
            .map(str::to_owned);
        let found = walked.walk.found();
        let full_name = found.map(|found| found.name.clone());
        let advice = match resolves {
            true => Vec::new(),
            false => subject.advise(&conf),
        };
        Self {
            name: subject.name.to_owned(),
            types: subject
                .qtype
                .map_or_else(|| "A/AAAA".to_owned(), |qtype| qtype.to_string()),
            from: subject.from.clone(),
            libc: subject.libc.name(),
            resolv_conf: subject.resolv_conf.clone(),
            notes,
            tried: tried(subject, &conf, &walked),
            resolves,
            answer: if resolves && forwarded_to.is_none() {
                answer(subject, &walked)
            } else {
                Vec::new()
            },
            alias: winner
                .filter(|_| resolves)
                .and_then(|told| told.alias())
                .map(str::to_owned),
            error: (!resolves).then(|| error(&walked.walk.outcome)),
            ttl: winner
                .filter(|_| resolves && forwarded_to.is_none())
                .and_then(|told| told.ttl),
            queries: walked.walk.cost(),
            waited_ms: millis(walked.walk.waited()),
            alternatives: alternatives(subject, &conf, full_name.as_deref(), &mut names),
            why: winner.map(|told| told.reasons()).unwrap_or_default(),
            full_name,
            forwarded_to,
            advice,
            service: None,
        }
    }

    /// With the Service that the name is of, and what stands behind it.
    #[must_use]
    pub fn with_service(mut self, subject: &Subject<'_>, names: &mut dyn Names) -> Self {
        let tried = self.tried.iter().map(|tried| tried.name.as_str());
        let full_names = self.full_name.as_deref().into_iter().chain(tried);
        let inventory = subject.inventory;
        self.service = inventory
            .and_then(|inventory| Behind::of(full_names, subject.domain, inventory, names));
        let service = self.service.as_ref().filter(|_| self.resolves);
        self.advice.extend(service.and_then(Behind::warning));
        self
    }
}

impl Subject<'_> {
    fn walk(&self, conf: &ResolvConf, name: &str, names: &mut dyn Names) -> Walked {
        let elsewhere = match self.advice(conf) {
            Some(advice) if advice.is_meant_for_the_cluster(name) => Elsewhere::HasNone,
            _ => Elsewhere::HasTheName,
        };
        match self.qtype {
            None => walk::addresses(self.libc, conf, name, elsewhere, names),
            Some(qtype) => walk::records(qtype, conf, name, elsewhere, names),
        }
    }

    fn advice<'s>(&'s self, conf: &'s ResolvConf) -> Option<Advice<'s>> {
        self.inventory.map(|inventory| Advice {
            inventory,
            namespace: self.namespace,
            domain: self.domain,
            reach: Reach {
                search: &conf.search,
                dots: match self.libc {
                    Libc::Musl | Libc::MuslBefore124 => conf.ndots,
                    Libc::Glibc | Libc::Go => usize::MAX,
                },
            },
        })
    }

    /// What to write in place of a name that does not resolve.
    fn advise(&self, conf: &ResolvConf) -> Vec<String> {
        let Some(advice) = self.advice(conf) else {
            return Vec::new();
        };
        let is_stranger = |server: &IpAddr| self.strangers.contains(server);
        if advice.is_meant_for_the_cluster(self.name) && conf.servers.iter().all(is_stranger) {
            let servers: Vec<String> = conf.servers.iter().map(IpAddr::to_string).collect();
            return vec![format!(
                "names of the cluster are not found from here: {} is not the cluster's name server",
                servers.join(", ")
            )];
        }
        advice.of(self.name)
    }
}

fn resolves(walked: &Walked) -> bool {
    matches!(walked.walk.outcome, Outcome::Addresses(_))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn answer(subject: &Subject<'_>, walked: &Walked) -> Vec<String> {
    match (&walked.walk.outcome, subject.qtype) {
        (Outcome::Addresses(addresses), None) => {
            addresses.iter().map(ToString::to_string).collect()
        }
        _ => walked
            .winner()
            .map(|told| told.records.clone())
            .unwrap_or_default(),
    }
}

/// As `getaddrinfo` and Go say it.
fn error(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Addresses(_) => "",
        Outcome::NoName => "the name does not exist (EAI_NONAME, no such host)",
        Outcome::NoData => "the name exists and has no such record (EAI_NODATA)",
        Outcome::TryAgain => "no server gave an answer (EAI_AGAIN, server misbehaving)",
        Outcome::Failed => "a server refused (EAI_FAIL)",
        Outcome::Crash => "the library ends the program: attempts:0 divides by zero",
    }
}

fn tried(subject: &Subject<'_>, conf: &ResolvConf, walked: &Walked) -> Vec<Tried> {
    let mut heard = walked.heard.iter();
    let candidates = walked.walk.candidates.iter();
    let tried = candidates.map(|candidate| Tried {
        name: candidate.name.clone(),
        origin: match candidate.origin {
            Origin::AsGiven => "as given".to_owned(),
            Origin::Search(number) => conf.search.get(number).cloned().unwrap_or_default(),
        },
        queries: numbered(candidate)
            .map(|(batch, sent)| Asked {
                batch,
                ..asked(subject, conf, sent, heard.next())
            })
            .collect(),
        wins: candidate.verdict == Verdict::Found,
        waited_ms: millis(candidate.waited),
    });
    tried.collect()
}

/// The queries, each with the number of its batch.
fn numbered(candidate: &Candidate) -> impl Iterator<Item = (usize, &Sent)> {
    let batches = candidate.batches.iter().enumerate();
    batches.flat_map(|(number, batch)| batch.iter().map(move |sent| (number, sent)))
}

fn asked(subject: &Subject<'_>, conf: &ResolvConf, sent: &Sent, heard: Option<&Heard>) -> Asked {
    let qtype = match (subject.qtype, sent.family) {
        (Some(qtype), _) => qtype,
        (None, Family::A) => RecordType::A,
        (None, Family::Aaaa) => RecordType::AAAA,
    };
    let (reply, took) = match heard {
        Some(Heard::Told(told)) => (told_in_short(told), told.took),
        Some(Heard::Unreachable(why)) => (why.clone(), Duration::ZERO),
        Some(Heard::Silence) | None => ("no reply".to_owned(), Duration::ZERO),
    };
    let server = conf.servers.get(sent.server);
    Asked {
        batch: 0,
        server: server.map(ToString::to_string).unwrap_or_default(),
        qtype: qtype.to_string(),
        tcp: sent.tcp,
        reply,
        took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    }
}

fn told_in_short(told: &Told) -> String {
    if told.would_forward_to().is_some() {
        return "forwarded".to_owned();
    }
    match told.addresses.as_slice() {
        [] if told.truncated => "cut, again over TCP".to_owned(),
        [] => match &told.error {
            Some(error) => format!("{}, {error}", told.word()),
            None => told.word(),
        },
        addresses => {
            let texts = addresses.iter().map(ToString::to_string);
            texts.collect::<Vec<_>>().join(" ")
        }
    }
}

fn alternatives(
    subject: &Subject<'_>,
    conf: &ResolvConf,
    full_name: Option<&str>,
    names: &mut dyn Names,
) -> Vec<Alternative> {
    let mut alternatives = Vec::new();
    let mut add = |with: String, conf: &ResolvConf, name: &str, names: &mut dyn Names| {
        let walked = subject.walk(conf, name, names);
        alternatives.push(Alternative {
            with,
            queries: walked.walk.cost(),
            resolves: resolves(&walked),
        });
    };
    if !subject.name.ends_with('.') {
        for ndots in [1, 2] {
            let conf = ResolvConf {
                ndots,
                ..conf.clone()
            };
            add(format!("ndots:{ndots}"), &conf, subject.name, names);
        }
        if let Some(full_name) = full_name {
            let name = format!("{full_name}.");
            add(name.clone(), conf, &name, names);
        }
    }
    alternatives
}
