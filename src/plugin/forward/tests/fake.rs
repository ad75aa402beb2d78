//! An upstream that does what a script says, over UDP and TCP at the same address.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::answer::{RdataRef, Section};
use crate::testing::records;
use crate::wire::{self, Flags};

/// A query that came.
#[derive(Clone, Debug)]
pub(in crate::plugin) struct Seen {
    /// The message.
    pub(in crate::plugin) packet: Vec<u8>,
    /// From where.
    pub(in crate::plugin) from: SocketAddr,
    /// Whether it came over a connection.
    pub(in crate::plugin) stream: bool,
}

/// What an upstream does.
pub(in crate::plugin) enum Act {
    /// Sends a message.
    Send(Vec<u8>),
    /// Waits.
    Wait(Duration),
    /// Closes the connection.
    Close,
}

type Script = Arc<dyn Fn(&Seen) -> Vec<Act> + Send + Sync>;

/// A scripted upstream; it ends with the value.
pub(in crate::plugin) struct Fake {
    pub(in crate::plugin) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    open: Arc<Mutex<Open>>,
    _tasks: JoinSet<()>,
}

/// Connections, now and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::plugin) struct Open {
    pub(in crate::plugin) now: usize,
    pub(in crate::plugin) most: usize,
}

impl Fake {
    /// An upstream for UDP and TCP.
    pub(in crate::plugin) async fn new(
        script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, Arc::new(script)).await
    }

    /// An upstream for TLS.
    pub(in crate::plugin) async fn tls(
        config: rustls::ServerConfig,
        script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(Some(acceptor), Arc::new(script)).await
    }

    /// An upstream that replies to all with one address.
    pub(in crate::plugin) async fn good() -> Self {
        Self::new(|seen| vec![Act::Send(seen.address("192.0.2.1"))]).await
    }

    /// An upstream that replies with this code.
    pub(in crate::plugin) async fn coded(rcode: ResponseCode) -> Self {
        Self::new(move |seen| vec![Act::Send(seen.reply(rcode, [&[], &[], &[]]))]).await
    }

    /// An upstream that is there and says nothing.
    pub(in crate::plugin) async fn silent() -> Self {
        Self::new(|_| Vec::new()).await
    }

    async fn start(tls: Option<TlsAcceptor>, script: Script) -> Self {
        let (listener, socket) = bind(tls.is_none()).await;
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let server = Server {
            seen: seen.clone(),
            open: Arc::default(),
            script,
        };
        let open = server.open.clone();
        let mut tasks = JoinSet::new();
        if let Some(socket) = socket {
            tasks.spawn(server.clone().datagrams(Arc::new(socket)));
        }
        tasks.spawn(server.connections(listener, tls));
        Self {
            address,
            seen,
            open,
            _tasks: tasks,
        }
    }

    /// All queries that came, in their order.
    pub(in crate::plugin) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections are open.
    pub(in crate::plugin) fn open(&self) -> Open {
        *self.open.lock().unwrap()
    }

    /// Their number.
    pub(in crate::plugin) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Waits until so many have come.
    pub(in crate::plugin) async fn wait_for(&self, count: usize) {
        let come = async {
            while self.count() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let come = tokio::time::timeout(Duration::from_secs(60), come).await;
        come.unwrap_or_else(|_| panic!("{} queries, not {count}", self.count()));
    }
}

/// Sockets for connections and, if told, for datagrams at one address.
async fn bind(udp: bool) -> (TcpListener, Option<UdpSocket>) {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if !udp {
            return (listener, None);
        }
        // The kernel gave a port that is free for TCP; for UDP somebody else may have it.
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
            return (listener, Some(socket));
        }
    }
}

#[derive(Clone)]
struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    open: Arc<Mutex<Open>>,
    script: Script,
}

impl Server {
    fn note(&self, packet: &[u8], from: SocketAddr, stream: bool) -> Vec<Act> {
        let mut all = self.seen.lock().unwrap();
        let seen = Seen {
            packet: packet.to_vec(),
            from,
            stream,
        };
        all.push(seen.clone());
        drop(all);
        (self.script)(&seen)
    }

