//! Who asks.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Edns;

use super::history::History;
use super::judge::{self, Way};
use super::question::{Asked, Questions, SERVICES};
use super::{Tally, served};
use crate::query::Transport;
use crate::server::{Arrival, Handled, Server};

/// How long a reply may take, and a question after the one before.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks each question over UDP and over TCP.
pub(super) struct Asker<'h> {
    pub(super) history: &'h History,
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpStream,
    /// Its place in the history.
    pub(super) number: usize,
    pub(super) questions: Questions,
}

/// Asks by a call, and so far more often than anything changes.
pub(super) struct Caller<'h> {
    pub(super) history: &'h History,
    pub(super) server: Arc<Server>,
}

impl Asker<'_> {
    /// Asks until it is over, or an answer is wrong.
    pub(super) fn run(mut self) -> Result<Tally, String> {
        let _ended = Ends(self.history);
        self.udp.set_read_timeout(Some(TIMEOUT)).unwrap();
        self.tcp.set_read_timeout(Some(TIMEOUT)).unwrap();
        self.tcp.set_nodelay(true).unwrap();
        let mut tally = Tally::default();
        while !self.history.is_over() {
            let asked = self.questions.next();
            let oldest = self.history.oldest();
            let udp = self.ask(&asked, Way::Udp)?;
            let tcp = self.ask(&asked, Way::Tcp)?;
            tally.answers += 2;
            if self.history.is_quiet_since(oldest) {
                self.history.compared(judge::pair(&asked, &udp, &tcp)?);
            }
        }
        Ok(tally)
    }

    fn ask(&mut self, asked: &Asked, way: Way) -> Result<Vec<u8>, String> {
        let oldest = self.history.oldest();
        let reply = match way {
            Way::Udp => self.over_udp(&asked.packet),
            Way::Tcp => self.over_tcp(&asked.packet),
        };
        let states = self.history.since(oldest);
        self.history.answered(self.number);
        judge::reply(asked, way, &reply, &states)?;
        Ok(reply)
    }

    fn over_udp(&self, packet: &[u8]) -> Vec<u8> {
        self.udp.send(packet).unwrap();
        let mut reply = vec![0; 65_535];
        let length = loop {
            match self.udp.recv(&mut reply) {
                // As where this process was stopped, and goes on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received.unwrap(),
            }
        };
        reply.truncate(length);
        reply
    }

    fn over_tcp(&mut self, packet: &[u8]) -> Vec<u8> {
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        self.tcp.write_all(&[&length[..], packet].concat()).unwrap();
        let mut length = [0; 2];
        self.tcp.read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        self.tcp.read_exact(&mut reply).unwrap();
        reply
    }
}

impl Caller<'_> {
    /// Asks until it is over, or an answer is wrong: for all that a Service has, of one Service after
    /// the other. Of the same answers to a question, asked at the same states, one is held against
    /// them.
    pub(super) fn run(self) -> Result<Tally, String> {
        let _ended = Ends(self.history);
        let arrival = Arrival {
            client: ([127, 0, 0, 1], 40_000).into(),
            local: ([127, 0, 0, 1], 53).into(),
            transport: Transport::Udp,
            now: tokio::time::Instant::now(),
        };
        let mut tally = Tally::default();
        let asked = of_services();
        let mut last: Vec<Option<(u64, u64, Vec<u8>)>> = vec![None; asked.len()];
        while !self.history.is_over() {
            for (asked, last) in asked.iter().zip(&mut last) {
                let mut reply = Vec::with_capacity(512);
                let oldest = self.history.oldest();
                let handled = self.server.handle(&asked.packet, arrival, &mut reply);
                assert!(matches!(handled, Handled::Replied));
                let newest = self.history.version();
                tally.calls += 1;
                let told = (oldest, newest, reply);
                if last.as_ref() == Some(&told) {
                    continue;
                }
                let states = self.history.since(oldest);
                judge::reply(asked, Way::Udp, &told.2, &states)?;
                *last = Some(told);
            }
            self.history.went_round();
        }
        Ok(tally)
    }
}

/// The questions whose answers have all endpoints of a Service, in the zone that does not shuffle.
fn of_services() -> Vec<Asked> {
    let [_, served] = served().map(Arc::new);
    let mut asked = Vec::new();
    for name in SERVICES {
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        let text = format!("{name} A");
        asked.push(Asked::new(served.clone(), &text, Some(edns), |letter| {
            letter
        }));
    }
    asked
}

/// Ends the history when dropped.
struct Ends<'h>(&'h History);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
