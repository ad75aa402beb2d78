//! What a test has at hand: the API server, and both servers that watch it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callsign::kubernetes::manifests::Options;
use serde_json::json;

use crate::api::{Api, Place};
use crate::case::silence::Silence;
use crate::differential::cluster::ask::{Depth, Pair, Sample};
use crate::differential::cluster::compare::Compared;
use crate::differential::cluster::data;
use crate::differential::cluster::exchange::over_udp;
use crate::differential::cluster::names::names;
use crate::kubelet;
use crate::plane::Plane;
use crate::server::{Server, View};
use crate::wire::message::Message;
use crate::wire::query::Query;

/// How long a change may take until both servers tell of it. Controllers come in between; and each
/// of CoreDNS's watches waits for up to a minute when it has lost the API server, and then once more
/// where that is not back yet.
const PATIENCE: Duration = Duration::from_secs(240);

/// The rights that a DNS server has in a cluster.
pub(crate) const RBAC: &str = include_str!("../../deploy/rbac.yaml");

/// How often servers are compared anew where they differ: a controller may have changed something
/// between two questions. What remains is a difference.
const COMPARISONS: usize = 3;

/// Questions for so many names are asked in every way; where there are more, a sample of them.
const MOST_NAMES: usize = 2000;

/// A name, a type, and what is answered, as [`Answer`] has it.
pub(crate) type Row<'a> = (&'a str, &'a str, &'a str);

/// The control plane and the servers.
pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) plane: Plane,
    pub(crate) coredns: Server,
    pub(crate) callsign: Server,
    /// How both servers see the cluster.
    pub(crate) views: &'static [View],
    /// The options of `kubernetes` that say where the API server is.
    pub(crate) access: String,
    settled: AtomicUsize,
    /// Of random clusters, and of samples of questions.
    pub(crate) seed: u64,
    /// What goes on beside other tests.
    pub(crate) silence: Option<Silence>,
}

impl World {
    /// Starts both servers on the control plane that `tests/e2e/up` has started.
    pub(crate) fn start() -> Result<Self, String> {
        let plane = Plane::from_environment()?;
        let api = Api::connect(&plane.state("admin.kubeconfig"))?;
        kubelet::start(&api)?;
        let access = access(&plane.state("dns.kubeconfig"));
        let world = Self {
            coredns: Server::start("CoreDNS", View::ALL, &access, &[])?,
            callsign: Server::start("callsign", View::ALL, &access, &[])?,
            views: View::ALL,
            api,
            plane,
            access,
            settled: AtomicUsize::new(0),
            seed: seed()?,
            silence: None,
        };
        world.new_namespace("sentinel", "no")?;
        Ok(world)
    }

