//! From a Corefile to what is to be started: pure, so that it can be checked anywhere.

mod further;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::chain::Chain;
use crate::corefile::{
    Corefile, Diagnostic, Directive, Environment, Errors, ServerBlock, Transport,
};
use crate::metrics::Registry;
use crate::name::Name;
use crate::plugin::setup::{BlockSetup, Kept, Listen, Settings, Setup, Shared};
use crate::plugin::{self, REGISTRY};
use crate::server::Block;

/// All that a Corefile asks for, with nothing of it started.
pub struct Plan {
    /// The zones of all server blocks, in file order.
    pub sites: Vec<Site>,
    /// What the plugins asked for.
    pub shared: Shared,
    /// Legal, but likely wrong.
    pub warnings: Vec<Diagnostic>,
}

/// One zone of one server block, and where it is to be served.
#[derive(Clone)]
pub struct Site {
    /// How it is spoken to.
    pub transport: Transport,
    /// The port.
    pub port: u16,
    /// What the block asks of its listeners; shared by all zones of the block.
    pub listen: Arc<Listen>,
    /// The zone and its chain.
    pub block: Arc<Block>,
    /// Where its key stands.
    pub place: crate::corefile::Place,
}

/// Where a site is to be listened for: a bound address, or all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenKey {
    /// How it is spoken to.
    pub transport: &'static str,
    /// `None` is all addresses.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl ListenKey {
    /// Its socket address; all addresses are `[::]`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let all = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        SocketAddr::new(self.ip.unwrap_or(all), self.port)
    }
}

impl std::fmt::Display for ListenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ip {
            None => write!(f, "{}://:{}", self.transport, self.port),
            Some(ip) => write!(f, "{}://{}", self.transport, SocketAddr::new(ip, self.port)),
        }
    }
}

/// What a plan is made from beside the Corefile.
pub struct Inputs<'i> {
    /// The port of keys that name none.
    pub dns_port: u16,
    /// The process's metrics.
    pub metrics: Arc<Registry>,
    /// Settings that stand outside the Corefile.
    pub settings: Arc<Settings>,
    /// What the configuration before kept.
    pub previous: HashMap<String, Arc<Kept>>,
    /// Files and variables.
    pub environment: &'i dyn Environment,
}

/// Sets up every plugin of every block.
///
/// # Errors
/// All that is wrong, not only the first.
pub fn plan(corefile: &Corefile, inputs: Inputs<'_>) -> Result<Plan, Errors> {
    let mut shared = Shared::new(inputs.metrics, inputs.settings, inputs.previous);
    let (mut sites, mut errors) = (Vec::new(), Vec::new());
    let mut warnings = corefile.warnings().to_vec();
    for (number, source) in corefile.blocks().iter().enumerate() {
        shared.block = number;
        let context = Context {
            source,
            dns_port: inputs.dns_port,
            environment: inputs.environment,
        };
        let (block, found) = context.block(&mut shared, &mut warnings);
        sites.extend(block);
        errors.extend(found);
    }
    errors.extend(overlaps(&sites));
    errors.extend(tls_conflicts(&sites));
    if !errors.is_empty() {
        return Err(Errors::new(errors, warnings));
    }
    Ok(Plan {
        sites,
        shared,
        warnings,
    })
}

/// The errors of a Corefile's language, and those of the plugins in what could be read all the same.
#[must_use]
pub fn all_errors(errors: Errors, inputs: Inputs<'_>) -> Errors {
    let of_plugins = errors.readable().map(|readable| plan(readable, inputs));
    let of_language = errors.errors().iter().cloned();
    let mut all: Vec<_> = of_language
        .map(|error| plugin::advised(error, None))
        .collect();
    match of_plugins {
        Some(Err(more)) => {
            all.extend_from_slice(more.errors());
            Errors::new(all, more.warnings().to_vec())
        }
        _ => Errors::new(all, errors.warnings().to_vec()),
    }
}

struct Context<'c> {
    source: &'c ServerBlock,
    dns_port: u16,
    environment: &'c dyn Environment,
}

