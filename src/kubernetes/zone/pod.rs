//! A pod by which an address is known.

use crate::kubernetes::object::PodLabel;
use std::cmp::Ordering;
use std::sync::Arc;

/// A pod. Its name makes it what it is: two of the same name and other labels are equal.
#[derive(Debug)]
pub struct Pod {
    /// `metadata.namespace`
    pub namespace: Arc<str>,
    /// `metadata.name`
    pub name: Arc<str>,
    /// `metadata.labels`; none where they are not asked for
    pub labels: Arc<[PodLabel]>,
}

impl Pod {
    /// The value of one of its labels.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<Arc<str>> {
        let mut labels = self.labels.iter();
        let found = labels.find(|(known, _)| **known == *name);
        found.map(|(_, value)| value.clone())
    }

    fn full_name(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl PartialEq for Pod {
    fn eq(&self, other: &Self) -> bool {
        self.full_name() == other.full_name()
    }
}

impl Eq for Pod {}

impl PartialOrd for Pod {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pod {
    fn cmp(&self, other: &Self) -> Ordering {
        self.full_name().cmp(&other.full_name())
    }
}
