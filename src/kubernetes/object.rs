//! Slim copies of the API objects that names are made of.
//!
//! A source trims what it decodes to these at once: no Kubernetes API type stays in memory. Every
//! field costs memory for each object of the cluster, so none is here that no name, option or
//! message needs. They are also what a [snapshot](super::snapshot) holds: what changes how one is
//! written changes the version of its format.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The kinds that a source yields, each synced on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `v1/Namespace`
    Namespace,
    /// `v1/Service`
    Service,
    /// `discovery.k8s.io/v1/EndpointSlice`
    EndpointSlice,
    /// `v1/Pod`; only where `pods verified` (or autopath) needs it
    Pod,
    /// `multicluster.x-k8s.io/v1alpha1/ServiceImport`; only with `multicluster`
    ServiceImport,
}

/// A namespaced object's identity. The namespace of a [`Namespace`] is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// `metadata.namespace`
    pub namespace: Arc<str>,
    /// `metadata.name`
    pub name: Arc<str>,
}

/// One object of any of the [`Kind`]s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// a Namespace that the configuration exposes
    Namespace(Namespace),
    /// a Service
    Service(Service),
    /// a part of a Service's endpoints
    EndpointSlice(EndpointSlice),
    /// a Pod that is not Succeeded, Failed or Unknown
    Pod(Pod),
    /// a Service of several clusters: it has addresses of its own or is headless, and nothing
    /// leads to it from outside
    ServiceImport(Service),
}

/// A Namespace: only its name matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// `metadata.name`
    pub name: Arc<str>,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// namespace and name
    pub key: Key,
    /// what its name resolves to
    pub kind: ServiceKind,
    /// `spec.ports`, in the object's order
    pub ports: Box<[Port]>,
    /// `spec.externalIPs` and `status.loadBalancer.ingress`, for names outside the cluster
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<Box<External>>,
}

/// What a Service's name resolves to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceKind {
    /// ClusterIP, NodePort and LoadBalancer: `spec.clusterIPs` (one or two, in order)
    ClusterIp(Box<[IpAddr]>),
    /// `clusterIP: None`: the ready endpoints' addresses
    Headless,
    /// `type: ExternalName`: a CNAME to this text
    ExternalName(Box<str>),
}

/// Addresses of a Service outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// `spec.externalIPs`
    pub ips: Box<[IpAddr]>,
    /// `status.loadBalancer.ingress[].ip`
    pub ingress_ips: Box<[IpAddr]>,
    /// `status.loadBalancer.ingress[].hostname`, of those without an address
    pub ingress_hostnames: Box<[Box<str>]>,
}

/// A port of a Service or of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Port {
    /// the port's name; empty where it has none
    pub name: Arc<str>,
    /// TCP, UDP or SCTP
    pub protocol: Protocol,
    /// 0 where an EndpointSlice leaves it out ("all ports")
    pub number: u16,
}

/// A transport protocol, as Services name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// the default
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
    /// not written, as only a ServiceImport can leave it: no name with a protocol leads to the port
    Unset,
}

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSlice {
    /// namespace and name of the slice itself
    pub key: Key,
    /// label `kubernetes.io/service-name`; empty where a slice has none (it belongs to no name)
    pub service: Arc<str>,
    /// endpoints, ready or not, in the object's order
    pub endpoints: Box<[Endpoint]>,
    /// ports of every endpoint of this slice
    pub ports: Box<[Port]>,
    /// annotation `endpoints.kubernetes.io/last-change-trigger-time`, Unix time in nanoseconds
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggered: Option<u64>,
    /// the import that it is a part of, where it is one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Box<Import>>,
}

/// Which [`Object::ServiceImport`] a slice is a part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// label `multicluster.kubernetes.io/service-name`
    pub service: Arc<str>,
    /// label `multicluster.kubernetes.io/source-cluster`; empty where there is none
    pub cluster: Arc<str>,
}

/// One endpoint: usually a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `addresses`, those that parse
    pub addresses: Box<[IpAddr]>,
    /// `addresses`, the others: names, in slices of the address type FQDN
    #[serde(default, skip_serializing_if = "<[Box<str>]>::is_empty")]
    pub names: Box<[Box<str>]>,
    /// `conditions.ready`, true where absent
    pub ready: bool,
    /// `hostname`, where set and not empty
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Box<str>>,
    /// `targetRef.name`: as in CoreDNS, whatever kind it is of
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Box<str>>,
    /// `zone` (topology)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Arc<str>>,
}

impl Endpoint {
    /// What `addresses` says: the addresses, and what is none, which is a name as in CoreDNS.
    pub(super) fn destinations<'t>(
        texts: impl Iterator<Item = &'t str>,
    ) -> (Box<[IpAddr]>, Box<[Box<str>]>) {
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        for text in texts.filter(|text| !text.is_empty()) {
            match text.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => names.push(text.into()),
            }
        }
        (addresses.into(), names.into())
    }
}

/// A Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// namespace and name
    pub key: Key,
    /// `status.podIPs`
    pub ips: Box<[IpAddr]>,
    /// `metadata.labels`
    #[serde(default, skip_serializing_if = "<[PodLabel]>::is_empty")]
    pub labels: Box<[PodLabel]>,
}

/// A label of a pod: its name and its value.
pub type PodLabel = (Arc<str>, Arc<str>);

impl Kind {
    /// The kind as the API writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Pod => "Pod",
            Self::ServiceImport => "ServiceImport",
        }
    }
}

impl Protocol {
    /// TCP where nothing is written; `None` for what is no protocol of a Service.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "" | "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// The protocol as names have it, `_` left out; empty where it is [unset](Self::Unset).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Unset => "",
        }
    }
}

impl Object {
    /// The object's kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Pod(_) => Kind::Pod,
            Self::ServiceImport(_) => Kind::ServiceImport,
        }
    }

    /// The object's identity within its kind.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Namespace(namespace) => Key {
                namespace: Arc::from(""),
                name: namespace.name.clone(),
            },
            Self::Service(service) | Self::ServiceImport(service) => service.key.clone(),
            Self::EndpointSlice(slice) => slice.key.clone(),
            Self::Pod(pod) => pod.key.clone(),
        }
    }
}
