//! `callsign lookup` and `callsign lint` on 10,000 manifests, one in each file, as a user starts them:
//! a second at most for one name, five for all that are mentioned. `cargo bench --bench lookup [RUNS]`

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

const MANIFESTS: usize = 10_000;
/// Applications of one namespace: each is a Deployment, a Service and a ConfigMap.
const APPLICATIONS: usize = 20;
const RUNS: usize = 5;

/// One application: its workload mentions its neighbour in short, another namespace's in full, and a
/// name outside; its ConfigMap mentions a database by a URL.
fn application(number: usize) -> [(&'static str, String); 3] {
    let name = format!("app-{number}");
    let namespace = namespace_of(number);
    let place = number % APPLICATIONS;
    // The last namespace may end early, and not before its first application.
    let neighbour = number - place;
    let elsewhere = format!("app-{place}.{}.svc.cluster.local", namespace_of(0));
    let deployment = format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{app: {name}}}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: main
          image: registry.example.org/{name}:1.0.0
          args: [\"--peer=http://app-{neighbour}:8080/api\"]
          envFrom:
            - configMapRef: {{name: {name}}}
          env:
            - name: UPSTREAM_URL
              value: http://{elsewhere}:8080
            - name: METRICS_URL
              value: https://metrics.example.org/push
          ports:
            - name: http
              containerPort: 8080
"
    );
    let service = format!(
        "apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  selector: {{app: {name}}}
  ports:
    - name: http
      port: 8080
      targetPort: http
"
    );
    let config = format!(
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: {namespace}
data:
  DATABASE_URL: postgresql://app-{neighbour}.{namespace}:5432/orders
  LOG_LEVEL: info
"
    );
    [
        ("deployment", deployment),
        ("service", service),
        ("configmap", config),
    ]
}

fn namespace_of(application: usize) -> String {
    format!("team-{}", application / APPLICATIONS)
}

fn write(folder: &Path) {
    let applications = (0..).flat_map(|number| application(number).map(|part| (number, part)));
    for (number, (kind, text)) in applications.take(MANIFESTS) {
        let file = folder.join(format!("{number:05}-{kind}.yaml"));
        std::fs::write(file, text).expect("a file in a folder of its own");
    }
}

fn seconds(time: TimeVal) -> f64 {
    let micros = u32::try_from(time.tv_usec()).unwrap_or_default();
    let whole = u32::try_from(time.tv_sec()).unwrap_or_default();
    f64::from(whole) + f64::from(micros) / 1e6
}

/// Seconds of processors that the programs took that were waited for.
fn processors() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts");
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Seconds that passed, and seconds of processors.
fn run(arguments: &[&str], folder: &Path) -> (Duration, f64) {
    let before = processors();
    let start = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_callsign"))
        .args(arguments)
        .arg("--manifests")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program starts");
    assert!(status.success(), "{arguments:?}: {status}");
    (start.elapsed(), processors() - before)
}

fn main() {
    let runs = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path());
    println!(
        "{MANIFESTS} manifests; the median of {} runs",
        runs.unwrap_or(RUNS)
    );
    for (arguments, most) in [
        (
            &["lookup", "app-1", "--from", "team-0/Deployment/app-0"][..],
            1,
        ),
        (&["lint"], 5),
    ] {
        let mut taken: Vec<_> = (0..runs.unwrap_or(RUNS).max(1))
            .map(|_| run(arguments, folder.path()))
            .collect();
        taken.sort_by_key(|(passed, _)| *passed);
        let (passed, processors) = taken[taken.len() / 2];
        println!(
            "{:8} {:.2} s, {processors:.2} s of processors; {most} s at most",
            arguments[0],
            passed.as_secs_f64()
        );
    }
}
