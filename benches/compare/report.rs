//! The tables, as Markdown.

use std::fmt::Write;
use std::process::Command;

use super::goals::{self, of, ratio};
use super::peer::Peer;
use super::work::{Done, Outcome, Round, Rounds, median};

/// Everything that was done, as one page.
pub(crate) fn page(done: &[Done], rounds: Rounds) -> String {
    let mut text = String::from(
        "# Figures\n\nWritten by `benches/compare/run`; [README.md](README.md) says how to read it.\n\n",
    );
    _ = writeln!(text, "| | |\n|---|---|");
    for (what, value) in circumstances(rounds) {
        _ = writeln!(text, "| {what} | {value} |");
    }
    _ = writeln!(
        text,
        "\n![CPU time for an answer](cpu.svg)\n\n![Time to an answer](latency.svg)"
    );
    _ = writeln!(text, "\n## Goals\n\n| goal | measured | |\n|---|---|---|");
    for verdict in goals::verdicts(done) {
        let word = if verdict.is_met { "met" } else { "**missed**" };
        _ = writeln!(
            text,
            "| {} | {:.2} | {word} |",
            verdict.goal, verdict.figure
        );
    }
    for work in done {
        text += &table(work);
    }
    text
}

/// A work's own tables.
pub(crate) fn table(work: &Done) -> String {
    let mut text = format!("\n## {}\n\n", capital(work.title));
    for outcome in &work.outcomes {
        if let Some(example) = &outcome.example {
            eprintln!("{}: {}: wrong: {example}", work.title, outcome.name);
        }
    }
    if work
        .outcomes
        .iter()
        .all(|outcome| outcome.saturated.is_empty())
    {
        let unit = if work.key == "connections" {
            "KiB"
        } else {
            "MiB"
        };
        _ = writeln!(text, "| server | resident, {unit} |\n|---|---|");
        for outcome in &work.outcomes {
            _ = writeln!(text, "| {} | {:.1} |", outcome.name, outcome.resident);
        }
        return text;
    }
    if work.key == "intake" {
        return text + &intake(work);
    }
    text += "| server | CPU us | user | kernel | answers a second | by echo | by CoreDNS | wrong | lost | resident, MiB |\n";
    text += "|---|---|---|---|---|---|---|---|---|---|\n";
    for outcome in &work.outcomes {
        let figure = |figure| number(of(&outcome.saturated, figure), 2);
        _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            outcome.name,
            figure(|round| round.cpu),
            figure(|round| round.user),
            figure(|round| round.cpu - round.user),
            number(of(&outcome.saturated, |round| round.rate), 0),
            by(work, outcome, Peer::Echo),
            by(work, outcome, Peer::CoreDns),
            sum(outcome, |round| round.wrong),
            sum(outcome, |round| round.lost),
            outcome.resident,
        );
    }
    if let Some(pace) = work.pace {
        text += &steady(work, pace);
    }
    text
}

/// Events, and what is left of their CPU without that of as many answers at rest.
fn intake(work: &Done) -> String {
    let mut text = String::from(
        "| server | events a second of CPU | by CoreDNS | events a second | CPU us an event | user | without answers | CPU us an answer, at rest | p50 us | p99 us | wrong | lost | resident, MiB |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let coredns = goals::find(work, Peer::CoreDns);
    for outcome in &work.outcomes {
        let figure = |figure, digits| number(of(&outcome.saturated, figure), digits);
        let by =
            coredns.and_then(|other| ratio(&outcome.saturated, &other.saturated, goals::events));
        let rounds = outcome.saturated.iter().zip(&outcome.paced);
        let net = rounds.map(|(round, rest)| round.cpu - round.answers * rest.cpu);
        _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            outcome.name,
            figure(goals::events, 0),
            number(by, 2),
            figure(|round| round.rate, 0),
            figure(|round| round.cpu, 2),
            figure(|round| round.user, 2),
            number(median(net), 2),
            number(of(&outcome.paced, |round| round.cpu), 2),
            figure(|round| round.quantiles[0], 0),
            figure(|round| round.quantiles[1], 0),
            sum(outcome, |round| round.wrong),
            sum(outcome, |round| round.lost),
            outcome.resident,
        );
    }
    text
}

fn steady(work: &Done, pace: f64) -> String {
    let mut text = format!("\nAt a steady {pace:.0} questions a second:\n\n");
    text +=
        "| server | CPU us | by echo | p50 us | p99 us | p99.9 us |\n|---|---|---|---|---|---|\n";
    let echo = goals::find(work, Peer::Echo);
    for outcome in &work.outcomes {
        let figure = |figure, digits| number(of(&outcome.paced, figure), digits);
        let by = echo.and_then(|echo| ratio(&outcome.paced, &echo.paced, |round| round.cpu));
        _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            outcome.name,
            figure(|round| round.cpu, 2),
            number(by, 2),
            figure(|round| round.quantiles[0], 0),
            figure(|round| round.quantiles[1], 0),
            figure(|round| round.quantiles[2], 0),
        );
    }
    text
}

fn by(work: &Done, outcome: &Outcome, peer: Peer) -> String {
    number(
        goals::find(work, peer)
            .and_then(|other| ratio(&outcome.saturated, &other.saturated, |round| round.cpu)),
        2,
    )
}

fn sum(outcome: &Outcome, figure: fn(&Round) -> u64) -> u64 {
    outcome
        .saturated
        .iter()
        .chain(&outcome.paced)
        .map(figure)
        .sum()
}

fn number(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Where and how this was measured.
fn circumstances(rounds: Rounds) -> Vec<(&'static str, String)> {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let processors = cpu.matches("processor\t").count().max(count);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    vec![
        ("date", output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        (
            "machine",
            format!(
                "{processors} x {model}, kernel {}",
                output("uname", &["-r"])
            ),
        ),
        ("commit", output("git", &["rev-parse", "--short", "HEAD"])),
        ("load average at the end", load),
        (
            "rounds",
            format!(
                "{} of {} s, in turns; medians",
                rounds.count,
                rounds.duration.as_secs_f64()
            ),
        ),
    ]
}
