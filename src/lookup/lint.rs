//! The names that manifests mention, each looked up from where it is mentioned.

mod mention;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::Names;
use super::inventory::Inventory;
use super::pod::{PodDns, Surroundings};
use super::report::{Alternative, Report, Subject};
use super::workload::Document;
use crate::kubernetes::manifests::Text;
use crate::resolver::Libc;
use mention::Mention;

/// What is looked into.
pub struct Lint<'a> {
    /// The files, for finding lines.
    pub texts: &'a [Text],
    /// Their objects.
    pub documents: &'a [Document],
    /// What names there are.
    pub inventory: &'a Inventory,
    /// What every pod is given.
    pub around: &'a Surroundings,
    /// Whose resolver programs have.
    pub libc: Libc,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// How many names were looked up, each once for each place that sees it.
    pub names: usize,
    /// Names that do not resolve.
    pub unresolved: Vec<Unresolved>,
    /// Names that take more queries than they need.
    pub waste: Vec<Waste>,
    /// What could not be read, and so was not looked at: `FILE:LINE:COLUMN: REASON`.
    pub unread: Vec<String>,
}

/// A name that does not resolve.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Unresolved {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// `NAMESPACE/KIND/NAME` of the object that mentions it.
    pub object: String,
    /// The name.
    pub name: String,
    /// Where in the object: `env DATABASE_URL`.
    pub field: String,
    /// Likely fixes.
    pub advice: Vec<String>,
}

/// A name that takes more queries than it needs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Waste {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// `NAMESPACE/KIND/NAME` of the object that mentions it.
    pub object: String,
    /// The name.
    pub name: String,
    /// How many queries each lookup takes.
    pub queries: usize,
    /// What takes fewer.
    pub patch: String,
}

/// What decides how a name is looked up.
type Place = (String, String);

impl Lint<'_> {
    /// Looks up every name that is mentioned.
    pub fn run(&self, names: &mut dyn Names) -> Findings {
        let mut known: BTreeMap<(Place, String), Report> = BTreeMap::new();
        let readers = readers(self.documents);
        let texts = self.texts.iter().map(|text| (&*text.file, &*text.text));
        let mut judge = Judge {
            texts: texts.collect(),
            findings: Findings::default(),
        };
        for document in self.documents {
            let mentions = mention::of(document);
            if mentions.is_empty() {
                continue;
            }
            let written = dns_of(document, &readers).resolv_conf(&document.namespace, self.around);
            let strangers = self
                .around
                .strangers(&self.libc.read(&written.text).servers);
            for mention in mentions {
                let place = (document.namespace.clone(), written.text.clone());
                let report = known
                    .entry((place, mention.name.clone()))
                    .or_insert_with(|| {
                        let subject = Subject {
                            strangers: &strangers,
                            ..self.subject(document, &mention, &written.text)
                        };
                        Report::new(&subject, names)
                    });
                judge.judge(document, &mention, report);
            }
        }
        judge.findings.names = known.len();
        judge.findings
    }

    fn subject<'s>(
        &'s self,
        document: &'s Document,
        mention: &'s Mention,
        resolv_conf: &str,
    ) -> Subject<'s> {
        Subject {
            name: &mention.name,
            qtype: None,
            from: document.path(),
            namespace: &document.namespace,
            domain: &self.around.domain,
            libc: self.libc,
            resolv_conf: resolv_conf.to_owned(),
            notes: Vec::new(),
            inventory: Some(self.inventory),
            strangers: &[],
        }
    }
}

/// The first workload of a namespace that has a text in it, by namespace and text: so the readers of
/// a ConfigMap are found.
type Readers<'d> = HashMap<(&'d str, &'d str), &'d Document>;

fn readers(documents: &[Document]) -> Readers<'_> {
    let mut readers = Readers::new();
    for document in documents {
        if let Some(spec) = document.pod_spec() {
            let namespace = document.namespace.as_str();
            each_text(spec, &mut |text| {
                readers.entry((namespace, text)).or_insert(document);
            });
        }
    }
    readers
}

fn each_text<'v>(value: &'v Value, see: &mut impl FnMut(&'v str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, see)),
        Value::Object(fields) => fields.values().for_each(|value| each_text(value, see)),
        _ => {}
    }
}

