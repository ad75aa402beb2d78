//! Pods, which are read only where their addresses are asked for.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::Wire;
use super::metadata::Metadata;
use super::text::{Address, Text};
use crate::kubernetes::null::nullable;
use crate::kubernetes::object::{self, Object};

/// A Pod, as far as its address and its labels go.
#[derive(Default, Deserialize)]
pub(super) struct Pod<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a, AllLabels<'a>>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) status: PodStatus,
}

/// Labels of any name, with their values.
#[derive(Default)]
pub(super) struct AllLabels<'a>(pub(super) Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for AllLabels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelsVisitor;

        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = AllLabels<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<AllLabels<'de>, M::Error> {
                let mut labels = Vec::new();
                while let Some(label) = map.next_entry()? {
                    labels.push(label);
                }
                Ok(AllLabels(labels))
            }
        }

        deserializer.deserialize_map(LabelsVisitor)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PodStatus {
    #[serde(rename = "podIPs", deserialize_with = "nullable")]
    pub(super) pod_ips: Vec<PodIp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PodIp {
    pub(super) ip: Address,
}

impl<'de> Wire<'de> for Pod<'de> {
    type Labels = AllLabels<'de>;

    fn metadata(&self) -> &Metadata<'de, AllLabels<'de>> {
        &self.metadata
    }

    /// As CoreDNS: a pod that is going away is passed over, and stays as it was until it is gone.
    fn object(self) -> Option<Object> {
        let ips = self.status.pod_ips.iter().filter_map(|ip| ip.ip.0);
        let labels = self.metadata.labels.0.iter();
        let labels = labels.map(|(name, value)| (Arc::from(&*name.0), Arc::from(&*value.0)));
        (!self.metadata.deletion_timestamp).then(|| {
            Object::Pod(object::Pod {
                key: self.metadata.key(),
                ips: ips.collect(),
                labels: labels.collect(),
            })
        })
    }
}
