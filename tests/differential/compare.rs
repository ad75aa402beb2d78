//! Holds what came against what was expected: the three normalisations, the pattern lines, the
//! bounds of time, and the difference as text.

use std::time::Duration;

use regex::Regex;

use crate::awake::Took;

/// How far below its expected value a counted-down TTL may be, in seconds: a slow machine.
const TTL_SLACK: u32 = 5;

/// What is normalised before the comparison; nothing else is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Normalise {
    /// `~ttl`: TTLs count down, so they may be lower by a little, never higher.
    ttl: bool,
    /// `~order`: neighbouring records of the shuffled types (A with AAAA, MX) in any order.
    order: bool,
    /// Lines in any order: those of a log, which servers write after they have answered; and with
    /// `~order` those of what an upstream saw.
    any_order: bool,
    /// `~serial`: the serial of a SOA record.
    serial: bool,
}

impl Normalise {
    /// From a heading: its kind, and its words that begin with `~`.
    pub(crate) fn parse(heading: &str) -> Result<Self, String> {
        let mut normalise = Self {
            any_order: heading.starts_with("log ")
                || heading.starts_with("saw ") && heading.ends_with(" ~order"),
            ..Self::default()
        };
        for word in heading.split(' ').filter_map(|word| word.strip_prefix('~')) {
            match word {
                "ttl" => normalise.ttl = true,
                "order" => normalise.order = true,
                "serial" => normalise.serial = true,
                _ => return Err(format!("`~{word}` is none of ~ttl ~order ~serial")),
            }
        }
        Ok(normalise)
    }

    /// Whether lines are compared without their order.
    pub(crate) fn any_order(self) -> bool {
        self.any_order
    }

    fn apply(self, lines: &[String]) -> Vec<String> {
        let mut lines = lines.to_vec();
        if self.serial {
            lines
                .iter_mut()
                .for_each(|line| *line = without_serial(line));
        }
        if self.order {
            let runs = lines.chunk_by_mut(|one, other| {
                let kind = shuffle_kind(one);
                kind.is_some() && kind == shuffle_kind(other)
            });
            runs.for_each(|run| run.sort_by_cached_key(|line| without_ttl(line)));
        }
        lines
    }
}

/// The lines of an expectation that bound the time of the answer, and those that do not.
pub(crate) fn split_bounds(lines: &[String]) -> Result<(Vec<String>, Vec<Bound>), String> {
    let mut plain = Vec::new();
    let mut bounds = Vec::new();
    for line in lines {
        match line.split_once(' ') {
            Some(("within", limit)) => bounds.push(Bound::Within(duration(limit)?)),
            Some(("not-before", limit)) => bounds.push(Bound::NotBefore(duration(limit)?)),
            _ => plain.push(line.clone()),
        }
    }
    Ok((plain, bounds))
}

/// Whether a line of an expectation is a bound of time.
pub(crate) fn is_bound(line: &str) -> bool {
    line.starts_with("within ") || line.starts_with("not-before ")
}

/// A bound of the time that an answer may take.
pub(crate) enum Bound {
    /// At most.
    Within(Duration),
    /// At least.
    NotBefore(Duration),
}

impl Bound {
    /// What is wrong with this time, if anything.
    pub(crate) fn problem(&self, took: Took) -> Option<String> {
        let Took { passed, awake } = took;
        match self {
            Self::Within(limit) if awake > *limit => {
                Some(format!("took {awake:.1?}, expected at most {limit:?}"))
            }
            Self::NotBefore(limit) if passed < *limit => {
                Some(format!("took {passed:.1?}, expected at least {limit:?}"))
            }
            _ => None,
        }
    }
}

/// `250ms` or `1.5s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (digits, scale) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 0.001),
        None => (
            text.strip_suffix('s')
                .ok_or_else(|| format!("`{text}` has no unit, s or ms"))?,
            1.0,
        ),
    };
    let value: f64 = digits
        .parse()
        .map_err(|error| format!("`{text}`: {error}"))?;
    Duration::try_from_secs_f64(value * scale).map_err(|error| format!("`{text}`: {error}"))
}

