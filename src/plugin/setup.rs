//! What a plugin's setup may read and ask for.
//!
//! Setup is pure: it turns a directive's tokens into a value, and names what is to be started
//! (tasks, HTTP endpoints) or kept over a reload. It opens no socket, spawns nothing and reads no
//! clock, so that a Corefile can be checked anywhere and a bad one leaves the old one serving.
//! [`crate::app`] starts what was asked for.

use std::any::Any;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::chain::{BoxFuture, Plugin};
use crate::corefile::{Diagnostic, Directive, Environment, ServerBlock, Token};
use crate::http;
use crate::metrics::Registry;
use crate::name::Name;
use crate::plugin::bind;
use crate::plugin::https::Caps;
use crate::plugin::timeouts::Timeouts;
use crate::readiness::{Readiness, ReadyFlag};
use crate::server::{Filter, Server};

/// A setup's error: where, what, what to do.
pub type SetupError = Diagnostic;

/// Work that runs beside the queries. It must end soon after the token is cancelled.
pub type Task = Box<dyn FnOnce(CancellationToken) -> BoxFuture<()> + Send>;

/// What one directive's setup sees and collects.
pub struct Setup<'s> {
    /// The directive; one that is repeated in a block is set up once, with all its occurrences.
    pub directive: &'s Directive,
    /// The server block as it is written.
    pub source: &'s ServerBlock,
    /// Files and variables.
    pub environment: &'s dyn Environment,
    /// The server block as it is made.
    pub block: &'s mut BlockSetup,
    /// What the whole configuration shares.
    pub shared: &'s mut Shared,
    /// Legal, but likely wrong.
    pub warnings: &'s mut Vec<Diagnostic>,
}

/// What a server block is made of.
pub struct BlockSetup {
    /// The zones of the block's keys, in lower case, in their order.
    pub zones: Vec<Name>,
    /// The view's name; empty where the block has none. Known before any plugin is set up.
    pub view: Arc<str>,
    /// The folder that relative paths start at.
    pub root: PathBuf,
    /// The port of the block's first key.
    pub port: u16,
    /// The chain so far.
    pub plugins: Vec<Arc<dyn Plugin>>,
    /// The views' filters so far.
    pub filters: Vec<Arc<dyn Filter>>,
    /// The names for which the block's plugins provide metadata; `None` where it has none.
    pub metadata: Option<Arc<[Name]>>,
    /// What the block's listeners are to be.
    pub listen: Listen,
    /// Whether `/ready` waits for the plugins of this block (`ready`).
    pub ready: bool,
}

/// What the directives of a block ask of its listeners.
#[derive(Default)]
pub struct Listen {
    /// What `bind` names, line by line; empty: all addresses.
    pub bind: Vec<bind::Rule>,
    /// TLS settings, for listeners that need them.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What makes two blocks' TLS settings the same; `None` is none.
    pub tls_identity: Option<String>,
    /// Whether classes other than IN reach the chain.
    pub any_class: bool,
    /// UDP sockets of each address (`multisocket`).
    pub sockets: Option<usize>,
    /// What the block says of the limits of connections (`timeouts`).
    pub timeouts: Timeouts,
    /// What it says of the number of connections over HTTPS (`https`).
    pub https: Caps,
    /// The same over QUIC (`quic`).
    pub quic: Caps,
}

impl Listen {
    /// The addresses and names to listen on as they are written; one empty text for all.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let all = self.bind.is_empty().then_some("");
        let named = self.bind.iter().flat_map(|rule| &rule.hosts);
        named.map(String::as_str).chain(all)
    }

    /// The addresses to listen on, interface names looked up now; `None` is all addresses.
    ///
    /// # Errors
    /// Names what is neither an address nor an interface of this machine.
    pub fn addresses(&self) -> Result<Vec<Option<IpAddr>>, String> {
        if self.bind.is_empty() {
            return Ok(vec![None]);
        }
        let addresses = bind::resolve(&self.bind, &bind::interfaces()?)?;
        Ok(addresses.into_iter().map(Some).collect())
    }
}

/// Settings that stand outside the Corefile, so that a Corefile stays one that CoreDNS can read.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The manifests that every `kubernetes` plugin reads instead of an API server.
    pub manifests: Option<crate::kubernetes::manifests::Source>,
    /// Where the last known state of the clusters is kept for the next start.
    pub snapshot: Option<PathBuf>,
    /// Time from one comparison of what a watch told with what there is to the next; zero for none.
    pub audit_interval: Duration,
    /// A detected forwarding loop ends the process, as in CoreDNS.
    pub strict_loop: bool,
    /// Log lines are JSON.
    pub json_log: bool,
    /// Nothing is asked of anyone: `forward` tells what it would ask.
    pub is_rehearsal: bool,
}

