//! Writes messages, with names compressed as real servers do.

use std::collections::HashMap;

use super::name;
use super::rdata::Part;

/// A record to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The owner's labels.
    pub(crate) owner: Vec<Vec<u8>>,
    /// The type's number.
    pub(crate) rtype: u16,
    /// The class's number.
    pub(crate) class: u16,
    /// The TTL in seconds.
    pub(crate) ttl: u32,
    /// The RDATA.
    pub(crate) rdata: Vec<Part>,
}

impl Record {
    /// A record from a zone-file line: `OWNER TTL CLASS TYPE RDATA`.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.splitn(5, ' ');
        let mut word = || {
            words
                .next()
                .ok_or_else(|| format!("`{line}`: expected OWNER TTL CLASS TYPE RDATA"))
        };
        let owner = name::labels(word()?)?;
        let ttl = word()?;
        let ttl = ttl
            .parse()
            .map_err(|error| format!("TTL `{ttl}`: {error}"))?;
        let class = super::class_number(word()?)?;
        let rtype = super::type_number(word()?)?;
        let rdata = super::rdata::parse(rtype, words.next().unwrap_or_default())?;
        Ok(Self {
            owner,
            rtype,
            class,
            ttl,
            rdata,
        })
    }
}

/// A message under construction.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    suffixes: HashMap<Vec<Vec<u8>>, u16>,
}

impl Writer {
    /// A message with this header; `counts` are those of the four sections.
    pub(crate) fn new(id: u16, flags: u16, counts: [usize; 4]) -> Self {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&flags.to_be_bytes());
        for count in counts {
            bytes.extend_from_slice(&(count as u16).to_be_bytes());
        }
        Self {
            bytes,
            suffixes: HashMap::new(),
        }
    }

    /// Adds a question.
    pub(crate) fn question(&mut self, labels: &[Vec<u8>], rtype: u16, class: u16) {
        self.name(labels);
        self.u16(rtype);
        self.u16(class);
    }

    /// Adds a record under this owner, which need not be its own.
    pub(crate) fn record(&mut self, owner: &[Vec<u8>], record: &Record) {
        self.name(owner);
        self.u16(record.rtype);
        self.u16(record.class);
        self.bytes.extend_from_slice(&record.ttl.to_be_bytes());
        let length_at = self.bytes.len();
        self.u16(0);
        for part in &record.rdata {
            match part {
                Part::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
                // RFC 3597, section 4: names in RDATA of newer types are never compressed.
                Part::Name(labels) if record.rtype == 33 => {
                    self.bytes.extend_from_slice(&name::to_wire(labels));
                }
                Part::Name(labels) => self.name(labels),
            }
        }
        let length = (self.bytes.len() - length_at - 2) as u16;
        for (byte, value) in self
            .bytes
            .iter_mut()
            .skip(length_at)
            .zip(length.to_be_bytes())
        {
            *byte = value;
        }
    }

    /// The message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn name(&mut self, labels: &[Vec<u8>]) {
        let mut rest = labels;
        while let Some((label, tail)) = rest.split_first() {
            if let Some(at) = self.suffixes.get(rest) {
                self.u16(0xc000 | at);
                return;
            }
            let here = self.bytes.len();
            if here < 0x4000 {
                self.suffixes.insert(rest.to_vec(), here as u16);
            }
            self.bytes.push(label.len() as u8);
            self.bytes.extend_from_slice(label);
            rest = tail;
        }
        self.bytes.push(0);
    }
}
