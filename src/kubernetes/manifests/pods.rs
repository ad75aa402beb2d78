//! Pods: those that are written, and those that the controllers would make.
//!
//! A Deployment's pods are named as through a ReplicaSet, `NAME-<hash>-<5 characters>`, a
//! ReplicaSet's and a DaemonSet's `NAME-<5 characters>` (the one node has one of each DaemonSet), a
//! StatefulSet's `NAME-0` and on. The characters depend on the names alone, so a pod keeps its name
//! and address when its template changes, and more replicas leave the others as they are.
//!
//! Pods that name a workload as their owner (`kubectl get -o yaml` has both) are its pods; then none
//! are made for it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Place;
use super::Problem;
use super::allot::{self, POD_V4, POD_V6};
use super::family::Family;
use super::given::{Given, Interner, Name, Objects};
use super::manifest::{self, Labels, PodSpec, WorkloadKind};
use super::services;
use crate::kubernetes::object::{self, Protocol};

/// The node on which everything runs, for pods in its network: kind's first node.
const NODE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(172, 18, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfc00, 0xf853, 0xccd, 0xe793, 0, 0, 0, 2)),
];

/// What the API server leaves of a name that it generates, before the five characters.
const GENERATED_PREFIX: usize = 58;

/// A pod, whether written or made.
#[derive(Debug)]
pub(super) struct Pod<'a> {
    pub(super) place: &'a Place,
    pub(super) namespace: &'a str,
    pub(super) name: Cow<'a, str>,
    pub(super) spec: &'a PodSpec,
    pub(super) hostname: Cow<'a, str>,
    pub(super) subdomain: &'a str,
    pub(super) ready: bool,
    /// Succeeded or Failed: no endpoint, ready or not
    pub(super) ended: bool,
    /// as the API server lists it to a DNS server: not ended, not Unknown, not going away
    pub(super) listed: bool,
    pub(super) ips: Vec<IpAddr>,
    wants_ips: bool,
    labels: &'a Labels,
    /// by the controller that made it
    added_labels: Vec<(&'static str, String)>,
}

/// All pods: those of the workloads in name order, then those that are written.
pub(super) fn pods<'a>(objects: &Objects<'a>, problems: &mut Vec<Problem>) -> Vec<Pod<'a>> {
    let mut controllers = Controllers::new(objects);
    for ((name, kind), workload) in &objects.workloads {
        if controllers.owners.contains(&(*name, *kind)) {
            continue;
        }
        if let Err(reason) = controllers.workload(*name, *kind, *workload, problems) {
            let what = format!("the {} {name}", kind.name());
            problems.push(Problem::refused(workload.place, &what, &reason));
        }
    }
    let mut pods = controllers.pods;
    for (name, pod) in &objects.pods {
        match written(*name, *pod) {
            Ok(pod) => pods.push(pod),
            Err(reason) => {
                let what = format!("the Pod {name}");
                problems.push(Problem::refused(pod.place, &what, &reason));
            }
        }
    }
    let written = pods.iter().flat_map(|pod| &pod.ips).copied().collect();
    for family in Family::BOTH {
        allot(family, &mut pods, &written, problems);
    }
    pods
}

impl<'a> Pod<'a> {
    fn full_name(&self) -> Name<'_> {
        Name {
            namespace: self.namespace,
            name: &self.name,
        }
    }

    /// Its labels, those of its template first.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let written = self.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        written.chain(self.added_labels.iter().map(|(k, v)| (*k, v.as_str())))
    }

    pub(super) fn has_label(&self, name: &str, value: &str) -> bool {
        self.labels().any(|label| label == (name, value))
    }

    /// The number of a named port of its containers, sidecars last.
    pub(super) fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let sidecars = self.spec.init_containers.iter();
        let sidecars = sidecars.filter(|container| container.restart_policy == "Always");
        let containers = self.spec.containers.iter().chain(sidecars);
        let mut ports = containers.flat_map(|container| &container.ports);
        let port = ports
            .find(|port| port.name == name && services::protocol(&port.protocol) == Ok(protocol))?;
        services::number(port.container_port).ok()
    }

    pub(super) fn object(&self, names: &mut Interner) -> object::Pod {
        object::Pod {
            key: names.key(self.full_name()),
            ips: self.ips.as_slice().into(),
            labels: self
                .labels()
                .map(|(name, value)| (names.get(name), names.get(value)))
                .collect(),
        }
    }

    /// A running pod of a template.
    fn made(
        place: &'a Place,
        namespace: &'a str,
        name: String,
        template: &'a manifest::Template,
    ) -> Self {
        let spec = &template.spec;
        Self {
            place,
            namespace,
            name: name.into(),
            spec,
            hostname: spec.hostname.as_str().into(),
            subdomain: &spec.subdomain,
            ready: true,
            ended: false,
            listed: true,
            ips: if spec.host_network {
                NODE.into()
            } else {
                Vec::new()
            },
            wants_ips: !spec.host_network,
            labels: &template.metadata.labels,
            added_labels: Vec::new(),
        }
    }
}

