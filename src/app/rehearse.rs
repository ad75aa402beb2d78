//! A configuration without its listeners: what it would answer, with nothing served and nobody
//! asked.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::plan::{Inputs, Site};
use super::{Conf, StartError, fill, planned};
use crate::corefile::{Corefile, Environment, System, Transport};
use crate::kubernetes::manifests::Source;
use crate::plugin::prometheus::Dropped;
use crate::plugin::setup::{Kept, Settings};
use crate::server::Server;

/// The server blocks of a Corefile over a cluster's manifests. The manifests are read as long as it
/// is held.
pub struct Rehearsal {
    /// The listener that clients of the cluster ask: the first for plain DNS.
    pub server: Arc<Server>,
    /// The cluster's domain, without a dot at its end: the first zone of the first `kubernetes`.
    pub domain: Option<String>,
    _kept: HashMap<String, Arc<Kept>>,
}

/// Builds what the Corefile asks for, and waits until the manifests are read.
///
/// # Errors
/// [`StartError`], as at a start.
pub async fn rehearse(
    conf: &Conf,
    dns_port: u16,
    manifests: Source,
) -> Result<Rehearsal, StartError> {
    let settings = Settings {
        manifests: Some(manifests),
        is_rehearsal: true,
        ..Settings::default()
    };
    let inputs = Inputs {
        dns_port,
        metrics: Arc::default(),
        settings: Arc::new(settings),
        previous: HashMap::new(),
        environment: &Apart,
    };
    let metrics = inputs.metrics.clone();
    let (corefile, mut plan) = planned(conf, inputs)?;
    // Other plugins ask the network.
    fill(&mut plan.shared, |plugin| plugin == "kubernetes").await?;
    let label: Arc<str> = format!("dns://:{}", port(&plan.sites, dns_port)).into();
    let asked = asked(plan.sites, dns_port);
    let any_class = asked.iter().any(|site| site.listen.any_class);
    let observer = Arc::new(Dropped::new(&metrics, label.clone()));
    let blocks = asked.into_iter().map(|site| site.block);
    Ok(Rehearsal {
        server: Server::new(label, (0, 1), blocks, any_class, observer),
        domain: domain(&corefile),
        _kept: plan.shared.kept,
    })
}

/// This machine, but for the files that another one will have where the server runs.
struct Apart;

/// The name servers of a node, which are not known.
const RESOLV_CONF: (&str, &[u8]) = ("/etc/resolv.conf", b"nameserver 192.0.2.53\n");

impl Environment for Apart {
    fn variable(&self, name: &str) -> Option<String> {
        System.variable(name)
    }

    fn directory(&self) -> PathBuf {
        System.directory()
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let (node_file, content) = RESOLV_CONF;
        match path == Path::new(node_file) {
            true => Ok(content.to_vec()),
            false => System.read(path, limit),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        System.list(directory)
    }

    fn exists(&self, path: &Path) -> bool {
        System.exists(path)
    }
}

fn domain(corefile: &Corefile) -> Option<String> {
    let mut zones = corefile.blocks().iter().flat_map(|block| {
        let directive = block.directive("kubernetes");
        let zones = directive.map(|directive| {
            let mut cursor = directive.cursor();
            cursor.next_token();
            block.origins(&cursor.remaining_args()).0
        });
        zones.unwrap_or_default()
    });
    let zone = zones.find(|zone| !zone.ends_with(".arpa."))?;
    Some(zone.trim_end_matches('.').to_owned())
}

/// The port that clients of the cluster ask: that of the first site for plain DNS.
fn port(sites: &[Site], default: u16) -> u16 {
    let plain = sites.iter().find(|site| site.transport == Transport::Dns);
    plain.map_or(default, |site| site.port)
}

fn asked(sites: Vec<Site>, default: u16) -> Vec<Site> {
    let port = port(&sites, default);
    let is_asked = |site: &Site| site.transport == Transport::Dns && site.port == port;
    sites.into_iter().filter(is_asked).collect()
}
