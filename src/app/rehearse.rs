//! A configuration without its listeners: what it would answer, with nothing served and nobody
//! asked.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{self, Inputs, Site};
use super::{Conf, StartError, load, start_kept};
use crate::corefile::{Corefile, System, Transport};
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
        environment: &System,
    };
    let metrics = inputs.metrics.clone();
    let loaded = load(conf);
    let domain = loaded.as_ref().ok().and_then(domain);
    let mut plan = match loaded {
        Ok(corefile) => plan::plan(&corefile, inputs)?,
        Err(errors) => return Err(plan::all_errors(errors, inputs).into()),
    };
    // Set once for each configuration, and this is the one place.
    let _ = plan.shared.runtime.set(tokio::runtime::Handle::current());
    plan.shared.kept.values().for_each(|kept| start_kept(kept));
    for (plugin, before) in std::mem::take(&mut plan.shared.before_serving) {
        // Other plugins ask the network.
        if plugin == "kubernetes" {
            before
                .await
                .map_err(|error| StartError::Plugin(plugin, error))?;
        }
    }
    let label: Arc<str> = format!("dns://:{}", port(&plan.sites, dns_port)).into();
    let asked = asked(plan.sites, dns_port);
    let any_class = asked.iter().any(|site| site.listen.any_class);
    let observer = Arc::new(Dropped::new(&metrics, label.clone()));
    let blocks = asked.into_iter().map(|site| site.block);
    Ok(Rehearsal {
        server: Server::new(label, (0, 1), blocks, any_class, observer),
        domain,
        _kept: plan.shared.kept,
    })
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
