//! A start while the API server is away, with what was known before.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::fault::{APISERVER, objects};
use crate::awake::Begun;
use crate::server::{Server, View};
use crate::steady;
use crate::world::{World, lines, until, wrong};

/// How long it may take from a start to the first answer. What a busy machine does not let run is left
/// out; and as it lets others run slowly, one of so many starts must be as quick.
const MOST: Duration = Duration::from_millis(500);
const STARTS: usize = 5;

const WEB: &str = "web.steady.svc.cluster.local.";
const UNKNOWN: &str = "nothing.steady.svc.cluster.local.";

pub(super) fn start(world: &mut World) -> Result<(), String> {
    steady::prepare(world)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("state");
    let server = begin(world, &file)?;
    until(|| (!file.exists()).then(|| "no snapshot is written".to_owned()))?;
    world.plane.signal(APISERVER, Signal::SIGKILL)?;
    // Its end is waited for.
    world.plane.down(APISERVER)?;
    drop(server);

    let server = quick(world, &file)?;
    let mut rows = steady::NAMES.to_vec();
    rows.retain(|(name, ..)| *name != UNKNOWN);
    rows.push((UNKNOWN, "A", "SERVFAIL"));
    if let Some(problem) = wrong(&server, View::Verified, &rows) {
        return Err(problem);
    }
    expect(&server, "ede=3:", "1")?;
    if server.is_ready().is_ok() {
        return Err("it is ready by a snapshot".to_owned());
    }

    world.plane.up(APISERVER)?;
    let ip = objects(world, "after-snapshot")?;
    let new = "after-snapshot.faults.svc.cluster.local.";
    let known = [(new, "A", ip.as_str()), (UNKNOWN, "A", "NXDOMAIN")];
    until(|| wrong(&server, View::Verified, &known))?;
    until(|| server.is_ready().err())?;
    expect(&server, "opt size=", "0")
}

fn begin(world: &World, snapshot: &Path) -> Result<Server, String> {
    let flags = ["--snapshot".to_owned(), snapshot.display().to_string()];
    Server::start("callsign", View::ONE, &world.access, &flags)
}

/// A server whose first answer was right, and came soon enough.
fn quick(world: &World, snapshot: &Path) -> Result<Server, String> {
    let mut all = Vec::new();
    for _ in 0..STARTS {
        let begun = Begun::now();
        let server = begin(world, snapshot)?;
        let problem = wrong(&server, View::Verified, &[(WEB, "A", "10.96.104.1")]);
        let took = begun.took().awake;
        if let Some(problem) = problem {
            return Err(format!("the first answer: {problem}"));
        }
        all.push(took);
        if took <= MOST {
            println!("          the first answer after each start: {all:.1?}");
            return Ok(server);
        }
    }
    Err(format!(
        "the first answers came after {all:.1?}, at most {MOST:?} are allowed"
    ))
}

/// Whether a known name is told with this beside it, and the metric says so.
fn expect(server: &Server, edns: &str, stale: &str) -> Result<(), String> {
    let lines = lines(server.address(View::Verified), WEB, "A", &["edns"])?;
    let is_stale = lines.iter().any(|line| line.contains("ede="));
    let metric = server.metrics("callsign_kubernetes_snapshot_stale")?;
    let is_as_told = metric
        .iter()
        .all(|line| line.ends_with(&format!(" {stale}")));
    let has = lines.iter().any(|line| line.contains(edns));
    match has && is_stale == (stale == "1") && is_as_told && !metric.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "expected {edns} and {stale}: {lines:#?} {metric:?}"
        )),
    }
}
