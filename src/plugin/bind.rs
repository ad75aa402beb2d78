//! `bind`: the addresses that a server block is served on.
//!
//! Names of interfaces are looked up at start, so that a Corefile can be checked on any machine.

use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};

use super::setup::{Setup, SetupError};
use crate::corefile::{Directive, Token};

/// One `bind`: addresses and names of interfaces, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// To be served.
    pub hosts: Vec<String>,
    /// Not to be served, of those.
    pub except: Vec<String>,
}

/// An interface of this machine, with one of its addresses if it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name.
    pub name: String,
    /// One of its addresses.
    pub address: Option<IpAddr>,
}

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["except"];

/// Reads `bind ADDRESS|INTERFACE... { except ADDRESS|INTERFACE... }`, any number of times.
///
/// # Errors
/// No address at all; options that there are not.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    setup.block.listen.bind = parse(setup.directive)?;
    Ok(())
}

fn parse(directive: &Directive) -> Result<Vec<Rule>, SetupError> {
    let mut rules = Vec::new();
    let mut cursor = directive.cursor();
    while cursor.next_token().is_some() {
        let named = cursor.remaining_args();
        if named.is_empty() {
            let error = cursor.err("at least one address or interface name is expected");
            return Err(error.help("write bind 127.0.0.1, or bind eth0"));
        }
        all_can_be_hosts(&named)?;
        let mut rule = Rule {
            hosts: named.iter().map(|token| token.text().to_owned()).collect(),
            except: Vec::new(),
        };
        while let Some(option) = cursor.next_block() {
            if option.text() != "except" {
                let error = option.err(format!("invalid option {:?}", option.text()));
                return Err(error.help("the option is: except"));
            }
            let named = cursor.remaining_args();
            if named.is_empty() {
                return Err(cursor.err(
                    "at least one address or interface must be given to except subdirective",
                ));
            }
            all_can_be_hosts(&named)?;
            rule.except = named.iter().map(|token| token.text().to_owned()).collect();
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn all_can_be_hosts(named: &[&Token]) -> Result<(), SetupError> {
    match named.iter().find(|word| !can_be_host(word.text())) {
        Some(word) => Err(neither(word)),
        None => Ok(()),
    }
}

/// Whether a word is an address, or a name that an interface may have: 1 to 15 bytes on Linux. What is
/// surely meant as an address, or is called `localhost`, is no interface on any machine.
#[must_use]
pub fn can_be_host(text: &str) -> bool {
    if text == "localhost" {
        return false;
    }
    let is_odd = |char: char| char.is_whitespace() || "/:{}$%\"'\\".contains(char);
    let is_number = |char: char| char == '.' || char.is_ascii_digit();
    let can_be_interface =
        (1..=15).contains(&text.len()) && !text.contains(is_odd) && !text.chars().all(is_number);
    can_be_interface || text.parse::<IpAddr>().is_ok()
}

/// The error for a word that is no host on any machine, in CoreDNS's words.
fn neither(word: &Token) -> SetupError {
    let text = word.text();
    let error = word.err(format!(
        "not a valid IP address or interface name: {text:?}"
    ));
    if text == "localhost" {
        return error
            .help("names of hosts are not looked up: write bind 127.0.0.1 ::1, or bind lo");
    }
    let written = word.place().source().text().get(word.place().bytes());
    match written.is_some_and(|written| written.contains("{$") || written.contains("{%")) {
        true => error.help("this is the value of an environment variable: set it"),
        false => error.help("write bind 127.0.0.1, or bind eth0"),
    }
}

/// The addresses of this machine's interfaces. IPv6 link-local ones are left out: nobody can ask
/// them without naming a link, which resolv.conf's readers do not do.
///
/// # Errors
/// The system does not tell.
pub fn interfaces() -> Result<Vec<Interface>, String> {
    let all = getifaddrs().map_err(|error| {
        format!("failed to get interfaces list, cannot bind by interface name: {error}")
    })?;
    let known = all.map(|interface| Interface {
        address: address_of(&interface).filter(|address| !is_link_local(*address)),
        name: interface.interface_name,
    });
    Ok(known.collect())
}

/// This machine's addresses but loopback; none where the system does not tell. Those of a link are
/// among them, as in CoreDNS.
#[must_use]
pub fn machine_addresses() -> Vec<IpAddr> {
    let Ok(all) = getifaddrs() else {
        return Vec::new();
    };
    all.filter_map(|interface| address_of(&interface))
        .filter(|address| !address.is_loopback())
        .collect()
}

fn address_of(interface: &InterfaceAddress) -> Option<IpAddr> {
    let address = interface.address.as_ref()?;
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The addresses behind the rules, each once, in their order.
///
/// # Errors
/// Names what is neither an address nor an interface; says if nothing is left.
pub fn resolve(rules: &[Rule], interfaces: &[Interface]) -> Result<Vec<IpAddr>, String> {
    let mut addresses = Vec::new();
    for rule in rules {
        let except = lookup(&rule.except, interfaces)?;
        for address in lookup(&rule.hosts, interfaces)? {
            if !except.contains(&address) && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    if addresses.is_empty() {
        return Err("no address is left to listen on".to_owned());
    }
    Ok(addresses)
}

fn lookup(hosts: &[String], interfaces: &[Interface]) -> Result<Vec<IpAddr>, String> {
    let mut addresses = Vec::new();
    for host in hosts {
        let mut named = interfaces
            .iter()
            .filter(|interface| interface.name == *host)
            .peekable();
        if named.peek().is_some() {
            addresses.extend(named.filter_map(|interface| interface.address));
            continue;
        }
        let address = host.parse();
        addresses.push(
            address.map_err(|_| format!("not a valid IP address or interface name: {host:?}"))?,
        );
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests;
