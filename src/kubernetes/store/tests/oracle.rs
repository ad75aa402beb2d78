//! The answers that a set of objects has, worked out anew for each question by going over all
//! objects, with names as text. It shares no code with the store and the zone.

use crate::kubernetes::event::Event;
use crate::kubernetes::object::{
    Endpoint, EndpointSlice, Key, Kind, Object, Pod, Port, Protocol, Service, ServiceKind,
};
use crate::kubernetes::zone::{Pods, View};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The final objects, by kind and key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    objects: BTreeMap<(Kind, Key), Object>,
    /// what a list in progress has named
    listing: BTreeMap<Kind, BTreeSet<Key>>,
}

/// Something that a name leads to: an address or a name, a port, and the name of both.
#[derive(Debug)]
struct Record {
    host: String,
    port: Option<u16>,
    target: String,
}

impl Oracle {
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Listing(kind) => {
                self.listing.insert(*kind, BTreeSet::new());
            }
            Event::Apply(object) => {
                if let Some(listed) = self.listing.get_mut(&object.kind()) {
                    listed.insert(object.key());
                }
                self.objects
                    .insert((object.kind(), object.key()), object.clone());
            }
            Event::Delete(kind, key) => {
                self.objects.remove(&(*kind, key.clone()));
            }
            Event::Listed(kind) => {
                if let Some(listed) = self.listing.remove(kind) {
                    self.objects
                        .retain(|(of, key), _| of != kind || listed.contains(key));
                }
            }
            Event::Snapshot { .. } | Event::Cluster(_) | Event::Changed(..) => {}
        }
    }

    pub(crate) fn ask(&self, view: &View, question: &str) -> Vec<String> {
        let (name, qtype) = question.split_once(' ').unwrap();
        let mut answer = if qtype == "PTR" {
            self.pointers(view, name)
        } else {
            match self.records(view, name) {
                None => vec!["NXDOMAIN".to_owned()],
                Some(records) => render(&records, qtype),
            }
        };
        if answer.is_empty() {
            answer.push("NODATA".to_owned());
        }
        answer.sort();
        answer.dedup();
        answer
    }

    pub(in crate::kubernetes) fn ready_addresses(&self) -> usize {
        let slices = self.slices().filter(|slice| !slice.service.is_empty());
        let endpoints = slices.flat_map(|slice| slice.endpoints.iter());
        endpoints
            .filter(|endpoint| endpoint.ready)
            .map(|endpoint| endpoint.addresses.len())
            .sum()
    }

    pub(in crate::kubernetes) fn count(&self, kind: Kind) -> usize {
        self.objects.keys().filter(|(of, _)| *of == kind).count()
    }

    /// The objects of a kind.
    pub(crate) fn objects(&self, kind: Kind) -> Vec<Object> {
        let of_kind = self.objects.iter().filter(|((of, _), _)| *of == kind);
        of_kind.map(|(_, object)| object.clone()).collect()
    }

    fn services(&self) -> impl Iterator<Item = &Service> {
        self.objects.values().filter_map(|object| match object {
            Object::Service(service) => Some(service),
            _ => None,
        })
    }

    fn slices(&self) -> impl Iterator<Item = &EndpointSlice> {
        self.objects.values().filter_map(|object| match object {
            Object::EndpointSlice(slice) => Some(slice),
            _ => None,
        })
    }

    fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.objects.values().filter_map(|object| match object {
            Object::Pod(pod) => Some(pod),
            _ => None,
        })
    }

    fn exposes(&self, view: &View, namespace: &str) -> bool {
        let exists = self
            .objects
            .values()
            .any(|object| matches!(object, Object::Namespace(there) if &*there.name == namespace));
        exists && view.namespaces.show(namespace.as_bytes())
    }

    /// `None` where the name does not exist.
    fn records(&self, view: &View, name: &str) -> Option<Vec<Record>> {
        let labels: Vec<&str> = name.split('.').filter(|label| *label != "@").collect();
        let (tree, rest) = match labels[..] {
            [] | ["svc" | "pod"] => return Some(Vec::new()),
            [.., tree @ ("svc" | "pod")] => (tree, &labels[..labels.len() - 1]),
            _ => return None,
        };
        let (namespace, rest) = rest.split_last()?;
        if !self.exposes(view, namespace) || rest.len() > 3 {
            return None;
        }
        let of_pods = tree == "pod";
        if of_pods && view.pods == Pods::Disabled {
            return None;
        }
        let Some((name, left)) = rest.split_last() else {
            return Some(Vec::new());
        };
        let records = if of_pods {
            self.pod_records(view, name, namespace)
        } else {
            self.service_records(view, name, namespace, left)
        };
        (!records.0.is_empty() || records.1).then_some(records.0)
    }

    fn pod_records(&self, view: &View, label: &str, namespace: &str) -> (Vec<Record>, bool) {
        let like_v4 = label.matches('-').count() == 3 && !label.contains("--");
        let ip = label.replace('-', if like_v4 { "." } else { ":" });
        let count = match view.pods {
            Pods::Insecure => usize::from(ip.parse::<IpAddr>().is_ok()),
            _ => {
                let here = self.pods().filter(|pod| &*pod.key.namespace == namespace);
                here.filter(|pod| pod.ips.iter().any(|own| own.to_string() == ip))
                    .count()
            }
        };
        let record = || Record {
            host: ip.parse::<IpAddr>().unwrap().to_canonical().to_string(),
            port: Some(0),
            target: format!("{label}.{namespace}.pod"),
        };
        ((0..count).map(|_| record()).collect(), false)
    }

    /// The records, and whether the name exists without one.
    fn service_records(
        &self,
        view: &View,
        name: &str,
        namespace: &str,
        left: &[&str],
    ) -> (Vec<Record>, bool) {
        let key =
            |service: &&Service| &*service.key.name == name && &*service.key.namespace == namespace;
        let Some(service) = self.services().find(key) else {
            return (Vec::new(), false);
        };
        let (endpoint, port, protocol) = match left {
            [] => (None, "", ""),
            [endpoint] => (Some(*endpoint), "", ""),
            [port, protocol] => (
                None,
                port.trim_start_matches('_'),
                protocol.trim_start_matches('_'),
            ),
            _ => return (Vec::new(), false),
        };
        let slices: Vec<&EndpointSlice> = self
            .slices()
            .filter(|slice| {
                view.endpoints && &*slice.service == name && &*slice.key.namespace == namespace
            })
            .collect();
        let own = format!("{name}.{namespace}.svc");
        let ips = match &service.kind {
            ServiceKind::ExternalName(target) => {
                let plain = endpoint.is_none() && port.is_empty() && protocol.is_empty();
                let is_name = target.parse::<IpAddr>().is_err();
                let record = Record {
                    host: target.to_string(),
                    port: None,
                    target: own,
                };
                return (
                    (plain && is_name).then_some(record).into_iter().collect(),
                    false,
                );
            }
            ServiceKind::ClusterIp(ips) => Some(ips),
            ServiceKind::Headless => None,
        };
        let mut records = Vec::new();
        if let (Some(ips), None) = (ips, endpoint) {
            let ready = slices.iter().flat_map(|slice| ready(slice)).count();
            if view.ignore_empty_service && ready == 0 {
                return (records, false);
            }
            let ports = selected(&service.ports, port, protocol);
            let exists = !ports.is_empty();
            let unique: BTreeSet<&IpAddr> = ips.iter().collect();
            for number in ports {
                for ip in &unique {
                    records.push(Record {
                        host: ip.to_string(),
                        port: number,
                        target: own.clone(),
                    });
                }
            }
            return (records, exists);
        }
        for slice in slices {
            for (ip, of) in ready(slice) {
                let label = label(ip, of, view.endpoint_pod_names);
                if endpoint.is_some_and(|wanted| wanted != label) {
                    continue;
                }
                for number in selected(&slice.ports, port, protocol) {
                    records.push(Record {
                        host: ip.to_string(),
                        port: number,
                        target: format!("{label}.{own}"),
                    });
                }
            }
        }
        (records, false)
    }

    fn pointers(&self, view: &View, ip: &str) -> Vec<String> {
        let ip: IpAddr = ip.parse().unwrap();
        let all = view.namespaces.is_all();
        let shown = |namespace: &str| all || self.exposes(view, namespace);
        let mut owners: Vec<&Service> = self
            .services()
            .filter(|service| shown(&service.key.namespace))
            .filter(
                |service| matches!(&service.kind, ServiceKind::ClusterIp(ips) if ips.contains(&ip)),
            )
            .collect();
        // of Services with one address any would do; the zone's order is by length, then text
        let order = |text: &str| (text.len(), text.to_owned());
        owners.sort_by_key(|service| (order(&service.key.name), order(&service.key.namespace)));
        if let Some(service) = owners.first() {
            return vec![format!(
                "PTR {}.{}.svc",
                service.key.name, service.key.namespace
            )];
        }
        let mut names = Vec::new();
        for slice in self
            .slices()
            .filter(|slice| shown(&slice.key.namespace) && view.endpoints)
        {
            for (_, of) in ready(slice).filter(|(own, _)| **own == ip) {
                if !slice.service.is_empty() {
                    let label = label(&ip, of, view.endpoint_pod_names);
                    names.push(format!(
                        "PTR {label}.{}.{}.svc",
                        slice.service, slice.key.namespace
                    ));
                }
            }
        }
        if names.is_empty() {
            names.push("NXDOMAIN".to_owned());
        }
        names
    }
}

