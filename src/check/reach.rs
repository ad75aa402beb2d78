//! Zones and server blocks that no question comes to.

use std::collections::{BTreeSet, HashMap};

use super::usage::{Block, CHAIN, Named, Usage, rank, written};
use crate::corefile::{Diagnostic, Token, Transport, Zone};
use crate::name::{Name, NameRef, ZoneMap};

/// A zone of a directive for which no question comes to its block.
pub(super) const UNREACHED_ZONE: &str = "unreached-zone";
/// A server block to which no question comes.
pub(super) const UNREACHED_BLOCK: &str = "unreached-block";
/// A server block that has no answer to anything.
pub(super) const ANSWERS_NOTHING: &str = "answers-nothing";

/// Plugins that have answers to something. Those that are not CoreDNS's own are taken to have.
const ANSWERING: &[&str] = &[
    "local",
    "any",
    "chaos",
    "acl",
    "template",
    "transfer",
    "dynupdate",
    "hosts",
    "route53",
    "azure",
    "clouddns",
    "k8s_external",
    "kubernetes",
    "file",
    "auto",
    "secondary",
    "etcd",
    "forward",
    "grpc",
    "erratic",
    "whoami",
    "nomad",
];

/// Where questions come in: transport, port, and the address or interface of `bind`.
type Listener<'c> = (Transport, u16, &'c str);

/// Which blocks serve a zone on a listener, in the order of the file.
type Served<'c> = HashMap<Listener<'c>, ZoneMap<Vec<usize>>>;

/// Where a zone of a block is served.
type Site<'c> = (Listener<'c>, Name, Zone<'c>);

/// Finds them in all blocks.
pub(super) fn find(blocks: &[Block<'_>], dns_port: u16, findings: &mut Vec<Diagnostic>) {
    let mut served = Served::new();
    let sites: Vec<Vec<Site<'_>>> = blocks
        .iter()
        .map(|block| sites(block, dns_port).collect())
        .collect();
    for (index, sites) in sites.iter().enumerate() {
        for (listener, zone, _) in sites {
            let blocks = served.entry(*listener).or_default();
            let blocks = blocks.or_default(zone.clone());
            if blocks.last() != Some(&index) {
                blocks.push(index);
            }
        }
    }
    for (index, (block, sites)) in blocks.iter().zip(&sites).enumerate() {
        let reach = Reach {
            blocks,
            served: &served,
            sites,
            index,
            block,
        };
        reach.views(findings);
        let zoned = block.usages.iter();
        zoned.for_each(|usage| reach.zones_of(usage, findings));
        findings.extend(answers_nothing(block));
    }
}

/// One block among all.
struct Reach<'b, 'c> {
    blocks: &'b [Block<'c>],
    served: &'b Served<'c>,
    sites: &'b [Site<'c>],
    index: usize,
    block: &'b Block<'c>,
}

