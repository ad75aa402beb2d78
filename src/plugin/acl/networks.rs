//! A set of networks, as ranges of addresses that do not touch.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// See the module. A look-up is a binary search, so long lists cost little.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Networks {
    /// First and last address of each range, in their order.
    v4: Box<[(Ipv4Addr, Ipv4Addr)]>,
    v6: Box<[(Ipv6Addr, Ipv6Addr)]>,
}

impl Networks {
    /// All addresses.
    pub(super) fn all() -> Self {
        Self {
            v4: [(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)].into(),
            v6: [(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from([0xff; 16]))].into(),
        }
    }

    #[inline]
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => contains(&self.v4, address),
            IpAddr::V6(address) => contains(&self.v6, address),
        }
    }
}

#[inline]
fn contains<A: Ord + Copy>(ranges: &[(A, A)], address: A) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    let last = after.checked_sub(1).and_then(|at| ranges.get(at));
    last.is_some_and(|(_, last)| address <= *last)
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                IpNet::V4(network) => v4.push(network),
                IpNet::V6(network) => v6.push(network),
            }
        }
        // Networks of which one holds the other, or that make up a larger one, become one.
        let v4 = Ipv4Net::aggregate(&v4).into_iter();
        let v6 = Ipv6Net::aggregate(&v6).into_iter();
        let mut v4: Vec<_> = v4.map(|net| (net.network(), net.broadcast())).collect();
        let mut v6: Vec<_> = v6.map(|net| (net.network(), net.broadcast())).collect();
        v4.sort_unstable();
        v6.sort_unstable();
        Self {
            v4: v4.into(),
            v6: v6.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Networks {
        text.split(' ').map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_are_found_in_any_of_many_networks() {
        let set = networks("10.0.0.0/8 10.1.0.0/16 192.0.2.7/32 0.0.0.0/32 2001:db8::/32 ::1/128");
        for (address, is_in) in [
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("0.0.0.0", true),
            ("0.0.0.1", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::1", true),
            ("::", false),
        ] {
            assert_eq!(set.contain(address.parse().unwrap()), is_in, "{address}");
        }
    }

    #[test]
    fn all_is_all_and_none_is_none() {
        for address in [
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            let address = address.parse().unwrap();
            assert!(Networks::all().contain(address), "{address}");
            assert!(!Networks::default().contain(address), "{address}");
        }
        assert_eq!(networks("0.0.0.0/0 ::/0"), Networks::all());
    }
}
