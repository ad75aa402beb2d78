//! Bars as SVG.

use std::fmt::Write;

use super::goals::of;
use super::peer::Peer;
use super::work::Done;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 170.0;
const ROW: f64 = 22.0;
const GAP: f64 = 34.0;

/// A bar: what it is, how long in each of its parts, and whether it is this project's.
struct Bar {
    name: String,
    parts: Vec<f64>,
    is_ours: bool,
}

/// The works that count answers.
fn of_answers(done: &[Done]) -> impl Iterator<Item = &Done> {
    done.iter().filter(|work| work.key != "intake")
}

/// CPU time for an answer at saturation, user and kernel apart.
pub(crate) fn cpu(done: &[Done]) -> String {
    let groups = of_answers(done).map(|work| {
        let bars = work.outcomes.iter().filter_map(|outcome| {
            let total = of(&outcome.saturated, |round| round.cpu)?;
            let user = of(&outcome.saturated, |round| round.user)?;
            Some(Bar {
                name: outcome.name.clone(),
                parts: vec![user, total - user],
                is_ours: outcome.peer == Peer::Callsign,
            })
        });
        (work.title, bars.collect())
    });
    draw(
        "CPU time for an answer, in microseconds: user mode (dark) and kernel",
        "us",
        groups.collect(),
    )
}

/// The time to an answer at a steady rate: p50, p99.
pub(crate) fn latency(done: &[Done]) -> String {
    let groups = of_answers(done).map(|work| {
        let bars = work.outcomes.iter().filter_map(|outcome| {
            let [p50, p99] = [
                of(&outcome.paced, |round| round.quantiles[0])?,
                of(&outcome.paced, |round| round.quantiles[1])?,
            ];
            Some(Bar {
                name: outcome.name.clone(),
                parts: vec![p50, p99 - p50],
                is_ours: outcome.peer == Peer::Callsign,
            })
        });
        (work.title, bars.collect())
    });
    draw(
        "Time to an answer at the same steady rate, in microseconds: p50 (dark) and p99",
        "us",
        groups.collect(),
    )
}

fn draw(title: &str, unit: &str, groups: Vec<(&str, Vec<Bar>)>) -> String {
    let groups: Vec<_> = groups
        .into_iter()
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    let rows: usize = groups.iter().map(|(_, bars)| bars.len()).sum();
    let height = GAP + groups.len() as f64 * GAP + rows as f64 * ROW + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">{title}</text>\n"
    );
    let mut y = GAP;
    for (name, bars) in groups {
        y += GAP;
        _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\" font-weight=\"bold\">{name}</text>",
            y - 8.0
        );
        let longest = bars
            .iter()
            .map(|bar| bar.parts.iter().sum::<f64>())
            .fold(0.0, f64::max);
        for bar in bars {
            y = draw_bar(&mut svg, &bar, unit, longest, y);
        }
    }
    svg + "</svg>\n"
}

fn draw_bar(svg: &mut String, bar: &Bar, unit: &str, longest: f64, y: f64) -> f64 {
    let scale = (WIDTH - LEFT - 90.0) / longest.max(f64::MIN_POSITIVE);
    let colours = if bar.is_ours {
        ["#0b5345", "#45b39d"]
    } else {
        ["#566573", "#aeb6bf"]
    };
    _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        LEFT - 8.0,
        y + 14.0,
        bar.name
    );
    let mut x = LEFT;
    for (part, colour) in bar.parts.iter().zip(colours) {
        let width = part.max(0.0) * scale;
        _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"16\" fill=\"{colour}\"/>"
        );
        x += width;
    }
    let total: f64 = bar.parts.iter().sum();
    let digits = if total < 100.0 { 2 } else { 0 };
    _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\">{total:.digits$} {unit}</text>",
        x + 6.0,
        y + 13.0
    );
    y + ROW
}
