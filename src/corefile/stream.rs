//! The words in the order in which they are read, with imports put in where they stand.

use super::lexer::{Gap, Token};

/// Words to come. An import puts its words before those that follow it, and does not touch these,
/// so that an import costs what it brings in and not what is left to read.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The words of each import that is being read, the innermost last. None is read to its end.
    frames: Vec<std::vec::IntoIter<Token>>,
    last: Option<Token>,
}

impl Stream {
    /// The next word.
    pub(super) fn peek(&self) -> Option<&Token> {
        self.frames.last()?.as_slice().first()
    }

    /// The word after the next one, where no import ends between them.
    pub(super) fn peek_second(&self) -> Option<&Token> {
        self.frames.last()?.as_slice().get(1)
    }

    /// How the next word stands to the last one. The very first starts a line.
    pub(super) fn gap(&self) -> Gap {
        match (&self.last, self.peek()) {
            (Some(last), Some(next)) => next.gap_after(last),
            _ => Gap::NewLine,
        }
    }

    /// The next word, if it is on the line of the last one.
    pub(super) fn peek_argument(&self) -> Option<&Token> {
        self.peek().filter(|_| self.gap() == Gap::Space)
    }

    /// Takes the next word.
    pub(super) fn bump(&mut self) -> Option<Token> {
        let token = self.frames.last_mut()?.next()?;
        self.drop_finished();
        self.last = Some(token.clone());
        Some(token)
    }

    /// The word that was taken last.
    pub(super) fn last(&self) -> Option<&Token> {
        self.last.as_ref()
    }

    /// Says what counts as the word before the next one.
    pub(super) fn set_last(&mut self, last: Option<Token>) {
        self.last = last;
    }

    /// Puts words before all others.
    pub(super) fn push(&mut self, tokens: Vec<Token>) {
        self.frames.push(tokens.into_iter());
        self.drop_finished();
    }

    fn drop_finished(&mut self) {
        while self
            .frames
            .last()
            .is_some_and(|frame| frame.as_slice().is_empty())
        {
            self.frames.pop();
        }
    }
}
