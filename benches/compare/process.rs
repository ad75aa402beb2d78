//! A server's process: what it costs.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// CPU time so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// Microseconds in all, by the scheduler's account.
    pub(crate) total: f64,
    user: f64,
    system: f64,
}

impl Cpu {
    /// What was spent since `earlier`, in microseconds, in all and in user mode. The kernel samples
    /// the share of user mode, so it is the coarser figure.
    pub(crate) fn since(self, earlier: Self) -> (f64, f64) {
        let total = self.total - earlier.total;
        let (user, system) = (self.user - earlier.user, self.system - earlier.system);
        let share = if user + system > 0.0 {
            user / (user + system)
        } else {
            0.0
        };
        (total, total * share)
    }
}

/// A process and all that it started; it ends when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a command on the servers' processor, its output in `log`.
    pub(crate) fn start(
        program: &str,
        arguments: &[String],
        log: Stdio,
        cpu: usize,
    ) -> io::Result<Self> {
        let child = Command::new("taskset")
            .args(["-c", &cpu.to_string(), program])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(log)
            .spawn()?;
        Ok(Self(child))
    }

    /// Whether it ended on its own.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }

    /// The CPU time of the whole family.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut cpu = Cpu::default();
        for pid in family(self.0.id()) {
            let fields = stat(pid).unwrap_or_default();
            let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
            cpu.user += ticks(11).unwrap_or_default();
            cpu.system += ticks(12).unwrap_or_default();
            let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
                .into_iter()
                .flatten();
            for thread in threads.flatten() {
                let text =
                    std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                let spent = text
                    .split(' ')
                    .next()
                    .and_then(|word| word.parse::<f64>().ok());
                cpu.total += spent.unwrap_or_default() / 1000.0;
            }
        }
        cpu
    }

    /// Resident memory of the family, in MiB.
    pub(crate) fn resident(&self) -> f64 {
        let of_process = |pid: u32| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let kibibytes: f64 = family(self.0.id()).into_iter().filter_map(of_process).sum();
        kibibytes / 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let own = i32::try_from(self.0.id()).unwrap_or_default();
        let terminate = |pid| {
            _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGTERM,
            );
        };
        terminate(own);
        let end = Instant::now() + Duration::from_secs(8);
        while !self.has_ended() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The fields of a process's `stat` after its name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

/// A process and its children, and theirs.
fn family(root: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<(u32, u32)> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.get(1)?.parse().ok()?)))
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(
            all.iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    found
}
