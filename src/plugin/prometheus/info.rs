//! Gauges that are always 1: what was built, and which plugins are on.

use std::sync::Arc;

use crate::chain::Chain;
use crate::metrics::{Desc, Registry};
use crate::server::Server;
use crate::version;

/// The build, in CoreDNS's words; the compiler stands where boards look for Go's version.
const BUILD: Desc = Desc {
    name: "coredns_build_info",
    help: "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
};
/// The build, in callsign's own.
const OWN_BUILD: Desc = Desc {
    name: "callsign_build_info",
    help: "A metric with a constant '1' value labeled by version, revision, and compiler from which callsign was built.",
};
/// The plugins of each zone.
const PLUGINS: Desc = Desc {
    name: "coredns_plugin_enabled",
    help: "A metric that indicates whether a plugin is enabled on per server and zone basis.",
};

/// Tells what this program is.
pub fn publish_build(registry: &Registry) {
    let coredns = [
        ("version", version::COREDNS),
        ("revision", version::REVISION),
        ("goversion", version::RUSTC),
    ];
    registry.gauge(BUILD, &coredns).set(1.0);
    let own = [
        ("version", version::CALLSIGN),
        ("revision", version::REVISION),
        ("compiler", version::RUSTC),
    ];
    registry.gauge(OWN_BUILD, &own).set(1.0);
}

/// Tells which plugins the server blocks of these listeners have, in place of what was told before.
///
/// As in CoreDNS a block is told by the first of its zones, and only if it has the plugin
/// `prometheus`.
pub fn publish_plugins(registry: &Registry, servers: &[Arc<Server>]) {
    registry.clear(PLUGINS);
    for server in servers {
        let mut told: Vec<*const Chain> = Vec::new();
        for block in server.blocks() {
            // All zones of a block share its chain.
            let chain = Arc::as_ptr(&block.chain);
            let counted = block.chain.names().any(|name| name == "prometheus");
            if !counted || told.contains(&chain) {
                continue;
            }
            told.push(chain);
            let zone = block.zone.to_string();
            for name in block.chain.names() {
                let labels = [
                    ("server", &*server.label),
                    ("zone", &*zone),
                    ("view", &*block.view),
                    ("name", name),
                ];
                registry.gauge(PLUGINS, &labels).set(1.0);
            }
        }
    }
}
