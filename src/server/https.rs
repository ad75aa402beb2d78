//! DNS over HTTPS (RFC 8484): HTTP/2 and HTTP/1.1, over TLS or, where a listener has none, in the
//! clear for a proxy that ends TLS.
//!
//! A connection is closed when it is idle, and its requests are bounded in number and length. What
//! a request says goes the way of every other one: [`Server::told`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::stream::{Serving, StreamListener};
use super::{Arrival, Server, Told, decode, render};
use crate::chain::{Failure, Transfer};
use crate::name::MAX_NAME;
use crate::query::{OwnedQuery, Transport};

mod age;
mod parameter;

/// Where questions are taken.
const PATH: &str = "/dns-query";
/// A message in a request or a response.
const MESSAGE: HeaderValue = HeaderValue::from_static("application/dns-message");
/// Words.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// The longest body that is read, in bytes.
const LONGEST_BODY: usize = 65_536;
/// The longest header that is read, in bytes: room for a long question in a GET request.
const LONGEST_HEADER: u32 = 32 << 10;
/// How long a client has to take leave (GOAWAY of HTTP/2, close_notify of TLS) when its connection is
/// closed for being idle.
const LEAVE: Duration = Duration::from_secs(1);

/// What a connection's requests have in common.
struct Exchange {
    listener: Arc<StreamListener>,
    client: SocketAddr,
    local: SocketAddr,
    /// Requests that are being answered.
    open: AtomicUsize,
    /// Told when a request begins and when it ends.
    changed: Notify,
}

