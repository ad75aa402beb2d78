//! How things stand with the API server: for the log, for `/ready`, for metrics.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::TARGET;
use super::access::Access;
use super::failure::Failure;
use super::resource::Resource;
use crate::duration::GoDuration;
use crate::kubernetes::object::Kind;

/// How often the log says that the server is still away, or a right still missing.
const AGAIN: Duration = Duration::from_secs(300);
/// After so long the log says why the server is away now, where that is not what it said at first: a
/// connection that was closed says nothing of what keeps the next one from being made.
const WHY: Duration = Duration::from_secs(5);
/// How long a right must be missing before the log says so: a server that has just started does not
/// know its rules yet.
const NEW: Duration = Duration::from_secs(3);
/// The same for a kind that was watched before.
const KNOWN: Duration = Duration::from_secs(30);

/// What is known of a server's health. Shared by the followers, and by who tells of it.
#[derive(Debug)]
pub struct Health {
    name: String,
    state: Mutex<State>,
    back: Notify,
}

#[derive(Debug)]
struct State {
    follows: Vec<Follow>,
    away: Option<Away>,
    /// why nothing could be asked for since the start
    unusable: Option<String>,
}

/// The server is away.
#[derive(Debug)]
struct Away {
    since: Instant,
    /// when the log last said so
    said: Instant,
    why: String,
    /// what the log said at first; none once it has said what is so since
    first: Option<String>,
}

#[derive(Debug)]
struct Follow {
    kind: Kind,
    /// it is being watched
    live: bool,
    was_live: bool,
    /// when something last came
    heard: Instant,
    /// what is wrong with it alone
    wrong: Option<Wrong>,
}

/// A right is missing.
#[derive(Debug)]
struct Wrong {
    what: String,
    since: Instant,
    /// when the log last said so
    said: Option<Instant>,
}

impl Health {
    pub(super) fn new(access: &Access, resources: &[Resource]) -> Self {
        let now = Instant::now();
        let follow = |resource: &Resource| Follow {
            kind: resource.kind,
            live: false,
            was_live: false,
            heard: now,
            wrong: None,
        };
        Self {
            name: format!("the API server ({access})"),
            state: Mutex::new(State {
                follows: resources.iter().map(follow).collect(),
                away: None,
                unusable: None,
            }),
            back: Notify::new(),
        }
    }

    /// How old the state may be: zero while each kind is watched, else the time since the last word
    /// of one that is not.
    #[must_use]
    pub fn age(&self) -> Duration {
        let state = self.state();
        let dead = state.follows.iter().filter(|follow| !follow.live);
        let ages = dead.map(|follow| follow.heard.elapsed());
        ages.max().unwrap_or_default()
    }

    /// Why the server cannot even be asked, where that is so since the start: a file that cannot be
    /// used, a variable that is not set.
    #[must_use]
    pub fn unusable(&self) -> Option<String> {
        self.state().unusable.clone()
    }

    /// Why kinds are missing, and what a person can do about it: phrases that each start with `; `.
    #[must_use]
    pub fn advice(&self) -> String {
        let (mut advice, state) = (String::new(), self.state());
        let away = state.away.as_ref();
        let away = away.map(|away| format!("no word from {}: {}", self.name, away.why));
        let wrong = state
            .follows
            .iter()
            .filter_map(|follow| follow.wrong.as_ref());
        for line in away
            .into_iter()
            .chain(wrong.map(|wrong| wrong.what.clone()))
        {
            // Writing to a text does not fail.
            let _ = write!(advice, "; {line}");
        }
        advice
    }

    /// Something of this kind came.
    pub(super) fn heard(&self, kind: Kind) {
        if let Some(follow) = self.state().of(kind) {
            follow.heard = Instant::now();
        }
    }

    /// This kind is being watched.
    pub(super) fn live(&self, kind: Kind) {
        let mut state = self.state();
        state.unusable = None;
        if let Some(follow) = state.of(kind) {
            (follow.live, follow.was_live) = (true, true);
            follow.heard = Instant::now();
            let said = follow.wrong.take().and_then(|wrong| wrong.said);
            if said.is_some() {
                info!(target: TARGET, "{}s are watched now", kind.name());
            }
        }
        state.look_back(&self.name);
        drop(state);
        self.back.notify_waiters();
    }