/// A pod that is written. What its status leaves out is as in a pod that runs and is ready.
fn written<'a>(name: Name<'a>, given: Given<'a, manifest::Pod>) -> Result<Pod<'a>, String> {
    let manifest::Pod { spec, status } = given.body;
    let phase = match status.phase.as_str() {
        "" => "Running",
        phase => phase,
    };
    let running = phase == "Running";
    let ended = matches!(phase, "Succeeded" | "Failed");
    let going = given.metadata.deletion_timestamp;
    let condition = status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Ready");
    let ready = condition.map_or(running, |condition| condition.status == "True");
    let mut ips = written_ips(status)?;
    if ips.is_empty() && spec.host_network && running {
        ips.extend(NODE);
    }
    Ok(Pod {
        place: given.place,
        namespace: name.namespace,
        name: name.name.into(),
        spec,
        hostname: spec.hostname.as_str().into(),
        subdomain: &spec.subdomain,
        ready: ready && !going,
        ended,
        listed: !ended && !going && phase != "Unknown",
        wants_ips: ips.is_empty() && running,
        ips,
        labels: &given.metadata.labels,
        added_labels: Vec::new(),
    })
}

fn written_ips(status: &manifest::PodStatus) -> Result<Vec<IpAddr>, String> {
    let one = std::iter::once(&status.pod_ip).filter(|_| status.pod_ips.is_empty());
    let all = status.pod_ips.iter().map(|ip| &ip.ip).chain(one);
    let parse = |ip: &String| {
        ip.parse()
            .map_err(|_| format!("status.podIP {ip:?} is no IP address"))
    };
    all.filter(|ip| !ip.is_empty()).map(parse).collect()
}

/// The pods that controllers make, and what keeps them from making some.
struct Controllers<'a> {
    /// workloads that have their pods, or their ReplicaSets, written
    owners: HashSet<(Name<'a>, WorkloadKind)>,
    /// names of pods, written or made
    taken: HashSet<(&'a str, Cow<'a, str>)>,
    pods: Vec<Pod<'a>>,
}

impl<'a> Controllers<'a> {
    fn new(objects: &Objects<'a>) -> Self {
        let pods = objects.pods.iter().map(|(name, pod)| (*name, pod.metadata));
        let sets = objects
            .workloads
            .iter()
            .map(|((name, _), set)| (*name, set.metadata));
        let owners = pods.chain(sets).flat_map(|(name, metadata)| {
            metadata.owner_references.iter().filter_map(move |owner| {
                let kind = WorkloadKind::ALL
                    .into_iter()
                    .find(|kind| kind.name() == owner.kind)?;
                let name = Name {
                    name: &owner.name,
                    ..name
                };
                Some((name, kind))
            })
        });
        let taken = objects
            .pods
            .keys()
            .map(|name| (name.namespace, name.name.into()));
        Self {
            owners: owners.collect(),
            taken: taken.collect(),
            pods: Vec::new(),
        }
    }

