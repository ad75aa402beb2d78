//! What a name turned out to be, for a trace.

use super::{Asked, State};
use crate::kubernetes::name::{Parsed, Service};
use crate::kubernetes::zone::{Found, Selection, Shape};
use crate::query::Query;

impl State {
    /// Tells what was found, to those who want to know.
    #[inline]
    pub(super) fn tell(&self, query: &Query<'_>, asked: Asked<'_>, found: &Found<'_>) {
        query.note(|| self.step(explain(asked, found)));
    }
}

fn explain(asked: Asked<'_>, found: &Found<'_>) -> String {
    let name = match asked.parsed {
        Parsed::Service(service) => path(service),
        _ => String::new(),
    };
    match found {
        Found::Nothing => "no such name".to_owned(),
        Found::Empty => "only names below it have records".to_owned(),
        Found::Service(selection) => of_service(&name, selection),
        Found::ExternalName(entry) => match entry.shape() {
            Shape::ExternalName(Some(target)) => format!("Service {name}, an alias of {target}"),
            _ => format!("Service {name}, an alias of what is no name"),
        },
        Found::Pod { address, .. } => format!("the address of a pod, {address}"),
    }
}

fn of_service(name: &str, selection: &Selection<'_>) -> String {
    let entry = selection.entry();
    let what = match entry.shape() {
        Shape::Headless => "headless Service",
        _ => "Service",
    };
    let (ready, not_ready) = (entry.ready(), entry.not_ready());
    let word = if ready == 1 { "endpoint" } else { "endpoints" };
    format!("{what} {name} with {ready} {word} ready and {not_ready} not")
}

/// `NAMESPACE/NAME`
fn path(service: Service<'_>) -> String {
    let length = service.key.first().map_or(0, |length| usize::from(*length));
    let label = service.key.get(1..=length).unwrap_or_default();
    let [namespace, label] = [service.namespace, label].map(String::from_utf8_lossy);
    format!("{namespace}/{label}")
}