fn ready(slice: &EndpointSlice) -> impl Iterator<Item = (&IpAddr, &Endpoint)> {
    let endpoints = slice.endpoints.iter().filter(|endpoint| endpoint.ready);
    endpoints.flat_map(|endpoint| endpoint.addresses.iter().map(move |ip| (ip, endpoint)))
}

/// The numbers of the ports that pass.
fn selected(ports: &[Port], name: &str, protocol: &str) -> Vec<Option<u16>> {
    if ports.is_empty() {
        let any = name.is_empty() && protocol.is_empty();
        return if any { vec![None] } else { Vec::new() };
    }
    let protocol_of = |port: &Port| match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
        Protocol::Unset => "",
    };
    let passing = ports.iter().filter(|port| {
        (name.is_empty() || name.eq_ignore_ascii_case(&port.name))
            && (protocol.is_empty() || protocol == protocol_of(port))
    });
    passing
        .map(|port| (port.number != 0).then_some(port.number))
        .collect()
}

fn label(ip: &IpAddr, endpoint: &Endpoint, pod_names: bool) -> String {
    let pod = endpoint
        .pod
        .as_ref()
        .filter(|pod| pod_names && pod.len() < 64);
    match (&endpoint.hostname, pod) {
        (Some(name), _) | (None, Some(name)) => name.to_string(),
        (None, None) => {
            let mut text = ip.to_string().replace(['.', ':'], "-");
            if text.ends_with('-') {
                text.push('0');
            }
            text
        }
    }
}

fn render(records: &[Record], qtype: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for record in records {
        let address = record.host.parse::<IpAddr>();
        match (qtype, address) {
            ("A" | "AAAA", Err(_)) => lines.push(format!("CNAME {}", record.host)),
            ("A", Ok(IpAddr::V4(address))) => lines.push(format!("A {address}")),
            ("AAAA", Ok(IpAddr::V6(address))) => lines.push(format!("AAAA {address}")),
            ("SRV", Ok(address)) => {
                if let Some(port) = record.port {
                    let weight = (100.0 / (records.len() as f64 * 100.0) * 100.0)
                        .floor()
                        .max(1.0);
                    lines.push(format!("SRV 0 {weight} {port} {}", record.target));
                    lines.push(format!("+ {} {address}", record.target));
                }
            }
            _ => {}
        }
    }
    lines
}
