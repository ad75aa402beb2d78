//! From addresses back to names.

use super::entry::{Service, Shape};
use super::label::Label;
use super::view::View;
use super::{Zone, is_shown};
use smallvec::SmallVec;
use std::net::IpAddr;
use std::sync::Arc;

/// The names that an address leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is there while one answer is made, for which nothing is allocated"
)]
pub enum Pointers {
    /// None: NXDOMAIN.
    Nothing,
    /// One PTR record, to the name of a Service whose own address it is.
    Service(Arc<Service>),
    /// One PTR record for each, to an endpoint of a Service; each once.
    Endpoints(Endpoints),
}

/// Endpoints of Services. An address is seldom that of more.
type Endpoints = SmallVec<[(Arc<Service>, Label); 4]>;

/// A name server of the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// the Service that leads to this server
    pub service: Arc<Service>,
    /// the endpoint, where the Service is headless
    pub endpoint: Option<Label>,
    /// an address of that name
    pub address: IpAddr,
}

impl Zone {
    /// Where an address leads to: a Service's own before endpoints. Ready endpoints count, even of
    /// a Service that does not exist.
    ///
    /// With the option `namespaces`, only what is in those of them that exist. Without it, as in
    /// CoreDNS, the Namespace need not be there, so `namespace_labels` hides nothing here.
    #[must_use]
    pub fn pointers(&self, view: &View, address: IpAddr) -> Pointers {
        let address = address.to_canonical();
        let shown =
            |service: &Service| view.namespaces.is_all() || is_shown(view, service.namespace());
        self.owners.read(address, |owners| {
            let shown = || owners.iter().filter(|owner| shown(owner));
            if let Some(owner) = shown().find(|owner| owner.entry().has_cluster_ip(address)) {
                return Pointers::Service(owner.clone());
            }
            if !view.endpoints {
                return Pointers::Nothing;
            }
            let mut endpoints = Endpoints::new();
            shown().for_each(|owner| add(&mut endpoints, owner, view, address));
            if endpoints.is_empty() {
                Pointers::Nothing
            } else {
                Pointers::Endpoints(endpoints)
            }
        })
    }

    /// All addresses that may lead somewhere, in their order. For transfers: it goes over the
    /// whole cluster, locking a part at a time.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.owners.addresses()
    }

    /// The name servers of the zone: the names and addresses of the Services that have an
    /// endpoint of one of these addresses, the server's own. `None` where there is no such
    /// endpoint: then the server goes by `ns.dns`.
    ///
    /// As in CoreDNS, a headless Service is there with the endpoints of that slice, and what
    /// several slices lead to is there several times.
    #[must_use]
    pub fn name_servers(&self, view: &View, local: &[IpAddr]) -> Option<Vec<NameServer>> {
        if !view.endpoints {
            return None;
        }
        let mut servers = None;
        for address in local.iter().map(IpAddr::to_canonical) {
            let owners = self.owners.read(address, <[_]>::to_vec);
            for service in owners {
                let entry = service.entry();
                let slices = entry.slices().iter();
                for slice in slices.filter(|slice| slice.holds(address)) {
                    let servers = servers.get_or_insert_with(Vec::new);
                    let server = |endpoint, address| NameServer {
                        service: service.clone(),
                        endpoint,
                        address,
                    };
                    if *entry.shape() == Shape::Headless {
                        servers.extend(slice.endpoints().map(|endpoint| {
                            let label = endpoint.label(view.endpoint_pod_names);
                            server(Some(label), endpoint.address)
                        }));
                    } else {
                        servers.extend(entry.cluster_ips().map(|address| server(None, address)));
                    }
                }
            }
        }
        servers
    }
}

impl Zone {
    /// The addresses outside the cluster of the name servers: those of the Services that have an
    /// endpoint of one of these addresses, the server's own. `None` where there is no such
    /// endpoint.
    ///
    /// With `headless`, a headless Service has those of the endpoints in the same slice. As in
    /// CoreDNS, what several slices lead to is there several times.
    #[must_use]
    pub fn external_name_servers(
        &self,
        view: &View,
        local: &[IpAddr],
        headless: bool,
    ) -> Option<Vec<IpAddr>> {
        if !view.endpoints {
            return None;
        }
        let mut servers = None;
        for address in local.iter().map(IpAddr::to_canonical) {
            for service in self.owners.read(address, <[_]>::to_vec) {
                let entry = service.entry();
                let slices = entry.slices().iter();
                for slice in slices.filter(|slice| slice.holds(address)) {
                    let servers = servers.get_or_insert_with(Vec::new);
                    if headless && *entry.shape() == Shape::Headless {
                        servers.extend(slice.addresses());
                    } else if let Some(external) = entry.external() {
                        servers.extend(external.ips.iter().copied());
                    }
                }
            }
        }
        servers
    }
}

/// Adds a Service's endpoints with this address, each label once.
fn add(endpoints: &mut Endpoints, owner: &Arc<Service>, view: &View, address: IpAddr) {
    let others = endpoints.len();
    for slice in owner.borrow_entry().slices() {
        if !slice.holds(address) {
            continue;
        }
        let here = slice
            .endpoints()
            .filter(|endpoint| endpoint.address == address);
        for label in here.map(|endpoint| endpoint.label(view.endpoint_pod_names)) {
            let mut own = endpoints.iter().skip(others);
            if !own.any(|(_, other)| *other == label) {
                endpoints.push((owner.clone(), label));
            }
        }
    }
}
