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
