//! Zone files (RFC 1035, 5) to zones.
//!
//! What is read is what CoreDNS reads: `$ORIGIN`, `$TTL`, `$INCLUDE` and `$GENERATE`, times with
//! units, types and rdata in the generic form of RFC 3597. Errors tell the place.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hickory_proto::rr::{DNSClass, RecordType};

use super::{Builder, Zone};
use crate::name::{Name, NameRef};
use crate::wire::mnemonic;

mod field;
mod generate;
mod scan;
mod word;

use scan::{At, Entry, Scanner, Word};

/// The most bytes of text that a zone is made of, with the files it includes.
pub const MOST_TEXT: usize = 256 << 20;
/// Files that include each other.
const MOST_INCLUDED: usize = 7;
/// The TTL of records that `$GENERATE` makes without one, whatever `$TTL` says; in seconds.
const GENERATED_TTL: u32 = 3600;

/// Reads a file of at most so many bytes.
pub type ReadFile<'r> = &'r dyn Fn(&Path, usize) -> io::Result<Vec<u8>>;

/// Why text is no zone: `FILE:LINE:COLUMN: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{place}{message}", file.display())]
pub struct TextError {
    /// The file.
    pub file: PathBuf,
    /// Where in it; nothing where it is about the whole of it.
    pub place: Place,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A line and a column, both counted from 1, shown as `LINE:COLUMN: `.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(pub Option<(u32, u32)>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((line, column)) => write!(f, "{line}:{column}: "),
            None => f.write_str(" "),
        }
    }
}

/// An error whose file is still to be told.
#[derive(Debug)]
struct Fault {
    at: At,
    message: String,
}

impl Fault {
    fn new(at: At, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    fn of(word: &Word<'_>, message: impl fmt::Display) -> Self {
        Self::new(word.at, format!("{:?} {message}", shown(word)))
    }
}

fn shown(word: &Word<'_>) -> String {
    String::from_utf8_lossy(word.text).into_owned()
}

/// Reads a zone from a file and the files that it includes; `None` where it has the serial that is
/// known already, for which nothing behind the SOA record is looked at.
///
/// # Errors
/// The first thing that is wrong, and where.
pub fn read(
    file: &Path,
    origin: NameRef<'_>,
    known: Option<u32>,
    read_file: ReadFile<'_>,
) -> Result<Option<Zone>, TextError> {
    let whole = |message: String| TextError {
        file: file.to_owned(),
        place: Place::default(),
        message,
    };
    let text = read_file(file, MOST_TEXT).map_err(|error| whole(error.to_string()))?;
    let mut reader = Reader {
        builder: Builder::new(origin),
        read_file,
        left: MOST_TEXT.saturating_sub(text.len()),
        known,
        is_known: false,
    };
    let state = State::new(origin.to_name(), None);
    reader.text(&text, file, state, 0)?;
    if reader.is_known {
        return Ok(None);
    }
    let zone = reader.builder.finish();
    zone.map(Some).map_err(|error| whole(error.to_string()))
}

struct Reader<'r> {
    builder: Builder,
    read_file: ReadFile<'r>,
    /// Bytes of text that may still come.
    left: usize,
    /// A serial for which nothing is to be read.
    known: Option<u32>,
    /// The SOA record was read and has that serial.
    is_known: bool,
}

/// What entries take from those before them in the same file.
struct State {
    origin: Name,
    owner: Option<Name>,
    ttl: Option<Ttl>,
}

/// The TTL of records that have none.
#[derive(Clone, Copy)]
struct Ttl {
    seconds: u32,
    /// By `$TTL`, which a record's own does not change.
    is_fixed: bool,
}

/// What stands before a record's rdata.
struct Head {
    ttl: Option<u32>,
    class: Option<DNSClass>,
    rtype: RecordType,
    /// The words of it.
    length: usize,
}

impl State {
    fn new(origin: Name, ttl: Option<Ttl>) -> Self {
        Self {
            origin,
            owner: None,
            ttl,
        }
    }

