//! The grammar of the names under a cluster zone, by numbered cases.
//!
//! The plugin cuts the zone off the question's name and hands the rest to [`parse`]; what comes
//! back is what the zone is asked for. Nothing here looks anything up, and nothing allocates.

use std::net::IpAddr;

use crate::name::Labels;

/// Which names a zone of the plugin can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// names of Services and pods
    Cluster,
    /// `in-addr.arpa`, `ip6.arpa` and what is below: no Service or pod has a name here
    Reverse,
    /// names of a cluster with the `zonal` option: those of a headless Service's endpoints in one
    /// topology zone too
    Zonal,
    /// names of the `multicluster` option: as those of a cluster, but that two labels without
    /// underscores left of a Service are an endpoint and its cluster
    Imports,
}

/// What a name asks for. The labels are the question's own bytes, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'q> {
    /// Case 1: the zone itself.
    Apex,
    /// Case 2: `dns-version`, whose TXT record tells the version of the specification.
    DnsVersion,
    /// Case 3: `ns.dns`, the name server of the SOA and NS records.
    NameServer,
    /// Case 4: `svc` or `pod`, which hold no record and always exist.
    Subtree,
    /// Case 5: `NAMESPACE.svc` or `NAMESPACE.pod`.
    Namespace {
        /// which of the two
        subtree: Subtree,
        /// the label left of it
        namespace: &'q [u8],
    },
    /// Cases 6 to 8: a Service, or something under it.
    Service(Service<'q>),
    /// Case 9: `A-B-C-D.NAMESPACE.pod`. As in CoreDNS, one or two labels left of it change
    /// nothing.
    Pod {
        /// the address, its separators written as `-`
        label: &'q [u8],
        /// the label right of it
        namespace: &'q [u8],
    },
    /// Any other name; it does not exist.
    Invalid,
}

/// The two halves of a cluster zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subtree {
    /// `svc`
    Services,
    /// `pod`
    Pods,
}

/// A name at or under `SERVICE.NAMESPACE.svc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'q> {
    /// the labels of Service and namespace as they lie in the question, each with its length
    /// before it: the key of the zone
    pub key: &'q [u8],
    /// the label of the namespace alone
    pub namespace: &'q [u8],
    /// what is left of them
    pub part: Part<'q>,
}

/// Which part of a Service a name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'q> {
    /// Case 6: `SERVICE.NAMESPACE.svc`
    Whole,
    /// Case 7: `ENDPOINT.SERVICE.NAMESPACE.svc`
    Endpoint(&'q [u8]),
    /// Case 8: `_PORT._PROTOCOL.SERVICE.NAMESPACE.svc`
    Port(PortFilter<'q>),
    /// Case 10: `ENDPOINT.CLUSTER.SERVICE.NAMESPACE.svc`, in zones of several clusters only;
    /// without CLUSTER it is an endpoint of which no cluster is known.
    Imported {
        /// the leftmost label
        endpoint: &'q [u8],
        /// the label right of it; empty where there is none
        cluster: &'q [u8],
    },
    /// Case 11: `TOPOLOGY.pin._zone.SERVICE.NAMESPACE.svc`, with the `zonal` option only
    Topology(Topology<'q>),
}

/// The topology zone whose endpoints a name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology<'q> {
    /// its labels as they lie in the question: a zone's name may have dots
    labels: &'q [u8],
    /// `prefer`: all endpoints, where none is in the zone
    pub or_all: bool,
}

/// The port that a name asks for. An underscore before either label is optional and not part of
/// it. A label that is only an underscore leaves nothing, and nothing matches every port: so
/// `_._tcp.SERVICE` asks for all TCP ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortFilter<'q> {
    /// the port's name; empty for any
    pub name: &'q [u8],
    /// `tcp`, `udp` or `sctp`; empty for any
    pub protocol: &'q [u8],
}

/// The most labels that a name may have left of the zone: case 8.
const MOST_LABELS: usize = 5;

