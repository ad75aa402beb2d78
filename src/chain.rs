//! The chain of plugins: a plugin is a function from a query to a reply.
//!
//! It answers, or asks `next` and may change what comes back. Nobody here writes to a client; the
//! server renders what comes out at the top. What needs no waiting is [`Reply::Now`] all the way
//! up, with no future and no allocation; what waits (an upstream) is [`Reply::Later`].

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hickory_proto::op::ResponseCode;

use crate::answer::{Answer, ExtendedError};
use crate::query::Query;
use crate::wire::Flags;

mod transfer;

pub use transfer::Transferred;

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What came of a query.
pub enum Outcome {
    /// An answer to render.
    Answer(Answer),
    /// No answer: the server renders the error's response code, and the `errors` plugin logs it.
    Failed(Box<Failure>),
    /// Silence, on purpose.
    Drop,
    /// A zone, in many messages; over streams only (RFC 5936).
    Transfer(Transfer),
}

/// The messages of a zone transfer, each within 64 KiB, in order.
pub struct Transfer(pub Box<dyn Iterator<Item = Answer> + Send>);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the client is told.
    pub rcode: ResponseCode,
    /// The plugin that failed; empty for the server itself.
    pub plugin: &'static str,
    /// The cause, for the log; `None` where the refusal is the whole story and nothing is logged.
    pub error: Option<String>,
    /// The cause, for a client that speaks EDNS (RFC 8914).
    pub extended: Option<ExtendedError>,
    /// The payload size that the reply's OPT tells in place of the client's own (`bufsize`).
    pub udp_size: Option<u16>,
    /// The reply's flags in place of those copied from the client's request (`header`).
    pub flags: Option<Flags>,
}

impl Failure {
    /// A failure with its cause.
    #[must_use]
    pub fn new(plugin: &'static str, rcode: ResponseCode, error: impl Into<String>) -> Self {
        Self {
            rcode,
            plugin,
            error: Some(error.into()),
            extended: None,
            udp_size: None,
            flags: None,
        }
    }

    /// A response code with nothing to log.
    #[must_use]
    pub fn refusal(plugin: &'static str, rcode: ResponseCode) -> Self {
        Self {
            rcode,
            plugin,
            error: None,
            extended: None,
            udp_size: None,
            flags: None,
        }
    }

    /// The same, with what a client that speaks EDNS is told.
    #[must_use]
    pub fn with_extended(mut self, code: u16, text: impl Into<String>) -> Self {
        self.extended = Some(ExtendedError {
            code,
            text: text.into(),
        });
        self
    }
}

impl Outcome {
    /// The response code that the client will see; `None` where it sees nothing.
    #[must_use]
    pub fn rcode(&self) -> Option<ResponseCode> {
        match self {
            Self::Answer(answer) => Some(answer.rcode),
            Self::Failed(failure) => Some(failure.rcode),
            Self::Transfer(_) => Some(ResponseCode::NoError),
            Self::Drop => None,
        }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// What a plugin gives back: an outcome, now or later.
pub enum Reply {
    /// Known at once.
    Now(Outcome),
    /// Known when the future ends. It owns what it needs, and runs in the bounded pool of the
    /// transport that asked.
    Later(BoxFuture<Outcome>),
}

impl From<Answer> for Reply {
    #[inline]
    fn from(answer: Answer) -> Self {
        Self::Now(Outcome::Answer(answer))
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        Self::Now(failure.into())
    }
}

impl From<Outcome> for Reply {
    #[inline]
    fn from(outcome: Outcome) -> Self {
        Self::Now(outcome)
    }
}

impl Reply {
    /// A reply that waits for `future`.
    pub fn later(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }

    /// Calls `f` with the outcome, and gives what it gives.
    ///
    /// On [`Reply::Now`] it runs on borrows; on [`Reply::Later`] the plugin's state and the query
    /// are owned once, for the wait.
    #[inline]
    pub fn then<S: Send + Sync + 'static>(
        self,
        state: &Arc<S>,
        query: &Query<'_>,
        f: fn(&Arc<S>, &Query<'_>, Outcome) -> Self,
    ) -> Self {
        match self {
            Self::Now(outcome) => f(state, query, outcome),
            Self::Later(future) => {
                let (state, query) = (state.clone(), query.to_owned());
                Self::later(async move {
                    let outcome = future.await;
                    f(&state, &query.view(), outcome).await
                })
            }
        }
    }

    /// Lets `f` look at the outcome and change it in place; cheaper than [`Reply::then`], since the
    /// reply stays where it is.
    #[inline]
    pub fn edit<S: Send + Sync + 'static>(
        &mut self,
        state: &Arc<S>,
        query: &Query<'_>,
        f: impl FnOnce(&S, &Query<'_>, &mut Outcome) + Send + 'static,
    ) {
        match self {
            Self::Now(outcome) => f(state, query, outcome),
            Self::Later(_) => self.edit_later(state, query, f),
        }
    }

    fn edit_later<S: Send + Sync + 'static>(
        &mut self,
        state: &Arc<S>,
        query: &Query<'_>,
        f: impl FnOnce(&S, &Query<'_>, &mut Outcome) + Send + 'static,
    ) {
        let (state, query) = (state.clone(), query.to_owned());
        let reply = std::mem::replace(self, Self::Now(Outcome::Drop));
        *self = Self::later(async move {
            let mut outcome = reply.await;
            f(&state, &query.view(), &mut outcome);
            outcome
        });
    }
}

impl Future for Reply {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match &mut *self {
            Self::Now(outcome) => Poll::Ready(std::mem::replace(outcome, Outcome::Drop)),
            Self::Later(future) => future.as_mut().poll(context),
        }
    }
}

/// A link of the chain.
pub trait Plugin: Send + Sync {
    /// The directive's name; also the label `plugin` of metrics.
    fn name(&self) -> &'static str;

