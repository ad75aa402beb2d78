//! Services, with what the API server fills in: families, ClusterIPs, the defaults of ports.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use super::Problem;
use super::allot::{self, SERVICE_V4, SERVICE_V6};
use super::family::Family;
use super::given::{Given, Interner, Name, Objects};
use super::manifest::{self, ServicePort, ServiceSpec, TargetPort};
use crate::kubernetes::object::{self, External, Port, Protocol, ServiceKind};

/// A Service that is served.
#[derive(Debug)]
pub(super) struct Service<'a> {
    pub(super) name: Name<'a>,
    pub(super) given: Given<'a, manifest::Service>,
    /// of its endpoints, and of its ClusterIPs if it has any
    pub(super) families: Vec<Family>,
    addressing: Addressing<'a>,
    /// as many as are written
    pub(super) ports: Box<[Port]>,
    external: Option<Box<External>>,
}

#[derive(Debug)]
enum Addressing<'a> {
    /// as written, then completed; in the order of the families
    ClusterIp(Vec<IpAddr>),
    Headless,
    ExternalName(&'a str),
}

/// All Services, in name order. What the API server would refuse is left out, with a problem.
pub(super) fn services<'a>(
    objects: &Objects<'a>,
    names: &mut Interner,
    problems: &mut Vec<Problem>,
) -> Vec<Service<'a>> {
    let mut services = Vec::with_capacity(objects.services.len());
    for (name, given) in &objects.services {
        match Service::new(*name, *given, names) {
            Ok(service) => services.push(service),
            Err(reason) => {
                let what = format!("the Service {name}");
                problems.push(Problem::refused(given.place, &what, &reason));
            }
        }
    }
    let written = written(&services, problems);
    for family in Family::BOTH {
        allot(family, &mut services, &written, problems);
    }
    services
}

impl<'a> Service<'a> {
    fn new(
        name: Name<'a>,
        given: Given<'a, manifest::Service>,
        names: &mut Interner,
    ) -> Result<Self, String> {
        let spec = &given.body.spec;
        let addressing = addressing(spec)?;
        let written: &[IpAddr] = match &addressing {
            Addressing::ClusterIp(written) => written,
            Addressing::Headless | Addressing::ExternalName(_) => &[],
        };
        Ok(Self {
            name,
            given,
            families: families(spec, written)?,
            addressing,
            ports: ports(&spec.ports, Protocol::Tcp, names)?,
            external: external(given.body)?,
        })
    }

    pub(super) fn is_headless(&self) -> bool {
        matches!(self.addressing, Addressing::Headless)
    }

    /// Whether the controllers make slices for it.
    pub(super) fn has_endpoints_by_selector(&self) -> bool {
        !self.given.body.spec.selector.is_empty()
            && !matches!(self.addressing, Addressing::ExternalName(_))
    }

    fn lacks(&self, family: Family) -> bool {
        match &self.addressing {
            Addressing::ClusterIp(ips) => {
                self.families.contains(&family) && !ips.iter().any(|ip| Family::of(*ip) == family)
            }
            Addressing::Headless | Addressing::ExternalName(_) => false,
        }
    }

    fn add(&mut self, ip: IpAddr) {
        if let Addressing::ClusterIp(ips) = &mut self.addressing {
            ips.push(ip);
            ips.sort_by_key(|ip| self.families.iter().position(|f| *f == Family::of(*ip)));
        }
    }

    pub(super) fn into_object(self, names: &mut Interner) -> object::Service {
        object::Service {
            key: names.key(self.name),
            kind: match self.addressing {
                Addressing::ClusterIp(ips) => ServiceKind::ClusterIp(ips.into()),
                Addressing::Headless => ServiceKind::Headless,
                Addressing::ExternalName(target) => ServiceKind::ExternalName(target.into()),
            },
            ports: self.ports,
            external: self.external,
        }
    }
}

