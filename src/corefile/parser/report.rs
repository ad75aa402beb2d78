//! What the parser has found: errors and warnings, each once, and not without end.

use super::{Step, Stop};
use crate::corefile::diagnostic::{Diagnostic, Severity};
use crate::corefile::lexer::{Gap, Token};

/// After this many errors reading stops. So many warnings are kept.
const MAX: usize = 100;

/// Errors and warnings, in the order in which they were found.
#[derive(Default)]
pub(in crate::corefile) struct Report {
    pub(in crate::corefile) errors: Vec<Diagnostic>,
    /// Errors in keys. They come after the others: CoreDNS looks at keys when all else is right.
    pub(in crate::corefile) key_errors: Vec<Diagnostic>,
    pub(in crate::corefile) warnings: Vec<Diagnostic>,
}

impl Report {
    pub(super) fn error(&mut self, error: Diagnostic) -> Step {
        add(&mut self.errors, error)
    }

    pub(super) fn key_error(&mut self, error: Diagnostic) -> Step {
        add(&mut self.key_errors, error)
    }

    pub(super) fn warning(&mut self, warning: Diagnostic) {
        debug_assert_ne!(warning.severity(), Severity::Error);
        // One warning more or less does not matter as an error does.
        let _ = add(&mut self.warnings, warning);
    }

    /// Warns of a brace at the start or end of a longer word, where it is no brace: whether it is.
    pub(super) fn glued_brace(&mut self, token: &Token) -> bool {
        let text = token.text();
        let at_edge = text.starts_with(['{', '}']) || text.ends_with(['{', '}']);
        let is_balanced = text.matches('{').count() == text.matches('}').count();
        if text.len() < 2 || !at_edge || is_balanced || token.is_quoted() {
            return false;
        }
        let message =
            format!("the brace in '{text}' is part of the word: it neither opens nor closes");
        let help = "put white space before and after a brace";
        self.warning(Diagnostic::warning(message).at(token.place()).help(help));
        true
    }

    /// Warns of a word that is read as an argument though it looks like a line of its own.
    pub(super) fn earlier_line(&mut self, gap: Gap, token: &Token, directive: Option<&Token>) {
        if let (Gap::Back, Some(directive)) = (gap, directive) {
            let (text, name) = (token.text(), directive.text());
            let message = format!("'{text}' is read as an argument of '{name}'");
            self.warning(
                Diagnostic::warning(message)
                    .at(token.place())
                    .note(
                        directive.place(),
                        "this stands further down in the same file",
                    )
                    .help("define a snippet above the snippets that import it"),
            );
        }
    }
}

/// Adds what is not there yet.
fn add(list: &mut Vec<Diagnostic>, diagnostic: Diagnostic) -> Step {
    if list.len() < MAX && !list.iter().any(|known| known.is_same(&diagnostic)) {
        list.push(diagnostic);
    }
    if list.len() < MAX { Ok(()) } else { Err(Stop) }
}
