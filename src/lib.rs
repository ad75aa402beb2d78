//! callsign: the DNS server of a Kubernetes cluster.

pub mod kubernetes;
