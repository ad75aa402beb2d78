//! CoreDNS and callsign as they run in a cluster: with a ServiceAccount's token, and one block for
//! each view of the cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

use crate::differential::cluster::ask::Depth;
use crate::differential::cluster::departure::LOWERED;
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
    /// the names by which Services are known outside, by `k8s_external`
    Outside,
    /// search lists that are walked for pods, by `autopath`
    Walked,
    /// as kubeadm configures a cluster's server
    Kubeadm,
}

/// The zone of what is known outside, below `svc`: names are of the same form as the cluster's.
const OUTSIDE: &str = "example.org";

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

    /// Those of one cluster, with what other plugins make of it.
    pub(crate) const OF_OTHERS: &'static [Self] = &[Self::Outside, Self::Walked];

    /// The zones that are no reverse ones.
    pub(crate) fn zones(self) -> &'static [&'static str] {
        match self {
            Self::Verified | Self::Insecure | Self::Labelled | Self::Exposed | Self::Kubeadm => {
                &["cluster.local"]
            }
            Self::Outside | Self::Walked => &["cluster.local", OUTSIDE],
            Self::Imports | Self::ImportsByPods | Self::ImportsLabelled => {
                &["cluster.local", "clusterset.local"]
            }
        }
    }

    /// Whether a pod that there is has a name, and no other.
    pub(crate) fn verifies_pods(self) -> bool {
        matches!(self, Self::Verified | Self::Outside | Self::Walked)
    }

    /// The differences on purpose that it may show.
    pub(crate) fn departures(self) -> &'static [&'static str] {
        match self {
            Self::Walked => &[LOWERED],
            _ => &[],
        }
    }

    /// What is asked of it, where so much is asked of others: what else a question has does not
    /// depend on selectors.
    pub(crate) fn depth(self, depth: Depth) -> Depth {
        match (self, depth) {
            (Self::Insecure | Self::Imports, Depth::Every) => Depth::Full,
            (Self::Verified | Self::Insecure | Self::Imports | Self::Outside, _) => depth,
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
            Self::Outside => "pods verified\n fallthrough in-addr.arpa ip6.arpa",
            Self::Walked => "pods verified",
            Self::Kubeadm => "pods insecure",
        }
    }

    /// What else is in its block.
    fn others(self) -> &'static str {
        match self {
            Self::Outside => " k8s_external svc.example.org 203.0.113.0/24 {\n headless\n }\n",
            Self::Walked => " autopath @kubernetes\n",
            _ => "",
        }
    }

    /// Its block, with these options of `kubernetes` that say where the API server is.
    fn block(self, access: &str, port: u16, own: &Own) -> String {
        let zones = self.zones().iter().filter(|zone| **zone != OUTSIDE);
        let zones = zones.copied().collect::<Vec<_>>().join(" ");
        format!(
            ".:{port} {{\n bind 127.0.0.1\n kubernetes {zones} in-addr.arpa ip6.arpa {{\n {access}\n \
             startup_timeout 1s\n {}\n }}\n{} prometheus 127.0.0.1:{}\n ready 127.0.0.1:{}\n}}\n",
            self.options(),
            self.others(),
            own.metrics.port,
            own.ready.port,
        )
    }
}

/// Where a server tells of itself.
struct Own {
    metrics: Reservation,
    ready: Reservation,
}

/// What is started.
struct Start<'a> {
    subject: Subject,
    corefile: String,
    arguments: &'a [String],
    environment: &'a [(String, String)],
}

impl Own {
    fn new() -> Result<Self, String> {
        Ok(Self {
            metrics: Reservation::new()?,
            ready: Reservation::new()?,
        })
    }
}

/// A running server; it ends when dropped.
pub(crate) struct Server {
    /// `CoreDNS` or `callsign`.
    pub(crate) name: &'static str,
    process: Process,
    ports: Vec<(View, Reservation)>,
    own: Own,
    directory: TempDir,
}