impl Context<'_> {
    /// The block's sites and what is wrong with it. Where something is, the sites are good for
    /// finding overlaps, and there are none if even for that too little is known.
    fn block(
        &self,
        shared: &mut Shared,
        warnings: &mut Vec<Diagnostic>,
    ) -> (Vec<Site>, Vec<Diagnostic>) {
        let (zones, mut errors) = self.zones();
        let mut block = BlockSetup {
            zones: zones.iter().map(|(name, ..)| name.clone()).collect(),
            view: self.view().into(),
            root: self.root(),
            port: zones.first().map_or(self.dns_port, |(_, _, port, _)| *port),
            plugins: Vec::new(),
            filters: Vec::new(),
            metadata: None,
            listen: Listen::default(),
            ready: false,
        };
        errors.extend(self.plugins(&mut block, shared, warnings));
        errors.extend(
            zones
                .iter()
                .filter_map(|zone| unspoken(zone, &block.listen)),
        );
        let missing = self.source.directives().iter();
        errors.extend(missing.filter_map(plugin::missing));
        let apart = ["bind", "view"]
            .iter()
            .any(|name| self.source.directive(name).is_some());
        if !errors.is_empty() && apart {
            return (Vec::new(), errors);
        }
        let chain = Chain::new(block.plugins);
        let listen = Arc::new(block.listen);
        let site = |(zone, transport, port, place)| Site {
            transport,
            port,
            listen: listen.clone(),
            block: Arc::new(Block {
                zone,
                view: block.view.clone(),
                filters: block.filters.clone(),
                chain: chain.clone(),
                metadata: block.metadata.clone(),
            }),
            place,
        };
        (zones.into_iter().map(site).collect(), errors)
    }

    /// Sets up the plugins of the block: what is wrong with them.
    fn plugins(
        &self,
        block: &mut BlockSetup,
        shared: &mut Shared,
        warnings: &mut Vec<Diagnostic>,
    ) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        for entry in REGISTRY {
            let Some(directive) = self.source.directive(entry.name) else {
                continue;
            };
            let mut set_up = |directive: &Directive, warnings: &mut Vec<Diagnostic>| {
                (entry.setup)(&mut Setup {
                    directive,
                    source: self.source,
                    environment: self.environment,
                    block,
                    shared,
                    warnings,
                })
            };
            let mut told = Vec::new();
            let name = format!("plugin/{}", entry.name);
            if let Err(first) = set_up(directive, &mut told) {
                let again = |rest: &Directive| set_up(rest, &mut Vec::new());
                let found = further::errors(directive, first, again).into_iter();
                let advised = found.map(|error| plugin::advised(error, Some(entry.name)));
                errors.extend(advised.map(|error| error.prefixed(&name)));
            }
            let told = told.into_iter();
            warnings.extend(told.map(|warning| warning.prefixed(&name)));
        }
        errors
    }

    #[allow(clippy::type_complexity)] // The parts of a site before there is one.
    fn zones(
        &self,
    ) -> (
        Vec<(Name, Transport, u16, crate::corefile::Place)>,
        Vec<Diagnostic>,
    ) {
        let (mut zones, mut errors) = (Vec::new(), Vec::new());
        for zone in self.source.zones() {
            match Name::from_text(zone.name) {
                Ok(name) => zones.push((
                    name,
                    zone.transport(),
                    zone.key.port_or(self.dns_port),
                    zone.key.place.clone(),
                )),
                Err(error) => errors.push(
                    Diagnostic::error(format!("cannot serve {}: {error}", zone.name))
                        .at(&zone.key.place),
                ),
            }
        }
        (zones, errors)
    }

    fn view(&self) -> &str {
        let view = self.source.directive("view");
        view.and_then(|view| view.tokens().get(1))
            .map_or("", |token| token.text())
    }

    /// The folder that relative paths of this block's directives start at.
    fn root(&self) -> PathBuf {
        self.environment.directory()
    }
}

