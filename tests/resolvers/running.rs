//! A running callsign as the cluster's name server: what programs really send it, by its own query
//! log, beside what `callsign lookup` told before.
//!
//! It serves the guide's cluster on 10.96.0.10; one upstream, on 10.96.0.11, has a few names
//! outside. Each name is foretold twice, from the manifests alone and by the server itself, looked up
//! by a program with the `resolv.conf` that `lookup` told, and read back from the log.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use callsign::resolver::Libc;
use hickory_proto::op::{Message, MessageType, OpCode, Query as Question};
use hickory_proto::rr::{Name, RecordType};
use serde_json::Value;

use crate::guide::{self, Expected, Scene};
use crate::namespace::Namespace;
use crate::observe::{Query, State, serve};
use crate::program::{Outcome, Program};
use crate::scene::is_in_order;
use crate::unless_late;
use crate::world::World;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
const UPSTREAM: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 11);
const SOCKET: &str = "@callsign";
/// What the upstream has.
const OUTSIDE: [&str; 2] = [
    "api.example.com * * 192.0.2.1 2001:db8::1",
    "rds.us-west-2.amazonaws.com * * 192.0.2.2",
];
/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// The members of the StatefulSet in the sample cluster.
const MEMBERS: usize = 3;

/// The cluster.
pub(crate) struct Cluster {
    namespace: Namespace,
    manifests: tempfile::TempDir,
    server: Child,
    log: Receiver<String>,
    socket: UdpSocket,
    /// Names asked so far to see what is in the log.
    settled: usize,
}

/// What `lookup` told of a name.
struct Told {
    report: Value,
    groups: Vec<Vec<Query>>,
}

impl Cluster {
    pub(crate) fn new() -> Result<Self, String> {
        let namespace = Namespace::new([SERVER, UPSTREAM])?;
        let mut world = World::default();
        for line in OUTSIDE {
            world.add(line)?;
        }
        serve(UPSTREAM.into(), &Arc::new(Mutex::new(State::new(world))))?;
        let manifests = tempfile::tempdir().map_err(|error| error.to_string())?;
        guide::write_cluster(manifests.path(), MEMBERS)?;
        let mut server = callsign()
            .arg("-conf")
            .arg(guide::file("Corefile"))
            .arg("--manifests")
            .arg(manifests.path())
            // The order of the log is that of the queries.
            .args(["--threads", "1", "--admin", SOCKET])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (sender, log) = channel();
        let output = server.stdout.take().ok_or("it has no output")?;
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| {
            socket.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(socket)
        });
        let mut cluster = Self {
            namespace,
            manifests,
            server,
            log,
            socket: socket.map_err(|error| error.to_string())?,
            settled: 0,
        };
        cluster.wait_for_members(MEMBERS)?;
        Ok(cluster)
    }

    /// Changes the manifests on disk, and waits until the server has seen it.
    pub(crate) fn set_replicas(&mut self, replicas: usize) -> Result<(), String> {
        guide::write_cluster(self.manifests.path(), replicas)?;
        self.wait_for_members(replicas)
    }

    fn wait_for_members(&mut self, members: usize) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let name = "postgres-headless.production.svc.cluster.local.";
        while self.ask(name).map(|reply| reply.answers.len()) != Some(members) {
            if Instant::now() > end {
                return Err(format!("{name} never has {members} addresses"));
            }
            // The server is at work on the same processors.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// `None` where no reply comes in a second, or nothing listens yet.
    fn ask(&self, name: &str) -> Option<Message> {
        let id = rand::random();
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.add_query(Question::query(Name::from_ascii(name).ok()?, RecordType::A));
        self.socket
            .send_to(&message.to_vec().ok()?, (SERVER, 53))
            .ok()?;
        let mut buffer = [0; 4096];
        loop {
            let size = self.socket.recv(&mut buffer).ok()?;
            let reply = Message::from_vec(&buffer[..size]).ok()?;
            if reply.metadata.id == id {
                return Some(reply);
            }
        }
    }

    /// What the log has told since this was asked last.
    fn logged(&mut self) -> Result<Vec<Query>, String> {
        self.settled += 1;
        let last = format!("{}.settled.test.", self.settled);
        let end = Instant::now() + PATIENCE;
        while self.ask(&last).is_none() {
            if Instant::now() > end {
                return Err("the server does not answer".to_owned());
            }
        }
        let mut queries = Vec::new();
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.map_err(|_| "the log has no line for what was answered")?;
            let Some((_, told)) = line.split_once("asked ") else {
                continue;
            };
            let words: Vec<&str> = told.split_whitespace().collect();
            let [proto, family, name] = words[..] else {
                return Err(format!("the log has another form: {line}"));
            };
            if name == last {
                return Ok(queries);
            }
            // One whose reply was late, and that was asked again.
            if name.ends_with(".settled.test.") {
                continue;
            }
            queries.push(Query {
                server: 0,
                name: name.trim_end_matches('.').to_ascii_lowercase(),
                family: family.to_owned(),
                tcp: proto == "tcp",
            });
        }
    }

    /// What `callsign lookup` says that the program will do, from the manifests alone.
    fn foretell(&self, program: &Program, from: &str, name: &str) -> Result<Told, String> {
        let (manifests, corefile) = (self.manifests.path(), guide::file("Corefile"));
        Told::of(program, from, name, |command| {
            command.arg("--manifests").arg(manifests);
            command.arg("-conf").arg(corefile);
        })
    }

    /// And what the running server says. Only the manifests tell how the pod is set up.
    fn foretell_by_server(
        &self,
        program: &Program,
        from: &str,
        name: &str,
    ) -> Result<Told, String> {
        let manifests = self.manifests.path();
        Told::of(program, from, name, |command| {
            command.arg("--manifests").arg(manifests);
            command.args(["--admin", SOCKET]);
        })
    }

    /// Plays one name of a scene; the error tells what is not as it was told.
    pub(crate) fn play(
        &mut self,
        program: &Program,
        scene: &Scene,
        expected: &Expected,
    ) -> Result<(), String> {
        let name = &expected.name;
        let told = self.foretell(program, &scene.from, name)?;
        let by_server = self.foretell_by_server(program, &scene.from, name)?;
        let queries = told.report["queries"].as_u64();
        if queries != u64::try_from(expected.queries).ok() {
            return Err(format!(
                "  told {queries:?} queries, not {}",
                expected.queries
            ));
        }
        let outcome = guide::outcome(&told.report);
        if outcome != expected.outcome {
            return Err(format!("  told {outcome}, not {}", expected.outcome));
        }
        let resolv_conf = told.report["resolv_conf"].as_str().unwrap_or_default();
        self.namespace.set_resolv_conf(resolv_conf)?;
        unless_late(told.waited(), || {
            self.logged()?;
            let start = Instant::now();
            let seen = program.look_up(name)?;
            let took = start.elapsed();
            let logged = self.logged()?;
            let compared =
                [("the manifests", &told), ("the server", &by_server)].map(|(source, told)| {
                    told.compare(program, expected, &logged, &seen, took)
                        .map_err(|difference| format!("  by {source}\n{difference}"))
                });
            Ok((took, compared.into_iter().collect()))
        })?
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn callsign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
    command.env_remove("CALLSIGN_MANIFESTS");
    command
}

