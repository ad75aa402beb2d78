//! The alerts and the dashboard of the chart ask for metrics that there are, by labels that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callsign::app::{App, Conf, Options};
use callsign::kubernetes::manifests::Source;
use callsign::metrics::Registry;
use callsign::plugin::setup::Settings;
use hickory_proto::rr::RecordType;
use regex::Regex;
use serde_json::Value;

use crate::program::{PATIENCE, question, root, uninterrupted};

/// What an expression may hold besides metrics and labels.
const LANGUAGE: &[&str] = &[
    "absent",
    "by",
    "count",
    "histogram_quantile",
    "increase",
    "offset",
    "or",
    "rate",
    "sum",
    "unless",
    "vector",
];
/// Labels that Prometheus adds, and that of the buckets.
const TARGET: &[&str] = &["instance", "job", "le"];
/// Metrics that show only when something rare happens, or that come with the process: the sources
/// must name them.
const RARE: &[&str] = &[
    "callsign_kubernetes_api_stale_seconds",
    "callsign_kubernetes_audit_repairs_total",
    "callsign_kubernetes_audits_total",
    "callsign_kubernetes_snapshot_stale",
    "callsign_kubernetes_snapshot_write_failures_total",
    "callsign_kubernetes_unreadable_objects_total",
    "callsign_log_lines_dropped_total",
    "coredns_cache_evictions_total",
    "coredns_cache_prefetch_total",
    "coredns_cache_served_stale_total",
    "coredns_proxy_conn_cache_hits_total",
    "coredns_reload_failed_total",
];

/// Metrics that are shown, with their labels.
type Shown = BTreeMap<String, BTreeSet<String>>;

/// All values of a key, however deep.
fn values_of<'v>(key: &str, value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| match value {
            Value::String(text) if name == key => found.push(text),
            _ => values_of(key, value, found),
        }),
        Value::Array(list) => list.iter().for_each(|value| values_of(key, value, found)),
        _ => {}
    }
}

fn expressions() -> Vec<(&'static str, String)> {
    let read = |name: &str| {
        let path = root().join("deploy/helm/callsign/files").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let alerts: Value = serde_saphyr::from_str(&read("alerts.yaml")).unwrap();
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let mut found = Vec::new();
    for (name, value) in [("alerts.yaml", &alerts), ("dashboard.json", &dashboard)] {
        let mut own = Vec::new();
        values_of("expr", value, &mut own);
        assert!(own.len() > 10, "{name}: {own:?}");
        found.extend(own.into_iter().map(|text| (name, text.to_owned())));
    }
    found
}

async fn start(corefile: String, metrics: &Arc<Registry>) -> App {
    let settings = Settings {
        manifests: Some(Source::Embedded),
        ..Default::default()
    };
    let options = Options {
        conf: Conf::Text("Corefile", corefile),
        dns_port: 0,
        threads: 1,
        drain: Duration::ZERO,
        settings: Arc::new(settings),
    };
    App::start(options, metrics.clone()).await.unwrap()
}

fn ask(address: SocketAddr, name: &str) {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .send_to(&question(name, RecordType::A), address)
        .unwrap();
    uninterrupted(|| socket.recv(&mut [0; 4096])).unwrap();
}

/// Metrics of a server that has answered names of the cluster, from its cache, and of upstreams, of
/// which one is down.
async fn shown() -> Shown {
    let upstream =
        ".:0 {\n    bind 127.0.0.1\n    hosts {\n        192.0.2.1 up.example\n    }\n}\n";
    let upstream = start(upstream.to_owned(), &Arc::default()).await;
    // It hears only another, and keeps the port from others.
    let down = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    down.connect(("127.0.0.2", 9)).unwrap();
    let corefile = format!(
        ".:0 {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:0
    kubernetes cluster.local
    prometheus 127.0.0.1:0
    forward down.example {down}
    forward . {up}
    cache 30
    reload
}}
",
        down = down.local_addr().unwrap(),
        up = upstream.addresses()[0],
    );
    let metrics = Arc::<Registry>::default();
    let app = start(corefile, &metrics).await;
    let address = app.addresses()[0];
    let asked = tokio::task::spawn_blocking(move || {
        for name in ["idp-server.idp-system.svc.cluster.local.", "down.example."] {
            ask(address, name);
        }
        // Twice: from the upstream, and from the cache.
        ask(address, "up.example.");
        ask(address, "up.example.");
    });
    asked.await.unwrap();
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let text = metrics.text();
        if text.contains("coredns_proxy_healthcheck_failures_total{")
            || tokio::time::Instant::now() > end
        {
            return parse(&text);
        }
        tokio::task::yield_now().await;
    }
}

fn parse(text: &str) -> Shown {
    let label = Regex::new(r#"([a-z_]+)=""#).unwrap();
    let mut shown = Shown::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let labels = label.captures_iter(line).map(|found| found[1].to_owned());
        shown.entry(name.to_owned()).or_default().extend(labels);
    }
    shown
}

/// What is wrong with an expression.
fn wrong(expression: &str, shown: &Shown) -> Vec<String> {
    let not_words = Regex::new(r#""[^"]*"|\[[^\]]*\]"#).unwrap();
    let text = not_words.replace_all(expression, " ");
    let words: BTreeSet<&str> = Regex::new(r"[A-Za-z_][A-Za-z0-9_]*")
        .unwrap()
        .find_iter(&text)
        .map(|found| found.as_str())
        .filter(|word| !LANGUAGE.contains(word))
        .collect();
    let is_metric = |word: &str| {
        ["coredns_", "callsign_", "process_"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    let (metrics, labels): (Vec<&str>, Vec<&str>) = words.into_iter().partition(|w| is_metric(w));
    let mut wrong = Vec::new();
    if metrics.is_empty() {
        wrong.push("no metric at all".to_owned());
    }
    for metric in metrics.iter().filter(|metric| !RARE.contains(metric)) {
        match shown.get(*metric) {
            None => wrong.push(format!("{metric} is not there")),
            Some(has) => wrong.extend(
                labels
                    .iter()
                    .filter(|label| !has.contains(**label) && !TARGET.contains(label))
                    .map(|label| format!("{metric} has no label {label}")),
            ),
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let shown = shown().await;
    let found: Vec<String> = expressions()
        .iter()
        .flat_map(|(file, text)| {
            let wrong = wrong(text, &shown);
            wrong
                .into_iter()
                .map(move |wrong| format!("{file}: {wrong}: {text}"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    // That a wrong one would be seen:
    assert_eq!(
        wrong("sum(rate(coredns_no_such_total[5m]))", &shown).len(),
        1
    );
    let no_label = "sum by (plugin) (rate(coredns_dns_requests_total[5m]))";
    assert_eq!(wrong(no_label, &shown).len(), 1);
}

#[test]
fn rare_metrics_are_named_in_the_sources() {
    fn all(folder: &Path, text: &mut String) {
        for path in std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            match path.is_dir() {
                true => all(&path, text),
                false => text.push_str(&std::fs::read_to_string(&path).unwrap_or_default()),
            }
        }
    }
    let mut text = String::new();
    all(&root().join("src"), &mut text);
    for name in RARE {
        assert!(text.contains(&format!("\"{name}\"")), "{name}");
    }
}
