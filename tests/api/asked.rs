//! What a request asks for.

use std::collections::{BTreeMap, HashMap};

use callsign::kubernetes::selector;
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION};
use kube::core::{Selector, SelectorExt};
use serde_json::Value;

/// A resource: its group and version as in a path, and its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Resource {
    Namespaces,
    Services,
    EndpointSlices,
    Pods,
    ServiceImports,
}

/// A request, read.
pub(super) struct Asked {
    pub(super) resource: Resource,
    pub(super) is_watch: bool,
    /// Metadata alone.
    pub(super) is_partial: bool,
    /// In protobuf, which objects are not that another server has added to the API.
    pub(super) is_protobuf: bool,
    parameters: HashMap<String, String>,
    namespace: Option<String>,
    labels: Selector,
    fields: Vec<Field>,
}

/// A requirement of a field selector: path, value, and whether it is to be that value.
type Field = (String, String, bool);

impl Resource {
    pub(crate) const ALL: [Self; 5] = [
        Self::Namespaces,
        Self::Services,
        Self::EndpointSlices,
        Self::Pods,
        Self::ServiceImports,
    ];

    /// Its group, version, name in paths, and kind.
    pub(crate) fn parts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Namespaces => ("", "v1", "namespaces", "Namespace"),
            Self::Services => ("", "v1", "services", "Service"),
            Self::EndpointSlices => ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
            Self::Pods => ("", "v1", "pods", "Pod"),
            Self::ServiceImports => (
                "multicluster.x-k8s.io",
                "v1alpha1",
                "serviceimports",
                "ServiceImport",
            ),
        }
    }

    /// `v1`, `discovery.k8s.io/v1`
    pub(crate) fn api_version(self) -> String {
        match self.parts() {
            ("", version, ..) => version.to_owned(),
            (group, version, ..) => format!("{group}/{version}"),
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        self.parts().3
    }

    /// The resource of a path, and the namespace that it is limited to.
    pub(super) fn of_path(path: &str) -> Option<(Self, Option<String>)> {
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match words[..] {
            ["api", version, ref rest @ ..] => ("", version, rest),
            ["apis", group, version, ref rest @ ..] => (group, version, rest),
            _ => return None,
        };
        let (namespace, name) = match rest {
            [name] => (None, *name),
            ["namespaces", namespace, name] => (Some((*namespace).to_owned()), *name),
            _ => return None,
        };
        let is_it = |resource: &&Self| {
            let parts = resource.parts();
            (parts.0, parts.1, parts.2) == (group, version, name)
        };
        let resource = Self::ALL.iter().find(is_it)?;
        Some((*resource, namespace))
    }
}

impl Asked {
    /// `Err` tells what a selector's error is.
    pub(super) fn read<B>(
        resource: Resource,
        namespace: Option<String>,
        request: &Request<B>,
    ) -> Result<Self, String> {
        let parameters = parameters(request.uri().query().unwrap_or_default());
        let value = |name: &str| parameters.get(name).map_or("", String::as_str);
        let labels = selector::parse(value("labelSelector")).map_err(|error| error.to_string())?;
        let accept = request.headers().get(ACCEPT);
        let accept = accept.and_then(|accept| accept.to_str().ok());
        Ok(Self {
            resource,
            is_watch: matches!(value("watch"), "true" | "1"),
            is_partial: accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadata")),
            is_protobuf: resource != Resource::ServiceImports
                && accept.is_some_and(|accept| accept.contains("vnd.kubernetes.protobuf")),
            namespace,
            labels,
            fields: fields(value("fieldSelector"))?,
            parameters,
        })
    }

    pub(super) fn is(&self, parameter: &str) -> bool {
        matches!(self.value(parameter), "true" | "1")
    }

    /// The value of a parameter; empty where there is none.
    pub(super) fn value(&self, parameter: &str) -> &str {
        self.parameters.get(parameter).map_or("", String::as_str)
    }

    pub(super) fn number(&self, parameter: &str) -> Option<u64> {
        self.value(parameter).parse().ok()
    }

    /// Whether the request is for such an object.
    pub(super) fn wants(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let labels = metadata["labels"].as_object().into_iter().flatten();
        let labels: BTreeMap<String, String> = labels
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let own = metadata["namespace"].as_str().unwrap_or_default();
        self.namespace.as_ref().is_none_or(|wanted| wanted == own)
            && self.labels.matches(&labels)
            && self.fields.iter().all(|field| has(object, field))
    }
}

/// The bearer token of a request.
pub(super) fn token<B>(request: &Request<B>) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

fn fields(text: &str) -> Result<Vec<Field>, String> {
    let words = text.split(',').filter(|word| !word.is_empty());
    let field = |word: &str| {
        let (path, value, is) = match word.split_once("!=") {
            Some((path, value)) => (path, value, false),
            None => {
                let (path, value) = word
                    .split_once('=')
                    .ok_or_else(|| format!("no field: {word}"))?;
                (path, value.trim_start_matches('='), true)
            }
        };
        Ok((path.to_owned(), value.to_owned(), is))
    };
    words.map(field).collect()
}

fn has(object: &Value, (path, value, is): &Field) -> bool {
    let found = path.split('.').fold(object, |found, word| &found[word]);
    (found.as_str().unwrap_or_default() == value) == *is
}

fn parameters(query: &str) -> HashMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (unescape(name), unescape(value)))
        .collect()
}

/// A word of a URL's query: `+` is a space, `%XX` a byte.
fn unescape(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits);
                u8::from_str_radix(&digits, 16).unwrap_or_default()
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
