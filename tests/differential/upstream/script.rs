//! The upstream's rules: `NAME TYPE [udp|tcp] [times=N]`, and indented below it what is answered.

use std::net::SocketAddr;
use std::time::Duration;

use super::Transport;
use crate::case::repeated;
use crate::compare::duration;
use crate::wire::message::{Message, Question};
use crate::wire::rdata::Part;
use crate::wire::writer::{Record, Writer};
use crate::wire::{FLAGS, from_hex, name, rcode_number, type_number, type_text};

/// What becomes of a query.
pub(crate) enum Outcome {
    /// This is sent.
    Reply {
        /// The message.
        bytes: Vec<u8>,
        /// How long it takes.
        delay: Duration,
    },
    /// It is asked of another server, whose reply is sent.
    Relay(SocketAddr),
    /// Nothing.
    Silence,
    /// The connection is closed.
    Close,
}

/// A rule: which queries, and what becomes of them.
pub(crate) struct Rule {
    name: String,
    rtype: String,
    transport: Option<Transport>,
    /// How many more times it applies.
    times: Option<usize>,
    reply: Reply,
}

#[derive(Default)]
struct Reply {
    rcode: u16,
    /// The flags besides qr, rd and cd; recursion is available by default.
    flags: Option<u16>,
    sections: [Vec<Record>; 3],
    delay: Duration,
    question: Option<(String, u16)>,
    wrong_id: bool,
    raw: Option<Vec<u8>>,
    cut: Option<usize>,
    relay: Option<SocketAddr>,
    silence: bool,
    close: bool,
}

/// Reads rules.
pub(crate) fn parse(lines: &[String]) -> Result<Vec<Rule>, String> {
    let mut rules: Vec<Rule> = Vec::new();
    for line in lines {
        match line.strip_prefix("  ") {
            None => rules.push(Rule::parse(line)?),
            Some(action) => {
                let rule = rules
                    .last_mut()
                    .ok_or("an upstream's block begins with NAME TYPE")?;
                rule.reply
                    .action(action.trim())
                    .map_err(|problem| format!("`{}`: {problem}", action.trim()))?;
            }
        }
    }
    Ok(rules)
}

/// Applies the first rule that fits; where none does, the query is refused.
pub(crate) fn outcome(rules: &mut [Rule], query: &Message, transport: Transport) -> Outcome {
    let Some(question) = query.questions.first() else {
        return Outcome::Silence;
    };
    let rule = rules.iter_mut().find(|rule| rule.fits(question, transport));
    let refused = Reply {
        rcode: 5,
        ..Reply::default()
    };
    let reply = match rule {
        Some(rule) => {
            rule.times = rule.times.map(|times| times.saturating_sub(1));
            &rule.reply
        }
        None => &refused,
    };
    if reply.close {
        return Outcome::Close;
    }
    if let Some(server) = reply.relay {
        return Outcome::Relay(server);
    }
    match reply.encode(query, question) {
        Ok(bytes) if !reply.silence => Outcome::Reply {
            bytes,
            delay: reply.delay,
        },
        _ => Outcome::Silence,
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let mut rule = Self {
            name: words.next().unwrap_or_default().to_ascii_lowercase(),
            rtype: words
                .next()
                .ok_or_else(|| format!("`{line}`: expected NAME TYPE"))?
                .to_owned(),
            transport: None,
            times: None,
            reply: Reply::default(),
        };
        for word in words {
            match word.split_once('=') {
                Some(("times", count)) => {
                    rule.times = Some(
                        count
                            .parse()
                            .map_err(|error| format!("`{word}`: {error}"))?,
                    );
                }
                None if word == "udp" => rule.transport = Some(Transport::Udp),
                None if word == "tcp" => rule.transport = Some(Transport::Tcp),
                _ => return Err(format!("`{word}` is none of udp, tcp, times=N")),
            }
        }
        Ok(rule)
    }

    fn fits(&self, question: &Question, transport: Transport) -> bool {
        let asked = question.name.to_ascii_lowercase();
        let named = match self.name.strip_prefix('*') {
            Some(suffix) => asked.ends_with(suffix),
            None => asked == self.name,
        };
        named
            && (self.rtype == "*" || self.rtype == type_text(question.rtype))
            && self.transport.is_none_or(|wanted| wanted == transport)
            && self.times != Some(0)
    }
}

