//! Words to the tree: which are keys, which are directives, where blocks end.
//!
//! What is accepted, and what it means, is caddy 1.1.4's, word for word. What is refused is refused
//! with the same message, but reading goes on behind it, so that one run finds all errors: an
//! unknown directive is read and dropped, a bad `import` costs its line, a stray `}` ends what it
//! was most likely meant to end.

mod expand;
mod report;

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, nearest};
use super::environment::Environment;
use super::import::Files;
use super::key::Key;
use super::lexer::{Gap, Token};
use super::place::Source;
use super::stream::Stream;
use super::tree::{Directive, ServerBlock};
pub(super) use report::Report;

/// Reading cannot go on. The reason is among the errors.
struct Stop;

type Step<T = ()> = Result<T, Stop>;

/// Reads a text with all that it imports.
pub(super) struct Parser<'e> {
    environment: &'e dyn Environment,
    /// The files read so far.
    pub(super) files: Files<'e>,
    known: &'e [&'e str],
    stream: Stream,
    snippets: HashMap<String, expand::Snippet>,
    expansions: expand::Count,
    /// What is wrong so far.
    pub(super) report: Report,
}

/// The keys before a block.
struct Addresses {
    /// Each without its comma, and the word.
    keys: Vec<(String, Token)>,
    /// The text ended with them.
    at_end: bool,
}

/// What ended a directive.
#[derive(PartialEq, Eq)]
enum Ended {
    /// The end of its line, of its block, or of the text.
    Properly,
    /// A `}` that closes nothing of the directive; it is not read yet.
    AtBrace,
}

