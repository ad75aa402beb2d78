//! The objects of manifests as they stand: what has pods, and what mentions names.
//!
//! The source of names ([`crate::kubernetes::manifests`]) decodes no more than names are made of.
//! Here whole documents are read, of any kind.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::pod::PodDns;
use crate::kubernetes::manifests::Text;

/// One object.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file that it stands in.
    pub file: Arc<str>,
    /// The line that it starts at, from 1.
    pub line: usize,
    /// `kind`
    pub kind: String,
    /// `metadata.namespace`; `default` where none is written.
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// All of it.
    pub value: Value,
}

/// All objects of these files. What does not parse is left out; the source of names tells of it.
#[must_use]
pub fn documents<'t>(texts: impl IntoIterator<Item = &'t Text>) -> Vec<Document> {
    let mut documents = Vec::new();
    for text in texts {
        let parsed: Result<Vec<Spanned<Value>>, _> = serde_saphyr::from_multiple(&text.text);
        for document in parsed.unwrap_or_default() {
            let line = usize::try_from(document.referenced.line()).unwrap_or_default();
            add(&text.file, line, document.value, "", &mut documents);
        }
    }
    documents
}

/// `default` is the kind of items that do not name theirs: those of a `ServiceList`.
fn add(file: &Arc<str>, line: usize, value: Value, default: &str, documents: &mut Vec<Document>) {
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or(default).to_owned();
    if let (Some(default), Some(Value::Array(items))) =
        (kind.strip_suffix("List"), value.get("items"))
    {
        for item in items {
            add(file, line, item.clone(), default, documents);
        }
        return;
    }
    let namespace = text("/metadata/namespace").filter(|namespace| !namespace.is_empty());
    let document = Document {
        file: file.clone(),
        line,
        namespace: namespace.unwrap_or("default").to_owned(),
        name: text("/metadata/name").unwrap_or_default().to_owned(),
        kind,
        value,
    };
    if !document.name.is_empty() {
        documents.push(document);
    }
}

impl Document {
    /// The specification of its pods, where it has some.
    #[must_use]
    pub fn pod_spec(&self) -> Option<&Value> {
        let path = match self.kind.as_str() {
            "Pod" => "/spec",
            "CronJob" => "/spec/jobTemplate/spec/template/spec",
            _ => "/spec/template/spec",
        };
        let spec = self.value.pointer(path)?;
        spec.get("containers").map(|_| spec)
    }

    /// What its pods say of names.
    #[must_use]
    pub fn dns(&self) -> PodDns {
        let spec = self.pod_spec();
        spec.and_then(|spec| PodDns::deserialize(spec).ok())
            .unwrap_or_default()
    }

    /// `NAMESPACE/KIND/NAME`
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.kind, self.name)
    }

    /// Whether it is what a person means by `NAMESPACE/KIND/NAME`.
    #[must_use]
    pub fn is(&self, namespace: &str, kind: &str, name: &str) -> bool {
        let short = |kind: &str| match kind.to_ascii_lowercase().as_str() {
            "po" | "pods" => "pod".to_owned(),
            "deploy" => "deployment".to_owned(),
            "sts" => "statefulset".to_owned(),
            "ds" => "daemonset".to_owned(),
            "rs" => "replicaset".to_owned(),
            "cj" => "cronjob".to_owned(),
            other => other.strip_suffix('s').unwrap_or(other).to_owned(),
        };
        self.namespace == namespace && self.name == name && short(&self.kind) == short(kind)
    }
}
