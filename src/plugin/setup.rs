//! What a plugin's setup may read and ask for.
//!
//! Setup is pure: it turns a directive's tokens into a value, and names what is to be started
//! (tasks, HTTP endpoints) or kept over a reload. It opens no socket, spawns nothing and reads no
//! clock, so that a Corefile can be checked anywhere and a bad one leaves the old one serving.
//! [`crate::app`] starts what was asked for.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::chain::{BoxFuture, Plugin};
use crate::http;
use crate::metrics::Registry;
use crate::name::Name;
use crate::readiness::{Readiness, ReadyFlag};
use crate::server::{Filter, Server};

/// A setup's error: where, what, what to do.
pub type SetupError = crate::corefile::Diagnostic;

/// Work that runs beside the queries. It must end soon after the token is cancelled.
pub type Task = Box<dyn FnOnce(CancellationToken) -> BoxFuture<()> + Send>;

/// What one directive's setup sees and collects.
pub struct Setup<'s> {
    /// The directive's tokens; a directive that is repeated in a block is set up once, with all.
    pub args: crate::corefile::Args<'s>,
    /// The server block.
    pub block: &'s mut BlockSetup,
    /// What the whole configuration shares.
    pub shared: &'s mut Shared,
}

/// What a server block is made of.
pub struct BlockSetup {
    /// The zones of the block's keys, in lower case, in their order.
    pub zones: Vec<Name>,
    /// The view's name; empty where the block has none. Known before any plugin is set up.
    pub view: Arc<str>,
    /// The folder of the Corefile: relative paths start here.
    pub root: std::path::PathBuf,
    /// The port of the block's first key.
    pub port: u16,
    /// The chain so far.
    pub plugins: Vec<Arc<dyn Plugin>>,
    /// The views' filters so far.
    pub filters: Vec<Arc<dyn Filter>>,
    /// What the block's listeners are to be.
    pub listen: Listen,
}

/// What the directives of a block ask of its listeners.
#[derive(Default)]
pub struct Listen {
    /// Addresses and interface names of `bind`, with the places they stand at; empty: all.
    pub bind: Vec<String>,
    /// Addresses and interface names that `bind` leaves out.
    pub bind_except: Vec<String>,
    /// TLS settings, for listeners that need them.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether classes other than IN reach the chain.
    pub any_class: bool,
}

/// What all blocks of one configuration share.
pub struct Shared {
    /// The process's metrics.
    pub metrics: Arc<Registry>,
    /// Who is ready, and who is not yet.
    pub readiness: Arc<Readiness>,
    /// HTTP endpoints, by address.
    pub http: Vec<http::Endpoint>,
    /// Time to go on serving after a signal to stop, before listeners close.
    pub lameduck: Duration,
    /// Tasks of this configuration, with their names.
    pub tasks: Vec<(String, Task)>,
    /// What outlives a reload, by key.
    pub kept: HashMap<String, Arc<Kept>>,
    /// What the configuration before this one kept.
    pub previous: HashMap<String, Arc<Kept>>,
    /// Things to be found by other parts of the same configuration (a kubernetes plugin by
    /// autopath), by their type and the block's number.
    pub exports: Vec<(usize, Arc<dyn Any + Send + Sync>)>,
}

/// A value that outlives reloads for as long as a configuration asks for it by its key, and the
/// task that keeps it current. The task stops when no configuration holds it any more.
pub struct Kept {
    value: Arc<dyn Any + Send + Sync>,
    task: std::sync::Mutex<Option<Task>>,
    stop: CancellationToken,
}

impl Kept {
    /// The task, the first time it is asked for, and what stops it.
    pub fn start(&self) -> Option<(Task, CancellationToken)> {
        let task = self
            .task
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()?;
        Some((task, self.stop.clone()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    /// The value with this key: the one that the configuration before kept, or a new one with the
    /// task that feeds it. The key must tell all that the value was made from.
    pub fn keep<T: Send + Sync + 'static>(
        &mut self,
        key: String,
        make: impl FnOnce() -> (Arc<T>, Option<Task>),
    ) -> Arc<T> {
        let have = self
            .kept
            .get(&key)
            .or_else(|| self.previous.get(&key))
            .cloned();
        if let Some(kept) = have
            && let Ok(value) = kept.value.clone().downcast::<T>()
        {
            self.kept.insert(key, kept);
            return value;
        }
        let (value, task) = make();
        let kept = Kept {
            value: value.clone(),
            task: std::sync::Mutex::new(task),
            stop: CancellationToken::new(),
        };
        self.kept.insert(key, Arc::new(kept));
        value
    }

    /// Names a task of this configuration: it starts when the listeners are bound, and is stopped
    /// when the configuration is replaced.
    pub fn task<F>(
        &mut self,
        name: impl Into<String>,
        task: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks
            .push((name.into(), Box::new(move |stop| Box::pin(task(stop)))));
    }

    /// A flag that `/ready` waits for.
    pub fn ready_flag(&self, plugin: &'static str) -> ReadyFlag {
        self.readiness.register(plugin)
    }
}

impl Setup<'_> {
    /// Adds a plugin to the end of the block's chain.
    pub fn push(&mut self, plugin: impl Plugin + 'static) {
        self.block.plugins.push(Arc::new(plugin));
    }
}

/// A value for each listener: metrics have the listener's name as a label, and a block may be
/// served on several.
pub struct PerServer<T>(OnceLock<Box<[OnceLock<T>]>>);

impl<T> Default for PerServer<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> PerServer<T> {
    /// The value for this listener, made when it is first asked for.
    #[inline]
    pub fn get(&self, server: &Server, make: impl FnOnce() -> T) -> Option<&T> {
        let slots = self
            .0
            .get_or_init(|| (0..server.siblings).map(|_| OnceLock::new()).collect());
        slots.get(server.index).map(|slot| slot.get_or_init(make))
    }
}
