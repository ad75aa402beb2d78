//! The server under test: which program it is, its process, what it prints.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

/// How long a server may take until it answers, or ends by itself.
const START: Duration = Duration::from_secs(60);

/// How long a server may take to end when told to, before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// What a server would take from the environment of the suite: that of a pod, or of a user.
const STRANGE: &[&str] = &[
    "CALLSIGN_MANIFESTS",
    "CALLSIGN_SNAPSHOT",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
];

/// A program that the data files are run against.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// True of CoreDNS: its answers are the expectations, callsign's departures are left out.
    pub(crate) is_coredns: bool,
    /// What it is started by, with its arguments; mostly nothing.
    starter: Vec<OsString>,
    program: PathBuf,
}

impl Subject {
    /// The same, started by a program that becomes it: that is given these arguments, then the program
    /// and its own.
    #[allow(dead_code, reason = "the end-to-end suite runs servers as pods")]
    pub(crate) fn by(mut self, starter: &[&Path]) -> Self {
        self.starter = starter.iter().map(|word| (*word).into()).collect();
        self
    }

    /// The subject that `SUBJECT` names; callsign where it is not set.
    pub(crate) fn from_environment() -> Result<Self, String> {
        Self::named(&std::env::var("SUBJECT").unwrap_or_else(|_| "callsign".to_owned()))
    }

    /// The subject of this name, as `CALLSIGN` or `COREDNS` say where it is.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "callsign" => {
                let program = std::env::var_os("CALLSIGN")
                    .unwrap_or_else(|| env!("CARGO_BIN_EXE_callsign").into());
                Ok(Self {
                    is_coredns: false,
                    starter: Vec::new(),
                    program: program.into(),
                })
            }
            "coredns" => Ok(Self {
                is_coredns: true,
                starter: Vec::new(),
                program: coredns()?,
            }),
            _ => Err(format!("SUBJECT is `{name}`, expected coredns or callsign")),
        }
    }
}

