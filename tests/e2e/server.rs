//! CoreDNS and callsign as they run in a cluster: with a ServiceAccount's token, and one block for
//! each view of the cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

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
}

impl View {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Verified,
        Self::Insecure,
        Self::Labelled,
        Self::Exposed,
    ];

    fn options(self) -> &'static str {
        match self {
            Self::Verified => "pods verified",
            Self::Insecure => "pods insecure\n endpoint_pod_names\n ttl 30",
            Self::Labelled => "labels tier=front",
            Self::Exposed => "namespace_labels exposed=yes",
        }
    }
}

/// A running server; it ends when dropped.
pub(crate) struct Server {
    /// `CoreDNS` or `callsign`.
    pub(crate) name: &'static str,
    process: Process,
    ports: Vec<Reservation>,
    _directory: TempDir,
}

impl Server {
    /// Starts a server with a block for each view. It is waited for until it listens, which is when
    /// it knows the cluster.
    pub(crate) fn start(
        name: &'static str,
        kubeconfig: &Path,
        arguments: &[String],
    ) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut ports = Vec::new();
        let mut corefile = String::new();
        for view in View::ALL {
            let port = Reservation::new()?;
            corefile += &format!(
                ".:{} {{\n bind 127.0.0.1\n kubernetes cluster.local in-addr.arpa ip6.arpa {{\n kubeconfig {}\n startup_timeout 1s\n {}\n }}\n}}\n",
                port.port,
                kubeconfig.display(),
                view.options(),
            );
            ports.push(port);
        }
        std::fs::write(directory.path().join("Corefile"), corefile)
            .map_err(|error| error.to_string())?;
        let subject = Subject::named(&name.to_lowercase())?;
        let process = Process::start(&subject, directory.path(), arguments, &[])?;
        let mut server = Self {
            name,
            process,
            ports,
            _directory: directory,
        };
        let addresses: Vec<_> = View::ALL.map(|view| server.address(view)).to_vec();
        server
            .process
            .wait_until_ready(&addresses)
            .map_err(|problem| format!("{name} {problem}"))?;
        Ok(server)
    }

    /// Where it is asked of a view.
    pub(crate) fn address(&self, view: View) -> SocketAddr {
        let port = self.ports.get(view as usize).map_or(0, |port| port.port);
        (Ipv4Addr::LOCALHOST, port).into()
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
