//! A source of cluster state: the API server.
//!
//! Each resource has a follower of its own, which lists and then watches it for as long as the
//! process lives; all of them share one link to the server:
//!
//! ```text
//! access ─> connection ─> link ─┬─> follow (Namespaces)     ─┐
//! (where,    (requests)  (one,  ├─> follow (Services)        ├─> events ─> store
//!  who)                 renewed)├─> follow (EndpointSlices)  │
//!                               └─> follow (Pods, if asked) ─┘
//!            audit: lists of names and versions, now and then, against what was told
//!            follow: list or stream ─> watch;  frames: bytes to objects;  decode: to slim ones
//! ```
//!
//! - What comes is cut into single objects while it arrives, decoded and trimmed one by one. No list
//!   and no API type is ever in memory whole.
//! - A follower never gives up and never takes back what it told: while the server is away, the last
//!   state stands. [`Health`] knows how old that is, why, and what is to be done.
//! - Nothing is read or opened before [`Api::run`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::event::Event;
use crate::metrics::Registry;
use audit::Auditor;
use follow::Follower;
use ledger::Ledger;
use link::Link;
use metrics::Metrics;

mod access;
mod audit;
mod backoff;
mod client;
mod connection;
mod decode;
mod failure;
mod follow;
mod frames;
mod health;
mod identity;
mod ledger;
mod link;
mod metrics;
mod once;
mod resource;
#[cfg(test)]
mod tests;
mod token;
mod watch;

pub use access::{Access, Tls};
pub use health::Health;
pub use metrics::Programming;
pub use once::lists;
pub use resource::Resource;

/// Where log lines of the cluster's state belong, whatever its source.
const TARGET: &str = "plugin/kubernetes";

/// What is followed, and where.
pub struct Api {
    resources: Vec<Resource>,
    link: Arc<Link>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    /// time from one audit to the next; zero for none
    audit: Duration,
    /// whether to tell which cluster it is
    tells_cluster: bool,
}

impl Api {
    /// Opens nothing yet. The age of the state is told from here on.
    #[must_use]
    pub fn new(access: Access, resources: Vec<Resource>, registry: &Arc<Registry>) -> Self {
        let metrics = Arc::new(Metrics::new(registry.clone()));
        let link = Link::new(access.clone(), metrics.clone());
        Self::of(link, &access, resources, metrics)
    }

    fn of(link: Link, access: &Access, resources: Vec<Resource>, metrics: Arc<Metrics>) -> Self {
        Self {
            health: Arc::new(Health::new(access, &resources)),
            link: Arc::new(link),
            resources,
            metrics,
            audit: Duration::ZERO,
            tells_cluster: false,
        }
    }

    /// Compares what was told with what there is, about so often; unless told so, or with a time of
    /// zero, it never does.
    #[must_use]
    pub fn audit_every(mut self, time: Duration) -> Self {
        self.audit = time;
        self
    }

    /// Tells which cluster it is, too.
    #[must_use]
    pub fn tell_cluster(mut self) -> Self {
        self.tells_cluster = true;
        self
    }

    /// How things stand with the server.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// Yields a list of each resource and then each change, until the receiver is dropped. Dropping
    /// the future stops it too.
    pub async fn run(self, events: mpsc::Sender<Event>) {
        let mut followers = JoinSet::new();
        // They end with the followers.
        let mut others = JoinSet::new();
        let of = |resource| (resource, Arc::<Ledger>::default());
        let resources: Vec<_> = self.resources.into_iter().map(of).collect();
        if !self.audit.is_zero() {
            let auditor = Auditor {
                resources: resources.clone(),
                link: self.link.clone(),
                metrics: self.metrics.clone(),
                every: self.audit,
            };
            others.spawn(auditor.run());
        }
        if self.tells_cluster {
            others.spawn(identity::tell(self.link.clone(), events.clone()));
        }
        for resource in resources {
            let follower = Follower::new(
                resource,
                self.link.clone(),
                self.health.clone(),
                self.metrics.clone(),
                events.clone(),
            );
            followers.spawn(follower.run());
        }
        while followers.join_next().await.is_some() {}
    }
}
