//! What to do about an error where that takes to know more than who found it: other plugins, and
//! what CoreDNS once had.

use super::{MISSING, REGISTRY};
use crate::corefile::{Diagnostic, Place};

const NOT_SINCE_1_7: &str = "CoreDNS has not had it since 1.7: take the line out";
const BY_TRANSFER: &str = "the plugin transfer does it now: transfer { to ADDRESS }";
const NO_RELOAD: &str = "write it as reload 0";

/// Options that CoreDNS had once: the plugins, the option, what to do.
const REMOVED: &[(&[&str], &str, &str)] = &[
    (
        &["kubernetes", "k8s_external", "etcd", "secondary"],
        "upstream",
        NOT_SINCE_1_7,
    ),
    (&["kubernetes"], "resyncperiod", NOT_SINCE_1_7),
    (&["kubernetes", "file", "auto"], "transfer", BY_TRANSFER),
    (&["file", "auto"], "no_reload", NO_RELOAD),
];

/// Plugins that are not CoreDNS's own and that people build into images of it.
const EXTERNAL: &[&str] = &[
    "ads",
    "alternate",
    "blocklist",
    "dnsredir",
    "docker",
    "dump",
    "ens",
    "fanout",
    "finalize",
    "git",
    "gslb",
    "k8s_crd",
    "k8s_gateway",
    "kubenodes",
    "lighthouse",
    "multicluster",
    "mysql",
    "netbox",
    "pdsql",
    "records",
    "recursor",
    "redis",
    "redisc",
    "rrl",
    "split",
    "tailscale",
    "unbound",
    "warnlist",
    "wgsd",
];

/// The error with better advice, where there is some. `plugin` told it; nobody where it is about the
/// language.
#[must_use]
pub fn advised(error: Diagnostic, plugin: Option<&str>) -> Diagnostic {
    let advice = error
        .place()
        .and_then(|place| advice(error.message(), place, plugin));
    match advice {
        Some(advice) => error.help(advice),
        None => error,
    }
}

/// Whether an error is about a directive that stands in the block of another one, whose `}` is
/// missing above it: all that follows stands in the wrong place too.
#[must_use]
pub fn is_swallowed(error: &Diagnostic) -> bool {
    let word = error.place().and_then(word);
    is_unknown_option(error) && word.is_some_and(is_directive)
}

/// Whether an error is about an option that a plugin does not have.
#[must_use]
pub fn is_unknown_option(error: &Diagnostic) -> bool {
    is_unknown(error.message())
}

/// The messages that plugins have for an option that they do not have, as CoreDNS's do.
fn is_unknown(message: &str) -> bool {
    let message = match message.split_once(": ") {
        Some((start, rest)) if start.starts_with("plugin/") => rest,
        _ => message,
    };
    ["unknown property", "unknown option", "invalid option"]
        .iter()
        .any(|start| message.starts_with(start))
}

fn advice(message: &str, place: &Place, plugin: Option<&str>) -> Option<String> {
    let word = word(place)?;
    match plugin {
        None if message.starts_with("Unknown directive") => of_directive(word),
        Some(plugin) if is_unknown(message) => of_option(word, plugin),
        Some(_) if message.starts_with("Wrong argument count") => {
            let line = line(place)?;
            let mut arguments = line.split_whitespace().skip(1);
            let found = arguments.find(|argument| is_directive(argument))?;
            Some(format!(
                "'{found}' is a directive: each stands on a line of its own"
            ))
        }
        _ => None,
    }
}

/// Of a word that starts a line of a server block.
fn of_directive(word: &str) -> Option<String> {
    if let Some(plugins) = plugins_with(word) {
        return Some(format!(
            "it is an option of {plugins}: write it between the braces of that"
        ));
    }
    EXTERNAL.contains(&word).then(|| {
        "it is no plugin of CoreDNS's own: take the directive out, or stay with the image that \
         has it"
            .to_owned()
    })
}

/// Of a word that starts a line in a plugin's braces.
fn of_option(word: &str, plugin: &str) -> Option<String> {
    let mut removed = REMOVED.iter();
    let removed = removed.find(|(plugins, option, _)| plugins.contains(&plugin) && *option == word);
    if let Some((.., advice)) = removed {
        return Some((*advice).to_owned());
    }
    // Some words are both: a directive that is not in its place is the likelier mistake.
    if is_directive(word) {
        return Some(format!(
            "'{word}' is a directive: the block of '{plugin}' lacks its '}}' above it"
        ));
    }
    plugins_with(word).map(|plugins| format!("it is an option of {plugins}"))
}