    fn explicit_ttl(&mut self, seconds: u32) {
        if !self.ttl.is_some_and(|ttl| ttl.is_fixed) {
            let is_fixed = false;
            self.ttl = Some(Ttl { seconds, is_fixed });
        }
    }
}

impl Reader<'_> {
    fn text(
        &mut self,
        text: &[u8],
        file: &Path,
        mut state: State,
        depth: usize,
    ) -> Result<(), TextError> {
        let tell = |fault: Fault| TextError {
            file: file.to_owned(),
            place: Place(Some((fault.at.line, fault.at.column))),
            message: fault.message,
        };
        let mut scanner = Scanner::new(text);
        while let Some(entry) = scanner.entry().map_err(tell)? {
            if self.is_known {
                break;
            }
            match directive(&entry).as_deref() {
                Some("$INCLUDE") => self.include(&entry, file, &state, depth)?,
                Some("$GENERATE") => self.generate(&entry, file, &state)?,
                Some("$TTL") => {
                    let argument = only_argument(&entry).map_err(tell)?;
                    let seconds = word::seconds(argument).map_err(tell)?;
                    let is_fixed = true;
                    state.ttl = Some(Ttl { seconds, is_fixed });
                }
                Some("$ORIGIN") => {
                    let word = only_argument(&entry).map_err(tell)?;
                    state.origin = word::name(word, state.origin.view()).map_err(tell)?;
                }
                Some(other) => {
                    let known = "$ORIGIN, $TTL, $INCLUDE and $GENERATE are known";
                    let message = format!("{other} is no directive; {known}");
                    return Err(tell(Fault::new(entry.at, message)));
                }
                None => self.record(&entry, &mut state).map_err(tell)?,
            }
        }
        Ok(())
    }

    fn record(&mut self, entry: &Entry<'_>, state: &mut State) -> Result<(), Fault> {
        let mut words = entry.words.as_slice();
        if let Some((first, rest)) = words.split_first().filter(|_| entry.has_owner) {
            state.owner = Some(word::name(first, state.origin.view())?);
            words = rest;
        }
        let head = head(words, entry)?;
        if let Some(ttl) = head.ttl {
            state.explicit_ttl(ttl);
        }
        let ttl = head.ttl.or_else(|| state.ttl.map(|ttl| ttl.seconds));
        // Without a class there must be a TTL somewhere; with one it is 0, as CoreDNS reads it.
        let Some(ttl) = ttl.or_else(|| head.class.map(|_| 0)) else {
            let message = "the record has no TTL; write one, or $TTL above it";
            return Err(Fault::new(entry.at, message));
        };
        let rest = words.get(head.length..).unwrap_or_default();
        let rdata = field::rdata(head.rtype, rest, state.origin.view(), entry.at)?;
        let Some(owner) = &state.owner else {
            let message = "the record has no name, and there is none above it";
            return Err(Fault::new(entry.at, message));
        };
        let origin = self.builder.origin();
        if head.rtype == RecordType::SOA && !owner.view().eq_ignore_case(origin.view()) {
            let message = format!("the SOA record's owner is {owner}, the zone's name is {origin}");
            return Err(Fault::new(entry.at, message));
        }
        if head.rtype == RecordType::SOA {
            // Only the first one is looked at.
            let known = self.known.take();
            self.is_known = known == Some(super::build::soa_serial(&rdata));
        }
        let class = head.class.unwrap_or(DNSClass::IN);
        let added = self
            .builder
            .add(owner.view(), head.rtype, class, ttl, &rdata);
        added.map_err(|error| Fault::new(entry.at, error.to_string()))
    }

    /// `$INCLUDE FILE [ORIGIN]`
    fn include(
        &mut self,
        entry: &Entry<'_>,
        file: &Path,
        state: &State,
        depth: usize,
    ) -> Result<(), TextError> {
        let tell = |fault: Fault| TextError {
            file: file.to_owned(),
            place: Place(Some((fault.at.line, fault.at.column))),
            message: fault.message,
        };
        let (word, origin) = match entry.words.as_slice() {
            [_, word] => (word, state.origin.clone()),
            [_, word, origin] => {
                let origin = word::name(origin, state.origin.view());
                (word, origin.map_err(tell)?)
            }
            _ => {
                let message = "$INCLUDE needs a file, and may have an origin";
                return Err(tell(Fault::new(entry.at, message)));
            }
        };
        if depth >= MOST_INCLUDED {
            let message = format!("more than {MOST_INCLUDED} files include each other");
            return Err(tell(Fault::new(word.at, message)));
        }
        let folder = file.parent().unwrap_or_else(|| Path::new("/"));
        let path = folder.join(shown(word));
        let text = (self.read_file)(&path, self.left).map_err(|error| {
            let message = format!("cannot read {}: {error}", path.display());
            tell(Fault::new(word.at, message))
        })?;
        self.left = self.left.saturating_sub(text.len());
        self.text(&text, &path, State::new(origin, state.ttl), depth + 1)
    }

    /// `$GENERATE START-STOP[/STEP] ENTRY`
    fn generate(&mut self, entry: &Entry<'_>, file: &Path, state: &State) -> Result<(), TextError> {
        let told = |at: At, message| TextError {
            file: file.to_owned(),
            place: Place(Some((at.line, at.column))),
            message,
        };
        // What is made of the line stands nowhere else.
        let tell = |fault: Fault| told(entry.at, fault.message);
        let parsed = generate::parse(entry);
        let (range, template) = parsed.map_err(|fault| told(fault.at, fault.message))?;
        let ttl = Ttl {
            seconds: GENERATED_TTL,
            is_fixed: true,
        };
        let mut state = State::new(state.origin.clone(), Some(ttl));
        for number in range {
            let text = template.at(number);
            self.left = self.left.saturating_sub(text.len());
            if self.left == 0 {
                return Err(tell(Fault::new(entry.at, "the zone is too large")));
            }
            if let Some(entry) = Scanner::new(&text).entry().map_err(tell)? {
                self.record(&entry, &mut state).map_err(tell)?;
            }
        }
        Ok(())
    }
}

