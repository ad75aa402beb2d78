//! The source of a cluster's state: one for all directives that say the same of it, kept over
//! reloads.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::Config;
use crate::chain::BoxFuture;
use crate::kubernetes::api::{Access, Api, Health, Programming, Resource, Tls};
use crate::kubernetes::event::Event;
use crate::kubernetes::manifests::{self, Manifests, Options};
use crate::kubernetes::object::Kind;
use crate::kubernetes::selector;
use crate::kubernetes::snapshot::Snapshot;
use crate::kubernetes::store::{self, Store};
use crate::kubernetes::zone::{Pods, Zone};
use crate::metrics::Desc;
use crate::plugin::setup::{Setup, Task};
use crate::readiness::ReadyFlag;

/// Events that may wait for the store. They take more memory than what it makes of them.
const QUEUE: usize = 64;
/// How often a start that waits looks whether the state is there.
const LOOK: Duration = Duration::from_millis(10);
/// How long a start waits for the API server where it has a snapshot to serve.
const AWAY: Duration = Duration::from_millis(200);
/// How often a start that waits says so.
const SAY: Duration = Duration::from_millis(500);

const TARGET: &str = "plugin/kubernetes";
/// Selects the slices of imports.
const IMPORTED: &str = "multicluster.kubernetes.io/service-name";

const AGE: Desc = Desc {
    name: "callsign_kubernetes_api_stale_seconds",
    help: "Age of what is known of a cluster; 0 while its API server is watched.",
};

/// A cluster's state as it is kept over reloads.
struct Source {
    zone: Arc<Zone>,
    /// of the API server; none where manifests are read
    health: Option<Arc<Health>>,
    /// held by each directive that reads it, too
    readers: Reader,
}

/// What a directive holds of its source for as long as it is served.
pub(super) type Reader = Arc<()>;

/// The state of the cluster that the directive reads, and what fills it.
pub(super) fn attach(config: &Config, setup: &mut Setup<'_>) -> (Arc<Zone>, Reader) {
    let source = match setup.shared.settings.manifests.clone() {
        Some(manifests) => of_manifests(manifests, config, setup),
        None => of_api(config, setup),
    };
    let flag = setup.ready_flag(super::NAME);
    let wait = wait(source.clone(), flag.clone(), config.startup_timeout);
    setup
        .shared
        .before_serving
        .push((super::NAME, Box::pin(wait)));
    let (zone, reader) = (source.zone.clone(), source.readers.clone());
    setup.shared.task("kubernetes ready", move |stop| {
        tell_ready(source, flag, stop)
    });
    (zone, reader)
}

fn of_manifests(from: manifests::Source, config: &Config, setup: &mut Setup<'_>) -> Arc<Source> {
    let with_pods = config.view.pods == Pods::Verified;
    let with_imports = !config.multicluster.is_empty();
    let (with_zones, with_labels) = (config.zonal, keeps_labels(config, setup));
    let key = format!(
        "kubernetes manifests {from:?} pods={with_pods} imports={with_imports} zones={with_zones} \
         pod_labels={with_labels} labels={:?} namespace_labels={:?}",
        config.labels, config.namespace_labels
    );
    // Both were parsed when the directive was read.
    let options = Options {
        pods: with_pods,
        imports: with_imports,
        labels: selector::parse(&config.labels).unwrap_or_default(),
        namespace_labels: selector::parse(&config.namespace_labels).unwrap_or_default(),
    };
    setup.shared.keep(key, || {
        let mut kinds = vec![Kind::Namespace, Kind::Service, Kind::EndpointSlice];
        kinds.extend(with_pods.then_some(Kind::Pod));
        kinds.extend(with_imports.then_some(Kind::ServiceImport));
        let (store, zone) = store::new(&kinds);
        let store = store.with_zones(with_zones).with_labels(with_labels);
        let manifests = Manifests::new(from, options);
        let task: Task = Box::new(move |stop| {
            let source = |events| -> BoxFuture<()> { Box::pin(manifests.run(events)) };
            Box::pin(run(source, store, None, stop))
        });
        let source = Source {
            zone,
            health: None,
            readers: Reader::default(),
        };
        (Arc::new(source), Some(task))
    })
}

