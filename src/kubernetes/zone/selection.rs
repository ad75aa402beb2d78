//! The records that a question under a Service selects.

use super::addresses::Addresses;
use super::entry::{Borrowed, Entry, Shape, as_v4, as_v6};
use super::label::Label;
use super::slice::{Alias, Endpoint, Slice, Wanted};
use super::unique::{FEW, Unique};
use super::view::View;
use crate::kubernetes::name::{Part, PortFilter, Topology};
use crate::kubernetes::object::Port;
use smallvec::SmallVec;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A Service, or the part of it that a question asks for. It holds one state of the Service, so
/// all that is read from it fits together.
#[derive(Debug)]
pub struct Selection<'q> {
    entry: Borrowed,
    ports: PortFilter<'q>,
    /// the endpoint asked for, if it is one
    endpoint: Option<Wanted<'q>>,
    /// the topology zone of the endpoints asked for, if it is one
    topology: Option<Topology<'q>>,
    pod_names: bool,
}

/// An endpoint as the target of SRV records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// its label
    pub label: Label,
    /// in a zone of several clusters: its cluster, a label right of it
    pub cluster: Option<Label>,
}

/// SRV records, all of priority 0 and the same weight, and their glue.
///
/// The records stand in the order in which CoreDNS tells them, which decides what a reply that is
/// too long keeps: by slice, then endpoint, then port. Each is told once, where it comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// 1 to 100
    pub weight: u16,
    /// the endpoint that each target is; `None` where it is the Service
    pub targets: SmallVec<[Option<Target>; FEW]>,
    /// a target's place, and a port; empty where no port has a number
    pub records: SmallVec<[(usize, u16); FEW]>,
    /// a target's place, and one of its addresses
    pub glue: SmallVec<[(usize, IpAddr); FEW]>,
}

impl<'q> Selection<'q> {
    /// `None` where the part selects nothing: then the name does not exist.
    pub(super) fn new(view: &View, entry: Borrowed, part: Part<'q>) -> Option<Self> {
        if let Shape::Absent | Shape::ExternalName(_) = entry.shape() {
            return None;
        }
        let pod_names = view.endpoint_pod_names;
        let mut selection = Self {
            entry,
            ports: PortFilter::default(),
            endpoint: None,
            topology: None,
            pod_names,
        };
        match part {
            Part::Whole => {}
            Part::Port(ports) => selection.ports = ports,
            Part::Endpoint(label) => selection.endpoint = Some(Wanted::new(label, pod_names)?),
            Part::Imported { endpoint, cluster } => {
                let wanted = Wanted::new(endpoint, pod_names)?.of_cluster(cluster);
                selection.endpoint = Some(wanted);
            }
            Part::Topology(topology) => return selection.in_zone(topology),
        }
        let entry = &selection.entry;
        let exists = if selection.of_endpoints() {
            view.endpoints && selection.holds_endpoints()
        } else {
            let is_portless = *entry.shape() == Shape::Portless;
            let is_ready = || entry.slices().iter().any(|slice| slice.ready() > 0);
            let ignored = view.ignore_empty_service && !(view.endpoints && is_ready());
            !ignored && !is_portless && selection.ports.pass_one(|| entry.ports())
        };
        exists.then_some(selection)
    }

    /// A headless Service has a name for each zone there may be, with records or not. No other has.
    fn in_zone(mut self, topology: Topology<'q>) -> Option<Self> {
        if *self.entry.shape() != Shape::Headless {
            return None;
        }
        self.topology = Some(topology);
        if topology.or_all && !self.holds_endpoints() {
            self.topology = None;
        }
        Some(self)
    }

    /// The Service's state, of which this is a part.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The addresses of the A records, each once. `None` where there is none: NODATA.
    ///
    /// They are the entry's own, shared, unless the question asks for single endpoints, or for a
    /// port that not all of them have.
    #[must_use]
    pub fn v4(&self) -> Option<Addresses<Ipv4Addr>> {
        match self.is_all() {
            true => self.entry.v4().cloned(),
            false => Addresses::of(|| self.addresses().filter_map(as_v4)),
        }
    }

