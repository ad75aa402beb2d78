//! A cluster that is manifests only, as a lookup reads it.

use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::app::Conf;
use crate::app::rehearse::{Rehearsal, rehearse};
use crate::corefile::nearest;
use crate::kubernetes::api::{self, Access};
use crate::kubernetes::manifests::{Loaded, Manifests, Options, Severity, Source, Text};
use crate::kubernetes::object::{Object, ServiceKind};
use crate::lookup::inventory::Inventory;
use crate::lookup::pod::{Lines, PodDns, Surroundings};
use crate::lookup::rehearsal::Local;
use crate::lookup::workload::{self, Document};

/// kubeadm's Corefile: what a cluster has unless somebody changed it.
const KUBEADM: &str = include_str!("../../../config/kubeadm-1053.Corefile");
/// The cluster's DNS Service, and its address in a cluster that says nothing of it.
const CLUSTER_DNS: (&str, &str, &str) = ("kube-system", "kube-dns", "10.96.0.10");
const DOMAIN: &str = "cluster.local";

/// Pods that are told in place of one that does not exist.
const MOST_TOLD: usize = 20;

/// What is read.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Reading {
    /// Manifests to take names from; `-` is standard input, as from `helm template`.
    #[arg(long, value_name = "DIR", env = "CALLSIGN_MANIFESTS")]
    manifests: Option<PathBuf>,

    /// A live cluster, by a file for kubectl; its objects are listed once.
    #[arg(long, value_name = "FILE", conflicts_with = "manifests")]
    kubeconfig: Option<PathBuf>,

    /// Corefile of the cluster's DNS server [default: with --kubeconfig the one of its ConfigMap
    /// coredns, else kubeadm's].
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,
}

impl Reading {
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.manifests.is_some() || self.kubeconfig.is_some()
    }

    fn source(&self, runtime: &Runtime) -> Result<Source, String> {
        if let Some(file) = &self.kubeconfig {
            let lists = runtime.block_on(api::lists(&Access::Kubeconfig(file.clone(), None)))?;
            let texts = lists.into_iter().map(|(path, text)| Text {
                file: path.into(),
                text: text.into(),
            });
            return Ok(Source::Texts(texts.collect()));
        }
        let Some(path) = &self.manifests else {
            let what = "--manifests DIR, - for standard input, or --kubeconfig FILE";
            return Err(format!("name what to read: {what}"));
        };
        if path.as_os_str() != "-" {
            return Ok(Source::Directory(path.clone()));
        }
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| format!("cannot read manifests from standard input: {error}"))?;
        let text = Text {
            file: "stdin".into(),
            text: text.into(),
        };
        Ok(Source::Texts([text].into()))
    }
}

/// Manifests, and the answers that they come to.
pub(in crate::cli) struct Cluster {
    rehearsal: Rehearsal,
    loaded: Arc<Loaded>,
    pub(in crate::cli) texts: Vec<Text>,
    pub(in crate::cli) inventory: Inventory,
}

/// A pod that asks.
pub(super) struct Pod {
    /// What a person calls it.
    pub(super) path: String,
    pub(super) namespace: String,
    pub(super) dns: PodDns,
    /// Its address, where it has one.
    pub(super) address: Option<IpAddr>,
    pub(super) notes: Vec<String>,
}

