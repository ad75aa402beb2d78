//! From the bytes of one object, or of one change, to a slim object.
//!
//! Partial types on purpose: a field that no name needs is skipped, texts are borrowed, addresses are
//! parsed where they stand. In JSON, as in the API server, `null` is the same as a field left out.

mod metadata;
mod pod;
pub(super) mod protobuf;
mod slice;
mod text;

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::error::Category;
use thiserror::Error;

use super::failure::Status;
use super::frames::Format;
use super::ledger::Stamp;
use crate::kubernetes::event::EndpointsChange;
use crate::kubernetes::null::nullable;
use crate::kubernetes::object::{self, External, Key, Kind, Object, Port, Protocol, ServiceKind};
pub(super) use metadata::{Head, ListMetadata, Mark};
use metadata::{Labels, Metadata, Nothing};
use pod::Pod;
use protobuf::{Malformed, Message};
use slice::EndpointSlice;
use text::{Address, Text};

/// Why bytes are no object.
#[derive(Debug, Error)]
pub(super) enum Unreadable {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Protobuf(#[from] Malformed),
}

impl Unreadable {
    /// It is of this object alone: where the next one begins is known.
    pub(super) fn is_of_object(&self) -> bool {
        match self {
            Self::Json(error) => error.classify() == Category::Data,
            Self::Protobuf(_) => true,
        }
    }
}

/// One event of a watch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// An object as it is now; none where it is of no interest, as a pod that is going away.
    Applied(Option<Object>, Mark),
    /// It is gone; the change of a Service's endpoints that this is.
    Deleted(Key, Mark, Option<EndpointsChange>),
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

/// The name and version of an object of any kind, where they can be read.
pub(super) fn stamp(format: Format, bytes: &[u8]) -> Option<Stamp> {
    let object: Nothing<'_> = read(format, bytes).ok()?;
    Some(object.metadata.mark().stamp)
}

/// The same of the object in an event of a watch.
pub(super) fn stamp_of_event(format: Format, bytes: &[u8]) -> Option<Stamp> {
    let object: Nothing<'_> = match format {
        Format::Json => serde_json::from_slice::<Line<'_, _>>(bytes).ok()?.object,
        Format::Protobuf => protobuf::read(protobuf::event(bytes).ok()?.1).ok()?,
    };
    Some(object.metadata.mark().stamp)
}

/// One item of a list; no object where it is of no interest.
pub(super) fn item(
    kind: Kind,
    format: Format,
    bytes: &[u8],
) -> Result<(Option<Object>, Stamp), Unreadable> {
    match kind {
        Kind::Namespace => item_of::<Namespace<'_>>(format, bytes),
        Kind::Service => item_of::<Service<'_>>(format, bytes),
        Kind::EndpointSlice => item_of::<EndpointSlice<'_>>(format, bytes),
        Kind::Pod => item_of::<Pod<'_>>(format, bytes),
        Kind::ServiceImport => item_of::<ServiceImport<'_>>(format, bytes),
    }
}

/// One event of a watch of this kind.
pub(super) fn change(kind: Kind, format: Format, bytes: &[u8]) -> Result<Change, Unreadable> {
    match kind {
        Kind::Namespace => change_of::<Namespace<'_>>(format, bytes),
        Kind::Service => change_of::<Service<'_>>(format, bytes),
        Kind::EndpointSlice => change_of::<EndpointSlice<'_>>(format, bytes),
        Kind::Pod => change_of::<Pod<'_>>(format, bytes),
        Kind::ServiceImport => change_of::<ServiceImport<'_>>(format, bytes),
    }
}

fn read<'de, T: Deserialize<'de> + Message<'de>>(
    format: Format,
    bytes: &'de [u8],
) -> Result<T, Unreadable> {
    Ok(match format {
        Format::Json => serde_json::from_slice(bytes)?,
        Format::Protobuf => protobuf::read(bytes)?,
    })
}

