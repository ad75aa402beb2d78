//! The plugins: one list, whose order is the chain's order whatever a Corefile says.
//!
//! A plugin is one file here, one line in [`REGISTRY`], and one page in `docs/plugins`.

pub mod acl;
mod advice;
pub mod any;
pub mod auto;
pub mod autopath;
pub mod bind;
pub mod bufsize;
pub mod cache;
pub mod cancel;
pub mod chaos;
pub mod debug;
pub mod dns64;
pub mod erratic;
pub mod errors;
mod expression;
pub mod fall;
pub mod file;
pub mod forward;
pub mod header;
pub mod health;
pub mod hosts;
pub mod https;
pub mod k8s_external;
pub mod kubernetes;
mod language;
pub mod loadbalance;
pub mod local;
pub mod log;
pub mod loop_;
pub mod metadata;
pub mod minimal;
pub mod multisocket;
pub mod nsid;
mod pattern;
pub mod pprof;
pub mod prometheus;
pub mod quic;
pub mod ready;
pub mod reload;
pub mod rewrite;
pub mod secondary;
pub mod setup;
pub mod template;
pub mod timeouts;
pub mod tls;
pub mod transfer;
pub mod view;
pub mod whoami;

use crate::corefile::Directive;
pub use advice::advised;
use setup::{Setup, SetupError};

/// A directive and the plugin behind it.
pub struct Entry {
    /// The directive's name.
    pub name: &'static str,
    /// Reads the directive and adds to the block's chain.
    pub setup: fn(&mut Setup<'_>) -> Result<(), SetupError>,
}

impl Entry {
    const fn new(name: &'static str, setup: fn(&mut Setup<'_>) -> Result<(), SetupError>) -> Self {
        Self { name, setup }
    }
}

/// All plugins, in the order in which a query meets them.
pub const REGISTRY: &[Entry] = &[
    Entry::new("metadata", metadata::setup),
    Entry::new("cancel", cancel::setup),
    Entry::new("quic", quic::setup),
    Entry::new("https", https::setup),
    Entry::new("timeouts", timeouts::setup),
    Entry::new("multisocket", multisocket::setup),
    Entry::new("reload", reload::setup),
    Entry::new("nsid", nsid::setup),
    Entry::new("bufsize", bufsize::setup),
    Entry::new("bind", bind::setup),
    Entry::new("debug", debug::setup),
    Entry::new("ready", ready::setup),
    Entry::new("health", health::setup),
    Entry::new("pprof", pprof::setup),
    Entry::new("prometheus", prometheus::setup),
    Entry::new("errors", errors::setup),
    Entry::new("log", log::setup),
    Entry::new("local", local::setup),
    Entry::new("dns64", dns64::setup),
    Entry::new("any", any::setup),
    Entry::new("chaos", chaos::setup),
    Entry::new("loadbalance", loadbalance::setup),
    Entry::new("rewrite", rewrite::setup),
    Entry::new("autopath", autopath::setup),
    Entry::new("acl", acl::setup),
    Entry::new("cache", cache::setup),
    Entry::new("header", header::setup),
    Entry::new("tls", tls::setup),
    Entry::new("minimal", minimal::setup),
    Entry::new("template", template::setup),
    Entry::new("transfer", transfer::setup),
    Entry::new("hosts", hosts::setup),
    Entry::new("k8s_external", k8s_external::setup),
    Entry::new("kubernetes", kubernetes::setup),
    Entry::new("file", file::setup),
    Entry::new("auto", auto::setup),
    Entry::new("secondary", secondary::setup),
    Entry::new("loop", loop_::setup),
    Entry::new("forward", forward::setup),
    Entry::new("erratic", erratic::setup),
    Entry::new("whoami", whoami::setup),
    Entry::new("view", view::setup),
];

/// Directives of CoreDNS that callsign does not have, with what to use instead, as in
/// docs/departures.md.
const MISSING: &[(&str, &str)] = &[
    ("root", "write full paths, and take the directive out"),
    (
        "geoip",
        "a cluster's clients have no place on the map; take the directive out",
    ),
    (
        "proxyproto",
        "a Service with externalTrafficPolicy: Local keeps clients' addresses; take the directive out",
    ),
    (
        "grpc_server",
        "gRPC is not spoken; serve tls:// or https:// instead",
    ),
    (
        "https3",
        "HTTP/3 is not spoken; serve https:// or quic:// instead",
    ),
    ("trace", OBSERVED),
    (
        "shed",
        "what waits is bounded in any case; take the directive out",
    ),
    ("dnstap", OBSERVED),
    ("siit", "dns64 translates for clients that have IPv6 only"),
    ("tsig", "restrict clients by their addresses instead: acl"),
    ("dnssec", SIGNED),
    (
        "dynupdate",
        "change the zone's file instead, which is read again: file",
    ),
    (
        "route53",
        "forward the zone to the VPC's resolver instead: forward ZONE 169.254.169.253",
    ),
    (
        "azure",
        "forward the zone to the platform's resolver instead: forward ZONE 168.63.129.16",
    ),
    (
        "clouddns",
        "forward the zone to the metadata server instead: forward ZONE 169.254.169.254",
    ),
    (
        "etcd",
        "serve a zone file, or forward the zone to a server that has etcd's names",
    ),
    (
        "grpc",
        "forward over TLS instead: forward FROM tls://ADDRESS",
    ),
    (
        "on",
        "run commands by the pod's own hooks; take the directive out",
    ),
    ("sign", SIGNED),
    (
        "nomad",
        "forward the zone to Consul's DNS instead: forward consul ADDRESS:8600",
    ),
    (
        "ocp_dnsnameresolver",
        "it is a plugin of OpenShift's image; take the directive out",
    ),
    (
        "kubeapi",
        "it is a plugin of Alibaba's image; take the directive out",
    ),
    (
        "k8s_event",
        "it is a plugin of Alibaba's image; take the directive out",
    ),
    (
        "mdns",
        "it is a plugin of OpenShift's older images; take the directive out",
    ),
    (
        "vcluster",
        "it is a plugin of vCluster's image; take the directive out",
    ),
    (
        "proxy",
        "CoreDNS has not had it since 1.5: write forward instead",
    ),
    (
        "federation",
        "CoreDNS has not had it since 1.7; take the directive out",
    ),
];

/// What stands in for plugins that tell others what is answered.
const OBSERVED: &str = "log and prometheus tell what is answered; take the directive out";
/// What stands in for plugins that sign.
const SIGNED: &str = "sign at the zone's primary server, and serve what it signed: file, secondary";

/// The names that a line of a server block may start with: those of the plugins, and those for
/// which there is an answer of their own.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let missing = MISSING.iter().map(|(name, _)| *name);
    REGISTRY
        .iter()
        .map(|entry| entry.name)
        .chain(missing)
        .collect()
}

/// The error for a directive that callsign knows of and does not have.
#[must_use]
pub fn missing(directive: &Directive) -> Option<SetupError> {
    let (name, instead) = MISSING.iter().find(|(name, _)| *name == directive.name())?;
    let error = SetupError::error(format!("callsign does not have the plugin '{name}'"));
    let place = directive
        .tokens()
        .first()
        .map(crate::corefile::Token::place);
    let error = place.map_or_else(|| error.clone(), |place| error.clone().at(place));
    Some(error.help(*instead))
}
