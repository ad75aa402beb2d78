//! A thousand reloads at a steady 20,000 queries a second: how many queries are lost, and what is
//! left of memory and descriptors afterwards. `cargo bench --bench reload [RELOADS [RATE]]`

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Client sockets, each with a port of its own.
const SOCKETS: usize = 16;
/// Queries are sent in batches, so often.
const TICK: Duration = Duration::from_millis(1);
/// How long the last replies may take.
const GRACE: Duration = Duration::from_secs(2);
/// Question: `a.test. A`.
const QUERY: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01";

/// Two Corefiles in turn: another answer, and the cache's own lines the same.
fn corefile(turn: usize) -> String {
    format!(
        ".:0 {{\n    bind 127.0.0.1\n    errors\n    prometheus 127.0.0.1:0\n    cache 30\n    hosts {{\n        \
         192.0.2.{} a.test\n    }}\n}}\n",
        turn % 2 + 1
    )
}

struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Program {
    fn start(corefile: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callsign"))
            .arg("-conf")
            .arg(corefile)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    fn wait_line(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.next().expect("the line comes").expect("text");
            assert!(!line.contains("ERROR"), "{line}");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Kilobytes in memory, and open descriptors.
    fn usage(&self) -> (u64, usize) {
        let of = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{of}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        let descriptors = std::fs::read_dir(format!("{of}/fd")).map_or(0, Iterator::count);
        (memory.unwrap_or(0), descriptors)
    }

    fn reload(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, Signal::SIGUSR1).expect("the program runs");
        self.wait_line("Reloading complete");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks at a steady rate until dropped.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    sender: Option<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start(port: u16, rate: u64) -> Self {
        let sockets: Vec<UdpSocket> = (0..SOCKETS)
            .map(|_| {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                socket.connect(("127.0.0.1", port)).expect("an address");
                socket.set_read_timeout(Some(GRACE)).expect("a time-out");
                socket
            })
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (sent, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        for socket in &sockets {
            let (socket, received) = (socket.try_clone().expect("a socket"), received.clone());
            // It ends when no reply has come for a while.
            std::thread::spawn(move || {
                while socket.recv(&mut [0; 512]).is_ok() {
                    received.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let (stopped, count) = (stop.clone(), sent.clone());
        let sender = std::thread::spawn(move || {
            let began = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                // What a busy machine kept back is made up for.
                let due = began.elapsed().as_micros() as u64 * rate / 1_000_000;
                for number in count.load(Ordering::Relaxed)..due {
                    let socket = &sockets[number as usize % SOCKETS];
                    // A send that fails is a lost query too.
                    let _ = socket.send(QUERY);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(TICK);
            }
        });
        Self {
            stop,
            sent,
            received,
            sender: Some(sender),
        }
    }

    /// Stops; queries sent and lost.
    fn finish(mut self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.sender.take().map(std::thread::JoinHandle::join);
        std::thread::sleep(GRACE);
        let sent = self.sent.load(Ordering::Relaxed);
        (sent, sent - self.received.load(Ordering::Relaxed).min(sent))
    }
}

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let (reloads, rate) = match numbers.as_slice() {
        [] => (1000, 20_000),
        [reloads] => (*reloads, 20_000),
        [reloads, rate, ..] => (*reloads, *rate),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("Corefile");
    std::fs::write(&path, corefile(0)).expect("a Corefile");
    let mut program = Program::start(&path);
    let line = program.wait_line(".:");
    let port = line
        .split(" on ")
        .next()
        .and_then(|site| site.rsplit(':').next()?.parse().ok());
    let load = Load::start(port.expect("a port"), rate);
    // What grows with the first few is no leak.
    let mut before = (0, 0);
    let began = Instant::now();
    for turn in 0..reloads {
        if turn == reloads / 10 {
            before = program.usage();
        }
        let next = path.with_extension("next");
        std::fs::write(&next, corefile(turn as usize + 1)).expect("a Corefile");
        std::fs::rename(&next, &path).expect("a Corefile");
        program.reload();
    }
    let took = began.elapsed();
    let after = program.usage();
    let (sent, lost) = load.finish();
    println!(
        "{reloads} reloads in {:.1} s; {sent} queries at {rate}/s, {lost} lost; \
         memory {} -> {} kB, descriptors {} -> {}",
        took.as_secs_f64(),
        before.0,
        after.0,
        before.1,
        after.1
    );
}
