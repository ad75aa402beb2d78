//! The small HTTP endpoints: health, ready, metrics.
//!
//! Plugins name an [`Endpoint`] in their setup; [`Endpoints`] opens the sockets. A start or a reload
//! is two steps: [`Endpoints::bind`] opens what is new and may fail with nothing changed, then
//! [`Endpoints::swap`] changes what is answered. An address that both configurations have keeps its
//! socket and its connections.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chain::BoxFuture;

mod bind;
mod connection;

pub use bind::BindError;

/// What an endpoint answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// Answers requests, whatever their method.
pub trait Service: Send + Sync {
    /// The response for a path; `None` is 404.
    fn get(&self, path: &str) -> Option<Response>;

    /// The response where it takes time to make, for a path and what follows its `?`. It is asked
    /// before [`Service::get`].
    fn wait(&self, path: &str, parameters: &str) -> Option<BoxFuture<Response>> {
        let _ = (path, parameters);
        None
    }

    /// Tells which address it answers on, once that is known: the port may have been 0.
    fn bound(&self, address: SocketAddr) {
        let _ = address;
    }
}

/// Who is answered at an address, and over what, where that is not anyone over plain HTTP. What it
/// is asked may take time: it is asked where blocking is allowed.
pub trait Guard: Send + Sync {
    /// The TLS of a new connection; `None` is plain HTTP.
    ///
    /// # Errors
    /// Says why no connection can be served now.
    fn tls(&self) -> Result<Option<Arc<rustls::ServerConfig>>, String>;

    /// Whether a request is answered, by its `Authorization` header.
    fn admit(&self, authorization: Option<&str>, now: Instant) -> Admission;
}

/// What a [`Guard`] says of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// The response to a request that is not let through.
    pub refused: Option<Response>,
    /// Headers of the response, names and values.
    pub headers: Vec<(String, String)>,
}

impl Admission {
    /// A request that is not let through, and the reason.
    #[must_use]
    pub fn refuse(status: u16, reason: &str) -> Self {
        Self {
            refused: Some(Response::text(status, format!("{reason}\n"))),
            headers: vec![("X-Content-Type-Options".to_owned(), "nosniff".to_owned())],
        }
    }
}

/// An address and what it serves. Several plugins may ask for one address; the first that knows a
/// path answers it.
pub struct Endpoint {
    /// `HOST:PORT`, `:PORT` for all addresses.
    pub address: String,
    /// The plugin, for messages.
    pub plugin: &'static str,
    /// Whether a start fails where the address cannot be had. If not, that is an error of the log:
    /// names are served without metrics rather than not at all.
    pub required: bool,
    /// Who answers.
    pub service: Arc<dyn Service>,
    /// Who is answered; `None` is anyone. Of several of one address the first one counts for all.
    pub guard: Option<Arc<dyn Guard>>,
}

/// Connections at a time, all sockets together: a scraper and a probe need two or three.
const CONNECTIONS: usize = 256;
/// Requests that are being answered when the process stops have this long.
const STOP: Duration = Duration::from_secs(5);

/// The HTTP sockets of the process and what they answer, over all its configurations.
pub struct Endpoints {
    sockets: HashMap<SocketAddr, Socket>,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// An open socket; dropped, it takes no more connections and ends those that it has.
struct Socket {
    /// What it is bound to: never port 0.
    local: SocketAddr,
    routes: Arc<ArcSwap<Routes>>,
    stop: CancellationToken,
}

/// All that is answered on a socket.
#[derive(Default)]
struct Routes {
    all: Vec<Route>,
    guard: Option<Arc<dyn Guard>>,
}

/// A service, and where it answers.
struct Route {
    /// `None` for all addresses of the socket.
    address: Option<IpAddr>,
    endpoint: Endpoint,
}

/// Endpoints whose addresses are bound, and that are not served yet.
#[derive(Default)]
pub struct Bound {
    wanted: HashMap<SocketAddr, Vec<Route>>,
    listeners: HashMap<SocketAddr, TcpListener>,
    failures: Vec<BindError>,
}

impl Response {
    /// Plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into().into_bytes(),
        }
    }
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            sockets: HashMap::new(),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            tasks: TaskTracker::new(),
        }
    }
}

