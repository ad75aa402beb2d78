//! What waits for the start: host names are resolved, and upstreams that are this server itself are
//! left out. Setup may not ask the network, and does not know yet what is listened on.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::{Config, Target, TargetTls};
use super::upstream::{Upstream, UpstreamSettings, UpstreamTls};
use super::{Link, NAME};
use crate::metrics::Registry;
use crate::plugin::setup::{Setup, Shared};

mod lookup;
mod own;

use own::Own;

/// The time that resolving names may hold up the start.
const FIRST: Duration = Duration::from_secs(5);
/// The time from one try to resolve a name to the next.
const AGAIN: Duration = Duration::from_secs(5);
/// The target of log lines.
const LOG: &str = "plugin/forward";

/// A link, and from where its upstreams come.
struct Start {
    link: Arc<Link>,
    sources: Vec<Source>,
    own: Own,
    /// Whether upstreams that are this server itself are asked all the same: the `loop` plugin is to
    /// find them and end the process, as in CoreDNS.
    strict: bool,
    listening: Arc<OnceLock<Vec<SocketAddr>>>,
}

/// One word after `FROM`.
enum Source {
    Address(Arc<Upstream>),
    /// An address of a file.
    Line(Arc<Upstream>),
    Host(Arc<Named>),
}

/// A host name, and the upstreams that it stands for now. It is kept over reloads, so that a new
/// configuration has upstreams before it has resolved the name again.
struct Named {
    host: String,
    port: u16,
    tls: Option<TargetTls>,
    settings: UpstreamSettings,
    resolvers: Vec<SocketAddr>,
    registry: Arc<Registry>,
    upstreams: ArcSwap<Vec<Arc<Upstream>>>,
}

/// Makes a link, with what is to be done when it starts.
pub(super) fn link(
    setup: &mut Setup<'_>,
    mut config: Config,
    make: impl FnOnce(Config) -> Link,
) -> Arc<Link> {
    let targets = std::mem::take(&mut config.targets);
    let sources = targets
        .into_iter()
        .map(|target| source(setup.shared, &config, target))
        .collect();
    let link = Arc::new(make(config));
    let start = Arc::new(Start {
        link: link.clone(),
        sources,
        own: Own::of(setup),
        strict: setup.shared.settings.strict_loop,
        listening: setup.shared.listening.clone(),
    });
    start.fill();
    if start.hosts().next().is_some() {
        let start = start.clone();
        let resolve = async move {
            // A name that cannot be resolved is no reason to keep cluster names from being served.
            if timeout(FIRST, start.resolve()).await.is_err() {
                warn!(
                    target: LOG,
                    "the upstreams of {} are not resolved within {FIRST:?}: trying on",
                    start.link.config.place
                );
            }
            Ok(())
        };
        let shared = &mut setup.shared;
        shared.before_serving.push((NAME, Box::pin(resolve)));
    }
    let bound = start.clone();
    let when_bound = move || {
        bound.tell_odd_addresses();
        bound.fill();
        bound.tell_if_empty();
    };
    setup.shared.when_bound.push(Box::new(when_bound));
    let name = format!("forward {}", link.config.place);
    setup.shared.task(name, move |stop| start.run(stop));
    link
}

fn source(shared: &mut Shared, config: &Config, target: Target) -> Source {
    let registry = shared.metrics.clone();
    let settings = &config.upstream;
    match target {
        Target::Address(address, tls) => Source::Address(upstream(shared, config, address, tls)),
        Target::Line(address) => Source::Line(upstream(shared, config, address, None)),
        Target::Host(host, port, tls) => {
            let resolvers = config.resolvers.clone();
            let key = format!("forward {host}:{port} {tls:?} {resolvers:?} {settings:?}");
            let make = || {
                let named = Named {
                    host,
                    port,
                    tls,
                    settings: settings.clone(),
                    resolvers,
                    registry,
                    upstreams: ArcSwap::default(),
                };
                (Arc::new(named), None)
            };
            Source::Host(shared.keep(key, make))
        }
    }
}

fn upstream(
    shared: &mut Shared,
    config: &Config,
    address: SocketAddr,
    tls: Option<TargetTls>,
) -> Arc<Upstream> {
    let (registry, settings) = (shared.metrics.clone(), &config.upstream);
    let tls = tls.map(|tls| tls.of(address.ip()));
    let key = Upstream::key(address, tls.as_ref(), settings);
    let make = || (Upstream::new(address, tls, settings, &registry), None);
    shared.keep(key, make)
}

