//! `lookup`: why a name resolves as it does, from a given pod.

mod cluster;

use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};

use crate::lookup::Names;
use crate::lookup::admin::Remote;
use crate::lookup::pod::PodDns;
use crate::lookup::report::{Paint, Report, Subject};
use crate::lookup::wire::Wire;
use crate::resolver::Libc;
use cluster::Pod;
pub(super) use cluster::{Cluster, Reading, surroundings};

/// The socket of a server on this machine.
pub(super) const SOCKET: &str = "@callsign";

/// Look a name up as a pod would, and tell why it resolves so.
///
/// The queries are those that the pod's C library would send, with the search path that Kubernetes
/// gives the pod. Asked is one of
///
///   --manifests DIR|-    what these manifests come to, with no cluster at all
///   --kubeconfig FILE    a live cluster, listed once
///   --server ADDRESS     any DNS server; it gives no reasons
///   --admin SOCKET       a running callsign on this machine, with reasons [default: @callsign]
///
///   callsign lookup database --from production/Deployment/backend --manifests config/cluster
///   helm template . | callsign lookup database --manifests - --namespace production
///
/// Exit code: 0 it resolves, 1 it does not, 2 the command line is wrong.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// The name, as a program has it; of an address, its name is asked for.
    name: String,

    /// A type to ask for; without it A and AAAA, as programs do.
    #[arg(value_name = "TYPE", value_parser = qtype)]
    qtype: Option<RecordType>,

    /// Who asks: NAMESPACE/KIND/NAME, as production/Deployment/web.
    #[arg(long, value_name = "POD")]
    from: Option<String>,

    /// The namespace of who asks.
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "from")]
    namespace: Option<String>,

    /// A resolv.conf, in place of the one that Kubernetes would write.
    #[arg(long, value_name = "FILE")]
    resolv_conf: Option<PathBuf>,

    /// Whose resolver it is: glibc, musl, musl-1.2.3 or go.
    #[arg(long, value_name = "LIBC", default_value = "glibc", value_parser = libc)]
    libc: Libc,

    #[command(flatten)]
    reading: Reading,

    /// A DNS server to ask: ADDRESS or ADDRESS:PORT.
    #[arg(long, value_name = "ADDRESS", value_parser = server)]
    server: Option<SocketAddr>,

    /// The admin socket of a running callsign: @NAME or a path.
    #[arg(long, value_name = "SOCKET", conflicts_with = "server")]
    admin: Option<String>,

    /// The form of what is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: super::Format,
}

fn qtype(text: &str) -> Result<RecordType, String> {
    let error = |_| format!("'{text}' is no type of a record");
    text.to_ascii_uppercase().parse().map_err(error)
}

pub(super) fn libc(text: &str) -> Result<Libc, String> {
    let mut known = Libc::ALL.into_iter();
    known
        .find(|libc| libc.name() == text)
        .ok_or_else(|| format!("'{text}' is none of glibc, musl, musl-1.2.3, go"))
}

fn server(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, 53));
    }
    text.parse()
        .map_err(|_| format!("'{text}' is no address of a server"))
}

