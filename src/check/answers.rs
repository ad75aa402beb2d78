//! Which names a directive answers for without asking what follows it in the chain.

use super::usage::{Block, Usage, zones};
use crate::name::{Name, NameRef};

/// What a directive answers, as far as its words tell.
pub(super) struct Answers {
    /// Names at or below these.
    pub(super) zones: Vec<Name>,
    /// But not those at or below these: they are passed on.
    pub(super) passed: Vec<Name>,
    /// For which types.
    pub(super) types: Types,
    /// Whether another directive of the same plugin may be asked all the same.
    pub(super) goes_on: bool,
}

/// The types that are answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Types {
    All,
    /// All, but what is asked about addresses is passed on where nothing is known (`hosts`).
    AllButReverse,
    Some,
}

impl Answers {
    /// What this directive answers; `None` where it answers nothing of its own, or where its words
    /// do not tell.
    pub(super) fn of(usage: &Usage<'_>, block: &Block<'_>) -> Option<Self> {
        let mut answers = Self {
            zones: asked_zones(usage, block)?,
            passed: Vec::new(),
            types: Types::All,
            goes_on: false,
        };
        match usage.name {
            "whoami" | "erratic" => {}
            "hosts" => {
                answers.types = Types::AllButReverse;
                answers.passed = fallthrough(usage);
            }
            "kubernetes" | "k8s_external" | "file" | "secondary" | "etcd" | "grpc" => {
                answers.passed = fallthrough(usage);
            }
            "forward" => {
                let except = usage.options("except");
                answers.passed = except.flat_map(|line| zones(&line.args)).collect();
                answers.goes_on = usage.has("next") || usage.has("next_on_nodata");
            }
            "template" => {
                answers.types = template_types(usage);
                // Where a pattern matches it answers, whatever falls through.
                if usage.has("match") {
                    answers.passed = fallthrough(usage);
                }
            }
            _ => return None,
        }
        Some(answers)
    }

    /// Whether every question for the names of `zone` ends here.
    pub(super) fn takes(&self, zone: NameRef<'_>) -> bool {
        let is_taken = match self.types {
            Types::All => true,
            Types::AllButReverse => !is_reverse(zone),
            Types::Some => false,
        };
        let is_passed = |passed: &Name| passed.view().is_in(zone) || zone.is_in(passed.view());
        is_taken
            && self.zones.iter().any(|own| zone.is_in(own.view()))
            && !self.passed.iter().any(is_passed)
    }
}

/// The zones for which a directive is asked: those of its words, or else its block's. `None` where
/// it is no plugin that is for zones.
pub(super) fn asked_zones(usage: &Usage<'_>, block: &Block<'_>) -> Option<Vec<Name>> {
    let named = usage.named.as_ref()?.iter().flat_map(|named| &named.zones);
    let named: Vec<Name> = named.cloned().collect();
    Some(if named.is_empty() {
        block.zones.clone()
    } else {
        named
    })
}

/// The names that an option `fallthrough` passes on.
fn fallthrough(usage: &Usage<'_>) -> Vec<Name> {
    let lines = usage.options("fallthrough");
    lines
        .flat_map(|line| match line.args.is_empty() {
            true => vec![Name::root()],
            false => zones(&line.args),
        })
        .collect()
}

/// The types of `template CLASS TYPE`.
fn template_types(usage: &Usage<'_>) -> Types {
    let is_word = |index: usize, words: &[&str]| {
        let arg = usage.args.get(index);
        arg.is_some_and(|arg| {
            words
                .iter()
                .any(|word| arg.text().eq_ignore_ascii_case(word))
        })
    };
    match is_word(0, &["IN", "ANY"]) && is_word(1, &["ANY"]) {
        true => Types::All,
        false => Types::Some,
    }
}

/// Whether all names of the zone are those of addresses.
pub(super) fn is_reverse(zone: NameRef<'_>) -> bool {
    ["in-addr.arpa.", "ip6.arpa."]
        .iter()
        .any(|reverse| Name::from_text(reverse).is_ok_and(|reverse| zone.is_in(reverse.view())))
}
