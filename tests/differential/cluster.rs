//! The cluster's part of the suite: CoreDNS and callsign hold the same cluster, and are asked the
//! same thing, name by name.
//!
//! `tests/differential/run cluster` starts, for each variant of the Corefile, callsign on a
//! directory of manifests and CoreDNS on an API server that serves the objects of that directory.
//! Nothing is recorded: what CoreDNS answers is the expectation. README.md has the rest.

mod api;
mod compare;
mod exchange;
mod names;
mod object;
mod random;
mod variant;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use callsign::kubernetes::manifests::Options;
use tempfile::TempDir;

use crate::port::Reservation;
use crate::subject::{Process, Subject};
use crate::wire::query::Query;
use api::Api;
use compare::Compared;
use exchange::exchange;
use variant::{Data, Variant};

/// Queries that are sent before their replies are compared.
const BATCH: usize = 8192;

/// How many differences of a variant are shown.
const SHOWN: usize = 40;

/// The types that each name is asked for.
const TYPES: &[&str] = &[
    "A", "AAAA", "SRV", "PTR", "TXT", "CNAME", "SOA", "NS", "MX", "ANY", "HTTPS", "TYPE65535", "DS",
    "AXFR", "IXFR",
];

/// The types that the names of other variants are asked for: what a type can change is there.
const FEW_TYPES: &[&str] = &["A", "AAAA", "SRV", "PTR", "TXT", "CNAME", "NS", "MX"];

/// The ways in which a sample of the questions is asked, besides a plain query over UDP: options
/// of the query, and whether it goes over TCP.
const SHAPES: &[(&str, bool)] = &[
    ("", true),
    ("norec cd", false),
    ("ad", false),
    ("bufsize=512", false),
    ("bufsize=1232", false),
    ("do bufsize=4096", false),
    ("do bufsize=4096 norec", true),
    ("bufsize=100 option=10:0102030405060708", false),
];

/// One in this many questions is asked in each of the [`SHAPES`].
const SAMPLE: usize = 13;

/// Runs the variants whose titles hold one of the filters; false where an answer differs.
pub(crate) fn suite(filters: &[String]) -> Result<bool, String> {
    let coredns = Subject::named("coredns")?;
    let callsign = Subject::named("callsign")?;
    let variants = variant::all(seed()?);
    let selected: Vec<&Variant> = variants
        .iter()
        .filter(|variant| {
            filters.is_empty() || filters.iter().any(|filter| variant.title.contains(filter))
        })
        .collect();
    if selected.is_empty() {
        return Err(format!("no variant of the cluster fits {filters:?}"));
    }
    let mut asked = 0;
    let mut differences = 0;
    for variant in selected {
        let compared = run(variant, &coredns, &callsign)
            .map_err(|problem| format!("{}: {problem}", variant.title))?;
        println!("{compared}");
        asked += compared.asked;
        differences += compared.differences.len();
    }
    println!("{asked} questions, {differences} differences");
    Ok(differences == 0)
}

/// The seed of the random clusters: `SEED`, or always the same.
fn seed() -> Result<u64, String> {
    match std::env::var("SEED") {
        Ok(seed) => seed
            .parse()
            .map_err(|error| format!("SEED is `{seed}`: {error}")),
        Err(_) => Ok(1),
    }
}

/// Starts both servers and asks them everything.
fn run(variant: &Variant, coredns: &Subject, callsign: &Subject) -> Result<Compared, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let manifests = manifests(&variant.data, &directory)?;
    let api = Api::start(&manifests).map_err(|error| format!("the API server: {error}"))?;
    let everything = Options {
        pods: true,
        ..Options::default()
    };
    let objects = api::load(&manifests, everything);
    let names = names::names(&objects, variant.zones);

    let coredns = Server::start(coredns, variant, &api, &[])?;
    let arguments = ["--manifests".to_owned(), manifests.display().to_string()];
    let callsign = Server::start(callsign, variant, &api, &arguments)?;
    let mut compared = Compared::new(&variant.title);
    let questions = questions(&names, if variant.full { TYPES } else { FEW_TYPES });
    ask(&questions, "", false, &coredns, &callsign, &mut compared)?;
    let shapes = if variant.full { SHAPES } else { &[] };
    for (at, (shape, tcp)) in shapes.iter().enumerate() {
        let sample: Vec<_> = questions.iter().skip(at).step_by(SAMPLE).copied().collect();
        ask(&sample, shape, *tcp, &coredns, &callsign, &mut compared)?;
    }
    Ok(compared)
}

