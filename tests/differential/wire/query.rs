//! Queries from the words of a data file: `NAME TYPE [CLASS] +option...`, or bytes by hand.

use super::message::Question;
use super::writer::{Record, Writer};
use super::{FLAGS, class_number, from_hex, name, opcode_number, rdata::Part, type_number};

/// The id of a query that names none. Each query has a socket of its own, so one id does for all.
const DEFAULT_ID: u16 = 4242;

/// What a query's message holds.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The name as written.
    name: String,
    rtype: u16,
    class: u16,
    /// The message's id.
    pub(crate) id: u16,
    flags: u16,
    opt: Option<Opt>,
}

#[derive(Clone, Debug)]
struct Opt {
    size: u16,
    version: u8,
    flags: u16,
    options: Vec<u8>,
}

impl Query {
    /// A query from its first words; the words that begin with `+` or `~` are for [`Self::option`].
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut plain = words.iter().filter(|word| !word.starts_with(['+', '~']));
        let mut next = || plain.next().copied();
        Ok(Self {
            name: next().ok_or("expected NAME TYPE [CLASS]")?.to_owned(),
            rtype: type_number(next().ok_or("expected a TYPE after the name")?)?,
            class: next().map_or(Ok(1), class_number)?,
            id: DEFAULT_ID,
            flags: 0x0100,
            opt: None,
        })
    }

    /// Applies a message option such as `do` or `bufsize=512` (without its `+`).
    ///
    /// Returns false where the word is none of the message's.
    pub(crate) fn option(&mut self, word: &str) -> Result<bool, String> {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || {
            value
                .parse::<u16>()
                .map_err(|error| format!("`+{word}`: {error}"))
        };
        match key {
            "norec" => self.flags &= !0x0100,
            "edns" => _ = self.opt(),
            "do" => self.opt().flags |= 0x8000,
            "bufsize" => self.opt().size = number()?,
            "version" => self.opt().version = number()? as u8,
            "ednsflags" => self.opt().flags |= number()?,
            "option" => {
                let (code, data) = value.split_once(':').unwrap_or((value, ""));
                let code: u16 = code
                    .parse()
                    .map_err(|error| format!("`+{word}`: {error}"))?;
                let data = from_hex(data)?;
                let options = &mut self.opt().options;
                options.extend_from_slice(&code.to_be_bytes());
                options.extend_from_slice(&(data.len() as u16).to_be_bytes());
                options.extend_from_slice(&data);
            }
            "id" => self.id = number()?,
            "opcode" => self.flags |= opcode_number(value)? << 11,
            _ => match FLAGS.iter().find(|(flag, _)| *flag == key) {
                Some((_, bit)) => self.flags |= bit,
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn opt(&mut self) -> &mut Opt {
        self.opt.get_or_insert(Opt {
            size: 1232,
            version: 0,
            flags: 0,
            options: Vec::new(),
        })
    }

    /// The message's bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let mut writer = Writer::new(
            self.id,
            self.flags,
            [1, 0, 0, usize::from(self.opt.is_some())],
        );
        writer.question(&name::labels(&self.name)?, self.rtype, self.class);
        if let Some(opt) = &self.opt {
            writer.record(
                &[],
                &Record {
                    owner: Vec::new(),
                    rtype: 41,
                    class: opt.size,
                    ttl: u32::from(opt.version) << 16 | u32::from(opt.flags),
                    rdata: vec![Part::Bytes(opt.options.clone())],
                },
            );
        }
        Ok(writer.finish())
    }

    /// The question, as a decoder sees it.
    pub(crate) fn question(&self) -> Result<Question, String> {
        let wire = name::to_wire(&name::labels(&self.name)?);
        let (name, _) = name::read(&wire, 0)?;
        Ok(Question {
            name,
            rtype: self.rtype,
            class: self.class,
        })
    }
}

/// A packet written by hand: hexadecimal digits, `name(example.org.)` for a name's wire form,
/// `"text"` for bytes of text, `516*00` for a byte many times.
pub(crate) fn packet(words: &[&str]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for word in words {
        if let Some(text) = word
            .strip_prefix("name(")
            .and_then(|rest| rest.strip_suffix(')'))
        {
            bytes.extend(name::to_wire(&name::labels(text)?));
        } else if let Some(text) = word.strip_prefix('"') {
            bytes.extend_from_slice(text.trim_end_matches('"').as_bytes());
        } else if let Some((count, digits)) = word.split_once('*') {
            let count = count
                .parse()
                .map_err(|error| format!("`{word}`: {error}"))?;
            bytes.extend(from_hex(digits)?.repeat(count));
        } else {
            bytes.extend(from_hex(word)?);
        }
    }
    Ok(bytes)
}
