//! What the name servers of a scene answer.

use std::net::IpAddr;

use callsign::resolver::{Ask, Family, Message, Reply};
use hickory_proto::op::ResponseCode;

/// Rules, of which the first that fits a query answers it; a name without one does not exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct World(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    name: String,
    server: Option<usize>,
    family: Option<Family>,
    reply: Reply,
    /// over UDP the reply is cut, over TCP it is whole
    is_cut: bool,
}

impl World {
    /// Adds the rule of a line: `NAME SERVER TYPE WHAT...`; `*` is any, `*.NAME` all below a name.
    pub(crate) fn add(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, server, family, what @ ..] = words.as_slice() else {
            return Err(format!("no rule: {line}"));
        };
        let family = match *family {
            "A" => Some(Family::A),
            "AAAA" => Some(Family::Aaaa),
            "*" => None,
            other => return Err(format!("no type: {other}")),
        };
        let (is_cut, what) = match what {
            ["cut", rest @ ..] => (true, rest),
            whole => (false, whole),
        };
        self.0.push(Rule {
            name: (*name).to_owned(),
            server: server.parse().ok(),
            family,
            reply: reply(what)?,
            is_cut,
        });
        Ok(())
    }

    /// What a server answers; servers are told by the last byte of their address, from 10 on.
    pub(crate) fn answer(&self, ask: Ask<'_>) -> Reply {
        let name = ask.name.to_ascii_lowercase();
        let fits = |rule: &&Rule| {
            rule.server.is_none_or(|server| server == ask.server)
                && rule.family.is_none_or(|family| family == ask.family)
                && match rule.name.strip_prefix('*') {
                    Some(suffix) => name.ends_with(suffix),
                    None => name == rule.name,
                }
        };
        let Some(rule) = self.0.iter().find(fits) else {
            return Reply::Message(Message::empty(ResponseCode::NXDomain));
        };
        let mut reply = rule.reply.clone();
        if let Reply::Message(message) = &mut reply {
            message.addresses.retain(|address| match ask.family {
                Family::A => address.is_ipv4(),
                Family::Aaaa => address.is_ipv6(),
            });
            if message.rcode == ResponseCode::NoError && message.answers != ALIAS {
                message.answers = message.addresses.len();
            }
            if rule.is_cut && !ask.tcp {
                *message = Message {
                    truncated: true,
                    ..Message::empty(ResponseCode::NoError)
                };
            }
        }
        reply
    }
}

/// The number of answers that stands for an alias without an address.
pub(crate) const ALIAS: usize = 1;

fn reply(what: &[&str]) -> Result<Reply, String> {
    let code = |code| Ok(Reply::Message(Message::empty(code)));
    match what {
        ["nxdomain"] => code(ResponseCode::NXDomain),
        ["nodata"] => code(ResponseCode::NoError),
        ["servfail"] => code(ResponseCode::ServFail),
        ["refused"] => code(ResponseCode::Refused),
        ["notimp"] => code(ResponseCode::NotImp),
        ["formerr"] => code(ResponseCode::FormErr),
        ["silence"] => Ok(Reply::Silence),
        ["lame"] => Ok(Reply::Message(Message {
            is_sound: false,
            ..Message::empty(ResponseCode::NoError)
        })),
        ["alias"] => Ok(Reply::Message(Message {
            answers: ALIAS,
            ..Message::empty(ResponseCode::NoError)
        })),
        addresses => {
            let addresses: Result<Vec<IpAddr>, _> =
                addresses.iter().map(|text| text.parse()).collect();
            let addresses = addresses.map_err(|error| format!("{what:?}: {error}"))?;
            Ok(Reply::Message(Message {
                // counted when the family is known
                answers: 0,
                ..Message::of(addresses)
            }))
        }
    }
}
