//! What the figures are to be: ratios of the same round, of which the median counts.

use super::peer::Peer;
use super::work::{Done, Outcome, Round, median};

/// A goal and what was measured.
pub(crate) struct Verdict {
    pub(crate) goal: String,
    pub(crate) figure: f64,
    pub(crate) is_met: bool,
}

/// The median of a ratio that is taken round by round.
pub(crate) fn ratio(one: &[Round], other: &[Round], figure: fn(&Round) -> f64) -> Option<f64> {
    median(
        one.iter()
            .zip(other)
            .map(|(one, other)| figure(one) / figure(other)),
    )
}

/// The median of a figure.
pub(crate) fn of(rounds: &[Round], figure: fn(&Round) -> f64) -> Option<f64> {
    median(rounds.iter().map(figure))
}

/// All goals that these works can tell about.
pub(crate) fn verdicts(done: &[Done]) -> Vec<Verdict> {
    let mut all = Vec::new();
    for work in done {
        match work.key {
            "names" | "search" | "edns" => kernel_bound(work, &mut all),
            "cached" => {
                against(work, Peer::Callsign, Peer::Echo, "at most", 1.15, &mut all);
                against(
                    work,
                    Peer::CoreDns,
                    Peer::Callsign,
                    "at least",
                    5.0,
                    &mut all,
                );
            }
            "forward" => against(
                work,
                Peer::Callsign,
                Peer::CoreDns,
                "at most",
                1.0,
                &mut all,
            ),
            "log" => against(
                work,
                Peer::CoreDns,
                Peer::Callsign,
                "at least",
                5.0,
                &mut all,
            ),
            "tcp" => against(
                work,
                Peer::CoreDns,
                Peer::Callsign,
                "at least",
                4.0,
                &mut all,
            ),
            "sizes" => growth(work, 1.2, &mut all),
            "churn" => growth(work, 1.3, &mut all),
            "intake" => intake(work, &mut all),
            "empty" => memory(work, "at most 12 MiB", 12.0, &mut all),
            "connections" => memory(work, "at most 4 KiB", 4.0, &mut all),
            _ => {}
        }
        if work.key != "intake" {
            latency(work, &mut all);
        }
    }
    all
}

/// Events a second of CPU, in which the questions' is too.
pub(crate) fn events(round: &Round) -> f64 {
    1e6 / round.cpu
}

fn intake(work: &Done, all: &mut Vec<Verdict>) {
    let ours = find(work, Peer::Callsign).and_then(|ours| of(&ours.saturated, events));
    all.extend(ours.map(|figure| Verdict {
        goal: format!(
            "{}: at least 25,000 for each second of CPU of callsign",
            work.title
        ),
        figure,
        is_met: figure >= 25_000.0,
    }));
}

/// What came of a peer.
pub(crate) fn find(work: &Done, peer: Peer) -> Option<&Outcome> {
    work.outcomes.iter().find(|outcome| outcome.peer == peer)
}

/// The works in which the kernel's share is nearly all.
fn kernel_bound(work: &Done, all: &mut Vec<Verdict>) {
    against(work, Peer::Callsign, Peer::Echo, "at most", 1.15, all);
    let (echo, coredns) = (find(work, Peer::Echo), find(work, Peer::CoreDns));
    if let (Some(echo), Some(coredns)) = (echo, coredns) {
        let ceiling = ratio(&coredns.saturated, &echo.saturated, |round| round.cpu);
        let goal = 0.85 * ceiling.unwrap_or(f64::NAN);
        against(work, Peer::CoreDns, Peer::Callsign, "at least", goal, all);
    }
    for peer in [Peer::Nsd, Peer::Knot] {
        against(work, Peer::Callsign, peer, "at most", 1.0, all);
    }
    if let Some(ours) = find(work, Peer::Callsign).filter(|_| work.key == "names") {
        let user = of(&ours.saturated, |round| round.user).unwrap_or(f64::NAN);
        all.push(Verdict {
            goal: format!("{}: callsign's user time at most 0.35 us", work.title),
            figure: user,
            is_met: user <= 0.35,
        });
    }
}

/// CPU for an answer of one server by that of another.
fn against(work: &Done, one: Peer, other: Peer, side: &str, bound: f64, all: &mut Vec<Verdict>) {
    let (Some(first), Some(second)) = (find(work, one), find(work, other)) else {
        return;
    };
    let Some(figure) = ratio(&first.saturated, &second.saturated, |round| round.cpu) else {
        return;
    };
    let (one, other) = (one.name(), other.name());
    let is_most = side == "at most";
    all.push(Verdict {
        goal: format!("{}: CPU of {one} by {other} {side} {bound:.2}", work.title),
        figure,
        is_met: if is_most {
            figure <= bound
        } else {
            figure >= bound
        },
    });
}

/// The last of callsign's outcomes by the first.
fn growth(work: &Done, bound: f64, all: &mut Vec<Verdict>) {
    let mut ours = work
        .outcomes
        .iter()
        .filter(|outcome| outcome.peer == Peer::Callsign);
    let (Some(first), Some(last)) = (ours.next(), ours.next_back()) else {
        return;
    };
    let figure = ratio(&last.saturated, &first.saturated, |round| round.cpu).unwrap_or(f64::NAN);
    let (first, last) = (&first.name, &last.name);
    all.push(Verdict {
        goal: format!(
            "{}: CPU of \"{last}\" by \"{first}\" at most {bound:.2}",
            work.title
        ),
        figure,
        is_met: figure <= bound,
    });
}

fn memory(work: &Done, goal: &str, bound: f64, all: &mut Vec<Verdict>) {
    if let Some(ours) = find(work, Peer::Callsign) {
        all.push(Verdict {
            goal: format!("{}: {goal}", work.title),
            figure: ours.resident,
            is_met: ours.resident <= bound,
        });
    }
}

/// At the same steady rate.
fn latency(work: &Done, all: &mut Vec<Verdict>) {
    let (Some(ours), Some(coredns)) = (find(work, Peer::Callsign), find(work, Peer::CoreDns))
    else {
        return;
    };
    if let Some(figure) = ratio(&ours.paced, &coredns.paced, |round| round.quantiles[1]) {
        all.push(Verdict {
            goal: format!("{}: p99 of callsign by CoreDNS at most 0.50", work.title),
            figure,
            is_met: figure <= 0.5,
        });
    }
}
