//! `autopath`: walks a client's search list for it.
#![doc = include_str!("../../docs/plugins/autopath.md")]

use std::sync::{Arc, OnceLock};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::setup::{PerServer, Setup, SetupError};
use crate::answer::{Answer, Body, RdataRef, RecordRef, RecordsBuilder, Section};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply, Rest};
use crate::metrics::{Counter, Desc, Registry};
use crate::name::{Name, NameRef};
use crate::query::{OwnedQuery, Query, Step};

pub(super) mod search_list;

/// The directive's name.
const NAME: &str = "autopath";
const SUCCESS: Desc = Desc {
    name: "coredns_autopath_success_total",
    help: "Counter of requests that did autopath.",
};

/// A plugin that knows the search lists of clients.
pub(super) trait SearchPath: Send + Sync {
    /// The domains that the client appends to names, in their order; empty where nobody knows.
    fn search_path(&self, query: &Query<'_>) -> Vec<Name>;
}

/// Where the search lists of `@PLUGIN` are put when the block is set up; never filled where the
/// block has no such plugin.
struct Wanted {
    plugin: String,
    path: OnceLock<Arc<dyn SearchPath>>,
}

/// The plugins that know search lists.
const PLUGINS: [&str; 2] = ["kubernetes", "erratic"];

/// Gives the search lists that a plugin knows to the `autopath` of its block, if that names it.
pub(super) fn offer(setup: &Setup<'_>, plugin: &str, path: &Arc<dyn SearchPath>) {
    let block = setup.shared.block;
    let exports = setup.shared.exports.iter();
    let of_block = exports.filter(|(number, _)| *number == block);
    let wanted = of_block.filter_map(|(_, export)| (**export).downcast_ref::<Wanted>());
    for wanted in wanted.filter(|wanted| wanted.plugin == plugin) {
        // The first one counts; a block has one plugin of a name.
        let _ = wanted.path.set(path.clone());
    }
}

/// Reads `autopath [ZONES...] FILE|@PLUGIN`.
///
/// # Errors
/// There is neither; the file cannot be read; the plugin knows no search lists.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let (mut zones, mut search, mut wanted) = (Vec::new(), Vec::new(), None);
    let directive = setup.directive;
    let mut cursor = directive.cursor();
    // As in CoreDNS, the last of several counts, but for a plugin, which always does.
    while cursor.next_token().is_some() {
        let arguments = cursor.remaining_args();
        let Some((source, names)) = arguments.split_last() else {
            let error = cursor.err("no resolv-conf specified");
            return Err(error.help("write a file, or where the cluster is known @kubernetes"));
        };
        match source.text().strip_prefix('@') {
            Some(plugin) => wanted = Some((plugin, *source)),
            None => search = search_list::of_file(setup.environment, source)?,
        }
        zones = setup.zones(names);
    }
    let source = match wanted {
        None => Source::Fixed(search),
        Some((plugin, word)) => {
            check(setup, plugin, word)?;
            let wanted = Arc::new(Wanted {
                plugin: plugin.to_owned(),
                path: OnceLock::new(),
            });
            let block = setup.shared.block;
            setup.shared.exports.push((block, wanted.clone()));
            Source::Plugin(wanted)
        }
    };
    let place = directive.tokens().first();
    let place = place.map(|word| word.place().to_string());
    setup.push(AutoPath {
        zones,
        source,
        state: Arc::new(State {
            metrics: setup.shared.metrics.clone(),
            success: PerServer::default(),
            place: place.unwrap_or_default().into(),
        }),
    });
    Ok(())
}

/// Whether a plugin knows search lists. One that is not in the block is nobody to ask, as in
/// CoreDNS; `check` warns of that.
fn check(setup: &Setup<'_>, plugin: &str, word: &crate::corefile::Token) -> Result<(), SetupError> {
    if PLUGINS.contains(&plugin) || setup.source.directive(plugin).is_none() {
        return Ok(());
    }
    let message = format!("{plugin} does not implement the AutoPather interface");
    Err(word.err(message).help("write @kubernetes, or a file"))
}

/// Where search lists come from.
enum Source {
    Fixed(Vec<Name>),
    Plugin(Arc<Wanted>),
}

/// See the module.
struct AutoPath {
    zones: Vec<Name>,
    source: Source,
    state: Arc<State>,
}

struct State {
    metrics: Arc<Registry>,
    success: PerServer<Counter>,
    /// The directive's place, for traces.
    place: Arc<str>,
}

/// A search list on its way: what was asked last, and what is to be asked.
struct Walk {
    state: Arc<State>,
    /// The labels in front of the first domain.
    base: Box<[u8]>,
    search: std::vec::IntoIter<Name>,
    /// The name that is asked now.
    name: Name,
    /// What came of the first name.
    first: Option<Outcome>,
}