/// The imports that are written. What the API server would refuse is left out, with a problem.
pub(super) fn imports<'a>(
    objects: &Objects<'a>,
    names: &mut Interner,
    problems: &mut Vec<Problem>,
) -> Vec<(Given<'a, manifest::ServiceImport>, object::Service)> {
    let mut imports = Vec::new();
    for (name, given) in &objects.imports {
        match import(*name, given.body, names) {
            Ok(object) => imports.push((*given, object)),
            Err(reason) => {
                let what = format!("the ServiceImport {name}");
                problems.push(Problem::refused(given.place, &what, &reason));
            }
        }
    }
    imports
}

fn import(
    name: Name<'_>,
    spec: &manifest::ServiceImport,
    names: &mut Interner,
) -> Result<object::Service, String> {
    let parse = |ip: &String| {
        ip.parse()
            .map_err(|_| format!("spec.ips has {ip:?}, which is no IP address"))
    };
    let kind = match spec.kind.as_str() {
        "Headless" => ServiceKind::Headless,
        "" | "ClusterSetIP" => {
            ServiceKind::ClusterIp(spec.ips.iter().map(parse).collect::<Result<_, _>>()?)
        }
        other => return Err(format!("spec.type {other:?} is not known")),
    };
    Ok(object::Service {
        key: names.key(name),
        kind,
        // Nobody writes TCP there, as the API server does of its own kinds.
        ports: ports(&spec.ports, Protocol::Unset, names)?,
        external: None,
    })
}

fn addressing(spec: &ServiceSpec) -> Result<Addressing<'_>, String> {
    match spec.kind.as_str() {
        "ExternalName" if spec.external_name.is_empty() => {
            return Err("spec.externalName is missing, and its type is ExternalName".to_owned());
        }
        "ExternalName" => return Ok(Addressing::ExternalName(&spec.external_name)),
        "" | "ClusterIP" | "NodePort" | "LoadBalancer" => {}
        other => return Err(format!("spec.type {other:?} is not known")),
    }
    let written = match spec.cluster_ips.as_slice() {
        [] => std::slice::from_ref(&spec.cluster_ip),
        list => list,
    };
    if written.first().is_some_and(|ip| ip == "None") {
        return Ok(Addressing::Headless);
    }
    let written = written.iter().filter(|ip| !ip.is_empty());
    let parse = |ip: &String| {
        ip.parse()
            .map_err(|_| format!("the clusterIP {ip:?} is neither an IP address nor None"))
    };
    let ips = written.map(parse).collect::<Result<_, _>>()?;
    Ok(Addressing::ClusterIp(ips))
}

/// In order: as listed, else as written, else IPv4; and the other one where the policy wants both.
fn families(spec: &ServiceSpec, written: &[IpAddr]) -> Result<Vec<Family>, String> {
    let named = |name: &String| {
        Family::named(name).ok_or_else(|| format!("spec.ipFamilies has {name:?}, not IPv4 or IPv6"))
    };
    let mut families = spec
        .ip_families
        .iter()
        .map(named)
        .collect::<Result<Vec<_>, _>>()?;
    if families.is_empty() {
        families.extend(written.iter().map(|ip| Family::of(*ip)));
    }
    let first = *families.first().unwrap_or(&Family::V4);
    if families.is_empty() {
        families.push(first);
    }
    match spec.ip_family_policy.as_str() {
        "" | "SingleStack" => {}
        "PreferDualStack" | "RequireDualStack" if families.len() == 1 => {
            families.push(first.other());
        }
        "PreferDualStack" | "RequireDualStack" => {}
        other => return Err(format!("spec.ipFamilyPolicy {other:?} is not known")),
    }
    if !matches!(families.as_slice(), [_]) && families != [first, first.other()] {
        return Err("it has two addresses of one family, or two families that are one".to_owned());
    }
    let mut expected = families.iter();
    for ip in written {
        if expected.next() != Some(&Family::of(*ip)) {
            return Err(format!(
                "the clusterIP {ip} is not of the family that spec.ipFamilies has"
            ));
        }
    }
    Ok(families)
}

