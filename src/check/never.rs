//! Directives that no question comes to, since one above them in the chain answers it.

use super::answers::{Answers, Types, asked_zones};
use super::usage::{Block, Usage, rank, written};
use crate::corefile::Diagnostic;
use crate::name::{Name, ZoneMap};

/// A directive that is never asked, or not for some of its zones.
pub(super) const NEVER_RUNS: &str = "never-runs";
/// A `forward` behind a broader one.
pub(super) const SHADOWED_FORWARD: &str = "shadowed-forward";

/// So many directives for the very same zone are compared with those below them.
const MOST_OF_A_ZONE: usize = 32;

/// What a directive above answers.
struct Above<'b, 'c> {
    usage: &'b Usage<'c>,
    answers: Answers,
}

/// Finds them in one block.
pub(super) fn find(block: &Block<'_>, findings: &mut Vec<Diagnostic>) {
    let mut above: Vec<Above<'_, '_>> = Vec::new();
    // By zone, so that a block of thousands of directives is not compared pair by pair.
    let mut by_zone: ZoneMap<Vec<usize>> = ZoneMap::default();
    for usage in &block.usages {
        let Some(zones) = effective_zones(usage, block) else {
            continue;
        };
        let taken: Vec<(&Name, &Above<'_, '_>)> = zones
            .iter()
            .filter_map(|zone| {
                let indexes = by_zone.above(zone.view()).flatten();
                let indexes = indexes.filter_map(|index| above.get(*index));
                let mut taking = indexes.filter(|above| {
                    is_asked_after(usage, above) && above.answers.takes(zone.view())
                });
                taking.next().map(|above| (zone, above))
            })
            .collect();
        if let Some((_, first)) = taken.first()
            && taken.len() == zones.len()
        {
            findings.push(never(usage, first));
        } else {
            let parts = taken
                .iter()
                .map(|(zone, above)| not_for(usage, zone, above));
            findings.extend(parts);
        }
        if let Some(answers) = Answers::of(usage, block) {
            for zone in &answers.zones {
                let same = by_zone.or_default(zone.clone());
                if same.len() < MOST_OF_A_ZONE {
                    same.push(above.len());
                }
            }
            above.push(Above { usage, answers });
        }
    }
}

/// Whether the directive is asked only for what the one above passes on. Several of one plugin are
/// asked in turn where they are `forward` or `template`; those of others are one.
fn is_asked_after(usage: &Usage<'_>, above: &Above<'_, '_>) -> bool {
    if usage.name != above.usage.name {
        return true;
    }
    matches!(usage.name, "forward" | "template") && !above.answers.goes_on
}

/// The zones for which questions can come to the directive in this block.
fn effective_zones(usage: &Usage<'_>, block: &Block<'_>) -> Option<Vec<Name>> {
    // The cache and the like stand above all that answers.
    if usage.rank < rank("template") {
        return None;
    }
    let asked = asked_zones(usage, block)?;
    let mut zones: Vec<Name> = Vec::new();
    for zone in asked {
        let is_below = |own: &Name| zone.view().is_in(own.view());
        if block.zones.iter().any(is_below) {
            zones.push(zone);
        } else {
            let own = block.zones.iter();
            zones.extend(own.filter(|own| own.view().is_in(zone.view())).cloned());
        }
    }
    (!zones.is_empty()).then_some(zones)
}

fn never(usage: &Usage<'_>, above: &Above<'_, '_>) -> Diagnostic {
    let (name, other) = (usage.name, above.usage.name);
    let note = match above.answers.types {
        Types::AllButReverse => "this answers all its names but those of reverse lookups",
        _ => "this answers all of them",
    };
    let (message, rule) = match name == other {
        true => (
            format!(
                "this '{name}' is never asked: the one before it takes all names of '{}'",
                usage.args.first().map_or(".", |from| from.text())
            ),
            match name {
                "forward" => SHADOWED_FORWARD,
                _ => NEVER_RUNS,
            },
        ),
        false => (
            format!("'{name}' never runs: '{other}' is asked before it and passes nothing on"),
            NEVER_RUNS,
        ),
    };
    Diagnostic::warning(message)
        .rule(rule)
        .at(usage.place())
        .note(above.usage.place(), note)
        .help(help(usage, above))
}

fn not_for(usage: &Usage<'_>, zone: &Name, above: &Above<'_, '_>) -> Diagnostic {
    let (name, other) = (usage.name, above.usage.name);
    let message = format!(
        "'{name}' is never asked for '{}': '{other}' is asked before it and passes nothing on",
        written(&zone.to_string())
    );
    let named = usage.args.iter().find(|word| {
        let zones = word.zones().unwrap_or_default();
        zones
            .iter()
            .any(|named| Name::from_text(named).as_ref() == Ok(zone))
    });
    Diagnostic::warning(message)
        .rule(NEVER_RUNS)
        .at(named.map_or_else(|| usage.place(), |word| word.place()))
        .note(above.usage.place(), "this answers for it")
        .help(help(usage, above))
}

/// What to do about it.
fn help(usage: &Usage<'_>, above: &Above<'_, '_>) -> String {
    let (name, other) = (usage.name, above.usage.name);
    let fix = match other {
        "forward" if name == other => return "put the narrower one first".to_owned(),
        "template" if name == other => {
            return "put the narrower one first, or give the other a 'match' and 'fallthrough'"
                .to_owned();
        }
        "hosts" | "kubernetes" | "k8s_external" | "file" | "secondary" | "etcd" | "grpc" => {
            format!("write 'fallthrough' in the block of '{other}'")
        }
        "template" => "give the template a zone of its own, or a 'match' and 'fallthrough'".into(),
        _ => format!("take '{name}' out, or give it a server block of its own"),
    };
    let (own, other) = (usage.place(), above.usage.place());
    match own.is_same_file(other) && own.line() < other.line() {
        true => format!("{fix}; the order of lines in the file does not count"),
        false => fix,
    }
}
