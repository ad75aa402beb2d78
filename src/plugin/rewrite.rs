//! `rewrite`: changes questions on their way down, and answers on their way back up.
//!
//! Each rule that takes a question leaves a `Step`: what it did, and so what is to be done to the
//! answer. Steps are gone through in reverse, so that the client sees its own
//! question answered. Rules compare and change names as text, as CoreDNS does.
#![doc = include_str!("../../docs/plugins/rewrite.md")]

use std::cell::OnceCell;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use smallvec::SmallVec;

use super::setup::{Setup, SetupError};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply};
use crate::name::{Name, NameRef, NameText};
use crate::query::{self, Opt, Query};
use crate::wire::options::Options;

use cname::CnameRule;
use edns::EdnsRule;
use name::NameRule;
use substitution::Match;

mod cname;
mod edns;
mod name;
mod parse;
mod record;
mod response;
mod substitution;

/// The directive's name.
const NAME: &str = "rewrite";
/// The payload size of an OPT that a rule adds, in bytes.
const ADDED_OPT_SIZE: u16 = 4096;

/// Reads `rewrite [continue|stop] FIELD ...`, once for each rule.
///
/// # Errors
/// See `docs/plugins/rewrite.md`; each names its place.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let rules = parse::rules(setup)?;
    let told_options = rules.iter().filter_map(|rule| match &rule.action {
        Action::Edns(rule) => rule.told_option(),
        _ => None,
    });
    let told_options = told_options.collect();
    setup.push(Rewrite {
        state: Arc::new(State {
            rules,
            told_options,
        }),
    });
    Ok(())
}

/// One rule.
#[derive(Debug)]
struct Rule {
    action: Action,
    /// No rule after this one is looked at where this one takes a question.
    stop: bool,
    /// Where it stands, for traces.
    place: Arc<str>,
}

/// What a rule does.
#[derive(Debug)]
enum Action {
    /// Renames.
    Name(NameRule),
    /// Asks for another type.
    Type(RecordType, RecordType),
    /// Asks in another class.
    Class(DNSClass, DNSClass),
    /// Changes the OPT.
    Edns(EdnsRule),
    /// Brings the TTLs of answers for these names between two bounds.
    Ttl(Match, u32, u32),
    /// Turns one response code of answers for these names into another.
    Rcode(Match, ResponseCode, ResponseCode),
    /// Leads CNAMEs elsewhere.
    Cname(CnameRule),
}

/// What a rule did to a question, and so what it does to the answer.
#[derive(Clone, Debug)]
struct Step {
    /// The rule's number.
    rule: usize,
    undo: Undo,
}

#[derive(Clone, Debug)]
enum Undo {
    /// Only what the rule says.
    Nothing,
    /// The question's name was changed, and names in the answer are changed back.
    Rename {
        /// The name as it was before, in lower case.
        before: Name,
        /// The name that was asked for instead.
        after: Name,
    },
    /// An option was added or replaced, which an answer should not show.
    Option {
        code: u16,
        /// The data as it was before; `None` where there was no such option.
        before: Option<Vec<u8>>,
    },
}

type Steps = SmallVec<[Step; 4]>;

/// See the module.
struct Rewrite {
    state: Arc<State>,
}

struct State {
    rules: Vec<Rule>,
    /// Codes of the options that replies tell as the request has them, when all rules are through.
    told_options: Vec<u16>,
}

/// A question with the changes so far.
struct Change<'q> {
    query: Query<'q>,
    /// The name, and the same in lower case.
    name: Option<(Name, Name)>,
    qtype: RecordType,
    qclass: DNSClass,
    opt: Option<ChangedOpt>,
    /// The name in lower case as text, once a rule needed it.
    text: OnceCell<NameText>,
}

/// An OPT that rules have changed or added.
struct ChangedOpt {
    udp_size: u16,
    version: u8,
    flags: u16,
    options: Options,
}

impl Plugin for Rewrite {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let state = &self.state;
        // Most questions are none of any rule's: nothing is copied and no text made for them.
        if state.passes(query) {
            return next.serve(query);
        }
        let mut change = Change::of(query);
        let steps = match state.apply(&mut change) {
            Ok(steps) => steps,
            Err(failure) => return Outcome::Failed(failure).into(),
        };
        let changed = change.view();
        if steps.is_empty() && !state.tells_options(&changed) {
            return next.serve(&changed);
        }
        match next.serve(&changed) {
            Reply::Now(outcome) => state.undo(&steps, &changed, outcome),
            Reply::Later(future) => {
                let (state, changed) = (state.clone(), changed.to_owned());
                Reply::later(async move {
                    let outcome = future.await;
                    state.undo(&steps, &changed.view(), outcome).await
                })
            }
        }
    }
}

impl State {
    /// Goes through the rules.
    fn apply(&self, change: &mut Change<'_>) -> Result<Steps, Box<Failure>> {
        let mut steps = Steps::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let Some(undo) = rule.apply(change)? else {
                continue;
            };
            change.query.note(|| rule.step(change));
            steps.push(Step { rule: at, undo });
            if rule.stop {
                break;
            }
        }
        Ok(steps)
    }

    /// Whether it is plain at once that no rule takes the question.
    #[inline]
    fn passes(&self, query: &Query<'_>) -> bool {
        self.rules.iter().all(|rule| rule.passes(query)) && !self.tells_options(query)
    }

    fn tells_options(&self, query: &Query<'_>) -> bool {
        let has_options = query.opt.is_some_and(|opt| !opt.options.is_empty());
        has_options && !self.told_options.is_empty()
    }

    /// Makes an outcome for `changed` one for the question as it came.
    fn undo(self: &Arc<Self>, steps: &Steps, changed: &Query<'_>, outcome: Outcome) -> Reply {
        let undoing = response::Undoing { state: self, steps };
        match outcome {
            Outcome::Answer(answer) if undoing.may_lead_elsewhere(&answer, changed) => {
                undoing.follow(answer, changed)
            }
            Outcome::Answer(answer) => undoing.answer(answer, changed).into(),
            Outcome::Failed(mut failure) => {
                failure.rcode = undoing.rcode(failure.rcode);
                Outcome::Failed(failure).into()
            }
            Outcome::Transfer(transfer) => undoing.transfer(transfer, changed).into(),
            Outcome::Drop => Outcome::Drop.into(),
        }
    }
}

