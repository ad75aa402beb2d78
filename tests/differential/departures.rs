//! Holds the departures that data files name against those that docs/departures.md describes.

use std::collections::BTreeSet;
use std::path::Path;

use crate::case::File;

/// What is wrong, a line each: a departure that is not described, or (over all files) a
/// description that no test holds.
pub(crate) fn problems(document: &Path, files: &[File], all: bool) -> Vec<String> {
    let text = match std::fs::read_to_string(document) {
        Ok(text) => text,
        Err(error) => return vec![format!("{}: {error}", document.display())],
    };
    let described: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let mut problems = Vec::new();
    let mut tested = BTreeSet::new();
    for file in files {
        for step in file.scenarios.iter().flat_map(|scenario| &scenario.steps) {
            let Some(departure) = &step.departure else {
                continue;
            };
            tested.insert(departure.name.as_str());
            if !described.contains(departure.name.as_str()) {
                let (path, line, name) = (file.path.display(), step.line, &departure.name);
                problems.push(format!(
                    "{path}:{line}: {} has no heading `### {name}`",
                    document.display()
                ));
            }
        }
    }
    if all {
        let untested = described.difference(&tested);
        problems.extend(untested.map(|name| {
            format!(
                "{}: no data file has `departure {name}`",
                document.display()
            )
        }));
    }
    problems
}
