//! The steps that expect something: what each of them looks at.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use regex::Regex;

use super::{DEADLINE, LogReader, PAUSE, Report, SETTLED, World};
use crate::awake::Begun;
use crate::case::{Step, repeated};
use crate::client::Request;
use crate::compare::{self, Normalise, duration};
use crate::connection::{Connection, Received};
use crate::http;
use crate::secure;
use crate::subject::status_text;
use crate::wire::message::Message;

impl World<'_> {
    /// Takes a step that expects something, and looks again while it may yet come true.
    pub(super) fn expect(
        &mut self,
        step: &Step,
        rest: &str,
        report: &mut Report,
    ) -> Result<(), String> {
        let normalise = Normalise::parse(&step.heading)?;
        let repeats = matches!(step.kind(), "log" | "metrics" | "saw")
            || step.kind() == "http" && !self.record
            || rest.split(' ').any(|word| word == "+eventually");
        // What is recorded of effects is taken when they have settled, right or not.
        let settling = self.record && matches!(step.kind(), "log" | "metrics" | "saw");
        let deadline = Instant::now() + if settling { SETTLED } else { DEADLINE };
        loop {
            let began = Begun::now();
            let (got, read) = match self.observe(step, rest, normalise) {
                // As of an endpoint that a reload closes and opens.
                Err(_) if repeats && Instant::now() < deadline => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                observed => observed?,
            };
            let expected = self.expected(step)?;
            let (plain, bounds) = compare::split_bounds(&expected)?;
            let took = self.last_wait.take().unwrap_or_else(|| began.took());
            if let Some(problem) = bounds.iter().find_map(|bound| bound.problem(took)) {
                return Err(problem);
            }
            let done = compare::difference(&plain, &got, normalise).is_none();
            if (!done || settling) && repeats && Instant::now() < deadline {
                std::thread::sleep(PAUSE);
                continue;
            }
            self.advance(step, rest, read);
            let problem = self.compare(step, &got, normalise, report)?;
            return problem.map_or(Ok(()), Err);
        }
    }

    /// The lines to be held against the expectation, and how many were read for them.
    fn observe(
        &mut self,
        step: &Step,
        rest: &str,
        normalise: Normalise,
    ) -> Result<(Vec<String>, usize), String> {
        let lines = match step.kind() {
            "query" | "packet" => {
                let request = self.request(step.kind(), rest)?;
                self.exchange(step, &request)
            }
            "receive" => self.receive(step, rest),
            "spread" => self.spread(rest),
            "stream" => self.stream(step, rest),
            "http" => http_lines(rest),
            kind @ ("https" | "quic") => {
                let (to, text) = rest.split_once(' ').ok_or("expected an ADDRESS first")?;
                let to = to.parse().map_err(|error| format!("`{to}`: {error}"))?;
                let ask = if kind == "https" {
                    secure::https
                } else {
                    secure::quic
                };
                ask(text, to, self.directory.path())
            }
            "metrics" => self.metrics(rest),
            "log" => {
                let unread = self.unread_log(rest)?.into_iter();
                Ok(unread.map(|(_, line)| line).collect())
            }
            "saw" => {
                let mut seen = self.saw(rest)?;
                if normalise.any_order() {
                    seen.sort();
                }
                return Ok((runs(&seen), seen.len()));
            }
            "exits" => self.exits(step),
            "serial" => self.serial(rest),
            kind => Err(format!("unknown kind of step `{kind}`")),
        };
        lines.map(|lines| {
            let read = lines.len();
            (lines, read)
        })
    }

    /// Notes what a step has read, so that the next one of its kind goes on from there.
    fn advance(&mut self, step: &Step, rest: &str, read: usize) {
        match step.kind() {
            "log" => {
                let last = self
                    .unread_log(rest)
                    .ok()
                    .and_then(|unread| unread.get(..read)?.last().map(|(at, _)| at + 1));
                let reader: &mut LogReader = self.logs.entry(rest.to_owned()).or_default();
                reader.line = step.line;
                reader.read = last.unwrap_or(reader.read);
            }
            "saw" => {
                *self.seen.entry(rest.to_owned()).or_default() += read;
            }
            _ => {}
        }
    }

    fn server(&self) -> SocketAddr {
        let port = self
            .placeholders
            .get("port")
            .and_then(|port| port.parse().ok())
            .unwrap_or(53);
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    pub(super) fn request(&self, kind: &str, text: &str) -> Result<Request, String> {
        match kind {
            "packet" => Request::packet(text, self.server()),
            _ => Request::query(text, self.server()),
        }
    }

    fn client(&mut self, port: Option<u16>) {
        if let Some(port) = port {
            self.clients.push(port);
            self.placeholders.set("client", port.to_string());
        }
    }

    fn exchange(&mut self, step: &Step, request: &Request) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for _ in 0..request.times {
            let mut pending = request.send()?;
            self.client(pending.client_port());
            let expected = self.expected(step)?;
            let received = pending.receive(request.patience(&expected));
            lines = received.lines(request);
        }
        Ok(lines)
    }

    /// `send LABEL QUERY`: the reply is for a later `receive LABEL`.
    pub(super) fn send(&mut self, rest: &str) -> Result<(), String> {
        let (label, query) = rest.split_once(' ').ok_or("expected LABEL NAME TYPE")?;
        let request = self.request("query", query)?;
        let pending = request.send()?;
        self.client(pending.client_port());
        self.pending
            .insert(label.to_owned(), (request, pending, Begun::now()));
        Ok(())
    }

    fn receive(&mut self, step: &Step, rest: &str) -> Result<Vec<String>, String> {
        let label = rest.split(' ').next().unwrap_or_default();
        let (request, mut pending, sent) = self
            .pending
            .remove(label)
            .ok_or_else(|| format!("nothing was sent as `{label}`"))?;
        let expected = self.expected(step)?;
        let received = pending.receive(request.patience(&expected));
        self.last_wait = Some(sent.took());
        Ok(received.lines(&request))
    }

    /// Which records came first, over many queries.
    fn spread(&mut self, rest: &str) -> Result<Vec<String>, String> {
        let request = self.request("query", rest)?;
        let mut first = std::collections::BTreeSet::new();
        for _ in 0..request.times {
            let mut pending = request.send()?;
            self.client(pending.client_port());
            first.insert(match pending.receive(request.patience(&[])) {
                Received::Message(bytes) => Message::decode(&bytes)?
                    .first_answer()
                    .map_or_else(|| "none".to_owned(), str::to_owned),
                other => other.lines(&request).concat(),
            });
        }
        Ok(first
            .into_iter()
            .map(|rdata| format!("first {rdata}"))
            .collect())
    }

    /// `[+to=ADDRESS] [+tls] [+alpn=NAME]`: an open connection, and where it leads.
    fn connect(&mut self, options: &str) -> Result<(Connection, SocketAddr), String> {
        let option = |name: &str| options.split(' ').find_map(|word| word.strip_prefix(name));
        let to = match option("+to=") {
            Some(address) => address
                .parse()
                .map_err(|error| format!("`{address}`: {error}"))?,
            None => self.server(),
        };
        let mut connection = Connection::open(to)?;
        self.client(connection.client_port());
        if option("+tls").is_some() {
            let settings = secure::tls(self.directory.path(), option("+alpn=").unwrap_or("dot"))?;
            connection.secure(settings)?;
        }
        Ok((connection, to))
    }

    /// A connection: the script is sent, then replies are read in the order in which they come.
    fn stream(&mut self, step: &Step, rest: &str) -> Result<Vec<String>, String> {
        let (mut connection, to) = match self.connect(rest) {
            // That it cannot be opened is what is to be seen, too.
            Err(error) if rest.contains("+tls") => return Ok(vec![format!("no TLS: {error}")]),
            opened => opened?,
        };
        let mut requests: Vec<Request> = Vec::new();
        let script = step
            .content
            .iter()
            .map(|line| line.trim_start_matches(['>', ' ']));
        for line in script.flat_map(repeated) {
            let line = self.placeholders.expand(&line)?;
            let (word, text) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "query" => {
                    let request = Request::query(text, to)?;
                    connection.send(&request.bytes)?;
                    requests.push(request);
                }
                "bytes" => connection.write(&Request::packet(text, to)?.bytes)?,
                "pause" => std::thread::sleep(duration(text)?),
                "notify" => connection.notify()?,
                "finish" => connection.finish()?,
                _ => {
                    let words = "query, bytes, pause, notify, finish";
                    return Err(format!("`{line}` is none of {words}"));
                }
            }
        }
        let expected = self.expected(step)?;
        let mut unasked = Request::new(to);
        Ok(replies(&mut connection, &requests, &mut unasked, &expected))
    }

    fn metrics(&mut self, rest: &str) -> Result<Vec<String>, String> {
        let (filter, address) = pattern(rest)?;
        let default = self.placeholders.expand("@metrics")?;
        let address = if address.is_empty() {
            &default
        } else {
            address
        };
        let Some(response) = http::get(&format!("{address}/metrics"))? else {
            return Ok(vec!["refused".to_owned()]);
        };
        let samples = response.body.lines().filter(|line| filter.is_match(line));
        let mut lines: Vec<String> = samples.map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    }

    /// The log's lines that a step has not yet read, with their places.
    fn unread_log(&mut self, rest: &str) -> Result<Vec<(usize, String)>, String> {
        pattern(rest)?;
        let from = self.logs.get(rest).map_or(0, |reader| reader.read);
        let printed = self.process()?.log();
        let mut lines = log_lines(&printed, rest, from);
        // Clients have a port each; the data files have one word for all of them.
        let last = self
            .placeholders
            .get("client")
            .unwrap_or_default()
            .to_owned();
        let ports: Vec<String> = self.clients.iter().map(u16::to_string).collect();
        let ports = Regex::new(&format!(r"\b({})\b", ports.join("|")))
            .map_err(|error| error.to_string())?;
        for (_, line) in lines.iter_mut().filter(|_| !last.is_empty()) {
            *line = ports.replace_all(line, &last).into_owned();
        }
        Ok(lines)
    }

    fn seen_by(&self, rest: &str) -> Result<Vec<String>, String> {
        let (name, filter) = rest.split_once(' ').unwrap_or((rest, "//"));
        let (filter, _) = pattern(filter)?;
        let upstream = self
            .upstreams
            .get(name)
            .ok_or_else(|| format!("no upstream `{name}`"))?;
        let mut seen = upstream.seen();
        seen.retain(|line| filter.is_match(line));
        Ok(seen)
    }

    /// The queries that no such step has read yet.
    fn saw(&self, rest: &str) -> Result<Vec<String>, String> {
        let from = self.seen.get(rest).copied().unwrap_or_default();
        let mut seen = self.seen_by(rest)?;
        seen.drain(..from.min(seen.len()));
        Ok(seen)
    }

    fn exits(&mut self, step: &Step) -> Result<Vec<String>, String> {
        let running_expected = self
            .expected(step)?
            .first()
            .is_some_and(|line| line == "running");
        let process = self.process()?;
        let status = match running_expected {
            true => process.wait(Duration::from_millis(500)),
            false => process.wait_for_end(),
        };
        Ok(vec![
            status.map_or_else(|| "running".to_owned(), status_text),
        ])
    }
}

