//! How many changed EndpointSlices a server takes in while it serves: a recorded watch is replayed as
//! fast as it reads, and it is asked all the while.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::load::Load;
use super::peer::{Bed, Peer, Role};
use super::question::Question;
use super::replay::{self, Recording, Replay};
use super::work::{self, Done, Entrant, Rounds};

/// Questions a second.
const RATE: f64 = 1_000.0;
/// How long the last change may take to be seen.
const SEEN: Duration = Duration::from_secs(60);

/// Both servers by turns, each at rest and then taking in as much as it can. What is counted for each
/// answer in other works is counted for each event here.
pub(crate) fn intake(bed: &Bed<'_>, rounds: Rounds) -> io::Result<Done> {
    let recording = Arc::new(Recording::read(Path::new("benches/compare/recording"))?);
    let mut entrants = Vec::new();
    for peer in [Peer::Callsign, Peer::CoreDns]
        .into_iter()
        .filter(|peer| bed.has(*peer))
    {
        let replay = Replay::start(recording.clone())?;
        let questions = replay::questions();
        let first = questions.first();
        let first = first.ok_or_else(|| io::Error::other("no question"))?;
        let server = bed.launch(peer, Role::Cluster, 0, Some(replay.address), first)?;
        entrants.push((Entrant::new(server, questions, false), replay));
    }
    for _ in 0..rounds.count {
        for (entrant, replay) in &mut entrants {
            let rest = entrant.round(rounds.duration / 2, Some(RATE))?;
            entrant.outcome.paced.push(rest);
            round(entrant, replay, rounds.duration)?;
        }
    }
    let entrants = entrants.into_iter().map(|(entrant, _)| entrant).collect();
    Ok(work::end(
        "intake",
        "changed EndpointSlices taken in, with 1,000 questions a second",
        entrants,
        None,
    ))
}

fn round(entrant: &mut Entrant, replay: &mut Replay, duration: Duration) -> io::Result<()> {
    let is_over = AtomicBool::new(false);
    let before = entrant.server.process.cpu();
    let start = Instant::now();
    let (count, marker) = replay.until(start + duration)?;
    let load = Load {
        until: Some(&is_over),
        ..entrant.load(duration + SEEN, Some(RATE))
    };
    let (events, seen, tally) = std::thread::scope(|scope| {
        let load = scope.spawn(move || load.run());
        let events = count.recv_timeout(duration + SEEN);
        let seen = wait(entrant, &marker);
        is_over.store(true, Relaxed);
        let tally = load.join().map_err(|_| io::Error::other("the load ended"));
        (events, seen, tally)
    });
    let (total, user) = entrant.server.process.cpu().since(before);
    let (events, elapsed) = (events.map_err(io::Error::other)?, seen? - start);
    let mut tally = tally??;
    let mut round = entrant.judge(&mut tally, total, user);
    (round.cpu, round.user) = (total / events as f64, user / events as f64);
    round.rate = events as f64 / elapsed.as_secs_f64();
    round.answers = tally.answered as f64 / events as f64;
    entrant.outcome.saturated.push(round);
    Ok(())
}

/// When the last change is in an answer.
fn wait(entrant: &Entrant, marker: &Question) -> io::Result<Instant> {
    let load = Load {
        questions: std::slice::from_ref(marker),
        flows: 1,
        window: 1,
        until: None,
        ..entrant.load(Duration::from_micros(200), None)
    };
    let end = Instant::now() + SEEN;
    while Instant::now() < end {
        let tally = load.run()?;
        if tally.answered > 0 && tally.wrong == 0 {
            return Ok(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let name = entrant.server.peer.name();
    Err(io::Error::other(format!(
        "{name} does not tell what came last"
    )))
}
