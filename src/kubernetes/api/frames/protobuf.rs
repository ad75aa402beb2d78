//! Objects in protobuf: a watch has the length of each before it, a list has them as fields.

use super::{renew, within};
use crate::kubernetes::api::decode::ListMetadata;
use crate::kubernetes::api::decode::protobuf::{Fields, MAGIC, Malformed, Value, read, varint};
use crate::kubernetes::api::failure::Failure;

/// Bytes of an event's length.
const LENGTH: usize = 4;

/// Events of a watch, the length of each before it in four bytes.
#[derive(Debug, Default)]
pub(in crate::kubernetes::api) struct Frames {
    /// the length and what came of the event
    frame: Vec<u8>,
    ended: bool,
}

impl Frames {
    /// Takes from `chunk` what belongs to the next event, and gives the event once it is whole. `None`
    /// when all of the chunk is taken.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<&[u8]>, Failure> {
        if std::mem::take(&mut self.ended) {
            renew(&mut self.frame);
        }
        loop {
            let length = self
                .frame
                .first_chunk()
                .map(|bytes| u32::from_be_bytes(*bytes));
            let bytes = usize::try_from(length.unwrap_or_default()).unwrap_or(usize::MAX);
            within(bytes)?;
            if !take(&mut self.frame, chunk, LENGTH + bytes) {
                return Ok(None);
            }
            if length.is_some() {
                self.ended = true;
                return Ok(self.frame.get(LENGTH..));
            }
        }
    }
}

/// Items of a list: the field `items` of the list that the outermost message wraps.
#[derive(Debug, Default)]
pub(in crate::kubernetes::api) struct Items {
    /// what came of the field that is being received
    field: Vec<u8>,
    ended: bool,
    level: Level,
    /// the field `metadata`
    metadata: Vec<u8>,
}

/// Which message fields are of.
#[derive(Debug, Default, PartialEq, Eq)]
enum Level {
    /// none yet: the bytes that everything begins with
    #[default]
    Magic,
    /// the one that wraps the list
    Outer,
    /// the list
    List,
}

/// Of the outer message, the field that is the list.
const RAW: u64 = 2;
/// Of the list, its metadata and an item.
const METADATA: u32 = 1;
const ITEM: u32 = 2;

impl Items {
    /// Takes from `chunk` what belongs to the next item, and gives the item once it is whole. `None`
    /// when all of the chunk is taken.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<&[u8]>, Failure> {
        if std::mem::take(&mut self.ended) {
            renew(&mut self.field);
        }
        loop {
            let (length, is_known) = self.length()?;
            within(length)?;
            if !take(&mut self.field, chunk, length) {
                return Ok(None);
            }
            if is_known {
                self.ended = self.whole()?;
                if self.ended {
                    return Ok(content(&self.field).map(|(_, item)| item));
                }
                renew(&mut self.field);
            }
        }
    }

    /// What the list says beside its items, as far as it came.
    pub(super) fn metadata(&self) -> Result<ListMetadata, Failure> {
        read(&self.metadata).map_err(garbled)
    }

    /// How long the field is in all, or as much of it as tells that; and whether it is all.
    fn length(&self) -> Result<(usize, bool), Failure> {
        let more = (self.field.len() + 1, false);
        if self.level == Level::Magic {
            return Ok((MAGIC.len(), true));
        }
        let Some((tag, start)) = varint(&self.field).map_err(garbled)? else {
            return Ok(more);
        };
        let rest = self.field.get(start..).unwrap_or_default();
        Ok(match tag & 7 {
            1 => (start + 8, true),
            5 => (start + 4, true),
            of => match varint(rest).map_err(garbled)? {
                None => more,
                Some((_, length)) if of == 0 => (start + length, true),
                // The list is not waited for: its own fields come next.
                Some((_, length)) if self.level == Level::Outer && tag >> 3 == RAW => {
                    (start + length, true)
                }
                Some((bytes, length)) => {
                    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                    ((start + length).saturating_add(bytes), true)
                }
            },
        })
    }

    /// Draws the consequences of a field that is whole; true where it is an item.
    fn whole(&mut self) -> Result<bool, Failure> {
        match self.level {
            Level::Magic if self.field == MAGIC => self.level = Level::Outer,
            Level::Magic => return Err(Failure::Garbled("no list".to_owned())),
            Level::Outer => {
                let tag = varint(&self.field).map_err(garbled)?;
                if tag.is_some_and(|(tag, _)| tag >> 3 == RAW) {
                    self.level = Level::List;
                }
            }
            Level::List => match content(&self.field) {
                Some((METADATA, bytes)) => self.metadata = bytes.to_vec(),
                Some((ITEM, _)) => return Ok(true),
                _ => {}
            },
        }
        Ok(false)
    }
}

