//! The process: build, start, run, drain. The only place that starts anything.
//!
//! A configuration is built whole and bound whole before anything of the one before it is touched,
//! so a bad Corefile, a taken port or a missing file leaves the old one serving. Sockets that both
//! have are kept; so is what plugins asked to keep.

pub mod examine;
pub mod listen;
pub mod plan;
pub mod rehearse;
mod reload;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::corefile::{Corefile, Diagnostic, Environment as _, Errors, Input, System};
use crate::duration::GoDuration;
use crate::http;
use crate::lookup::admin;
use crate::metrics::Registry;
use crate::plugin::prometheus::{Dropped, publish_plugins};
use crate::plugin::setup::{Settings, Shared};
use crate::plugin::tls;
use crate::server::Server;
use crate::server::stream::{Limits, Serving};
use crate::telemetry;

use listen::{Bound, Listeners, Wanted};
use plan::{Inputs, ListenKey, Plan, Site};

/// Where the Corefile is.
#[derive(Clone, Debug)]
pub enum Conf {
    /// A file, read again at each reload.
    File(PathBuf),
    /// Text that was given (standard input, the embedded default), with its name for messages.
    Text(&'static str, String),
}

/// What the command line sets.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Corefile.
    pub conf: Conf,
    /// The port of keys that name none.
    pub dns_port: u16,
    /// UDP threads for each address.
    pub threads: usize,
    /// How long to go on answering after the lameduck time, at most.
    pub drain: Duration,
    /// Settings that plugins read.
    pub settings: Arc<Settings>,
}

