//! The name servers of a file like `/etc/resolv.conf` (resolv.conf(5)).

use std::net::IpAddr;

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ResolvConf {
    /// The addresses of its `nameserver` lines, in their order; the link of an IPv6 address
    /// (`%eth0`) is left out, as in CoreDNS.
    pub(super) servers: Vec<IpAddr>,
    /// Lines whose name server is no address: their number, from 1, and what stands there.
    pub(super) odd: Vec<(usize, String)>,
}

/// Reads the file's text. All but `nameserver` lines is for programs that look up names, not for
/// one that forwards them.
pub(super) fn parse(text: &str) -> ResolvConf {
    let mut found = ResolvConf::default();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let Some(word) = words.next() else {
            continue;
        };
        let address = word.split_once('%').map_or(word, |(address, _)| address);
        match address.parse() {
            Ok(address) => found.servers.push(address),
            Err(_) => found.odd.push((number + 1, word.to_owned())),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nameserver_lines_count() {
        for (text, servers, odd) in [
            ("", &[][..], &[][..]),
            (
                "nameserver 10.0.0.1\nnameserver 10.0.0.2\n",
                &["10.0.0.1", "10.0.0.2"],
                &[],
            ),
            (
                "# nameserver 1.1.1.1\n;nameserver 1.0.0.1\nsearch a b\noptions ndots:5\n",
                &[],
                &[],
            ),
            (
                "  nameserver\tfe80::1%eth0  # a comment\r\n",
                &["fe80::1"],
                &[],
            ),
            (
                "nameserver\nnameservers 10.0.0.1\nNAMESERVER 10.0.0.1\n",
                &[],
                &[],
            ),
            ("\nnameserver dns.example\n", &[], &[(2, "dns.example")]),
        ] {
            let found = parse(text);
            let expected: Vec<IpAddr> = servers.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(found.servers, expected, "{text:?}");
            let odd: Vec<_> = odd
                .iter()
                .map(|(line, word)| (*line, (*word).to_owned()))
                .collect();
            assert_eq!(found.odd, odd, "{text:?}");
        }
    }
}
