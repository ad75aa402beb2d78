//! Which Services, endpoints and ports a name stands for.

use std::net::IpAddr;
use std::sync::Arc;

use crate::kubernetes::object::Port;
use crate::kubernetes::zone::{Entry, Label, Shape};
use crate::name::{Labels, MAX_LABEL, Name, NameRef};
use crate::plugin::kubernetes::Cluster;

/// What a name holds.
pub(super) enum Found {
    /// Records, for some types.
    Targets(Vec<Target>),
    /// The name exists, and holds nothing.
    NoData,
    /// The name does not exist.
    NameError,
}

/// An address or a host with one port: as CoreDNS has it, a Service is there once for each pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    /// `None` where there is no number, as where any port is meant.
    pub(super) port: Option<u16>,
    /// The name that has the address.
    pub(super) name: Name,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    /// The host name of a load balancer, an endpoint that is a name, or that of a PTR record.
    Name(Name),
}

impl Target {
    /// The name that an SRV record leads to.
    pub(super) fn owner(&self) -> &Name {
        match &self.host {
            Host::Name(host) => host,
            Host::Address(_) => &self.name,
        }
    }
}

/// Asks the cluster for names in a zone.
pub(super) struct Lookup<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) zone: &'a Name,
    /// The plugin's first zone, to which reverse names lead.
    pub(super) first: &'a Name,
    pub(super) headless: bool,
}

/// A port that is asked for; empty is any.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'q> {
    pub(super) port: &'q [u8],
    pub(super) protocol: &'q [u8],
}

impl Asked<'_> {
    fn is_any(self) -> bool {
        self.port.is_empty() && self.protocol.is_empty()
    }

    /// The numbers of those ports that are asked for. No port stands for any of them.
    fn numbers(self, ports: &[Port]) -> Vec<Option<u16>> {
        if ports.is_empty() {
            return self.is_any().then_some(None).into_iter().collect();
        }
        let fits = |port: &&Port| {
            let protocol = port.protocol.word().as_bytes();
            (self.port.is_empty() || self.port.eq_ignore_ascii_case(port.name.as_bytes()))
                && (self.protocol.is_empty() || self.protocol.eq_ignore_ascii_case(protocol))
        };
        let fitting = ports.iter().filter(fits);
        fitting
            .map(|port| (port.number > 0).then_some(port.number))
            .collect()
    }
}

fn bare(label: &[u8]) -> &[u8] {
    label.strip_prefix(b"_").unwrap_or(label)
}