/// Says what `relative` asks for: the labels left of the zone, in wire form (each with its length
/// before it, no root) and lower case.
#[must_use]
pub fn parse(relative: &[u8], grammar: Grammar) -> Parsed<'_> {
    let mut labels: [&[u8]; MOST_LABELS] = Default::default();
    let mut count = 0;
    let mut rest = relative;
    while let Some((label, after)) = split_label(rest) {
        let Some(slot) = labels.get_mut(count) else {
            let zonal = (grammar == Grammar::Zonal).then(|| zonal(relative));
            return zonal.flatten().unwrap_or(Parsed::Invalid);
        };
        *slot = label;
        count += 1;
        rest = after;
    }
    if !rest.is_empty() {
        return Parsed::Invalid;
    }
    let labels = labels.get(..count).unwrap_or_default();
    match (labels, grammar) {
        ([], _) => Parsed::Apex,
        ([b"svc" | b"pod"], _) => Parsed::Subtree,
        ([b"dns-version"], _) => Parsed::DnsVersion,
        ([b"ns", b"dns"], _) => Parsed::NameServer,
        (_, Grammar::Reverse) => Parsed::Invalid,
        ([namespace, b"svc"], _) => Parsed::Namespace {
            subtree: Subtree::Services,
            namespace,
        },
        ([namespace, b"pod"], _) => Parsed::Namespace {
            subtree: Subtree::Pods,
            namespace,
        },
        ([left @ .., service, namespace, b"svc"], _) => {
            let part = match left {
                [] => Part::Whole,
                [endpoint] if grammar == Grammar::Imports => Part::Imported {
                    endpoint,
                    cluster: &[],
                },
                [endpoint] => Part::Endpoint(endpoint),
                [endpoint, cluster]
                    if grammar == Grammar::Imports
                        && !endpoint.starts_with(b"_")
                        && !cluster.starts_with(b"_") =>
                {
                    Part::Imported { endpoint, cluster }
                }
                [port, protocol] => Part::Port(PortFilter {
                    name: without_underscore(port),
                    protocol: without_underscore(protocol),
                }),
                _ => return Parsed::Invalid,
            };
            let key = adjacent(relative, left, service.len() + namespace.len() + 2);
            Parsed::Service(Service {
                key,
                namespace,
                part,
            })
        }
        ([.., label, namespace, b"pod"], _) => Parsed::Pod { label, namespace },
        _ => Parsed::Invalid,
    }
}

/// A name that has more labels than all others: those of a topology zone come first.
fn zonal(relative: &[u8]) -> Option<Parsed<'_>> {
    let of_zone = whole(relative)?.count().checked_sub(MOST_LABELS)?;
    let mut rest = relative;
    for _ in 0..of_zone {
        rest = split_label(rest)?.1;
    }
    let labels = relative.strip_suffix(rest)?;
    let (directive, rest) = split_label(rest)?;
    let rest = rest.strip_prefix(b"\x05_zone")?;
    let or_all = match directive {
        b"pin" => false,
        b"prefer" => true,
        _ => return None,
    };
    let key = rest.strip_suffix(b"\x03svc")?;
    let (_, after) = split_label(key)?;
    let (namespace, _) = split_label(after)?;
    Some(Parsed::Service(Service {
        key,
        namespace,
        part: Part::Topology(Topology { labels, or_all }),
    }))
}

impl Topology<'_> {
    /// Whether it is the zone of this name in lower case.
    #[must_use]
    pub fn is(&self, zone: &str) -> bool {
        let mut rest = Some(zone.as_bytes());
        for (at, label) in Labels::of_head(self.labels).enumerate() {
            let dot: &[u8] = if at == 0 { b"" } else { b"." };
            // CoreDNS compares text, in which these are escaped.
            let is_plain = !label.iter().any(|byte| b".();@\"\\ ".contains(byte));
            rest = rest
                .filter(|_| is_plain)
                .and_then(|rest| rest.strip_prefix(dot)?.strip_prefix(label));
        }
        rest.is_some_and(<[u8]>::is_empty)
    }
}

/// The address that a name under `in-addr.arpa` or `ip6.arpa` stands for: RFC 1035, section 3.5
/// and RFC 3596, section 2.5. `name` is the whole name in wire form and lower case, with or
/// without the root.
///
/// As in CoreDNS, the labels are put together backwards, with a dot or after each four a colon
/// between them, and whatever is an address then as text is one. So up to three labels left of a
/// whole IPv6 name change nothing.
#[must_use]
pub fn reverse(name: &[u8]) -> Option<IpAddr> {
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    if let Some(octets) = name.strip_suffix(b"\x07in-addr\x04arpa") {
        return reverse4(octets).filter(IpAddr::is_ipv4);
    }
    reverse6(name.strip_suffix(b"\x03ip6\x04arpa")?)
}

