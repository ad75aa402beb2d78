//! The process's log, in CoreDNS's shape, on standard output.
//!
//! ```text
//!  tracing events --- layer ---+
//!                              +--> output (bounded queue) --> writer thread --> stdout
//!  the log plugin -- query ----+
//! ```
//!
//! `tracing::warn!(target: "plugin/forward", "...")` prints `[WARNING] plugin/forward: ...`;
//! callsign's own messages have no prefix; other crates are heard at WARN and above. Whoever logs
//! never waits for whoever reads: when the queue is full, lines are dropped and counted.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::layer::SubscriberExt;

use crate::metrics::{Desc, Registry};

mod layer;
mod line;
mod output;
mod pace;
mod panic;
mod query;
mod template;

pub use layer::LogLayer;
pub use line::{Level, UnknownFormat, fatal};
pub use output::Output;
#[cfg(test)]
pub(crate) use output::capture::Captured;
pub use pace::Pace;
pub use query::{QueryLine, Response};
pub use template::Template;

/// How lines are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `[INFO] message`.
    #[default]
    Text,
    /// One JSON object for each line.
    Json,
}

/// Lines that were not written.
pub const DROPPED: Desc = Desc {
    name: "callsign_log_lines_dropped_total",
    help: "Counter of log lines that were dropped because the reader of the log is too slow or gone.",
};

static OUTPUT: OnceLock<Output> = OnceLock::new();
static DEBUG: AtomicBool = AtomicBool::new(false);
static STACKTRACE: AtomicBool = AtomicBool::new(false);

/// Starts the log: from here on events of `tracing`, query lines and panics go to standard output.
/// Does nothing where it was called before.
///
/// # Errors
/// The writer's thread cannot be started.
pub fn init(format: Format, registry: &Registry) -> io::Result<()> {
    let dropped = registry.counter(DROPPED, &[]);
    let output = Output::start(format, Box::new(io::stdout()), dropped)?;
    if OUTPUT.set(output.clone()).is_err() {
        return Ok(());
    }
    let subscriber = tracing_subscriber::registry().with(LogLayer::new(output));
    // An error means that a test or an embedding program has a subscriber already; it stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    panic::install_hook();
    Ok(())
}

/// Where the process's lines go; nowhere before [`init`].
#[must_use]
pub fn output() -> Output {
    OUTPUT.get_or_init(Output::discard).clone()
}

/// Whether lines of level DEBUG are written; not unless the `debug` plugin asks for it.
pub fn set_debug(on: bool) {
    DEBUG.store(on, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// Whether a panic is told with its stack; not unless the `errors` plugin asks for it.
pub fn set_stacktrace(on: bool) {
    STACKTRACE.store(on, Ordering::Relaxed);
}

fn debug_is_on() -> bool {
    DEBUG.load(Ordering::Relaxed)
}

fn stacktrace_is_on() -> bool {
    STACKTRACE.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
