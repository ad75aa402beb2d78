//! From a body that arrives in pieces to single objects: the events of a watch, the items of a list.
//!
//! A body is never in memory whole, only the object that is being received.

mod json;
mod protobuf;

use super::decode::ListMetadata;
use super::failure::Failure;

/// The largest object, in bytes. etcd holds 1.5 MB by default, and JSON is longer than what it
/// stores.
const MOST: usize = 32 << 20;
/// Room that is kept for the next object.
const KEPT: usize = 256 << 10;

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// as text
    Json,
    /// in a third of the bytes, and less than that of the work; of the kinds that Kubernetes itself has
    Protobuf,
}

/// Events of a watch.
#[derive(Debug)]
pub(super) enum Events {
    Json(json::Lines),
    Protobuf(protobuf::Frames),
}

/// Items of a list.
#[derive(Debug)]
pub(super) enum Items {
    Json(json::Items),
    Protobuf(protobuf::Items),
}

impl Events {
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(json::Lines::default()),
            Format::Protobuf => Self::Protobuf(protobuf::Frames::default()),
        }
    }

    /// Takes from `chunk` what belongs to the next event, and gives the event once it is whole. `None`
    /// when all of the chunk is taken.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<&[u8]>, Failure> {
        match self {
            Self::Json(lines) => lines.next(chunk),
            Self::Protobuf(frames) => frames.next(chunk),
        }
    }
}

impl Items {
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(json::Items::default()),
            Format::Protobuf => Self::Protobuf(protobuf::Items::default()),
        }
    }

    /// Takes from `chunk` what belongs to the next item, and gives the item once it is whole. `None`
    /// when all of the chunk is taken.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<&[u8]>, Failure> {
        match self {
            Self::Json(items) => items.next(chunk),
            Self::Protobuf(items) => items.next(chunk),
        }
    }

    /// What the list says beside its items, as far as it came.
    pub(super) fn metadata(&self) -> Result<ListMetadata, Failure> {
        match self {
            Self::Json(items) => items.metadata(),
            Self::Protobuf(items) => items.metadata(),
        }
    }
}

fn within(length: usize) -> Result<(), Failure> {
    match length > MOST {
        true => Err(Failure::Garbled(format!(
            "an object of more than {MOST} bytes"
        ))),
        false => Ok(()),
    }
}

/// An empty buffer; the room of an object of an unusual size is given back.
fn renew(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT);
}
