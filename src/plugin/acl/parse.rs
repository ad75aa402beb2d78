//! The directive's words to rules.

use std::net::IpAddr;

use hickory_proto::rr::RecordType;
use ipnet::IpNet;

use super::networks::Networks;
use super::{Action, Policy, Rule};
use crate::corefile::{Diagnostic, Token};
use crate::plugin::setup::Setup;
use crate::wire::mnemonic;

/// Reads all directives, in their order.
pub(super) fn rules(setup: &mut Setup<'_>) -> Result<Vec<Rule>, Diagnostic> {
    let mut rules = Vec::new();
    let mut cursor = setup.directive.cursor();
    while cursor.next_token().is_some() {
        let zones = setup.zones(&cursor.remaining_args());
        let zones = zones.into_iter().map(|zone| (zone, ())).collect();
        let mut policies = Vec::new();
        while let Some(action) = cursor.next_block() {
            policies.push(policy(action, &cursor.remaining_args())?);
        }
        rules.push(Rule { zones, policies });
    }
    Ok(rules)
}

fn policy(word: &Token, mut words: &[&Token]) -> Result<Policy, Diagnostic> {
    let action = match word.text().to_lowercase().as_str() {
        "allow" => Action::Allow,
        "block" => Action::Block,
        "filter" => Action::Filter,
        "drop" => Action::Drop,
        _ => {
            let text = word.text();
            let expected = "expect 'allow', 'block', 'filter' or 'drop'";
            let error = word.err(format!("unexpected token {text:?}; {expected}"));
            let help = "block answers REFUSED, filter without data, drop not at all";
            return Err(error.help(help));
        }
    };
    let (mut types, mut networks) = (None, None);
    while let [section, rest @ ..] = words {
        if !is_section(section) {
            let text = section.text();
            let error = section.err(format!("unexpected token {text:?}; expect 'type | net'"));
            return Err(error.help("write type before types, net before networks"));
        }
        let count = rest.iter().take_while(|word| !is_section(word)).count();
        let (values, rest) = rest.split_at(count);
        words = rest;
        let name = section.text().to_lowercase();
        if values.is_empty() {
            return Err(section.err(format!("no token specified in {name:?} section")));
        }
        match name.as_str() {
            "type" => read_types(values, types.get_or_insert_default())?,
            _ => read_networks(values, networks.get_or_insert_default())?,
        }
    }
    Ok(Policy {
        action,
        // Without a section all are meant, and so where one of the types is any.
        types: types.filter(|types| !types.contains(&RecordType::ZERO)),
        sources: networks.map_or_else(Networks::all, |networks| networks.into_iter().collect()),
        place: word.place().to_string().into(),
    })
}

fn is_section(word: &Token) -> bool {
    ["type", "net"].contains(&word.text().to_lowercase().as_str())
}

/// Reads types; type zero stands for all.
fn read_types(words: &[&Token], types: &mut Vec<RecordType>) -> Result<(), Diagnostic> {
    for word in words {
        if word.text() == "*" {
            types.push(RecordType::ZERO);
            break;
        }
        let number = mnemonic::type_number(word.text()).ok_or_else(|| {
            let text = word.text();
            let error = word.err(format!("unexpected token {text:?}; expect legal QTYPE"));
            error.help("write a type in capitals, like AAAA, or * for all")
        })?;
        types.push(number.into());
    }
    Ok(())
}

/// Reads networks, and addresses alone; `*` is all, and forgets what was said before it.
fn read_networks(words: &[&Token], networks: &mut Vec<IpNet>) -> Result<(), Diagnostic> {
    for word in words {
        let text = word.text();
        if text == "*" {
            *networks = vec![IpNet::V4(Default::default()), IpNet::V6(Default::default())];
            break;
        }
        let network = match text.contains('/') {
            true => text.parse().ok(),
            false => text.parse::<IpAddr>().ok().map(IpNet::from),
        };
        let network: IpNet = network.ok_or_else(|| {
            let error = word.err(format!("illegal CIDR notation {text:?}"));
            error.help("write an address or a network, like 10.0.0.0/8 or 2001:db8::/32")
        })?;
        networks.push(network.trunc());
    }
    Ok(())
}
