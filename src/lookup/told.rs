//! What a name server told of one question.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{RData, RecordType};
use serde::{Deserialize, Serialize};

use crate::plugin::forward::WOULD_FORWARD;
use crate::query::Step;
use crate::resolver;
use crate::wire::mnemonic::rcode_word;

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A reply.
    Told(Told),
    /// None, in the time that there was.
    Silence,
    /// Nothing listens there, or cannot be reached: the cause.
    Unreachable(String),
}

impl Heard {
    /// Of a name that no query can hold.
    pub(super) fn unwritable(name: &str) -> Self {
        Self::Unreachable(format!("'{name}' cannot be written into a query"))
    }
}

/// A reply, with what is known of how it came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The response code.
    pub code: u16,
    /// The answer section, as zone-file text.
    pub records: Vec<String>,
    /// The addresses in it of the type that was asked for.
    pub addresses: Vec<IpAddr>,
    /// The TTL of the answer, in seconds: the least of its records.
    pub ttl: Option<u32>,
    /// The extended error (RFC 8914), if there was one.
    pub error: Option<String>,
    /// The TC bit.
    pub truncated: bool,
    /// What a resolver takes for the sign of a server in order (see [`resolver::Message`]).
    pub is_sound: bool,
    /// The way through the server, where it tells.
    pub steps: Vec<Reason>,
    /// How long it took.
    #[serde(with = "micros")]
    pub took: Duration,
}

/// One decision on the way of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The plugin; empty for the server itself.
    pub plugin: String,
    /// What it decided.
    pub what: String,
    /// The line that made it so, as `FILE:LINE:COLUMN`, where one did.
    pub place: Option<String>,
}

impl From<Step> for Reason {
    fn from(step: Step) -> Self {
        Self {
            plugin: step.plugin.to_owned(),
            what: step.what,
            place: step.place.map(|place| place.to_string()),
        }
    }
}

impl Told {
    /// Reads a reply; `None` where it is none.
    #[must_use]
    pub fn read(bytes: &[u8], qtype: RecordType, steps: Vec<Step>, took: Duration) -> Option<Self> {
        let message = Message::from_vec(bytes).ok()?;
        let records = message.answers.iter();
        let address = |data: &RData| match data {
            RData::A(address) if qtype == RecordType::A => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) if qtype == RecordType::AAAA => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        Some(Self {
            code: message.metadata.response_code.into(),
            records: records.clone().map(ToString::to_string).collect(),
            addresses: records
                .clone()
                .filter_map(|record| address(&record.data))
                .collect(),
            ttl: records.map(|record| record.ttl).min(),
            error: extended_error(&message),
            truncated: message.metadata.truncation,
            is_sound: message.metadata.authoritative
                || message.metadata.recursion_available
                || message.edns.is_some()
                || !message.additionals.is_empty(),
            steps: steps.into_iter().map(Reason::from).collect(),
            took,
        })
    }

    /// What stands for the reply of a name server outside of the cluster, which nobody asks here.
    pub(super) fn by_stranger(server: IpAddr) -> Self {
        Self {
            code: ResponseCode::ServFail.into(),
            steps: vec![Reason {
                plugin: String::new(),
                what: format!("{WOULD_FORWARD}{server}, the pod's own name server"),
                place: None,
            }],
            ..Self::default()
        }
    }

    /// The upstreams that a rehearsal would have asked, if it came to that.
    #[must_use]
    pub fn would_forward_to(&self) -> Option<&str> {
        let mut steps = self.steps.iter();
        steps.find_map(|step| step.what.strip_prefix(WOULD_FORWARD))
    }

    /// The steps that a person is told: a rehearsal ends where it would ask an upstream.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        let would = self.steps.iter();
        let mut would = would.map(|step| step.what.starts_with(WOULD_FORWARD));
        let end = would
            .position(|is_end| is_end)
            .map_or(self.steps.len(), |last| last + 1);
        self.steps.iter().take(end).cloned().collect()
    }

    /// The target of the alias that the answer starts with.
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        let first = self.records.first()?;
        let mut words = first.split_whitespace().skip_while(|word| *word != "CNAME");
        words.next().and_then(|_| words.next())
    }

    /// The response code, as `dig` writes it; `NODATA` for an answer without records.
    #[must_use]
    pub fn word(&self) -> String {
        match rcode_word(self.code) {
            Some("NOERROR") if self.records.is_empty() => "NODATA".to_owned(),
            Some(word) => word.to_owned(),
            None => format!("RCODE{}", self.code),
        }
    }

    /// The reply as a resolver library reads it.
    #[must_use]
    pub fn as_resolver_message(&self) -> resolver::Message {
        let [high, low] = [self.code >> 4, self.code & 0xF].map(|bits| bits as u8);
        resolver::Message {
            rcode: ResponseCode::from(high, low),
            addresses: self.addresses.clone(),
            answers: self.records.len().max(self.addresses.len()),
            is_sound: self.is_sound,
            truncated: self.truncated,
        }
    }
}

fn extended_error(message: &Message) -> Option<String> {
    const CODE: u16 = 15;
    let option = message.edns.as_ref()?.option(CODE.into())?;
    let EdnsOption::Unknown(_, data) = option else {
        return None;
    };
    let (code, text) = data.split_at_checked(2)?;
    let code = u16::from_be_bytes([*code.first()?, *code.get(1)?]);
    let text = String::from_utf8_lossy(text);
    Some(match text.as_ref() {
        "" => format!("extended error {code}"),
        text => format!("{text} (extended error {code})"),
    })
}

/// Durations as microseconds.
mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}