    fn workload(
        &mut self,
        name: Name<'a>,
        kind: WorkloadKind,
        given: Given<'a, manifest::Workload>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), String> {
        let replicas = match kind {
            WorkloadKind::DaemonSet => 1,
            _ => given.body.replicas.unwrap_or(1),
        };
        let replicas =
            u64::try_from(replicas).map_err(|_| format!("spec.replicas {replicas} is below 0"))?;
        let capacity = u64::from(POD_V4.capacity());
        let room = capacity.saturating_sub(self.pods.len() as u64);
        if replicas > room {
            let reason = format!(
                "the range {POD_V4} of pods is exhausted: the {} {name} has {replicas} replicas, and \
                 {room} addresses are left",
                kind.name()
            );
            problems.push(Problem::error(given.place.clone(), reason));
        }
        for replica in 0..replicas.min(room) {
            let pod = match kind {
                WorkloadKind::StatefulSet => self.ordinal(name, given, replica)?,
                _ => Some(self.generated(name, kind, given, replica)),
            };
            self.pods.extend(pod);
        }
        Ok(())
    }

    /// A pod of a StatefulSet; none where the pod of this name is written.
    fn ordinal(
        &mut self,
        set: Name<'a>,
        given: Given<'a, manifest::Workload>,
        replica: u64,
    ) -> Result<Option<Pod<'a>>, String> {
        let start = given.body.ordinals.start;
        let ordinal = u64::try_from(start)
            .ok()
            .and_then(|start| start.checked_add(replica))
            .ok_or_else(|| format!("spec.ordinals.start {start} is no ordinal"))?;
        let name = format!("{}-{ordinal}", set.name);
        if !self.taken.insert((set.namespace, name.clone().into())) {
            return Ok(None);
        }
        let mut pod = Pod::made(given.place, set.namespace, name, &given.body.template);
        pod.hostname = pod.name.clone();
        pod.subdomain = &given.body.service_name;
        pod.added_labels = vec![
            ("statefulset.kubernetes.io/pod-name", pod.name.to_string()),
            ("apps.kubernetes.io/pod-index", ordinal.to_string()),
        ];
        Ok(Some(pod))
    }

    /// A pod with a generated name.
    fn generated(
        &mut self,
        owner: Name<'a>,
        kind: WorkloadKind,
        given: Given<'a, manifest::Workload>,
        replica: u64,
    ) -> Pod<'a> {
        let seed = [owner.namespace, kind.name(), owner.name];
        let hash = (kind == WorkloadKind::Deployment).then(|| allot::suffix(&seed, 0, 10));
        let set = match &hash {
            Some(hash) => format!("{}-{hash}", owner.name),
            None => owner.name.to_owned(),
        };
        let prefix = format!("{set}-");
        let prefix = prefix.get(..GENERATED_PREFIX).unwrap_or(&prefix);
        let replica = replica.to_string();
        let seed = [owner.namespace, kind.name(), owner.name, &replica];
        let mut salt = 1;
        let name = loop {
            let name = format!("{prefix}{}", allot::suffix(&seed, salt, 5));
            if self.taken.insert((owner.namespace, name.clone().into())) {
                break name;
            }
            salt += 1;
        };
        let mut pod = Pod::made(given.place, owner.namespace, name, &given.body.template);
        pod.added_labels = hash
            .map(|hash| ("pod-template-hash", hash))
            .into_iter()
            .collect();
        pod
    }
}

/// Gives each pod that wants one an address of the family, collisions settled in name order.
fn allot(
    family: Family,
    pods: &mut [Pod<'_>],
    written: &HashSet<IpAddr>,
    problems: &mut Vec<Problem>,
) {
    let range = match family {
        Family::V4 => POD_V4,
        Family::V6 => POD_V6,
    };
    let mut wanting: Vec<_> = pods.iter_mut().filter(|pod| pod.wants_ips).collect();
    wanting.sort_by(|a, b| a.full_name().cmp(&b.full_name()));
    let names: Vec<_> = wanting.iter().map(|pod| pod.full_name()).collect();
    let addresses = allot::allot(range, written, &names);
    let mut without = Vec::new();
    for (pod, address) in wanting.iter_mut().zip(addresses) {
        match address {
            Some(address) => pod.ips.push(address),
            None => without.push(pod),
        }
    }
    let without: Vec<_> = without
        .iter()
        .map(|pod| (pod.place, pod.full_name()))
        .collect();
    problems.extend(allot::exhausted(range, "pods", &without));
}
