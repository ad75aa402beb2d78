//! `whoami`: tells a client its own address, port and protocol, in the additional section.

use std::net::IpAddr;
use std::sync::Arc;

use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Next, Plugin, Reply};
use crate::name::{MAX_NAME, Name};
use crate::query::Query;

/// Reads `whoami`.
///
/// # Errors
/// There are arguments.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    cursor.next_token();
    if cursor.next_arg().is_some() {
        return Err(cursor.arg_err());
    }
    setup.push(Whoami::default());
    Ok(())
}

/// See the module.
pub struct Whoami {
    udp: Arc<[u8]>,
    tcp: Arc<[u8]>,
}

impl Default for Whoami {
    fn default() -> Self {
        Self {
            udp: Arc::from(&b"\x04_udp"[..]),
            tcp: Arc::from(&b"\x04_tcp"[..]),
        }
    }
}

impl Plugin for Whoami {
    fn name(&self) -> &'static str {
        "whoami"
    }

    fn serve(&self, query: &Query<'_>, _: Next<'_>) -> Reply {
        let mut answer = Answer::new(query, "whoami", Origin::Local).authoritative();
        let mut tell = |owner, data| {
            let set = RecordSet {
                section: Section::Additional,
                owner,
                ttl: 0,
                data,
            };
            answer.push(query, set);
        };
        let client = query.request.client;
        let address = match client.ip() {
            IpAddr::V4(address) => Data::A(address),
            IpAddr::V6(address) => Data::Aaaa(address),
        };
        tell(NameSpec::QNAME, address);
        let proto = match query.request.transport.proto() {
            "udp" => &self.udp,
            _ => &self.tcp,
        };
        let port = Data::Srv {
            priority: 0,
            weight: 0,
            port: client.port(),
            target: NameSpec::Full(Name::root()),
        };
        // The longest names leave no room for one more label.
        if query.name.as_bytes().len() + proto.len() <= MAX_NAME {
            tell(NameSpec::Under(proto.clone(), 0), port);
        }
        answer.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Chain;
    use crate::testing::Ask;

    #[test]
    fn a_client_is_told_who_it_is() {
        let chain = Chain::new(vec![Arc::new(Whoami::default())]);
        for (name, ask, additional) in [
            (
                "over UDP from IPv4",
                Ask::new("example.org. A"),
                vec![
                    "example.org. 0 IN A 10.240.0.1",
                    "_udp.example.org. 0 IN SRV 0 0 40212 .",
                ],
            ),
            (
                "any type, case kept",
                Ask::new("eXample.org. MX").tcp(),
                vec![
                    "eXample.org. 0 IN A 10.240.0.1",
                    "_tcp.eXample.org. 0 IN SRV 0 0 40212 .",
                ],
            ),
            (
                "from IPv6",
                Ask::new("x. TXT").from("[2001:db8::1]:53".parse().unwrap()),
                vec!["x. 0 IN AAAA 2001:db8::1", "_udp.x. 0 IN SRV 0 0 53 ."],
            ),
            (
                "the root",
                Ask::new(". A"),
                vec![". 0 IN A 10.240.0.1", "_udp. 0 IN SRV 0 0 40212 ."],
            ),
            (
                "a name with no room for one more label",
                Ask::new(&format!("{} A", ["x"; 127].join("."))),
                vec![],
            ),
        ] {
            let told = ask.now(&chain);
            assert_eq!(told.rcode, "NOERROR", "{name}");
            assert!(told.flags.has(crate::wire::Flags::AA), "{name}");
            assert!(
                told.answer.is_empty() && told.authority.is_empty(),
                "{name}"
            );
            if additional.is_empty() {
                assert_eq!(told.additional.len(), 1, "{name}");
            } else {
                assert_eq!(told.additional, additional, "{name}");
            }
        }
    }
}
