//! `log`: a line for each query.
//!
//! The thread that serves a query copies what is known of it ([`crate::telemetry::QueryLine`]); the
//! log's own thread makes the text.

use std::sync::Arc;

use smallvec::SmallVec;

use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Extra};
use crate::chain::{Outcome, Plugin, Transferred};
use crate::corefile::Directive;
use crate::name::{Name, NameRef};
use crate::query::Query;
use crate::server::render;
use crate::telemetry::{self, Format, Output, QueryLine, Response, Template};
use crate::wire::{Flags, HEADER_LEN};

pub(super) mod class;

use class::{Class, Kind};

/// One line of the directive: which queries are told, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// The names it is for, in lower case; `None` for none at all.
    scope: Option<Name>,
    template: Arc<Template>,
    /// The classes of responses that are told; empty for all.
    classes: Vec<Class>,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["class"];

/// Reads `log [NAMES...] [FORMAT] { class CLASSES... }`, any number of times.
///
/// # Errors
/// Classes and options that there are not.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let rules = parse(setup.directive, setup.warnings)?;
    setup.push(Log::new(rules, telemetry::output()));
    Ok(())
}

fn parse(directive: &Directive, warnings: &mut Vec<SetupError>) -> Result<Vec<Rule>, SetupError> {
    let mut rules = Vec::new();
    let mut cursor = directive.cursor();
    while cursor.next_token().is_some() {
        let mut arguments = cursor.remaining_args();
        let mut format = Template::COMMON.to_owned();
        match arguments.as_slice() {
            [name] if name.text().contains('{') => warnings.push(
                SetupError::warning("a single argument is a name, so this logs nothing")
                    .at(name.place())
                    .help("write the name before the format: log . \"{combined}\""),
            ),
            [_, .., last] if last.text().contains('{') => {
                format = last
                    .text()
                    .replace("{common}", Template::COMMON)
                    .replace("{combined}", Template::COMBINED);
                arguments.pop();
            }
            _ => {}
        }
        let template = Arc::new(Template::parse(&format));
        let mut scopes: Vec<_> = arguments
            .iter()
            .map(|name| Name::from_text(name.text()).ok())
            .map(|name| name.map(|name| name.view().to_lower()))
            .collect();
        if scopes.is_empty() {
            scopes.push(Some(Name::root()));
        }
        let mut classes = Vec::new();
        while let Some(option) = cursor.next_block() {
            if option.text() != "class" {
                return Err(cursor.unknown_property(OPTIONS));
            }
            let named = cursor.remaining_args();
            if named.is_empty() {
                return Err(cursor.arg_err());
            }
            for class in named {
                classes.push(Class::of(class)?);
            }
        }
        if classes.contains(&Class::All) {
            classes.clear();
        }
        rules.extend(scopes.into_iter().map(|scope| Rule {
            scope,
            template: template.clone(),
            classes: classes.clone(),
        }));
    }
    Ok(rules)
}

/// See the module.
struct Log {
    rules: Vec<Logger>,
}

/// A rule, and where its lines go.
#[derive(Clone)]
struct Logger {
    rule: Rule,
    output: Output,
}

impl Log {
    fn new(rules: Vec<Rule>, output: Output) -> Self {
        let logger = |rule| Logger {
            rule,
            output: output.clone(),
        };
        Self {
            rules: rules.into_iter().map(logger).collect(),
        }
    }
}

impl Plugin for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn edits(&self) -> bool {
        true
    }

    fn edit(&self, query: &Query<'_>, outcome: &mut Outcome) {
        // The first rule for the name decides, be it by telling nothing.
        if let Some(rule) = self.rules.iter().find(|rule| rule.covers(query.lower)) {
            rule.see(query, outcome);
        }
    }
}

/// What came of a query, as far as a line tells it.
struct Seen {
    response: Option<Response>,
    request_size: usize,
    size: usize,
    kind: Kind,
}

