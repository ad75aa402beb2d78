//! Rules that change the OPT of a request: options of local use, NSID, client subnet.

use std::net::IpAddr;

use ipnet::IpNet;

use super::name::is_label;
use super::parse::Words;
use super::{Change, Undo};
use crate::corefile::{Diagnostic, Token};
use crate::name::NameText;

/// The option that asks for a server's name (RFC 5001).
const NSID: u16 = 3;
/// The option that tells a client's network (RFC 7871).
const SUBNET: u16 = 8;
/// Options that have a meaning of their own; a rule for options of local use takes none of them for
/// the one that it replaces, as in CoreDNS.
const KNOWN: [u16; 15] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 18, 19];

/// `edns0 local|nsid|subnet set|append|replace|unset ... [revert]`.
#[derive(Debug)]
pub(super) struct EdnsRule {
    subject: Subject,
    action: Action,
    /// The reply shows the option as it was.
    revert: bool,
}

/// An option, and what it is to hold.
#[derive(Debug)]
enum Subject {
    Local(u16, Data),
    Nsid,
    /// The lengths of the network that is told of a client over IPv4 and over IPv6.
    Subnet(u8, u8),
}

/// What an option of local use holds.
#[derive(Debug)]
enum Data {
    Bytes(Vec<u8>),
    QueryName,
    QueryType,
    ClientAddress,
    ClientPort,
    Protocol,
    ServerAddress,
    ServerPort,
    /// The value of a label of metadata.
    Metadata(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Replaces it, or adds it.
    Set,
    Append,
    Replace,
    Unset,
}

impl EdnsRule {
    /// The code of an option that replies show where rules name it: those of local use.
    pub(super) fn told_option(&self) -> Option<u16> {
        match self.subject {
            Subject::Local(code, _) => Some(code),
            _ => None,
        }
    }

    /// Whether it needs a value of the plugin `metadata`.
    pub(super) fn needs_metadata(&self) -> bool {
        matches!(self.subject, Subject::Local(_, Data::Metadata(_)))
    }

    /// Whether there is no request that the rule does not take.
    pub(super) fn takes_all(&self) -> bool {
        match (&self.subject, self.action) {
            _ if self.needs_metadata() => false,
            (_, Action::Unset | Action::Set) => true,
            (_, Action::Replace) => false,
            (Subject::Subnet(..), Action::Append) => false,
            (Subject::Nsid, Action::Append) => true,
            (Subject::Local(_, data), Action::Append) => !data.is_variable(),
        }
    }

    pub(super) fn apply(&self, change: &mut Change<'_>) -> Option<Undo> {
        let data = self.data(change)?;
        let code = self.code();
        let options = &mut change.opt().options;
        if self.action == Action::Unset {
            options.remove_all(code);
            return Some(Undo::Nothing);
        }
        // Of some there is never a second one; of the others there may be, as in CoreDNS.
        let (is_unique, is_known) = match &self.subject {
            Subject::Local(_, data) => (data.is_variable(), KNOWN.contains(&code)),
            Subject::Nsid => (false, false),
            Subject::Subnet(..) => (true, false),
        };
        let found = options.find(code).filter(|_| !is_known);
        let before = match (found, self.action) {
            (Some(found), Action::Set | Action::Replace) => {
                Some(options.replace(found, code, &data)?)
            }
            (Some(_), Action::Append) if is_unique => return None,
            (None, Action::Replace) => return None,
            _ => {
                options.push(code, &data)?;
                None
            }
        };
        Some(match self.revert {
            true => Undo::Option { code, before },
            false => Undo::Nothing,
        })
    }

    fn code(&self) -> u16 {
        match self.subject {
            Subject::Local(code, _) => code,
            Subject::Nsid => NSID,
            Subject::Subnet(..) => SUBNET,
        }
    }

