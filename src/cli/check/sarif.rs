//! What was found in the Static Analysis Results Interchange Format 2.1.0 (OASIS), which code
//! hosts read.

use serde_json::{Value, json};

use super::report::Report;
use crate::check::RULES;
use crate::corefile::{Diagnostic, Place, Severity};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The whole report, as one run.
pub(super) fn of(report: &Report) -> Value {
    let results = report.verdicts.iter().flat_map(|verdict| {
        let found = verdict.examined.diagnostics.iter();
        found.map(|diagnostic| result(&verdict.name, diagnostic))
    });
    let rules = RULES.iter().map(|(name, text)| {
        json!({
            "id": name,
            "shortDescription": { "text": text },
        })
    });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "callsign",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn result(file: &str, diagnostic: &Diagnostic) -> Value {
    let level = match diagnostic.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    };
    let mut text = diagnostic.message().to_owned();
    for more in diagnostic.label().into_iter().chain(diagnostic.help_text()) {
        text.push_str("; ");
        text.push_str(more);
    }
    let location = match diagnostic.place() {
        Some(place) => location(place),
        None => json!({ "physicalLocation": { "artifactLocation": { "uri": uri(file) } } }),
    };
    let imports = diagnostic.place().into_iter().flat_map(Place::imports);
    let imports = imports.map(|import| {
        let text = format!("{} is imported here", import.target);
        related(&import.place, &text)
    });
    let notes = diagnostic.notes().map(|(place, note)| related(place, note));
    json!({
        "ruleId": diagnostic.rule_name(),
        "level": level,
        "message": { "text": text },
        "locations": [location],
        "relatedLocations": notes.chain(imports).collect::<Vec<_>>(),
    })
}

fn related(place: &Place, text: &str) -> Value {
    let mut location = location(place);
    if let Value::Object(location) = &mut location {
        location.insert("message".to_owned(), json!({ "text": text }));
    }
    location
}

fn location(place: &Place) -> Value {
    let (end_line, end_column) = place.end();
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(place.file()) },
        "region": {
            "startLine": place.line(),
            "startColumn": place.column(),
            "endLine": end_line,
            "endColumn": end_column,
        },
    } })
}

/// A path as the reference of RFC 3986 that it is in SARIF.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