impl TargetTls {
    /// For one address: without a name of its own the certificate must have the address.
    fn of(self, address: IpAddr) -> UpstreamTls {
        let name = self.name.unwrap_or_else(|| ServerName::from(address));
        UpstreamTls {
            client: self.client,
            protocol: self.protocol,
            name,
        }
    }
}

impl Start {
    fn hosts(&self) -> impl Iterator<Item = &Arc<Named>> {
        self.sources.iter().filter_map(|source| match source {
            Source::Host(named) => Some(named),
            Source::Address(_) | Source::Line(_) => None,
        })
    }

    /// Gives the link all upstreams that are known now, each once, in the order in which they are
    /// written.
    fn fill(&self) {
        let mut upstreams: Vec<Arc<Upstream>> = Vec::new();
        let mut add = |upstream: &Arc<Upstream>| {
            if !upstreams.iter().any(|have| have.is_same(upstream)) && !self.is_self(upstream) {
                upstreams.push(upstream.clone());
            }
        };
        for source in &self.sources {
            match source {
                Source::Address(upstream) | Source::Line(upstream) => add(upstream),
                Source::Host(named) => named.upstreams.load().iter().for_each(&mut add),
            }
        }
        self.link.upstreams.store(Arc::new(upstreams));
    }

    /// Whether what is sent to this upstream comes back to this very block.
    fn is_self(&self, upstream: &Upstream) -> bool {
        let listening = self.listening.get();
        !self.strict && listening.is_some_and(|all| self.own.covers(upstream.address(), all))
    }

    async fn run(self: Arc<Self>, stop: CancellationToken) {
        while self.hosts().any(|named| named.upstreams.load().is_empty()) {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
            self.resolve().await;
        }
    }

    /// Resolves all host names at the same time, and takes what is found.
    async fn resolve(&self) {
        join_all(self.hosts().map(|named| self.resolve_one(named))).await;
    }

    async fn resolve_one(&self, named: &Named) {
        let (host, place) = (&named.host, &self.link.config.place);
        let known = !named.upstreams.load().is_empty();
        let what_now = match known {
            true => "the addresses known before are used",
            false => "trying again",
        };
        match named.resolve().await {
            Err(error) => warn!(
                target: LOG,
                "cannot resolve the upstream '{host}' ({place}): {error}; {what_now}"
            ),
            Ok(()) if !known => info!(target: LOG, "the upstream '{host}' ({place}) is resolved"),
            Ok(()) => {}
        }
        self.fill();
    }

    /// Warns about upstreams that a person will not have meant.
    fn tell_odd_addresses(&self) {
        let none = Vec::new();
        let listening = self.listening.get().unwrap_or(&none);
        let place = &self.link.config.place;
        for source in &self.sources {
            let (upstream, of_file) = match source {
                Source::Address(upstream) => (upstream, false),
                Source::Line(upstream) => (upstream, true),
                Source::Host(_) => continue,
            };
            let (name, address) = (upstream.name(), upstream.address());
            if self.is_self(upstream) {
                warn!(
                    target: LOG,
                    "upstream {name} ({place}) is this server itself, so it is left out: name the \
                     server that is to be asked, or give the pod a resolv.conf that has it"
                );
            } else if of_file
                && address.ip().to_canonical().is_loopback()
                && !own::is_listened_on(address, listening)
            {
                // One that is written in the Corefile is meant: another container of the pod.
                warn!(
                    target: LOG,
                    "upstream {name} ({place}) is a loopback address: in a container it is not the \
                     node's, and nobody replies unless another container of the pod listens there"
                );
            }
        }
    }

    fn tell_if_empty(&self) {
        if self.link.upstreams.load().is_empty() && self.hosts().next().is_none() {
            warn!(
                target: LOG,
                "no upstream is left for {} ({}): such names are answered SERVFAIL",
                self.link.config.from,
                self.link.config.place,
            );
        }
    }
}

impl Named {
    /// Looks the name up, and keeps upstreams whose address is still among what it stands for.
    async fn resolve(&self) -> Result<(), String> {
        let addresses = lookup::addresses(&self.host, &self.resolvers).await?;
        let before = self.upstreams.load_full();
        let mut seen = HashSet::new();
        let mut upstreams = Vec::new();
        for ip in addresses.into_iter().filter(|ip| seen.insert(*ip)) {
            let address = SocketAddr::new(ip, self.port);
            let tls = self.tls.clone().map(|tls| tls.of(ip));
            let new = || Upstream::new(address, tls, &self.settings, &self.registry);
            let have = before.iter().find(|have| have.address() == address);
            upstreams.push(have.cloned().unwrap_or_else(new));
        }
        self.upstreams.store(Arc::new(upstreams));
        Ok(())
    }
}
