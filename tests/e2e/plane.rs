//! The processes of the control plane, for tests that stop and kill them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// The processes, by the names of their programs.
pub(crate) const PROCESSES: &[&str] = &["etcd", "kube-apiserver", "kube-controller-manager"];

/// What `tests/e2e/up` has started.
pub(crate) struct Plane {
    run: PathBuf,
    /// Where the API server is.
    pub(crate) api: SocketAddr,
    etcd: SocketAddr,
}

impl Plane {
    /// As `tests/e2e/run` tells: the folder of its state, and its ports.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let word = |name| {
            std::env::var(name).map_err(|_| format!("{name} is not set: tests/e2e/run starts this"))
        };
        let port = |name| {
            let port: u16 = word(name)?
                .parse()
                .map_err(|_| format!("{name} is no port"))?;
            Ok::<_, String>((Ipv4Addr::LOCALHOST, port).into())
        };
        Ok(Self {
            run: word("E2E_RUN")?.into(),
            api: port("E2E_API_PORT")?,
            etcd: port("E2E_ETCD_PORT")?,
        })
    }

    /// A file of its state.
    pub(crate) fn state(&self, file: &str) -> PathBuf {
        self.run.join(file)
    }

    /// The pid of a process.
    pub(crate) fn pid(&self, name: &str) -> Result<u32, String> {
        let pid = std::fs::read_to_string(self.run.join("pid").join(name));
        let pid = pid.map_err(|error| format!("the pid of {name}: {error}"))?;
        pid.trim().parse().map_err(|_| format!("a pid: {pid}"))
    }

    /// Sends a signal to a process.
    pub(crate) fn signal(&self, name: &str, signal: Signal) -> Result<(), String> {
        let pid = i32::try_from(self.pid(name)?).map_err(|error| error.to_string())?;
        signal::kill(Pid::from_raw(pid), signal).map_err(|error| format!("{name}: {error}"))
    }

    /// Starts a process that has ended.
    pub(crate) fn up(&self, name: &str) -> Result<(), String> {
        self.script("up", name)
    }

    /// Ends a process.
    pub(crate) fn down(&self, name: &str) -> Result<(), String> {
        self.script("down", name)
    }

    /// Makes all processes run again, whatever a test that failed has left.
    pub(crate) fn restore(&self) -> Result<(), String> {
        for name in PROCESSES {
            match self.is_there(name) {
                true => self.signal(name, Signal::SIGCONT)?,
                false => self.up(name)?,
            }
        }
        Ok(())
    }

    /// Whether a process has not ended. One that has and that nobody has waited for has no program.
    fn is_there(&self, name: &str) -> bool {
        self.pid(name)
            .is_ok_and(|pid| Path::new(&format!("/proc/{pid}/exe")).read_link().is_ok())
    }

    fn script(&self, script: &str, name: &str) -> Result<(), String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/e2e")
            .join(script);
        let output = Command::new(file).arg(name).output();
        let output = output.map_err(|error| format!("{script} {name}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!(
            "{script} {name}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }

    /// Makes etcd forget all that was before now: who watches from an earlier version is told so.
    pub(crate) fn forget_history(&self) -> Result<(), String> {
        let status = self.ask_etcd("maintenance/status", &json!({}))?;
        let revision = &status["header"]["revision"];
        self.ask_etcd(
            "kv/compaction",
            &json!({"revision": revision, "physical": true}),
        )
        .map(drop)
    }

    /// Etcd answers gRPC as JSON too.
    fn ask_etcd(&self, method: &str, body: &Value) -> Result<Value, String> {
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "--fail-with-body", "--data"])
            .arg(body.to_string())
            .arg(format!("http://{}/v3/{method}", self.etcd))
            .output()
            .map_err(|error| format!("curl: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("etcd, {method}: {text}"));
        }
        serde_json::from_str(&text).map_err(|error| format!("etcd, {method}: {error}: {text}"))
    }
}
