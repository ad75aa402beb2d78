//! Why a name resolves as it does, from a given pod.
//!
//! ```text
//! who asks    pod ── dnsPolicy, dnsConfig ──> resolv.conf
//! what        crate::resolver ── the queries of its libc ──> names, a server of one of three kinds
//! why         told ── the steps of a traced query        rehearsal: manifests and a Corefile
//!             objects ── what stands behind a Service    wire: any DNS server
//!             advice ── what does exist: inventory       admin: a running callsign
//!             report ── all of it, for a person
//! ```
//!
//! Nothing here changes anything: a server is asked what it would be asked anyway, and a rehearsal
//! asks nobody.

pub mod admin;
mod advice;
pub mod inventory;
pub mod lint;
pub mod objects;
pub mod pod;
pub mod rehearsal;
pub mod report;
pub mod told;
pub mod walk;
pub mod wire;
pub mod workload;

use hickory_proto::rr::RecordType;

use objects::Endpoints;
use told::Heard;

/// One question to a name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The full name, without a dot at its end; empty for the root.
    pub name: &'a str,
    /// The type.
    pub qtype: RecordType,
    /// The name server's number in the list of name servers.
    pub server: usize,
    /// Whether it goes over TCP.
    pub tcp: bool,
}

/// Who is asked: a rehearsal, a running callsign, any DNS server.
pub trait Names {
    /// Asks, and waits for what comes.
    fn ask(&mut self, question: Question<'_>) -> Heard;

    /// What stands behind a Service, where that is known.
    fn endpoints(&mut self, _namespace: &str, _service: &str) -> Option<Endpoints> {
        None
    }
}