/// The size of a request that a plugin answered, as CoreDNS tells it: without the options of its OPT
/// that the reply does not show, where it is the request's OPT that goes back.
fn answered_size(query: &Query<'_>, extra: Option<&Extra>) -> usize {
    let size = query.request.size;
    let brought = extra.is_some_and(|extra| extra.options.is_some());
    let Some(opt) = query.opt.filter(|_| !brought) else {
        return size;
    };
    let shown = extra.map_or(0, |extra| extra.echoed.len());
    size.saturating_sub(opt.options.len().saturating_sub(shown))
}

impl Logger {
    fn covers(&self, name: NameRef<'_>) -> bool {
        let scope = self.rule.scope.as_ref();
        scope.is_some_and(|scope| name.is_in(scope.view()))
    }

    fn see(&self, query: &Query<'_>, outcome: &mut Outcome) {
        match outcome {
            Outcome::Answer(answer) => {
                let response = Response {
                    rcode: answer.rcode.into(),
                    flags: answer.flags.with(Flags::QR),
                };
                let seen = Seen {
                    response: Some(response),
                    request_size: answered_size(query, answer.extra.as_deref()),
                    size: render::whole_len(answer, query),
                    kind: Kind::of_answer(answer, query),
                };
                self.tell(query, &seen, Some(answer));
            }
            Outcome::Failed(failure) => {
                let rcode = u16::from(failure.rcode);
                let seen = Seen {
                    response: Some(Response {
                        rcode,
                        flags: query.reply_flags().with(Flags::QR),
                    }),
                    request_size: query.request.size,
                    size: HEADER_LEN + query.name.as_bytes().len() + 4,
                    kind: Kind::of_empty(rcode, query),
                };
                self.tell(query, &seen, None);
            }
            Outcome::Drop => {
                let seen = Seen {
                    response: None,
                    request_size: query.request.size,
                    size: 0,
                    kind: Kind::OtherError,
                };
                self.tell(query, &seen, None);
            }
            Outcome::Transfer(transfer) => {
                let logger = self.clone();
                *transfer = transfer.take().counted(query, move |query, sent| {
                    logger.tell_transfer(query, sent);
                });
            }
        }
    }

    fn tell_transfer(&self, query: &Query<'_>, sent: Transferred) {
        let flags = sent.flags.with(Flags::QR);
        let seen = Seen {
            response: Some(Response { rcode: 0, flags }),
            request_size: answered_size(query, None),
            size: sent.size,
            kind: Kind::of_empty(0, query),
        };
        self.tell(query, &seen, None);
    }

    fn tell(&self, query: &Query<'_>, seen: &Seen, answer: Option<&Answer>) {
        let class = seen.kind.class();
        if !self.rule.classes.is_empty() && !self.rule.classes.contains(&class) {
            return;
        }
        let request = query.request;
        self.output.query(QueryLine {
            template: self.rule.template.clone(),
            time: (self.output.format() == Format::Json).then(jiff::Timestamp::now),
            client: request.client,
            local: request.local.ip(),
            proto: request.transport.proto(),
            id: request.id,
            opcode: request.opcode.0,
            name: SmallVec::from_slice(query.lower.as_bytes()),
            qtype: query.qtype.into(),
            qclass: query.qclass.into(),
            size: seen.request_size,
            dnssec_ok: query.dnssec_ok(),
            bufsize: query.size_limit(),
            response: seen.response,
            response_size: seen.size,
            response_type: seen.kind.word(),
            response_class: class.word(),
            duration: request.now.elapsed(),
            metadata: self.metadata(query, answer),
        });
    }

    /// The values of the metadata that the format asks for: what the answer carries, then what
    /// plugins know about the query.
    fn metadata(&self, query: &Query<'_>, answer: Option<&Answer>) -> Box<[Option<Arc<str>>]> {
        let labels = self.rule.template.metadata();
        let known = answer.and_then(|answer| answer.extra.as_ref());
        let known = known.map_or(&[][..], |extra| &extra.metadata);
        let value = |label: &str| {
            let found = known.iter().find(|(name, _)| *name == label);
            let found = found.map(|(_, value)| value.clone());
            found.or_else(|| query.metadata(label))
        };
        labels.iter().map(|label| value(label)).collect()
    }
}

#[cfg(test)]
mod tests;