    /// As [`Selection::v4`], for AAAA.
    #[must_use]
    pub fn v6(&self) -> Option<Addresses<Ipv6Addr>> {
        match self.is_all() {
            true => self.entry.v6().cloned(),
            false => Addresses::of(|| self.addresses().filter_map(as_v6)),
        }
    }

    /// The name of an endpoint that is one, where no endpoint has an address.
    ///
    /// The first one counts: of several, or beside addresses, a name can have no alias.
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        if !self.of_endpoints() || self.addresses().next().is_some() {
            return None;
        }
        self.aliases().next().map(|alias| &*alias.target)
    }

    /// Whether it leads nowhere at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4().is_none() && self.v6().is_none() && self.alias().is_none()
    }

    /// The SRV records, or the first `most` of them: of a Service with ten thousand endpoints no
    /// message holds more than a part.
    ///
    /// The weight is 100 shared by all pairs of address and port, those included that give no
    /// record of their own: a second address of a target, a number that another protocol has
    /// too, a port without number.
    #[must_use]
    pub fn srv(&self, most: usize) -> Srv {
        if self.of_endpoints() {
            self.endpoint_srv(most)
        } else {
            self.service_srv(most)
        }
    }

    /// The Service as the one target.
    fn service_srv(&self, most: usize) -> Srv {
        let ports = self.entry.ports();
        let addresses = || self.entry.cluster_ips();
        let pairs = self.ports.count(ports) * addresses().count();
        let mut srv = Srv::new(pairs);
        let numbers = numbers(self.ports, ports);
        if pairs > 0 && !numbers.is_empty() {
            srv.targets.push(None);
            srv.records
                .extend(numbers.into_iter().take(most).map(|number| (0, number)));
            srv.glue.extend(addresses().map(|address| (0, address)));
        }
        srv
    }

    fn endpoint_pairs(&self) -> usize {
        let pairs = self.slices().map(|(slice, endpoints)| {
            let endpoints = match (&self.endpoint, &self.topology) {
                (None, None) => slice.count(),
                _ => endpoints.count(),
            };
            self.ports.count(slice.ports()) * endpoints
        });
        pairs.sum()
    }

    /// The endpoints selected as targets; those of one label are one.
    fn endpoint_srv(&self, most: usize) -> Srv {
        let mut srv = Srv::new(self.endpoint_pairs());
        let mut labels = Unique::new();
        let mut glue = Unique::new();
        let mut told = SmallVec::<[SmallVec<[u16; 4]>; FEW]>::new();
        for (slice, endpoints) in self.slices() {
            let numbers = numbers(self.ports, slice.ports());
            if numbers.is_empty() {
                continue;
            }
            let cluster = Label::of_text(slice.cluster());
            for endpoint in endpoints {
                let room = most.saturating_sub(srv.records.len());
                if room == 0 {
                    return srv;
                }
                let target = Target {
                    label: endpoint.label(self.pod_names),
                    cluster,
                };
                let (place, is_new) = labels.insert(target);
                if is_new {
                    srv.targets.push(Some(target));
                    told.push(SmallVec::new());
                }
                if glue.insert((place, endpoint.address)).1 {
                    srv.glue.push((place, endpoint.address));
                }
                let Some(told) = told.get_mut(place) else {
                    continue;
                };
                for number in numbers.iter().take(room) {
                    if !told.contains(number) {
                        told.push(*number);
                        srv.records.push((place, *number));
                    }
                }
            }
        }
        srv
    }

    /// Whether the records are of endpoints, not of the Service's own addresses.
    fn of_endpoints(&self) -> bool {
        *self.entry.shape() == Shape::Headless || self.endpoint.is_some()
    }

    /// Whether the entry's addresses are those selected.
    fn is_all(&self) -> bool {
        let selects_all =
            |slice: &Arc<Slice>| slice.ready() == 0 || self.ports.count(slice.ports()) > 0;
        self.endpoint.is_none()
            && self.topology.is_none()
            && (!matches!(self.entry.shape(), Shape::Headless)
                || self.ports.is_any()
                || self.entry.slices().iter().all(selects_all))
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let endpoints = self.slices().flat_map(|(_, endpoints)| endpoints);
        endpoints.map(|endpoint| endpoint.address)
    }

    fn aliases(&self) -> impl Iterator<Item = &Alias> {
        let aliases = self.slices().flat_map(|(slice, _)| slice.aliases());
        aliases.filter(|alias| {
            let wanted = self.endpoint.as_ref();
            wanted.is_none_or(|wanted| alias.is(wanted)) && self.is_in_topology(alias.zone())
        })
    }

    fn holds_endpoints(&self) -> bool {
        self.addresses().next().is_some() || self.aliases().next().is_some()
    }

    /// Whether an endpoint in this topology zone is selected.
    fn is_in_topology(&self, zone: Option<&str>) -> bool {
        let is_in = |topology: Topology<'_>| zone.is_some_and(|zone| topology.is(zone));
        self.topology.is_none_or(is_in)
    }

    /// The slices that have a port selected, each with its endpoints selected.
    fn slices(&self) -> impl Iterator<Item = (&Slice, impl Iterator<Item = Endpoint<'_>>)> {
        let slices = self.entry.slices().iter().map(|slice| &**slice);
        let slices = slices.filter(|slice| self.ports.count(slice.ports()) > 0);
        let slices = slices.filter(|slice| {
            let wanted = self.endpoint.as_ref();
            wanted.is_none_or(|wanted| slice.may_hold(wanted))
        });
        slices.map(|slice| {
            let endpoints = slice.endpoints().filter(|endpoint| {
                let wanted = self.endpoint.as_ref();
                wanted.is_none_or(|wanted| endpoint.is(wanted))
                    && self.is_in_topology(endpoint.zone())
            });
            (slice, endpoints)
        })
    }
}

