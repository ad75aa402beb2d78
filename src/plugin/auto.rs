//! `auto`: answers from all zone files of a folder.
#![doc = include_str!("../../docs/plugins/auto.md")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use self::folder::{Folder, Naming};
use super::file::{next_or_refused, refused_transfer, wildcard};
use super::pattern;
use super::setup::{Setup, SetupError};
use super::transfer::Transfers;
use crate::chain::{Next, Plugin, Reply};
use crate::corefile::{Cursor, Diagnostic, Place, Token};
use crate::name::Name;
use crate::query::Query;
use crate::zone::serve::Manner;

mod folder;

/// The directive's name.
const NAME: &str = "auto";
/// How often the folder and its files are looked at.
const DEFAULT_RELOAD: Duration = Duration::from_secs(60);
/// Which files are zone files, and of which zone.
const DEFAULT_PATTERN: &str = r"db\.(.*)";

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &["directory", "reload", "upstream"];

/// The plugin of one server block.
struct Auto {
    /// Names outside of these are passed on.
    origins: Vec<Name>,
    folder: Arc<Folder>,
}

/// All directives of a block: the last ones count.
struct Config {
    origins: Vec<Name>,
    directory: PathBuf,
    place: Option<Place>,
    naming: Naming,
    /// Zero: the folder is looked at once.
    reload: Duration,
}

/// Reads the directive, adds the plugin to the block's chain, and asks for the files to be read
/// before the block serves.
///
/// # Errors
/// Names the word that is wrong, and what would be right.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    let place = match config.place {
        Some(place) => place,
        None => setup
            .directive
            .cursor()
            .next_token()
            .map(|token| token.place().clone())
            .ok_or_else(|| Diagnostic::error("the directive 'directory' is missing"))?,
    };
    let folder = Arc::new(Folder::new(config.directory, config.naming, place));
    let transfers = Transfers::of(setup);
    if let Some(transfers) = &transfers {
        transfers.offer(folder.clone());
    }
    let first = folder.clone();
    let first = Box::pin(async move {
        folder::walk(first).await;
        Ok(())
    });
    setup.shared.before_serving.push((NAME, first));
    let (watched, reload) = (folder.clone(), config.reload);
    let watch = move |stop| folder::watch(watched, reload, transfers, stop);
    setup.shared.task("auto reload", watch);
    let plugin = Auto {
        origins: config.origins,
        folder,
    };
    setup.push(plugin);
    Ok(())
}

impl Config {
    fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let pattern = pattern::compile(DEFAULT_PATTERN).map_err(Diagnostic::error)?;
        let mut config = Self {
            origins: Vec::new(),
            // As in CoreDNS: without one, files are looked for where the server was started.
            directory: setup.block.root.clone(),
            place: None,
            naming: Naming {
                pattern,
                template: "${1}".to_owned(),
            },
            reload: DEFAULT_RELOAD,
        };
        let mut cursor = setup.directive.cursor();
        while cursor.next_token().is_some() {
            config.origins = setup.zones(&cursor.remaining_args());
            while let Some(option) = cursor.next_block() {
                config.option(option, &mut cursor, setup)?;
            }
        }
        Ok(config)
    }

    fn option(
        &mut self,
        option: &Token,
        cursor: &mut Cursor<'_>,
        setup: &mut Setup<'_>,
    ) -> Result<(), SetupError> {
        let at_option = cursor.clone();
        let arguments = cursor.remaining_args();
        match (option.text(), arguments.as_slice()) {
            ("directory", [directory]) => self.directory(directory, setup),
            ("directory", [directory, pattern, template]) => {
                self.directory(directory, setup);
                self.naming = Naming {
                    pattern: with_group(pattern)?,
                    // `{1}` is how a template names a group; `${1}` is how the pattern's language does.
                    template: template.text().replace('{', "${"),
                };
            }
            ("directory", _) => return Err(at_option.arg_err()),
            ("reload", [interval, ..]) => self.reload = interval.duration()?,
            ("reload", []) => {
                let error = option.err("reload duration value is expected");
                return Err(error.help("write how often to look, 0 for once: reload 30s"));
            }
            // CoreDNS reads it and does nothing with it.
            ("upstream", _) => {}
            _ => return Err(at_option.unknown_property(OPTIONS)),
        }
        Ok(())
    }

    fn directory(&mut self, token: &Token, setup: &mut Setup<'_>) {
        self.directory = setup.block.root.join(token.text());
        self.place = Some(token.place().clone());
        if !setup.environment.exists(&self.directory) {
            let message = format!("Directory does not exist: {}", self.directory.display());
            let warning = Diagnostic::warning(message).at(token.place());
            let help = "its files are read as soon as it is there";
            setup.warnings.push(warning.help(help));
        }
    }
}

fn with_group(token: &Token) -> Result<Regex, SetupError> {
    let pattern = pattern::of_token(token, token.text())?;
    if pattern.captures_len() < 2 {
        let error = token.err("Need at least one sub expression");
        return Err(error.help(r"put what names the zone into parentheses: db\.(.*)"));
    }
    Ok(pattern)
}

impl Plugin for Auto {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        if !self
            .origins
            .iter()
            .any(|origin| query.lower.is_in(origin.view()))
        {
            return next.serve(query);
        }
        let Some(source) = self.folder.zone_of(query.lower) else {
            return next_or_refused(query, next, NAME);
        };
        if let Some(reply) = refused_transfer(query, NAME) {
            return reply;
        }
        let manner = Manner {
            plugin: NAME,
            falls_through: false,
            aliases_of_cuts_are_referrals: true,
        };
        source.serve(query, next, manner)
    }

    fn metadata(&self, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
        let source = self.folder.zone_of(query.lower)?;
        wildcard(source.zone().as_ref()?, query, label)
    }
}

#[cfg(test)]
mod tests;
