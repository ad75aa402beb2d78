//! `check`: whether a Corefile can be served, and what is odd about it, with nothing started.

mod json;
mod report;
mod sarif;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::subject::{self, Subject};
use crate::app::examine::{Examined, examine};
use crate::check::configmap::{self, ConfigMap, Mounted};
use crate::corefile::{Diagnostic, Input, Severity, System};
use crate::kubernetes::manifests::Source;
use crate::plugin::setup::Settings;
use report::{Report, Verdict};

/// Check Corefiles, or ConfigMaps that hold one, without running them.
///
/// Everything but the start is done: imports, plugins, listeners. Then it is told what is legal
/// and yet wrong: plugins that are never asked, zones that no question reaches, an upstream that
/// is this server itself. A ConfigMap is read as kubectl prints it, with maps of customisations
/// (coredns-custom) laid beside it, from the same file or from further ones:
///
///   kubectl get configmap -n kube-system coredns -o yaml | callsign check -
///
/// Exit code: 0 all can be served, 1 one cannot, 2 the command line is wrong.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Corefiles or manifests; `-` is standard input [default: ./Corefile].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The form of what is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Fail on warnings too, or on hints.
    #[arg(long, value_name = "SEVERITY")]
    deny: Option<Deny>,

    /// Print the order in which the plugins of each server block are asked.
    #[arg(long)]
    explain: bool,

    /// Print hints in full, not in one line each.
    #[arg(long)]
    hints: bool,

    /// Default port, for keys without one.
    #[arg(
        long = "dns.port",
        short = 'p',
        visible_alias = "p",
        value_name = "PORT",
        default_value_t = 53
    )]
    dns_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Deny {
    Warnings,
    Hints,
}

/// Checks, prints, and tells by the exit code.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let subjects = match subject::read(&arguments.files) {
        Ok(subjects) => subjects,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let report = Report {
        verdicts: check(subjects, arguments.dns_port),
        dns_port: arguments.dns_port,
        denied: match arguments.deny {
            None => Severity::Error,
            Some(Deny::Warnings) => Severity::Warning,
            Some(Deny::Hints) => Severity::Hint,
        },
        explain: arguments.explain,
        hints: arguments.hints,
    };
    let text = match arguments.format {
        Format::Text => report.to_string(),
        Format::Json => format!("{:#}\n", json::of(&report)),
        Format::Sarif => format!("{:#}\n", sarif::of(&report)),
    };
    // Who closes the pipe early has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match report.fails() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// A verdict for each Corefile, in the order in which they are named; those of ConfigMaps last.
fn check(subjects: Vec<Subject>, dns_port: u16) -> Vec<Verdict> {
    // Nothing reads them: a `kubernetes` plugin without an API server at hand must only be told
    // where its objects would come from.
    let settings = Arc::new(Settings {
        manifests: Some(Source::Embedded),
        ..Settings::default()
    });
    let mut verdicts = Vec::new();
    let mut maps: Vec<ConfigMap> = Vec::new();
    let mut manifests = Vec::new();
    for Subject { name, path, text } in subjects {
        let text = match text {
            Ok(text) if configmap::is_manifest(&text) => {
                match configmap::read(&name, &text) {
                    Ok(found) => maps.extend(found),
                    Err(error) => verdicts.push(unreadable(name.clone(), error)),
                }
                manifests.push(name);
                continue;
            }
            Ok(text) => text,
            Err(error) => {
                verdicts.push(unreadable(name, error));
                continue;
            }
        };
        let input = match path {
            Some(path) => Input::file(path),
            None => {
                let directory = std::env::current_dir().unwrap_or_default();
                Input::text(name.as_str(), text).in_directory(directory)
            }
        };
        let examined = examine(input, &System, dns_port, &settings);
        verdicts.push(Verdict { name, examined });
    }
    let mounted = Mounted::all(&maps);
    if mounted.is_empty()
        && verdicts.is_empty()
        && let Some(name) = manifests.into_iter().next()
    {
        let error = Diagnostic::error(format!("{name}: no ConfigMap here has a key 'Corefile'"));
        let error = error.help("name the ConfigMap of the server too; kubectl takes several names");
        verdicts.push(unreadable(name, error));
    }
    verdicts.extend(mounted.iter().map(|mounted| {
        let input = Input::file(mounted.path());
        let examined = examine(input, &mounted.over(&System), dns_port, &settings);
        Verdict {
            name: mounted.name().to_owned(),
            examined,
        }
    }));
    verdicts
}

fn unreadable(name: String, error: Diagnostic) -> Verdict {
    Verdict {
        name,
        examined: Examined {
            diagnostics: vec![error],
            ..Examined::default()
        },
    }
}