fn of_api(config: &Config, setup: &mut Setup<'_>) -> Arc<Source> {
    let (access, resources) = (access(config), resources(config));
    let (with_zones, with_labels) = (config.zonal, keeps_labels(config, setup));
    let counts_imports_twice = config.view.endpoints && !config.multicluster.is_empty();
    let key = format!(
        "kubernetes api {access:?} {resources:?} zones={with_zones} pod_labels={with_labels}"
    );
    let registry = setup.shared.metrics.clone();
    let zones = if with_zones { ", zones" } else { "" };
    let labels = if with_labels { ", labels of pods" } else { "" };
    let name = name_of(&access, &resources) + zones + labels;
    let whole_name = whole_name(&access, &resources) + zones + labels;
    let audit_interval = setup.shared.settings.audit_interval;
    let snapshot = snapshot(setup);
    let source = setup.shared.keep(key, || {
        let kinds: Vec<Kind> = resources.iter().map(|resource| resource.kind).collect();
        let (store, zone) = store::new(&kinds);
        let store = store.with_zones(with_zones).with_labels(with_labels);
        let mut api = Api::new(access, resources, &registry).audit_every(audit_interval);
        if let Some(snapshot) = &snapshot {
            snapshot.add(&whole_name, &zone);
            api = api.tell_cluster();
        }
        let health = Some(api.health());
        let readers = Reader::default();
        let programming = Programming::new(
            registry.clone(),
            counts_imports_twice,
            Arc::downgrade(&readers),
        );
        let applied = zone.clone();
        let task: Task = Box::new(move |stop| {
            let source = |events: mpsc::Sender<Event>| -> BoxFuture<()> {
                Box::pin(async move {
                    if let Some(snapshot) = snapshot {
                        snapshot.restore(&whole_name, events.clone()).await;
                    }
                    api.run(events).await;
                })
            };
            Box::pin(run(source, store, Some((applied, programming)), stop))
        });
        let source = Source {
            zone,
            health,
            readers,
        };
        (Arc::new(source), Some(task))
    });
    // Only when the configuration serves: then it is this source that is asked.
    if let Some(health) = source.health.as_ref().map(Arc::downgrade) {
        setup.shared.when_bound.push(Box::new(move || {
            let age = move || match health.upgrade() {
                Some(health) => health.age().as_secs_f64(),
                None => f64::NAN,
            };
            registry.sampled(AGE, &[("source", &name)], age);
        }));
    }
    source
}

/// The file in which the state of all sources is kept, where one is asked for.
fn snapshot(setup: &mut Setup<'_>) -> Option<Arc<Snapshot>> {
    let path = setup.shared.settings.snapshot.clone()?;
    let metrics = setup.shared.metrics.clone();
    Some(setup.shared.keep("kubernetes snapshot".to_owned(), || {
        let snapshot = Arc::new(Snapshot::new(path, &metrics));
        let kept = snapshot.clone();
        let task: Task = Box::new(move |stop| Box::pin(kept.keep(stop)));
        (snapshot, Some(task))
    }))
}

/// Whether the labels of pods are kept: they are told as metadata, where the block has that.
fn keeps_labels(config: &Config, setup: &Setup<'_>) -> bool {
    config.view.pods == Pods::Verified && setup.block.metadata.is_some()
}

/// All that the state of a source depends on, for a snapshot.
fn whole_name(access: &Access, resources: &[Resource]) -> String {
    let mut name = access.to_string();
    for resource in resources {
        // Writing to a text does not fail.
        let _ = write!(name, "; {} {}", resource.kind.name(), resource.labels);
    }
    name
}

