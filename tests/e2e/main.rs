//! The end-to-end suite: CoreDNS and callsign beside a real control plane.
//!
//! `tests/e2e/run` starts the control plane, runs this, and ends all; README.md beside it has the
//! rest. Without a control plane, as a part of `cargo test`, this does nothing.

mod api;
mod case;
mod interceptor;
mod kubelet;
mod measure;
mod plane;
mod proxy;
mod server;
mod steady;
mod world;

/// What this suite has in common with the differential one.
#[path = "../differential"]
#[allow(dead_code, reason = "the differential suite uses the rest")]
mod differential {
    pub(crate) mod awake;
    pub(crate) mod connection;
    pub(crate) mod http;
    pub(crate) mod port;
    pub(crate) mod subject;
    pub(crate) mod wire;
    pub(crate) mod cluster {
        pub(crate) mod ask;
        pub(crate) mod compare;
        pub(crate) mod data;
        pub(crate) mod departure;
        pub(crate) mod exchange;
        pub(crate) mod names;
        pub(crate) mod random;
        pub(crate) mod raw;
    }
}
use differential::{awake, connection, port, subject, wire};

use std::process::ExitCode;
use std::time::Instant;

use case::Case;
use world::World;

fn main() -> ExitCode {
    if std::env::var_os("E2E_RUN").is_none() {
        println!("no control plane: tests/e2e/run starts one");
        return ExitCode::SUCCESS;
    }
    // cargo's own options for test binaries (`--nocapture` and the like) mean nothing here.
    let words = std::env::args().skip(1);
    let filters: Vec<String> = words.filter(|word| !word.starts_with('-')).collect();
    let outcome = match std::env::var("E2E_MEASURE") {
        Ok(sizes) => measure::run(&sizes),
        Err(_) => suite(&filters),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("e2e: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the tests whose names hold one of the filters; false where one fails.
fn suite(filters: &[String]) -> Result<bool, String> {
    let fits = |case: &&Case| {
        filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter))
    };
    let selected: Vec<&Case> = case::ALL.iter().filter(fits).collect();
    if selected.is_empty() {
        return Err(format!("no test fits {filters:?}"));
    }
    let mut world = World::start()?;
    println!("SEED={}", world.seed);
    let mut failures = 0;
    for case in &selected {
        let started = Instant::now();
        let result = (case.run)(&mut world);
        let seconds = started.elapsed().as_secs_f32();
        match result {
            Ok(()) => println!("ok      {seconds:5.1} s  {}", case.name),
            Err(problem) => {
                println!("FAILED  {seconds:5.1} s  {}\n{problem}", case.name);
                failures += 1;
                world.restore()?;
            }
        }
    }
    println!("{} tests, {failures} failures", selected.len());
    Ok(failures == 0)
}
