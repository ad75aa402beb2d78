//! Counting a zone transfer on its way out.

use crate::answer::Answer;
use crate::query::{OwnedQuery, Query};
use crate::server::render;
use crate::wire::Flags;

use super::Transfer;

/// What a transfer came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// The messages that were sent.
    pub messages: usize,
    /// Their lengths together, with whole names.
    pub size: usize,
    /// The flags of the last one.
    pub flags: Flags,
}

impl Transfer {
    /// The messages, out of a place where none are left.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self(Box::new(std::iter::empty())))
    }

    /// The same messages, each changed by `f`.
    #[must_use]
    pub fn map(self, f: impl FnMut(Answer) -> Answer + Send + 'static) -> Self {
        Self(Box::new(self.0.map(f)))
    }

    /// The same messages; `done` runs once, when the last one is taken or the client is gone.
    #[must_use]
    pub fn counted(
        self,
        query: &Query<'_>,
        done: impl FnOnce(&Query<'_>, Transferred) + Send + 'static,
    ) -> Self {
        Self(Box::new(Counted {
            messages: self.0,
            query: query.to_owned(),
            so_far: Transferred::default(),
            done: Some(done),
        }))
    }
}

struct Counted<F: FnOnce(&Query<'_>, Transferred)> {
    messages: Box<dyn Iterator<Item = Answer> + Send>,
    query: OwnedQuery,
    so_far: Transferred,
    done: Option<F>,
}

impl<F: FnOnce(&Query<'_>, Transferred)> Iterator for Counted<F> {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        let answer = self.messages.next()?;
        self.so_far.flags = answer.flags;
        self.so_far.messages += 1;
        self.so_far.size += render::whole_len(&answer, &self.query.view());
        Some(answer)
    }
}

impl<F: FnOnce(&Query<'_>, Transferred)> Drop for Counted<F> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(&self.query.view(), self.so_far);
        }
    }
}
