//! The one connection that all followers share, made anew after it failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::access::Access;
use super::connection::Connection;
use super::failure::Failure;
use super::metrics::Metrics;

/// A way to the server, and what is known about the server.
pub(super) struct Link {
    make: Arc<dyn Fn() -> Result<Connection, Failure> + Send + Sync>,
    current: Mutex<Option<Arc<Connection>>>,
    /// it was found to give no list as a stream, or none that ends
    lists_only: AtomicBool,
}

impl Link {
    pub(super) fn new(access: Access, metrics: Arc<Metrics>) -> Self {
        Self::by(move || Connection::new(&access, |host| metrics.requests(host)))
    }

    /// Connections are made by this, which may block.
    pub(super) fn by(
        make: impl Fn() -> Result<Connection, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self {
            make: Arc::new(make),
            current: Mutex::default(),
            lists_only: AtomicBool::new(false),
        }
    }

    /// The connection; one by what files say now, where there is none.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, Failure> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let make = self.make.clone();
        let made = spawn_blocking(move || make());
        let made = made
            .await
            .map_err(|error| Failure::Access(error.to_string()))??;
        let made = Arc::new(made);
        *current = Some(made.clone());
        Ok(made)
    }

    /// Does not use this connection any more: files may say something else, and what is idle in its
    /// pool may be as dead as what failed.
    pub(super) async fn discard(&self, failed: &Arc<Connection>) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, failed))
        {
            *current = None;
        }
    }

    /// Whether a list may be asked for as a stream.
    pub(super) fn streams(&self) -> bool {
        !self.lists_only.load(Relaxed)
    }

    /// Lists as pages from here on.
    pub(super) fn list_only(&self) {
        self.lists_only.store(true, Relaxed);
    }
}
