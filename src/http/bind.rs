//! Addresses as Go's `net.Listen` reads them, and sockets for them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

use super::Endpoint;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("plugin/{plugin}: cannot listen on {address}: {source}{}", hint(.source))]
pub struct BindError {
    /// The plugin that asked for it.
    pub plugin: &'static str,
    /// The address as it is written in the Corefile.
    pub address: String,
    /// The reason.
    pub source: io::Error,
}

impl BindError {
    pub(super) fn new(endpoint: &Endpoint, source: io::Error) -> Self {
        Self {
            plugin: endpoint.plugin,
            address: endpoint.address.clone(),
            source,
        }
    }
}

/// What to do about it, where that is known.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another process has it: stop that one, or write another port"
        }
        io::ErrorKind::AddrNotAvailable => "; no interface of this host has this address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "",
    }
}

/// All addresses of the host, of both families.
pub(super) fn wildcard(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

/// The address that a text means. `:PORT`, `0.0.0.0:PORT` and `[::]:PORT` are all
/// addresses of both families, as in CoreDNS: a dual-stack cluster's probes come over either. A
/// name is looked up, and IPv4 preferred.
pub(super) async fn resolve(text: &str) -> io::Result<SocketAddr> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| invalid("the port is missing"))?;
    let port: u16 = match port {
        "" => 0,
        port => port
            .parse()
            .map_err(|_| invalid("the port is no number up to 65535"))?,
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if bare.is_empty() {
        return Ok(wildcard(port));
    }
    let addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => lookup_host((bare, port)).await?.collect(),
    };
    let first = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| addresses.first())
        .ok_or_else(|| invalid("the host has no address"))?;
    Ok(if first.ip().is_unspecified() {
        wildcard(port)
    } else {
        *first
    })
}

/// Opens a socket. `shared` tells that this process has a socket of the same port already, which
/// may overlap with this one until it is closed.
pub(super) fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    match listen_on(address, shared) {
        // A host without IPv6: all addresses are those of IPv4.
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !in_use(&error) => {
            let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            listen_on(SocketAddr::new(any, address.port()), shared).map_err(|_| error)
        }
        other => other,
    }
}

fn in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn listen_on(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    if !shared && address.port() != 0 {
        // SO_REUSEPORT lets a reload go from one address of a port to all of them and back. It
        // would also let a second server of the same user in unseen; this finds that out.
        bound(address, false)?;
    }
    let socket = bound(address, true)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

fn bound(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
