//! callsign: the DNS server of a Kubernetes cluster.

pub mod corefile;
pub mod kubernetes;