impl Lookup<'_> {
    /// `[ENDPOINT.|PORT.PROTOCOL.]SERVICE.NAMESPACE` in front of the zone.
    pub(super) fn name(&self, head: &[u8]) -> Found {
        let labels: Vec<&[u8]> = Labels::of_head(head).collect();
        let Some((namespace, rest)) = labels.split_last() else {
            return Found::NameError;
        };
        if !self.cluster.zone.shows(&self.cluster.view, namespace) {
            return Found::NameError;
        }
        let Some((service, rest)) = rest.split_last() else {
            return Found::NoData;
        };
        let (endpoint, asked) = match rest {
            [] => (None, Asked::default()),
            [endpoint] => (Some(bare(endpoint)), Asked::default()),
            [port, protocol] => {
                let (port, protocol) = (bare(port), bare(protocol));
                (None, Asked { port, protocol })
            }
            _ => return Found::NameError,
        };
        let endpoint = endpoint.filter(|endpoint| !endpoint.is_empty());
        // The labels of Service and namespace are the end of the head.
        let key = head.len() - (2 + service.len() + namespace.len());
        let key = head.get(key..).unwrap_or_default();
        let found = self.cluster.zone.shown(&self.cluster.view, key);
        let Some(entry) = found.filter(|entry| *entry.shape() != Shape::Absent) else {
            return Found::NameError;
        };
        let targets = self.targets(&entry, key, endpoint, asked);
        match targets.is_empty() {
            true => Found::NameError,
            false => Found::Targets(targets),
        }
    }

    /// Whether a Service is known by its endpoints, as it has no address outside.
    pub(super) fn is_by_endpoints(&self, entry: &Entry) -> bool {
        self.headless && entry.external().is_none() && *entry.shape() == Shape::Headless
    }

    /// What a Service, one of its endpoints or its ports of a kind stands for; `key` is
    /// `SERVICE.NAMESPACE` in wire form.
    pub(super) fn targets(
        &self,
        entry: &Arc<Entry>,
        key: &[u8],
        endpoint: Option<&[u8]>,
        asked: Asked<'_>,
    ) -> Vec<Target> {
        let is_of_endpoint = self.headless && entry.external().is_none() && endpoint.is_some();
        if is_of_endpoint || self.is_by_endpoints(entry) {
            return self.endpoints(entry, key, endpoint, asked);
        }
        let Some(external) = entry.external() else {
            return Vec::new();
        };
        let Some(name) = below(key, self.zone) else {
            return Vec::new();
        };
        let addresses = external.ips.iter().copied().map(Host::Address);
        let hostnames = external.hostnames.iter();
        let hostnames = hostnames.filter_map(|host| Name::from_text(host).ok().map(Host::Name));
        let mut targets = Vec::new();
        for host in addresses.chain(hostnames) {
            for port in asked.numbers(entry.ports()) {
                targets.push(Target {
                    host: host.clone(),
                    port,
                    name: name.clone(),
                });
            }
        }
        targets
    }

    /// The ready endpoints of a Service, or one of them.
    fn endpoints(
        &self,
        entry: &Arc<Entry>,
        key: &[u8],
        wanted: Option<&[u8]>,
        asked: Asked<'_>,
    ) -> Vec<Target> {
        let view = &self.cluster.view;
        let mut targets = Vec::new();
        let slices = entry.slices().iter().filter(|_| view.endpoints);
        for slice in slices {
            let numbers = asked.numbers(slice.ports());
            if numbers.is_empty() {
                continue;
            }
            let mut add = |label: &[u8], host: Host, name: Option<Name>| {
                let is_wanted = wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(label));
                let Some(name) = name.filter(|_| is_wanted) else {
                    return;
                };
                targets.extend(numbers.iter().map(|port| Target {
                    host: host.clone(),
                    port: *port,
                    name: name.clone(),
                }));
            };
            for endpoint in slice.endpoints() {
                let label = endpoint.label(view.endpoint_pod_names);
                let name = self.name_of_endpoint(label.as_bytes(), key);
                add(label.as_bytes(), Host::Address(endpoint.address), name);
            }
            for alias in slice.aliases() {
                let label = alias.label(view.endpoint_pod_names);
                let label = label.as_ref().map(Label::as_bytes).unwrap_or_default();
                if let Ok(name) = Name::from_text(&alias.target) {
                    add(label, Host::Name(name.clone()), Some(name));
                }
            }
        }
        targets
    }

    /// The names of a Service's endpoints in front of its own.
    pub(super) fn labels(&self, entry: &Entry) -> Vec<Vec<u8>> {
        let view = &self.cluster.view;
        let slices = entry.slices().iter().filter(|_| view.endpoints);
        let labels = slices.flat_map(|slice| {
            let endpoints = slice.endpoints();
            let endpoints = endpoints.map(|one| Some(one.label(view.endpoint_pod_names)));
            let aliases = slice.aliases().iter();
            endpoints.chain(aliases.map(|one| one.label(view.endpoint_pod_names)))
        });
        let labels = labels.flatten();
        labels
            .map(|label| label.as_bytes().to_ascii_lowercase())
            .collect()
    }

    /// The names of an address, below the plugin's first zone.
    pub(super) fn address(&self, address: IpAddr) -> Found {
        let owners = self
            .cluster
            .zone
            .external_owners(&self.cluster.view, address);
        let names = owners.iter();
        let names = names.filter_map(|owner| below(owner.name(), self.first));
        let targets: Vec<Target> = names
            .map(|name| Target {
                host: Host::Name(name.clone()),
                port: None,
                name,
            })
            .collect();
        match targets.is_empty() {
            true => Found::NameError,
            false => Found::Targets(targets),
        }
    }

    fn name_of_endpoint(&self, label: &[u8], key: &[u8]) -> Option<Name> {
        below(&of_endpoint(label, key)?, self.zone)
    }
}

/// The name of an endpoint in front of the zone; `None` where it is none.
pub(super) fn of_endpoint(label: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    // A pod's name may hold dots: as in CoreDNS it is several labels of a target then.
    let labels = label.split(|byte| *byte == b'.');
    in_front(labels.filter(|label| !label.is_empty()), key)
}

/// Labels in front of others; `None` where one is too long.
pub(super) fn in_front<'l>(
    labels: impl IntoIterator<Item = &'l [u8]>,
    rest: &[u8],
) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    for label in labels {
        let length = u8::try_from(label.len()).ok();
        head.push(length.filter(|length| usize::from(*length) <= MAX_LABEL)?);
        head.extend_from_slice(label);
    }
    head.extend_from_slice(rest);
    Some(head)
}

/// Labels in front of a zone; `None` where that is too long for a name.
fn below(head: &[u8], zone: &Name) -> Option<Name> {
    let wire = [head, zone.view().as_bytes()].concat();
    NameRef::parse(&wire).ok().map(NameRef::to_name)
}
