//! `template`: answers made of the question by a text.
#![doc = include_str!("../../docs/plugins/template.md")]

use std::sync::Arc;

use futures_util::FutureExt;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};
use regex::{Captures, Regex};

use super::expression::{Context, Expression, Value};
use super::fall::Fall;
use super::setup::{PerServer, Setup, SetupError};
use crate::answer::{Answer, Body, ExtendedError, Origin, RecordsBuilder, Section};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply};
use crate::metrics::Registry;
use crate::name::{NameText, ZoneList};
use crate::query::{OwnedQuery, Query, Step};
use crate::wire::Flags;
use crate::wire::mnemonic::{class_word, type_word};

use metrics::{Counters, Failed, Labels};
use record::Record;
use text::{Data, Text};

mod metrics;
mod parse;
mod record;
mod text;

pub(super) use parse::OPTIONS;

/// The directive's name.
const NAME: &str = "template";

/// Reads `template CLASS TYPE [ZONES...] { ... }`, any number of times.
///
/// # Errors
/// See `docs/plugins/template.md`; each names its place.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let templates = parse::templates(setup)?;
    setup.push(Templates {
        templates,
        view: setup.block.view.clone(),
        metrics: setup.shared.metrics.clone(),
        counters: PerServer::default(),
    });
    Ok(())
}

/// See the module.
struct Templates {
    templates: Vec<Template>,
    view: Arc<str>,
    metrics: Arc<Registry>,
    counters: PerServer<Counters>,
}

/// One directive.
struct Template {
    zones: ZoneList<Box<str>>,
    /// `None` is any.
    class: Option<u16>,
    /// `None` is any.
    qtype: Option<u16>,
    /// Patterns and their texts; the first that matches counts.
    patterns: Vec<(Box<str>, Regex)>,
    variables: Vec<Variable>,
    conditions: Vec<Expression>,
    /// Records, section by section.
    records: Vec<(Section, Text)>,
    rcode: ResponseCode,
    error: Option<ExtendedError>,
    fall: Fall,
    /// The directive's place, for traces.
    place: Arc<str>,
}

/// A `var`.
struct Variable {
    name: Box<str>,
    expression: Expression,
}

/// Whether a template is for a question.
enum Match<'a> {
    Yes(Matched<'a>),
    /// It is for others; the next one is asked.
    No,
    /// It is for names of this zone, but not for this one, and nobody else is to be asked.
    Nobody,
}

/// What matched.
struct Matched<'a> {
    /// The zone's number.
    zone: usize,
    pattern: &'a (Box<str>, Regex),
    captures: Captures<'a>,
    variables: Vec<Value<'static>>,
}

/// A record of the answer, and what its target resolves to.
type Led = (Record, Option<Reply>);

impl Plugin for Templates {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let in_zone = |template: &Template| template.zones.place(query.lower).is_some();
        if !self.templates.iter().any(in_zone) {
            return next.serve(query);
        }
        let name = NameText::from(query.lower);
        for (at, template) in self.templates.iter().enumerate() {
            match template.take(query, name.as_str()) {
                Match::Yes(matched) => return self.answer(query, (at, template), &name, &matched),
                Match::No => {}
                Match::Nobody => {
                    query.note(|| template.step("its zone has the name, and it does not match"));
                    return Failure::refusal(NAME, ResponseCode::ServFail).into();
                }
            }
        }
        next.serve(query)
    }
}

impl Templates {
    fn answer(
        &self,
        query: &Query<'_>,
        (at, template): (usize, &Template),
        name: &NameText,
        matched: &Matched<'_>,
    ) -> Reply {
        query.note(|| template.step("matched"));
        let Some((_, zone)) = template.zones.at(matched.zone) else {
            return Failure::refusal(NAME, ResponseCode::ServFail).into();
        };
        let class = template.class.filter(|_| query.qclass == DNSClass::ANY);
        let qtype = template.qtype.filter(|_| query.qtype == RecordType::ANY);
        let labels = Labels {
            zone,
            view: &self.view,
            class: class_word(class.unwrap_or_else(|| query.qclass.into())).unwrap_or_default(),
            qtype: type_word(qtype.unwrap_or_else(|| query.qtype.into())).unwrap_or_default(),
        };
        self.count(query, (at, matched.zone), &labels);
        if template.rcode == ResponseCode::ServFail {
            return Failure::refusal(NAME, ResponseCode::ServFail).into();
        }
        let names = template.variables.iter().map(|variable| &*variable.name);
        let variables: Vec<_> = names.zip(matched.variables.iter().cloned()).collect();
        let (pattern, regex) = matched.pattern;
        let data = Data {
            zone,
            name: name.as_str(),
            pattern,
            regex,
            captures: &matched.captures,
            class: labels.class,
            qtype: labels.qtype,
            variables: &variables,
            query,
        };
        let mut records = Vec::with_capacity(template.records.len());
        for (section, text) in &template.records {
            match write(text, *section, &data) {
                Ok(Some(record)) => records.push((*section, record)),
                Ok(None) => {}
                Err((failed, message)) => {
                    failed.count(&self.metrics, query, &labels, (*section, text));
                    return Failure::new(NAME, ResponseCode::ServFail, message).into();
                }
            }
        }
        template.tell(query, records)
    }
}

/// The record that a template makes; `None` where it writes nothing.
fn write(
    text: &Text,
    section: Section,
    data: &Data<'_>,
) -> Result<Option<Record>, (Failed, String)> {
    let written = text.write(data).map_err(|error| {
        let (at, part, message) = (error.at, error.part, error.message);
        let section = metrics::word(section);
        let told =
            format!("template: {section}:1:{at}: executing {section:?} at <{part}>: {message}");
        (Failed::Text, told)
    })?;
    Record::parse(&written).map_err(|error| (Failed::Record, format!("dns: {error}")))
}