/// Looks it up, and returns the program's exit code.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match look_up(arguments) {
        Ok(report) => {
            match arguments.format {
                super::Format::Text => {
                    let paint = if std::io::stdout().is_terminal() {
                        Paint::Colours
                    } else {
                        Paint::Plain
                    };
                    super::print(&report.text(paint));
                }
                super::Format::Json => super::print_json(&report),
            }
            ExitCode::from(u8::from(!report.resolves))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn look_up(arguments: &Arguments) -> Result<Report, String> {
    let runtime = super::runtime()?;
    let cluster = match arguments.reading.is_given() {
        true => Some(Cluster::read(&arguments.reading, &runtime)?),
        false => None,
    };
    let pod = arguments.pod(cluster.as_ref())?;
    let around = surroundings(cluster.as_ref());
    let mut notes = pod.notes.clone();
    let (resolv_conf, policy) = match &arguments.resolv_conf {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            (text, format!("with {}", file.display()))
        }
        None => {
            let written = pod.dns.resolv_conf(&pod.namespace, &around);
            notes.extend(written.notes);
            (written.text, format!("dnsPolicy {}", written.policy))
        }
    };
    let conf = arguments.libc.read(&resolv_conf);
    let patience = Duration::from_secs(u64::try_from(conf.timeout).unwrap_or(1).clamp(1, 30));
    let mut asked = arguments.asked(cluster.as_ref(), &pod, patience, &runtime)?;
    let known = asked.inventory.as_ref();
    notes.extend(known.and_then(|inventory| inventory.no_namespace(&pod.namespace)));
    // A file that was named, and a server, are asked as they are.
    let strangers = match (&arguments.resolv_conf, &arguments.server) {
        (None, None) => around.strangers(&conf.servers),
        _ => Vec::new(),
    };
    let reverse = arguments.reverse();
    let subject = Subject {
        name: reverse.as_deref().unwrap_or(&arguments.name),
        qtype: arguments
            .qtype
            .or_else(|| reverse.as_ref().map(|_| RecordType::PTR)),
        from: format!("{}, {policy}", pod.path),
        namespace: &pod.namespace,
        domain: &around.domain,
        libc: arguments.libc,
        resolv_conf,
        notes,
        inventory: asked.inventory.as_ref(),
        strangers: &strangers,
    };
    let report = Report::new(&subject, asked.names.as_mut());
    let mut report = report.with_service(&subject, asked.names.as_mut());
    if reverse.is_some() && arguments.qtype.is_none() {
        let advice = "a program that is given an address asks nothing; here its name is asked for";
        report.advice.insert(0, advice.to_owned());
    }
    Ok(report)
}

/// Who is asked, and what names there are, as far as that is known.
struct Source {
    names: Box<dyn Names>,
    inventory: Option<crate::lookup::inventory::Inventory>,
}

impl Arguments {
    /// Where an address leads back to its name, if the name is one and no other type is asked for.
    fn reverse(&self) -> Option<String> {
        let is_meant = self.qtype.is_none_or(|qtype| qtype == RecordType::PTR);
        let address: IpAddr = self.name.parse().ok().filter(|_| is_meant)?;
        Some(Name::from(address).to_ascii())
    }

    /// Who asks.
    fn pod(&self, cluster: Option<&Cluster>) -> Result<Pod, String> {
        match (&self.from, cluster) {
            (Some(from), Some(cluster)) => cluster.pod(from),
            (Some(from), None) => {
                let mut pod = Pod::of_namespace(cluster::parts(from)?.0);
                pod.path = from.clone();
                pod.notes.push(
                    "without --manifests or --kubeconfig nobody knows the pod's own settings: taken as ClusterFirst"
                        .to_owned(),
                );
                Ok(pod)
            }
            (None, _) => Ok(Pod::of_namespace(
                self.namespace.as_deref().unwrap_or("default"),
            )),
        }
    }

    fn asked(
        &self,
        cluster: Option<&Cluster>,
        pod: &Pod,
        patience: Duration,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Source, String> {
        if let Some(server) = self.server {
            return Ok(Source {
                names: Box::new(Wire::new(vec![server], patience)),
                inventory: cluster.map(|cluster| cluster.inventory.clone()),
            });
        }
        if let (None, Some(cluster)) = (&self.admin, cluster) {
            return Ok(Source {
                names: Box::new(cluster.names(pod, runtime)),
                inventory: Some(cluster.inventory.clone()),
            });
        }
        let socket = self.admin.as_deref().unwrap_or(SOCKET);
        let told = |error: std::io::Error| {
            format!(
                "cannot ask the server at {socket}: {error}\n\
                 is a callsign running on this machine, in this network namespace? Otherwise name \
                 what to ask: --manifests DIR, --server ADDRESS"
            )
        };
        let mut remote = Remote::connect(socket, pod.address).map_err(told)?;
        let inventory = remote.inventory().map_err(told)?;
        Ok(Source {
            names: Box::new(remote),
            inventory: Some(inventory),
        })
    }
}

impl Pod {
    fn of_namespace(namespace: &str) -> Self {
        Self {
            path: format!("a pod in {namespace}"),
            namespace: namespace.to_owned(),
            dns: PodDns::default(),
            address: None,
            notes: Vec::new(),
        }
    }
}
