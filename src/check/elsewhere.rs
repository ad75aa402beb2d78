//! Files that a Corefile names and that are not on this machine.
//!
//! A Corefile is often checked on another machine than that on which it is served. What can be
//! told is this: where the folder is here and the file is not, the file is missing, and what the
//! plugin makes of that counts. Where there is not even the folder, the Corefile may have been
//! written for another machine, and no server would be refused for that here. Where the folder is
//! one that pods have mounted, it surely was.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::corefile::{Corefile, Diagnostic, Environment, Origin, Severity, Token};

/// A file that is not on this machine.
pub(super) const MISSING_FILE: &str = "missing-file";

/// Where distributions mount files for the server: CoreDNS's own folder, AKS's, OpenShift's,
/// kops's, Outscale's, and that of Secrets.
const MOUNTS: &[&str] = &[
    "/etc/coredns",
    "/etc/localdns",
    "/etc/pki",
    "/rootfs",
    "/custom",
    "/var/run/secrets",
];

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
    /// A folder that pods have mounted.
    Mount,
}

impl Absent {
    /// How grave it is, where no plugin says.
    fn severity(self) -> Severity {
        match self {
            Self::File | Self::Folder => Severity::Warning,
            Self::Mount => Severity::Hint,
        }
    }
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

    fn has_folder(&self, path: &Path) -> bool {
        path.parent().is_some_and(|folder| self.here.exists(folder))
    }

    fn note(&self, path: &Path) {
        let absent = match self.has_folder(path) {
            true => Absent::File,
            false if is_mounted(path) => Absent::Mount,
            false => Absent::Folder,
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
        // What a diagnostic is about, if it is about a file that may be elsewhere.
        let elsewhere = |diagnostic: &Diagnostic| {
            let mut folders = absent.iter().filter(|(_, absent)| **absent != Absent::File);
            let found = folders
                .find(|(path, _)| diagnostic.message().contains(&path.display().to_string()));
            found.map(|(_, absent)| absent.severity())
        };
        let said = errors
            .drain(..)
            .chain(findings.drain(..))
            .map(|diagnostic| match elsewhere(&diagnostic) {
                Some(severity) => {
                    let diagnostic = diagnostic.graded(severity).rule(MISSING_FILE);
                    diagnostic.help(NOT_HERE)
                }
                None => diagnostic,
            });
        let is_error = |diagnostic: &Diagnostic| diagnostic.severity() == Severity::Error;
        let (still_errors, others): (Vec<_>, Vec<_>) = said.partition(is_error);
        (*errors, *findings) = (still_errors, others);
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
    let help = match absent {
        Absent::File => "create it, or correct the path",
        Absent::Folder | Absent::Mount => NOT_HERE,
    };
    let finding = Diagnostic::warning(format!("{}: no such file on this machine", word.text()));
    let finding = finding.graded(absent.severity()).rule(MISSING_FILE);
    finding.at(word.place()).help(help)
}

/// Whether a path is in a folder that pods have mounted.
fn is_mounted(path: &Path) -> bool {
    MOUNTS.iter().any(|mount| path.starts_with(mount))
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

    /// Of a folder beside the Corefile that is not here, and of one that pods have mounted, all may
    /// be elsewhere.
    fn is_elsewhere(&self, path: &Path, folder: &Path) -> bool {
        !self.has_folder(path) && (path.starts_with(folder) || is_mounted(path))
    }
}
