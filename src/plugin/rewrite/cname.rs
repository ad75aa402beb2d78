//! Rules that lead CNAMEs elsewhere: the answer goes on with what the new target resolves to.

use std::sync::Arc;

use tracing::error;

use super::name::invalid_name;
use super::parse::{Words, normal, unknown_kind};
use super::record::Record;
use super::response::{Head, Undoing};
use super::substitution::{Kind, Match, Substitution, Template};
use super::{Action, State, Steps};
use crate::answer::{Answer, Body, RecordsBuilder, Section};
use crate::chain::{Failure, Outcome, Reply};
use crate::corefile::Diagnostic;
use crate::name::{Name, NameText};
use crate::plugin::pattern;
use crate::query::{OwnedQuery, Query};
use crate::wire::Flags;

/// `cname [KIND] FROM TO`.
#[derive(Debug)]
pub(super) struct CnameRule(Substitution);

impl CnameRule {
    pub(super) fn parse(words: Words<'_>) -> Result<Self, Diagnostic> {
        let (kind, from, to) = match words.words {
            [from, to] => (Kind::Exact, *from, *to),
            [kind, from, to] => {
                let known = Kind::of(kind.text());
                (
                    known.ok_or_else(|| unknown_kind(kind, "cname"))?,
                    *from,
                    *to,
                )
            }
            other => return Err(words.wrong_count(other.len() < 2, "[KIND] FROM TO")),
        };
        let (from_text, to_text) = (from.text().to_lowercase(), to.text().to_lowercase());
        let literal = Template::literal(to_text.clone());
        Ok(Self(match kind {
            Kind::Exact => {
                let to = Template::literal(normal(to.text()));
                Substitution::new(Match::Exact(normal(from.text())), to)
            }
            Kind::Prefix => Substitution::new(Match::Prefix(from_text), literal),
            Kind::Suffix => Substitution::new(Match::Suffix(from_text), literal),
            Kind::Substring => Substitution::new(Match::Substring(from_text), literal),
            Kind::Regex => {
                // In lower case, as CoreDNS has it: `\S` is `\s` here.
                let pattern = pattern::of_token(from, &from_text)?;
                let to = Template::with_groups(&to_text, &pattern);
                Substitution::new(Match::Regex(pattern), to)
            }
        }))
    }

    /// Whether there is something to compare with and something to put in its place.
    pub(super) fn does_something(&self) -> bool {
        !self.0.is_empty()
    }

    /// The name that a record leads to instead.
    fn elsewhere(&self, record: &Record) -> Option<Result<Name, Box<Failure>>> {
        let target = record.target()?;
        let new = self.0.apply(NameText::from(target).as_str())?;
        Some(Name::from_text(&new).map_err(|_| invalid_name(&new)))
    }
}

impl Undoing<'_> {
    /// Undoes the steps for an answer, and asks this server for new targets of its CNAMEs.
    pub(super) fn follow(&self, answer: Answer, changed: &Query<'_>) -> Reply {
        let following = Following::new(answer, changed);
        let (state, steps) = (self.state.clone(), self.steps.clone());
        let changed = changed.to_owned();
        Reply::later(async move { following.run(&state, &steps, &changed).await })
    }
}

/// An answer while its CNAMEs are led elsewhere.
struct Following {
    answer: Answer,
    head: Head,
    /// The records as they came. They are gone through even where the answer has them no more.
    records: Vec<Record>,
    /// What the answer section is by now.
    section: Vec<Told>,
}

/// A record of the answer section.
enum Told {
    /// By its place in [`Following::records`].
    Own(usize),
    /// Of the answer for a new target.
    Fetched(Record),
}

impl Following {
    fn new(mut answer: Answer, changed: &Query<'_>) -> Self {
        let mut records = Vec::new();
        answer.each(changed, &mut |record| records.push(Record::from(&record)));
        let own = records.iter().enumerate();
        let own = own.filter(|(_, record)| record.section == Section::Answer);
        let section = own.map(|(at, _)| Told::Own(at)).collect();
        Self {
            head: Head::take(&mut answer),
            answer,
            records,
            section,
        }
    }