/// What a person calls the source by, in metrics.
fn name_of(access: &Access, resources: &[Resource]) -> String {
    let mut name = access.to_string();
    for resource in resources {
        let is_extra =
            matches!(resource.kind, Kind::Pod | Kind::ServiceImport) || !resource.labels.is_empty();
        if is_extra {
            // Writing to a text does not fail.
            let _ = write!(name, ", {}s {}", resource.kind.name(), resource.labels);
        }
    }
    name.truncate(name.trim_end().len());
    name
}

/// As in CoreDNS a kubeconfig counts before an endpoint, and an endpoint before what a pod is given.
fn access(config: &Config) -> Access {
    let api = &config.api;
    match (&api.kubeconfig, &api.endpoint) {
        (Some((file, context)), _) => Access::Kubeconfig(file.into(), context.clone()),
        (None, Some(url)) => {
            let tls = api.tls.as_ref().map(|[cert, key, ca]| Tls {
                cert: cert.into(),
                key: key.into(),
                ca: ca.into(),
            });
            Access::Endpoint(url.clone(), tls)
        }
        (None, None) => Access::InCluster,
    }
}

/// What names are made of, and no more.
fn resources(config: &Config) -> Vec<Resource> {
    let of = |kind, labels: &str| Resource {
        kind,
        labels: labels.to_owned(),
    };
    let mut resources = vec![
        of(Kind::Namespace, &config.namespace_labels),
        of(Kind::Service, &config.labels),
    ];
    let has_imports = !config.multicluster.is_empty();
    if config.view.endpoints {
        resources.push(of(Kind::EndpointSlice, &config.labels));
    } else if has_imports {
        // `noendpoints` is not said of imports.
        let labels = [config.labels.as_str(), IMPORTED];
        let labels = labels.into_iter().filter(|labels| !labels.is_empty());
        resources.push(of(
            Kind::EndpointSlice,
            &labels.collect::<Vec<_>>().join(","),
        ));
    }
    if config.view.pods == Pods::Verified {
        resources.push(of(Kind::Pod, &config.labels));
    }
    if has_imports {
        // As CoreDNS asks for them: the selector of namespaces.
        resources.push(of(Kind::ServiceImport, &config.namespace_labels));
    }
    resources
}

/// Applies what the source yields, until it is stopped. This is the one place that all events pass
/// between a source and the store.
async fn run(
    source: impl FnOnce(mpsc::Sender<Event>) -> BoxFuture<()>,
    mut store: Store,
    mut programming: Option<(Arc<Zone>, Programming)>,
    stop: CancellationToken,
) {
    let (sender, mut events) = mpsc::channel(QUEUE);
    let apply = async {
        while let Some(event) = events.recv().await {
            let changed = Programming::of(&event);
            store.apply(event, unix_time());
            if let (Some((zone, programming)), Some(changed)) = (&mut programming, changed) {
                programming.served(zone, &changed);
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = source(sender) => {}
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
///
/// # Errors
/// The server cannot even be asked: as in CoreDNS, nothing is served then.
async fn wait(source: Arc<Source>, flag: ReadyFlag, most: Duration) -> Result<(), String> {
    let (start, mut said) = (Instant::now(), Instant::now());
    while !source.zone.has_synced() {
        if let Some(why) = source.health.as_ref().and_then(|health| health.unusable()) {
            return Err(why);
        }
        if start.elapsed() >= AWAY
            && let Some(taken) = source.zone.snapshot()
        {
            let age = unix_time().saturating_sub(taken);
            warn!(
                target: TARGET,
                "starting server with a snapshot of the Kubernetes API that is {age} s old"
            );
            return Ok(());
        }
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
async fn tell_ready(source: Arc<Source>, flag: ReadyFlag, stop: CancellationToken) {
    while !source.zone.has_synced() {
        let missing: Vec<&str> = source.zone.unsynced().map(Kind::name).collect();
        let advice = source.health.as_ref().map(|health| health.advice());
        let advice = advice.unwrap_or_default();
        let stale = source
            .zone
            .snapshot()
            .map_or("", |_| "; a snapshot is served");
        flag.because(format!(
            "not listed yet: {}{stale}{advice}",
            missing.join(", ")
        ));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    flag.set(true);
}