/// Each name with each type.
fn questions<'a>(names: &'a [String], types: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let questions = names
        .iter()
        .flat_map(|name| types.iter().map(move |rtype| (name.as_str(), *rtype)));
    questions.collect()
}

/// Asks both servers, and notes what differs.
fn ask(
    questions: &[(&str, &str)],
    shape: &str,
    tcp: bool,
    coredns: &Server,
    callsign: &Server,
    compared: &mut Compared,
) -> Result<(), String> {
    for batch in questions.chunks(BATCH) {
        let queries = batch
            .iter()
            .map(|question| query(*question, shape))
            .collect::<Result<Vec<_>, _>>()?;
        let messages = queries
            .iter()
            .map(Query::encode)
            .collect::<Result<Vec<_>, _>>()?;
        // Both work at the same time, on a processor of their own where there are two.
        let (theirs, ours) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| exchange(coredns.address, tcp, &messages));
            let ours = exchange(callsign.address, tcp, &messages);
            (theirs.join(), ours)
        });
        let theirs = theirs.map_err(|_| "asking CoreDNS panicked")?;
        let theirs = theirs.map_err(|problem| format!("CoreDNS {problem}"))?;
        let ours = ours.map_err(|problem| format!("callsign {problem}"))?;
        let way = if tcp { " over TCP" } else { "" };
        for (((name, rtype), query), (theirs, ours)) in
            batch.iter().zip(&queries).zip(theirs.iter().zip(&ours))
        {
            let what = || format!("{name} {rtype} {shape}{way}");
            compared.add(query, theirs.as_deref(), ours.as_deref(), what);
        }
    }
    Ok(())
}

fn query((name, rtype): (&str, &str), shape: &str) -> Result<Query, String> {
    let mut query = Query::parse(&[name, rtype])?;
    query.id = 0;
    for option in shape.split(' ').filter(|option| !option.is_empty()) {
        query.option(option)?;
    }
    Ok(query)
}

/// A directory that holds the manifests of the data.
fn manifests(data: &Data, directory: &TempDir) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let into = directory.path().join("manifests");
    match data {
        Data::Written => {
            copy(&root.join("config/cluster"), &into.join("sample"))?;
            copy(&root.join("tests/data/clusters/odd"), &into.join("odd"))?;
        }
        Data::Random(seed) => {
            std::fs::create_dir(&into).map_err(|error| error.to_string())?;
            let file = into.join("random.json");
            std::fs::write(&file, random::manifests(*seed).to_string())
                .map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    Ok(into)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let copy = || -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    };
    copy().map_err(|error| format!("{}: {error}", from.display()))
}

/// A server that runs a variant's Corefile.
struct Server {
    address: SocketAddr,
    _process: Process,
    _directory: TempDir,
    _port: Reservation,
}

impl Server {
    fn start(
        subject: &Subject,
        variant: &Variant,
        api: &Api,
        arguments: &[String],
    ) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = Reservation::new()?;
        let corefile = variant
            .corefile
            .replace("@port", &port.port.to_string())
            .replace("@api", &api.url());
        std::fs::write(directory.path().join("Corefile"), corefile)
            .map_err(|error| error.to_string())?;
        let mut process = Process::start(subject, directory.path(), arguments, &[])?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port));
        // Both listen only once they know the cluster.
        process.wait_until_ready(&[address])?;
        Ok(Self {
            address,
            _process: process,
            _directory: directory,
            _port: port,
        })
    }
}
