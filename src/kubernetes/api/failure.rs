//! Why something that the API server was asked for did not come.

use std::error::Error;
use std::io;
use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// Why a request or a watch failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Failure {
    /// Where the server is, or who we are, cannot be told.
    #[error("{0}")]
    Access(String),
    /// No connection, or one that broke.
    #[error("{0}")]
    Unreachable(String),
    /// Nobody listens there, or no way leads there.
    #[error("{0}")]
    Refused(String),
    /// Nothing came for so long.
    #[error("nothing came from it for {} s", .0.as_secs())]
    Silent(Duration),
    /// The server answers that it will not.
    #[error("{0}")]
    Status(Status),
    /// It allows to list, and not to watch.
    #[error("{0}")]
    Unwatchable(Status),
    /// What came is not what was asked for.
    #[error("what it sent cannot be read: {0}")]
    Garbled(String),
    /// A list is older than what was seen before.
    #[error("it lists an older state than was seen before (version {listed}, seen {seen})")]
    Older {
        /// the list's version
        listed: u64,
        /// the newest that was seen
        seen: u64,
    },
}

/// An error of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Error)]
#[serde(default)]
#[error("it answers {code}{}{message}", if .message.is_empty() { "" } else { ": " })]
pub(super) struct Status {
    /// the HTTP status code
    pub(super) code: u16,
    /// for people
    pub(super) message: String,
    /// `Retry-After`
    #[serde(skip)]
    pub(super) retry_after: Option<Duration>,
}

impl Status {
    /// It is of this moment, or of our rights: asking in another way changes nothing.
    pub(super) fn is_passing(&self) -> bool {
        [401, 403, 408, 410, 429, 503, 504].contains(&self.code)
    }
}

impl Failure {
    /// What the server would have to be asked for again from the start.
    pub(super) fn is_expired(&self) -> bool {
        self.code() == Some(410)
    }

    /// The server does not let us.
    pub(super) fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// The server is there and has answered, and not that it is busy.
    pub(super) fn is_answer(&self) -> bool {
        self.code().is_some_and(|code| code != 429)
    }

    /// The same as that of a watch of what was listed just before.
    pub(super) fn of_watch(self) -> Self {
        match self {
            Self::Status(status) if status.code == 403 => Self::Unwatchable(status),
            other => other,
        }
    }

    /// The server has nothing of the name.
    pub(super) fn is_unknown(&self) -> bool {
        self.code() == Some(404)
    }

    /// The server does not know how to do that, but may know another way.
    pub(super) fn is_unsupported(&self) -> bool {
        match self {
            Self::Status(status) => status.code < 500 && !status.is_passing(),
            _ => false,
        }
    }

    /// The server does not know as much as was seen before.
    pub(super) fn is_behind(&self) -> bool {
        match self {
            Self::Older { .. } => true,
            Self::Status(status) => {
                status.code == 504 && status.message.contains("Too large resource version")
            }
            _ => false,
        }
    }

    /// A new connection, with what the files say now, may do better.
    pub(super) fn is_of_connection(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Refused(_) | Self::Silent(_)
        ) || self.code() == Some(401)
    }

    /// No server was reached at all, and so none has had work with it.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// How long the server wants not to be asked.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(status) | Self::Unwatchable(status) => status.retry_after,
            _ => None,
        }
    }

    /// How long to wait where `wait` is due: as long as the server wants, and then that too, so that not
    /// all come at the moment that it names, and each less often the longer it lasts. Servers name one
    /// second, however many they turn away.
    pub(super) fn not_before(&self, wait: Duration) -> Duration {
        self.retry_after().unwrap_or_default() + wait
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::Unwatchable(status) => Some(status.code),
            _ => None,
        }
    }

    /// A connection's error, with all its causes.
    pub(super) fn of_connection(error: &kube::Error) -> Self {
        let error: &(dyn Error + 'static) = match error {
            kube::Error::Service(error) => &**error,
            error => error,
        };
        let text = error_chain(error);
        if is_refused(error) {
            return Self::Refused(text);
        }
        Self::Unreachable(text)
    }

    /// The same of a connection that may have been new: `authority` is what the server's certificate
    /// is held against.
    pub(super) fn of_request(error: &kube::Error, authority: &str) -> Self {
        match Self::of_connection(error) {
            Self::Unreachable(text) if text.contains("invalid peer certificate") => {
                Self::Unreachable(format!(
                    "{text}; {authority} must be the one that signed its certificate, and the \
                     certificate must name the address that is connected to"
                ))
            }
            failure => failure,
        }
    }
}

/// Whether nobody listens, or no way leads there: the kernel, or a router, said so at once.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(ConnectionRefused | HostUnreachable | NetworkUnreachable) = kind {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error and its causes, each once.
pub(super) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