/// The number and the bytes of a field that has some.
fn content(field: &[u8]) -> Option<(u32, &[u8])> {
    match Fields(field).next()?.ok()? {
        (number, Value::Bytes(bytes)) => Some((number, bytes)),
        _ => None,
    }
}

/// Moves bytes from a chunk, until there are so many; false where it does not have them.
fn take(into: &mut Vec<u8>, chunk: &mut &[u8], length: usize) -> bool {
    let missing = length.saturating_sub(into.len()).min(chunk.len());
    let (head, rest) = chunk.split_at_checked(missing).unwrap_or((chunk, &[]));
    into.extend_from_slice(head);
    *chunk = rest;
    into.len() >= length
}

fn garbled(error: Malformed) -> Failure {
    Failure::Garbled(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::MOST;
    use super::*;

    /// A field that has bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        assert!(length < 128);
        [&[number << 3 | 2, length], bytes].concat()
    }

    #[test]
    fn the_items_of_a_list_are_found_in_any_pieces() {
        let kind = field(1, &field(2, b"ServiceList"));
        let metadata = field(1, &[field(2, b"7"), field(3, b"more")].concat());
        let list = [
            metadata,
            field(2, b"one"),
            field(2, b""),
            field(9, b"x"),
            field(2, b"three"),
        ];
        let raw = field(2, &list.concat());
        // What stands behind the list is empty, and always there.
        let body = [MAGIC, &kind, &raw, &field(3, b""), &field(4, b"")].concat();
        for size in 1..=body.len() {
            let (mut items, mut found) = (Items::default(), Vec::new());
            for mut chunk in body.chunks(size) {
                while let Some(item) = items.next(&mut chunk).unwrap() {
                    found.push(item.to_vec());
                }
            }
            assert_eq!(found, [&b"one"[..], b"", b"three"], "{size}");
            let metadata = items.metadata().unwrap();
            assert_eq!((metadata.version(), &*metadata.next), (7, "more"), "{size}");
        }
    }

    #[test]
    fn the_events_of_a_watch_are_found_in_any_pieces() {
        let body = b"\0\0\0\x03one\0\0\0\0\0\0\0\x05three\0\0";
        for size in 1..=body.len() {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for mut chunk in body.chunks(size) {
                while let Some(frame) = frames.next(&mut chunk).unwrap() {
                    found.push(frame.to_vec());
                }
            }
            assert_eq!(found, [&b"one"[..], b"", b"three"], "{size}");
        }
    }

    #[test]
    fn what_is_no_list_or_has_no_end_is_an_error() {
        let mut other: &[u8] = b"<html>";
        assert!(Items::default().next(&mut other).is_err());
        let too_long = u32::try_from(MOST + 1).unwrap().to_be_bytes();
        assert!(Frames::default().next(&mut &too_long[..]).is_err());
        let mut number: &[u8] = b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(Items::default().next(&mut number).is_err());
        let mut item: &[u8] = b"k8s\0\x12\xff\xff\xff\xff\x0f\x12\xff\xff\xff\xff\x0f";
        assert!(Items::default().next(&mut item).is_err());
    }
}
