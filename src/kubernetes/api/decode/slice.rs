//! EndpointSlices: the parts of Services, and of Services of several clusters.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::metadata::{Labels, Metadata};
use super::text::Text;
use super::{Wire, WirePort, ports};
use crate::kubernetes::event::EndpointsChange;
use crate::kubernetes::null::nullable;
use crate::kubernetes::object::{self, Endpoint, Key, Object, Protocol};

/// An EndpointSlice, as far as names go.
#[derive(Default, Deserialize)]
pub(super) struct EndpointSlice<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub(super) endpoints: Vec<WireEndpoint<'a>>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub(super) ports: Vec<WirePort<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireEndpoint<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub(super) addresses: Vec<Text<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: Conditions,
    #[serde(borrow)]
    pub(super) hostname: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(super) target_ref: Reference<'a>,
    #[serde(borrow)]
    pub(super) zone: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    pub(super) ready: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
}

impl<'de> Wire<'de> for EndpointSlice<'de> {
    type Labels = Labels<'de>;

    fn metadata(&self) -> &Metadata<'de> {
        &self.metadata
    }

    fn object(self) -> Option<Object> {
        let metadata = &self.metadata;
        Some(Object::EndpointSlice(object::EndpointSlice {
            key: metadata.key(),
            service: Arc::from(&*metadata.labels.service_name.0),
            endpoints: self.endpoints.iter().map(WireEndpoint::slim).collect(),
            ports: ports(&self.ports, Protocol::Tcp),
            triggered: nanoseconds(&metadata.annotations.triggered.0),
            import: metadata.labels.import().map(Box::new),
        }))
    }

    fn of_endpoints(&self) -> Option<EndpointsChange> {
        let metadata = &self.metadata;
        Some(EndpointsChange {
            service: Key {
                namespace: Arc::from(&*metadata.namespace.0),
                name: Arc::from(&*metadata.labels.service_name.0),
            },
            at: nanoseconds(&metadata.annotations.triggered.0)?,
            of_import: !metadata.labels.import_name.0.is_empty(),
        })
    }
}

impl WireEndpoint<'_> {
    fn slim(&self) -> Endpoint {
        let texts = self.addresses.iter().map(|text| &*text.0);
        let (addresses, names) = Endpoint::destinations(texts);
        Endpoint {
            addresses,
            names,
            ready: self.conditions.ready.unwrap_or(true),
            hostname: self.hostname.some(),
            pod: self.target_ref.name.some(),
            zone: self.zone.some(),
        }
    }
}

impl Labels<'_> {
    fn import(&self) -> Option<object::Import> {
        (!self.import_name.0.is_empty()).then(|| object::Import {
            service: Arc::from(&*self.import_name.0),
            cluster: Arc::from(&*self.source_cluster.0),
        })
    }
}

/// Unix time in nanoseconds.
fn nanoseconds(time: &str) -> Option<u64> {
    let time: Timestamp = time.parse().ok()?;
    u64::try_from(time.as_nanosecond()).ok()
}
