//! CoreDNS and callsign as they run in a cluster: with a ServiceAccount's token, and one block for
//! each view of the cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

use crate::differential::cluster::ask::Depth;
use crate::differential::http;
use crate::port::Reservation;
use crate::subject::{Process, Subject};

/// A way to see the cluster: the options of `kubernetes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// `pods verified`
    Verified,
    /// `pods insecure`, endpoints by their pods' names, another TTL
    Insecure,
    /// Services and endpoints that have a label
    Labelled,
    /// namespaces that have a label
    Exposed,
    /// Services of several clusters beside the cluster's own
    Imports,
    /// the same, endpoints by their pods' names, those of this cluster left out
    ImportsByPods,
    /// the same of namespaces, imports and endpoints that have a label
    ImportsLabelled,
}

impl View {
    /// Those of one cluster.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Verified,
        Self::Insecure,
        Self::Labelled,
        Self::Exposed,
    ];

    /// One of them alone.
    pub(crate) const ONE: &'static [Self] = &[Self::Verified];

    /// Those of several clusters.
    pub(crate) const OF_CLUSTERS: &'static [Self] =
        &[Self::Imports, Self::ImportsByPods, Self::ImportsLabelled];

    /// The zones that are no reverse ones.
    pub(crate) fn zones(self) -> &'static [&'static str] {
        match self {
            Self::Verified | Self::Insecure | Self::Labelled | Self::Exposed => &["cluster.local"],
            Self::Imports | Self::ImportsByPods | Self::ImportsLabelled => {
                &["cluster.local", "clusterset.local"]
            }
        }
    }

    /// What is asked of it, where so much is asked of others: what else a question has does not
    /// depend on selectors.
    pub(crate) fn depth(self, depth: Depth) -> Depth {
        match self {
            Self::Verified | Self::Insecure | Self::Imports => depth,
            _ => Depth::Brief,
        }
    }

    fn options(self) -> &'static str {
        match self {
            Self::Verified => "pods verified",
            Self::Insecure => "pods insecure\n endpoint_pod_names\n ttl 30",
            Self::Labelled => "labels tier=front",
            Self::Exposed => "namespace_labels exposed=yes",
            Self::Imports => "multicluster clusterset.local",
            Self::ImportsByPods => {
                "multicluster clusterset.local\n endpoint_pod_names\n noendpoints\n ignore empty_service"
            }
            Self::ImportsLabelled => {
                "multicluster clusterset.local\n labels tier=front\n namespace_labels exposed=yes"
            }
        }
    }
}

/// A running server; it ends when dropped.
pub(crate) struct Server {
    /// `CoreDNS` or `callsign`.
    pub(crate) name: &'static str,
    process: Process,
    ports: Vec<(View, Reservation)>,
    metrics: Reservation,
    directory: TempDir,
}

impl Server {
    /// Starts a server with a block for each of these views. It is waited for until it listens, which is when
    /// it knows the cluster.
    pub(crate) fn start(
        name: &'static str,
        views: &[View],
        kubeconfig: &Path,
        arguments: &[String],
    ) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (mut ports, metrics) = (Vec::new(), Reservation::new()?);
        let mut corefile = String::new();
        for view in views {
            let port = Reservation::new()?;
            corefile += &format!(
                ".:{} {{\n bind 127.0.0.1\n kubernetes {} in-addr.arpa ip6.arpa {{\n kubeconfig {}\n startup_timeout 1s\n {}\n }}\n prometheus 127.0.0.1:{}\n}}\n",
                port.port,
                view.zones().join(" "),
                kubeconfig.display(),
                view.options(),
                metrics.port,
            );
            ports.push((*view, port));
        }
        std::fs::write(directory.path().join("Corefile"), corefile)
            .map_err(|error| error.to_string())?;
        let subject = Subject::named(&name.to_lowercase())?;
        let process = Process::start(&subject, directory.path(), arguments, &[])?;
        let mut server = Self {
            name,
            process,
            ports,
            metrics,
            directory,
        };
        let addresses: Vec<_> = views.iter().map(|view| server.address(*view)).collect();
        server
            .process
            .wait_until_ready(&addresses)
            .map_err(|problem| format!("{name} {problem}"))?;
        Ok(server)
    }

    /// Where it is asked of a view.
    pub(crate) fn address(&self, view: View) -> SocketAddr {
        let port = self.ports.iter().find(|(of, _)| *of == view);
        (Ipv4Addr::LOCALHOST, port.map_or(0, |(_, port)| port.port)).into()
    }

    /// The lines of its metrics that start with this text.
    pub(crate) fn metrics(&self, start: &str) -> Result<Vec<String>, String> {
        let page = http::get(&format!("127.0.0.1:{}/metrics", self.metrics.port))?;
        let page = page.ok_or("nobody listens where metrics are")?;
        let lines = page.body.lines().filter(|line| line.starts_with(start));
        Ok(lines.map(str::to_owned).collect())
    }

    /// Reloads its Corefile with another text in the place of one, wherever that stands.
    pub(crate) fn reload(&self, from: &str, to: &str) -> Result<(), String> {
        let file = self.directory.path().join("Corefile");
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        std::fs::write(&file, text.replace(from, to)).map_err(|error| error.to_string())?;
        self.signal("USR1")
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), String> {
        self.process.signal(signal)
    }

    /// What it has printed must hold this text.
    pub(crate) fn has_said(&self, text: &str) -> Result<(), String> {
        let log = self.process.log();
        if log.iter().any(|line| line.contains(text)) {
            return Ok(());
        }
        Err(format!(
            "{} has not said {text:?}:\n{}",
            self.name,
            self.tail()
        ))
    }

    /// The last lines that it printed.
    pub(crate) fn tail(&self) -> String {
        self.process.tail()
    }
}
