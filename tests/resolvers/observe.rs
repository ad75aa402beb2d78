//! The host of the scenes: name servers on addresses of its own, which answer as a scene says.

use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use callsign::resolver::{Ask, Family, Message as Told, Reply};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::namespace::Namespace;
use crate::program::{Outcome, Program};
use crate::world::World;

/// How many addresses name servers listen on: 10.96.0.10 and up. On the one after them, nothing
/// listens.
const SERVERS: u8 = 4;

/// No query, and answered with itself.
const SETTLED: &[u8] = b"settled";

/// The number of a name server in scenes; `None` where nothing listens. The host itself is the first.
pub(crate) fn number(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(address) if address.is_loopback() => Some(0),
        IpAddr::V4(address) => {
            let number = address.octets()[3].checked_sub(10)?;
            (number < SERVERS).then_some(usize::from(number))
        }
        IpAddr::V6(_) => None,
    }
}

/// A query as a name server got it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Query {
    pub(crate) server: usize,
    pub(crate) name: String,
    pub(crate) family: String,
    pub(crate) tcp: bool,
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tcp = if self.tcp { " tcp" } else { "" };
        write!(f, "{} {} at {}{tcp}", self.name, self.family, self.server)
    }
}

/// What a program did.
pub(crate) struct Seen {
    pub(crate) queries: Vec<Query>,
    pub(crate) outcome: Outcome,
}

pub(crate) struct Host {
    namespace: Namespace,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    world: World,
    log: Vec<Query>,
}

impl State {
    pub(crate) fn new(world: World) -> Self {
        let log = Vec::new();
        Self { world, log }
    }
}

impl Host {
    /// Sets the namespace and its name servers up.
    pub(crate) fn new() -> Result<Self, String> {
        let address = |number| Ipv4Addr::new(10, 96, 0, 10 + number);
        let namespace = Namespace::new((0..=SERVERS).map(address))?;
        let state = Arc::<Mutex<State>>::default();
        for number in 0..SERVERS {
            serve(address(number).into(), &state)?;
        }
        serve(Ipv4Addr::LOCALHOST.into(), &state)?;
        Ok(Self { namespace, state })
    }

    /// Puts a scene on.
    pub(crate) fn set(&mut self, resolv_conf: &str, world: &World) -> Result<(), String> {
        self.namespace.set_resolv_conf(resolv_conf)?;
        let mut state = self.state.lock().expect("no thread panicked");
        state.world = world.clone();
        Ok(())
    }

    /// Waits until every server has read what was sent to it: what is sent last is read last.
    fn settle(&self) -> Result<(), String> {
        let addresses = (0..SERVERS).map(|number| Ipv4Addr::new(10, 96, 0, 10 + number));
        for address in addresses.chain([Ipv4Addr::LOCALHOST]) {
            settle(address.into()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Lets a program look a name up.
    pub(crate) fn look_up(&mut self, program: &Program, name: &str) -> Result<Seen, String> {
        self.state.lock().expect("no thread panicked").log.clear();
        let outcome = program.look_up(name)?;
        self.settle()?;
        let queries = std::mem::take(&mut self.state.lock().expect("no thread panicked").log);
        Ok(Seen { queries, outcome })
    }
}

/// Waits until what came over UDP to this address before is logged.
fn settle(address: IpAddr) -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(SETTLED, (address, 53))?;
    socket.recv(&mut [0; 16]).map(drop)
}

/// A name server on port 53 of this address, over UDP and TCP, that answers as the world says.
pub(crate) fn serve(address: IpAddr, state: &Arc<Mutex<State>>) -> Result<(), String> {
    let at = SocketAddr::new(address, 53);
    let udp = UdpSocket::bind(at).map_err(|error| format!("{at}: {error}"))?;
    let tcp = TcpListener::bind(at).map_err(|error| format!("{at}: {error}"))?;
    let shared = state.clone();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((size, client)) = udp.recv_from(&mut buffer) {
            if &buffer[..size] == SETTLED {
                let _ = udp.send_to(SETTLED, client);
                continue;
            }
            if let Some(reply) = answer(&buffer[..size], address, false, &shared) {
                let _ = udp.send_to(&reply, client);
            }
        }
    });
    let shared = state.clone();
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let shared = shared.clone();
            thread::spawn(move || converse(stream, address, &shared));
        }
    });
    Ok(())
}

fn converse(mut stream: std::net::TcpStream, address: IpAddr, state: &Mutex<State>) -> Option<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query).ok()?;
        // What was sent over UDP with the question that was cut stands before this one in the log.
        settle(address).ok()?;
        if let Some(reply) = answer(&query, address, true, state) {
            let length = u16::try_from(reply.len()).ok()?.to_be_bytes();
            stream.write_all(&[&length[..], &reply].concat()).ok()?;
        }
    }
}

/// Logs a query and answers it as the scene says.
fn answer(bytes: &[u8], address: IpAddr, tcp: bool, state: &Mutex<State>) -> Option<Vec<u8>> {
    let query = Message::from_vec(bytes).ok()?;
    let question = query.queries.first()?.clone();
    let family = match question.query_type() {
        RecordType::A => Family::A,
        RecordType::AAAA => Family::Aaaa,
        other => panic!("nobody asks for {other}"),
    };
    let labels: Vec<_> = question
        .name()
        .iter()
        .map(String::from_utf8_lossy)
        .collect();
    let name = labels.join(".").to_ascii_lowercase();
    let name = name.as_str();
    let mut state = state.lock().expect("no thread panicked");
    let server = number(address)?;
    state.log.push(Query {
        server,
        name: name.to_owned(),
        family: question.query_type().to_string(),
        tcp,
    });
    let reply = state.world.answer(Ask {
        server,
        name,
        family,
        tcp,
    });
    drop(state);
    let Reply::Message(told) = reply else {
        return None;
    };
    render(&query, question.name(), &told)
}

fn render(query: &Message, name: &Name, told: &Told) -> Option<Vec<u8>> {
    let mut reply = query.clone();
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.response_code = told.rcode;
    reply.metadata.truncation = told.truncated;
    reply.metadata.authoritative = told.is_sound;
    reply.metadata.recursion_available = false;
    reply.edns = None;
    for address in &told.addresses {
        let data = match address {
            IpAddr::V4(address) => RData::A(A(*address)),
            IpAddr::V6(address) => RData::AAAA(AAAA(*address)),
        };
        reply.add_answer(Record::from_rdata(name.clone(), 30, data));
    }
    if told.answers > told.addresses.len() {
        let target = Name::from_ascii("elsewhere.example.").expect("it is a name");
        reply.add_answer(Record::from_rdata(
            name.clone(),
            30,
            RData::CNAME(CNAME(target)),
        ));
    }
    reply.to_vec().ok()
}
