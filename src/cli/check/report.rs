//! What was found, for people.

use std::fmt;

use crate::app::examine::Examined;
use crate::check::{self, Explanation};
use crate::corefile::Severity;

/// All that a run found.
pub(super) struct Report {
    pub(super) verdicts: Vec<Verdict>,
    /// The port of keys that name none.
    pub(super) dns_port: u16,
    /// The least grave severity that fails.
    pub(super) denied: Severity,
    /// Whether the order of plugins is told.
    pub(super) explain: bool,
    /// Whether hints are told in full.
    pub(super) hints: bool,
}

/// What was found in one Corefile.
pub(super) struct Verdict {
    /// What messages call it.
    pub(super) name: String,
    pub(super) examined: Examined,
}

impl Report {
    /// Whether a Corefile fails.
    pub(super) fn fails(&self) -> bool {
        self.verdicts.iter().any(|verdict| self.is_failed(verdict))
    }

    /// Whether this one fails.
    pub(super) fn is_failed(&self, verdict: &Verdict) -> bool {
        let mut found = verdict.examined.diagnostics.iter();
        found.any(|diagnostic| diagnostic.severity() <= self.denied)
    }

    /// The order of plugins in each server block; nothing where the language has errors.
    pub(super) fn explanations(&self, verdict: &Verdict) -> Vec<Explanation> {
        let corefile = verdict.examined.corefile.as_ref();
        corefile.map_or_else(Vec::new, |corefile| check::explain(corefile, self.dns_port))
    }

    /// How many diagnostics of a severity there are in all Corefiles.
    pub(super) fn count(&self, severity: Severity) -> usize {
        let counts = self
            .verdicts
            .iter()
            .map(|verdict| verdict.examined.count(severity));
        counts.sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.verdicts {
            self.write(verdict, f)?;
        }
        Ok(())
    }
}

impl Report {
    fn write(&self, verdict: &Verdict, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { name, examined } = verdict;
        for diagnostic in &examined.diagnostics {
            match diagnostic.severity() {
                Severity::Hint if !self.hints => writeln!(f, "{}", diagnostic.headline())?,
                _ => writeln!(f, "{diagnostic}")?,
            }
        }
        if self.explain {
            for explanation in self.explanations(verdict) {
                writeln!(f, "{explanation}")?;
            }
        }
        let word = if self.is_failed(verdict) {
            "FAIL"
        } else {
            "OK"
        };
        write!(f, "{name}: {word}")?;
        for severity in [Severity::Error, Severity::Warning] {
            let count = examined.count(severity);
            let plural = if count == 1 { "" } else { "s" };
            if count > 0 {
                write!(f, ", {count} {}{plural}", severity.word())?;
            }
        }
        writeln!(f)
    }
}
