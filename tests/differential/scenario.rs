//! Runs a scenario: starts the server, takes the steps in order, holds what comes against what is
//! expected.

mod cluster;
mod observe;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use tempfile::TempDir;

use crate::api_server::Api;
use crate::awake::{Begun, Took};
use crate::case::{Scenario, Step, repeated};
use crate::client::Pending;
use crate::compare::{self, Normalise, duration};
use crate::placeholder::Placeholders;
use crate::subject::{Process, Subject, status_text};
use crate::upstream::Upstream;

/// How long a step that waits for an effect (a log line, a counter) waits for the right one.
const DEADLINE: Duration = Duration::from_secs(30);

/// The same where expectations are recorded: the effect is taken for complete by then.
const SETTLED: Duration = Duration::from_secs(1);

/// How long a waiting step pauses between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// How often a scenario is run anew at most.
const VOID: usize = 5;

/// What came of a scenario.
#[derive(Default)]
pub(crate) struct Report {
    /// How many expectations were held against the server.
    pub(crate) expectations: usize,
    /// The line of each step that failed, and why.
    pub(crate) failures: Vec<(usize, String)>,
    /// What to put in the place of which lines of the file.
    pub(crate) recorded: Vec<(Range<usize>, Vec<String>)>,
    /// How often it was run before, to no avail.
    pub(crate) void: usize,
}

impl Report {
    /// Whether someone outside of this process took a port in the moment between reserving and
    /// binding.
    fn lacks_a_port(&self) -> bool {
        let mut failures = self.failures.iter();
        failures.any(|(_, text)| text.to_lowercase().contains("address already in use"))
    }
}

/// Runs a scenario to its end. It is run anew where it could not be what it says: without its port; or
/// where the machine stood still in the middle of it, as servers and upstreams have deadlines for each
/// other. What fails otherwise fails at once.
pub(crate) fn run(subject: &Subject, scenario: &Scenario, record: bool) -> Report {
    let mut void = 0;
    loop {
        let begun = Begun::now();
        let mut report = once(subject, scenario, record);
        report.void = void;
        let is_clean = report.failures.is_empty() && report.recorded.is_empty();
        let is_void = report.lacks_a_port() || begun.took().stood_still();
        if is_clean || !is_void || void == VOID {
            return report;
        }
        void += 1;
    }
}

fn once(subject: &Subject, scenario: &Scenario, record: bool) -> Report {
    let mut report = Report::default();
    let mut world = match World::new(subject, record) {
        Ok(world) => world,
        Err(problem) => {
            let line = scenario.steps.first().map_or(0, |step| step.line);
            report.failures.push((line, problem));
            return report;
        }
    };
    // Their addresses are known before the first step, so that a Corefile may come first.
    let mut steps = scenario.steps.iter();
    let created = steps.try_for_each(|step| match step.kind() {
        "upstream" => world.create_upstream(&step.rest()),
        "cluster" => {
            world.create_cluster();
            Ok(())
        }
        _ => Ok(()),
    });
    if let Err(problem) = created {
        report
            .failures
            .push((scenario.steps.first().map_or(0, |step| step.line), problem));
        return report;
    }
    for step in &scenario.steps {
        if let Err(problem) = world.take(step, &mut report) {
            report.failures.push((step.line, problem));
            if world.process.is_none() && step.kind() != "start" {
                break;
            }
        }
    }
    world.end(&mut report);
    report
}

/// All that a scenario's steps share.
struct World<'a> {
    subject: &'a Subject,
    record: bool,
    directory: TempDir,
    placeholders: Placeholders,
    upstreams: BTreeMap<String, Upstream>,
    api: Option<Api>,
    /// What the last `serial` step of a zone saw.
    serials: HashMap<String, u32>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    probes: Option<Vec<SocketAddr>>,
    process: Option<Process>,
    /// Whether a `start` step has seen the server end: it is not started again by itself.
    ended: bool,
    pending: HashMap<String, (crate::client::Request, Pending, Begun)>,
    clients: Vec<u16>,
    logs: BTreeMap<String, LogReader>,
    /// How many queries the `saw` steps of an upstream and a pattern have read.
    seen: HashMap<String, usize>,
    /// How long the last `receive` took since its `send`.
    last_wait: Option<Took>,
}

