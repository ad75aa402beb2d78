//! The works: what is asked of whom, and how the rounds take turns.

use std::io;
use std::time::Duration;

use super::idle;
use super::load::Load;
use super::names;
use super::peer::{Bed, Peer, Role, Server};
use super::question::{Question, Style};
use super::slots::Tally;

/// Sockets, and questions in flight of each: as many as a node's many clients have.
const FLOWS: usize = 8;
const WINDOW: u16 = 32;
/// Questions in flight of a socket where the rate is steady: none waits for a place.
const WIDE: u16 = 1024;
/// The Services of most works.
const SERVICES: u32 = 10_000;
/// Changed EndpointSlices a second.
pub(crate) const CHURN: u32 = 1_000;
/// Connections that are kept open at one time.
const CONNECTIONS: usize = 5_000;
/// A part of the slowest server's questions a second, at which the time to an answer is told.
const PACE: f64 = 0.5;

/// A kind of load.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    role: Role,
    questions: fn(u32) -> Vec<Question>,
    tcp: bool,
    peers: &'static [Peer],
    /// Whether the time to an answer is measured too.
    pub(crate) paced: bool,
}

const AUTHORITIES: &[Peer] = &[
    Peer::Echo,
    Peer::Callsign,
    Peer::CoreDns,
    Peer::Nsd,
    Peer::Knot,
    Peer::Unbound,
];

/// All works, in the order in which they are done.
pub(crate) const WORKS: [Work; 7] = [
    Work {
        key: "names",
        title: "cluster names",
        role: Role::Cluster,
        questions: |services| names::of_services(services, Style::Plain),
        tcp: false,
        peers: AUTHORITIES,
        paced: true,
    },
    Work {
        key: "search",
        title: "search path: 4 of 5 are NXDOMAIN",
        role: Role::Cluster,
        questions: |services| names::of_search_path(services, Style::Plain),
        tcp: false,
        peers: AUTHORITIES,
        paced: false,
    },
    Work {
        key: "edns",
        title: "EDNS and mixed case",
        role: Role::Cluster,
        questions: |services| names::of_services(services, Style::Mixed),
        tcp: false,
        peers: AUTHORITIES,
        paced: false,
    },
    Work {
        key: "cached",
        title: "external names, cached",
        role: Role::Cluster,
        questions: |_| names::external(Style::Plain),
        tcp: false,
        peers: &[
            Peer::Echo,
            Peer::Callsign,
            Peer::CoreDns,
            Peer::Unbound,
            Peer::Dnsdist,
        ],
        paced: false,
    },
    Work {
        key: "forward",
        title: "external names, forwarded each time",
        role: Role::Forward,
        questions: |_| names::external(Style::Plain),
        tcp: false,
        peers: &[Peer::Callsign, Peer::CoreDns, Peer::Dnsdist],
        paced: false,
    },
    Work {
        key: "log",
        title: "cluster names, with `log`",
        role: Role::Logged,
        questions: |services| names::of_services(services, Style::Plain),
        tcp: false,
        peers: &[Peer::Echo, Peer::Callsign, Peer::CoreDns],
        paced: false,
    },
    Work {
        key: "tcp",
        title: "cluster names over TCP, pipelined",
        role: Role::Cluster,
        questions: |services| names::of_services(services, Style::Plain),
        tcp: true,
        peers: &[
            Peer::Callsign,
            Peer::CoreDns,
            Peer::Nsd,
            Peer::Knot,
            Peer::Unbound,
        ],
        paced: false,
    },
];

/// One round of one server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    /// Microseconds of CPU for an answer, in all and in user mode.
    pub(crate) cpu: f64,
    pub(crate) user: f64,
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) wrong: u64,
    pub(crate) lost: u64,
    /// Answers for each event, where what is counted is events.
    pub(crate) answers: f64,
    /// Microseconds: p50, p99, p99.9.
    pub(crate) quantiles: [f64; 3],
}

/// What a server did in a work.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The server's name, or what is compared where all are the same program.
    pub(crate) name: String,
    pub(crate) peer: Peer,
    pub(crate) saturated: Vec<Round>,
    /// At a steady rate.
    pub(crate) paced: Vec<Round>,
    pub(crate) resident: f64,
    /// The first wrong answer.
    pub(crate) example: Option<String>,
}

