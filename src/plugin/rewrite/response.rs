//! Answers on their way back: made into ones for the question as it came.
//!
//! What the rules did is undone in reverse, for each record of every section.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::name::{AnswerRule, RecordPart, invalid_name};
use super::record::Record;
use super::{Action, State, Step, Steps, Undo};
use crate::answer::{Answer, Body, RecordsBuilder, Section};
use crate::chain::{Failure, Outcome, Transfer};
use crate::name::{Name, NameRef, NameText};
use crate::query::Query;
use crate::wire::options::Options;

/// What is to be undone.
#[derive(Clone, Copy)]
pub(super) struct Undoing<'s> {
    pub(super) state: &'s Arc<State>,
    pub(super) steps: &'s Steps,
}

/// What an answer has beside its records, while it is changed.
pub(super) struct Head {
    pub(super) rcode: ResponseCode,
    /// The options of the answer's own OPT.
    pub(super) options: Option<Options>,
}

impl Head {
    /// Takes the head off an answer.
    pub(super) fn take(answer: &mut Answer) -> Self {
        let options = answer.extra.as_mut().and_then(|extra| extra.options.take());
        Self {
            rcode: answer.rcode,
            options: options.map(Options::from),
        }
    }

    /// Puts it back.
    pub(super) fn put(self, answer: &mut Answer) {
        answer.rcode = self.rcode;
        if let Some(options) = self.options {
            answer.extra_mut().options = Some(options.into_bytes());
        }
    }
}

impl Undoing<'_> {
    /// The steps, the last one first, each with what its rule does.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&Step, &Action)> {
        let steps = self.steps.iter().rev();
        steps.filter_map(|step| Some((step, &self.state.rules.get(step.rule)?.action)))
    }

    /// Whether the answer has a CNAME while there is a rule that may lead it elsewhere, which means
    /// to ask for its new target.
    pub(super) fn may_lead_elsewhere(&self, answer: &Answer, changed: &Query<'_>) -> bool {
        let mut has_cname = false;
        if self
            .steps()
            .any(|(_, action)| matches!(action, Action::Cname(_)))
        {
            answer.each(changed, &mut |record| {
                has_cname |= record.rtype == RecordType::CNAME;
            });
        }
        has_cname
    }

    /// Undoes the steps for an answer whose CNAMEs stay as they are.
    pub(super) fn answer(&self, mut answer: Answer, changed: &Query<'_>) -> Outcome {
        let mut head = Head::take(&mut answer);
        let changes_records = |action| matches!(action, &Action::Name(_) | &Action::Ttl(..));
        if self.steps().any(|(_, action)| changes_records(action)) {
            match self.records(&answer, &mut head, changed) {
                Ok(body) => answer.body = body,
                Err(failure) => return Outcome::Failed(failure),
            }
            (answer.ttl, answer.order) = (None, Default::default());
        } else {
            let sections = [Section::Answer, Section::Authority, Section::Additional];
            let records: usize = sections.map(|section| answer.count(section)).iter().sum();
            // As in CoreDNS, what is said of the whole is said once for each record, the OPT included.
            let records = records + usize::from(head.options.is_some());
            (0..records.max(1)).for_each(|_| self.head(&mut head));
        }
        head.put(&mut answer);
        self.tell_options(&mut answer, changed);
        Outcome::Answer(answer)
    }

    fn records(
        &self,
        answer: &Answer,
        head: &mut Head,
        changed: &Query<'_>,
    ) -> Result<Body, Box<Failure>> {
        let mut builder = RecordsBuilder::default();
        let (mut failed, mut is_empty) = (None, true);
        answer.each(changed, &mut |record| {
            is_empty = false;
            let mut record = Record::from(&record);
            match self.record(&mut record, head) {
                Ok(()) => builder.push(&record.view()),
                Err(failure) => failed = Some(failure),
            }
        });
        if is_empty || head.options.is_some() {
            self.head(head);
        }
        match failed {
            Some(failure) => Err(failure),
            None => Ok(Body::Records(Arc::new(builder.finish()))),
        }
    }

    /// Undoes the steps for one record, but for CNAMEs that lead elsewhere.
    fn record(&self, record: &mut Record, head: &mut Head) -> Result<(), Box<Failure>> {
        self.steps()
            .try_for_each(|(step, action)| step.undo_for(action, record, head))
    }

    /// Undoes the steps for what is not of a record.
    pub(super) fn head(&self, head: &mut Head) {
        for (step, action) in self.steps() {
            step.undo_for_head(action, head);
        }
    }

    /// The response code of a failure for the question as it came.
    pub(super) fn rcode(&self, rcode: ResponseCode) -> ResponseCode {
        let mut head = Head {
            rcode,
            options: None,
        };
        self.head(&mut head);
        head.rcode
    }

    /// Undoes the steps for each message of a zone transfer. It ends early at a message for which
    /// that fails, so that the client knows that it is not whole.
    pub(super) fn transfer(&self, transfer: Transfer, changed: &Query<'_>) -> Outcome {
        let (state, steps) = (self.state.clone(), self.steps.clone());
        let changed = changed.to_owned();
        let undo = move |answer| {
            let undoing = Undoing {
                state: &state,
                steps: &steps,
            };
            match undoing.answer(answer, &changed.view()) {
                Outcome::Answer(answer) => Some(answer),
                _ => None,
            }
        };
        Outcome::Transfer(Transfer(Box::new(transfer.0.map_while(undo))))
    }

    /// Lets a reply without an OPT of its own show the options of local use that rules name, as the
    /// request has them when what is to be reverted is reverted.
    pub(super) fn tell_options(&self, answer: &mut Answer, changed: &Query<'_>) {
        let has_own = answer
            .extra
            .as_ref()
            .is_some_and(|extra| extra.options.is_some());
        let Some(opt) = changed.opt.filter(|_| !has_own) else {
            return;
        };
        let told = &self.state.told_options;
        if told.is_empty() || opt.options.is_empty() {
            return;
        }
        let mut options = Options::from(opt.options.to_vec());
        for (step, _) in self.steps() {
            step.revert_option(&mut options);
        }
        let options = options.only(told).into_bytes();
        if !options.is_empty() {
            answer.extra_mut().echoed = options;
        }
    }
}

