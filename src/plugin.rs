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
pub use advice::{advised, is_swallowed, is_unknown_option};
use setup::{Setup, SetupError};

/// A directive and the plugin behind it.
pub struct Entry {
    /// The directive's name.
    pub name: &'static str,
    /// Reads the directive and adds to the block's chain.
    pub setup: fn(&mut Setup<'_>) -> Result<(), SetupError>,
    /// The words that a line of its block may start with.
    pub options: &'static [&'static str],
}

impl Entry {
    const fn new(
        name: &'static str,
        setup: fn(&mut Setup<'_>) -> Result<(), SetupError>,
        options: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            setup,
            options,
        }
    }
}

/// Of a plugin that has no block, or one whose lines are no options.
const NONE: &[&str] = &[];

/// All plugins, in the order in which a query meets them.
pub const REGISTRY: &[Entry] = &[
    Entry::new("metadata", metadata::setup, NONE),
    Entry::new("cancel", cancel::setup, NONE),
    Entry::new("quic", quic::setup, quic::OPTIONS),
    Entry::new("https", https::setup, https::OPTIONS),
    Entry::new("timeouts", timeouts::setup, timeouts::OPTIONS),
    Entry::new("multisocket", multisocket::setup, NONE),
    Entry::new("reload", reload::setup, NONE),
    Entry::new("nsid", nsid::setup, NONE),
    Entry::new("bufsize", bufsize::setup, NONE),
    Entry::new("bind", bind::setup, bind::OPTIONS),
    Entry::new("debug", debug::setup, NONE),
    Entry::new("ready", ready::setup, ready::OPTIONS),
    Entry::new("health", health::setup, health::OPTIONS),
    Entry::new("pprof", pprof::setup, pprof::OPTIONS),
    Entry::new("prometheus", prometheus::setup, prometheus::OPTIONS),
    Entry::new("errors", errors::setup, errors::OPTIONS),
    Entry::new("log", log::setup, log::OPTIONS),
    Entry::new("local", local::setup, local::OPTIONS),
    Entry::new("dns64", dns64::setup, dns64::OPTIONS),
    Entry::new("any", any::setup, NONE),
    Entry::new("chaos", chaos::setup, NONE),
    Entry::new("loadbalance", loadbalance::setup, loadbalance::OPTIONS),
    Entry::new("rewrite", rewrite::setup, NONE),
    Entry::new("autopath", autopath::setup, NONE),
    Entry::new("acl", acl::setup, acl::OPTIONS),
    Entry::new("cache", cache::setup, cache::OPTIONS),
    Entry::new("header", header::setup, header::OPTIONS),
    Entry::new("tls", tls::setup, tls::OPTIONS),
    Entry::new("minimal", minimal::setup, NONE),
    Entry::new("template", template::setup, template::OPTIONS),
    Entry::new("transfer", transfer::setup, transfer::OPTIONS),
    Entry::new("hosts", hosts::setup, hosts::OPTIONS),
    Entry::new("k8s_external", k8s_external::setup, k8s_external::OPTIONS),
    Entry::new("kubernetes", kubernetes::setup, kubernetes::OPTIONS),
    Entry::new("file", file::setup, file::OPTIONS),
    Entry::new("auto", auto::setup, auto::OPTIONS),
    Entry::new("secondary", secondary::setup, secondary::OPTIONS),
    Entry::new("loop", loop_::setup, NONE),
    Entry::new("forward", forward::setup, forward::OPTIONS),
    Entry::new("erratic", erratic::setup, erratic::OPTIONS),
    Entry::new("whoami", whoami::setup, NONE),
    Entry::new("view", view::setup, view::OPTIONS),
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
