//! Questions with reasons, asked of a running server over a unix socket.
//!
//! A request is a line of JSON, and so is its reply. Nothing can be changed by it. Peers of the
//! same user and root are let in, nobody else, and a few at a time: the way of a query through UDP
//! and TCP has no part in this.

use std::io::{self, BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_proto::rr::RecordType;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::inventory::Inventory;
use super::objects::Endpoints;
use super::rehearsal::ask;
use super::told::{Heard, Told};
use super::{Names, Question};
use crate::kubernetes::zone::Zone;
use crate::server::Server;

/// Connections at a time.
const MOST: usize = 4;
/// A request's longest line, in bytes.
const LONGEST: u64 = 4096;
/// How long a connection may keep silent.
const IDLE: Duration = Duration::from_secs(30);
/// How long a client waits for a reply: longer than any upstream is waited for.
const PATIENCE: Duration = Duration::from_secs(6);

/// What the socket answers from: the configuration that serves now.
#[derive(Default)]
pub struct State {
    servers: ArcSwap<Vec<Arc<Server>>>,
    zones: ArcSwap<Vec<Arc<Zone>>>,
}

/// A request.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    Name {
        name: String,
        qtype: String,
        tcp: bool,
        client: Option<IpAddr>,
    },
    Inventory {},
    Endpoints {
        namespace: String,
        service: String,
    },
}

/// A reply.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Replied {
    Told(Told),
    Silence {},
    Inventory(Inventory),
    Endpoints(Endpoints),
    Error(String),
}

impl State {
    /// Puts another configuration in place of the one before.
    pub fn set(&self, servers: Vec<Arc<Server>>, zones: Vec<Arc<Zone>>) {
        self.servers.store(Arc::new(servers));
        self.zones.store(Arc::new(zones));
    }

    async fn reply(&self, line: &str) -> Replied {
        match serde_json::from_str(line) {
            Ok(Asked::Name {
                name,
                qtype,
                tcp,
                client,
            }) => self.name(&name, &qtype, tcp, client).await,
            Ok(Asked::Inventory {}) => {
                let mut inventory = Inventory::default();
                for zone in self.zones.load().iter() {
                    inventory.merge(Inventory::of_zone(zone));
                }
                Replied::Inventory(inventory)
            }
            Ok(Asked::Endpoints { namespace, service }) => {
                let mut endpoints = Endpoints::default();
                for zone in self.zones.load().iter() {
                    endpoints.merge(Endpoints::of_zone(zone, &namespace, &service));
                }
                Replied::Endpoints(endpoints)
            }
            Err(error) => Replied::Error(format!("no request: {error}")),
        }
    }

    async fn name(&self, name: &str, qtype: &str, tcp: bool, client: Option<IpAddr>) -> Replied {
        let servers = self.servers.load_full();
        let plain = servers
            .iter()
            .find(|server| server.label.starts_with("dns://"));
        let Some(server) = plain else {
            return Replied::Error("nothing listens for plain DNS".to_owned());
        };
        let Ok(qtype) = qtype.parse::<RecordType>() else {
            return Replied::Error(format!("'{qtype}' is no type"));
        };
        let question = Question {
            name,
            qtype,
            server: 0,
            tcp,
        };
        match ask(server, question, client).await {
            Heard::Told(told) => Replied::Told(told),
            Heard::Silence => Replied::Silence {},
            Heard::Unreachable(error) => Replied::Error(error),
        }
    }
}

/// The socket's address: `@NAME` is an abstract one, which needs no file system.
fn address(socket: &str) -> io::Result<SocketAddr> {
    match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

/// Listens on `@NAME` or a path.
///
/// # Errors
/// Those of the system: another process has the name, the folder cannot be written.
pub fn listen(socket: &str) -> io::Result<UnixListener> {
    if !socket.starts_with('@') {
        remove_stale(socket);
    }
    let listener = net::UnixListener::bind_addr(&address(socket)?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// A socket's file stays when its process dies; one that somebody listens on is left alone.
fn remove_stale(path: &str) {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && net::UnixStream::connect(path).is_err() {
        // If it cannot be removed, binding says so.
        let _ = std::fs::remove_file(path);
    }
}

/// Answers whoever may ask, until it is stopped.
pub async fn serve(listener: UnixListener, state: Arc<State>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: queries need them more.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue;
        };
        if !may_ask(&stream) {
            continue;
        }
        let (state, stop) = (state.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = converse(stream, &state) => {}
            }
            drop(place);
        });
    }
}

fn may_ask(stream: &UnixStream) -> bool {
    let own = nix::unistd::Uid::effective().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn converse(stream: UnixStream, state: &State) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    loop {
        let mut line = String::new();
        let mut limited = (&mut reader).take(LONGEST);
        let read = timeout(IDLE, limited.read_line(&mut line)).await;
        match read {
            Ok(Ok(length)) if length > 0 => {}
            _ => return Ok(()),
        }
        let mut reply = serde_json::to_vec(&state.reply(&line).await)?;
        reply.push(b'\n');
        timeout(IDLE, writer.write_all(&reply)).await??;
    }
}

/// A running server, asked over its socket.
pub struct Remote {
    stream: BufReader<net::UnixStream>,
    client: Option<IpAddr>,
}

impl Remote {
    /// Connects to `@NAME` or a path. Questions come as from this client.
    ///
    /// # Errors
    /// Those of the system: nobody listens there.
    pub fn connect(socket: &str, client: Option<IpAddr>) -> io::Result<Self> {
        let stream = net::UnixStream::connect_addr(&address(socket)?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            client,
        })
    }

    /// What names the server knows.
    ///
    /// # Errors
    /// The connection broke, which is also how somebody is told who may not ask.
    pub fn inventory(&mut self) -> io::Result<Inventory> {
        match self.exchange(&Asked::Inventory {})? {
            Replied::Inventory(inventory) => Ok(inventory),
            Replied::Error(error) => Err(io::Error::other(error)),
            _ => Err(io::Error::other("another reply")),
        }
    }

    fn exchange(&mut self, asked: &Asked) -> io::Result<Replied> {
        let mut line = serde_json::to_string(asked)?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        let mut reply = String::new();
        if self.stream.read_line(&mut reply)? == 0 {
            let text = "the server closed the connection: only its own user and root may ask";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(serde_json::from_str(&reply)?)
    }
}

impl Names for Remote {
    fn ask(&mut self, question: Question<'_>) -> Heard {
        let asked = Asked::Name {
            name: question.name.to_owned(),
            qtype: question.qtype.to_string(),
            tcp: question.tcp,
            client: self.client,
        };
        match self.exchange(&asked) {
            Ok(Replied::Told(told)) => Heard::Told(told),
            Ok(Replied::Error(error)) => Heard::Unreachable(error),
            Ok(_) => Heard::Silence,
            Err(error) => Heard::Unreachable(error.to_string()),
        }
    }

    fn endpoints(&mut self, namespace: &str, service: &str) -> Option<Endpoints> {
        let asked = Asked::Endpoints {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
        };
        match self.exchange(&asked) {
            Ok(Replied::Endpoints(endpoints)) => Some(endpoints),
            _ => None,
        }
    }
}
