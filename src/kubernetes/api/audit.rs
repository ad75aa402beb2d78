//! The audit: whether what was told is what there is.
//!
//! Watches have lost events without a sign, in servers and on the way. So now and then each resource is
//! listed once more, in pages and as metadata alone, and compared by name and version. Where it
//! differs, the resource is listed anew, which is a diff as each list is.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::TARGET;
use super::decode;
use super::failure::Failure;
use super::frames::Items;
use super::ledger::{Audit, Ledger, Stamps};
use super::link::Link;
use super::metrics::Metrics;
use super::resource::Resource;

/// How long what was listed may take to be told by the watch too, before it is taken for lost.
const SETTLE: Duration = Duration::from_secs(10);
/// How long a page may take.
const PAGE: Duration = Duration::from_secs(60);

/// What audits all resources of a source.
pub(super) struct Auditor {
    pub(super) resources: Vec<(Resource, Arc<Ledger>)>,
    pub(super) link: Arc<Link>,
    pub(super) metrics: Arc<Metrics>,
    /// time from one audit to the next, of which a quarter more or less is drawn at random
    pub(super) every: Duration,
}

impl Auditor {
    /// Runs for ever.
    pub(super) async fn run(self) {
        loop {
            // Many servers that were started as one must not come as one.
            let jitter = rand::rng().random_range(0.75..1.25);
            sleep(self.every.mul_f64(jitter)).await;
            self.audit().await;
        }
    }

    /// Audits one resource after the other, so that the server has one request at a time.
    async fn audit(&self) {
        let mut audits = Vec::new();
        for (resource, ledger) in &self.resources {
            // One that is being listed needs no audit.
            let Some(audit) = ledger.audit() else {
                continue;
            };
            match self.list(resource).await {
                Ok(listed) => audits.push((resource, ledger, audit, listed)),
                Err(failure) => {
                    // Its follower tells what is wrong with the server.
                    debug!(target: TARGET, "no audit of {}: {failure}", resource.plural());
                    self.metrics.audited(resource.kind, "failed");
                }
            }
        }
        sleep(SETTLE).await;
        for (resource, ledger, audit, listed) in audits {
            self.compare(resource, ledger, &audit, &listed);
        }
    }

    fn compare(&self, resource: &Resource, ledger: &Ledger, audit: &Audit, listed: &Stamps) {
        match ledger.differences(audit, listed) {
            None => {}
            Some(0) => self.metrics.audited(resource.kind, "agreed"),
            Some(lost) => {
                warn!(
                    target: TARGET,
                    "the watch of {} has lost changes of {lost} objects without a sign; all are \
                     listed again",
                    resource.plural()
                );
                self.metrics.audited(resource.kind, "repaired");
                self.metrics.repaired(resource.kind, lost);
                ledger.relist();
            }
        }
    }

    /// The names and versions of all objects that there are now.
    async fn list(&self, resource: &Resource) -> Result<Stamps, Failure> {
        let connection = self.link.connection().await?;
        let mut listed = Stamps::default();
        let mut after = None;
        loop {
            let until = Instant::now() + PAGE;
            let mut chunks = connection.open(resource.names(after)?).await?;
            let format = chunks.format();
            let mut items = Items::of(format);
            while let Some(bytes) = chunks.next(until).await? {
                let mut chunk: &[u8] = &bytes;
                while let Some(item) = items.next(&mut chunk)? {
                    if let Some(stamp) = decode::stamp(format, item) {
                        listed.put(stamp);
                    }
                }
            }
            after = Some(items.metadata()?.next).filter(|next| !next.is_empty());
            if after.is_none() {
                return Ok(listed);
            }
        }
    }
}
