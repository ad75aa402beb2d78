//! Many queries to the servers, a window of them at a time.
//!
//! Over UDP one socket asks all, so that a server that tells the client's port tells the same one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::connection::{Connection, Received};
use crate::subject::answers;

/// Queries that may be without a reply. What they bring back stays far below the buffer that the
/// kernel gives a socket.
const WINDOW: usize = 48;

/// How long the servers may say nothing before what they owe is sent again, or given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a query over UDP is sent.
const ATTEMPTS: u32 = 3;

/// How long a server that says nothing at all is waited for.
const STALLED: Duration = Duration::from_secs(30);

/// The replies of one server in the order of the messages, with the id 0. Nothing stands where it
/// kept silent.
pub(crate) type Replies = Vec<Option<Vec<u8>>>;

/// What one server was asked, and what it owes: by id, the message and how often it was sent.
struct Asked<'m> {
    messages: &'m [Vec<u8>],
    next: usize,
    owed: BTreeMap<u16, (usize, u32)>,
    replies: Replies,
}

impl<'m> Asked<'m> {
    fn new(messages: &'m [Vec<u8>]) -> Self {
        Self {
            messages,
            next: 0,
            owed: BTreeMap::new(),
            replies: vec![None; messages.len()],
        }
    }

    fn is_done(&self) -> bool {
        self.next == self.messages.len() && self.owed.is_empty()
    }

    /// Sends as many messages as the window has room for.
    fn fill(&mut self, mut send: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
        while self.owed.len() < WINDOW
            && let Some(message) = self.messages.get(self.next)
        {
            let id = self.next as u16;
            send(&with_id(message, id))?;
            self.owed.insert(id, (self.next, 1));
            self.next += 1;
        }
        Ok(())
    }

    /// Notes a reply; one that nobody waits for any more is passed over.
    fn take(&mut self, reply: &[u8]) {
        let id = reply.get(..2).and_then(|id| id.try_into().ok());
        let id = u16::from_be_bytes(id.unwrap_or_default());
        if let Some((at, _)) = self.owed.remove(&id)
            && let Some(place) = self.replies.get_mut(at)
        {
            *place = Some(with_id(reply, 0));
        }
    }

    /// Sends again what is owed, but for what was sent often enough.
    fn again(&mut self, send: impl Fn(&[u8]) -> Result<(), String>) -> Result<(), String> {
        self.owed.retain(|_, (_, sent)| *sent < ATTEMPTS);
        for (id, (at, sent)) in &mut self.owed {
            *sent += 1;
            if let Some(message) = self.messages.get(*at) {
                send(&with_id(message, *id))?;
            }
        }
        Ok(())
    }
}

/// Asks servers over UDP, all at the same time.
pub(crate) fn over_udp<const N: usize>(
    servers: [SocketAddr; N],
    messages: &[Vec<u8>],
) -> Result<[Replies; N], String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    let send = |to: SocketAddr| {
        let socket = &socket;
        move |message: &[u8]| socket.send_to(message, to).map(drop).map_err(text)
    };
    let mut all = servers.map(|server| (server, Asked::new(messages)));
    let mut buffer = vec![0; 65_535];
    while !all.iter().all(|(_, asked)| asked.is_done()) {
        for (server, asked) in &mut all {
            asked.fill(send(*server))?;
        }
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let asked = all.iter_mut().find(|(server, _)| *server == from);
                if let (Some((_, asked)), Some(reply)) = (asked, buffer.get(..length)) {
                    asked.take(reply);
                }
            }
            Err(_) => {
                for (server, asked) in &mut all {
                    if asked.is_done() || has_time(*server) {
                        asked.again(send(*server))?;
                    }
                }
            }
        }
    }
    Ok(all.map(|(_, asked)| asked.replies))
}

/// Asks one server over one connection.
pub(crate) fn over_tcp(server: SocketAddr, messages: &[Vec<u8>]) -> Result<Replies, String> {
    let mut connection = Connection::open(server)?;
    let mut asked = Asked::new(messages);
    while !asked.is_done() {
        asked.fill(|message| connection.send(message))?;
        match connection.receive(PATIENCE * ATTEMPTS) {
            Received::Message(reply) => asked.take(&reply),
            // A stream loses nothing: what it owes now never comes.
            Received::Nothing if has_time(server) => asked.owed.clear(),
            Received::Nothing => {}
            Received::Refused | Received::Closed => {
                return Err(format!("{server} closed the connection"));
            }
        }
    }
    Ok(asked.replies)
}

/// Whether a server answers something else at once: then its silence is meant. Where the machine keeps
/// it from answering anything, it is waited for, and what it owes may yet come.
fn has_time(server: SocketAddr) -> bool {
    let asked = Instant::now();
    if answers(server) {
        return true;
    }
    while asked.elapsed() < STALLED {
        if answers(server) {
            return false;
        }
    }
    true
}

fn with_id(message: &[u8], id: u16) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for (byte, new) in bytes.iter_mut().zip(id.to_be_bytes()) {
        *byte = new;
    }
    bytes
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
