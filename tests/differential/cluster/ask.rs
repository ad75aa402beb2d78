//! Asks both servers the same questions.

use std::net::SocketAddr;

use super::compare::{self, Compared};
use super::exchange::{over_tcp, over_udp};
use crate::wire::query::Query;

/// Queries that are sent before their replies are compared.
const BATCH: usize = 8192;

/// How often CoreDNS is asked until it cuts a reply where callsign does: it begins with another
/// slice of a Service each time, so other records are the ones that find room.
const ORDERS: usize = 200;

/// The types that each name is asked for.
const TYPES: &[&str] = &[
    "A",
    "AAAA",
    "SRV",
    "PTR",
    "TXT",
    "CNAME",
    "SOA",
    "NS",
    "MX",
    "ANY",
    "HTTPS",
    "TYPE65535",
    "DS",
    "AXFR",
    "IXFR",
];

/// Of these, those that [`Depth::Brief`] asks for: an option can change something of them.
const FEW_TYPES: &[&str] = &["A", "AAAA", "SRV", "PTR", "TXT", "CNAME", "NS", "MX"];

/// The ways in which a sample of the questions is asked, besides a plain query over UDP.
const SHAPES: &[Shape] = &[
    Shape::tcp(""),
    Shape::udp("norec cd"),
    Shape::udp("ad"),
    Shape::udp("bufsize=512"),
    Shape::udp("bufsize=1232"),
    Shape::udp("do bufsize=4096"),
    Shape::tcp("do bufsize=4096 norec"),
    Shape::udp("bufsize=100 option=10:0102030405060708"),
];

/// One in this many questions is asked in each of the [`SHAPES`], but for [`Depth::Every`].
const SAMPLE: usize = 23;

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every name with the types that an option can change something of.
    Brief,
    /// Every name with every type, and a sample of the questions in other ways.
    Full,
    /// Every name with every type in every way.
    Every,
    /// Whole zones, by zone transfer.
    Transfers,
    /// The same of a cluster that is known in part.
    TransfersOfPart,
    /// The same of the names by which a cluster is known outside.
    TransfersOutside,
}

/// Which of the questions are asked: each has its turn, as names and types go round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// One in this many.
    pub(crate) one_in: usize,
    /// Whose turn it is.
    pub(crate) turn: usize,
}

impl Sample {
    /// Whether the name of this number is asked for the type of this number.
    fn takes(self, name: usize, rtype: usize) -> bool {
        (name + rtype + self.turn).is_multiple_of(self.one_in.max(1))
    }
}

/// A name and a type.
type Question<'a> = (&'a str, &'a str);

/// How a question is asked.
struct Shape {
    /// The query's options, apart by spaces.
    options: &'static str,
    tcp: bool,
}

impl Shape {
    /// Over UDP with these options.
    const fn udp(options: &'static str) -> Self {
        Self {
            options,
            tcp: false,
        }
    }

    /// Over TCP with these options.
    const fn tcp(options: &'static str) -> Self {
        Self { options, tcp: true }
    }

    /// The message of a query, with the id 0.
    fn message(&self, (name, rtype): Question<'_>) -> Result<Vec<u8>, String> {
        let mut query = Query::parse(&[name, rtype])?;
        query.id = 0;
        for option in self.options.split_whitespace() {
            query.option(option)?;
        }
        query.encode()
    }
}

/// Both servers, and what their answers came to.
pub(crate) struct Pair {
    /// Where CoreDNS is.
    pub(crate) coredns: SocketAddr,
    /// Where callsign is.
    pub(crate) callsign: SocketAddr,
    /// What came of the questions so far.
    pub(crate) compared: Compared,
}

impl Pair {
    /// Asks both servers for all names, and notes what differs.
    pub(crate) fn ask_all(
        &mut self,
        names: &[String],
        depth: Depth,
        sample: Sample,
    ) -> Result<(), String> {
        let (types, shapes) = match depth {
            Depth::Brief => (FEW_TYPES, [].as_slice()),
            Depth::Full | Depth::Every => (TYPES, SHAPES),
            Depth::Transfers | Depth::TransfersOfPart | Depth::TransfersOutside => return Ok(()),
        };
        let questions = questions(names, types, sample);
        self.ask(&questions, &Shape::udp(""))?;
        let one_in = if depth == Depth::Every { 1 } else { SAMPLE };
        for (at, shape) in shapes.iter().enumerate() {
            let first = (at + sample.turn) % one_in;
            let some = questions.iter().skip(first).step_by(one_in);
            let some: Vec<_> = some.copied().collect();
            self.ask(&some, shape)?;
        }
        Ok(())
    }

    /// Asks both servers in one way.
    fn ask(&mut self, questions: &[Question<'_>], shape: &Shape) -> Result<(), String> {
        let servers = [self.coredns, self.callsign];
        for batch in questions.chunks(BATCH) {
            let messages = batch
                .iter()
                .map(|question| shape.message(*question))
                .collect::<Result<Vec<_>, _>>()?;
            let [theirs, ours] = if shape.tcp {
                let [coredns, callsign] = servers;
                [
                    over_tcp(coredns, &messages)?,
                    over_tcp(callsign, &messages)?,
                ]
            } else {
                over_udp(servers, &messages)?
            };
            let replies = theirs.into_iter().zip(ours);
            for ((question, message), (theirs, ours)) in batch.iter().zip(&messages).zip(replies) {
                let theirs = self.cut_alike(message, theirs, ours.as_deref())?;
                let (name, rtype) = question;
                let way = if shape.tcp { " over TCP" } else { "" };
                let what = || format!("{name} {rtype} {}{way}", shape.options);
                self.compared.add(theirs.as_deref(), ours.as_deref(), what);
            }
        }
        Ok(())
    }

    /// CoreDNS's reply; where both replies are cut and not alike, the one that is cut as ours is,
    /// if there is one.
    fn cut_alike(
        &self,
        message: &[u8],
        theirs: Option<Vec<u8>>,
        ours: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, String> {
        let mut theirs = theirs;
        for _ in 0..ORDERS {
            if !compare::differ_in_cut(theirs.as_deref(), ours) {
                break;
            }
            let [again] = over_udp([self.coredns], &[message.to_vec()])?;
            theirs = again.into_iter().next().flatten();
        }
        Ok(theirs)
    }
}

/// Each name with each type, as far as it is its turn.
fn questions<'a>(names: &'a [String], types: &[&'a str], sample: Sample) -> Vec<Question<'a>> {
    let questions = names.iter().enumerate().flat_map(|(at, name)| {
        let taken = move |(number, _): &(usize, &&str)| sample.takes(at, *number);
        let types = types.iter().enumerate().filter(taken);
        types.map(|(_, rtype)| (name.as_str(), *rtype))
    });
    questions.collect()
}
