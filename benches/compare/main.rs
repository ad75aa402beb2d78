//! callsign beside its peers, over real sockets. `benches/compare/run` starts it with all that it
//! needs; nothing here is part of the program.

mod api;
mod echo;
mod goals;
mod idle;
mod intake;
mod load;
mod names;
mod peer;
mod plot;
mod process;
mod question;
mod replay;
mod report;
mod slots;
mod work;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use peer::{Bed, Peer};
use process::Process;
use work::{Done, Rounds, WORKS};

/// The servers' processor; the load has another where there is one.
const SERVERS: usize = 0;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends every datagram back
    Echo { address: SocketAddr },
    /// Answers every question for an address
    Upstream { address: SocketAddr },
    /// Starts servers, asks them, and tells what they cost
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    /// callsign's binary
    #[arg(long)]
    callsign: String,
    /// CoreDNS's binary
    #[arg(long)]
    coredns: Option<String>,
    /// Rounds of each server
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Where the page and its plots are written
    #[arg(long)]
    out: Option<PathBuf>,
    /// Works to do, by their short names; all where none is named
    works: Vec<String>,
}

fn main() -> io::Result<()> {
    match Arguments::parse().command {
        Command::Echo { address } => echo::echo(address),
        Command::Upstream { address } => echo::upstream(address),
        Command::Run(run) => compare(&run),
    }
}

fn compare(run: &Run) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    // For idle connections; the servers inherit it.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let own = std::env::current_exe()?.display().to_string();
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, peer::free_port()?));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let arguments = ["upstream".to_owned(), upstream.to_string()];
    let _upstream = Process::start(
        &own,
        &arguments,
        Stdio::null(),
        processors.saturating_sub(1),
    )?;
    let bed = Bed {
        folder: folder.path(),
        programs: programs(run, &own),
        upstream,
        cpu: SERVERS,
    };
    let rounds = Rounds {
        count: run.rounds,
        duration: Duration::from_secs_f64(run.seconds),
    };
    let done = works(run, &bed, rounds)?;
    let page = report::page(&done, rounds);
    println!("{page}");
    if let Some(out) = &run.out {
        std::fs::create_dir_all(out)?;
        std::fs::write(out.join("figures.md"), page)?;
        std::fs::write(out.join("cpu.svg"), plot::cpu(&done))?;
        std::fs::write(out.join("latency.svg"), plot::latency(&done))?;
    }
    Ok(())
}

fn works(run: &Run, bed: &Bed<'_>, rounds: Rounds) -> io::Result<Vec<Done>> {
    let is_wanted = |key: &str| run.works.is_empty() || run.works.iter().any(|work| work == key);
    let mut done = Vec::new();
    let mut keep = |work: io::Result<Done>| {
        work.map(|work| {
            eprintln!("{}", report::table(&work));
            done.push(work);
        })
    };
    for work in WORKS.iter().filter(|work| is_wanted(work.key)) {
        keep(work::compare(bed, work, rounds))?;
    }
    if is_wanted("sizes") {
        keep(work::sizes(bed, rounds))?;
    }
    if is_wanted("churn") {
        keep(work::churn(bed, rounds))?;
    }
    if is_wanted("intake") {
        keep(intake::intake(bed, rounds))?;
    }
    if is_wanted("connections") {
        keep(work::connections(bed))?;
    }
    if is_wanted("empty") {
        keep(work::empty(bed))?;
    }
    Ok(done)
}

/// The programs that are there.
fn programs(run: &Run, own: &str) -> Vec<(Peer, String)> {
    let find = |peer: Peer| match peer {
        Peer::Echo => Some(own.to_owned()),
        Peer::Callsign => Some(run.callsign.clone()),
        Peer::CoreDns => run.coredns.clone(),
        other => in_path(other.program()),
    };
    let found = |peer: Peer| find(peer).map(|program| (peer, program));
    Peer::ALL.into_iter().filter_map(found).collect()
}

fn in_path(program: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let mut files = path
        .split(':')
        .map(|folder| Path::new(folder).join(program));
    files
        .find(|file| file.is_file())
        .map(|file| file.display().to_string())
}
