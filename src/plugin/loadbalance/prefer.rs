//! `prefer`: addresses of some networks come first, in the order of the networks.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::RecordType;
use ipnet::IpNet;

use crate::answer::{Answer, Body, RdataRef, RecordRef, RecordsBuilder, Section};
use crate::corefile::Token;
use crate::plugin::setup::SetupError;
use crate::query::Query;

/// Reads a network. Bits of the host part count for nothing, as in Go's `net.ParseCIDR`.
pub(super) fn network(token: &Token) -> Result<IpNet, SetupError> {
    token
        .text()
        .parse::<IpNet>()
        .map(|network| network.trunc())
        .map_err(|_| {
            token
                .err(format!("invalid CIDR {:?}", token.text()))
                .help("write a network: 10.0.0.0/8, 2001:db8::/32")
        })
}

/// Puts the answer's records into their new order: CNAMEs, addresses, MX, all others. The authority
/// section stays as it is.
pub(super) fn reorder(query: &Query<'_>, answer: &mut Answer, networks: &[IpNet]) {
    let mut all: Vec<RecordRef<'_>> = Vec::new();
    let told = answer.clone().settle(query);
    let Body::Records(records) = &told.body else {
        return;
    };
    records.each(&mut |record| all.push(record));
    all.sort_by_key(|record| (record.section, rank(record, networks)));
    let mut builder = RecordsBuilder::default();
    all.iter().for_each(|record| builder.push(record));
    let body = Body::Records(Arc::new(builder.finish()));
    *answer = Answer { body, ..told };
}

/// Lower comes first; equals keep their order.
fn rank(record: &RecordRef<'_>, networks: &[IpNet]) -> (u8, usize) {
    if record.section == Section::Authority {
        return (0, 0);
    }
    match record.rtype {
        RecordType::CNAME => (0, 0),
        RecordType::A | RecordType::AAAA => {
            let address = address(record);
            let within =
                |network: &IpNet| address.is_some_and(|address| network.contains(&address));
            (
                1,
                networks.iter().position(within).unwrap_or(networks.len()),
            )
        }
        RecordType::MX => (2, 0),
        _ => (3, 0),
    }
}

pub(super) fn address(record: &RecordRef<'_>) -> Option<IpAddr> {
    match record.rdata {
        RdataRef::A(address) => Some(address.into()),
        RdataRef::Aaaa(address) => Some(address.into()),
        RdataRef::Other(rdata) => match record.rtype {
            RecordType::A => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
            _ => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
        },
        _ => None,
    }
}