/// Lines that follow each other and are the same, as one with their number.
fn runs(lines: &[String]) -> Vec<String> {
    let runs = lines.chunk_by(|one, other| one == other);
    runs.map(|run| match run {
        [one] => one.clone(),
        many => format!("{}* {}", many.len(), many.first().map_or("", |one| one)),
    })
    .collect()
}

/// `/PATTERN/`, and what follows it.
fn pattern(text: &str) -> Result<(Regex, &str), String> {
    let wrong = || format!("`{text}`: expected /PATTERN/");
    let (pattern, rest) = text
        .strip_prefix('/')
        .and_then(|text| text.rsplit_once('/'))
        .ok_or_else(wrong)?;
    let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
    Ok((pattern, rest.trim()))
}

/// The lines from `from` on that fit the pattern, with times of day and durations made equal.
pub(super) fn log_lines(printed: &[String], rest: &str, from: usize) -> Vec<(usize, String)> {
    let Ok((filter, _)) = pattern(rest) else {
        return Vec::new();
    };
    let lines = printed
        .iter()
        .enumerate()
        .skip(from)
        .filter(|(_, line)| filter.is_match(line));
    lines.map(|(at, line)| (at, without_times(line))).collect()
}

/// No two runs share the time that a query took, nor the time of day.
fn without_times(line: &str) -> String {
    let parts = [
        (r#" \d+\.\d+s( |"|$)"#, " DURATION$1"),
        (r#" \d+\.\d+s\\""#, " DURATION\\\""),
        (
            r#""duration_seconds":[^,}]+"#,
            "\"duration_seconds\":DURATION",
        ),
        (r#""time":"[^"]+""#, "\"time\":\"TIME\""),
    ];
    let mut line = line.to_owned();
    for (pattern, with) in parts {
        if let Ok(pattern) = Regex::new(pattern) {
            line = pattern.replace_all(&line, with).into_owned();
        }
    }
    line
}

fn http_lines(text: &str) -> Result<Vec<String>, String> {
    let mut words = text.split(' ');
    let url = words.next().unwrap_or_default();
    let (mut method, mut headers) = ("GET", "");
    for word in words {
        match word.split_once('=') {
            Some(("+method", word)) => method = word,
            None if word == "+gzip" => headers = "Accept-Encoding: gzip\r\n",
            _ => return Err(format!("`{word}`: no option of `http`")),
        }
    }
    let Some(response) = http::ask(url, method, headers)? else {
        return Ok(vec!["refused".to_owned()]);
    };
    let mut lines = vec![response.head];
    lines.extend(
        response
            .body
            .lines()
            .map(|line| format!("| {line}").trim_end().to_owned()),
    );
    Ok(lines)
}

/// The replies of a connection, each with its id before it, and whether the server closed it.
fn replies(
    connection: &mut Connection,
    requests: &[Request],
    unasked: &mut Request,
    expected: &[String],
) -> Vec<String> {
    let wanted = expected
        .iter()
        .filter(|line| line.starts_with("reply "))
        .count();
    let closing = expected.iter().any(|line| line == "closed");
    let mut lines = Vec::new();
    for number in 0.. {
        // While more is expected it is waited for; after that, a moment for what is not.
        let patience = match number < wanted || closing {
            true => Duration::from_secs(20),
            false => Duration::from_millis(400),
        };
        match connection.receive(patience) {
            Received::Message(bytes) => {
                let id = bytes.get(..2).map_or(0, |id| {
                    id.iter()
                        .fold(0, |value, byte| value << 8 | u16::from(*byte))
                });
                let request = requests.iter().find(|request| request.id == id);
                unasked.id = id;
                lines.push(format!("reply {id}"));
                lines.extend(Received::Message(bytes).lines(request.unwrap_or(unasked)));
            }
            Received::Nothing => {
                lines.push("open".to_owned());
                return lines;
            }
            other => {
                lines.extend(other.lines(unasked));
                return lines;
            }
        }
    }
    lines
}
