//! The servers that are compared: how each is given the same names, and started.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::api::Api;
use super::load::Load;
use super::names;
use super::process::Process;
use super::question::Question;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(120);

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    Echo,
    Callsign,
    CoreDns,
    Nsd,
    Knot,
    Unbound,
    Dnsdist,
}

/// What a server is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// kubeadm's Corefile, or the same names in another form.
    Cluster,
    /// The same with `log`.
    Logged,
    /// All names are an upstream's, and nothing is kept.
    Forward,
}

/// Where things are, and what all servers share.
pub(crate) struct Bed<'b> {
    pub(crate) folder: &'b Path,
    /// Programs by peer; one that is not installed is not there.
    pub(crate) programs: Vec<(Peer, String)>,
    pub(crate) upstream: SocketAddr,
    /// The processor of the servers.
    pub(crate) cpu: usize,
}

/// A server that answers.
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// The cluster of CoreDNS, and of callsign where it changes.
    pub(crate) api: Option<Api>,
}

impl Peer {
    /// All, in the order of tables.
    pub(crate) const ALL: [Self; 7] = [
        Self::Echo,
        Self::Callsign,
        Self::CoreDns,
        Self::Nsd,
        Self::Knot,
        Self::Unbound,
        Self::Dnsdist,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Callsign => "callsign",
            Self::CoreDns => "CoreDNS",
            Self::Nsd => "NSD",
            Self::Knot => "Knot",
            Self::Unbound => "Unbound",
            Self::Dnsdist => "dnsdist",
        }
    }

    /// The program's file, looked for in `PATH` and where Debian has daemons.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Echo => "compare",
            Self::Callsign => "callsign",
            Self::CoreDns => "coredns",
            Self::Nsd => "nsd",
            Self::Knot => "knotd",
            Self::Unbound => "unbound",
            Self::Dnsdist => "dnsdist",
        }
    }
}

/// A port that nobody has at the moment, and that was not given before.
pub(crate) fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = tcp.local_addr()?.port();
        let is_free = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free && !given.contains(&port) {
            given.push(port);
            return Ok(port);
        }
    }
}

impl Bed<'_> {
    pub(crate) fn has(&self, peer: Peer) -> bool {
        self.programs.iter().any(|(known, _)| *known == peer)
    }

    /// Starts a server with so many Services, and waits until it answers.
    ///
    /// `watched` gives callsign the cluster by the API server, as CoreDNS always has it.
    pub(crate) fn start(
        &self,
        peer: Peer,
        role: Role,
        services: u32,
        watched: bool,
        question: &Question,
    ) -> io::Result<Server> {
        let is_watched = peer == Peer::CoreDns || (peer == Peer::Callsign && watched);
        let api = is_watched.then(|| Api::start(services)).transpose()?;
        let address = api.as_ref().map(|api| api.address);
        let mut server = self.launch(peer, role, services, address, question)?;
        server.api = api;
        Ok(server)
    }

    /// The same with an API server that is there, or none.
    pub(crate) fn launch(
        &self,
        peer: Peer,
        role: Role,
        services: u32,
        api: Option<SocketAddr>,
        question: &Question,
    ) -> io::Result<Server> {
        let port = free_port()?;
        let plan = Plan {
            bed: self,
            role,
            services,
            port,
            api,
        };
        let arguments = plan.arguments(peer)?;
        let log = match role {
            Role::Logged => Stdio::null(),
            _ => File::create(self.folder.join(format!("{}.log", peer.name())))?.into(),
        };
        let program = self.programs.iter().find(|(known, _)| *known == peer);
        let program = program.map_or_else(|| peer.program(), |(_, program)| program);
        let mut server = Server {
            peer,
            process: Process::start(program, &arguments, log, self.cpu)?,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            api: None,
        };
        server.wait(question)?;
        Ok(server)
    }
}

impl Server {
    fn wait(&mut self, question: &Question) -> io::Result<()> {
        let load = Load {
            server: self.address,
            questions: std::slice::from_ref(question),
            flows: 1,
            window: 1,
            duration: Duration::from_millis(50),
            until: None,
            rate: None,
            tcp: false,
            echo: self.peer == Peer::Echo,
        };
        let end = Instant::now() + START;
        let mut last = None;
        while Instant::now() < end && !self.process.has_ended() {
            let tally = load.run()?;
            if tally.answered > 0 && tally.wrong == 0 {
                return Ok(());
            }
            last = tally.example.or(last);
            std::thread::sleep(Duration::from_millis(50));
        }
        let why = last.unwrap_or_else(|| "no answer".into());
        Err(io::Error::other(format!(
            "{} does not serve: {why}",
            self.peer.name()
        )))
    }
}

/// One server's configuration.
struct Plan<'p> {
    bed: &'p Bed<'p>,
    role: Role,
    services: u32,
    port: u16,
    api: Option<SocketAddr>,
}

