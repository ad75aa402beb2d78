//! Events of `tracing` to lines.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::Level;
use super::output::Output;

/// Writes events to an [`Output`].
///
/// The target `plugin/NAME` gives the line's prefix. The field `fatal = true` makes an error
/// FATAL; it does not end the process. Other fields follow the message as ` name=value`. Spans
/// are not for a log of lines.
pub struct LogLayer {
    output: Output,
}

impl LogLayer {
    /// A layer that writes there.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self { output }
    }
}

/// Whether an event is written: callsign's own at INFO and above, at DEBUG if asked for; those of
/// other crates at WARN and above. The client of the API server logs each failure that it returns,
/// which is told by who asked, once and with what it means.
fn is_written(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if target == "kube_client::client::builder" {
        return false;
    }
    let own = target.starts_with("plugin/") || is_callsign(target);
    let least = match own {
        true if super::debug_is_on() => LevelFilter::DEBUG,
        true => LevelFilter::INFO,
        false => LevelFilter::WARN,
    };
    metadata.is_event() && *metadata.level() <= least
}

fn is_callsign(target: &str) -> bool {
    target == "callsign" || target.starts_with("callsign::")
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked again when debugging is switched; see `set_debug`.
        if is_written(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_written(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if super::debug_is_on() {
            LevelFilter::DEBUG
        } else {
            LevelFilter::INFO
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let metadata = event.metadata();
        let level = match *metadata.level() {
            _ if message.fatal => Level::Fatal,
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        let target = metadata.target();
        let plugin = target.strip_prefix("plugin/");
        let mut text = message.text;
        if plugin.is_none() && !is_callsign(target) {
            text.insert_str(0, &format!("{target}: "));
        }
        text.push_str(&message.fields);
        self.output.message(level, plugin, &text);
    }
}

/// The parts of an event.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
    fatal: bool,
}

impl Visit for Message {
    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "fatal" {
            self.fatal = value;
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.text.push_str(value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
