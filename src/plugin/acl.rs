//! `acl`: refuses, empties or drops questions by who asks, for what names and for what types.
#![doc = include_str!("../../docs/plugins/acl.md")]

use std::sync::{Arc, OnceLock};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::setup::{PerServer, Setup, SetupError};
use crate::answer::{Answer, ExtendedError, Origin};
use crate::chain::{Next, Outcome, Plugin, Reply};
use crate::metrics::{Counter, Desc, Registry};
use crate::name::ZoneList;
use crate::query::{Query, Step};

use networks::Networks;

mod networks;
mod parse;

/// The directive's name.
const NAME: &str = "acl";
const BLOCKED: Desc = Desc {
    name: "coredns_acl_blocked_requests_total",
    help: "Counter of DNS requests being blocked.",
};
const FILTERED: Desc = Desc {
    name: "coredns_acl_filtered_requests_total",
    help: "Counter of DNS requests being filtered.",
};
const DROPPED: Desc = Desc {
    name: "coredns_acl_dropped_requests_total",
    help: "Counter of DNS requests being dropped.",
};
const ALLOWED: Desc = Desc {
    name: "coredns_acl_allowed_requests_total",
    help: "Counter of DNS requests being allowed.",
};

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["allow", "block", "filter", "drop"];

/// Reads `acl [ZONES...] { ACTION [type TYPE...] [net NETWORK...] }`, any number of times.
///
/// # Errors
/// Actions, types and networks that are none.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let rules = parse::rules(setup)?;
    setup.push(Acl {
        rules,
        view: setup.block.view.clone(),
        metrics: setup.shared.metrics.clone(),
        counters: PerServer::default(),
    });
    Ok(())
}

/// One directive: policies for some names.
#[derive(Debug)]
struct Rule {
    zones: ZoneList<()>,
    policies: Vec<Policy>,
}

/// What is done with the questions of some clients for some types.
#[derive(Debug)]
struct Policy {
    action: Action,
    /// `None` is all types.
    types: Option<Vec<RecordType>>,
    sources: Networks,
    /// Where it stands, for traces.
    place: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Allow,
    /// REFUSED.
    Block,
    /// An empty answer.
    Filter,
    /// Silence.
    Drop,
}

/// See the module.
struct Acl {
    rules: Vec<Rule>,
    view: Arc<str>,
    metrics: Arc<Registry>,
    counters: PerServer<Counters>,
}

/// The counts of one listener.
struct Counters {
    allowed: OnceLock<Counter>,
    /// For each rule and each of its zones.
    refused: Vec<Vec<Refused>>,
}

/// Blocked, filtered, dropped.
type Refused = [OnceLock<Counter>; 3];

/// A policy that takes a question, by the numbers of its rule and of the rule's zone.
struct Taken<'a> {
    policy: &'a Policy,
    rule: usize,
    zone: usize,
}

impl Plugin for Acl {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let taken = self.find(query);
        if let Some(taken) = &taken {
            query.note(|| taken.policy.step());
        }
        match taken.filter(|taken| taken.policy.action != Action::Allow) {
            None => {
                self.count_allowed(query);
                next.serve(query)
            }
            Some(taken) => {
                self.count_refused(query, &taken);
                taken.policy.action.answer(query)
            }
        }
    }
}

impl Acl {
    /// The first policy that takes the question.
    #[inline]
    fn find(&self, query: &Query<'_>) -> Option<Taken<'_>> {
        self.rules.iter().enumerate().find_map(|(at, rule)| {
            // Of the zones that the name is in the longest is the one that is counted.
            let zone = rule.zones.place(query.lower)?;
            let takes = |policy: &&Policy| policy.takes(query);
            let policy = rule.policies.iter().find(takes)?;
            Some(Taken {
                policy,
                rule: at,
                zone,
            })
        })
    }

    fn counters(&self, query: &Query<'_>) -> Option<&Counters> {
        let make = || {
            let zones = |rule: &Rule| rule.zones.iter().map(|_| Default::default()).collect();
            Counters {
                allowed: OnceLock::new(),
                refused: self.rules.iter().map(zones).collect(),
            }
        };
        self.counters.get(query.server, make)
    }

    #[inline]
    fn count_allowed(&self, query: &Query<'_>) {
        let make = || {
            let labels = [("server", &*query.server.label), ("view", &*self.view)];
            self.metrics.counter(ALLOWED, &labels)
        };
        if let Some(counters) = self.counters(query) {
            counters.allowed.get_or_init(make).inc();
        }
    }

    fn count_refused(&self, query: &Query<'_>, taken: &Taken<'_>) {
        let (at, desc) = match taken.policy.action {
            Action::Allow | Action::Block => (0, BLOCKED),
            Action::Filter => (1, FILTERED),
            Action::Drop => (2, DROPPED),
        };
        let counter = self.counters(query).and_then(|counters| {
            let of_zone = counters.refused.get(taken.rule)?.get(taken.zone)?;
            of_zone.get(at)
        });
        let zone = self.rules.get(taken.rule);
        let zone = zone.and_then(|rule| rule.zones.at(taken.zone));
        if let (Some(counter), Some((zone, ()))) = (counter, zone) {
            let make = || {
                let zone = zone.to_string();
                let (server, view) = (&*query.server.label, &*self.view);
                let labels = [("server", server), ("zone", &zone), ("view", view)];
                self.metrics.counter(desc, &labels)
            };
            counter.get_or_init(make).inc();
        }
    }
}

impl Policy {
    #[inline]
    fn takes(&self, query: &Query<'_>) -> bool {
        let of_type = self
            .types
            .as_ref()
            .is_none_or(|types| types.contains(&query.qtype));
        of_type && self.sources.contain(query.request.client.ip())
    }

    fn step(&self) -> Step {
        let what = match self.action {
            Action::Allow => "allowed",
            Action::Block => "blocked",
            Action::Filter => "filtered",
            Action::Drop => "dropped",
        };
        Step {
            plugin: NAME,
            what: what.to_owned(),
            place: Some(self.place.clone()),
        }
    }
}

impl Action {
    /// The reply to a question that is not allowed.
    fn answer(self, query: &Query<'_>) -> Reply {
        let (rcode, code) = match self {
            Self::Drop => return Outcome::Drop.into(),
            Self::Filter => (ResponseCode::NoError, ExtendedError::FILTERED),
            Self::Allow | Self::Block => (ResponseCode::Refused, ExtendedError::BLOCKED),
        };
        let mut answer = Answer::new(query, NAME, Origin::Local).with_rcode(rcode);
        answer.bring_error(ExtendedError {
            code,
            text: String::new(),
        });
        answer.into()
    }
}

#[cfg(test)]
mod tests;
