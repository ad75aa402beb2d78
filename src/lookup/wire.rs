//! Names asked of DNS servers, whatever they are.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::rehearsal::query;
use super::told::{Heard, Told};
use super::{Names, Question};

/// Servers that are asked over UDP and TCP.
pub struct Wire {
    servers: Vec<SocketAddr>,
    patience: Duration,
    /// Whether each has answered yet; `false` for one that kept silent.
    answers: HashMap<usize, bool>,
}

impl Wire {
    /// Asks these, by their numbers; a number past the end is the last one. A reply is waited for
    /// as long as a resolver would, by the options that it has. A server that has kept silent, and
    /// never answered anything, is not waited for again.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>, patience: Duration) -> Self {
        Self {
            servers,
            patience,
            answers: HashMap::new(),
        }
    }

    fn exchange(&self, question: Question<'_>, packet: &[u8]) -> io::Result<Vec<u8>> {
        let last = self.servers.len().saturating_sub(1);
        let server = self.servers.get(question.server.min(last));
        let server = *server.ok_or_else(|| io::Error::other("there is no server to ask"))?;
        if question.tcp {
            self.over_tcp(server, packet)
        } else {
            self.over_udp(server, packet)
        }
    }

    fn over_udp(&self, server: SocketAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        // Twice: a packet that is lost says nothing about the server.
        for _ in 0..2 {
            socket.send(packet)?;
            match receive(&socket, packet, Instant::now() + self.patience / 2) {
                Err(error) if is_time_out(&error) => {}
                other => return other,
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    fn over_tcp(&self, server: SocketAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&server, self.patience)?;
        stream.set_read_timeout(Some(self.patience))?;
        let length = u16::try_from(packet.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), packet].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply)?;
        Ok(reply)
    }
}

impl Names for Wire {
    fn ask(&mut self, question: Question<'_>) -> Heard {
        let Some(packet) = query(question.name, question.qtype, rand::random()) else {
            return Heard::unwritable(question.name);
        };
        if self.answers.get(&question.server) == Some(&false) {
            return Heard::Silence;
        }
        let start = Instant::now();
        match self.exchange(question, &packet) {
            Ok(reply) => {
                self.answers.insert(question.server, true);
                Told::read(&reply, question.qtype, Vec::new(), start.elapsed())
                    .map_or(Heard::Silence, Heard::Told)
            }
            Err(error) if is_time_out(&error) => {
                self.answers.entry(question.server).or_insert(false);
                Heard::Silence
            }
            Err(error) => Heard::Unreachable(error.to_string()),
        }
    }
}

/// The reply to this packet, as long as it comes in time.
fn receive(socket: &UdpSocket, packet: &[u8], end: Instant) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 4096];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        let reply = buffer.get(..length).unwrap_or_default();
        // Of another query, late.
        if reply.get(..2) == packet.get(..2) {
            return Ok(reply.to_vec());
        }
    }
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}
