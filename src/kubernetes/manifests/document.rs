//! Text to manifests: YAML or JSON, many documents, Lists, and everything else passed over.
//!
//! A document is decoded in one pass, straight to the type that its `kind` names, which stands
//! first in nearly every file. Only what stands before the kind (`kubectl get` sorts its fields)
//! is held as a JSON value until the kind is known.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Location, Options, Spanned};

use super::manifest::{Body, Manifest, Metadata, WorkloadKind};
use super::{Place, Problem};
use crate::kubernetes::null::nullable;

/// Deeper than any schema in a CustomResourceDefinition.
const MAX_DEPTH: usize = 200;

/// The stack, in bytes, of a thread that decodes files of strangers: [`MAX_DEPTH`] levels need up
/// to 4 MiB in a debug build, and threads have 2.
pub(super) const STACK: usize = 16 << 20;

/// What one file holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// the objects of the kinds that are read, in the file's order
    pub(super) manifests: Vec<Manifest>,
    /// what is odd in it, but no reason to refuse it
    pub(super) warnings: Vec<Problem>,
}

/// Decodes a file.
///
/// # Errors
///
/// The first syntax error, or the first field of an object of a known kind that has a wrong type.
pub(super) fn decode(file: &Arc<str>, text: &str) -> Result<Contents, Problem> {
    let mut contents = Contents::default();
    let documents = match from_text(text, DuplicateKeyPolicy::Error) {
        Err(ref error @ serde_saphyr::Error::DuplicateMappingKey { ref key, .. }) => {
            let key = key.as_deref().unwrap_or("here");
            let reason = format!("the key {key} stands twice; the last one counts");
            let warning = Problem::warning(place(file, error.location()), reason);
            contents.warnings.push(warning);
            from_text(text, DuplicateKeyPolicy::LastWins)
        }
        documents => documents,
    };
    for document in documents.map_err(|error| problem(file, &error, text))? {
        contents.add(file, document, None)?;
    }
    Ok(contents)
}

impl Contents {
    fn add(
        &mut self,
        file: &Arc<str>,
        document: Spanned<Document>,
        default: Option<Kind>,
    ) -> Result<(), Problem> {
        let place = place(file, Some(document.referenced));
        let document = match (document.value, default) {
            (Document::Unnamed(unnamed), Some(kind)) => unnamed
                .named(kind)
                .map_err(|error| Problem::error(place.clone(), error.to_string()))?,
            (document, _) => document,
        };
        match document {
            Document::Object(object) => self.manifests.push(Manifest {
                place,
                metadata: object.metadata,
                body: object.body,
            }),
            Document::List(items, kind) => {
                for item in items {
                    self.add(file, item, kind)?;
                }
            }
            Document::Other => {}
            Document::Unnamed(_) => self.warnings.push(Problem::warning(
                place,
                "passed over: no Kubernetes object, it has no apiVersion and kind".to_owned(),
            )),
        }
        Ok(())
    }
}

fn from_text(
    text: &str,
    duplicate_keys: DuplicateKeyPolicy,
) -> Result<Vec<Spanned<Document>>, serde_saphyr::Error> {
    serde_saphyr::from_multiple_with_options(text, options(text.len(), duplicate_keys))
}

/// The limits grow with the text (its size is bounded where it is read), so that only what is
/// larger than its text, aliases of aliases, is refused.
fn options(size: usize, duplicate_keys: DuplicateKeyPolicy) -> Options {
    let most = 1_000_000_usize.saturating_add(size);
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_events: most,
            max_nodes: most,
            max_documents: most,
            max_total_scalar_bytes: 100_000_000_usize.saturating_add(size),
            enforce_alias_anchor_ratio: false,
        },
        duplicate_keys: duplicate_keys,
        emit_comments: false,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

fn place(file: &Arc<str>, location: Option<Location>) -> Place {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Place {
        file: file.clone(),
        line: location.map_or(0, |at| number(at.line())),
        column: location.map_or(0, |at| number(at.column())),
    }
}

/// The error with its position in front, where a [`Problem`] has it.
fn problem(file: &Arc<str>, error: &serde_saphyr::Error, text: &str) -> Problem {
    let place = place(file, error.location());
    let mut reason = error.to_string();
    let position = format!(" at line {}, column {}", place.line, place.column);
    if let Some(end) = reason.strip_suffix(&position).map(str::len) {
        reason.truncate(end);
    }
    if text.contains("{{") {
        reason.push_str(" (is it a Helm template? `helm template` makes manifests of it)");
    }
    Problem::error(place, reason)
}

/// The kinds that are read.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Namespace,
    Service,
    EndpointSlice,
    Pod,
    ServiceImport,
    Workload(WorkloadKind),
}

impl Kind {
    fn named(api_version: &str, kind: &str) -> Option<Self> {
        let (group, _) = api_version.split_once('/').unwrap_or_default();
        Some(match (group, kind) {
            ("", "Namespace") => Self::Namespace,
            ("", "Service") => Self::Service,
            ("", "Pod") => Self::Pod,
            ("multicluster.x-k8s.io", "ServiceImport") => Self::ServiceImport,
            ("discovery.k8s.io", "EndpointSlice") => Self::EndpointSlice,
            ("apps" | "extensions", kind) => {
                let mut workloads = WorkloadKind::ALL.into_iter();
                Self::Workload(workloads.find(|workload| workload.name() == kind)?)
            }
            _ => return None,
        })
    }
}

/// One document, or one item of a list.
#[derive(Debug)]
enum Document {
    Object(Object),
    /// the items, and the kind of those that do not name theirs
    List(Vec<Spanned<Self>>, Option<Kind>),
    /// passed over: a kind that is not read, or an empty item
    Other,
    /// it does not say what it is
    Unnamed(Unnamed),
}

