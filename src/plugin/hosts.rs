//! `hosts`: names and addresses from a file like `/etc/hosts`, and from the Corefile.
#![doc = include_str!("../../docs/plugins/hosts.md")]

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

pub(super) use self::file::publish;
use self::file::{HostsFile, Location};
use self::table::{Entry, Host, Rules, Table};
use super::fall::Fall;
use super::setup::{Setup, SetupError};
use crate::answer::{Answer, Data, NameSpec, Origin, RecordSet, Section};
use crate::chain::{Failure, Next, Plugin, Reply};
use crate::corefile::{Cursor, Diagnostic, Token};
use crate::name::{Name, NameRef};
use crate::query::{Query, Step};

mod file;
mod table;

/// The directive's name.
const NAME: &str = "hosts";
/// The file that is read unless the directive names one.
const DEFAULT_PATH: &str = "/etc/hosts";
/// The TTL of all records, in seconds.
const DEFAULT_TTL: u32 = 3600;
/// How often the file is looked at.
const DEFAULT_RELOAD: Duration = Duration::from_secs(5);

/// The lines of its block, by their first words.
pub(super) const OPTIONS: &[&str] = &[
    "fallthrough",
    "fallthrough_unsupported",
    "no_reverse",
    "ttl",
    "reload",
];

/// The plugin of one server block.
pub struct Hosts {
    zones: Vec<Name>,
    ttl: u32,
    fall: Fall,
    /// Whether types other than A, AAAA and PTR are passed on even for names that exist.
    fall_unsupported: bool,
    file: Arc<HostsFile>,
    /// Where the hosts lines of the Corefile stand.
    inline: Vec<Arc<str>>,
}

/// `hosts [FILE [ZONES...]] { ... }`.
#[derive(Debug)]
struct Config {
    file: Location,
    zones: Vec<Name>,
    ttl: u32,
    reverse: bool,
    /// Zero: the file is read once.
    reload: Duration,
    fall: Fall,
    fall_unsupported: bool,
    /// Hosts lines, and where they stand.
    inline: String,
    places: Vec<Arc<str>>,
}

/// Reads the directive, adds the plugin to the block's chain, and asks for the file to be read
/// before the block serves.
///
/// # Errors
/// Names the word that is wrong, and what would be right.
pub fn setup(setup: &mut Setup<'_>) -> Result<(), SetupError> {
    let config = Config::parse(setup)?;
    let rules = Rules {
        zones: config.zones.clone(),
        reverse: config.reverse,
    };
    let metrics = setup.shared.metrics.clone();
    let file = HostsFile::new(config.file, rules, &config.inline, metrics);
    let file = Arc::new(file);
    let first = file.clone();
    let first = Box::pin(async move {
        file::refresh(first).await;
        Ok(())
    });
    setup.shared.before_serving.push((NAME, first));
    if !config.reload.is_zero() {
        let (file, interval) = (file.clone(), config.reload);
        let watch = move |stop| file::watch(file, interval, stop);
        setup.shared.task("hosts reload", watch);
    }
    setup.push(Hosts {
        zones: config.zones,
        ttl: config.ttl,
        fall: config.fall,
        fall_unsupported: config.fall_unsupported,
        file,
        inline: config.places,
    });
    Ok(())
}

impl Config {
    fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        setup.once()?;
        let mut cursor = setup.directive.cursor();
        cursor.next_token();
        let arguments = cursor.remaining_args();
        let (file, zones) = match arguments.split_first() {
            Some((file, zones)) => (Some(*file), zones),
            None => (None, arguments.as_slice()),
        };
        let label = file.map_or(DEFAULT_PATH, |file| file.text());
        let path = setup.block.root.join(label);
        if let Some(file) = file.filter(|_| !setup.environment.exists(&path)) {
            let message = format!("File does not exist: {}", path.display());
            let warning = Diagnostic::warning(message).at(file.place());
            setup
                .warnings
                .push(warning.help("it is read as soon as it is there"));
        }
        let mut config = Self {
            file: Location {
                path,
                label: label.to_owned(),
            },
            zones: setup.zones(zones),
            ttl: DEFAULT_TTL,
            reverse: true,
            reload: DEFAULT_RELOAD,
            fall: Fall::default(),
            fall_unsupported: false,
            inline: String::new(),
            places: Vec::new(),
        };
        let mut unsupported = None;
        while let Some(option) = cursor.next_block() {
            if option.text() == "fallthrough_unsupported" {
                unsupported = Some(option);
            }
            config.option(option, &mut cursor, setup)?;
        }
        cursor.next_once()?;
        if let Some(option) = unsupported.filter(|_| config.fall == Fall::default()) {
            let error = option.err("fallthrough_unsupported requires fallthrough");
            return Err(error.help("add a line: fallthrough"));
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
            ("fallthrough", zones) => self.fall = Fall::read(setup, zones),
            ("fallthrough_unsupported", []) => self.fall_unsupported = true,
            ("fallthrough_unsupported", _) => return Err(cursor.arg_err()),
            ("no_reverse", _) => self.reverse = false,
            ("ttl", [ttl, ..]) => {
                let ttl = ttl.integer(1..=65535)?;
                self.ttl = u32::try_from(ttl).unwrap_or(DEFAULT_TTL);
            }
            ("ttl", []) => {
                let error = option.err("ttl needs a time in second");
                return Err(error.help("write a number of seconds: ttl 60"));
            }
            ("reload", [interval]) => self.reload = interval.duration()?,
            ("reload", _) => {
                let error = option.err("reload needs a duration (zero seconds to disable)");
                return Err(error.help("write a duration: reload 15s"));
            }
            (_, arguments) if self.fall == Fall::default() => {
                self.line(option, arguments, setup);
            }
            _ if table::is_address(option.text()) => {
                let error = option.err(format!("unknown property '{}'", option.text()));
                return Err(error.help("hosts lines must stand before fallthrough"));
            }
            _ => return Err(at_option.unknown_property(OPTIONS)),
        }
        Ok(())
    }

    /// Whatever is no option is a hosts line.
    fn line(&mut self, first: &Token, rest: &[&Token], setup: &mut Setup<'_>) {
        if !table::is_address(first.text()) {
            let message = format!("'{}' is no option and no IP address", first.text());
            let warning = Diagnostic::warning(message).at(first.place());
            let options = OPTIONS.join(", ");
            let help = format!("the line is passed over; the options are: {options}");
            setup.warnings.push(warning.help(help));
        }
        self.places.push(first.place().to_string().into());
        self.inline.push_str(first.text());
        for word in rest {
            self.inline.push(' ');
            self.inline.push_str(word.text());
        }
        self.inline.push('\n');
    }
}