    /// Both servers anew: what they know comes from a list, and no longer from events.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.restart_by(&self.access.clone(), &[])
    }

    /// The same with other options of `kubernetes` that say where the API server is, and with flags for
    /// callsign.
    pub(crate) fn restart_by(&mut self, access: &str, flags: &[&str]) -> Result<(), String> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.coredns = Server::start("CoreDNS", self.views, access, &[])?;
        self.callsign = Server::start("callsign", self.views, access, &flags)?;
        Ok(())
    }

    /// Both servers anew, with other views of the cluster.
    pub(crate) fn restart_with(&mut self, views: &'static [View]) -> Result<(), String> {
        self.views = views;
        self.restart()
    }

    /// CoreDNS alone anew, to be held against what callsign has lived through.
    pub(crate) fn renew_coredns(&mut self) -> Result<(), String> {
        self.coredns = Server::start("CoreDNS", self.views, &self.access, &[])?;
        Ok(())
    }

    /// As [`Self::restart`], but they reach the API server by this URL, that of a proxy, and callsign
    /// has these flags.
    pub(crate) fn restart_by_way_of(&mut self, url: &str, flags: &[&str]) -> Result<(), String> {
        self.restart_by(&self.access_by_way_of(url, "proxy")?, flags)
    }

    /// The options of `kubernetes` by which the API server is reached by this URL; the kubeconfig has this
    /// name.
    pub(crate) fn access_by_way_of(&self, url: &str, name: &str) -> Result<String, String> {
        let text = std::fs::read_to_string(self.plane.state("dns.kubeconfig"));
        let text = text.map_err(|error| error.to_string())?;
        let text = text.replace(&format!("https://{}", self.plane.api), url);
        let kubeconfig = self.plane.state(&format!("{name}.kubeconfig"));
        std::fs::write(&kubeconfig, text).map_err(|error| error.to_string())?;
        Ok(access(&kubeconfig))
    }

    /// Brings the control plane, the rights of the servers and the servers themselves back into the
    /// state that a test may begin with, whatever the one before has left.
    pub(crate) fn restore(&mut self) -> Result<(), String> {
        self.plane.restore()?;
        until(|| self.api.apply(RBAC).err())?;
        self.restart_with(View::ALL)
    }

    /// Both servers.
    pub(crate) fn servers(&self) -> [&Server; 2] {
        [&self.coredns, &self.callsign]
    }

    /// Waits until both servers answer each row as it says; how long each of them took.
    pub(crate) fn expect(&self, view: View, rows: &[Row<'_>]) -> Result<[Duration; 2], String> {
        let began = Instant::now();
        let mut took = [None; 2];
        until(|| {
            let mut problems = String::new();
            for (server, took) in self.servers().into_iter().zip(&mut took) {
                match wrong(server, view, rows) {
                    _ if took.is_some() => {}
                    None => *took = Some(began.elapsed()),
                    Some(problem) => problems += &format!("{problem}\n{}", server.tail()),
                }
            }
            (!problems.is_empty()).then_some(problems)
        })?;
        Ok(took.map(Option::unwrap_or_default))
    }

    /// Waits until both servers have seen all that was changed before: objects of each kind come in
    /// the order of their changes, so the last one is there when all are.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let number = self.settled.fetch_add(1, Ordering::SeqCst) + 1;
        let (high, low) = (number / 250, number % 250 + 1);
        let namespace = format!("sentinel-{number}");
        let (endpoint, pod) = (
            format!("10.246.{high}.{low}"),
            format!("10.247.{high}.{low}"),
        );
        self.api.apply(&format!(
            "
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{exposed: 'yes'}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: last, namespace: {namespace}, labels: {{tier: front}}}}
spec: {{clusterIP: None}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: last
  namespace: {namespace}
  labels: {{kubernetes.io/service-name: last, multicluster.kubernetes.io/service-name: last, tier: front}}
addressType: IPv4
endpoints: [{{addresses: [{endpoint}]}}]
"
        ))?;
        let metadata =
            json!({"name": namespace, "namespace": "sentinel", "annotations": {"ip": pod}});
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"nodeName": "node1", "automountServiceAccountToken": false,
                     "containers": [{"name": "c", "image": "none"}]},
        });
        self.api.apply_one(&object)?;
        if self.is_of_clusters() {
            return self.settle_imports(&namespace, &endpoint);
        }
        let service = format!("last.{namespace}.svc.cluster.local.");
        let name = format!("{}.sentinel.pod.cluster.local.", pod.replace('.', "-"));
        for view in self.views {
            self.expect(*view, &[(&service, "A", &endpoint)])?;
        }
        let mut verifying = self.views.iter().filter(|view| view.verifies_pods());
        verifying.try_for_each(|view| self.expect(*view, &[(&name, "A", &pod)]).map(drop))
    }

    /// Whether the servers have Services of several clusters.
    fn is_of_clusters(&self) -> bool {
        self.views
            .iter()
            .all(|view| View::OF_CLUSTERS.contains(view))
    }

    /// The same of imports: of those with addresses of their own, and of their endpoints.
    fn settle_imports(&self, namespace: &str, endpoint: &str) -> Result<(), String> {
        for (name, kind, ips) in [
            ("last", "Headless", "[]"),
            ("very-last", "ClusterSetIP", "[10.248.0.1]"),
        ] {
            self.api.apply(&format!(
                "
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {{name: {name}, namespace: {namespace}, labels: {{exposed: 'yes'}}}}
spec: {{type: {kind}, ips: {ips}, ports: [{{port: 80}}]}}
"
            ))?;
        }
        let under = |name: &str, zone: &str| format!("{name}.{namespace}.svc.{zone}.");
        let imports = ["last", "very-last"].map(|name| under(name, "clusterset.local"));
        let [last, very_last] = &imports;
        for view in self.views {
            let mut rows = vec![(&**last, "A", endpoint)];
            // Of this cluster there are no endpoints in the second view, and of the import with
            // addresses of its own too few.
            let service = under("last", "cluster.local");
            if *view != View::ImportsByPods {
                rows.push((&service, "A", endpoint));
                rows.push((very_last, "A", "10.248.0.1"));
            }
            self.expect(*view, &rows)?;
        }
        Ok(())
    }

    /// Asks both servers for all names that the objects of some namespaces give (of all, where none
    /// is named), in each view. What differs is the error.
    ///
    /// In brief, names of namespaces are those in them, and those of their addresses.
    pub(crate) fn agree(&self, namespaces: &[&str], depth: Depth) -> Result<(), String> {
        let mut problems = String::new();
        for _ in 0..COMPARISONS {
            self.settle()?;
            problems = self.differences(namespaces, depth)?;
            if problems.is_empty() {
                return Ok(());
            }
        }
        Err(problems)
    }

    /// What differs at the moment; empty where nothing does.
    fn differences(&self, namespaces: &[&str], depth: Depth) -> Result<String, String> {
        let zones = self.views.first().map_or(&[][..], |view| view.zones());
        let mut names = self.names(namespaces, zones)?;
        if depth == Depth::Brief && !namespaces.is_empty() {
            let inside: Vec<_> = namespaces.iter().map(|name| format!(".{name}.")).collect();
            let is_inside = |name: &str| inside.iter().any(|inside| name.contains(inside));
            names.retain(|name| is_inside(name) || name.ends_with(".arpa."));
        }
        let mut problems = String::new();
        for view in self.views {
            let mut pair = Pair {
                coredns: self.coredns.address(*view),
                callsign: self.callsign.address(*view),
                compared: Compared::new(&format!("{view:?}"), view.departures()),
            };
            let turn = self.seed as usize;
            let all = Sample { one_in: 1, turn };
            match view.depth(depth) {
                Depth::Every => {
                    let one_in = names.len().div_ceil(MOST_NAMES);
                    pair.ask_all(&names, Depth::Full, all)?;
                    pair.ask_all(&names, Depth::Every, Sample { one_in, turn })?;
                    println!(
                        "          1 of {one_in} questions for {} names in every way",
                        names.len()
                    );
                }
                depth => pair.ask_all(&names, depth, all)?,
            }
            if !pair.compared.differences.is_empty() {
                problems += &format!("{}\n", pair.compared);
            }
        }
        Ok(problems)
    }

    /// Makes a namespace, and waits until pods can be made in it.
    pub(crate) fn new_namespace(&self, name: &str, exposed: &str) -> Result<(), String> {
        self.api.apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{exposed: '{exposed}'}}}}}}"
        ))?;
        let account = Place::new("ServiceAccount", name, "default");
        until(|| self.api.get(account).err())
    }

    /// All names of some namespaces, or of all, and many that do not exist.
    fn names(&self, namespaces: &[&str], zones: &[&str]) -> Result<Vec<String>, String> {
        let mut items = Vec::new();
        let imports = self.is_of_clusters().then_some("ServiceImport");
        let kinds = ["Namespace", "Service", "EndpointSlice", "Pod"];
        for kind in kinds.into_iter().chain(imports) {
            items.extend(self.api.list(kind, "")?);
        }
        if !namespaces.is_empty() {
            items.retain(|item| {
                let metadata = &item["metadata"];
                let namespace = metadata["namespace"].as_str();
                let namespace = namespace.or_else(|| metadata["name"].as_str());
                namespaces.contains(&namespace.unwrap_or_default())
            });
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        std::fs::write(directory.path().join("list.json"), list.to_string())
            .map_err(|error| error.to_string())?;
        let options = Options {
            pods: true,
            imports: true,
            ..Options::default()
        };
        let objects = data::load(directory.path(), options)?;
        Ok(names(&objects, zones))
    }

    /// Waits until an object is gone.
    pub(crate) fn gone(&self, place: Place<'_>) -> Result<(), String> {
        until(|| {
            let found = self.api.get(place).is_ok();
            found.then(|| format!("{place:?} is still there"))
        })
    }
}

