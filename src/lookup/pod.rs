//! The `resolv.conf` that kubelet writes into a pod (`dnsPolicy`, `dnsConfig`), by its rules and
//! limits.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

use crate::kubernetes::null::nullable;

/// Kubelet leaves out name servers past these.
const MOST_NAMESERVERS: usize = 3;
/// Kubelet cuts the search list to this many domains.
const MOST_SEARCHES: usize = 32;
/// And to this many characters, with the blanks between them.
const MOST_SEARCH_CHARACTERS: usize = 2048;

/// What the cluster and the node give every pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The cluster's name servers (kubelet's `clusterDNS`).
    pub cluster_dns: Vec<String>,
    /// Whether these are the cluster's own, and not what most clusters have.
    pub is_cluster_dns_known: bool,
    /// The cluster's domain, without a dot at its end (kubelet's `clusterDomain`).
    pub domain: String,
    /// The node's own `resolv.conf`, as its lines say it.
    pub node: Lines,
}

/// The three kinds of lines that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// `nameserver`
    pub nameservers: Vec<String>,
    /// `search`
    pub searches: Vec<String>,
    /// `options`, each `NAME` or `NAME:VALUE`
    pub options: Vec<String>,
}

/// What a pod's specification says of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodDns {
    /// `dnsPolicy`; empty is `ClusterFirst`.
    #[serde(deserialize_with = "nullable")]
    pub dns_policy: String,
    /// `dnsConfig`
    #[serde(deserialize_with = "nullable")]
    pub dns_config: DnsConfig,
    /// `hostNetwork`
    #[serde(deserialize_with = "nullable")]
    pub host_network: bool,
}

/// `spec.dnsConfig`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DnsConfig {
    #[serde(deserialize_with = "nullable")]
    nameservers: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    searches: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    options: Vec<Setting>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Setting {
    #[serde(deserialize_with = "nullable")]
    name: String,
    value: Option<String>,
}

/// A pod's file, and what there is to say of how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file's text.
    pub text: String,
    /// The policy that counts.
    pub policy: &'static str,
    /// What was left out or is not as it seems, and why.
    pub notes: Vec<String>,
}

impl Surroundings {
    /// Those of a pod's name servers that are not the cluster's: a node's own, or a public one. Where
    /// the cluster's is not known, private addresses are taken for it.
    #[must_use]
    pub fn strangers(&self, servers: &[IpAddr]) -> Vec<IpAddr> {
        let is_among = |texts: &[String], server: &IpAddr| {
            texts.iter().any(|text| text.parse() == Ok(*server))
        };
        let is_stranger = |server: &&IpAddr| {
            is_among(&self.node.nameservers, server)
                || is_public(**server)
                || self.is_cluster_dns_known && !is_of_host(**server)
        };
        let others = servers
            .iter()
            .filter(|server| !is_among(&self.cluster_dns, server));
        others.filter(is_stranger).copied().collect()
    }
}

/// The address of a cache on the node itself.
fn is_of_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}

fn is_public(address: IpAddr) -> bool {
    let is_shared = |address: Ipv4Addr| {
        let [first, second, ..] = address.octets();
        // RFC 6598: some clusters number their Services from it.
        first == 100 && second & 0xC0 == 64
    };
    !is_of_host(address)
        && match address {
            IpAddr::V4(address) => !address.is_private() && !is_shared(address),
            IpAddr::V6(address) => !address.is_unique_local(),
        }
}

