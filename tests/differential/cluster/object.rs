//! Objects as the API server answers them: all of one version.

use callsign::kubernetes::object::{Kind, Object};
use serde_json::{Value, json};

use crate::api_server::object as api_object;

/// The one version that everything has.
const VERSION: &str = "1";

/// An object as it stands in a list or an event.
pub(super) fn of_api(object: &Object) -> Value {
    let mut object = api_object::of_api(object);
    object["metadata"]["resourceVersion"] = json!(VERSION);
    object
}

/// All objects of a kind.
pub(super) fn list(kind: Kind, objects: Vec<Value>) -> Value {
    let (api_version, name) = api_object::kind_of(kind);
    json!({
        "apiVersion": api_version,
        "kind": format!("{name}List"),
        "metadata": {"resourceVersion": VERSION},
        "items": objects,
    })
}

/// The bookmark after the last object that was there when a watch started.
pub(super) fn end_of_initial_events(kind: Kind) -> Value {
    let (api_version, kind) = api_object::kind_of(kind);
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "resourceVersion": VERSION,
            "annotations": {"k8s.io/initial-events-end": "true"},
        },
    })
}
