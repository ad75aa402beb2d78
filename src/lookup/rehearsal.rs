//! Names asked of a configuration that serves nobody.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::told::{Heard, Told};
use super::{Names, Question};
use crate::query::{Transport, Work};
use crate::server::{Arrival, Handled, Server};

/// The server blocks of one listener, asked in this process.
pub struct Local {
    server: Arc<Server>,
    client: IpAddr,
    runtime: Handle,
}

impl Local {
    /// Questions come as from this client, which views, `acl` and `autopath` look at. What waits is
    /// waited for on the runtime, so this is not for use on its threads.
    #[must_use]
    pub fn new(server: Arc<Server>, client: Option<IpAddr>, runtime: Handle) -> Self {
        Self {
            server,
            client: client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            runtime,
        }
    }
}

impl Names for Local {
    fn ask(&mut self, question: Question<'_>) -> Heard {
        let Some(packet) = query(question.name, question.qtype, 0) else {
            return Heard::Unreachable("the name cannot be written into a query".to_owned());
        };
        let arrival = Arrival {
            client: SocketAddr::new(self.client, 53),
            local: SocketAddr::new(self.client, 53),
            transport: if question.tcp {
                Transport::Tcp
            } else {
                Transport::Udp
            },
            now: Instant::now(),
        };
        let work = Work::traced();
        let mut reply = Vec::new();
        match self.server.handle_with(&packet, arrival, &work, &mut reply) {
            Handled::Replied => {}
            Handled::Later(later) => match self.runtime.block_on(later) {
                Some(bytes) => reply = bytes,
                None => return Heard::Silence,
            },
            Handled::Silent | Handled::Transfer(..) => return Heard::Silence,
        }
        match Told::read(&reply, question.qtype, work.steps(), Duration::ZERO) {
            Some(told) => Heard::Told(told),
            None => Heard::Silence,
        }
    }

    fn gives_reasons(&self) -> bool {
        true
    }
}

/// A query as `dig` sends it, with an OPT record that asks for reasons (RFC 8914).
pub(super) fn query(name: &str, qtype: RecordType, id: u16) -> Option<Vec<u8>> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, qtype));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    message.edns = Some(edns);
    message.to_vec().ok()
}
