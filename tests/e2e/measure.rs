//! CoreDNS and callsign side by side as a cluster grows: memory, start, how long after an event its
//! answer comes, and what an API server costs that goes. `benches/compare/run cluster` runs this.

mod apart;
mod goal;
mod latency;
mod load;
mod outage;
mod table;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::api::Api;
use crate::plane::Plane;
use crate::port::Reservation;
use crate::subject::{Process, Subject};
use crate::wire::query::Query;
use apart::Apart;
use latency::Latency;
use table::Table;

/// How often each figure is taken; the median counts.
const ROUNDS: usize = 3;

/// How long a server is left alone before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// Changes of other objects in a second, while events are timed.
const CHURN: [u32; 3] = [0, 300, 1000];

/// The row of a server's memory once it is left alone.
const SETTLED: &str = "memory, MiB";

const SERVERS: [&str; 2] = ["CoreDNS", "callsign"];

/// The folder with a kubeconfig, and what is measured there.
pub(crate) struct Measure {
    api: Api,
    plane: Plane,
}

/// Prints a table of the sizes, which are numbers of Services, apart by commas.
pub(crate) fn run(sizes: &str) -> Result<bool, String> {
    let mut sizes = sizes
        .split(',')
        .map(|size| size.parse().map_err(|error| format!("`{size}`: {error}")))
        .collect::<Result<Vec<usize>, _>>()?;
    sizes.sort_unstable();
    let plane = Plane::from_environment()?;
    let api = Api::connect(&plane.state("admin.kubeconfig"))?;
    let measure = Measure { api, plane };
    let mut there = 0;
    let mut smallest: Option<Table> = None;
    Table::head();
    for size in sizes {
        load::grow(&measure.api, there, size)?;
        there = size;
        let mut table = Table::new(size);
        for _ in 0..ROUNDS {
            for server in SERVERS {
                measure.start(server, size, &mut table)?;
            }
        }
        for rate in CHURN.into_iter().filter(|rate| *rate == 0 || size > 0) {
            measure.latency(size, rate, &mut table)?;
        }
        if size > 0 {
            measure.relists(size, &mut table)?;
            measure.restarts(size, &mut table)?;
        }
        if let Some(smallest) = &smallest {
            let growth = "memory for each 1,000 Services more, MiB";
            table.add_growth(growth, SETTLED, smallest);
        }
        table.print();
        smallest.get_or_insert(table);
    }
    Ok(true)
}

impl Measure {
    /// One start of a server: time, processor time, memory.
    fn start(&self, name: &'static str, size: usize, table: &mut Table) -> Result<(), String> {
        let apiserver = self.plane.pid("kube-apiserver")?;
        let before = cpu(apiserver)?;
        let began = Instant::now();
        let running = Running::start(name, &self.plane, &[])?;
        let (service, records) = load::headless_below(size);
        running.wait_for(&service, records)?;
        let took = began.elapsed();
        let pid = running.process.pid();
        table.add("start to first right answer, ms", name, millis(took));
        table.add("processor time of that, ms", name, cpu(pid)? * 1000.0);
        table.add(
            "of the API server, ms",
            name,
            (cpu(apiserver)? - before) * 1000.0,
        );
        std::thread::sleep(REST);
        let (settled, peak) = (memory(pid, "VmRSS:")?, memory(pid, "VmHWM:")?);
        table.add(SETTLED, name, settled);
        table.add("memory at its peak, MiB", name, peak);
        table.add(
            "peak of the start, times what is settled",
            name,
            peak / settled,
        );
        Ok(())
    }

