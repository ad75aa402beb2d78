//! Where a word of a Corefile stands: its file, line and column, and how it came to be there.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The text of one file, kept so that a message can show the line that it is about.
#[derive(Debug)]
pub struct Source {
    name: String,
    directory: PathBuf,
    text: String,
    /// The lines before the text, where it is a part of a file.
    skipped_lines: u32,
    /// What of each line stands before the text, in characters.
    skipped_columns: usize,
}

/// Where in a file a text stands that is only a part of it: the value of a key in YAML, say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as messages call it.
    pub name: String,
    /// The lines before the text.
    pub lines: u32,
    /// The characters before each line of the text.
    pub columns: usize,
}

impl Source {
    /// A text that messages call `name`, and whose relative imports start in `directory`.
    #[must_use]
    pub fn new(name: String, directory: PathBuf, text: String) -> Self {
        Self {
            name,
            directory,
            text,
            skipped_lines: 0,
            skipped_columns: 0,
        }
    }

    /// The same text as a part of a file, by whose name, lines and columns messages call it.
    #[must_use]
    pub fn within(self, origin: Origin) -> Self {
        Self {
            name: origin.name,
            skipped_lines: origin.lines,
            skipped_columns: origin.columns,
            ..self
        }
    }

    /// The name for messages: the path as it was given, or in full for an imported file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where relative imports of this text start.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The whole text; what was not UTF-8 stands as U+FFFD.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line that byte `at` stands in, without its end, and the byte at which it starts.
    fn line_around(&self, at: usize) -> (&str, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = self.text.get(start..).unwrap_or_default();
        (rest.split('\n').next().unwrap_or_default(), start)
    }
}

/// A stretch of a [`Source`]: one word with its quotes. Shown as `FILE:LINE:COLUMN`.
///
/// A word that came through `import` keeps its own file and line, and knows the import.
#[derive(Clone)]
pub struct Place {
    source: Arc<Source>,
    start: u32,
    end: u32,
    line: u32,
    import: Option<Arc<Import>>,
}

/// One `import` that brought words into the text that is read.
#[derive(Debug)]
pub struct Import {
    /// The argument of the import; its own [`Place::import`] is the import around this one.
    pub place: Place,
    /// The snippet as `(name)`, or the full path of the file.
    pub target: String,
}

impl Place {
    /// The bytes from `start` to `end` of a source, on line `line` (from 1).
    ///
    /// Sources are at most [`super::MAX_FILE_BYTES`] long, so offsets always fit.
    pub(super) fn new(source: &Arc<Source>, start: usize, end: usize, line: u32) -> Self {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            source: Arc::clone(source),
            start: offset(start),
            end: offset(end),
            line,
            import: None,
        }
    }

    /// The same place, reached through `import`.
    pub(super) fn through(&self, import: &Arc<Import>) -> Self {
        Self {
            import: Some(Arc::clone(import)),
            ..self.clone()
        }
    }

    /// A part of the place, by bytes counted from `skip` on: at most to the end of its line.
    pub(super) fn within(&self, skip: usize, part: Range<usize>) -> Option<Self> {
        let start = self.start() + skip + part.start;
        let before = self.source.text.get(self.start()..start)?;
        let text = self.source.text.get(start..start + part.len())?;
        let length = text.find('\n').unwrap_or(text.len());
        let newlines = before.bytes().filter(|byte| *byte == b'\n').count();
        let place = Self::new(&self.source, start, start + length, self.line);
        Some(Self {
            line: self.line + u32::try_from(newlines).ok()?,
            import: self.import.clone(),
            ..place
        })
    }

    /// The file that the place is in.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The name of the file, as messages show it.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line.saturating_add(self.source.skipped_lines)
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        let (line, start) = self.line_of_text();
        let before = self.start().saturating_sub(start);
        let before = line.get(..before).unwrap_or(line).chars().count();
        before + 1 + self.source.skipped_columns
    }

    /// The line and the column right behind the place.
    #[must_use]
    pub fn end(&self) -> (u32, usize) {
        let covered = self.source.text.get(self.bytes()).unwrap_or_default();
        let lines = u32::try_from(covered.matches('\n').count()).unwrap_or(u32::MAX);
        let column = match covered.rsplit_once('\n') {
            Some((_, last)) => last.chars().count() + 1 + self.source.skipped_columns,
            None => self.column() + covered.chars().count(),
        };
        (self.line().saturating_add(lines), column)
    }

    /// The bytes of [`Source::text`] that the place covers.
    #[must_use]
    pub fn bytes(&self) -> Range<usize> {
        self.start()..usize::try_from(self.end).unwrap_or(usize::MAX)
    }

    /// The import that the word came through, where it did.
    #[must_use]
    pub fn import(&self) -> Option<&Arc<Import>> {
        self.import.as_ref()
    }

    /// The imports that the word came through, from the innermost out.
    pub fn imports(&self) -> impl Iterator<Item = &Import> {
        std::iter::successors(self.import.as_deref(), |import| {
            import.place.import.as_deref()
        })
    }

    /// Whether both are the same stretch of the same file, whatever imports led there.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_same_file(other) && self.start == other.start && self.end == other.end
    }

    /// Whether both are in the same file. A file is read once, so its text stands for it.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
    }

    /// The text of the line, without its end, and the byte of the source at which it starts.
    pub(super) fn line_of_text(&self) -> (&str, usize) {
        self.source.line_around(self.start())
    }

    fn start(&self) -> usize {
        usize::try_from(self.start).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line(), self.column())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