impl PodDns {
    /// The policy that counts: with the host's network, `ClusterFirst` is `Default`.
    fn policy(&self) -> Option<&'static str> {
        match self.dns_policy.as_str() {
            "" | "ClusterFirst" if self.host_network => Some("Default"),
            "" | "ClusterFirst" => Some("ClusterFirst"),
            "ClusterFirstWithHostNet" => Some("ClusterFirstWithHostNet"),
            "Default" => Some("Default"),
            "None" => Some("None"),
            _ => None,
        }
    }

    /// The file that kubelet writes for a pod in this namespace.
    #[must_use]
    pub fn resolv_conf(&self, namespace: &str, around: &Surroundings) -> Written {
        let mut notes = Vec::new();
        let policy = self.policy().unwrap_or_else(|| {
            let policy = &self.dns_policy;
            notes.push(format!(
                "dnsPolicy {policy} is none that Kubernetes knows; taken as ClusterFirst"
            ));
            "ClusterFirst"
        });
        if policy == "Default" && self.host_network && self.dns_policy != "Default" {
            notes.push(
                "hostNetwork makes ClusterFirst into Default: cluster names are not found; \
                 ClusterFirstWithHostNet finds them"
                    .to_owned(),
            );
        }
        let mut lines = match policy {
            "None" => Lines::default(),
            "Default" => around.node.clone(),
            _ => of_cluster(namespace, around),
        };
        self.dns_config.add_to(&mut lines);
        if policy == "None" && lines.nameservers.is_empty() {
            notes.push(
                "dnsPolicy None needs a name server in dnsConfig: the API server refuses this pod"
                    .to_owned(),
            );
        }
        lines.fit(&mut notes);
        Written {
            text: lines.text(),
            policy,
            notes,
        }
    }
}

fn of_cluster(namespace: &str, around: &Surroundings) -> Lines {
    let domain = &around.domain;
    let mut searches = vec![
        format!("{namespace}.svc.{domain}"),
        format!("svc.{domain}"),
        domain.clone(),
    ];
    searches.extend(around.node.searches.iter().cloned());
    Lines {
        nameservers: around.cluster_dns.clone(),
        searches: distinct(searches),
        options: vec!["ndots:5".to_owned()],
    }
}

fn distinct(words: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        if !kept.contains(&word) {
            kept.push(word);
        }
    }
    kept
}

impl DnsConfig {
    /// What the pod says comes after what it is given; of options it replaces those of the same name.
    fn add_to(&self, lines: &mut Lines) {
        lines.nameservers.extend(self.nameservers.iter().cloned());
        lines.nameservers = distinct(std::mem::take(&mut lines.nameservers));
        lines.searches.extend(self.searches.iter().cloned());
        lines.searches = distinct(std::mem::take(&mut lines.searches));
        let name = |option: &str| option.split(':').next().unwrap_or_default().to_owned();
        let mut options: BTreeMap<String, String> = BTreeMap::new();
        for option in &lines.options {
            options.insert(name(option), option.clone());
        }
        for Setting { name, value } in &self.options {
            let option = match value.as_deref() {
                None | Some("") => name.clone(),
                Some(value) => format!("{name}:{value}"),
            };
            options.insert(name.clone(), option);
        }
        lines.options = options.into_values().collect();
    }
}

impl Lines {
    /// Reads the lines of a node's `resolv.conf`, as kubelet does.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut lines = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => lines.nameservers.extend(words.next().map(str::to_owned)),
                Some("search") => {
                    let domains = words.map(|word| match word {
                        "." => word,
                        word => word.strip_suffix('.').unwrap_or(word),
                    });
                    lines.searches = domains.map(str::to_owned).collect();
                }
                Some("options") => lines.options = words.map(str::to_owned).collect(),
                _ => {}
            }
        }
        lines
    }

    /// Cuts what kubelet cuts.
    fn fit(&mut self, notes: &mut Vec<String>) {
        if self.nameservers.len() > MOST_NAMESERVERS {
            let left_out = self.nameservers.split_off(MOST_NAMESERVERS).join(" ");
            notes.push(format!(
                "kubelet leaves out {left_out}: three name servers are the most"
            ));
        }
        let mut left_out = Vec::new();
        if self.searches.len() > MOST_SEARCHES {
            left_out = self.searches.split_off(MOST_SEARCHES);
        }
        while self.searches.join(" ").len() > MOST_SEARCH_CHARACTERS {
            left_out.extend(self.searches.pop());
        }
        if !left_out.is_empty() {
            let left_out = left_out.join(" ");
            notes.push(format!(
                "kubelet leaves out {left_out}: 32 search domains and 2,048 characters are the most"
            ));
        }
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (keyword, words) in [("search", &self.searches), ("options", &self.options)] {
            if keyword == "options" {
                for server in &self.nameservers {
                    text.push_str(&format!("nameserver {server}\n"));
                }
            }
            if !words.is_empty() {
                text.push_str(&format!("{keyword} {}\n", words.join(" ")));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
