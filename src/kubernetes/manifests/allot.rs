//! Addresses for what has none written, out of fixed ranges.
//!
//! An address is a hash of the namespace and the name, so it depends on nothing else: adding or
//! removing other objects moves it only where two hashes meet. Of those that meet, the first in name
//! order keeps the place, and only the others are put elsewhere.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};

use super::given::Name;
use super::{Place, Problem};

/// ClusterIPs, IPv4: kubeadm's range.
pub(super) const SERVICE_V4: Range = Range::v4(Ipv4Addr::new(10, 96, 0, 0), 12);
/// ClusterIPs, IPv6: what kind has.
pub(super) const SERVICE_V6: Range = Range::v6(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0));
/// Pods, IPv4: flannel's and kind's range.
pub(super) const POD_V4: Range = Range::v4(Ipv4Addr::new(10, 244, 0, 0), 16);
/// Pods, IPv6: the first /112 of kind's range.
pub(super) const POD_V6: Range = Range::v6(Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0));

/// Probes by hash before the lowest free address is taken.
const PROBES: u32 = 8;

/// A range of addresses to allot from. Those that end in 0 or 255 (0xff) are left out, so none is a
/// network's or a broadcast address, however the range is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    base: IpAddr,
    prefix: u8,
    host_bits: u8,
}

impl Range {
    /// `prefix` is at most 24.
    const fn v4(base: Ipv4Addr, prefix: u8) -> Self {
        assert!(prefix <= 24);
        Self {
            base: IpAddr::V4(base),
            prefix,
            host_bits: 32 - prefix,
        }
    }

    /// A /112.
    const fn v6(base: Ipv6Addr) -> Self {
        Self {
            base: IpAddr::V6(base),
            prefix: 112,
            host_bits: 16,
        }
    }

    /// How many addresses can be allotted.
    pub(super) fn capacity(self) -> u32 {
        (1 << (self.host_bits - 8)) * 254
    }

    fn at(self, index: u32) -> IpAddr {
        let host = ((index / 254) << 8) + index % 254 + 1;
        match self.base {
            IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits() | host).into(),
            IpAddr::V6(base) => Ipv6Addr::from_bits(base.to_bits() | u128::from(host)).into(),
        }
    }

    /// The reverse of [`Range::at`]; none outside the range.
    fn index(self, address: IpAddr) -> Option<u32> {
        let host = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => base.to_bits() ^ address.to_bits(),
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                u32::try_from(base.to_bits() ^ address.to_bits()).ok()?
            }
            _ => return None,
        };
        let low = (host & 0xff).checked_sub(1).filter(|low| *low < 254)?;
        let index = (host >> 8).checked_mul(254)?.checked_add(low)?;
        (index < self.capacity()).then_some(index)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// An address for each of `names`, which are in name order and distinct; none of them is in
/// `written`, and no two are the same. `None` where the range is exhausted.
pub(super) fn allot(
    range: Range,
    written: &HashSet<IpAddr>,
    names: &[Name<'_>],
) -> Vec<Option<IpAddr>> {
    let capacity = range.capacity();
    let mut taken: HashSet<u32> = written.iter().filter_map(|ip| range.index(*ip)).collect();
    let mut places: Vec<Option<u32>> = names
        .iter()
        .map(|name| Some(hash(*name, 0) % capacity).filter(|home| taken.insert(*home)))
        .collect();
    let mut lowest = 0;
    for (place, name) in places.iter_mut().zip(names) {
        if place.is_some() {
            continue;
        }
        *place = (1..=PROBES)
            .map(|probe| hash(*name, probe) % capacity)
            .find(|index| !taken.contains(index))
            .or_else(|| {
                let free = (lowest..capacity).find(|index| !taken.contains(index));
                lowest = free.unwrap_or(capacity);
                free
            });
        taken.extend(*place);
    }
    let address = |place: Option<u32>| place.map(|index| range.at(index));
    places.into_iter().map(address).collect()
}

/// A hash that is the same on every machine and in every version.
fn hash(name: Name<'_>, probe: u32) -> u32 {
    let digest = digest(&[name.namespace, name.name], probe);
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

fn digest(parts: &[&str], salt: u32) -> [u8; 32] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
        sha.update([0]);
    }
    sha.update(salt.to_be_bytes());
    sha.finalize().into()
}

/// The letters and digits that Kubernetes makes names of: no vowels, so no words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `length` (at most 32) characters such as Kubernetes puts behind generated names, always the same
/// for the same `parts` and `salt`.
pub(super) fn suffix(parts: &[&str], salt: u32, length: usize) -> String {
    let bytes = digest(parts, salt);
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
    bytes.iter().take(length).map(letter).collect()
}

