//! What to write in place of a name that does not resolve, and why it does not.

use super::inventory::{Inventory, Service};
use crate::corefile::nearest;

/// Whose names are known, and from where they are looked up.
pub(super) struct Advice<'a> {
    pub(super) inventory: &'a Inventory,
    /// The namespace of who asks.
    pub(super) namespace: &'a str,
    /// The cluster's domain, without a dot at its end.
    pub(super) domain: &'a str,
    /// How names are looked up there.
    pub(super) reach: Reach<'a>,
}

/// Which names the search list makes full ones of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach<'a> {
    pub(super) search: &'a [String],
    /// From so many dots on, the list is not used.
    pub(super) dots: usize,
}

impl Reach<'_> {
    /// Whether a name leads to a full one.
    fn leads(&self, name: &str, full: &str) -> bool {
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        let suffix = full
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'));
        dots < self.dots
            && suffix.is_some_and(|suffix| {
                let mut search = self.search.iter();
                search.any(|domain| domain.trim_matches('.').eq_ignore_ascii_case(suffix))
            })
    }
}

impl Advice<'_> {
    /// Whether a name that nobody here has is meant for the cluster all the same: no upstream is
    /// expected to have it.
    pub(super) fn is_meant_for_the_cluster(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_namespace = |name: &str| {
            let known = self.inventory.namespaces.iter().map(String::as_str);
            self.inventory.namespaces.contains(name) || nearest(name, known).is_some()
        };
        // Its pods have names below it.
        let is_service = |name: &str| {
            let mut others = self.inventory.services.values();
            self.inventory.service(self.namespace, name).is_some()
                || others.any(|services| {
                    services
                        .get(name)
                        .is_some_and(|known| known.kind == "headless")
                })
        };
        match name.split('.').collect::<Vec<_>>().as_slice() {
            // No top-level domain has an address.
            [_] => true,
            [.., "svc"] => true,
            [.., last] => {
                name.ends_with(&format!(".{}", self.domain))
                    || is_namespace(last)
                    || is_service(last)
            }
            [] => false,
        }
    }

    /// The likeliest first; nothing for names that are not the cluster's.
    pub(super) fn of(&self, name: &str) -> Vec<String> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let suffix = format!(".svc.{}", self.domain);
        let (head, is_full) = match name.strip_suffix(&suffix) {
            Some(head) => (head, true),
            None => (name.strip_suffix(".svc").unwrap_or(&name), false),
        };
        let labels: Vec<&str> = head.split('.').collect();
        match labels.as_slice() {
            [port, protocol, service, namespace] if port.starts_with('_') => {
                self.port(port, protocol, service, namespace, &name)
            }
            [port, protocol, service] if port.starts_with('_') => {
                self.port(port, protocol, service, self.namespace, &name)
            }
            [service] if is_full => self.no_namespace(service),
            [service] => self.service(service, self.namespace, false, &name),
            [one, other] if is_full => self.service(one, other, true, &name),
            [one, other] => self.two(one, other, &name),
            [host, service, namespace] => self.host(host, service, namespace, &name),
            _ => Vec::new(),
        }
    }

    fn no_namespace(&self, service: &str) -> Vec<String> {
        vec![format!(
            "a namespace stands between '{service}' and 'svc': {service}.{}.svc.{}",
            self.namespace, self.domain
        )]
    }

    /// `SERVICE.NAMESPACE`, or a pod of a headless Service here.
    fn two(&self, one: &str, other: &str, asked: &str) -> Vec<String> {
        match self.inventory.service(self.namespace, other) {
            Some(service) if service.kind == "headless" => {
                return self.host(one, other, self.namespace, asked);
            }
            None if !self.inventory.namespaces.contains(other) => {
                let elsewhere = self.host_elsewhere(one, other);
                if !elsewhere.is_empty() {
                    return elsewhere;
                }
            }
            _ => {}
        }
        self.service(one, other, true, asked)
    }

    /// A pod of a headless Service of other namespaces.
    fn host_elsewhere(&self, host: &str, service: &str) -> Vec<String> {
        let others = self.inventory.namespaces_with(service);
        let having = others.filter(|namespace| {
            let known = self.inventory.service(namespace, service);
            known.is_some_and(|known| known.hosts.iter().any(|known| known == host))
        });
        having
            .map(|namespace| {
                let short = self.relative(&format!("{host}.{service}"), namespace);
                format!("{host}.{service} is in namespace {namespace}: use {short}")
            })
            .collect()
    }

    fn service(&self, name: &str, namespace: &str, is_written: bool, asked: &str) -> Vec<String> {
        if let Some(service) = self.inventory.service(namespace, name) {
            return self.exists(name, namespace, service, asked);
        }
        let mut advice = self.elsewhere(name, namespace);
        if is_written && !self.inventory.namespaces.contains(namespace) {
            advice.extend(self.namespace_near(name, namespace, asked));
            return advice;
        }
        if advice.is_empty() {
            advice.extend(self.near(name, namespace));
        }
        advice
    }

    /// The Service is there, and yet what was asked for does not resolve.
    fn exists(&self, name: &str, namespace: &str, service: &Service, asked: &str) -> Vec<String> {
        let path = format!("{namespace}/{name}");
        if service.kind == "headless" && service.ready == 0 {
            return vec![service.without_endpoints(&path)];
        }
        match self.relative(name, namespace) {
            other if other != asked => vec![format!("the Service {path} exists: use {other}")],
            // It has its own address all the same, unless the Corefile says `ignore empty_service`.
            _ if service.ready == 0 && service.kind != "ExternalName" => {
                vec![service.without_endpoints(&path)]
            }
            _ => Vec::new(),
        }
    }

    fn elsewhere(&self, name: &str, namespace: &str) -> Vec<String> {
        let others = self.inventory.namespaces_with(name);
        let others: Vec<&str> = others.filter(|other| *other != namespace).collect();
        match others.as_slice() {
            [] => Vec::new(),
            [only] if *only == self.namespace => {
                let short = self.relative(name, only);
                vec![format!("{name} is in this namespace, {only}: use {short}")]
            }
            [only] => {
                let short = self.relative(name, only);
                vec![format!("{name} is in namespace {only}: use {short}")]
            }
            several => {
                let names: Vec<_> = several
                    .iter()
                    .map(|other| self.relative(name, other))
                    .collect();
                vec![format!(
                    "{name} is in other namespaces: use one of {}",
                    names.join(", ")
                )]
            }
        }
    }

    fn namespace_near(&self, name: &str, namespace: &str, asked: &str) -> Option<String> {
        let known = self.inventory.namespaces.iter().map(String::as_str);
        let near = nearest(namespace, known);
        let near = near.filter(|near| self.inventory.service(near, name).is_some());
        match near {
            Some(near) => Some(format!(
                "there is no namespace {namespace}; did you mean {}?",
                self.relative(name, near)
            )),
            // Of a name that is another domain's it says nothing.
            None if self.is_meant_for_the_cluster(asked) => {
                Some(format!("there is no namespace {namespace}"))
            }
            None => None,
        }
    }

    fn near(&self, name: &str, namespace: &str) -> Option<String> {
        let services = self.inventory.services.get(namespace);
        let here = services.into_iter().flat_map(|services| services.keys());
        if let Some(near) = nearest(name, here.map(String::as_str)) {
            let full = self.relative(near, namespace);
            return Some(format!(
                "namespace {namespace} has no Service {name}; did you mean {full}?"
            ));
        }
        let all = self
            .inventory
            .services
            .iter()
            .flat_map(|(namespace, services)| {
                services
                    .keys()
                    .map(move |name| (namespace.as_str(), name.as_str()))
            });
        let near = nearest(name, all.clone().map(|(_, name)| name));
        let found = all.clone().find(|(_, known)| Some(*known) == near);
        found.map(|(namespace, near)| {
            let full = self.relative(near, namespace);
            format!("no namespace has a Service {name}; did you mean {full}?")
        })
    }

    /// The shortest name from here that leads there.
    fn relative(&self, name: &str, namespace: &str) -> String {
        let full = format!("{name}.{namespace}.svc.{}", self.domain);
        let own = (namespace == self.namespace).then(|| name.to_owned());
        let short = [
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
        ];
        let mut forms = own.into_iter().chain(short);
        forms
            .find(|form| self.reach.leads(form, &full))
            .unwrap_or(full)
    }

    fn host(&self, host: &str, service: &str, namespace: &str, asked: &str) -> Vec<String> {
        let Some(known) = self.inventory.service(namespace, service) else {
            return self.service(service, namespace, true, asked);
        };
        let full = self.relative(service, namespace);
        if known.kind != "headless" {
            return vec![format!(
                "the Service {namespace}/{service} is not headless: only {full} is a name, \
                 and its pods have none"
            )];
        }
        let hosts = known.hosts.as_slice();
        let mut told: Vec<&str> = hosts.iter().take(5).map(String::as_str).collect();
        if hosts.len() > told.len() {
            told.push("...");
        }
        vec![match told.as_slice() {
            [] if known.not_ready > 0 => format!(
                "headless Service {namespace}/{service} has no ready pod: {} pods not ready",
                known.not_ready
            ),
            [] => format!("headless Service {namespace}/{service} has no pods"),
            told => format!(
                "headless Service {namespace}/{service} has no such pod name {host}: it has {}",
                told.join(", ")
            ),
        }]
    }

    fn port(
        &self,
        port: &str,
        protocol: &str,
        service: &str,
        namespace: &str,
        asked: &str,
    ) -> Vec<String> {
        let Some(known) = self.inventory.service(namespace, service) else {
            return self.service(service, namespace, true, asked);
        };
        let (port, protocol) = (
            port.trim_start_matches('_'),
            protocol.trim_start_matches('_'),
        );
        let named = known.ports.iter().filter(|(name, ..)| !name.is_empty());
        let named: Vec<_> = named.collect();
        if let Some((_, other, _)) = named.iter().find(|(name, ..)| name == port) {
            return vec![format!("the port {port} is {other}, not {protocol}")];
        }
        let names: Vec<&str> = named.iter().map(|(name, ..)| name.as_str()).collect();
        match names.as_slice() {
            [] => vec![format!(
                "the ports of {namespace}/{service} have no names, so no SRV record is asked for by one"
            )],
            [only] => vec![format!("the port is called {only}, not {port}")],
            several => vec![format!(
                "no port is called {port}: they are {}",
                several.join(", ")
            )],
        }
    }
}

#[cfg(test)]
mod tests;
