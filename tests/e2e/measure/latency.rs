//! How long after an event its answer comes.
//!
//! The event's instant is when another client of the API server gets it: that of the driver, whose
//! watch is one among others, as the server's is. An answer may come before that. A second watch of
//! the driver tells what no server can be below: how far apart the API server serves two clients.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hyper::{Method, Request};
use kube::core::WatchEvent;
use nix::sys::prctl::set_timerslack;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Asker, millis};
use crate::api::{APPLY, Api, Place, exchange};

/// Events of a round: of three rounds' times, nine are above the 99th percentile.
const EVENTS: u32 = 300;

/// From one question to the next: as many for a quick server as for a slow one, since it shares a
/// processor with who asks it.
const PACE: Duration = Duration::from_micros(100);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

const SLICE: Place<'_> = Place::new("EndpointSlice", "timed", "timed");

/// The times of all rounds, in milliseconds from an event.
#[derive(Default)]
pub(super) struct Latency {
    /// to the first answer that has the change
    pub(super) answers: Times,
    /// to the same event at another watch
    pub(super) watches: Times,
}

/// Times in milliseconds.
#[derive(Default)]
pub(super) struct Times(Vec<f64>);

impl Latency {
    /// Changes the slice of a headless Service, and asks a server until it tells the new address;
    /// again and again.
    pub(super) fn measure(&mut self, api: &Api, server: SocketAddr) -> Result<(), String> {
        api.apply(
            "
apiVersion: v1
kind: Namespace
metadata: {name: timed}
---
apiVersion: v1
kind: Service
metadata: {name: timed, namespace: timed}
spec: {clusterIP: None}
",
        )?;
        let mut watches = [watch(api), watch(api)];
        let mut asker = Asker::new(server, "timed.timed.svc.cluster.local.")?;
        // A pause ends when it should, and not up to 50 us after.
        set_timerslack(1).map_err(|error| error.to_string())?;
        // The address goes on from the last round's.
        let first = self.answers.0.len() as u32;
        for number in first..first + EVENTS {
            let [_, _, middle, low] = number.to_be_bytes();
            let address = [10, 65, middle, low];
            let changing = api.runtime.spawn(change(api.clone(), address));
            let answered = asked_until(&mut asker, address);
            if let Err(error) = &answered
                && !changing.is_finished()
            {
                return Err(format!("{error}: the API server has not taken the change"));
            }
            let changed = api.runtime.block_on(changing);
            changed.map_err(|error| error.to_string())??;
            let answered = answered?;
            let [event, other] = &mut watches;
            let event = api.runtime.block_on(seen(event, address))?;
            let other = api.runtime.block_on(seen(other, address))?;
            self.answers.add(event, answered);
            self.watches.add(event, other);
        }
        Ok(())
    }
}

impl Times {
    fn add(&mut self, from: Instant, to: Instant) {
        self.0.push(match to.checked_duration_since(from) {
            Some(after) => millis(after),
            None => -millis(from - to),
        });
    }

    /// The time that so many percent of events stay within.
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        let mut times = self.0.clone();
        times.sort_by(f64::total_cmp);
        let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(at).copied().unwrap_or(f64::NAN)
    }
}

fn text(address: [u8; 4]) -> String {
    std::net::Ipv4Addr::from(address).to_string()
}

async fn change(api: Api, address: [u8; 4]) -> Result<(), String> {
    let object = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": SLICE.name, "namespace": SLICE.namespace,
            "labels": {"kubernetes.io/service-name": "timed"},
        },
        "addressType": "IPv4", "endpoints": [{"addresses": [text(address)]}],
    });
    let path = SLICE.path()? + "?fieldManager=e2e&force=true";
    exchange(&api.client, Method::PATCH, &path, Some((APPLY, &object))).await?;
    Ok(())
}

/// When the server tells the address: it is the last that its reply holds.
fn asked_until(asker: &mut Asker, address: [u8; 4]) -> Result<Instant, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = Instant::now();
        if asker.ask().is_some_and(|reply| reply.ends_with(&address)) {
            return Ok(Instant::now());
        }
        if asked > deadline {
            return Err(format!("no answer has {}", text(address)));
        }
        std::thread::sleep(PACE.saturating_sub(asked.elapsed()));
    }
}

/// The address that an event brings, and when it came.
type Seen = (String, Instant);

/// Watches the slice. A watch takes a connection for itself.
fn watch(api: &Api) -> mpsc::UnboundedReceiver<Result<Seen, String>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let client = api.client.clone();
    api.runtime.spawn(async move {
        let failed = |error: String| sender.send(Err(error)).unwrap_or_default();
        let path = "/apis/discovery.k8s.io/v1/namespaces/timed/endpointslices?watch=1";
        let request = match Request::get(path).body(Vec::new()) {
            Ok(request) => request,
            Err(error) => return failed(error.to_string()),
        };
        let events = match client.request_events::<Value>(request).await {
            Ok(events) => events,
            Err(error) => return failed(error.to_string()),
        };
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let now = Instant::now();
            if let Ok(WatchEvent::Added(slice) | WatchEvent::Modified(slice)) = event {
                let address = &slice["endpoints"][0]["addresses"][0];
                let address = address.as_str().unwrap_or_default().to_owned();
                if sender.send(Ok((address, now))).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// When the event of this address came.
async fn seen(
    events: &mut mpsc::UnboundedReceiver<Result<Seen, String>>,
    address: [u8; 4],
) -> Result<Instant, String> {
    let wanted = text(address);
    loop {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await;
        let event = event.map_err(|_| format!("no event of {wanted}"))?;
        let (address, at) = event.ok_or("the watch ended")??;
        if address == wanted {
            return Ok(at);
        }
    }
}