/// CoreDNS as `COREDNS` or PATH has it, of the release that the data were recorded from.
fn coredns() -> Result<PathBuf, String> {
    let program = match std::env::var_os("COREDNS") {
        Some(path) => PathBuf::from(path),
        None => in_path("coredns")
            .ok_or("no coredns in PATH; set COREDNS to the binary of release 1.15.0")?,
    };
    let output = Command::new(&program).arg("-version").output();
    let output = output.map_err(|error| format!("{} -version: {error}", program.display()))?;
    let version = String::from_utf8_lossy(&output.stdout);
    match version.lines().next() {
        Some("CoreDNS-1.15.0") => Ok(program),
        other => Err(format!(
            "{} says {:?}, but the data files hold the answers of CoreDNS-1.15.0",
            program.display(),
            other.unwrap_or("nothing")
        )),
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// A running server. It is killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    is_coredns: bool,
    prints_banner: bool,
}

impl Process {
    /// Starts a server in `directory`, whose `Corefile` it reads.
    pub(crate) fn start(
        subject: &Subject,
        directory: &Path,
        arguments: &[String],
        environment: &[(String, String)],
    ) -> Result<Self, String> {
        let program = subject.program.as_os_str();
        let mut words = subject.starter.iter().map(OsString::as_os_str);
        let mut command = Command::new(words.next().unwrap_or(program));
        command.args(words);
        if !subject.starter.is_empty() {
            command.arg(program);
        }
        STRANGE.iter().for_each(|name| _ = command.env_remove(name));
        let mut child = command
            .args(["-conf", "Corefile"])
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", subject.program.display()))?;
        let log = Arc::default();
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|pipe| reader(pipe, &log)));
        readers.extend(child.stderr.take().map(|pipe| reader(pipe, &log)));
        Ok(Self {
            child,
            log,
            readers,
            is_coredns: subject.is_coredns,
            prints_banner: subject.is_coredns && !arguments.iter().any(|word| word == "-quiet"),
        })
    }

    /// Waits until each address answers.
    ///
    /// The probe is a message with the opcode STATUS, which is refused as NOTIMP before any
    /// plugin, counter or log line.
    pub(crate) fn wait_until_ready(&mut self, addresses: &[SocketAddr]) -> Result<(), String> {
        let deadline = Instant::now() + START;
        let pending = |process: &Self| {
            let silent = addresses.iter().find(|address| !answers(**address));
            match silent {
                Some(address) => Some(format!("does not answer on {address}")),
                None if !process.has_banner() => Some("has not printed its version".to_owned()),
                None => None,
            }
        };
        while let Some(pending) = pending(self) {
            if let Some(status) = self.ended() {
                return Err(format!(
                    "ended at its start ({}):\n{}",
                    status_text(status),
                    self.tail()
                ));
            }
            if Instant::now() > deadline {
                return Err(format!("{pending}:\n{}", self.tail()));
            }
        }
        Ok(())
    }

    /// CoreDNS answers a moment before it takes signals, and prints its version after that.
    fn has_banner(&self) -> bool {
        !self.prints_banner || self.log().iter().any(|line| line.contains("CoreDNS-"))
    }

    /// All lines printed so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The last lines printed, for a message.
    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        log.iter()
            .skip(log.len().saturating_sub(10))
            .map(|line| format!("    | {line}\n"))
            .collect()
    }

    /// The exit status, if the process has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Waits for the end of the process, at most as long as a start may take.
    pub(crate) fn wait_for_end(&mut self) -> Option<ExitStatus> {
        self.wait(START)
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has nothing to do. CoreDNS asks for signals in a goroutine of its own,
    /// which may come to run after it has answered; before that, a signal does what it does by default.
    pub(crate) fn wait_until_at_rest(&self) {
        let deadline = Instant::now() + START;
        while self.is_coredns && !self.is_at_rest() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether all its threads sleep. One that has ended is as quiet.
    fn is_at_rest(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        let mut states = tasks.into_iter().flatten().flatten().filter_map(|task| {
            let status = std::fs::read_to_string(task.path().join("stat")).ok()?;
            // PID (NAME) STATE ...
            status.rsplit_once(") ")?.1.chars().next()
        });
        states.all(|state| state == 'S')
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) -> Result<(), String> {
        let signal: Signal = format!("SIG{name}")
            .parse()
            .map_err(|_| format!("no signal SIG{name}"))?;
        let pid = i32::try_from(self.pid()).map_err(|error| error.to_string())?;
        signal::kill(Pid::from_raw(pid), signal).map_err(|error| format!("SIG{name}: {error}"))
    }

    /// Ends the process, and returns all that it printed.
    pub(crate) fn stop(mut self) -> Vec<String> {
        if self.ended().is_none() {
            // At once, and yet with its last lines; to a TERM callsign answers for a second more. A
            // process that cannot be told to end is killed when dropped.
            _ = self.signal(if self.is_coredns { "TERM" } else { "QUIT" });
            self.wait(STOP);
        }
        self.kill();
        for reader in self.readers.drain(..) {
            _ = reader.join();
        }
        self.log()
    }

    fn kill(&mut self) {
        // It may have ended by itself, which is as good.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An exit status as the data files write it.
pub(crate) fn status_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn reader(
    pipe: impl Read + Send + 'static,
    log: &Arc<Mutex<Vec<String>>>,
) -> std::thread::JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches('\n')
                .to_owned();
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(text);
            line.clear();
        }
    })
}

/// Whether a server answers a message with the opcode STATUS, in a tenth of a second.
pub(crate) fn answers(address: SocketAddr) -> bool {
    let probe = || -> std::io::Result<()> {
        let local: SocketAddr = if address.is_ipv4() {
            ([127, 0, 0, 1], 0).into()
        } else {
            (std::net::Ipv6Addr::LOCALHOST, 0).into()
        };
        let socket = UdpSocket::bind(local)?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        socket.send(&[0, 1, 0x10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1])?;
        socket.recv(&mut [0; 512]).map(drop)
    };
    let answered = probe().is_ok();
    if !answered {
        // Refused at once while nothing listens: no reason to ask more often than this.
        std::thread::sleep(Duration::from_millis(10));
    }
    answered
}
