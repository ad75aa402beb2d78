//! What is legal in a Corefile, and yet not what its writer can have meant.
//!
//! The language's own errors are found by [`crate::corefile`], those of each directive by its
//! plugin's setup. This is about directives together: which of them are ever asked, and for what.
//! It reads the tree and asks no plugin, so that it also knows what those do that are not built in.
//!
//! ```text
//! Corefile ── usage ──> blocks, in the chain's order ──┬─ never:    what an earlier plugin answers
//!                                                      ├─ reach:    what no question comes to
//!                                                      ├─ upstream: who would ask himself
//!                                                      ├─ pairs:    what lacks its other half
//!                                                      ├─ words:    what is read as something else
//!                                                      ├─ interface: what this machine does not have
//!                                                      └─ hint:     the lesser things
//! ```
//!
//! [`crate::app::examine`] puts all of it together.

mod answers;
pub mod configmap;
mod elsewhere;
mod explain;
mod hint;
mod interface;
mod never;
mod pairs;
mod reach;
mod upstream;
mod usage;
mod words;

pub use elsewhere::Elsewhere;
pub use explain::{Explanation, Step, explain};
pub use usage::CHAIN;

use crate::corefile::{Corefile, Diagnostic, Environment};
use usage::Block;

/// The kinds of findings by their names, each in a sentence.
pub const RULES: &[(&str, &str)] = &[
    ("error", "The Corefile cannot be served."),
    (
        "warning",
        "The Corefile can be served, and may not mean what its writer thinks.",
    ),
    (
        never::NEVER_RUNS,
        "A plugin above this one in the chain answers all questions that it could.",
    ),
    (
        never::SHADOWED_FORWARD,
        "A forward above this one takes all names that it is for.",
    ),
    (
        reach::UNREACHED_ZONE,
        "No question for this zone comes to its server block.",
    ),
    (
        reach::UNREACHED_BLOCK,
        "No question comes to this server block.",
    ),
    (
        reach::ANSWERS_NOTHING,
        "No plugin of this server block has an answer to anything.",
    ),
    (
        upstream::UPSTREAM_IS_SELF,
        "An upstream is this server itself.",
    ),
    (
        upstream::LOOPBACK_UPSTREAM,
        "An upstream is a resolver of the machine, which a pod cannot reach.",
    ),
    (
        pairs::NOT_ENCRYPTED,
        "A key promises encryption, and its block has none.",
    ),
    (
        pairs::AUTOPATH_BLIND,
        "autopath does not learn where a question comes from.",
    ),
    (
        words::MISREAD_WORD,
        "A word is read as something else than it looks like.",
    ),
    (elsewhere::MISSING_FILE, "A file is not on this machine."),
    (
        interface::MISSING_INTERFACE,
        "An interface is not on this machine.",
    ),
    ("unset-variable", "An environment variable is not set."),
    ("import-nothing", "An import matches no file."),
    (
        hint::MISSING_READY,
        "Nothing tells the cluster when the names are there.",
    ),
    (
        hint::MISSING_LOOP,
        "Nothing would tell of a forwarding loop.",
    ),
    (
        hint::ASKED_FIRST,
        "Plugins are asked in another order than they stand in.",
    ),
    (hint::COREDNS_DIFFERS, "CoreDNS does this differently."),
];

/// Finds what is legal and wrong (warnings), and what is worth to be known (hints), in the order
/// of the file. `dns_port` is that of keys that name none.
#[must_use]
pub fn findings(
    corefile: &Corefile,
    dns_port: u16,
    environment: &dyn Environment,
) -> Vec<Diagnostic> {
    let blocks = Block::all(corefile);
    let mut findings = Vec::new();
    for block in &blocks {
        never::find(block, &mut findings);
        pairs::find(block, &mut findings);
        words::find(block, &mut findings);
        interface::find(block, environment, &mut findings);
        upstream::find(block, dns_port, environment, &mut findings);
    }
    reach::find(&blocks, dns_port, &mut findings);
    hint::find(&blocks, &mut findings);
    findings
}

#[cfg(test)]
mod tests;
