//! Who asks, and what is held against each reply.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::history::History;
use super::{Served, served};
use crate::kubernetes::store::tests::random::questions;

/// How long a reply may take, and a question after the one before.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// How a question is sent.
pub(super) enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Asks one question after the other.
pub(super) struct Asker<'h> {
    history: &'h History,
    wire: Wire,
    /// Its place in the history.
    number: usize,
    random: StdRng,
    questions: Vec<String>,
    zones: [Served; 2],
}

/// A question as it was sent.
struct Asked {
    /// As the oracle takes it.
    text: String,
    zone: usize,
    message: Message,
    packet: Vec<u8>,
}

impl<'h> Asker<'h> {
    pub(super) fn new(history: &'h History, wire: Wire, number: usize, seed: u64) -> Self {
        match &wire {
            Wire::Udp(socket) => socket.set_read_timeout(Some(TIMEOUT)).unwrap(),
            Wire::Tcp(stream) => {
                stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                stream.set_nodelay(true).unwrap();
            }
        }
        Self {
            history,
            wire,
            number,
            random: StdRng::seed_from_u64(seed + 1 + number as u64),
            questions: questions(),
            zones: served(),
        }
    }

    /// Asks until it is over; the number of right answers.
    pub(super) fn run(mut self) -> u64 {
        // Also where an assertion fails: nobody waits for answers that will not come.
        let _ended = Ends(self.history);
        let mut answers = 0;
        while !self.history.is_over() {
            let asked = self.question();
            let oldest = self.history.oldest();
            let reply = self.exchange(&asked.packet);
            let states = self.history.since(oldest);
            self.history.answered(self.number);
            let told = self.read(&asked, &reply);
            let view = &self.zones[asked.zone].view;
            let mut right: Vec<_> = states
                .iter()
                .map(|state| state.ask(view, &asked.text))
                .collect();
            right.dedup();
            let is_right = right.iter().any(|right| is_of(right, &told));
            assert!(
                is_right,
                "{} of {}\n told {told:?}\n right was {right:#?}",
                asked.text, self.zones[asked.zone].zone,
            );
            answers += 1;
        }
        answers
    }

