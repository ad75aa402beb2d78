//! callsign: the DNS server of a Kubernetes cluster.

pub mod answer;
pub mod app;
pub mod chain;
pub mod cli;
pub mod corefile;
pub mod duration;
pub mod http;
pub mod kubernetes;
pub mod metrics;
pub mod name;
pub mod plugin;
pub mod query;
pub mod readiness;
pub mod server;
pub mod telemetry;
#[cfg(test)]
pub mod testing;
pub mod version;
pub mod wire;