    /// What the option is to hold for this request; `None` where there is no such value.
    fn data(&self, change: &Change<'_>) -> Option<Vec<u8>> {
        let request = change.query.request;
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        Some(match &self.subject {
            Subject::Nsid => Vec::new(),
            Subject::Subnet(v4, v6) => subnet(request.client.ip(), *v4, *v6),
            Subject::Local(_, data) => match data {
                Data::Bytes(bytes) => bytes.clone(),
                Data::QueryName => NameText::from(change.name()).as_str().into(),
                Data::QueryType => u16::from(change.qtype).to_be_bytes().to_vec(),
                Data::ClientAddress => octets(request.client.ip()),
                Data::ClientPort => request.client.port().to_be_bytes().to_vec(),
                Data::Protocol => request.transport.proto().into(),
                Data::ServerAddress => octets(request.local.ip()),
                Data::ServerPort => request.local.port().to_be_bytes().to_vec(),
                Data::Metadata(label) => {
                    let value = change.query.metadata(label)?;
                    (!value.is_empty()).then(|| value.as_bytes().to_vec())?
                }
            },
        })
    }

    /// Reads a rule.
    pub(super) fn parse(words: Words<'_>) -> Result<Self, Diagnostic> {
        let [what, action, arguments @ ..] = words.words else {
            let error = words.missing("too few arguments for an EDNS0 rule");
            return Err(error.help("write rewrite edns0 local|nsid|subnet ACTION ..."));
        };
        let action = Action::parse(action)?;
        let (revert, arguments) = match arguments {
            [arguments @ .., last] if last.text() == "revert" && action != Action::Unset => {
                (true, arguments)
            }
            arguments => (false, arguments),
        };
        let subject = match action {
            Action::Unset => Subject::parse_unset(what, arguments, words),
            _ => Subject::parse(what, arguments, words),
        }?;
        Ok(Self {
            subject,
            action,
            revert,
        })
    }
}

impl Action {
    fn parse(word: &Token) -> Result<Self, Diagnostic> {
        Ok(match word.text().to_lowercase().as_str() {
            "set" => Self::Set,
            "append" => Self::Append,
            "replace" => Self::Replace,
            "unset" => Self::Unset,
            other => {
                let error = word.err(format!("invalid action: {other:?}"));
                return Err(error.help("the actions are set, append, replace and unset"));
            }
        })
    }
}

impl Subject {
    /// Reads what a rule sets.
    fn parse(what: &Token, arguments: &[&Token], words: Words<'_>) -> Result<Self, Diagnostic> {
        let (message, form) = match (what.text().to_lowercase().as_str(), arguments) {
            ("local", [code, data]) => {
                return Ok(Self::Local(number(code)?, Data::parse(data)?));
            }
            ("nsid", []) => return Ok(Self::Nsid),
            ("subnet", [v4, v6]) => {
                let (v4, v6) = (mask(v4, 32, "IPv4")?, mask(v6, 128, "IPv6")?);
                return Ok(Self::Subnet(v4, v6));
            }
            ("local", _) => (
                "EDNS0 local rules require three or four args",
                "local ACTION CODE DATA [revert]",
            ),
            ("nsid", _) => (
                "EDNS0 NSID rules can accept no more than one arg",
                "nsid ACTION [revert]",
            ),
            ("subnet", _) => (
                "EDNS0 subnet rules require three or four args",
                "subnet ACTION V4LENGTH V6LENGTH [revert]",
            ),
            _ => return Err(Self::unknown(what)),
        };
        let error = words.missing(message);
        Err(error.help(format!("write rewrite edns0 {form}")))
    }

    /// Reads what a rule takes out.
    fn parse_unset(
        what: &Token,
        arguments: &[&Token],
        words: Words<'_>,
    ) -> Result<Self, Diagnostic> {
        let (message, form) = match (what.text().to_lowercase().as_str(), arguments) {
            ("local", [code]) => return Ok(Self::Local(number(code)?, Data::Bytes(Vec::new()))),
            ("nsid", []) => return Ok(Self::Nsid),
            ("subnet", []) => return Ok(Self::Subnet(0, 0)),
            ("local", _) => (
                "local unset action requires exactly two arguments",
                "local unset CODE",
            ),
            ("nsid", _) => (
                "nsid unset action requires exactly one argument",
                "nsid unset",
            ),
            ("subnet", _) => (
                "subnet unset action requires exactly one argument",
                "subnet unset",
            ),
            _ => return Err(Self::unknown(what)),
        };
        let error = words.missing(message);
        Err(error.help(format!("write rewrite edns0 {form}")))
    }

