//! An API server that tells what one has told: the lists of `recording`, and its watch of
//! EndpointSlices, over and over and as fast as the client reads. `benches/compare/record` made them.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use flate2::read::GzDecoder;

use super::api::{next_target, respond};
use super::names;
use super::question::{Question, Style};

/// Services of the recording, besides the marker, and those of a namespace.
const SERVICES: u32 = 500;
const SHARE: u32 = 50;
/// The endpoints of each.
const ENDPOINTS: u32 = 5;
/// The Service whose slice changes last.
const MARKER: &str = "marker";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";

/// What was recorded, ready to be sent.
pub(crate) struct Recording {
    /// Paths and their lists.
    lists: Vec<(&'static str, Vec<u8>)>,
    /// Changes that end where they began, each in a chunk of HTTP as an API server sends it.
    changes: Vec<u8>,
    /// How many.
    count: u64,
    /// The marker with an endpoint that is not ready, and with all that are.
    markers: Vec<Vec<u8>>,
}

/// A running API server; it ends with the process.
pub(crate) struct Replay {
    pub(crate) address: SocketAddr,
    orders: Sender<Order>,
    /// Replays so far.
    turns: usize,
}

/// To replay the changes until then, and the marker after them.
struct Order {
    until: Instant,
    marker: usize,
    /// Told the number of events.
    sent: Sender<u64>,
}

impl Recording {
    /// Reads the files of a folder.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let file = |name: &str| {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(folder.join(name))?;
            GzDecoder::new(file).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(bytes)
        };
        let lists = vec![
            ("/api/v1/namespaces", file("namespaces.gz")?),
            ("/api/v1/services", file("services.gz")?),
            (SLICES, file("endpointslices.gz")?),
        ];
        let (mut changes, mut count, mut markers) = (Vec::new(), 0, Vec::new());
        let watch = file("watch.gz")?;
        let mut rest = watch.as_slice();
        while let Some((length, _)) = rest.split_first_chunk() {
            let length = 4 + u32::from_be_bytes(*length) as usize;
            let (frame, after) = rest
                .split_at_checked(length)
                .ok_or_else(|| io::Error::other("the recording ends within an event"))?;
            rest = after;
            let chunk = [format!("{length:x}\r\n").as_bytes(), frame, b"\r\n"].concat();
            let is_marker = frame
                .windows(MARKER.len())
                .any(|part| part == MARKER.as_bytes());
            if is_marker {
                markers.push(chunk);
            } else {
                changes.extend(chunk);
                count += 1;
            }
        }
        if markers.len() != 2 {
            return Err(io::Error::other("the recording has no two markers"));
        }
        Ok(Self {
            lists,
            changes,
            count,
            markers,
        })
    }
}

/// Questions for what does not change: the addresses of Services that have one.
pub(crate) fn questions() -> Vec<Question> {
    let of = |n: u32| {
        let (name, namespace) = (format!("backend-service-{n}"), n / SHARE);
        let host = format!("{name}.production-{namespace}.svc.{}", names::ZONE);
        Question::found(&host, Style::Plain, vec![address([10, 97], n)])
    };
    (0..SERVICES).filter(|n| n % 5 != 0).map(of).collect()
}

/// As `record` gives addresses out.
fn address([a, b]: [u8; 2], n: u32) -> Ipv4Addr {
    let part = |n| u8::try_from(n).unwrap_or_default();
    Ipv4Addr::new(a, b, part(n / 250), part(n % 250 + 1))
}

impl Replay {
    pub(crate) fn start(recording: Arc<Recording>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (orders, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (recording, orders) = (recording.clone(), receiver.clone());
                // A client that goes away ends its connection, and nothing else.
                std::thread::spawn(move || _ = connection(&stream, &recording, &orders));
            }
        });
        Ok(Self {
            address,
            orders,
            turns: 0,
        })
    }

    /// Has the changes replayed until then and a marker after them: tells the number of events, once
    /// they are sent, and what the marker is known by.
    pub(crate) fn until(&mut self, until: Instant) -> io::Result<(Receiver<u64>, Question)> {
        let (sent, count) = channel();
        let marker = self.turns % 2;
        self.turns += 1;
        let order = Order {
            until,
            marker,
            sent,
        };
        self.orders.send(order).map_err(io::Error::other)?;
        let first = SERVICES * ENDPOINTS;
        // The first of its endpoints comes and goes.
        let ready = first + u32::from(marker == 0)..first + ENDPOINTS;
        Ok((count, marked(ready)))
    }
}

fn marked(ready: Range<u32>) -> Question {
    let host = format!(
        "{MARKER}.production-{}.svc.{}",
        SERVICES / SHARE,
        names::ZONE
    );
    let addresses = ready.map(|n| address([10, 244], n)).collect();
    Question::found(&host, Style::Plain, addresses)
}

fn connection(
    stream: &TcpStream,
    recording: &Recording,
    orders: &Mutex<Receiver<Order>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(target) = next_target(&mut reader)? {
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let list = recording.lists.iter().find(|(own, _)| *own == path);
        match list {
            None => respond(stream, "404 Not Found", PROTOBUF, b"")?,
            Some(_) if query.contains("sendInitialEvents") => {
                respond(stream, "422 Unprocessable Entity", PROTOBUF, b"")?;
            }
            Some(_) if query.contains("watch=") => {
                return watch(stream, recording, (path == SLICES).then_some(orders));
            }
            Some((_, list)) => respond(stream, "200 OK", PROTOBUF, list)?,
        }
    }
    Ok(())
}

/// Tells what it is ordered to, where anything is; nothing for ever, else.
fn watch(
    mut stream: &TcpStream,
    recording: &Recording,
    orders: Option<&Mutex<Receiver<Order>>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.kubernetes.protobuf;stream=watch\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    let Some(orders) = orders else {
        return stream.read(&mut [0]).map(|_| ());
    };
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    while let Ok(order) = orders.recv() {
        let mut count = 0;
        while Instant::now() < order.until {
            stream.write_all(&recording.changes)?;
            count += recording.count;
        }
        if let Some(marker) = recording.markers.get(order.marker) {
            stream.write_all(marker)?;
            count += 1;
        }
        _ = order.sent.send(count);
    }
    Ok(())
}