    async fn run(mut self, state: &Arc<State>, steps: &Steps, changed: &OwnedQuery) -> Outcome {
        let undoing = Undoing { state, steps };
        for section in [Section::Authority, Section::Answer, Section::Additional] {
            for at in 0..self.records.len() {
                if self
                    .records
                    .get(at)
                    .is_none_or(|record| record.section != section)
                {
                    continue;
                }
                if let Err(failure) = self.record(at, undoing, changed).await {
                    return Outcome::Failed(failure);
                }
            }
        }
        if self.head.options.is_some() {
            undoing.head(&mut self.head);
        }
        self.finish(undoing, changed)
    }

    /// Undoes the steps for one record.
    async fn record(
        &mut self,
        at: usize,
        undoing: Undoing<'_>,
        changed: &OwnedQuery,
    ) -> Result<(), Box<Failure>> {
        for (step, action) in undoing.steps() {
            let Some(record) = self.records.get_mut(at) else {
                return Ok(());
            };
            let Action::Cname(rule) = action else {
                step.undo_for(action, record, &mut self.head)?;
                continue;
            };
            let Some(target) = rule.elsewhere(record) else {
                continue;
            };
            let (before, target) = (record.clone(), target?);
            if let Some(found) = resolve(&target, changed).await {
                self.lead(&before, &target, found);
            }
        }
        Ok(())
    }

    /// Keeps the CNAMEs up to the one that is led elsewhere, and puts what was found after it.
    fn lead(&mut self, before: &Record, target: &Name, found: (Vec<Record>, bool)) {
        let (records, is_truncated) = found;
        let mut section = Vec::new();
        for mut told in std::mem::take(&mut self.section) {
            let record = match &mut told {
                Told::Own(at) => self.records.get_mut(*at),
                Told::Fetched(record) => Some(record),
            };
            let Some(record) = record.filter(|record| record.target().is_some()) else {
                continue;
            };
            let is_led = record.target() == before.target();
            if is_led {
                record.set_target(target.view());
            }
            section.push(told);
            if is_led {
                break;
            }
        }
        section.extend(records.into_iter().map(Told::Fetched));
        self.section = section;
        let flags = self.answer.flags.without(Flags::TC);
        self.answer.flags = if is_truncated {
            flags.with(Flags::TC)
        } else {
            flags
        };
    }

    fn finish(self, undoing: Undoing<'_>, changed: &OwnedQuery) -> Outcome {
        let mut builder = RecordsBuilder::default();
        for told in &self.section {
            match told {
                Told::Own(at) => {
                    if let Some(record) = self.records.get(*at) {
                        builder.push(&record.view());
                    }
                }
                Told::Fetched(record) => builder.push(&record.view()),
            }
        }
        let others = self.records.iter();
        for record in others.filter(|record| record.section != Section::Answer) {
            builder.push(&record.view());
        }
        let mut answer = self.answer;
        answer.body = Body::Records(Arc::new(builder.finish()));
        (answer.ttl, answer.order) = (None, Default::default());
        self.head.put(&mut answer);
        undoing.tell_options(&mut answer, &changed.view());
        Outcome::Answer(answer)
    }
}

/// What this server answers for a name: the answer section, and whether it was cut. `None` where
/// it says nothing, and the CNAME stays as it is.
async fn resolve(target: &Name, changed: &OwnedQuery) -> Option<(Vec<Record>, bool)> {
    let query = changed.view();
    let reply = query.server.resolve(&query, target.view(), query.qtype);
    match reply.await {
        Outcome::Answer(answer) => {
            let lower = target.view().to_lower();
            let asked = query.with_question(target.view(), lower.view(), query.qtype);
            let mut records = Vec::new();
            answer.each(&asked, &mut |record| {
                if record.section == Section::Answer {
                    records.push(Record::from(&record));
                }
            });
            Some((records, answer.flags.has(Flags::TC)))
        }
        // As an answer without records.
        Outcome::Failed(_) => Some((Vec::new(), false)),
        Outcome::Drop | Outcome::Transfer(_) => {
            error!("upstream lookup returned nil: {target} of a rewritten CNAME was not answered");
            None
        }
    }
}
