//! A network as the reverse zones that cover it (RFC 1035, 3.5; RFC 3596, 2.5).

use std::fmt::Write as _;
use std::net::IpAddr;

/// The reverse zones of `ADDRESS/PREFIX`, from the lowest address up. A network that is not cut at
/// an octet (IPv6: a nibble) takes several: at most 128, or 8.
///
/// `None` where the text is no network. As Go's `ParseCIDR`: bits after the prefix do not count,
/// a prefix may have zeros before it.
pub(super) fn reverse_zones(text: &str) -> Option<Vec<String>> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let prefix: u32 = prefix.parse().ok()?;
    // Both families as the upper bits of a 128-bit number, cut in digits of a reverse name.
    let (bits, size, digit) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32, 8),
        IpAddr::V6(address) => (address.to_bits(), 128, 4),
    };
    if prefix > size {
        return None;
    }
    let digits = prefix.div_ceil(digit);
    let first = bits & mask(prefix);
    let count = 1_u128 << (digits * digit - prefix);
    let zones = (0..count).map(|index| {
        let step = index.checked_shl(128 - digits * digit).unwrap_or_default();
        zone(first | step, digits, digit)
    });
    Some(zones.collect())
}

/// The upper `prefix` bits.
fn mask(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix).unwrap_or_default()
}

/// The name of the network whose upper `digits` digits, of `digit` bits each, are in `bits`.
fn zone(bits: u128, digits: u32, digit: u32) -> String {
    let mut zone = String::new();
    for index in (0..digits).rev() {
        let value = (bits >> (128 - digit * (index + 1))) & ((1 << digit) - 1);
        // Writing to a string cannot fail.
        let _ = match digit {
            8 => write!(zone, "{value}."),
            _ => write!(zone, "{value:x}."),
        };
    }
    zone.push_str(if digit == 8 {
        "in-addr.arpa."
    } else {
        "ip6.arpa."
    });
    zone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_cut_at_octets_and_nibbles() {
        for (network, zones) in [
            ("10.0.0.0/24", &["0.0.10.in-addr.arpa."][..]),
            ("10.0.0.0/15", &["0.10.in-addr.arpa.", "1.10.in-addr.arpa."]),
            (
                "192.168.1.1/23",
                &["0.168.192.in-addr.arpa.", "1.168.192.in-addr.arpa."],
            ),
            ("10.0.0.0/08", &["10.in-addr.arpa."]),
            ("192.0.2.1/32", &["1.2.0.192.in-addr.arpa."]),
            ("0.0.0.0/0", &["in-addr.arpa."]),
            ("2001:db8::/32", &["8.b.d.0.1.0.0.2.ip6.arpa."]),
            (
                "2001:db8::/31",
                &["8.b.d.0.1.0.0.2.ip6.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa."],
            ),
            ("2000::/3", &["2.ip6.arpa.", "3.ip6.arpa."]),
            ("::/0", &["ip6.arpa."]),
        ] {
            assert_eq!(reverse_zones(network).unwrap(), zones, "{network}");
        }
        let service = reverse_zones("10.96.0.0/12").unwrap();
        assert_eq!(service.len(), 16);
        assert_eq!(service.first().unwrap(), "96.10.in-addr.arpa.");
        assert_eq!(service.last().unwrap(), "111.10.in-addr.arpa.");
        assert_eq!(reverse_zones("128.0.0.0/1").unwrap().len(), 128);
        let host = reverse_zones("2001:db8::1/128").unwrap();
        assert_eq!(host.first().unwrap().split('.').count(), 32 + 3);
    }

    #[test]
    fn what_is_no_network_is_a_name() {
        for text in [
            "10.0.0.0",
            "10.0.0/24",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "010.0.0.0/8",
            "::/129",
            "fe80::1%eth0/64",
            "a/8",
            "/8",
            "10.0.0.0/8/8",
            "10.0.0.0/99999999999",
        ] {
            assert_eq!(reverse_zones(text), None, "{text}");
        }
    }
}
