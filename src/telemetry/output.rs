//! The queue of lines, and the one thread that writes them.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Format;
use super::line::{self, Level};
use super::query::QueryLine;
use crate::metrics::Counter;

/// What the lines that wait may take, in bytes. At full speed this is some tens of milliseconds
/// for the writer to be scheduled in.
const LIMIT: usize = 2 << 20;
/// A longer message is cut: one event must not push out all others.
const LONGEST: usize = 64 << 10;
/// After a batch the writer rests this long, so that a busy server does not wake it for each line.
const REST: Duration = Duration::from_millis(2);
/// Bytes are handed to the system in pieces of about this size.
const PIECE: usize = 64 << 10;

/// A line that waits to be written.
#[allow(clippy::large_enum_variant)] // In a box each query would allocate; other lines are few.
enum Line {
    /// All of it, without its end.
    Text(String),
    /// What is known of a query; told by the writer.
    Query(QueryLine),
}

/// Where lines go. Clones share one queue.
#[derive(Clone)]
pub struct Output {
    format: Format,
    queue: Option<Arc<Queue>>,
}

struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Condvar,
    /// Wakes those who wait for the writer's end.
    ended: Condvar,
    dropped: Counter,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    bytes: usize,
    /// The writer waits for `filled`: only then must a line wake it.
    sleeping: bool,
    closed: bool,
    ended: bool,
}

impl Line {
    /// What it takes in memory, about.
    fn cost(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Query(query) => query.heap_size(),
            }
    }
}

impl Output {
    /// Starts a thread that writes lines to `writer`. Lines that do not fit the queue, or that
    /// cannot be written, are counted in `dropped`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        format: Format,
        writer: Box<dyn Write + Send>,
        dropped: Counter,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            filled: Condvar::new(),
            ended: Condvar::new(),
            dropped,
        });
        let output = Self {
            format,
            queue: Some(queue.clone()),
        };
        thread::Builder::new().name("log".into()).spawn(move || {
            Writer {
                queue,
                format,
                writer,
            }
            .run()
        })?;
        Ok(output)
    }

    /// An output that forgets.
    #[must_use]
    pub fn discard() -> Self {
        Self {
            format: Format::Text,
            queue: None,
        }
    }

    /// How lines are told.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Writes a message; `plugin` is the plugin's name where it comes from one.
    pub fn message(&self, level: Level, plugin: Option<&str>, message: &str) {
        if self.queue.is_some() {
            let message = cut(message);
            self.push(Line::Text(line::line(self.format, level, plugin, message)));
        }
    }

    /// Writes what a start says: in text as it stands, with the lines that it has and no level.
    pub fn announce(&self, text: &str) {
        match self.format {
            Format::Text => self.push(Line::Text(text.to_owned())),
            Format::Json => self.message(Level::Info, None, text),
        }
    }

    /// Writes the line of a query.
    #[inline]
    pub fn query(&self, query: QueryLine) {
        self.push(Line::Query(query));
    }

    fn push(&self, line: Line) {
        let Some(queue) = &self.queue else {
            return;
        };
        let cost = line.cost();
        let mut state = queue.lock();
        if state.closed || state.bytes + cost > LIMIT {
            drop(state);
            queue.dropped.inc();
            return;
        }
        state.bytes += cost;
        state.lines.push(line);
        if mem::take(&mut state.sleeping) {
            drop(state);
            queue.filled.notify_one();
        }
    }

    /// Takes no more lines, and waits until those that are queued are written, `patience` at most:
    /// a reader that is stuck must not keep the process. Tells whether all was written.
    pub fn close(&self, patience: Duration) -> bool {
        let Some(queue) = &self.queue else {
            return true;
        };
        let mut state = queue.lock();
        state.closed = true;
        queue.filled.notify_one();
        let (state, _) = queue
            .ended
            .wait_timeout_while(state, patience, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.ended
    }
}