/// An object as the API server writes it.
trait Wire<'de>: Deserialize<'de> + Message<'de> {
    /// Those that are read of it.
    type Labels;

    fn metadata(&self) -> &Metadata<'de, Self::Labels>;
    fn object(self) -> Option<Object>;

    /// The change of a Service's endpoints that it tells.
    fn of_endpoints(&self) -> Option<EndpointsChange> {
        None
    }
}

fn item_of<'de, T: Wire<'de>>(
    format: Format,
    bytes: &'de [u8],
) -> Result<(Option<Object>, Stamp), Unreadable> {
    let object: T = read(format, bytes)?;
    let stamp = object.metadata().mark().stamp;
    Ok((object.object(), stamp))
}

fn change_of<'de, T: Wire<'de>>(format: Format, bytes: &'de [u8]) -> Result<Change, Unreadable> {
    if format == Format::Protobuf {
        let (kind, object) = protobuf::event(bytes)?;
        // An error is an object of another kind.
        return Ok(match kind.0 == "ERROR" {
            true => Change::Failed(protobuf::read(object)?),
            false => changed::<T>(&kind, protobuf::read(object)?),
        });
    }
    let line = serde_json::from_slice::<Line<'de, T>>(bytes);
    if !line.as_ref().is_ok_and(|line| line.kind.0 != "ERROR") {
        // It may not look like one of this kind at all.
        let error: Result<Line<'_, Status>, _> = serde_json::from_slice(bytes);
        if let Some(error) = error.ok().filter(|error| error.kind.0 == "ERROR") {
            return Ok(Change::Failed(error.object));
        }
    }
    let Line { kind, object } = line?;
    Ok(changed(&kind, object))
}

/// What has become of an object.
fn changed<'de, T: Wire<'de>>(kind: &Text<'_>, object: T) -> Change {
    let metadata = object.metadata();
    let mark = metadata.mark();
    match &*kind.0 {
        "ADDED" | "MODIFIED" => Change::Applied(object.object(), mark),
        "DELETED" => Change::Deleted(metadata.key(), mark, object.of_endpoints()),
        // What is not known yet changes nothing.
        kind => Change::Bookmark {
            version: mark.version,
            closes: kind == "BOOKMARK" && metadata.annotations.initial_events_end.0 == "true",
        },
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Line<'a, T> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    object: T,
}

#[derive(Default, Deserialize)]
struct Namespace<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

impl<'de> Wire<'de> for Namespace<'de> {
    type Labels = Labels<'de>;

    fn metadata(&self) -> &Metadata<'de> {
        &self.metadata
    }

    fn object(self) -> Option<Object> {
        Some(Object::Namespace(object::Namespace {
            name: Arc::from(&*self.metadata.name.0),
        }))
    }
}

#[derive(Default, Deserialize)]
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
    type Labels = Labels<'de>;

    fn metadata(&self) -> &Metadata<'de> {
        &self.metadata
    }

    fn object(self) -> Option<Object> {
        Some(Object::Service(object::Service {
            key: self.metadata.key(),
            kind: self.spec.kind(),
            ports: ports(&self.spec.ports, Protocol::Tcp),
            external: self.external(),
        }))
    }
}

#[derive(Default, Deserialize)]
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
    type Labels = Labels<'de>;

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
            // Nobody writes TCP there, as the API server does of its own kinds.
            ports: ports(&self.spec.ports, Protocol::Unset),
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
        // As in CoreDNS, one that has an address is not known by its name.
        let named = ingress.iter().filter(|ingress| ingress.ip.0.is_none());
        let hostnames = named.map(|ingress| &*ingress.hostname.0);
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

/// Ports of a protocol that is known; `unwritten` is that of one that leaves it out. One that leaves
/// out its number has 0.
fn ports(ports: &[WirePort<'_>], unwritten: Protocol) -> Box<[Port]> {
    let port = |port: &WirePort<'_>| {
        Some(Port {
            name: Arc::from(&*port.name.0),
            protocol: match &*port.protocol.0 {
                "" => unwritten,
                name => Protocol::named(name)?,
            },
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