    fn unknown(what: &Token) -> Diagnostic {
        let what_text = what.text().to_lowercase();
        let error = what.err(format!("invalid rule type {what_text:?}"));
        error.help("the options are local, nsid and subnet")
    }
}

impl Data {
    /// Whether it depends on the request.
    fn is_variable(&self) -> bool {
        !matches!(self, Self::Bytes(_))
    }

    /// Reads data, a variable or a label of metadata.
    fn parse(word: &Token) -> Result<Self, Diagnostic> {
        let text = word.text();
        let variable = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'));
        let Some(variable) = variable else {
            let bytes = match text.strip_prefix("0x") {
                Some(digits) => hexadecimal(digits).ok_or_else(|| {
                    let error = word.err(format!("invalid hexadecimal data {text:?}"));
                    error.help("write two digits for each byte: 0x61626364")
                })?,
                None => text.as_bytes().to_vec(),
            };
            return Ok(Self::Bytes(bytes));
        };
        Ok(match variable {
            "qname" => Self::QueryName,
            "qtype" => Self::QueryType,
            "client_ip" => Self::ClientAddress,
            "client_port" => Self::ClientPort,
            "protocol" => Self::Protocol,
            "server_ip" => Self::ServerAddress,
            "server_port" => Self::ServerPort,
            label if is_label(label) => Self::Metadata(label.into()),
            _ => {
                let error = word.err(format!("unsupported variable name {text:?}"));
                return Err(error.help("the variables are {qname}, {qtype}, {client_ip}, {client_port}, {protocol}, {server_ip} and {server_port}"));
            }
        })
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let [high, low] = pair else { return None };
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        u8::try_from(digit(high)? * 16 + digit(low)?).ok()
    };
    pairs.map(byte).collect()
}

/// A number as Go reads one: decimal, or by its prefix hexadecimal, octal or binary.
fn number(word: &Token) -> Result<u16, Diagnostic> {
    let text = word.text().to_lowercase();
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (text.get(2..), 16),
        [b'0', b'b', ..] => (text.get(2..), 2),
        [b'0', b'o', ..] => (text.get(2..), 8),
        [b'0', _, ..] => (text.get(1..), 8),
        _ => (Some(text.as_str()), 10),
    };
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let number = digits.and_then(|digits| u16::from_str_radix(digits, radix).ok());
    number.ok_or_else(|| {
        let error = word.err(format!("invalid number {:?}", word.text()));
        error.help("write a number from 0 to 65535, like 65518 or 0xffee")
    })
}

fn mask(word: &Token, most: u8, family: &str) -> Result<u8, Diagnostic> {
    let length = number(word)?;
    u8::try_from(length)
        .ok()
        .filter(|length| *length <= most)
        .ok_or_else(|| {
            let error = word.err(format!("invalid {family} bit mask length {length}"));
            error.help(format!("write a length from 0 to {most}"))
        })
}

/// The data of a client subnet option (RFC 7871, 6): family, two lengths, and as much of the
/// network's address as the length says.
fn subnet(client: IpAddr, v4: u8, v6: u8) -> Vec<u8> {
    let (family, length) = match client {
        IpAddr::V4(_) => (1, v4),
        IpAddr::V6(_) => (2, v6),
    };
    let mut data = vec![0, family, length, 0];
    // The length fits the family: the directive was refused otherwise.
    if let Ok(network) = IpNet::new(client, length) {
        let bytes = usize::from(length).div_ceil(8);
        match network.network() {
            IpAddr::V4(network) => data.extend(network.octets().iter().take(bytes)),
            IpAddr::V6(network) => data.extend(network.octets().iter().take(bytes)),
        }
    }
    data
}
