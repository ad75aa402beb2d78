//! Real resolver libraries, and what was predicted of them.
//!
//! `run` beside this file builds the programs and calls this. Each program goes into a network and a
//! mount namespace of its own, twice:
//!
//! - With name servers that answer as a [`scene`] says, or keep silent: what they get must be what
//!   [`callsign::resolver`] says, query by query.
//! - With a running callsign ([`running`]): its query log must be what `callsign lookup` foretold.

mod guide;
mod namespace;
mod observe;
mod program;
mod running;
mod scene;
mod world;

use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use program::Program;

/// Set inside a namespace, to the act and the program that it is for.
const INSIDE: &str = "RESOLVERS_INSIDE";
/// How much longer than told a look-up takes where a reply is late.
const LATE: Duration = Duration::from_millis(400);
/// What is played in a namespace. Most of the first is waiting; the second has work to do.
const ACTS: [&str; 2] = ["scripted", "running"];

fn main() -> ExitCode {
    let Some(folder) = std::env::var_os("RESOLVERS").map(PathBuf::from) else {
        eprintln!("tests/resolvers/run builds the programs and runs this");
        return ExitCode::FAILURE;
    };
    let result = program::all(&folder).and_then(|programs| match std::env::var(INSIDE) {
        Ok(inside) => alone(&programs, &inside),
        Err(_) => together(&programs),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Each program in a namespace of its own, side by side, act by act.
fn together(programs: &[Program]) -> Result<(), String> {
    let (mut passed, mut failed) = (0, 0);
    for act in ACTS {
        let running: Result<Vec<_>, _> = programs
            .iter()
            .map(|program| start(&format!("{act} {}", program.name)))
            .collect();
        for child in running? {
            let (some, others) = end(child)?;
            passed += some;
            failed += others;
        }
    }
    println!("{passed} passed, {failed} failed");
    match (passed, failed) {
        (1.., 0) => Ok(()),
        _ => Err("what the libraries did is not what was told of them".to_owned()),
    }
}

/// Starts this program again, in namespaces of its own. Users other than root get them with a user
/// namespace around, in which they are root.
fn start(inside: &str) -> Result<Child, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let child = command
        .args(["--net", "--mount", "--"])
        .arg(&own)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, inside)
        .stdout(Stdio::piped())
        .spawn();
    child.map_err(|error| format!("cannot start unshare: {error}"))
}

/// Prints what it told, and returns what it counted in its last line.
fn end(child: Child) -> Result<(usize, usize), String> {
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{}", text.trim_end());
    let last = text.trim_end().lines().last().unwrap_or_default();
    let mut counts = last.split(' ').filter_map(|word| word.parse().ok());
    match (output.status.success(), counts.next(), counts.next()) {
        (true, Some(passed), Some(failed)) => Ok((passed, failed)),
        _ => Err("it ended early".to_owned()),
    }
}

/// One program in one act: looks up all that the scenes name, and counts in the last line.
fn alone(programs: &[Program], inside: &str) -> Result<(), String> {
    let (act, name) = inside.split_once(' ').ok_or("no act and program")?;
    let program = programs.iter().find(|program| program.name == name);
    let program = program.ok_or_else(|| format!("there is no program {name}"))?;
    let mut tally = Tally::default();
    match act {
        "scripted" => play_scripted(program, &mut tally)?,
        _ => play_running(program, &mut tally)?,
    }
    println!(
        "{act}, {name}: {} passed {} failed",
        tally.passed, tally.failed
    );
    Ok(())
}

fn play_scripted(program: &Program, tally: &mut Tally) -> Result<(), String> {
    let mut host = observe::Host::new()?;
    for scene in scene::all()? {
        let is_its = scene.libcs.is_empty() || scene.libcs.contains(&program.libc);
        if !is_its || !is_wanted(&scene.title) {
            continue;
        }
        host.set(&scene.resolv_conf, &scene.world)?;
        for name in &scene.names {
            let told = scene.predict(program, name);
            let result = unless_late(told.waited(), || {
                let start = Instant::now();
                let seen = host.look_up(program, name)?;
                Ok((start.elapsed(), told.compare(&seen)))
            });
            tally.add(&scene.title, program, name, result?);
        }
    }
    Ok(())
}

fn play_running(program: &Program, tally: &mut Tally) -> Result<(), String> {
    let mut cluster = running::Cluster::new()?;
    for scene in guide::all()? {
        if !scene.is_for(program.libc.name()) || !is_wanted(&scene.title) {
            continue;
        }
        if let Some(replicas) = scene.replicas {
            cluster.set_replicas(replicas)?;
        }
        for expected in &scene.names {
            let result = cluster.play(program, &scene, expected);
            tally.add(&scene.title, program, &expected.name, result);
        }
    }
    Ok(())
}

/// Whether a scene is among those that the arguments select.
fn is_wanted(title: &str) -> bool {
    let mut wanted = std::env::args().skip(1).peekable();
    wanted.peek().is_none() || wanted.any(|part| title.contains(&part))
}

/// Plays what is told to wait for so long. Where it took much longer and was not as told, a reply may
/// have been late for the library, which waits half a second for one at the least, and have been asked
/// for again: that tells nothing, and it is played once more. What is told wrongly stays wrong.
fn unless_late(
    waits: Duration,
    mut play: impl FnMut() -> Result<(Duration, Result<(), String>), String>,
) -> Result<Result<(), String>, String> {
    let mut left = 5;
    loop {
        let (took, result) = play()?;
        left -= 1;
        if result.is_ok() || took < waits + LATE || left == 0 {
            return Ok(result);
        }
    }
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn add(&mut self, title: &str, program: &Program, name: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(difference) => {
                self.failed += 1;
                println!("{title}: {} {name}\n{difference}", program.name);
            }
        }
    }
}
