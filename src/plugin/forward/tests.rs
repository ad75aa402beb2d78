//! Forwarding against scripted upstreams on loopback.

pub(in crate::plugin) mod bed;
pub(in crate::plugin) mod bounds;
pub(in crate::plugin) mod fake;
mod health;
mod lies;
mod multiplex;
mod pass;
mod pools;
mod reload;
mod tls;
