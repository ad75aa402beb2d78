//! `weighted`: which address comes first, by weights that a file gives to addresses of names.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_proto::rr::RecordType;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::prefer::address;
use crate::answer::{Answer, Body, RecordRef, RecordsBuilder, Section};
use crate::corefile::{Cursor, Diagnostic, Environment, System, Token};
use crate::name::Name;
use crate::plugin::setup::{Setup, SetupError};
use crate::query::Query;

/// How often the file is looked at.
const DEFAULT_RELOAD: Duration = Duration::from_secs(30);
/// A file that is larger is not a list of weights.
const MOST_BYTES: usize = 64 << 20;

type Table = HashMap<Name, Vec<(IpAddr, u8)>>;

/// The weights of one file.
pub(super) struct Weights {
    path: PathBuf,
    table: ArcSwap<Table>,
    /// What was read last.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    text: Vec<u8>,
    /// What was wrong, so that it is told once.
    error: Option<String>,
}

/// Reads the words behind `weighted`, the option and the file, and names the task that keeps the
/// weights current.
pub(super) fn setup(
    policy: &Token,
    file: Option<&Token>,
    cursor: &mut Cursor<'_>,
    setup: &mut Setup<'_>,
) -> Result<Arc<Weights>, SetupError> {
    let Some(file) = file else {
        let error = policy.err("missing weight file argument");
        return Err(error.help("name the file: loadbalance weighted FILE"));
    };
    let (mut interval, mut must_be_there) = (DEFAULT_RELOAD, false);
    while let Some(option) = cursor.next_block() {
        let at_option = cursor.clone();
        let arguments = cursor.remaining_args();
        match (option.text(), arguments.as_slice()) {
            // Below zero is never, in CoreDNS too, and only zero asks for the file at the start.
            ("reload", [duration]) => {
                let nanoseconds = duration.signed_nanoseconds()?;
                must_be_there = nanoseconds == 0;
                interval = Duration::from_nanos(nanoseconds.try_into().unwrap_or(0));
            }
            ("reload", []) => return Err(option.err("reload duration value is missing")),
            ("reload", [_, more, ..]) => return Err(more.err("unexpected argument")),
            _ => return Err(at_option.unknown_property(&["reload"])),
        }
    }
    let weights = Arc::new(Weights {
        path: setup.block.root.join(file.text()),
        table: ArcSwap::default(),
        last: Mutex::default(),
    });
    weights.first(file, must_be_there, setup)?;
    if !interval.is_zero() {
        let watched = weights.clone();
        let watch = move |stop| watch(watched, interval, stop);
        setup.shared.task("loadbalance reload", watch);
    }
    Ok(weights)
}

impl Weights {
    /// Reads the file as setup finds it. One that is not there is for later.
    fn first(
        &self,
        file: &Token,
        must_be_there: bool,
        setup: &mut Setup<'_>,
    ) -> Result<(), SetupError> {
        match setup.environment.read(&self.path, MOST_BYTES) {
            Ok(text) => self.serve(text).map(drop).map_err(|wrong| file.err(wrong)),
            Err(error) => {
                let message = self.unreadable(&error);
                if error.kind() == io::ErrorKind::IsADirectory {
                    return Err(file.err(message).help("name a file"));
                }
                if must_be_there {
                    return Err(file
                        .err(message)
                        .help("with reload 0 the file must be there"));
                }
                let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                last.error = Some(message.clone());
                let warning = Diagnostic::warning(message).at(file.place());
                let help = "all addresses weigh the same until it is there";
                setup.warnings.push(warning.help(help));
                Ok(())
            }
        }
    }

    /// Whether the text is another one than before.
    fn serve(&self, text: Vec<u8>) -> Result<bool, String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.text == text {
            return Ok(false);
        }
        let table = parse(&text, &self.path);
        last.text = text;
        self.table.store(Arc::new(table?));
        Ok(true)
    }

    /// Reads the file again. It blocks.
    fn refresh(&self) {
        let path = self.path.display();
        let read = System.read(&self.path, MOST_BYTES);
        let read = read.map_err(|error| self.unreadable(&error));
        let done = read.and_then(|text| self.serve(text));
        let wrong = match done {
            Ok(true) => {
                info!(target: "plugin/loadbalance", "Successfully reloaded weight file {path}");
                None
            }
            Ok(false) => return,
            Err(wrong) => Some(wrong),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wrong) = wrong
            .as_ref()
            .filter(|wrong| last.error.as_ref() != Some(*wrong))
        {
            error!(target: "plugin/loadbalance", "{wrong}; those of before hold");
        }
        last.error = wrong;
    }

    fn unreadable(&self, error: &io::Error) -> String {
        format!(
            "cannot read the weights in {}: {error}",
            self.path.display()
        )
    }

    fn of(&self, record: &RecordRef<'_>) -> u8 {
        let owner = record.owner.to_name().view().to_lower();
        let table = self.table.load();
        let weights = table.get(&owner).into_iter().flatten();
        let mut weights = weights.filter(|(ip, _)| address(record) == Some(*ip));
        weights.next().map_or(1, |(_, weight)| *weight)
    }
}

/// Looks at the file each `interval` until it is stopped.
async fn watch(weights: Arc<Weights>, interval: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let weights = weights.clone();
        let refresh = tokio::task::spawn_blocking(move || weights.refresh());
        if let Err(error) = refresh.await {
            error!(target: "plugin/loadbalance", "reading the weights failed: {error}");
        }
    }
}