/// A work that was done.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) outcomes: Vec<Outcome>,
    /// Questions a second of the steady part.
    pub(crate) pace: Option<f64>,
}

/// How long, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) duration: Duration,
}

/// A server in a work.
pub(crate) struct Entrant {
    pub(crate) server: Server,
    questions: Vec<Question>,
    tcp: bool,
    pub(crate) outcome: Outcome,
}

impl Entrant {
    pub(crate) fn new(server: Server, questions: Vec<Question>, tcp: bool) -> Self {
        let outcome = Outcome {
            name: server.peer.name().to_owned(),
            peer: server.peer,
            saturated: Vec::new(),
            paced: Vec::new(),
            resident: 0.0,
            example: None,
        };
        Self {
            server,
            questions,
            tcp,
            outcome,
        }
    }

    pub(crate) fn load(&self, duration: Duration, rate: Option<f64>) -> Load<'_> {
        Load {
            server: self.server.address,
            questions: &self.questions,
            flows: FLOWS,
            window: if rate.is_some() { WIDE } else { WINDOW },
            duration,
            until: None,
            rate,
            tcp: self.tcp,
            echo: self.server.peer == Peer::Echo,
        }
    }

    pub(crate) fn round(&mut self, duration: Duration, rate: Option<f64>) -> io::Result<Round> {
        let before = self.server.process.cpu();
        let mut tally = self.load(duration, rate).run()?;
        let (total, user) = self.server.process.cpu().since(before);
        Ok(self.judge(&mut tally, total, user))
    }

    pub(crate) fn judge(&mut self, tally: &mut Tally, total: f64, user: f64) -> Round {
        if self.outcome.example.is_none() {
            self.outcome.example = tally.example.take();
        }
        let answers = (tally.answered + tally.wrong).max(1) as f64;
        Round {
            cpu: total / answers,
            user: user / answers,
            rate: tally.answered as f64 / tally.elapsed.as_secs_f64(),
            wrong: tally.wrong,
            lost: tally.lost,
            answers: 1.0,
            quantiles: [0.5, 0.99, 0.999].map(|part| tally.quantile(part)),
        }
    }
}

/// Does one of [`WORKS`] with all servers that are there.
pub(crate) fn compare(bed: &Bed<'_>, work: &Work, rounds: Rounds) -> io::Result<Done> {
    let mut entrants = Vec::new();
    for peer in work.peers.iter().filter(|peer| bed.has(**peer)) {
        let questions = (work.questions)(SERVICES);
        match enter(bed, *peer, work.role, SERVICES, questions, work.tcp, false) {
            Ok(entrant) => entrants.push(entrant),
            // A peer that cannot be had is left out, and said so; callsign has no excuse.
            Err(error) if *peer != Peer::Callsign => eprintln!("left out: {error}"),
            Err(error) => return Err(error),
        }
    }
    take_turns(&mut entrants, rounds, None, |round, outcome| {
        outcome.saturated.push(round)
    })?;
    let slowest = entrants
        .iter()
        .filter_map(|entrant| median(entrant.outcome.saturated.iter().map(|round| round.rate)))
        .fold(f64::INFINITY, f64::min);
    let pace = work.paced.then_some((slowest * PACE).floor());
    if pace.is_some() {
        take_turns(&mut entrants, rounds, pace, |round, outcome| {
            outcome.paced.push(round)
        })?;
    }
    Ok(end(work.key, work.title, entrants, pace))
}

/// callsign alone, with clusters of three sizes.
pub(crate) fn sizes(bed: &Bed<'_>, rounds: Rounds) -> io::Result<Done> {
    let mut entrants = Vec::new();
    for services in [1_000, 10_000, 100_000] {
        let questions = names::of_services(services, Style::Plain);
        // As many names each: the same share of the load's own memory is touched.
        let questions = questions.into_iter().take(1_000).collect();
        let entrant = enter(
            bed,
            Peer::Callsign,
            Role::Cluster,
            services,
            questions,
            false,
            false,
        )?;
        let mut entrant = entrant;
        entrant.outcome.name = format!("{services} Services");
        entrants.push(entrant);
    }
    take_turns(&mut entrants, rounds, None, |round, outcome| {
        outcome.saturated.push(round)
    })?;
    Ok(end(
        "sizes",
        "cluster names, by the number of Services",
        entrants,
        None,
    ))
}

