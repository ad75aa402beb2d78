//! A panic is a line of the log, and with `errors { stacktrace }` its stack follows.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::thread;

/// Writes panics to the log from here on.
pub(super) fn install_hook() {
    panic::set_hook(Box::new(tell));
}

fn tell(info: &PanicHookInfo<'_>) {
    let what = info.payload_as_str().unwrap_or("no message");
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    match info.location() {
        Some(place) => tracing::error!("panic in thread '{name}' at {place}: {what}"),
        None => tracing::error!("panic in thread '{name}': {what}"),
    }
    if super::stacktrace_is_on() {
        // A line each: no line of the log has a newline in it.
        for frame in Backtrace::force_capture().to_string().lines() {
            tracing::error!("{frame}");
        }
    }
}
