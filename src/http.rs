//! The small HTTP endpoints: health, ready, metrics.

use std::sync::Arc;

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
}

/// An address and what it serves. Several plugins may ask for one address; the first that knows a
/// path answers it.
pub struct Endpoint {
    /// `HOST:PORT`, `:PORT` for all addresses.
    pub address: String,
    /// The plugin, for messages.
    pub plugin: &'static str,
    /// Who answers.
    pub service: Arc<dyn Service>,
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

/// An address that an HTTP endpoint cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("plugin/{plugin}: cannot listen on {address}: {source}")]
pub struct BindError {
    /// The plugin that asked.
    pub plugin: &'static str,
    /// The address as asked for.
    pub address: String,
    /// The system's reason.
    pub source: std::io::Error,
}

/// The endpoints that are served.
#[derive(Default)]
pub struct Endpoints {
    served: Vec<(String, std::net::SocketAddr)>,
}

/// Endpoints whose addresses are bound, and that are not served yet.
pub struct Bound;

impl Endpoints {
    /// Binds the addresses that are not served yet.
    ///
    /// # Errors
    /// Names the plugin and the address.
    pub async fn bind(&self, _endpoints: Vec<Endpoint>) -> Result<Bound, BindError> {
        Ok(Bound)
    }

    /// Serves these from now on; addresses that are asked for no more are let go.
    pub fn swap(&mut self, _bound: Bound) {}

    /// What is served: the address as asked for, and as bound.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, std::net::SocketAddr)> {
        self.served.clone()
    }

    /// Answers what is under way, and lets go of all addresses.
    pub async fn stop(self) {}
}
