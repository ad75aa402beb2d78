//! Which cluster it is: the UID of the namespace kube-system, which every cluster has and no two
//! have alike.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::TARGET;
use super::backoff::Backoff;
use super::failure::Failure;
use super::link::Link;
use super::resource;
use crate::kubernetes::event::Event;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// The most that is read of an answer: metadata of one namespace.
const MOST: usize = 1 << 20;

#[derive(Deserialize)]
struct Namespaces {
    items: Vec<Namespace>,
}

#[derive(Deserialize)]
struct Namespace {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    uid: Arc<str>,
}

/// Tells which cluster it is, once the server says so.
pub(super) async fn tell(link: Arc<Link>, events: mpsc::Sender<Event>) {
    let mut backoff = Backoff::default();
    loop {
        match ask(&link).await {
            Ok(cluster) => {
                // Whoever does not listen any more has no need to know.
                let _ = events.send(Event::Cluster(cluster)).await;
                return;
            }
            Err(failure) => {
                debug!(target: TARGET, "no word which cluster it is: {failure}");
                let wait = backoff.next(failure.is_refused());
                sleep(failure.retry_after().unwrap_or(wait).max(wait)).await;
            }
        }
    }
}

async fn ask(link: &Link) -> Result<Arc<str>, Failure> {
    let connection = link.connection().await?;
    let mut chunks = connection.open(resource::kube_system()?).await?;
    let (mut text, until) = (Vec::new(), Instant::now() + ANSWER);
    while let Some(bytes) = chunks.next(until).await?
        && text.len() < MOST
    {
        text.extend_from_slice(&bytes);
    }
    let found: Namespaces =
        serde_json::from_slice(&text).map_err(|error| Failure::Garbled(error.to_string()))?;
    let namespace = found.items.into_iter().next();
    let none = || Failure::Garbled("there is no namespace kube-system".to_owned());
    Ok(namespace.ok_or_else(none)?.metadata.uid)
}
