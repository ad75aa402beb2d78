//! Serving, which is what the program does without a subcommand.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::lookup::SOCKET;
use super::{COREDNS_VERSION, Flags, fail, platform};
use crate::app::{self, App, Conf, End, Options, Signals};
use crate::kubernetes::manifests::Source;
use crate::lookup::admin;
use crate::metrics::Registry;
use crate::plugin::setup::Settings;
use crate::telemetry::{self, Format};

/// The Corefile that is served where there is none.
const EMBEDDED: &str = include_str!("../../config/Corefile");
/// The folder of the sample cluster in this project's tree: read and watched where it is there.
const SAMPLE: &str = "config/cluster";
/// More UDP threads than this gain nothing for one address, and cost memory.
const MOST_THREADS: usize = 8;
/// How long the end waits for the log's reader.
const LAST_LINES: Duration = Duration::from_millis(500);
/// Threads of the runtime: forwards, streams, HTTP and the watch of the cluster.
const MOST_WORKERS: usize = 4;

/// Starts, serves, and ends as asked.
pub(super) fn run(flags: Flags) -> ExitCode {
    let format = flags.log_format;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.min(MOST_WORKERS))
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(format, &format!("the system gives no threads: {error}")),
    };
    let end = runtime.block_on(serve(flags, processors));
    runtime.shutdown_background();
    match end {
        Ok(End::Stopped) => ExitCode::SUCCESS,
        Ok(End::AtOnce(code)) => ExitCode::from(code),
        Err(error) => fail(format, &error),
    }
}

async fn serve(flags: Flags, processors: usize) -> Result<End, String> {
    let metrics = Arc::<Registry>::default();
    telemetry::init(flags.log_format, &metrics)
        .map_err(|error| format!("the system gives no thread for the log: {error}"))?;
    let node_local = flags.node_local.start().await?;
    let end = serve_until_end(flags, processors, metrics).await;
    if let Some(node_local) = node_local {
        node_local.stop().await;
    }
    // What was logged last must not be lost with the process.
    telemetry::output().close(LAST_LINES);
    end
}

async fn serve_until_end(
    flags: Flags,
    processors: usize,
    metrics: Arc<Registry>,
) -> Result<End, String> {
    let (conf, embedded) = conf(flags.conf.as_deref())?;
    // Not before standard input is read, which waits for whoever writes there.
    let mut signals =
        Signals::new().map_err(|error| format!("the system gives no signals: {error}"))?;
    let options = options(&flags, conf, embedded, processors);
    // What a script may look for as soon as a name is answered comes first.
    let pidfile = flags.pidfile.filter(|path| !path.as_os_str().is_empty());
    let _pidfile = pidfile.map(PidFile::write);
    let admin = open_admin(&flags.admin)?;
    let started = tokio::select! {
        started = App::start(options, metrics) => started,
        end = signals.end() => return Ok(end),
    };
    let app = started.map_err(|error| error.to_string())?;
    let stop = CancellationToken::new();
    if let Some(listener) = admin {
        tokio::spawn(admin::serve(listener, app.admin(), stop.clone()));
    }
    if !flags.quiet {
        banner(&app, embedded);
    }
    let end = app::run(app, signals).await;
    stop.cancel();
    Ok(end)
}

fn options(flags: &Flags, conf: Conf, embedded: bool, processors: usize) -> Options {
    let manifests = flags.manifests.clone().map(Source::Directory);
    let settings = Settings {
        manifests: manifests.or_else(|| embedded.then(sample)),
        snapshot: flags.snapshot.clone(),
        audit_interval: flags.audit_interval,
        strict_loop: flags.strict_loop,
        json_log: flags.log_format == Format::Json,
        is_rehearsal: false,
    };
    Options {
        conf,
        dns_port: flags.dns_port,
        threads: flags
            .threads
            .unwrap_or_else(|| processors.min(MOST_THREADS))
            .max(1),
        drain: flags.drain,
        settings: Arc::new(settings),
    }
}

/// Opens the admin socket, where one is wanted.
fn open_admin(socket: &str) -> Result<Option<UnixListener>, String> {
    if socket == "off" {
        return Ok(None);
    }
    match admin::listen(socket) {
        Ok(listener) => Ok(Some(listener)),
        // The usual name is another server's on this machine; nobody asked for it.
        Err(_) if socket == SOCKET => Ok(None),
        Err(error) => Err(format!(
            "cannot listen on the admin socket {socket}: {error}"
        )),
    }
}

/// The Corefile to serve, and whether it is the embedded one.
fn conf(flag: Option<&str>) -> Result<(Conf, bool), String> {
    match flag {
        Some("stdin") => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| format!("cannot read a Corefile from standard input: {error}"))?;
            Ok((Conf::Text("stdin", text), false))
        }
        Some(path) => Ok((Conf::File(PathBuf::from(path)), false)),
        None if Path::new("Corefile").exists() => Ok((Conf::File("Corefile".into()), false)),
        None => Ok((Conf::Text("Corefile", EMBEDDED.to_owned()), true)),
    }
}

fn sample() -> Source {
    match Path::new(SAMPLE).is_dir() {
        true => Source::Directory(SAMPLE.into()),
        false => Source::Embedded,
    }
}

/// The file with the process's id, which goes when the process ends.
struct PidFile(PathBuf);

impl PidFile {
    /// As in CoreDNS, names are served though the file cannot be written.
    fn write(path: PathBuf) -> Self {
        if let Err(error) = std::fs::write(&path, format!("{}\n", std::process::id())) {
            tracing::error!("Could not write pidfile: {}: {error}", path.display());
        }
        Self(path)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // One that is gone, or could never be written, is not missed.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// CoreDNS's start-up lines, and for the sample cluster what to try.
fn banner(app: &App, embedded: bool) {
    let mut lines: Vec<String> = app.sites().to_vec();
    lines.push(format!("CoreDNS-{COREDNS_VERSION}"));
    lines.push(platform());
    lines.push(format!("callsign-{}", env!("CARGO_PKG_VERSION")));
    if embedded {
        lines.push("This is a sample cluster. Try:".into());
        for question in [
            "idp-server.idp-system.svc.cluster.local",
            "postgres-headless.production.svc.cluster.local",
            "SRV _http._tcp.idp-server.idp-system.svc.cluster.local",
        ] {
            lines.push(format!("  dig @127.0.0.1 -p 1053 +short {question}"));
        }
    }
    let output = telemetry::output();
    lines.iter().for_each(|line| output.announce(line));
}
