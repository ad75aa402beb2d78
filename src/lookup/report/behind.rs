//! The Service that a name is of.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::lookup::Names;
use crate::lookup::inventory::{Inventory, Service};
use crate::lookup::objects::{Endpoint, Endpoints};

/// Endpoints that a person is told of each list.
const MOST_TOLD: usize = 5;

/// A Service, and what stands behind it.
#[derive(Debug, Serialize)]
pub struct Behind {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is, as far as its name goes.
    #[serde(flatten)]
    pub service: Service,
    /// Its endpoints, as far as they are known.
    pub endpoints: Endpoints,
}

impl Behind {
    /// The Service that the first of these full names is of which is of one.
    pub(super) fn of<'n>(
        full_names: impl IntoIterator<Item = &'n str>,
        domain: &str,
        inventory: &Inventory,
        names: &mut dyn Names,
    ) -> Option<Self> {
        let suffix = format!(".svc.{domain}");
        let of_one = full_names.into_iter().find_map(|full_name| {
            let full_name = full_name.to_ascii_lowercase();
            let mut labels = full_name.strip_suffix(&suffix)?.rsplit('.');
            let (namespace, name) = (labels.next()?, labels.next()?);
            let service = inventory.service(namespace, name)?;
            Some((namespace.to_owned(), name.to_owned(), service.clone()))
        });
        let (namespace, name, service) = of_one?;
        Some(Self {
            endpoints: names.endpoints(&namespace, &name).unwrap_or_default(),
            namespace,
            name,
            service,
        })
    }

    /// That nobody answers there, although the name resolves.
    pub(super) fn warning(&self) -> Option<String> {
        let is_empty = self.service.ready == 0 && self.service.kind != "ExternalName";
        let name = format!("{}/{}", self.namespace, self.name);
        is_empty.then(|| self.service.without_endpoints(&name))
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        let Self {
            namespace,
            name,
            service,
            endpoints,
        } = self;
        write!(out, "\nService {namespace}/{name}, {}", service.kind)?;
        for (port, protocol, number) in &service.ports {
            let blank = if port.is_empty() { "" } else { " " };
            write!(out, ", port {port}{blank}{number}/{protocol}")?;
        }
        let place = service.place.iter();
        let place: String = place.map(|place| format!(" ({place})")).collect();
        let colon = if service.kind == "ExternalName" {
            ""
        } else {
            ":"
        };
        writeln!(out, "{place}{colon}")?;
        if service.kind == "ExternalName" {
            return Ok(());
        }
        let (ready, not_ready) = (service.ready, service.not_ready);
        writeln!(out, "  {ready} ready{}", listed(&endpoints.ready))?;
        writeln!(
            out,
            "  {not_ready} not ready{}",
            listed(&endpoints.not_ready)
        )
    }
}

fn listed(endpoints: &[Endpoint]) -> String {
    let mut told: Vec<String> = endpoints.iter().take(MOST_TOLD).map(one).collect();
    if endpoints.len() > told.len() {
        told.push("...".to_owned());
    }
    match told.is_empty() {
        true => String::new(),
        false => format!(": {}", told.join(", ")),
    }
}

fn one(endpoint: &Endpoint) -> String {
    let addresses = endpoint.addresses.iter().map(ToString::to_string);
    let words = endpoint.name.iter().cloned().chain(addresses);
    words.collect::<Vec<_>>().join(" ")
}
