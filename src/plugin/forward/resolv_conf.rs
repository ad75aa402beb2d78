//! The name servers of a file like `/etc/resolv.conf` (resolv.conf(5)).

use std::net::IpAddr;

/// What stands on a `nameserver` line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameServer {
    /// An address; the link of an IPv6 address (`%eth0`) is left out, as in CoreDNS.
    Address(IpAddr),
    /// Something else.
    Other(String),
}

/// The name servers of the file's text, each with the number of its line, from 1. All other lines are
/// for programs that look up names, not for one that forwards them.
pub(super) fn parse(text: &str) -> Vec<(usize, NameServer)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let (Some("nameserver"), Some(word)) = (words.next(), words.next()) else {
            continue;
        };
        let address = word.split_once('%').map_or(word, |(address, _)| address);
        let server = match address.parse() {
            Ok(address) => NameServer::Address(address),
            Err(_) => NameServer::Other(word.to_owned()),
        };
        found.push((number + 1, server));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nameserver_lines_count() {
        for (text, expected) in [
            ("", &[][..]),
            (
                "nameserver 10.0.0.1\nnameserver dns.example\nnameserver ::1\n",
                &["1 10.0.0.1", "2 'dns.example'", "3 ::1"],
            ),
            (
                "# nameserver 1.1.1.1\n;nameserver 1.0.0.1\nsearch a b\noptions ndots:5\n",
                &[],
            ),
            (
                "  nameserver\tfe80::1%eth0  # a comment\r\n",
                &["1 fe80::1"],
            ),
            (
                "nameserver\nnameservers 10.0.0.1\nNAMESERVER 10.0.0.1\n",
                &[],
            ),
            ("\nnameserver 10.0.0.1#53\n", &["2 '10.0.0.1#53'"]),
        ] {
            let found = parse(text).into_iter().map(|(line, server)| match server {
                NameServer::Address(ip) => format!("{line} {ip}"),
                NameServer::Other(word) => format!("{line} '{word}'"),
            });
            assert_eq!(found.collect::<Vec<_>>(), expected, "{text:?}");
        }
    }
}
