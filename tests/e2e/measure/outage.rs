//! The API server goes: what the list costs that follows when it has come back and has forgotten what
//! was watched, and how soon a server answers that starts while it is away.

use std::time::Instant;

use super::{Measure, REST, ROUNDS, Running, SERVERS, load, memory, millis};
use crate::world::until;

const APISERVER: &str = "kube-apiserver";

impl Measure {
    /// Memory at its peak while all is listed again.
    pub(super) fn relists(&self, size: usize, table: &mut super::Table) -> Result<(), String> {
        let (service, records) = load::headless_below(size);
        for round in 0..ROUNDS {
            let start = |name| Running::start(name, &self.plane, &[]);
            let [coredns, callsign] = SERVERS.map(start);
            let running = [coredns?, callsign?];
            running
                .iter()
                .try_for_each(|server| server.wait_for(&service, records))?;
            std::thread::sleep(REST);
            let pids = running.each_ref().map(|server| server.process.pid());
            let [coredns, callsign] = pids.map(|pid| memory(pid, "VmRSS:"));
            let settled = [coredns?, callsign?];
            pids.into_iter().try_for_each(forget_peak)?;

            let new = self.forgotten(&running, &format!("{size}-{round}"))?;
            // It can be known from a list alone.
            running
                .iter()
                .try_for_each(|server| server.wait_for(&new, 1))?;
            std::thread::sleep(REST);
            for ((name, pid), settled) in SERVERS.into_iter().zip(pids).zip(settled) {
                let peak = memory(pid, "VmHWM:")?;
                table.add("memory at its peak in a relist, MiB", name, peak);
                let row = "peak of a relist, times what was settled";
                table.add(row, name, peak / settled);
            }
        }
        Ok(())
    }

    /// While the servers see nothing, a Service comes, and the API server forgets all that was: the
    /// Service's name.
    fn forgotten(&self, servers: &[Running], name: &str) -> Result<String, String> {
        let signal = |signal| {
            let mut all = servers.iter();
            all.try_for_each(|server| server.process.signal(signal))
        };
        signal("STOP")?;
        self.api.apply(&format!(
            "
apiVersion: v1
kind: Service
metadata: {{name: relist-{name}, namespace: changing}}
spec: {{clusterIP: None}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: relist-{name}, namespace: changing, labels: {{kubernetes.io/service-name: relist-{name}}}}}
addressType: IPv4
endpoints: [{{addresses: [10.66.0.1]}}]
"
        ))?;
        self.plane.down(APISERVER)?;
        self.plane.forget_history()?;
        self.plane.up(APISERVER)?;
        signal("CONT")?;
        Ok(format!("relist-{name}.changing.svc.cluster.local."))
    }

    /// Starts of callsign, with the state that it has kept, while there is no API server; CoreDNS
    /// keeps none.
    pub(super) fn restarts(&self, size: usize, table: &mut super::Table) -> Result<(), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = folder.path().join("state");
        let arguments = ["--snapshot".to_owned(), file.display().to_string()];
        let (service, records) = load::headless_below(size);
        let start = || -> Result<Running, String> {
            let running = Running::start("callsign", &self.plane, &arguments)?;
            running.wait_for(&service, records)?;
            Ok(running)
        };
        let running = start()?;
        until(|| (!file.exists()).then(|| format!("no snapshot:\n{}", running.process.tail())))?;
        drop(running);
        self.plane.down(APISERVER)?;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let _running = start()?;
            let row = "start from a snapshot without the API server, ms";
            table.add(row, "callsign", millis(began.elapsed()));
        }
        self.plane.up(APISERVER)
    }
}

/// What the peak of a process's memory is counts from now on.
fn forget_peak(pid: u32) -> Result<(), String> {
    let path = format!("/proc/{pid}/clear_refs");
    std::fs::write(&path, "5").map_err(|error| format!("{path}: {error}"))
}
