//! One line of the log: its level, and how it is told in text and in JSON.

use std::fmt::Write as _;
use std::str::FromStr;

use super::Format;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For who writes plugins.
    Debug,
    /// What happens.
    Info,
    /// What will hurt.
    Warning,
    /// What went wrong.
    Error,
    /// What ends the process.
    Fatal,
}

/// The error of a format's name that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown log format \"{0}\": expected text or json")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(UnknownFormat(other.to_owned())),
        }
    }
}

impl Level {
    fn word(self, format: Format) -> &'static str {
        match (self, format) {
            (Self::Debug, _) => "DEBUG",
            (Self::Info, _) => "INFO",
            (Self::Warning, Format::Text) => "WARNING",
            (Self::Warning, Format::Json) => "WARN",
            (Self::Error, _) => "ERROR",
            (Self::Fatal, _) => "FATAL",
        }
    }
}

/// A whole line, without its end. `plugin` is the plugin's name alone.
pub(super) fn line(format: Format, level: Level, plugin: Option<&str>, message: &str) -> String {
    let mut line = String::with_capacity(message.len() + 32);
    match format {
        Format::Text => {
            let _ = write!(line, "[{}] ", level.word(format));
            if let Some(plugin) = plugin {
                let _ = write!(line, "plugin/{plugin}: ");
            }
            escape(&mut line, message);
        }
        Format::Json => {
            open_json(&mut line, level, message, jiff::Timestamp::now());
            if let Some(plugin) = plugin {
                line.push_str(",\"plugin\":");
                push_json(&mut line, plugin);
            }
            line.push('}');
        }
    }
    line
}

/// The line for a start that failed, to be printed on standard error: in text the message alone,
/// with the lines that it has, as CoreDNS prints it.
#[must_use]
pub fn fatal(format: Format, message: &str) -> String {
    match format {
        Format::Text => message.to_owned(),
        Format::Json => line(format, Level::Fatal, None, message),
    }
}

/// The first fields of a JSON line, with no end.
pub(super) fn open_json(line: &mut String, level: Level, message: &str, time: jiff::Timestamp) {
    let word = level.word(Format::Json);
    let _ = write!(line, "{{\"time\":\"{time}\",\"level\":\"{word}\",\"msg\":");
    push_json(line, message);
}

/// A text as JSON, with its quotes.
pub(super) fn push_json(line: &mut String, text: &str) {
    // A text is always JSON; nothing of it can fail.
    line.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Appends text with control characters told by their escapes.
///
/// A message may quote what a client or an upstream sent: a newline in it must not start a line
/// that looks like ours, and an escape sequence must not reach a terminal.
pub(super) fn escape(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push('\t'),
            control if control.is_control() => {
                let _ = write!(line, "\\x{:02x}", u32::from(control));
            }
            // Bidirectional overrides and line separators change what a line seems to say.
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(line, "\\u{{{:04x}}}", u32::from(character));
            }
            other => line.push(other),
        }
    }
}
