//! The Corefile: text to a tree with places, and what is wrong with it.
//!
//! ```text
//! Input ── lexer ──> words ── parser, import ──> Corefile ── Directive::cursor ──> a plugin's setup
//!                                                   └─────── zones, ports ───────> the server
//! ```
//!
//! The language is that of CoreDNS 1.15 (caddy 1.1.4), with all that files in the field lean on.
//! No plugin is known here: which names may start a line is told by who loads the file. All that
//! is wrong is a [`Diagnostic`] with its place; all that can be found is found in one go. Reading
//! asks the world outside through an [`Environment`] only, and starts nothing.

mod cursor;
mod diagnostic;
mod environment;
mod format;
mod import;
mod key;
mod lexer;
mod parser;
mod place;
mod stream;
mod tree;
mod value;
mod variable;

use std::fmt;
use std::path::PathBuf;

use sha2::{Digest, Sha512};

pub use cursor::Cursor;
pub(crate) use diagnostic::nearest;
pub use diagnostic::{Diagnostic, Errors, Severity};
pub use environment::{Environment, Memory, System};
pub use format::format;
pub use import::MAX_FILE_BYTES;
pub use key::{Key, Transport};
pub use lexer::Token;
pub use place::{Import, Origin, Place, Source};
pub use tree::{Directive, ServerBlock, Zone};
pub use value::HostPort;
pub(crate) use value::{is_host_name, parse_duration};

/// What a Corefile without a server block stands for, as in CoreDNS.
const DEFAULT: &str = ". {\n    whoami\n    log\n}\n";

/// Where a Corefile's text is.
#[derive(Clone, Debug)]
pub struct Input(Kind);

#[derive(Clone, Debug)]
enum Kind {
    File(PathBuf),
    Text {
        name: String,
        text: String,
        directory: PathBuf,
    },
}

impl Input {
    /// A file, by a path that may be relative. Messages show the path as it is given here.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    /// A text that messages call `name`: standard input, the embedded default, a test.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self(Kind::Text {
            name: name.into(),
            text: text.into(),
            directory: PathBuf::from("/"),
        })
    }

    /// Says where relative imports of a text start; `/` otherwise. For a file it is the directory
    /// that the file is in, whatever is said here.
    #[must_use]
    pub fn in_directory(mut self, path: impl Into<PathBuf>) -> Self {
        if let Kind::Text { directory, .. } = &mut self.0 {
            *directory = path.into();
        }
        self
    }
}

/// A Corefile that was read with all its imports, and has no error in its language.
#[derive(Clone, Debug)]
pub struct Corefile {
    blocks: Vec<ServerBlock>,
    files: Vec<PathBuf>,
    warnings: Vec<Diagnostic>,
}

impl Corefile {
    /// Reads a Corefile and what it imports. `directives` are the names that a line of a server
    /// block may start with.
    ///
    /// A Corefile without a server block is that of `.` with the directives `whoami` and `log`.
    ///
    /// # Errors
    /// All that is wrong with the file's language, up to a hundred errors; or that it cannot be
    /// read.
    pub fn load(
        input: Input,
        environment: &dyn Environment,
        directives: &[&str],
    ) -> Result<Self, Errors> {
        let mut parser = parser::Parser::new(environment, directives);
        let source = match input.0 {
            Kind::File(path) => parser.files.main(&path)?,
            Kind::Text {
                name,
                text,
                directory,
            } => {
                let directory = environment::absolute(&environment.directory(), &directory);
                check_length(&name, &text)?;
                Source::new(name, directory, text)
            }
        };
        let mut blocks = parser.parse(source);
        if blocks.is_empty() && parser.report.errors.is_empty() {
            let message = "the Corefile has no server block: '.' is served with whoami and log";
            parser.report.warnings.push(Diagnostic::warning(message));
            let default = Source::new("Corefile".into(), PathBuf::from("/"), DEFAULT.into());
            blocks = parser.parse(default);
        }
        let parser::Report {
            mut errors,
            key_errors,
            warnings,
        } = parser.report;
        errors.extend(key_errors);
        // A block of which no key can be read is for nothing.
        blocks.retain(|block| !block.keys().is_empty());
        let corefile = Self {
            blocks,
            files: parser.files.paths,
            warnings,
        };
        if !errors.is_empty() {
            let warnings = corefile.warnings.clone();
            return Err(Errors::new(errors, warnings).beside(corefile));
        }
        Ok(corefile)
    }

    /// The server blocks, in the order in which they stand. At least one.
    #[must_use]
    pub fn blocks(&self) -> &[ServerBlock] {
        &self.blocks
    }

    /// The files that were read, by their full paths, each once, the Corefile itself first.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What is odd about the file, though it is no error.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The SHA-512 of what the file says, in lower-case hexadecimal.
    ///
    /// It stays the same when only comments, white space within lines, empty lines, quotes, file
    /// names, the way to write a key or the order of different directives change, so that such a
    /// change is no reason to reload.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut content = Vec::new();
        for block in &self.blocks {
            block.write_content(&mut content);
        }
        let digest = Sha512::digest(&content);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The file as one text, with imports and variables replaced: read again, it says the same.
impl fmt::Display for Corefile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, block) in self.blocks.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            block.fmt(f)?;
        }
        Ok(())
    }
}

/// A text is bound as a file is.
fn check_length(name: &str, text: &str) -> Result<(), Diagnostic> {
    if text.len() > MAX_FILE_BYTES {
        let message = format!("{name}: is larger than {MAX_FILE_BYTES} bytes");
        return Err(Diagnostic::error(message));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
