//! A Kubernetes API server for tests, with faults on demand.
//!
//! It lists and watches what a test puts in: resource versions, pages, selectors, metadata alone,
//! bookmarks, lists as streams, watches that go on where they ended. All that can go wrong with an
//! API server and the way to it is a field of [`Faults`] or a method of [`Api`].
//!
//! ```text
//! serve.rs    sockets, TLS ── request ─> asked.rs ─> answer.rs    lists, refusals, faults
//!                                                      │ └─> watch.rs    streams
//!                                                    objects.rs    what there is, and what there was
//! ```
//!
//! Several test programs and the unit tests of the crate hold this one code, each by a `#[path]`.

mod answer;
mod asked;
pub(crate) mod object;
mod objects;
pub(crate) mod protobuf;
mod serve;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use asked::Resource;
use objects::Objects;
use serve::{Identity, Listener};

/// A running API server. Its connections end when it is dropped.
pub(crate) struct Api {
    shared: Arc<Shared>,
    listener: Option<Listener>,
}

/// What is wrong. It holds for requests and streams alike, from when it is set to when it is not.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    /// Requests for these resources are refused.
    pub(crate) refused: HashMap<Resource, Refusal>,
    /// Nothing is answered: connections open and stay silent.
    pub(crate) silent: bool,
    /// Each answer comes this much later.
    pub(crate) delay: Duration,
    /// A list as a stream does not tell that it is complete.
    pub(crate) withhold_end: bool,
    /// Watches tell no bookmarks, but for that at the end of a list.
    pub(crate) withhold_bookmarks: bool,
    /// Lists as streams are not known, as before Kubernetes 1.32.
    pub(crate) no_streams: bool,
    /// All is written in JSON, whatever a client would rather have.
    pub(crate) no_protobuf: bool,
    /// One in so many events is not told to who watches.
    pub(crate) lose_one_in: Option<u64>,
    /// No event is told of an object with this name.
    pub(crate) lose_name: Option<String>,
    /// Lists that name no version are this much older than what there is.
    pub(crate) behind: u64,
    /// Time between bookmarks.
    pub(crate) bookmark_every: Duration,
    /// The bearer token that requests must have.
    pub(crate) token: Option<String>,
    /// What is refused is refused to watches alone: lists are answered.
    pub(crate) refuse_watches_alone: bool,
    /// So many requests are answered in a second; further ones are 429, with a `Retry-After` of one.
    pub(crate) most_per_second: Option<usize>,
    /// A watch is told that its version is gone as soon as all is listed, or at once.
    pub(crate) forgetful: bool,
}

/// How requests are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 403, as where no rule of RBAC allows it.
    Forbidden,
    /// 410 to watches: the version is too old. Lists are answered.
    Gone,
    /// 429, with how long to wait; so many times, then no more.
    TooMany { wait: Duration, times: usize },
    /// 500.
    Broken,
    /// 503.
    Unavailable,
    /// 404, as where nobody has installed the resource.
    Unknown,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// When, on tokio's clock.
    pub(crate) at: Instant,
    /// `GET` and so on.
    pub(crate) method: String,
    /// The path, and what follows the question mark as it was sent.
    pub(crate) target: String,
    /// What it asks for; `None` where that is no resource.
    pub(crate) resource: Option<Resource>,
    /// Whether it watches.
    pub(crate) is_watch: bool,
    /// Whether it wants metadata alone.
    pub(crate) is_partial: bool,
    /// The status that it got; 0 where it was left without an answer.
    pub(crate) status: u16,
}

struct Shared {
    state: Mutex<State>,
    /// Told at each change of the state.
    changed: tokio::sync::watch::Sender<()>,
    /// The same for threads.
    seen: Condvar,
}

struct State {
    objects: Objects,
    faults: Faults,
    requests: Vec<Seen>,
    watches: usize,
    /// Cancelled when connections are cut; then another.
    era: CancellationToken,
    /// Connections with a smaller number are never heard of again.
    frozen: u64,
    connections: u64,
    /// Watches that started before this were told that their version is gone.
    expired: u64,
    /// Counts events, for those that are lost.
    events: u64,
    is_down: bool,
    identity: Option<Identity>,
    /// A second, and how many requests were answered in it.
    second: (Instant, usize),
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            refused: HashMap::new(),
            silent: false,
            delay: Duration::ZERO,
            withhold_end: false,
            withhold_bookmarks: false,
            no_streams: false,
            no_protobuf: false,
            lose_one_in: None,
            lose_name: None,
            behind: 0,
            bookmark_every: Duration::from_secs(60),
            token: None,
            refuse_watches_alone: false,
            most_per_second: None,
            forgetful: false,
        }
    }
}

