//! Pods by address, for `pods verified` and for whose query it is.

use super::{Filed, Store, count};
use crate::kubernetes::object::{self, Key, Kind, PodLabel};
use crate::kubernetes::zone::Pod;
use std::net::IpAddr;
use std::sync::Arc;

/// A pod and the addresses that lead to it.
#[derive(Debug)]
pub(super) struct Placed {
    pod: Arc<Pod>,
    ips: Box<[IpAddr]>,
}

impl Store {
    pub(super) fn apply_pod(&mut self, pod: &object::Pod) -> bool {
        let list = self.list(Kind::Pod);
        let ips: Box<[IpAddr]> = pod.ips.iter().map(IpAddr::to_canonical).collect();
        let labels = self.label_list(&pod.labels);
        let Some(filed) = self.pods.get_mut(&pod.key) else {
            let shared = self.add_pod(&pod.key, labels, &ips);
            ips.iter()
                .for_each(|address| self.zone.pods.add(*address, &shared));
            return !ips.is_empty();
        };
        filed.list = list;
        let place = &mut filed.place;
        let old = std::mem::replace(&mut place.ips, ips.clone());
        let is_relabelled = place.pod.labels != labels;
        if is_relabelled {
            place.pod = Arc::new(Pod {
                namespace: place.pod.namespace.clone(),
                name: place.pod.name.clone(),
                labels,
            });
        }
        let is_stale = |address: &&IpAddr| is_relabelled || !old.contains(address);
        for address in ips.iter().filter(is_stale) {
            self.zone.pods.add(*address, &place.pod);
        }
        for address in old.iter().filter(|address| !ips.contains(address)) {
            self.zone.pods.remove(*address, &place.pod);
        }
        old != ips
    }

    pub(super) fn delete_pod(&mut self, key: &Key) -> bool {
        let Some(filed) = self.pods.remove(key) else {
            return false;
        };
        let Placed { pod, ips } = filed.place;
        for address in &ips {
            self.zone.pods.remove(*address, &pod);
        }
        count(&self.zone.counts.pods, 1, 0);
        !ips.is_empty()
    }

    fn add_pod(&mut self, key: &Key, labels: Arc<[PodLabel]>, ips: &[IpAddr]) -> Arc<Pod> {
        let namespace = &key.namespace;
        let namespace = self.names.share(namespace, || namespace.clone());
        let name = key.name.clone();
        let key = Key {
            namespace: namespace.clone(),
            name: name.clone(),
        };
        let pod = Arc::new(Pod {
            namespace,
            name,
            labels,
        });
        let place = Placed {
            pod: pod.clone(),
            ips: ips.into(),
        };
        let list = self.list(Kind::Pod);
        self.pods.insert(key, Filed { place, list });
        count(&self.zone.counts.pods, 0, 1);
        pod
    }

    /// The shared copy of the labels of a pod, with shared texts: the pods of a Deployment have the
    /// same. None where none are kept.
    fn label_list(&mut self, labels: &[PodLabel]) -> Arc<[PodLabel]> {
        let labels = if self.with_labels { labels } else { &[] };
        let names = &mut self.names;
        self.label_lists.share(labels, || {
            let mut share = |text: &Arc<str>| names.share(text, || text.clone());
            let shared = labels
                .iter()
                .map(|(name, value)| (share(name), share(value)));
            shared.collect()
        })
    }
}