/// Why the server does not start, or keeps its old configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The Corefile cannot be used.
    #[error("{0}")]
    Corefile(Errors),
    /// An address cannot be listened on.
    #[error("{0}")]
    Bind(#[from] listen::BindError),
    /// An HTTP endpoint cannot be listened on.
    #[error("{0}")]
    Http(#[from] http::BindError),
    /// What a plugin must do before it serves failed.
    #[error("plugin/{0}: {1}")]
    Plugin(&'static str, String),
    /// The system gives no thread or socket.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

impl From<Errors> for StartError {
    fn from(errors: Errors) -> Self {
        Self::Corefile(errors)
    }
}

/// A running server.
pub struct App {
    options: Options,
    metrics: Arc<Registry>,
    listeners: Listeners,
    http: http::Endpoints,
    running: Running,
    admin: Arc<admin::State>,
}

/// The configuration that serves now.
struct Running {
    shared: Shared,
    hash: String,
    /// Each zone and where it is served, for the banner.
    sites: Vec<String>,
    keys: Vec<ListenKey>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What is served from now on.
#[derive(Default)]
struct Served {
    keys: Vec<ListenKey>,
    /// each zone and where it is served, for the banner
    sites: Vec<String>,
    servers: Vec<Arc<Server>>,
}

/// A configuration that is bound and not yet started.
struct Prepared {
    plan: Plan,
    /// The hash of the Corefile's content, without positions.
    hash: String,
    groups: BTreeMap<ListenKey, Vec<Site>>,
    bound: Vec<Bound>,
    http: http::Bound,
}

impl App {
    /// Builds, binds and starts what the Corefile asks for.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(options: Options, metrics: Arc<Registry>) -> Result<Self, StartError> {
        let (listeners, endpoints) = (Listeners::default(), http::Endpoints::default());
        let prepared = prepare(&options, &metrics, HashMap::new(), &listeners, &endpoints).await?;
        let mut app = Self {
            options,
            metrics,
            listeners,
            http: endpoints,
            running: Running::of(Shared::default(), String::new(), Served::default()),
            admin: Arc::default(),
        };
        app.swap(prepared).await?;
        Ok(app)
    }

    /// Reads the Corefile again and serves what it says now.
    ///
    /// # Errors
    /// [`StartError`]; the old configuration serves on, whole.
    pub async fn reload(&mut self) -> Result<(), StartError> {
        let kept = self.running.shared.kept.clone();
        let prepared = prepare(
            &self.options,
            &self.metrics,
            kept,
            &self.listeners,
            &self.http,
        )
        .await?;
        self.swap(prepared).await
    }

    /// What an admin socket answers from.
    #[must_use]
    pub fn admin(&self) -> Arc<admin::State> {
        self.admin.clone()
    }

    /// The hash of the running Corefile's content.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.running.hash
    }

    /// Each zone and where it is served, as the start-up banner tells it.
    #[must_use]
    pub fn sites(&self) -> &[String] {
        &self.running.sites
    }

    /// The addresses that DNS is served on; unspecified ones as such, ports as bound.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// The addresses of the HTTP endpoints, ports as bound, by what was asked for.
    #[must_use]
    pub fn http_addresses(&self) -> Vec<(String, SocketAddr)> {
        self.http.addresses()
    }

    /// Stops without losing a query: not ready first; the cluster is watched and all is answered
    /// through the lameduck time; then until the sockets are quiet.
    pub async fn stop(mut self) {
        self.running.shared.readiness.drain();
        let lameduck = self.running.shared.lameduck;
        if !lameduck.is_zero() {
            info!(target: "plugin/health", "Going into lameduck mode for {}", GoDuration(lameduck));
            tokio::time::sleep(lameduck).await;
        }
        self.listeners.drain(self.options.drain).await;
        self.running.stop.cancel();
        self.running.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.running.tasks.wait()).await;
        self.http.stop().await;
    }

    async fn swap(&mut self, prepared: Prepared) -> Result<(), StartError> {
        let Prepared {
            mut plan,
            hash,
            groups,
            bound,
            http,
        } = prepared;
        // Before the first query, whose lines would be missed.
        telemetry::set_stacktrace(plan.shared.stacktrace);
        telemetry::set_debug(plan.shared.debug);
        let addresses = groups.keys().map(|key| self.told(key, &bound).address());
        let _ = plan.shared.listening.set(addresses.collect());
        for done in std::mem::take(&mut plan.shared.when_bound) {
            done();
        }
        let mut served = match self.serve(groups, bound) {
            Ok(served) => served,
            Err(error) => {
                // What was started for it is of no use to the old one.
                self.listeners
                    .retain(&self.running.keys, self.options.drain);
                return Err(error);
            }
        };
        let servers = std::mem::take(&mut served.servers);
        self.http.swap(http);
        let tasks = std::mem::take(&mut plan.shared.tasks);
        let running = Running::of(plan.shared, hash, served);
        running.start_tasks(tasks);
        self.admin.set(servers, running.shared.exported());
        drop(std::mem::replace(&mut self.running, running));
        self.listeners
            .retain(&self.running.keys, self.options.drain);
        Ok(())
    }

    /// An address with the port that it has.
    fn told(&self, key: &ListenKey, bound: &[Bound]) -> ListenKey {
        let bound = bound.iter().find(|bound| bound.wanted() == key);
        let told = bound.map(Bound::key);
        let told = told.or_else(|| self.listeners.bound_key(key));
        told.unwrap_or_else(|| key.clone())
    }

    /// Gives each address its server blocks.
    fn serve(
        &mut self,
        groups: BTreeMap<ListenKey, Vec<Site>>,
        bound: Vec<Bound>,
    ) -> Result<Served, StartError> {
        let siblings = groups.len();
        let (mut sites, mut servers, mut servings) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (key, group)) in groups.into_iter().enumerate() {
            let told = self.told(&key, &bound);
            // As in CoreDNS, a zone that several blocks of a listener have is told once.
            let zones: BTreeSet<String> = group.iter().map(|site| banner(site, &told)).collect();
            sites.extend(zones);
            let any_class = group.iter().any(|site| site.listen.any_class);
            let tls = group.iter().find_map(|site| site.listen.tls.clone());
            let tls = tls.map(|settings| tls::for_transport(&settings, key.transport));
            let caps = listen::caps(&key, &group);
            let mut limits = Limits::DEFAULT;
            // As in CoreDNS, what the last block of a listener says counts.
            group
                .iter()
                .for_each(|site| site.listen.timeouts.apply(&mut limits));
            let blocks = group.into_iter().map(|site| site.block);
            let place = (index, siblings);
            let label: Arc<str> = told.to_string().into();
            let observer = Arc::new(Dropped::new(&self.metrics, label.clone()));
            let server = Server::new(label, place, blocks, any_class, observer);
            servers.push(server.clone());
            let serving = Serving {
                server,
                tls,
                limits,
                caps,
            };
            servings.push((key, serving));
        }
        // From here on there are answers, and what is told of the server must be there.
        publish_plugins(&self.metrics, &servers);
        let keys = servings.iter().map(|(key, _)| key.clone()).collect();
        self.start_all(servings, bound)?;
        Ok(Served {
            keys,
            sites,
            servers,
        })
    }

    /// Starts the listeners that are new, and gives the others what they serve from now on.
    fn start_all(
        &mut self,
        servings: Vec<(ListenKey, Serving)>,
        mut bound: Vec<Bound>,
    ) -> std::io::Result<()> {
        let mut known = Vec::new();
        // What may fail comes first: until then the old server blocks are served as they were.
        for (key, serving) in servings {
            match bound.iter().position(|bound| *bound.wanted() == key) {
                Some(at) => self.listeners.start(bound.swap_remove(at), serving)?,
                None => known.push((key, serving)),
            }
        }
        for (key, serving) in known {
            self.listeners.swap(&key, serving);
        }
        Ok(())
    }
}

