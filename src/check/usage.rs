//! Directives as the checks read them: each occurrence with its arguments and its options, and the
//! place of its plugin in the chain.

use crate::corefile::{Corefile, Place, ServerBlock, Token};
use crate::name::Name;

/// All directives of CoreDNS 1.15.0 in the order in which a query meets them, whether callsign has
/// them or not: what shadows what does not depend on who serves the file.
pub const CHAIN: &[&str] = &[
    "root",
    "metadata",
    "geoip",
    "cancel",
    "proxyproto",
    "quic",
    "grpc_server",
    "https",
    "https3",
    "timeouts",
    "multisocket",
    "reload",
    "nsid",
    "bufsize",
    "bind",
    "debug",
    "trace",
    "ready",
    "health",
    "pprof",
    "shed",
    "prometheus",
    "errors",
    "log",
    "dnstap",
    "local",
    "dns64",
    "siit",
    "any",
    "chaos",
    "loadbalance",
    "tsig",
    "rewrite",
    "autopath",
    "acl",
    "cache",
    "header",
    "dnssec",
    "tls",
    "minimal",
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
    "loop",
    "forward",
    "grpc",
    "erratic",
    "whoami",
    "on",
    "sign",
    "view",
    "nomad",
];

/// The place in the chain; what is not in it comes last.
pub(super) fn rank(name: &str) -> usize {
    let place = CHAIN.iter().position(|known| *known == name);
    place.unwrap_or(CHAIN.len())
}

/// A server block as the checks read it.
pub(super) struct Block<'c> {
    /// The block itself.
    pub(super) source: &'c ServerBlock,
    /// The zones of its keys, in lower case.
    pub(super) zones: Vec<Name>,
    /// Each occurrence of each directive, in the order of the chain and then of the file.
    pub(super) usages: Vec<Usage<'c>>,
}

/// One occurrence of a directive.
pub(super) struct Usage<'c> {
    /// The directive's name.
    pub(super) name: &'c str,
    /// Its place in the chain.
    pub(super) rank: usize,
    /// The word that names it.
    pub(super) word: &'c Token,
    /// The words behind it on its line.
    pub(super) args: Vec<&'c Token>,
    /// The lines of its block.
    pub(super) options: Vec<Line<'c>>,
    /// The words that name zones; `None` where it is no plugin that is for zones.
    pub(super) named: Option<Vec<Named<'c>>>,
}

/// A word that names zones.
pub(super) struct Named<'c> {
    pub(super) word: &'c Token,
    /// Several for a network; none where the word is no domain.
    pub(super) zones: Vec<Name>,
}

/// A line of a directive's block.
pub(super) struct Line<'c> {
    /// Its first word.
    pub(super) word: &'c Token,
    /// The words behind that.
    pub(super) args: Vec<&'c Token>,
}

impl<'c> Block<'c> {
    /// The blocks of a Corefile.
    pub(super) fn all(corefile: &'c Corefile) -> Vec<Self> {
        corefile.blocks().iter().map(Self::of).collect()
    }

    fn of(source: &'c ServerBlock) -> Self {
        let mut usages: Vec<Usage<'c>> = source.directives().iter().flat_map(usages).collect();
        // Stable: several of one plugin are asked in the order in which they stand.
        usages.sort_by_key(|usage| usage.rank);
        let zones = source
            .zones()
            .filter_map(|zone| Name::from_text(zone.name).ok());
        Self {
            source,
            zones: zones.collect(),
            usages,
        }
    }

    /// The occurrences of one directive.
    pub(super) fn of_name(&self, name: &str) -> impl Iterator<Item = &Usage<'c>> {
        let rank = rank(name);
        let start = self.usages.partition_point(|usage| usage.rank < rank);
        let same = self.usages.iter().skip(start);
        let same = same.take_while(move |usage| usage.rank == rank);
        same.filter(move |usage| usage.name == name)
    }

    /// Whether the block has the directive.
    pub(super) fn has(&self, name: &str) -> bool {
        self.of_name(name).next().is_some()
    }
}

fn usages<'c>(directive: &'c crate::corefile::Directive) -> Vec<Usage<'c>> {
    let mut usages = Vec::new();
    let mut cursor = directive.cursor();
    while let Some(word) = cursor.next_token() {
        let args = cursor.remaining_args();
        let mut options = Vec::new();
        while let Some(word) = cursor.next_block() {
            let args = cursor.remaining_args();
            options.push(Line { word, args });
        }
        let name = directive.name();
        usages.push(Usage {
            name,
            rank: rank(name),
            word,
            named: named(name, &args),
            args,
            options,
        });
    }
    usages
}

impl<'c> Usage<'c> {
    /// Where its name stands.
    pub(super) fn place(&self) -> &'c Place {
        self.word.place()
    }

    /// The lines of its block that start with this word.
    pub(super) fn options<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Line<'c>> {
        self.options
            .iter()
            .filter(move |line| line.word.text() == name)
    }

    /// Whether its block has a line that starts with this word.
    pub(super) fn has(&self, name: &str) -> bool {
        self.options(name).next().is_some()
    }
}

/// The words of a directive that name zones.
fn named<'c>(name: &str, args: &[&'c Token]) -> Option<Vec<Named<'c>>> {
    let (from, to) = match name {
        "whoami" | "erratic" => (0, 0),
        "forward" | "grpc" => (0, 1),
        "kubernetes" | "k8s_external" | "auto" | "secondary" | "etcd" | "acl" | "dnssec" => {
            (0, usize::MAX)
        }
        "hosts" | "file" => (1, usize::MAX),
        "template" => (2, usize::MAX),
        "cache" => {
            let is_ttl = |first: &&Token| first.text().parse::<i64>().is_ok();
            (usize::from(args.first().is_some_and(is_ttl)), usize::MAX)
        }
        _ => return None,
    };
    // Of a network these two take the first zone only.
    let most = if to == 1 { 1 } else { usize::MAX };
    let words = args.iter().take(to).skip(from);
    let named = words.map(|word| {
        let mut zones = zones(&[word]);
        zones.truncate(most);
        Named { word, zones }
    });
    Some(named.collect())
}

/// A name as people write it: without the dot at its end, but for the root.
pub(super) fn written(name: &str) -> &str {
    match name.strip_suffix('.') {
        None | Some("") => name,
        Some(name) => name,
    }
}

/// The zones that words name; what names none is passed over, as plugins do.
pub(super) fn zones(words: &[&Token]) -> Vec<Name> {
    let named = words.iter().filter_map(|word| word.zones().ok()).flatten();
    named
        .filter_map(|zone| Name::from_text(&zone).ok())
        .collect()
}