/// The plugins that have an option, as a sentence tells them.
fn plugins_with(option: &str) -> Option<String> {
    let plugins = REGISTRY
        .iter()
        .filter(|entry| entry.options.contains(&option));
    let plugins: Vec<&str> = plugins.map(|entry| entry.name).collect();
    match plugins.as_slice() {
        [] => None,
        [plugin] => Some((*plugin).to_owned()),
        [plugins @ .., last] => Some(format!("{} or {last}", plugins.join(", "))),
    }
}

fn word(place: &Place) -> Option<&str> {
    place.source().text().get(place.bytes())
}

fn is_directive(word: &str) -> bool {
    REGISTRY.iter().any(|entry| entry.name == word) || MISSING.iter().any(|(name, _)| *name == word)
}

/// The line that a place starts on.
fn line(place: &Place) -> Option<&str> {
    let text = place.source().text();
    let (before, after) = text.split_at_checked(place.bytes().start)?;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after.find('\n').map_or(text.len(), |at| before.len() + at);
    text.get(start..end)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::REGISTRY;
    use crate::app::examine::examine;
    use crate::corefile::{Input, Memory};

    /// The first error's advice.
    fn help(text: &str) -> String {
        let input = Input::text("Corefile", text);
        let examined = examine(input, &Memory::default(), 53, &Arc::default());
        let first = examined.diagnostics.first().unwrap();
        first.help_text().unwrap_or_default().to_owned()
    }

    #[test]
    fn who_errs_is_told_what_to_do() {
        for (text, advice) in [
            (
                ". {\nkubernetes x {\nupstream\n}\n}",
                "CoreDNS has not had it since 1.7: take the line out",
            ),
            (
                ". {\nkubernetes x {\ntransfer to *\n}\n}",
                "the plugin transfer does it now: transfer { to ADDRESS }",
            ),
            (
                ". {\nkubernetes x {\npods insecure\nforward . 192.0.2.1\n}\n",
                "'forward' is a directive: the block of 'kubernetes' lacks its '}' above it",
            ),
            (
                ". {\nforward . 192.0.2.1 {\nsuccess 1\n}\n}",
                "it is an option of cache",
            ),
            (
                ". {\nlog {\nexcept x\n}\n}",
                "it is an option of bind or forward",
            ),
            (
                ". {\nlog {\nreload 5s\n}\n}",
                "'reload' is a directive: the block of 'log' lacks its '}' above it",
            ),
            (
                ". {\nkubernetes x\npods insecure\n}",
                "it is an option of kubernetes: write it between the braces of that",
            ),
            (
                ". {\nfanout . 192.0.2.1\n}",
                "it is no plugin of CoreDNS's own: take the directive out, or stay with the image that has it",
            ),
            (
                ". {\nerrors health ready\n}",
                "'health' is a directive: each stands on a line of its own",
            ),
            (". {\nerors\n}", "did you mean 'errors'?"),
        ] {
            assert_eq!(help(text), advice, "{text}");
        }
    }

    /// What stands before the block, for each block that a plugin reads.
    fn heads(plugin: &str) -> &'static [&'static str] {
        match plugin {
            "auto" | "hosts" | "k8s_external" | "kubernetes" | "secondary" | "view" => &["x"],
            "file" => &["db x"],
            "forward" => &[". 192.0.2.1"],
            "template" => &["IN A"],
            "loadbalance" => &["", "weighted w"],
            "tls" => &["cert key"],
            "bind" => &["127.0.0.1"],
            _ => &[""],
        }
    }

    /// Whether the plugin takes the word for no option of its own.
    fn is_unknown(plugin: &str, head: &str, word: &str) -> bool {
        let text = format!(". {{\n{plugin} {head} {{\n{word} 1\n}}\n}}");
        let input = Input::text("Corefile", text);
        let examined = examine(input, &Memory::default(), 53, &Arc::default());
        let told = examined.diagnostics.iter().filter(|told| {
            let column = told.place().map(|place| (place.line(), place.column()));
            column == Some((3, 1))
        });
        let words = [
            "unknown property",
            "unknown option",
            "invalid option",
            "invalid selector",
            "expect 'allow', 'block', 'filter' or 'drop'",
            "is no option",
        ];
        let mut told = told.map(|told| told.message().to_owned());
        told.any(|message| words.iter().any(|words| message.contains(words)))
    }

    #[test]
    fn the_options_of_the_registry_are_those_that_plugins_read() {
        let options = REGISTRY.iter().flat_map(|entry| entry.options);
        let mut words: Vec<&str> = options.copied().collect();
        words.push("nonsense");
        for entry in REGISTRY.iter().filter(|entry| !entry.options.is_empty()) {
            for word in &words {
                let mut heads = heads(entry.name).iter();
                let is_read = heads.any(|head| !is_unknown(entry.name, head, word));
                let is_listed = entry.options.contains(word);
                assert_eq!(is_read, is_listed, "{}: {word}", entry.name);
            }
        }
    }
}