/// An object as far as it is decoded.
#[derive(Debug)]
struct Object {
    metadata: Metadata,
    body: Body,
}

/// The fields that were met before the kind.
#[derive(Debug, Default)]
struct Unnamed {
    fields: Vec<(Field, Value)>,
    items: Vec<Spanned<Document>>,
}

/// The fields of a document that are read, of whatever kind it turns out to be.
#[derive(Clone, Copy, Debug)]
enum Field {
    ApiVersion,
    Kind,
    Items,
    Metadata,
    Spec,
    Status,
    Endpoints,
    Ports,
    Other,
}

impl Field {
    fn named(name: &str) -> Self {
        match name {
            "apiVersion" => Self::ApiVersion,
            "kind" => Self::Kind,
            "items" => Self::Items,
            "metadata" => Self::Metadata,
            "spec" => Self::Spec,
            "status" => Self::Status,
            "endpoints" => Self::Endpoints,
            "ports" => Self::Ports,
            _ => Self::Other,
        }
    }
}

impl Object {
    fn new(kind: Kind) -> Self {
        let body = match kind {
            Kind::Namespace => Body::Namespace,
            Kind::Service => Body::Service(Box::default()),
            Kind::EndpointSlice => Body::EndpointSlice(Box::default()),
            Kind::Pod => Body::Pod(Box::default()),
            Kind::ServiceImport => Body::ServiceImport(Box::default()),
            Kind::Workload(kind) => Body::Workload(kind, Box::default()),
        };
        Self {
            metadata: Metadata::default(),
            body,
        }
    }

    fn read<'de, D: Deserializer<'de>>(&mut self, field: Field, value: D) -> Result<(), D::Error> {
        match (field, &mut self.body) {
            (Field::Metadata, _) => self.metadata = nullable(value)?,
            (Field::Spec, Body::Service(service)) => service.spec = nullable(value)?,
            (Field::Status, Body::Service(service)) => service.status = nullable(value)?,
            (Field::Spec, Body::ServiceImport(import)) => **import = nullable(value)?,
            (Field::Spec, Body::Pod(pod)) => pod.spec = nullable(value)?,
            (Field::Status, Body::Pod(pod)) => pod.status = nullable(value)?,
            (Field::Spec, Body::Workload(_, workload)) => **workload = nullable(value)?,
            (Field::Endpoints, Body::EndpointSlice(slice)) => slice.endpoints = nullable(value)?,
            (Field::Ports, Body::EndpointSlice(slice)) => slice.ports = nullable(value)?,
            _ => drop(IgnoredAny::deserialize(value)?),
        }
        Ok(())
    }
}

impl Unnamed {
    /// The document, now that its kind is known.
    fn named(self, kind: Kind) -> Result<Document, serde_json::Error> {
        let mut object = Object::new(kind);
        for (field, value) in self.fields {
            object.read(field, value)?;
        }
        Ok(Document::Object(object))
    }
}

/// A document while its fields are read.
#[derive(Default)]
struct Draft {
    api_version: Option<String>,
    kind: Option<String>,
    early: Unnamed,
    document: Option<Document>,
}

impl Draft {
    fn read<'de, D: Deserializer<'de>>(&mut self, field: Field, value: D) -> Result<(), D::Error> {
        match (&mut self.document, field) {
            (Some(Document::Object(object)), _) => object.read(field, value)?,
            (Some(Document::List(list, _)), Field::Items) => *list = nullable(value)?,
            (Some(_), _) | (None, Field::Other) => drop(IgnoredAny::deserialize(value)?),
            (None, Field::ApiVersion) => self.api_version = text(value)?,
            (None, Field::Kind) => self.kind = text(value)?,
            (None, Field::Items) => self.early.items = nullable(value)?,
            (None, _) => self.early.fields.push((field, Value::deserialize(value)?)),
        }
        self.name().map_err(D::Error::custom)
    }

    /// Settles the document's type, once both `apiVersion` and `kind` were read.
    fn name(&mut self) -> Result<(), serde_json::Error> {
        let (None, Some(api_version), Some(kind)) = (&self.document, &self.api_version, &self.kind)
        else {
            return Ok(());
        };
        let object = Kind::named(api_version, kind);
        let list = match kind.strip_suffix("List") {
            Some("") => Some(None),
            Some(item) => Kind::named(api_version, item).map(Some),
            None => None,
        };
        let early = std::mem::take(&mut self.early);
        self.document = Some(match (object, list) {
            (Some(kind), _) => early.named(kind)?,
            (None, Some(kind)) => Document::List(early.items, kind),
            (None, None) => Document::Other,
        });
        Ok(())
    }
}

/// The text of `apiVersion` or `kind`; none where it is no text, in what is no Kubernetes object.
fn text<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(value)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// Reads one field of a [`Draft`].
struct ReadField<'a>(&'a mut Draft, Field);

impl<'de> DeserializeSeed<'de> for ReadField<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.0.read(self.1, value)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;

        impl Visitor<'_> for FieldVisitor {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                Ok(Field::named(name))
            }
        }

        deserializer.deserialize_identifier(FieldVisitor)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut draft = Draft::default();
        while let Some(field) = map.next_key()? {
            map.next_value_seed(ReadField(&mut draft, field))?;
        }
        Ok(draft.document.unwrap_or(Document::Unnamed(draft.early)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Document::Unnamed(Unnamed::default()))
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Document, E> {
        Ok(Document::Unnamed(Unnamed::default()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Document, E> {
        Ok(Document::Unnamed(Unnamed::default()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Document, E> {
        Ok(Document::Unnamed(Unnamed::default()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Document, E> {
        Ok(Document::Unnamed(Unnamed::default()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Document, E> {
        Ok(Document::Unnamed(Unnamed::default()))
    }
}
