//! Watches: streams of what changes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::answer::{Body, Connection, cut, gone_body, partial};
use super::asked::Asked;
use super::objects::Change;
use super::protobuf;
use super::{Shared, State};

/// How long a watch lasts that does not say so itself.
const LASTS: Duration = Duration::from_secs(1800);

/// An open watch.
pub(super) struct Watch {
    shared: Arc<Shared>,
    connection: Connection,
    asked: Asked,
    changed: tokio::sync::watch::Receiver<()>,
    /// The version up to which it was told.
    version: u64,
    lines: VecDeque<Value>,
    bookmark_at: Instant,
    ends_at: Instant,
    /// Expiries before this do not concern it.
    expired: u64,
    has_ended: bool,
}

impl Watch {
    /// The stream of a watch.
    pub(super) fn start(shared: Arc<Shared>, connection: Connection, asked: Asked) -> Body {
        let changed = shared.changed.subscribe();
        let now = Instant::now();
        let lasts = asked.number("timeoutSeconds").map(Duration::from_secs);
        let mut watch = shared.change(|state| {
            state.watches += 1;
            Self {
                shared: shared.clone(),
                connection,
                changed,
                version: 0,
                lines: VecDeque::new(),
                bookmark_at: now + state.faults.bookmark_every,
                ends_at: now + lasts.unwrap_or(LASTS),
                expired: state.expired,
                has_ended: false,
                asked,
            }
        });
        watch.begin();
        let body = stream::unfold(watch, |mut watch| async {
            let line = watch.next().await?;
            Some((line.map(Frame::data), watch))
        });
        StreamBody::new(body).boxed_unsync()
    }

    /// What comes first: the objects that there are, or nothing.
    fn begin(&mut self) {
        let shared = self.shared.clone();
        let state = shared.state();
        let is_stream = self.asked.is("sendInitialEvents");
        match self.asked.number("resourceVersion") {
            Some(version) if version > 0 && !is_stream => self.version = version,
            _ => {
                let (faults, objects) = (&state.faults, &state.objects);
                self.version = objects.version().saturating_sub(faults.behind);
                for object in objects.at(self.asked.resource, self.version).values() {
                    if self.asked.wants(object) {
                        self.lines.push_back(self.event("ADDED", object));
                    }
                }
            }
        }
        if is_stream && !state.faults.withhold_end {
            self.lines.push_back(self.bookmark(true));
        }
        let is_gone = !state.objects.remembers(self.version);
        if is_gone {
            self.lines.clear();
        }
        if is_gone || state.faults.forgetful {
            let gone = json!({"type": "ERROR", "object": gone_body()});
            self.lines.push_back(gone);
            self.has_ended = true;
        }
    }

    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        let closed = self.connection.closed.clone();
        loop {
            if closed.is_cancelled() {
                return Some(Err(cut())).filter(|_| !std::mem::replace(&mut self.has_ended, true));
            }
            if self.shared.is_silent(&self.connection) {
                closed.cancelled().await;
                continue;
            }
            if let Some(line) = self.lines.pop_front() {
                return Some(Ok(Bytes::from(match self.asked.is_protobuf {
                    true => protobuf::frame(self.asked.resource, &line),
                    false => (line.to_string() + "\n").into_bytes(),
                })));
            }
            if self.has_ended {
                return None;
            }
            // What changes from here on wakes the wait below.
            self.changed.mark_unchanged();
            self.collect();
            if !self.lines.is_empty() {
                continue;
            }
            tokio::select! {
                () = closed.cancelled() => {}
                // It cannot fail: the sender is held by `self`.
                _ = self.changed.changed() => {}
                () = sleep_until(self.bookmark_at) => self.mark(),
                () = sleep_until(self.ends_at) => self.has_ended = true,
            }
        }
    }

    /// Takes note of what has changed since.
    fn collect(&mut self) {
        let shared = self.shared.clone();
        let mut state = shared.state();
        if state.expired > self.expired {
            self.lines
                .push_back(json!({"type": "ERROR", "object": gone_body()}));
            self.has_ended = true;
            return;
        }
        let State {
            objects,
            faults,
            events,
            ..
        } = &mut *state;
        for change in objects.since(self.version) {
            let Some(line) = self.line(change) else {
                continue;
            };
            *events += 1;
            let counted = faults.lose_one_in.is_some_and(|n| events.is_multiple_of(n));
            let named = faults.lose_name.as_ref() == Some(&change.key.2);
            if !counted && !named {
                self.lines.push_back(line);
            }
        }
        self.version = self.version.max(objects.version());
    }

    /// A change as it is told to who watches for some objects only.
    fn line(&self, change: &Change) -> Option<Value> {
        if change.key.0 != self.asked.resource {
            return None;
        }
        let wanted = |object: &&Value| self.asked.wants(object);
        let before = change.before.as_ref().filter(wanted);
        let after = change.after.as_ref().filter(wanted);
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => Some(self.event("ADDED", after)),
            (Some(_), Some(after)) => Some(self.event("MODIFIED", after)),
            (Some(before), None) => {
                let mut last = before.clone();
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                Some(self.event("DELETED", &last))
            }
        }
    }

    fn event(&self, name: &str, object: &Value) -> Value {
        let object = if self.asked.is_partial {
            partial(object)
        } else {
            object.clone()
        };
        json!({"type": name, "object": object})
    }

    fn mark(&mut self) {
        let shared = self.shared.clone();
        let state = shared.state();
        self.bookmark_at = Instant::now() + state.faults.bookmark_every;
        if self.asked.is("allowWatchBookmarks") && !state.faults.withhold_bookmarks {
            self.lines.push_back(self.bookmark(false));
        }
    }

    fn bookmark(&self, ends_list: bool) -> Value {
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if ends_list {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let resource = self.asked.resource;
        json!({"type": "BOOKMARK", "object": {
            "kind": resource.kind(),
            "apiVersion": resource.api_version(),
            "metadata": metadata,
        }})
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.change(|state| state.watches -= 1);
    }
}
