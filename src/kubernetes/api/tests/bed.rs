//! A source that watches an API server of tests, and the zone that it fills.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::api_server::{self, object};
use crate::kubernetes::api::connection::Connection;
use crate::kubernetes::api::link::Link;
use crate::kubernetes::api::metrics::Metrics;
use crate::kubernetes::api::token::Token;
use crate::kubernetes::api::{Access, Api, Health, Resource};
use crate::kubernetes::object::Kind;
use crate::kubernetes::store;
use crate::kubernetes::testkit::{ALL_KINDS, ask, objects};
use crate::kubernetes::zone::{View, Zone};
use crate::metrics::Registry;

/// Time from one audit to the next, give or take a quarter.
pub(super) const AUDIT: Duration = Duration::from_secs(600);

pub(super) struct Bed {
    pub(super) server: Arc<api_server::Api>,
    pub(super) zone: Arc<Zone>,
    pub(super) health: Arc<Health>,
    registry: Arc<Registry>,
    _tasks: JoinSet<()>,
}

impl Bed {
    /// Watches a server with these objects, in the notation of the testkit.
    pub(super) fn start(cluster: &str) -> Self {
        let server = api_server::Api::new();
        put(&server, cluster);
        Self::watch(server)
    }

    pub(super) fn watch(server: api_server::Api) -> Self {
        Self::of(Arc::new(server), None)
    }

    /// One of several that watch a server, by the token in this file.
    pub(super) fn of(server: Arc<api_server::Api>, token: Option<PathBuf>) -> Self {
        let registry = Arc::<Registry>::default();
        let metrics = Arc::new(Metrics::new(registry.clone()));
        let asked = server.clone();
        let service = tower::service_fn(move |request| asked.respond(&request));
        let client = Client::new(service, "default");
        let of_link = metrics.clone();
        let link = Link::by(move || {
            let requests = of_link.requests("test");
            let token = token.clone().map(Token::read).transpose()?;
            Ok(Connection::of(client.clone(), token, requests))
        });
        let access = Access::Endpoint("http://test".to_owned(), None);
        let resources = ALL_KINDS.map(|kind| Resource {
            kind,
            labels: String::new(),
        });
        let api = Api::of(link, &access, resources.into(), metrics).audit_every(AUDIT);
        let health = api.health();
        let (mut store, zone) = store::new(&ALL_KINDS);
        let (sender, mut events) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        tasks.spawn(api.run(sender));
        tasks.spawn(async move {
            while let Some(event) = events.recv().await {
                store.apply(event, 1);
            }
        });
        Self {
            server,
            zone,
            health,
            registry,
            _tasks: tasks,
        }
    }

    pub(super) fn put(&self, objects: &str) {
        put(&self.server, objects);
    }

    pub(super) fn delete(&self, kind: Kind, name: &str) {
        self.server.delete(resource(kind), name);
    }

    /// What a question is answered, as one text.
    pub(super) fn ask(&self, question: &str) -> String {
        ask(&self.zone, &View::default(), question).join(" ")
    }

    /// Waits until it is so, and returns how long that took; fails after `most`.
    pub(super) async fn until(
        &self,
        what: &str,
        most: Duration,
        is_so: impl Fn(&Self) -> bool,
    ) -> Duration {
        let start = Instant::now();
        while !is_so(self) {
            if start.elapsed() > most {
                let requests = self.server.requests();
                let last = requests.iter().rev().take(20).rev();
                let last: Vec<String> = last
                    .map(|seen| {
                        format!(
                            "{:?} ago: {} {}",
                            seen.at.elapsed(),
                            seen.status,
                            seen.target
                        )
                    })
                    .collect();
                panic!(
                    "{what}: not within {most:?}; requests:\n{}",
                    last.join("\n")
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
        start.elapsed()
    }

    /// Waits until a question is answered so.
    pub(super) async fn answers(&self, question: &str, answer: &str, most: Duration) -> Duration {
        let what = format!("{question} is {answer}");
        let is_so = |bed: &Self| bed.ask(question) == answer;
        self.until(&what, most, is_so).await
    }

    /// Waits until all was listed, and all is watched.
    pub(super) async fn synced(&self) -> Duration {
        let all = |bed: &Self| bed.zone.has_synced() && bed.server.watches() == ALL_KINDS.len();
        self.until("synced", Duration::from_secs(60), all).await
    }

    /// Whatever is wrong, what was asked in 20 minutes is bounded: a minute between two tries of a kind at
    /// last, a try being a list and a watch.
    #[track_caller]
    pub(super) fn assert_slow(&self, what: &str) {
        let requests = self.server.requests();
        let of_all = requests.iter().filter(|seen| !seen.is_partial);
        let (watches, lists): (Vec<_>, Vec<_>) = of_all.partition(|seen| seen.is_watch);
        let counts = (watches.len(), lists.len());
        let most = 40 * ALL_KINDS.len();
        assert!(
            counts.0 < most && counts.1 < most,
            "{what}: {counts:?} watches and lists in 20 minutes"
        );
    }

    /// The sum of all metrics whose line starts so.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let page = self.registry.text();
        let lines = page.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }
}

fn put(server: &api_server::Api, cluster: &str) {
    server.put_all(objects(cluster).iter().map(object::of_api));
}

pub(super) fn resource(kind: Kind) -> api_server::Resource {
    match kind {
        Kind::Namespace => api_server::Resource::Namespaces,
        Kind::Service => api_server::Resource::Services,
        Kind::EndpointSlice => api_server::Resource::EndpointSlices,
        Kind::Pod => api_server::Resource::Pods,
        Kind::ServiceImport => api_server::Resource::ServiceImports,
    }
}

/// What this thread logs at WARN and above, from now on.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn record() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::registry().with(log.clone());
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines that hold a text.
    pub(super) fn with(&self, text: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let with = lines.iter().filter(|line| line.contains(text));
        with.cloned().collect()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= tracing::Level::WARN {
            let mut line = Line(String::new());
            event.record(&mut line);
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
