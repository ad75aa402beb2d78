//! NOTIFY (RFC 1996): telling other servers that a zone changed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::rr::{DNSClass, RecordType};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::Peer;
use crate::name::Name;
use crate::wire::{self, Flags, HEADER_LEN, Opcode, mnemonic};

/// Times that a server is told before it is given up.
const ATTEMPTS: usize = 3;
/// The time that it has to confirm.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells all of these, one after the other.
pub(super) async fn all(zone: &Name, to: &[Peer], source: Option<IpAddr>) {
    for peer in to {
        let Peer::At(address) = peer else {
            continue;
        };
        let mut wrong = String::new();
        for _ in 0..ATTEMPTS {
            match tell(zone, *address, source).await {
                Ok(0) => {
                    wrong.clear();
                    break;
                }
                Ok(rcode) => {
                    let word = mnemonic::rcode_word(rcode.into());
                    wrong = format!("rcode was {:?}", word.unwrap_or("RESERVED"));
                }
                Err(error) => wrong = error.to_string(),
            }
        }
        if wrong.is_empty() {
            debug!(target: "plugin/transfer", "Sent notifies for zone \"{zone}\" to {address}");
        } else {
            warn!(target: "plugin/transfer", "notify for zone \"{zone}\" was not accepted by \"{address}\": {wrong}");
        }
    }
}

/// The response code.
async fn tell(zone: &Name, to: SocketAddr, source: Option<IpAddr>) -> io::Result<u8> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await?;
    socket.connect(to).await?;
    let id: u16 = rand::random();
    socket.send(&message(id, zone)).await?;
    let mut reply = [0; 512];
    let confirmed = async {
        loop {
            let length = socket.recv(&mut reply).await?;
            let reply = reply.get(..length).unwrap_or_default();
            let number = |at| wire::u16_at(reply, at).unwrap_or(0);
            let is_reply = Flags::from_bits(number(2)).has(Flags::QR);
            if length >= HEADER_LEN && number(0) == id && is_reply {
                return Ok((number(2) & 0xf) as u8);
            }
        }
    };
    let silent = |_| io::Error::new(io::ErrorKind::TimedOut, "it did not answer");
    timeout(PATIENCE, confirmed).await.map_err(silent)?
}

fn message(id: u16, zone: &Name) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER_LEN + 4 + zone.view().as_bytes().len());
    message.extend(id.to_be_bytes());
    message.extend((Opcode::NOTIFY.bits() | Flags::AA.bits()).to_be_bytes());
    message.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(zone.view().as_bytes());
    message.extend(u16::from(RecordType::SOA).to_be_bytes());
    message.extend(u16::from(DNSClass::IN).to_be_bytes());
    message
}