/// The directive that an entry is, in upper case.
fn directive(entry: &Entry<'_>) -> Option<String> {
    let first = entry.words.first().filter(|_| entry.has_owner)?;
    let is_directive = first.text.starts_with(b"$") && !first.quoted;
    is_directive.then(|| shown(first).to_ascii_uppercase())
}

fn only_argument<'e, 't>(entry: &'e Entry<'t>) -> Result<&'e Word<'t>, Fault> {
    match entry.words.as_slice() {
        [_, word] => Ok(word),
        _ => Err(Fault::new(entry.at, "the directive needs one argument")),
    }
}

/// `[TTL] [CLASS] TYPE`, or with class and TTL in the other order.
fn head(words: &[Word<'_>], entry: &Entry<'_>) -> Result<Head, Fault> {
    let (mut ttl, mut class) = (None, None);
    for (at, word) in words.iter().take(3).enumerate() {
        let text = shown(word).to_ascii_uppercase();
        if let Some(rtype) = word::type_of(&text) {
            return Ok(Head {
                ttl,
                class,
                rtype: rtype.into(),
                length: at + 1,
            });
        }
        if let Some(number) = class_of(&text).filter(|_| class.is_none()) {
            class = Some(number.into());
        } else if ttl.is_none() {
            ttl = Some(
                word::seconds(word)
                    .map_err(|_| Fault::of(word, "is no type of record, no class and no TTL"))?,
            );
        } else {
            return Err(Fault::of(word, "is no type of record"));
        }
    }
    Err(Fault::new(entry.at, "the record has no type"))
}

fn class_of(word: &str) -> Option<u16> {
    let number = || word.strip_prefix("CLASS")?.parse().ok();
    mnemonic::class_number(word).or_else(number)
}

#[cfg(test)]
mod tests;
