//! A received message, decoded field by field and shown as the lines that data files hold.

use super::{FLAGS, class_text, name, opcode_text, rcode_text, rdata, to_hex, type_text};

/// A question as it stood in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The name, with the case that was sent.
    pub(crate) name: String,
    /// QTYPE.
    pub(crate) rtype: u16,
    /// QCLASS.
    pub(crate) class: u16,
}

impl std::fmt::Display for Question {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} {} {}",
            self.name,
            class_text(self.class),
            type_text(self.rtype)
        )
    }
}

#[derive(Clone, Debug)]
struct Record {
    owner: String,
    rtype: u16,
    class: u16,
    ttl: u32,
    rdata: Vec<u8>,
    text: String,
}

/// A message, with everything in the order in which it came.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The message's id.
    pub(crate) id: u16,
    /// The second 16 bits of the header.
    pub(crate) flags: u16,
    /// The question section.
    pub(crate) questions: Vec<Question>,
    sections: [Vec<Record>; 3],
    size: usize,
    trailing: usize,
}

const SECTIONS: [&str; 3] = ["answer", "authority", "additional"];

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    let pair = bytes
        .get(at..at + 2)
        .ok_or_else(|| format!("cut at byte {}", bytes.len()))?;
    Ok(pair
        .iter()
        .fold(0, |value, byte| value << 8 | u16::from(*byte)))
}

impl Message {
    /// Decodes a message; the error says what is malformed.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut at = 12;
        let mut questions = Vec::new();
        for _ in 0..u16_at(bytes, 4)? {
            let (name, after) = name::read(bytes, at)?;
            questions.push(Question {
                name,
                rtype: u16_at(bytes, after)?,
                class: u16_at(bytes, after + 2)?,
            });
            at = after + 4;
        }
        let mut sections: [Vec<Record>; 3] = Default::default();
        for (section, count_at) in sections.iter_mut().zip([6, 8, 10]) {
            for _ in 0..u16_at(bytes, count_at)? {
                let (record, after) = Record::decode(bytes, at)?;
                section.push(record);
                at = after;
            }
        }
        Ok(Self {
            id: u16_at(bytes, 0)?,
            flags: u16_at(bytes, 2)?,
            questions,
            sections,
            size: bytes.len(),
            trailing: bytes.len().saturating_sub(at),
        })
    }

    /// The RCODE, its upper bits taken from the OPT record where there is one.
    fn rcode(&self) -> u16 {
        let upper = self
            .records()
            .find(|record| record.rtype == 41)
            .map_or(0, |opt| opt.ttl >> 24);
        self.flags & 0x000f | (upper as u16) << 4
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.sections.iter().flatten()
    }

    fn flag_words(&self) -> String {
        let set = FLAGS.iter().filter(|(_, bit)| self.flags & bit != 0);
        set.map(|(name, _)| format!(" {name}")).collect()
    }

    fn opcode_words(&self) -> String {
        match self.flags >> 11 & 0xf {
            0 => String::new(),
            opcode => format!(" opcode={}", opcode_text(opcode)),
        }
    }

    /// The text of the first answer's RDATA.
    pub(crate) fn first_answer(&self) -> Option<&str> {
        let [answers, ..] = &self.sections;
        answers.first().map(|record| record.text.as_str())
    }

    /// A reply as the lines of an expectation. `asked` is the question that was sent: a reply
    /// that repeats it to the letter does not show it. If `brief`, a section's records are counted.
    pub(crate) fn reply_lines(
        &self,
        id: u16,
        asked: Option<&Question>,
        brief: bool,
    ) -> Vec<String> {
        let mut head = rcode_text(self.rcode()) + &self.opcode_words() + &self.flag_words();
        if self.id != id {
            head += &format!(" id={}", self.id);
        }
        head += &format!(", {} bytes", self.size);
        let mut lines = vec![head];
        if self.questions.len() != 1 || self.questions.first() != asked {
            lines.extend(
                self.questions
                    .iter()
                    .map(|question| format!("question {question}")),
            );
            if self.questions.is_empty() && asked.is_some() {
                lines.push("no question".to_owned());
            }
        }
        for (section, records) in SECTIONS.iter().zip(&self.sections) {
            let (shown, counted): (Vec<_>, Vec<_>) = records
                .iter()
                .partition(|record| !brief || record.rtype == 41);
            if !counted.is_empty() {
                lines.push(format!("{section} has {} records", counted.len()));
            }
            lines.extend(shown.iter().map(|record| record.line(section)));
        }
        if self.trailing > 0 {
            lines.push(format!("{} bytes after the message", self.trailing));
        }
        lines
    }

    /// A query as one line, without its id: what an upstream saw.
    pub(crate) fn query_line(&self) -> String {
        let questions: Vec<String> = self.questions.iter().map(ToString::to_string).collect();
        let mut line = questions.join(" and ") + &self.opcode_words() + &self.flag_words();
        for (section, records) in SECTIONS.iter().zip(&self.sections) {
            for record in records {
                line += &format!("; {}", record.line(section));
            }
        }
        line + &format!(", {} bytes", self.size)
    }
}

