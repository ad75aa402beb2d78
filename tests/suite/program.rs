//! A running callsign, and questions to it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::BinEncodable;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a look at something pauses before the next one: what is waited for needs the processor.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// The program with these arguments, not yet started.
pub(crate) fn callsign(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
    command.args(arguments);
    for variable in [
        "CALLSIGN_MANIFESTS",
        "CALLSIGN_SNAPSHOT",
        "KUBERNETES_SERVICE_HOST",
    ] {
        command.env_remove(variable);
    }
    command
}

/// The root of the source tree.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder that goes away with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file, in one step for who watches it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        let next = path.with_extension("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(&next, &path).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A started program. It is killed when the test ends.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    /// The address of its first listener.
    pub(crate) address: SocketAddr,
    /// What it printed so far.
    pub(crate) printed: Vec<String>,
}

impl Program {
    /// Starts the program with a Corefile, and waits until it tells its port.
    pub(crate) fn start(corefile: &Path, more: &[&str]) -> Self {
        let corefile = corefile.to_str().unwrap();
        let mut program = Self::spawn(&[&["-conf", corefile], more].concat(), "");
        program.find_port();
        program
    }

    /// Starts the program with these arguments and this on its standard input.
    pub(crate) fn spawn(arguments: &[&str], input: &str) -> Self {
        Self::run(callsign(arguments), input)
    }

    /// Starts this command, which becomes the program, with this on its standard input.
    pub(crate) fn run(mut command: Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that does not read it may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let (sender, lines) = channel();
        for pipe in [
            Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
            Box::new(child.stderr.take().unwrap()),
        ] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self {
            child,
            lines,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            printed: Vec::new(),
        }
    }

    /// Waits until the program tells the port of its first listener.
    pub(crate) fn find_port(&mut self) {
        let line = self.wait_line(|line| port_of(line).is_some());
        self.address.set_port(port_of(&line).unwrap());
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that is wanted; fails where it does not come.
    pub(crate) fn wait_line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_line_for(PATIENCE, wanted)
    }

    /// The first line with a text, whether it was printed already or not.
    pub(crate) fn wait_said(&mut self, text: &str) -> String {
        let said = self.printed.iter().find(|line| line.contains(text));
        match said {
            Some(line) => line.clone(),
            None => self.wait_line(|line| line.contains(text)),
        }
    }

    /// The same as [`Self::wait_line`] for what takes longer.
    pub(crate) fn wait_line_for(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(_) => panic!(
                    "the line did not come; printed:\n{}",
                    self.printed.join("\n")
                ),
            }
        }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the program does not end");
            std::thread::sleep(PAUSE);
        }
    }

    /// Asks over UDP.
    pub(crate) fn ask(&self, name: &str, rtype: RecordType) -> Message {
        self.try_ask(name, rtype, || ())
            .unwrap_or_else(|| panic!("{name}: no reply"))
    }

    /// Asks over UDP, and tells when the question is sent; `None` where no reply comes.
    pub(crate) fn try_ask(
        &self,
        name: &str,
        rtype: RecordType,
        sent: impl FnOnce(),
    ) -> Option<Message> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send(&question(name, rtype)).ok()?;
        sent();
        let mut reply = [0; 65_535];
        let length = uninterrupted(|| socket.recv(&mut reply)).ok()?;
        Some(Message::from_vec(&reply[..length]).unwrap())
    }

    /// Asks over TCP.
    pub(crate) fn ask_tcp(&self, name: &str, rtype: RecordType) -> Message {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        send_frame(&mut stream, &question(name, rtype));
        Message::from_vec(&read_frame(&mut stream)).unwrap()
    }

    /// The addresses that a name has, as text, sorted.
    pub(crate) fn addresses(&self, name: &str) -> Vec<String> {
        let reply = self.ask(name, RecordType::A);
        let mut told: Vec<String> = reply
            .answers
            .iter()
            .map(|record| record.data.to_string())
            .collect();
        told.sort();
        told
    }

    /// Asks until the reply is as wanted; fails where it never is.
    pub(crate) fn ask_until(&self, name: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        let end = Instant::now() + PATIENCE;
        loop {
            let reply = self.ask(name, RecordType::A);
            if wanted(&reply) {
                return reply;
            }
            assert!(Instant::now() < end, "{name}: never as wanted: {reply}");
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `.:1053 on 127.0.0.1` tells port 1053.
fn port_of(line: &str) -> Option<u16> {
    let site = line.split(" on ").next()?;
    site.rsplit_once(':')?.1.parse().ok()
}

/// A request's bytes.
pub(crate) fn question(name: &str, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::new(0x4242, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), rtype));
    message.to_bytes().unwrap()
}

/// Reads. Where this process was stopped and goes on it finds its reading interrupted, and reads again.
pub(crate) fn uninterrupted<T>(mut read: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Sends one message with its length before it.
pub(crate) fn send_frame(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, message].concat()).unwrap();
}

/// Reads one message.
pub(crate) fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

/// Who asks at least once a second, while a server stops.
pub(crate) struct Steady {
    /// When the last question was begun.
    begun: Instant,
}

impl Steady {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    /// Asks, by what tells when the question is sent. Fails where there is no reply; but for a
    /// question that this machine has let go more than a second after the one before: `None`.
    pub(crate) fn ask<R>(&mut self, ask: impl FnOnce(&dyn Fn()) -> Result<R, String>) -> Option<R> {
        let before = std::mem::replace(&mut self.begun, Instant::now());
        let sent = std::cell::Cell::new(None);
        let asked = ask(&|| sent.set(Some(Instant::now())));
        // One that could not even be sent was tried until now.
        let gap = sent.get().unwrap_or_else(Instant::now) - before;
        asked
            .inspect_err(|error| {
                assert!(gap > Duration::from_millis(900), "after {gap:?}: {error}")
            })
            .ok()
    }
}

/// Whether a reply has this code.
pub(crate) fn is(rcode: ResponseCode) -> impl Fn(&Message) -> bool {
    move |reply| reply.metadata.response_code == rcode
}
