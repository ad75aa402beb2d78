//! Requests to the API server, and what comes back, piece by piece.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use kube::Client;
use kube::client::{Body, RustlsTlsError};
use tokio::time::{Instant, timeout, timeout_at};

use super::access::{Access, Loaded, Papers};
use super::client::client;
use super::decode::protobuf;
use super::failure::{Failure, Status, error_chain};
use super::frames::Format;
use super::metrics::Requests;
use super::resource::Asked;
use super::token::Token;

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the first byte of an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest that a server, or what stands before it, may ask not to be asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The type of what is written in protobuf, without parameters.
const PROTOBUF: &[u8] = b"application/vnd.kubernetes.protobuf";
/// The most that is read of an answer that is an error.
const MOST_OF_ERROR: usize = 64 << 10;

/// A client of one API server.
pub(super) struct Connection {
    client: Client,
    token: Option<Token>,
    papers: Papers,
    requests: Requests,
}

/// The body of an answer.
pub(super) struct Chunks {
    body: Body,
    format: Format,
}

impl Connection {
    /// A client by what files and variables say now. Nothing is connected yet. Blocks on the file
    /// system, and on a command where a kubeconfig asks for one.
    pub(super) fn new(
        access: &Access,
        requests: impl FnOnce(&str) -> Requests,
    ) -> Result<Self, Failure> {
        let loaded = access.load()?;
        let papers = loaded.papers();
        let Loaded {
            mut config,
            token,
            host,
        } = loaded;
        config.connect_timeout = Some(CONNECT);
        let agent = concat!("callsign/", env!("CARGO_PKG_VERSION"));
        let agent: (HeaderName, HeaderValue) = (USER_AGENT, HeaderValue::from_static(agent));
        config.headers.push(agent);
        let client = client(config).map_err(|error| {
            let text = error_chain(&error);
            match (error, &papers.own) {
                // A command that gives credentials may do better the next time.
                (kube::Error::Auth(_), _) => Failure::Unreachable(text),
                (kube::Error::RustlsTls(RustlsTlsError::AddRootCertificate(_)), _) => {
                    Failure::Access(format!("{access} cannot be used: {text}"))
                }
                // One of the files may be replaced just now, and the other soon. CoreDNS starts, too.
                (kube::Error::RustlsTls(_), Some(own)) => {
                    Failure::Unreachable(format!("{own} cannot be used: {text}"))
                }
                _ => Failure::Access(format!("{access} cannot be used: {text}")),
            }
        })?;
        Ok(Self {
            client,
            token,
            papers,
            requests: requests(&host),
        })
    }

    /// By a client that is there.
    #[cfg(test)]
    pub(super) fn of(client: Client, token: Option<Token>, requests: Requests) -> Self {
        Self {
            client,
            token,
            papers: Papers::default(),
            requests,
        }
    }

    /// Asks, and gives the body of an answer that is none of an error.
    pub(super) async fn open(&self, mut asked: Asked) -> Result<Chunks, Failure> {
        if let Some(token) = &self.token {
            asked.headers_mut().insert(AUTHORIZATION, token.header());
        }
        let sent = self.client.send(asked.map(Body::from));
        let response = match timeout(ANSWER, sent).await {
            Ok(Ok(response)) => response,
            failed => {
                self.requests.count("<error>");
                return Err(match failed {
                    Ok(Err(error)) => Failure::of_request(&error, &self.papers.authority),
                    _ => Failure::Silent(ANSWER),
                });
            }
        };
        let code = response.status();
        self.requests.count(code.as_str());
        let seconds = response.headers().get(RETRY_AFTER);
        let seconds = seconds.and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
        let chunks = Chunks {
            format: format(response.headers()),
            body: response.into_body(),
        };
        if code.is_success() {
            return Ok(chunks);
        }
        let format = chunks.format();
        let text = chunks.error().await;
        let status = match format {
            Format::Json => serde_json::from_slice(&text).ok(),
            Format::Protobuf => protobuf::status(&text),
        };
        let mut status: Status = status.unwrap_or_default();
        status.code = code.as_u16();
        if let (401, Some(own)) = (status.code, &self.papers.own) {
            status.message += &format!("; it was shown {own}");
        }
        let wanted = seconds.map(Duration::from_secs);
        status.retry_after = wanted.map(|wanted| wanted.min(LONGEST_PAUSE));
        Err(Failure::Status(status))
    }

    /// Counts how long a list took, from the question to its last byte.
    pub(super) fn listed(&self, time: Duration) {
        self.requests.observe(time);
    }
}

/// How what comes is written.
fn format(headers: &HeaderMap) -> Format {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    match kind.is_some_and(|kind| kind.starts_with(PROTOBUF)) {
        true => Format::Protobuf,
        false => Format::Json,
    }
}

impl Chunks {
    /// How it is written.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self, until: Instant) -> Result<Option<Bytes>, Failure> {
        let asked = Instant::now();
        loop {
            let frame = match timeout_at(until, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(Failure::of_connection(&error)),
                Err(_) => return Err(Failure::Silent(until - asked)),
            };
            // Trailers are of no interest.
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }

    /// The start of an error's text.
    async fn error(mut self) -> Vec<u8> {
        let (mut text, until) = (Vec::new(), Instant::now() + ANSWER);
        while text.len() < MOST_OF_ERROR
            && let Ok(Some(bytes)) = self.next(until).await
        {
            text.extend_from_slice(&bytes);
        }
        text
    }
}
