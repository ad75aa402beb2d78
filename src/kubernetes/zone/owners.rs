//! Which objects have an address.

use super::SHARDS;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A map from addresses to what has them. The families are apart, as an IPv4 address then takes
/// no room for an IPv6 one.
#[derive(Debug)]
pub(in crate::kubernetes) struct ByAddress<T> {
    v4: DashMap<Ipv4Addr, Owners<T>, RandomState>,
    v6: DashMap<Ipv6Addr, Owners<T>, RandomState>,
}

/// Who has one address, in the owners' own order. Nearly always one.
#[derive(Debug)]
enum Owners<T> {
    One(Arc<T>),
    Many(Box<[Arc<T>]>),
}

impl<T: Ord> ByAddress<T> {
    pub(super) fn new() -> Self {
        Self {
            v4: DashMap::with_hasher_and_shard_amount(RandomState::default(), SHARDS),
            v6: DashMap::with_hasher_and_shard_amount(RandomState::default(), SHARDS),
        }
    }

    /// What `read` says of the owners of an address. It runs under the lock of a part of the map,
    /// so it must not come back here.
    pub(super) fn read<R>(&self, address: IpAddr, read: impl FnOnce(&[Arc<T>]) -> R) -> R {
        match address {
            IpAddr::V4(address) => match self.v4.get(&address) {
                Some(owners) => read(owners.as_slice()),
                None => read(&[]),
            },
            IpAddr::V6(address) => match self.v6.get(&address) {
                Some(owners) => read(owners.as_slice()),
                None => read(&[]),
            },
        }
    }

    /// Adds an owner, in the place of one that is equal.
    pub(in crate::kubernetes) fn add(&self, address: IpAddr, owner: &Arc<T>) {
        match address {
            IpAddr::V4(address) => add(&self.v4, address, owner),
            IpAddr::V6(address) => add(&self.v6, address, owner),
        }
    }

    pub(in crate::kubernetes) fn remove(&self, address: IpAddr, owner: &Arc<T>) {
        match address {
            IpAddr::V4(address) => remove(&self.v4, address, owner),
            IpAddr::V6(address) => remove(&self.v6, address, owner),
        }
    }

    /// All addresses, each with all who have it. Parts of the map are locked meanwhile.
    pub(super) fn for_each(&self, mut tell: impl FnMut(IpAddr, &Arc<T>)) {
        for owned in &self.v4 {
            let owners = owned.value().as_slice().iter();
            owners.for_each(|owner| tell(IpAddr::V4(*owned.key()), owner));
        }
        for owned in &self.v6 {
            let owners = owned.value().as_slice().iter();
            owners.for_each(|owner| tell(IpAddr::V6(*owned.key()), owner));
        }
    }

    #[cfg(test)]
    pub(in crate::kubernetes) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

fn add<K: Eq + Hash, T: Ord>(map: &DashMap<K, Owners<T>, RandomState>, key: K, owner: &Arc<T>) {
    match map.get_mut(&key) {
        Some(mut owners) => owners.add(owner),
        None => {
            map.insert(key, Owners::One(owner.clone()));
        }
    }
}

fn remove<K: Eq + Hash, T: Ord>(map: &DashMap<K, Owners<T>, RandomState>, key: K, owner: &Arc<T>) {
    map.remove_if_mut(&key, |_, owners| owners.remove(owner));
}

impl<T: Ord> Owners<T> {
    fn as_slice(&self) -> &[Arc<T>] {
        match self {
            Self::One(owner) => std::slice::from_ref(owner),
            Self::Many(owners) => owners,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Arc<T>] {
        match self {
            Self::One(owner) => std::slice::from_mut(owner),
            Self::Many(owners) => owners,
        }
    }

    fn add(&mut self, owner: &Arc<T>) {
        let mut known = self.as_mut_slice().iter_mut();
        if let Some(known) = known.find(|known| *known == owner) {
            *known = owner.clone();
            return;
        }
        let mut owners: Vec<_> = self.as_slice().to_vec();
        owners.push(owner.clone());
        owners.sort_unstable();
        *self = Self::Many(owners.into());
    }

    /// Returns whether none is left.
    fn remove(&mut self, owner: &Arc<T>) -> bool {
        let others = self.as_slice().iter().filter(|other| *other != owner);
        let mut others: Vec<_> = others.cloned().collect();
        match (others.len(), others.pop()) {
            (1, Some(last)) => *self = Self::One(last),
            (_, Some(last)) => {
                others.push(last);
                *self = Self::Many(others.into());
            }
            (_, None) => return true,
        }
        false
    }
}
