//! The socket for all addresses that have no socket of their own: an address that came later, a
//! link-local one. Each datagram tells which address was asked (`PKTINFO`), and its reply leaves
//! from there.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::Socket;
use tokio::time::Instant;

use super::{LONGEST_REQUEST, UdpListener};
use crate::query::Transport;
use crate::server::{Arrival, Handled};

/// The local side of a datagram, in the form in which it came.
#[derive(Clone, Copy)]
enum Local {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

/// Has the kernel tell which address a datagram was sent to.
pub(super) fn tell_local_address(socket: &Socket, v6: bool) -> io::Result<()> {
    if v6 {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    Ok(())
}

/// Serves one datagram after the other until the listener stops.
pub(super) fn run(
    socket: &Arc<UdpSocket>,
    listener: &Arc<UdpListener>,
    port: u16,
) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    let mut request = [0; LONGEST_REQUEST];
    let mut reply = Vec::with_capacity(512);
    let mut control = cmsg_space!(in6_pktinfo);
    loop {
        let mut slices = [IoSliceMut::new(&mut request)];
        let received = match recvmsg::<SockaddrStorage>(
            fd,
            &mut slices,
            Some(&mut control),
            MsgFlags::empty(),
        ) {
            Ok(received) => received,
            Err(Errno::EINTR | Errno::EAGAIN | Errno::ECONNREFUSED) => continue,
            Err(error) => return Err(error.into()),
        };
        let local = received
            .cmsgs()
            .ok()
            .and_then(|mut messages| messages.find_map(local_of));
        let (length, peer) = (received.bytes, received.address);
        if listener.has_ended(&[length]) {
            return Ok(());
        }
        let (Some(peer), Some(client)) = (peer, peer.as_ref().and_then(address_of)) else {
            continue;
        };
        listener.received.fetch_add(1, Ordering::Relaxed);
        if client.port() == 0 {
            continue;
        }
        let ip = local.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Local::ip);
        let arrival = Arrival {
            client: SocketAddr::new(client.ip().to_canonical(), client.port()),
            local: SocketAddr::new(ip, port),
            transport: Transport::Udp,
            now: Instant::now(),
        };
        reply.clear();
        let packet = request.get(..length).unwrap_or_default();
        match listener
            .server
            .load_full()
            .handle(packet, arrival, &mut reply)
        {
            Handled::Replied => send(socket, &reply, &peer, local),
            Handled::Silent | Handled::Transfer(..) => {}
            Handled::Later(future) => {
                let socket = socket.clone();
                let to =
                    move |reply: Vec<u8>, (peer, local), _| send(&socket, &reply, &peer, local);
                listener.spawn(vec![(future, (peer, local))], to);
            }
        }
    }
}

/// Sends without waiting; a reply that cannot be sent now is lost, as datagrams are.
fn send(socket: &UdpSocket, bytes: &[u8], peer: &SockaddrStorage, local: Option<Local>) {
    let slices = [IoSlice::new(bytes)];
    let message = local.as_ref().map(|local| match local {
        Local::V4(info) => ControlMessage::Ipv4PacketInfo(info),
        Local::V6(info) => ControlMessage::Ipv6PacketInfo(info),
    });
    let _ = sendmsg(
        socket.as_raw_fd(),
        &slices,
        message.as_slice(),
        MsgFlags::MSG_DONTWAIT,
        Some(peer),
    );
}

fn local_of(message: ControlMessageOwned) -> Option<Local> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Local::V4(in_pktinfo {
            // The route decides the interface; the source address is what must be kept.
            ipi_ifindex: 0,
            ipi_spec_dst: info.ipi_addr,
            ..info
        })),
        ControlMessageOwned::Ipv6PacketInfo(mut info) => {
            if !super::is_link_local(Ipv6Addr::from(info.ipi6_addr.s6_addr)) {
                info.ipi6_ifindex = 0;
            }
            Some(Local::V6(info))
        }
        _ => None,
    }
}

fn address_of(peer: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = peer.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    peer.as_sockaddr_in6()
        .map(|v6| SocketAddr::V6((*v6).into()))
}

impl Local {
    fn ip(self) -> IpAddr {
        match self {
            Self::V4(info) => Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into(),
            Self::V6(info) => IpAddr::from(Ipv6Addr::from(info.ipi6_addr.s6_addr)).to_canonical(),
        }
    }
}
