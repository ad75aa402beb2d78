//! What every object and every list says of itself.

use std::sync::Arc;

use serde::Deserialize;

use super::text::Text;
use crate::kubernetes::api::ledger::Stamp;
use crate::kubernetes::null::{nullable, present};
use crate::kubernetes::object::Key;

/// Which object in which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kubernetes::api) struct Mark {
    pub(in crate::kubernetes::api) version: u64,
    pub(in crate::kubernetes::api) stamp: Stamp,
}

/// What a list says beside its items.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::kubernetes::api) struct Head {
    #[serde(deserialize_with = "nullable")]
    pub(in crate::kubernetes::api) metadata: ListMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::kubernetes::api) struct ListMetadata {
    #[serde(deserialize_with = "nullable")]
    pub(in crate::kubernetes::api) resource_version: String,
    /// the mark of the next page; empty on the last one
    #[serde(rename = "continue", deserialize_with = "nullable")]
    pub(in crate::kubernetes::api) next: String,
}

impl ListMetadata {
    pub(in crate::kubernetes::api) fn version(&self) -> u64 {
        version(&self.resource_version)
    }
}

/// A version as a number. Of one resource they can be compared; 0 where it is none.
fn version(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

/// What an object says of itself, with those of its labels that are of interest.
#[derive(Default, Deserialize)]
#[serde(
    default,
    rename_all = "camelCase",
    bound(deserialize = "L: Default + Deserialize<'de>")
)]
pub(super) struct Metadata<'a, L = Labels<'a>> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) namespace: Text<'a>,
    #[serde(borrow)]
    pub(super) resource_version: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub(super) labels: L,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(super) annotations: Annotations<'a>,
    #[serde(deserialize_with = "present")]
    pub(super) deletion_timestamp: bool,
}

/// The labels that are read of most objects.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels<'a> {
    #[serde(borrow, rename = "kubernetes.io/service-name")]
    pub(super) service_name: Text<'a>,
    #[serde(borrow, rename = "multicluster.kubernetes.io/service-name")]
    pub(super) import_name: Text<'a>,
    #[serde(borrow, rename = "multicluster.kubernetes.io/source-cluster")]
    pub(super) source_cluster: Text<'a>,
}

/// The annotations that are read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations<'a> {
    #[serde(borrow, rename = "endpoints.kubernetes.io/last-change-trigger-time")]
    pub(super) triggered: Text<'a>,
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    pub(super) initial_events_end: Text<'a>,
}

impl<L> Metadata<'_, L> {
    pub(super) fn key(&self) -> Key {
        Key {
            namespace: Arc::from(&*self.namespace.0),
            name: Arc::from(&*self.name.0),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        let version = version(&self.resource_version.0);
        Mark {
            version,
            stamp: Stamp::of(&self.namespace.0, &self.name.0, version),
        }
    }
}

/// An object of which only the metadata is read.
#[derive(Default, Deserialize)]
pub(super) struct Nothing<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
}
