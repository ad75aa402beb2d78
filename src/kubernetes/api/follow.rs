//! One resource: listed once, watched from there, listed again when the thread is lost.
//!
//! ```text
//!          ┌──────────────── 410, an older list, no right to watch ───────┐
//!          v                                                              │
//!   list ──┬─ as a stream: objects, then the bookmark that closes it ──┬─> watch from its version
//!          └─ in pages, where the server cannot do that, or cut it ────┘  ^      │
//!                                                                         └──────┘ it ends: from
//!                                                                           the last version
//! ```
//!
//! The server ends a stream that has some hundred changes to send while it is not done with the list:
//! ten thousand objects take long enough for that where a thousand change in a second, and the next
//! stream would end in the same way. Pages do not.
//!
//! Where lists are answered and watches are not, the lists alone are followed, at last one in a minute.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::TARGET;
use super::backoff::{Backoff, Relists};
use super::connection::Connection;
use super::decode::{self, Change, Unreadable};
use super::failure::Failure;
use super::frames::Items;
use super::health::Health;
use super::ledger::{Ledger, Stamp};
use super::link::Link;
use super::metrics::Metrics;
use super::resource::Resource;
use super::watch::{Watch, unreadable};
use crate::kubernetes::event::Event;
use crate::kubernetes::object::{Kind, Object};

/// How long a watch may be silent: the server sends a bookmark about each minute.
const SILENCE: Duration = Duration::from_secs(90);
/// How long a list as a stream may give nothing new before it must be closed by its bookmark.
const CLOSING: Duration = Duration::from_secs(10);
/// How long a list as a stream may take at most.
const STREAM: Duration = Duration::from_secs(120);
/// How long a page may take.
const PAGE: Duration = Duration::from_secs(60);
/// A watch that ends sooner did not go well.
const SHORT: Duration = Duration::from_secs(1);
/// Seconds after which the server is asked to end a watch, drawn at random so that not all end
/// at once.
const SESSION: std::ops::Range<u32> = 240..290;
/// After so many lists in a row that are older than what was seen, they are believed: the server's
/// state was set back.
const OLDER: u32 = 5;
/// A watch that the server has answered with so many errors in a row, for about half a minute, is taken
/// for one that it will not give: it is listed again.
const REFUSED: u32 = 7;
/// After so many lists in a row on which no watch lasted, the log says so.
const IN_VAIN: u32 = 5;

/// Follows one resource.
pub(super) struct Follower {
    resource: Resource,
    link: Arc<Link>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    /// what was told of it
    ledger: Arc<Ledger>,
    events: mpsc::Sender<Event>,
    /// the version to watch from; none where it must be listed first
    from: Option<u64>,
    /// the newest version that was seen
    seen: u64,
    /// why it is listed again; none before the first list
    reason: Option<&'static str>,
    /// lists in a row that were older than what was seen
    older: u32,
    /// a list that is no stream comes in pages
    in_pages: bool,
    /// the last watch was refused, so that a list as a stream would be too
    is_unwatchable: bool,
    /// since when it is watched
    live_since: Option<Instant>,
    /// the watch has told something
    has_told: bool,
    backoff: Backoff,
    relists: Relists,
}

/// An object of a list, or why it cannot be read; the stamp where it can be told.
type Item = Result<(Option<Object>, Stamp), (Unreadable, Option<Stamp>)>;

/// Why a follower stops what it does.
enum End {
    /// Nobody receives its events any more.
    Unheard,
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<T> From<mpsc::error::SendError<T>> for End {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self::Unheard
    }
}

