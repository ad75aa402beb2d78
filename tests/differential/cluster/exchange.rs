//! Many queries to one server, a window of them at a time.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::client::{Connection, Received};

/// Queries that may be without a reply. What a server holds back in a socket stays far below the
/// kernel's default buffer.
const WINDOW: usize = 64;

/// How long a server may say nothing before what it owes is sent again, or given up.
const PATIENCE: Duration = Duration::from_millis(700);

/// How often a query over UDP is sent.
const ATTEMPTS: usize = 2;

/// How messages reach the server.
enum Link {
    Udp(UdpSocket),
    Tcp(Connection),
}

impl Link {
    fn open(to: SocketAddr, tcp: bool) -> Result<Self, String> {
        if tcp {
            return Connection::open(to).map(Self::Tcp);
        }
        let open = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(to)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        };
        open()
            .map(Self::Udp)
            .map_err(|error: std::io::Error| format!("to {to}: {error}"))
    }

    fn send(&mut self, message: &[u8]) -> Result<(), String> {
        match self {
            Self::Udp(socket) => socket
                .send(message)
                .map(drop)
                .map_err(|error| error.to_string()),
            Self::Tcp(connection) => connection.send(message),
        }
    }

    /// The next message; nothing where none comes in time.
    fn receive(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                Ok(socket.recv(&mut buffer).ok().map(|length| {
                    buffer.truncate(length);
                    buffer
                }))
            }
            Self::Tcp(connection) => match connection.receive(PATIENCE) {
                Received::Message(message) => Ok(Some(message)),
                Received::Nothing => Ok(None),
                Received::Refused | Received::Closed => Err("the connection closed".to_owned()),
            },
        }
    }
}

/// Sends each message with an id of its own, and returns the replies in the messages' order, with
/// the id 0. Nothing stands where a server kept silent.
pub(crate) fn exchange(
    to: SocketAddr,
    tcp: bool,
    messages: &[Vec<u8>],
) -> Result<Vec<Option<Vec<u8>>>, String> {
    let mut link = Link::open(to, tcp)?;
    let mut replies = vec![None; messages.len()];
    let mut owed: BTreeMap<u16, (usize, usize)> = BTreeMap::new();
    let mut next = 0;
    while next < messages.len() || !owed.is_empty() {
        while owed.len() < WINDOW
            && let Some(message) = messages.get(next)
        {
            let id = next as u16;
            link.send(&with_id(message, id))?;
            owed.insert(id, (next, 1));
            next += 1;
        }
        match link.receive()? {
            Some(reply) => {
                let id = id_of(&reply);
                if let Some((at, _)) = owed.remove(&id)
                    && let Some(place) = replies.get_mut(at)
                {
                    *place = Some(with_id(&reply, 0));
                }
            }
            // A stream loses nothing: what it owes now never comes.
            None if tcp => owed.clear(),
            None => {
                owed.retain(|_, (_, sent)| *sent < ATTEMPTS);
                for (id, (at, sent)) in &mut owed {
                    *sent += 1;
                    if let Some(message) = messages.get(*at) {
                        link.send(&with_id(message, *id))?;
                    }
                }
            }
        }
    }
    Ok(replies)
}

fn id_of(message: &[u8]) -> u16 {
    let id = message.get(..2).and_then(|id| id.try_into().ok());
    u16::from_be_bytes(id.unwrap_or_default())
}

fn with_id(message: &[u8], id: u16) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for (byte, new) in bytes.iter_mut().zip(id.to_be_bytes()) {
        *byte = new;
    }
    bytes
}