impl Cluster {
    /// Reads it. What is wrong with the manifests goes to standard error.
    pub(in crate::cli) fn read(reading: &Reading, runtime: &Runtime) -> Result<Self, String> {
        let source = Source::Parsed(reading.source(runtime)?.parsed());
        let texts = source.texts();
        let options = Options {
            pods: true,
            ..Options::default()
        };
        let loaded = Manifests::new(source.clone(), options).load();
        for problem in &loaded.problems {
            let word = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            eprintln!("{}: {word}: {}", problem.place, problem.reason);
        }
        if loaded
            .objects
            .iter()
            .all(|(_, place)| place.file.is_empty())
        {
            return Err("the manifests hold no object that can be read".to_owned());
        }
        let own = reading.kubeconfig.as_ref().and_then(|_| corefile(&texts));
        let conf = match (&reading.conf, own) {
            (Some(path), _) => Conf::File(path.clone()),
            (None, Some(text)) => Conf::Text("Corefile", text),
            (None, None) => Conf::Text("kubeadm's Corefile", KUBEADM.to_owned()),
        };
        let rehearsal = runtime
            .block_on(rehearse(&conf, 53, source))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            rehearsal,
            inventory: Inventory::of_manifests(&loaded),
            loaded: Arc::new(loaded),
            texts,
        })
    }

    /// What is wrong with the manifests, so that something is left out.
    pub(in crate::cli) fn errors(&self) -> impl Iterator<Item = String> {
        let problems = self.loaded.problems.iter();
        let errors = problems.filter(|problem| problem.severity == Severity::Error);
        errors.map(|problem| format!("{}: {}", problem.place, problem.reason))
    }

    /// Names, asked as by this pod.
    pub(super) fn names(&self, pod: &Pod, runtime: &Runtime) -> Local {
        self.names_for(pod.address, runtime)
    }

    /// Names, asked as by a client with this address.
    pub(in crate::cli) fn names_for(&self, client: Option<IpAddr>, runtime: &Runtime) -> Local {
        let server = self.rehearsal.server.clone();
        let objects = self.loaded.clone();
        Local::new(server, client, objects, runtime.handle().clone())
    }

    /// The pod, or the workload whose pods are meant.
    pub(super) fn pod(&self, from: &str) -> Result<Pod, String> {
        let (namespace, kind, name) = parts(from)?;
        let texts = self.texts.iter().filter(|text| text.text.contains(name));
        let documents = workload::documents(texts);
        let mut found = documents
            .iter()
            .filter(|document| document.is(namespace, kind, name));
        let Some(document) = found.next_back() else {
            return Err(self.no_such_pod(from));
        };
        if document.pod_spec().is_none() {
            return Err(format!(
                "{from} has no pods: name a Pod, a Deployment, a StatefulSet..."
            ));
        }
        Ok(Pod {
            path: document.path(),
            namespace: namespace.to_owned(),
            dns: document.dns(),
            address: self.address(namespace, name),
            notes: Vec::new(),
        })
    }

    /// The address of the pod, or of the first of the workload.
    fn address(&self, namespace: &str, name: &str) -> Option<IpAddr> {
        let made = format!("{name}-");
        self.loaded
            .objects
            .iter()
            .find_map(|(object, _)| match object {
                Object::Pod(pod)
                    if &*pod.key.namespace == namespace
                        && (&*pod.key.name == name || pod.key.name.starts_with(&made)) =>
                {
                    pod.ips.first().copied()
                }
                _ => None,
            })
    }

    fn no_such_pod(&self, from: &str) -> String {
        let documents = workload::documents(&self.texts);
        let with_pods = documents
            .iter()
            .filter(|document| document.pod_spec().is_some());
        let mut known: Vec<String> = with_pods.map(Document::path).collect();
        known.sort();
        known.dedup();
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let names: Vec<String> = known.iter().map(|path| last(path)).collect();
        let near = nearest(&last(from), names.iter().map(String::as_str));
        let near = near.and_then(|near| known.iter().find(|path| last(path) == near));
        let near = near
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        // Those of the same namespace first, as far as a person reads.
        let namespace = from.split('/').next().unwrap_or_default();
        known.sort_by_key(|path| path.split('/').next() != Some(namespace));
        let more = known.len().saturating_sub(MOST_TOLD);
        known.truncate(MOST_TOLD);
        if more > 0 {
            known.push(format!("and {more} more"));
        }
        format!("there is no {from}{near}\nthere are: {}", known.join(", "))
    }
}

/// The Corefile of a cluster's own ConfigMap.
fn corefile(texts: &[Text]) -> Option<String> {
    let maps = texts
        .iter()
        .filter(|text| text.file.ends_with("/configmaps"));
    let documents = workload::documents(maps);
    let map = documents
        .iter()
        .find(|document| document.name == "coredns")?;
    let text = map.value.pointer("/data/Corefile")?;
    text.as_str().map(str::to_owned)
}

/// `NAMESPACE/KIND/NAME`; without a namespace it is `default`.
pub(super) fn parts(from: &str) -> Result<(&str, &str, &str), String> {
    match from.split('/').collect::<Vec<_>>().as_slice() {
        [namespace, kind, name] => Ok((namespace, kind, name)),
        [kind, name] => Ok(("default", kind, name)),
        _ => Err(format!(
            "'{from}' is no pod: write NAMESPACE/KIND/NAME, as production/Deployment/web"
        )),
    }
}

/// What the cluster gives every pod.
pub(in crate::cli) fn surroundings(cluster: Option<&Cluster>) -> Surroundings {
    let (namespace, name, default) = CLUSTER_DNS;
    let objects = cluster.map(|cluster| cluster.loaded.objects.as_slice());
    let mut services = objects
        .into_iter()
        .flatten()
        .filter_map(|(object, _)| match object {
            Object::Service(service) => Some(service),
            _ => None,
        });
    let dns =
        services.find(|service| &*service.key.namespace == namespace && &*service.key.name == name);
    let addresses: Vec<String> = match dns.map(|service| &service.kind) {
        Some(ServiceKind::ClusterIp(addresses)) => {
            addresses.iter().map(IpAddr::to_string).collect()
        }
        _ => Vec::new(),
    };
    let is_cluster_dns_known = !addresses.is_empty();
    let domain = cluster.and_then(|cluster| cluster.rehearsal.domain.clone());
    Surroundings {
        cluster_dns: match is_cluster_dns_known {
            true => addresses,
            false => vec![default.to_owned()],
        },
        is_cluster_dns_known,
        domain: domain.unwrap_or_else(|| DOMAIN.to_owned()),
        // A node's own resolv.conf is not known; its searches would come after the cluster's.
        node: Lines {
            nameservers: vec!["192.0.2.53".to_owned()],
            ..Lines::default()
        },
    }
}
