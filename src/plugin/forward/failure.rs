//! Why an exchange with an upstream failed, in the words that Go programs have for it: people's
//! `consolidate` patterns look for them.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use nix::errno::Errno;

use crate::answer::ExtendedError;

/// The upstream ended the connection. Go says no more about it.
const END: &str = "EOF";

/// A failed exchange. Shown as `read udp 10.0.0.2:4711->10.0.0.1:53: i/o timeout`.
///
/// In a box: thousands that wait for a reply keep room for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExchangeError(Box<Content>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Content {
    ends: Ends,
    operation: &'static str,
    cause: Cow<'static, str>,
    kind: ErrorKind,
}

/// What became of an exchange that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorKind {
    /// Nobody answered in time.
    Timeout,
    /// The network, or the upstream's system, said no.
    Network,
    /// Over a stream came a reply to another question.
    WrongReply,
}

/// The two ends of a conversation with an upstream, and how it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) network: &'static str,
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: SocketAddr,
}

impl ExchangeError {
    /// What happened.
    pub(super) fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The same for a client that speaks EDNS (RFC 8914): an info code, and which upstream.
    pub(super) fn extended(&self) -> (u16, String) {
        let Content {
            ends, cause, kind, ..
        } = &*self.0;
        let code = match kind {
            ErrorKind::Timeout => ExtendedError::NO_REACHABLE_AUTHORITY,
            ErrorKind::Network | ErrorKind::WrongReply => ExtendedError::NETWORK_ERROR,
        };
        (code, format!("upstream {}: {cause}", ends.remote))
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content {
            ends,
            operation,
            cause,
            ..
        } = &*self.0;
        if cause == END {
            return f.write_str(END);
        }
        write!(f, "{operation} {} ", ends.network)?;
        if let Some(local) = ends.local {
            write!(f, "{local}->")?;
        }
        write!(f, "{}: {cause}", ends.remote)
    }
}

impl Ends {
    /// The error of an operation (`dial`, `read`, `write`) for which there was no more time.
    pub(super) fn timeout(self, operation: &'static str) -> ExchangeError {
        self.other(operation, ErrorKind::Timeout, "i/o timeout")
    }

    /// The error of an operation that the system refused.
    pub(super) fn io(self, operation: &'static str, error: &io::Error) -> ExchangeError {
        let kind = match error.kind() {
            io::ErrorKind::TimedOut => ErrorKind::Timeout,
            _ => ErrorKind::Network,
        };
        let call = if operation == "dial" {
            "connect"
        } else {
            operation
        };
        let cause = match error.raw_os_error() {
            Some(code) => format!("{call}: {}", lower_first(Errno::from_raw(code).desc())),
            None if error.kind() == io::ErrorKind::UnexpectedEof => END.to_owned(),
            None => error.to_string(),
        };
        self.other(operation, kind, cause)
    }

    /// An error with a cause of our own.
    pub(super) fn other(
        self,
        operation: &'static str,
        kind: ErrorKind,
        cause: impl Into<Cow<'static, str>>,
    ) -> ExchangeError {
        ExchangeError(Box::new(Content {
            ends: self,
            operation,
            cause: cause.into(),
            kind,
        }))
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_go_writes_them() {
        let (local, remote) = ("10.0.0.2:4711".parse().ok(), "10.0.0.1:53".parse().unwrap());
        let ends = |network, local| Ends {
            network,
            local,
            remote,
        };
        let refused = io::Error::from_raw_os_error(111);
        for (error, text) in [
            (
                ends("udp", local).timeout("read"),
                "read udp 10.0.0.2:4711->10.0.0.1:53: i/o timeout",
            ),
            (
                ends("udp", local).io("read", &refused),
                "read udp 10.0.0.2:4711->10.0.0.1:53: read: connection refused",
            ),
            (
                ends("tcp", None).io("dial", &refused),
                "dial tcp 10.0.0.1:53: connect: connection refused",
            ),
            (
                ends("tcp", local).io("read", &io::ErrorKind::UnexpectedEof.into()),
                "EOF",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
