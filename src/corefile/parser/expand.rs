//! What stands for other words: variables, snippets, imports.

use std::sync::Arc;

use super::{Parser, Step, Stop, unexpected};
use crate::corefile::cursor::wrong_argument_count;
use crate::corefile::diagnostic::Diagnostic;
use crate::corefile::lexer::{Gap, Token};
use crate::corefile::place::{Import, Place};
use crate::corefile::variable::{self, Endless};

/// How many imports of snippets caddy does for one Corefile.
const MAX_SNIPPETS: usize = 10_000;
/// How many imports of files or patterns caddy does for one Corefile.
const MAX_FILES: usize = 100_000;
/// How many words imports may bring in together, so that snippets in snippets stay in memory.
const MAX_WORDS: usize = 1_000_000;
/// How deep imports may stand in each other.
const MAX_DEPTH: usize = 256;
/// How often the same snippet or file may stand in itself. Once is not yet without end: what is an
/// import at the start of a line is none where the words before it stand further down.
const MAX_REPEATS: usize = 4;

/// How much was imported.
#[derive(Default)]
pub(super) struct Count {
    snippets: usize,
    files: usize,
    words: usize,
}

/// A block that is not served but imported.
pub(super) struct Snippet {
    tokens: Arc<[Token]>,
    place: Place,
}

impl Parser<'_> {
    /// The word with its variables replaced.
    pub(super) fn replaced(&mut self, token: &Token) -> Step<Token> {
        if !token.text().contains("{$") && !token.text().contains("{%") {
            return Ok(token.clone());
        }
        match variable::replace(token.text(), self.environment) {
            Ok(replaced) => {
                for name in replaced.unset {
                    let warning = format!("the environment variable '{name}' is not set");
                    let warning = Diagnostic::warning(warning).at(token.place());
                    let warning = warning.rule("unset-variable");
                    let help = match name.contains(':') {
                        true => {
                            "there are no defaults here: leave out what follows the ':', and set the variable"
                        }
                        false => "it is read as if its value were empty",
                    };
                    self.report.warning(warning.help(help));
                }
                Ok(token.with_text(&replaced.text))
            }
            Err(Endless) => {
                let message = "environment variables make this word longer than 1 MiB";
                let help = "see whether the value of a variable names the variable itself";
                self.report.error(token.err(message).help(help))?;
                Ok(token.clone())
            }
        }
    }

    /// Reads `import` and its argument, and puts what they stand for in their place.
    pub(super) fn import(&mut self) -> Step {
        let before = self.stream.last().cloned();
        let Some(word) = self.stream.bump() else {
            return Ok(());
        };
        let expanded = match self.import_argument(&word)? {
            Ok(argument) => self.expand(&argument)?,
            Err(error) => Err(error),
        };
        match expanded {
            // What stood before the import stands before what it brought in.
            Ok(()) => self.stream.set_last(before),
            Err(error) => {
                self.report.error(error)?;
                self.skip_line();
            }
        }
        Ok(())
    }

    /// Reads the one argument of an import, and replaces its variables.
    fn import_argument(&mut self, word: &Token) -> Step<Result<Token, Diagnostic>> {
        let Some(argument) = self.stream.peek_argument().cloned() else {
            let error = word.err(wrong_argument_count(word.text()));
            return Ok(Err(error.help("name a snippet, a file or a pattern")));
        };
        self.stream.bump();
        let replaced = self.replaced(&argument)?;
        if replaced.text().is_empty() {
            return Ok(Err(replaced.err("Import requires a non-empty filepath")));
        }
        if let Some(more) = self.stream.peek_argument() {
            let message = "Import takes only one argument (glob pattern or file)";
            let help = match self.snippets.contains_key(replaced.text()) {
                true => {
                    "snippets take no arguments, and {args[0]} stands for nothing: write a snippet for each use"
                }
                false => "write an import for each, or one pattern: import conf.d/*.conf",
            };
            return Ok(Err(more.err(message).help(help)));
        }
        Ok(Ok(replaced))
    }

    /// Puts the words of the snippet or the files that `argument` names before all others. An
    /// error within the result costs this import only.
    fn expand(&mut self, argument: &Token) -> Step<Result<(), Diagnostic>> {
        // The name of a snippet goes before that of a file.
        let snippet = self.snippets.get(argument.text());
        if let Some(tokens) = snippet.map(|snippet| Arc::clone(&snippet.tokens)) {
            if self.expansions.snippets >= MAX_SNIPPETS {
                return self.stop(argument.err(too_deep("snippet", MAX_SNIPPETS)));
            }
            self.expansions.snippets += 1;
            let target = format!("({})", argument.text());
            return self.push(argument, &[(target, tokens)]);
        }
        if self.expansions.files >= MAX_FILES {
            return self.stop(argument.err(too_deep("file", MAX_FILES)));
        }
        self.expansions.files += 1;
        let place = argument.place();
        let files = match self.files.import(argument.text(), place.source()) {
            Ok(files) => files,
            Err(error) => return Ok(Err(error.at(place))),
        };
        if files.is_empty() {
            self.report.warning(imports_nothing(argument));
        }
        let files = files.into_iter();
        let files = files.map(|file| (file.path.display().to_string(), file.tokens));
        self.push(argument, &files.collect::<Vec<_>>())
    }

    /// Puts the words of each target, in this order, before all others.
    fn push(
        &mut self,
        argument: &Token,
        targets: &[(String, Arc<[Token]>)],
    ) -> Step<Result<(), Diagnostic>> {
        let mut words = Vec::new();
        for (target, tokens) in targets {
            if let Some(error) = nests_without_end(argument, target) {
                return Ok(Err(error));
            }
            self.expansions.words += tokens.len();
            if self.expansions.words > MAX_WORDS {
                let message = format!("imports bring in more than {MAX_WORDS} words");
                return self.stop(argument.err(message));
            }
            let import = Arc::new(Import {
                place: argument.place().clone(),
                target: target.clone(),
            });
            words.extend(tokens.iter().map(|token| token.through(&import)));
        }
        self.stream.push(words);
        Ok(Ok(()))
    }

    /// Reports an error behind which nothing can be read.
    fn stop<T>(&mut self, error: Diagnostic) -> Step<T> {
        self.report.error(error)?;
        Err(Stop)
    }

    /// Passes over what is left of a line, with the block that opens on it.
    fn skip_line(&mut self) {
        let mut nesting = 0_usize;
        while let Some(next) = self.stream.peek() {
            match next.text() {
                "{" => nesting += 1,
                _ if nesting == 0 && self.stream.gap() == Gap::NewLine => return,
                "}" if nesting == 0 => return,
                "}" => nesting -= 1,
                _ => {}
            }
            self.stream.bump();
        }
    }

    /// Reads the block of the snippet `name`, whose key is at `place`, and keeps its words.
    pub(super) fn define_snippet(&mut self, name: &str, place: &Place) -> Step {
        let is_new = match self.snippets.get(name) {
            Some(known) => {
                let message = format!("redeclaration of previously declared snippet {name}");
                let error = Diagnostic::error(message).at(place);
                self.report
                    .error(error.note(&known.place, "it is declared here"))?;
                false
            }
            None => true,
        };
        let Some(open) = self.open_brace() else {
            if let Some(next) = self.stream.peek() {
                let error = unexpected(next, "{").note(place, "the snippet is declared here");
                self.report.error(error)?;
            }
            // What may have been meant as its body is read, and dropped.
            return self.contents().map(drop);
        };
        let tokens = self.snippet_body(&open)?;
        if let Some(own) = self.own_import(name, &tokens)? {
            let error = own.err(too_deep("snippet", MAX_SNIPPETS));
            self.report
                .error(error.help(format!("snippet {name} imports itself")))?;
        }
        if is_new {
            let snippet = Snippet {
                tokens: tokens.into(),
                place: place.clone(),
            };
            self.snippets.insert(name.to_owned(), snippet);
        }
        Ok(())
    }

    /// Reads up to the `}` that matches `open`, and keeps what stands before it.
    fn snippet_body(&mut self, open: &Token) -> Step<Vec<Token>> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut nesting = 1_usize;
        while let Some(token) = self.stream.bump() {
            match token.text() {
                "{" => nesting += 1,
                "}" => nesting -= 1,
                _ => {}
            }
            if nesting == 0 {
                return Ok(tokens);
            }
            tokens.push(token);
        }
        let last = tokens.last().unwrap_or(open);
        let error = unexpected(last, "}").expected("'}' after this", "the end of the file");
        let error = error.note(open.place(), "the snippet that is not closed opens here");
        self.stop(error)
    }

    /// The argument of an import of the snippet `name` among the words of its own body.
    fn own_import(&mut self, name: &str, tokens: &[Token]) -> Step<Option<Token>> {
        let mut before: Option<&Token> = None;
        for pair in tokens.windows(2) {
            let [word, argument] = pair else { continue };
            let starts_line = before.is_none_or(|before| {
                let (before, word) = (before.place(), word.place());
                !before.is_same_file(word) || before.line() != word.line()
            });
            if word.text() == "import" && starts_line && self.replaced(argument)?.text() == name {
                return Ok(Some(argument.clone()));
            }
            before = Some(word);
        }
        Ok(None)
    }
}