    /// Answers, or asks `next`, which is all that it does unless the plugin says otherwise.
    ///
    /// Runs in a thread that receives queries: it must not block, take a lock that others hold for
    /// long, or read a clock (the query tells the time).
    fn serve(&self, query: &Query<'_>, next: Next<'_>) -> Reply {
        next.serve(query)
    }

    /// Whether the plugin has nothing to do with a query on its way down, and [`Plugin::edit`] is
    /// all that it does. [`Plugin::serve`] is then not called.
    fn edits(&self) -> bool {
        false
    }

    /// Looks at what comes back from below, or changes it in place.
    ///
    /// Runs where [`Plugin::serve`] runs, or where a reply that was waited for is made.
    fn edit(&self, _query: &Query<'_>, _outcome: &mut Outcome) {}

    /// What the plugin knows about a query, by a label that starts with its name
    /// (`kubernetes/namespace`); nothing, unless it says so. The query is as it entered the server
    /// block.
    ///
    /// Runs where [`Plugin::serve`] runs, but only when another plugin reads the value.
    fn metadata(&self, _query: &Query<'_>, _label: &str) -> Option<Arc<str>> {
        None
    }
}

/// The plugins of one server block, in the order in which a query meets them.
pub struct Chain {
    links: Box<[Link]>,
}

/// A plugin in its place.
struct Link {
    plugin: Arc<dyn Plugin>,
    /// How many from here on only edit, in a row.
    editors: usize,
}

impl Chain {
    /// A chain of these plugins, first to last.
    #[must_use]
    pub fn new(plugins: Vec<Arc<dyn Plugin>>) -> Arc<Self> {
        let new = |plugin| Link { plugin, editors: 0 };
        let mut links: Box<[_]> = plugins.into_iter().map(new).collect();
        let mut in_a_row = 0;
        for link in links.iter_mut().rev() {
            in_a_row = if link.plugin.edits() { in_a_row + 1 } else { 0 };
            link.editors = in_a_row;
        }
        Arc::new(Self { links })
    }

    /// Whether there is no plugin: such a block refuses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The names of the plugins, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.links.iter().map(|link| link.plugin.name())
    }

    /// What one of the plugins knows about a query by a label; see [`Plugin::metadata`].
    #[must_use]
    pub fn metadata(&self, query: &Query<'_>, label: &str) -> Option<Arc<str>> {
        self.links
            .iter()
            .find_map(|link| link.plugin.metadata(query, label))
    }

    /// Has some plugins edit an outcome, the last one first.
    #[inline]
    fn edit(&self, editors: Range<usize>, query: &Query<'_>, outcome: &mut Outcome) {
        let editors = self.links.get(editors).unwrap_or_default();
        for link in editors.iter().rev() {
            link.plugin.edit(query, outcome);
        }
    }

    /// The whole chain, as the first plugin's caller sees it.
    #[inline]
    #[must_use]
    pub fn start(self: &Arc<Self>) -> Next<'_> {
        Next { chain: self, at: 0 }
    }
}

/// The rest of the chain, as one plugin sees it.
#[derive(Clone, Copy)]
pub struct Next<'c> {
    chain: &'c Arc<Chain>,
    at: usize,
}

impl Next<'_> {
    /// Asks the next plugin. Where there is none the query fails with SERVFAIL, as in CoreDNS.
    #[inline]
    pub fn serve(self, query: &Query<'_>) -> Reply {
        match self.chain.links.get(self.at) {
            Some(link) if link.editors == 0 => self.ask(link, query),
            Some(link) => self.serve_edited(link.editors, query),
            None => self.ended(),
        }
    }

    /// Asks the plugin of this link, which stands where this is.
    #[inline]
    fn ask(self, link: &Link, query: &Query<'_>) -> Reply {
        let next = Next {
            chain: self.chain,
            at: self.at + 1,
        };
        link.plugin.serve(query, next)
    }

    /// Asks the first plugin that does more than edit, and has the `editors` before it edit the
    /// reply: all in one place, as the reply is large.
    fn serve_edited(self, editors: usize, query: &Query<'_>) -> Reply {
        let edited = self.at..self.at + editors;
        let below = Next {
            chain: self.chain,
            at: edited.end,
        };
        // No row of editors ends before one, so this is not asked again.
        let mut reply = below.serve(query);
        reply.edit(self.chain, query, move |chain, query, outcome| {
            chain.edit(edited, query, outcome);
        });
        reply
    }

    /// The chain ended and nobody answered; told by the name of its last plugin.
    #[cold]
    fn ended(self) -> Reply {
        let last = self.chain.links.last();
        let name = last.map_or("", |link| link.plugin.name());
        let error = format!("plugin/{name}: no next plugin found");
        Failure::new("", ResponseCode::ServFail, error).into()
    }

    /// Whether no plugin follows.
    #[must_use]
    pub fn is_end(self) -> bool {
        self.at >= self.chain.links.len()
    }

    /// The same rest of the same generation, owned: for a prefetch, a refresh of a stale answer, a
    /// second question.
    #[must_use]
    pub fn detach(self) -> Rest {
        Rest {
            chain: self.chain.clone(),
            at: self.at,
        }
    }
}

/// An owned [`Next`].
#[derive(Clone)]
pub struct Rest {
    chain: Arc<Chain>,
    at: usize,
}

impl Rest {
    /// Asks the first plugin of the rest.
    pub fn serve(&self, query: &Query<'_>) -> Reply {
        Next {
            chain: &self.chain,
            at: self.at,
        }
        .serve(query)
    }
}

#[cfg(test)]
mod tests;
