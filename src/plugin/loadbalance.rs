//! `loadbalance`: the addresses of an answer, each time in another order.
#![doc = include_str!("../../docs/plugins/loadbalance.md")]

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use ipnet::IpNet;

use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Body, Order};
use crate::chain::{Outcome, Plugin};
use crate::query::Query;

mod prefer;
mod weighted;

use weighted::Weights;

/// The directive's name.
const NAME: &str = "loadbalance";

/// See the module.
pub struct LoadBalance(Policy);

#[derive(Default)]
struct Policy {
    /// The networks whose addresses come first.
    preferred: Vec<IpNet>,
    /// In place of an even shuffle.
    weights: Option<Arc<Weights>>,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["prefer", "reload"];

/// Reads `loadbalance [round_robin]` and its option `prefer CIDR...`, or `loadbalance weighted FILE`
/// and its option `reload DURATION`.
///
/// # Errors
/// Another policy, an unknown option, a word that is no network, or a wrong file.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    let mut policy = Policy::default();
    while cursor.next_token().is_some() {
        let arguments = cursor.remaining_args();
        match arguments.as_slice() {
            [] => policy.weights = None,
            [name] if name.text() == "round_robin" => policy.weights = None,
            [name, ..] if name.text() == "round_robin" => {
                return Err(cursor.err("unknown property for round_robin"));
            }
            [name, _, more, ..] if name.text() == "weighted" => {
                return Err(more.err("unexpected argument(s)"));
            }
            [name, file @ ..] if name.text() == "weighted" => {
                let file = file.first().copied();
                let weights = weighted::setup(name, file, &mut cursor, setup)?;
                // As in CoreDNS: what other directives prefer is forgotten.
                policy = Policy {
                    weights: Some(weights),
                    ..Policy::default()
                };
            }
            [name, ..] => {
                return Err(name
                    .err(format!("unknown policy: {}", name.text()))
                    .expected("round_robin or weighted", format_args!("'{}'", name.text())));
            }
        }
        while let Some(option) = cursor.next_block() {
            if option.text() != "prefer" {
                return Err(cursor.unknown_property(&["prefer"]));
            }
            for network in cursor.remaining_args() {
                policy.preferred.push(prefer::network(network)?);
            }
        }
    }
    setup.push(LoadBalance(policy));
    Ok(())
}

impl Plugin for LoadBalance {
    fn name(&self) -> &'static str {
        NAME
    }

    fn edits(&self) -> bool {
        true
    }

    fn edit(&self, query: &Query<'_>, outcome: &mut Outcome) {
        if let Outcome::Answer(answer) = outcome {
            shuffle(query, answer, &self.0);
        }
    }
}

fn shuffle(query: &Query<'_>, answer: &mut Answer, policy: &Policy) {
    let transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
    if answer.rcode != ResponseCode::NoError || transfer || is_single(answer) {
        return;
    }
    if let Some(weights) = &policy.weights {
        weighted::reorder(query, answer, weights);
    } else {
        // The thread's own generator, which the system seeded: no lock, and no order that a client
        // could foresee.
        answer.order = Order::Shuffled(rand::random());
    }
    if !policy.preferred.is_empty() {
        prefer::reorder(query, answer, &policy.preferred);
    }
}

/// Whether there is one record at most, as in most answers; those need no seed.
fn is_single(answer: &Answer) -> bool {
    match &answer.body {
        Body::Sets(sets) => match sets.as_slice() {
            [] => true,
            [set] => set.data.len() < 2,
            _ => false,
        },
        Body::Records(records) => records.len() < 2,
    }
}

#[cfg(test)]
mod tests;
