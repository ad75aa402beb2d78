//! What the directives of a block say: zones, their servers, and which of them are catalogs.

use std::net::SocketAddr;

use crate::corefile::{Cursor, Diagnostic, Token};
use crate::name::{Name, ZoneMap};
use crate::plugin::fall::Fall;
use crate::plugin::setup::{Setup, SetupError};
use crate::plugin::transfer;

/// The lines of its block, by their first words.
pub(in crate::plugin) const OPTIONS: &[&str] = &["transfer", "catalog", "fallthrough"];

/// What all directives of a block come to.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// The servers of each zone; of a zone that is named twice the last ones count.
    pub(super) zones: Vec<(Name, Vec<SocketAddr>)>,
    /// For each zone that is a catalog, the names in which its members must be; none: any will do.
    pub(super) catalogs: ZoneMap<Vec<Name>>,
    pub(super) fall: Fall,
}

impl Config {
    pub(super) fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut config = Self::default();
        let mut cursor = setup.directive.cursor();
        while let Some(word) = cursor.next_token() {
            // As in CoreDNS, what stands behind the end of a block is passed over.
            if word.text() != "secondary" {
                let message = format!("'{}' behind the end of the directive", word.text());
                let warning = Diagnostic::warning(message).at(word.place());
                setup
                    .warnings
                    .push(warning.help("it does nothing: take it out"));
                continue;
            }
            let at_directive = cursor.clone();
            let zones = setup.zones(&cursor.remaining_args());
            let mut from = Vec::new();
            while let Some(option) = cursor.next_block() {
                let at_option = cursor.clone();
                let arguments = cursor.remaining_args();
                match option.text() {
                    "transfer" => servers(&at_option, &arguments, &mut from)?,
                    "catalog" => config.catalog(&zones, &arguments)?,
                    "fallthrough" => config.fall = Fall::read(setup, &arguments),
                    _ => return Err(at_option.unknown_property(OPTIONS)),
                }
            }
            if from.is_empty() {
                let error = at_directive.err("secondary zones require a transfer from property");
                return Err(error.help("say who has the zones: transfer from ADDRESS"));
            }
            let zones = zones.into_iter();
            config.zones.extend(zones.map(|zone| (zone, from.clone())));
        }
        Ok(config)
    }

    /// `catalog [ZONES...]`: several lines come to all their zones, and to any zone where one of
    /// them names none.
    fn catalog(&mut self, catalogs: &[Name], arguments: &[&Token]) -> Result<(), SetupError> {
        let mut within = Vec::new();
        for argument in arguments {
            let zones = argument.zones().map_err(|error| {
                let text = argument.text();
                let message = format!("invalid catalog member zone {text:?}: {}", error.message());
                let error = argument.err(message);
                error.help("name the zones that the catalog may add, with all below them")
            })?;
            within.extend(zones.iter().filter_map(|zone| Name::from_text(zone).ok()));
        }
        for catalog in catalogs {
            let before = self.catalogs.get(catalog.view()).cloned();
            let all = match before {
                Some(before) if before.is_empty() || within.is_empty() => Vec::new(),
                Some(before) => [before, within.clone()].concat(),
                None => within.clone(),
            };
            self.catalogs.insert(catalog.clone(), all);
        }
        Ok(())
    }
}

/// `transfer from ADDRESS...`
fn servers(
    at_option: &Cursor<'_>,
    arguments: &[&Token],
    from: &mut Vec<SocketAddr>,
) -> Result<(), SetupError> {
    match arguments {
        [word, addresses @ ..] if word.text() == "from" => {
            if addresses.is_empty() {
                return Err(at_option.arg_err());
            }
            for address in addresses {
                if address.text() == "*" {
                    let error = address.err("can't use '*' in transfer from");
                    return Err(error.help("write the address of the server that has the zone"));
                }
                from.push(transfer::address(address)?);
            }
            Ok(())
        }
        [] => Err(at_option.arg_err()),
        [word, ..] => {
            let error = word.err(format!("unknown property {}", word.text()));
            Err(error.help("write: transfer from ADDRESS..."))
        }
    }
}