/// The problem of those that got no address.
pub(super) fn exhausted(
    range: Range,
    what: &str,
    without: &[(&Place, Name<'_>)],
) -> Option<Problem> {
    let (place, first) = without.first()?;
    let reason = format!(
        "the range {range} of {what} is exhausted: {} of them have no address, the first is {first}",
        without.len()
    );
    Some(Problem::error((*place).clone(), reason))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// 254 addresses, so that hashes meet often.
    const SMALL: Range = Range::v4(Ipv4Addr::new(192, 0, 2, 0), 24);

    fn named(names: &BTreeSet<String>) -> Vec<Name<'_>> {
        let name = |name| Name {
            namespace: "ns",
            name,
        };
        names.iter().map(|text| name(text.as_str())).collect()
    }

    fn addresses(names: &BTreeSet<String>, written: &HashSet<IpAddr>) -> BTreeMap<String, IpAddr> {
        let allotted = allot(SMALL, written, &named(names));
        let pairs = names.iter().cloned().zip(allotted);
        pairs.filter_map(|(name, ip)| Some((name, ip?))).collect()
    }

    fn home(name: &str) -> u32 {
        let namespace = "ns";
        hash(Name { namespace, name }, 0) % SMALL.capacity()
    }

    #[test]
    fn addresses_and_names_are_the_same_in_every_version() {
        let name = Name {
            namespace: "production",
            name: "backend-service",
        };
        let addresses = [SERVICE_V4, SERVICE_V6, POD_V4, POD_V6].map(|range| {
            let address = allot(range, &HashSet::new(), &[name]);
            address.first().copied().flatten().map(|ip| ip.to_string())
        });
        let expected = [
            "10.101.152.78",
            "fd00:10:96::984e",
            "10.244.152.78",
            "fd00:10:244::984e",
        ];
        assert_eq!(addresses, expected.map(|ip| Some(ip.to_owned())));
        assert_eq!(suffix(&["production", "backend"], 0, 5), "x2xb2");
    }

    #[test]
    fn a_range_has_neither_network_nor_broadcast_addresses() {
        for range in [SERVICE_V4, SERVICE_V6, POD_V4, POD_V6, SMALL] {
            let last = range.capacity() - 1;
            for index in [0, 1, 253, 254, 255, last].map(|index| index.min(last)) {
                let address = range.at(index);
                assert_eq!(range.index(address), Some(index), "{address}");
            }
        }
        let indexed = |ip: &str| SMALL.index(ip.parse().expect(ip));
        assert_eq!(indexed("192.0.2.0"), None);
        assert_eq!(indexed("192.0.2.255"), None);
        assert_eq!(indexed("192.0.3.1"), None);
        assert_eq!(indexed("::1"), None);
        assert_eq!(
            SERVICE_V4.at(SERVICE_V4.capacity() - 1).to_string(),
            "10.111.255.254"
        );
        assert_eq!(SERVICE_V4.capacity(), 4096 * 254);
    }

    #[test]
    fn an_exhausted_range_leaves_the_last_losers_without_an_address() {
        let names: BTreeSet<_> = (0..300).map(|n| format!("name-{n}")).collect();
        let found = addresses(&names, &HashSet::new());
        assert_eq!(found.len(), 254);
        assert_eq!(found.values().collect::<HashSet<_>>().len(), 254);
        let place = Place::default();
        let problem = exhausted(SMALL, "pods", &[(&place, named(&names)[0])]);
        let reason = problem.expect("a problem").reason;
        assert!(
            reason.contains("192.0.2.0/24") && reason.contains("ns/name-0"),
            "{reason}"
        );
    }

    fn name_sets() -> impl Strategy<Value = BTreeSet<String>> {
        proptest::collection::btree_set("[a-z]{1,3}", 0..60)
    }

    proptest! {
        #[test]
        fn no_two_have_the_same_address_and_none_has_a_written_one(
            names in name_sets(),
            written in proptest::collection::hash_set(0u32..254, 0..200),
        ) {
            let written: HashSet<_> = written.into_iter().map(|index| SMALL.at(index)).collect();
            let found = addresses(&names, &written);
            let distinct: HashSet<_> = found.values().copied().collect();
            prop_assert_eq!(distinct.len(), names.len().min(254 - written.len()));
            prop_assert!(distinct.is_disjoint(&written));
        }

        #[test]
        fn another_name_moves_only_those_whose_hashes_meet(
            names in name_sets(),
            other in "[a-z]{4}",
        ) {
            let before = addresses(&names, &HashSet::new());
            let mut names = names;
            names.insert(other);
            let after = addresses(&names, &HashSet::new());
            for (name, address) in &before {
                let meets = names.iter().any(|n| n != name && home(n) == home(name));
                prop_assert!(meets || after.get(name) == Some(address), "{name} moved");
            }
        }

        #[test]
        fn of_those_that_meet_the_first_in_name_order_stays(names in name_sets()) {
            let found = addresses(&names, &HashSet::new());
            for (name, address) in &found {
                let first = names.iter().find(|n| home(n) == home(name));
                prop_assert!(first != Some(name) || *address == SMALL.at(home(name)));
            }
        }
    }
}
