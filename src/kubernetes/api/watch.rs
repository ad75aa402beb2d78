//! The changes of one watch, in their order.

use hyper::body::{Buf, Bytes};
use serde_json::error::Category;
use tokio::time::Instant;
use tracing::warn;

use super::TARGET;
use super::connection::Chunks;
use super::decode::{self, Change};
use super::failure::Failure;
use super::frames::Lines;
use crate::kubernetes::object::Kind;

/// A watch that is open.
pub(super) struct Watch {
    chunks: Chunks,
    /// what came and is not yet read
    chunk: Bytes,
    lines: Lines,
}

impl Watch {
    pub(super) fn new(chunks: Chunks) -> Self {
        Self {
            chunks,
            chunk: Bytes::new(),
            lines: Lines::default(),
        }
    }

    /// The next change, which must start to arrive before `until`; `None` when the watch ends.
    pub(super) async fn next(
        &mut self,
        kind: Kind,
        until: Instant,
    ) -> Result<Option<Change>, Failure> {
        loop {
            let mut rest: &[u8] = &self.chunk;
            let line = self.lines.next(&mut rest)?;
            let taken = self.chunk.len() - rest.len();
            let change = line.filter(|line| !line.trim_ascii().is_empty());
            let change = change.map(|line| decoded(kind, line)).transpose()?;
            let is_empty = line.is_none();
            self.chunk.advance(taken);
            if change.is_some() {
                return Ok(change);
            }
            if is_empty {
                match self.chunks.next(until).await? {
                    Some(bytes) => self.chunk = bytes,
                    None => return Ok(None),
                }
            }
        }
    }
}

/// What a line says. An object that cannot be read is passed over: the others still count.
fn decoded(kind: Kind, line: &[u8]) -> Result<Change, Failure> {
    match decode::change(kind, line) {
        Ok(change) => Ok(change),
        Err(error) if error.classify() == Category::Data => {
            unreadable(kind, &error);
            Ok(Change::Unreadable(decode::stamp_of_line(line)))
        }
        Err(error) => Err(Failure::Garbled(error.to_string())),
    }
}

pub(super) fn unreadable(kind: Kind, error: &serde_json::Error) {
    warn!(target: TARGET, "a {} is passed over, as it cannot be read: {error}", kind.name());
}