/// How far a `log` step's pattern has read, and the line of the last such step.
#[derive(Default)]
struct LogReader {
    read: usize,
    line: usize,
}

impl<'a> World<'a> {
    fn new(subject: &'a Subject, record: bool) -> Result<Self, String> {
        let directory =
            tempfile::tempdir().map_err(|error| format!("temporary directory: {error}"))?;
        Ok(Self {
            subject,
            record,
            placeholders: Placeholders::new(directory.path()),
            directory,
            upstreams: BTreeMap::new(),
            api: None,
            serials: HashMap::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            probes: None,
            process: None,
            ended: false,
            pending: HashMap::new(),
            clients: Vec::new(),
            logs: BTreeMap::new(),
            seen: HashMap::new(),
            last_wait: None,
        })
    }

    fn take(&mut self, step: &Step, report: &mut Report) -> Result<(), String> {
        let rest = self.placeholders.expand(&step.rest())?;
        let mut words = rest.split_whitespace();
        match step.kind() {
            "corefile" => {
                self.ended = false;
                self.write("Corefile", &step.content)
            }
            "write" => self.write(&rest, &step.content),
            "remove" => self.remove(&rest),
            "certificate" => crate::secure::certificate(self.directory.path()),
            "arguments" => {
                self.arguments = words.map(str::to_owned).collect();
                Ok(())
            }
            "environment" => {
                let (name, value) = rest.split_once('=').ok_or("expected NAME=VALUE")?;
                self.environment.push((name.to_owned(), value.to_owned()));
                Ok(())
            }
            "probe" => {
                let addresses =
                    words.map(|word| word.parse().map_err(|error| format!("`{word}`: {error}")));
                self.probes = Some(addresses.collect::<Result<_, _>>()?);
                Ok(())
            }
            "upstream" => match (words.next(), words.next()) {
                (Some(name), None) => self.script(name, &step.content),
                (Some(name), Some(state)) => self.upstream_state(name, state),
                _ => Err("expected the upstream's name".to_owned()),
            },
            "cluster" => self.change_cluster(&step.content),
            "start" => self.expect_start(step, report),
            _ => {
                self.ensure_started()?;
                self.act(step, &rest, report)
            }
        }
    }

    fn act(&mut self, step: &Step, rest: &str, report: &mut Report) -> Result<(), String> {
        match step.kind() {
            "elapse" => {
                std::thread::sleep(duration(rest)?);
                Ok(())
            }
            "signal" => {
                let process = self.process()?;
                process.wait_until_at_rest();
                process.signal(rest)
            }
            "send" => self.send(rest),
            _ => {
                report.expectations += 1;
                self.expect(step, rest, report)
            }
        }
    }

    fn process(&mut self) -> Result<&mut Process, String> {
        self.process
            .as_mut()
            .ok_or_else(|| "the server does not run".to_owned())
    }

    fn write(&mut self, name: &str, content: &[String]) -> Result<(), String> {
        let mut text = String::new();
        for line in content.iter().flat_map(|line| repeated(line)) {
            text += &self.placeholders.expand(&line)?;
            text.push('\n');
        }
        let path = self.directory.path().join(name);
        let write = || -> std::io::Result<()> {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            // Replaced in one step, so that no reader sees half of it.
            let new = path.with_extension("new");
            std::fs::write(&new, text)?;
            std::fs::rename(new, &path)
        };
        write().map_err(|error| format!("{}: {error}", path.display()))
    }

