//! Questions at random: names, case, types, flags, EDNS.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Served, served};
use crate::kubernetes::store::tests::random::questions;

/// The names of all Services.
pub(super) const SERVICES: [&str; 6] = [
    "x.a.svc",
    "yy.a.svc",
    "z.a.svc",
    "x.bb.svc",
    "yy.bb.svc",
    "z.bb.svc",
];

/// What is asked, one after the other.
pub(super) struct Questions {
    random: StdRng,
    texts: Vec<String>,
    of_services: Vec<String>,
    zones: [Arc<Served>; 2],
}

/// A question as it was sent.
pub(super) struct Asked {
    /// As the oracle takes it.
    pub(super) text: String,
    pub(super) served: Arc<Served>,
    pub(super) message: Message,
    pub(super) packet: Vec<u8>,
}

impl Questions {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            texts: questions(),
            of_services: SERVICES
                .iter()
                .flat_map(|name| ["A", "SRV"].map(|qtype| format!("{name} {qtype}")))
                .collect(),
            zones: served().map(Arc::new),
        }
    }

    pub(super) fn next(&mut self) -> Asked {
        // Every third question is for all that a Service has, which can be more than fits.
        let texts = match self.random.random_ratio(1, 3) {
            true => &self.of_services,
            false => &self.texts,
        };
        let text = texts[self.random.random_range(0..texts.len())].clone();
        let (name, qtype) = text.split_once(' ').unwrap();
        let is_pointer = qtype == "PTR";
        // Some ask for a type that nothing has.
        let is_odd = !is_pointer && self.random.random_ratio(1, 16);
        let text = format!("{name} {}", if is_odd { "MX" } else { qtype });
        // The zones of addresses are the first's.
        let zone = self.random.random_range(0..self.zones.len());
        let served = self.zones[if is_pointer { 0 } else { zone }].clone();
        let edns = self.random.random::<bool>().then(|| self.edns());
        let mut asked = Asked::new(served, &text, edns, |letter| self.in_any_case(letter));
        let metadata = &mut asked.message.metadata;
        metadata.id = self.random.random();
        metadata.recursion_desired = self.random.random();
        metadata.checking_disabled = self.random.random();
        asked.packet = asked.message.to_vec().unwrap();
        asked
    }

    fn edns(&mut self) -> Edns {
        let mut edns = Edns::new();
        let sizes = [0, 512, 700, 1232, 4096];
        edns.set_max_payload(sizes[self.random.random_range(0..sizes.len())]);
        edns.set_dnssec_ok(self.random.random());
        edns
    }

    fn in_any_case(&mut self, letter: char) -> char {
        match self.random.random() {
            true => letter.to_ascii_uppercase(),
            false => letter,
        }
    }
}

impl Asked {
    /// A question that is told as the oracle takes it, each letter written as `letter` says.
    pub(super) fn new(
        served: Arc<Served>,
        text: &str,
        edns: Option<Edns>,
        letter: impl FnMut(char) -> char,
    ) -> Self {
        let (name, qtype) = text.split_once(' ').unwrap();
        let full = match name {
            address if qtype == "PTR" => reverse(address.parse().unwrap()),
            "@" => format!("{}.", served.zone),
            name => format!("{name}.{}.", served.zone),
        };
        let full: String = full.chars().map(letter).collect();
        let mut message = Message::new(1, MessageType::Query, OpCode::Query);
        let name = Name::from_ascii(full).unwrap();
        message.add_query(Query::query(name, qtype.parse().unwrap()));
        message.edns = edns;
        let packet = message.to_vec().unwrap();
        Self {
            text: text.to_owned(),
            served,
            message,
            packet,
        }
    }

    pub(super) fn name(&self) -> &Name {
        self.message.queries[0].name()
    }

    /// Where the question section ends.
    pub(super) fn question_end(&self) -> usize {
        let mut at = 12;
        while self.packet[at] != 0 {
            at += 1 + usize::from(self.packet[at]);
        }
        at + 5
    }

    /// How long a reply over UDP may be.
    pub(super) fn udp_limit(&self) -> usize {
        let edns = self.message.edns.as_ref();
        edns.map_or(512, |edns| usize::from(edns.max_payload().max(512)))
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.text, self.served.zone)
    }
}

fn reverse(address: IpAddr) -> String {
    Name::from(address).to_string()
}
