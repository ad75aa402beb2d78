//! The parts of the API objects that names are made of, as they stand in a file.
//!
//! Partial on purpose: a field that no name needs is never decoded, so an odd value there never
//! fails a file, and ten thousand manifests load fast. As in the API server, `null` is the same as
//! a field left out.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, de};

use super::Place;
use crate::kubernetes::null::{nullable, present};

/// Labels, or a selector that asks for all of them.
pub(super) type Labels = BTreeMap<String, String>;

/// One object of a kind that this source reads.
#[derive(Debug)]
pub(super) struct Manifest {
    /// where the object starts
    pub(super) place: Place,
    pub(super) metadata: Metadata,
    pub(super) body: Body,
}

/// What a [`Manifest`] says beside its metadata.
#[derive(Debug)]
pub(super) enum Body {
    Namespace,
    Service(Box<Service>),
    EndpointSlice(Box<EndpointSlice>),
    Pod(Box<Pod>),
    ServiceImport(Box<ServiceImport>),
    Workload(WorkloadKind, Box<Workload>),
}

/// The controllers whose pods are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum WorkloadKind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
}

impl WorkloadKind {
    pub(super) const ALL: [Self; 4] = [
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::DaemonSet,
    ];

    /// The kind as it stands in a manifest.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

impl Body {
    /// The kind as it stands in a manifest.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Service(_) => "Service",
            Self::EndpointSlice(_) => "EndpointSlice",
            Self::Pod(_) => "Pod",
            Self::ServiceImport(_) => "ServiceImport",
            Self::Workload(kind, _) => kind.name(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) namespace: String,
    #[serde(deserialize_with = "labels")]
    pub(super) labels: Labels,
    #[serde(deserialize_with = "nullable")]
    pub(super) annotations: Annotations,
    #[serde(deserialize_with = "nullable")]
    pub(super) owner_references: Vec<Reference>,
    #[serde(deserialize_with = "present")]
    pub(super) deletion_timestamp: bool,
}

/// The annotations that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations {
    #[serde(rename = "helm.sh/hook", deserialize_with = "nullable")]
    pub(super) helm_hook: String,
}

/// An owner reference, or the target of an endpoint.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    #[serde(deserialize_with = "nullable")]
    pub(super) kind: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
}

#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) spec: ServiceSpec,
    pub(super) status: ServiceStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServiceSpec {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(super) kind: String,
    #[serde(rename = "clusterIP", deserialize_with = "nullable")]
    pub(super) cluster_ip: String,
    #[serde(rename = "clusterIPs", deserialize_with = "nullable")]
    pub(super) cluster_ips: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) ip_families: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) ip_family_policy: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) external_name: String,
    #[serde(rename = "externalIPs", deserialize_with = "nullable")]
    pub(super) external_ips: Vec<String>,
    #[serde(deserialize_with = "labels")]
    pub(super) selector: Labels,
    #[serde(deserialize_with = "nullable")]
    pub(super) ports: Vec<ServicePort>,
    #[serde(deserialize_with = "nullable")]
    pub(super) publish_not_ready_addresses: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServicePort {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) protocol: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) port: i64,
    pub(super) target_port: Option<TargetPort>,
}

/// The port of a pod that a Service's port leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TargetPort {
    Number(i64),
    /// a port of the pod's containers
    Name(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServiceStatus {
    #[serde(deserialize_with = "nullable")]
    pub(super) load_balancer: LoadBalancer,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LoadBalancer {
    #[serde(deserialize_with = "nullable")]
    pub(super) ingress: Vec<Ingress>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ingress {
    #[serde(deserialize_with = "nullable")]
    pub(super) ip: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) hostname: String,
}

/// The `spec` of a ServiceImport.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServiceImport {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(super) kind: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) ips: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) ports: Vec<ServicePort>,
}

#[derive(Debug, Default)]
pub(super) struct EndpointSlice {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) ports: Vec<EndpointPort>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Endpoint {
    #[serde(deserialize_with = "nullable")]
    pub(super) addresses: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: EndpointConditions,
    #[serde(deserialize_with = "nullable")]
    pub(super) hostname: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) target_ref: Reference,
    #[serde(deserialize_with = "nullable")]
    pub(super) zone: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EndpointConditions {
    pub(super) ready: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EndpointPort {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) protocol: String,
    pub(super) port: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Pod {
    pub(super) spec: PodSpec,
    pub(super) status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    #[serde(deserialize_with = "nullable")]
    pub(super) hostname: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) subdomain: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) host_network: bool,
    #[serde(deserialize_with = "nullable")]
    pub(super) containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    pub(super) init_containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    #[serde(deserialize_with = "nullable")]
    pub(super) ports: Vec<ContainerPort>,
    /// of an init container: `Always` makes it a sidecar
    #[serde(deserialize_with = "nullable")]
    pub(super) restart_policy: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerPort {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) protocol: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) container_port: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    #[serde(deserialize_with = "nullable")]
    pub(super) phase: String,
    #[serde(rename = "podIP", deserialize_with = "nullable")]
    pub(super) pod_ip: String,
    #[serde(rename = "podIPs", deserialize_with = "nullable")]
    pub(super) pod_ips: Vec<PodIp>,
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodIp {
    #[serde(deserialize_with = "nullable")]
    pub(super) ip: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(super) kind: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Workload {
    pub(super) replicas: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) service_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) ordinals: Ordinals,
    #[serde(deserialize_with = "nullable")]
    pub(super) template: Template,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ordinals {
    #[serde(deserialize_with = "nullable")]
    pub(super) start: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Template {
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: TemplateMetadata,
    #[serde(deserialize_with = "nullable")]
    pub(super) spec: PodSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TemplateMetadata {
    #[serde(deserialize_with = "labels")]
    pub(super) labels: Labels,
}

/// Labels; `null` as a value is the empty string.
fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    let labels = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)?;
    let labels = labels.into_iter().flatten();
    Ok(labels
        .map(|(name, value)| (name, value.unwrap_or_default()))
        .collect())
}

impl<'de> Deserialize<'de> for TargetPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TargetPortVisitor;

        impl Visitor<'_> for TargetPortVisitor {
            type Value = TargetPort;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a port's number or name")
            }

            fn visit_i64<E>(self, number: i64) -> Result<TargetPort, E> {
                Ok(TargetPort::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<TargetPort, E> {
                let number = i64::try_from(number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))?;
                Ok(TargetPort::Number(number))
            }

            fn visit_str<E>(self, name: &str) -> Result<TargetPort, E> {
                Ok(TargetPort::Name(name.to_owned()))
            }
        }

        deserializer.deserialize_any(TargetPortVisitor)
    }
}
