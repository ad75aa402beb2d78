//! The files that a subcommand is about: paths, or `-` for standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::corefile::{Diagnostic, Environment, MAX_FILE_BYTES, System};

/// The file that is meant where none is named, as by the server.
const DEFAULT: &str = "Corefile";
/// Standard input, on the command line and in messages.
const STDIN: (&str, &str) = ("-", "stdin");

/// A text, and what messages call it.
pub(super) struct Subject {
    /// The path as it was given, or `stdin`.
    pub(super) name: String,
    /// The file; `None` for standard input.
    pub(super) path: Option<PathBuf>,
    /// The text, or why it cannot be read.
    pub(super) text: Result<String, Diagnostic>,
}

/// Reads what is named.
///
/// # Errors
/// Standard input is named twice.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<Subject>, String> {
    let is_stdin = |path: &&PathBuf| path.as_path() == Path::new(STDIN.0);
    if files.iter().filter(is_stdin).count() > 1 {
        return Err("'-' stands for standard input, and can be named once".to_owned());
    }
    let default = [PathBuf::from(DEFAULT)];
    let files = if files.is_empty() { &default } else { files };
    let subjects = files.iter().map(|path| match is_stdin(&path) {
        true => Subject {
            name: STDIN.1.to_owned(),
            path: None,
            text: read_stdin(),
        },
        false => Subject {
            name: path.display().to_string(),
            path: Some(path.clone()),
            text: read_file(path),
        },
    });
    Ok(subjects.collect())
}

fn read_file(path: &Path) -> Result<String, Diagnostic> {
    let content = System.read(&System.directory().join(path), MAX_FILE_BYTES);
    let content = content.map_err(|error| {
        let error = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => error.to_string(),
        };
        Diagnostic::error(format!("open {}: {error}", path.display()))
    })?;
    Ok(text(content))
}

fn read_stdin() -> Result<String, Diagnostic> {
    let most = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    let read = std::io::stdin().lock().take(most).read_to_end(&mut content);
    read.map_err(|error| Diagnostic::error(format!("cannot read standard input: {error}")))?;
    Ok(text(content))
}

/// Bytes that are no UTF-8 are told by [`crate::corefile`], by U+FFFD in their place.
fn text(content: Vec<u8>) -> String {
    String::from_utf8(content)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
