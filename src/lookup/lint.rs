//! The names that manifests mention, each looked up from where it is mentioned.

mod mention;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

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
        let mut findings = Findings::default();
        let mut known: BTreeMap<(Place, String), Report> = BTreeMap::new();
        for document in self.documents {
            let dns = self.dns_of(document);
            let written = dns.resolv_conf(&document.namespace, self.around);
            for mention in mention::of(document) {
                let place = (document.namespace.clone(), written.text.clone());
                let report = known
                    .entry((place, mention.name.clone()))
                    .or_insert_with(|| {
                        let subject = self.subject(document, &mention, &written.text);
                        Report::new(&subject, names)
                    });
                self.judge(document, &mention, report, &mut findings);
            }
        }
        findings.names = known.len();
        findings
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
        }
    }

    /// The settings of the pods that read it: a ConfigMap has those of the first workload of its
    /// namespace that names it.
    fn dns_of(&self, document: &Document) -> PodDns {
        if document.kind != "ConfigMap" {
            return document.dns();
        }
        let named = format!("\"{}\"", document.name);
        let mut readers = self.documents.iter().filter(|other| {
            other.namespace == document.namespace
                && other
                    .pod_spec()
                    .is_some_and(|spec| spec.to_string().contains(&named))
        });
        readers.next().map(Document::dns).unwrap_or_default()
    }

    fn judge(
        &self,
        document: &Document,
        mention: &Mention,
        report: &Report,
        findings: &mut Findings,
    ) {
        let line = || self.line(document, mention);
        if !report.resolves {
            findings.unresolved.push(Unresolved {
                file: document.file.to_string(),
                line: line(),
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
            findings.waste.push(Waste {
                file: document.file.to_string(),
                line: line(),
                object: document.path(),
                name: mention.name.clone(),
                queries: report.queries,
                patch: best
                    .map(|best| patch(best))
                    .collect::<Vec<_>>()
                    .join(", or "),
            });
        }
    }

    /// The line of a mention: the first after the object's start that holds its text.
    fn line(&self, document: &Document, mention: &Mention) -> usize {
        let text = self.texts.iter().find(|text| text.file == document.file);
        let lines = text.map(|text| text.text.lines()).into_iter().flatten();
        let start = document.line.saturating_sub(1);
        let mut after = lines.enumerate().skip(start);
        let first = mention.text.lines().next().unwrap_or_default();
        let found = after.find(|(_, line)| line.contains(first) && line.contains(&mention.near));
        found.map_or(document.line, |(number, _)| number + 1)
    }
}

fn patch(best: &Alternative) -> String {
    let queries = best.queries;
    match best.with.strip_prefix("ndots:") {
        Some(ndots) => {
            format!("{queries} with dnsConfig: {{options: [{{name: ndots, value: \"{ndots}\"}}]}}")
        }
        None => format!("{queries} with {} and the dot at its end", best.with),
    }
}

impl Findings {
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
        let _ = writeln!(
            out,
            "{} names looked up: {} do not resolve, {} take more queries than they need",
            self.names,
            self.unresolved.len(),
            self.waste.len()
        );
        out
    }
}

#[cfg(test)]
mod tests;