/// What is wrong with a key's transport.
fn unspoken(
    (zone, transport, _, place): &(Name, Transport, u16, crate::corefile::Place),
    listen: &Listen,
) -> Option<Diagnostic> {
    let scheme = transport.scheme();
    let (reason, help) = match transport {
        Transport::Grpc => ("gRPC is not spoken", "serve tls:// or https:// instead"),
        Transport::Https3 => ("HTTP/3 is not spoken", "serve https:// or quic:// instead"),
        Transport::Quic if listen.tls.is_none() => (
            "QUIC is always encrypted, and no 'tls' says how",
            "add tls CERTIFICATE KEY to the server block",
        ),
        _ => return None,
    };
    let error = Diagnostic::error(format!("cannot serve {scheme}://{zone}: {reason}"));
    Some(error.at(place).help(help))
}

/// The sites that share a zone, a port and an address with another, and so could not both be
/// reached.
fn overlaps(sites: &[Site]) -> Vec<Diagnostic> {
    let mut bound: HashMap<(&str, &Name, u16, &str), &Site> = HashMap::new();
    let mut any: HashMap<(&str, &Name, u16), (&Site, &str)> = HashMap::new();
    let mut errors = Vec::new();
    for site in sites {
        let zone = (site.transport.scheme(), &site.block.zone, site.port);
        for address in site.listen.hosts() {
            let key = (zone.0, zone.1, zone.2, address);
            let told = Told { site, address };
            if let Some(first) = bound.get(&key) {
                if site.block.filters.is_empty() {
                    let error = format!("cannot serve {told} - it is already defined");
                    errors.push(
                        Diagnostic::error(error)
                            .at(&site.place)
                            .note(&first.place, "first defined here")
                            .help("join the two blocks, or tell them apart by a view or by bind"),
                    );
                }
                continue;
            }
            // A site without bind takes what a bound one should get.
            let clash = any
                .get(&zone)
                .filter(|_| address.is_empty())
                .map(|(site, bound)| (*site, *bound));
            let clash = clash.or_else(|| {
                bound
                    .get(&(zone.0, zone.1, zone.2, ""))
                    .map(|site| (*site, ""))
            });
            if let Some((other, bound_to)) = clash {
                let other_told = Told {
                    site: other,
                    address: bound_to,
                };
                let error = format!(
                    "cannot serve {told} - zone overlap listener capacity with {other_told}"
                );
                errors.push(
                    Diagnostic::error(error)
                        .at(&site.place)
                        .note(&other.place, "the other one is here")
                        .help("give both blocks a bind, each its own address"),
                );
            } else if site.block.filters.is_empty() {
                bound.insert(key, site);
                any.insert(zone, (site, address));
            }
        }
    }
    errors
}

/// The sites that share a listener with one of other TLS settings: TLS is spoken before it is known
/// which zone is asked.
fn tls_conflicts(sites: &[Site]) -> Vec<Diagnostic> {
    let mut first: HashMap<(&str, u16, &str), &Site> = HashMap::new();
    let mut errors = Vec::new();
    for site in sites.iter().filter(|site| site.transport != Transport::Dns) {
        let scheme = site.transport.scheme();
        let mut hosts = site.listen.hosts();
        let other = hosts.find_map(|host| {
            let other = *first.entry((scheme, site.port, host)).or_insert(site);
            (other.listen.tls_identity != site.listen.tls_identity).then_some(other)
        });
        let Some(other) = other else { continue };
        let (zone, port) = (&site.block.zone, site.port);
        let error = format!(
            "conflicting TLS configuration for shared listener {scheme}://:{port} between zones {:?} and {:?}",
            other.block.zone.to_string(),
            zone.to_string()
        );
        errors.push(
            Diagnostic::error(error)
                .at(&site.place)
                .note(&other.place, "the other one is here")
                .help("give both blocks the same 'tls', or each a port or address of its own"),
        );
    }
    errors
}

/// A site as CoreDNS's messages tell it.
struct Told<'s> {
    site: &'s Site,
    address: &'s str,
}

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Site {
            transport,
            port,
            block,
            ..
        } = self.site;
        write!(f, "{transport}://{}:{port}", block.zone)?;
        if self.address.is_empty() {
            Ok(())
        } else {
            write!(f, " on {}", self.address)
        }
    }
}
