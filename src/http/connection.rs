//! Connections of the HTTP endpoints: accepted within a limit, served with time-outs.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Response, Route, Service};
use crate::chain::BoxFuture;

/// Time for a request's header to come, and for the next request of a connection.
const HEADER: Duration = Duration::from_secs(5);
/// Time from one request's header to the next one's: a client that does not read its response is
/// cut off.
const STALLED: Duration = Duration::from_secs(10);
/// After an error of accept (no file descriptor left), connections wait this long.
const PAUSE: Duration = Duration::from_millis(10);
/// The most that is read ahead of a connection, in bytes; a longer header is refused.
const READ_AHEAD: usize = 16 << 10;

/// Accepts the connections of one socket.
pub(super) struct Acceptor {
    pub(super) routes: Arc<ArcSwap<Vec<Route>>>,
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
        let mut warned = false;
        loop {
            let permit = self.connections.clone().acquire_owned().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = Connection {
                        routes: self.routes.clone(),
                        stop: self.stop.clone(),
                        asked: Notify::new(),
                        busy: AtomicBool::new(false),
                    };
                    // The semaphore is never closed; a missing permit would cost no more than
                    // the limit.
                    self.tasks.spawn(connection.run(stream, permit.ok()));
                }
                Err(error) => {
                    if !std::mem::replace(&mut warned, true) {
                        tracing::warn!("an HTTP endpoint cannot accept connections: {error}");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

struct Connection {
    routes: Arc<ArcSwap<Vec<Route>>>,
    stop: CancellationToken,
    /// Told at each request, and when a response that takes time is there.
    asked: Notify,
    /// Whether a response is being made.
    busy: AtomicBool,
}

impl Connection {
    /// Serves until the client goes, is too slow, or the socket is closed.
    async fn run(self, stream: TcpStream, _permit: Option<OwnedSemaphorePermit>) {
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let local = local.ip().to_canonical();
        let service =
            service_fn(|request| async { Ok::<_, Infallible>(self.answer(local, request).await) });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER)
                .max_buf_size(READ_AHEAD)
                .serve_connection(TokioIo::new(stream), service)
        );
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
                () = stalled.as_mut(), if !self.busy.load(Ordering::Relaxed) => return,
            }
        }
    }

    async fn answer(
        &self,
        local: IpAddr,
        request: Request<Incoming>,
    ) -> hyper::Response<Full<Bytes>> {
        self.asked.notify_one();
        let known = matches!(*request.method(), Method::GET | Method::HEAD);
        if !known {
            return told(Response::text(405, "405 method not allowed\n"), known);
        }
        let later = later(&self.routes.load(), local, &request);
        let Some(later) = later else {
            return told(now(&self.routes.load(), local, &request), known);
        };
        self.busy.store(true, Ordering::Relaxed);
        let response = later.await;
        self.busy.store(false, Ordering::Relaxed);
        self.asked.notify_one();
        told(response, known)
    }
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

fn told(response: Response, known: bool) -> hyper::Response<Full<Bytes>> {
    let mut told = hyper::Response::new(Full::new(Bytes::from(response.body)));
    *told.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = HeaderValue::from_static(response.content_type);
    told.headers_mut().insert(CONTENT_TYPE, content_type);
    if !known {
        let allowed = HeaderValue::from_static("GET, HEAD");
        told.headers_mut().insert(ALLOW, allowed);
    }
    told
}
