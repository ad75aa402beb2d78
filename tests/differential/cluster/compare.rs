//! Holds callsign's reply against that of CoreDNS.
//!
//! The order of records and the serial of SOA records are normalised, nothing else: the response
//! code, all flags, the size, the question, each record with its owner's case and its TTL, and the
//! OPT must be the same.

use std::fmt;

use super::SHOWN;
use crate::wire::message::Message;
use crate::wire::query::Query;

/// What came of one variant.
pub(crate) struct Compared {
    title: String,
    /// How many questions were asked.
    pub(crate) asked: usize,
    /// Question, CoreDNS's lines that callsign lacks, and callsign's own.
    pub(crate) differences: Vec<String>,
    /// How often each departure was seen.
    departures: Vec<(&'static str, usize)>,
}

impl Compared {
    pub(crate) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            asked: 0,
            differences: Vec::new(),
            departures: Vec::new(),
        }
    }

    /// Compares two replies to the same query.
    pub(crate) fn add(
        &mut self,
        query: &Query,
        theirs: Option<&[u8]>,
        ours: Option<&[u8]>,
        what: impl Fn() -> String,
    ) {
        self.asked += 1;
        if theirs.is_some() && theirs == ours {
            return;
        }
        let (theirs, ours) = (lines(query, theirs), lines(query, ours));
        if theirs == ours {
            return;
        }
        let only = |these: &[String], others: &[String], mark: char| -> String {
            let mut others = others.to_vec();
            let mut only = String::new();
            for line in these {
                match others.iter().position(|other| other == line) {
                    Some(at) => drop(others.remove(at)),
                    None => only += &format!("  {mark} {line}\n"),
                }
            }
            only
        };
        let missing = only(&theirs, &ours, '-');
        let added = only(&ours, &theirs, '+');
        self.differences
            .push(format!("{}\n{missing}{added}", what()));
    }
}

/// A reply as lines: the head, then all records in the order of their text.
fn lines(query: &Query, reply: Option<&[u8]>) -> Vec<String> {
    let Some(reply) = reply else {
        return vec!["no reply".to_owned()];
    };
    let message = match Message::decode(reply) {
        Ok(message) => message,
        Err(problem) => return vec![format!("malformed: {problem}")],
    };
    let asked = query.question().ok();
    let mut lines = message.reply_lines(0, asked.as_ref(), false);
    lines.iter_mut().for_each(|line| hide_serial(line));
    if let Some(records) = lines.get_mut(1..) {
        records.sort_unstable();
    }
    lines
}

/// `SECTION OWNER TTL CLASS SOA MNAME RNAME SERIAL ...`
fn hide_serial(line: &mut String) {
    if !line.contains(" SOA ") {
        return;
    }
    let mut words: Vec<&str> = line.split(' ').collect();
    if words.get(4) == Some(&"SOA")
        && let Some(serial) = words.get_mut(7)
    {
        *serial = "SERIAL";
        *line = words.join(" ");
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in self.differences.iter().take(SHOWN) {
            writeln!(out, "{difference}")?;
        }
        if self.differences.len() > SHOWN {
            writeln!(out, "... and {} more", self.differences.len() - SHOWN)?;
        }
        write!(
            out,
            "{}: {} questions, {} differences",
            self.title,
            self.asked,
            self.differences.len()
        )?;
        for (name, count) in &self.departures {
            write!(out, ", {count} of {name}")?;
        }
        Ok(())
    }
}
