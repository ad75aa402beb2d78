//! What was found, for programs: one object, with names and values that stay as they are.

use serde_json::{Value, json};

use super::report::{Report, Verdict};
use crate::check::Explanation;
use crate::corefile::{Diagnostic, Place, Severity};

/// The whole report.
pub(super) fn of(report: &Report) -> Value {
    let files = report.verdicts.iter().map(|verdict| file(report, verdict));
    json!({
        "files": files.collect::<Vec<_>>(),
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "hints": report.count(Severity::Hint),
    })
}

fn file(report: &Report, verdict: &Verdict) -> Value {
    let examined = &verdict.examined;
    let mut file = json!({
        "file": verdict.name,
        "ok": !report.is_failed(verdict),
        "diagnostics": examined.diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
    });
    if report.explain {
        let blocks: Vec<Value> = report.explanations(verdict).iter().map(block).collect();
        set(&mut file, "blocks", blocks);
    }
    file
}

fn diagnostic(diagnostic: &Diagnostic) -> Value {
    let mut value = json!({
        "severity": diagnostic.severity().word(),
        "rule": diagnostic.rule_name(),
        "message": diagnostic.message(),
    });
    if let Some(place) = diagnostic.place() {
        set(&mut value, "place", span(place));
        let imports = place.imports().map(|import| {
            let mut value = span(&import.place);
            set(&mut value, "target", import.target.clone());
            value
        });
        let imports: Vec<Value> = imports.collect();
        if !imports.is_empty() {
            set(&mut value, "imports", imports);
        }
    }
    if let Some(label) = diagnostic.label() {
        set(&mut value, "label", label);
    }
    if let Some(help) = diagnostic.help_text() {
        set(&mut value, "help", help);
    }
    let notes = diagnostic.notes().map(|(place, note)| {
        let mut value = span(place);
        set(&mut value, "message", note);
        value
    });
    let notes: Vec<Value> = notes.collect();
    if !notes.is_empty() {
        set(&mut value, "notes", notes);
    }
    value
}

/// Lines and columns from 1, columns in characters; the end is right behind.
fn span(place: &Place) -> Value {
    let (end_line, end_column) = place.end();
    json!({
        "file": place.file(),
        "line": place.line(),
        "column": place.column(),
        "endLine": end_line,
        "endColumn": end_column,
    })
}

fn block(explanation: &Explanation) -> Value {
    let steps = explanation.steps.iter().map(|step| {
        let mut value = json!({ "plugin": step.plugin, "place": span(&step.place) });
        if let Some(answers) = &step.answers {
            set(&mut value, "answers", answers.as_str());
        }
        value
    });
    json!({ "keys": explanation.keys, "order": steps.collect::<Vec<_>>() })
}

/// Adds to an object; to any other value there is nothing to add.
fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(object) = object {
        object.insert(name.to_owned(), value.into());
    }
}
