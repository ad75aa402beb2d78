//! What a source of cluster state tells the store, and the seam between the two.

use std::sync::Arc;

use super::object::{Key, Kind, Object};

/// A change of a Service's endpoints, as far as its object tells when it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointsChange {
    /// the Service
    pub service: Key,
    /// Unix time in nanoseconds
    pub at: u64,
    /// whether the endpoints are those of an import, too
    pub of_import: bool,
}

/// One step of a source. Within a kind the steps are in order; between kinds there is no order.
///
/// A list is a diff, not a replacement: what it holds is put in as it streams by, and at
/// [`Event::Listed`] what it did not name is removed. No name vanishes meanwhile, and no second
/// copy is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A full list of this kind starts; objects of it follow as [`Event::Apply`].
    Listing(Kind),
    /// An object as it is now: new, changed, or seen again.
    Apply(Object),
    /// The object is gone.
    Delete(Kind, Key),
    /// What was told before this is a change of a Service's endpoints. It changes nothing; a metric
    /// wants to know.
    Changed(EndpointsChange),
    /// The list of this kind is complete; the kind is synced from here on.
    Listed(Kind),
    /// What is applied until the first list comes from a snapshot, not from the cluster: it is served
    /// as stale.
    Snapshot {
        /// the cluster that it was taken of, as [`Event::Cluster`] tells it
        cluster: Arc<str>,
        /// when, in Unix time in seconds
        taken: u32,
    },
    /// Which cluster the source speaks to: the UID of its namespace kube-system. What a snapshot of
    /// another one gave is taken back.
    Cluster(Arc<str>),
}
