//! Words that are read as something else than they look like.

use super::usage::{Block, Usage};
use crate::corefile::{Diagnostic, Token};
use crate::name::Name;

/// A word that is read as something else.
pub(super) const MISREAD_WORD: &str = "misread-word";

/// What people write behind `log` that is no domain.
const NO_NAMES: &[&str] = &[
    "all", "debug", "error", "false", "info", "off", "on", "stderr", "stdout", "true", "warning",
];
/// How `rewrite` compares names; `regex` apart.
const MATCHES: &[&str] = &["exact", "prefix", "suffix", "substring"];
const QUOTES: &[char] = &['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}'];

/// Finds them in one block.
pub(super) fn find(block: &Block<'_>, findings: &mut Vec<Diagnostic>) {
    for usage in &block.usages {
        findings.extend(wildcards(usage));
        match usage.name {
            "cache" => findings.extend(lifetimes(usage, block)),
            "log" => findings.extend(no_name(usage)),
            "rewrite" => findings.extend(rewritten(usage)),
            _ => {}
        }
    }
    let tokens = block.source.directives().iter();
    let tokens = tokens.flat_map(|directive| directive.tokens());
    findings.extend(tokens.filter_map(odd_quote));
}

fn finding(word: &Token, message: String, help: impl Into<String>) -> Diagnostic {
    let finding = Diagnostic::warning(message).rule(MISREAD_WORD);
    finding.at(word.place()).help(help)
}

/// `cache 5m`, `cache example.org 30`, `cache = 30`. Where no question for such a zone comes to the
/// block, that is told already.
fn lifetimes(usage: &Usage<'_>, block: &Block<'_>) -> impl Iterator<Item = Diagnostic> {
    let is_reached = |zone: &Name| block.zones.iter().any(|own| zone.view().is_in(own.view()));
    let named = usage.named.iter().flatten();
    let reached = named.filter(move |named| named.zones.iter().any(is_reached));
    reached.filter_map(|named| {
        let (word, text) = (named.word, named.word.text());
        let digits = text.trim_end_matches(['s', 'm', 'h']);
        let is_time = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_time || text == "=").then(|| {
            let message = format!("'{text}' is read as the zone that is cached");
            finding(
                word,
                message,
                "write seconds, right behind 'cache': cache 30",
            )
        })
    })
}

/// `log debug`.
fn no_name(usage: &Usage<'_>) -> Option<Diagnostic> {
    let word = *usage.args.first()?;
    let text = word.text();
    (NO_NAMES.contains(&text) || text.starts_with('/')).then(|| {
        let message = format!("'{text}' is read as a domain: only its names are logged");
        finding(
            word,
            message,
            "write log alone, or log . FORMAT; 'class' stands in its braces",
        )
    })
}

/// Zones with a `*`.
fn wildcards(usage: &Usage<'_>) -> impl Iterator<Item = Diagnostic> {
    let named = usage.named.iter().flatten().map(|named| named.word);
    let wild = named.filter(|word| word.text().starts_with("*."));
    wild.map(|word| {
        let message = format!("the '*' in '{}' stands for itself", word.text());
        let zone = word.text().trim_start_matches("*.");
        finding(
            word,
            message,
            format!("a zone is for all names below it: write {zone}"),
        )
    })
}

/// `name FROM TO` where FROM is no name.
fn rewritten(usage: &Usage<'_>) -> Option<Diagnostic> {
    let mut words = usage.args.iter().copied().peekable();
    words.next_if(|word| ["stop", "continue"].contains(&word.text()));
    words.next_if(|word| word.text() == "name")?;
    let words: Vec<&Token> = words.collect();
    if let [how, to] = words.as_slice()
        && MATCHES.contains(&how.text())
    {
        let message = format!("'{}' is read as the name that is rewritten", how.text());
        let help = format!(
            "write what it becomes, too: name {} {} NAME",
            how.text(),
            to.text()
        );
        return Some(finding(how, message, help));
    }
    let from = match words.as_slice() {
        [how, from, ..] if MATCHES.contains(&how.text()) => *from,
        [from, _, ..] if from.text() != "regex" => *from,
        _ => return None,
    };
    from.text().contains('*').then(|| {
        let message = format!("the '*' in '{}' stands for itself", from.text());
        finding(from, message, "rewrite by 'suffix' or 'regex'")
    })
}

/// Quotes of a word processor.
fn odd_quote(word: &Token) -> Option<Diagnostic> {
    let text = word.text();
    (!text.is_ascii() && (text.starts_with(QUOTES) || text.ends_with(QUOTES))).then(|| {
        let message = format!("the quotation marks in {text} belong to the word");
        finding(word, message, "write \" to quote")
    })
}
