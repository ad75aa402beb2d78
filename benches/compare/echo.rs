//! Two servers that are as cheap as the kernel lets a UDP server be: an echo, which is what all others
//! are measured against, and an upstream.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

use super::names::external_address;

/// Datagrams of one call, as callsign has it.
const BATCH: usize = 32;
const LONGEST: usize = 4096;

/// Sends every datagram back with QR set.
pub(crate) fn echo(address: SocketAddr) -> io::Result<()> {
    serve(address, |message| {
        if let Some(flags) = message.get_mut(2) {
            *flags |= 0x80;
        }
    })
}

/// Answers questions for an address; to all others there is no data.
pub(crate) fn upstream(address: SocketAddr) -> io::Result<()> {
    serve(address, |message| {
        let Some(end) = end_of_question(message) else {
            return message.clear();
        };
        let is_address = message.get(end - 4..end) == Some(&[0, 1, 0, 1]);
        message.truncate(end);
        message[2] |= 0x80;
        message[3] = 0x80;
        message[6..12].copy_from_slice(&[0, u8::from(is_address), 0, 0, 0, 0]);
        if is_address {
            // The name's text is a byte shorter than its labels: no root, a dot less.
            let length = end - 4 - 12 - 2;
            message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4]);
            message.extend_from_slice(&external_address(length).octets());
        }
    })
}

fn end_of_question(message: &[u8]) -> Option<usize> {
    let mut at = 12;
    loop {
        match *message.get(at)? {
            0 => break,
            length => at += 1 + usize::from(length),
        }
    }
    (at + 5 <= message.len()).then_some(at + 5)
}

/// Serves for ever; what the handler leaves empty is not sent.
fn serve(address: SocketAddr, handle: impl Fn(&mut Vec<u8>)) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    let fd = socket.as_raw_fd();
    let mut buffers = vec![[0_u8; LONGEST]; BATCH];
    let mut received = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut sent = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut replies: Vec<Vec<u8>> = (0..BATCH).map(|_| Vec::with_capacity(LONGEST)).collect();
    loop {
        let mut lengths = [0; BATCH];
        let mut peers = [None; BATCH];
        let mut slices: Vec<_> = buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        let count = match recvmmsg(fd, &mut received, slices.iter_mut(), flags, None) {
            Ok(messages) => messages
                .zip(lengths.iter_mut().zip(&mut peers))
                .map(|(message, place)| (*place.0, *place.1) = (message.bytes, message.address))
                .count(),
            Err(Errno::EINTR | Errno::ECONNREFUSED) => continue,
            Err(error) => return Err(error.into()),
        };
        let mut queued = 0;
        for at in 0..count {
            let reply = &mut replies[queued];
            reply.clear();
            reply.extend_from_slice(&buffers[at][..lengths[at]]);
            handle(reply);
            if !reply.is_empty() {
                peers[queued] = peers[at];
                queued += 1;
            }
        }
        let slices: Vec<_> = replies
            .iter()
            .take(queued)
            .map(|reply| [IoSlice::new(reply)])
            .collect();
        // What cannot be sent now is lost, as datagrams are.
        let _ = sendmmsg(fd, &mut sent, &slices, peers, [], MsgFlags::MSG_DONTWAIT);
    }
}