impl Running {
    fn of(shared: Shared, hash: String, served: Served) -> Self {
        Self {
            shared,
            hash,
            sites: served.sites,
            keys: served.keys,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    fn start_tasks(&self, tasks: Vec<(String, crate::plugin::setup::Task)>) {
        for (name, task) in tasks {
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                task(stop.clone()).await;
                tracing::debug!("task {name} ended");
            });
        }
    }
}

fn banner(site: &Site, key: &ListenKey) -> String {
    let scheme = if key.transport == "dns" {
        String::new()
    } else {
        format!("{}://", key.transport)
    };
    match key.ip {
        None => format!("{scheme}{}:{}", site.block.zone, key.port),
        Some(ip) => format!("{scheme}{}:{} on {ip}", site.block.zone, key.port),
    }
}

/// Builds and binds; starts nothing but what must come first.
async fn prepare(
    options: &Options,
    metrics: &Arc<Registry>,
    previous: HashMap<String, Arc<crate::plugin::setup::Kept>>,
    listeners: &Listeners,
    endpoints: &http::Endpoints,
) -> Result<Prepared, StartError> {
    let inputs = Inputs {
        dns_port: options.dns_port,
        metrics: metrics.clone(),
        settings: options.settings.clone(),
        previous,
        environment: &System,
    };
    let (corefile, mut plan) = planned(&options.conf, inputs)?;
    for warning in &plan.warnings {
        warn!("{}", warning.message());
    }
    let groups = group(std::mem::take(&mut plan.sites))?;
    let mut bound = Vec::new();
    for (key, sites) in &groups {
        // As in CoreDNS, the first block of a listener says how many sockets it has.
        let sockets = sites.first().and_then(|site| site.listen.sockets);
        bound.extend(listeners.bind(Wanted {
            key: key.clone(),
            threads: sockets.unwrap_or(options.threads),
        })?);
    }
    let http = endpoints
        .bind(std::mem::take(&mut plan.shared.http))
        .await?;
    fill(&mut plan.shared, |_| true).await?;
    Ok(Prepared {
        plan,
        hash: corefile.hash(),
        groups,
        bound,
        http,
    })
}

/// What the Corefile asks for, with nothing started.
fn planned(conf: &Conf, inputs: Inputs<'_>) -> Result<(Corefile, Plan), StartError> {
    match load(conf) {
        Ok(corefile) => {
            let plan = plan::plan(&corefile, inputs)?;
            // Set once for each configuration, and this is the one place.
            let _ = plan.shared.runtime.set(tokio::runtime::Handle::current());
            Ok((corefile, plan))
        }
        Err(errors) => Err(plan::all_errors(errors, inputs).into()),
    }
}

/// Does what comes before the first query. What is kept is filled before it is asked: a plugin that
/// must wait for it says how long. Only these plugins are waited for.
async fn fill(shared: &mut Shared, is_waited_for: impl Fn(&str) -> bool) -> Result<(), StartError> {
    for kept in shared.kept.values() {
        // What feeds it may run already.
        if let Some((task, stop)) = kept.start() {
            tokio::spawn(task(stop));
        }
    }
    for (plugin, before) in std::mem::take(&mut shared.before_serving) {
        if is_waited_for(plugin) {
            before
                .await
                .map_err(|error| StartError::Plugin(plugin, error))?;
        }
    }
    Ok(())
}

/// Reads the Corefile.
///
/// # Errors
/// All that is wrong with it.
pub fn load(conf: &Conf) -> Result<Corefile, Errors> {
    let known = crate::plugin::names();
    let input = match conf {
        Conf::File(path) => Input::file(path),
        Conf::Text(name, text) => {
            Input::text(*name, text.as_str()).in_directory(System.directory())
        }
    };
    Corefile::load(input, &System, &known)
}

/// The sites of each address, interface names resolved.
fn group(sites: Vec<Site>) -> Result<BTreeMap<ListenKey, Vec<Site>>, StartError> {
    let mut groups: BTreeMap<ListenKey, Vec<Site>> = BTreeMap::new();
    for site in sites {
        let addresses = site
            .listen
            .addresses()
            .map_err(|error| unbound(&site, &error))?;
        for ip in addresses {
            let key = ListenKey {
                transport: site.transport.scheme(),
                ip,
                port: site.port,
            };
            groups.entry(key).or_default().push(site.clone());
        }
    }
    Ok(groups)
}

fn unbound(site: &Site, error: &str) -> Errors {
    let error = Diagnostic::error(format!("plugin/bind: {error}")).at(&site.place);
    let help = "name addresses of this machine, or its interfaces: ip -brief address shows them";
    error.help(help).into()
}

pub use reload::{End, Signals, run};
