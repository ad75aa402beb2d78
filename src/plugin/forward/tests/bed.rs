//! A Corefile's first block as a chain, and what came of a question.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::chain::{Chain, Failure, Next, Outcome, Plugin, Reply};
use crate::corefile::System;
use crate::metrics::Registry;
use crate::plugin::setup::{Kept, Settings, Shared};
use crate::query::Query;
use crate::testing::{Ask, Inputs, Plan, Told, planned_with};

/// A configuration that was set up.
pub(in crate::plugin) struct Bed {
    pub(in crate::plugin) chain: Arc<Chain>,
    pub(in crate::plugin) shared: Shared,
    pub(in crate::plugin) any_class: bool,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    stop: CancellationToken,
}

/// What a configuration is made with beside its text.
#[derive(Default)]
pub(in crate::plugin) struct Beside {
    pub(in crate::plugin) metrics: Arc<Registry>,
    pub(in crate::plugin) settings: Settings,
    pub(in crate::plugin) previous: HashMap<String, Arc<Kept>>,
    pub(in crate::plugin) listening: Vec<SocketAddr>,
}

/// Keeps a paused clock from running ahead of the kernel.
///
/// A paused clock jumps to the next timer as soon as no task has anything to do, though a packet may
/// be on its way through the loopback device. It does not jump while a blocking task runs: so it
/// moves in small steps, with a moment of real time between them. At the end of a moment, which on a
/// busy machine may be all that this thread gets of it, all that has come is worked off first: each
/// yield looks for packets once, and has whom they are for run.
pub(in crate::plugin) async fn hold_the_clock() {
    loop {
        let moment = || std::thread::sleep(Duration::from_micros(300));
        if tokio::task::spawn_blocking(moment).await.is_err() {
            return;
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Keeps what came of the queries that pass.
struct Recorder {
    inner: Arc<Chain>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
}

impl Plugin for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn serve(&self, query: &Query<'_>, _: Next<'_>) -> Reply {
        let reply = self.inner.start().serve(query);
        let outcomes = self.outcomes.clone();
        Reply::later(async move {
            let outcome = reply.await;
            let copy = match &outcome {
                Outcome::Answer(answer) => Outcome::Answer(answer.clone()),
                Outcome::Failed(failure) => Outcome::Failed(failure.clone()),
                _ => Outcome::Drop,
            };
            outcomes.lock().unwrap().push(copy);
            outcome
        })
    }
}

/// Reads a Corefile; the first line of its first error.
pub(in crate::plugin) fn read(corefile: &str, beside: Beside) -> Result<Plan, String> {
    let inputs = Inputs {
        dns_port: 53,
        metrics: beside.metrics,
        settings: Arc::new(beside.settings),
        previous: beside.previous,
        environment: &System,
    };
    planned_with(corefile, inputs).map_err(|mut errors| errors.remove(0))
}

impl Bed {
    /// Sets up a Corefile, and starts what it asks to be started.
    pub(in crate::plugin) async fn new(corefile: &str) -> Self {
        Self::with(corefile, Beside::default()).await
    }

    /// The same with more than the text.
    pub(in crate::plugin) async fn with(corefile: &str, beside: Beside) -> Self {
        tokio::spawn(hold_the_clock());
        let listening = beside.listening.clone();
        let plan = read(corefile, beside).unwrap();
        let inner = plan.sites[0].block.chain.clone();
        let any_class = plan.sites[0].listen.any_class;
        let mut shared = plan.shared;
        for (_, before) in std::mem::take(&mut shared.before_serving) {
            before.await.unwrap();
        }
        shared.listening.set(listening).unwrap();
        for done in std::mem::take(&mut shared.when_bound) {
            done();
        }
        let stop = CancellationToken::new();
        for (_, task) in std::mem::take(&mut shared.tasks) {
            tokio::spawn(task(stop.clone()));
        }
        let outcomes = Arc::<Mutex<Vec<Outcome>>>::default();
        let recorder = Recorder {
            inner,
            outcomes: outcomes.clone(),
        };
        Self {
            chain: Chain::new(vec![Arc::new(recorder)]),
            shared,
            any_class,
            outcomes,
            stop,
        }
    }

    /// Asks for `name TYPE` over UDP.
    pub(in crate::plugin) async fn ask(&self, question: &str) -> Told {
        Ask::new(question).ask(&self.chain).await
    }

    /// Asks and gives why it failed.
    pub(in crate::plugin) async fn fail(&self, question: &str) -> Failure {
        let told = self.ask(question).await;
        match self.outcomes.lock().unwrap().pop() {
            Some(Outcome::Failed(failure)) => *failure,
            _ => panic!("no failure: {told:?}"),
        }
    }

    /// The outcome of the last question.
    pub(in crate::plugin) fn last(&self) -> Outcome {
        self.outcomes.lock().unwrap().pop().unwrap()
    }

    /// A line of the metrics page.
    pub(in crate::plugin) fn metric(&self, name_and_labels: &str) -> Option<String> {
        let page = self.shared.metrics.text();
        page.lines().find_map(|line| {
            let value = line.strip_prefix(name_and_labels)?.strip_prefix(' ')?;
            Some(value.to_owned())
        })
    }
}