    fn remove(&self, name: &str) -> Result<(), String> {
        let path = self.directory.path().join(name);
        std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn script(&mut self, name: &str, content: &[String]) -> Result<(), String> {
        let mut lines = Vec::new();
        for line in content {
            lines.push(self.placeholders.expand(line)?);
        }
        self.upstreams
            .get(name)
            .map_or(Ok(()), |upstream| upstream.script(&lines))
    }

    fn create_upstream(&mut self, heading: &str) -> Result<(), String> {
        let name = heading.split(' ').next().unwrap_or_default();
        if !self.upstreams.contains_key(name) {
            let upstream = Upstream::start()?;
            self.placeholders.set(name, upstream.address().to_string());
            self.upstreams.insert(name.to_owned(), upstream);
        }
        Ok(())
    }

    fn upstream_state(&mut self, name: &str, state: &str) -> Result<(), String> {
        let upstream = self
            .upstreams
            .get_mut(name)
            .ok_or_else(|| format!("no upstream `{name}`"))?;
        match state {
            "up" => upstream.up(),
            "down" => upstream.down(),
            "silent" => {
                upstream.silent();
                Ok(())
            }
            _ => Err(format!("`{state}` is none of up, down, silent")),
        }
    }

    fn start(&mut self) -> Result<&mut Process, String> {
        let process = Process::start(
            self.subject,
            self.directory.path(),
            &self.arguments,
            &self.environment,
        )?;
        Ok(self.process.insert(process))
    }

    fn ensure_started(&mut self) -> Result<(), String> {
        if self.process.is_some() || self.ended {
            return Ok(());
        }
        self.start()?;
        let ready = self.wait_until_ready();
        if ready.is_err() {
            self.process = None;
        }
        ready
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let probes = self.probes.clone();
        let probes = probes.unwrap_or_else(|| self.placeholders.dns_ports());
        self.process()?.wait_until_ready(&probes)
    }

    /// A start with an outcome of its own: `running`, or the status with which the server ends and
    /// patterns of what it prints.
    fn expect_start(&mut self, step: &Step, report: &mut Report) -> Result<(), String> {
        report.expectations += 1;
        self.start()?;
        let expected = self.expected(step)?;
        if expected.first().is_some_and(|line| line == "running") {
            return self.wait_until_ready();
        }
        let status = self.process()?.wait_for_end();
        let mut got = vec![status.map_or_else(|| "running".to_owned(), status_text)];
        let printed = self.process.take().map(Process::stop).unwrap_or_default();
        self.ended = true;
        for pattern in expected.iter().filter(|line| line.starts_with("~ ")) {
            let matching = printed.iter().find(|line| compare::matches(pattern, line));
            got.push(matching.map_or_else(|| format!("nothing matches {pattern}"), Clone::clone));
        }
        let problem = self.compare(step, &got, Normalise::default(), report)?;
        problem.map_or(Ok(()), |problem| {
            let printed: String = printed
                .iter()
                .map(|line| format!("    | {line}\n"))
                .collect();
            Err(problem + &printed)
        })
    }

    /// What is expected of this subject, with the placeholders' values.
    fn expected(&mut self, step: &Step) -> Result<Vec<String>, String> {
        let lines = match (&step.departure, &step.expectation) {
            (Some(departure), _) if !self.subject.is_coredns => &departure.lines,
            (_, Some(expectation)) => &expectation.lines,
            _ => return Err("the step expects nothing".to_owned()),
        };
        lines
            .iter()
            .map(|line| self.placeholders.expand(line))
            .collect()
    }

    /// The difference, or nothing; when recording, a difference becomes the new expectation.
    fn compare(
        &mut self,
        step: &Step,
        got: &[String],
        normalise: Normalise,
        report: &mut Report,
    ) -> Result<Option<String>, String> {
        let (expected, _) = compare::split_bounds(&self.expected(step)?)?;
        let problem = compare::difference(&expected, got, normalise);
        if let (Some(_), Some(expectation), true) = (&problem, &step.expectation, self.record) {
            let mut lines: Vec<String> = got
                .iter()
                .map(|line| self.placeholders.abstracted(line))
                .collect();
            let bounds = expectation
                .lines
                .iter()
                .filter(|line| compare::is_bound(line));
            lines.extend(bounds.cloned());
            report.recorded.push((expectation.range.clone(), lines));
            return Ok(None);
        }
        Ok(problem)
    }

    /// Ends the server, and looks for log lines that no `log` step has expected.
    fn end(mut self, report: &mut Report) {
        let Some(process) = self.process.take() else {
            return;
        };
        let printed = process.stop();
        for (pattern, reader) in &self.logs {
            let unread = observe::log_lines(&printed, pattern, reader.read);
            let lines: String = unread
                .iter()
                .map(|(_, line)| format!("  + {line}\n"))
                .collect();
            if !lines.is_empty() {
                report.failures.push((
                    reader.line,
                    format!("printed after the last such step:\n{lines}"),
                ));
            }
        }
    }
}
