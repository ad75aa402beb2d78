//! A server that runs a variant's Corefile.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

use super::api::Api;
use super::variant::{Told, Variant};
use crate::port::Reservation;
use crate::subject::{Process, Subject};
use crate::upstream::Upstream;

/// Names that ExternalName Services lead to. What is not here is refused.
const WORLD: &str = "
www.example.org. A
  answer www.example.org. 60 IN CNAME web.example.org.
  answer web.example.org. 30 IN A 192.0.2.80
www.example.org. AAAA
  answer www.example.org. 60 IN CNAME web.example.org.
  authority example.org. 30 IN SOA ns.example.org. hostmaster.example.org. 1 2 3 4 5
rds.us-west-2.amazonaws.com. *
  rcode NXDOMAIN
  authority com. 30 IN SOA ns.example.com. hostmaster.example.com. 1 2 3 4 5
localhost. *
  rcode SERVFAIL
_a.b_c.example.org. A
  flags tc
  answer _a.b_c.example.org. 60 IN A 192.0.2.81
";

/// The file `zone` beside a Corefile: names of `cluster.local`, or of another zone. Some are a cluster's
/// own, and more are not.
const ZONE: &str = r#"
@ 300 IN SOA ns hostmaster 1 2 3 4 5
@ 300 IN NS ns
@ 300 IN NS ns.example.com.
@ 300 IN A 192.0.2.90
ns 300 IN A 192.0.2.91
www 300 IN A 192.0.2.92
any 300 IN CNAME www
hostmaster 300 IN MX 10 www
www.example.org 300 IN AAAA 2001:db8::92
a.b 300 IN CNAME elsewhere.example.
default.svc 300 IN TXT "a namespace of the cluster"
kubernetes.default.svc 300 IN A 192.0.2.93
x.default.svc 300 IN A 192.0.2.94
_x._tcp.default.svc 300 IN SRV 1 2 3 x.default.svc
nowhere.svc 300 IN A 192.0.2.95
*.nowhere.svc 300 IN A 192.0.2.96
kubernetes.kube-system.svc 300 IN TXT "not of a namespace that is told"
1-2-3-4.nowhere.pod 300 IN A 192.0.2.97
dns-version 300 IN A 192.0.2.98
below.dns 300 IN NS ns.below.dns
ns.below.dns 300 IN A 192.0.2.99
"#;

/// A running server; it ends when dropped.
pub(crate) struct Server {
    /// Where it is asked.
    pub(crate) address: SocketAddr,
    _world: Upstream,
    _process: Process,
    _directory: TempDir,
    _port: Reservation,
}

impl Server {
    /// Starts CoreDNS, which reads its objects from the API server.
    pub(crate) fn coredns(subject: &Subject, variant: &Variant, api: &Api) -> Result<Self, String> {
        let streamed = matches!(variant.told, Told::Streamed | Told::Unclosed).to_string();
        let environment = [("KUBE_FEATURE_WatchListClient".to_owned(), streamed)];
        Self::start(subject, variant, api, &[], &environment)
    }

    /// Starts callsign, which reads its objects from the manifests, unless how they are told is what
    /// is compared.
    pub(crate) fn callsign(
        subject: &Subject,
        variant: &Variant,
        api: &Api,
        manifests: &Path,
    ) -> Result<Self, String> {
        let arguments = ["--manifests".to_owned(), manifests.display().to_string()];
        let arguments = match variant.told {
            Told::Listed | Told::Streamed => &arguments[..],
            Told::Unclosed | Told::InPart | Told::AsWritten => &[],
        };
        Self::start(subject, variant, api, arguments, &[])
    }

    fn start(
        subject: &Subject,
        variant: &Variant,
        api: &Api,
        arguments: &[String],
        environment: &[(String, String)],
    ) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = Reservation::new()?;
        let world = Upstream::start()?;
        let script: Vec<String> = WORLD.trim().lines().map(str::to_owned).collect();
        world.script(&script)?;
        // A busy machine may take longer for it than servers wait, unless a variant says how long.
        let mut corefile = variant.corefile.clone();
        if !corefile.contains("startup_timeout") {
            corefile = corefile.replace("endpoint @api", "endpoint @api\nstartup_timeout 60s");
        }
        let corefile = corefile
            .replace("@port", &port.port.to_string())
            .replace("@api", &api.url())
            .replace("@world", &world.address().to_string());
        std::fs::write(directory.path().join("Corefile"), corefile)
            .map_err(|error| error.to_string())?;
        std::fs::write(directory.path().join("zone"), ZONE.trim_start())
            .map_err(|error| error.to_string())?;
        let mut process = Process::start(subject, directory.path(), arguments, environment)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port));
        // Both listen only when they know the cluster, or have given up waiting for it.
        process.wait_until_ready(&[address])?;
        Ok(Self {
            address,
            _world: world,
            _process: process,
            _directory: directory,
            _port: port,
        })
    }
}