impl Api {
    /// How long a thread waits for something before its test fails.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// One without sockets, for tests in one process; see [`Api::respond`].
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    fn with(identity: Option<Identity>) -> Self {
        let state = State {
            objects: Objects::default(),
            faults: Faults::default(),
            requests: Vec::new(),
            watches: 0,
            era: CancellationToken::new(),
            frozen: 0,
            connections: 0,
            expired: 0,
            events: 0,
            is_down: false,
            identity,
            second: (Instant::now(), 0),
        };
        let shared = Shared {
            state: Mutex::new(state),
            changed: tokio::sync::watch::Sender::new(()),
            seen: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
            listener: None,
        }
    }

    /// Puts an object as the API writes it: new, or in the place of the one with its name.
    pub(crate) fn put(&self, object: Value) {
        self.change(|state| state.objects.put(object));
    }

    /// Puts several at once.
    pub(crate) fn put_all(&self, objects: impl IntoIterator<Item = Value>) {
        self.change(|state| {
            let objects = objects.into_iter();
            objects.for_each(|object| state.objects.put(object));
        });
    }

    /// Deletes an object, `NAMESPACE/NAME` or `NAME`.
    pub(crate) fn delete(&self, resource: Resource, name: &str) {
        self.change(|state| state.objects.delete(resource, name));
    }

    /// The version of the last change.
    pub(crate) fn version(&self) -> u64 {
        self.state().objects.version()
    }

    /// Makes something go wrong, or right again.
    pub(crate) fn fault(&self, change: impl FnOnce(&mut Faults)) {
        self.change(|state| change(&mut state.faults));
    }

    /// Forgets what was: a watch or a further page from before now is gone (410).
    pub(crate) fn compact(&self) {
        self.change(|state| state.objects.compact());
    }

    /// Tells all watches that their version is gone, in the stream, as a watch that fell behind.
    pub(crate) fn expire_watches(&self) {
        self.change(|state| {
            state.objects.compact();
            state.expired += 1;
        });
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        self.change(|state| state.cut());
    }

    /// All connections that there are fall silent for ever, and are not closed: something on the way
    /// has forgotten them. New ones are served.
    pub(crate) fn freeze(&self) {
        self.change(|state| state.frozen = state.connections + 1);
    }

    /// Restarts: connections are closed, and what was is forgotten.
    pub(crate) fn restart(&self) {
        self.change(|state| {
            state.objects.compact();
            state.cut();
        });
    }

    /// Stops: connections are closed, and nobody listens.
    pub(crate) fn down(&self) {
        self.change(|state| {
            state.is_down = true;
            state.cut();
        });
        if let Some(listener) = &self.listener {
            listener.close();
        }
    }

    /// Listens again, on the same port.
    pub(crate) fn up(&self) {
        self.change(|state| state.is_down = false);
        if let Some(listener) = &self.listener {
            listener.open();
        }
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state().requests.clone()
    }

    /// Forgets what was asked.
    pub(crate) fn forget_requests(&self) {
        self.change(|state| state.requests.clear());
    }

    /// How many watches are open, frozen ones included.
    pub(crate) fn watches(&self) -> usize {
        self.state().watches
    }

    /// Waits until the requests are as wanted; for tests without a runtime.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&[Seen]) -> bool) {
        let waits = |state: &mut State| !wanted(&state.requests);
        self.wait_while(what, waits);
    }

    /// Waits until so many watches are open.
    pub(crate) fn wait_for_watches(&self, count: usize) {
        self.wait_while(&format!("{count} watches"), |state| state.watches != count);
    }

    fn wait_while(&self, what: &str, waits: impl FnMut(&mut State) -> bool) {
        let state = self.shared.state();
        let waited = self
            .shared
            .seen
            .wait_timeout_while(state, Self::PATIENCE, waits);
        let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !result.timed_out(),
            "the API server waits for {what} in vain; {} watches, and requests:\n{:#?}",
            state.watches,
            state.requests
        );
    }

    /// The same for tests with a runtime, whose clock may be paused.
    pub(crate) async fn until(&self, wanted: impl Fn(&[Seen]) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        while !wanted(&self.requests()) {
            // It cannot fail: the sender is held by `self`.
            let _ = changed.changed().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.shared.change(change)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.down();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.send_replace(());
        self.seen.notify_all();
        changed
    }
}

impl State {
    fn cut(&mut self) {
        std::mem::take(&mut self.era).cancel();
    }
}