/// The name of an address that [`reverse`] reads, in wire form and without the root.
#[must_use]
pub fn name_of_address(address: IpAddr) -> Vec<u8> {
    let mut name = Vec::new();
    let mut push = |label: &str| {
        // None of these labels is longer than seven bytes.
        name.push(label.len() as u8);
        name.extend_from_slice(label.as_bytes());
    };
    match address {
        IpAddr::V4(address) => {
            let octets = address.octets();
            octets
                .iter()
                .rev()
                .for_each(|octet| push(&octet.to_string()));
            push("in-addr");
        }
        IpAddr::V6(address) => {
            for octet in address.octets().iter().rev() {
                push(&format!("{:x}", octet & 0xf));
                push(&format!("{:x}", octet >> 4));
            }
            push("ip6");
        }
    }
    push("arpa");
    name
}

/// The labels of a Service and its namespace in wire form: the [`Service::key`] of a question for
/// it. `None` where one of them is no label.
#[must_use]
pub fn service_key(namespace: &str, service: &str) -> Option<Box<[u8]>> {
    let mut key = Vec::with_capacity(service.len() + namespace.len() + 2);
    for label in [service, namespace] {
        let length = u8::try_from(label.len()).ok();
        key.push(length.filter(|length| (1..=63).contains(length))?);
        key.extend_from_slice(label.as_bytes());
    }
    Some(key.into())
}

fn reverse4(labels: &[u8]) -> Option<IpAddr> {
    let mut text = Backwards::new();
    for (at, label) in whole(labels)?.enumerate() {
        if at > 0 {
            text.prepend(b".")?;
        }
        text.prepend(label)?;
    }
    text.address()
}

fn reverse6(labels: &[u8]) -> Option<IpAddr> {
    const GROUP: usize = 4;
    let labels = whole(labels)?;
    let ignored = labels.clone().count() % GROUP;
    let mut text = Backwards::new();
    for (at, label) in labels.skip(ignored).enumerate() {
        if at > 0 && at.is_multiple_of(GROUP) {
            text.prepend(b":")?;
        }
        text.prepend(label)?;
    }
    text.address()
}

/// The labels of bytes that are whole labels.
fn whole(wire: &[u8]) -> Option<Labels<'_>> {
    let labels = Labels::of_head(wire);
    let length: usize = labels.clone().map(|label| label.len() + 1).sum();
    (length == wire.len()).then_some(labels)
}

/// The text of an address, put together from its end.
struct Backwards {
    start: usize,
    bytes: [u8; Self::LONGEST],
}

impl Backwards {
    /// An IPv6 address that ends in an IPv4 one.
    const LONGEST: usize = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len();

    fn new() -> Self {
        Self {
            start: Self::LONGEST,
            bytes: [0; Self::LONGEST],
        }
    }

    /// `None` where that is no part of an address: it is too long, or a label has a dot in it.
    fn prepend(&mut self, text: &[u8]) -> Option<()> {
        let start = self.start.checked_sub(text.len())?;
        if text.len() > 1 && text.contains(&b'.') {
            return None;
        }
        self.bytes.get_mut(start..self.start)?.copy_from_slice(text);
        self.start = start;
        Some(())
    }

    fn address(&self) -> Option<IpAddr> {
        let text = std::str::from_utf8(self.bytes.get(self.start..)?).ok()?;
        text.parse()
            .ok()
            .map(|address: IpAddr| address.to_canonical())
    }
}

/// The first label and what follows its last byte. `None` at the end, and where the bytes are no
/// label.
pub(super) fn split_label(wire: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = wire.split_first()?;
    if !(1..=63).contains(&length) {
        return None;
    }
    rest.split_at_checked(usize::from(length))
}

/// `length` bytes of `relative` after the labels in `left`.
fn adjacent<'q>(relative: &'q [u8], left: &[&[u8]], length: usize) -> &'q [u8] {
    let start = left.iter().map(|label| label.len() + 1).sum();
    relative
        .get(start..)
        .and_then(|from| from.get(..length))
        .unwrap_or_default()
}

fn without_underscore(label: &[u8]) -> &[u8] {
    label.strip_prefix(b"_").unwrap_or(label)
}

#[cfg(test)]
mod tests;
