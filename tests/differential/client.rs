//! The client's side: requests from a step's heading, sent over a socket of their own.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::compare::duration;
use crate::connection::{Connection, Received, failed, patiently};
use crate::wire::message::{Message, Question};
use crate::wire::query::{Query, packet};
use crate::wire::words;

/// How long a reply may take that is expected to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is sent, and how.
pub(crate) struct Request {
    /// The message's bytes.
    pub(crate) bytes: Vec<u8>,
    /// The id that the reply must have.
    pub(crate) id: u16,
    /// The question as sent; nothing for packets written by hand, whose replies show theirs.
    pub(crate) question: Option<Question>,
    /// Whether the step is repeated until it gives what is expected.
    pub(crate) eventually: bool,
    /// How many times the query is sent.
    pub(crate) times: usize,
    /// Whether records are counted instead of shown: for large replies.
    pub(crate) brief: bool,
    /// How long to wait for a reply, where the step says so.
    pub(crate) wait: Option<Duration>,
    tcp: bool,
    to: SocketAddr,
    from: Option<IpAddr>,
}

impl Request {
    /// A request from `NAME TYPE [CLASS] +option...`.
    pub(crate) fn query(text: &str, to: SocketAddr) -> Result<Self, String> {
        let words = words(text);
        let mut query = Query::parse(&words)?;
        let mut request = Self::new(to);
        for word in words.iter().filter_map(|word| word.strip_prefix('+')) {
            if !query.option(word)? {
                request.option(word)?;
            }
        }
        request.id = query.id;
        request.question = Some(query.question()?);
        request.bytes = query.encode()?;
        Ok(request)
    }

    /// A request from bytes written by hand.
    pub(crate) fn packet(text: &str, to: SocketAddr) -> Result<Self, String> {
        let words = words(text);
        let mut request = Self::new(to);
        for word in words.iter().filter_map(|word| word.strip_prefix('+')) {
            request.option(word)?;
        }
        let bytes: Vec<&str> = words
            .iter()
            .filter(|word| !word.starts_with(['+', '~']))
            .copied()
            .collect();
        request.bytes = packet(&bytes)?;
        let id: [u8; 2] = request
            .bytes
            .get(..2)
            .and_then(|id| id.try_into().ok())
            .unwrap_or_default();
        request.id = u16::from_be_bytes(id);
        Ok(request)
    }

    /// An empty one.
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self {
            bytes: Vec::new(),
            id: 0,
            question: None,
            eventually: false,
            times: 1,
            brief: false,
            wait: None,
            tcp: false,
            to,
            from: None,
        }
    }

    fn option(&mut self, word: &str) -> Result<(), String> {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let wrong = |error: &dyn std::fmt::Display| format!("`+{word}`: {error}");
        match key {
            "tcp" => self.tcp = true,
            "brief" => self.brief = true,
            "eventually" => self.eventually = true,
            "to" => self.to = value.parse().map_err(|error| wrong(&error))?,
            "from" => self.from = Some(value.parse().map_err(|error| wrong(&error))?),
            "times" => self.times = value.parse().map_err(|error| wrong(&error))?,
            "wait" => self.wait = Some(duration(value)?),
            _ => return Err(format!("unknown option `+{word}`")),
        }
        Ok(())
    }

    /// Sends it; the reply is still to be read.
    pub(crate) fn send(&self) -> Result<Pending, String> {
        let socket = self
            .socket()
            .map_err(|error| format!("to {}: {error}", self.to))?;
        Ok(match (socket, self.tcp) {
            (Some(socket), false) => {
                let socket = UdpSocket::from(socket);
                socket
                    .send(&self.bytes)
                    .map_err(|error| format!("to {}: {error}", self.to))?;
                Pending::Udp(socket)
            }
            (Some(socket), true) => {
                let mut connection = Connection::from(TcpStream::from(socket));
                connection.send(&self.bytes)?;
                Pending::Tcp(connection)
            }
            (None, _) => Pending::Refused,
        })
    }

    /// A connected socket, or nothing where the connection is refused.
    fn socket(&self) -> std::io::Result<Option<Socket>> {
        let kind = if self.tcp { Type::STREAM } else { Type::DGRAM };
        let socket = Socket::new(Domain::for_address(self.to), kind, None)?;
        if let Some(from) = self.from {
            socket.bind(&SocketAddr::from((from, 0)).into())?;
        }
        match socket.connect(&self.to.into()) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(Some(socket)),
        }
    }

    /// How long a reply is waited for: short where none is expected.
    pub(crate) fn patience(&self, expected: &[String]) -> Duration {
        let none_expected = expected.first().is_some_and(|line| line == "no reply");
        self.wait.unwrap_or(if none_expected {
            Duration::from_millis(400)
        } else {
            PATIENCE
        })
    }
}

/// A request that was sent.
pub(crate) enum Pending {
    /// On a datagram socket.
    Udp(UdpSocket),
    /// On a connection.
    Tcp(Connection),
    /// There is no connection.
    Refused,
}

impl Pending {
    /// Waits for one reply.
    pub(crate) fn receive(&mut self, patience: Duration) -> Received {
        match self {
            Self::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                let received = patiently(patience, |left| {
                    socket.set_read_timeout(Some(left))?;
                    socket.recv(&mut buffer)
                });
                match received {
                    Ok(length) => {
                        buffer.truncate(length);
                        Received::Message(buffer)
                    }
                    Err(error) => failed(&error),
                }
            }
            Self::Tcp(connection) => connection.receive(patience),
            Self::Refused => Received::Refused,
        }
    }

    /// The port from which it was sent.
    pub(crate) fn client_port(&self) -> Option<u16> {
        match self {
            Self::Udp(socket) => socket.local_addr().ok().map(|address| address.port()),
            Self::Tcp(connection) => connection.client_port(),
            Self::Refused => None,
        }
    }
}

impl Received {
    /// What came, as the lines of an expectation.
    pub(crate) fn lines(&self, request: &Request) -> Vec<String> {
        match self {
            Self::Message(bytes) => match Message::decode(bytes) {
                Ok(message) => {
                    message.reply_lines(request.id, request.question.as_ref(), request.brief)
                }
                Err(problem) => vec![format!("malformed: {problem}"), crate::wire::to_hex(bytes)],
            },
            Self::Nothing => vec!["no reply".to_owned()],
            Self::Refused => vec!["refused".to_owned()],
            Self::Closed => vec!["closed".to_owned()],
        }
    }
}