/// What all blocks of one configuration share.
pub struct Shared {
    /// The process's metrics.
    pub metrics: Arc<Registry>,
    /// Settings that stand outside the Corefile.
    pub settings: Arc<Settings>,
    /// The number of the block that is set up now.
    pub block: usize,
    /// Who is ready, and who is not yet.
    pub readiness: Arc<Readiness>,
    /// HTTP endpoints, by address.
    pub http: Vec<http::Endpoint>,
    /// Time to go on serving after a signal to stop, before listeners close.
    pub lameduck: Duration,
    /// Whether a panic is told with its stack (`errors`, `debug`).
    pub stacktrace: bool,
    /// Whether lines of level DEBUG are logged (`debug`).
    pub debug: bool,
    /// The interval and jitter at which the Corefile is looked at (`reload`).
    pub reload: Option<(Duration, Duration)>,
    /// What must be done, or given up, before the configuration serves. An error keeps it from
    /// serving at all.
    pub before_serving: Vec<(&'static str, BoxFuture<Result<(), String>>)>,
    /// What is done when the addresses are bound and [known](Self::listening), before the first
    /// query. It does not wait for anything.
    pub when_bound: Vec<Box<dyn FnOnce() + Send>>,
    /// Tasks of this configuration, with their names.
    pub tasks: Vec<(String, Task)>,
    /// Where replies that wait, and what runs beside them, are spawned; known from start on.
    pub runtime: Arc<OnceLock<Handle>>,
    /// The addresses that this configuration listens on; known once they are bound.
    pub listening: Arc<OnceLock<Vec<std::net::SocketAddr>>>,
    /// What outlives a reload, by key.
    pub kept: HashMap<String, Arc<Kept>>,
    /// What the configuration before this one kept.
    pub previous: HashMap<String, Arc<Kept>>,
    /// Things to be found by other plugins of the same configuration (a kubernetes plugin by
    /// autopath), with the number of the block.
    pub exports: Vec<(usize, Arc<dyn Any + Send + Sync>)>,
}

/// A value that outlives reloads for as long as a configuration asks for it by its key, and the
/// task that keeps it current. The task stops when no configuration holds it any more.
pub struct Kept {
    value: Arc<dyn Any + Send + Sync>,
    task: Mutex<Option<Task>>,
    stop: CancellationToken,
}

impl Kept {
    /// The task, the first time it is asked for, and what stops it.
    pub fn start(&self) -> Option<(Task, CancellationToken)> {
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some((task, self.stop.clone()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(Arc::default(), Arc::default(), HashMap::new())
    }
}

impl Shared {
    /// Nothing asked for yet.
    #[must_use]
    pub fn new(
        metrics: Arc<Registry>,
        settings: Arc<Settings>,
        previous: HashMap<String, Arc<Kept>>,
    ) -> Self {
        Self {
            metrics,
            settings,
            block: 0,
            readiness: Arc::default(),
            http: Vec::new(),
            lameduck: Duration::ZERO,
            stacktrace: false,
            debug: false,
            reload: None,
            before_serving: Vec::new(),
            when_bound: Vec::new(),
            tasks: Vec::new(),
            runtime: Arc::default(),
            listening: Arc::default(),
            kept: HashMap::new(),
            previous,
            exports: Vec::new(),
        }
    }

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
            task: Mutex::new(task),
            stop: CancellationToken::new(),
        };
        self.kept.insert(key, Arc::new(kept));
        value
    }

    /// All things of a kind that plugins put up for others.
    #[must_use]
    pub fn exported<T: Send + Sync + 'static>(&self) -> Vec<Arc<T>> {
        let all = self.exports.iter().map(|(_, export)| export.clone());
        all.filter_map(|export| export.downcast().ok()).collect()
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
}

impl Setup<'_> {
    /// Adds a plugin to the end of the block's chain.
    pub fn push(&mut self, plugin: impl Plugin + 'static) {
        self.block.plugins.push(Arc::new(plugin));
    }

    /// A flag that `/ready` waits for, if the block has the plugin `ready`.
    #[must_use]
    pub fn ready_flag(&self, plugin: &'static str) -> ReadyFlag {
        if self.block.ready {
            self.shared.readiness.register(plugin)
        } else {
            ReadyFlag::new(plugin)
        }
    }

    /// A place for what a plugin that stands further down in the chain of this block
    /// [offers](Setup::offer). It is filled when the whole block is set up, or never.
    #[must_use]
    pub fn want<T: ?Sized + Send + Sync + 'static>(&mut self) -> Arc<OnceLock<Arc<T>>> {
        let place = Arc::new(OnceLock::<Arc<T>>::new());
        let block = self.shared.block;
        self.shared.exports.push((block, place.clone()));
        place
    }

    /// Gives a thing to the plugins further up in the chain of this block that
    /// [want](Setup::want) one of its type.
    pub fn offer<T: ?Sized + Send + Sync + 'static>(&mut self, thing: &Arc<T>) {
        let block = self.shared.block;
        let exports = self.shared.exports.iter();
        let of_block = exports.filter(|(number, _)| *number == block);
        for (_, export) in of_block {
            if let Some(place) = (**export).downcast_ref::<OnceLock<Arc<T>>>() {
                // The first one counts; a block has one plugin of a name.
                let _ = place.set(thing.clone());
            }
        }
    }

    /// The zones that these arguments name; the block's own where there is none.
    ///
    /// What is no zone is passed over with a warning, as in CoreDNS.
    pub fn zones(&mut self, arguments: &[&Token]) -> Vec<Name> {
        let (zones, warnings) = self.source.origins(arguments);
        self.warnings.extend(warnings);
        zones
            .iter()
            .filter_map(|zone| Name::from_text(zone).ok())
            .collect()
    }

    /// Fails where the directive stands in the block more than once.
    ///
    /// # Errors
    /// Names both places.
    pub fn once(&self) -> Result<(), SetupError> {
        let mut occurrences = self.directive.occurrences().map(<[Token]>::len);
        let (Some(first), Some(_)) = (occurrences.next(), occurrences.next()) else {
            return Ok(());
        };
        // To the name of the second one, which follows all words of the first.
        let mut cursor = self.directive.cursor();
        for _ in 0..=first {
            cursor.next_token();
        }
        Err(cursor.used_twice())
    }
}

/// This machine's name; `localhost` where it has none.
pub(super) fn hostname() -> String {
    let name = nix::unistd::gethostname().ok();
    let name = name.and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "localhost".to_owned())
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
