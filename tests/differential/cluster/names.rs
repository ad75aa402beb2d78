//! The names that both servers are asked for: every name that a cluster's objects give, and many
//! that are near one and do not exist.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};

use callsign::kubernetes::object::{EndpointSlice, Import, Object, Port, Service, ServiceKind};

/// A namespace that no cluster of this suite has.
const NOWHERE: &str = "nowhere";

/// Labels that no object has: as a Service, an endpoint, a pod or a port.
const ODD_LABELS: &[&str] = &[
    "*",
    "_",
    "-",
    "a_b",
    "\\000",
    "\\255",
    "\\032",
    "\\\\",
    "\\\"",
    "a\\.b",
    "a/b",
    "a\\@b",
    "\\195\\182",
    "xn--nxasmq6b",
    "label-of-sixty-three-bytes-which-is-as-long-as-a-label-can-be-1",
];

/// Labels that are nearly an address, or one that is written in an unusual way.
const POD_LABELS: &[&str] = &[
    "1-2-3-4",
    "0-0-0-0",
    "255-255-255-255",
    "256-1-1-1",
    "01-2-3-4",
    "1-2-3",
    "1-2-3-4-5",
    "1-2-3-4-",
    "-1-2-3-4",
    "a-b-c-d",
    "1\\.2\\.3\\.4",
    "2001-db8--1",
    "2001-DB8--1",
    "2001-db8-0-0-0-0-0-1",
    "2001-0db8--1",
    "2001\\:db8\\:\\:1",
    "--1",
    "1--",
    "--",
    "---",
    "--ffff-1-2-3-4",
    "--ffff-a00-1",
    "fe80--1",
    "12345--1",
];

/// Names under `in-addr.arpa` and `ip6.arpa` that are no address, or hardly.
const REVERSE_NAMES: &[&str] = &[
    "in-addr.arpa",
    "ip6.arpa",
    "10.in-addr.arpa",
    "256.0.0.10.in-addr.arpa",
    "01.0.0.10.in-addr.arpa",
    "a.0.0.10.in-addr.arpa",
    "1.0.0.10.0.in-addr.arpa",
    "0.in-addr.arpa",
    "1.0.0.127.in-addr.arpa",
    "0\\.0.0.10.in-addr.arpa",
    "svc.in-addr.arpa",
    "pod.in-addr.arpa",
    "default.svc.in-addr.arpa",
    "kubernetes.default.svc.in-addr.arpa",
    "ns.dns.in-addr.arpa",
    "dns-version.in-addr.arpa",
    "dns-version.ip6.arpa",
    "a.ip6.arpa",
    "g.0.0.0.ip6.arpa",
];

/// All names to ask for, as zone-file text with a dot at the end.
pub(crate) fn names(objects: &[Object], zones: &[&str]) -> Vec<String> {
    let mut names = Names::default();
    REVERSE_NAMES.iter().for_each(|name| names.add(name));
    let namespaces = namespaces(objects);
    for zone in zones {
        names.of_zone(zone);
        for namespace in &namespaces {
            names.of_namespace(namespace, zone);
        }
        ODD_LABELS.iter().for_each(|label| names.odd(label, zone));
    }
    for object in objects {
        match object {
            Object::Namespace(_) => {}
            Object::Service(service) | Object::ServiceImport(service) => {
                names.of_service(service, zones);
            }
            Object::EndpointSlice(slice) => {
                names.of_slice(slice, &slice.service, zones);
                if let Some(import) = &slice.import {
                    names.of_slice(slice, &import.service, zones);
                    names.of_import(slice, import, zones);
                }
            }
            Object::Pod(pod) => {
                for ip in &pod.ips {
                    names.of_pod(*ip, &pod.key.namespace, zones);
                }
            }
        }
    }
    names.0.into_iter().collect()
}

/// The namespaces that there are, one that objects are in and that does not exist, and one that
/// nothing knows of.
fn namespaces(objects: &[Object]) -> BTreeSet<&str> {
    let known = objects.iter().map(|object| match object {
        Object::Namespace(namespace) => &*namespace.name,
        Object::Service(service) => &service.key.namespace,
        Object::EndpointSlice(slice) => &slice.key.namespace,
        Object::Pod(pod) => &pod.key.namespace,
        Object::ServiceImport(import) => &import.key.namespace,
    });
    known.chain([NOWHERE]).collect()
}

