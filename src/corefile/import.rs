//! Files: the one that is asked for, and those that `import` names by a path or a pattern.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::environment::{Environment, absolute};
use super::lexer::{Token, lex};
use super::place::{Place, Source};

/// The most bytes of one file: what a Corefile never has, and a wrongly named device soon has.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Characters that make an argument of `import` a pattern. `]` alone matches itself, and yet makes
/// a file that is not there a warning, in caddy as here.
const PATTERN_CHARACTERS: [char; 4] = ['*', '?', '[', ']'];

/// Reads files, each once, so that all words of a file share its text.
pub(super) struct Files<'e> {
    environment: &'e dyn Environment,
    known: HashMap<PathBuf, File>,
    /// The files read, in the order in which they were met first.
    pub(super) paths: Vec<PathBuf>,
    /// What is odd about their text.
    pub(super) warnings: Vec<Diagnostic>,
}

/// The words of one file.
#[derive(Clone)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) tokens: Arc<[Token]>,
}

impl<'e> Files<'e> {
    pub(super) fn new(environment: &'e dyn Environment) -> Self {
        Self {
            environment,
            known: HashMap::new(),
            paths: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The text of the file that was asked for; messages call it by `path` as it was given.
    pub(super) fn main(&mut self, path: &Path) -> Result<Source, Diagnostic> {
        let full = absolute(&self.environment.directory(), path);
        let content = self
            .environment
            .read(&full, MAX_FILE_BYTES)
            .map_err(|error| {
                Diagnostic::error(format!("open {}: {}", path.display(), reason(&error)))
                    .help("name the Corefile with -conf FILE")
            })?;
        let source = self.source(path, &full, &content);
        self.paths.push(full);
        Ok(source)
    }

    /// A file's text. Messages call the file by `name`, unless it is a part of another.
    fn source(&self, name: &Path, full: &Path, content: &[u8]) -> Source {
        let directory = full.parent().unwrap_or(full).to_owned();
        let source = Source::new(name.display().to_string(), directory, decode(content));
        match self.environment.origin(full) {
            Some(origin) => source.within(origin),
            None => source,
        }
    }

    /// The words of a text.
    pub(super) fn lex(&mut self, source: Source) -> Vec<Token> {
        let source = Arc::new(source);
        let lexed = lex(&source);
        if let Some(place) = lexed.unclosed_quote {
            let message = "the quote is never closed: all up to the end of the file is one word";
            self.warnings.push(
                Diagnostic::warning(message)
                    .at(&place)
                    .help("put a '\"' where the word ends"),
            );
        }
        if let Some(token) = lexed.after_comment {
            let message = format!("'{}' is no part of the comment before it", token.text());
            self.warnings.push(
                Diagnostic::warning(message)
                    .at(token.place())
                    .help("a '#' inside a word hides that word only: put white space before it"),
            );
        }
        if let Some(at) = source.text().find('\u{fffd}') {
            let line = source
                .text()
                .get(..at)
                .unwrap_or_default()
                .matches('\n')
                .count()
                + 1;
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            self.warnings.push(
                Diagnostic::warning("here stands U+FFFD: the file may not be UTF-8")
                    .at(&Place::new(&source, at, at + '\u{fffd}'.len_utf8(), line)),
            );
        }
        lexed.tokens
    }

    /// The files that `import pattern` names, in a text of `source`. None is a pattern that
    /// matched nothing, or a file that may be elsewhere.
    ///
    /// # Errors
    /// Without a place, in CoreDNS's words.
    pub(super) fn import(
        &mut self,
        pattern: &str,
        source: &Source,
    ) -> Result<Vec<File>, Diagnostic> {
        // A relative path starts at the importing file, not where the process was started. As in
        // caddy an absolute one is not cleaned, so its trailing separator counts.
        let full = match Path::new(pattern).is_absolute() {
            true => pattern.to_owned(),
            false => absolute(source.directory(), Path::new(pattern))
                .display()
                .to_string(),
        };
        let is_class = full.contains('[') && full.contains(']');
        if full.matches('*').count() > 1 || full.matches('?').count() > 1 || is_class {
            let message =
                format!("Glob pattern may only contain one wildcard (*), but has others: {full}");
            return Err(Diagnostic::error(message).help("one '*' and one '?' may stand in a path"));
        }
        let paths = glob(&full, self.environment).map_err(|BadPattern| {
            let message =
                format!("Failed to use import pattern {pattern}: syntax error in pattern");
            Diagnostic::error(message).help("put a '\\' before a character that means itself")
        })?;
        let is_missing = paths.is_empty() && !full.contains(PATTERN_CHARACTERS);
        let (path, folder) = (Path::new(&full), source.directory());
        if is_missing && !self.environment.is_elsewhere(path, folder) {
            let message = format!("File to import not found: {pattern}");
            let help = format!("there is no file {full}, and no snippet ({pattern}) above");
            return Err(Diagnostic::error(message).help(help));
        }
        paths.into_iter().map(|path| self.read(path)).collect()
    }

    fn read(&mut self, found: PathBuf) -> Result<File, Diagnostic> {
        let path = absolute(Path::new("/"), &found);
        if let Some(file) = self.known.get(&path) {
            return Ok(file.clone());
        }
        let name = path.display().to_string();
        let content = self.environment.read(&found, MAX_FILE_BYTES);
        let content = content.map_err(|error| {
            let message = format!("Could not import {name}: {}", reason(&error));
            let message = Diagnostic::error(message);
            match error.kind() {
                // What `import custom/*` meets in the volume of a ConfigMap.
                io::ErrorKind::IsADirectory => {
                    message.help("name files that are no directories: custom/*.server, say")
                }
                _ => message,
            }
        })?;
        let tokens = self.lex(self.source(&path, &path, &content));
        self.paths.push(path.clone());
        let file = File {
            path: path.clone(),
            tokens: tokens.into(),
        };
        self.known.insert(path, file.clone());
        Ok(file)
    }
}

/// An error of the system in the words of its kind, without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// Bytes to text as Go reads runes: each byte that is not UTF-8 is one U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    text
}

/// A pattern that is not well formed.
#[derive(Debug, PartialEq, Eq)]
struct BadPattern;

/// The paths that match `pattern`, as Go's `filepath.Glob`: sorted within each directory, names
/// that start with a dot too, what cannot be read left out.
fn glob(pattern: &str, environment: &dyn Environment) -> Result<Vec<PathBuf>, BadPattern> {
    let Some(first_special) = pattern.find(['*', '?', '[', '\\']) else {
        let path = PathBuf::from(pattern);
        return Ok(Vec::from_iter(environment.exists(&path).then_some(path)));
    };
    // Up to here it is a plain path; from there on each part is matched in the directories found.
    let plain = pattern.get(..first_special).unwrap_or_default();
    let cut = plain.rfind('/').map_or(0, |slash| slash + 1);
    let (plain, parts) = pattern.split_at(cut);
    let parts: Vec<Vec<Part>> = parts.split('/').map(compile).collect::<Result<_, _>>()?;
    let mut found = vec![PathBuf::from(plain)];
    for part in &parts {
        found = found
            .iter()
            .flat_map(|directory| {
                let mut names = environment.list(directory).unwrap_or_default();
                names.retain(|name| matches(part, name));
                names.sort_unstable();
                names.into_iter().map(|name| directory.join(name))
            })
            .collect();
    }
    Ok(found)
}

/// One element of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Char(char),
    /// `?`
    AnyChar,
    /// `*`
    AnyChars,
}

/// The elements of a pattern without separators. A `[` is refused: import knows no classes.
fn compile(pattern: &str) -> Result<Vec<Part>, BadPattern> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(char) = chars.next() {
        parts.push(match char {
            '*' => Part::AnyChars,
            '?' => Part::AnyChar,
            '[' => return Err(BadPattern),
            '\\' => Part::Char(chars.next().ok_or(BadPattern)?),
            char => Part::Char(char),
        });
    }
    Ok(parts)
}

/// Whether the whole of `name` matches. Import allows one `*`, so all its ends can be tried.
fn matches(parts: &[Part], name: &str) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return name.is_empty();
    };
    let mut chars = name.chars();
    match part {
        Part::AnyChars => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter()
                .filter_map(|at| name.get(at..))
                .any(|name| matches(rest, name))
        }
        Part::AnyChar => chars.next().is_some() && matches(rest, chars.as_str()),
        Part::Char(char) => chars.next() == Some(*char) && matches(rest, chars.as_str()),
    }
}

#[cfg(test)]
mod tests;