impl Endpoints {
    /// Binds the addresses that are not served yet. What is served stays as it is until
    /// [`Endpoints::swap`].
    ///
    /// # Errors
    /// Names the plugin and the address of a required endpoint that cannot be had.
    pub async fn bind(&self, endpoints: Vec<Endpoint>) -> Result<Bound, BindError> {
        let mut bound = Bound::default();
        let mut resolved = Vec::new();
        for endpoint in endpoints {
            match bind::resolve(&endpoint.address).await {
                Ok(address) => resolved.push((address, endpoint)),
                Err(error) => bound.fail(&endpoint, error)?,
            }
        }
        // Sockets for all addresses first: they serve the single addresses of their port too.
        resolved.sort_by_key(|(address, _)| !address.ip().is_unspecified());
        for (address, endpoint) in resolved {
            match self.socket_for(address, &mut bound) {
                Ok(socket) => {
                    let single = socket.ip().is_unspecified() && !address.ip().is_unspecified();
                    let address = single.then_some(address.ip());
                    let routes = bound.wanted.entry(socket).or_default();
                    routes.push(Route { address, endpoint });
                }
                Err(error) => bound.fail(&endpoint, error)?,
            }
        }
        Ok(bound)
    }

    /// The socket that takes connections to this address: one that is open, or a new one.
    fn socket_for(&self, address: SocketAddr, bound: &mut Bound) -> std::io::Result<SocketAddr> {
        let all = bind::wildcard(address.port());
        if bound.wanted.contains_key(&all) {
            return Ok(all);
        }
        let open = [address, all]
            .into_iter()
            .find(|have| self.sockets.contains_key(have) || bound.wanted.contains_key(have));
        if let Some(open) = open {
            return Ok(open);
        }
        let ours = |have: &SocketAddr| have.port() == address.port();
        let listener = bind::listen(address, self.sockets.keys().any(ours))?;
        bound.listeners.insert(address, listener);
        Ok(address)
    }

    /// Serves these from now on; sockets that are asked for no more are closed. Endpoints that
    /// could not be had are told to the log.
    ///
    /// Must be called within a tokio runtime.
    pub fn swap(&mut self, bound: Bound) {
        let Bound {
            mut wanted,
            listeners,
            failures,
        } = bound;
        for failure in failures {
            tracing::error!("{failure}");
        }
        self.sockets
            .retain(|address, _| wanted.contains_key(address));
        let mut new = Vec::new();
        for (address, listener) in listeners {
            // A socket that cannot tell its own address is of no use.
            if let Ok(local) = listener.local_addr() {
                let (socket, acceptor) = self.socket(local);
                self.sockets.insert(address, socket);
                new.push(acceptor.run(listener));
            }
        }
        for (address, socket) in &self.sockets {
            let routes = wanted.remove(address).unwrap_or_default();
            for route in &routes {
                let ip = route.address.unwrap_or_else(|| socket.local.ip());
                let address = SocketAddr::new(ip, socket.local.port());
                route.endpoint.service.bound(address);
            }
            let guard = routes.iter().find_map(|route| route.endpoint.guard.clone());
            let routes = Routes { all: routes, guard };
            socket.routes.store(Arc::new(routes));
        }
        // Only now: no request is answered as if there were no service and no guard.
        for acceptor in new {
            self.tasks.spawn(acceptor);
        }
    }

    /// A socket without routes, and what is to take its connections.
    fn socket(&self, local: SocketAddr) -> (Socket, connection::Acceptor) {
        let socket = Socket {
            local,
            routes: Arc::default(),
            stop: CancellationToken::new(),
        };
        let acceptor = connection::Acceptor {
            routes: socket.routes.clone(),
            stop: socket.stop.clone(),
            connections: self.connections.clone(),
            tasks: self.tasks.clone(),
        };
        (socket, acceptor)
    }

    /// What is served: the address as asked for, and as bound.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let mut addresses = Vec::new();
        for socket in self.sockets.values() {
            let routes = socket.routes.load();
            let asked = routes
                .all
                .iter()
                .map(|route| route.endpoint.address.clone());
            addresses.extend(asked.map(|asked| (asked, socket.local)));
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Answers what is under way, and lets go of all addresses.
    pub async fn stop(mut self) {
        self.sockets.clear();
        self.tasks.close();
        // What is not done by then ends with the runtime.
        let _ = tokio::time::timeout(STOP, self.tasks.wait()).await;
    }
}

impl Bound {
    /// Notes that an endpoint cannot be had, or gives up where it is required.
    fn fail(&mut self, endpoint: &Endpoint, error: std::io::Error) -> Result<(), BindError> {
        let error = BindError::new(endpoint, error);
        if endpoint.required {
            return Err(error);
        }
        self.failures.push(error);
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests;