/// Serves a connection until its client goes, is too slow, or `stop` and all is answered. The first
/// request must be there at `first`.
pub(super) async fn serve<S>(
    listener: &Arc<StreamListener>,
    serving: &Serving,
    stream: S,
    (client, local): (SocketAddr, SocketAddr),
    (first, stop): (Instant, &CancellationToken),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exchange = Arc::new(Exchange {
        listener: listener.clone(),
        client,
        local,
        open: AtomicUsize::new(0),
        changed: Notify::new(),
    });
    let service = service_fn(|request| {
        let exchange = exchange.clone();
        async move { Ok::<_, Infallible>(exchange.respond(request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The deadline below is for both versions.
        .header_read_timeout(None)
        .max_buf_size(LONGEST_HEADER as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(LONGEST_HEADER)
        .max_concurrent_streams(serving.caps.streams);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut deadline = pin!(sleep_until(first));
    let mut closing = false;
    loop {
        tokio::select! {
            // An error is the client's: it went away, or sent what is not HTTP.
            _ = connection.as_mut() => return,
            () = stop.cancelled(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = exchange.changed.notified() => {
                deadline.as_mut().reset(Instant::now() + serving.limits.idle);
            }
            () = deadline.as_mut(), if exchange.open.load(Ordering::Relaxed) == 0 => {
                if closing {
                    return;
                }
                closing = true;
                connection.as_mut().graceful_shutdown();
                deadline.as_mut().reset(Instant::now() + LEAVE);
            }
        }
    }
}

/// A request that is being answered.
struct Open<'e>(&'e Exchange);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

impl Exchange {
    fn begin(&self) -> Open<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        Open(self)
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let _open = self.begin();
        self.listener.count(1);
        let serving = self.listener.serving.load_full();
        let arrival = Arrival {
            client: self.client,
            local: self.local,
            transport: Transport::Https,
            now: Instant::now(),
        };
        let (head, body) = request.into_parts();
        if let Some(response) = before_the_path(&head) {
            return response;
        }
        let is_head = head.method == Method::HEAD;
        let is_question = parameter::unescaped(head.uri.path()).as_deref() == Some(PATH.as_bytes());
        let message = match head.method {
            _ if !is_question => None,
            Method::GET => parameter::message(head.uri.query().unwrap_or_default()),
            Method::POST => whole(body, serving.limits.read).await,
            _ => None,
        };
        // What waits for an answer holds no header meanwhile.
        drop(head);
        let mut response = if is_question {
            answer(&serving.server, message, arrival).await
        } else {
            words(StatusCode::NOT_FOUND, "\n")
        };
        if is_head {
            without_body(&mut response);
        }
        serving
            .server
            .responded(Transport::Https, response.status().as_str());
        response
    }
}

/// The body of a request, if it is not too long and comes in time.
async fn whole(body: Incoming, limit: Duration) -> Option<Vec<u8>> {
    let body = Limited::new(body, LONGEST_BODY).collect();
    let body = timeout(limit, body).await.ok()?.ok()?;
    Some(body.to_bytes().into())
}

/// The response to a request of which the path does not matter: one that is wrong, or that asks what
/// the server can do.
fn before_the_path(head: &Parts) -> Option<Response<Full<Bytes>>> {
    if head.method == Method::OPTIONS && head.uri.path() == "*" {
        return Some(Response::default());
    }
    let wrong = match parameter::unescaped(head.uri.path()) {
        None => "400 Bad Request",
        Some(_) => wrong_host(head)?,
    };
    let mut response = words(StatusCode::BAD_REQUEST, wrong);
    if head.version < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Some(response)
}

/// What is wrong with the Host header of a request, which HTTP/1.1 must have once (RFC 9112, 3.2).
fn wrong_host(head: &Parts) -> Option<&'static str> {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Some("400 Bad Request"),
        (Some(host), None) if !host.as_bytes().iter().copied().all(is_of_host) => {
            Some("400 Bad Request: malformed Host header")
        }
        (None, _) if head.version == Version::HTTP_11 => {
            Some("400 Bad Request: missing required Host header")
        }
        _ => None,
    }
}

/// Whether a name, an address or a port of RFC 3986, 3.2 may have this byte.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(&byte)
}

/// Leaves what the response to HEAD has: the header of what GET would be answered.
fn without_body(response: &mut Response<Full<Bytes>>) {
    let length = response.body().size_hint().exact().unwrap_or_default();
    let length = HeaderValue::from(length);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    *response.body_mut() = Full::default();
}

/// The response to a request with this message; `None` where there is no such message in it.
async fn answer(
    server: &Arc<Server>,
    message: Option<Vec<u8>>,
    arrival: Arrival,
) -> Response<Full<Bytes>> {
    let mut scratch = [0; MAX_NAME];
    let decoded = message.as_ref().map(|message| {
        let decoded = decode::decode(message, &mut scratch);
        decoded.map(|decoded| (decoded, message.len()))
    });
    let Some(Ok((decoded, size))) = decoded else {
        return words(StatusCode::BAD_REQUEST, "invalid request\n");
    };
    let reply = match server.told(&decoded, size, arrival).await {
        Told::Message(reply) => reply,
        Told::Messages(transfer, query) => only_message(transfer, &query),
        Told::Nothing => return words(StatusCode::INTERNAL_SERVER_ERROR, "No response\n"),
    };
    let age = HeaderValue::try_from(format!("max-age={}", age::of(&reply)));
    let mut response = Response::new(Full::new(Bytes::from(reply)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, MESSAGE);
    headers.extend(age.ok().map(|age| (CACHE_CONTROL, age)));
    response
}

/// The message of a transfer that is not longer. One response holds one message, so a zone of several
/// is refused.
fn only_message(transfer: Transfer, query: &OwnedQuery) -> Vec<u8> {
    let mut reply = Vec::new();
    let mut messages = transfer.0;
    match (messages.next(), messages.next()) {
        (Some(answer), None) => render::answer(&answer, &query.view(), &mut reply),
        _ => {
            let refused = Failure::refusal("", ResponseCode::Refused);
            render::failure(&refused, &query.view(), &mut reply);
        }
    }
    reply
}

fn words(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    let no_guess = HeaderValue::from_static("nosniff");
    headers.insert(HeaderName::from_static("x-content-type-options"), no_guess);
    response
}