impl Srv {
    /// No record yet, of a weight that is 100 shared by all pairs of address and port.
    fn new(pairs: usize) -> Self {
        Self {
            weight: u16::try_from(100 / pairs.max(1)).map_or(1, |weight| weight.max(1)),
            targets: SmallVec::new(),
            records: SmallVec::new(),
            glue: SmallVec::new(),
        }
    }
}

/// The numbers of the ports that pass, each once.
fn numbers(filter: PortFilter<'_>, ports: &[Port]) -> SmallVec<[u16; FEW]> {
    let passing = ports.iter().filter(|port| filter.passes(port));
    let numbers = passing.map(|port| port.number);
    Unique::list(numbers.filter(|number| *number > 0))
}

impl PortFilter<'_> {
    /// How many of these ports it lets through.
    ///
    /// A list without ports means every port: it counts as one port without name, protocol and
    /// number, which only the filter that asks for any port lets through.
    fn count(&self, ports: &[Port]) -> usize {
        if ports.is_empty() {
            return usize::from(self.is_any());
        }
        ports.iter().filter(|port| self.passes(port)).count()
    }

    /// Whether it lets one of these ports through. Any port is the common wish, and then they need
    /// not be looked at.
    fn pass_one<'p>(&self, ports: impl FnOnce() -> &'p [Port]) -> bool {
        self.is_any() || ports().iter().any(|port| self.passes(port))
    }

    pub(super) fn is_any(&self) -> bool {
        self.name.is_empty() && self.protocol.is_empty()
    }

    fn passes(&self, port: &Port) -> bool {
        let name = self.name.is_empty() || self.name.eq_ignore_ascii_case(port.name.as_bytes());
        let protocol = port.protocol.word().as_bytes();
        name && (self.protocol.is_empty() || self.protocol == protocol)
    }
}
