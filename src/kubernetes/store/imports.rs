//! Services of several clusters: a zone of their own, filled as if they were those of one cluster.
//!
//! An import is a Service there, and a slice that is a part of an import is a slice of it. So names
//! of imports change, are listed and go as those of a cluster do, by the same code.

use crate::kubernetes::event::Event;
use crate::kubernetes::object::{EndpointSlice, Kind, Object};

/// What an event is to the store of imports; `None` where it is nothing to it.
pub(super) fn as_of_a_cluster(event: &Event) -> Option<Event> {
    Some(match event {
        Event::Listing(kind) => Event::Listing(kind_of(*kind)?),
        Event::Listed(kind) => Event::Listed(kind_of(*kind)?),
        Event::Delete(kind, key) => Event::Delete(kind_of(*kind)?, key.clone()),
        Event::Apply(Object::ServiceImport(import)) => {
            Event::Apply(Object::Service(import.clone()))
        }
        Event::Apply(Object::EndpointSlice(slice)) => {
            Event::Apply(Object::EndpointSlice(slice_of(slice)))
        }
        Event::Apply(object @ Object::Namespace(_)) => Event::Apply(object.clone()),
        Event::Apply(Object::Service(_) | Object::Pod(_)) | Event::Changed(..) => return None,
        Event::Snapshot { .. } | Event::Cluster(_) => event.clone(),
    })
}

fn kind_of(kind: Kind) -> Option<Kind> {
    match kind {
        Kind::Namespace | Kind::EndpointSlice => Some(kind),
        Kind::ServiceImport => Some(Kind::Service),
        Kind::Service | Kind::Pod => None,
    }
}

/// The slice as a part of its import; of no Service where it is a part of none.
fn slice_of(slice: &EndpointSlice) -> EndpointSlice {
    match &slice.import {
        Some(import) => EndpointSlice {
            service: import.service.clone(),
            ..slice.clone()
        },
        None => EndpointSlice {
            key: slice.key.clone(),
            service: "".into(),
            endpoints: Box::default(),
            ports: Box::default(),
            triggered: None,
            import: None,
        },
    }
}
