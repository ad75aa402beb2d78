//! Datagrams in batches: a system call for all that go the same way at about the same time.
//!
//! What waited, for a reply or for its turn, becomes ready in crowds: a batch of questions comes in,
//! or an upstream's replies are read together. A datagram that is ready in a crowd stays in an
//! outbox until the runtime has nothing else that is ready, and leaves with the others.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrLike, recvmmsg, sendmmsg};
use tokio::time::Instant;

/// Datagrams read and sent by one system call; more gains nothing (measured).
pub(crate) const BATCH: usize = 32;

/// Sends packets, at most [`BATCH`] of them, in as few calls as it takes.
///
/// The kernel stops at the first packet that it cannot send. `refused` is told its place and why,
/// and says whether the others are to be sent all the same.
pub(crate) fn send_all<S: SockaddrLike + Copy>(
    fd: RawFd,
    headers: &mut MultiHeaders<S>,
    packets: &[Vec<u8>],
    peers: &[Option<S>],
    mut refused: impl FnMut(usize, Errno) -> bool,
) {
    let mut sent = 0;
    while let (Some(packets @ [_, ..]), Some(peers)) = (packets.get(sent..), peers.get(sent..)) {
        let slices: [_; BATCH] =
            std::array::from_fn(|at| [IoSlice::new(packets.get(at).map_or(&[], Vec::as_slice))]);
        let slices = slices.iter().take(packets.len());
        match sendmmsg(fd, headers, slices, peers, [], MsgFlags::MSG_DONTWAIT) {
            Ok(results) => sent += results.count().max(1),
            Err(Errno::EINTR) => {}
            Err(error) if refused(sent, error) => sent += 1,
            Err(_) => return,
        }
    }
}

/// Two that are ready within this time are of a crowd.
const CROWD: Duration = Duration::from_micros(50);

/// Tells crowds from those who come one at a time, and are better off with no wait.
#[derive(Default)]
pub(crate) struct Crowd(Option<Instant>);

impl Crowd {
    /// Takes note of one that comes now; whether it follows another closely.
    pub(crate) fn join(&mut self, now: Instant) -> bool {
        let before = self.0.replace(now);
        before.is_some_and(|before| now.saturating_duration_since(before) < CROWD)
    }
}

/// Replies that were waited for, on their way to clients of one socket.
pub(crate) struct Outbox<S> {
    socket: Arc<UdpSocket>,
    ready: Mutex<Ready<S>>,
}

struct Ready<S> {
    packets: Vec<Vec<u8>>,
    peers: Vec<Option<S>>,
    crowd: Crowd,
}

impl<S: SockaddrLike + Copy + Send + 'static> Outbox<S> {
    /// An outbox with nothing in it.
    pub(crate) fn new(socket: Arc<UdpSocket>) -> Arc<Self> {
        Arc::new(Self {
            socket,
            ready: Mutex::new(Ready {
                packets: Vec::new(),
                peers: Vec::new(),
                crowd: Crowd::default(),
            }),
        })
    }

    /// Sends a reply; together with others, where those are ready in the same moment and
    /// `more_to_come` says that there may be more.
    ///
    /// A reply that cannot be sent when its turn comes is lost, as datagrams are. Needs a runtime.
    pub(crate) fn post(self: &Arc<Self>, packet: Vec<u8>, peer: S, more_to_come: bool) {
        let mut ready = self.lock();
        let waits = ready.crowd.join(Instant::now()) && more_to_come;
        ready.packets.push(packet);
        ready.peers.push(Some(peer));
        let count = ready.packets.len();
        drop(ready);
        leave(self, count, waits, |outbox| outbox.flush());
    }

    fn flush(&self) {
        let mut ready = self.lock();
        let packets = std::mem::take(&mut ready.packets);
        let peers = std::mem::take(&mut ready.peers);
        drop(ready);
        let fd = self.socket.as_raw_fd();
        for (packets, peers) in packets.chunks(BATCH).zip(peers.chunks(BATCH)) {
            let mut headers = MultiHeaders::preallocate(packets.len(), None);
            send_all(fd, &mut headers, packets, peers, |_, _| true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ready<S>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has what stands ready at `from` leave by `flush`. `count` stand ready with the one that has just
/// come. Where that one `waits` for others, and a batch is not full, all leave when the runtime's worker
/// has run what else was ready, and what is to leave together has come together: the first sees to
/// that. Otherwise they leave at once. Needs a runtime.
pub(crate) fn leave<T: Send + Sync + 'static>(
    from: &Arc<T>,
    count: usize,
    waits: bool,
    flush: fn(&Arc<T>),
) {
    if count >= BATCH || !waits {
        flush(from);
    } else if count == 1 {
        let from = from.clone();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            flush(&from);
        });
    }
}

/// Datagrams that one call takes from a connected socket: more gains next to nothing (measured), and
/// each has room for the longest.
pub(crate) const TAKEN: usize = 16;
/// The longest datagram.
const LONGEST: usize = 65_535;
/// From the start of one datagram's place to the next: not a power of two, so that datagrams, which
/// are short, do not all fall on the same few lines of the processor's cache.
const STRIDE: usize = LONGEST + 1 + 5 * 64;

