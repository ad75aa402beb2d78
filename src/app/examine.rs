//! Everything but start: whether a Corefile can be served, and what is odd about it.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{self, Inputs};
use crate::check::{self, Elsewhere, Explanation};
use crate::corefile::{Corefile, Diagnostic, Environment, Errors, Input, Severity};
use crate::plugin::setup::Settings;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// Errors, then warnings, then hints, each in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// The order of plugins in each server block; empty where the language has errors.
    pub explanations: Vec<Explanation>,
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
    let corefile = match Corefile::load(input, &environment, &crate::plugin::names()) {
        Ok(corefile) => corefile,
        Err(errors) => {
            let diagnostics = all(errors);
            return Examined::new(diagnostics, Vec::new());
        }
    };
    let inputs = Inputs {
        dns_port,
        metrics: Arc::default(),
        settings: settings.clone(),
        previous: HashMap::new(),
        environment: &environment,
    };
    let (mut errors, mut findings) = match plan::plan(&corefile, inputs) {
        Ok(plan) => (Vec::new(), plan.warnings),
        Err(errors) => (errors.errors().to_vec(), errors.warnings().to_vec()),
    };
    environment.grade(&corefile, &mut errors, &mut findings);
    findings.extend(check::findings(&corefile, dns_port, &environment));
    errors.extend(findings);
    Examined::new(errors, check::explain(&corefile, dns_port))
}

fn all(errors: Errors) -> Vec<Diagnostic> {
    [errors.errors(), errors.warnings()].concat()
}

impl Examined {
    /// Sorts by severity; the order in which they were found stays where it says as much as the
    /// place would.
    fn new(mut diagnostics: Vec<Diagnostic>, explanations: Vec<Explanation>) -> Self {
        diagnostics.sort_by_key(Diagnostic::severity);
        Self {
            diagnostics,
            explanations,
        }
    }
}
