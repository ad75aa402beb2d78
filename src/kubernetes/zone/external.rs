//! What is reached from outside the cluster: Services by the addresses and host names that they
//! have there.

use super::entry::{Entry, Service};
use super::view::View;
use super::{Zone, is_shown};
use crate::kubernetes::object;
use std::net::IpAddr;
use std::sync::Arc;

/// What leads to a Service from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// `spec.externalIPs`, then the addresses of `status.loadBalancer.ingress`
    pub ips: Box<[IpAddr]>,
    /// the host names of `status.loadBalancer.ingress`
    pub hostnames: Box<[Box<str>]>,
}

impl External {
    pub(in crate::kubernetes) fn of_object(object: &object::External) -> Self {
        let ips = object.ips.iter().chain(&object.ingress_ips);
        Self {
            ips: ips.map(IpAddr::to_canonical).collect(),
            hostnames: object.ingress_hostnames.clone(),
        }
    }
}

impl Zone {
    /// The state of the Service of a [name](crate::kubernetes::name::Service::key), if a view
    /// shows it.
    #[must_use]
    pub fn shown(&self, view: &View, key: &[u8]) -> Option<Arc<Entry>> {
        let service = self.service(key)?;
        is_shown(view, service.namespace()).then(|| service.entry())
    }

    /// The Services with this address outside the cluster, in the order of their names.
    ///
    /// As in CoreDNS, the Namespace need not be there where the option `namespaces` names none.
    #[must_use]
    pub fn external_owners(&self, view: &View, address: IpAddr) -> Vec<Arc<Service>> {
        let shown = |service: &Arc<Service>| {
            view.namespaces.is_all() || is_shown(view, service.namespace())
        };
        self.externals.read(address.to_canonical(), |owners| {
            owners
                .iter()
                .filter(|owner| shown(owner))
                .cloned()
                .collect()
        })
    }

    /// All addresses outside the cluster, in their order. For transfers: it goes over the whole
    /// cluster, locking a part at a time.
    #[must_use]
    pub fn external_addresses(&self) -> Vec<IpAddr> {
        self.externals.addresses()
    }
}
