//! What is kept of a query until its line is written.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::Format;
use super::line::{Level, open_json, push_json};
use super::template::{self, Template};
use crate::wire::Flags;
use crate::wire::mnemonic::{ClassWord, TypeWord};

/// The facts of one query and its response. The thread that serves the query copies them here; the
/// writer's thread makes text of them.
#[derive(Clone, Debug)]
pub struct QueryLine {
    /// How it is told.
    pub template: Arc<Template>,
    /// When it was answered, for a format that tells the time.
    pub time: Option<jiff::Timestamp>,
    /// Who asked.
    pub client: SocketAddr,
    /// The address that was asked.
    pub local: IpAddr,
    /// `udp` or `tcp`.
    pub proto: &'static str,
    /// The message's id.
    pub id: u16,
    /// Its opcode.
    pub opcode: u8,
    /// The name's wire bytes, in lower case.
    pub name: SmallVec<[u8; 64]>,
    /// The type.
    pub qtype: u16,
    /// The class.
    pub qclass: u16,
    /// The request's length in bytes.
    pub size: usize,
    /// Whether the client wants DNSSEC records.
    pub dnssec_ok: bool,
    /// The largest response that the client takes.
    pub bufsize: usize,
    /// The response; `None` where the client is left without one.
    pub response: Option<Response>,
    /// The response's length with all records and whole names; that of all messages of a transfer.
    pub response_size: usize,
    /// `NOERROR`, `NODATA`, ...: the response as plugins sort it.
    pub response_type: &'static str,
    /// `success`, `denial` or `error`.
    pub response_class: &'static str,
    /// From the query's arrival to its answer.
    pub duration: Duration,
    /// The values of the template's metadata labels, in their order.
    pub metadata: Box<[Option<Arc<str>>]>,
}

/// A response's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The response code, the OPT's bits included.
    pub rcode: u16,
    /// The flags, QR included.
    pub flags: Flags,
}

impl QueryLine {
    /// The bytes of heap that it holds, about.
    pub(super) fn heap_size(&self) -> usize {
        let values = self.metadata.iter().flatten();
        let metadata = values.map(|value| 32 + value.len()).sum::<usize>();
        metadata
            + if self.name.spilled() {
                self.name.len()
            } else {
                0
            }
    }

    /// Appends the line, without its end.
    pub(super) fn write(&self, format: Format, out: &mut String) {
        match format {
            Format::Text => {
                out.push_str("[INFO] ");
                self.template.write(self, true, out);
            }
            Format::Json => self.write_json(out),
        }
    }

    fn write_json(&self, out: &mut String) {
        let mut message = String::new();
        self.template.write(self, false, &mut message);
        let time = self.time.unwrap_or_else(jiff::Timestamp::now);
        open_json(out, Level::Info, &message, time);
        let mut name = String::new();
        // Writing to a String cannot fail.
        let _ = write!(name, "{}", template::name(&self.name));
        let _ = write!(
            out,
            ",\"plugin\":\"log\",\"client_ip\":\"{}\",\"client_port\":{},\"qname\":",
            self.client.ip(),
            self.client.port()
        );
        push_json(out, &name);
        let _ = write!(
            out,
            ",\"qtype\":\"{}\",\"qclass\":\"{}\",\"protocol\":\"{}\",\"id\":{},\"opcode\":{}",
            TypeWord(self.qtype),
            ClassWord(self.qclass),
            self.proto,
            self.id,
            self.opcode
        );
        let _ = write!(
            out,
            ",\"request_size\":{},\"dnssec_ok\":{},\"bufsize\":{},\"rcode\":",
            self.size, self.dnssec_ok, self.bufsize
        );
        match self.response {
            Some(response) => {
                out.push('"');
                let _ = template::rcode(response.rcode, out);
                out.push('"');
            }
            None => out.push_str("null"),
        }
        let _ = write!(
            out,
            ",\"response_size\":{},\"duration_seconds\":{}}}",
            self.response_size,
            self.duration.as_secs_f64()
        );
    }
}
