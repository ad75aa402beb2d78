//! Real resolver libraries, and what was predicted of them.
//!
//! `run` beside this file builds the programs and calls this. The test goes into a network and a
//! mount namespace of its own, listens there on the name servers' addresses, and lets each program
//! look each name up with each `resolv.conf`. What the servers get must be what
//! [`callsign::resolver`] says, query by query.

mod observe;
mod scene;
mod world;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use callsign::resolver::Libc;

/// Set inside a namespace, to the library that it is for.
const INSIDE: &str = "RESOLVERS_INSIDE";

fn main() -> ExitCode {
    let Some(programs) = std::env::var_os("RESOLVERS").map(PathBuf::from) else {
        eprintln!("tests/resolvers/run builds the programs and runs this");
        return ExitCode::FAILURE;
    };
    let result = match std::env::var(INSIDE) {
        Ok(name) => alone(&programs, &name),
        Err(_) => together(&programs),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Each library in a namespace of its own, side by side: most of the time is spent in waiting for
/// name servers that keep silent.
fn together(programs: &Path) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut running = Vec::new();
    for (libc, _) in found(programs)? {
        let child = Command::new("unshare")
            .args(["--net", "--mount", "--"])
            .arg(&own)
            .args(std::env::args_os().skip(1))
            .env(INSIDE, libc.name())
            .stdout(Stdio::piped())
            .spawn();
        running.push(child.map_err(|error| format!("no namespace, is this root? {error}"))?);
    }
    let (mut passed, mut failed) = (0, 0);
    for child in running {
        let output = child
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (told, counts) = text.trim_end().rsplit_once('\n').unwrap_or(("", &text));
        println!("{told}");
        let mut counts = counts
            .split(' ')
            .filter_map(|word| word.trim().parse::<usize>().ok());
        match (output.status.success(), counts.next(), counts.next()) {
            (true, Some(some), Some(others)) => {
                passed += some;
                failed += others;
            }
            _ => return Err(format!("it ended early: {text}")),
        }
    }
    println!("{passed} passed, {failed} failed");
    match (passed, failed) {
        (1.., 0) => Ok(()),
        _ => Err("what the libraries did is not what was told of them".to_owned()),
    }
}

/// One library: asks all that the scenes name, and counts in the last line.
fn alone(programs: &Path, name: &str) -> Result<(), String> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut host = observe::Host::new()?;
    let programs = found(programs)?;
    let program = programs.iter().find(|(libc, _)| libc.name() == name);
    let (libc, program) = program.ok_or_else(|| format!("no program has {name}"))?;
    let (mut passed, mut failed) = (0, 0);
    for scene in scene::all()? {
        let is_wanted = wanted.is_empty() || wanted.iter().any(|part| scene.title.contains(part));
        if !is_wanted || !(scene.libcs.is_empty() || scene.libcs.contains(libc)) {
            continue;
        }
        host.set(&scene.resolv_conf, &scene.world)?;
        for name in &scene.names {
            match scene
                .predict(*libc, name)
                .compare(&host.look_up(program, name)?)
            {
                Ok(()) => passed += 1,
                Err(difference) => {
                    failed += 1;
                    println!("{}: {} {name}\n{difference}", scene.title, libc.name());
                }
            }
        }
    }
    println!("{}: {passed} {failed}", libc.name());
    Ok(())
}

/// The programs that were built, with the library that each has.
fn found(programs: &Path) -> Result<Vec<(Libc, PathBuf)>, String> {
    let all = Libc::ALL.map(|libc| (libc, programs.join(libc.name())));
    let found: Vec<_> = all.into_iter().filter(|(_, path)| path.exists()).collect();
    let required = [Libc::Glibc, Libc::MuslBefore124, Libc::Go];
    match required
        .iter()
        .find(|libc| !found.iter().any(|(known, _)| known == *libc))
    {
        Some(missing) => Err(format!("there is no program with {}", missing.name())),
        None => Ok(found),
    }
}
