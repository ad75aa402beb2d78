//! What a program's resolver library asks, in which order, and what it makes of the replies.
//!
//! A name that a program looks up is not what a name server is asked: the library reads
//! `resolv.conf`, tries the search list, asks for A and AAAA, asks again when nothing comes, and
//! stops by rules of its own. [`Libc::walk`] does as the library does, against any source of
//! replies, and keeps a record of each query. The models follow glibc 2.36, musl 1.2 and Go 1.26 as
//! they were observed; `tests/resolvers` holds them against the real ones.
//!
//! Nothing here sends a packet or reads a clock: time is what the replies' silences add up to.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

mod conf;
mod glibc;
mod go;
mod musl;
mod name;
#[cfg(test)]
mod tests;

pub use conf::{Flags, Note, ResolvConf};

/// A resolver library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Libc {
    /// The GNU C library, as in Debian, Ubuntu and Red Hat images.
    Glibc,
    /// musl 1.2.4 and later, as in Alpine images from 3.18.
    Musl,
    /// musl up to 1.2.3: no TCP, as in Alpine images up to 3.17.
    MuslBefore124,
    /// The resolver that is built into Go programs.
    Go,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// A: IPv4 addresses.
    A,
    /// AAAA: IPv6 addresses.
    Aaaa,
}

/// One query, as a name server gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The server's number in the list of name servers.
    pub server: usize,
    /// The full name, without a dot at its end; empty for the root.
    pub name: &'a str,
    /// The type.
    pub family: Family,
    /// Whether it goes over TCP.
    pub tcp: bool,
}

/// What comes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing, until the library's patience ends.
    Silence,
    /// The host tells that nothing listens there.
    Unreachable,
    /// A message.
    Message(Message),
}

/// What a library reads of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The response code.
    pub rcode: ResponseCode,
    /// The addresses of the family that was asked for.
    pub addresses: Vec<IpAddr>,
    /// Records in the answer section, aliases too.
    pub answers: usize,
    /// The AA or the RA bit is set, or the additional section holds a record. Without any of these
    /// an empty answer is taken for a lame server's.
    pub is_sound: bool,
    /// The TC bit.
    pub truncated: bool,
}

impl Message {
    /// A message without records, from a server in order.
    #[must_use]
    pub fn empty(rcode: ResponseCode) -> Self {
        Self {
            rcode,
            addresses: Vec::new(),
            answers: 0,
            is_sound: true,
            truncated: false,
        }
    }

    /// An answer that holds these addresses and nothing else.
    #[must_use]
    pub fn of(addresses: Vec<IpAddr>) -> Self {
        Self {
            answers: addresses.len(),
            addresses,
            ..Self::empty(ResponseCode::NoError)
        }
    }

    fn is_lame(&self) -> bool {
        self.rcode == ResponseCode::NoError && self.answers == 0 && !self.is_sound
    }
}

/// A query that was sent, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The server's number in the list of name servers.
    pub server: usize,
    /// The type.
    pub family: Family,
    /// Whether it went over TCP.
    pub tcp: bool,
    /// What came.
    pub reply: Reply,
}

/// Why a name is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is what the program asked for.
    AsGiven,
    /// It has the suffix of this number of the search list.
    Search(usize),
}

/// One full name that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The full name, without a dot at its end.
    pub name: String,
    /// Why it is tried.
    pub origin: Origin,
    /// The queries, in order. Those of one batch are sent without waiting for each other.
    pub batches: Vec<Vec<Sent>>,
    /// How long was waited for replies that did not come.
    pub waited: Duration,
    /// What the library made of it.
    pub verdict: Verdict,
}

impl Candidate {
    /// The queries, in order.
    pub fn queries(&self) -> impl Iterator<Item = &Sent> {
        self.batches.iter().flatten()
    }
}

/// What a library makes of one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Found,
    /// The name does not exist.
    NoName,
    /// The name exists, and has no address.
    NoData,
    /// The server failed, or nothing came; another time it may.
    TryAgain,
    /// The server refuses, or cannot read the query.
    Failed,
    /// The name cannot be written into a query.
    NotAName,
}

/// What the program is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The addresses, in the order of the replies (a program sees them sorted by RFC 6724).
    Addresses(Vec<IpAddr>),
    /// `EAI_NONAME`, or Go's "no such host".
    NoName,
    /// `EAI_NODATA`: the name is there, and has no address.
    NoData,
    /// `EAI_AGAIN`, or Go's "server misbehaving" and time-outs.
    TryAgain,
    /// `EAI_FAIL`.
    Failed,
    /// The library ends the program: musl divides by `attempts:0`.
    Crash,
}

/// All that a library did for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The names that were tried, in order.
    pub candidates: Vec<Candidate>,
    /// What the program is told.
    pub outcome: Outcome,
}

impl Walk {
    /// The name that was found.
    #[must_use]
    pub fn found(&self) -> Option<&Candidate> {
        let mut candidates = self.candidates.iter();
        candidates.find(|candidate| candidate.verdict == Verdict::Found)
    }

    /// How many queries were sent.
    #[must_use]
    pub fn cost(&self) -> usize {
        let candidates = self.candidates.iter();
        candidates
            .map(|candidate| candidate.queries().count())
            .sum()
    }

    /// How long was waited for replies that did not come.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.candidates
            .iter()
            .map(|candidate| candidate.waited)
            .sum()
    }

    fn without_queries(outcome: Outcome) -> Self {
        Self {
            candidates: Vec::new(),
            outcome,
        }
    }
}

impl Libc {
    /// All of them, the most usual first.
    pub const ALL: [Self; 4] = [Self::Glibc, Self::Musl, Self::MuslBefore124, Self::Go];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
            Self::MuslBefore124 => "musl-1.2.3",
            Self::Go => "go",
        }
    }

    /// Reads a `resolv.conf` as this library does.
    #[must_use]
    pub fn read(self, text: &str) -> ResolvConf {
        match self {
            Self::Glibc => conf::glibc(text),
            Self::Musl | Self::MuslBefore124 => conf::musl(text),
            Self::Go => conf::go(text),
        }
    }

    /// Looks a name up for both families, as `getaddrinfo` (or Go's `LookupHost`) does, and records
    /// what it sends.
    pub fn walk(
        self,
        conf: &ResolvConf,
        name: &str,
        ask: &mut dyn FnMut(Ask<'_>) -> Reply,
    ) -> Walk {
        let address = match self {
            Self::Go => name.parse().ok(),
            _ => conf::address(name),
        };
        if let Some(address) = address {
            return Walk::without_queries(Outcome::Addresses(vec![address]));
        }
        match self {
            Self::Glibc => glibc::walk(conf, name, ask),
            Self::Musl => musl::walk(conf, name, ask, musl::Release::WithTcp),
            Self::MuslBefore124 => musl::walk(conf, name, ask, musl::Release::WithoutTcp),
            Self::Go => go::walk(conf, name, ask),
        }
    }
}
