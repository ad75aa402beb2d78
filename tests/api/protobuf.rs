//! Objects in protobuf, as an API server writes them, from their JSON. Fields that no client here
//! reads are left out. A value of another shape than its field has becomes a number, which is as
//! unreadable as it is in JSON.

use serde_json::Value;

use super::asked::Resource;

/// A field: its key in JSON, its number, what it holds.
type Field = (&'static str, u64, Of);

/// What a field holds.
enum Of {
    Text,
    Number,
    Texts,
    Map,
    Time,
    Message(&'static [Field]),
    Messages(&'static [Field]),
}

const METADATA: &[Field] = &[
    ("name", 1, Of::Text),
    ("namespace", 3, Of::Text),
    ("uid", 5, Of::Text),
    ("resourceVersion", 6, Of::Text),
    ("deletionTimestamp", 9, Of::Time),
    ("labels", 11, Of::Map),
    ("annotations", 12, Of::Map),
];
const LIST_METADATA: &[Field] = &[
    ("resourceVersion", 2, Of::Text),
    ("continue", 3, Of::Text),
    ("remainingItemCount", 4, Of::Number),
];
const NAMESPACE: &[Field] = &[("metadata", 1, Of::Message(METADATA))];
const PORT: &[Field] = &[
    ("name", 1, Of::Text),
    ("protocol", 2, Of::Text),
    ("port", 3, Of::Number),
];
const SERVICE: &[Field] = &[
    ("metadata", 1, Of::Message(METADATA)),
    ("spec", 2, Of::Message(SERVICE_SPEC)),
    ("status", 3, Of::Message(SERVICE_STATUS)),
];
const SERVICE_SPEC: &[Field] = &[
    ("ports", 1, Of::Messages(PORT)),
    ("selector", 2, Of::Map),
    ("clusterIP", 3, Of::Text),
    ("type", 4, Of::Text),
    ("externalIPs", 5, Of::Texts),
    ("externalName", 10, Of::Text),
    ("clusterIPs", 18, Of::Texts),
];
const SERVICE_STATUS: &[Field] = &[("loadBalancer", 1, Of::Message(LOAD_BALANCER))];
const LOAD_BALANCER: &[Field] = &[("ingress", 1, Of::Messages(INGRESS))];
const INGRESS: &[Field] = &[("ip", 1, Of::Text), ("hostname", 2, Of::Text)];
const SLICE: &[Field] = &[
    ("metadata", 1, Of::Message(METADATA)),
    ("endpoints", 2, Of::Messages(ENDPOINT)),
    ("ports", 3, Of::Messages(PORT)),
    ("addressType", 4, Of::Text),
];
const ENDPOINT: &[Field] = &[
    ("addresses", 1, Of::Texts),
    ("conditions", 2, Of::Message(CONDITIONS)),
    ("hostname", 3, Of::Text),
    ("targetRef", 4, Of::Message(REFERENCE)),
    ("nodeName", 6, Of::Text),
    ("zone", 7, Of::Text),
];
const CONDITIONS: &[Field] = &[
    ("ready", 1, Of::Number),
    ("serving", 2, Of::Number),
    ("terminating", 3, Of::Number),
];
const REFERENCE: &[Field] = &[
    ("kind", 1, Of::Text),
    ("namespace", 2, Of::Text),
    ("name", 3, Of::Text),
    ("uid", 4, Of::Text),
];
const POD: &[Field] = &[
    ("metadata", 1, Of::Message(METADATA)),
    ("status", 3, Of::Message(POD_STATUS)),
];
const POD_STATUS: &[Field] = &[
    ("phase", 1, Of::Text),
    ("podIP", 6, Of::Text),
    ("podIPs", 12, Of::Messages(INGRESS)),
];
const STATUS: &[Field] = &[
    ("status", 2, Of::Text),
    ("message", 3, Of::Text),
    ("reason", 4, Of::Text),
    ("code", 6, Of::Number),
];

/// An object as it stands in a list.
pub(crate) fn object(resource: Resource, object: &Value) -> Vec<u8> {
    let fields = match resource {
        Resource::Namespaces => NAMESPACE,
        Resource::Services => SERVICE,
        Resource::EndpointSlices => SLICE,
        Resource::Pods => POD,
        Resource::ServiceImports => &[],
    };
    message(fields, object)
}

/// A list.
pub(super) fn list(resource: Resource, metadata: &Value, items: &[Value]) -> Vec<u8> {
    let mut list = bytes(1, &message(LIST_METADATA, metadata));
    for item in items {
        list.extend(bytes(2, &object(resource, item)));
    }
    wrapped(&format!("{}List", resource.kind()), &list)
}

/// An error.
pub(super) fn status(status: &Value) -> Vec<u8> {
    wrapped("Status", &message(STATUS, status))
}

/// An event of a watch, with its length.
pub(super) fn frame(resource: Resource, event: &Value) -> Vec<u8> {
    let event = self::event(resource, event);
    [&(event.len() as u32).to_be_bytes()[..], &event].concat()
}

/// An event of a watch.
pub(crate) fn event(resource: Resource, event: &Value) -> Vec<u8> {
    let told = &event["object"];
    let told = match event["type"] == "ERROR" {
        true => status(told),
        false => wrapped(resource.kind(), &object(resource, told)),
    };
    let kind = event["type"].as_str().unwrap_or_default();
    [bytes(1, kind.as_bytes()), bytes(2, &bytes(1, &told))].concat()
}

/// What each object is wrapped in.
fn wrapped(kind: &str, raw: &[u8]) -> Vec<u8> {
    let kind = bytes(1, &bytes(2, kind.as_bytes()));
    [
        b"k8s\0",
        &kind[..],
        &bytes(2, raw),
        &bytes(3, b""),
        &bytes(4, b""),
    ]
    .concat()
}

fn message(fields: &[Field], value: &Value) -> Vec<u8> {
    let mut message = Vec::new();
    for (key, number, of) in fields {
        let value = &value[*key];
        if !value.is_null() {
            message
                .extend(field(*number, of, value).unwrap_or_else(|| varints(&[*number << 3, 0])));
        }
    }
    message
}

/// Nothing where the value has another shape.
fn field(number: u64, of: &Of, value: &Value) -> Option<Vec<u8>> {
    Some(match of {
        Of::Text => bytes(number, value.as_str()?.as_bytes()),
        Of::Number => {
            let value = value.as_bool().map(i64::from).or_else(|| value.as_i64())?;
            varints(&[number << 3, value as u64])
        }
        Of::Texts => {
            let texts = value.as_array()?.iter().map(|text| text.as_str());
            let texts = texts.map(|text| Some(bytes(number, text?.as_bytes())));
            texts.collect::<Option<Vec<_>>>()?.concat()
        }
        Of::Map => {
            let entry = |(key, value): (&String, &Value)| {
                let value = bytes(2, value.as_str()?.as_bytes());
                Some(bytes(number, &[bytes(1, key.as_bytes()), value].concat()))
            };
            let entries = value.as_object()?.iter().map(entry);
            entries.collect::<Option<Vec<_>>>()?.concat()
        }
        Of::Time => bytes(number, &varints(&[1 << 3, 1])),
        Of::Message(fields) if value.is_object() => bytes(number, &message(fields, value)),
        Of::Message(_) => return None,
        Of::Messages(fields) => {
            let messages = value.as_array()?.iter();
            let messages = messages.map(|one| bytes(number, &message(fields, one)));
            messages.collect::<Vec<_>>().concat()
        }
    })
}

/// A field that has bytes.
fn bytes(number: u64, bytes: &[u8]) -> Vec<u8> {
    let head = varints(&[number << 3 | 2, bytes.len() as u64]);
    [&head, bytes].concat()
}

fn varints(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        let mut rest = *number;
        while rest > 0x7f {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    bytes
}