impl<'e> Parser<'e> {
    /// A parser for which `known` are the names that a line of a server block may start with.
    pub(super) fn new(environment: &'e dyn Environment, known: &'e [&'e str]) -> Self {
        Self {
            environment,
            files: Files::new(environment),
            known,
            stream: Stream::default(),
            snippets: HashMap::new(),
            expansions: expand::Count::default(),
            report: Report::default(),
        }
    }

    /// Reads `source` to its end, or to the hundredth error.
    pub(super) fn parse(&mut self, source: Source) -> Vec<ServerBlock> {
        let tokens = self.files.lex(source);
        self.stream.push(tokens);
        let mut blocks = Vec::new();
        while self.stream.peek().is_some() {
            match self.block() {
                Ok(block) => blocks.extend(block),
                Err(Stop) => break,
            }
        }
        for warning in self.files.warnings.drain(..) {
            self.report.warning(warning);
        }
        blocks
    }

    /// Reads one block. `None` where that is no server block: a snippet, or a block without a key.
    fn block(&mut self) -> Step<Option<ServerBlock>> {
        let Addresses { keys, at_end } = self.addresses()?;
        if let [(text, token)] = keys.as_slice()
            && let Some(name) = snippet_name(text)
            && !at_end
        {
            self.define_snippet(name, token.place())?;
            return Ok(None);
        }
        if keys.is_empty()
            && let Some(next) = self.stream.peek()
        {
            self.report.warning(
                Diagnostic::warning("this block has no key and is ignored")
                    .at(next.place())
                    .help("write the zones that it is for before the '{'"),
            );
        }
        let parsed = self.keys(&keys)?;
        let directives = if at_end { Vec::new() } else { self.contents()? };
        Ok((!keys.is_empty()).then(|| ServerBlock::new(parsed, directives)))
    }

    /// Reads words up to a `{`, the end of the line, or the end of the text.
    fn addresses(&mut self) -> Step<Addresses> {
        let mut keys = Vec::new();
        let mut comma: Option<Token> = None;
        // After an import, its first word belongs to the list, whatever line it stands on.
        let mut is_first = true;
        loop {
            let Some(next) = self.stream.peek().cloned() else {
                if let Some(comma) = comma {
                    let error = comma.err("Unexpected EOF");
                    self.report
                        .error(error.help("after a comma, another key must follow"))?;
                }
                return Ok(Addresses { keys, at_end: true });
            };
            let starts_line = self.stream.gap() == Gap::NewLine;
            if !is_first && comma.is_none() && starts_line {
                break;
            }
            let word = self.replaced(&next)?;
            if word.text() == "import" && starts_line {
                self.import()?;
                is_first = true;
                continue;
            }
            if word.text() == "{" {
                if let Some(comma) = comma {
                    let message = "Expected another address but had '{' - check for extra comma";
                    let error = next.err(message).note(comma.place(), "the comma is here");
                    self.report.error(error)?;
                }
                break;
            }
            self.stream.bump();
            is_first = false;
            if !word.text().is_empty() {
                let before_comma = word.text().strip_suffix(',');
                comma = before_comma.map(|_| next);
                let key = before_comma.unwrap_or_else(|| word.text()).to_owned();
                keys.push((key, word));
            }
        }
        Ok(Addresses {
            keys,
            at_end: false,
        })
    }

    /// What the words of a list of keys mean.
    fn keys(&mut self, words: &[(String, Token)]) -> Step<Vec<Key>> {
        let mut keys = Vec::new();
        for (text, token) in words {
            match Key::parse(text, token.place()) {
                Ok(key) => {
                    if !self.report.glued_brace(token) {
                        key.odd_zones()
                            .for_each(|warning| self.report.warning(warning));
                    }
                    keys.push(key);
                }
                Err(error) => self.report.key_error(error)?,
            }
        }
        Ok(keys)
    }

    /// Reads the directives of a block, with its braces if it has any.
    fn contents(&mut self) -> Step<Vec<Directive>> {
        let open = self.open_brace();
        let mut directives = Vec::new();
        let closed = self.directives(&mut directives)?;
        if let (Some(open), false) = (open, closed)
            && let Some(last) = self.stream.last()
        {
            let note = "the block that is not closed opens here";
            // caddy looks only at the last word, so the `}` of a directive does for both.
            if last.text() == "}" {
                let warning = "the server block's own '}' is missing at the end of the file";
                let warning = Diagnostic::warning(warning).at(last.place());
                self.report.warning(warning.note(open.place(), note));
            } else {
                let error = unexpected(last, "}");
                let error = error.expected("'}' after this", "the end of the file");
                self.report.error(error.note(open.place(), note))?;
            }
        }
        Ok(directives)
    }

    fn open_brace(&mut self) -> Option<Token> {
        self.stream.peek().filter(|next| next.text() == "{")?;
        self.stream.bump()
    }

    /// Reads directives up to a `}`, or to the end of the text: whether it was a `}`.
    fn directives(&mut self, directives: &mut Vec<Directive>) -> Step<bool> {
        while let Some(next) = self.stream.peek() {
            match next.text() {
                "}" => {
                    self.stream.bump();
                    return Ok(true);
                }
                "import" => self.import()?,
                _ => {
                    if self.directive(directives)? == Ended::AtBrace && self.block_goes_on() {
                        self.stream.bump();
                    }
                }
            }
        }
        Ok(false)
    }

    /// Whether a stray `}` was not meant to end the block: there is more of the block behind it.
    fn block_goes_on(&self) -> bool {
        let second = self.stream.peek_second().map(Token::text);
        second.is_some_and(|second| second == "}" || self.known.contains(&second))
    }

    /// Reads a directive up to the end of its line, or of the block that opens on it.
    fn directive(&mut self, directives: &mut Vec<Directive>) -> Step<Ended> {
        let Some(first) = self.stream.bump() else {
            return Ok(Ended::Properly);
        };
        let name = self.replaced(&first)?;
        let name = name.text();
        let is_known = self.known.contains(&name);
        if !is_known {
            let error = self.unknown_directive(name, &first);
            self.report.error(error)?;
        }
        // Its first word stays as it is written, as in caddy.
        let mut words = vec![first];
        let ended = self.arguments(&mut words)?;
        match directives.iter_mut().find(|known| known.name() == name) {
            _ if !is_known => {}
            Some(directive) => directive.repeat(words),
            None => directives.push(Directive::new(name, words)),
        }
        Ok(ended)
    }

    /// Reads the words of a directive that follow its name.
    fn arguments(&mut self, words: &mut Vec<Token>) -> Step<Ended> {
        let mut open: Vec<Token> = Vec::new();
        while let Some(next) = self.stream.peek().cloned() {
            let gap = self.stream.gap();
            match next.text() {
                "{" => open.push(next.clone()),
                _ if gap == Gap::NewLine && open.is_empty() => return Ok(Ended::Properly),
                "}" if open.is_empty() => {
                    let message = "Unexpected '}' because no matching opening brace";
                    let help = "put the '}' that ends a server block on a line of its own";
                    self.report.error(next.err(message).help(help))?;
                    return Ok(Ended::AtBrace);
                }
                "}" => drop(open.pop()),
                "import" if gap == Gap::NewLine => {
                    self.import()?;
                    continue;
                }
                _ => {}
            }
            self.report.glued_brace(&next);
            self.report.earlier_line(gap, &next, words.first());
            self.stream.bump();
            // From here on the line breaks in its value count, not those in its text.
            let word = self.replaced(&next)?;
            self.stream.set_last(Some(word.clone()));
            words.push(word);
        }
        match (open.first(), self.stream.last()) {
            (Some(open), Some(last)) => {
                let error = last.err("Unexpected EOF");
                let error = error.expected("'}' after this", "the end of the file");
                let note = "the block that is not closed opens here";
                self.report.error(error.note(open.place(), note))?;
                Err(Stop)
            }
            _ => Ok(Ended::Properly),
        }
    }

    /// The error for a line that starts with no name of a directive.
    fn unknown_directive(&self, name: &str, word: &Token) -> Diagnostic {
        let error = word.err(format!("Unknown directive '{name}'"));
        if name.len() > 1 && name.contains(['{', '}']) {
            error.help("put white space before and after a brace")
        } else if let Some(known) = nearest(&name.to_lowercase(), self.known.iter().copied()) {
            error.help(format!("did you mean '{known}'?"))
        } else if name.starts_with("//") || name.starts_with("/*") || name.starts_with(';') {
            error.help("a comment starts with '#'")
        } else if name.contains(['.', ':']) {
            error.help(
                "if this is the key of a server block, the block before it lacks its '}', \
                 or the key on the line before it lacks its comma",
            )
        } else {
            error
        }
    }
}

/// caddy's syntax error: the word that stands where another must.
fn unexpected(word: &Token, expected: &str) -> Diagnostic {
    let found = word.text();
    word.err(format!(
        "Syntax error: Unexpected token '{found}', expecting '{expected}'"
    ))
}

/// The name in `(name)`.
pub(super) fn snippet_name(key: &str) -> Option<&str> {
    key.strip_prefix('(')?.strip_suffix(')')
}

#[cfg(test)]
mod tests;
