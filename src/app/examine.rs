//! Everything but start: whether a Corefile can be served, and what is odd about it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::plan::{self, Inputs};
use crate::check::{self, Elsewhere};
use crate::corefile::{Corefile, Diagnostic, Environment, Errors, Input, Severity};
use crate::plugin;
use crate::plugin::setup::Settings;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// Errors, then warnings, then hints, each in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// The tree, where the language has no error.
    pub corefile: Option<Corefile>,
}

impl Examined {
    /// How many diagnostics there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let same = self.diagnostics.iter();
        same.filter(|known| known.severity() == severity).count()
    }
}

/// Examines a Corefile. Nothing is started, and nothing outside of `environment` is asked.
#[must_use]
pub fn examine(
    input: Input,
    environment: &dyn Environment,
    dns_port: u16,
    settings: &Arc<Settings>,
) -> Examined {
    let environment = Elsewhere::new(environment);
    let inputs = Inputs {
        dns_port,
        metrics: Arc::default(),
        settings: settings.clone(),
        previous: HashMap::new(),
        environment: &environment,
    };
    let loaded = Corefile::load(input, &environment, &plugin::names());
    let corefile = match &loaded {
        Ok(corefile) => Some(corefile),
        Err(errors) => errors.readable(),
    };
    let (mut errors, mut findings) = match &loaded {
        Ok(corefile) => match plan::plan(corefile, inputs) {
            Ok(plan) => (Vec::new(), plan.warnings),
            Err(errors) => parts(&errors),
        },
        Err(errors) => parts(&plan::all_errors(errors.clone(), inputs)),
    };
    if let Some(corefile) = corefile {
        // What the language refuses is refused, wherever its file may be.
        let of_plugins = loaded
            .as_ref()
            .err()
            .map_or(0, |errors| errors.errors().len());
        let mut of_plugins = errors.split_off(of_plugins.min(errors.len()));
        environment.grade(corefile, &mut of_plugins, &mut findings);
        errors.extend(of_plugins);
    }
    // What is said of the whole would be said of what is left of it.
    let corefile = loaded.ok();
    if let Some(corefile) = &corefile
        && !errors.iter().any(plugin::is_swallowed)
    {
        findings.extend(check::findings(corefile, dns_port, &environment));
    }
    errors.extend(findings);
    Examined {
        diagnostics: in_order(errors),
        corefile,
    }
}

fn parts(errors: &Errors) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    (errors.errors().to_vec(), errors.warnings().to_vec())
}

/// Each diagnostic once, by severity and then in the order of the file.
fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut known = HashSet::new();
    diagnostics.retain(|diagnostic| known.insert(diagnostic.headline()));
    diagnostics.sort_by_cached_key(|diagnostic| {
        let place = diagnostic.place();
        let place = place.map(|place| (place.file().to_owned(), place.line(), place.column()));
        (diagnostic.severity(), place)
    });
    diagnostics
}

#[cfg(test)]
mod tests;