/// The difference as text, or nothing where `got` is what was expected.
pub(crate) fn difference(
    expected: &[String],
    got: &[String],
    normalise: Normalise,
) -> Option<String> {
    let expected = normalise.apply(expected);
    let mut got = normalise.apply(got);
    if normalise.any_order {
        got = aligned(&expected, got);
    }
    if normalise.ttl {
        for (got, expected) in got.iter_mut().zip(&expected) {
            if counted_down(expected, got) {
                got.clone_from(expected);
            }
        }
    }
    let same = expected.len() == got.len()
        && expected
            .iter()
            .zip(&got)
            .all(|(one, other)| matches(one, other));
    if same {
        None
    } else {
        Some(diff(&expected, &got))
    }
}

/// The lines in the order of the expected ones that they match, then the others.
fn aligned(expected: &[String], mut got: Vec<String>) -> Vec<String> {
    let mut aligned = Vec::new();
    for expected in expected {
        let found = got.iter().position(|line| matches(expected, line));
        aligned.extend(found.map(|at| got.remove(at)));
    }
    aligned.extend(got);
    aligned
}

/// A line that begins with `~ ` is a pattern for the whole line.
pub(crate) fn matches(expected: &str, got: &str) -> bool {
    match expected.strip_prefix("~ ") {
        Some(pattern) => {
            Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(got))
        }
        None => expected == got,
    }
}

/// A record's line in its parts: section, owner, TTL, and the rest.
fn record(line: &str) -> Option<(&str, &str, u32, &str)> {
    let mut words = line.splitn(4, ' ');
    let section = words
        .next()
        .filter(|word| ["answer", "authority", "additional"].contains(word))?;
    Some((
        section,
        words.next()?,
        words.next()?.parse().ok()?,
        words.next()?,
    ))
}

fn without_ttl(line: &str) -> String {
    record(line).map_or_else(
        || line.to_owned(),
        |(section, owner, _, rest)| format!("{section} {owner} {rest}"),
    )
}

fn counted_down(expected: &str, got: &str) -> bool {
    let (Some((.., expected_ttl, _)), Some((.., got_ttl, _))) = (record(expected), record(got))
    else {
        return false;
    };
    without_ttl(expected) == without_ttl(got)
        && (expected_ttl.saturating_sub(TTL_SLACK)..=expected_ttl).contains(&got_ttl)
}

/// Which records are shuffled among themselves: the types' class, within one section.
fn shuffle_kind(line: &str) -> Option<(&str, &'static str)> {
    let (section, _, _, rest) = record(line)?;
    match rest.split(' ').nth(1)? {
        "A" | "AAAA" => Some((section, "address")),
        "MX" => Some((section, "MX")),
        _ => None,
    }
}

fn without_serial(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if words.get(4) == Some(&"SOA")
        && let Some(serial) = words.get_mut(7)
    {
        *serial = "SERIAL";
    }
    words.join(" ")
}

/// Lines that are only expected (`-`), only came (`+`) or both, by longest common subsequence.
fn diff(expected: &[String], got: &[String]) -> String {
    let (Some((first, expected_tail)), Some((got_first, got_tail))) =
        (expected.split_first(), got.split_first())
    else {
        let missing = expected.iter().map(|line| format!("  - {line}\n"));
        return missing
            .chain(got.iter().map(|line| format!("  + {line}\n")))
            .collect();
    };
    if matches(first, got_first) {
        return format!("    {got_first}\n") + &diff(expected_tail, got_tail);
    }
    if common(expected_tail, got) >= common(expected, got_tail) {
        format!("  - {first}\n") + &diff(expected_tail, got)
    } else {
        format!("  + {got_first}\n") + &diff(expected, got_tail)
    }
}

/// The length of the longest common subsequence.
fn common(expected: &[String], got: &[String]) -> usize {
    let mut row = vec![0; got.len() + 1];
    for expected in expected {
        let mut diagonal = 0;
        let mut left = 0;
        for (cell, got) in row.iter_mut().skip(1).zip(got) {
            let above = *cell;
            *cell = if matches(expected, got) {
                diagonal + 1
            } else {
                above.max(left)
            };
            diagonal = above;
            left = *cell;
        }
    }
    row.last().copied().unwrap_or_default()
}
