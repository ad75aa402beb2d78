//! The changes of one watch, in their order.

use hyper::body::{Buf, Bytes};
use tokio::time::Instant;
use tracing::warn;

use super::TARGET;
use super::connection::Chunks;
use super::decode::{self, Change, Unreadable};
use super::failure::Failure;
use super::frames::{Events, Format};
use crate::kubernetes::object::Kind;

/// A watch that is open.
pub(super) struct Watch {
    chunks: Chunks,
    /// what came and is not yet read
    chunk: Bytes,
    format: Format,
    events: Events,
}

impl Watch {
    pub(super) fn new(chunks: Chunks) -> Self {
        let format = chunks.format();
        Self {
            chunks,
            chunk: Bytes::new(),
            format,
            events: Events::of(format),
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
            let event = self.events.next(&mut rest)?;
            let taken = self.chunk.len() - rest.len();
            let change = event.filter(|event| !event.trim_ascii().is_empty());
            let change = change.map(|event| decoded(kind, self.format, event));
            let change = change.transpose()?;
            let is_empty = event.is_none();
            self.chunk.advance(taken);
            if change.is_some() {
                return Ok(change);
            }
            if is_empty {
                // Empty as it is, it would keep the room that it was received in, until the next comes.
                self.chunk = Bytes::new();
                match self.chunks.next(until).await? {
                    Some(bytes) => self.chunk = bytes,
                    None => return Ok(None),
                }
            }
        }
    }
}

/// What an event says. An object that cannot be read is passed over: the others still count.
fn decoded(kind: Kind, format: Format, event: &[u8]) -> Result<Change, Failure> {
    match decode::change(kind, format, event) {
        Ok(change) => Ok(change),
        Err(error) if error.is_of_object() => {
            unreadable(kind, &error);
            Ok(Change::Unreadable(decode::stamp_of_event(format, event)))
        }
        Err(error) => Err(Failure::Garbled(error.to_string())),
    }
}

pub(super) fn unreadable(kind: Kind, error: &Unreadable) {
    warn!(target: TARGET, "a {} is passed over, as it cannot be read: {error}", kind.name());
}
