//! callsign: the DNS server of a Kubernetes cluster.

pub mod corefile;
pub mod kubernetes;
pub mod metrics;
pub mod name;
pub mod plugin;
pub mod query;
pub mod readiness;
pub mod server;
#[cfg(test)]
pub mod testing;
pub mod wire;
