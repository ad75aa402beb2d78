//! `file`: answers from zone files.
#![doc = include_str!("../../docs/plugins/file.md")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use self::source::{Reload, Source};
use super::fall::Fall;
use super::setup::{Setup, SetupError};
use super::transfer::{Export, Exported, Transfers};
use crate::chain::{Failure, Next, Outcome, Plugin, Reply};
use crate::corefile::{Cursor, Diagnostic, Place, Token};
use crate::name::{Name, NameRef, ZoneMap};
use crate::query::Query;
use crate::wire::Opcode;
use crate::zone::Zone;
use crate::zone::serve::{self, Manner};

pub(super) mod source;

/// The directive's name.
const NAME: &str = "file";
/// How often a file is looked at.
const DEFAULT_RELOAD: Duration = Duration::from_secs(60);

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["reload", "reload_by_mtime", "fallthrough", "upstream"];

/// The plugin of one server block.
struct File {
    zones: Arc<ZoneMap<Arc<Source>>>,
    fall: Fall,
}

/// What all directives of a block come to.
#[derive(Debug, Default)]
struct Config {
    files: Vec<ZoneFile>,
    fall: Fall,
}

/// `file DBFILE [ZONES...]`
#[derive(Debug)]
struct ZoneFile {
    path: std::path::PathBuf,
    zones: Vec<Name>,
    reload: Reload,
    place: Place,
}

/// Reads the directives and the zone files, and adds the plugin to the block's chain.
///
/// # Errors
/// Names the word that is wrong, and what would be right; or the place in a zone file.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    let mut zones: HashMap<Name, (Arc<Source>, Reload)> = HashMap::new();
    for file in config.files {
        for zone in file.zones {
            let source = Source::new(zone.clone(), file.path.clone(), file.place.clone());
            zones.insert(zone, (Arc::new(source), file.reload));
        }
    }
    let transfers = Transfers::of(setup);
    for (source, reload) in zones.values() {
        source.first(setup)?;
        let (source, reload, transfers) = (source.clone(), *reload, transfers.clone());
        let watch = move |stop| source::watch(source, reload, transfers, stop);
        setup.shared.task("file reload", watch);
    }
    let zones = zones.into_iter().map(|(zone, (source, _))| (zone, source));
    let zones = Arc::new(zones.collect::<ZoneMap<_>>());
    if let Some(transfers) = transfers {
        transfers.offer(zones.clone());
    }
    let fall = config.fall;
    setup.push(File { zones, fall });
    Ok(())
}

impl Config {
    fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut config = Self::default();
        // As in CoreDNS these hold for the directives that follow, too.
        let mut reload = Reload {
            interval: DEFAULT_RELOAD,
            by_mtime: false,
        };
        let mut missing = Vec::new();
        let mut cursor = setup.directive.cursor();
        while cursor.next_token().is_some() {
            let Some(file) = cursor.next_arg() else {
                return Err(cursor.arg_err());
            };
            let zones = setup.zones(&cursor.remaining_args());
            let path = setup.block.root.join(file.text());
            if !setup.environment.exists(&path) {
                missing.push((file, path.clone()));
            }
            while let Some(option) = cursor.next_block() {
                config.option(option, &mut cursor, setup, &mut reload)?;
            }
            config.files.push(ZoneFile {
                path,
                zones,
                reload,
                place: file.place().clone(),
            });
        }
        for (file, path) in missing {
            let message = format!("open {}: no such file", path.display());
            if reload.interval.is_zero() {
                return Err(file
                    .err(message)
                    .help("with reload 0 the file must be there"));
            }
            let warning = Diagnostic::warning(message).at(file.place());
            let help = "its names fail (SERVFAIL) until it is there";
            setup.warnings.push(warning.help(help));
        }
        Ok(config)
    }

    fn option(
        &mut self,
        option: &Token,
        cursor: &mut Cursor<'_>,
        setup: &mut Setup<'_>,
        reload: &mut Reload,
    ) -> Result<(), SetupError> {
        let at_option = cursor.clone();
        // It leaves the rest of its line to be read as options, in CoreDNS too.
        if option.text() == "reload_by_mtime" {
            reload.by_mtime = true;
            return Ok(());
        }
        let arguments = cursor.remaining_args();
        match (option.text(), arguments.as_slice()) {
            ("fallthrough", zones) => self.fall = Fall::read(setup, zones),
            ("reload", [interval, ..]) => reload.interval = interval.duration()?,
            ("reload", []) => {
                let error = option.err("reload duration value is expected");
                return Err(error.help("write how often to look, 0 for never: reload 30s"));
            }
            // CoreDNS reads it and does nothing with it.
            ("upstream", _) => {}
            _ => return Err(at_option.unknown_property(OPTIONS)),
        }
        Ok(())
    }
}

impl Export for ZoneMap<Arc<Source>> {
    fn export(&self, zone: NameRef<'_>) -> Option<Exported> {
        Some(self.get(zone)?.exported())
    }
}

impl Plugin for File {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let Some(source) = self.zones.longest(query.lower) else {
            return next_or_refused(query, next, NAME);
        };
        if let Some(reply) = refused_transfer(query, NAME) {
            return reply;
        }
        if query.request.opcode == Opcode::NOTIFY {
            // To who is the source himself.
            return Outcome::Drop.into();
        }
        let manner = Manner {
            plugin: NAME,
            falls_through: self.fall.through(query.lower),
            aliases_of_cuts_are_referrals: false,
        };
        source.serve(query, next, manner)
    }

    fn metadata(&self, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
        let source = self.zones.longest(query.lower)?;
        wildcard(source.zone().as_ref()?, query, label)
    }
}

/// What `zone/wildcard` is for a question: the name of the wildcard that its records are made from.
pub(super) fn wildcard(zone: &Zone, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
    if label != "zone/wildcard" {
        return None;
    }
    Some(serve::wildcard(zone, query.lower)?.to_string().into())
}

/// Passes a question on; where nobody follows it is refused, as by any server of zones.
pub(super) fn next_or_refused(query: &Query<'_>, next: Next<'_>, plugin: &'static str) -> Reply {
    if next.is_end() {
        return Failure::refusal(plugin, ResponseCode::Refused).into();
    }
    next.serve(query)
}

/// A transfer that nobody allowed.
pub(super) fn refused_transfer(query: &Query<'_>, plugin: &'static str) -> Option<Reply> {
    let is_transfer = matches!(query.qtype, RecordType::AXFR | RecordType::IXFR);
    is_transfer.then(|| Failure::refusal(plugin, ResponseCode::Refused).into())
}

#[cfg(test)]
mod tests;
