//! `@name` in data files: ports, addresses and paths that are known only when a scenario runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use crate::port::Reservation;

/// The words that get a port of their own when they are first met, by what they begin with, and
/// whether the word stands for the port alone (else for `127.0.0.1:PORT`).
const RESERVED: &[(&str, bool)] = &[
    ("port", true),
    ("health", false),
    ("ready", false),
    ("metrics", false),
];

/// The values of a scenario's placeholders.
pub(crate) struct Placeholders {
    values: BTreeMap<String, String>,
    reservations: Vec<Reservation>,
}

impl Placeholders {
    /// Only `@dir` is known at first.
    pub(crate) fn new(directory: &Path) -> Self {
        let values = BTreeMap::from([("dir".to_owned(), directory.display().to_string())]);
        Self {
            values,
            reservations: Vec::new(),
        }
    }

    /// Gives a name a value, in place of what it had.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), value);
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Replaces each `@name` that is known or stands for a port; others stay as they are.
    pub(crate) fn expand(&mut self, text: &str) -> Result<String, String> {
        let mut pieces = text.split('@');
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(piece.len());
            let (name, rest) = piece.split_at(end);
            self.reserve(name)?;
            if let Some(value) = self.values.get(name) {
                out.push_str(value);
            } else {
                out.push('@');
                out.push_str(name);
            }
            out.push_str(rest);
        }
        Ok(out)
    }

    fn reserve(&mut self, name: &str) -> Result<(), String> {
        let Some((_, bare)) = RESERVED.iter().find(|(prefix, _)| name.starts_with(prefix)) else {
            return Ok(());
        };
        if !self.values.contains_key(name) {
            let reservation = Reservation::new()?;
            let value = match bare {
                true => reservation.port.to_string(),
                false => format!("127.0.0.1:{}", reservation.port),
            };
            self.values.insert(name.to_owned(), value);
            self.reservations.push(reservation);
        }
        Ok(())
    }

    /// The ports on which the server answers DNS, by their placeholders.
    pub(crate) fn dns_ports(&self) -> Vec<SocketAddr> {
        let ports = self
            .values
            .iter()
            .filter(|(name, _)| name.starts_with("port"));
        ports
            .filter_map(|(_, port)| Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))))
            .collect()
    }

    /// Puts placeholders in the place of their values: how recorded text becomes one that holds
    /// on each run.
    pub(crate) fn abstracted(&self, text: &str) -> String {
        let mut known: Vec<(&String, &String)> = self.values.iter().collect();
        known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        let mut out = text.to_owned();
        for (name, value) in known {
            out = replace_whole(&out, value, &format!("@{name}"));
        }
        out
    }
}

/// Replaces `value` where no letter or digit touches it.
fn replace_whole(text: &str, value: &str, with: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let touches = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '@');
    while let Some(at) = rest.find(value) {
        let (before, found) = rest.split_at(at);
        let (found, after) = found.split_at(value.len());
        out.push_str(before);
        let whole = !touches(out.chars().last()) && !touches(after.chars().next());
        out.push_str(if whole { with } else { found });
        rest = after;
    }
    out + rest
}
