//! Pods, which are read only where their addresses are asked for.

use serde::Deserialize;

use super::Wire;
use super::metadata::Metadata;
use super::text::Address;
use crate::kubernetes::null::nullable;
use crate::kubernetes::object::{self, Object};

/// A Pod, as far as its address goes.
#[derive(Default, Deserialize)]
pub(super) struct Pod<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) status: PodStatus,
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
    fn metadata(&self) -> &Metadata<'de> {
        &self.metadata
    }

    /// As CoreDNS: a pod that is going away is passed over, and stays as it was until it is gone.
    fn object(self) -> Option<Object> {
        let ips = self.status.pod_ips.iter().filter_map(|ip| ip.ip.0);
        (!self.metadata.deletion_timestamp).then(|| {
            Object::Pod(object::Pod {
                key: self.metadata.key(),
                ips: ips.collect(),
            })
        })
    }
}
