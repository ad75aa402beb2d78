//! The path of a cluster event: a source yields slim objects, the store applies them, the zone is
//! what readers see. Nothing here knows a DNS request; the plugin of the same name does.

pub mod api;
pub mod event;
pub mod manifests;
pub mod name;
pub(crate) mod null;
pub mod object;
pub mod selector;
pub mod snapshot;
pub mod store;
pub mod zone;

#[cfg(test)]
pub(crate) mod testkit;
