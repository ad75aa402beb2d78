//! A report for a person at a terminal, or for a log.

use std::fmt::{self, Write};
use std::time::Duration;

use super::{Report, Tried};

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// For a terminal.
    Colours,
    /// For a file or a pipe.
    Plain,
}

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }

    fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
}

impl Report {
    /// The report as text.
    #[must_use]
    pub fn text(&self, paint: Paint) -> String {
        let mut out = String::new();
        // Writing to a text does not fail.
        let _ = self.write(&mut out, paint);
        out
    }

    fn write(&self, out: &mut String, paint: Paint) -> fmt::Result {
        writeln!(out, "{}", self.headline(paint))?;
        for line in &self.advice {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "\n{}, {}:", self.from, self.libc)?;
        for line in self.resolv_conf.lines() {
            writeln!(out, "  {}", paint.dim(line))?;
        }
        for note in &self.notes {
            writeln!(out, "  {}", paint.bad(&format!("! {note}")))?;
        }
        self.write_tried(out, paint)?;
        self.write_cost(out)?;
        if let Some(service) = &self.service {
            service.write(out)?;
        }
        self.write_why(out)
    }

    fn headline(&self, paint: Paint) -> String {
        let name = paint.bold(&self.name);
        match (&self.forwarded_to, self.resolves) {
            (Some(upstreams), true) => match &self.alias {
                Some(alias) => format!(
                    "{name} is an alias of {}, which would be forwarded to {upstreams}",
                    paint.good(alias)
                ),
                None => format!(
                    "{name} is no name of the cluster: it would be forwarded to {upstreams}"
                ),
            },
            (_, true) => {
                let answer = paint.good(&self.answer.join(" "));
                let ttl = self.ttl.map(|ttl| paint.dim(&format!(" (TTL {ttl} s)")));
                format!("{name} {} {answer}{}", self.verb(), ttl.unwrap_or_default())
            }
            (_, false) => {
                let error = self.error.unwrap_or_default();
                format!("{name} does not resolve: {}", paint.bad(error))
            }
        }
    }

    fn verb(&self) -> &'static str {
        if self.types == "A/AAAA" { "is" } else { "has" }
    }

    fn write_tried(&self, out: &mut String, paint: Paint) -> fmt::Result {
        if self.tried.is_empty() {
            let why = match self.resolves {
                true => ": the library takes it for an address",
                false => "",
            };
            return writeln!(out, "\nNothing is asked{why}.");
        }
        writeln!(out)?;
        let width = self.tried.iter().map(|tried| tried.name.len()).max();
        let width = width.unwrap_or_default();
        for (number, tried) in self.tried.iter().enumerate() {
            let mark = if tried.wins {
                paint.good("<-")
            } else {
                String::new()
            };
            let line = format!(
                "  {:>2}  {:width$}  {}  {mark}",
                number + 1,
                tried.name,
                replies(tried)
            );
            writeln!(out, "{}", line.trim_end())?;
            if tried.waited_ms > 0 {
                let seconds = Duration::from_millis(tried.waited_ms).as_secs_f64();
                writeln!(out, "      {:width$}  waited {seconds} s", "")?;
            }
        }
        Ok(())
    }

    fn write_cost(&self, out: &mut String) -> fmt::Result {
        if self.tried.is_empty() {
            return Ok(());
        }
        let count = |queries: usize| match queries {
            1 => "1 query".to_owned(),
            queries => format!("{queries} queries"),
        };
        let asked = self.tried.iter().flat_map(|tried| &tried.queries);
        let took = match asked.map(|asked| asked.took_us).sum::<u64>() {
            0 => String::new(),
            micros => {
                let millis = Duration::from_micros(micros).as_secs_f64() * 1000.0;
                format!(", answered in {millis:.1} ms")
            }
        };
        writeln!(out, "\nThat takes {}{took}.", count(self.queries))?;
        for other in &self.alternatives {
            let result = match (other.resolves, self.resolves) {
                (false, true) => ", and does not resolve",
                (true, false) => ", and resolves",
                _ => "",
            };
            writeln!(out, "  {}: {}{result}", other.with, count(other.queries))?;
        }
        Ok(())
    }

    fn write_why(&self, out: &mut String) -> fmt::Result {
        if self.why.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nWhy:")?;
        for reason in &self.why {
            let place = reason.place.as_deref();
            let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
            match reason.plugin.as_str() {
                "" => writeln!(out, "  {}{place}", reason.what)?,
                plugin => writeln!(out, "  {plugin}: {}{place}", reason.what)?,
            }
        }
        Ok(())
    }
}

/// The replies in short: equal ones of several servers and tries once, with their number.
fn replies(tried: &Tried) -> String {
    let mut told: Vec<(String, usize)> = Vec::new();
    for asked in &tried.queries {
        let tcp = if asked.tcp { " (TCP)" } else { "" };
        let text = format!("{} {}{tcp}", asked.qtype, asked.reply);
        match told.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => told.push((text, 1)),
        }
    }
    let mut out = String::new();
    for (text, count) in told {
        let separator = if out.is_empty() { "" } else { ", " };
        let _ = match count {
            1 => write!(out, "{separator}{text}"),
            count => write!(out, "{separator}{text} x{count}"),
        };
    }
    if out.is_empty() {
        "cannot be asked".to_owned()
    } else {
        out
    }
}