impl Server {
    /// Starts a server with a block for each of these views; `access` is the options of `kubernetes`
    /// that say where the API server is. It is waited for until it listens, which is when it knows the
    /// cluster.
    pub(crate) fn start(
        name: &'static str,
        views: &[View],
        access: &str,
        arguments: &[String],
    ) -> Result<Self, String> {
        let (mut ports, own) = (Vec::new(), Own::new()?);
        let mut corefile = String::new();
        for view in views {
            let port = Reservation::new()?;
            corefile += &view.block(access, port.port, &own);
            ports.push((*view, port));
        }
        let start = Start {
            subject: Subject::named(&name.to_lowercase())?,
            corefile,
            arguments,
            environment: &[],
        };
        Self::run(name, &start, ports, own)
    }

    /// Starts a server as a pod's container is, by kubeadm's Corefile, in which ports are others and
    /// the upstream is this one. `account` is the folder that a ServiceAccount's files are in.
    pub(crate) fn start_as_pod(
        name: &'static str,
        account: &Path,
        api: SocketAddr,
        upstream: SocketAddr,
    ) -> Result<Self, String> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let corefile = std::fs::read_to_string(tests.join("data/corefiles/kubeadm.Corefile"));
        let mut corefile = corefile.map_err(|error| error.to_string())?;
        let (port, own, health) = (Reservation::new()?, Own::new()?, Reservation::new()?);
        for (usual, other) in [
            (".:53 {", format!(".:{} {{", port.port)),
            ("health {", format!("health :{} {{", health.port)),
            ("ready\n", format!("ready :{}\n", own.ready.port)),
            (":9153", format!(":{}", own.metrics.port)),
            ("/etc/resolv.conf", upstream.to_string()),
        ] {
            if corefile.matches(usual).count() != 1 {
                return Err(format!("kubeadm's Corefile has not one {usual:?}"));
            }
            corefile = corefile.replace(usual, &other);
        }
        let subject = Subject::named(&name.to_lowercase())?;
        let start = Start {
            subject: subject.by(&[&tests.join("e2e/as-pod"), account]),
            corefile,
            arguments: &[],
            environment: &[
                ("KUBERNETES_SERVICE_HOST".to_owned(), api.ip().to_string()),
                ("KUBERNETES_SERVICE_PORT".to_owned(), api.port().to_string()),
            ],
        };
        Self::run(name, &start, vec![(View::Kubeadm, port)], own)
    }

    /// Starts a callsign that has these hosts, as an upstream.
    pub(crate) fn start_upstream(hosts: &str) -> Result<Self, String> {
        let port = Reservation::new()?;
        let start = Start {
            subject: Subject::named("callsign")?,
            corefile: format!(
                ".:{} {{\n bind 127.0.0.1\n hosts {{\n {hosts}\n }}\n}}\n",
                port.port
            ),
            arguments: &[],
            environment: &[],
        };
        Self::run("upstream", &start, vec![(View::Kubeadm, port)], Own::new()?)
    }

    fn run(
        name: &'static str,
        start: &Start<'_>,
        ports: Vec<(View, Reservation)>,
        own: Own,
    ) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        std::fs::write(directory.path().join("Corefile"), &start.corefile)
            .map_err(|error| error.to_string())?;
        let (arguments, environment) = (start.arguments, start.environment);
        let process = Process::start(&start.subject, directory.path(), arguments, environment)?;
        let views: Vec<View> = ports.iter().map(|(view, _)| *view).collect();
        let mut server = Self {
            name,
            process,
            ports,
            own,
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
        let page = http::get(&format!("127.0.0.1:{}/metrics", self.own.metrics.port))?;
        let page = page.ok_or("nobody listens where metrics are")?;
        let lines = page.body.lines().filter(|line| line.starts_with(start));
        Ok(lines.map(str::to_owned).collect())
    }

    /// That it is ready, or what `/ready` says otherwise.
    pub(crate) fn is_ready(&self) -> Result<(), String> {
        let page = http::get(&format!("127.0.0.1:{}/ready", self.own.ready.port))?;
        let page = page.ok_or_else(|| format!("{}: nobody listens for /ready", self.name))?;
        match (page.head.starts_with("200 "), page.body.trim()) {
            (true, "OK") => Ok(()),
            (_, body) => Err(format!("{} is not ready: {} {body}", self.name, page.head)),
        }
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

    /// All that it has printed.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// The last lines that it printed.
    pub(crate) fn tail(&self) -> String {
        self.process.tail()
    }
}