#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// Adds a name, which is left out where it is longer than names can be.
    fn add(&mut self, name: impl Display) {
        let name = format!("{}.", name.to_string().trim_end_matches('.'));
        let labels = crate::wire::name::labels(&name);
        if labels.is_ok_and(|labels| crate::wire::name::to_wire(&labels).len() <= 255) {
            self.0.insert(name);
        }
    }

    /// Adds a name under a zone, as it is and in other cases.
    fn with_cases(&mut self, head: &str, zone: &str) {
        self.add(format_args!("{head}.{zone}"));
        self.add(format_args!("{}.{zone}", upper(head)));
        self.add(mixed(&format!("{head}.{zone}")));
    }

    fn of_zone(&mut self, zone: &str) {
        self.add(zone);
        self.add(upper(zone));
        for head in ["ns.dns", "ns1.dns", "dns-version", "svc", "pod"] {
            self.with_cases(head, zone);
            for label in ["a", "a.b", "_tcp", "_http._tcp", "1-2-3-4", "svc", "pod"] {
                self.add(format_args!("{label}.{head}.{zone}"));
            }
        }
        for head in [
            "dns",
            "apex.dns",
            "hostmaster",
            "xsvc",
            "_tcp",
            "any",
            "a.b",
            "www.example.org",
        ] {
            self.add(format_args!("{head}.{zone}"));
        }
        self.add(format_args!("not{zone}"));
    }

    fn of_namespace(&mut self, namespace: &str, zone: &str) {
        self.add(format_args!("{namespace}.{zone}"));
        for subtree in ["svc", "pod", "Svc"] {
            self.with_cases(&format!("{namespace}.{subtree}"), zone);
            for head in [
                "x", "*", "_tcp", "x.y", "_x._tcp", "x.y.z", "v.w.x.y", "svc",
            ] {
                self.add(format_args!("{head}.{namespace}.{subtree}.{zone}"));
            }
        }
        for label in POD_LABELS {
            self.add(format_args!("{label}.{namespace}.pod.{zone}"));
        }
    }

    fn odd(&mut self, label: &str, zone: &str) {
        self.add(format_args!("{label}.{zone}"));
        for base in [
            "svc",
            "default.svc",
            "kubernetes.default.svc",
            "default.pod",
        ] {
            self.add(format_args!("{label}.{base}.{zone}"));
            self.add(format_args!("{label}._tcp.{base}.{zone}"));
            self.add(format_args!("_https.{label}.{base}.{zone}"));
        }
        self.add(format_args!("kubernetes.{label}.svc.{zone}"));
        self.add(format_args!("kubernetes.default.{label}.{zone}"));
        self.add(format_args!("1-2-3-4.{label}.pod.{zone}"));
        self.add(format_args!("{label}.in-addr.arpa"));
        self.add(format_args!("{label}.0.0.10.in-addr.arpa"));
    }

    fn of_service(&mut self, service: &Service, zones: &[&str]) {
        let key = &service.key;
        let base = format!("{}.{}.svc", key.name, key.namespace);
        for zone in zones {
            self.with_cases(&base, zone);
            self.add(format_args!("{}.{NOWHERE}.svc.{zone}", key.name));
            self.add(format_args!("{}.{}.pod.{zone}", key.name, key.namespace));
            self.add(format_args!("{}.{}.{zone}", key.name, key.namespace));
            for head in [
                "x",
                "_tcp",
                "x.y",
                "_x._tcp",
                "_._tcp",
                "_tcp._tcp",
                "x.y.z",
            ] {
                self.add(format_args!("{head}.{base}.{zone}"));
            }
            self.of_ports(&service.ports, &base, zone);
        }
        if let ServiceKind::ClusterIp(ips) = &service.kind {
            ips.iter().for_each(|ip| self.of_address(*ip));
        }
        if let Some(external) = &service.external {
            let ips = external.ips.iter().chain(&external.ingress_ips);
            ips.for_each(|ip| self.of_address(*ip));
        }
    }

    /// The endpoints of an import by their clusters.
    fn of_import(&mut self, slice: &EndpointSlice, import: &Import, zones: &[&str]) {
        let base = format!("{}.{}.svc", import.service, slice.key.namespace);
        for (endpoint, zone) in slice
            .endpoints
            .iter()
            .flat_map(|endpoint| zones.iter().map(move |zone| (endpoint, zone)))
        {
            let addresses = endpoint.addresses.iter().map(|ip| dashed(*ip));
            let named = [&endpoint.hostname, &endpoint.pod].into_iter().flatten();
            for label in named.map(|name| name.to_string()).chain(addresses) {
                for cluster in [&*import.cluster, "east", "west", "nowhere", "_east"] {
                    self.with_cases(&format!("{label}.{cluster}.{base}"), zone);
                    self.add(format_args!("_{label}.{cluster}.{base}.{zone}"));
                    self.add(format_args!("x.{label}.{cluster}.{base}.{zone}"));
                }
            }
        }
    }

    /// The endpoints of a slice by their topology zones.
    fn of_topology(&mut self, slice: &EndpointSlice, base: &str, zone: &str) {
        let topologies = slice.endpoints.iter();
        let topologies: BTreeSet<&str> = topologies.filter_map(|one| one.zone.as_deref()).collect();
        if topologies.is_empty() {
            return;
        }
        for topology in topologies.into_iter().chain(["zone-z"]) {
            for directive in ["pin", "prefer"] {
                self.with_cases(&format!("{topology}.{directive}._zone.{base}"), zone);
            }
            for middle in ["near._zone", "pin._zones", "pin.zone", "pin._zone._zone"] {
                self.add(format_args!("{topology}.{middle}.{base}.{zone}"));
            }
        }
        self.add(format_args!("pin._zone.{base}.{zone}"));
        self.add(format_args!("_zone.{base}.{zone}"));
    }

    fn of_slice(&mut self, slice: &EndpointSlice, service: &str, zones: &[&str]) {
        let namespace = &slice.key.namespace;
        let base = format!("{service}.{namespace}.svc");
        for zone in zones {
            self.of_ports(&slice.ports, &base, zone);
            self.of_topology(slice, &base, zone);
            for endpoint in &slice.endpoints {
                let names = [&endpoint.hostname, &endpoint.pod];
                for name in names.into_iter().flatten() {
                    self.with_cases(&format!("{name}.{base}"), zone);
                    self.add(format_args!("a.{name}.{base}.{zone}"));
                }
                for ip in &endpoint.addresses {
                    let label = dashed(*ip);
                    self.with_cases(&format!("{label}.{base}"), zone);
                    self.add(format_args!("_x._tcp.{label}.{base}.{zone}"));
                }
            }
        }
        for ip in slice.endpoints.iter().flat_map(|one| one.addresses.iter()) {
            self.of_pod(*ip, namespace, zones);
        }
    }

    fn of_ports(&mut self, ports: &[Port], base: &str, zone: &str) {
        for port in ports {
            let name = &*port.name;
            let protocol = format!("{:?}", port.protocol).to_lowercase();
            for protocol in [&*protocol, "tcp", "udp", "sctp", "x", ""] {
                self.add(format_args!("_{name}._{protocol}.{base}.{zone}"));
                self.add(format_args!("{name}.{protocol}.{base}.{zone}"));
            }
            self.with_cases(&format!("_{name}._{protocol}.{base}"), zone);
            self.add(format_args!("_{name}.{protocol}.{base}.{zone}"));
            self.add(format_args!("__{name}._{protocol}.{base}.{zone}"));
            self.add(format_args!("_._{protocol}.{base}.{zone}"));
            self.add(format_args!("_{protocol}._{name}.{base}.{zone}"));
            self.add(format_args!("_{name}.{base}.{zone}"));
            self.add(format_args!("x._{name}._{protocol}.{base}.{zone}"));
        }
    }

    fn of_pod(&mut self, ip: IpAddr, namespace: &str, zones: &[&str]) {
        let label = dashed(ip);
        for zone in zones {
            self.with_cases(&format!("{label}.{namespace}.pod"), zone);
            for head in ["x", "x.y", "_x._tcp", "x.y.z"] {
                self.add(format_args!("{head}.{label}.{namespace}.pod.{zone}"));
            }
            for elsewhere in ["default", NOWHERE] {
                self.add(format_args!("{label}.{elsewhere}.pod.{zone}"));
            }
            self.add(format_args!("{label}.{namespace}.{zone}"));
        }
        self.of_address(ip);
    }

    /// The reverse name of an address, and what is beside and above it.
    fn of_address(&mut self, ip: IpAddr) {
        let name = reverse(ip);
        self.add(&name);
        self.add(upper(&name));
        self.add(mixed(&name));
        for head in ["x", "0", "x.y", "x.y.z", "0.0.0.0"] {
            self.add(format_args!("{head}.{name}"));
        }
        let mut above = name.as_str();
        while let Some((_, rest)) = above.split_once('.') {
            above = rest;
            if above.matches('.').count() > 1 {
                self.add(above);
            }
        }
        if let IpAddr::V4(ip) = ip {
            let [first, second, third, fourth] = ip.octets();
            self.add(format_args!(
                "{fourth}.{third}.{second}.{first:02}.in-addr.arpa"
            ));
            self.add(reverse(IpAddr::V6(ip.to_ipv6_mapped())));
            // As text this is an address too, of another form.
            self.add(format_args!(
                "{fourth}.{third}.{second}.::ffff:{first}.in-addr.arpa"
            ));
        }
        if let IpAddr::V6(ip) = ip {
            let [.., last] = ip.segments();
            self.add(format_args!("{last:x}.:.:.fd00:60.ip6.arpa"));
        }
    }
}

/// An address as a label: what an endpoint or a pod without another name is called.
fn dashed(ip: IpAddr) -> String {
    let label = ip.to_string().replace(['.', ':'], "-");
    if label.ends_with('-') {
        label + "0"
    } else {
        label
    }
}

fn reverse(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, third, fourth] = ip.octets();
            format!("{fourth}.{third}.{second}.{first}.in-addr.arpa")
        }
        IpAddr::V6(ip) => nibbles(ip) + "ip6.arpa",
    }
}

fn nibbles(ip: Ipv6Addr) -> String {
    let digits = format!("{:032x}", u128::from(ip));
    digits
        .chars()
        .rev()
        .flat_map(|digit| [digit, '.'])
        .collect()
}

fn upper(text: &str) -> String {
    text.to_ascii_uppercase()
}

/// Every second letter in upper case.
fn mixed(text: &str) -> String {
    let case = |(at, letter): (usize, char)| match at % 2 {
        0 => letter.to_ascii_uppercase(),
        _ => letter,
    };
    text.char_indices().map(case).collect()
}
