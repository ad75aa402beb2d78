//! Flags of node-cache, the server that Kubernetes puts on each node: an address of the node's own.

use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::go_bool;
use crate::interface::Interface;

/// What a node-local server sets up besides serving. Names and defaults are node-cache's.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[command(next_help_heading = "A server on each node (node-cache's flags)")]
pub(super) struct Flags {
    /// Addresses to put on an interface of their own while the server runs.
    #[arg(long, value_name = "ADDRESS,...", value_delimiter = ',')]
    localip: Vec<IpAddr>,

    /// Set that interface up.
    #[arg(long, value_name = "BOOL", default_value = "true", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    setupinterface: bool,

    /// The interface's name.
    #[arg(long, value_name = "NAME", default_value = "nodelocaldns", value_parser = link_name)]
    interfacename: String,

    /// How often to look whether the interface is still there, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = interval)]
    syncinterval: Duration,

    /// Leave the interface there at the end.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    skipteardown: bool,

    /// Only `false` can be had: callsign sets up no rules of iptables.
    #[arg(long, value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    setupiptables: Option<bool>,

    #[command(flatten)]
    other: Other,
}

/// Flags of node-cache that do nothing here, and that are refused if they had to do something.
#[derive(clap::Args, Debug)]
#[group(skip)]
struct Other {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = go_bool)]
    setupebtables: Option<bool>,
    #[arg(long, hide = true)]
    upstreamsvc: Option<String>,
    #[arg(long, hide = true)]
    basecorefile: Option<String>,
    #[arg(long, hide = true)]
    corefile: Option<String>,
    #[arg(long, hide = true)]
    kubednscm: Option<String>,
    #[arg(long, hide = true)]
    metrics_listen_address: Option<String>,
    // These say something of iptables' rules, or of reloads, which are done in any case.
    #[arg(long, hide = true)]
    initialdelay: Option<String>,
    #[arg(long, hide = true)]
    health_port: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    reloadwithsignal: Option<String>,
}

fn link_name(text: &str) -> Result<String, String> {
    let is_odd = |char: char| char.is_whitespace() || matches!(char, '/' | ':');
    match (1..=15).contains(&text.len()) && !text.contains(is_odd) && !matches!(text, "." | "..") {
        true => Ok(text.to_owned()),
        false => {
            Err("an interface's name has 1 to 15 bytes, and no white space, / or :".to_owned())
        }
    }
}

/// node-cache takes a number of seconds; a unit is understood too.
fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.trim_end_matches('s');
    match seconds.parse() {
        Ok(0) | Err(_) => Err("a number of seconds, from 1".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

/// The interface of a running server.
pub(super) struct NodeLocal {
    interface: Interface,
    keeper: JoinHandle<()>,
    leave: bool,
}

impl Flags {
    /// Sets the interface up, if there is to be one, and looks after it.
    ///
    /// # Errors
    /// What the system refuses; what node-cache does and callsign does not.
    pub(super) async fn start(&self) -> Result<Option<NodeLocal>, String> {
        self.refuse()?;
        if self.localip.is_empty() || !self.setupinterface {
            return Ok(None);
        }
        if self.setupiptables.is_none() {
            info!(
                "no rules of iptables are set up: pods must be told to ask {:?} (kubelet's clusterDNS)",
                self.localip
            );
        }
        let interface = Interface::new(&self.interfacename, self.localip.clone());
        interface
            .ensure()
            .await
            .map_err(|error| error.to_string())?;
        let (kept, every) = (interface.clone(), self.syncinterval);
        Ok(Some(NodeLocal {
            interface,
            keeper: tokio::spawn(async move { kept.keep(every).await }),
            leave: self.skipteardown,
        }))
    }

    fn refuse(&self) -> Result<(), String> {
        if self.setupiptables == Some(true) || self.other.setupebtables == Some(true) {
            return Err(
                "callsign sets up no rules of iptables or ebtables: give -setupiptables=false, and \
                 let pods ask the local address (kubelet's clusterDNS); docs/node-local.md has more"
                    .to_owned(),
            );
        }
        let template = "callsign fills in no template: name the Corefile with -conf, and write \
                        {$KUBE_DNS_UPSTREAM_SERVICE_HOST} where node-cache's has \
                        __PILLAR__CLUSTER__DNS__";
        let other = &self.other;
        let named = [
            ("upstreamsvc", &other.upstreamsvc),
            ("basecorefile", &other.basecorefile),
            ("corefile", &other.corefile),
            ("kubednscm", &other.kubednscm),
        ];
        if let Some((flag, _)) = named.iter().find(|(_, value)| value.is_some()) {
            return Err(format!("-{flag}: {template}"));
        }
        if other.metrics_listen_address.is_some() {
            return Err(
                "-metrics-listen-address: callsign has one page of metrics, that of the \
                 directive `prometheus`"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

impl NodeLocal {
    /// Takes the interface away, unless it is to stay.
    pub(super) async fn stop(self) {
        self.keeper.abort();
        if self.leave {
            return;
        }
        match self.interface.remove().await {
            Ok(()) => info!("removed the interface of the local addresses"),
            Err(error) => warn!("{error}"),
        }
    }
}
