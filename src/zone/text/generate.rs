//! `$GENERATE`: one line that stands for many.

use std::fmt::Write;
use std::iter::StepBy;
use std::ops::RangeInclusive;

use super::scan::Entry;
use super::{Fault, shown};

/// Records of one directive.
const MOST: u64 = 65_535;
/// The largest number that an offset may lead to.
const LARGEST: i64 = (1 << 31) - 1;

/// A line with places for the number.
pub(super) struct Template(Vec<Part>);

enum Part {
    Text(Vec<u8>),
    Number {
        offset: i64,
        width: usize,
        base: Base,
    },
}

#[derive(Clone, Copy)]
enum Base {
    Decimal,
    Octal,
    LowerHex,
    UpperHex,
}

/// The numbers, and the line that they are put into.
pub(super) fn parse(entry: &Entry<'_>) -> Result<(StepBy<RangeInclusive<i64>>, Template), Fault> {
    let (Some(range), Some(words)) = (entry.words.get(1), entry.words.get(2..)) else {
        return Err(Fault::new(entry.at, "$GENERATE needs a range and a record"));
    };
    let text = shown(range);
    let (ends, step) = text.split_once('/').unwrap_or((&text, "1"));
    let numbers = ends
        .split_once('-')
        .and_then(|(start, stop)| Some((start.parse::<i64>().ok()?, stop.parse::<i64>().ok()?)));
    let step = step.parse::<i64>().ok().filter(|step| *step > 0);
    let (Some((start, stop)), Some(step)) = (numbers, step) else {
        return Err(Fault::of(range, "is no range like 1-100 or 0-254/2"));
    };
    let is_small = i64::try_from(MOST).is_ok_and(|most| {
        start >= 0 && stop >= start && stop <= LARGEST && (stop - start) / step <= most
    });
    let step = usize::try_from(step).ok().filter(|_| is_small);
    let Some(step) = step else {
        return Err(Fault::of(range, "is a range that goes down or is too long"));
    };
    let mut line = Vec::new();
    for word in words {
        if !word.joined && !line.is_empty() {
            line.push(b' ');
        }
        let quote: &[u8] = if word.quoted { b"\"" } else { b"" };
        line.extend([quote, word.text, quote].concat());
    }
    let template = Template::parse(&line).map_err(|message| Fault::new(range.at, message))?;
    if !template.stays_within(start, stop) {
        return Err(Fault::of(range, "with its offset leaves 0 to 2147483647"));
    }
    Ok(((start..=stop).step_by(step), template))
}

impl Template {
    fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let (mut parts, mut text) = (Vec::new(), Vec::new());
        let mut rest = line;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match (byte, after.first()) {
                (b'\\', Some(b'$')) | (b'$', Some(b'$')) => {
                    text.push(b'$');
                    rest = after.get(1..).unwrap_or_default();
                }
                (b'\\', Some(escaped)) => {
                    text.extend([b'\\', *escaped]);
                    rest = after.get(1..).unwrap_or_default();
                }
                (b'$', next) => {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    if next != Some(&b'{') {
                        parts.push(number("0")?);
                        continue;
                    }
                    let end = after.iter().position(|byte| *byte == b'}');
                    let end = end.ok_or("a '{' of $GENERATE is not closed")?;
                    let inner = after.get(1..end).unwrap_or_default();
                    let inner = std::str::from_utf8(inner).unwrap_or_default();
                    parts.push(number(inner)?);
                    rest = after.get(end + 1..).unwrap_or_default();
                }
                _ => text.push(*byte),
            }
        }
        parts.push(Part::Text(text));
        Ok(Self(parts))
    }

    fn stays_within(&self, start: i64, stop: i64) -> bool {
        self.0.iter().all(|part| match part {
            Part::Text(_) => true,
            Part::Number { offset, .. } => {
                let sum = |number: i64| number.checked_add(*offset);
                sum(start).is_some_and(|low| low >= 0)
                    && sum(stop).is_some_and(|high| high <= LARGEST)
            }
        })
    }

    /// The line for one number.
    pub(super) fn at(&self, number: i64) -> Vec<u8> {
        let mut line = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => line.extend_from_slice(text),
                Part::Number {
                    offset,
                    width,
                    base,
                } => {
                    let (number, width) = (number.saturating_add(*offset), *width);
                    let mut text = String::new();
                    let written = match base {
                        Base::Decimal => write!(text, "{number:0width$}"),
                        Base::Octal => write!(text, "{number:0width$o}"),
                        Base::LowerHex => write!(text, "{number:0width$x}"),
                        Base::UpperHex => write!(text, "{number:0width$X}"),
                    };
                    debug_assert!(written.is_ok());
                    line.extend_from_slice(text.as_bytes());
                }
            }
        }
        line
    }
}

/// `OFFSET[,WIDTH[,BASE]]`
fn number(text: &str) -> Result<Part, &'static str> {
    let mut words = text.split(',');
    let (offset, width, base) = (words.next(), words.next(), words.next());
    if words.next().is_some() {
        return Err("a {...} of $GENERATE is OFFSET, OFFSET,WIDTH or OFFSET,WIDTH,BASE");
    }
    let offset = offset.and_then(|offset| offset.parse().ok());
    let width = width.unwrap_or("0").parse::<u8>();
    let (Some(offset), Ok(width)) = (offset, width) else {
        return Err("the offset or the width of $GENERATE is no number");
    };
    let base = match base.unwrap_or("d") {
        "d" => Base::Decimal,
        "o" => Base::Octal,
        "x" => Base::LowerHex,
        "X" => Base::UpperHex,
        _ => return Err("the base of $GENERATE is d, o, x or X"),
    };
    Ok(Part::Number {
        offset,
        width: width.into(),
        base,
    })
}