/// A quiet cluster beside one that changes.
pub(crate) fn churn(bed: &Bed<'_>, rounds: Rounds) -> io::Result<Done> {
    let mut entrants = Vec::new();
    for peer in [Peer::Callsign, Peer::CoreDns]
        .into_iter()
        .filter(|peer| bed.has(*peer))
    {
        for (name, rate) in [("quiet", 0), ("changing", CHURN)] {
            let questions = names::of_services(SERVICES, Style::Plain);
            let mut entrant = enter(bed, peer, Role::Cluster, SERVICES, questions, false, true)?;
            entrant.outcome.name = format!("{}, {name}", peer.name());
            if let Some(api) = &entrant.server.api {
                api.churn(rate);
            }
            entrants.push(entrant);
        }
    }
    take_turns(&mut entrants, rounds, None, |round, outcome| {
        outcome.saturated.push(round)
    })?;
    Ok(end(
        "churn",
        "cluster names, 1,000 endpoint changes a second",
        entrants,
        None,
    ))
}

/// Memory of connections that asked once and say nothing more. The rate of the one round is theirs.
pub(crate) fn connections(bed: &Bed<'_>) -> io::Result<Done> {
    let mut entrants = Vec::new();
    for peer in [Peer::Callsign, Peer::CoreDns]
        .into_iter()
        .filter(|peer| bed.has(*peer))
    {
        let questions = names::of_services(1_000, Style::Plain);
        let mut entrant = enter(bed, peer, Role::Cluster, 1_000, questions, false, false)?;
        let before = entrant.server.process.resident();
        let idle = idle::open(entrant.server.address, &entrant.questions, CONNECTIONS)?;
        let resident = entrant.server.process.resident() - before;
        entrant.outcome.resident = resident * 1024.0 / idle.len() as f64;
        entrants.push(entrant);
    }
    let outcomes = entrants.into_iter().map(|entrant| entrant.outcome);
    Ok(Done {
        key: "connections",
        title: "an idle TCP connection, KiB each",
        outcomes: outcomes.collect(),
        pace: None,
    })
}

/// Memory with nothing to serve.
pub(crate) fn empty(bed: &Bed<'_>) -> io::Result<Done> {
    let mut entrants = Vec::new();
    for peer in [Peer::Callsign, Peer::CoreDns]
        .into_iter()
        .filter(|peer| bed.has(*peer))
    {
        let questions = vec![Question::missing(
            "nobody.nowhere.svc.cluster.local",
            Style::Plain,
        )];
        entrants.push(enter(bed, peer, Role::Cluster, 0, questions, false, false)?);
    }
    Ok(end("empty", "an empty cluster, idle", entrants, None))
}

fn enter(
    bed: &Bed<'_>,
    peer: Peer,
    role: Role,
    services: u32,
    questions: Vec<Question>,
    tcp: bool,
    watched: bool,
) -> io::Result<Entrant> {
    let first = questions
        .first()
        .ok_or_else(|| io::Error::other("no question"))?;
    let server = bed.start(peer, role, services, watched, first)?;
    let entrant = Entrant::new(server, questions, tcp);
    // Each name is asked once or more before anything counts.
    entrant.load(Duration::from_millis(500), None).run()?;
    Ok(entrant)
}

fn take_turns(
    entrants: &mut [Entrant],
    rounds: Rounds,
    rate: Option<f64>,
    keep: fn(Round, &mut Outcome),
) -> io::Result<()> {
    for _ in 0..rounds.count {
        for entrant in &mut *entrants {
            let round = entrant.round(rounds.duration, rate)?;
            keep(round, &mut entrant.outcome);
        }
    }
    Ok(())
}

pub(crate) fn end(
    key: &'static str,
    title: &'static str,
    entrants: Vec<Entrant>,
    pace: Option<f64>,
) -> Done {
    let outcomes = entrants.into_iter().map(|entrant| {
        let mut outcome = entrant.outcome;
        outcome.resident = entrant.server.process.resident();
        outcome
    });
    Done {
        key,
        title,
        outcomes: outcomes.collect(),
        pace,
    }
}

/// The middle of some figures.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.filter(|figure| figure.is_finite()).collect();
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() % 2 {
        1 => figures.get(middle).copied(),
        _ => Some(figures.get(middle.checked_sub(1)?)? / 2.0 + figures.get(middle)? / 2.0),
    }
}