/// The settings of the pods that read it: a ConfigMap has those of the first workload of its
/// namespace that names it.
fn dns_of(document: &Document, readers: &Readers<'_>) -> PodDns {
    if document.kind != "ConfigMap" {
        return document.dns();
    }
    let reader = readers.get(&(document.namespace.as_str(), document.name.as_str()));
    reader.map(|reader| reader.dns()).unwrap_or_default()
}

/// Turns reports into findings.
struct Judge<'a> {
    /// The files' texts, for finding lines.
    texts: HashMap<&'a str, &'a str>,
    findings: Findings,
}

impl Judge<'_> {
    fn judge(&mut self, document: &Document, mention: &Mention, report: &Report) {
        if !report.resolves {
            let line = self.line(document, mention);
            self.findings.unresolved.push(Unresolved {
                file: document.file.to_string(),
                line,
                object: document.path(),
                name: mention.name.clone(),
                field: mention.field.clone(),
                advice: report.advice.clone(),
            });
            return;
        }
        let cheaper = report.alternatives.iter();
        let cheaper: Vec<_> = cheaper
            .filter(|other| other.resolves && other.queries < report.queries)
            .collect();
        if let Some(least) = cheaper.iter().map(|other| other.queries).min() {
            let best = cheaper.iter().filter(|other| other.queries == least);
            let line = self.line(document, mention);
            self.findings.waste.push(Waste {
                file: document.file.to_string(),
                line,
                object: document.path(),
                name: mention.name.clone(),
                queries: report.queries,
                patch: patch(best.copied(), least),
            });
        }
    }

    /// The line of a mention: the first after the object's start that holds its text.
    fn line(&self, document: &Document, mention: &Mention) -> usize {
        let lines = self.texts.get(&*document.file).map(|text| text.lines());
        let start = document.line.saturating_sub(1);
        let mut after = lines.into_iter().flatten().enumerate().skip(start);
        let first = mention.text.lines().next().unwrap_or_default();
        let found = after.find(|(_, line)| line.contains(first) && line.contains(&mention.near));
        found.map_or(document.line, |(number, _)| number + 1)
    }
}

/// What to write for so few queries: the name in full, and the setting that changes least.
fn patch<'a>(best: impl Iterator<Item = &'a Alternative>, queries: usize) -> String {
    let (mut ndots, mut name) = (None, None);
    for Alternative { with, .. } in best {
        match with.strip_prefix("ndots:") {
            Some(dots) => ndots = Some(dots),
            None => name = Some(with),
        }
    }
    let name = name.map(|name| format!("{name} and the dot at its end"));
    let ndots =
        ndots.map(|ndots| format!("dnsConfig: {{options: [{{name: ndots, value: \"{ndots}\"}}]}}"));
    let ways: Vec<String> = name.into_iter().chain(ndots).collect();
    format!("{queries} with {}", ways.join(", or with "))
}

impl Findings {
    /// Whether every name resolves, and none was left out.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unresolved.is_empty() && self.unread.is_empty()
    }

    /// For a person: one line each, as compilers write them.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for found in &self.unresolved {
            let Unresolved {
                file,
                line,
                object,
                name,
                field,
                advice,
            } = found;
            let _ = writeln!(
                out,
                "{file}:{line}: error: {name} does not resolve from {object} ({field})"
            );
            for advice in advice {
                let _ = writeln!(out, "  help: {advice}");
            }
        }
        for found in &self.waste {
            let Waste {
                file,
                line,
                object,
                name,
                queries,
                patch,
            } = found;
            let _ = writeln!(
                out,
                "{file}:{line}: waste: {name} takes {queries} queries each time, from {object}\n  \
                 help: {patch}"
            );
        }
        let (unresolved, waste) = (self.unresolved.len(), self.waste.len());
        let _ = write!(
            out,
            "names looked up: {}; unresolved: {unresolved}; with more queries than they need: {waste}",
            self.names
        );
        let _ = match self.unread.len() {
            0 => writeln!(out),
            count => writeln!(out, "; manifests that are wrong: {count}"),
        };
        out
    }
}

#[cfg(test)]
mod tests;
