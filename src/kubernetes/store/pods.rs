//! Pods by address, for `pods verified` and for whose query it is.

use super::{Filed, Store, count};
use crate::kubernetes::object::{self, Key, Kind};
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
        let known = self.pods.get_mut(&pod.key).map(|filed| {
            filed.list = list;
            let old = std::mem::replace(&mut filed.place.ips, ips.clone());
            (filed.place.pod.clone(), old)
        });
        let (shared, old) = known.unwrap_or_else(|| (self.add_pod(&pod.key, &ips), Box::default()));
        for address in ips.iter().filter(|address| !old.contains(address)) {
            self.zone.pods.add(*address, &shared);
        }
        for address in old.iter().filter(|address| !ips.contains(address)) {
            self.zone.pods.remove(*address, &shared);
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

    fn add_pod(&mut self, key: &Key, ips: &[IpAddr]) -> Arc<Pod> {
        let namespace = &key.namespace;
        let namespace = self.names.share(namespace, || namespace.clone());
        let name = key.name.clone();
        let key = Key {
            namespace: namespace.clone(),
            name: name.clone(),
        };
        let pod = Arc::new(Pod { namespace, name });
        let place = Placed {
            pod: pod.clone(),
            ips: ips.into(),
        };
        let list = self.list(Kind::Pod);
        self.pods.insert(key, Filed { place, list });
        count(&self.zone.counts.pods, 0, 1);
        pod
    }
}