impl Template {
    fn take<'a>(&'a self, query: &Query<'_>, name: &'a str) -> Match<'a> {
        let Some(zone) = self.zones.place(query.lower) else {
            return Match::No;
        };
        let (class, qtype) = (u16::from(query.qclass), u16::from(query.qtype));
        let any = u16::from(RecordType::ANY);
        let differs = |own: Option<u16>, asked| asked != any && own.is_some_and(|own| own != asked);
        if differs(self.class, class) || differs(self.qtype, qtype) {
            return Match::No;
        }
        let mut patterns = self.patterns.iter();
        let found = patterns.find_map(|pattern| Some((pattern, pattern.1.captures(name)?)));
        let Some((pattern, captures)) = found else {
            return self.passed_over(query);
        };
        match self.conditions_hold(query, pattern, &captures) {
            Some((true, variables)) => Match::Yes(Matched {
                zone,
                pattern,
                captures,
                variables,
            }),
            Some((false, _)) => self.passed_over(query),
            None => Match::Nobody,
        }
    }

    fn passed_over<'a>(&self, query: &Query<'_>) -> Match<'a> {
        match self.fall.through(query.lower) {
            true => Match::No,
            false => Match::Nobody,
        }
    }

    /// Whether all of `expr` holds, and the values of `var`; `None` where one cannot be told.
    fn conditions_hold(
        &self,
        query: &Query<'_>,
        pattern: &(Box<str>, Regex),
        captures: &Captures<'_>,
    ) -> Option<(bool, Vec<Value<'static>>)> {
        if self.variables.is_empty() && self.conditions.is_empty() {
            return Some((true, Vec::new()));
        }
        let value = |expression: &Expression, variables: &[Value<'static>]| {
            let group = |key: &str| text::group(&pattern.1, captures, key);
            let context = Context {
                query,
                group: Some(&group),
                variables,
            };
            let value = expression.value(&context).ok();
            value.map(Value::into_owned)
        };
        let mut variables = Vec::with_capacity(self.variables.len());
        for variable in &self.variables {
            let value = value(&variable.expression, &variables)?;
            variables.push(value);
        }
        for condition in &self.conditions {
            if value(condition, &variables)? != Value::Bool(true) {
                return Some((false, variables));
            }
        }
        Some((true, variables))
    }

    /// The answer of these records; targets of its CNAMEs are asked of this server.
    fn tell(&self, query: &Query<'_>, records: Vec<(Section, Record)>) -> Reply {
        let mut answer = Answer::new(query, NAME, Origin::Local)
            .with_rcode(self.rcode)
            .authoritative();
        if let Some(error) = &self.error {
            answer.bring_error(error.clone());
        }
        let follows = matches!(query.qtype, RecordType::A | RecordType::AAAA);
        let lead = |(section, record): (Section, Record)| {
            let target = record
                .target()
                .filter(|_| follows && section == Section::Answer);
            let reply = target.map(|target| query.server.resolve(query, target, query.qtype));
            (section, (record, reply))
        };
        let records: Vec<(Section, Led)> = records.into_iter().map(lead).collect();
        let waits = |(_, (_, reply)): &(Section, Led)| matches!(reply, Some(Reply::Later(_)));
        if records.iter().any(waits) {
            let query = query.to_owned();
            return Reply::later(gather(answer, records, query));
        }
        if records.iter().all(|(_, (_, reply))| reply.is_none()) {
            let mut builder = RecordsBuilder::default();
            for (section, (record, _)) in &records {
                builder.push(&record.view(*section));
            }
            answer.body = Body::Records(Arc::new(builder.finish()));
            return answer.into();
        }
        let gathered = gather(answer, records, query.to_owned()).now_or_never();
        gathered.unwrap_or(Outcome::Drop).into()
    }

    fn step(&self, what: &str) -> Step {
        Step {
            plugin: NAME,
            what: what.to_owned(),
            place: Some(self.place.clone()),
        }
    }
}

/// The records in their order, each CNAME followed by the answer section of its target.
async fn gather(mut answer: Answer, records: Vec<(Section, Led)>, query: OwnedQuery) -> Outcome {
    let mut builder = RecordsBuilder::default();
    for (section, (record, reply)) in records {
        builder.push(&record.view(section));
        let (Some(reply), Some(target)) = (reply, record.target()) else {
            continue;
        };
        // A target that nothing is known of leaves the CNAME alone.
        let found = match reply.await {
            Outcome::Answer(found) => found,
            Outcome::Failed(_) => {
                answer.flags = answer.flags.without(Flags::TC);
                continue;
            }
            Outcome::Drop | Outcome::Transfer(_) => continue,
        };
        let cut = found.flags.and(Flags::TC);
        answer.flags = answer.flags.without(Flags::TC).with(cut);
        if found.origin == Origin::Zone {
            // What holds names of the cluster is not kept either.
            answer.origin = Origin::Zone;
        }
        let (view, lower) = (query.view(), target.to_lower());
        let asked = view.with_question(target, lower.view(), query.qtype);
        found.each(&asked, &mut |record| {
            if record.section == Section::Answer {
                builder.push(&record);
            }
        });
    }
    answer.body = Body::Records(Arc::new(builder.finish()));
    Outcome::Answer(answer)
}

#[cfg(test)]
mod tests;