/// What `SEED` says, or 1.
fn seed() -> Result<u64, String> {
    let Ok(seed) = std::env::var("SEED") else {
        return Ok(1);
    };
    let number = seed.parse();
    number.map_err(|error| format!("SEED is `{seed}`: {error}"))
}

/// The options of `kubernetes` for a kubeconfig.
fn access(kubeconfig: &Path) -> String {
    format!("kubeconfig {}", kubeconfig.display())
}

/// Waits until there is no problem any more.
pub(crate) fn until(mut problem: impl FnMut() -> Option<String>) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while let Some(problem) = problem() {
        if Instant::now() > deadline {
            return Err(problem);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The rows that a server answers in another way, if there are some.
pub(crate) fn wrong(server: &Server, view: View, rows: &[Row<'_>]) -> Option<String> {
    let mut wrong = String::new();
    for (name, rtype, expected) in rows {
        let answer = ask(server.address(view), name, rtype);
        if !answer.as_ref().is_ok_and(|answer| answer == expected) {
            let answer = answer.unwrap_or_else(|problem| problem);
            let server = server.name;
            wrong +=
                &format!("{server} ({view:?}): {name} {rtype}\n  - {expected}\n  + {answer}\n");
        }
    }
    (!wrong.is_empty()).then_some(wrong)
}

const NO_REPLY: &str = "no reply";

/// A reply as the lines of an expectation; `options` are those of a query as the data files have them.
pub(crate) fn lines(
    server: SocketAddr,
    name: &str,
    rtype: &str,
    options: &[&str],
) -> Result<Vec<String>, String> {
    let mut query = Query::parse(&[name, rtype])?;
    query.id = 0;
    for option in options {
        query.option(option)?;
    }
    let [replies] = over_udp([server], &[query.encode()?])?;
    Ok(match replies.into_iter().next().flatten() {
        Some(reply) => Message::decode(&reply)?.reply_lines(0, None, false),
        None => vec![NO_REPLY.to_owned()],
    })
}

/// An answer as one line: the RDATA of its records in the order of their text, apart by `; `, with
/// the type before those of another type than was asked for; NODATA, where there are none; or the
/// response code.
pub(crate) fn ask(server: SocketAddr, name: &str, rtype: &str) -> Result<String, String> {
    let lines = lines(server, name, rtype, &[])?;
    let head = lines.first().map_or("", String::as_str);
    if head == NO_REPLY {
        return Ok(NO_REPLY.to_owned());
    }
    let code = head.split([' ', ',']).next().unwrap_or_default();
    if code != "NOERROR" {
        return Ok(code.to_owned());
    }
    let mut records: Vec<String> = Vec::new();
    for line in lines.iter().filter_map(|line| line.strip_prefix("answer ")) {
        // OWNER TTL CLASS TYPE RDATA
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let [_, _, _, of, rdata] = words[..] else {
            return Err(format!("an answer that cannot be read: {line}"));
        };
        records.push(if of == rtype {
            rdata.to_owned()
        } else {
            format!("{of} {rdata}")
        });
    }
    records.sort_unstable();
    Ok(if records.is_empty() {
        "NODATA".to_owned()
    } else {
        records.join("; ")
    })
}
