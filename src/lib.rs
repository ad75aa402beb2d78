//! callsign: the DNS server of a Kubernetes cluster. It takes CoreDNS's place by changing one line.
//!
//! A tour of the code, along the two paths that everything is on:
//!
//! ```text
//! a query     server::udp, server::stream ─ bytes ─> server::decode ─> server (block match)
//!                 ^                                                      │
//!                 └── server::render <── answer <── chain: plugin after plugin
//!                                                      │ asks
//! an event    kubernetes::manifests ─ object, event ─> kubernetes::store ─> kubernetes::zone
//! ```
//!
//! - A [`query::Query`] is what a plugin reads, an [`answer::Answer`] what it returns;
//!   [`chain`] says how plugins follow each other, and [`plugin`] lists them in that order.
//! - A [`corefile`] becomes a plan, and a plan becomes sockets, threads and tasks in [`app`], the
//!   only place that starts anything. [`check`] finds what is legal in it and yet wrong.
//! - [`zone`] reads zone files and answers from them, for the plugins that serve such zones.
//! - [`metrics`], [`readiness`] and [`http`] are small services that plugins use.
//! - [`interface`] is the network interface of a node-local server.
//! - [`cli`] is the command line.

pub mod answer;
pub mod app;
pub mod chain;
pub mod check;
pub mod cli;
pub mod corefile;
mod datagram;
pub mod duration;
pub mod http;
pub mod interface;
pub mod kubernetes;
pub mod lookup;
pub mod metrics;
pub mod name;
pub mod plugin;
pub mod query;
pub mod readiness;
pub mod resolver;
pub mod server;
pub mod telemetry;
// The unit tests share the API server of tests with programs that use this crate by its name.
#[cfg(test)]
#[path = "../tests/api/api.rs"]
#[allow(dead_code, unreachable_pub)]
pub(crate) mod api_server;
#[cfg(test)]
extern crate self as callsign;
#[cfg(test)]
pub mod testing;
pub mod version;
pub mod wire;
pub mod zone;
