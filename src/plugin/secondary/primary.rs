//! Asking the servers that have a zone: its serial, and all of it (RFC 5936), over TCP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::error;

use super::replica::Primary;
use crate::answer::{Message, RdataRef};
use crate::name::{Name, NameRef};
use crate::wire::{self, HEADER_LEN};
use crate::zone::{Builder, Zone};

/// For a connection, and for each message.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of messages that a zone is taken from.
const MOST_BYTES: usize = 1 << 30;

/// The servers that have a zone, in the order in which they are asked.
pub(super) struct Primaries {
    zone: Name,
    from: Vec<SocketAddr>,
}

/// Why a server gave no zone.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("{0}")]
    Malformed(#[from] crate::answer::MalformedMessage),
    #[error("bad xfr rcode: {0}")]
    Rcode(u16),
    #[error("{0}")]
    Record(#[from] crate::zone::BuildError),
    #[error("{0}")]
    Other(&'static str),
}

impl Primaries {
    pub(super) fn new(zone: Name, from: Vec<SocketAddr>) -> Self {
        Self { zone, from }
    }
}

impl Primary for Primaries {
    async fn serial(&self) -> Result<u32, String> {
        let mut wrong = String::new();
        for from in &self.from {
            match serial(&self.zone, *from).await {
                Ok(serial) => return Ok(serial),
                Err(error) => wrong = format!("{from}: {error}"),
            }
        }
        Err(wrong)
    }

    async fn zone(&self) -> Result<Zone, String> {
        let mut wrong = String::new();
        for from in &self.from {
            match fetch(&self.zone, *from).await {
                Ok(zone) => return Ok(zone),
                Err(error) => {
                    let zone = &self.zone;
                    error!(target: "plugin/secondary", "Failed to transfer `{zone}' from \"{from}\": {error}");
                    wrong = format!("{from}: {error}");
                }
            }
        }
        Err(wrong)
    }
}

/// The serial that a server has.
async fn serial(zone: &Name, from: SocketAddr) -> Result<u32, Refused> {
    let mut connection = Connection::open(zone, RecordType::SOA, from).await?;
    let bytes = connection.message().await?;
    let message = connection.check(&bytes)?;
    let mut serial = None;
    message.records.each(&mut |record| {
        if let (RecordType::SOA, RdataRef::Other(rdata)) = (record.rtype, record.rdata) {
            let numbers = rdata.len().saturating_sub(20);
            serial = serial.or_else(|| wire::u32_at(rdata, numbers));
        }
    });
    serial.ok_or(Refused::Other("it tells no SOA record"))
}

/// The zone that a server has.
async fn fetch(zone: &Name, from: SocketAddr) -> Result<Zone, Refused> {
    let mut connection = Connection::open(zone, RecordType::AXFR, from).await?;
    let mut builder = Builder::new(zone.view());
    let (mut count, mut is_whole, mut left) = (0_u64, false, MOST_BYTES);
    while !is_whole {
        let bytes = connection.message().await?;
        left = left
            .checked_sub(bytes.len())
            .ok_or(Refused::Other("the zone is too large"))?;
        let message = connection.check(&bytes)?;
        let mut added = Ok(());
        message.records.each(&mut |record| {
            let RdataRef::Other(rdata) = record.rdata else {
                return;
            };
            // The SOA record stands first and last of all (RFC 5936, 2.2).
            let is_soa = record.rtype == RecordType::SOA;
            if added.is_err() || is_whole {
                return;
            }
            if count == 0 && !is_soa {
                added = Err(Refused::Other("no SOA"));
                return;
            }
            is_whole = is_soa && count > 0;
            count += 1;
            let owner = record.owner.tail;
            let done = builder.add(owner, record.rtype, record.class, record.ttl, rdata);
            added = done.map_err(Refused::from);
        });
        added?;
        if count == 0 {
            return Err(Refused::Other("no SOA"));
        }
    }
    Ok(builder.finish()?)
}

/// A connection with one question on it.
struct Connection {
    stream: TcpStream,
    id: u16,
}

impl Connection {
    async fn open(zone: &Name, rtype: RecordType, to: SocketAddr) -> Result<Self, Refused> {
        let mut stream = timeout(PATIENCE, TcpStream::connect(to)).await??;
        let id = rand::random();
        let question = question(id, zone.view(), rtype);
        timeout(PATIENCE, stream.write_all(&question)).await??;
        Ok(Self { stream, id })
    }

    /// The next message.
    async fn message(&mut self) -> Result<Vec<u8>, Refused> {
        let read = async {
            let length = self.stream.read_u16().await?;
            let mut bytes = vec![0; usize::from(length)];
            self.stream.read_exact(&mut bytes).await?;
            io::Result::Ok(bytes)
        };
        Ok(timeout(PATIENCE, read).await??)
    }

    fn check<'m>(&self, bytes: &'m [u8]) -> Result<Message<'m>, Refused> {
        let message = Message::parse(bytes)?;
        if message.id != self.id {
            return Err(Refused::Other("the reply is to another question"));
        }
        match message.rcode {
            ResponseCode::NoError => Ok(message),
            other => Err(Refused::Rcode(other.into())),
        }
    }
}

/// A question with its length in front.
fn question(id: u16, zone: NameRef<'_>, rtype: RecordType) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER_LEN + 6 + zone.as_bytes().len());
    let length = HEADER_LEN + zone.as_bytes().len() + 4;
    message.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    message.extend(id.to_be_bytes());
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(zone.as_bytes());
    message.extend(u16::from(rtype).to_be_bytes());
    message.extend(u16::from(DNSClass::IN).to_be_bytes());
    message
}
