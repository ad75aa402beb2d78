//! The programs that look names up: one for each library, built by `run`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use callsign::resolver::Libc;

/// Each program's name, and the library that it looks names up with. Go's resolver has two modes: its
/// own, and that of the C library.
const ALL: [(&str, Libc); 5] = [
    ("glibc", Libc::Glibc),
    ("musl", Libc::Musl),
    ("musl-1.2.3", Libc::MuslBefore124),
    ("go", Libc::Go),
    (GO_WITH_GLIBC, Libc::Glibc),
];
const GO_WITH_GLIBC: &str = "go-cgo";

pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) libc: Libc,
    path: PathBuf,
}

/// All programs. One that is missing is an error: what is not held against the real library is not
/// known.
pub(crate) fn all(folder: &Path) -> Result<Vec<Program>, String> {
    let programs = ALL.map(|(name, libc)| Program {
        name,
        libc,
        path: folder.join(name),
    });
    match programs.iter().find(|program| !program.path.exists()) {
        Some(missing) => Err(format!("there is no program {}", missing.path.display())),
        None => Ok(programs.into()),
    }
}

/// What a program was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Addresses, in the order of their texts.
    Found(Vec<String>),
    /// The name of the error.
    Error(String),
    /// It ended without a word.
    Crash,
}

impl Program {
    /// Looks a name up.
    pub(crate) fn look_up(&self, name: &str) -> Result<Outcome, String> {
        let mut command = Command::new(&self.path);
        if self.name == GO_WITH_GLIBC {
            command.env("GODEBUG", "netdns=cgo");
        }
        let output = command
            .arg(name)
            .output()
            .map_err(|error| format!("{}: {error}", self.path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(match text.trim().split_once(' ') {
            Some(("found", addresses)) => {
                Outcome::found(addresses.split(' ').map(str::to_owned).collect())
            }
            Some((_, error)) => Outcome::Error(error.to_owned()),
            None => Outcome::Crash,
        })
    }

    /// What it tells of a failure: Go has fewer words than C.
    pub(crate) fn tells(&self, error: &str) -> Outcome {
        let error = match error {
            "NoData" if self.name == GO_WITH_GLIBC => "NoName",
            "Failed" if self.name == GO_WITH_GLIBC => "TryAgain",
            error => error,
        };
        Outcome::Error(error.to_owned())
    }
}

impl Outcome {
    pub(crate) fn found(mut addresses: Vec<String>) -> Self {
        addresses.sort_unstable();
        Self::Found(addresses)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(addresses) => write!(f, "found {}", addresses.join(" ")),
            Self::Error(error) => write!(f, "error {error}"),
            Self::Crash => f.write_str("crash"),
        }
    }
}