impl Record {
    fn decode(bytes: &[u8], at: usize) -> Result<(Self, usize), String> {
        let (owner, at) = name::read(bytes, at)?;
        let rtype = u16_at(bytes, at)?;
        let start = at + 10;
        let end = start + usize::from(u16_at(bytes, at + 8)?);
        let rdata = bytes.get(start..end).ok_or("RDATA runs past the end")?;
        let record = Self {
            owner,
            rtype,
            class: u16_at(bytes, at + 2)?,
            ttl: u32::from(u16_at(bytes, at + 4)?) << 16 | u32::from(u16_at(bytes, at + 6)?),
            rdata: rdata.to_vec(),
            text: rdata::text(bytes, rtype, start, end),
        };
        Ok((record, end))
    }

    fn line(&self, section: &str) -> String {
        if self.rtype == 41 {
            return self.opt_line(section);
        }
        let (class, rtype) = (class_text(self.class), type_text(self.rtype));
        format!(
            "{section} {} {} {class} {rtype} {}",
            self.owner, self.ttl, self.text
        )
        .trim_end()
        .to_owned()
    }

    /// The OPT record (RFC 6891): size, version, DO, the other flag bits, options in order.
    fn opt_line(&self, section: &str) -> String {
        let mut line = format!("opt size={}", self.class);
        if section != "additional" {
            line = format!("{section} {line}");
        }
        if self.owner != "." {
            line += &format!(" owner={}", self.owner);
        }
        let version = self.ttl >> 16 & 0xff;
        if version != 0 {
            line += &format!(" version={version}");
        }
        if self.ttl & 0x8000 != 0 {
            line += " do";
        }
        let other_bits = self.ttl & 0x7fff;
        if other_bits != 0 {
            line += &format!(" z={other_bits:04x}");
        }
        line + &option_words(&self.rdata)
    }
}

fn option_words(rdata: &[u8]) -> String {
    let mut words = String::new();
    let mut at = 0;
    while at < rdata.len() {
        let (Ok(code), Ok(length)) = (u16_at(rdata, at), u16_at(rdata, at + 2)) else {
            return words + " options-cut";
        };
        let end = at + 4 + usize::from(length);
        let Some(data) = rdata.get(at + 4..end) else {
            return words + " options-cut";
        };
        words += &match (code, data) {
            // Extended DNS errors (RFC 8914) are meant to be read.
            (15, [high, low, text @ ..]) => {
                let info = u16::from(*high) << 8 | u16::from(*low);
                format!(" ede={info}:\"{}\"", text.escape_ascii())
            }
            _ => format!(" option={code}:{}", to_hex(data)),
        };
        at = end;
    }
    words
}