impl Step {
    /// Undoes the step for one record, and for the head with it.
    pub(super) fn undo_for(
        &self,
        action: &Action,
        record: &mut Record,
        head: &mut Head,
    ) -> Result<(), Box<Failure>> {
        match action {
            Action::Name(rule) => {
                let mut rules = rule.answers.iter().rev();
                rules.try_for_each(|rule| rule.apply(record))?;
                if let Undo::Rename { before, after } = &self.undo {
                    rename(record, RecordPart::Value, after, before)?;
                    rename(record, RecordPart::Owner, after, before)?;
                }
            }
            Action::Ttl(_, least, most) => record.ttl = record.ttl.clamp(*least, *most),
            _ => self.undo_for_head(action, head),
        }
        Ok(())
    }

    fn undo_for_head(&self, action: &Action, head: &mut Head) {
        if let Action::Rcode(_, from, to) = action
            && u16::from(head.rcode) == u16::from(*from)
        {
            head.rcode = *to;
        }
        if let Some(options) = &mut head.options {
            self.revert_option(options);
        }
    }

    fn revert_option(&self, options: &mut Options) {
        if let Undo::Option { code, before } = &self.undo
            && let Some(place) = options.find(*code)
        {
            match before {
                // It was no longer than an OPT can be when it came.
                Some(before) => _ = options.replace(place, *code, before),
                None => options.remove(place),
            }
        }
    }
}

impl AnswerRule {
    fn apply(&self, record: &mut Record) -> Result<(), Box<Failure>> {
        let Some(name) = record.name(self.part) else {
            return Ok(());
        };
        let text = NameText::from(name);
        match self.substitution.apply(text.as_str()) {
            Some(new) if new != text.as_str() => {
                let name = Name::from_text(&new).map_err(|_| invalid_name(&new))?;
                record.set_name(self.part, name.view());
            }
            _ => {}
        }
        Ok(())
    }
}

/// Puts `to` in place of `from`, where a name of the record is that or below it.
fn rename(
    record: &mut Record,
    part: RecordPart,
    from: &Name,
    to: &Name,
) -> Result<(), Box<Failure>> {
    let head = record
        .name(part)
        .and_then(|name| name.strip_zone(from.view()));
    let Some(head) = head else {
        return Ok(());
    };
    let name = [head, to.view().as_bytes()].concat();
    let name = NameRef::parse(&name).map_err(|_| invalid_name(&to.to_string()))?;
    record.set_name(part, name);
    Ok(())
}
