//! Connections of the HTTP endpoints: accepted within a limit, served with time-outs.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName,
    HeaderValue,
};
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Admission, Guard, Response, Route, Routes, Service};
use crate::chain::BoxFuture;
use crate::telemetry::Pace;

/// Time for a request's header to come, and for the next request of a connection.
const HEADER: Duration = Duration::from_secs(5);
/// Time from one request's header to the next one's: a client that does not read its response is
/// cut off.
const STALLED: Duration = Duration::from_secs(10);
/// After an error of accept (no file descriptor left), connections wait this long.
const PAUSE: Duration = Duration::from_millis(10);
/// The most that is read ahead of a connection, in bytes; a longer header is refused.
const READ_AHEAD: usize = 16 << 10;

/// Texts from this length on are compressed, in bytes: the page of metrics, and no other.
const LONG: usize = 1 << 10;

/// Accepts the connections of one socket.
pub(super) struct Acceptor {
    pub(super) routes: Arc<ArcSwap<Routes>>,
    pub(super) stop: CancellationToken,
    pub(super) connections: Arc<Semaphore>,
    pub(super) tasks: TaskTracker,
}

impl Acceptor {
    /// Runs until it is stopped.
    pub(super) async fn run(self, listener: TcpListener) {
        let stop = self.stop.clone();
        let _ = stop.run_until_cancelled(self.accept(listener)).await;
    }