impl Plugin for Hosts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        let name = query.lower;
        let mine = self.zones.iter().any(|zone| name.is_in(zone.view()));
        let table = self.file.table();
        if query.qtype == RecordType::PTR {
            // An address's name need not be in the zones, and what is not known is passed on
            // whatever `fallthrough` says.
            return match self.pointers(query, &table) {
                Some(answer) => answer.into(),
                None => next.serve(query),
            };
        }
        if !mine {
            return next.serve(query);
        }
        let asked = matches!(query.qtype, RecordType::A | RecordType::AAAA);
        let through = |query: &Query<'_>| self.fall.through(query.lower);
        if !asked && self.fall_unsupported && through(query) {
            return next.serve(query);
        }
        match table.host(name) {
            Some((host, held)) => self.addresses(query, host, held).into(),
            None if through(query) => next.serve(query),
            // There is no SOA for a name error; CoreDNS fails in its place.
            None => Failure::refusal(NAME, ResponseCode::ServFail).into(),
        }
    }
}

impl Hosts {
    fn addresses(&self, query: &Query<'_>, host: &Host, held: Option<&Name>) -> Answer {
        if let Some(entry) = host.entry(query.qtype) {
            self.note(query, entry);
        }
        let (v4, v6) = (host.v4.as_ref(), host.v6.as_ref());
        let data = match query.qtype {
            RecordType::A => v4.map(|(all, _)| Data::ManyA(all.clone())),
            RecordType::AAAA => v6.map(|(all, _)| Data::ManyAaaa(all.clone())),
            _ => None,
        };
        let mut answer = Answer::new(query, NAME, Origin::Local).authoritative();
        if let Some(data) = data {
            let owner = owner(query, held);
            answer.push(query, self.set(owner, data));
        }
        answer
    }

    fn pointers(&self, query: &Query<'_>, table: &Table) -> Option<Answer> {
        let (names, entry) = table.names(table::address_of(query.lower)?)?;
        self.note(query, *entry);
        let mut answer = Answer::new(query, NAME, Origin::Local).authoritative();
        for name in names.iter() {
            let data = Data::Name(RecordType::PTR, NameSpec::Full(name.clone()));
            answer.push(query, self.set(owner(query, None), data));
        }
        Some(answer)
    }

    fn set(&self, owner: NameSpec, data: Data) -> RecordSet {
        RecordSet {
            section: Section::Answer,
            owner,
            ttl: self.ttl,
            data,
        }
    }

    fn note(&self, query: &Query<'_>, entry: Entry) {
        query.note(|| {
            let label = self.file.label();
            let (what, place) = match entry {
                Entry::File(line) => (
                    format!("an entry of {label}"),
                    Some(format!("{label}:{line}").into()),
                ),
                Entry::Inline(number) => (
                    "an entry of the Corefile".to_owned(),
                    self.inline.get(number.wrapping_sub(1)).cloned(),
                ),
            };
            Step {
                plugin: NAME,
                what,
                place,
            }
        });
    }
}

/// The owner of the records: the name that was asked for, in lower case as CoreDNS tells it.
fn owner(query: &Query<'_>, held: Option<&Name>) -> NameSpec {
    let same = |name: NameRef<'_>| name.as_bytes() == query.name.as_bytes();
    if same(query.lower) {
        return NameSpec::QNAME;
    }
    NameSpec::Full(held.map_or_else(|| query.lower.to_name(), Clone::clone))
}

#[cfg(test)]
mod tests;
