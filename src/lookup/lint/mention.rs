//! Names of hosts in the fields of objects.

use serde_json::Value;

use crate::lookup::workload::Document;

/// A name, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) name: String,
    /// Where in the object, for a person.
    pub(super) field: String,
    /// The text that it was found in.
    pub(super) text: String,
    /// What else stands on the line of the text.
    pub(super) near: String,
}

/// Words at the end of a variable's name that make its value a host.
const HOSTS: [&str; 7] = [
    "HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS", "ENDPOINT", "UPSTREAM",
];

/// All that an object mentions.
pub(super) fn of(document: &Document) -> Vec<Mention> {
    let mut mentions = Vec::new();
    if let Some(spec) = document.pod_spec() {
        for list in ["initContainers", "containers"] {
            let containers = spec.get(list).and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                of_container(container, &mut mentions);
            }
        }
    }
    match document.kind.as_str() {
        "ConfigMap" => of_config_map(&document.value, &mut mentions),
        "Ingress" => of_ingress(&document.value, &mut mentions),
        "StatefulSet" => {
            if let Some(name) = text(&document.value, "/spec/serviceName") {
                mentions.push(whole(name, "serviceName"));
            }
        }
        _ => {}
    }
    mentions
}

fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value
        .pointer(path)?
        .as_str()
        .filter(|text| !text.is_empty())
}

fn whole(name: &str, field: &str) -> Mention {
    Mention {
        name: name.to_owned(),
        field: field.to_owned(),
        text: name.to_owned(),
        near: String::new(),
    }
}

fn of_container(container: &Value, mentions: &mut Vec<Mention>) {
    let variables = container.get("env").and_then(Value::as_array);
    for variable in variables.into_iter().flatten() {
        let (Some(name), Some(value)) = (text(variable, "/name"), text(variable, "/value")) else {
            continue;
        };
        add(value, name, &format!("env {name}"), "", mentions);
    }
    for field in ["command", "args"] {
        let words = container.get(field).and_then(Value::as_array);
        for word in words.into_iter().flatten().filter_map(Value::as_str) {
            add(word, "", field, "", mentions);
        }
    }
}

fn of_config_map(map: &Value, mentions: &mut Vec<Mention>) {
    let data = map.get("data").and_then(Value::as_object);
    for (key, value) in data.into_iter().flatten() {
        let Some(value) = value.as_str() else {
            continue;
        };
        match value.contains('\n') {
            false => add(value, key, &format!("data {key}"), key, mentions),
            // A file: only what is a URL beyond doubt.
            true => {
                for line in value
                    .lines()
                    .filter(|line| !line.trim_start().starts_with('#'))
                {
                    for host in urls(line) {
                        mentions.push(Mention {
                            name: host,
                            field: format!("data {key}"),
                            text: line.trim().to_owned(),
                            near: String::new(),
                        });
                    }
                }
            }
        }
    }
}

fn of_ingress(ingress: &Value, mentions: &mut Vec<Mention>) {
    let rules = ingress.pointer("/spec/rules").and_then(Value::as_array);
    let paths = rules.into_iter().flatten();
    let paths = paths.filter_map(|rule| rule.pointer("/http/paths")?.as_array());
    let backends = paths.flatten().filter_map(|path| path.get("backend"));
    let default = ingress.pointer("/spec/defaultBackend");
    for backend in backends.chain(default) {
        if let Some(name) = text(backend, "/service/name") {
            mentions.push(whole(name, "backend"));
        }
    }
}

/// The hosts of one value.
fn add(value: &str, variable: &str, field: &str, near: &str, mentions: &mut Vec<Mention>) {
    // Filled in when the pod starts.
    if value.contains("$(") || value.contains("${") || value.contains("{{") {
        return;
    }
    let mut hosts = urls(value);
    if hosts.is_empty() {
        hosts = value.split([',', ' ', '=']).filter_map(with_port).collect();
    }
    let variable = variable.to_ascii_uppercase();
    let is_host = variable
        .rsplit(['_', '-', '.'])
        .next()
        .is_some_and(|last| HOSTS.contains(&last));
    if hosts.is_empty() && (is_host && is_name(value) || is_cluster_name(value)) {
        hosts.push(value.to_owned());
    }
    mentions.extend(hosts.into_iter().map(|name| Mention {
        name,
        field: field.to_owned(),
        text: value.to_owned(),
        near: near.to_owned(),
    }));
}

/// The hosts of `scheme://[user@]host[:port][,host...][/...]`.
fn urls(text: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    for (at, _) in text.match_indices("://") {
        let scheme = text[..at].bytes().rev();
        if !scheme.take(1).any(|byte| byte.is_ascii_alphanumeric()) {
            continue;
        }
        let rest = &text[at + 3..];
        let end = rest.find(['/', '?', '#', ' ', '"', '\'', ';', ')', ']', '<', '`']);
        let authority = &rest[..end.unwrap_or(rest.len())];
        let authority = authority.rsplit('@').next().unwrap_or_default();
        for host in authority.split(',') {
            let host = host.split(':').next().unwrap_or_default();
            if is_name(host) {
                hosts.push(host.to_owned());
            }
        }
    }
    hosts
}

/// The host of `host:port`.
fn with_port(word: &str) -> Option<String> {
    let (host, port) = word.trim().rsplit_once(':')?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_port && is_name(host)).then(|| host.to_owned())
}

/// A name of a host, and no address.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    name != "localhost"
        && name.len() <= 253
        && name.split('.').all(is_label)
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn is_cluster_name(text: &str) -> bool {
    is_name(text) && (text.contains(".svc.") || text.ends_with(".svc"))
}
