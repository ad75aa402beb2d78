//! Lesser things: what most Corefiles have, what is asked in another order than it is written, and
//! what CoreDNS would do differently.

use super::answers::{Answers, asked_zones};
use super::usage::{Block, Usage, rank};
use crate::corefile::Diagnostic;

/// `kubernetes` without `ready`.
pub(super) const MISSING_READY: &str = "missing-ready";
/// A forward to the machine's resolvers without `loop`.
pub(super) const MISSING_LOOP: &str = "missing-loop";
/// Directives that are asked in another order than they stand in.
pub(super) const ASKED_FIRST: &str = "asked-first";
/// What CoreDNS does differently.
pub(super) const COREDNS_DIFFERS: &str = "coredns-differs";

/// So many answering directives of a block are compared with each other.
const MOST_COMPARED: usize = 50;

/// Directives that CoreDNS takes differently.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "debug",
        "with it CoreDNS ends when a plugin panics; callsign answers SERVFAIL and goes on",
    ),
    (
        "pprof",
        "CoreDNS serves profiles in Go's form here; callsign serves its own",
    ),
    (
        "multisocket",
        "without it CoreDNS has one socket for each address; callsign has one for each processor",
    ),
];

/// Finds them in all blocks.
pub(super) fn find(blocks: &[Block<'_>], findings: &mut Vec<Diagnostic>) {
    findings.extend(missing_ready(blocks));
    for block in blocks {
        findings.extend(missing_loop(block));
        asked_first(block, findings);
        let rewrite = block.of_name("rewrite").next();
        findings.extend(rewrite.and_then(|rewrite| sees_rewritten(block, rewrite)));
        findings.extend(block.usages.iter().filter_map(differs));
    }
}

fn missing_ready(blocks: &[Block<'_>]) -> Option<Diagnostic> {
    let mut all = blocks.iter();
    if all.any(|block| block.has("ready")) {
        return None;
    }
    let kubernetes = blocks
        .iter()
        .find_map(|block| block.of_name("kubernetes").next())?;
    let message = "no 'ready': nothing tells the cluster when the names are there";
    Some(
        Diagnostic::hint(message)
            .rule(MISSING_READY)
            .at(kubernetes.place())
            .help("add 'ready', and a readiness probe of GET /ready on port 8181"),
    )
}

fn missing_loop(block: &Block<'_>) -> Option<Diagnostic> {
    if block.has("loop") {
        return None;
    }
    let names_file = |forward: &&Usage<'_>| {
        let mut upstreams = forward.args.iter().skip(1);
        upstreams.any(|word| word.text().starts_with('/'))
    };
    let forward = block.of_name("forward").find(names_file)?;
    let message = "no 'loop': an upstream that leads back to this server would go unnoticed";
    Some(
        Diagnostic::hint(message)
            .rule(MISSING_LOOP)
            .at(forward.place())
            .help("add 'loop' to the server block"),
    )
}

/// Where two directives could answer for the same names, the one that stands second in the file is
/// asked first, and keeps what it does not know to itself.
fn asked_first(block: &Block<'_>, findings: &mut Vec<Diagnostic>) {
    let answering = block.usages.iter().filter_map(|usage| {
        (usage.rank >= rank("template")).then_some(())?;
        Some((usage, Answers::of(usage, block)?))
    });
    let answering: Vec<(&Usage<'_>, Answers)> = answering.take(MOST_COMPARED).collect();
    for (index, (second, _)) in answering.iter().enumerate() {
        let zones = asked_zones(second, block).unwrap_or_default();
        let first = answering.iter().take(index).find(|(first, answers)| {
            let takes = |zone: &crate::name::Name| {
                let known = answers
                    .zones
                    .iter()
                    .any(|own| zone.view().is_in(own.view()));
                known && answers.passed.is_empty() && !answers.takes(zone.view())
            };
            first.name != second.name && stands_before(second, first) && zones.iter().any(takes)
        });
        if let Some((first, _)) = first {
            findings.push(order(second, first));
        }
    }
}

fn stands_before(one: &Usage<'_>, other: &Usage<'_>) -> bool {
    let (one, other) = (one.place(), other.place());
    one.is_same_file(other) && one.bytes().start < other.bytes().start
}

fn order(second: &Usage<'_>, first: &Usage<'_>) -> Diagnostic {
    let message = format!(
        "'{}' is asked before '{}', though it stands below it",
        first.name, second.name
    );
    Diagnostic::hint(message)
        .rule(ASKED_FIRST)
        .at(first.place())
        .note(
            second.place(),
            "this is asked second, for what the other passes on",
        )
        .help("the order of plugins is fixed, and that of lines does not count: see --explain")
}

/// `acl` above `rewrite` in the file.
fn sees_rewritten(block: &Block<'_>, rewrite: &Usage<'_>) -> Option<Diagnostic> {
    let acl = block
        .of_name("acl")
        .next()
        .filter(|acl| stands_before(acl, rewrite))?;
    Some(order(acl, rewrite).help("'acl' sees the name that 'rewrite' makes"))
}

fn differs(usage: &Usage<'_>) -> Option<Diagnostic> {
    let (_, what) = DIFFERENCES.iter().find(|(name, _)| *name == usage.name)?;
    let hint = Diagnostic::hint(*what).rule(COREDNS_DIFFERS);
    Some(hint.at(usage.place()))
}