impl Plan<'_> {
    /// Writes the configuration, and gives the arguments that name it.
    fn arguments(&self, peer: Peer) -> io::Result<Vec<String>> {
        let text = match peer {
            Peer::Echo => {
                return Ok(vec!["echo".into(), format!("127.0.0.1:{}", self.port)]);
            }
            Peer::Callsign | Peer::CoreDns => self.corefile()?,
            Peer::Nsd => self.nsd()?,
            Peer::Knot => self.knot()?,
            Peer::Unbound => self.unbound(),
            Peer::Dnsdist => self.dnsdist(),
        };
        let file = self.write(&format!("{}.conf", peer.name()), &text)?;
        let words: Vec<&str> = match peer {
            Peer::Echo => Vec::new(),
            Peer::Callsign | Peer::CoreDns => vec!["-conf", &file],
            Peer::Nsd => vec!["-d", "-c", &file],
            Peer::Knot => vec!["-c", &file],
            Peer::Unbound => vec!["-d", "-c", &file],
            Peer::Dnsdist => vec!["--supervised", "--disable-syslog", "-C", &file],
        };
        let mut arguments: Vec<String> = words.into_iter().map(str::to_owned).collect();
        if peer == Peer::Callsign && self.api.is_none() {
            let folder = format!("manifests-{}", self.services);
            std::fs::create_dir_all(self.bed.folder.join(&folder))?;
            let manifests = names::manifests(self.services);
            self.write(&format!("{folder}/cluster.yaml"), &manifests)?;
            let folder = self.bed.folder.join(folder);
            arguments.extend(["--manifests".into(), folder.display().to_string()]);
        }
        Ok(arguments)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<String> {
        let path = self.bed.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// kubeadm's Corefile, its fixed ports replaced by free ones.
    fn corefile(&self) -> io::Result<String> {
        let (port, upstream) = (self.port, self.bed.upstream);
        if self.role == Role::Forward {
            return Ok(format!(
                ".:{port} {{\n bind 127.0.0.1\n errors\n forward . {upstream} {{\n max_concurrent 1000\n }}\n}}\n"
            ));
        }
        let log = if self.role == Role::Logged { "log" } else { "" };
        let endpoint = self
            .api
            .map_or_else(String::new, |api| format!("endpoint http://{api}"));
        let (health, ready, metrics) = (free_port()?, free_port()?, free_port()?);
        Ok(format!(
            ".:{port} {{
    bind 127.0.0.1
    errors
    {log}
    health 127.0.0.1:{health} {{
        lameduck 0s
    }}
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        {endpoint}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus 127.0.0.1:{metrics}
    forward . {upstream} {{
        max_concurrent 1000
    }}
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    loop
    reload
    loadbalance
}}
"
        ))
    }

    fn nsd(&self) -> io::Result<String> {
        let folder = self.bed.folder.display();
        self.write("nsd.zone", &names::zone_file(self.services))?;
        Ok(format!(
            "server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: \"\"
  database: \"\"
  zonesdir: \"{folder}\"
  pidfile: \"{folder}/nsd.pid\"
  xfrdfile: \"{folder}/nsd.xfrd\"
  zonelistfile: \"{folder}/nsd.zones\"
  rrl-ratelimit: 0
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: {zone}
  zonefile: nsd.zone
",
            port = self.port,
            zone = names::ZONE,
        ))
    }

    fn knot(&self) -> io::Result<String> {
        let folder = self.bed.folder.join("knot");
        std::fs::create_dir_all(&folder)?;
        self.write("knot/knot.zone", &names::zone_file(self.services))?;
        let folder = folder.display();
        Ok(format!(
            "server:
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  rundir: {folder}
log:
  - target: stderr
    any: warning
database:
  storage: {folder}
zone:
  - domain: {zone}
    storage: {folder}
    file: knot.zone
",
            port = self.port,
            zone = names::ZONE,
        ))
    }

    fn unbound(&self) -> String {
        let (ip, up) = (self.bed.upstream.ip(), self.bed.upstream.port());
        format!(
            "server:
  interface: 127.0.0.1@{port}
  num-threads: 1
  username: \"\"
  chroot: \"\"
  pidfile: \"\"
  directory: \"{folder}\"
  use-syslog: no
  do-daemonize: no
  verbosity: 0
  module-config: \"iterator\"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
{data}forward-zone:
  name: \".\"
  forward-addr: {ip}@{up}
remote-control:
  control-enable: no
",
            port = self.port,
            folder = self.bed.folder.display(),
            data = names::local_data(self.services),
        )
    }

    fn dnsdist(&self) -> String {
        let (port, upstream) = (self.port, self.bed.upstream);
        let cache = match self.role {
            Role::Forward => "",
            _ => "getPool(\"\"):setCache(newPacketCache(100000, {maxTTL=86400}))\n",
        };
        format!(
            "setLocal(\"127.0.0.1:{port}\")\nsetACL({{\"127.0.0.0/8\"}})\nsetSecurityPollSuffix(\"\")\n\
             newServer({{address=\"{upstream}\"}})\n{cache}"
        )
    }
}