impl Told {
    fn of(
        program: &Program,
        from: &str,
        name: &str,
        more: impl FnOnce(&mut Command),
    ) -> Result<Self, String> {
        let mut command = callsign();
        command.args(["lookup", name, "--from", from, "--format", "json"]);
        command.args(["--libc", program.libc.name()]);
        more(&mut command);
        let output = command.output().map_err(|error| error.to_string())?;
        let report: Value = serde_json::from_slice(&output.stdout).map_err(|_| {
            let error = String::from_utf8_lossy(&output.stderr);
            format!("{command:?} tells no JSON: {error}")
        })?;
        let groups = groups(&report, program.libc);
        Ok(Self { report, groups })
    }

    fn waited(&self) -> Duration {
        Duration::from_millis(self.report["waited_ms"].as_u64().unwrap_or_default())
    }

    fn compare(
        &self,
        program: &Program,
        expected: &Expected,
        logged: &[Query],
        seen: &Outcome,
        took: Duration,
    ) -> Result<(), String> {
        let waited = self.waited();
        let has_waited = took >= waited;
        if is_in_order(&self.groups, logged)
            && self.is_outcome(program, expected, seen)
            && has_waited
        {
            return Ok(());
        }
        let told: Vec<_> = self.groups.iter().flatten().map(Query::to_string).collect();
        let came: Vec<_> = logged.iter().map(Query::to_string).collect();
        Err(format!(
            "  told {} {}, waited {waited:?}\n    {}\n  seen {seen}, took {took:?}\n    {}",
            guide::outcome(&self.report),
            self.report["answer"],
            told.join("\n    "),
            came.join("\n    ")
        ))
    }

    /// Whether the program was told what was foretold. Of a name that is forwarded the manifests
    /// know no address.
    fn is_outcome(&self, program: &Program, expected: &Expected, seen: &Outcome) -> bool {
        let outcome = guide::outcome(&self.report);
        if outcome == "forwarded" {
            return matches!(seen, Outcome::Found(_));
        }
        if outcome.starts_with("found ") {
            let addresses = self.report["answer"].as_array().into_iter().flatten();
            let addresses = addresses.filter_map(Value::as_str).map(str::to_owned);
            return *seen == Outcome::found(addresses.collect());
        }
        outcome == expected.outcome && *seen == program.tells(&outcome)
    }
}

/// The queries of a report; those of a group may come in any order among each other.
fn groups(report: &Value, libc: Libc) -> Vec<Vec<Query>> {
    let mut groups: Vec<Vec<Query>> = Vec::new();
    for tried in report["tried"].as_array().into_iter().flatten() {
        let mut batch = None;
        for asked in tried["queries"].as_array().into_iter().flatten() {
            // Go's two families do not wait for each other as long as a name is tried.
            let own = match libc {
                Libc::Go => Some(0),
                _ => asked["batch"].as_u64(),
            };
            if batch != own || groups.is_empty() {
                groups.push(Vec::new());
                batch = own;
            }
            if let Some(group) = groups.last_mut() {
                group.push(Query {
                    server: 0,
                    name: tried["name"]
                        .as_str()
                        .unwrap_or_default()
                        .to_ascii_lowercase(),
                    family: asked["qtype"].as_str().unwrap_or_default().to_owned(),
                    tcp: asked["tcp"] == true,
                });
            }
        }
    }
    groups
}
