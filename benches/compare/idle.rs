//! Connections that ask one question and are kept open.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::question::Question;

/// Connections from one address: servers may bound what one client has.
const OF_CLIENT: usize = 200;

/// Opens so many, from as many addresses of the loopback interface as it takes.
pub(crate) fn open(
    server: SocketAddr,
    questions: &[Question],
    count: usize,
) -> io::Result<Vec<TcpStream>> {
    let question = questions
        .first()
        .ok_or_else(|| io::Error::other("no question"))?;
    let length = u16::try_from(question.packet.len()).unwrap_or_default();
    let frame = [&length.to_be_bytes()[..], &question.packet].concat();
    let mut streams = Vec::with_capacity(count);
    for number in 0..count {
        let client = u8::try_from(1 + number / OF_CLIENT).unwrap_or(u8::MAX);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, client, 1), 0)).into())?;
        socket.connect(&server.into())?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(&frame)?;
        streams.push(stream);
    }
    for stream in &mut streams {
        let mut reply = [0; 512];
        if stream.read(&mut reply)? == 0 {
            return Err(io::Error::other("a connection was closed"));
        }
    }
    Ok(streams)
}