    fn question(&mut self) -> Asked {
        let at = self.random.random_range(0..self.questions.len());
        let text = self.questions[at].clone();
        let (name, qtype) = text.split_once(' ').unwrap();
        let is_pointer = qtype == "PTR";
        let zone = if is_pointer {
            0
        } else {
            self.random.random_range(0..self.zones.len())
        };
        let full = match name {
            address if is_pointer => reverse(address.parse().unwrap()),
            "@" => format!("{}.", self.zones[zone].zone),
            name => format!("{name}.{}.", self.zones[zone].zone),
        };
        // Some ask for a type that nothing has.
        let is_odd = !is_pointer && self.random.random_ratio(1, 16);
        let qtype = if is_odd { "MX" } else { qtype };
        let text = format!("{name} {qtype}");
        let name = Name::from_ascii(self.in_any_case(&full)).unwrap();
        let mut message = Message::new(self.random.random(), MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = self.random.random();
        message.metadata.checking_disabled = self.random.random();
        message.add_query(Query::query(name, qtype.parse().unwrap()));
        if self.random.random() {
            let mut edns = Edns::new();
            let sizes = [0, 512, 700, 1232, 4096];
            edns.set_max_payload(sizes[self.random.random_range(0..sizes.len())]);
            edns.set_dnssec_ok(self.random.random());
            message.edns = Some(edns);
        }
        let packet = message.to_vec().unwrap();
        Asked {
            text,
            zone,
            message,
            packet,
        }
    }

    fn in_any_case(&mut self, name: &str) -> String {
        let mut any = |letter: char| match self.random.random() {
            true => letter.to_ascii_uppercase(),
            false => letter,
        };
        name.chars().map(&mut any).collect()
    }

    fn exchange(&mut self, packet: &[u8]) -> Vec<u8> {
        match &mut self.wire {
            Wire::Udp(socket) => {
                socket.send(packet).unwrap();
                let mut reply = vec![0; 65_535];
                let length = socket.recv(&mut reply).unwrap();
                reply.truncate(length);
                reply
            }
            Wire::Tcp(stream) => {
                let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], packet].concat()).unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut reply).unwrap();
                reply
            }
        }
    }

    /// The records of a reply as the oracle tells them, once all that does not depend on the cluster
    /// is seen to be right.
    fn read(&self, asked: &Asked, bytes: &[u8]) -> Told {
        let reply = Message::from_vec(bytes).unwrap();
        let what = &asked.text;
        let question = 12..asked.packet.len().min(12 + question_length(&asked.packet));
        assert_eq!(
            bytes[question.clone()],
            asked.packet[question],
            "{what}: the question"
        );
        let (sent, got) = (&asked.message.metadata, &reply.metadata);
        assert_eq!(got.id, sent.id, "{what}");
        assert_eq!(got.message_type, MessageType::Response, "{what}");
        let flags = |it: &hickory_proto::op::Metadata| (it.recursion_desired, it.checking_disabled);
        assert_eq!(flags(got), flags(sent), "{what}: RD and CD");
        assert!(
            got.authoritative && !got.recursion_available && !got.authentic_data,
            "{what}"
        );
        let opt = |message: &Message| message.edns.as_ref().map(|edns| edns.flags().dnssec_ok);
        assert_eq!(opt(&reply), opt(&asked.message), "{what}: OPT and DO");
        if let Wire::Udp(_) = self.wire {
            let size = asked
                .message
                .edns
                .as_ref()
                .map_or(512, |edns| edns.max_payload().max(512));
            assert!(
                bytes.len() <= usize::from(size),
                "{what}: {} bytes",
                bytes.len()
            );
        } else {
            assert!(!got.truncation, "{what}");
        }
        let zone = self.zones[asked.zone].zone;
        let mut lines: Vec<String> = reply
            .answers
            .iter()
            .filter_map(|record| line(record, zone))
            .collect();
        if lines.is_empty() && !got.truncation {
            let is_error = got.response_code == ResponseCode::NXDomain;
            lines.push(if is_error { "NXDOMAIN" } else { "NODATA" }.to_owned());
            let authority: Vec<_> = reply.authorities.iter().map(Record::record_type).collect();
            assert_eq!(authority, [RecordType::SOA], "{what}");
        } else {
            assert_eq!(got.response_code, ResponseCode::NoError, "{what}");
        }
        let glue = reply.additionals.iter().filter_map(|record| {
            let address = record.data.ip_addr()?;
            Some(format!("+ {} {address}", relative(&record.name, zone)))
        });
        lines.extend(glue);
        lines.sort();
        lines.dedup();
        Told {
            lines,
            is_cut: got.truncation,
        }
    }
}

/// Ends the history when dropped.
struct Ends<'h>(&'h History);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What a reply says of the cluster.
#[derive(Debug)]
struct Told {
    lines: Vec<String>,
    is_cut: bool,
}

/// Whether this is the answer, or as much of it as fits.
fn is_of(right: &[String], told: &Told) -> bool {
    if told.is_cut {
        told.lines.iter().all(|line| right.contains(line))
    } else {
        right == told.lines
    }
}

/// A record of the answer section as the oracle tells it. What a CNAME leads to is not the cluster's.
fn line(record: &Record, zone: &str) -> Option<String> {
    Some(match &record.data {
        RData::A(address) => format!("A {address}"),
        RData::AAAA(address) => format!("AAAA {address}"),
        RData::CNAME(target) => format!("CNAME {}", target.to_string().trim_end_matches('.')),
        RData::PTR(target) => format!("PTR {}", relative(target, zone)),
        RData::SRV(srv) => {
            let target = relative(&srv.target, zone);
            format!("SRV {} {} {} {target}", srv.priority, srv.weight, srv.port)
        }
        other => format!("{other:?}"),
    })
}

/// A name without its zone, in lower case.
fn relative(name: &Name, zone: &str) -> String {
    let name = name.to_string().to_lowercase();
    let zone = format!(".{zone}.");
    name.strip_suffix(&zone).unwrap_or(&name).to_owned()
}

fn reverse(address: IpAddr) -> String {
    Name::from(address).to_string()
}

/// The length of the question section.
fn question_length(packet: &[u8]) -> usize {
    let mut at = 12;
    while packet[at] != 0 {
        at += 1 + usize::from(packet[at]);
    }
    at + 5 - 12
}
