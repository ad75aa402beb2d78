//! `fmt`: Corefiles with the same indentation and spacing, and the same meaning.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::subject::{self, Subject};
use crate::check::configmap;
use crate::corefile::{Diagnostic, format};

/// Format Corefiles: indentation, spaces, blank lines. Comments and meaning stay.
///
/// Prints the result, unless told otherwise.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Corefiles; `-` is standard input [default: ./Corefile].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Change nothing; name the files that are not formatted, and exit with 1 if there are any.
    #[arg(long, conflicts_with = "write")]
    check: bool,

    /// Write the result to the files.
    #[arg(long, short)]
    write: bool,
}

/// Formats, and tells by the exit code.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let subjects = match subject::read(&arguments.files) {
        Ok(subjects) => subjects,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let mut code = ExitCode::SUCCESS;
    for subject in subjects {
        match one(arguments, subject) {
            Ok(true) => {}
            Ok(false) => code = ExitCode::FAILURE,
            Err(error) => {
                eprint!("{error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Formats one file: whether it is as it should be.
fn one(arguments: &Arguments, subject: Subject) -> Result<bool, Diagnostic> {
    let Subject { name, path, text } = subject;
    let text = text?;
    if configmap::is_manifest(&text) {
        let error = Diagnostic::error(format!("{name}: is a Kubernetes manifest, not a Corefile"));
        return Err(error.help("format the Corefile that it is made from"));
    }
    let formatted = format(&text);
    let is_same = formatted == text;
    if arguments.check {
        if !is_same {
            println!("{name}");
        }
        return Ok(is_same);
    }
    match path.filter(|_| arguments.write) {
        Some(_) if is_same => {}
        Some(path) => std::fs::write(&path, formatted).map_err(|error| {
            Diagnostic::error(format!("cannot write {}: {error}", path.display()))
        })?,
        // Who closes the pipe early has seen enough.
        None => drop(std::io::stdout().write_all(formatted.as_bytes())),
    }
    Ok(true)
}
