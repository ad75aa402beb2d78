//! Names that must never be answered in another way, whatever happens to the control plane.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::server::View;
use crate::world::{World, ask};

/// The names: of a Service with an address, of one with endpoints, of a pod, and one that does not
/// exist.
pub(crate) const NAMES: &[(&str, &str, &str)] = &[
    ("web.steady.svc.cluster.local.", "A", "10.96.104.1"),
    (
        "headless.steady.svc.cluster.local.",
        "A",
        "192.0.2.31; 192.0.2.32",
    ),
    (
        "31.2.0.192.in-addr.arpa.",
        "PTR",
        "first.headless.steady.svc.cluster.local.",
    ),
    ("10-244-4-1.steady.pod.cluster.local.", "A", "10.244.4.1"),
    ("nothing.steady.svc.cluster.local.", "A", "NXDOMAIN"),
];

const MANIFESTS: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: steady}
spec: {clusterIP: 10.96.104.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: steady}
spec: {clusterIP: None}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: one, namespace: steady, labels: {kubernetes.io/service-name: headless}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.31], hostname: first}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: two, namespace: steady, labels: {kubernetes.io/service-name: headless}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.32]}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: steady, annotations: {ip: 10.244.4.1}}
spec:
  nodeName: node1
  automountServiceAccountToken: false
  containers: [{name: c, image: none}]
";

/// Makes the objects, and waits until both servers know them.
pub(crate) fn prepare(world: &World) -> Result<(), String> {
    world.new_namespace("steady", "no")?;
    world.api.apply(MANIFESTS)?;
    world.expect(View::Verified, NAMES).map(drop)
}

/// Asks both servers for the names until it is told to end.
pub(crate) struct Steady {
    ended: Ended,
    asking: JoinHandle<(usize, Vec<String>)>,
}

/// True once it is dropped, be it by a test that fails.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Steady {
    /// Begins.
    pub(crate) fn begin(world: &World) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let servers = world
            .servers()
            .map(|server| (server.name, server.address(View::Verified)));
        let until = ended.clone();
        let asking = std::thread::spawn(move || {
            let (mut asked, mut wrong) = (0, Vec::new());
            while !until.load(Ordering::SeqCst) {
                for (server, address) in servers {
                    asked += NAMES.len();
                    wrong.extend(other_answers(server, address));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            (asked, wrong)
        });
        Self {
            ended: Ended(ended),
            asking,
        }
    }

    /// Ends; the answers that were not as they must be are the error.
    pub(crate) fn end(self) -> Result<(), String> {
        drop(self.ended);
        let (asked, wrong) = self.asking.join().map_err(|_| "the asker panicked")?;
        if asked == 0 {
            return Err("nothing was asked".to_owned());
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let shown: Vec<&str> = wrong.iter().take(10).map(String::as_str).collect();
        Err(format!(
            "{} of {asked} answers:\n{}",
            wrong.len(),
            shown.join("\n")
        ))
    }
}

fn other_answers(server: &str, address: SocketAddr) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, rtype, expected) in NAMES {
        let answer = ask(address, name, rtype).unwrap_or_else(|problem| problem);
        if answer != *expected {
            wrong.push(format!(
                "{server}: {name} {rtype}\n  - {expected}\n  + {answer}"
            ));
        }
    }
    wrong
}
