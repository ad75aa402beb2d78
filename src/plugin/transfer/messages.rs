//! A zone as the messages of a transfer.

use std::sync::Arc;

use tracing::info;

use super::{NAME, Snapshot};
use crate::answer::{Answer, Body, Origin, RecordRef, Records, RecordsBuilder, Section};
use crate::query::Query;
use crate::wire::Flags;

/// Bytes of records in a message, names whole: they leave room for header and question.
const FULL: usize = 63_000;

/// See [`Iterator::next`]: a message each time, in which the zone's records follow each other, the
/// SOA record first and last of all.
pub(super) struct Messages {
    /// A message without records.
    empty: Answer,
    client: std::net::IpAddr,
    zone: String,
    serial: u32,
    source: Box<dyn Iterator<Item = Arc<Records>> + Send>,
    /// What is taken from, and the next place in it.
    portion: Option<(Arc<Records>, usize)>,
    soa: Option<Records>,
    /// The client has this serial.
    is_known: bool,
    count: usize,
    is_done: bool,
}

impl Messages {
    /// The whole zone; only its SOA record where the client knows its serial.
    pub(super) fn new(query: &Query<'_>, snapshot: Snapshot, known: Option<u32>) -> Self {
        let is_known = |known: u32| {
            known == snapshot.serial || snapshot.keeps_newer && known > snapshot.serial
        };
        Self {
            empty: Answer::new(query, NAME, Origin::Local),
            client: query.request.client.ip(),
            zone: query.name.to_string(),
            serial: snapshot.serial,
            source: snapshot.records,
            portion: None,
            soa: None,
            is_known: known.is_some_and(is_known),
            count: 0,
            is_done: false,
        }
    }

    /// Calls `visit` with the next record; false where there is none.
    fn take(&mut self, visit: &mut dyn FnMut(&RecordRef<'_>) -> bool) -> bool {
        loop {
            if let Some((records, at)) = &mut self.portion
                && let Some(record) = records.get(*at)
            {
                if self.soa.is_none() {
                    let mut builder = RecordsBuilder::default();
                    builder.push(&in_answer(record));
                    self.soa = Some(builder.finish());
                }
                if visit(&in_answer(record)) {
                    *at += 1;
                }
                return true;
            }
            match self.source.next() {
                Some(records) => self.portion = Some((records, 0)),
                None => return false,
            }
        }
    }

    fn message(&self, builder: RecordsBuilder) -> Answer {
        let mut answer = self.empty.clone();
        answer.body = Body::Records(Arc::new(builder.finish()));
        answer
    }

    fn unchanged(&mut self) -> Option<Answer> {
        let mut builder = RecordsBuilder::default();
        self.take(&mut |record| {
            builder.push(record);
            true
        });
        let Self {
            zone,
            client,
            serial,
            ..
        } = self;
        info!(target: "plugin/transfer", "Outgoing noop, incremental transfer for up to date zone {zone:?} to {client} for {serial} SOA serial");
        Some(self.message(builder))
    }
}

fn in_answer(record: RecordRef<'_>) -> RecordRef<'_> {
    RecordRef {
        section: Section::Answer,
        ..record
    }
}

impl Iterator for Messages {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        if self.is_done {
            return None;
        }
        if self.is_known {
            self.is_done = true;
            return self.unchanged();
        }
        let (mut builder, mut length, mut count) = (RecordsBuilder::default(), 0, 0);
        let mut is_full = false;
        while !is_full
            && self.take(&mut |record| {
                let more = record.owner.wire_len() + 10 + record.rdata.wire_len();
                is_full = count > 0 && length + more > FULL;
                if !is_full {
                    builder.push(record);
                    (length, count) = (length + more, count + 1);
                }
                !is_full
            })
        {}
        self.count += count;
        if !is_full {
            self.is_done = true;
            if let Some(soa) = &self.soa {
                soa.each(&mut |record| builder.push(&record));
                self.count += 1;
            }
            let Self {
                count,
                zone,
                client,
                serial,
                ..
            } = self;
            info!(target: "plugin/transfer", "Outgoing transfer of {count} records of zone {zone:?} to {client} for {serial} SOA serial");
        }
        let answer = self.message(builder);
        Some(Answer {
            flags: answer.flags.with(Flags::AA),
            ..answer
        })
    }
}
