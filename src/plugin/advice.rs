//! What to do about an error where that takes to know more than who found it: other plugins, and
//! what CoreDNS once had.

use super::{MISSING, REGISTRY};
use crate::corefile::{Diagnostic, Place};

/// Options, and the plugins that have them. What many plugins have is not here.
const OPTIONS: &[(&str, &str)] = &[
    ("allow_ipv4", "dns64"),
    ("answer", "template or rewrite"),
    ("apex", "k8s_external"),
    ("apiserver_qps", "kubernetes"),
    ("block", "acl"),
    ("class", "log"),
    ("client_auth", "tls"),
    ("consolidate", "errors"),
    ("denial", "cache"),
    ("directory", "auto"),
    ("disable", "cache"),
    ("endpoint", "kubernetes"),
    ("endpoint_pod_names", "kubernetes"),
    ("except", "forward or bind"),
    ("expire", "forward"),
    ("expr", "view or template"),
    ("failfast_all_unhealthy_upstreams", "forward"),
    ("failover", "forward"),
    ("fallthrough", "kubernetes, hosts, file or template"),
    ("filter", "acl"),
    ("force_tcp", "forward"),
    ("headless", "k8s_external"),
    ("health_check", "forward"),
    ("ignore", "kubernetes"),
    ("keepttl", "cache"),
    ("kubeconfig", "kubernetes"),
    ("labels", "kubernetes"),
    ("lameduck", "health"),
    ("match", "template"),
    ("max_concurrent", "forward"),
    ("max_connect_attempts", "forward"),
    ("max_fails", "forward"),
    ("max_idle_conns", "forward"),
    ("multicluster", "kubernetes"),
    ("namespace_labels", "kubernetes"),
    ("namespaces", "kubernetes"),
    ("next", "forward"),
    ("next_on_nodata", "forward"),
    ("no_reverse", "hosts"),
    ("noendpoints", "kubernetes"),
    ("pods", "kubernetes"),
    ("policy", "forward"),
    ("prefer", "loadbalance"),
    ("prefer_udp", "forward"),
    ("prefetch", "cache"),
    ("prefix", "dns64"),
    ("rcode", "template"),
    ("runtime_metrics", "prometheus"),
    ("serve_stale", "cache"),
    ("servfail", "cache"),
    ("stacktrace", "errors"),
    ("startup_timeout", "kubernetes"),
    ("success", "cache"),
    ("tls_servername", "forward"),
    ("translate_all", "dns64"),
    ("ttl", "kubernetes, hosts or k8s_external"),
];

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

fn advice(message: &str, place: &Place, plugin: Option<&str>) -> Option<String> {
    let word = place.source().text().get(place.bytes())?;
    match plugin {
        None if message.starts_with("Unknown directive") => of_directive(word),
        Some(plugin) if message.starts_with("unknown property") => of_option(word, plugin),
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
    if let Some(plugins) = plugins_with(word) {
        return Some(format!("it is an option of {plugins}"));
    }
    is_directive(word).then(|| {
        format!("'{word}' is a directive: the block of '{plugin}' lacks its '}}' above it")
    })
}

fn plugins_with(option: &str) -> Option<&'static str> {
    let mut options = OPTIONS.iter();
    options
        .find(|(known, _)| *known == option)
        .map(|(_, plugins)| *plugins)
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
}