impl Reply {
    fn action(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let [answers, authorities, additionals] = &mut self.sections;
        match word {
            "answer" => answers.extend(records(rest)?),
            "authority" => authorities.extend(records(rest)?),
            "additional" => additionals.extend(records(rest)?),
            "opt" => additionals.push(opt(rest)?),
            "rcode" => self.rcode = rcode_number(rest)?,
            "flags" => self.flags = Some(flags(rest)?),
            "delay" => self.delay = duration(rest)?,
            "hex" => self.raw = Some(from_hex(&rest.replace(' ', ""))?),
            "cut" => self.cut = Some(rest.parse().map_err(|error| format!("{error}"))?),
            "relay" => self.relay = Some(rest.parse().map_err(|error| format!("{error}"))?),
            "wrong-id" => self.wrong_id = true,
            "drop" => self.silence = true,
            "close" => self.close = true,
            "question" => {
                let (name, rtype) = rest.split_once(' ').ok_or("expected NAME TYPE")?;
                self.question = Some((name.to_owned(), type_number(rtype)?));
            }
            _ => return Err("unknown action".to_owned()),
        }
        Ok(())
    }

    fn encode(&self, query: &Message, question: &Question) -> Result<Vec<u8>, String> {
        let id = if self.wrong_id {
            query.id.wrapping_add(1)
        } else {
            query.id
        };
        if let Some(raw) = &self.raw {
            return Ok([&id.to_be_bytes(), raw.as_slice()].concat());
        }
        // RFC 1035 4.1.1 and RFC 6840 5.9: opcode, RD and CD are copied.
        let flags = 0x8000 | query.flags & 0x7910 | self.flags.unwrap_or(0x0080) | self.rcode & 0xf;
        let [answers, authorities, additionals] = &self.sections;
        let mut writer = Writer::new(
            id,
            flags,
            [1, answers.len(), authorities.len(), additionals.len()],
        );
        let asked = name::labels(&question.name)?;
        match &self.question {
            Some((name, rtype)) => writer.question(&name::labels(name)?, *rtype, question.class),
            None => writer.question(&asked, question.rtype, question.class),
        }
        for record in self.sections.iter().flatten() {
            let owner = match record.owner.as_slice() {
                [label] if label == b"QNAME" => &asked,
                _ => &record.owner,
            };
            writer.record(owner, record);
        }
        let mut bytes = writer.finish();
        bytes.truncate(self.cut.unwrap_or(bytes.len()));
        Ok(bytes)
    }
}

fn records(text: &str) -> Result<Vec<Record>, String> {
    repeated(text)
        .iter()
        .map(|record| Record::parse(record))
        .collect()
}

fn flags(text: &str) -> Result<u16, String> {
    let mut bits = 0;
    for word in text.split_whitespace().filter(|word| *word != "none") {
        let (_, bit) = FLAGS
            .iter()
            .find(|(name, _)| *name == word)
            .ok_or("unknown flag")?;
        bits |= bit;
    }
    Ok(bits)
}

/// `size=1232 [do] [option=CODE:HEX]...`
fn opt(text: &str) -> Result<Record, String> {
    let mut record = Record {
        owner: Vec::new(),
        rtype: 41,
        class: 1232,
        ttl: 0,
        rdata: Vec::new(),
    };
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let number = |text: &str| {
            text.parse::<u16>()
                .map_err(|error| format!("`{word}`: {error}"))
        };
        match key {
            "size" => record.class = number(value)?,
            "do" => record.ttl |= 0x8000,
            "rcode" => record.ttl |= u32::from(number(value)?) << 24,
            "option" => {
                let (code, data) = value.split_once(':').ok_or("expected option=CODE:HEX")?;
                let data = from_hex(data)?;
                let head = [
                    number(code)?.to_be_bytes(),
                    (data.len() as u16).to_be_bytes(),
                ]
                .concat();
                record.rdata.push(Part::Bytes([head, data].concat()));
            }
            _ => return Err(format!("`{word}` is none of size= do rcode= option=")),
        }
    }
    Ok(record)
}