    /// How long after an event its answer comes, while other objects change at a rate.
    fn latency(&self, size: usize, rate: u32, table: &mut Table) -> Result<(), String> {
        let apart = Apart::new(&self.plane)?;
        let churn = load::Churn::start(&self.api, size, rate);
        let mut measured = [Latency::default(), Latency::default()];
        for _ in 0..ROUNDS {
            for (name, latency) in SERVERS.into_iter().zip(&mut measured) {
                let running = apart.everywhere(|| {
                    let running = Running::start(name, &self.plane, &[])?;
                    let (service, records) = load::headless_below(size);
                    running.wait_for(&service, records).map(|()| running)
                })?;
                apart.join(running.process.pid())?;
                let done = latency.measure(&self.api, running.address());
                done.map_err(|error| format!("{name}: {error}"))?;
            }
        }
        let reached = churn.end()?;
        let what = match rate {
            0 => "quiet".to_owned(),
            rate => format!("{rate} changes/s asked for, {reached:.0} reached"),
        };
        for (name, latency) in SERVERS.into_iter().zip(measured) {
            for (percent, of) in [(50, "p50"), (99, "p99")] {
                for (to, times) in [
                    ("answer", &latency.answers),
                    ("another watch", &latency.watches),
                ] {
                    let row = format!("event to {to}, {of}, {what}, ms");
                    table.add(&row, name, times.percentile(percent));
                }
            }
        }
        Ok(())
    }
}

/// A server with the Corefile of most clusters.
struct Running {
    process: Process,
    port: Reservation,
    _directory: TempDir,
}

impl Running {
    fn start(name: &str, plane: &Plane, arguments: &[String]) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = Reservation::new()?;
        let corefile = format!(
            ".:{} {{
                bind 127.0.0.1
                errors
                kubernetes cluster.local in-addr.arpa ip6.arpa {{
                    kubeconfig {}
                    pods insecure
                    fallthrough in-addr.arpa ip6.arpa
                    ttl 30
                    startup_timeout 120s
                }}
                prometheus 127.0.0.1:0
                loadbalance
            }}",
            port.port,
            plane.state("dns.kubeconfig").display(),
        );
        std::fs::write(directory.path().join("Corefile"), corefile)
            .map_err(|error| error.to_string())?;
        let subject = Subject::named(&name.to_lowercase())?;
        Ok(Self {
            process: Process::start(&subject, directory.path(), arguments, &[])?,
            port,
            _directory: directory,
        })
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.port).into()
    }

    /// Waits until a name has as many addresses.
    fn wait_for(&self, name: &str, records: u16) -> Result<(), String> {
        let mut asker = Asker::new(self.address(), name)?;
        let deadline = Instant::now() + Duration::from_secs(120);
        while asker.answers()? != Some(records) {
            if Instant::now() > deadline {
                let tail = self.process.tail();
                return Err(format!("{name}: no {records} records:\n{tail}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Asks for the addresses of a name again and again.
struct Asker {
    socket: UdpSocket,
    query: Vec<u8>,
    reply: Vec<u8>,
}

impl Asker {
    fn new(server: SocketAddr, name: &str) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
        socket.connect(server).map_err(text)?;
        socket
            .set_read_timeout(Some(Duration::from_secs(1)))
            .map_err(text)?;
        Ok(Self {
            socket,
            query: Query::parse(&[name, "A"])?.encode()?,
            reply: vec![0; 4096],
        })
    }

    /// The last reply's bytes.
    fn ask(&mut self) -> Option<&[u8]> {
        // Nobody listens yet: asked again.
        self.socket.send(&self.query).ok()?;
        let length = self.socket.recv(&mut self.reply).ok()?;
        self.reply.get(..length)
    }

    /// How many records the answer has; nothing where there is none, or an error.
    fn answers(&mut self) -> Result<Option<u16>, String> {
        let Some(reply) = self.ask() else {
            return Ok(None);
        };
        let [_, _, _, code, _, _, high, low, ..] = reply else {
            return Err("a reply of less than eight bytes".to_owned());
        };
        Ok((code & 0xf == 0).then_some(u16::from_be_bytes([*high, *low])))
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Processor time of a process so far, in seconds.
fn cpu(pid: u32) -> Result<f64, String> {
    let text = read(pid, "stat")?;
    // After the name, which is in brackets, user and system time are the 12th and 13th.
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.filter_map(|word| word.parse::<u32>().ok()).sum();
    Ok(f64::from(ticks) / 100.0)
}

/// A line of a process's status, in MiB.
fn memory(pid: u32, line: &str) -> Result<f64, String> {
    let text = read(pid, "status")?;
    let found = text.lines().find_map(|text| text.strip_prefix(line));
    let kib = found.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u32>().ok());
    let kib = kib.ok_or_else(|| format!("no {line} of process {pid}"))?;
    Ok(f64::from(kib) / 1024.0)
}

fn read(pid: u32, file: &str) -> Result<String, String> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}
