//! `loadbalance`: the addresses of an answer, each time in another order.
#![doc = include_str!("../../docs/plugins/loadbalance.md")]

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use ipnet::IpNet;

use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Body, Order};
use crate::chain::{Next, Outcome, Plugin, Reply};
use crate::query::Query;

mod prefer;

/// The directive's name.
const NAME: &str = "loadbalance";

/// The plugin, with the networks whose addresses come first.
pub struct LoadBalance(Arc<Vec<IpNet>>);

/// Reads `loadbalance [round_robin]` and its option `prefer CIDR...`.
///
/// # Errors
/// Another policy than `round_robin` (callsign does not have `weighted` yet), an unknown option, or a
/// word that is no network.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let mut cursor = setup.directive.cursor();
    let mut preferred = Vec::new();
    while cursor.next_token().is_some() {
        let arguments = cursor.remaining_args();
        match arguments.as_slice() {
            [] => {}
            [policy] if policy.text() == "round_robin" => {}
            [policy, ..] if policy.text() == "round_robin" => {
                return Err(cursor.err("unknown property for round_robin"));
            }
            [policy, ..] if policy.text() == "weighted" => {
                return Err(not_yet(
                    policy.err("callsign does not have the policy 'weighted'"),
                ));
            }
            [policy, ..] => {
                return Err(policy
                    .err(format!("unknown policy: {}", policy.text()))
                    .expected("round_robin", format_args!("'{}'", policy.text())));
            }
        }
        while let Some(option) = cursor.next_block() {
            if option.text() != "prefer" {
                return Err(cursor.unknown_property(&["prefer"]));
            }
            for network in cursor.remaining_args() {
                preferred.push(prefer::network(network)?);
            }
        }
    }
    setup.push(LoadBalance(Arc::new(preferred)));
    Ok(())
}

fn not_yet(error: SetupError) -> SetupError {
    error.help("it is to come; until then write loadbalance alone, or stay with CoreDNS")
}

impl Plugin for LoadBalance {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        next.serve(query)
            .edit(&self.0, query, |preferred, query, outcome| {
                if let Outcome::Answer(answer) = outcome {
                    shuffle(query, answer, preferred);
                }
            })
    }
}

fn shuffle(query: &Query<'_>, answer: &mut Answer, preferred: &[IpNet]) {
    let transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
    if answer.rcode != ResponseCode::NoError || transfer || is_single(answer) {
        return;
    }
    // The thread's own generator, which the system seeded: no lock, and no order that a client
    // could foresee.
    answer.order = Order::Shuffled(rand::random());
    if !preferred.is_empty() {
        prefer::reorder(query, answer, preferred);
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
