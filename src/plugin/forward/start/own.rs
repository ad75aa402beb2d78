//! Which addresses are this server's own: a forward to one of them would ask itself.

use std::net::{IpAddr, SocketAddr};

use crate::plugin::bind;
use crate::plugin::setup::Setup;

/// Where a server block is listened for.
#[derive(Debug, Default)]
pub(super) struct Own {
    ports: Vec<u16>,
    /// What `bind` says; nothing is all addresses.
    bind: Vec<bind::Rule>,
}

impl Own {
    /// The block that is set up. `bind` is set up before it.
    pub(super) fn of(setup: &Setup<'_>) -> Self {
        let keys = setup.source.keys().iter();
        Self {
            ports: keys.map(|key| key.port_or(setup.block.port)).collect(),
            bind: setup.block.listen.bind.clone(),
        }
    }

    /// Whether a query to this address comes back to the block. Another block of this server at
    /// another port or address is none of its own: to forward to that one is a known trick.
    pub(super) fn covers(&self, address: SocketAddr, listening: &[SocketAddr]) -> bool {
        if !self.ports.contains(&address.port()) {
            return false;
        }
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let hosts =
            bind::resolve(&self.bind, &bind::interfaces().unwrap_or_default()).unwrap_or_default();
        if hosts.contains(&address.ip()) {
            return true;
        }
        let all = hosts.is_empty() || hosts.iter().any(IpAddr::is_unspecified);
        // Who listens on the very address gets its queries before who listens on all.
        all && is_local(address.ip()) && !listening.contains(&address)
    }
}

/// Whether this server listens on the address, for whatever block.
pub(super) fn is_listened_on(address: SocketAddr, listening: &[SocketAddr]) -> bool {
    let is_same = |own: &SocketAddr| {
        own.port() == address.port()
            && (own.ip() == address.ip() || (own.ip().is_unspecified() && is_local(address.ip())))
    };
    listening.iter().any(is_same)
}

/// Whether the address is this machine's.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || bind::machine_addresses().contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_the_block_itself_only_where_the_block_is_listened_for() {
        let all: &[&str] = &[];
        for (what, bind, listening, upstream, covered) in [
            (
                "loopback, all addresses",
                all,
                "0.0.0.0:53",
                "127.0.0.53:53",
                true,
            ),
            ("the other family", all, "[::]:53", "[::1]:53", true),
            ("another port", all, "0.0.0.0:53", "127.0.0.1:5301", false),
            ("another machine", all, "0.0.0.0:53", "192.0.2.1:53", false),
            (
                "bound to it",
                &["127.0.0.1"],
                "127.0.0.1:53",
                "127.0.0.1:53",
                true,
            ),
            (
                "bound elsewhere",
                &["127.0.0.1"],
                "127.0.0.1:53",
                "127.0.0.2:53",
                false,
            ),
            (
                "another block is bound to it",
                all,
                "127.0.0.5:53",
                "127.0.0.5:53",
                false,
            ),
            ("mapped", all, "[::]:53", "[::ffff:127.0.0.1]:53", true),
        ] {
            let own = Own {
                ports: vec![53],
                bind: (!bind.is_empty())
                    .then(|| bind::Rule {
                        hosts: bind.iter().map(|host| (*host).to_owned()).collect(),
                        except: Vec::new(),
                    })
                    .into_iter()
                    .collect(),
            };
            let listening = [listening.parse().unwrap()];
            let upstream = upstream.parse().unwrap();
            assert_eq!(own.covers(upstream, &listening), covered, "{what}");
        }
    }
}