impl Plugin for AutoPath {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let within = |zone: &Name| query.lower.is_in(zone.view());
        if !self.zones.iter().any(within) {
            return next.serve(query);
        }
        let search = match &self.source {
            Source::Fixed(search) => search.clone(),
            Source::Plugin(wanted) => match wanted.path.get() {
                Some(path) => path.search_path(query),
                None => Vec::new(),
            },
        };
        let Some(first) = search.first() else {
            return next.serve(query);
        };
        let Some(head) = query.lower.strip_zone(first.view()) else {
            return next.serve(query);
        };
        let base: Box<[u8]> = query
            .name
            .as_bytes()
            .get(..head.len())
            .unwrap_or_default()
            .into();
        if base.is_empty() && !first.view().is_root() {
            // As in CoreDNS, there is no answer for the search domain itself.
            let name = query.name;
            let error = format!("trimzone: overshot qname: {name} for zone {first}");
            return Failure::new(NAME, ResponseCode::ServFail, error).into();
        }
        let walk = Walk {
            state: self.state.clone(),
            base,
            search: search.into_iter(),
            name: Name::root(),
            first: None,
        };
        walk.start(query, next)
    }
}

impl Walk {
    /// Asks name after name for as long as nobody waits.
    fn start(mut self, query: &Query<'_>, next: Next<'_>) -> Reply {
        while self.step() {
            let lower = self.name.view().to_lower();
            let asked = query.with_question(self.name.view(), lower.view(), query.qtype);
            let outcome = match next.serve(&asked) {
                Reply::Now(outcome) => outcome,
                later @ Reply::Later(_) => {
                    let going = self.go_on(later, query.to_owned(), next.detach());
                    return Reply::later(going);
                }
            };
            if let Some(found) = self.take(query, outcome) {
                return found.into();
            }
        }
        self.finish().into()
    }

    /// The same, with waiting.
    async fn go_on(mut self, mut reply: Reply, query: OwnedQuery, rest: Rest) -> Outcome {
        loop {
            let outcome = reply.await;
            let view = query.view();
            if let Some(found) = self.take(&view, outcome) {
                return found;
            }
            if !self.step() {
                return self.finish();
            }
            let lower = self.name.view().to_lower();
            reply = rest.serve(&view.with_question(self.name.view(), lower.view(), view.qtype));
        }
    }

    /// Goes to the next name that is one; false where there is none.
    fn step(&mut self) -> bool {
        for domain in self.search.by_ref() {
            let wire = [&*self.base, domain.view().as_bytes()].concat();
            if let Ok(name) = NameRef::parse(&wire) {
                self.name = name.to_name();
                return true;
            }
        }
        false
    }

    /// What came of the name: the answer for the client, or nothing if the next name is to be
    /// asked.
    fn take(&mut self, query: &Query<'_>, outcome: Outcome) -> Option<Outcome> {
        let (name, lower) = (self.name.view(), self.name.view().to_lower());
        let asked = query.with_question(name, lower.view(), query.qtype);
        match outcome {
            Outcome::Answer(answer) if answer.rcode != ResponseCode::NXDomain => {
                self.state.found(query, name);
                let answer = answer.settle(&asked);
                Some(Outcome::Answer(led_by_alias(answer, query)))
            }
            // What went wrong ends the walk; a refusal does not.
            Outcome::Failed(failure) if failure.error.is_some() => Some(Outcome::Failed(failure)),
            other => {
                let settled = match other {
                    Outcome::Answer(answer) => Outcome::Answer(answer.settle(&asked)),
                    other => other,
                };
                self.first.get_or_insert(settled);
                None
            }
        }
    }

    /// All failed: what came of the first name.
    fn finish(self) -> Outcome {
        self.first.unwrap_or(Outcome::Drop)
    }
}

impl State {
    fn found(&self, query: &Query<'_>, name: NameRef<'_>) {
        query.note(|| Step {
            plugin: NAME,
            what: format!("found as {name}"),
            place: Some(self.place.clone()),
        });
        let make = || {
            let labels = [("server", &*query.server.label)];
            self.metrics.counter(SUCCESS, &labels)
        };
        if let Some(counter) = self.success.get(query.server, make) {
            counter.inc();
        }
    }
}

/// The answer with an alias in front, from the name that was asked to the first other name in the
/// answer section; the same where there is none.
fn led_by_alias(mut answer: Answer, query: &Query<'_>) -> Answer {
    let mut other: Option<(Vec<u8>, u32)> = None;
    answer.each(query, &mut |record| {
        let owner = record.owner.to_name();
        let is_other = record.section == Section::Answer
            && other.is_none()
            && !owner.view().eq_ignore_case(query.name);
        if is_other {
            other = Some((owner.view().as_bytes().to_vec(), record.ttl));
        }
    });
    let Some((target, ttl)) = other else {
        return answer;
    };
    let mut builder = RecordsBuilder::default();
    builder.push(&RecordRef {
        section: Section::Answer,
        owner: query.name.into(),
        rtype: RecordType::CNAME,
        class: hickory_proto::rr::DNSClass::IN,
        ttl,
        rdata: RdataRef::Other(&target),
    });
    answer.each(query, &mut |record| builder.push(&record));
    answer.body = Body::Records(Arc::new(builder.finish()));
    answer
}

#[cfg(test)]
mod tests;
