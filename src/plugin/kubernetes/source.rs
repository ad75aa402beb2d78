//! The source of a cluster's state: one for all directives that say the same of it, kept over
//! reloads.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::Config;
use crate::kubernetes::manifests::{Manifests, Options};
use crate::kubernetes::object::Kind;
use crate::kubernetes::selector;
use crate::kubernetes::store::{self, Store};
use crate::kubernetes::zone::{Pods, Zone};
use crate::plugin::setup::{Setup, SetupError, Task};
use crate::readiness::ReadyFlag;

/// Events that may wait for the store.
const QUEUE: usize = 1024;
/// How often a start that waits looks whether the state is there.
const LOOK: Duration = Duration::from_millis(10);
/// How often a start that waits says so.
const SAY: Duration = Duration::from_millis(500);

const TARGET: &str = "plugin/kubernetes";

/// The state of the cluster that the directive reads, and what fills it.
pub(super) fn attach(config: &Config, setup: &mut Setup<'_>) -> Result<Arc<Zone>, SetupError> {
    let with_pods = config.view.pods == Pods::Verified;
    let Some(source) = setup.shared.settings.manifests.clone() else {
        let error = setup
            .directive
            .cursor()
            .err("callsign cannot watch an API server yet");
        return Err(error.help("give it manifests to read: --manifests DIR"));
    };
    let key = format!(
        "kubernetes manifests {source:?} pods={with_pods} labels={:?} namespace_labels={:?}",
        config.labels, config.namespace_labels
    );
    // Both were parsed when the directive was read.
    let options = Options {
        pods: with_pods,
        labels: selector::parse(&config.labels).unwrap_or_default(),
        namespace_labels: selector::parse(&config.namespace_labels).unwrap_or_default(),
    };
    let zone = setup.shared.keep(key, || {
        let mut kinds = vec![Kind::Namespace, Kind::Service, Kind::EndpointSlice];
        kinds.extend(with_pods.then_some(Kind::Pod));
        let (store, zone) = store::new(&kinds);
        let manifests = Manifests::new(source, options);
        let task: Task = Box::new(move |stop| Box::pin(run(manifests, store, stop)));
        (zone, Some(task))
    });
    let flag = setup.ready_flag(super::NAME);
    let wait = wait(zone.clone(), flag.clone(), config.startup_timeout);
    setup
        .shared
        .before_serving
        .push((super::NAME, Box::pin(wait)));
    let watched = zone.clone();
    setup.shared.task("kubernetes ready", move |stop| {
        tell_ready(watched, flag, stop)
    });
    Ok(zone)
}

/// Applies what the source yields, until it is stopped.
async fn run(manifests: Manifests, mut store: Store, stop: CancellationToken) {
    let (sender, mut events) = mpsc::channel(QUEUE);
    let apply = async {
        while let Some(event) = events.recv().await {
            store.apply(event, unix_time());
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = manifests.run(sender) => {}
        () = apply => {}
    }
}

fn unix_time() -> u32 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// Waits until the state is known, at most for the time that is given; then it is served all the
/// same.
async fn wait(zone: Arc<Zone>, flag: ReadyFlag, most: Duration) -> Result<(), String> {
    let (start, mut said) = (Instant::now(), Instant::now());
    while !zone.has_synced() {
        if start.elapsed() >= most {
            warn!(target: TARGET, "starting server with unsynced Kubernetes API");
            return Ok(());
        }
        if said.elapsed() >= SAY {
            info!(target: TARGET, "waiting for Kubernetes API before starting server");
            said = Instant::now();
        }
        tokio::time::sleep(LOOK).await;
    }
    flag.set(true);
    Ok(())
}

/// Keeps `/ready` true to the state until it is known.
async fn tell_ready(zone: Arc<Zone>, flag: ReadyFlag, stop: CancellationToken) {
    while !zone.has_synced() {
        let missing: Vec<String> = zone.unsynced().map(|kind| format!("{kind:?}")).collect();
        flag.because(format!("not listed yet: {}", missing.join(", ")));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    flag.set(true);
}
