//! From the JSON of one object, or of one change, to a slim object.
//!
//! Partial types on purpose: a field that no name needs is skipped, texts are borrowed, addresses are
//! parsed where they stand. As in the API server, `null` is the same as a field left out.

mod pod;
mod slice;
mod text;

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Error;

use super::failure::Status;
use super::ledger::Stamp;
use crate::kubernetes::null::{nullable, present};
use crate::kubernetes::object::{self, External, Key, Kind, Object, Port, Protocol, ServiceKind};
use pod::Pod;
use slice::EndpointSlice;
use text::{Address, Text};

/// One line of a watch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// An object as it is now; none where it is of no interest, as a pod that is going away.
    Applied(Option<Object>, Mark),
    /// It is gone; the change of a Service's endpoints that this is, and its time.
    Deleted(Key, Mark, Option<(Key, u64)>),
    /// All up to this version was told. `closes`: all that there was, too.
    Bookmark {
        /// the version
        version: u64,
        /// it closes a list
        closes: bool,
    },
    /// The watch ends with this.
    Failed(Status),
    /// An object that cannot be read, but perhaps for its metadata.
    Unreadable(Option<Stamp>),
}

/// Which object in which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) version: u64,
    pub(super) stamp: Stamp,
}

impl Change {
    /// The version that is known after it; 0 where that is not told.
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Applied(_, mark) | Self::Deleted(_, mark, _) => mark.version,
            Self::Bookmark { version, .. } => *version,
            Self::Failed(_) | Self::Unreadable(_) => 0,
        }
    }
}

/// What a list says beside its items.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: ListMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMetadata {
    #[serde(deserialize_with = "nullable")]
    pub(super) resource_version: String,
    /// the mark of the next page; empty on the last one
    #[serde(rename = "continue", deserialize_with = "nullable")]
    pub(super) next: String,
}

impl ListMetadata {
    pub(super) fn version(&self) -> u64 {
        version(&self.resource_version)
    }
}

/// The name and version of an object of any kind, where they can be read.
pub(super) fn stamp(json: &[u8]) -> Option<Stamp> {
    let object: Nothing<'_> = serde_json::from_slice(json).ok()?;
    Some(object.metadata.mark().stamp)
}

/// The same of the object in a line of a watch.
pub(super) fn stamp_of_line(json: &[u8]) -> Option<Stamp> {
    let line: Line<'_, Nothing<'_>> = serde_json::from_slice(json).ok()?;
    Some(line.object.metadata.mark().stamp)
}

/// One item of a list; no object where it is of no interest.
pub(super) fn item(kind: Kind, json: &[u8]) -> Result<(Option<Object>, Stamp), Error> {
    match kind {
        Kind::Namespace => item_of::<Namespace<'_>>(json),
        Kind::Service => item_of::<Service<'_>>(json),
        Kind::EndpointSlice => item_of::<EndpointSlice<'_>>(json),
        Kind::Pod => item_of::<Pod<'_>>(json),
        Kind::ServiceImport => item_of::<ServiceImport<'_>>(json),
    }
}

/// One line of a watch of this kind.
pub(super) fn change(kind: Kind, json: &[u8]) -> Result<Change, Error> {
    let change = match kind {
        Kind::Namespace => change_of::<Namespace<'_>>(json),
        Kind::Service => change_of::<Service<'_>>(json),
        Kind::EndpointSlice => change_of::<EndpointSlice<'_>>(json),
        Kind::Pod => change_of::<Pod<'_>>(json),
        Kind::ServiceImport => change_of::<ServiceImport<'_>>(json),
    };
    // An error is an object of another kind, which may not look like one of this kind at all.
    change.or_else(|error| match serde_json::from_slice(json) {
        Ok(Line {
            kind: Text(kind),
            object,
        }) if kind == "ERROR" => Ok(Change::Failed(object)),
        _ => Err(error),
    })
}

/// A version as a number. Of one resource they can be compared; 0 where it is none.
fn version(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

/// An object as it stands in JSON.
trait Wire<'de>: Deserialize<'de> {
    fn metadata(&self) -> &Metadata<'de>;
    fn object(self) -> Option<Object>;

    /// The Service whose endpoints it tells, and the Unix time of their change in nanoseconds.
    fn of_endpoints(&self) -> Option<(Key, u64)> {
        None
    }
}

fn item_of<'de, T: Wire<'de>>(json: &'de [u8]) -> Result<(Option<Object>, Stamp), Error> {
    let object = serde_json::from_slice::<T>(json)?;
    let stamp = object.metadata().mark().stamp;
    Ok((object.object(), stamp))
}

fn change_of<'de, T: Wire<'de>>(json: &'de [u8]) -> Result<Change, Error> {
    let Line { kind, object } = serde_json::from_slice::<Line<'de, T>>(json)?;
    let metadata = object.metadata();
    let mark = metadata.mark();
    Ok(match &*kind.0 {
        "ADDED" | "MODIFIED" => Change::Applied(object.object(), mark),
        "DELETED" => Change::Deleted(metadata.key(), mark, object.of_endpoints()),
        "BOOKMARK" => Change::Bookmark {
            version: mark.version,
            closes: metadata.annotations.initial_events_end.0 == "true",
        },
        "ERROR" => {
            let line: Line<'_, Status> = serde_json::from_slice(json)?;
            Change::Failed(line.object)
        }
        // What is not known yet changes nothing.
        _ => Change::Bookmark {
            version: mark.version,
            closes: false,
        },
    })
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Line<'a, T> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    object: T,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    labels: Labels<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    annotations: Annotations<'a>,
    #[serde(deserialize_with = "present")]
    deletion_timestamp: bool,
}

/// The labels that are read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Labels<'a> {
    #[serde(borrow, rename = "kubernetes.io/service-name")]
    service_name: Text<'a>,
    #[serde(borrow, rename = "multicluster.kubernetes.io/service-name")]
    import_name: Text<'a>,
    #[serde(borrow, rename = "multicluster.kubernetes.io/source-cluster")]
    source_cluster: Text<'a>,
}

