//! Holds callsign's reply against that of CoreDNS.
//!
//! The order of records and the serial of SOA records are normalised, nothing else: the response
//! code, all flags, the size, the question, each record with its owner's case and its TTL, and the
//! OPT must be the same; or both replies are as a departure has them.

use std::fmt;

use super::departure::DEPARTURES;
use crate::wire::message::Message;

/// How many differences of a variant are shown.
const SHOWN: usize = 40;

/// What came of one variant.
pub(crate) struct Compared {
    title: String,
    may_show: &'static [&'static str],
    /// How many questions were asked.
    pub(crate) asked: usize,
    /// How many of them CoreDNS answered with a record.
    pub(crate) answered: usize,
    /// Question, CoreDNS's lines that callsign lacks, and callsign's own.
    pub(crate) differences: Vec<String>,
    /// The departure of each reply that shows one.
    pub(crate) departures: Vec<&'static str>,
}

impl Compared {
    /// Nothing compared yet; these are the departures that may be seen.
    pub(crate) fn new(title: &str, may_show: &'static [&'static str]) -> Self {
        Self {
            title: title.to_owned(),
            may_show,
            asked: 0,
            answered: 0,
            differences: Vec::new(),
            departures: Vec::new(),
        }
    }

    /// Compares two replies to the same query.
    pub(crate) fn add(
        &mut self,
        theirs: Option<&[u8]>,
        ours: Option<&[u8]>,
        what: impl Fn() -> String,
    ) {
        self.asked += 1;
        let answers = theirs.and_then(|reply| reply.get(6..8));
        self.answered += usize::from(answers.is_some_and(|count| count != [0, 0]));
        if theirs.is_some() && theirs == ours {
            return;
        }
        let (theirs, ours) = (lines(theirs), lines(ours));
        if theirs == ours {
            return;
        }
        let allowed = DEPARTURES
            .iter()
            .filter(|departure| self.may_show.contains(&departure.name));
        for departure in allowed {
            if (departure.is_shown)(&theirs, &ours) {
                self.departures.push(departure.name);
                return;
            }
        }
        let missing = only(&theirs, &ours, '-');
        let added = only(&ours, &theirs, '+');
        let what = what();
        self.differences.push(format!("{what}\n{missing}{added}"));
    }
}

/// Those of these lines that are not among the others, each marked.
fn only(these: &[String], others: &[String], mark: char) -> String {
    let mut others = others.to_vec();
    let mut only = String::new();
    for line in these {
        match others.iter().position(|other| other == line) {
            Some(at) => drop(others.remove(at)),
            None => only += &format!("  {mark} {line}\n"),
        }
    }
    only
}

/// Whether both replies are cut, and not in the same place.
pub(crate) fn differ_in_cut(theirs: Option<&[u8]>, ours: Option<&[u8]>) -> bool {
    let is_cut = |reply: Option<&[u8]>| {
        reply
            .and_then(|reply| reply.get(2))
            .is_some_and(|flags| flags & 2 != 0)
    };
    is_cut(theirs) && is_cut(ours) && lines(theirs) != lines(ours)
}

/// A reply as lines: the head, then all records in the order of their text.
fn lines(reply: Option<&[u8]>) -> Vec<String> {
    let Some(reply) = reply else {
        return vec!["no reply".to_owned()];
    };
    let message = match Message::decode(reply) {
        Ok(message) => message,
        Err(problem) => return vec![format!("malformed: {problem}")],
    };
    let mut lines = message.reply_lines(0, None, false);
    lines.iter_mut().for_each(hide_serial);
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
            "{}: {} questions, {} with an answer, {} differences",
            self.title,
            self.asked,
            self.answered,
            self.differences.len()
        )?;
        for departure in DEPARTURES {
            let name = departure.name;
            let seen = self.departures.iter().filter(|seen| **seen == name);
            match seen.count() {
                0 => {}
                count => write!(out, ", {count} of {name}")?,
            }
        }
        Ok(())
    }
}
