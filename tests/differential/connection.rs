//! A client's connection over TCP or TLS, and what comes of a request.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// What came of a request.
pub(crate) enum Received {
    /// A message.
    Message(Vec<u8>),
    /// Nothing in time.
    Nothing,
    /// ICMP or RST: nobody listens.
    Refused,
    /// The server closed the connection.
    Closed,
}

/// What an error of a socket says of a request.
pub(crate) fn failed(error: &std::io::Error) -> Received {
    match error.kind() {
        ErrorKind::ConnectionRefused => Received::Refused,
        // The last of them is TLS that ends unsaid.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            Received::Closed
        }
        _ => Received::Nothing,
    }
}

/// Reads, with so much patience left as it is told each time. A process that was stopped and goes on
/// finds its reading interrupted, and reads again.
pub(crate) fn patiently<T>(
    patience: Duration,
    mut read: impl FnMut(Duration) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let end = Instant::now() + patience;
    let mut left = patience;
    loop {
        match read(left) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                // None at all would be for ever.
                let least = Duration::from_millis(1);
                left = end.saturating_duration_since(Instant::now()).max(least);
            }
            read => return read,
        }
    }
}

/// A connection to the server.
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    received: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub(crate) fn open(to: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(to).map_err(|error| format!("to {to}: {error}"))?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        Ok(stream.into())
    }

    /// Speaks TLS on it from now on.
    pub(crate) fn secure(&mut self, settings: ClientConfig) -> Result<(), String> {
        let text = |error: rustls::Error| error.to_string();
        let name = ServerName::from(
            self.stream
                .peer_addr()
                .map_err(|error| error.to_string())?
                .ip(),
        );
        let tls = ClientConnection::new(Arc::new(settings), name).map_err(text)?;
        let mut tls = Box::new(tls);
        while tls.is_handshaking() {
            tls.complete_io(&mut self.stream)
                .map_err(|error| error.to_string())?;
        }
        self.tls = Some(tls);
        Ok(())
    }

    /// The client's port.
    pub(crate) fn client_port(&self) -> Option<u16> {
        self.stream.local_addr().ok().map(|address| address.port())
    }

    /// Sends one message with its length before it.
    pub(crate) fn send(&mut self, message: &[u8]) -> Result<(), String> {
        let length = u16::try_from(message.len()).map_err(|error| error.to_string())?;
        self.write(&[&length.to_be_bytes(), message].concat())
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).write_all(bytes),
            None => self.stream.write_all(bytes),
        };
        written.map_err(|error| error.to_string())
    }

    /// Tells TLS that no more is to come from this side.
    pub(crate) fn notify(&mut self) -> Result<(), String> {
        let Some(tls) = &mut self.tls else {
            return Err("the connection is not TLS".to_owned());
        };
        tls.send_close_notify();
        let written = tls.write_tls(&mut self.stream);
        written.map(drop).map_err(|error| error.to_string())
    }

    /// Says that no more is to come from this side.
    pub(crate) fn finish(&self) -> Result<(), String> {
        self.stream
            .shutdown(std::net::Shutdown::Write)
            .map_err(|error| error.to_string())
    }

    /// Waits for the next message.
    pub(crate) fn receive(&mut self, patience: Duration) -> Received {
        let mut chunk = [0; 16_384];
        loop {
            if let Some(message) = take_message(&mut self.received) {
                return Received::Message(message);
            }
            let read = patiently(patience, |left| {
                self.stream.set_read_timeout(Some(left))?;
                match &mut self.tls {
                    Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).read(&mut chunk),
                    None => self.stream.read(&mut chunk),
                }
            });
            match read {
                Ok(0) => return Received::Closed,
                Ok(length) => self
                    .received
                    .extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) => return failed(&error),
            }
        }
    }
}

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Self {
        Self {
            stream,
            tls: None,
            received: Vec::new(),
        }
    }
}

/// The first message of a stream's bytes, once it is complete.
pub(crate) fn take_message(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes(received.get(..2)?.try_into().ok()?));
    let message = received.get(2..2 + length)?.to_vec();
    received.drain(..2 + length);
    Some(message)
}