impl Follower {
    pub(super) fn new(
        (resource, ledger): (Resource, Arc<Ledger>),
        link: Arc<Link>,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            resource,
            link,
            health,
            metrics,
            ledger,
            events,
            from: None,
            seen: 0,
            reason: None,
            older: 0,
            in_pages: true,
            is_unwatchable: false,
            live_since: None,
            has_told: false,
            backoff: Backoff::default(),
            relists: Relists::default(),
        }
    }

    fn kind(&self) -> Kind {
        self.resource.kind
    }

    fn live(&mut self) {
        self.live_since = Some(Instant::now());
        self.is_unwatchable = false;
        self.health.live(self.kind());
    }

    /// Runs until nobody receives its events.
    pub(super) async fn run(mut self) {
        loop {
            let round = self.round().await;
            self.health.lost(self.kind());
            let live = self.live_since.take().map(|since| since.elapsed());
            self.relists.watched(live.unwrap_or_default());
            let went_well = live.is_some_and(|time| time >= SHORT);
            // Also where a watch was cut off that told something: who waits long now has more to
            // catch up with, and is cut off again.
            if std::mem::take(&mut self.has_told) || went_well {
                self.backoff.reset();
            }
            match round {
                Err(End::Unheard) => return,
                // All was told, and the watch ended as it was asked to.
                Ok(()) if went_well => self.health.heard(self.kind()),
                Ok(()) => self.pause(None).await,
                Err(End::Failed(failure)) => {
                    let was_listed = self.from.is_some();
                    self.note(&failure);
                    match was_listed && self.from.is_none() {
                        true => self.pause_before_list(&failure).await,
                        false => self.pause(Some(&failure)).await,
                    }
                }
            }
        }
    }

    /// Draws the consequences of a failure.
    fn note(&mut self, failure: &Failure) {
        debug!(target: TARGET, "{}: {failure}", self.resource.plural());
        self.metrics.failure(self.kind());
        if failure.is_expired() && self.from.is_some() {
            // The server is there, and has forgotten what we knew: nothing is wrong with that.
            return self.list_again("expired");
        }
        if failure.is_behind() {
            self.older += 1;
        }
        // A single break is nothing to speak of: connections end, servers are restarted.
        let is_first = self.backoff.failures() == 0 && self.relists.in_vain() == 0;
        let is_forbidden = failure.is_forbidden() && !is_first;
        let is_refused = failure.is_answer() && self.backoff.failures() >= REFUSED;
        self.is_unwatchable |= is_refused || is_forbidden;
        if self.older > 1 {
            self.list_again("behind");
        } else if self.from.is_some() && (failure.is_unsupported() || is_forbidden || is_refused) {
            self.list_again("refused");
        }
        if !is_first || self.reason.is_none() {
            self.health.failed(&self.resource, failure);
        }
    }

    fn list_again(&mut self, reason: &'static str) {
        self.from = None;
        self.reason = self.reason.and(Some(reason));
        self.ledger.lose();
    }

    /// Waits before what was listed is listed once more.
    async fn pause_before_list(&mut self, failure: &Failure) {
        let wait = self.relists.next();
        if self.relists.in_vain() == IN_VAIN {
            let objects = self.resource.plural();
            warn!(
                target: TARGET,
                "{IN_VAIN} lists of {objects} in a row led to no watch that lasted; they are listed \
                 more and more slowly, at last about each minute ({failure})"
            );
        }
        sleep(failure.not_before(wait)).await;
    }

    async fn pause(&mut self, failure: Option<&Failure>) {
        let wait = self.backoff.next(failure.is_some_and(Failure::is_refused));
        if let Some(failure) = failure.filter(|failure| failure.retry_after().is_some()) {
            return sleep(failure.not_before(wait)).await;
        }
        // A server that one of us has found again is tried at once by all.
        tokio::select! {
            () = sleep(wait) => {}
            () = self.health.back() => self.backoff.reset(),
        }
    }

    async fn round(&mut self) -> Result<(), End> {
        let connection = self.link.connection().await?;
        let followed = self.follow(&connection).await;
        if let Err(End::Failed(failure)) = &followed
            && failure.is_of_connection()
        {
            self.link.discard(&connection).await;
        }
        followed
    }

    async fn follow(&mut self, connection: &Connection) -> Result<(), End> {
        if self.from.is_none() {
            if let Some(reason) = self.reason {
                self.metrics.relist(self.kind(), reason);
            }
            let streams = self.link.streams() && !self.is_unwatchable;
            if streams && self.stream(connection).await? {
                return Ok(());
            }
            self.list(connection).await?;
        }
        let from = self.from.unwrap_or_default().to_string();
        let asked = self.resource.watch(&from, session(), false)?;
        let opened = connection.open(asked).await;
        let mut watch = Watch::new(opened.map_err(Failure::of_watch)?);
        self.live();
        self.watch(&mut watch).await
    }

    /// Lists as a stream and watches on. False where the server cannot do that, or not now.
    async fn stream(&mut self, connection: &Connection) -> Result<bool, End> {
        // Not older than what was seen; or what the server holds for the newest, where it seems
        // not to have that.
        let least = match (self.seen, self.older) {
            (0, _) | (_, 1..) => String::new(),
            (seen, 0) => seen.to_string(),
        };
        let asked = self.resource.watch(&least, session(), true)?;
        let mut watch = match connection.open(asked).await {
            Ok(chunks) => Watch::new(chunks),
            // Of a resource that is not there nothing can be told of streams.
            Err(failure) if failure.is_unsupported() && !failure.is_unknown() => {
                debug!(target: TARGET, "no list as a stream: {failure}");
                self.link.list_only();
                return Ok(false);
            }
            // There may be a right to list; and a version is asked for in no other list.
            Err(failure) if failure.is_forbidden() || failure.is_expired() => {
                self.is_unwatchable = true;
                return Ok(false);
            }
            Err(failure) => return Err(failure.into()),
        };
        self.events.send(Event::Listing(self.kind())).await?;
        self.ledger.begin();
        let last = Instant::now() + STREAM;
        loop {
            let until = last.min(Instant::now() + CLOSING);
            let change = match watch.next(self.kind(), until).await {
                Ok(Some(change)) => change,
                Err(Failure::Silent(_)) => {
                    warn!(
                        target: TARGET,
                        "the API server does not close its list of {} as a stream; it is listed \
                         in pages from now on",
                        self.resource.plural()
                    );
                    self.link.list_only();
                    return Ok(false);
                }
                Ok(None) => {
                    let objects = self.resource.plural();
                    debug!(target: TARGET, "the API server ended its list of {objects} as a stream early");
                    return Ok(false);
                }
                Err(failure) => return Err(failure.into()),
            };
            match change {
                Change::Bookmark {
                    version,
                    closes: true,
                } => {
                    self.listed(version).await?;
                    break;
                }
                // A server whose etcd is too old for it says so in the stream.
                Change::Failed(status) if !status.is_passing() => {
                    debug!(target: TARGET, "no list as a stream: {status}");
                    self.link.list_only();
                    return Ok(false);
                }
                change => self.apply(change).await?,
            }
        }
        self.live();
        self.watch(&mut watch).await.map(|()| true)
    }

    /// Lists in pages.
    async fn list(&mut self, connection: &Connection) -> Result<(), End> {
        self.events.send(Event::Listing(self.kind())).await?;
        self.ledger.begin();
        let (mut after, mut version) = (None, 0);
        loop {
            let asked = Instant::now();
            let is_first = after.is_none();
            let request = self.resource.list(after, self.in_pages)?;
            let mut chunks = match connection.open(request).await {
                Err(failure) if failure.is_expired() && !is_first => {
                    // Pages come too slowly for how long the server keeps them.
                    self.in_pages = false;
                    return Err(failure.into());
                }
                opened => opened?,
            };
            let format = chunks.format();
            let mut items = Items::of(format);
            let mut is_checked = false;
            while let Some(bytes) = chunks.next(asked + PAGE).await? {
                let mut chunk: &[u8] = &bytes;
                while let Some(item) = items.next(&mut chunk)? {
                    let item = decode::item(self.resource.kind, format, item)
                        .map_err(|error| (error, decode::stamp(format, item)));
                    if !std::mem::replace(&mut is_checked, true) {
                        // Its version comes first, or else is looked at when all has come.
                        let version = items.metadata()?.version();
                        if version > 0 {
                            self.check_age(version)?;
                        }
                    }
                    self.item(item).await?;
                }
            }
            connection.listed(asked.elapsed());
            let metadata = items.metadata()?;
            version = metadata.version().max(version);
            after = Some(metadata.next).filter(|next| !next.is_empty());
            if after.is_none() {
                return self.listed(version).await;
            }
        }
    }

    /// A list is complete, as the state was at this version.
    async fn listed(&mut self, version: u64) -> Result<(), End> {
        self.check_age(version)?;
        if version < self.seen {
            warn!(
                target: TARGET,
                "the API server lists {} as they were before: its state seems to be a backup's; it \
                 is taken",
                self.resource.plural()
            );
        }
        self.events.send(Event::Listed(self.kind())).await?;
        self.ledger.complete();
        self.health.heard(self.kind());
        self.relists.listed();
        (self.from, self.seen, self.older) = (Some(version), version, 0);
        self.reason = Some("lost");
        Ok(())
    }

    fn check_age(&self, listed: u64) -> Result<(), Failure> {
        match listed < self.seen && self.older < OLDER {
            true => Err(Failure::Older {
                listed,
                seen: self.seen,
            }),
            false => Ok(()),
        }
    }

    /// Passes on what a watch tells, until it ends, or until an audit has found that it loses some.
    async fn watch(&mut self, watch: &mut Watch) -> Result<(), End> {
        let ledger = self.ledger.clone();
        loop {
            let change = tokio::select! {
                biased;
                () = ledger.relisted() => {
                    self.from = None;
                    self.reason = Some("audit");
                    return Ok(());
                }
                change = watch.next(self.kind(), Instant::now() + SILENCE) => change?,
            };
            let Some(change) = change else {
                return Ok(());
            };
            self.health.heard(self.kind());
            let version = change.version();
            self.apply(change).await?;
            if version > 0 {
                self.from = Some(version);
                self.seen = self.seen.max(version);
                self.has_told = true;
            }
        }
    }

    async fn apply(&mut self, change: Change) -> Result<(), End> {
        match change {
            Change::Applied(object, mark) => {
                if let Some(object) = object {
                    self.events.send(Event::Apply(object)).await?;
                }
                self.ledger.put(mark.stamp);
            }
            Change::Deleted(key, mark, changed) => {
                self.events.send(Event::Delete(self.kind(), key)).await?;
                if let Some(changed) = changed {
                    self.events.send(Event::Changed(changed)).await?;
                }
                self.ledger.remove(mark.stamp);
            }
            Change::Failed(status) => return Err(Failure::Status(status).into()),
            Change::Unreadable(stamp) => {
                self.metrics.unreadable(self.kind());
                stamp.into_iter().for_each(|stamp| self.ledger.put(stamp));
            }
            Change::Bookmark { .. } => {}
        }
        Ok(())
    }

    async fn item(&mut self, item: Item) -> Result<(), End> {
        let stamp = match item {
            Ok((object, stamp)) => {
                if let Some(object) = object {
                    self.events.send(Event::Apply(object)).await?;
                }
                Some(stamp)
            }
            Err((error, stamp)) => {
                unreadable(self.kind(), &error);
                self.metrics.unreadable(self.kind());
                stamp
            }
        };
        stamp.into_iter().for_each(|stamp| self.ledger.put(stamp));
        Ok(())
    }
}

/// How long the server is asked to keep a watch open, in seconds.
fn session() -> u32 {
    rand::rng().random_range(SESSION)
}
