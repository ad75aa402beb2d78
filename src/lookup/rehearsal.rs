//! Names asked of a configuration that serves nobody.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::objects::Endpoints;
use super::told::{Heard, Told};
use super::{Names, Question};
use crate::kubernetes::manifests::Loaded;
use crate::query::{Transport, Work};
use crate::server::{Arrival, Handled, Server};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The server blocks of one listener, asked in this process.
pub struct Local {
    server: Arc<Server>,
    client: Option<IpAddr>,
    objects: Arc<Loaded>,
    runtime: Handle,
}

impl Local {
    /// Questions come as from this client, which views, `acl` and `autopath` look at. What waits is
    /// waited for on the runtime, so this is not for use on its threads.
    #[must_use]
    pub fn new(
        server: Arc<Server>,
        client: Option<IpAddr>,
        objects: Arc<Loaded>,
        runtime: Handle,
    ) -> Self {
        Self {
            server,
            client,
            objects,
            runtime,
        }
    }
}

impl Names for Local {
    fn ask(&mut self, question: Question<'_>) -> Heard {
        let heard = ask(&self.server, question, self.client);
        match self.runtime.block_on(heard) {
            // Of a cluster that is not there it says nothing.
            Heard::Told(told) => Heard::Told(Told {
                took: Duration::ZERO,
                ..told
            }),
            other => other,
        }
    }

    fn endpoints(&mut self, namespace: &str, service: &str) -> Option<Endpoints> {
        Some(Endpoints::of_objects(&self.objects, namespace, service))
    }
}

/// Asks a server of this process, as this client of it would. The reply has the way through the server
/// with it.
pub(super) async fn ask(
    server: &Arc<Server>,
    question: Question<'_>,
    client: Option<IpAddr>,
) -> Heard {
    let Some(packet) = query(question.name, question.qtype, 0) else {
        return Heard::unwritable(question.name);
    };
    let arrival = Arrival {
        client: SocketAddr::new(client.unwrap_or(LOCALHOST), 53),
        local: SocketAddr::new(LOCALHOST, 53),
        transport: match question.tcp {
            true => Transport::Tcp,
            false => Transport::Udp,
        },
        now: Instant::now(),
    };
    let work = Work::traced();
    let mut reply = Vec::new();
    match server.handle_with(&packet, arrival, &work, &mut reply) {
        Handled::Replied => {}
        Handled::Later(later) => match later.await {
            Some(bytes) => reply = bytes,
            None => return Heard::Silence,
        },
        Handled::Silent | Handled::Transfer(..) => return Heard::Silence,
    }
    let took = arrival.now.elapsed();
    Told::read(&reply, question.qtype, work.steps(), took).map_or(Heard::Silence, Heard::Told)
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
