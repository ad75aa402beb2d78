//! The small HTTP endpoints: health, ready, metrics.
//!
//! Plugins name an [`Endpoint`] in their setup; [`Endpoints`] opens the sockets. A start or a reload
//! is two steps: [`Endpoints::open`] binds what is new and may fail with nothing changed, then
//! [`Endpoints::serve`] swaps what is answered. An address that both configurations have keeps its
//! socket and its connections.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    pub body: String,
}

/// Answers GET requests.
pub trait Service: Send + Sync {
    /// The response for a path; `None` is 404.
    fn get(&self, path: &str) -> Option<Response>;

    /// Tells which address it answers on, once that is known: the port may have been 0.
    fn bound(&self, address: SocketAddr) {
        let _ = address;
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
}

/// Connections at a time, all sockets together: a scraper and a probe need two or three.
const CONNECTIONS: usize = 256;

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
    routes: Arc<ArcSwap<Vec<Route>>>,
    stop: CancellationToken,
}

/// A service, and where it answers.
#[derive(Clone)]
struct Route {
    /// `None` for all addresses of the socket.
    address: Option<IpAddr>,
    plugin: &'static str,
    service: Arc<dyn Service>,
}

/// Sockets that are open and not served yet; see [`Endpoints::open`].
#[derive(Default)]
pub struct Opened {
    wanted: HashMap<SocketAddr, Vec<Route>>,
    listeners: HashMap<SocketAddr, TcpListener>,
    /// Endpoints that are not required, and cannot be had.
    pub failures: Vec<BindError>,
}

impl Response {
    /// Plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
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
    /// Opens the sockets that these endpoints need and that are not open. What is served stays as
    /// it is until [`Endpoints::serve`].
    ///
    /// # Errors
    /// [`BindError`] where a required endpoint's address cannot be had.
    pub async fn open(&self, endpoints: Vec<Endpoint>) -> Result<Opened, BindError> {
        let mut opened = Opened::default();
        let mut resolved = Vec::new();
        for endpoint in endpoints {
            match bind::resolve(&endpoint).await {
                Ok(address) => resolved.push((address, endpoint)),
                Err(error) => opened.fail(&endpoint, error)?,
            }
        }
        // Wildcard sockets first: they serve the single addresses of their port too.
        resolved.sort_by_key(|(address, _)| !address.ip().is_unspecified());
        for (address, endpoint) in resolved {
            let socket = self.covering(address, &opened);
            if socket.is_none() {
                let ours = |have: &SocketAddr| have.port() == address.port();
                match bind::listen(address, self.sockets.keys().any(ours)) {
                    Ok(listener) => {
                        opened.listeners.insert(address, listener);
                    }
                    Err(error) => {
                        opened.fail(&endpoint, error)?;
                        continue;
                    }
                }
            }
            let socket = socket.unwrap_or(address);
            let narrow = socket.ip().is_unspecified() && !address.ip().is_unspecified();
            opened.wanted.entry(socket).or_default().push(Route {
                address: narrow.then_some(address.ip()),
                plugin: endpoint.plugin,
                service: endpoint.service,
            });
        }
        Ok(opened)
    }

    /// The socket, open or about to be, that takes connections to this address.
    fn covering(&self, address: SocketAddr, opened: &Opened) -> Option<SocketAddr> {
        let any = bind::wildcard(address.port());
        let open = self.sockets.keys().chain(opened.wanted.keys());
        let covers = |have: &&SocketAddr| {
            **have == address || (have.ip().is_unspecified() && have.port() == any.port())
        };
        open.copied().filter(|have| covers(&have)).max_by_key(|have| *have == address)
    }

    /// Serves what was opened, in place of what was served before. Sockets that nothing asks for
    /// any more are closed. Must be called within a tokio runtime.
    pub fn serve(&mut self, opened: Opened) {
        let Opened { mut wanted, listeners, .. } = opened;
        self.sockets.retain(|address, _| wanted.contains_key(address));
        for (address, listener) in listeners {
            // A socket that cannot tell its own address is of no use.
            let Ok(local) = listener.local_addr() else {
                continue;
            };
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
            self.tasks.spawn(acceptor.run(listener));
            self.sockets.insert(address, socket);
        }
        for (address, socket) in &self.sockets {
            let routes = wanted.remove(address).unwrap_or_default();
            for route in &routes {
                let ip = route.address.unwrap_or(socket.local.ip());
                route.service.bound(SocketAddr::new(ip, socket.local.port()));
            }
            socket.routes.store(Arc::new(routes));
        }
    }

    /// The plugins that answer, and where.
    #[must_use]
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        let mut addresses: Vec<_> = self
            .sockets
            .values()
            .flat_map(|socket| {
                let routes = socket.routes.load_full();
                let of = |route: &Route| (route.plugin, socket.local);
                routes.iter().map(of).collect::<Vec<_>>()
            })
            .collect();
        addresses.sort_unstable();
        addresses
    }

    /// Takes no more connections, finishes the requests that are being answered, and waits for
    /// that, `patience` at most.
    pub async fn close(mut self, patience: Duration) {
        self.sockets.clear();
        self.tasks.close();
        // What is not done by then ends with the runtime.
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
    }
}

impl Opened {
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