    /// The watch of this kind ended, be it as it should.
    pub(super) fn lost(&self, kind: Kind) {
        if let Some(follow) = self.state().of(kind) {
            follow.live = false;
        }
    }

    /// It failed more than once.
    pub(super) fn failed(&self, resource: &Resource, failure: &Failure) {
        let mut state = self.state();
        if let Some(what) = of_kind(resource, failure) {
            refused(&mut state, resource.kind, what, failure);
            return state.look_back(&self.name);
        }
        if let Failure::Access(why) = failure
            && state.away.is_none()
        {
            state.unusable = Some(why.clone());
        }
        let (now, name) = (Instant::now(), &self.name);
        match &mut state.away {
            None => {
                warn!(
                    target: TARGET,
                    "no word from {name}: {failure}; what is known is served on, and it is tried \
                     again"
                );
                state.away = Some(Away {
                    since: now,
                    said: now,
                    why: failure.to_string(),
                    first: Some(failure.to_string()),
                });
            }
            Some(away) => {
                away.why = failure.to_string();
                let is_other = away.first.as_ref().is_some_and(|first| *first != away.why);
                let rhythm = if is_other { WHY } else { AGAIN };
                if away.said.elapsed() >= rhythm {
                    away.first = away.first.take().filter(|_| !is_other);
                    away.said = now;
                    let time = rounded(away.since.elapsed());
                    warn!(target: TARGET, "still no word from {name} after {time}: {failure}");
                }
            }
        }
    }

    /// Waits until the server is heard again.
    pub(super) async fn back(&self) {
        self.back.notified().await;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with a kind alone, as far as a failure tells: the server is there.
fn of_kind(resource: &Resource, failure: &Failure) -> Option<String> {
    let plural = resource.plural();
    if let Failure::Unwatchable(_) = failure {
        return Some(format!(
            "the API server allows to list {plural}, but not to watch them, so that changes are seen \
             about a minute late; this rule is missing in the ClusterRole: {}",
            resource.rule()
        ));
    }
    if failure.is_forbidden() {
        return Some(format!(
            "the API server does not allow to list and watch {plural}; this rule is missing in the \
             ClusterRole: {}",
            resource.rule()
        ));
    }
    let is_missing = failure.is_unknown() && resource.kind == Kind::ServiceImport;
    is_missing.then(|| {
        format!(
            "the API server does not know {plural}, which the option multicluster is for; install \
             their CustomResourceDefinition (multicluster.x-k8s.io/v1alpha1), or take the option out"
        )
    })
}

fn refused(state: &mut State, kind: Kind, what: String, failure: &Failure) {
    let Some(follow) = state.of(kind) else {
        return;
    };
    let patience = if follow.was_live { KNOWN } else { NEW };
    let wrong = follow.wrong.get_or_insert_with(|| Wrong {
        what: what.clone(),
        since: Instant::now(),
        said: None,
    });
    let is_other = wrong.what != what;
    wrong.what = what;
    let is_due = match wrong.said {
        None => wrong.since.elapsed() >= patience,
        Some(said) => is_other || said.elapsed() >= AGAIN,
    };
    if is_due {
        error!(target: TARGET, "{} ({failure})", wrong.what);
        wrong.said = Some(Instant::now());
    }
}

impl State {
    fn of(&mut self, kind: Kind) -> Option<&mut Follow> {
        self.follows.iter_mut().find(|follow| follow.kind == kind)
    }

    /// Says that the server is back, once each kind is watched, or is known to be a matter of its own.
    fn look_back(&mut self, name: &str) {
        let is_told = |follow: &Follow| {
            let wrong = follow.wrong.as_ref();
            wrong.is_some_and(|wrong| wrong.said.is_some())
        };
        let all = |follow: &Follow| follow.live || is_told(follow);
        if self.follows.iter().all(all)
            && let Some(away) = self.away.take()
        {
            let away = rounded(away.since.elapsed());
            info!(target: TARGET, "{name} is back after {away}");
        }
    }
}

/// Whole seconds, or milliseconds where there is none.
fn rounded(time: Duration) -> GoDuration {
    GoDuration(match time.as_secs() {
        0 => Duration::from_millis(time.as_millis().try_into().unwrap_or_default()),
        seconds => Duration::from_secs(seconds),
    })
}