/// The message, or as much of it as one line may have.
fn cut(message: &str) -> &str {
    let end = (0..=LONGEST.min(message.len()))
        .rev()
        .find(|end| message.is_char_boundary(*end));
    end.and_then(|end| message.get(..end)).unwrap_or_default()
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swaps the queued lines with `batch`, which is empty; waits where there are none. False
    /// where no more will come.
    fn take(&self, batch: &mut Vec<Line>) -> bool {
        let mut state = self.lock();
        while state.lines.is_empty() {
            if state.closed {
                return false;
            }
            state.sleeping = true;
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.sleeping = false;
        }
        mem::swap(&mut state.lines, batch);
        state.bytes = 0;
        true
    }

    /// Lets lines gather for a moment; ends at once when the output is closed.
    fn rest(&self) {
        let state = self.lock();
        let rested = self
            .filled
            .wait_timeout_while(state, REST, |state| !state.closed);
        drop(rested.unwrap_or_else(PoisonError::into_inner));
    }
}

struct Writer {
    queue: Arc<Queue>,
    format: Format,
    writer: Box<dyn Write + Send>,
}

impl Writer {
    fn run(mut self) {
        let mut batch = Vec::new();
        let mut text = String::new();
        let mut told = self.queue.dropped.get();
        while self.queue.take(&mut batch) {
            self.write(&mut batch, &mut text);
            told = self.tell_dropped(told, &mut text);
            self.queue.rest();
        }
        self.queue.lock().ended = true;
        self.queue.ended.notify_all();
    }

    fn write(&mut self, batch: &mut Vec<Line>, text: &mut String) {
        let length = batch.len();
        let mut lines = 0;
        for line in batch.drain(..) {
            match line {
                Line::Text(line) => text.push_str(&line),
                Line::Query(query) => query.write(self.format, text),
            }
            text.push('\n');
            lines += 1;
            if text.len() >= PIECE {
                self.hand_over(text, &mut lines);
            }
        }
        self.hand_over(text, &mut lines);
        // What a burst took is given back; what a busy server needs all the time is kept.
        if length < batch.capacity() / 8 {
            batch.shrink_to(length);
        }
    }

    fn hand_over(&mut self, text: &mut String, lines: &mut u64) {
        let written = self
            .writer
            .write_all(text.as_bytes())
            .and_then(|()| self.writer.flush());
        if written.is_err() {
            self.queue.dropped.add(*lines);
        }
        text.clear();
        *lines = 0;
    }

    /// Says, once the reader reads again, how much it missed.
    fn tell_dropped(&mut self, before: u64, text: &mut String) -> u64 {
        let now = self.queue.dropped.get();
        if now > before {
            let message = format!(
                "{} log lines were dropped: the reader of the log is too slow",
                now - before
            );
            text.push_str(&line::line(self.format, Level::Warning, None, &message));
            text.push('\n');
            self.hand_over(text, &mut 0);
        }
        now
    }
}

#[cfg(test)]
pub(crate) mod capture {
    use super::*;
    use crate::metrics::Registry;
    use tracing_subscriber::layer::SubscriberExt;

    /// What a test's output wrote.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        /// An output that writes here.
        pub(crate) fn output(&self, format: Format) -> Output {
            let dropped = Registry::default().counter(super::super::DROPPED, &[]);
            Output::start(format, Box::new(self.clone()), dropped).unwrap()
        }

        /// An output in text, and this thread's events going there until the guard is dropped.
        pub(crate) fn events(&self) -> (Output, tracing::subscriber::DefaultGuard) {
            let output = self.output(Format::Text);
            let layer = super::super::LogLayer::new(output.clone());
            let subscriber = tracing_subscriber::registry().with(layer);
            (output, tracing::subscriber::set_default(subscriber))
        }

        /// Closes the output and gives the lines that it wrote.
        pub(crate) fn lines(&self, output: &Output) -> Vec<String> {
            assert!(output.close(Duration::from_secs(60)), "the writer hangs");
            let bytes = self.0.lock().unwrap().clone();
            let text = String::from_utf8(bytes).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }
}