    async fn accept(self, listener: TcpListener) -> Infallible {
        let mut failed = Pace::default();
        loop {
            let permit = self.connections.clone().acquire_owned().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = Arc::new(Connection {
                        routes: self.routes.clone(),
                        stop: self.stop.clone(),
                        asked: Notify::new(),
                        busy: AtomicUsize::new(0),
                    });
                    // The semaphore is never closed; a missing permit would cost no more than
                    // the limit.
                    self.tasks.spawn(connection.run(stream, permit.ok()));
                }
                Err(error) => {
                    if failed.is_due() {
                        tracing::warn!("an HTTP endpoint cannot accept connections: {error}");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

struct Connection {
    routes: Arc<ArcSwap<Routes>>,
    stop: CancellationToken,
    /// Told at each request, and when a response that takes time is there.
    asked: Notify,
    /// Responses that are being made and take time.
    busy: AtomicUsize,
}

impl Connection {
    /// Serves until the client goes, is too slow, or the socket is closed.
    async fn run(self: Arc<Self>, stream: TcpStream, _permit: Option<OwnedSemaphorePermit>) {
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let local = local.ip().to_canonical();
        let Some(guard) = self.routes.load().guard.clone() else {
            return self.serve(stream, local, false).await;
        };
        let tls = match spawn_blocking(move || guard.tls()).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => {
                tracing::warn!("an HTTP endpoint cannot speak TLS: {error}");
                return;
            }
            // The runtime ends.
            Err(_) => return,
        };
        let Some(tls) = tls else {
            return self.serve(stream, local, false).await;
        };
        let handshake = TlsAcceptor::from(tls).accept(stream);
        // What goes wrong is the client's affair, or that of who gave it the authority's file.
        if let Ok(Ok(stream)) = timeout(HEADER, handshake).await {
            let (_, session) = stream.get_ref();
            let http2 = session.alpn_protocol() == Some(b"h2");
            Box::pin(self.serve(stream, local, http2)).await;
        }
    }

    async fn serve<S>(self: &Arc<Self>, stream: S, local: IpAddr, http2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| {
            let connection = self.clone();
            async move { Ok::<_, Infallible>(connection.answer(local, request).await) }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        let mut builder = match http2 {
            true => builder.http2_only(),
            false => builder.http1_only(),
        };
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER)
            .max_buf_size(READ_AHEAD);
        builder.http2().timer(TokioTimer::new());
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut stalled = pin!(sleep(STALLED));
        let mut stopping = false;
        loop {
            tokio::select! {
                // An error is the client's: it went away, or sent what is not HTTP.
                _ = connection.as_mut() => return,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.asked.notified() => stalled.as_mut().reset(Instant::now() + STALLED),
                () = stalled.as_mut(), if self.busy.load(Ordering::Relaxed) == 0 => return,
            }
        }
    }

    async fn answer(
        &self,
        local: IpAddr,
        request: Request<Incoming>,
    ) -> hyper::Response<Full<Bytes>> {
        self.asked.notify_one();
        // What a reload puts in their place has another guard.
        let routes = self.routes.load_full();
        let admission = match routes.guard.clone() {
            None => Admission::default(),
            Some(guard) => self.wait_for(admission(guard, &request)).await,
        };
        let mut told = match admission.refused {
            Some(refused) => told(refused),
            None => self.serviced(&routes.all, local, &request).await,
        };
        if *request.method() == Method::HEAD {
            without_body(&mut told);
        }
        for (name, value) in admission.headers {
            let name = HeaderName::try_from(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                told.headers_mut().insert(name, value);
            }
        }
        told
    }

    async fn serviced(
        &self,
        routes: &[Route],
        local: IpAddr,
        request: &Request<Incoming>,
    ) -> hyper::Response<Full<Bytes>> {
        // As in CoreDNS, whatever the method: load balancers ask by OPTIONS whether one lives.
        let response = match later(routes, local, request) {
            None => now(routes, local, request),
            Some(later) => self.wait_for(later).await,
        };
        let is_long = response.content_type.starts_with("text/") && response.body.len() >= LONG;
        if !is_long || !takes_gzip(request) {
            return told(response);
        }
        let compressed = self.wait_for(spawn_blocking(move || compressed(response)));
        compressed
            .await
            .unwrap_or_else(|_| told(Response::text(500, "Internal Server Error\n")))
    }

    /// Waits for what takes time: such a connection has not stalled.
    async fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let done = work.await;
        self.busy.fetch_sub(1, Ordering::Relaxed);
        self.asked.notify_one();
        done
    }
}

/// Whether the request is answered.
async fn admission(guard: Arc<dyn Guard>, request: &Request<Incoming>) -> Admission {
    let authorization = request.headers().get(AUTHORIZATION).cloned();
    let admit = move || {
        let authorization = authorization.as_ref().and_then(|value| value.to_str().ok());
        guard.admit(authorization, Instant::now())
    };
    let admission = spawn_blocking(admit).await;
    admission.unwrap_or_else(|_| Admission::refuse(500, "Internal Server Error"))
}

/// The services that answer at this address.
fn services(routes: &[Route], local: IpAddr) -> impl Iterator<Item = &dyn Service> {
    let fits = move |route: &&Route| route.address.is_none_or(|address| address == local);
    let fitting = routes.iter().filter(fits);
    fitting.map(|route| route.endpoint.service.as_ref())
}

fn later(
    routes: &[Route],
    local: IpAddr,
    request: &Request<Incoming>,
) -> Option<BoxFuture<Response>> {
    let parameters = request.uri().query().unwrap_or_default();
    services(routes, local).find_map(|service| service.wait(request.uri().path(), parameters))
}

fn now(routes: &[Route], local: IpAddr, request: &Request<Incoming>) -> Response {
    services(routes, local)
        .find_map(|service| service.get(request.uri().path()))
        .unwrap_or_else(|| Response::text(404, "404 page not found\n"))
}

/// Takes the body away, and tells its length: over HTTP/2 nobody else does.
fn without_body(response: &mut hyper::Response<Full<Bytes>>) {
    let length = response.body().size_hint().exact().unwrap_or(0);
    let length = HeaderValue::from(length);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    *response.body_mut() = Full::default();
}

fn told(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut told = hyper::Response::new(Full::new(Bytes::from(response.body)));
    *told.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = HeaderValue::from_static(response.content_type);
    told.headers_mut().insert(CONTENT_TYPE, content_type);
    told
}

/// Whether the client says that it takes gzip (RFC 9110, 12.5.3).
fn takes_gzip(request: &Request<Incoming>) -> bool {
    let values = request.headers().get_all(ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=");
        let is_refused = weight.is_some_and(|weight| weight.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

/// The same response in gzip.
fn compressed(mut response: Response) -> hyper::Response<Full<Bytes>> {
    match gzip(&response.body) {
        Ok(body) => {
            response.body = body;
            let mut told = told(response);
            let gzip = HeaderValue::from_static("gzip");
            told.headers_mut().insert(CONTENT_ENCODING, gzip);
            told
        }
        // Memory takes all that is written; it goes out as it is.
        Err(_) => told(response),
    }
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
