//! Answers from a zone, with what CNAMEs that lead out of it lead to.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;

use super::Zone;
use super::lookup::{self, Lookup, Step, Verdict};
use crate::answer::{Answer, Body, Origin, RecordsBuilder, Section};
use crate::chain::{Failure, Outcome, Reply};
use crate::name::{Name, NameRef};
use crate::query::Query;
use crate::wire::Flags;

/// How a plugin answers from its zones.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The plugin's name.
    pub plugin: &'static str,
    /// Names that do not exist are passed on to the next plugin.
    pub falls_through: bool,
    /// A CNAME that leads to a zone cut is no authoritative answer.
    pub aliases_of_cuts_are_referrals: bool,
}

/// What the zone of a CNAME needs once its target's answer is there.
struct Waiting {
    zone: Arc<Zone>,
    manner: Manner,
    answer: Answer,
    target: Name,
}

/// Answers a question for a name of the zone; `None` where it is to be passed on.
#[must_use]
pub fn serve(zone: &Arc<Zone>, query: &Query<'_>, manner: Manner) -> Option<Reply> {
    let mut answer = Answer::new(query, manner.plugin, Origin::Local).authoritative();
    let verdict = match Lookup::new(zone, query, &mut answer).run() {
        Step::Done(verdict) => verdict,
        Step::Elsewhere(target) => {
            let reply = query.server.resolve(query, target.view(), query.qtype);
            let waiting = Arc::new(Waiting {
                zone: zone.clone(),
                manner,
                answer,
                target,
            });
            return Some(reply.then(&waiting, query, |waiting, query, outcome| {
                waiting.finish(query, outcome).into()
            }));
        }
    };
    let is_empty = answer.count(Section::Answer) == 0;
    let names_nothing = matches!(verdict, Verdict::NameError | Verdict::Success);
    if manner.falls_through && is_empty && names_nothing {
        return None;
    }
    Some(finish(answer, verdict, manner).into())
}

/// The name of the wildcard that a question's records are made from.
#[must_use]
pub fn wildcard(zone: &Zone, name: NameRef<'_>) -> Option<Name> {
    zone.source_of(name)
}

fn finish(mut answer: Answer, verdict: Verdict, manner: Manner) -> Outcome {
    let is_empty = answer.count(Section::Answer) == 0;
    match verdict {
        Verdict::Success | Verdict::NoData => {}
        Verdict::NameError => answer.rcode = ResponseCode::NXDomain,
        Verdict::Delegation => {
            if is_empty || manner.aliases_of_cuts_are_referrals {
                answer.flags = answer.flags.without(Flags::AA);
            }
        }
        Verdict::Failure if is_empty => {
            return Failure::refusal(manner.plugin, ResponseCode::ServFail).into();
        }
        // RFC 6672, 2.2
        Verdict::TooLong => answer.rcode = ResponseCode::YXDomain,
        // RFC 6604, 3: the code is that of the last name.
        Verdict::Failure => answer.rcode = ResponseCode::ServFail,
    }
    Outcome::Answer(answer)
}

impl Waiting {
    /// The CNAMEs, the answer section of what the last of them resolved to, and this zone's rest.
    fn finish(&self, query: &Query<'_>, outcome: Outcome) -> Outcome {
        let mut answer = self.answer.clone();
        let mut builder = RecordsBuilder::default();
        answer.each(query, &mut |record| builder.push(&record));
        let mut is_empty = true;
        let verdict = match outcome {
            Outcome::Answer(found) => {
                let lower = self.target.view().to_lower();
                let asked = query.with_question(self.target.view(), lower.view(), query.qtype);
                found.each(&asked, &mut |record| {
                    if record.section == Section::Answer {
                        builder.push(&record);
                        is_empty = false;
                    }
                });
                answer.origin = found.origin;
                verdict(found.rcode, is_empty)
            }
            Outcome::Failed(failure) => verdict(failure.rcode, true),
            // No reply at all: the CNAME is the answer.
            Outcome::Drop | Outcome::Transfer(_) => Verdict::Success,
        };
        let records = Arc::new(builder.finish());
        answer.body = Body::Records(records.clone());
        let rest = lookup::complete(&self.zone, query, &answer, verdict);
        let mut builder = RecordsBuilder::from(records.as_ref());
        rest.each(query, &mut |record| builder.push(&record));
        answer.body = Body::Records(Arc::new(builder.finish()));
        finish(answer, verdict, self.manner)
    }
}

/// What a target's response code says of the whole. A refusal is none of a name's: whoever asked can
/// follow the CNAME.
fn verdict(rcode: ResponseCode, is_empty: bool) -> Verdict {
    match rcode {
        ResponseCode::NXDomain => Verdict::NameError,
        ResponseCode::ServFail => Verdict::Failure,
        ResponseCode::NoError if is_empty => Verdict::NoData,
        _ => Verdict::Success,
    }
}
