//! The addresses of a host name: from the resolvers that the Corefile names, or from the system.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use tokio::time::{Instant, timeout};

use crate::answer::{RdataRef, Section};
use crate::name::Name;
use crate::plugin::forward::message::{Outgoing, Received};
use crate::plugin::forward::metrics::UpstreamMetrics;
use crate::plugin::forward::udp::UdpSockets;

/// The time that the system has to look up a name.
const SYSTEM: Duration = Duration::from_secs(5);
/// The time that a resolver has for one question.
const RESOLVER: Duration = Duration::from_secs(2);

/// The addresses of a name, which is whole with or without the dot at its end: no search list.
pub(super) async fn addresses(host: &str, resolvers: &[SocketAddr]) -> Result<Vec<IpAddr>, String> {
    let addresses = match resolvers {
        [] => of_system(host).await?,
        resolvers => of_resolvers(host, resolvers).await?,
    };
    match addresses.is_empty() {
        true => Err("it has no address".to_owned()),
        false => Ok(addresses),
    }
}

async fn of_system(host: &str) -> Result<Vec<IpAddr>, String> {
    let whole = format!("{}.", host.trim_end_matches('.'));
    match timeout(SYSTEM, tokio::net::lookup_host((whole.as_str(), 0))).await {
        Ok(Ok(addresses)) => Ok(addresses.map(|address| address.ip()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no reply within {SYSTEM:?}")),
    }
}

/// Asks one resolver after the other until one knows an address.
async fn of_resolvers(host: &str, resolvers: &[SocketAddr]) -> Result<Vec<IpAddr>, String> {
    let name = Name::from_text(host).map_err(|error| error.to_string())?;
    let mut last = None;
    for resolver in resolvers {
        // Numbers of its own, which nobody reads: it is no upstream.
        let metrics = UpstreamMetrics::new(Arc::default(), resolver.to_string().into());
        let sockets = UdpSockets::new(*resolver, None, RESOLVER, 1, Arc::new(metrics));
        let mut found = Vec::new();
        for qtype in [RecordType::A, RecordType::AAAA] {
            let query = Arc::new(Outgoing::plain(name.view(), qtype, true));
            let now = Instant::now();
            match sockets.exchange(&query, now, now + RESOLVER).await {
                Ok(received) => found.extend(addresses_of(&received, qtype)),
                Err(error) => last = Some(error.to_string()),
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    last.map_or_else(|| Ok(Vec::new()), Err)
}

fn addresses_of(received: &Received, qtype: RecordType) -> Vec<IpAddr> {
    let mut found = Vec::new();
    received.records.each(&mut |record| {
        let RdataRef::Other(rdata) = record.rdata else {
            return;
        };
        if record.section != Section::Answer || record.rtype != qtype {
            return;
        }
        let v4 = <[u8; 4]>::try_from(rdata).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
        let v6 = <[u8; 16]>::try_from(rdata).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
        found.extend(v4.or(v6));
    });
    found
}