impl Rule {
    /// Does to the question what the rule does; `None` where the rule does not take it.
    fn apply(&self, change: &mut Change<'_>) -> Result<Option<Undo>, Box<Failure>> {
        let takes = |takes: bool| Ok(takes.then_some(Undo::Nothing));
        match &self.action {
            Action::Name(rule) => rule.apply(change),
            Action::Type(from, to) => {
                let takes_it = change.qtype == *from;
                if takes_it {
                    change.qtype = *to;
                }
                takes(takes_it)
            }
            Action::Class(from, to) => {
                let takes_it = change.qclass == *from;
                if takes_it {
                    change.qclass = *to;
                }
                takes(takes_it)
            }
            Action::Edns(rule) => Ok(rule.apply(change)),
            Action::Ttl(names, ..) | Action::Rcode(names, ..) => {
                takes(names.matches(change.text()))
            }
            Action::Cname(rule) => takes(rule.does_something()),
        }
    }

    /// Whether it is plain at once that it does not take a question that no rule has changed.
    #[inline]
    fn passes(&self, query: &Query<'_>) -> bool {
        match &self.action {
            Action::Name(rule) => rule.passes(query.lower),
            Action::Ttl(names, ..) | Action::Rcode(names, ..) => !names.may_match(query.lower),
            Action::Type(from, _) => query.qtype != *from,
            Action::Class(from, _) => query.qclass != *from,
            Action::Cname(rule) => !rule.does_something(),
            Action::Edns(_) => false,
        }
    }

    /// Whether it takes every question, so that with `stop` no rule is looked at after it.
    fn takes_all(&self) -> bool {
        match &self.action {
            Action::Cname(rule) => rule.does_something(),
            Action::Edns(rule) => rule.takes_all(),
            _ => false,
        }
    }

    /// Whether it needs a value of the plugin `metadata`.
    fn needs_metadata(&self) -> bool {
        match &self.action {
            Action::Name(rule) => rule.needs_metadata(),
            Action::Edns(rule) => rule.needs_metadata(),
            _ => false,
        }
    }

    fn step(&self, change: &Change<'_>) -> query::Step {
        let what = match &self.action {
            Action::Name(_) => format!("name becomes {}", change.name()),
            Action::Type(_, to) => format!("type becomes {to}"),
            Action::Class(_, to) => format!("class becomes {to}"),
            Action::Edns(_) => "the OPT is changed".to_owned(),
            Action::Ttl(_, least, most) => format!("TTLs are brought between {least} and {most}"),
            Action::Rcode(_, from, to) => format!("the code {from} becomes {to}"),
            Action::Cname(_) => "CNAMEs are looked at".to_owned(),
        };
        query::Step {
            plugin: NAME,
            what,
            place: Some(self.place.clone()),
        }
    }
}

impl<'q> Change<'q> {
    fn of(query: &Query<'q>) -> Self {
        Self {
            query: *query,
            name: None,
            qtype: query.qtype,
            qclass: query.qclass,
            opt: None,
            text: OnceCell::new(),
        }
    }

    /// The name as it is now.
    fn name(&self) -> NameRef<'_> {
        self.name
            .as_ref()
            .map_or(self.query.name, |(name, _)| name.view())
    }

    /// The same in lower case.
    fn lower(&self) -> NameRef<'_> {
        self.name
            .as_ref()
            .map_or(self.query.lower, |(_, lower)| lower.view())
    }

    /// The same as text.
    fn text(&self) -> &str {
        self.text.get_or_init(|| self.lower().into()).as_str()
    }

    fn rename(&mut self, name: Name) {
        let lower = match name.view().as_bytes().iter().any(u8::is_ascii_uppercase) {
            true => name.view().to_lower(),
            false => name.clone(),
        };
        self.name = Some((name, lower));
        self.text.take();
    }

    /// The OPT to change; one is added to a request that has none.
    fn opt(&mut self) -> &mut ChangedOpt {
        let own = self.query.opt;
        self.opt.get_or_insert_with(|| {
            let own = own.unwrap_or(Opt {
                udp_size: ADDED_OPT_SIZE,
                version: 0,
                flags: 0,
                options: &[],
            });
            ChangedOpt {
                udp_size: own.udp_size,
                version: own.version,
                flags: own.flags,
                options: Options::from(own.options.to_vec()),
            }
        })
    }

    fn view(&self) -> Query<'_> {
        let changed = self.opt.as_ref().map(|opt| Opt {
            udp_size: opt.udp_size,
            version: opt.version,
            flags: opt.flags,
            options: opt.options.as_bytes(),
        });
        Query {
            name: self.name(),
            lower: self.lower(),
            qtype: self.qtype,
            qclass: self.qclass,
            opt: changed.or(self.query.opt),
            ..self.query
        }
    }
}

#[cfg(test)]
mod tests;
