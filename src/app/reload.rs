//! The life of a running server: signals, and the Corefile's changes.

use std::time::Duration;

use rand::RngExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{App, StartError, load};
use crate::metrics::Desc;

const FAILED: Desc = Desc {
    name: "coredns_reload_failed_total",
    help: "Counter of the number of failed reload attempts.",
};
const VERSION: Desc = Desc {
    name: "coredns_reload_version_info",
    help: "A metric with a constant '1' value labeled by hash, and value which type of hash generated.",
};

/// How the process is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Asked to; all is well.
    Stopped,
    /// Asked twice, or to end at once.
    AtOnce(u8),
}

/// The signals that the process takes. They must be had before anything is served: a signal that
/// comes earlier does what the system does.
pub struct Signals {
    ends: Ends,
    asks: Asks,
    /// Held so that the default, which ends the process, is off.
    _ignored: [Signal; 2],
}

/// The signals that end the process.
struct Ends {
    term: Signal,
    interrupt: Signal,
    quit: Signal,
}

/// The signals that ask for something else.
struct Asks {
    reload: Signal,
    upgrade: Signal,
}

impl Signals {
    /// Takes the signals from here on; SIGHUP and SIGPIPE do nothing.
    ///
    /// # Errors
    /// The system gives no signals.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            ends: Ends {
                term: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
            },
            asks: Asks {
                reload: signal(SignalKind::user_defined1())?,
                upgrade: signal(SignalKind::user_defined2())?,
            },
            _ignored: [signal(SignalKind::hangup())?, signal(SignalKind::pipe())?],
        })
    }

    /// Waits for a signal that ends the process: [`End::Stopped`] where what is under way is to be
    /// answered first.
    pub async fn end(&mut self) -> End {
        self.ends.first().await
    }
}

impl Ends {
    async fn first(&mut self) -> End {
        tokio::select! {
            _ = self.term.recv() => info!("SIGTERM: Shutting down servers then terminating"),
            _ = self.interrupt.recv() => info!("SIGINT: Shutting down"),
            _ = self.quit.recv() => return quit(),
        }
        End::Stopped
    }

    /// Waits for a signal that ends the process though it is about to end.
    async fn again(&mut self) -> End {
        tokio::select! {
            _ = self.interrupt.recv() => {
                info!("SIGINT: Force quit");
                End::AtOnce(2)
            }
            _ = self.quit.recv() => quit(),
        }
    }
}

/// Serves until a signal ends it.
pub async fn run(mut app: App, mut signals: Signals) -> End {
    let mut watch = Watch::new(&app);
    loop {
        // A reload that waits for something is given up where the process is to end.
        tokio::select! {
            end = signals.ends.first() => match end {
                End::Stopped => break,
                End::AtOnce(_) => return end,
            },
            () = watch.next(&mut app, &mut signals.asks) => {}
        }
    }
    tokio::select! {
        () = app.stop() => End::Stopped,
        end = signals.ends.again() => end,
    }
}

fn quit() -> End {
    info!("SIGQUIT: Quitting process immediately");
    End::AtOnce(0)
}

/// Who asks for a reload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    Signal,
    Plugin,
}

/// Looks at the Corefile now and then, where the `reload` plugin asks for it.
struct Watch {
    next: Option<Instant>,
    /// The last content that could not be used: not tried again until it changes.
    bad: Option<String>,
}

impl Watch {
    fn new(app: &App) -> Self {
        let mut watch = Self {
            next: None,
            bad: None,
        };
        watch.plan_next(app);
        watch.tell(app);
        watch
    }

    fn plan_next(&mut self, app: &App) {
        self.next = app.running.shared.reload.map(|(interval, jitter)| {
            let apart = rand::rng().random_range(Duration::ZERO..=jitter);
            Instant::now() + interval - jitter / 2 + apart
        });
    }

    /// Waits until something is asked for, and does it.
    async fn next(&mut self, app: &mut App, asks: &mut Asks) {
        tokio::select! {
            _ = asks.reload.recv() => {
                info!("SIGUSR1: Reloading");
                self.reload(app, Asker::Signal).await;
            }
            _ = asks.upgrade.recv() => warn!(
                "SIGUSR2: a running server is not replaced in place; start the other one, which can \
                 listen on the same ports, and end this one by SIGTERM"
            ),
            () = self.due() => self.look(app).await,
        }
    }

    async fn due(&self) {
        match self.next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Reads the Corefile, and reloads where it says something else than before.
    async fn look(&mut self, app: &mut App) {
        self.plan_next(app);
        let now = match load(&app.options.conf) {
            Ok(corefile) => corefile.hash(),
            Err(errors) => errors.to_string(),
        };
        if now != app.hash() && self.bad.as_ref() != Some(&now) {
            self.bad = Some(now);
            self.reload(app, Asker::Plugin).await;
        }
    }

    async fn reload(&mut self, app: &mut App, asker: Asker) {
        info!("Reloading");
        match app.reload().await {
            Ok(()) => {
                self.bad = None;
                self.tell(app);
                // As in CoreDNS, the running content is a metric from the first change on.
                app.metrics.clear(VERSION);
                if asker == Asker::Plugin {
                    let labels = [("hash", "sha512"), ("value", app.hash())];
                    app.metrics.gauge(VERSION, &labels).set(1.0);
                }
                info!("Reloading complete");
            }
            Err(failed) => {
                app.metrics.counter(FAILED, &[]).inc();
                tell_failure(&failed, asker);
                app.running.shared.readiness.warn(&failed.to_string());
            }
        }
        self.plan_next(app);
    }

    /// Tells which configuration runs, where the `reload` plugin is on.
    fn tell(&self, app: &App) {
        app.metrics.counter(FAILED, &[]).add(0);
        if app.running.shared.reload.is_some() {
            let hash = app.hash();
            info!(target: "plugin/reload", "Running configuration SHA512 = {hash}");
        }
    }
}

/// The old configuration serves on; a person must learn why the new one does not.
fn tell_failure(failed: &StartError, asker: Asker) {
    let text = failed.to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    match asker {
        Asker::Signal => error!("SIGUSR1: {first}"),
        Asker::Plugin => {
            error!(target: "plugin/reload", "Corefile changed but reload failed: {first}");
        }
    }
    lines
        .filter(|line| !line.is_empty())
        .for_each(|line| error!("{line}"));
    error!("the Corefile is not used; the configuration before it serves on");
}