/// Lines of a name, below it lines of `ADDRESS WEIGHT`. Lines that start with `#` say nothing.
fn parse(text: &[u8], path: &Path) -> Result<Table, String> {
    let text = String::from_utf8_lossy(text);
    let mut table = Table::new();
    let mut name = None;
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |what: &str| format!("{}:{number}: {what}", path.display());
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            [word] if word.parse::<IpAddr>().is_ok() => {
                return Err(wrong(&format!("wrong domain name: {word:?} has no weight")));
            }
            [word] => {
                let domain = Name::from_text(word).map(|name| name.view().to_lower());
                let domain = domain.map_err(|error| wrong(&format!("{word:?}: {error}")))?;
                table.entry(domain.clone()).or_default();
                name = Some(domain);
            }
            [ip, weight] => {
                let ip: IpAddr = ip
                    .parse()
                    .map_err(|_| wrong(&format!("wrong IP address: {ip:?}")))?;
                let number = weight.parse().ok().filter(|weight: &u8| *weight > 0);
                let number = number.ok_or_else(|| {
                    wrong(&format!("wrong weight value: {weight:?}; it is 1 to 255"))
                });
                let of = name.as_ref().and_then(|name| table.get_mut(name));
                let of = of.ok_or_else(|| wrong("missing domain name above the address"))?;
                of.push((ip.to_canonical(), number?));
            }
            _ => return Err(wrong("a line is NAME or ADDRESS WEIGHT")),
        }
    }
    Ok(table)
}

/// Puts one address of each section first, by chance and weight. Sections that have addresses are
/// told as CNAMEs, others, addresses, MX.
pub(super) fn reorder(query: &Query<'_>, answer: &mut Answer, weights: &Weights) {
    if !matches!(
        query.qtype,
        RecordType::A | RecordType::AAAA | RecordType::SRV
    ) {
        return;
    }
    let told = answer.clone().settle(query);
    let Body::Records(records) = &told.body else {
        return;
    };
    let mut builder = RecordsBuilder::default();
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        let mut all: Vec<RecordRef<'_>> = Vec::new();
        records.each(&mut |record| {
            if record.section == section {
                all.push(record);
            }
        });
        if section != Section::Authority {
            reorder_section(&mut all, weights);
        }
        all.iter().for_each(|record| builder.push(record));
    }
    let body = Body::Records(Arc::new(builder.finish()));
    *answer = Answer { body, ..told };
}

fn reorder_section(all: &mut [RecordRef<'_>], weights: &Weights) {
    let is_address =
        |record: &RecordRef<'_>| matches!(record.rtype, RecordType::A | RecordType::AAAA);
    if !all.iter().any(is_address) {
        return;
    }
    all.sort_by_key(|record| match record.rtype {
        RecordType::CNAME => 0,
        RecordType::A | RecordType::AAAA => 2,
        RecordType::MX => 3,
        _ => 1,
    });
    let Some(first) = all.iter().position(is_address) else {
        return;
    };
    let addresses = all.iter().filter(|record| is_address(record));
    let of_each: Vec<u8> = addresses.map(|record| weights.of(record)).collect();
    let sum = of_each.iter().copied().map(u64::from).sum();
    let chosen = pick(&of_each, rand::random_range(0..sum));
    all.swap(first, first + chosen);
}

/// Whose share of the sum of all weights a number is in.
fn pick(weights: &[u8], number: u64) -> usize {
    let mut sum = 0;
    let within = |weight: &u8| {
        sum += u64::from(*weight);
        number < sum
    };
    weights.iter().position(within).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::n;

    fn read(text: &str) -> Result<Table, String> {
        parse(text.as_bytes(), Path::new("/w"))
    }

    #[test]
    fn names_have_addresses_and_these_have_weights() {
        let text = "# weights\n\nwww.example.org\n192.0.2.1 3\n  2001:db8::1\t255 \nB.example.org.\nwww.example.org.\n192.0.2.2 1\n";
        let table = read(text).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let expected = [
            (ip("192.0.2.1"), 3),
            (ip("2001:db8::1"), 255),
            (ip("192.0.2.2"), 1),
        ];
        assert_eq!(table[&n("www.example.org.")], expected);
        assert!(table[&n("b.example.org.")].is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, error) in [
            (
                "192.0.2.1",
                "/w:1: wrong domain name: \"192.0.2.1\" has no weight",
            ),
            (
                "\n192.0.2.1 3",
                "/w:2: missing domain name above the address",
            ),
            ("a\nb 3", "/w:2: wrong IP address: \"b\""),
            (
                "a\n192.0.2.1 0",
                "/w:2: wrong weight value: \"0\"; it is 1 to 255",
            ),
            (
                "a\n192.0.2.1 256",
                "/w:2: wrong weight value: \"256\"; it is 1 to 255",
            ),
            ("a b c", "/w:1: a line is NAME or ADDRESS WEIGHT"),
            ("a..b", "/w:1: \"a..b\": a label is empty"),
        ] {
            assert_eq!(read(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn each_has_its_share() {
        let chosen: Vec<usize> = (0..6).map(|number| pick(&[1, 3, 2], number)).collect();
        assert_eq!(chosen, [0, 1, 1, 1, 2, 2]);
    }
}
