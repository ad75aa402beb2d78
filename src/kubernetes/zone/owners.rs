//! Which objects have an address.

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The parts of a map, each with a lock of its own: enough that threads seldom meet.
const PARTS: usize = 64;

/// A map from addresses to what has them. The families are apart, as an IPv4 address then takes
/// no room for an IPv6 one.
#[derive(Debug)]
pub(in crate::kubernetes) struct ByAddress<T> {
    v4: Owners<Ipv4Addr, T>,
    v6: Owners<Ipv6Addr, T>,
}

/// Those of one family.
///
/// There are more addresses than anything else in a cluster. Trees keep them in half the room of
/// hash tables, which double when they are full, and no change makes a part anew.
#[derive(Debug)]
struct Owners<A, T> {
    hasher: RandomState,
    parts: Box<[RwLock<Part<A, T>>]>,
}

/// An address is in one of the two: nearly always it has one owner, which takes half the room.
#[derive(Debug)]
struct Part<A, T> {
    alone: BTreeMap<A, Arc<T>>,
    /// in the owners' own order
    shared: BTreeMap<A, Box<[Arc<T>]>>,
}

/// The owners of one address while they change.
type Few<T> = SmallVec<[Arc<T>; 2]>;

impl<T: Ord> ByAddress<T> {
    pub(super) fn new() -> Self {
        Self {
            v4: Owners::new(),
            v6: Owners::new(),
        }
    }

    /// What `read` says of the owners of an address. It runs under the lock of a part of the map,
    /// so it must not come back here.
    pub(super) fn read<R>(&self, address: IpAddr, read: impl FnOnce(&[Arc<T>]) -> R) -> R {
        match address {
            IpAddr::V4(address) => read(self.v4.read(address).owners(address)),
            IpAddr::V6(address) => read(self.v6.read(address).owners(address)),
        }
    }

    /// Adds an owner, in the place of one that is equal.
    pub(in crate::kubernetes) fn add(&self, address: IpAddr, owner: &Arc<T>) {
        match address {
            IpAddr::V4(address) => self.v4.write(address).add(address, owner),
            IpAddr::V6(address) => self.v6.write(address).add(address, owner),
        }
    }

    pub(in crate::kubernetes) fn remove(&self, address: IpAddr, owner: &Arc<T>) {
        match address {
            IpAddr::V4(address) => self.v4.write(address).remove(address, owner),
            IpAddr::V6(address) => self.v6.write(address).remove(address, owner),
        }
    }

    /// All addresses, in their order.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        self.for_each(|address, _| addresses.push(address));
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// All addresses, each with all who have it. Parts of the map are locked meanwhile.
    pub(super) fn for_each(&self, mut tell: impl FnMut(IpAddr, &Arc<T>)) {
        self.v4
            .for_each(|address, owner| tell(IpAddr::V4(address), owner));
        self.v6
            .for_each(|address, owner| tell(IpAddr::V6(address), owner));
    }

    #[cfg(test)]
    pub(in crate::kubernetes) fn len(&self) -> usize {
        let mut addresses = std::collections::HashSet::new();
        self.for_each(|address, _| {
            addresses.insert(address);
        });
        addresses.len()
    }
}

impl<A: Copy + Ord + Hash, T: Ord> Owners<A, T> {
    fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            parts: (0..PARTS).map(|_| RwLock::default()).collect(),
        }
    }

    fn read(&self, address: A) -> RwLockReadGuard<'_, Part<A, T>> {
        let part = self.lock_of(address).read();
        part.unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, address: A) -> RwLockWriteGuard<'_, Part<A, T>> {
        let part = self.lock_of(address).write();
        part.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_of(&self, address: A) -> &RwLock<Part<A, T>> {
        let hash = self.hasher.hash_one(address) as usize;
        &self.parts[hash % self.parts.len()]
    }

    fn for_each(&self, mut tell: impl FnMut(A, &Arc<T>)) {
        for part in &self.parts {
            let part = part.read().unwrap_or_else(PoisonError::into_inner);
            for (address, owner) in &part.alone {
                tell(*address, owner);
            }
            for (address, owners) in &part.shared {
                owners.iter().for_each(|owner| tell(*address, owner));
            }
        }
    }
}

impl<A: Copy + Ord, T: Ord> Part<A, T> {
    fn owners(&self, address: A) -> &[Arc<T>] {
        match self.alone.get(&address) {
            Some(owner) => std::slice::from_ref(owner),
            None => self.shared.get(&address).map_or(&[], |owners| owners),
        }
    }

    fn add(&mut self, address: A, owner: &Arc<T>) {
        let mut owners = self.others(address, owner);
        let place = owners.partition_point(|other| other < owner);
        owners.insert(place, owner.clone());
        self.set(address, owners);
    }

    fn remove(&mut self, address: A, owner: &Arc<T>) {
        let others = self.others(address, owner);
        self.set(address, others);
    }

    fn others(&self, address: A, owner: &Arc<T>) -> Few<T> {
        let all = self.owners(address).iter();
        all.filter(|other| *other != owner).cloned().collect()
    }

    fn set(&mut self, address: A, mut owners: Few<T>) {
        let alone = if owners.len() == 1 {
            owners.pop()
        } else {
            None
        };
        let shared = (!owners.is_empty()).then(|| owners.into_boxed_slice());
        put(&mut self.alone, address, alone);
        put(&mut self.shared, address, shared);
    }
}

impl<A, T> Default for Part<A, T> {
    fn default() -> Self {
        Self {
            alone: BTreeMap::new(),
            shared: BTreeMap::new(),
        }
    }
}

fn put<A: Ord, T>(map: &mut BTreeMap<A, T>, address: A, value: Option<T>) {
    match value {
        Some(value) => map.insert(address, value),
        None => map.remove(&address),
    };
}
