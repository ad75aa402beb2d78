//! Clusters of any size, as a real one looks: three in four Services with a ClusterIP, the others
//! headless with named endpoints; five endpoints each; pods called as Deployments call them.

// each bench uses a part of this
#![allow(dead_code)]

use callsign::kubernetes::event::Event;
use callsign::kubernetes::object::{
    Endpoint, EndpointSlice, Key, Kind, Namespace, Object, Port, Protocol, Service, ServiceKind,
};
use callsign::kubernetes::store::{self, Store};
use callsign::kubernetes::zone::Zone;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The endpoints of a Service.
pub(crate) const ENDPOINTS: u32 = 5;

const KINDS: [Kind; 3] = [Kind::Namespace, Kind::Service, Kind::EndpointSlice];

/// A synced zone of so many Services and their endpoints.
pub(crate) fn cluster(services: u32) -> (Store, Arc<Zone>) {
    let (mut store, zone) = store::new(&KINDS);
    apply_namespaces(&mut store, services);
    for n in 0..services {
        store.apply(Event::Apply(service(n)), 1);
        store.apply(Event::Apply(slice(n, ENDPOINTS)), 1);
    }
    for kind in KINDS {
        store.apply(Event::Listed(kind), 1);
    }
    (store, zone)
}

pub(crate) fn apply_namespaces(store: &mut Store, services: u32) {
    for n in (0..services).step_by(50) {
        let name = namespace(n).into();
        store.apply(Event::Apply(Object::Namespace(Namespace { name })), 1);
    }
}

/// Fifty Services share a namespace.
pub(crate) fn namespace(n: u32) -> String {
    format!("production-{}", n / 50)
}

pub(crate) fn service_name(n: u32) -> String {
    format!("backend-service-{n}")
}

pub(crate) fn is_headless(n: u32) -> bool {
    n % 4 == 3
}

pub(crate) fn service(n: u32) -> Object {
    let kind = if is_headless(n) {
        ServiceKind::Headless
    } else {
        ServiceKind::ClusterIp([cluster_ip(n)].into())
    };
    Object::Service(Service {
        key: key(n, &service_name(n)),
        kind,
        ports: [port("http", 80), port("metrics", 9100)].into(),
        external: None,
    })
}

pub(crate) fn external_name(n: u32) -> Object {
    Object::Service(Service {
        key: key(n, &service_name(n)),
        kind: ServiceKind::ExternalName("rds.us-west-2.amazonaws.com".into()),
        ports: Box::default(),
        external: None,
    })
}

pub(crate) fn slice(n: u32, endpoints: u32) -> Object {
    let name = service_name(n);
    let endpoints = (0..endpoints).map(|m| {
        let pod = format!("{name}-7d4b9c8f6d-{}", suffix(n * 31 + m));
        let hostname = is_headless(n).then(|| format!("{name}-{m}").into());
        Endpoint {
            addresses: [endpoint_ip(n, m)].into(),
            names: Box::default(),
            ready: true,
            hostname,
            pod: Some(pod.into()),
            zone: Some("zone-a".into()),
        }
    });
    Object::EndpointSlice(EndpointSlice {
        key: key(n, &format!("{name}-{}", suffix(n))),
        service: name.as_str().into(),
        endpoints: endpoints.collect(),
        ports: [port("http", 8080), port("metrics", 9100)].into(),
        triggered: None,
        import: None,
    })
}

pub(crate) fn cluster_ip(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a60_0001 + n))
}

pub(crate) fn endpoint_ip(n: u32, m: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0af4_0000 + n * ENDPOINTS + m))
}

/// A name as text in wire form, without the root.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.');
    labels
        .flat_map(|label| {
            [
                &[u8::try_from(label.len()).unwrap_or(0)][..],
                label.as_bytes(),
            ]
            .concat()
        })
        .collect()
}

fn key(n: u32, name: &str) -> Key {
    Key {
        namespace: namespace(n).into(),
        name: name.into(),
    }
}

fn port(name: &str, number: u16) -> Port {
    Port {
        name: name.into(),
        protocol: Protocol::Tcp,
        number,
    }
}

/// Five letters, as Kubernetes puts after generated names.
fn suffix(n: u32) -> String {
    let letters = b"bcdfghjklmnpqrstvwxz";
    let mut n = n.wrapping_mul(2_654_435_761);
    let mut suffix = String::new();
    for _ in 0..5 {
        suffix.push(char::from(letters[n as usize % letters.len()]));
        n /= 20;
    }
    suffix
}
