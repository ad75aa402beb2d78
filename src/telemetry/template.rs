//! The format of a query's line: words in braces among other text.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use super::line;
use super::query::QueryLine;
use crate::name::NameRef;
use crate::wire::Flags;
use crate::wire::mnemonic::{ClassWord, TypeWord, rcode_word};

/// What stands for a value that there is not.
const EMPTY: &str = "-";

/// A format, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Box<[Piece]>,
    metadata: Box<[Box<str>]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    Label(Label),
    /// The value of the metadata label with this number in [`Template::metadata`].
    Metadata(usize),
}

/// A value of the request or of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Type,
    Name,
    Class,
    Proto,
    Size,
    Remote,
    Port,
    Local,
    Id,
    Opcode,
    DnssecOk,
    BufSize,
    Rcode,
    ResponseSize,
    Duration,
    ResponseFlags,
    ResponseType,
    ResponseClass,
}

impl Template {
    /// The common log format, which is the default.
    pub const COMMON: &'static str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} {rsize} {duration}";
    /// The common log format and the opcode.
    pub const COMBINED: &'static str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} {rsize} {duration} \"{>opcode}\"";

    /// Takes a format apart. Braces around a word that is not known stand as they are.
    #[must_use]
    pub fn parse(format: &str) -> Self {
        let mut pieces = Vec::new();
        let mut metadata = Vec::new();
        let mut literal = String::new();
        let mut rest = format;
        // A word ends at the first `}` and starts at the last `{` before it: `{ {name} }`.
        while let Some((before, after)) = rest.split_once('}') {
            rest = after;
            let word = before.rsplit_once('{').and_then(|(text, word)| {
                let piece = match word.strip_prefix('/') {
                    Some("log/type") => Piece::Label(Label::ResponseType),
                    Some("log/class") => Piece::Label(Label::ResponseClass),
                    Some(label) => Piece::Metadata(number_of(&mut metadata, label)),
                    None => Piece::Label(Label::of(word)?),
                };
                Some((text, piece))
            });
            match word {
                Some((text, piece)) => {
                    literal.push_str(text);
                    close(&mut pieces, &mut literal);
                    pieces.push(piece);
                }
                None => {
                    literal.push_str(before);
                    literal.push('}');
                }
            }
        }
        literal.push_str(rest);
        close(&mut pieces, &mut literal);
        Self {
            pieces: pieces.into(),
            metadata: metadata.into(),
        }
    }

    /// The metadata labels that the format asks for (`forward/upstream`), each once.
    #[must_use]
    pub fn metadata(&self) -> &[Box<str>] {
        &self.metadata
    }

    /// Tells a query. Values of metadata may be anything: `escaped` tells their control characters
    /// by escapes.
    pub(super) fn write(&self, query: &QueryLine, escaped: bool, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Label(label) => {
                    // Writing to a String cannot fail.
                    let _ = label.write(query, out);
                }
                Piece::Metadata(number) => {
                    let value = query.metadata.get(*number).and_then(Option::as_deref);
                    match value {
                        None => out.push_str(EMPTY),
                        Some(value) if escaped => line::escape(out, value),
                        Some(value) => out.push_str(value),
                    }
                }
            }
        }
    }
}

fn close(pieces: &mut Vec<Piece>, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal).into()));
    }
}

fn number_of(labels: &mut Vec<Box<str>>, label: &str) -> usize {
    let known = labels.iter().position(|known| &**known == label);
    known.unwrap_or_else(|| {
        labels.push(label.into());
        labels.len() - 1
    })
}

impl Label {
    fn of(word: &str) -> Option<Self> {
        let label = match word {
            "type" => Self::Type,
            "name" => Self::Name,
            "class" => Self::Class,
            "proto" => Self::Proto,
            "size" => Self::Size,
            "remote" => Self::Remote,
            "port" => Self::Port,
            "local" => Self::Local,
            ">id" => Self::Id,
            ">opcode" => Self::Opcode,
            ">do" => Self::DnssecOk,
            ">bufsize" => Self::BufSize,
            "rcode" => Self::Rcode,
            "rsize" => Self::ResponseSize,
            "duration" => Self::Duration,
            ">rflags" => Self::ResponseFlags,
            _ => return None,
        };
        Some(label)
    }

    fn write(self, query: &QueryLine, out: &mut String) -> fmt::Result {
        match self {
            Self::Type => write!(out, "{}", TypeWord(query.qtype)),
            Self::Name => write!(out, "{}", name(&query.name)),
            Self::Class => write!(out, "{}", ClassWord(query.qclass)),
            Self::Proto => out.write_str(query.proto),
            Self::Size => write!(out, "{}", query.size),
            Self::Remote => address(query.client.ip(), out),
            Self::Port => write!(out, "{}", query.client.port()),
            Self::Local => address(query.local, out),
            Self::Id => write!(out, "{}", query.id),
            Self::Opcode => write!(out, "{}", query.opcode),
            Self::DnssecOk => write!(out, "{}", query.dnssec_ok),
            Self::BufSize => write!(out, "{}", query.bufsize),
            Self::Rcode => match query.response {
                Some(response) => rcode(response.rcode, out),
                None => out.write_str(EMPTY),
            },
            Self::ResponseSize => write!(out, "{}", query.response_size),
            Self::Duration => write!(out, "{}s", query.duration.as_secs_f64()),
            Self::ResponseFlags => match query.response {
                Some(response) => flags(response.flags, out),
                None => out.write_str(EMPTY),
            },
            Self::ResponseType => out.write_str(query.response_type),
            Self::ResponseClass => out.write_str(query.response_class),
        }
    }
}

/// The name of a query line; its bytes were a name when they were copied.
pub(super) fn name(bytes: &[u8]) -> NameRef<'_> {
    NameRef::parse(bytes).unwrap_or(NameRef::ROOT)
}

pub(super) fn rcode(rcode: u16, out: &mut String) -> fmt::Result {
    match rcode_word(rcode) {
        Some(word) => out.write_str(word),
        None => write!(out, "{rcode}"),
    }
}

fn address(address: IpAddr, out: &mut String) -> fmt::Result {
    match address {
        IpAddr::V4(address) => write!(out, "{address}"),
        IpAddr::V6(address) => write!(out, "[{address}]"),
    }
}

fn flags(flags: Flags, out: &mut String) -> fmt::Result {
    let mut comma = "";
    for (flag, word) in [
        (Flags::QR, "qr"),
        (Flags::AA, "aa"),
        (Flags::TC, "tc"),
        (Flags::RD, "rd"),
        (Flags::RA, "ra"),
        (Flags::Z, "z"),
        (Flags::AD, "ad"),
        (Flags::CD, "cd"),
    ] {
        if flags.has(flag) {
            write!(out, "{comma}{word}")?;
            comma = ",";
        }
    }
    Ok(())
}
