//! Answers with host names in them, whose addresses this server is asked for.

use std::sync::Arc;

use futures_util::FutureExt;
use hickory_proto::rr::RecordType;

use crate::answer::{Answer, Body, RecordSet, RecordsBuilder, Section};
use crate::chain::{Outcome, Reply};
use crate::name::Name;
use crate::query::{OwnedQuery, Query};
use crate::wire::Flags;

/// A part of an answer.
pub(super) enum Piece {
    Set(RecordSet),
    /// The answer section of what a host resolves to.
    Led {
        section: Section,
        host: Name,
        qtype: RecordType,
        reply: Reply,
    },
}

impl Piece {
    /// Asks this server, from the top, for a host.
    pub(super) fn follow(
        query: &Query<'_>,
        section: Section,
        host: &Name,
        qtype: RecordType,
    ) -> Self {
        Self::Led {
            section,
            host: host.clone(),
            qtype,
            reply: query.server.resolve(query, host.view(), qtype),
        }
    }
}

/// An answer of these parts, in the order of their sections.
pub(super) fn gather(mut answer: Answer, query: &Query<'_>, pieces: Vec<Piece>) -> Reply {
    let is_set = |piece: &Piece| matches!(piece, Piece::Set(_));
    if pieces.iter().all(is_set) {
        for piece in pieces {
            if let Piece::Set(set) = piece {
                answer.push(query, set);
            }
        }
        return answer.into();
    }
    let is_there = |piece: &Piece| {
        !matches!(
            piece,
            Piece::Led {
                reply: Reply::Later(_),
                ..
            }
        )
    };
    let at_once = pieces.iter().all(is_there);
    let gathering = wait(answer, query.to_owned(), pieces);
    match at_once {
        true => gathering.now_or_never().unwrap_or(Outcome::Drop).into(),
        false => Reply::later(gathering),
    }
}

async fn wait(mut answer: Answer, query: OwnedQuery, pieces: Vec<Piece>) -> Outcome {
    let mut builder = RecordsBuilder::default();
    for piece in pieces {
        match piece {
            Piece::Set(set) => {
                let mut one = answer.clone();
                one.push(&query.view(), set);
                one.each(&query.view(), &mut |record| builder.push(&record));
            }
            Piece::Led {
                section,
                host,
                qtype,
                reply,
            } => {
                // What cannot be resolved leaves the host alone.
                let Outcome::Answer(found) = reply.await else {
                    continue;
                };
                if section == Section::Answer {
                    answer.flags = answer.flags.with(found.flags.and(Flags::TC));
                }
                let (view, lower) = (query.view(), host.view().to_lower());
                let asked = view.with_question(host.view(), lower.view(), qtype);
                found.each(&asked, &mut |mut record| {
                    if record.section == Section::Answer {
                        record.section = section;
                        builder.push(&record);
                    }
                });
            }
        }
    }
    answer.body = Body::Records(Arc::new(builder.finish()));
    Outcome::Answer(answer)
}