/// The annotations that are read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations<'a> {
    #[serde(borrow, rename = "endpoints.kubernetes.io/last-change-trigger-time")]
    triggered: Text<'a>,
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    initial_events_end: Text<'a>,
}

impl Metadata<'_> {
    fn key(&self) -> Key {
        Key {
            namespace: Arc::from(&*self.namespace.0),
            name: Arc::from(&*self.name.0),
        }
    }

    fn mark(&self) -> Mark {
        let version = version(&self.resource_version.0);
        Mark {
            version,
            stamp: Stamp::of(&self.namespace.0, &self.name.0, version),
        }
    }
}

/// An object of which only the metadata is read.
#[derive(Deserialize)]
struct Nothing<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Namespace<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

impl<'de> Wire<'de> for Namespace<'de> {
    fn metadata(&self) -> &Metadata<'de> {
        &self.metadata
    }

    fn object(self) -> Option<Object> {
        Some(Object::Namespace(object::Namespace {
            name: Arc::from(&*self.metadata.name.0),
        }))
    }
}

#[derive(Deserialize)]
struct Service<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    spec: ServiceSpec<'a>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    status: ServiceStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceSpec<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(rename = "clusterIP", borrow)]
    cluster_ip: Text<'a>,
    #[serde(rename = "clusterIPs", borrow, deserialize_with = "nullable")]
    cluster_ips: Vec<Text<'a>>,
    #[serde(borrow)]
    external_name: Text<'a>,
    #[serde(rename = "externalIPs", deserialize_with = "nullable")]
    external_ips: Vec<Address>,
    #[serde(borrow, deserialize_with = "nullable")]
    ports: Vec<WirePort<'a>>,
}

/// A port of a Service or of an EndpointSlice.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct WirePort<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    protocol: Text<'a>,
    port: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceStatus<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    load_balancer: LoadBalancer<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    ingress: Vec<Ingress<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ingress<'a> {
    ip: Address,
    #[serde(borrow)]
    hostname: Text<'a>,
}

impl<'de> Wire<'de> for Service<'de> {
    fn metadata(&self) -> &Metadata<'de> {
        &self.metadata
    }

    fn object(self) -> Option<Object> {
        Some(Object::Service(object::Service {
            key: self.metadata.key(),
            kind: self.spec.kind(),
            ports: ports(&self.spec.ports),
            external: self.external(),
        }))
    }
}

#[derive(Deserialize)]
struct ServiceImport<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    spec: ImportSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ImportSpec<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    ips: Vec<Address>,
    #[serde(borrow, deserialize_with = "nullable")]
    ports: Vec<WirePort<'a>>,
}

impl<'de> Wire<'de> for ServiceImport<'de> {
    fn metadata(&self) -> &Metadata<'de> {
        &self.metadata
    }

    fn object(self) -> Option<Object> {
        Some(Object::ServiceImport(object::Service {
            key: self.metadata.key(),
            kind: match &*self.spec.kind.0 {
                "Headless" => ServiceKind::Headless,
                _ => ServiceKind::ClusterIp(addresses(&self.spec.ips)),
            },
            ports: ports(&self.spec.ports),
            external: None,
        }))
    }
}

impl ServiceSpec<'_> {
    fn kind(&self) -> ServiceKind {
        if self.kind.0 == "ExternalName" {
            return ServiceKind::ExternalName(self.external_name.0.as_ref().into());
        }
        let ips = match self.cluster_ips.as_slice() {
            [] => std::slice::from_ref(&self.cluster_ip),
            ips => ips,
        };
        if ips.first().is_some_and(|ip| ip.0 == "None") {
            return ServiceKind::Headless;
        }
        ServiceKind::ClusterIp(ips.iter().filter_map(|ip| ip.0.parse().ok()).collect())
    }
}

impl Service<'_> {
    fn external(&self) -> Option<Box<External>> {
        let ingress = &self.status.load_balancer.ingress;
        let hostnames = ingress.iter().map(|ingress| &*ingress.hostname.0);
        let external = External {
            ips: addresses(&self.spec.external_ips),
            ingress_ips: ingress.iter().filter_map(|ingress| ingress.ip.0).collect(),
            ingress_hostnames: hostnames
                .filter(|hostname| !hostname.is_empty())
                .map(Into::into)
                .collect(),
        };
        Some(external)
            .filter(|external| *external != External::default())
            .map(Box::new)
    }
}

/// Ports of a protocol that is known. One that leaves out its number has 0.
fn ports(ports: &[WirePort<'_>]) -> Box<[Port]> {
    let port = |port: &WirePort<'_>| {
        Some(Port {
            name: Arc::from(&*port.name.0),
            protocol: Protocol::named(&port.protocol.0)?,
            number: u16::try_from(port.port.unwrap_or_default()).unwrap_or_default(),
        })
    };
    ports.iter().filter_map(port).collect()
}

fn addresses(addresses: &[Address]) -> Box<[IpAddr]> {
    addresses.iter().filter_map(|address| address.0).collect()
}

#[cfg(test)]
mod tests;
