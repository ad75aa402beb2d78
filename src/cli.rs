//! The command line: CoreDNS's flags as it takes them, and callsign's own.

mod check;
mod fmt;
mod lint;
mod lookup;
mod node_local;
mod serve;
mod subject;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgAction, Parser, Subcommand};

use crate::corefile::nearest;
use crate::telemetry;
pub use crate::version::COREDNS as COREDNS_VERSION;

/// The DNS server of a Kubernetes cluster. Takes CoreDNS's Corefile and flags.
///
/// With no flag and no ./Corefile it serves a sample cluster on 127.0.0.1:1053.
#[derive(Parser, Debug)]
#[command(
    name = "callsign",
    disable_version_flag = true,
    disable_help_subcommand = true,
    args_override_self = true,
    args_conflicts_with_subcommands = true
)]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,

    /// Corefile to load; `stdin` reads standard input.
    #[arg(long, value_name = "FILE")]
    conf: Option<String>,

    /// Default port, for keys without one.
    #[arg(
        long = "dns.port",
        short = 'p',
        visible_alias = "p",
        value_name = "PORT",
        default_value_t = 53,
        allow_negative_numbers = true
    )]
    dns_port: u16,

    /// File that the process id is written to after the start.
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,

    /// List the plugins by name; `callsign check --explain` tells in which order they are asked.
    #[arg(long, value_name = "BOOL", default_value = "false", hide_default_value = true,
          action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = go_bool)]
    plugins: bool,

    /// Print no banner.
    #[arg(long, value_name = "BOOL", default_value = "false", hide_default_value = true,
          action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = go_bool)]
    quiet: bool,

    /// Print the version; its first line is that of the CoreDNS whose place callsign takes.
    #[arg(long, value_name = "BOOL", default_value = "false", hide_default_value = true,
          action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = go_bool)]
    version: bool,

    /// The form of log lines: text or json.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: telemetry::Format,

    /// Manifests that every `kubernetes` plugin reads its objects from, instead of an API server.
    #[arg(long, value_name = "DIR", env = "CALLSIGN_MANIFESTS")]
    manifests: Option<PathBuf>,

    /// Keep the last known state of the cluster in this file, for a start while the API server is away.
    #[arg(long, value_name = "FILE", env = "CALLSIGN_SNAPSHOT")]
    snapshot: Option<PathBuf>,

    /// Seconds between comparisons of what was watched with what there is; 0 for none.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    audit_interval: Duration,

    /// UDP threads for each address [default: the processors that the process may use, at most 8].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Seconds to go on answering after the lameduck time, until nobody asks.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    drain: Duration,

    /// Socket that `callsign lookup` asks, read-only, for this user and root: @NAME (abstract), a
    /// path, or off.
    #[arg(long, value_name = "SOCKET", default_value = lookup::SOCKET)]
    admin: String,

    #[arg(hide = true)]
    stray: Vec<String>,

    /// End the process when a forwarding loop is found, as CoreDNS does.
    #[arg(long)]
    strict_loop: bool,

    #[command(flatten)]
    node_local: node_local::Flags,
}

/// What the program does instead of serving.
#[derive(Subcommand, Debug)]
enum Command {
    Check(check::Arguments),
    Fmt(fmt::Arguments),
    Lint(lint::Arguments),
    Lookup(lookup::Arguments),
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// No flag takes a longer time: clocks end somewhere.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Go's words for truth.
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    match duration > LONGEST {
        true => Err("more than a year".to_owned()),
        false => Ok(duration),
    }
}

/// Runs the program.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match Flags::try_parse_from(arguments.into_iter().map(double_dash)) {
        Ok(flags) => flags,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(code_of(&error));
        }
    };
    match flags.command {
        Some(Command::Check(arguments)) => return check::run(&arguments),
        Some(Command::Fmt(arguments)) => return fmt::run(&arguments),
        Some(Command::Lint(arguments)) => return lint::run(&arguments),
        Some(Command::Lookup(arguments)) => return lookup::run(&arguments),
        None => {}
    }
    if let [first, ..] = flags.stray.as_slice() {
        let meant = nearest(first, ["check", "fmt", "lint", "lookup"]);
        let meant = meant.map(|name| format!("; did you mean 'callsign {name}'?"));
        let stray = flags.stray.join(" ");
        let error = format!("extra command line arguments: [{stray}]");
        return fail(flags.log_format, &(error + &meant.unwrap_or_default()));
    }
    if flags.version {
        print_version();
        return ExitCode::SUCCESS;
    }
    if flags.plugins {
        print_plugins();
        return ExitCode::SUCCESS;
    }
    serve::run(flags)
}

/// As Go's flag package: 0 where help was asked for, 2 on what it cannot take. The values of two flags
/// are none of its concern: CoreDNS looks at them itself, and ends with 1.
fn code_of(error: &clap::Error) -> u8 {
    let flag = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    let flag = flag.unwrap_or_default();
    let is_looked_at = ["--dns.port", "--log-format"]
        .iter()
        .any(|name| flag.starts_with(name));
    match error.kind() {
        _ if !error.use_stderr() => 0,
        ErrorKind::ValueValidation if is_looked_at => 1,
        _ => 2,
    }
}

/// Tells why the program does not start, where CoreDNS does: on standard error, in the form of the
/// log.
fn fail(format: telemetry::Format, error: &str) -> ExitCode {
    eprintln!("{}", telemetry::fatal(format, error));
    ExitCode::FAILURE
}

/// A runtime for a subcommand, whose own thread asks and waits.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("the system gives no threads: {error}"))
}

/// Prints to standard output. Who reads it may stop in the middle.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn print_json(value: &impl serde::Serialize) {
    // Types of our own, with texts for keys, can always be written.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    print(&format!("{text}\n"));
}

/// Go takes `-conf` for `--conf`. A lone dash and `-p`, `-p53`, `-p=53` stay as they are.
fn double_dash(argument: OsString) -> OsString {
    let Some(name) = argument.to_str().and_then(|text| text.strip_prefix('-')) else {
        return argument;
    };
    let is_port = name.strip_prefix('p').is_some_and(|rest| {
        rest.trim_start_matches('=')
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    });
    let is_short = name.len() < 2 || name.starts_with('-') || is_port;
    if is_short {
        argument
    } else {
        format!("--{name}").into()
    }
}

fn print_version() {
    print(&format!(
        "CoreDNS-{COREDNS_VERSION}\n{}\ncallsign-{}\n",
        platform(),
        crate::version::CALLSIGN
    ));
}

/// The plugins as CoreDNS lists them: in the order of the alphabet, with an empty line at the end.
fn print_plugins() {
    let mut names: Vec<&str> = crate::plugin::REGISTRY
        .iter()
        .map(|entry| entry.name)
        .collect();
    names.sort_unstable();
    print(&format!("{}\n\n", names.join("\n")));
}

/// The second line of CoreDNS's version: platform, compiler, commit.
fn platform() -> String {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!(
        "{}/{arch}, rust, {}",
        std::env::consts::OS,
        option_env!("CALLSIGN_COMMIT").unwrap_or("unknown")
    )
}
