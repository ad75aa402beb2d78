//! Load: questions in batches, each answer checked. Either so many in flight at all times, which is
//! saturation, or at a steady rate, in which the time to an answer counts from when its question was
//! due.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

use super::question::Question;
use super::slots::{Slots, Tally};

/// Datagrams of one call.
const BATCH: usize = 32;
const LONGEST: usize = 4096;
/// How often what is lost is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// Where questions are so far apart, the time between them is slept through.
const APART: Duration = Duration::from_millis(1);
/// How long the last answers are waited for.
const LAST: Duration = Duration::from_millis(1100);

/// What is asked, and how.
#[derive(Clone, Copy)]
pub(crate) struct Load<'q> {
    pub(crate) server: SocketAddr,
    pub(crate) questions: &'q [Question],
    /// Sockets or connections.
    pub(crate) flows: usize,
    /// Questions in flight of each, a power of two.
    pub(crate) window: u16,
    pub(crate) duration: Duration,
    /// Set where nothing is to be asked any more.
    pub(crate) until: Option<&'q AtomicBool>,
    /// Questions a second; as fast as they are answered where there is none.
    pub(crate) rate: Option<f64>,
    pub(crate) tcp: bool,
    pub(crate) echo: bool,
}

/// A socket or connection.
trait Flow {
    /// Sends as many questions as are due and have a place; their number.
    fn send(&mut self, slots: &mut Slots<'_>, due: &mut Due) -> io::Result<usize>;
    /// Takes the answers that are there; their number.
    fn receive(&mut self, slots: &mut Slots<'_>) -> io::Result<usize>;
    fn fd(&self) -> std::os::fd::BorrowedFd<'_>;
}

/// When the next question is to be asked.
struct Due {
    next: Instant,
    step: Option<Duration>,
    now: Instant,
}

impl Due {
    /// The time of the next question, if that has come.
    fn peek(&self) -> Option<Instant> {
        match self.step {
            None => Some(self.now),
            Some(_) => (self.next <= self.now).then_some(self.next),
        }
    }

    fn done(&mut self) {
        if let Some(step) = self.step {
            self.next += step;
        }
    }
}

impl Load<'_> {
    /// Asks for as long as is wished.
    pub(crate) fn run(&self) -> io::Result<Tally> {
        let mut flows: Vec<(Box<dyn Flow>, Slots<'_>)> = Vec::new();
        for n in 0..self.flows {
            let flow: Box<dyn Flow> = match self.tcp {
                true => Box::new(Tcp::new(self.server)?),
                false => Box::new(Udp::new(self.server)?),
            };
            let first = n * self.questions.len() / self.flows;
            flows.push((
                flow,
                Slots::new(self.questions, self.window, first, self.echo),
            ));
        }
        let start = Instant::now();
        let mut due = Due {
            next: start,
            step: self.rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            now: start,
        };
        let (end, mut look) = (start + self.duration, start + LOOK);
        let is_over = || self.until.is_some_and(|until| until.load(Relaxed));
        while due.now < end && !is_over() {
            let mut idle = true;
            for (flow, slots) in &mut flows {
                let sent = flow.send(slots, &mut due)?;
                idle &= flow.receive(slots)? + sent == 0;
            }
            due.now = Instant::now();
            if due.now > look {
                flows
                    .iter_mut()
                    .for_each(|(_, slots)| slots.expire(due.now));
                look = due.now + LOOK;
            }
            match due.step {
                None if idle => wait(&flows, 5)?,
                Some(step) if idle && step >= APART => wait(&flows, 1)?,
                _ => {}
            }
        }
        finish(flows, start)
    }
}

/// Waits for the last answers, and gives what came of all.
fn finish(mut flows: Vec<(Box<dyn Flow>, Slots<'_>)>, start: Instant) -> io::Result<Tally> {
    let elapsed = start.elapsed();
    let end = Instant::now() + LAST;
    while Instant::now() < end && flows.iter().any(|(_, slots)| slots.waiting() > 0) {
        wait(&flows, 20)?;
        for (flow, slots) in &mut flows {
            while flow.receive(slots)? > 0 {}
        }
    }
    let mut tally = Tally {
        elapsed,
        ..Tally::default()
    };
    for (_, mut slots) in flows {
        slots.expire(Instant::now() + LAST);
        tally.add(slots.tally);
    }
    Ok(tally)
}

fn wait(flows: &[(Box<dyn Flow>, Slots<'_>)], milliseconds: u8) -> io::Result<()> {
    let mut fds: Vec<_> = flows
        .iter()
        .map(|(flow, _)| PollFd::new(flow.fd(), PollFlags::POLLIN))
        .collect();
    match poll(&mut fds, PollTimeout::from(milliseconds)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

struct Udp {
    socket: UdpSocket,
    out: Vec<Vec<u8>>,
    input: Vec<[u8; LONGEST]>,
    sent: MultiHeaders<SockaddrIn>,
    received: MultiHeaders<SockaddrIn>,
}

impl Udp {
    fn new(server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            out: (0..BATCH).map(|_| Vec::with_capacity(512)).collect(),
            input: vec![[0; LONGEST]; BATCH],
            sent: MultiHeaders::preallocate(BATCH, None),
            received: MultiHeaders::preallocate(BATCH, None),
        })
    }
}

impl Flow for Udp {
    fn send(&mut self, slots: &mut Slots<'_>, due: &mut Due) -> io::Result<usize> {
        let mut count = 0;
        for out in &mut self.out {
            out.clear();
            match due.peek() {
                Some(since) if slots.ask(since, out) => due.done(),
                _ => break,
            }
            count += 1;
        }
        let slices: Vec<_> = self
            .out
            .iter()
            .take(count)
            .map(|out| [IoSlice::new(out)])
            .collect();
        let mut at = 0;
        while at < count {
            let flags = MsgFlags::empty();
            let fd = self.socket.as_raw_fd();
            match sendmmsg(
                fd,
                &mut self.sent,
                &slices[at..],
                &[None; BATCH][at..count],
                [],
                flags,
            ) {
                Ok(sent) => at += sent.count().max(1),
                // What is not taken is lost, and counted so.
                Err(Errno::EAGAIN | Errno::ECONNREFUSED | Errno::ENOBUFS) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(count)
    }

    fn receive(&mut self, slots: &mut Slots<'_>) -> io::Result<usize> {
        let mut lengths = [0; BATCH];
        let mut slices: Vec<_> = self
            .input
            .iter_mut()
            .map(|input| [IoSliceMut::new(input)])
            .collect();
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let count = match recvmmsg(fd, &mut self.received, slices.iter_mut(), flags, None) {
            Ok(messages) => messages
                .zip(&mut lengths)
                .map(|(message, length)| *length = message.bytes)
                .count(),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => 0,
            Err(error) => return Err(error.into()),
        };
        let now = Instant::now();
        for (input, length) in self.input.iter().zip(lengths).take(count) {
            slots.take(&input[..length], now);
        }
        Ok(count)
    }

    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

struct Tcp {
    stream: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
}

impl Tcp {
    fn new(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            out: Vec::new(),
            input: Vec::new(),
        })
    }
}

impl Flow for Tcp {
    fn send(&mut self, slots: &mut Slots<'_>, due: &mut Due) -> io::Result<usize> {
        let mut count = 0;
        while let (Some(since), true) = (due.peek(), self.out.len() < 1 << 16) {
            let start = self.out.len();
            self.out.extend_from_slice(&[0, 0]);
            if !slots.ask(since, &mut self.out) {
                self.out.truncate(start);
                break;
            }
            let length = u16::try_from(self.out.len() - start - 2).unwrap_or_default();
            self.out[start..start + 2].copy_from_slice(&length.to_be_bytes());
            due.done();
            count += 1;
        }
        if !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    fn receive(&mut self, slots: &mut Slots<'_>) -> io::Result<usize> {
        let mut chunk = [0; 1 << 15];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => self.input.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        }
        let (mut at, mut count) = (0, 0);
        let now = Instant::now();
        while let Some(head) = self.input.get(at..at + 2) {
            let end = at + 2 + usize::from(u16::from_be_bytes([head[0], head[1]]));
            let Some(reply) = self.input.get(at + 2..end) else {
                break;
            };
            slots.take(reply, now);
            (at, count) = (end, count + 1);
        }
        self.input.drain(..at);
        Ok(count)
    }

    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
