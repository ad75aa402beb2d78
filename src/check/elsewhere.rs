//! Files that a Corefile names and that are not on this machine.
//!
//! A Corefile is often checked on another machine than that on which it is served. What can be
//! told is this: where the folder is here and the file is not, the file is missing. Where there is
//! not even the folder, the Corefile was written for another machine, and nothing is known.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::corefile::{Corefile, Diagnostic, Environment, Origin, Severity, Token};

/// A file that is not on this machine.
pub(super) const MISSING_FILE: &str = "missing-file";

const NOT_HERE: &str = "its folder is not on this machine: check again where the server is to run";

/// The world around a Corefile, with a note of each file that was asked for and is not there.
pub struct Elsewhere<'e> {
    here: &'e dyn Environment,
    absent: RefCell<BTreeMap<PathBuf, Absent>>,
}

/// What of a path is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    File,
    Folder,
}

impl<'e> Elsewhere<'e> {
    /// Nothing asked for yet.
    #[must_use]
    pub fn new(here: &'e dyn Environment) -> Self {
        Self {
            here,
            absent: RefCell::default(),
        }
    }

    fn note(&self, path: &Path) {
        let absent = match self.is_elsewhere(path) {
            true => Absent::Folder,
            false => Absent::File,
        };
        self.absent.borrow_mut().insert(path.to_owned(), absent);
    }

    /// Lessens what a plugin said about files that may be where the server is to run, and says so
    /// of those that no plugin spoke of.
    pub fn grade(
        &self,
        corefile: &Corefile,
        errors: &mut Vec<Diagnostic>,
        findings: &mut Vec<Diagnostic>,
    ) {
        let absent = self.absent.borrow();
        let lessened = |diagnostic: &Diagnostic| {
            let names = |path: &Path| diagnostic.message().contains(&path.display().to_string());
            let mut folders = absent
                .iter()
                .filter(|(_, absent)| **absent == Absent::Folder);
            folders.any(|(path, _)| names(path))
        };
        let lessen = |diagnostic: Diagnostic| {
            let diagnostic = diagnostic.graded(Severity::Hint).rule(MISSING_FILE);
            diagnostic.help(NOT_HERE)
        };
        for finding in findings.iter_mut() {
            if lessened(finding) {
                *finding = lessen(finding.clone());
            }
        }
        let (elsewhere, here): (Vec<_>, Vec<_>) = errors.drain(..).partition(&lessened);
        *errors = here;
        findings.extend(elsewhere.into_iter().map(lessen));
        for (path, absent) in absent.iter() {
            let text = path.display().to_string();
            let is_told = |said: &Diagnostic| said.message().contains(&text);
            if !errors.iter().chain(findings.iter()).any(is_told)
                && let Some(word) = self.word(corefile, path)
            {
                findings.push(missing(word, *absent));
            }
        }
    }

    /// The first word of the Corefile that names the path.
    fn word<'c>(&self, corefile: &'c Corefile, path: &Path) -> Option<&'c Token> {
        let directory = self.here.directory();
        let directives = corefile
            .blocks()
            .iter()
            .flat_map(|block| block.directives());
        let mut words = directives.flat_map(|directive| {
            let is_upstream = directive.name() == "forward";
            let words = directive.tokens().iter();
            // An upstream without a separator is the name of a host, where there is no such file.
            words.filter(move |word| !is_upstream || word.text().contains('/'))
        });
        words.find(|word| directory.join(word.text()) == path)
    }
}

fn missing(word: &Token, absent: Absent) -> Diagnostic {
    let (severity, help) = match absent {
        Absent::File => (Severity::Warning, "create it, or correct the path"),
        Absent::Folder => (Severity::Hint, NOT_HERE),
    };
    let finding = Diagnostic::warning(format!("{}: no such file on this machine", word.text()));
    let finding = finding.graded(severity).rule(MISSING_FILE);
    finding.at(word.place()).help(help)
}

impl Environment for Elsewhere<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.here.variable(name)
    }

    fn directory(&self) -> PathBuf {
        self.here.directory()
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let content = self.here.read(path, limit);
        if content
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        {
            self.note(path);
        }
        content
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.here.list(directory)
    }

    fn exists(&self, path: &Path) -> bool {
        let exists = self.here.exists(path);
        if !exists {
            self.note(path);
        }
        exists
    }

    fn origin(&self, path: &Path) -> Option<Origin> {
        self.here.origin(path)
    }

    fn is_elsewhere(&self, path: &Path) -> bool {
        !path.parent().is_some_and(|folder| self.here.exists(folder))
    }
}