    async fn datagrams(self, socket: Arc<UdpSocket>) {
        let mut buffer = [0; 4096];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
                continue;
            };
            let acts = self.note(&buffer[..length], from, false);
            let socket = socket.clone();
            tokio::spawn(async move {
                for act in acts {
                    match act {
                        Act::Send(bytes) => drop(socket.send_to(&bytes, from).await),
                        Act::Wait(time) => tokio::time::sleep(time).await,
                        Act::Close => return,
                    }
                }
            });
        }
    }

    async fn connections(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut open = JoinSet::new();
        loop {
            let Ok((stream, from)) = listener.accept().await else {
                continue;
            };
            // The kernel would hold a small packet back for a time that no paused clock knows.
            stream.set_nodelay(true).unwrap();
            let (server, tls) = (self.clone(), tls.clone());
            open.spawn(async move {
                let counts = server.open.clone();
                let count = |change: fn(&mut Open)| change(&mut counts.lock().unwrap());
                count(|open| {
                    open.now += 1;
                    open.most = open.most.max(open.now);
                });
                match tls {
                    None => server.connection(stream, from).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => server.connection(stream, from).await,
                        Err(_) => None,
                    },
                };
                count(|open| open.now -= 1);
            });
        }
    }

    async fn connection(
        self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        from: SocketAddr,
    ) -> Option<()> {
        loop {
            let length = stream.read_u16().await.ok()?;
            let mut packet = vec![0; usize::from(length)];
            stream.read_exact(&mut packet).await.ok()?;
            for act in self.note(&packet, from, true) {
                match act {
                    Act::Send(bytes) => {
                        let mut frame = (bytes.len() as u16).to_be_bytes().to_vec();
                        frame.extend_from_slice(&bytes);
                        stream.write_all(&frame).await.ok()?;
                        stream.flush().await.ok()?;
                    }
                    Act::Wait(time) => tokio::time::sleep(time).await,
                    Act::Close => return None,
                }
            }
        }
    }
}

impl Seen {
    /// The message's id.
    pub(in crate::plugin) fn id(&self) -> u16 {
        wire::u16_at(&self.packet, 0).unwrap()
    }

    /// Its flags.
    pub(in crate::plugin) fn flags(&self) -> Flags {
        Flags::from_bits(wire::u16_at(&self.packet, 2).unwrap())
    }

    /// The question's bytes, type and class included.
    pub(in crate::plugin) fn question(&self) -> &[u8] {
        let name = self.packet[12..]
            .iter()
            .position(|byte| *byte == 0)
            .unwrap()
            + 1;
        &self.packet[12..12 + name + 4]
    }

    /// What follows the question: the OPT.
    pub(in crate::plugin) fn rest(&self) -> &[u8] {
        &self.packet[12 + self.question().len()..]
    }

    /// A reply with these records (zone-file lines of answer, authority, additional).
    pub(in crate::plugin) fn reply(&self, rcode: ResponseCode, sections: [&[&str]; 3]) -> Vec<u8> {
        let mut message = self.id().to_be_bytes().to_vec();
        let flags = Flags::QR.with(Flags::RD).with(Flags::RA);
        let bits = flags.bits() | u16::from(rcode.low());
        message.extend_from_slice(&bits.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        for section in sections {
            message.extend_from_slice(&(section.len() as u16).to_be_bytes());
        }
        message.extend_from_slice(self.question());
        records(sections).each(&mut |record| {
            let RdataRef::Other(rdata) = record.rdata else {
                return;
            };
            let _: Section = record.section;
            message.extend_from_slice(record.owner.tail.as_bytes());
            message.extend_from_slice(&u16::from(record.rtype).to_be_bytes());
            message.extend_from_slice(&u16::from(record.class).to_be_bytes());
            message.extend_from_slice(&record.ttl.to_be_bytes());
            message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            message.extend_from_slice(rdata);
        });
        message
    }

    /// A reply with one A record of the name that was asked.
    pub(in crate::plugin) fn address(&self, address: &str) -> Vec<u8> {
        let name = crate::name::NameRef::parse(self.question()).unwrap();
        let line = format!("{name} 60 IN A {address}");
        self.reply(ResponseCode::NoError, [&[&line], &[], &[]])
    }

    /// The same with TC, and no record.
    pub(in crate::plugin) fn truncated(&self) -> Vec<u8> {
        let mut reply = self.reply(ResponseCode::NoError, [&[], &[], &[]]);
        reply[2] |= 2;
        reply
    }
}
