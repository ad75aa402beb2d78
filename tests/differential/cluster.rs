//! The cluster's part of the suite: CoreDNS and callsign hold the same cluster, and are asked the
//! same thing, name by name.
//!
//! `tests/differential/run cluster` starts, for each variant of the Corefile, callsign on a
//! directory of manifests and CoreDNS on an API server that serves the objects of that directory.
//! Nothing is recorded: what CoreDNS answers is the expectation. README.md has the rest.

mod api;
mod ask;
mod compare;
mod data;
mod departure;
mod exchange;
mod names;
mod object;
mod random;
mod raw;
mod server;
mod transfer;
mod variant;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::subject::Subject;
use api::Api;
use ask::{Depth, Pair, Sample};
use compare::Compared;
use server::Server;
use variant::{Told, Variant};

/// How many variants run at a time: each keeps about a processor busy.
const PARALLEL: usize = 2;

/// One in this many questions is asked in a run of all variants. The next variant asks others: each has
/// its turn in a third of them, which differ in little that concerns one name.
const ONE_IN: u64 = 3;

/// The departures that this part of the suite holds: headings of docs/departures.md.
pub(crate) fn departures() -> impl Iterator<Item = &'static str> {
    departure::DEPARTURES.iter().map(|departure| departure.name)
}

/// Serves the API of a directory of manifests for whom wants to run CoreDNS beside callsign; prints
/// where.
pub(crate) fn serve_api(manifests: &std::path::Path) -> Result<bool, String> {
    let api = Api::start(manifests, Told::Listed).map_err(|error| error.to_string())?;
    println!("{}", api.url());
    // Until who asked for it closes standard input.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    Ok(true)
}

/// Runs the variants whose titles hold one of the filters; false where an answer differs, or where
/// a run of all saw no sign of a departure.
pub(crate) fn suite(filters: &[String]) -> Result<bool, String> {
    let coredns = Subject::named("coredns")?;
    let callsign = Subject::named("callsign")?;
    let seed = number("SEED", 1)?;
    let one_in = number("ONE_IN", if filters.is_empty() { ONE_IN } else { 1 })?;
    let variants = variant::all(seed);
    let fits = |variant: &&Variant| {
        filters.is_empty() || filters.iter().any(|filter| variant.title.contains(filter))
    };
    let selected: Vec<&Variant> = variants.iter().filter(fits).collect();
    if selected.is_empty() {
        return Err(format!("no variant of the cluster fits {filters:?}"));
    }
    let all = run_all(&selected, (&coredns, &callsign), (seed, one_in))?;
    let asked: usize = all.iter().map(|compared| compared.asked).sum();
    let differences: usize = all.iter().map(|compared| compared.differences.len()).sum();
    println!("{asked} questions, {differences} differences");
    let is_seen = |name| {
        all.iter()
            .any(|compared| compared.departures.contains(&name))
    };
    let unseen: Vec<_> = departures()
        .filter(|name| filters.is_empty() && !is_seen(*name))
        .collect();
    unseen
        .iter()
        .for_each(|name| println!("no reply shows the departure {name}"));
    Ok(differences == 0 && unseen.is_empty())
}

/// A number that the environment may set.
fn number(name: &str, default: u64) -> Result<u64, String> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|error| format!("{name} is `{text}`: {error}")),
        Err(_) => Ok(default),
    }
}

/// Runs the variants, some at a time, and prints what comes of each. Whose turn it is in the first one
/// is said by the seed.
fn run_all(
    variants: &[&Variant],
    (coredns, callsign): (&Subject, &Subject),
    (seed, one_in): (u64, u64),
) -> Result<Vec<Compared>, String> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Compared>, String> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::SeqCst);
            let Some(variant) = variants.get(at) else {
                return Ok(done);
            };
            let sample = Sample {
                one_in: one_in as usize,
                turn: at.wrapping_add(seed as usize),
            };
            let compared = run(variant, sample, coredns, callsign)
                .map_err(|problem| format!("{}: {problem}", variant.title))?;
            println!("{compared}");
            done.push(compared);
        }
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..PARALLEL).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    let mut all = Vec::new();
    for done in done {
        all.extend(done.map_err(|_| "a variant panicked")??);
    }
    Ok(all)
}

/// Starts both servers and asks them everything.
fn run(
    variant: &Variant,
    sample: Sample,
    coredns: &Subject,
    callsign: &Subject,
) -> Result<Compared, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let manifests = directory.path().join("manifests");
    variant.data.write(&manifests)?;
    let api =
        Api::start(&manifests, variant.told).map_err(|error| format!("the API server: {error}"))?;
    let names = names::names(&variant.data.objects(&manifests)?, variant.zones);

    let coredns = Server::coredns(coredns, variant, &api)?;
    let callsign = Server::callsign(callsign, variant, &api, &manifests)?;
    let mut servers = Pair {
        coredns: coredns.address,
        callsign: callsign.address,
        compared: Compared::new(&variant.title, variant.departures),
    };
    match variant.depth {
        Depth::Transfers => servers.transfer_all(variant.zones, &names)?,
        Depth::TransfersOfPart => servers.transfer_part(variant.zones)?,
        Depth::TransfersOutside => servers.transfer_outside(variant.zones, &names)?,
        depth => servers.ask_all(&names, depth, sample)?,
    }
    if servers.compared.answered == 0 {
        return Err("CoreDNS answered nothing: nothing was compared".to_owned());
    }
    Ok(servers.compared)
}
