//! CPU time of the process's threads, and its form as a profile of pprof (`profile.proto`).
//!
//! The kernel counts it in any case, so that a profile costs the server nothing: no signal
//! interrupts it, no stack is walked. It tells which part of the server is busy, and whether with
//! the program's own work or with the network's.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Nanoseconds of a tick of `/proc`; fixed by the kernel's interface to programs.
const TICK: u64 = 10_000_000;
/// The root of all stacks.
const PROCESS: &str = "callsign";

/// Where time is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// In the program itself.
    Program,
    /// In the kernel, for the program.
    Kernel,
}

/// Ticks of CPU time by thread (its number and name) and mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage(pub(super) BTreeMap<(u64, String, Mode), u64>);

impl Usage {
    /// What the threads that there are have used since they began.
    pub(super) fn now() -> Self {
        let mut usage = Self::default();
        for thread in fs::read_dir("/proc/self/task").into_iter().flatten() {
            let Ok(thread) = thread else { continue };
            // A thread may end at any time.
            let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else {
                continue;
            };
            let _ = usage.add(&stat);
        }
        usage
    }

    /// Adds a thread by its line of `/proc`; `None` where that is none.
    pub(super) fn add(&mut self, stat: &str) -> Option<()> {
        let (id, rest) = stat.split_once(" (")?;
        // A thread's name may have any character in it.
        let (name, fields) = rest.rsplit_once(") ")?;
        let id = id.parse().ok()?;
        let mut fields = fields.split(' ').skip(11);
        for mode in [Mode::Program, Mode::Kernel] {
            let ticks = fields.next()?.parse().ok()?;
            self.0.insert((id, name.to_owned(), mode), ticks);
        }
        Some(())
    }

    /// What was used since an earlier look; what used nothing is left out.
    pub(super) fn since(mut self, before: &Self) -> Self {
        for (thread, ticks) in &mut self.0 {
            *ticks = ticks.saturating_sub(before.0.get(thread).copied().unwrap_or(0));
        }
        self.0.retain(|_, ticks| *ticks > 0);
        self
    }

    /// The profile's bytes.
    pub(super) fn encode(&self, duration: Duration) -> Vec<u8> {
        let mut profile = Profile::default();
        let (cpu, nanoseconds) = (profile.text("cpu"), profile.text("nanoseconds"));
        let unit = message(|unit| {
            number(unit, 1, cpu);
            number(unit, 2, nanoseconds);
        });
        bytes(&mut profile.out, 1, &unit);
        for ((id, name, mode), ticks) in &self.0 {
            let mode = match mode {
                Mode::Program => "program",
                Mode::Kernel => "kernel",
            };
            let stack = [mode, name, PROCESS].map(|name| profile.location(name));
            let thread = profile.text("thread");
            let sample = message(|sample| {
                stack
                    .iter()
                    .for_each(|location| number(sample, 1, *location));
                number(sample, 2, ticks * TICK);
                let label = message(|label| {
                    number(label, 1, thread);
                    number(label, 3, *id);
                });
                bytes(sample, 3, &label);
            });
            bytes(&mut profile.out, 2, &sample);
        }
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        number(&mut profile.out, 10, nanos);
        bytes(&mut profile.out, 11, &unit);
        number(&mut profile.out, 12, TICK);
        profile.finish()
    }
}

/// A profile that is being written.
#[derive(Default)]
struct Profile {
    out: Vec<u8>,
    /// Each text, by its place in the table; the empty one is first, and written last of all.
    texts: Vec<String>,
    /// The functions, each of which is a location of its own.
    locations: Vec<String>,
}

impl Profile {
    /// The place of a text in the table.
    fn text(&mut self, text: &str) -> u64 {
        place(&mut self.texts, text)
    }

    /// The number of the location that stands for a function of this name.
    fn location(&mut self, name: &str) -> u64 {
        let known = self.locations.len();
        let id = place(&mut self.locations, name);
        if self.locations.len() > known {
            let name = self.text(name);
            let line = message(|line| number(line, 1, id));
            let location = message(|location| {
                number(location, 1, id);
                bytes(location, 4, &line);
            });
            let function = message(|function| {
                number(function, 1, id);
                number(function, 2, name);
                number(function, 3, name);
            });
            bytes(&mut self.out, 4, &location);
            bytes(&mut self.out, 5, &function);
        }
        id
    }

    fn finish(mut self) -> Vec<u8> {
        bytes(&mut self.out, 6, b"");
        for text in &self.texts {
            bytes(&mut self.out, 6, text.as_bytes());
        }
        self.out
    }
}

/// Where a text stands among these, from 1; it is added where it is not there.
fn place(texts: &mut Vec<String>, text: &str) -> u64 {
    let at = texts.iter().position(|known| known == text);
    let at = at.unwrap_or_else(|| {
        texts.push(text.to_owned());
        texts.len() - 1
    });
    at as u64 + 1
}

fn message(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// A field of protobuf that is a number.
fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

/// A field of protobuf that is bytes, a text or a message.
fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