impl<'c> Reach<'_, 'c> {
    /// A block with a view behind one of the same zone that has none.
    fn views(&self, findings: &mut Vec<Diagnostic>) {
        let Some(view) = self.block.of_name("view").next() else {
            return;
        };
        for (listener, name, key) in self.sites {
            let served = self.served.get(listener);
            let same = served.and_then(|served| served.get(name.view()));
            let mut before = same
                .into_iter()
                .flatten()
                .take_while(|index| **index < self.index);
            let Some(first) = before.find_map(|index| {
                let block = self.blocks.get(*index)?;
                (!block.has("view")).then_some(block)
            }) else {
                continue;
            };
            let message = format!(
                "no question comes here: a block without a view serves '{}' before this one",
                written(&name.to_string())
            );
            let mut finding = Diagnostic::warning(message)
                .rule(UNREACHED_BLOCK)
                .at(&key.key.place)
                .note(view.place(), "the view is asked second")
                .help("put the block that has the view first");
            if let Some(key) = first.source.keys().first() {
                finding = finding.note(&key.place, "the block without a view");
            }
            findings.push(finding);
            return;
        }
    }

    /// The zones that a directive names.
    fn zones_of(&self, usage: &Usage<'c>, findings: &mut Vec<Diagnostic>) {
        let named = usage.named.as_deref().unwrap_or_default();
        let unreached: Vec<(&Token, Why)> = named
            .iter()
            .filter_map(|named| Some((named.word, self.why_unreached(named, usage)?)))
            .collect();
        if unreached.len() == named.len()
            && let Some((word, why)) = unreached.first()
        {
            findings.push(self.unreached(usage, word, why, true));
        } else {
            let parts = unreached.iter();
            findings.extend(parts.map(|(word, why)| self.unreached(usage, word, why, false)));
        }
    }

    /// Why no question comes for any zone that a word names; `None` where one does.
    fn why_unreached(&self, named: &Named<'_>, usage: &Usage<'_>) -> Option<Why> {
        let mut why = None;
        for zone in &named.zones {
            why = Some(self.why_zone_unreached(zone.view(), usage.rank)?);
        }
        why
    }

    fn why_zone_unreached(&self, zone: NameRef<'_>, rank_of: usize) -> Option<Why> {
        if self.block.zones.iter().any(|own| own.view().is_in(zone)) {
            return None;
        }
        if !self.block.zones.iter().any(|own| zone.is_in(own.view())) {
            return Some(Why::Outside);
        }
        // What stands above the answering plugins may be meant for names that only pass by.
        if rank_of < rank("template") {
            return None;
        }
        let mut taker = None;
        for (listener, own, _) in self.sites {
            if zone.is_in(own.view()) {
                taker = Some(self.taken(*listener, zone)?);
            }
        }
        taker.map(Why::Taken)
    }

    /// The other block to which a listener gives all names of the zone.
    fn taken(&self, listener: Listener<'c>, zone: NameRef<'_>) -> Option<usize> {
        let blocks = self.served.get(&listener)?.longest(zone)?;
        let has_view = |index: &usize| self.blocks.get(*index).is_some_and(|b| b.has("view"));
        if blocks.contains(&self.index) || blocks.iter().any(has_view) {
            return None;
        }
        blocks.first().copied()
    }

    fn unreached(&self, usage: &Usage<'_>, word: &Token, why: &Why, is_whole: bool) -> Diagnostic {
        let (name, zone) = (usage.name, word.text());
        let what = match is_whole {
            true => format!("'{name}' is never asked"),
            false => format!("'{name}' is never asked for '{zone}'"),
        };
        let rule = |message| {
            Diagnostic::warning(message)
                .rule(UNREACHED_ZONE)
                .at(word.place())
        };
        match why {
            Why::Outside => {
                let own = self.block.source.zones();
                let keys: Vec<String> = own
                    .map(|zone| format!("'{}'", written(zone.name)))
                    .collect();
                let finding = rule(format!(
                    "{what}: no name of '{zone}' comes to this server block, which is for {}",
                    keys.join(", ")
                ));
                let duration = word.text().strip_suffix('s');
                let is_ttl = duration.is_some_and(|n| n.parse::<u32>().is_ok());
                match (name, is_ttl) {
                    ("cache", true) => finding.help(format!(
                        "'{zone}' is read as a zone: write the TTL as a number of seconds, {}",
                        duration.unwrap_or_default()
                    )),
                    _ => finding.help(format!(
                        "name zones within this block's, or add {zone} to its keys"
                    )),
                }
            }
            Why::Taken(index) => {
                let finding = rule(format!(
                    "{what}: the names of '{zone}' go to another server block"
                ));
                let finding = finding.help(format!("move '{name}' to that block"));
                let other = self
                    .blocks
                    .get(*index)
                    .and_then(|b| b.source.keys().first());
                match other {
                    Some(key) => finding.note(&key.place, "this block gets them"),
                    None => finding,
                }
            }
        }
    }
}

/// Why no question comes for a zone.
enum Why {
    /// It is outside of the block's zones.
    Outside,
    /// Another block, by its number, is for it.
    Taken(usize),
}

/// Where each zone of a block is served.
fn sites<'c>(block: &Block<'c>, dns_port: u16) -> impl Iterator<Item = Site<'c>> {
    let binds = block.of_name("bind").flat_map(|bind| &bind.args);
    let hosts: BTreeSet<&'c str> = binds.map(|host| host.text()).collect();
    let hosts = match hosts.is_empty() {
        true => vec![""],
        false => hosts.into_iter().collect(),
    };
    block.source.zones().flat_map(move |zone| {
        let name = Name::from_text(zone.name).ok();
        let sites = hosts.clone().into_iter().filter_map(move |host| {
            let listener = (zone.transport(), zone.key.port_or(dns_port), host);
            Some((listener, name.clone()?, zone))
        });
        sites.collect::<Vec<_>>()
    })
}

/// A block in which nothing has an answer.
fn answers_nothing(block: &Block<'_>) -> Option<Diagnostic> {
    let answers = |usage: &Usage<'_>| ANSWERING.contains(&usage.name) || usage.rank == CHAIN.len();
    if block.usages.iter().any(answers) {
        return None;
    }
    let key = block.source.keys().first()?;
    let message = "no plugin of this server block has an answer: every question ends in an error";
    Some(
        Diagnostic::warning(message)
            .rule(ANSWERS_NOTHING)
            .at(&key.place)
            .help("add one that does: kubernetes, hosts, file, forward"),
    )
}