/// Says that an import has nothing to bring in, for which most Corefiles have a use: what is not
/// there yet may be put there.
fn imports_nothing(argument: &Token) -> Diagnostic {
    let text = argument.text();
    let hint = Diagnostic::hint(format!("No files matching import glob pattern: {text}"));
    let hint = hint.at(argument.place()).rule("import-nothing");
    match text.contains(['*', '?']) {
        true => hint,
        false => {
            hint.help("its folder is not on this machine: the server does not start without it")
        }
    }
}

/// caddy's words for imports without end.
fn too_deep(what: &str, limit: usize) -> String {
    format!("maximum {what} import depth ({limit}) exceeded")
}

/// The error where the import of `target` stands, by way of other imports, in `target` itself.
/// caddy goes on until it has counted to its limit, and then says the same.
fn nests_without_end(argument: &Token, target: &str) -> Option<Diagnostic> {
    let imports = || argument.place().imports();
    let (what, limit) = match target.starts_with('(') {
        true => ("snippet", MAX_SNIPPETS),
        false => ("file", MAX_FILES),
    };
    if imports().filter(|import| import.target == target).count() >= MAX_REPEATS {
        let error = argument.err(too_deep(what, limit));
        return Some(error.help(format!("{target} imports itself: take this import out")));
    }
    if imports().count() >= MAX_DEPTH {
        return Some(argument.err(too_deep(what, MAX_DEPTH)));
    }
    None
}
