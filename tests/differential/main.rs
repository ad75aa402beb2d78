//! The differential suite: the same data files against CoreDNS and against callsign, as black
//! boxes, over real sockets.
//!
//! `SUBJECT=coredns tests/differential/run` and `SUBJECT=callsign tests/differential/run`; see
//! README.md beside this file. As a part of `cargo test` the subject is callsign.

// Each program of tests uses a part of it.
#[allow(dead_code)]
#[path = "../api/api.rs"]
mod api_server;
mod awake;
mod case;
mod client;
mod cluster;
mod compare;
mod connection;
mod departures;
mod http;
mod placeholder;
mod port;
mod scenario;
mod secure;
mod subject;
mod upstream;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::File;
use scenario::Report;
use subject::Subject;

/// How many scenarios run at a time: most of them wait more than they work.
const PARALLEL: usize = 4;

fn main() -> ExitCode {
    match suite() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("differential: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what the arguments select; false where an expectation does not hold.
fn suite() -> Result<bool, String> {
    // cargo's own options for test binaries (`--nocapture` and the like) mean nothing here.
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    if let Some(manifests) = std::env::var_os("SERVE_API") {
        return cluster::serve_api(Path::new(&manifests));
    }
    if std::env::var_os("COMPARE").is_some() {
        return cluster::suite(&filters);
    }
    let subject = Subject::from_environment()?;
    let record = std::env::var_os("UPDATE").is_some();
    if record && !subject.is_coredns {
        return Err("UPDATE records what CoreDNS answers: set SUBJECT=coredns".to_owned());
    }
    let mut files =
        read_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/data"))?;
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/departures.md");
    let problems = departures::problems(&document, &files, filters.is_empty());
    problems.iter().for_each(|problem| println!("{problem}"));
    let selected = select(&files, &filters);
    let (selected, not_run) = runnable(&files, selected);
    if selected.is_empty() && not_run.is_empty() && std::env::var_os("SUBJECT").is_some() {
        return Err(format!("no scenario fits {filters:?}"));
    }
    let reports = run_all(&subject, &files, &selected, record);
    let failures = print(&files, &selected, &reports);
    if record {
        write_back(&mut files, &selected, reports)?;
    }
    if !not_run.is_empty() {
        let (count, names) = (not_run.len(), not_run.join("; "));
        println!("{count} scenarios not run, as this machine has no ::1: {names}");
    }
    Ok(failures == 0 && problems.is_empty())
}

fn read_files(directory: &Path) -> Result<Vec<File>, String> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "test")
        })
        .collect();
    paths.sort();
    paths.iter().map(|path| File::read(path)).collect()
}

/// The scenarios, as indexes of file and scenario, whose `file: title` holds one of the filters.
fn select(files: &[File], filters: &[String]) -> Vec<(usize, usize)> {
    let mut selected = Vec::new();
    for (at, file) in files.iter().enumerate() {
        for (number, scenario) in file.scenarios.iter().enumerate() {
            let name = format!("{}: {}", file.name(), scenario.title);
            if filters.is_empty() || filters.iter().any(|filter| name.contains(filter)) {
                selected.push((at, number));
            }
        }
    }
    selected
}

/// Those that can run on this machine, and the names of the others: those that need `::1` where it
/// has none.
fn runnable(files: &[File], selected: Vec<(usize, usize)>) -> (Vec<(usize, usize)>, Vec<String>) {
    if std::net::UdpSocket::bind("[::1]:0").is_ok() {
        return (selected, Vec::new());
    }
    let mut not_run = Vec::new();
    let runs = selected.into_iter().filter(|(at, number)| {
        let file = files.get(*at);
        let scenario = file.and_then(|file| Some((file, file.scenarios.get(*number)?)));
        match scenario.filter(|(_, scenario)| scenario.needs_ipv6()) {
            Some((file, scenario)) => {
                not_run.push(format!("{}: {}", file.name(), scenario.title));
                false
            }
            None => true,
        }
    });
    (runs.collect(), not_run)
}

fn run_all(
    subject: &Subject,
    files: &[File],
    selected: &[(usize, usize)],
    record: bool,
) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || {
        while let Some((at, (file, scenario))) = {
            let at = next.fetch_add(1, Ordering::SeqCst);
            selected.get(at).map(|selected| (at, *selected))
        } {
            let scenario = files
                .get(file)
                .and_then(|file| file.scenarios.get(scenario));
            let report = scenario.map(|scenario| scenario::run(subject, scenario, record));
            let mut done = done
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            done.push((at, report.unwrap_or_default()));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(work);
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, report)| report).collect()
}

/// Prints the failures in the files' order, then a summary; returns how many there are.
fn print(files: &[File], selected: &[(usize, usize)], reports: &[Report]) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut failures = 0;
    for ((file, scenario), report) in selected.iter().zip(reports) {
        let Some(file) = files.get(*file) else {
            continue;
        };
        let path = file.path.strip_prefix(root).unwrap_or(&file.path).display();
        let scenario = file.scenarios.get(*scenario);
        for (line, problem) in &report.failures {
            let step =
                scenario.and_then(|scenario| scenario.steps.iter().find(|step| step.line == *line));
            println!("{path}:{line}: {}", step.map_or("", |step| &step.heading));
            println!(
                "  ({})\n{}\n",
                scenario.map_or("", |scenario| &scenario.title),
                problem.trim_end()
            );
            failures += 1;
        }
    }
    let expectations: usize = reports.iter().map(|report| report.expectations).sum();
    let recorded: usize = reports.iter().map(|report| report.recorded.len()).sum();
    println!(
        "{} scenarios, {expectations} expectations, {failures} failures",
        reports.len()
    );
    if recorded > 0 {
        println!("{recorded} expectations recorded");
    }
    let void: usize = reports.iter().map(|report| report.void).sum();
    if void > 0 {
        println!(
            "{void} runs of a scenario did not count: the machine stood still, or a port was taken"
        );
    }
    failures
}

/// Puts the recorded expectations into the files, the last ones first so that lines stay put.
fn write_back(
    files: &mut [File],
    selected: &[(usize, usize)],
    reports: Vec<Report>,
) -> Result<(), String> {
    for ((file, _), report) in selected.iter().zip(reports).rev() {
        let Some(file) = files.get_mut(*file) else {
            continue;
        };
        for (range, lines) in report.recorded.into_iter().rev() {
            let indented = lines
                .into_iter()
                .map(|line| format!("  {line}").trim_end().to_owned());
            file.lines.splice(range, indented);
        }
    }
    for file in files {
        let text = file.lines.join("\n") + "\n";
        if std::fs::read_to_string(&file.path).is_ok_and(|old| old != text) {
            std::fs::write(&file.path, text)
                .map_err(|error| format!("{}: {error}", file.path.display()))?;
        }
    }
    Ok(())
}