/// The ports; `unwritten` is the protocol of one that leaves it out.
fn ports(
    ports: &[ServicePort],
    unwritten: Protocol,
    names: &mut Interner,
) -> Result<Box<[Port]>, String> {
    let port = |port: &ServicePort| {
        if let Some(TargetPort::Number(target @ ..=-1 | target @ 1..)) = port.target_port {
            number(target)?;
        }
        Ok(Port {
            name: names.get(&port.name),
            protocol: match &*port.protocol {
                "" => unwritten,
                name => protocol(name)?,
            },
            number: number(port.port)?,
        })
    };
    ports.iter().map(port).collect()
}

/// TCP where nothing is written.
pub(super) fn protocol(name: &str) -> Result<Protocol, String> {
    Protocol::named(name).ok_or_else(|| format!("the protocol {name:?} is not TCP, UDP or SCTP"))
}

/// A port's number, 1 to 65535.
pub(super) fn number(port: i64) -> Result<u16, String> {
    let number = u16::try_from(port).ok().filter(|port| *port != 0);
    number.ok_or_else(|| format!("the port {port} is not one of 1 to 65535"))
}

fn external(service: &manifest::Service) -> Result<Option<Box<External>>, String> {
    let parse = |ip: &String| {
        ip.parse()
            .map_err(|_| format!("spec.externalIPs has {ip:?}, which is no IP address"))
    };
    let ingress = &service.status.load_balancer.ingress;
    // As in CoreDNS, one that has an address is not known by its name.
    let hostnames = ingress
        .iter()
        .filter(|ingress| ingress.ip.is_empty() && !ingress.hostname.is_empty());
    let external = External {
        ips: service
            .spec
            .external_ips
            .iter()
            .map(parse)
            .collect::<Result<_, _>>()?,
        ingress_ips: ingress
            .iter()
            .filter_map(|ingress| ingress.ip.parse().ok())
            .collect(),
        ingress_hostnames: hostnames
            .map(|ingress| ingress.hostname.as_str().into())
            .collect(),
    };
    Ok(Some(external)
        .filter(|external| *external != External::default())
        .map(Box::new))
}

/// The addresses that are written; one that two Services have is a problem of the second.
fn written(services: &[Service<'_>], problems: &mut Vec<Problem>) -> HashSet<IpAddr> {
    let mut owners = BTreeMap::new();
    for service in services {
        let Addressing::ClusterIp(ips) = &service.addressing else {
            continue;
        };
        for ip in ips {
            if let Some(owner) = owners.insert(*ip, service.name) {
                let reason = format!(
                    "the Service {} has the clusterIP {ip}, as {owner} has: an API server would \
                     refuse it",
                    service.name
                );
                problems.push(Problem::warning(service.given.place.clone(), reason));
            }
        }
    }
    owners.into_keys().collect()
}

/// Completes the Services that have no address of a family and should.
fn allot(
    family: Family,
    services: &mut [Service<'_>],
    written: &HashSet<IpAddr>,
    problems: &mut Vec<Problem>,
) {
    let range = match family {
        Family::V4 => SERVICE_V4,
        Family::V6 => SERVICE_V6,
    };
    let mut lacking: Vec<_> = services.iter_mut().filter(|s| s.lacks(family)).collect();
    let names: Vec<_> = lacking.iter().map(|service| service.name).collect();
    let addresses = allot::allot(range, written, &names);
    let mut without = Vec::new();
    for (service, address) in lacking.iter_mut().zip(addresses) {
        match address {
            Some(address) => service.add(address),
            None => without.push((service.given.place, service.name)),
        }
    }
    problems.extend(allot::exhausted(range, "clusterIPs", &without));
}
