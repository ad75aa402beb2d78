//! The scripted upstream: a server on loopback that answers by rules, remembers what it was asked,
//! and can die and come back.

mod script;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::connection::take_message;
use crate::port::Reservation;
use crate::wire::message::Message;

use script::{Outcome, Rule};

/// How often a waiting thread looks whether it has to stop.
const TICK: Duration = Duration::from_millis(20);

/// How a query came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In a datagram.
    Udp,
    /// On a stream.
    Tcp,
}

impl std::fmt::Display for Transport {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

/// A scripted upstream; its sockets close when it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<Running>,
    _port: Reservation,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<String>>,
    silent: AtomicBool,
}

struct Running {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    /// Starts one that refuses everything, on a port of 127.0.0.1.
    pub(crate) fn start() -> Result<Self, String> {
        let port = Reservation::new()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port));
        let mut upstream = Self {
            address,
            shared: Arc::default(),
            running: None,
            _port: port,
        };
        upstream.up()?;
        Ok(upstream)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces its rules.
    pub(crate) fn script(&self, lines: &[String]) -> Result<(), String> {
        *locked(&self.shared.rules) = script::parse(lines)?;
        Ok(())
    }

    /// Listens and answers, after [`Self::down`] or [`Self::silent`].
    pub(crate) fn up(&mut self) -> Result<(), String> {
        self.shared.silent.store(false, Ordering::SeqCst);
        if self.running.is_none() {
            let running = Running::start(self.address, &self.shared);
            self.running =
                Some(running.map_err(|error| format!("upstream on {}: {error}", self.address))?);
        }
        Ok(())
    }

    /// Closes its sockets: datagrams are refused by ICMP, connections by RST.
    pub(crate) fn down(&mut self) -> Result<(), String> {
        self.running = None;
        // A process that another scenario starts at this moment has the sockets until its exec.
        for _ in 0..100 {
            if refuses(self.address) {
                return Ok(());
            }
        }
        Err(format!("{} does not close", self.address))
    }

    /// Takes queries and answers none.
    pub(crate) fn silent(&self) {
        self.shared.silent.store(true, Ordering::SeqCst);
    }

    /// The queries seen since the start, a line each.
    pub(crate) fn seen(&self) -> Vec<String> {
        locked(&self.shared.seen).clone()
    }
}

/// Whether a datagram to the address is refused.
fn refuses(address: SocketAddr) -> bool {
    let probe = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(TICK))?;
        socket.send(&[0])?;
        socket.recv(&mut [0])
    };
    probe().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

impl Shared {
    /// Notes a query and finds what becomes of it.
    fn outcome(&self, query: &[u8], transport: Transport) -> Outcome {
        let message = match Message::decode(query) {
            Ok(message) => message,
            Err(problem) => {
                locked(&self.seen).push(format!("{transport} malformed: {problem}"));
                return Outcome::Silence;
            }
        };
        locked(&self.seen).push(format!("{transport} {}", message.query_line()));
        if self.silent.load(Ordering::SeqCst) {
            return Outcome::Silence;
        }
        script::outcome(&mut locked(&self.rules), &message, transport)
    }
}

impl Running {
    fn start(address: SocketAddr, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(TICK))?;
        let threads = [
            std::thread::spawn({
                let (shared, stop) = (Arc::clone(shared), Arc::clone(&stop));
                move || serve_udp(&socket, &shared, &stop)
            }),
            std::thread::spawn({
                let (shared, stop) = (Arc::clone(shared), Arc::clone(&stop));
                move || serve_tcp(&listener, &shared, &stop)
            }),
        ];
        Ok(Self {
            stop,
            threads: threads.into(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on standard error.
            _ = thread.join();
        }
    }
}

fn serve_udp(socket: &UdpSocket, shared: &Arc<Shared>, stop: &AtomicBool) {
    let mut buffer = [0; 65_535];
    while !stop.load(Ordering::SeqCst) {
        // An error is the time-out, or an ICMP message about an earlier reply.
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let query = buffer.get(..length).unwrap_or_default();
        let outcome = shared.outcome(query, Transport::Udp);
        let Ok(socket) = socket.try_clone() else {
            continue;
        };
        // The client may be gone when it is sent, which is none of the upstream's business.
        match outcome {
            Outcome::Reply { bytes, delay } => {
                after(delay, move || _ = socket.send_to(&bytes, client))
            }
            Outcome::Relay(server) => {
                let query = query.to_vec();
                std::thread::spawn(move || {
                    relay(&query, server).map(|reply| socket.send_to(&reply, client))
                });
            }
            Outcome::Silence | Outcome::Close => {}
        }
    }
}

/// The reply of another server, if it comes.
fn relay(query: &[u8], server: SocketAddr) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.send(query)?;
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Runs at once, or later in a thread of its own.
fn after(delay: Duration, run: impl FnOnce() + Send + 'static) {
    if delay.is_zero() {
        return run();
    }
    std::thread::spawn(move || {
        std::thread::sleep(delay);
        run();
    });
}

fn serve_tcp(listener: &TcpListener, shared: &Arc<Shared>, stop: &Arc<AtomicBool>) {
    let mut connections = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(TICK / 4);
            continue;
        };
        let (shared, stop) = (Arc::clone(shared), Arc::clone(stop));
        // The connection ends when the client leaves, a rule says so, or the upstream goes down.
        connections.push(std::thread::spawn(move || {
            _ = serve_connection(stream, &shared, &stop)
        }));
    }
    for connection in connections {
        _ = connection.join();
    }
}

fn serve_connection(
    mut stream: TcpStream,
    shared: &Shared,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TICK))?;
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some(query) = take_message(&mut received) {
            match shared.outcome(&query, Transport::Tcp) {
                Outcome::Reply { bytes, delay } => {
                    let mut out = stream.try_clone()?;
                    let mut framed = (bytes.len() as u16).to_be_bytes().to_vec();
                    framed.extend(bytes);
                    after(delay, move || _ = out.write_all(&framed));
                }
                Outcome::Silence | Outcome::Relay(_) => {}
                Outcome::Close => return Ok(()),
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => received.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        if stop.load(Ordering::SeqCst) {
            return Ok(());
        }
    }
}
