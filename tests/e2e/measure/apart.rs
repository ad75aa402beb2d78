//! Who runs where while events are timed.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::plane::{PROCESSES, Plane};

/// The control plane on some processors; on another one the server, and the driver that asks it
/// without rest. So what the API server does meanwhile is not taken for the server's time. When it is
/// dropped, all may run everywhere again.
pub(super) struct Apart {
    plane: Vec<u32>,
    all: CpuSet,
    last: CpuSet,
}

impl Apart {
    /// Sets the control plane and the driver apart. With a single processor nobody moves.
    pub(super) fn new(plane: &Plane) -> Result<Self, String> {
        let text = |error: nix::Error| format!("processors: {error}");
        let all = sched_getaffinity(Pid::from_raw(0)).map_err(text)?;
        let (mut last, mut others) = (CpuSet::new(), all);
        let own = (0..CpuSet::count()).rfind(|number| all.is_set(*number).unwrap_or_default());
        if let Some(own) = own {
            last.set(own).map_err(text)?;
            others.unset(own).map_err(text)?;
        }
        if others == CpuSet::new() {
            others = all;
        }
        let plane = PROCESSES
            .iter()
            .map(|name| plane.pid(name))
            .collect::<Result<_, _>>()?;
        let apart = Self { plane, all, last };
        let mut pids = apart.plane.iter();
        pids.try_for_each(|pid| run_on(&others, *pid))?;
        run_on(&apart.last, std::process::id())?;
        Ok(apart)
    }

    /// Moves a server to the driver. It is to be started before: it has as many threads as there are
    /// processors when it starts.
    pub(super) fn join(&self, pid: u32) -> Result<(), String> {
        run_on(&self.last, pid)
    }

    /// Lets the driver start a process that may run everywhere.
    pub(super) fn everywhere<T>(
        &self,
        start: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        run_on(&self.all, std::process::id())?;
        let started = start()?;
        run_on(&self.last, std::process::id())?;
        Ok(started)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        for pid in self.plane.iter().copied().chain([std::process::id()]) {
            run_on(&self.all, pid).unwrap_or_default();
        }
    }
}

/// Lets all threads of a process run on these processors alone.
fn run_on(processors: &CpuSet, pid: u32) -> Result<(), String> {
    let path = format!("/proc/{pid}/task");
    let failed = |error: std::io::Error| format!("{path}: {error}");
    for thread in std::fs::read_dir(&path).map_err(failed)? {
        let name = thread.map_err(failed)?.file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok());
        match thread.map(|thread| sched_setaffinity(Pid::from_raw(thread), processors)) {
            // A thread may have ended meanwhile.
            None | Some(Ok(()) | Err(nix::Error::ESRCH)) => {}
            Some(Err(error)) => return Err(format!("processors of {path}: {error}")),
        }
    }
    Ok(())
}
