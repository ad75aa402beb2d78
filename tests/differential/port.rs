//! Ports from the kernel for servers that must be told a number.
//!
//! A port stays reserved while its [`Reservation`] lives: a TCP socket is bound to it, with
//! SO_REUSEADDR and SO_REUSEPORT and never listening, so that the kernel gives the number to nobody
//! who asks for any port, while the server under test can bind it.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Socket, Type};

/// A port number that nobody else is given.
pub(crate) struct Reservation {
    /// The port.
    pub(crate) port: u16,
    _socket: Socket,
}

impl Reservation {
    /// Reserves a port that is free for TCP and UDP, on all addresses of both families.
    pub(crate) fn new() -> Result<Self, String> {
        for _ in 0..100 {
            let (socket, port) =
                bound().map_err(|error| format!("cannot reserve a port: {error}"))?;
            if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
                return Ok(Self {
                    port,
                    _socket: socket,
                });
            }
        }
        Err("100 ports in a row are free for TCP but not for UDP".to_owned())
    }
}

fn bound() -> std::io::Result<(Socket, u16)> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
    let port = socket
        .local_addr()?
        .as_socket()
        .map_or(0, |address| address.port());
    Ok((socket, port))
}
