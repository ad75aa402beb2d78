//! Directives that do nothing, or the wrong thing, without another one.

use super::usage::{Block, Usage};
use crate::corefile::{Diagnostic, Transport};

/// A key that promises encryption, in a block that has none.
pub(super) const NOT_ENCRYPTED: &str = "not-encrypted";
/// `autopath` that does not learn where a question comes from.
pub(super) const AUTOPATH_BLIND: &str = "autopath-blind";

/// Finds them in one block.
pub(super) fn find(block: &Block<'_>, findings: &mut Vec<Diagnostic>) {
    findings.extend(not_encrypted(block));
    let autopath = block.of_name("autopath").next();
    findings.extend(autopath.and_then(|autopath| autopath_blind(block, autopath)));
}

fn not_encrypted(block: &Block<'_>) -> Option<Diagnostic> {
    if block.has("tls") {
        return None;
    }
    let mut keys = block.source.keys().iter();
    let key = keys.find(|key| key.transport != Transport::Dns)?;
    let message = format!(
        "'{}' is served without encryption: no 'tls' says how",
        key.text
    );
    Some(
        Diagnostic::warning(message)
            .rule(NOT_ENCRYPTED)
            .at(&key.place)
            .help("add tls CERTIFICATE KEY to the server block"),
    )
}

/// A client's namespace is that of its pod, which `kubernetes` knows by `pods verified` alone.
fn autopath_blind(block: &Block<'_>, autopath: &Usage<'_>) -> Option<Diagnostic> {
    let source = autopath.args.last()?;
    let plugin = source.text().strip_prefix('@')?;
    let finding = |message: &str| {
        let message = format!("'autopath' does nothing: {message}");
        let finding = Diagnostic::warning(message).rule(AUTOPATH_BLIND);
        finding.at(source.place())
    };
    let Some(asked) = block.of_name(plugin).next() else {
        let finding = finding(&format!("this server block has no '{plugin}'"));
        return Some(finding.help(match plugin {
            "kubernetes" => "add kubernetes, with pods verified".to_owned(),
            _ => format!("add {plugin}, or write a file or @kubernetes"),
        }));
    };
    let mut pods = asked.options("pods");
    let is_verified = |mode: &&crate::corefile::Token| mode.text() == "verified";
    if plugin != "kubernetes" || pods.any(|pods| pods.args.first().is_some_and(is_verified)) {
        return None;
    }
    let finding = finding("'kubernetes' does not know whose address is whose");
    let note = "this does not watch pods";
    Some(
        finding
            .note(asked.place(), note)
            .help("write 'pods verified' in it"),
    )
}