/// Room for the datagrams of one call.
struct Room {
    /// [`TAKEN`] places of [`STRIDE`] bytes.
    places: Box<[u8]>,
    headers: MultiHeaders<()>,
}

thread_local! {
    /// Zeroed by the kernel: a place costs memory when a datagram first lands in it.
    static ROOM: std::cell::RefCell<Room> = std::cell::RefCell::new(Room {
        places: vec![0; STRIDE * TAKEN].into(),
        headers: MultiHeaders::preallocate(TAKEN, None),
    });
}

/// Takes what a connected socket has received, up to [`TAKEN`] datagrams, and gives their number;
/// `each` gets one after the other, with none of this thread's room in use by anybody else.
///
/// # Errors
/// `WouldBlock` where there is none.
pub(crate) fn take(fd: RawFd, mut each: impl FnMut(&[u8])) -> io::Result<usize> {
    ROOM.with_borrow_mut(|room| {
        let mut places = room.places.chunks_exact_mut(STRIDE);
        let mut slices: [_; TAKEN] = std::array::from_fn(|_| {
            let place = places.next().unwrap_or_default();
            let end = place.len().min(LONGEST);
            [IoSliceMut::new(&mut place[..end])]
        });
        let mut lengths = [0; TAKEN];
        let mut count = 0;
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = recvmmsg(fd, &mut room.headers, slices.iter_mut(), flags, None)?;
        for (message, length) in received.zip(&mut lengths) {
            *length = message.bytes;
            count += 1;
        }
        for (place, length) in room.places.chunks_exact(STRIDE).zip(lengths).take(count) {
            each(place.get(..length).unwrap_or_default());
        }
        Ok(count)
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use nix::sys::socket::SockaddrIn;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket, SockaddrIn) {
        let [sender, client] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let SocketAddr::V4(address) = client.local_addr().unwrap() else {
            panic!("not IPv4");
        };
        client.set_nonblocking(true).unwrap();
        (sender, client, address.into())
    }

    fn packets(client: &UdpSocket) -> Vec<Vec<u8>> {
        let mut buffer = [0; 64];
        let next = || {
            let length = client.recv(&mut buffer).ok()?;
            Some(buffer[..length].to_vec())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_packet_that_cannot_be_sent_does_not_hold_up_those_after_it() {
        let (sender, client, good) = pair();
        let good = Some(good);
        // Without SO_BROADCAST the kernel refuses this address, and stops the batch there.
        let bad = Some(SockaddrIn::new(255, 255, 255, 255, 53));
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        let all = [b"1", b"2", b"3", b"4"].map(|packet| packet.to_vec());
        for peers in [[good, bad, good, good], [bad, good, bad, good]] {
            let mut refused = Vec::new();
            send_all(sender.as_raw_fd(), &mut headers, &all, &peers, |at, _| {
                refused.push(at);
                true
            });
            let is_good = |at: &usize| peers[*at] == good;
            let (sent, not): (Vec<_>, Vec<_>) = (0..4).partition(is_good);
            let expected: Vec<_> = sent.iter().map(|at| all[*at].clone()).collect();
            assert_eq!((packets(&client), refused), (expected, not));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn replies_of_a_crowd_leave_when_nothing_else_is_ready() {
        let (sender, client, address) = pair();
        let outbox = Outbox::new(Arc::new(sender));
        for at in 0..4 {
            outbox.post(vec![at], address, true);
        }
        assert_eq!(packets(&client), [[0]], "the others wait for more");
        // The task that sends runs, and waits until this one has nothing to do.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(packets(&client), [[1], [2], [3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn replies_one_at_a_time_the_last_one_and_full_batches_leave_at_once() {
        let (sender, client, address) = pair();
        let outbox = Outbox::new(Arc::new(sender));
        for _ in 0..3 {
            outbox.post(vec![0], address, true);
            assert_eq!(packets(&client).len(), 1);
            tokio::time::advance(CROWD).await;
        }
        outbox.post(vec![0], address, true);
        for _ in 0..BATCH {
            outbox.post(vec![1], address, true);
        }
        assert_eq!(packets(&client).len(), 1 + BATCH);
        outbox.post(vec![0], address, false);
        assert_eq!(packets(&client).len(), 1);
    }

    #[test]
    fn datagrams_are_taken_in_the_order_in_which_they_came() {
        let (sender, client, _) = pair();
        sender.connect(client.local_addr().unwrap()).unwrap();
        for at in 0..20_u8 {
            sender.send(&vec![at; usize::from(at)]).unwrap();
        }
        let mut taken = Vec::new();
        let mut take = || take(client.as_raw_fd(), |bytes| taken.push(bytes.len()));
        assert_eq!(take().unwrap(), TAKEN);
        assert_eq!(take().unwrap(), 20 - TAKEN);
        assert_eq!(take().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(taken, (0..20).collect::<Vec<_>>());
    }
}
